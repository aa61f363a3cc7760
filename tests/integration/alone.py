#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One daemon by itself: command line, configuration, ports, signals, and state that is damaged or cannot be written."""

import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import time
import unittest

from network import NetworkTest, free_ports, model, port_of

EX_USAGE, EX_UNAVAILABLE, EX_NOPERM, EX_CONFIG = 64, 69, 77, 78


class Alone(NetworkTest):
    BUS = False

    def setUp(self):
        super().setUp()
        self.name_ports(1, 1)
        (self.seed,), (self.peer,) = self.seeds, self.peers
        self.write_seeds([])

    def assert_says(self, instance, pattern, times=1):
        found = len(re.findall(pattern, self.log(instance)))
        self.assertEqual(found, times, f"'{pattern}' in:\n{self.log(instance)}")

    def node_id(self, instance):
        """The id of a daemon that listens, as others learn it."""
        with model.Session.dial(self.node(), "127.0.0.1", port_of(instance), purpose=model.PROBE) as session:
            return session.peer["id"]


class CommandLine(Alone):
    def run_with(self, role, *arguments):
        instance = {"seed": self.seed, "peer": self.peer}[role]
        program = self.command(instance)[0]
        result = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=20, env=self.environment(), check=False)
        return result.returncode, result.stdout, result.stderr

    def test_wrong_arguments_are_usage_errors_that_say_what_is_accepted(self):
        for arguments, said in (
                (["--nope"], "unrecognized option '--nope'"),
                (["-x"], "invalid option"),
                (["0"], 'found "0", accepted as a port is a number from 1 to 65535'),
                (["65536"], 'found "65536", accepted as a port'),
                (["-1"], "invalid option"),
                (["50o0"], 'found "50o0", accepted as a port'),
                ([" 5000"], 'found " 5000", accepted as a port'),
                ([""], 'found "", accepted as a port'),
                (["5000", "5001"], 'one port is accepted, found "5001" besides'),
                (["5000", "--bus="], "--bus= needs a bus"),
                (["5000", "--state-dir=here"], 'has to be an absolute path, found "here"'),
                (["5000", "--config-dir="], 'has to be an absolute path, found ""'),
                (["5000", "--runtime-dir"], "requires an argument"),
        ):
            for role in ("seed", "peer"):
                with self.subTest(role=role, arguments=arguments):
                    status, output, error = self.run_with(role, *arguments)
                    self.assertEqual((status, output), (EX_USAGE, ""), error)
                    self.assertIn(said, error)
                    self.assertIn(f"Try: p2p-{role}d --help", error)

    def test_without_a_port_and_a_terminal_it_is_a_usage_error(self):
        for role, example in (("seed", 5000), ("peer", 6001)):
            status, output, error = self.run_with(role)
            self.assertEqual((status, output), (EX_USAGE, ""))
            self.assertIn(f"the port to listen on is missing, such as {example}", error)

    def test_help_and_version_are_what_was_asked_for(self):
        for role in ("seed", "peer"):
            status, output, error = self.run_with(role, "--help")
            self.assertEqual((status, error), (0, ""))
            for word in ("PORT", "--config-dir=", "--runtime-dir=", "--state-dir=", "--bus=", "--version"):
                self.assertIn(word, output)
            status, output, error = self.run_with(role, "--version")
            self.assertEqual((status, error), (0, ""))
            self.assertRegex(output, rf"^p2p-{role}d \d+\.\d+\.\d+\n$")


