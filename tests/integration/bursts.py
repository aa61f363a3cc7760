#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many large messages at once: they wait for the links that carry them, arrive everywhere, and end no link."""

import re
import threading
import unittest

import minibus
from network import NetworkTest, port_of, publish

COUNT, SIZE = 8, 512 * 1024


class Bursts(NetworkTest):
    # Not "local": with its short time-outs a busy machine would be taken for a dead peer.
    # The stores hold all of it: however long a machine stops one of the daemons, what it missed is there.
    CONFIG = 'profile = "lan";\nnetwork = "test";\ngossip = { count = 0; };\nstore = { size-mib = 32; };\n'

    def publish(self, peer):
        with minibus.Client(self.address, timeout=120) as client:
            for number in range(COUNT):
                publish(client, peer, "/burst", bytes([number]) * SIZE)

    def publish_at_once(self, peers):
        threads = [threading.Thread(target=self.publish, args=[peer]) for peer in peers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def statistics(self, peer):
        return self.json("-i", peer, "statistics")["statistics"]

    def assert_all_arrive(self, publishers):
        since = {peer: len(self.log(peer)) for peer in self.peers}     # two that dial each other settle on one link before
        self.publish_at_once(publishers)
        for peer in self.peers:
            expected = COUNT * (len(publishers) - (peer in publishers))
            self.wait_for(lambda p=peer, n=expected: self.statistics(p)["GossipReceived"] >= n, f"{peer} has all {expected}")
        for peer in self.peers:
            statistics = self.statistics(peer)
            self.assertEqual((statistics["LinksSlow"], statistics["GossipLost"]), (0, 0))
            log = self.log(peer)[since[peer]:]
            self.assertIsNone(re.search(r"The link to .* is gone: (?!(ended by us, )?replaced by a newer connection)", log), log)

    def start_line(self):
        """So it begins; peers that hear of each other link by and by, on a slow machine before the burst."""
        self.start_network(0, 5)
        for one, other in zip(self.peers, self.peers[1:]):
            self.ctl("-i", one, "connect", f"127.0.0.1:{port_of(other)}")
        for n, peer in zip([1, 2, 2, 2, 1], self.peers):
            self.assertGreaterEqual(len(self.json("-i", peer, "peers", "--links")["peers"]), n)

    def test_from_one_end_of_a_line(self):
        self.start_line()
        self.assert_all_arrive(self.peers[:1])

    def test_from_everywhere_in_a_line(self):
        self.start_line()
        self.assert_all_arrive(self.peers)

    def test_from_everywhere_in_a_mesh_of_cycles(self):
        self.start_network(1, 5)
        self.assert_all_arrive(self.peers)


if __name__ == "__main__":
    unittest.main(verbosity=2)
