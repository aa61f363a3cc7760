# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private bus for each test, on which nodes may be that only pretend (fake-node.c).

Environment: P2PCTL, FAKE_NODE, the programs.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

P2PCTL = os.environ["P2PCTL"]
FAKE_NODE = os.environ["FAKE_NODE"]

# What must never reach a terminal: C0 but for newline, DEL, C1, and what turns text around.
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f\x80-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Bus(unittest.TestCase):
    """A private bus for each test, and the processes on it."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="p2pctl-")
        self.processes = []
        self.addCleanup(self.clean_up)
        self.bus = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address=1", "--address=unix:dir=" + self.directory],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.processes.append(self.bus)
        self.address = self.bus.stdout.readline().strip()
        self.assertTrue(self.address, "the bus has not started")

    def clean_up(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
            process.wait(timeout=10)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        shutil.rmtree(self.directory)

    def environment(self, **changes):
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": self.directory, "P2PNET_BUS": self.address,
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""), "P2PNET_PRIVATE_DIR": "/programs", **changes}

    def fake(self, port=6001, *error):
        process = subprocess.Popen([FAKE_NODE, str(port), *error], stdout=subprocess.PIPE, text=True,
                                   env=self.environment())
        self.processes.append(process)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def start(self, *arguments):
        process = subprocess.Popen([P2PCTL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=self.environment())
        self.processes.append(process)
        return process

    def run_ctl(self, *arguments, status=0, stdin="", **environment):
        result = subprocess.run([P2PCTL, *arguments], capture_output=True, text=True, input=stdin, timeout=60,
                                env=self.environment(**environment))
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        self.assertNotRegex(result.stdout + result.stderr, UNSAFE)
        return result