class Terminal(Alone):
    """Started by hand, as a person does it."""

    def start_on_terminal(self, role, *arguments):
        instance = {"seed": self.seed, "peer": self.peer}[role]
        command = self.command(instance)
        del command[1]
        self.terminal, inner = pty.openpty()
        self.addCleanup(os.close, self.terminal)
        self.shown = ""
        # A session of its own with this terminal, so that Ctrl-C reaches it as it reaches a shell's foreground job.
        process = subprocess.Popen(["setsid", "--ctty", "--wait", command[0], *arguments, *command[1:]],
                                   stdin=inner, stdout=inner, stderr=inner, env=self.environment())
        self.processes[role + " on a terminal"] = process
        os.close(inner)
        return process

    def wait_shown(self, pattern):
        end = time.monotonic() + 20
        while not re.search(pattern, self.shown):
            self.assertLess(time.monotonic(), end, f"'{pattern}' in:\n{self.shown}")
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.terminal, 4096).decode()
                except OSError:         # the other end is closed
                    time.sleep(0.05)

    def enter(self, text):
        os.write(self.terminal, text.encode())

    def test_it_asks_for_the_port_until_the_answer_is_one_and_ctrl_c_leaves_in_order(self):
        for role, instance, usual in (("seed", self.seed, 5000), ("peer", self.peer, 6001)):
            with self.subTest(role=role):
                process = self.start_on_terminal(role)
                self.wait_shown(rf"Port to listen on \[{usual}\]: ")
                self.enter("many\n")
                self.wait_shown(rf"That is no number from 1 to 65535\.\r\nPort to listen on \[{usual}\]: ")
                self.enter(f"{port_of(instance)}\n")
                self.wait_shown(f"Listening on 127.0.0.1:{port_of(instance)}")
                self.enter("\x03")
                self.wait_shown(r"Leaving the network\.")
                self.assertEqual(process.wait(timeout=15), 0)

    def test_no_answer_is_a_usage_error(self):
        process = self.start_on_terminal("peer")
        self.wait_shown("Port to listen on")
        self.enter("\x04")
        self.assertEqual(process.wait(timeout=15), EX_USAGE)


