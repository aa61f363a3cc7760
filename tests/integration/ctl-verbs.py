#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every verb of p2pctl against real daemons."""

import json
import os
import re
import select
import signal
import subprocess
import unittest

from network import NetworkTest


class Verbs(NetworkTest):
    """One network for all that leaves it as it was."""

    def wait_for_subscription(self, peer):
        self.wait_for(lambda: self.json("-i", peer, "statistics")["statistics"]["Subscriptions"], "a subscription")

    def port(self, instance):
        return instance.split("@")[1]

    def name(self, instance):
        return self.json("-i", instance, "show")["name"]

    def test_asking(self):
        self.start_network(2, 3)
        peer = self.peers[0]

        with self.subTest("status"):
            text = self.ctl("-i", peer).stdout
            self.assertRegex(text, rf"^● {peer}  \S+:{self.port(peer)}  online\n")
            self.assertIn("Network: test, 2 other members alive\n", text)
            self.assertRegex(text, r"Seeds: registered with 2 of 2 \(127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+\), "
                                   r"next renewal in ")
            self.assertIn("nothing lost\n", text)
            self.assertNotIn("Also here: ", text)
            self.assertIn("Also here: ", self.ctl().stdout)
            self.assertEqual(len(self.json("-i", "all", "status")), 5)
            self.assertIn("Network: test, 3 peers alive\n", self.ctl("-i", self.seeds[0]).stdout)

        with self.subTest("peers"):
            value = self.json("-i", peer, "peers")
            self.assertEqual({entry["name"] for entry in value["peers"]},
                             {self.name(other) for other in self.peers[1:]})
            for entry in value["peers"]:
                self.assertEqual(entry["state"], "alive")
                self.assertIn(entry["direction"], ("in", "out", "-"))
                self.assertLess(entry["sinceUSec"], 120000000)
            text = self.ctl("-i", peer, "peers").stdout
            self.assertEqual(text.splitlines()[0].split(), ["NAME", "ADDRESS", "STATE", "LINK", "RTT", "SINCE"])
            self.assertIn(f"2 peers, as seen by {peer}.", text)
            text = self.ctl("-i", self.seeds[0], "peers").stdout
            self.assertEqual(text.splitlines()[0].split(), ["NAME", "ADDRESS", "STATE", "LEASE", "REGISTERED"])
            self.assertIn(f"3 peers, as seen by {self.seeds[0]}.", text)
            self.assertEqual(len(self.json("-i", peer, "peers", "*:" + self.port(self.peers[1]))["peers"]), 1)
            self.assertEqual(self.json("-i", peer, "peers", "nobody")["peers"], [])
            links = self.json("-i", peer, "peers", "--links")["peers"]
            self.assertTrue(links)
            self.assertNotIn("-", {entry["direction"] for entry in links})

        with self.subTest("show"):
            value = self.json("-i", peer, "show", self.name(self.peers[1]))
            self.assertEqual(value["id"], self.json("-i", self.peers[1], "show")["nodeId"])
            for key in (value["id"], value["id"][:8], value["address"]):
                self.assertEqual(self.json("-i", peer, "show", key)["id"], value["id"])
            self.assertIn("No peer 'nobody' is known", self.ctl("-i", peer, "show", "nobody", status=5).stderr)
            self.assertEqual(self.json("-i", self.seeds[0], "show", value["id"])["name"], value["name"])

        with self.subTest("seeds"):
            value = self.json("-i", peer, "seeds")
            self.assertEqual({entry["seed"] for entry in value["seeds"]},
                             {"127.0.0.1:" + self.port(seed) for seed in self.seeds})
            self.assertEqual([entry["state"] for entry in value["seeds"]], ["registered"] * 2)
            self.assertIn("Registered with 2 of 2 wanted (a majority of 2).", self.ctl("-i", peer, "seeds").stdout)
            states = {entry["state"] for entry in self.json("-i", self.seeds[0], "seeds")["seeds"]}
            self.assertEqual(states, {"self", "linked"})

        with self.subTest("statistics"):
            statistics = self.json("-i", peer, "statistics")["statistics"]
            self.assertEqual((statistics["MembersAlive"], statistics["SeedsRegistered"]), (2, 2))
            self.assertEqual(self.json("-i", self.seeds[0], "statistics")["statistics"]["MembersAlive"], 3)

        with self.subTest("is-online"):
            self.assertEqual(self.ctl("is-online").stdout, "online\n")
            self.assertTrue(self.json("is-online", "-i", "all")["online"])

    def test_messages_reach_whoever_subscribed(self):
        self.start_network(1, 3)
        first, second, third = self.peers
        subscribers = [self.ctl_start("-i", peer, "subscribe", "--count=2", "--timeout=60", "/deploy/*")
                       for peer in self.peers]
        for peer in self.peers:
            self.wait_for_subscription(peer)

        self.assertRegex(self.ctl("-i", first, "publish", "/deploy/web", "v42").stdout,
                         r"^published [0-9a-f]{8}…-[0-9a-f]+-1 to [12] links?\n$")
        self.ctl("-i", second, "publish", "/other", "not for them")
        value = self.json("-i", third, "publish", "/deploy/bytes", "-")
        self.assertEqual(value["sequence"], 1)
        for subscriber in subscribers:
            lines = sorted(line[10:] for line in subscriber.stdout.read().splitlines())
            self.assertEqual(subscriber.wait(timeout=90), 0)
            self.assertEqual(lines, [f"/deploy/bytes  from {self.name(third)}  ",
                                     f"/deploy/web  from {self.name(first)}  v42"])

    def test_each_line_of_the_input_is_a_message(self):
        self.start_network(1, 2)
        first, second = self.peers
        subscriber = self.ctl_start("-i", second, "subscribe", "--json=short", "--count=8", "--timeout=60", "/l*")
        self.wait_for_subscription(second)
        self.assertEqual(self.ctl("-i", first, "publish", "--lines", "/lines", stdin="one\ntwo\n\n" + "x" * 100000 + "\nlast").stdout,
                         "published 5 messages to 1 link\n")
        self.assertEqual(self.json("-i", first, "publish", "--lines", "/lines", "-", stdin="again\n"),
                         {"instance": first, "published": 1, "topic": "/lines"})
        self.assertEqual(self.ctl("-i", first, "publish", "--lines", "/lines").stdout, "published 0 messages\n")
        self.assertEqual(self.ctl("-i", first, "publish", "--lines", "-q", "/lines", stdin="quiet").stdout, "")
        text = self.ctl("-i", first, "publish", "--lines", "/lines", stdin="fits\n" + "y" * ((1 << 20) + 1), status=7)
        self.assertIn("line 2 has more than 1048576 bytes", text.stderr)
        self.assertEqual(text.stdout, "published 1 message\n")
        payloads = [json.loads(line)["payload"] for line in subscriber.stdout]
        self.assertEqual(subscriber.wait(timeout=90), 0)
        self.assertEqual(payloads, ["one", "two", "", "x" * 100000, "last", "again", "quiet", "fits"])

        self.assertIn("found a payload as well", self.ctl("publish", "--lines", "/x", "y", status=2).stderr)
        self.assertIn("the topic is empty", self.ctl("publish", "--lines", "", status=2).stderr)

    def test_many_lines_wait_for_the_links_and_none_is_lost(self):
        self.start_network(1, 2)
        first, second = self.peers
        n, before = 30000, self.json("-i", second, "statistics")["statistics"]["GossipReceived"]
        lines = "".join(f"{i} {'z' * 500}\n" for i in range(n))
        self.assertEqual(self.json("-i", first, "publish", "--lines", "/many", stdin=lines)["published"], n)
        self.wait_for(lambda: self.json("-i", second, "statistics")["statistics"]["GossipReceived"] == before + n, "all have come")

    def test_a_line_goes_as_soon_as_it_is_there(self):
        self.start_network(1, 2)
        first, second = self.peers
        subscriber = self.ctl_start("-i", second, "subscribe", "--json=short", "--timeout=60", "/l*")
        self.wait_for_subscription(second)

        def lines(*payloads):
            publisher = self.ctl_start("-i", first, "publish", "--lines", "/lines", stdin=subprocess.PIPE)
            for payload in payloads:
                publisher.stdin.write(payload + "\nnot")
                publisher.stdin.flush()
                self.assertEqual(json.loads(subscriber.stdout.readline())["payload"], payload)
            return publisher

        publisher = lines("now")
        publisher.send_signal(signal.SIGINT)            # what is no whole line goes with it
        self.assertEqual(publisher.stdout.read(), "published 1 message to 1 link\n")
        self.assertEqual(publisher.wait(timeout=30), 0)
        publisher.stdin.close()

        publisher = lines("then")
        self.stop(first)
        self.assertEqual(publisher.stdout.read(), "published 1 message\n")
        self.assertIn(f"{first} has stopped after 1 of 1 lines", publisher.stderr.read())
        self.assertEqual(publisher.wait(timeout=30), 7)

    def test_publishing_alone_says_so(self):
        self.start_network(1, 1)
        self.assertIn("; there is no link yet, it waits for one", self.ctl("publish", "/x", "y").stdout)
        self.assertIn("No other peer known; registered with 1 of 1 seed.", self.ctl("peers").stdout)

    def test_managing(self):
        self.start_network(1, 2)
        peer, other = self.peers
        address = "127.0.0.1:" + self.port(other)

        with self.subTest("ping"):
            self.assertRegex(self.ctl("-i", peer, "ping", self.name(other)).stdout, rf"^\S+ answered {peer} in ")
            self.assertEqual(len(self.json("-i", peer, "ping", "--count=2", address)["rttUSec"]), 2)
            self.ctl("-i", peer, "ping", "nobody", status=5)

        with self.subTest("connect and disconnect"):
            self.ctl("-i", peer, "disconnect", self.name(other))
            self.assertIn(f"{peer} is linked to {self.name(other)} at {address}",
                          self.ctl("-i", peer, "connect", address).stdout)
            self.ctl("-i", peer, "connect", address)            # linked already is as good
            self.ctl("-i", peer, "connect", "web-1:6001", status=2)
            self.ctl("-i", peer, "connect", "127.0.0.1:1", status=1)
            self.ctl("-i", peer, "connect", "127.0.0.1:" + self.port(peer), status=1)

        with self.subTest("log-level"):
            self.ctl("-i", "all", "log-level", "debug")
            self.assertEqual(set(self.json("-i", "all", "log-level")["logLevel"].values()), {"debug"})
            self.ctl("-i", "all", "log-level", "info")

        with self.subTest("reload"):
            self.ctl("-i", "all", "reload")
            self.write_config("p2pnet.conf", self.CONFIG + "links = { outgoing = 0; };\n")
            result = self.ctl("-i", peer, "reload", status=1)
            self.assertRegex(result.stderr, r"p2pnet\.conf:4: links\.outgoing: found 0, accepted is 1 to 64")
            self.assertIn("refused: ", self.ctl("-i", peer).stdout)
            check = self.ctl("config", "check", "--config-dir=" + os.path.join(self.directory, "etc"), status=1)
            self.assertRegex(check.stdout, r"^/.*p2pnet\.conf:4: links\.outgoing: found 0, accepted is 1 to 64\.?\n$")
            self.write_config("p2pnet.conf", self.CONFIG)
            self.ctl("-i", peer, "reload")
            self.assertNotIn("refused: ", self.ctl("-i", peer).stdout)

    def test_monitor_sees_a_peer_die_and_come_back(self):
        self.start_network(1, 3)
        watcher, victim = self.peers[0], self.peers[2]
        name = self.name(victim)
        monitor = self.ctl_start("-i", watcher, "monitor")

        # It has begun when it notices something that happens again and again.
        self.wait_for(lambda: self.ctl("-i", watcher, "ping", name), "the victim answers")
        self.stop(victim, signal.SIGKILL)
        seen = [monitor.stdout.readline()]
        while seen[-1] and "dead" not in seen[-1]:
            seen.append(monitor.stdout.readline())
        self.assertIn(name, seen[-1])
        self.assertEqual(self.json("-i", watcher, "peers", name)["peers"], [])
        self.assertEqual(self.json("-i", watcher, "peers", "-a", name)["peers"][0]["state"], "dead")
        self.start(victim)
        while seen[-1] and not ("joined" in seen[-1] and name in seen[-1]):
            seen.append(monitor.stdout.readline())
        self.assertIn("joined", seen[-1])
        monitor.send_signal(signal.SIGINT)
        self.assertEqual(monitor.wait(timeout=30), 0)

    def test_a_subscriber_survives_a_restart_of_its_peer(self):
        self.start_network(1, 2)
        peer, other = self.peers
        subscriber = self.ctl_start("-i", peer, "subscribe", "--count=1", "/x")
        self.wait_for_subscription(peer)
        self.assertEqual(self.stop(peer), 0)
        self.assertIn("has stopped; waiting for it to come back", subscriber.stderr.readline())
        self.start(peer)
        self.assertIn("subscribed again", subscriber.stderr.readline())
        self.ctl("-i", peer, "wait-online")
        self.wait_for(lambda: self.json("-i", other, "peers", "--links")["peers"], "the link is back")
        self.ctl("-i", other, "publish", "/x", "again")
        self.assertIn("again", subscriber.stdout.readline())
        self.assertEqual(subscriber.wait(timeout=30), 0)

    def test_waiting_for_a_peer_that_comes_later(self):
        waiting = self.ctl_start("wait-online", "--timeout=60")
        self.start_network(1, 1)
        self.assertEqual(waiting.wait(timeout=60), 0)

    def test_a_seed_that_is_gone_and_not_needed(self):
        self.start_network(3, 1)
        peer = self.peers[0]
        gone = next(entry["seed"] for entry in self.json("-i", peer, "seeds")["seeds"] if entry["state"] == "registered")
        self.stop("seed@" + gone.rpartition(":")[2], signal.SIGKILL)
        pattern = re.compile(rf"^{gone} +{gone} +unreachable +\S+ +no retry needed now: \S", re.M)
        self.wait_for(lambda: pattern.search(self.ctl("-i", peer, "seeds").stdout), "its place is taken by another seed")

    def test_a_renewal_is_no_attempt_at_a_seed_that_is_gone(self):
        self.start_network(2, 1)
        peer, gone = self.peers[0], self.seeds[0]
        self.stop(gone, signal.SIGKILL)
        row = "127.0.0.1:" + self.port(gone)
        self.wait_for(lambda: re.search(row + r" .* unreachable .* retry in \d+ s: ", self.ctl("-i", peer, "seeds").stdout),
                      "it is tried again")
        status = self.json("-i", peer, "status")
        seeds = self.json("-i", peer, "seeds")["seeds"]
        renewal = next(seed["nextUSec"] for seed in seeds if seed["state"] == "registered")
        self.assertLessEqual(renewal, status["seeds"]["nextTimestamp"] - status["timestamp"])


