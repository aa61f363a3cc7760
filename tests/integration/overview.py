#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a node shows of the network as a whole and over time: histograms, topics, all nodes and links."""

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import termios
import threading
import time
import unittest
import xml.etree.ElementTree as ElementTree

import minibus
from network import P2PCTL, Attended, SharedNetworkTest, bus_name, model, port_of, publish

ROOT = "/org/p2pnet/Node1"
MANAGER = "org.p2pnet.Node1.Manager"
INVALID = "org.freedesktop.DBus.Error.InvalidArgs"


class Overview(SharedNetworkTest):
    def setUp(self):
        self.client = minibus.Client(self.net.address)
        self.addCleanup(self.client.socket.close)

    def call(self, instance, member, signature="", *values):
        interface = MANAGER if instance.startswith("peer@") else "org.p2pnet.Node1.Seed"
        return self.client.call(bus_name(instance), ROOT, interface, member, signature, *values)

    def received(self, peer):
        return self.net.json("-i", peer, "statistics")["statistics"]["GossipReceived"]


class Histograms(Overview):
    SEEDS, PEERS = 1, 3
    NAMES = ("DeliveryAgeUSec", "DeliveryHops", "RoundTripUSec")

    def test_every_delivery_of_others_is_counted_with_its_age_and_hops(self):
        first, second = self.net.peers[:2]
        before = self.received(first), self.received(second)
        for _ in range(20):
            publish(self.client, second, "/counted", b"x")
        self.net.wait_for(lambda: self.received(first) == before[0] + 20, "all have arrived")

        for name in ("DeliveryAgeUSec", "DeliveryHops"):
            bounds, counts, total, largest = self.call(first, "GetHistogram", "s", name)
            self.assertEqual(bounds, sorted(set(bounds)))
            self.assertEqual(len(counts), len(bounds) + 1)
            self.assertEqual(sum(counts), self.received(first))
            self.assertLessEqual(total, sum(counts) * largest)
        bounds, counts, total, _ = self.call(first, "GetHistogram", "s", "DeliveryHops")
        self.assertEqual(counts[0], 0)          # one's own messages, which cross none, are not among them
        self.assertEqual(total, sum((bound - 1) * count for bound, count in zip(bounds, counts)))
        # Who publishes delivers its own messages itself, which took no way.
        self.assertEqual(sum(self.call(second, "GetHistogram", "s", "DeliveryHops")[1]), before[1])

    def test_round_trips_of_links_are_counted(self):
        first = self.net.peers[0]
        self.net.wait_for(lambda: sum(self.call(first, "GetHistogram", "s", "RoundTripUSec")[1]), "an answer to a PING")
        bounds, counts, total, largest = self.call(first, "GetHistogram", "s", "RoundTripUSec")
        self.assertTrue(0 < largest <= total)
        self.assertTrue(all(b == 2 * a for a, b in zip(bounds, bounds[1:])))
        self.assertTrue(any(counts))

    def test_a_name_that_is_none_is_refused_with_those_that_are(self):
        for name in ("", "Nope", "deliveryhops", "x" * 1000, "<\u00e9>"):
            with self.assertRaises(minibus.BusError) as error:
                self.call(self.net.peers[0], "GetHistogram", "s", name)
            self.assertEqual(error.exception.name, INVALID)
            for accepted in self.NAMES:
                self.assertIn(accepted, error.exception.sentence)

    def test_p2pctl_shows_percentiles_and_all_of_it_as_json(self):
        first, second = self.net.peers[:2]
        before = self.received(first)
        publish(self.client, second, "/shown", b"x")
        self.net.wait_for(lambda: self.received(first) > before, "it has arrived")

        text = self.net.ctl("-i", first, "statistics").stdout
        self.assertRegex(text, r"\n\nHISTOGRAM +COUNT +P50 +P90 +P99 +MAX\n")
        self.assertRegex(text, r"\nAge at delivery +\d+ +\d")
        self.assertRegex(text, r"\nLinks crossed +\d+ +[12] +[12] +[12] +[12]\n")
        self.assertRegex(text, r"\nRound trip over a link +\d+ ")

        histograms = self.net.json("-i", first, "statistics")["histograms"]
        self.assertEqual(set(histograms), {name[0].lower() + name[1:] for name in self.NAMES})
        for histogram in histograms.values():
            self.assertEqual(sum(histogram["counts"]), histogram["count"])
            self.assertLessEqual(histogram["p50"] or 0, histogram["p90"] or 0)
            self.assertLessEqual(histogram["p99"] or 0, histogram["max"])

        seed = self.net.seeds[0]
        self.assertNotIn("HISTOGRAM", self.net.ctl("-i", seed, "statistics").stdout)
        self.assertNotIn("histograms", self.net.json("-i", seed, "statistics"))


