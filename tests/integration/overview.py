#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a node shows of the network as a whole and over time: histograms."""

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