class Configuration(Alone):
    def assert_refused(self, *sentences):
        for instance in (self.seed, self.peer):
            status, said = self.run_daemon(instance)
            self.assertEqual(status, EX_CONFIG, said)
            for sentence in sentences:
                self.assertIn(sentence, said)
            self.assertNotIn("Listening", said)
            self.assertFalse(os.path.exists(self.path(instance)), "state was written")

    def test_every_mistake_is_named_with_file_line_and_what_is_accepted(self):
        self.write_config("p2pnet.conf", 'links = {\n  outgoing = 0;\n};\nprofile = "fast";\n'
                                         'liveness = { interval-ms = "1 s"; };\n')
        self.write_config("p2pnet.conf.d/10-more.conf", "gossip = { count = -1; };\n")
        self.write_config("seeds.conf", 'seeds = (\n  { host = "127.0.0.1"; port = "5000"; },\n  { host = "a b"; port = 1; }\n);\n')
        etc = self.path("etc")
        self.assert_refused(f"{etc}/p2pnet.conf:2: links.outgoing: found 0, accepted is 1 to 64.",
                            f'{etc}/p2pnet.conf:4: profile: found "fast", accepted is "local", "lan", "wan" or "classic".',
                            f'{etc}/p2pnet.conf:5: liveness.interval-ms: found "1 s" (text), expected',
                            f"{etc}/p2pnet.conf.d/10-more.conf:1: gossip.count: found -1, accepted is 0 to 1000000.",
                            f'{etc}/seeds.conf:2: seeds[0].port: found "5000" (text), expected a number from 1 to 65535.',
                            f"{etc}/seeds.conf:3: seeds[1].host: ")

    def test_a_file_that_is_no_configuration_is_named_with_its_line(self):
        self.write_config("p2pnet.conf", 'network = "test";\nlinks = {\n')
        self.assert_refused(f"{self.path('etc', 'p2pnet.conf')}:")
        self.write_config("p2pnet.conf", "\xff\xfe\x00")
        self.assert_refused(f"{self.path('etc', 'p2pnet.conf')}:")

    def test_a_directory_in_place_of_a_file_is_named(self):
        os.remove(self.path("etc", "p2pnet.conf"))
        os.mkdir(self.path("etc", "p2pnet.conf"))
        self.assert_refused("p2pnet.conf: is a directory")

    def test_beyond_loopback_it_wants_to_be_told_that_nothing_is_encrypted(self):
        for address in ("0.0.0.0", "192.0.2.1", "::", "2001:db8::1"):
            for security in ("", 'security = { mode = "none"; };', "security = { accept-plaintext = true; };"):
                with self.subTest(address=address, security=security):
                    self.write_config("p2pnet.conf", f'listen = {{ address = "{address}"; }};\n{security}')
                    shown = f"[{address}]" if ":" in address else address
                    self.assert_refused(f"listen.address: {shown} can be reached from other machines",
                                        'security = { mode = "none"; accept-plaintext = true; }')

    def test_an_address_that_is_not_there_may_come_later(self):
        self.write_config("p2pnet.conf", 'listen = { address = "192.0.2.1"; };\n'
                                         'security = { mode = "none"; accept-plaintext = true; };\n')
        self.start(self.peer, wait=True)
        self.assert_says(self.peer, r"This host has no address 192\.0\.2\.1, which listen\.address names: "
                                    r"nobody can reach this node there until it has\.")
        self.assertEqual(self.stop(self.peer), 0)

    def test_without_any_file_the_defaults_hold(self):
        os.remove(self.path("etc", "p2pnet.conf"))
        os.remove(self.path("etc", "seeds.conf"))
        self.start(self.peer, wait=True)
        self.assert_says(self.peer, rf'Listening on 127\.0\.0\.1:{port_of(self.peer)} as \S+:{port_of(self.peer)}, '
                                    r'node [0-9a-f]{8}…, network "p2pnet", profile lan\.')
        self.assertEqual(self.stop(self.peer), 0)

    def test_a_directory_that_was_given_has_to_be_there(self):
        etc, moved = self.path("etc"), self.path("moved")
        os.rename(etc, moved)
        self.assert_refused(f"{etc}: cannot be used as the directory of the configuration: No such file or directory.")

        os.rename(moved, etc)
        process = self.start(self.peer, wait=True)
        os.rename(etc, moved)
        process.send_signal(signal.SIGHUP)
        self.wait_log(self.peer, r"The new configuration is refused, the old one stays in force\.")
        os.rename(moved, etc)

    def test_a_drop_in_for_one_instance_is_for_that_one(self):
        self.write_config(f"{self.peer}.conf.d/name.conf", 'node = { name = "the-one"; };\nprofile = "classic";\n')
        self.start(self.peer, wait=True)
        self.start(self.seed, wait=True)
        self.assert_says(self.peer, r"as the-one, .* profile classic\.")
        self.assert_says(self.seed, r"profile local\.")

    def test_an_unknown_setting_is_a_warning(self):
        self.write_config("p2pnet.conf", self.CONFIG + "colour = 1;\n")
        self.start(self.peer, wait=True)
        self.assert_says(self.peer, r"p2pnet\.conf:4: colour: unknown setting, ignored\.")

    def test_on_sighup_a_good_configuration_is_taken_and_a_bad_one_refused(self):
        process = self.start(self.peer, wait=True)
        self.write_config("p2pnet.conf", self.CONFIG + 'log = { level = "debug"; };\n')
        process.send_signal(signal.SIGHUP)
        self.wait_log(self.peer, r"The configuration was read again\.")
        self.write_config("p2pnet.conf", self.CONFIG + "links = { outgoing = 65; };\n")
        process.send_signal(signal.SIGHUP)
        self.wait_log(self.peer, r"The new configuration is refused, the old one stays in force\.")
        self.assert_says(self.peer, r"p2pnet\.conf:4: links\.outgoing: found 65, accepted is 1 to 64\.")
        self.assertIsNone(process.poll())

    def test_what_became_of_a_reload_is_in_the_status_when_it_is_over(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(self.path("notify"))
        manager.settimeout(30)

        def reload_status():
            """The last STATUS before READY, however soon after another one."""
            status, is_reloading = None, False
            process.send_signal(signal.SIGHUP)
            while True:
                told = dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())
                is_reloading = is_reloading or "RELOADING" in told
                status = told.get("STATUS", status) if is_reloading else None
                if is_reloading and "READY" in told:
                    return status

        process = self.start(self.peer, wait=True, env=self.environment(NOTIFY_SOCKET=self.path("notify")))
        for _ in range(3):
            self.write_config("p2pnet.conf", self.CONFIG + "links = { outgoing = 65; };\n")
            self.assertIn("; reload refused: ", reload_status())
            self.write_config("p2pnet.conf", self.CONFIG)
            self.assertNotIn("refused", reload_status())

    def test_the_log_level_leaves_out_what_is_below(self):
        self.write_config("p2pnet.conf", self.CONFIG + 'log = { level = "warning"; };\n')
        self.start(self.peer)

        def ask():
            try:
                return self.node_id(self.peer)
            except ConnectionRefusedError:
                return None
        self.wait_for(ask, "it answers, though it says nothing")
        self.assertEqual(self.stop(self.peer), 0)
        self.assertEqual(self.log(self.peer), "")