class Topics(Overview):
    SEEDS, PEERS = 1, 2

    def topics(self, peer):
        rows, others = self.call(peer, "ListTopics")
        return {row[0]: row[1:] for row in rows}, others

    def test_messages_are_counted_by_topic_wherever_they_arrive(self):
        first, second = self.net.peers
        subscription = self.net.ctl_start("-i", first, "subscribe", "--count=1", "--timeout=60", "/topics/[ab]")
        self.net.wait_for(lambda: self.net.json("-i", first, "statistics")["statistics"]["Subscriptions"] == 1, "a subscription")
        self.assertEqual(self.topics(first)[0].get("/topics/a"), None)
        for topic, payload in (("/topics/b", b"xyz"), ("/topics/c", b""), ("/topics/c", b"1234567")):
            publish(self.client, second, topic, payload)
        self.assertEqual(subscription.wait(timeout=60), 0)
        self.net.wait_for(lambda: self.topics(first)[0].get("/topics/c", [0])[0] == 2, "all have arrived")

        for peer in self.net.peers:
            now = self.net.busctl("get-property", bus_name(peer), ROOT, MANAGER, "Timestamp")
            rows, others = self.topics(peer)
            self.assertEqual(list(rows), sorted(rows))
            self.assertEqual(rows["/topics/b"][:2], (1, 3))
            self.assertEqual(rows["/topics/c"][:2], (2, 7))
            self.assertTrue(all(0 < row[2] <= now for row in rows.values()))
            self.assertEqual(others, (0, 0, 0))

    def test_subscriptions_that_match_are_counted(self):
        first = self.net.peers[0]
        publish(self.client, first, "/matched/x")
        self.assertEqual(self.topics(first)[0]["/matched/x"][3], 0)
        paths = [self.call(first, "Subscribe", "asa{sv}", patterns, {})[0] for patterns in (["/matched/*", "/matched/x"], ["/no"])]
        self.assertEqual(self.topics(first)[0]["/matched/x"][3], 1)
        for path in paths:
            self.client.call(bus_name(first), path, "org.p2pnet.Node1.Subscription", "Close", "")
        self.assertEqual(self.topics(first)[0]["/matched/x"][3], 0)

    def test_p2pctl_shows_them_and_says_when_there_are_none(self):
        first, seed = self.net.peers[0], self.net.seeds[0]
        publish(self.client, first, "/shown <&>\"", b"0123456789")
        text = self.net.ctl("-i", first, "topics").stdout
        self.assertEqual(text.splitlines()[0].split(), ["TOPIC", "MESSAGES", "PAYLOAD", "LAST", "SUBSCRIPTIONS"])
        self.assertRegex(text, r'\n/shown <&>" +1 +10 B +just now +-\n')
        self.assertRegex(text, rf"\n\n\d+ topics?, as seen by {first} since it started\.\n")
        row = [topic for topic in self.net.json("-i", first, "topics")["topics"] if topic["topic"].startswith("/shown")][0]
        self.assertEqual((row["messages"], row["bytes"], row["subscriptions"]), (1, 10, 0))
        self.assertLess(row["lastUSec"], 60 * 1000000)

        self.assertIn(f"{seed} is a seed; only peers do this.", self.net.ctl("-i", seed, "topics", status=2).stderr)
        self.assertEqual([facts["instance"] for facts in self.net.json("-i", "all", "topics")], self.net.peers)


