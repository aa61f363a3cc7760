#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/demo does what it says, and leaves nothing behind, however it ends.

Environment: DEMO, the program; P2PNET_DEMO_BUILD, where the programs are that it shows.
"""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

DEMO = os.environ["DEMO"]
BUILD = os.environ["P2PNET_DEMO_BUILD"]
PROGRAMS = {"p2p-seedd": "src/seedd", "p2p-peerd": "src/peerd", "p2pctl": "src/p2pctl"}

WAIT_SECONDS = 240      # longer than the demo itself waits for anything


class Demo(unittest.TestCase):
    def setUp(self):
        # All that the demo makes is in here, and every process of it has this path in its arguments or environment.
        self.directory = os.path.realpath(tempfile.mkdtemp(prefix="p2pnet-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def start(self, *arguments, cwd="/", **environment):
        process = subprocess.Popen([DEMO, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, cwd=cwd,
                                   env={**os.environ, "TMPDIR": self.directory, **environment})
        self.addCleanup(process.stdout.close)
        return process

    def finish(self, process, status):
        output, _ = process.communicate(timeout=WAIT_SECONDS)
        self.assertEqual(process.returncode, status, output)
        return output

    def run_demo(self, *arguments, status=0, **options):
        return self.finish(self.start(*arguments, **options), status)

    def ports(self):
        """Options with ports that are probably free: far from those of other tests, and different in each process."""
        first = 20000 + os.getpid() % 500 * 20
        return [f"--first-seed-port={first}", f"--first-peer-port={first + 10}"], first

    def processes(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for name in "cmdline", "environ":
                try:
                    with open(f"/proc/{pid}/{name}", "rb") as file:
                        if self.directory.encode() in file.read():
                            found.append(int(pid))
                except OSError:
                    pass
        return set(found)

    def assert_nothing_left(self):
        self.assertEqual(os.listdir(self.directory), [])
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            self.assertNotIn(self.directory, file.read())
        self.assertEqual(self.processes(), set())

    # ---- all is well ----

    def test_eight_steps_from_another_directory_and_without_a_terminal(self):
        ports, _ = self.ports()
        output = self.run_demo(*ports, cwd=self.directory)
        self.assertRegex(output.splitlines()[-1], r"^8 of 8 steps as expected \(\d+ s\)\.$")
        self.assertEqual(re.findall(r"^(\d)  [A-Z]", output, re.M), list("12345678"))
        self.assertEqual(len(re.findall(r"^   ok: ", output, re.M)), 8)
        self.assertNotIn("\x1b", output)
        self.assertRegex(output, r"(?m)^   \$ p2pctl .*\bpeers$")
        self.assert_nothing_left()

        with open(os.path.join(os.path.dirname(DEMO), "../README.md"), encoding="utf-8") as file:
            readme = file.read()
        for title in re.findall(r"^\d  .*$", output, re.M):
            self.assertIn(title + "\n", readme, "the transcript in README.md is of another demo")

    def test_a_kept_network_can_be_talked_to_and_stopped_by_what_was_printed(self):
        ports, first = self.ports()
        output = self.run_demo(*ports, "--seeds=2", "--peers=3", "--keep")
        self.addCleanup(lambda: [os.kill(pid, signal.SIGKILL) for pid in self.processes()])
        self.assertRegex(output.splitlines()[-1], r"^7 of 7 steps as expected \(\d+ s\)\.$")
        (peers,) = re.findall(r"^   (/\S+/p2pctl --bus=unix:path=\S+ peers)$", output, re.M)
        (stop,) = re.findall(r"^   (/\S+/stop)$", output, re.M)

        result = subprocess.run(peers, shell=True, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"2 peers, as seen by peer@{first + 10}.", result.stdout)
        self.assertGreaterEqual(len(self.processes()), 5)
        self.assertEqual(subprocess.run(stop, shell=True, timeout=60, check=False).returncode, 0)
        self.assert_nothing_left()

    # ---- ended early ----

    def wait_for_line(self, process, beginning):
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith(beginning):
                return "".join(lines)
        return self.fail(f"'{beginning}' never came:\n{''.join(lines)}")

    def test_ctrl_c_in_the_middle_leaves_nothing_and_a_busy_port_is_left_out(self):
        ports, first = self.ports()
        with socket.create_server(("127.0.0.1", first + 1)), socket.create_server(("127.0.0.1", first + 10)):
            process = self.start(*ports)
            output = self.wait_for_line(process, "4  ")
            process.send_signal(signal.SIGINT)
            rest = self.finish(process, 128 + signal.SIGINT)
        self.assertIn("Interrupted", rest)
        self.assertTrue(rest.endswith("Nothing is left.\n"), rest)
        self.assert_nothing_left()

        for port in first + 1, first + 10:
            self.assertIn(f"Port {port} is in use; leaving it out.\n", output)
        self.assertEqual(re.findall(r"\$ p2p-\w+ (\d+)", output),
                         [str(first + i) for i in (0, 2, 3, 11, 12, 13, 14, 15, 16)])

    def test_a_reader_that_goes_away_ends_it(self):
        ports, _ = self.ports()
        process = self.start(*ports)
        self.wait_for_line(process, "3  ")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=WAIT_SECONDS), 128 + signal.SIGPIPE)
        self.assert_nothing_left()

    def test_killed_it_takes_its_network_with_it(self):
        ports, _ = self.ports()
        process = self.start(*ports)
        self.wait_for_line(process, "3  ")
        process.kill()
        process.wait()
        end = time.monotonic() + WAIT_SECONDS
        while self.processes():
            self.assertLess(time.monotonic(), end, "daemons run on without the demo")
            time.sleep(0.05)

    def test_whenever_it_is_killed_nothing_runs_on(self):
        draw = random.Random(1)
        ports, _ = self.ports()
        self.addCleanup(lambda: [os.kill(pid, signal.SIGKILL) for pid in self.processes()])
        for number in (signal.SIGINT,) * 8 + (signal.SIGKILL,) * 16:
            process = self.start(*ports, "--seeds=2", "--peers=3")
            time.sleep(draw.uniform(0, 1))      # before, while and after its processes are started
            process.send_signal(number)
            process.communicate(timeout=WAIT_SECONDS)
            end = time.monotonic() + WAIT_SECONDS
            while self.processes():
                self.assertLess(time.monotonic(), end, "something runs on without the demo")
                time.sleep(0.05)
            if number == signal.SIGINT:
                self.assertEqual(os.listdir(self.directory), [])

    # ---- what goes wrong ----

    def fake_build(self, name, script):
        """A build directory where one program is a script."""
        build = tempfile.mkdtemp(prefix="p2pnet-build-")
        self.addCleanup(shutil.rmtree, build)
        for program, below in PROGRAMS.items():
            os.makedirs(os.path.join(build, below))
            path = os.path.join(build, below, program)
            if program == name:
                with open(path, "w", encoding="utf-8") as file:
                    file.write("#!/bin/sh\n" + script)
                os.chmod(path, 0o755)
            else:
                os.symlink(os.path.join(BUILD, below, program), path)
        return build

    def test_a_daemon_that_dies_is_shown_with_its_last_lines(self):
        ports, first = self.ports()
        build = self.fake_build("p2p-peerd", "echo 'The disk is on fire.' >&2; exit 78\n")
        output = self.run_demo(*ports, status=1, P2PNET_DEMO_BUILD=build)
        self.assertRegex(output, rf"failed: peer@{first // 10 + 1}\d has ended with status 78\.")
        self.assertIn("| The disk is on fire.\n", output)
        self.assertRegex(output.splitlines()[-1], r"^1 of 8 steps as expected \(\d+ s\)\.$")
        self.assert_nothing_left()

    def test_a_p2pctl_that_fails_is_shown(self):
        ports, _ = self.ports()
        real = os.path.join(BUILD, "src/p2pctl/p2pctl")
        build = self.fake_build("p2pctl", f'case "$*" in *publish*) echo "no such luck" >&2; exit 5 ;; esac\nexec {real} "$@"\n')
        output = self.run_demo(*ports, status=1, P2PNET_DEMO_BUILD=build)
        self.assertIn("   no such luck\n", output)
        self.assertIn("failed: p2pctl ended with status 5.", output)
        self.assertRegex(output.splitlines()[-1], r"^3 of 8 steps as expected \(\d+ s\)\.$")
        self.assert_nothing_left()

    def test_programs_that_are_not_there_are_said(self):
        build = self.fake_build("p2pctl", "exit 1\n")
        os.unlink(os.path.join(build, "src/p2pctl/p2pctl"))
        output = self.run_demo(status=1, P2PNET_DEMO_BUILD=build)
        self.assertIn(f"there is no program {build}/src/p2pctl/p2pctl.", output)
        self.assert_nothing_left()

    def test_too_few_free_ports_are_said(self):
        output = self.run_demo("--first-peer-port=65533", "--peers=6", status=1)
        self.assertRegex(output, r"6 free ports are needed from 65533 up, and there are [0-3]\.")
        self.assert_nothing_left()

    def test_wrong_options_get_a_sentence_and_nothing_else(self):
        for option, sentence in (("--peers=2", "found '2', accepted is 3 to 50."),
                                 ("--seeds=many", "found 'many', accepted is 2 to 16."),
                                 ("--first-seed-port=65536", "found '65536', accepted is 1 to 65535."),
                                 ("--kept", "unrecognized arguments: --kept")):
            output = self.run_demo(option, status=2)
            self.assertIn(sentence, output)
            self.assertNotIn("A network of", output)
        self.assertIn("--keep", self.run_demo("--help"))
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
