#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is a member, and who is not any more: registration, links, death, hanging, leaving, restarts, copies, seeds that go."""

import os
import re
import shutil
import signal
import socket
import time
import unittest

from network import NetworkTest, free_ports, model, port_of

ACCUSED = re.compile(r"suspected to be dead|does not answer|gone is gone: |is dead|reported")


class Members(NetworkTest):
    BUS = False

    def name(self, instance):
        return f"{socket.gethostname()}:{port_of(instance)}"

    def wait_listed(self, seed, ports, what):
        self.wait_for(lambda: self.listed_ports(seed) == set(ports), f"{seed} lists {what}")

    def peer_ports(self, *without):
        return {port_of(peer) for peer in self.peers if peer not in without}

    def assert_nobody_was_accused(self, instances):
        time.sleep(1.5)                 # in which three strikes of the profile "local" would be over
        for instance in instances:
            self.assertIsNone(ACCUSED.search(self.log(instance)), self.log(instance))

    def node_id(self, instance):
        with model.Session.dial(self.node(), "127.0.0.1", port_of(instance), purpose=model.PROBE) as session:
            return session.peer["id"]


class Joining(Members):
    def test_peers_register_with_a_majority_find_each_other_and_are_in_every_list(self):
        self.start_network(3, 4)
        for peer in self.peers:
            said = self.log(peer)
            self.assertRegex(said, r"Registered with seed 127\.0\.0\.1:\d+ \(2 of 2 wanted\); it knows \d+ peers?\.")
            self.assertEqual(self.joined(peer), {str(port) for port in self.peer_ports(peer)})
            self.assertRegex(said, r"Linked to \S+ at 127\.0\.0\.1:\d+ \((in|out), \d of \d\)\.")
        for seed in self.seeds:
            self.wait_listed(seed, self.peer_ports(), "all peers, also those that registered elsewhere")
        for record in self.listed(self.seeds[0]).values():
            self.assertEqual((record["state"], record["role"]), (model.ALIVE, model.PEER))

    def test_a_seed_by_name_is_as_good(self):
        self.name_ports(2, 2)
        self.write_seeds([port_of(seed) for seed in self.seeds], host="localhost")
        for instance in self.seeds + self.peers:
            self.start(instance)
        for peer in self.peers:
            self.wait_log(peer, r"Registered with seed localhost:\d+", 2)
        for seed in self.seeds:
            self.assertNotIn("added it as", self.log(seed))

    def test_a_name_nobody_knows_is_said_with_its_reason_and_the_rest_works(self):
        self.name_ports(1, 2)
        (port,) = [port_of(seed) for seed in self.seeds]
        self.write_config("seeds.conf", f'seeds = ( {{ host = "nobody.invalid"; port = 5000; }}, '
                                        f'{{ host = "127.0.0.1"; port = {port}; }} );\n')
        for instance in self.seeds + self.peers:
            self.start(instance)
        for peer in self.peers:
            self.wait_log(peer, r"Registered with seed 127\.0\.0\.1:\d+ \(1 of 2 wanted\)")
            self.wait_log(peer, r"Seed nobody\.invalid:5000 cannot be reached: \S.*\. Trying again later\.")
            self.wait_log(peer, r"Linked to")

    def test_over_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        self.name_ports(1, 2)
        self.write_config("p2pnet.conf", self.CONFIG + 'listen = { address = "::1"; };\n')
        self.write_seeds([port_of(seed) for seed in self.seeds], host="::1")
        for instance in self.seeds + self.peers:
            self.start(instance)
        for peer in self.peers:
            self.wait_log(peer, r"Registered with seed \[::1\]:\d+ \(1 of 1 wanted\)")
            self.wait_log(peer, r"Linked to \S+ at \[::1\]:\d+")
        self.assertNotIn("added it as", self.log(self.seeds[0]))

    def test_peers_without_any_seed_stay_up_and_register_when_one_comes(self):
        self.name_ports(1, 2)
        for peer in self.peers:
            self.start(peer, wait=True)
        for peer in self.peers:
            self.wait_log(peer, r"Seed 127\.0\.0\.1:\d+ cannot be reached: nobody listens there\. Trying again later\.")
        self.start(self.seeds[0])
        for peer in self.peers:
            self.wait_log(peer, r"Registered with seed")
            self.wait_log(peer, r"Linked to")

    def test_another_network_is_refused_and_both_say_so(self):
        self.name_ports(1, 1)
        (seed,), (peer,) = self.seeds, self.peers
        self.write_config(f"{peer}.conf.d/network.conf", 'network = "elsewhere";\n')
        self.start(seed, wait=True)
        self.start(peer, wait=True)
        self.wait_log(seed, r'Refused a session with .*(test.*elsewhere|elsewhere.*test)')
        self.wait_log(peer, r'(test.*elsewhere|elsewhere.*test)')
        self.assertEqual(self.listed_ports(seed), set())
        self.assertNotIn("Registered", self.log(peer))