class Spawn(NetworkTest):
    def test_seeds_are_started_on_free_ports_and_said(self):
        if os.path.isdir("/run/systemd/system"):
            self.skipTest("systemd runs here: then seeds are units")
        options = ["--config-dir=" + os.path.join(self.directory, "etc"),
                   "--runtime-dir=" + os.path.join(self.directory, "run"),
                   "--state-dir=" + os.path.join(self.directory, "state")]
        os.environ["P2PNET_PRIVATE_DIR"] = os.path.dirname(os.environ["P2P_SEEDD"])
        self.addCleanup(os.environ.pop, "P2PNET_PRIVATE_DIR")

        started = []
        self.addCleanup(self.stop_spawned, started)
        first = self.spawn(2, 20000, options)
        started += first
        self.assertEqual(len(self.json("-i", "all", "status")), 2)
        again = self.spawn(1, first[0]["port"], options)
        started += again
        self.assertNotIn(again[0]["port"], [seed["port"] for seed in first])
        self.assertTrue(os.path.exists(started[0]["log"]))

    def stop_spawned(self, started):
        """They are nobody's children any more, so there is nothing to wait() for."""
        for seed in started:
            with open(os.pidfd_open(seed["pid"])) as pidfd:
                os.kill(seed["pid"], signal.SIGTERM)
                self.assertTrue(select.select([pidfd], [], [], 15)[0], "a seed has not ended")

    def spawn(self, n, port, options):
        result = self.json("spawn-seeds", str(n), f"--first-port={port}", *options)
        self.assertFalse(result["systemd"])
        self.assertEqual(len(result["started"]), n)
        return result["started"]

    def environment(self, **changes):
        private_dir = os.environ.get("P2PNET_PRIVATE_DIR", "")
        return super().environment(P2PNET_PRIVATE_DIR=private_dir, **changes)


if __name__ == "__main__":
    unittest.main(verbosity=2)
