#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every method and property of the D-Bus interface, with what it accepts and with what it does not."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import minibus
from network import Attended, Network, NetworkTest, SharedNetworkTest, bus_name, free_ports, model, port_of

ROOT = "/org/p2pnet/Node1"
NOBODY = ROOT + "/peer/" + 32 * "0"
LOG_CONTROL = ("/org/freedesktop/LogControl1", "org.freedesktop.LogControl1")
ERROR = "org.p2pnet.Node1.Error."
DBUS_ERROR = "org.freedesktop.DBus.Error."
INVALID, LIMITS = DBUS_ERROR + "InvalidArgs", DBUS_ERROR + "LimitsExceeded"

COLUMNS = ("id", "path", "name", "address", "state", "direction", "since", "rtt", "heard", "extra")
COMMON_PROPERTIES = {"NodeId": "s", "Name": "s", "Network": "s", "Version": "s", "Profile": "s", "Port": "q",
                     "StartTimestamp": "t", "Timestamp": "t", "Epoch": "t", "State": "s", "PeerCount": "u",
                     "ListenAddresses": "as"}
PEER_PROPERTIES = {"Id": "s", "Name": "s", "Role": "s", "Address": "s", "Addresses": "as", "State": "s", "Direction": "s",
                   "SinceTimestamp": "t", "HeardTimestamp": "t", "RTTUSec": "t", "Epoch": "t", "Incarnation": "u"}


def interface_of(instance):
    return "org.p2pnet.Node1." + ("Manager" if instance.startswith("peer@") else "Seed")


class Methods(SharedNetworkTest):
    SEEDS, PEERS = 2, 3
    CONFIG = Network.CONFIG + "limits = { subscriptions = 3; };\n"

    def setUp(self):
        self.seed, self.peer, self.other, self.third = self.net.seeds[0], *self.net.peers
        self.client = minibus.Client(self.net.address)
        self.addCleanup(self.client.socket.close)

    def call(self, instance, member, signature="", *values, client=None):
        return (client or self.client).call(bus_name(instance), ROOT, interface_of(instance), member, signature, *values)

    def assert_error(self, name, sentence, instance, member, signature="", *values):
        with self.assertRaises(minibus.BusError) as error:
            self.call(instance, member, signature, *values)
        self.assertEqual(error.exception.name, name, error.exception.sentence)
        self.assertRegex(error.exception.sentence, sentence)

    def node_id(self, instance):
        return self.property(instance, "NodeId")

    def property(self, instance, name):
        return self.net.busctl("get-property", bus_name(instance), ROOT, interface_of(instance), name)

    def rows(self, instance, flags=0, **wanted):
        (rows,) = self.call(instance, "ListPeers", "ta{sv}", flags, {
            key: ("b" if isinstance(value, bool) else "s", value) for key, value in wanted.items()})
        return [dict(zip(COLUMNS, row)) for row in rows]