class Silence(Overview):
    PEERS = 1

    def test_where_nothing_has_come_p2pctl_says_so(self):
        peer = self.net.peers[0]
        self.assertEqual(self.net.ctl("topics").stdout.splitlines()[0], f"No message has reached {peer} since it started.")
        self.assertEqual(self.net.json("topics")["topics"], [])


class Width(Overview):
    PEERS = 1

    def on_a_terminal(self, *arguments):
        """What it shows where 80 columns are all."""
        terminal, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        shown = b""
        try:
            process = subprocess.Popen([P2PCTL, *arguments], stdin=end, stdout=end, stderr=end,
                                       env=self.net.environment(TERM="dumb"))
            os.close(end)
            while chunk := os.read(terminal, 65536):
                shown += chunk
        except OSError:         # EIO: nobody has the other end any more
            pass
        self.assertEqual(process.wait(timeout=30), 0)
        os.close(terminal)
        return shown.decode().splitlines()

    def test_what_does_not_fit_on_a_terminal_is_shortened_and_one_can_see_it(self):
        peer, topic = self.net.peers[0], "/shortened/" + 20 * "0123456789"
        publish(self.client, peer, topic, b"x")
        lines = self.on_a_terminal("-i", peer, "topics", "--no-pager")
        self.assertTrue(all(len(line) <= 80 for line in lines), lines)
        (row,) = [line for line in lines if line.startswith("/shortened/")]
        self.assertRegex(row, r"^/shortened/\d+…  +1 +1 B  .+ -$")
        self.assertTrue(lines[0].endswith("  SUBSCRIPTIONS"), lines[0])
        whole = self.on_a_terminal("-i", peer, "topics", "--no-pager", "--full")
        self.assertEqual(len([line for line in whole if line.startswith(topic + "  ")]), 1)


