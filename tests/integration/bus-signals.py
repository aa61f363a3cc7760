#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the daemons tell by themselves: signals about members, seeds and state; messages to subscribers, and to them alone;
and a bus that is away."""

import os
import re
import signal
import time
import unittest

import minibus
from network import Attended, NetworkTest, SharedNetworkTest, bus_name, free_ports, model, port_of, publish

ROOT = "/org/p2pnet/Node1"
MANAGER, SEED = "org.p2pnet.Node1.Manager", "org.p2pnet.Node1.Seed"
SUBSCRIPTION = "org.p2pnet.Node1.Subscription"
PROPERTIES = "org.freedesktop.DBus.Properties"


def subscribe(client, instance, *patterns, **options):
    (path,) = client.call(bus_name(instance), ROOT, MANAGER, "Subscribe", "asa{sv}", list(patterns), options)
    return path


def property_of(client, instance, path, interface, name):
    return client.call(bus_name(instance), path, PROPERTIES, "Get", "ss", interface, name)[0]


class Watcher:
    """Collects the signals of one daemon, in their order."""

    def __init__(self, test, instance):
        self.client = minibus.Client(test.address)
        test.addCleanup(self.client.socket.close)
        self.client.match(f"type='signal',sender='{bus_name(instance)}'")
        self.seen = []
        self.test = test

    def wait(self, member, condition=lambda body: True):
        """The body of the first one that fits, seen before or not."""
        def find():
            self.seen += [message for message in self.client.drain(0.05) if message.type == minibus.SIGNAL]
            return [message.body for message in self.seen
                    if message.fields[minibus.MEMBER] == member and condition(message.body)]
        return self.test.wait_for(find, f"the signal {member}")[0]

    def names(self):
        return [message.fields[minibus.MEMBER] for message in self.seen]


class Members(NetworkTest):
    def setUp(self):
        super().setUp()
        self.start_network(1, 3)
        (self.seed,), self.peer, self.victim = self.seeds, self.peers[0], self.peers[2]
        self.watchers = {instance: Watcher(self, instance) for instance in (self.seed, self.peer)}
        self.victim_id = self.json("-i", self.victim, "show")["nodeId"]
        self.victim_path = f"{ROOT}/peer/{self.victim_id}"

    def changes(self, instance):
        return [message.body[2] for message in self.watchers[instance].seen
                if message.fields[minibus.MEMBER] == "PeerChanged" and message.body[0] == self.victim_id]

    def test_a_peer_that_leaves_and_comes_back_is_told_once_each(self):
        self.stop(self.victim)
        for instance, watcher in self.watchers.items():
            self.assertEqual(watcher.wait("PeerLeft"), [self.victim_id, self.victim_path, "left"])
            self.assertIn("left", self.changes(instance))
        self.start(self.victim)
        for instance, watcher in self.watchers.items():
            self.assertEqual(watcher.wait("PeerJoined"), [self.victim_id, self.victim_path])
            self.assertEqual((watcher.names().count("PeerLeft"), watcher.names().count("PeerJoined")), (1, 1))

    def test_a_peer_that_is_restarted_has_never_been_gone(self):
        for _ in range(5):
            began = time.monotonic()
            self.stop(self.victim)
            self.start(self.victim, wait=True)
            for watcher in self.watchers.values():
                watcher.wait("PeerChanged", lambda body: body[0] == self.victim_id and body[2] in ("restarted", "joined"))
            if time.monotonic() - began < 4:
                break               # elsewhere the machine was so slow that it had left for a while
            self.watchers = {instance: Watcher(self, instance) for instance in self.watchers}
        else:
            self.skipTest("this machine restarts no peer in 4 s")
        for instance, watcher in self.watchers.items():
            changes = self.changes(instance)
            self.assertIn("restarted", changes)
            self.assertFalse({"joined", "left", "dead"} & set(changes), changes)
            self.assertFalse({"PeerJoined", "PeerLeft"} & set(watcher.names()), watcher.names())
        # A seed that it registers with says so; whoever else hears of it says what happened.
        self.wait_log(self.peer, rf":{port_of(self.victim)} has restarted, at ")

    def test_a_killed_peer_is_suspect_then_dead_then_back(self):
        self.stop(self.victim, signal.SIGKILL)
        for instance, watcher in self.watchers.items():
            self.assertEqual(watcher.wait("PeerLeft"), [self.victim_id, self.victim_path, "dead"])
        # What PeerLeft says, PeerChanged has said before, with a reason.
        names = self.watchers[self.peer].names()
        self.assertLess(names.index("PeerChanged"), names.index("PeerLeft"))
        changes = self.changes(self.peer)
        self.assertEqual([change for change in changes if change in ("suspect", "dead")], ["suspect", "dead"])
        body = self.watchers[self.peer].wait("PeerChanged", lambda body: body[2] == "suspect")
        self.assertEqual(body[3]["State"], "suspect")
        self.assertTrue(body[3]["Reason"])
        self.assertEqual(self.changes(self.seed), ["dead"])
        self.start(self.victim)
        for watcher in self.watchers.values():
            self.assertEqual(watcher.wait("PeerJoined"), [self.victim_id, self.victim_path])

    def test_links_come_and_go_with_their_objects(self):
        watcher = self.watchers[self.peer]
        self.stop(self.victim)
        watcher.wait("PeerChanged", lambda body: body[0] == self.victim_id and body[2] == "unlinked")
        self.assertEqual(watcher.wait("InterfacesRemoved")[0], self.victim_path)
        self.start(self.victim)
        body = watcher.wait("PeerChanged", lambda body: body[0] == self.victim_id and body[2] == "linked")
        self.assertIn(body[3]["Direction"], ("in", "out"))
        path, interfaces = watcher.wait("InterfacesAdded", lambda body: body[0] == self.victim_path)
        self.assertEqual(interfaces["org.p2pnet.Node1.Peer"]["Id"], self.victim_id)

    def test_the_number_of_peers_is_announced(self):
        self.stop(self.victim)
        for instance, interface, n in ((self.peer, MANAGER, 1), (self.seed, SEED, 2)):
            self.watchers[instance].wait("PropertiesChanged", lambda body, i=interface, n=n: body[0] == i and
                                         body[1].get("PeerCount") == n)

    def test_a_lost_seed_and_the_state_are_announced(self):
        watcher = self.watchers[self.peer]
        self.stop(self.seed, signal.SIGKILL)
        seed = f"127.0.0.1:{port_of(self.seed)}"
        body = watcher.wait("SeedChanged", lambda body: body[2] != "registered")
        self.assertEqual(body[0], seed)
        self.assertTrue(watcher.wait("SeedChanged", lambda body: body[2] == "unreachable")[3])
        for other in self.peers[1:]:
            self.stop(other, signal.SIGKILL)
        self.assertEqual(watcher.wait("StateChanged"), ["isolated", "online"])
        self.start(self.seed)
        self.assertEqual(watcher.wait("SeedChanged", lambda body: body[2] == "registered")[:2], [seed, seed])


class Messages(SharedNetworkTest):
    SEEDS, PEERS = 1, 3

    def setUp(self):
        self.peer, self.other, self.third = self.net.peers

    def client(self):
        client = minibus.Client(self.net.address)
        self.addCleanup(client.socket.close)
        return client

    def messages(self, client, seconds=1):
        return [message for message in client.drain(seconds)
                if message.type == minibus.SIGNAL and message.fields.get(minibus.INTERFACE) == SUBSCRIPTION and
                message.fields[minibus.MEMBER] == "Message"]

    def test_a_subscriber_gets_each_matching_message_once_and_in_order(self):
        clients = {peer: self.client() for peer in self.net.peers}
        paths = {peer: subscribe(client, peer, "/deploy/*", "/exact", "/d*") for peer, client in clients.items()}
        publisher = self.client()
        sent = [publish(publisher, self.peer, topic, payload) + [topic, payload] for topic, payload in (
            ("/deploy/web", b"v42"), ("/deploy/a/b", bytes(range(256))), ("/exact", b""), ("/exactly", b"no"), ("/other", b"no"),
            ("/deploy/web", b"v43"))]
        wanted = [one for one in sent if one[3] != b"no"]
        name = self.net.json("-i", self.peer, "show")["name"]
        for peer, client in clients.items():
            got = self.messages(client)
            self.assertEqual([message.body[:5] for message in got],
                             [[message_id, topic, message_id.split("-")[0], name, payload]
                              for message_id, _, topic, payload in wanted])
            for message in got:
                self.assertEqual(message.fields[minibus.PATH], paths[peer])
                self.assertEqual(message.fields[minibus.DESTINATION], client.name)
                self.assertEqual(message.body[5]["Hops"] > 0, peer != self.peer)
                self.assertIn("AgeUSec", message.body[5])

    def test_nobody_else_on_the_bus_gets_the_messages(self):
        subscriber, bystander, publisher = self.client(), self.client(), self.client()
        bystander.match("type='signal'")
        subscribe(subscriber, self.other, "/private")
        publish(publisher, self.peer, "/private", b"secret")
        self.assertEqual(len(self.messages(subscriber)), 1)
        self.assertEqual(self.messages(bystander), [])

    def test_what_was_published_before_is_not_sent(self):
        publisher, client = self.client(), self.client()
        publish(publisher, self.peer, "/before", b"1")
        self.net.wait_log(self.other, r"on /before, 1 byte\.")
        subscribe(client, self.other, "/before")
        publish(publisher, self.peer, "/before", b"22")
        self.assertEqual([message.body[4] for message in self.messages(client)], [b"22"])

    def test_a_subscription_shows_what_it_is_and_closes(self):
        client, publisher = self.client(), self.client()
        path = subscribe(client, self.other, "/shown", "/[ab]?")
        publish(publisher, self.peer, "/ax", b"")
        publish(publisher, self.peer, "/cx", b"")
        self.assertEqual([message.body[1] for message in self.messages(client)], ["/ax"])
        self.assertEqual(property_of(client, self.other, path, SUBSCRIPTION, "Patterns"), ["/shown", "/[ab]?"])
        self.assertEqual(property_of(client, self.other, path, SUBSCRIPTION, "Delivered"), 1)
        self.assertEqual(property_of(client, self.other, path, SUBSCRIPTION, "Dropped"), 0)
        (objects,) = client.call(bus_name(self.other), ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        self.assertIn(path, objects)
        self.assertEqual(client.call(bus_name(self.other), path, SUBSCRIPTION, "Close"), [])
        with self.assertRaises(minibus.BusError) as error:
            client.call(bus_name(self.other), path, SUBSCRIPTION, "Close")
        self.assertEqual(error.exception.name, "org.freedesktop.DBus.Error.UnknownObject")
        publish(publisher, self.peer, "/ax", b"")
        self.assertEqual(self.messages(client, 0.5), [])

    def test_a_subscription_ends_when_its_owner_leaves_the_bus(self):
        client, observer = self.client(), self.client()
        path = subscribe(client, self.other, "/gone")
        self.assertEqual(property_of(observer, self.other, path, SUBSCRIPTION, "Delivered"), 0)
        client.socket.close()

        def is_gone():
            try:
                property_of(observer, self.other, path, SUBSCRIPTION, "Delivered")
                return False
            except minibus.BusError:
                return True
        self.net.wait_for(is_gone, "the subscription ends")
        self.net.wait_for(lambda: self.net.json("-i", self.other, "statistics")["statistics"]["Subscriptions"] == 0, "and is not counted")

    def test_two_subscriptions_of_one_client_are_two(self):
        client, publisher = self.client(), self.client()
        paths = [subscribe(client, self.other, "/two"), subscribe(client, self.other, "/t*")]
        publish(publisher, self.peer, "/two", b"x")
        self.assertEqual(sorted(message.fields[minibus.PATH] for message in self.messages(client)), sorted(paths))

    def test_one_that_does_not_read_loses_what_is_over_its_bound_and_is_told_how_much(self):
        deaf, reader, publisher, watcher = self.client(), self.client(), self.client(), self.client()
        path = subscribe(deaf, self.other, "/much")
        subscribe(reader, self.other, "/much")
        watcher.match(f"type='signal',sender='{bus_name(self.other)}',member='Overflow'")
        n, size = 100, 16 * 1024
        got = []
        for number in range(n):
            publish(publisher, self.peer, "/much", bytes([number]) * size)
            got += self.messages(reader, 0.01)
        got += self.messages(reader)
        self.assertEqual([message.body[4][0] for message in got], list(range(n)), "who reads gets everything")

        dropped = property_of(watcher, self.other, path, SUBSCRIPTION, "Dropped")
        delivered = property_of(watcher, self.other, path, SUBSCRIPTION, "Delivered")
        self.assertEqual(dropped + delivered, n)
        self.assertTrue(0 < delivered * size <= 256 * 1024 + size, delivered)
        where, told = watcher.signal("Overflow").body
        self.assertEqual(where, path)
        self.assertGreater(told, 0)
        # Once it reads and answers, it is told what it has missed, and gets what is published from then on.
        end, total, before = time.monotonic() + 20, 0, 0
        while total < dropped and time.monotonic() < end:
            for message in deaf.drain(0.2):
                member = message.fields.get(minibus.MEMBER)
                total += message.body[0] if message.type == minibus.SIGNAL and member == "Overflow" else 0
                before += message.type == minibus.SIGNAL and member == "Message"
        self.assertEqual((total, before), (dropped, delivered))
        publish(publisher, self.peer, "/much", b"again")
        self.assertEqual([message.body[4] for message in self.messages(deaf)], [b"again"])

    def test_a_gap_is_signalled_and_shown(self):
        watcher = self.client()
        watcher.match(f"type='signal',sender='{bus_name(self.other)}',member='Gap'")
        lost = self.net.json("-i", self.other, "statistics")["statistics"]["GossipLost"]
        node = self.net.node(name="forgetful")
        with Attended(model.Session.dial(node, "127.0.0.1", port_of(self.other))) as link:
            link.session.send("NEIGHBOR", priority=model.HIGH, links=0)
            self.net.wait_for(lambda: link.bodies("ACCEPT"), "a link")
            link.session.send("MSG_RANGES", range=[])
            for sequence in (1, 5):
                link.session.send("GOSSIP", stamp=model.Stamp(node.id, node.epoch, sequence, 0, 1), topic="/gap", payload=b"")
            listings = 0                    # it stores none of them, and says so when it is asked

            def is_told():
                nonlocal listings
                while listings < len(link.bodies("MSG_RANGES")):
                    link.session.send("MSG_RANGES", range=[])
                    listings += 1
                return "messages of forgetful are lost" in self.net.log(self.other)

            self.net.wait_for(is_told, "the gap is told")
            self.assertEqual(watcher.signal("Gap").body, [node.id.hex(), 2, 4, 3])
        self.assertEqual(self.net.json("-i", self.other, "statistics")["statistics"]["GossipLost"], lost + 3)
        self.net.wait_log(self.other, r"3 messages of \S+ are lost, from 2 to 4: no neighbour has them any more\.")

    def test_a_subscription_can_begin_in_the_past(self):
        publisher, late, later, now = (self.client() for _ in range(4))
        ids = [publish(publisher, self.peer, "/past", b"%d" % number)[0] for number in range(5)]
        self.net.wait_for(lambda: ids[-1] in self.net.ctl("-i", self.other, "subscribe", "--since=1h", "--json=short", "--timeout=0.5",
                                                          "/past").stdout, "it has come")
        subscribe(now, self.other, "/past")
        subscribe(late, self.other, "/past", since=("t", 3600))
        subscribe(later, self.other, "/past", since=("s", ids[2]))
        ids += [publish(publisher, self.peer, "/past", b"%d" % number)[0] for number in range(5, 8)]
        for client, first in ((late, 0), (later, 3), (now, 5)):
            self.assertEqual([message.body[0] for message in self.messages(client)], ids[first:])
        with self.assertRaises(minibus.BusError) as error:
            subscribe(late, self.other, "/past", since=("s", ids[2][:-1] + "fff"))
        self.assertIn("not stored here any more", error.exception.sentence)
        subscribe(behind := self.client(), self.other, "/past", since=("t", 3600), after=("as", [ids[5]]))
        self.assertEqual([message.body[0] for message in self.messages(behind)], ids[6:])
        with self.assertRaises(minibus.BusError) as error:
            subscribe(late, self.other, "/past", since=("s", "yesterday"))
        self.assertIn("'since'", error.exception.sentence)

    def test_much_of_the_past_comes_as_fast_as_it_is_read(self):
        publisher, client = self.client(), self.client()
        for number in range(40):
            publish(publisher, self.peer, "/much-past", bytes([number]) * 100000)
        subscribe(client, self.peer, "/much-past", since=("t", 3600))
        got, end = [], time.monotonic() + 30
        while len(got) < 40 and time.monotonic() < end:
            got += [message.body[4][0] for message in self.messages(client, 0.1)]
        self.assertEqual(got, list(range(40)))


class Restarts(NetworkTest):
    """A publisher that comes back: what it says of its last message before, and what others make of that."""

    def publish(self, peer, n=1):
        with minibus.Client(self.address) as client:
            return [publish(client, peer, "/restart")[1] for _ in range(n)][-1]

    def count(self, peer, name):
        return self.json("-i", peer, "statistics")["statistics"][name]

    def come_back(self, peer, number):
        since = len(self.log(peer))
        self.stop(peer, number)
        self.start(peer, wait=True)
        self.wait_log(peer, "Linked to", since=since)
        self.wait_for(lambda: self.is_on_bus(peer), f"{peer} is on the bus")

    def test_its_first_message_names_the_last_one_before_unless_it_crashed(self):
        self.name_ports(0, 1)
        (peer,) = self.peers
        node, epoch, named = self.node(name="listener"), None, []
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            self.start(peer, wait=True)
            self.wait_for(lambda: self.is_on_bus(peer), "it is on the bus")
            with Attended(model.Session.dial(node, "127.0.0.1", port_of(peer))) as link:
                link.session.send("NEIGHBOR", priority=model.HIGH, links=0)
                self.wait_for(lambda: link.bodies("ACCEPT"), "a link")
                self.assertEqual(self.publish(peer, 3), 3)
                first, *later = self.wait_for(lambda: len(found := link.bodies("GOSSIP")) == 3 and found, "all messages")
                self.assertEqual([body.get("previous") for body in later], [None, None])
                named.append(first.get("previous") and (first["previous"].epoch == epoch, first["previous"].sequence))
                epoch = first["stamp"].epoch
            self.assertEqual(os.path.exists(self.path(peer, "published")), False)
            self.stop(peer, number)
            self.assertEqual(os.path.exists(self.path(peer, "published")), number == signal.SIGTERM)
        self.assertEqual(named, [None, (True, 3), (True, 3), None])

    def test_of_a_crash_others_say_that_messages_may_be_lost_and_of_a_stop_nothing(self):
        self.start_network(1, 2)
        peer, other = self.peers
        origin = self.json("-i", peer, "show")["nodeId"]
        watcher = Watcher(self, other)
        for number in (signal.SIGTERM, signal.SIGKILL):
            received = self.count(other, "GossipReceived")
            last = self.publish(peer, 3)
            self.wait_for(lambda: self.count(other, "GossipReceived") == received + 3, "all have come")
            self.come_back(peer, number)
        self.publish(peer)
        self.assertEqual(watcher.wait("Gap"), [origin, last + 1, 0, 0])
        self.wait_log(other, rf"Messages of \S+ may be lost, from {last + 1} on: it ended without telling anybody which was "
                             r"its last one\.")
        self.assertEqual(watcher.names().count("Gap"), 1)
        self.assertEqual((self.count(other, "GossipUncertain"), self.count(other, "GossipLost")), (1, 0))

    def test_a_damaged_memory_of_it_is_set_aside(self):
        self.name_ports(0, 1)
        (peer,) = self.peers
        self.start(peer, wait=True)
        self.wait_for(lambda: self.is_on_bus(peer), "it is on the bus")
        self.publish(peer)
        self.assertEqual(self.stop(peer), 0)
        with open(self.path(peer, "published"), "r+b") as file:
            file.truncate(50)
        self.start(peer, wait=True)
        self.wait_for(lambda: self.is_on_bus(peer), "it is on the bus")
        self.wait_log(peer, rf"State file {self.path(peer, 'published')} is damaged; set aside as published\.damaged, "
                            r"going on without it\.")
        self.assertEqual(self.publish(peer), 1)
        self.assertEqual(self.stop(peer), 0)
        self.assertTrue(os.path.exists(self.path(peer, "published")))


class Away(NetworkTest):
    """A bus that is not there, goes away, and is back."""

    def warnings(self, instance):
        return re.findall(r"No D-Bus: .*", self.log(instance))

    def test_the_network_works_without_a_bus_and_each_daemon_says_so_once(self):
        self.stop_bus()
        self.name_ports(1, 2)
        for instance in self.seeds + self.peers:
            self.start(instance)
        for peer in self.peers:
            self.wait_log(peer, "Registered with seed")
            self.wait_log(peer, "Linked to")
        time.sleep(2)                   # in which it has tried again
        for instance in self.seeds + self.peers:
            self.assertEqual(len(self.warnings(instance)), 1, self.log(instance))
            self.assertIn("The network works without, but local programs cannot reach this node; trying again.",
                          self.warnings(instance)[0])
        self.ctl("peers", status=3)

    def test_a_bus_that_comes_later_is_taken_up(self):
        self.stop_bus()
        self.name_ports(1, 1)
        for instance in self.seeds + self.peers:
            self.start(instance)
            self.wait_log(instance, "No D-Bus: ")
        self.start_bus()
        for instance in self.seeds + self.peers:
            self.wait_log(instance, r"D-Bus is back\.")
            self.ctl("-i", instance, "wait-online")

    def test_a_bus_that_is_restarted_in_the_middle_disturbs_nobody(self):
        self.start_network(1, 3)
        links = {peer: self.log(peer).count("The link to") for peer in self.peers}
        with minibus.Client(self.address) as client:
            subscribe(client, self.peers[1], "/x")
            self.stop_bus()
        for instance in self.seeds + self.peers:
            self.wait_log(instance, "No D-Bus: the connection has ended")
        # Members of the network come and go as if nothing had happened.
        self.stop(self.peers[2])
        for peer in self.peers[:2]:
            self.wait_log(peer, r"\S+ left\.")
        since = len(self.log(self.peers[2]))
        self.start(self.peers[2])
        self.wait_log(self.peers[2], "No D-Bus: ", since=since)
        self.wait_log(self.peers[2], "Linked to", since=since)
        self.assertEqual({peer: self.log(peer).count("The link to") for peer in self.peers[:2]},
                         {peer: links[peer] + 1 for peer in self.peers[:2]})

        self.start_bus()
        for instance in self.seeds + self.peers:
            self.wait_log(instance, r"D-Bus is back\.")
            self.assertEqual(len(self.warnings(instance)), 2 if instance == self.peers[2] else 1, "once for each run")
        for instance in self.seeds + self.peers:
            self.ctl("-i", instance, "wait-online")
        with minibus.Client(self.address) as client, minibus.Client(self.address) as subscriber:
            self.assertEqual(self.json("-i", self.peers[1], "statistics")["statistics"]["Subscriptions"], 0)
            subscribe(subscriber, self.peers[1], "/after")
            publish(client, self.peers[0], "/after", b"all")
            self.assertEqual(subscriber.signal("Message").body[4], b"all")

    def test_a_bus_that_goes_again_is_said_again(self):
        self.start_network(1, 1)
        (peer,) = self.peers
        for number in range(1, 3):
            self.stop_bus()
            self.wait_log(peer, "No D-Bus: ", number)
            self.start_bus()
            self.wait_log(peer, r"D-Bus is back\.", number)
        self.assertEqual(self.stop(peer), 0)

    def test_a_bus_that_hangs_holds_up_nobody(self):
        self.start_network(1, 2)
        self.bus.send_signal(signal.SIGSTOP)
        self.addCleanup(lambda: self.bus and self.bus.poll() is None and self.bus.send_signal(signal.SIGCONT))
        self.stop(self.peers[1], signal.SIGKILL)
        self.wait_log(self.peers[0], r"is suspected to be dead")
        self.assertEqual(self.stop(self.peers[0]), 0)
        self.bus.send_signal(signal.SIGCONT)

    def test_none_is_no_bus_and_no_warning(self):
        self.address = "none"
        self.name_ports(0, 1)
        self.start(self.peers[0], wait=True)
        self.assertEqual(self.warnings(self.peers[0]), [])

    def test_a_choice_that_is_no_bus_is_refused_with_what_is_accepted(self):
        (port,) = free_ports(1)
        for instance in (f"peer@{port}", f"seed@{port}"):
            status, said = self.run_daemon(instance, "--bus=nonsense")
            self.assertNotEqual(status, 0)
            self.assertIn("nonsense", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