class Asking(Methods):
    def test_busctl_introspects_every_object(self):
        for instance in self.net.seeds + self.net.peers:
            objects = self.net.busctl_result("tree", "--list", bus_name(instance)).stdout.split()
            self.assertIn(ROOT, objects)
            self.assertIn(LOG_CONTROL[0], objects)
            for path in objects:
                self.assertEqual(self.net.busctl_result("introspect", bus_name(instance), path).returncode, 0, path)

    def test_properties_have_their_types_and_values_and_cannot_be_written(self):
        for instance in (self.seed, self.peer):
            values = {}
            for name, kind in COMMON_PROPERTIES.items():
                result = self.net.busctl_result("get-property", bus_name(instance), ROOT, interface_of(instance), name)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(json.loads(result.stdout)["type"], kind, name)
                values[name] = json.loads(result.stdout)["data"]
                with self.assertRaises(minibus.BusError) as error:
                    self.client.call(bus_name(instance), ROOT, "org.freedesktop.DBus.Properties", "Set", "ssv",
                                     interface_of(instance), name, (kind, values[name]))
                self.assertEqual(error.exception.name, DBUS_ERROR + "PropertyReadOnly")
            port = port_of(instance)
            self.assertRegex(values["NodeId"], "^[0-9a-f]{32}$")
            self.assertRegex(values["Version"], r"^\d+\.\d+\.\d+")
            self.assertEqual((values["Network"], values["Profile"], values["Port"], values["State"]),
                             ("test", "local", port, "online"))
            self.assertEqual(values["ListenAddresses"], [f"127.0.0.1:{port}"])
            self.assertTrue(values["Name"].endswith(f":{port}"))
            self.assertLess(values["StartTimestamp"], values["Timestamp"])
            self.assertLess(abs(values["Timestamp"] - time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000), 60 * 1000000)
            self.assertLess(abs(values["Epoch"] - time.time_ns() // 1000), 3600 * 1000000)
            self.assertEqual(values["PeerCount"], 3 if instance == self.seed else 2)

    def test_what_does_not_exist_has_the_usual_errors(self):
        for path, interface, member, name in ((ROOT, "org.p2pnet.Node1.Manager", "Nope", "UnknownMethod"),
                                              (ROOT, "org.p2pnet.Node1.Nope", "Ping", "UnknownMethod"),
                                              ("/nope", "org.p2pnet.Node1.Manager", "Ping", "UnknownObject"),
                                              (NOBODY, "org.p2pnet.Node1.Peer", "Ping", "UnknownObject")):
            with self.assertRaises(minibus.BusError) as error:
                self.client.call(bus_name(self.peer), path, interface, member)
            self.assertEqual(error.exception.name, DBUS_ERROR + name, (path, interface, member))
        for instance in (self.seed, self.peer):
            with self.assertRaises(minibus.BusError) as error:
                self.client.call(bus_name(instance), ROOT, "org.freedesktop.DBus.Properties", "Get", "ss",
                                 interface_of(instance), "Nope")
            self.assertEqual(error.exception.name, DBUS_ERROR + "UnknownProperty")
            with self.assertRaises(minibus.BusError):
                self.client.call(bus_name(instance), NOBODY, "org.freedesktop.DBus.Properties", "GetAll", "s",
                                 "org.p2pnet.Node1.Peer")

    def test_a_seed_publishes_nothing_and_links_to_nobody(self):
        for member, signature, values in (("Publish", "saya{sv}", ("/x", b"", {})), ("Subscribe", "asa{sv}", (["/x"], {})),
                                          ("Connect", "s", ("127.0.0.1:1",)), ("Disconnect", "s", ("x",)), ("Ping", "s", ("x",))):
            self.assert_error(DBUS_ERROR + "UnknownMethod", member, self.seed, member, signature, *values)

    def test_list_peers_has_all_columns_in_the_order_of_names(self):
        for instance, expected in ((self.peer, {self.other, self.third}), (self.seed, set(self.net.peers))):
            rows = self.rows(instance)
            self.assertEqual([row["name"] for row in rows], sorted(row["name"] for row in rows))
            self.assertEqual({row["address"] for row in rows}, {f"127.0.0.1:{port_of(one)}" for one in expected})
            for row in rows:
                self.assertRegex(row["id"], "^[0-9a-f]{32}$")
                self.assertEqual(row["path"], f"{ROOT}/peer/{row['id']}")
                self.assertEqual(row["state"], "alive")
                self.assertEqual(row["extra"]["Role"], "peer")
                self.assertEqual(row["extra"]["Addresses"], [row["address"]])
                self.assertGreater(row["extra"]["Epoch"], 0)
                self.assertEqual(row["extra"]["Incarnation"], 0)
                self.assertIn("Links", row["extra"])
                now = self.property(instance, "Timestamp")
                self.assertTrue(0 < row["since"] <= now and 0 <= row["heard"] <= now)
                if instance == self.seed:
                    self.assertEqual((row["direction"], row["rtt"]), ("-", 0))
                    self.assertGreater(row["extra"]["LeaseTimestamp"], now)
                    self.assertLessEqual(row["extra"]["RegisteredTimestamp"], now)
                else:
                    self.assertIn(row["direction"], ("in", "out", "-"))

    def test_list_peers_filters(self):
        linked = self.rows(self.peer, Linked=True)
        self.assertTrue(linked)
        self.assertNotIn("-", {row["direction"] for row in linked})
        self.assertEqual({row["direction"] for row in self.rows(self.peer, Linked=False)} - {"-"}, set())
        self.assertEqual(len(linked) + len(self.rows(self.peer, Linked=False)), 2)
        name = linked[0]["name"]
        self.assertEqual([row["name"] for row in self.rows(self.peer, Name="*" + name[-6:])], [name])
        self.assertEqual(self.rows(self.peer, Name="nobody*"), [])
        self.assertEqual([row["name"] for row in self.rows(self.peer, Linked=True, Name=name)], [name])

    def test_list_peers_refuses_what_it_does_not_know(self):
        for instance in (self.seed, self.peer):
            for signature, values, sentence in (
                    ("ta{sv}", (2, {}), r"Found the flags 0x2, accepted are 0 and 1\."),
                    ("ta{sv}", (2 ** 64 - 1, {}), r"Found the flags 0xffffffffffffffff, accepted are 0 and 1\."),
                    ("xa{sv}", (-1, {}), "Invalid arguments 'xa{sv}'"),
                    ("t", (0,), "Invalid arguments 't'"),
                    ("", (), "Invalid arguments ''"),
                    ("ta{sv}", (0, {"Colour": ("s", "red")}), r"Found the option 'Colour', accepted are Linked and Name\."),
                    ("ta{sv}", (0, {"Linked": ("s", "yes")}), "'Linked' has to be a boolean"),
                    ("ta{sv}", (0, {"Name": ("u", 1)}), "'Name' has to be a text")):
                self.assert_error(INVALID, sentence, instance, "ListPeers", signature, *values)

    def test_a_peer_is_found_by_id_digits_name_and_address(self):
        for instance in (self.seed, self.peer):
            row = next(row for row in self.rows(instance) if row["address"].endswith(f":{port_of(self.other)}"))
            for text in (row["id"], row["id"][:12], row["name"], row["address"]):
                self.assertEqual(self.call(instance, "GetPeer", "s", text), [row["path"]])
            for text in ("nobody", "", row["id"][:3], "f" * 32, "127.0.0.1:1", row["id"] + "0", "%n%s%n"):
                self.assert_error(ERROR + "NoSuchPeer", ".", instance, "GetPeer", "s", text)

    def test_peer_objects_show_what_the_list_shows(self):
        for instance in (self.seed, self.peer):
            row = next(row for row in self.rows(instance) if row["address"].endswith(f":{port_of(self.other)}"))
            values = {}
            for name, kind in PEER_PROPERTIES.items():
                result = self.net.busctl_result("get-property", bus_name(instance), row["path"], "org.p2pnet.Node1.Peer", name)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(json.loads(result.stdout)["type"], kind, name)
                values[name] = json.loads(result.stdout)["data"]
            self.assertEqual((values["Id"], values["Name"], values["Address"], values["State"], values["Direction"],
                              values["SinceTimestamp"], values["Role"], values["Epoch"], values["Incarnation"],
                              values["Addresses"]),
                             (row["id"], row["name"], row["address"], row["state"], row["direction"], row["since"],
                              "peer", row["extra"]["Epoch"], row["extra"]["Incarnation"], row["extra"]["Addresses"]))

    def test_the_object_manager_lists_the_linked(self):
        (objects,) = self.client.call(bus_name(self.peer), ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        self.assertEqual({path for path, interfaces in objects.items() if "org.p2pnet.Node1.Peer" in interfaces},
                         {row["path"] for row in self.rows(self.peer, Linked=True)})

    def test_list_seeds_follows_the_configuration(self):
        for instance in (self.seed, self.peer):
            (rows,) = self.call(instance, "ListSeeds")
            self.assertEqual([row[0] for row in rows], [f"127.0.0.1:{port_of(seed)}" for seed in self.net.seeds])
            if instance == self.peer:
                for seed, address, state, error, peers, following, extra in rows:
                    self.assertEqual((address, state, error, peers), (seed, "registered", "", peers))
                    self.assertGreater(following, self.property(instance, "Timestamp"))
                    self.assertIn(extra["Id"], [self.node_id(one) for one in self.net.seeds])
                    self.assertTrue(extra["Name"].endswith(seed[-6:]))
            else:
                self.assertEqual([row[2] for row in rows], ["self", "linked"])

    def test_statistics_are_named_as_documented(self):
        common = {"Members", "MembersAlive", "MembersSuspect", "SeedsConfigured", "Sessions", "MemoryBytes",
                  "FramesMalformed"}
        (peer,), (seed,) = self.call(self.peer, "GetStatistics"), self.call(self.seed, "GetStatistics")
        self.assertLessEqual(common | {"GossipPublished", "GossipReceived", "GossipDuplicates", "GossipForwarded",
                                       "ReportsSent", "LinksOutgoing", "LinksInbound", "SeedsWanted", "SeedsRegistered",
                                       "Subscriptions"}, peer.keys())
        self.assertLessEqual(common | {"MembersLost", "SeedsLinked"}, seed.keys())
        self.assertEqual((peer["MembersAlive"], peer["SeedsRegistered"], peer["SeedsWanted"]), (2, 2, 2))
        self.assertEqual((seed["MembersAlive"], seed["SeedsLinked"]), (3, 1))
        for name in [*peer, *seed]:
            self.assertRegex(name, "^[A-Z][A-Za-z]+$")
        self.assertTrue(1 << 20 < peer["MemoryBytes"] < 1 << 30)

    def test_describe_has_every_documented_key(self):
        peer, seed = (json.loads(self.call(instance, "Describe")[0]) for instance in (self.peer, self.seed))
        for facts, instance in ((peer, self.peer), (seed, self.seed)):
            self.assertEqual((facts["role"], facts["instance"], facts["port"], facts["listen"]),
                             (instance.split("@")[0], instance, port_of(instance), [f"127.0.0.1:{port_of(instance)}"]))
            self.assertEqual((facts["network"], facts["profile"], facts["state"], facts["reloadError"]),
                             ("test", "local", "online", None))
            self.assertEqual(facts["nodeId"], self.node_id(instance))
            for key in ("name", "version", "timestamp", "startTimestamp", "memoryBytes"):
                self.assertTrue(facts[key], key)
            self.assertEqual(facts["limits"]["limits.subscriptions"], 3)
        self.assertEqual(peer["members"], {"alive": 2, "suspect": 0, "left": 0, "dead": 0, "sampleOf": 0})
        self.assertEqual(peer["links"].keys(), {"outgoing", "inbound", "outgoingTarget", "inboundMax", "rttMedianUSec"})
        self.assertEqual((peer["links"]["outgoingTarget"], peer["links"]["inboundMax"]), (4, 8))
        self.assertEqual(peer["gossip"].keys(), {"published", "received", "duplicates", "forwarded", "refused", "lost",
                                                 "repaired", "stored", "storedBytes"})
        self.assertEqual(sorted(peer["seeds"].pop("registeredAt")), [f"127.0.0.1:{port_of(seed)}" for seed in self.net.seeds])
        self.assertGreater(peer["seeds"].pop("nextTimestamp"), peer["timestamp"])
        self.assertEqual(peer["seeds"], {"configured": 2, "wanted": 2, "registered": 2})
        self.assertEqual(seed["members"], {"alive": 3, "suspect": 0, "left": 0, "dead": 0, "lost": 0})
        self.assertEqual(seed["seeds"], {"configured": 1, "linked": 1, "listed": True})
        self.assertEqual(seed["reports"], {"received": 0, "false": 0, "deaths": 0})
        self.assertGreater(seed["sessions"], 0)

    def test_the_fixed_name_is_owned_by_one_and_the_next_is_ready(self):
        for name, instances in (("org.p2pnet.Peer1", self.net.peers), ("org.p2pnet.Seed1", self.net.seeds)):
            (queue,) = self.client.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "ListQueuedOwners", "s", name)
            owners = [self.client.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "GetNameOwner", "s", bus_name(instance))[0] for instance in instances]
            self.assertEqual(sorted(queue), sorted(owners))


class Doing(Methods):
    def test_publish_gives_ids_that_count_up(self):
        first = self.call(self.peer, "Publish", "saya{sv}", "/count", b"1", {})
        second = self.call(self.peer, "Publish", "saya{sv}", "/count", b"", {})
        self.assertEqual(second[1], first[1] + 1)
        for answer in (first, second):
            self.assertEqual(answer[0], f"{self.node_id(self.peer)}-{self.property(self.peer, 'Epoch'):x}-{answer[1]:x}")

    def test_publish_accepts_topics_and_payloads_up_to_their_bounds(self):
        for topic, payload in (("x", b""), ("x" * 255, b"\0" * 10), (" ", b"x"), ("~" * 255, bytes(range(256))),
                               ("/large", bytes(1024 * 1024))):
            self.call(self.peer, "Publish", "saya{sv}", topic, payload, {})
            self.net.wait_log(self.other, rf"on {re.escape(topic)}, {len(payload)} bytes?\.")

    def test_publish_refuses_other_arguments_with_a_sentence(self):
        topic = r"accepted are 1 to 255 bytes of printable ASCII\."
        for signature, values, name, sentence in (
                ("saya{sv}", ("", b"", {}), INVALID, "The topic has 0 bytes.*" + topic),
                ("saya{sv}", ("x" * 256, b"", {}), INVALID, "The topic has 256 bytes.*" + topic),
                ("saya{sv}", ("tab\t", b"", {}), INVALID, topic),
                ("saya{sv}", ("caf\u00e9", b"", {}), INVALID, topic),
                ("saya{sv}", ("/x", bytes(1024 * 1024 + 1), {}), LIMITS,
                 r"The payload has 1048577 bytes, at most 1048576 are accepted\."),
                ("saya{sv}", ("/x", b"", {"Retain": ("b", True)}), INVALID, r"Found the option 'Retain', accepted are none yet\."),
                ("sas", ("/x", ["text"]), INVALID, "Invalid arguments"),
                ("ss", ("/x", "text"), INVALID, "Invalid arguments")):
            before = self.net.json("-i", self.peer, "statistics")["statistics"]["GossipPublished"]
            self.assert_error(name, sentence, self.peer, "Publish", signature, *values)
            self.assertEqual(self.net.json("-i", self.peer, "statistics")["statistics"]["GossipPublished"], before)

    def test_subscribe_refuses_other_arguments_with_a_sentence(self):
        pattern = "accepted are 1 to 255 bytes of printable ASCII"
        for values, name, sentence in (
                (([], {}), INVALID, "Found no pattern, at least one is needed"),
                ((["/x"] * 65, {}), LIMITS, "more than 64 patterns"),
                (([""], {}), INVALID, "A pattern has 0 bytes.*" + pattern),
                ((["x" * 256], {}), INVALID, "A pattern has 256 bytes.*" + pattern),
                ((["/ok", "\u00e9"], {}), INVALID, pattern),
                ((["/x"], {"Since": ("t", 0)}), INVALID, r"Found the option 'Since', accepted are since and after\.")):
            self.assert_error(name, sentence, self.peer, "Subscribe", "asa{sv}", *values)
        self.assertEqual(self.net.json("-i", self.peer, "statistics")["statistics"]["Subscriptions"], 0)

    def test_a_user_has_so_many_subscriptions_and_no_more(self):
        with minibus.Client(self.net.address) as other:
            paths = [self.call(self.peer, "Subscribe", "asa{sv}", ["/x"], {}, client=client)[0]
                     for client in (self.client, self.client, other)]
            self.assertEqual(len(set(paths)), 3)
            self.assert_error(LIMITS, "3", self.peer, "Subscribe", "asa{sv}", ["/x"], {})
            self.client.call(bus_name(self.peer), paths[0], "org.p2pnet.Node1.Subscription", "Close")
            self.call(self.peer, "Subscribe", "asa{sv}", ["/x"] * 64, {})
        self.client.socket.close()
        self.net.wait_for(lambda: self.net.json("-i", self.peer, "statistics")["statistics"]["Subscriptions"] == 0,
                          "those of who leaves the bus end")

    def test_connect_says_whom_it_reached(self):
        for one in (self.other, self.third):
            answer = self.call(self.peer, "Connect", "s", f"127.0.0.1:{port_of(one)}")
            self.assertEqual(answer, [self.node_id(one), f"{ROOT}/peer/{self.node_id(one)}"])

    def test_connect_refuses_what_is_no_address_and_tells_why_it_failed(self):
        accepted = r"accepted is an address with port such as 127\.0\.0\.1:6002 or \[::1\]:6002"
        (unused,) = free_ports(1)
        for text, name, sentence in (
                ("", INVALID, accepted), ("127.0.0.1", INVALID, accepted), ("web-1:6001", INVALID, "Found 'web-1:6001', " + accepted),
                ("127.0.0.1:0", INVALID, accepted), ("127.0.0.1:65536", INVALID, accepted), ("::1:6001", INVALID, accepted),
                ("[::1]", INVALID, accepted), ("x" * 5000, INVALID, accepted),
                ("224.0.0.1:5", INVALID, "no address that can be dialled"), ("0.0.0.0:5", INVALID, "no address that can be dialled"),
                (f"127.0.0.1:{port_of(self.peer)}", ERROR + "Refused", "is this node itself"),
                (f"127.0.0.1:{unused}", ERROR + "Unreachable", f"127.0.0.1:{unused}: "),
                (f"127.0.0.1:{port_of(self.seed)}", ERROR + "Refused", "is a seed, and this node is connected to it already")):
            with self.subTest(text=text[:40]):
                with self.assertRaises(minibus.BusError) as error:
                    self.call(self.peer, "Connect", "s", text)
                self.assertRegex(error.exception.name, f"^({name})$".replace(".", r"\."))
                self.assertRegex(error.exception.sentence, sentence)

    def test_connect_to_another_network_and_to_who_never_answers_ends(self):
        with socket.create_server(("127.0.0.1", free_ports(1)[0])) as silent:
            self.client.timeout = 20
            began = time.monotonic()
            with self.assertRaises(minibus.BusError) as error:
                self.call(self.peer, "Connect", "s", "127.0.0.1:%d" % silent.getsockname()[1])
            self.assertIn(error.exception.name, (ERROR + "Unreachable", ERROR + "TimedOut"))
            self.assertLess(time.monotonic() - began, 16)

    def test_disconnect_ends_links_and_nothing_else(self):
        self.call(self.peer, "Connect", "s", f"127.0.0.1:{port_of(self.other)}")
        row = next(row for row in self.rows(self.peer, Linked=True) if row["address"].endswith(f":{port_of(self.other)}"))
        self.call(self.peer, "Disconnect", "s", row["name"])
        self.net.wait_log(self.peer, rf"The link to {row['name']} is gone: ended by us, no longer needed\.")
        for text, name in (("nobody", "NoSuchPeer"), ("", "NoSuchPeer"), ("f" * 32, "NoSuchPeer")):
            self.assert_error(ERROR + name, ".", self.peer, "Disconnect", "s", text)
        self.assertNotIn("suspected", self.net.log(self.peer))
        self.call(self.peer, "Connect", "s", f"127.0.0.1:{port_of(self.other)}")

    def test_a_peer_without_a_link_cannot_be_disconnected(self):
        with model.Session.dial(self.net.node(name="known"), "127.0.0.1", port_of(self.peer)) as session, Attended(session):
            self.net.wait_for(lambda: self.rows(self.peer, Name="known"), "it is known")
            self.assert_error(ERROR + "NotLinked", "no link", self.peer, "Disconnect", "s", "known")

    def test_ping_gives_the_time_and_tells_why_it_failed(self):
        for one in (self.other, self.third):
            (rtt,) = self.call(self.peer, "Ping", "s", self.node_id(one))
            self.assertTrue(0 < rtt < 10 * 1000000)
        self.assert_error(ERROR + "NoSuchPeer", "nobody", self.peer, "Ping", "s", "nobody")
        self.assert_error(INVALID, "Invalid arguments", self.peer, "Ping", "ss", "a", "b")
        with model.Session.dial(self.net.node(name="unreachable"), "127.0.0.1", port_of(self.peer)) as session:
            session.close("leaving")
        self.net.wait_for(lambda: self.rows(self.peer, 1, Name="unreachable"), "it is known")
        self.assert_error(ERROR + "Unreachable", "Nobody listens", self.peer, "Ping", "s", "unreachable")

    def test_two_of_one_name_are_ambiguous(self):
        twins = [model.Session.dial(self.net.node(name="twin"), "127.0.0.1", port_of(self.peer)) for _ in range(2)]
        for session in twins:
            self.addCleanup(session.sock.close)
        self.net.wait_for(lambda: len(self.rows(self.peer, Name="twin")) == 2, "both are known")
        for member in ("GetPeer", "Ping", "Disconnect"):
            self.assert_error(ERROR + "AmbiguousPeer", "twin", self.peer, member, "s", "twin")
        self.net.ctl("-i", self.peer, "show", "twin", status=5)
        for session in twins:
            session.close("leaving")

    def test_log_levels_can_be_set_and_are_checked(self):
        for instance in (self.seed, self.peer):
            def control(member, *arguments, i=instance):
                return self.net.busctl_result(member, bus_name(i), *LOG_CONTROL, *arguments)
            for level in ("emerg", "alert", "crit", "err", "warning", "notice", "debug", "info"):
                self.assertEqual(control("set-property", "LogLevel", "s", level).returncode, 0)
                self.assertEqual(json.loads(control("get-property", "LogLevel").stdout)["data"], level)
            for level in ("", "loud", "INFO", "7"):
                with self.assertRaises(minibus.BusError) as error:
                    self.client.call(bus_name(instance), LOG_CONTROL[0], "org.freedesktop.DBus.Properties", "Set", "ssv",
                                     LOG_CONTROL[1], "LogLevel", ("s", level))
                self.assertEqual(error.exception.name, INVALID, error.exception)
                self.assertIn("debug", error.exception.sentence)
            self.assertEqual(json.loads(control("get-property", "LogLevel").stdout)["data"], "info")
            self.assertEqual(json.loads(control("get-property", "SyslogIdentifier").stdout)["data"],
                             f"p2p-{instance.split('@')[0]}d")
            self.assertEqual(json.loads(control("get-property", "LogTarget").stdout)["data"], "console")
            self.assertEqual(control("set-property", "LogTarget", "s", "console").returncode, 0)
            self.assertNotEqual(control("set-property", "LogTarget", "s", "printer").returncode, 0)

    def test_debug_shows_more_and_err_shows_nothing_of_a_link(self):
        self.net.ctl("-i", self.peer, "log-level", "err")
        before = self.net.log(self.peer)
        with model.Session.dial(self.net.node(name="unseen"), "127.0.0.1", port_of(self.peer)) as session:
            session.close("leaving")
        self.net.wait_for(lambda: self.rows(self.peer, 1, Name="unseen"), "it came")
        self.net.ctl("-i", self.peer, "log-level", "info")
        self.assertEqual(re.sub(r".*The log level is \w+ from now on\.\n", "", self.net.log(self.peer)[len(before):]), "")


class Reloading(NetworkTest):
    def test_a_bad_configuration_is_refused_with_every_mistake_and_the_old_one_kept(self):
        self.start_network(1, 1)
        for instance in self.seeds + self.peers:
            with minibus.Client(self.address) as client:
                def reload(i=instance, c=client):
                    return c.call(bus_name(i), ROOT, interface_of(i), "Reload")

                self.assertEqual(reload(), [])
                self.write_config("p2pnet.conf", self.CONFIG + 'links = { outgoing = 0; };\nliveness = { strikes = 0; };\n')
                with self.assertRaises(minibus.BusError) as error:
                    reload()
                self.assertEqual(error.exception.name, ERROR + "ConfigurationInvalid")
                lines = error.exception.sentence.splitlines()
                self.assertEqual(len(lines), 2, lines)
                self.assertIn("p2pnet.conf:4: links.outgoing: found 0, accepted is 1 to 64.", lines[0])
                self.assertIn("p2pnet.conf:5: liveness.strikes: found 0, accepted is 1 to 10.", lines[1])
                self.assertEqual(self.busctl("get-property", bus_name(instance), ROOT, interface_of(instance), "Profile"), "local")
                facts = self.json("-i", instance, "status")
                self.assertIn("links.outgoing: found 0", json.dumps(facts))
                result = self.ctl("-i", instance, "reload", status=1)
                self.assertIn("p2pnet.conf:4: links.outgoing: found 0, accepted is 1 to 64.", result.stderr)
                self.assertIn("p2pnet.conf:5: liveness.strikes: found 0, accepted is 1 to 10.", result.stderr)

                self.write_config("p2pnet.conf", self.CONFIG.replace('"local"', '"wan"'))
                self.assertEqual(reload(), [])
                self.assertEqual(self.busctl("get-property", bus_name(instance), ROOT, interface_of(instance), "Profile"), "wan")
                self.assertIn('"reloadError":null', json.dumps(json.loads(client.call(
                    bus_name(instance), ROOT, interface_of(instance), "Describe")[0]), separators=(",", ":")))
                self.write_config("p2pnet.conf", self.CONFIG)
                reload()

    def test_a_new_list_of_seeds_is_taken_by_reload(self):
        self.start_network(2, 1)
        (peer,) = self.peers
        self.write_seeds([port_of(self.seeds[0])])
        self.ctl("-i", peer, "reload")
        self.assertEqual([row["seed"] for row in self.json("-i", peer, "seeds")["seeds"]], [f"127.0.0.1:{port_of(self.seeds[0])}"])

    def test_an_address_to_listen_on_waits_for_the_next_start_and_says_so(self):
        self.start_network(0, 1)
        (peer,) = self.peers
        self.write_config("p2pnet.conf", self.CONFIG + 'listen = { address = "127.0.0.2"; };\n')
        self.ctl("-i", peer, "reload")
        self.wait_log(peer, r"listen\.address has changed; this takes effect at the next start only\.")
        self.assertEqual(self.stop(peer), 0)
        self.start(peer)
        self.wait_log(peer, rf"Listening on 127\.0\.0\.2:{port_of(peer)}")


class Ends(NetworkTest):
    def test_what_is_published_without_a_link_waits_for_one(self):
        self.start_network(0, 1)
        (peer,) = self.peers
        with minibus.Client(self.address) as client:
            client.call(bus_name(peer), ROOT, interface_of(peer), "Publish", "saya{sv}", "/x", b"first", {})
        self.assertIn("; there is no link yet, it waits for one", self.ctl("-i", peer, "publish", "/x", "second").stdout)
        with Attended(model.Session.dial(self.node(), "127.0.0.1", port_of(peer))) as link:
            link.session.send("NEIGHBOR", priority=model.HIGH, links=0)
            self.wait_for(lambda: link.bodies("MSG_RANGES"), "its list of messages")
            # What is fresh is announced before the list.
            kept = [kept for kind in ("MSG_RANGES", "IHAVE") for body in link.bodies(kind) for kept in body["range"]]
            link.session.send("MSG_WANT", range=kept)
            self.wait_for(lambda: [body["payload"] for body in link.bodies("GOSSIP")] == [b"first", b"second"], "both messages")
        self.ctl("-i", peer, "is-online", status=8)
        self.wait_for(lambda: self.busctl("get-property", bus_name(peer), ROOT, interface_of(peer), "State") == "isolated",
                      "it says that it is isolated")

    def test_publishing_faster_than_a_link_takes_it_is_busy_and_nothing_of_it_is_sent(self):
        self.start_network(0, 1)
        (peer,) = self.peers
        with model.Session.dial(self.node(), "127.0.0.1", port_of(peer)) as deaf, minibus.Client(self.address) as client:
            self.assertTrue(deaf.neighbor(model.HIGH))
            accepted = 0
            with self.assertRaises(minibus.BusError) as error:
                for number in range(40):
                    deaf.send("PING", nonce=number, links=1)    # it is alive, and says so
                    client.call(bus_name(peer), ROOT, interface_of(peer), "Publish", "saya{sv}", "/x", bytes(300 * 1024), {})
                    accepted += 1
            self.assertEqual(error.exception.name, ERROR + "Busy")
            self.assertIn("try again", error.exception.sentence)
            self.assertGreater(accepted, 0)
            # Whoever reads gets what was accepted, and no more.
            with Attended(deaf) as link:
                self.wait_for(lambda: len(link.bodies("GOSSIP")) == accepted, "all that was accepted")
                answer = client.call(bus_name(peer), ROOT, interface_of(peer), "Publish", "saya{sv}", "/y", b"", {})
                self.assertEqual(answer[1], accepted + 1)
                self.wait_for(lambda: link.bodies("GOSSIP")[-1]["topic"] == "/y", "the next one")
                self.assertEqual(len(link.bodies("GOSSIP")), accepted + 1)

    def test_while_it_stops_nothing_is_changed_any_more(self):
        self.start_network(0, 1)
        (peer,) = self.peers
        with model.Session.dial(self.node(), "127.0.0.1", port_of(peer)), minibus.Client(self.address) as client:
            # The session is not closed by the other end, so the stop takes its two seconds.
            self.processes[peer].send_signal(signal.SIGTERM)
            self.wait_log(peer, r"Leaving the network\.")
            for member, signature, values in (("Publish", "saya{sv}", ("/x", b"", {})), ("Subscribe", "asa{sv}", (["/x"], {})),
                                              ("Connect", "s", ("127.0.0.1:1",)), ("Reload", "", ())):
                with self.assertRaises(minibus.BusError) as error:
                    client.call(bus_name(peer), ROOT, interface_of(peer), member, signature, *values)
                self.assertEqual(error.exception.name, ERROR + "ShuttingDown", error.exception.sentence)
            self.assertEqual(client.call(bus_name(peer), ROOT, "org.freedesktop.DBus.Properties", "Get", "ss",
                                         interface_of(peer), "State"), ["stopping"])
        self.assertEqual(self.processes.pop(peer).wait(timeout=15), 0)

    def test_the_next_peer_takes_over_the_fixed_name(self):
        self.start_network(0, 2)
        name, there = "org.p2pnet.Peer1", ("get-property", "org.p2pnet.Peer1", ROOT, "org.p2pnet.Node1.Manager", "Port")
        first = self.busctl(*there)
        self.assertIn(first, [port_of(peer) for peer in self.peers])
        self.stop(f"peer@{first}", signal.SIGKILL)
        (second,) = {port_of(peer) for peer in self.peers} - {first}
        self.assertEqual(self.busctl(*there), second)
        self.assertIn(name, self.busctl_result("list").stdout)


class EveryVerb(SharedNetworkTest):
    """What p2pctl prints with --json is one JSON value, whatever the verb, and says the same in both layouts."""

    SEEDS, PEERS = 1, 2

    def test_json_of_every_verb_is_valid_in_both_layouts(self):
        peer, seed = self.net.peers[0], self.net.seeds[0]
        other = f"127.0.0.1:{port_of(self.net.peers[1])}"
        verbs = [["status"], ["peers"], ["peers", "-a"], ["peers", "--links"], ["show"], ["show", other], ["seeds"],
                 ["statistics"], ["topics"], ["topology"],
                 ["is-online"], ["wait-online"], ["publish", "/json", "x"], ["ping", other], ["connect", other], ["reload"],
                 ["log-level"], ["log-level", "info"], ["version"]]
        at_seeds = ("status", "peers", "show", "seeds", "statistics", "is-online", "wait-online", "reload", "log-level", "version")
        for instance in (peer, seed):
            for verb in verbs:
                if instance == seed and verb[0] not in at_seeds:
                    continue
                with self.subTest(verb=verb, instance=instance):
                    for layout in ("--json=short", "--json=pretty", "-j"):
                        result = self.net.ctl(layout, "-i", instance, *verb)
                        self.assertIn(type(json.loads(result.stdout)), (dict, list))
                        self.assertEqual(result.stderr, "")
                        if layout == "--json=short":
                            self.assertEqual(result.stdout.count("\n"), 1)

    def test_json_of_what_goes_on_is_one_value_a_line(self):
        first, second = self.net.peers
        subscriber = self.net.ctl_start("--json=short", "-i", first, "subscribe", "--count=2", "/lines")
        monitor = self.net.ctl_start("--json=short", "-i", first, "monitor", "--timeout=60")
        self.net.wait_for(lambda: self.net.json("-i", first, "statistics")["statistics"]["Subscriptions"] == 1, "a subscription")
        for payload, stdin in (("text", ""), ("-", "\x00\x01")):
            self.net.ctl("-i", second, "publish", "/lines", payload, stdin=stdin)
        self.assertEqual(subscriber.wait(timeout=30), 0)
        lines = [json.loads(line) for line in subscriber.stdout]
        self.assertEqual([line["topic"] for line in lines], ["/lines"] * 2)
        self.assertEqual((lines[0]["payload"], lines[1]["payloadBase64"]), ("text", "AAE="))

        with Attended(model.Session.dial(self.net.node(name="shown"), "127.0.0.1", port_of(first))) as session:
            session.session.send("NEIGHBOR", priority=model.HIGH, links=0)
            self.net.wait_for(lambda: session.bodies("ACCEPT"), "a link")
        # The log has it before the monitor does.
        seen = []
        while not seen or (seen[-1]["what"], seen[-1]["event"]) != ("shown", "left"):
            line = monitor.stdout.readline()
            self.assertTrue(line, f"the monitor has ended: {seen}")
            seen.append(json.loads(line))
        monitor.send_signal(signal.SIGINT)
        self.assertEqual(monitor.wait(timeout=30), 0)
        self.assertEqual([line["event"] for line in seen if line["what"] == "shown"], ["joined", "linked", "unlinked", "left"])

    def test_json_of_a_checked_configuration_says_what_is_wrong(self):
        etc = "--config-dir=" + self.net.path("etc")
        self.assertEqual(self.net.json("config", "check", etc), {"valid": True, "errors": [], "warnings": []})
        self.net.write_config("p2pnet.conf.d/wrong.conf", "members = { max = -1; };\ncolour = 1;\n")
        self.addCleanup(os.remove, self.net.path("etc", "p2pnet.conf.d", "wrong.conf"))
        facts = self.net.json("config", "check", etc, status=1)
        self.assertFalse(facts["valid"])
        self.assertIn("wrong.conf:1: members.max: found -1", facts["errors"][0])
        self.assertIn("wrong.conf:2: colour: unknown setting", facts["warnings"][0])

    def test_what_is_printed_for_people_is_never_empty(self):
        for verb in (["status"], ["peers"], ["show"], ["seeds"], ["statistics"], ["is-online"], ["log-level"], ["version"], ["help"]):
            for instance in (self.net.peers[0], self.net.seeds[0]):
                self.assertTrue(self.net.ctl("-i", instance, *verb).stdout.strip(), verb)

    def test_exit_statuses_are_those_of_the_manual(self):
        peer = self.net.peers[0]
        for arguments, status in ((["-i", peer, "is-online"], 0), (["-i", peer, "frobnicate"], 2), (["-i", "peer@1", "peers"], 3),
                                  (["-i", peer, "ping", "nobody"], 5), (["-i", peer, "show", "nobody"], 5),
                                  (["-i", peer, "disconnect", "nobody"], 5), (["-i", peer, "connect", "127.0.0.1:1"], 1),
                                  (["-i", "peer@1", "wait-online", "--timeout=0.1"], 6), (["-i", peer, "publish", "", "x"], 2),
                                  (["--bus=unix:path=/nonexistent", "peers"], 3)):
            with self.subTest(arguments=arguments):
                result = self.net.ctl(*arguments, status=status)
                self.assertEqual(result.stderr == "", status == 0)

    def test_ping_of_one_that_hangs_times_out(self):
        peer, victim = self.net.peers
        name = self.net.json("-i", victim, "show")["name"]
        self.net.processes[victim].send_signal(signal.SIGSTOP)
        self.addCleanup(self.net.wait_for, lambda: self.net.json("-i", peer, "peers", "--links")["peers"], "the link is back")
        self.addCleanup(self.net.processes[victim].send_signal, signal.SIGCONT)
        result = self.net.ctl("-i", peer, "ping", name, status=6)
        self.assertIn("does not answer", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