class Ports(Alone):
    def test_a_second_daemon_on_the_port_ends_with_a_sentence_and_the_first_goes_on(self):
        self.start(self.peer, wait=True)
        other = f"seed@{port_of(self.peer)}"
        for instance, options in ((other, []), (self.peer, ["--state-dir=" + self.path("elsewhere")]), (self.peer, [])):
            status, said = self.run_daemon(instance, *options)
            self.assertEqual(status, EX_UNAVAILABLE, said)
            self.assertIn(f"Port {port_of(self.peer)} on 127.0.0.1 is in use by another program; \"ss -ltnp\" says by which.", said)
        self.assertEqual(self.stop(self.peer), 0)

    def test_a_port_of_another_program_is_said_to_be_in_use(self):
        with socket.create_server(("127.0.0.1", port_of(self.seed))):
            status, said = self.run_daemon(self.seed)
        self.assertEqual(status, EX_UNAVAILABLE, said)
        self.assertIn(f"Port {port_of(self.seed)} on 127.0.0.1 is in use by another program; \"ss -ltnp\" says by which.", said)
        self.assertFalse(os.path.exists(self.path("run", "seeds.d", f"{port_of(self.seed)}.conf")))

    def test_two_daemons_do_not_share_a_state_directory(self):
        self.start(self.peer, wait=True)
        status, said = self.run_daemon(f"peer@{free_ports(1)[0]}", "--state-dir=" + self.path(self.peer))
        self.assertEqual(status, EX_UNAVAILABLE, said)
        self.assertIn(f"State directory {self.path(self.peer)} is in use by another p2p-peerd.", said)

    def test_a_port_is_free_again_at_once(self):
        self.start(self.seed, wait=True)
        with model.Session.dial(self.node(), "127.0.0.1", port_of(self.seed)):      # its end is in TIME_WAIT then
            self.assertEqual(self.stop(self.seed), 0)
        self.start(self.seed, wait=True)

    def test_a_port_that_needs_permission_says_which(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            if int(file.read()) <= 80:
                self.skipTest("on this machine everybody may listen on port 80")
        if os.geteuid() == 0:
            programs = shutil.copy(self.command(self.peer)[0], self.directory)
            os.chmod(self.directory, 0o755)
            others = {"user": 65534, "group": 65534, "extra_groups": []}
        else:
            programs, others = self.command(self.peer)[0], {}
        result = subprocess.run([programs, "80", *self.command(self.peer)[2:]], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=20, env=self.environment(), check=False, **others)
        self.assertEqual(result.returncode, EX_NOPERM, result.stderr)
        self.assertIn("Cannot listen on port 80 of 127.0.0.1: no permission. Ports below 1024 need CAP_NET_BIND_SERVICE, see p2p-peerd(8).",
                      result.stderr)

    def test_listens_on_ipv6_and_on_several_addresses(self):
        self.write_config("p2pnet.conf", self.CONFIG + 'listen = { address = ( "::1", "127.0.0.1" ); };\n')
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        self.start(self.peer, wait=True)
        port = port_of(self.peer)
        self.assert_says(self.peer, rf"Listening on \[::1\]:{port} as ")
        self.assert_says(self.peer, rf"Listening on 127\.0\.0\.1:{port} as ")
        ids = set()
        for host in ("::1", "127.0.0.1"):
            with model.Session.dial(self.node(), host, port, purpose=model.PROBE) as session:
                ids.add(session.peer["id"])
                self.assertEqual({str(one.host) for one in session.peer["address"]}, {"::1", "127.0.0.1"})
                self.assertEqual(str(session.peer["observed"].host), host)
        self.assertEqual(len(ids), 1)


class Stopping(Alone):
    def test_both_stop_signals_leave_in_order(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            for instance in (self.seed, self.peer):
                with self.subTest(instance=instance, signal=number):
                    self.start(instance, wait=True)
                    with model.Session.dial(self.node(), "127.0.0.1", port_of(instance)) as session:
                        self.processes[instance].send_signal(number)
                        with self.assertRaises(model.Closed) as closed:
                            session.receive()
                        self.assertEqual(closed.exception.reason, model.REASON_OF["leaving"])
                    self.assertEqual(self.processes.pop(instance).wait(timeout=15), 0)

    def test_a_node_that_does_not_read_cannot_hold_up_the_stop(self):
        self.start(self.peer, wait=True)
        with model.Session.dial(self.node(), "127.0.0.1", port_of(self.peer)):
            began = time.monotonic()
            self.assertEqual(self.stop(self.peer), 0)
            self.assertLess(time.monotonic() - began, 10)


class State(Alone):
    def in_mount_namespace(self, instance, script):
        """Starts a daemon after a script that sees its state directory as $1, in a mount namespace of its own."""
        unshare = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        state = self.path(instance)
        os.makedirs(state, exist_ok=True)
        probe = subprocess.run([*unshare, "mount", "-t", "tmpfs", "none", state], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            self.skipTest("a mount namespace is needed: " + probe.stderr.strip())
        log = self.path(instance + ".log")
        self.logs.append(log)
        with open(log, "a", encoding="utf-8") as file:
            self.processes[instance] = subprocess.Popen(
                [*unshare, "sh", "-c", 'set -e; state=$1; shift; ' + script + '; exec "$@"', "sh", state,
                 *self.command(instance)],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self.environment())
        self.wait_log(instance, ": Listening on ")
        return f"/proc/{self.processes[instance].pid}/root{state}"

    def register(self, **changes):
        """Gives the seed something to write down."""
        with model.Session.dial(self.node(**changes), "127.0.0.1", port_of(self.seed)) as session:
            session.register()
            session.leave()
            session.ping()

    def test_a_restart_keeps_the_id_and_raises_the_epoch(self):
        for instance in (self.seed, self.peer):
            epochs, ids = [], set()
            for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
                self.start(instance, wait=True)
                with model.Session.dial(self.node(), "127.0.0.1", port_of(instance), purpose=model.PROBE) as session:
                    ids.add(session.peer["id"])
                    epochs.append(session.peer["epoch"])
                self.stop(instance, number)
            self.assertEqual(len(ids), 1)
            self.assertEqual(epochs, sorted(set(epochs)))

    def test_lost_state_means_a_new_id(self):
        self.start(self.peer, wait=True)
        before = self.node_id(self.peer)
        self.stop(self.peer)
        shutil.rmtree(self.path(self.peer))
        self.start(self.peer, wait=True)
        self.assertNotEqual(self.node_id(self.peer), before)
        self.assert_says(self.peer, r"This node has a new id, [0-9a-f]{32}: it had none\.", times=2)

    def test_damaged_files_are_set_aside_logged_once_and_survived(self):
        for instance, names in ((self.seed, ("identity", "registry")), (self.peer, ("identity", "peers"))):
            self.start(instance, wait=True)
            if instance == self.seed:
                self.register()
            self.assertEqual(self.stop(instance), 0)
            for damage in ("truncated", "empty", "garbled", "nothing but zeros", "longer"):
                with self.subTest(instance=instance, damage=damage):
                    log = len(self.log(instance))
                    for name in names:
                        path = self.path(instance, name)
                        with open(path, "rb") as file:
                            data = file.read()
                        with open(path, "wb") as file:
                            file.write({"truncated": data[:-1], "empty": b"", "nothing but zeros": bytes(len(data)),
                                        "garbled": data[:-1] + bytes([data[-1] ^ 1]), "longer": data + b"\0"}[damage])
                    self.start(instance, wait=True)
                    self.node_id(instance)
                    self.assertEqual(self.stop(instance), 0)
                    said = self.log(instance)[log:]
                    for name in names:
                        sentence = (f"State file {self.path(instance, name)} is damaged; set aside as {name}.damaged, "
                                    "going on without it.")
                        self.assertEqual(said.count(sentence), 1, said)
                        self.assertTrue(os.path.exists(self.path(instance, name + ".damaged")))
                        self.assertTrue(os.path.exists(self.path(instance, name)))
                    self.assertIn("This node has a new id", said)
                    self.assertIn("the old one cannot be read", said)

    def test_something_else_in_place_of_a_state_file_is_survived(self):
        os.makedirs(self.path(self.peer, "identity"))
        os.mkfifo(self.path(self.peer, "peers"))
        self.start(self.peer, wait=True)
        self.node_id(self.peer)
        self.assertEqual(self.stop(self.peer), 0)

    def test_a_state_directory_that_cannot_be_made_is_logged_once_and_survived(self):
        for instance in (self.seed, self.peer):
            with open(self.path(instance), "w", encoding="ascii"):
                pass
            self.start(instance, wait=True)
            if instance == self.seed:
                self.register()
            self.assertEqual(self.stop(instance), 0)
            self.assert_says(instance, rf"State cannot be written to {self.path(instance)}: Not a directory\. "
                                       r"Going on without; a restart will not remember\.")

    def test_a_full_disk_is_logged_once_survived_and_noticed_when_it_is_over(self):
        state = self.in_mount_namespace(
            self.seed, 'mount -t tmpfs -o size=64k none "$state"; if cat /dev/zero > "$state/filler"; then exit 1; fi')
        for _ in range(5):
            self.register()
            time.sleep(0.3)
        self.assert_says(self.seed, r"State cannot be written to \S+: No space left on device\. Going on without; "
                                    r"a restart will not remember\.")
        os.remove(state + "/filler")
        def write_again():
            self.register()
            return "State can be written to" in self.log(self.seed)
        self.wait_for(write_again, "it writes again")
        self.assert_says(self.seed, rf"State can be written to {self.path(self.seed)} again\.")
        self.assertIn("identity" if os.path.exists(state + "/identity") else "registry", os.listdir(state))
        self.assertEqual(self.stop(self.seed), 0)

    def test_a_read_only_file_system_is_logged_once_and_survived(self):
        self.in_mount_namespace(self.seed, 'mount -t tmpfs -o ro none "$state"')
        for _ in range(3):
            self.register()
        self.assertEqual(self.stop(self.seed), 0)
        self.assert_says(self.seed, r"State cannot be written to \S+: Read-only file system\.")

    def test_state_from_another_machine_is_a_copy_and_gets_a_new_id(self):
        machine = self.path("machine-id")
        with open(machine, "w", encoding="ascii") as file:
            file.write("0123456789abcdef0123456789abcdef\n")
        if not os.path.exists("/etc/machine-id"):
            self.skipTest("this machine has no id")
        self.start(self.peer, wait=True)
        here = self.node_id(self.peer)
        self.assertEqual(self.stop(self.peer), 0)
        log = len(self.log(self.peer))
        unshare = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("a mount namespace is needed")
        with open(self.path(self.peer + ".log"), "a", encoding="utf-8") as file:
            self.processes[self.peer] = subprocess.Popen(
                [*unshare, "sh", "-c", 'mount --bind "$1" /etc/machine-id && shift && exec "$@"', "sh", machine,
                 *self.command(self.peer)], stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=self.environment())
        self.wait_log(self.peer, ": Listening on ", 2)
        self.assertNotEqual(self.node_id(self.peer), here)
        self.assertIn("its state was copied from another machine", self.log(self.peer)[log:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