class Leaving(Members):
    def test_a_killed_peer_is_noticed_dropped_from_all_lists_and_welcome_again(self):
        self.start_network(2, 4)
        victim, others = self.peers[3], self.peers[:3]
        before = self.node_id(victim)
        self.stop(victim, signal.SIGKILL)
        for seed in self.seeds:
            self.wait_listed(seed, self.peer_ports(victim), "all but the killed one")
            self.wait_log(seed, rf"{self.name(victim)} is dead")
        for peer in others:
            self.wait_log(peer, rf"{self.name(victim)} is dead")
        self.assertTrue(any(f"{self.name(victim)} is suspected to be dead" in self.log(peer) for peer in others))
        self.assertTrue(any(re.search(rf"{self.name(victim)} is dead: reported by \d peers?, and it does not answer us; "
                                      r"dropped from the list, 3 peers left\.", self.log(seed)) for seed in self.seeds))

        since = {peer: len(self.log(peer)) for peer in others}
        self.start(victim, wait=True)
        self.assertEqual(self.node_id(victim), before)
        for seed in self.seeds:
            self.wait_listed(seed, self.peer_ports(), "it again")
        for peer in others:
            self.wait_log(peer, rf"{self.name(victim)} joined, at ", since=since[peer])

    def test_a_hanging_peer_is_noticed_and_back_when_it_goes_on(self):
        self.start_network(2, 3)
        victim = self.peers[2]
        self.processes[victim].send_signal(signal.SIGSTOP)
        for seed in self.seeds:
            self.wait_listed(seed, self.peer_ports(victim), "all but the hanging one")
        # To be told apart from a killed one: its kernel still accepts connections, it missed its requests.
        self.assertTrue(any(re.search(rf"{self.name(victim)} does not answer: 3 liveness requests missed in \S+ m?s; "
                                      r"reported to \d seeds?\.", self.log(peer)) for peer in self.peers[:2]))
        since = len(self.log(victim))
        self.processes[victim].send_signal(signal.SIGCONT)
        for seed in self.seeds:
            self.wait_listed(seed, self.peer_ports(), "it again")
        self.wait_log(victim, r"Linked to", since=since)
        self.assertIsNone(self.processes[victim].poll())

    def test_a_peer_that_leaves_in_order_is_accused_by_nobody(self):
        self.start_network(2, 3)
        leaver, others = self.peers[2], self.peers[:2]
        self.assertEqual(self.stop(leaver), 0)
        for seed in self.seeds:
            self.wait_listed(seed, self.peer_ports(leaver), "those who stayed")
            self.wait_log(seed, rf"{self.name(leaver)} left\.")
        for peer in others:
            self.wait_log(peer, rf"{self.name(leaver)} left\.")
        self.assert_nobody_was_accused(self.seeds + others)

    def test_a_restarted_peer_keeps_its_id_and_is_accused_by_nobody(self):
        self.start_network(1, 3)
        victim = self.peers[1]
        before = self.node_id(victim)
        self.assertEqual(self.stop(victim), 0)
        since = len(self.log(victim))
        self.start(victim, wait=True)
        self.wait_listed(self.seeds[0], self.peer_ports(), "everybody")
        self.assertEqual(self.node_id(victim), before)
        self.wait_log(victim, "Linked to", since=since)
        self.assert_nobody_was_accused(self.seeds + self.peers)

    def test_a_copied_state_directory_gets_a_new_id_and_both_go_on(self):
        self.start_network(1, 2)
        original, port = self.peers[0], free_ports(1)[0]
        before = self.node_id(original)
        copy = f"peer@{port}"
        shutil.copytree(self.path(original), self.path(copy))
        self.start(copy, wait=True)
        self.wait_log(copy, r"Another living node has our id: this node is [0-9a-f]{32} from now on\.")
        refused = f"Refused a caller at 127.0.0.1:{port} that has the id of {self.name(original)}, which is alive."
        self.assertTrue(any(refused in self.log(instance) for instance in self.seeds + self.peers))
        self.wait_listed(self.seeds[0], self.peer_ports() | {port}, "both")
        self.assertEqual(self.node_id(original), before)
        self.assertNotEqual(self.node_id(copy), before)
        self.wait_log(copy, "Linked to")
        # It is written down, too: the next start is no copy any more.
        mine = self.node_id(copy)
        self.assertEqual(self.stop(copy), 0)
        self.start(copy, wait=True)
        self.assertEqual(self.node_id(copy), mine)


