#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a node shows of the network as a whole and over time: histograms, topics."""

import unittest

import minibus
from network import SharedNetworkTest, bus_name, publish

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