class Topology(Overview):
    SEEDS, PEERS = 1, 4

    def ids(self):
        return {peer: self.net.json("-i", peer, "show")["nodeId"] for peer in self.net.peers}

    def get_topology(self, peer):
        nodes, links, extra = self.call(peer, "GetTopology", "a{sv}", {})
        return nodes, links, extra

    def links_of(self, peer):
        return {entry["id"]: entry["direction"] for entry in self.net.json("-i", peer, "peers", "--links")["peers"]}

    def stranger(self, peer, **changes):
        """A peer of the model that has linked itself to this one."""
        session = Attended(model.Session.dial(self.net.node(**changes), "127.0.0.1", port_of(peer)))
        session.session.send("NEIGHBOR", priority=model.HIGH, links=0)
        self.net.wait_for(lambda: session.bodies("ACCEPT"), "a link")
        return session

    def test_every_link_is_there_as_both_ends_show_it(self):
        ids = self.ids()
        self.net.wait_for(lambda: all(len(self.links_of(peer)) == 3 for peer in self.net.peers), "everybody is linked")
        for peer in self.net.peers:
            nodes, links, extra = self.net.wait_for(
                lambda p=peer: (found := self.get_topology(p)) and len(found[1]) == 6 and found, "six links")
            self.assertEqual(extra, {"Members": 3, "Answered": 3, "Unknown": 0})
            self.assertEqual(nodes[0][0], ids[peer])
            self.assertEqual({node[0] for node in nodes}, set(ids.values()))
            by_id = {node[0]: node for node in nodes}
            for other, node_id in ids.items():
                self.assertEqual(by_id[node_id][1:3], (self.net.json("-i", other, "show")["name"], f"127.0.0.1:{port_of(other)}"))
                self.assertEqual(by_id[node_id][3:], ("alive", "answered"))
            for a, b, flags, rtt in links:
                self.assertLess(a, b)
                ends = [next(other for other, node_id in ids.items() if node_id == nodes[end][0]) for end in (a, b)]
                shown = self.links_of(ends[0])[ids[ends[1]]]
                self.assertEqual(flags, (1 if shown == "out" else 2) | 4 | 8 | 16 | 32, (ends, shown))
                self.assertGreater(rtt, 0)

    def test_callers_at_the_same_time_get_the_same_answer(self):
        clients = [minibus.Client(self.net.address) for _ in range(3)]
        answers = [client.call(bus_name(self.net.peers[0]), ROOT, MANAGER, "GetTopology", "a{sv}", {}) for client in clients]
        for client in clients:
            client.socket.close()
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0], answers[2])

    def test_options_that_are_none_are_refused(self):
        with self.assertRaises(minibus.BusError) as error:
            self.call(self.net.peers[0], "GetTopology", "a{sv}", {"Depth": ("t", 3)})
        self.assertEqual(error.exception.name, INVALID)

    def test_a_peer_that_says_nothing_holds_nobody_up_for_long(self):
        peer = self.net.peers[0]
        with self.stranger(peer, name="mute") as session:
            nodes, links, _ = self.net.wait_for(lambda: (found := self.get_topology(peer)) and
                                                any(node[1] == "mute" for node in found[0]) and found, "it is a member")
            place = next(i for i, node in enumerate(nodes) if node[1] == "mute")
            self.assertEqual(nodes[place][4], "silent")
            self.assertEqual([flags & (16 | 32 | 64) for a, b, flags, _ in links if place in (a, b)], [16])
            self.assertTrue(session.bodies("LINKS"))

    def test_what_a_liar_says_is_marked_and_makes_nobody_up(self):
        first, second = self.net.peers[:2]
        invented = [model.Link(bytes([200 + i % 50] * 16), 3, 1) for i in range(62)]
        with self.stranger(first, name='<liar & "co">') as session:
            with Answering(session, invented + [model.Link(bytes.fromhex(self.ids()[second]), 3, 1)]):
                nodes, links, extra = self.net.wait_for(
                    lambda: (found := self.get_topology(first)) and found[2]["Unknown"] == 62 and found, "the lies were heard")
        self.assertEqual(len(nodes), 5)
        liar = next(i for i, node in enumerate(nodes) if node[1].startswith("<liar"))
        claimed = [flags for a, b, flags, _ in links if liar in (a, b) and 0 not in (a, b)]
        self.assertEqual(len(claimed), 1)
        self.assertTrue(claimed[0] & 64)
        own = next(flags for a, b, flags, _ in links if (a, b) == (0, liar))    # which the liar keeps quiet about
        self.assertEqual(own & (16 | 32 | 64), 16 | 64)

    def test_links_are_named_to_whoever_asks_but_not_without_end(self):
        peer = self.net.peers[0]
        with Attended(model.Session.dial(self.net.node(), "127.0.0.1", port_of(peer), purpose=model.PROBE)) as session:
            for nonce in range(1, 200):
                session.session.send("LINKS", nonce=nonce)
            self.net.wait_for(lambda: session.bodies("LINKS_OK"), "an answer")
            session.session.send("PING", nonce=1, links=0)
            self.net.wait_for(lambda: session.bodies("PONG"), "and it goes on")
            answers = session.bodies("LINKS_OK")
            self.assertLess(len(answers), 20)
            self.assertEqual(answers[0]["nonce"], 1)
            self.assertLessEqual({bytes(link.id).hex() for link in answers[0]["link"]}, set(self.ids().values()))


