#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pctl against a bus without nodes, and against nodes that only pretend (fake-node.c).

What it says and with which status it ends, where real daemons would not bring it: hostile texts, errors of every
name, answers that make no sense, a node that goes away in the middle of a call.
"""

import json
import os
import re
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from fakebus import P2PCTL, UNSAFE, Bus


def start_command(*units):
    """What to type to start these, on a machine with systemd and on one without."""
    if os.path.isdir("/run/systemd/system"):
        return "systemctl start " + " ".join(f"p2p-{role}d@{port}" for role, port in units)
    return " & ".join(f"/programs/p2p-{role}d {port}" for role, port in units)


class Nobody(Bus):
    def test_says_that_nothing_runs_and_how_to_start_it(self):
        for arguments in ([], ["status"], ["peers"], ["seeds"], ["statistics"], ["show"], ["is-online"], ["monitor"]):
            result = self.run_ctl(*arguments, status=3)
            self.assertEqual(result.stdout, "")
            self.assertEqual(result.stderr, "p2pctl: no peer or seed is running on this host.\n"
                                            f"Start one with: {start_command(('seed', 5000), ('peer', 6001))}\n")

    def test_what_needs_a_peer_asks_for_a_peer(self):
        result = self.run_ctl("publish", "/x", "y", status=3)
        self.assertEqual(result.stderr, "p2pctl: no peer is running on this host.\n"
                                        f"Start one with: {start_command(('peer', 6001))}\n")
        self.assertIn("Start it with: " + start_command(("peer", 6009)),
                      self.run_ctl("-i", "peer@6009", "peers", status=3).stderr)
        for verb in (["publish", "/x"], ["topics"], ["topology"]):
            self.assertIn("seed@5000 is a seed", self.run_ctl("-i", "seed@5000", *verb, status=2).stderr)
            self.assertIn("no peer is running on this host", self.run_ctl(*verb, status=3).stderr)

    def test_waiting_ends(self):
        result = self.run_ctl("wait-online", "--timeout=0.2", status=6)
        self.assertIn("a peer or seed is not running", result.stderr)

    def test_a_bus_that_is_not_there(self):
        result = self.run_ctl("--bus=unix:path=/nonexistent/bus", "peers", status=3)
        self.assertEqual(result.stderr, "p2pctl: cannot connect to the bus at unix:path=/nonexistent/bus: "
                                        "No such file or directory.\n")
        self.run_ctl("--bus=nonsense", "peers", status=2)
        self.assertIn("cannot connect to the system bus: No such file or directory.\n",
                      self.run_ctl("-M", "@.host", "peers", status=3, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent").stderr)
        self.assertIn("there is no bus on this host to ask on",
                      self.run_ctl("peers", status=3, P2PNET_BUS="", DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent").stderr)

    def test_a_user_without_a_bus_hears_why_and_what_to_do(self):
        result = self.run_ctl("--user", "peers", status=3)
        self.assertIn("neither XDG_RUNTIME_DIR nor DBUS_SESSION_BUS_ADDRESS is set, as after su and sudo.\n", result.stderr)
        self.assertRegex(result.stderr, r"\n(Try: export XDG_RUNTIME_DIR=/run/user/\d+|For a shell that has one: \S+ bash)\n")

        result = self.run_ctl("--user", "peers", status=3, XDG_RUNTIME_DIR=self.directory + "/none")
        self.assertIn(f"there is no {self.directory}/none/bus, and DBUS_SESSION_BUS_ADDRESS is not set.\n", result.stderr)
        self.assertRegex(result.stderr, r"enable-linger \w+\n|dbus-run-session bash\n")

        for address, why in ("unix:path=/nonexistent/bus", "No such file or directory"), ("nonsense:", "Connection refused"):
            result = self.run_ctl("--user", "peers", status=3, DBUS_SESSION_BUS_ADDRESS=address)
            self.assertIn(f"nobody answers on the bus of this user, {address}: {why}.\n"
                          "DBUS_SESSION_BUS_ADDRESS says that it is there", result.stderr)

        self.fake()
        self.assertIn("as seen by peer@6001", self.run_ctl("--user", "peers", DBUS_SESSION_BUS_ADDRESS=self.address).stdout)


class CommandLine(Bus):
    def test_a_slip_of_the_finger_gets_a_hint(self):
        self.assertEqual(self.run_ctl("pers", status=2).stderr,
                         "p2pctl: unknown command 'pers'. Did you mean 'peers'?\n")
        self.assertIn("Did you mean 'config check'", self.run_ctl("config", "chek", status=2).stderr)
        self.assertIn("Did you mean 'debug'", self.run_ctl("log-level", "debgu", status=2).stderr)
        self.assertNotIn("Did you mean", self.run_ctl("frobnicate", status=2).stderr)

    def test_wrong_arguments_are_named_with_what_is_accepted(self):
        for arguments, said in (
                (["publish"], "Usage: p2pctl publish TOPIC [PAYLOAD|-]"),
                (["publish", "a", "b", "c"], "too many arguments"),
                (["publish", ""], "the topic is empty"),
                (["publish", "x" * 256], "the topic has 256 characters, at most 255"),
                (["publish", "t\x1b[1m"], "not printable ASCII"),
                (["-i", "node@1", "peers"], "accepted is peer@PORT, seed@PORT, PORT, or 'all'"),
                (["--json=xml"], "--json: found 'xml', accepted is pretty, short or off"),
                (["--color=red"], "accepted is auto, always or never"),
                (["--count=0", "subscribe", "x"], "--count: found '0'"),
                (["--timeout=soon", "wait-online"], "--timeout: found 'soon'"),
                (["--first-port=70000", "spawn-seeds", "1"], "accepted is a number from 1 to 65535"),
                (["spawn-seeds", "0"], "accepted is a number from 1 to 64"),
                (["spawn-seeds"], "p2pctl spawn-seeds 3"),
                (["--frobnicate"], "unknown option '--frobnicate'. See: p2pctl help"),
                (["--cuont=3"], "unknown option '--cuont'. Did you mean '--count'?"),
                (["--n\x1b[1m"], r"unknown option '--n\x1b[1m'"),
                (["-qx"], "unknown option '-x'"),
                (["subscribe", "x", "--count"], "--count needs a value"),
                (["peers", "-i"], "--instance needs a value"),
                (["--all=yes", "peers"], "--all takes no value"),
                (["peers", "--count=3"], "--count does not go with 'peers', it is for subscribe, ping."),
                (["-a"], "--all does not go with 'status', it is for peers."),
                (["topology", "--dot", "--svg"], "of --dot, --svg and --json only one can be given"),
                (["topology", "--svg", "-j"], "only one can be given"),
                (["peers", "--svg"], "--svg does not go with 'peers', it is for topology."),
                (["ping", "x", "--timeout=1"], "--timeout does not go with 'ping'"),
                (["-H", "a", "-M", "b"], "only one can be given"),
                (["--bus=system", "--user"], "--user with none but -M"),
                (["-H", "alice@web:22", "--user", "peers"], "Try: ssh -p 22 alice@web p2pctl --user"),
                (["config", "check", "--config-dir=/no/such"], "--config-dir: found '/no/such', accepted is a directory"),
                (["config", "check", "peer@x"], "accepted is peer@PORT or seed@PORT")):
            self.assertIn(said, self.run_ctl(*arguments, status=2).stderr)

    def test_config_check_of_one_instance_reads_all_that_it_would_read(self):
        for file, text, said in (("p2pnet.conf", "links = { outgoing = 0; };", "p2pnet.conf:1: links.outgoing: found 0"),
                                 ("seeds.conf", "seeds = 5;", "seeds.conf:1: seeds"),
                                 ("peer@6001.conf.d/x.conf", "network = 1;", "peer@6001.conf.d/x.conf:1: network")):
            etc = os.path.join(self.directory, "etc-" + os.path.basename(file))
            os.makedirs(os.path.join(etc, os.path.dirname(file)))
            with open(os.path.join(etc, file), "w", encoding="utf-8") as output:
                output.write(text + "\n")
            self.assertIn(said, self.run_ctl("--config-dir=" + etc, "config", "check", "peer@6001", status=1).stdout)
            if "@" in file:
                self.run_ctl("--config-dir=" + etc, "config", "check", "peer@6002")

    def test_a_host_cannot_be_an_option_of_ssh(self):
        for host in ("-oProxyCommand=touch x", "user@-oProxyCommand=x", "", "@host", "a b", "a;b", "a\nb", "a/b/c"):
            self.assertIn("accepted is [USER@]HOST[:PORT][/CONTAINER]", self.run_ctl("-H", host, "peers", status=2).stderr)
            if host != "@host":
                self.assertIn("accepted is [USER@]CONTAINER", self.run_ctl("-M", host, "peers", status=2).stderr)

    def test_help_names_every_command_also_as_json(self):
        text = self.run_ctl("help").stdout
        commands = json.loads(self.run_ctl("--json=short", "help").stdout)["commands"]
        self.assertGreater(len(commands), 15)
        for command in commands:
            self.assertIn("\n  " + command["command"], text)
            self.assertIn(command["summary"], self.run_ctl("help", command["command"]).stdout)
        self.assertEqual(self.run_ctl("--help").stdout, text)
        options = json.loads(self.run_ctl("--json=short", "help").stdout)["options"]
        self.assertGreater(len(options), 15)
        for option in options:
            usage = "--" + option["option"] + ("=" + option["value"] if option["value"] else "")
            self.assertRegex(text, f"\n  {'-' + option['letter'] if option['letter'] else '  '} {re.escape(usage)} ")
            for command in option["commands"] or []:
                self.assertRegex(self.run_ctl("help", command).stdout, f"{re.escape(usage)} +{re.escape(option['summary'])}\n")
        self.assertEqual(self.run_ctl("--count=3", "peers", "--help").stdout, self.run_ctl("help", "peers").stdout)
        self.run_ctl("help", "nothing", status=2)
        self.assertIn("p2pctl ", self.run_ctl("version").stdout)
        self.assertEqual(list(json.loads(self.run_ctl("-j", "--version").stdout)), ["version"])

    def test_too_much_on_standard_input_is_said(self):
        result = self.run_ctl("publish", "/x", "-", stdin="x" * (1024 * 1024 + 1), status=2)
        self.assertIn("standard input has more than 1048576 bytes", result.stderr)


class Sampled(Bus):
    def test_a_sample_is_said_to_be_one(self):
        self.fake(6001, "names", "one", "two")
        self.assertTrue(self.run_ctl("peers").stdout.endswith("\n2 peers, a sample of 1000, as seen by peer@6001.\n"))
        self.assertEqual(json.loads(self.run_ctl("-j", "peers").stdout)["sampleOf"], 1000)


class Hostile(Bus):
    def setUp(self):
        super().setUp()
        self.node = self.fake()

    def test_texts_of_strangers_reach_nobody_raw(self):
        text = self.run_ctl("peers", "-l").stdout
        self.assertIn(r"evil\x1b]0;owned\a", text)
        self.assertEqual(text.split("\n")[0].split(), ["NAME", "ADDRESS", "STATE", "LINK", "RTT", "SINCE"])
        self.assertIn("2 min 10 s ago", text)
        self.assertIn("3 peers, as seen by peer@6001.", text)
        for verb in ("seeds", "statistics", "show", "status", "is-online"):
            subprocess_status = {"seeds": 1, "status": 1, "is-online": 8}.get(verb, 0)
            self.run_ctl(verb, status=subprocess_status)
        self.run_ctl("peers", "--color=never", LANG="C")

    def test_json_has_the_same_facts(self):
        value = json.loads(self.run_ctl("peers", "--json=short").stdout)
        self.assertEqual(value["instance"], "peer@6001")
        self.assertEqual(len(value["peers"]), 3)
        peer = value["peers"][0]
        self.assertEqual(peer["name"], "evil\x1b]0;owned\x07\u202egpj\x9b31m\n\ttail\\end")
        self.assertEqual((peer["rttUSec"], peer["links"], peer["direction"]), (400, 3, "out"))
        self.assertGreaterEqual(peer["sinceUSec"], 130000000)
        self.assertEqual(value["peers"][1]["addresses"], ["[::1]:6003", "10.0.0.3:6003"])
        self.assertIsNone(value["peers"][1]["rttUSec"])
        self.assertIsNone(value["peers"][2]["address"])
        self.assertIsInstance(json.loads(self.run_ctl("peers", "--json=short", "-i", "all").stdout), list)
        self.assertEqual(json.loads(self.run_ctl("-j", "statistics").stdout)["statistics"],
                         {"Zeta": 1, "Alpha\x1b[1m": None})

    def test_a_network_is_drawn_whatever_its_nodes_are_called(self):
        text = self.run_ctl("topology").stdout
        self.assertEqual(text.splitlines()[0], "web-1:6001  127.0.0.1:6001")
        self.assertRegex(text.splitlines()[1], r"^└─ evil\\x1b\]0;owned\\a.*<b>&\"  1\.5 ms  suspect\\x1b\[5m  no answer$")
        self.assertIn("No known link leads to:\n   00000000000000000000000000000003  dead", text)
        self.assertIn("\n1 of 1 did not answer.\nOnly 1 of 5000 members were asked (a sample).\n"
                      "1 link left out: named by one end, denied by the other.\n", text)
        self.assertIn("`- evil", self.run_ctl("topology", LANG="C").stdout)
        self.assertEqual(len(self.run_ctl("topology", "--no-legend").stdout.splitlines()), 3)

        value = json.loads(self.run_ctl("topology", "--json=short").stdout)
        self.assertEqual([node["hops"] for node in value["nodes"]], [0, 1, None])
        self.assertEqual(value["nodes"][1]["parent"], value["nodes"][0]["id"])
        self.assertEqual([(link["tree"], link["doubtful"], link["eagerA"], link["eagerB"], link["rttUSec"])
                          for link in value["links"]], [(True, False, True, False, 1500), (False, True, False, False, None)])

        picture = ElementTree.fromstring(self.run_ctl("topology", "--svg").stdout)
        texts = ["".join(element.itertext()) for element in picture.iter("{http://www.w3.org/2000/svg}text")]
        self.assertTrue(any(r"evil\x1b]0;owned" in text for text in texts), texts)
        self.assertIn("No known link leads to:", texts)
        self.assertIn(r'<b>&\"', self.run_ctl("topology", "--dot").stdout)

    def test_percentiles_are_what_the_counts_say(self):
        histogram = json.loads(self.run_ctl("-j", "statistics").stdout)["histograms"]["deliveryAgeUSec"]
        self.assertEqual(histogram, {"count": 100, "sum": 5000, "max": 3000, "bounds": [1000, 2000], "counts": [98, 1, 1],
                                     "p50": 999, "p90": 999, "p99": 1999})
        self.assertRegex(self.run_ctl("statistics").stdout, r"\nAge at delivery +100 +0\.9 ms +0\.9 ms +1\.9 ms +3\.0 ms\n")

    def test_a_description_that_is_none_is_said(self):
        self.assertIn("does not understand", self.run_ctl("status", status=1).stderr)

    def test_names_are_shortened_to_the_terminal_only(self):
        self.assertIn("n" * 2000, self.run_ctl("peers").stdout)

    def test_no_legend_and_quiet_leave_the_data(self):
        self.assertNotIn("NAME", self.run_ctl("peers", "--no-legend").stdout)
        self.assertEqual(len(self.run_ctl("peers", "--no-legend").stdout.splitlines()), 3)
        self.assertEqual(self.run_ctl("is-online", "-q", status=8).stdout, "")

    def test_colours_only_where_they_are_wanted(self):
        arguments = [P2PCTL, "peers", "--color=always"]
        text = subprocess.run(arguments, capture_output=True, text=True, env=self.environment(), check=True).stdout
        self.assertIn("\x1b[32malive", text)
        self.assertNotIn("\x1b", self.run_ctl("peers").stdout)

    def test_a_node_that_goes_in_the_middle_of_a_call(self):
        self.assertIn("stopped before it answered", self.run_ctl("ping", "vanish", status=3).stderr)

    def test_others_are_named(self):
        self.fake(6003)
        self.fake(6002)
        self.assertIn("Also here: peer@6002, peer@6003 (-i NAME, -i all)", self.run_ctl("peers").stdout)
        self.assertIn("as seen by peer@6003.", self.run_ctl("peers", "-i", "6003").stdout)
        text = self.run_ctl("peers", "-i", "all").stdout
        self.assertRegex(text, r"(?s)peer@6001:\n.*\npeer@6002:\n.*\npeer@6003:\n")
        self.assertNotIn("Also here", text)
        self.assertIn("one instance only", self.run_ctl("publish", "-i", "all", "/x", status=2).stderr)


class OtherHost(Bus):
    """With an ssh of our own, which writes down how it was called."""

    def setUp(self):
        super().setUp()
        os.mkdir(os.path.join(self.directory, "bin"))
        self.path = os.path.join(self.directory, "bin") + ":" + os.environ["PATH"]
        self.called = os.path.join(self.directory, "called")

    def ssh(self, script, name="ssh"):
        file = os.path.join(self.directory, "bin", name)
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(f'#!/bin/sh\necho "$*" >{self.called}\n{script}\n')
        os.chmod(file, 0o755)

    def ask(self, host, *arguments, status=0, option="-H"):
        result = self.run_ctl(option, host, *(arguments or ["peers"]), status=status, PATH=self.path)
        with open(self.called, encoding="utf-8") as stream:
            return result.stdout + result.stderr, stream.read().strip()

    def test_everything_is_asked_of_the_bus_at_the_other_end(self):
        self.ssh(f"exec systemd-stdio-bridge --bus-path={self.address}")
        for host, called in (
                ("web", "-xT -- web systemd-stdio-bridge"),
                ("alice@web:2222", "-xT -p 2222 -- alice@web systemd-stdio-bridge"),
                ("root@[fd77::1]:22/c1", "-xT -p 22 -- root@fd77::1 systemd-stdio-bridge --machine=c1")):
            text, how = self.ask(host, status=3)
            self.assertEqual(how, called)
            self.assertEqual(text, f"p2pctl: no peer or seed is running on {host}.\n"
                                   f"Start one with: systemctl -H {host} start p2p-seedd@5000 p2p-peerd@6001\n")

        self.fake()
        self.assertIn("as seen by peer@6001", self.ask("web")[0])
        self.assertIn("red", self.ask("web", "subscribe", "--count=3", "/t/*")[0])

    def test_why_ssh_failed_and_what_to_try(self):
        for words, why in (
                ("ssh: connect to host web port 22: Connection refused\\r", "connect to host web port 22: Connection refused"),
                ("banner\\nalice@web: Permission denied (publickey).", r"alice@web: Permission denied (publickey)"),
                ("\\033[31mred", r"\x1b[31mred"),
                ("", "it does not say why")):
            self.ssh(f"printf '{words}' >&2; exit 255")
            self.assertEqual(self.ask("alice@web:22", status=1)[0],
                             f"p2pctl: cannot reach alice@web:22 by ssh: {why}.\nTry: ssh -p 22 alice@web true\n")

    def test_what_is_wrong_at_the_other_end(self):
        self.ssh("echo 'bash: line 1: systemd-stdio-bridge: command not found' >&2; exit 127")
        self.assertIn("web has no systemd-stdio-bridge, which comes with systemd and is needed there.\n"
                      "Without it, try: ssh web p2pctl\n", self.ask("web", status=1)[0])
        self.ssh("echo 'Failed to open the bus: No such file or directory' >&2; exit 1")
        self.assertIn("systemd-stdio-bridge on web/c1 cannot reach the system bus: Failed to open the bus: No such file or "
                      "directory.\nTry: ssh web busctl --machine=c1 list\n", self.ask("web/c1", status=1)[0])
        self.ssh(f"echo 'Welcome to web'; exec systemd-stdio-bridge --bus-path={self.address}")
        text, _ = self.ask("web", status=1)
        self.assertIn("what came from web through ssh is no bus: ", text)
        self.assertIn("Try: ssh web true\n", text)

    def test_without_ssh(self):
        result = self.run_ctl("-H", "web", "peers", status=1, PATH=self.directory)
        self.assertEqual(result.stderr, "p2pctl: -H needs ssh, which is not installed here.\n"
                                        "In Debian it is the package openssh-client.\n")

    def test_a_connection_that_breaks_is_said_with_what_ssh_said_of_it(self):
        os.mkfifo(self.directory + "/end")
        self.ssh(f"exec 3<&0; systemd-stdio-bridge --bus-path={self.address} <&3 & read line <{self.directory}/end; "
                 "echo 'Connection to web closed by remote host.' >&2; kill $!; exit 255")
        self.fake()
        process = subprocess.Popen([P2PCTL, "-H", "web", "monitor", "--json=short"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=self.environment(PATH=self.path))
        self.processes.append(process)
        os.set_blocking(process.stdout.fileno(), False)
        for _ in range(200):            # until its match is in place
            self.run_ctl("-q", "ping", "emit")
            if process.stdout.readline():
                break
        self.assertIsNone(process.poll())
        with open(os.path.join(self.directory, "end"), "w", encoding="utf-8") as stream:
            stream.write("now\n")
        self.assertEqual(process.wait(timeout=30), 1)
        self.assertIn("\np2pctl: lost the connection to web: Connection to web closed by remote host.\n", process.stderr.read())

    def test_a_container_that_is_not_there(self):
        self.assertIn("p2pctl: no container nowhere runs here, as far as systemd-machined knows.\nSee which do: machinectl list\n",
                      self.run_ctl("-M", "nowhere", "peers", status=3).stderr)

    def test_somebody_else_in_a_container(self):
        self.ssh(f"exec systemd-stdio-bridge --bus-path={self.address}", name="systemd-run")
        self.fake()
        called = "--machine={} --pipe --collect --quiet --wait --no-ask-password -pUser={} -pPAMName=login systemd-stdio-bridge{}"
        user_bus = " -punix:path=${XDG_RUNTIME_DIR}/bus"
        for machine, option, how in (("web", "--user", called.format("web", "root", user_bus)),
                                     ("alice@web", "--user", called.format("web", "alice", user_bus)),
                                     ("alice@web", "--quiet", called.format("web", "alice", "")),
                                     ("alice@", "--user", called.format(".host", "alice", user_bus))):
            text, found = self.ask(machine, "peers", option, option="-M")
            self.assertIn("evil", text)
            self.assertEqual(found, how)

        self.ssh("echo 'Failed to connect to bus: Host is down' >&2; exit 1", name="systemd-run")
        text, _ = self.ask("alice@web", status=1 if os.geteuid() == 0 else 4, option="-M")
        self.assertIn("p2pctl: cannot be alice in web: Failed to connect to bus: Host is down.\n", text)


class Errors(Bus):
    def test_every_error_has_its_exit_status_and_its_sentence(self):
        ours = "org.p2pnet.Node1.Error."
        standard = "org.freedesktop.DBus.Error."
        for port, (name, status) in enumerate((
                (ours + "NotLinked", 8), (ours + "Busy", 1), (ours + "NoSuchPeer", 5), (ours + "AmbiguousPeer", 5),
                (ours + "Unreachable", 1), (ours + "Refused", 1), (ours + "TimedOut", 6), (ours + "ShuttingDown", 3),
                (standard + "AccessDenied", 4), (standard + "InvalidArgs", 2), (standard + "LimitsExceeded", 1),
                ("com.example.Never.Heard", 1)), 7001):
            self.fake(port, name, "found \x1b[31mthis, accepted is that.")
            result = self.run_ctl("-i", str(port), "publish", "/x", "y", status=status)
            self.assertIn(r"found \x1b[31mthis, accepted is that.", result.stderr)
            self.assertIn(f"peer@{port}", result.stderr)

    def test_a_refused_configuration_keeps_its_lines(self):
        self.fake(6001, "org.p2pnet.Node1.Error.ConfigurationInvalid",
                  "a.conf:1: x: found 0.\na.conf:2: y\x07: found 1.")
        result = self.run_ctl("reload", status=1)
        self.assertEqual(result.stderr, "p2pctl: peer@6001: a.conf:1: x: found 0.\na.conf:2: y\\a: found 1.\n")

    def test_reload_of_all_tries_all(self):
        self.fake(6001, "com.example.First", "one.")
        self.fake(6002, "com.example.Second", "two.")
        result = self.run_ctl("reload", "-i", "all", status=1)
        self.assertIn("peer@6001: one.\n", result.stderr)
        self.assertIn("peer@6002: two.\n", result.stderr)


class Following(Bus):
    def test_a_subscriber_gets_its_messages_and_no_others(self):
        self.fake()
        text = self.run_ctl("subscribe", "--count=3", "/t/*").stdout
        lines = text.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[0], r"^\d\d:\d\d:\d\d  /t/one  from evil.*  red\\x1b\[31m\\n$")
        self.assertTrue(lines[1].endswith(r"  \xff\x00\x01"))
        self.assertNotIn("forged", text)

    def test_payloads_in_json_are_text_or_base64(self):
        self.fake()
        values = [json.loads(line) for line in self.run_ctl("-j", "subscribe", "--count=3", "*").stdout.splitlines()]
        self.assertEqual(values[0]["payload"], "red\x1b[31m\n")
        self.assertEqual(values[1]["payloadBase64"], "/wAB")
        self.assertNotIn("payload", values[1])
        self.assertEqual(values[2]["payload"], "")
        self.assertEqual((values[0]["hops"], values[0]["ageUSec"]), (2, 1500))

    def test_raw_payloads_are_untouched(self):
        self.fake()
        result = subprocess.run([P2PCTL, "subscribe", "--raw", "--count=3", "*"], capture_output=True, timeout=60,
                                env=self.environment(), check=True)
        self.assertEqual(result.stdout, b"red\x1b[31m\n\xff\x00\x01")

    def test_waiting_for_more_than_comes_ends_in_time(self):
        self.fake()
        self.assertIn("3 messages received",
                      self.run_ctl("subscribe", "--count=4", "--timeout=1", "*", status=6).stderr)

    def test_a_reader_that_goes_ends_it(self):
        self.fake()
        process = self.start("monitor")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=20), 0)
        process.stdout = None

    def test_monitor_says_what_happens_and_who_comes_and_goes(self):
        self.fake()
        process = self.start("monitor")
        for _ in range(200):            # until its match is in place
            self.run_ctl("-q", "ping", "emit")
            os.set_blocking(process.stdout.fileno(), False)
            line = process.stdout.readline()
            if line:
                break
        os.set_blocking(process.stdout.fileno(), True)
        lines = [line] + [process.stdout.readline() for _ in range(3)]
        text = "".join(lines)
        self.assertRegex(text, r"\d\d:\d\d:\d\d  suspect +evil\\x1b.*127\.0\.0\.1:6002  \(no answer\\r for 1\.6 s\)")
        self.assertRegex(text, r"  seed +seed\.example:5000 +unreachable: name not known\n")
        self.assertRegex(text, r"  overflow .*12 messages dropped")
        self.assertRegex(text, r"  state +isolated +was online\n")

        self.run_ctl("-q", "ping", "quit")
        self.fake()
        for event in ("stopped", "started"):
            line = process.stdout.readline()
            while line and event not in line:
                line = process.stdout.readline()
            self.assertRegex(line, rf"  {event} +peer@6001 ")
        process.send_signal(2)
        self.assertEqual(process.wait(timeout=20), 0)
        self.assertNotRegex(text, UNSAFE)


if __name__ == "__main__":
    unittest.main(verbosity=2)