class SeedsThatGo(Members):
    def test_the_network_outlives_a_seed_and_a_seed_comes_back_to_the_whole_list(self):
        self.start_network(3, 3)
        (port,) = re.search(r"Registered with seed 127\.0\.0\.1:(\d+) ", self.log(self.peers[0])).groups()
        seed = f"seed@{port}"
        links = {peer: self.log(peer).count("The link to") for peer in self.peers}
        self.stop(seed, signal.SIGKILL)
        registered = [peer for peer in self.peers if f"Registered with seed 127.0.0.1:{port_of(seed)} " in self.log(peer)]
        for peer in registered:
            self.wait_log(peer, rf"Lost seed 127\.0\.0\.1:{port_of(seed)}: .* \(1 of 2 wanted\)")
            self.wait_for(lambda p=peer: self.log(p).rindex("(2 of 2 wanted)") > self.log(p).rindex("Lost seed"),
                          "another one takes its place")
        self.start(seed, wait=True)
        self.wait_listed(seed, self.peer_ports(), "all peers, though some registered elsewhere")
        for peer in self.peers:
            self.assertEqual(self.log(peer).count("The link to"), links[peer])
            self.assertNotIn("suspected", self.log(peer))

    def test_peers_find_each_other_again_without_any_seed(self):
        self.start_network(1, 3)
        self.stop(self.seeds[0])
        for peer in self.peers:
            self.assertEqual(self.stop(peer), 0)
        since = {peer: len(self.log(peer)) for peer in self.peers}
        for peer in self.peers:
            self.start(peer, wait=True)
        for peer in self.peers:
            self.wait_log(peer, "Linked to", since=since[peer])

    def test_a_seed_that_is_in_no_list_adds_itself_for_as_long_as_it_runs(self):
        self.start_network(1, 2)
        port = free_ports(1)[0]
        seed, path = f"seed@{port}", self.path("run", "seeds.d", f"{port}.conf")
        self.start(seed, wait=True)
        self.wait_log(seed, rf"This seed is in no list of seeds: added it as 127\.0\.0\.1:{port} by {path}, for as long as it runs\.")
        self.assertTrue(os.path.exists(path))
        # A majority of two seeds is both: so the peers show that they took it up without a restart.
        for peer in self.peers:
            self.wait_log(peer, r"The list of seeds has changed: it has 2 now\.")
            self.wait_log(peer, rf"Registered with seed 127\.0\.0\.1:{port} \(2 of 2 wanted\)")
        self.wait_listed(seed, self.peer_ports(), "the peers")
        self.assertEqual(self.stop(seed), 0)
        self.assertFalse(os.path.exists(path))
        for peer in self.peers:
            self.wait_log(peer, r"The list of seeds has changed: it has 1 now\.")

    def test_the_drop_in_of_a_killed_seed_is_taken_over_by_its_next_run(self):
        self.start_network(1, 1)
        port = free_ports(1)[0]
        seed, path = f"seed@{port}", self.path("run", "seeds.d", f"{port}.conf")
        self.start(seed, wait=True)
        self.wait_log(self.peers[0], rf"Registered with seed 127\.0\.0\.1:{port}")
        since = len(self.log(self.peers[0]))
        self.stop(seed, signal.SIGKILL)
        self.assertTrue(os.path.exists(path))
        self.start(seed, wait=True)
        self.wait_log(self.peers[0], rf"Registered with seed 127\.0\.0\.1:{port}", since=since)
        self.assertEqual(self.stop(seed), 0)
        self.assertFalse(os.path.exists(path))

    def test_a_seed_that_is_listed_writes_no_drop_in(self):
        self.start_network(1, 1)
        self.assertEqual(os.listdir(self.path("run", "seeds.d")) if os.path.isdir(self.path("run", "seeds.d")) else [], [])
        self.assertNotIn("added it as", self.log(self.seeds[0]))

    def test_a_list_of_seeds_that_becomes_wrong_is_said_once_and_the_old_one_kept(self):
        self.start_network(1, 1)
        (peer,) = self.peers
        good = f"seeds = ( {{ host = \"127.0.0.1\"; port = {port_of(self.seeds[0])}; }} );\n"
        for _ in range(2):
            self.write_config("seeds.conf", "seeds = ( { host = 1; } );\n")
            time.sleep(0.7)             # longer than it waits for files to settle
        self.assertEqual(len(re.findall(r"The list of seeds has changed and cannot be used: \S*seeds\.conf:1: .* Keeping the old one\.",
                                        self.log(peer))), 1)
        self.write_config("seeds.conf", good)
        since = len(self.log(peer))
        self.stop(self.seeds[0])
        self.start(self.seeds[0])
        self.wait_log(peer, "Registered with seed", since=since)


if __name__ == "__main__":
    unittest.main(verbosity=2)