class Pictures(Overview):
    SEEDS, PEERS = 1, 5

    def svg(self, *arguments):
        return ElementTree.fromstring(self.net.ctl(*arguments, "topology", "--svg").stdout)

    def test_the_tree_has_each_node_once(self):
        peer = self.net.peers[0]
        names = sorted(self.net.json("-i", other, "show")["name"] for other in self.net.peers)
        text = self.net.ctl("-i", peer, "topology").stdout
        tree, _, summary = text.partition("\n\n")
        self.assertEqual(tree.splitlines()[0].split(), [self.net.json("-i", peer, "show")["name"], f"127.0.0.1:{port_of(peer)}"])
        self.assertEqual(sorted(line.lstrip("├└─│ ").split()[0] for line in tree.splitlines()), names)
        for line in tree.splitlines()[1:]:
            self.assertRegex(line, r"^[│ ]*[├└]─ \S+  \d+\.\d ms( +\+\d)?$")
        self.assertRegex(summary, rf"^5 nodes, \d+ links: 4 in this tree, at most \d links? deep.*; as {peer} was told\.\n")

    def test_json_has_the_tree_and_all_links(self):
        value = self.net.json("-i", self.net.peers[1], "topology")
        self.assertEqual((value["members"], value["answered"], value["unknown"]), (4, 4, 0))
        by_id = {node["id"]: node for node in value["nodes"]}
        self.assertEqual(sum(link["tree"] for link in value["links"]), 4)
        for node in value["nodes"]:
            self.assertEqual(node["hops"], 0 if node["parent"] is None else by_id[node["parent"]]["hops"] + 1)
        for link in value["links"]:
            self.assertIn(link["a"], by_id)
            self.assertIn(link["dialledBy"], ("a", "b"))
            self.assertFalse(link["doubtful"])
            self.assertNotIn("placeA", link)

    def test_a_picture_shows_all_nodes_and_what_they_mean(self):
        picture = self.svg("-i", self.net.peers[0])
        space = "{http://www.w3.org/2000/svg}"
        texts = ["".join(element.itertext()) for element in picture.iter(space + "text")]
        for other in self.net.peers:
            self.assertEqual(texts.count(self.net.json("-i", other, "show")["name"]), 1)
        self.assertIn("alive, has answered: 5", texts)
        self.assertIn("carries messages, in the tree: 4", texts)
        self.assertFalse(list(picture.iter(space + "script")))
        left, top, width, height = map(float, picture.get("viewBox").split())
        for circle in picture.iter(space + "circle"):
            if "node" in circle.get("class"):
                self.assertTrue(left < float(circle.get("cx")) < left + width and top < float(circle.get("cy")) < top + height)

    def test_graphviz_takes_the_graph(self):
        text = self.net.ctl("-i", self.net.peers[0], "topology", "--dot").stdout
        self.assertEqual(text.count(" [label="), 5)
        self.assertGreaterEqual(text.count(" -- "), 4)
        if shutil.which("dot"):
            subprocess.run(["dot", "-Tcanon"], input=text, text=True, stdout=subprocess.DEVNULL, check=True)

    def test_who_is_dead_or_mute_is_shown_as_that(self):
        peer = self.net.peers[0]
        names = ('<b>&"\'', "mute")
        with Attended(model.Session.dial(self.net.node(name=names[0]), "127.0.0.1", port_of(peer))) as session:
            session.session.send("NEIGHBOR", priority=model.HIGH, links=0)
            self.net.wait_for(lambda: session.bodies("ACCEPT"), "a link")
            self.net.wait_for(lambda: names[0] in self.net.ctl("-i", peer, "topology").stdout, "it is shown")
            self.assertRegex(self.net.ctl("-i", peer, "topology").stdout, r"\n[├└]─ <b>&\"'.*  no answer\n")
            picture = self.svg("-i", peer)
            texts = ["".join(element.itertext()) for element in picture.iter("{http://www.w3.org/2000/svg}text")]
            self.assertIn(names[0], texts)
            self.assertIn("alive, has not answered: 1", texts)


class Loneliness(Overview):
    PEERS = 1

    def test_alone_it_says_so(self):
        peer, seed = self.net.peers[0], self.net.seeds[0]
        text = self.net.ctl("topology").stdout
        self.assertEqual(text.count("\n"), 3)
        self.assertIn(f"No other peer is known to {peer}.\n", text)
        self.assertEqual(len(self.net.json("topology")["nodes"]), 1)
        self.assertIn("<svg", self.net.ctl("topology", "--svg").stdout)
        self.assertIn(f"{seed} is a seed; only peers do this.", self.net.ctl("-i", seed, "topology", status=2).stderr)


class Answering:
    """Answers each LINKS that comes to an attended session with these links."""

    def __init__(self, attended, links):
        self.attended, self.links = attended, links

    def __enter__(self):
        self.is_stopping = False
        self.thread = threading.Thread(target=self.answer)
        self.thread.start()

    def answer(self):
        n_answered = 0
        while not self.is_stopping:
            for body in self.attended.bodies("LINKS")[n_answered:]:
                self.attended.session.send("LINKS_OK", nonce=body["nonce"], link=self.links)
                n_answered += 1
            time.sleep(0.01)

    def __exit__(self, *_):
        self.is_stopping = True
        self.thread.join()


if __name__ == "__main__":
    unittest.main(verbosity=2)
