#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may: root, the daemon's own user, the members of group p2pnet-ctl, by any of their groups; and nobody else.

Needs root, to become others. The group exists in a mount namespace of this test only.
"""

import os
import shutil
import subprocess
import tempfile
import unittest

P2PCTL = os.environ["P2PCTL"]
FAKE_NODE = os.environ["FAKE_NODE"]
GROUP_ID = 4242
NOBODY = 65534
DAEMON = 1              # somebody else whom the bus finds in /etc/passwd

BUS_CONFIG = """<busconfig>
  <type>system</type>
  <listen>unix:path={}</listen>
  <policy context="default">
    <allow user="*"/> <allow own="*"/> <allow send_destination="*"/> <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@unittest.skipUnless(os.geteuid() == 0, "only root can become others")
class Authorize(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="p2pctl-")
        self.processes = []
        self.addCleanup(self.clean_up)
        os.chmod(self.directory, 0o755)
        # Where they were built, others may not look.
        self.p2pctl = shutil.copy(P2PCTL, self.directory)
        self.fake_node = shutil.copy(FAKE_NODE, self.directory)

        self.group_file = os.path.join(self.directory, "group")
        shutil.copy("/etc/group", self.group_file)
        with open(self.group_file, "a", encoding="utf-8") as file:
            file.write(f"p2pnet-ctl:x:{GROUP_ID}:\n")

        self.address = "unix:path=" + os.path.join(self.directory, "bus")
        config = os.path.join(self.directory, "bus.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(BUS_CONFIG.format(os.path.join(self.directory, "bus")))
        self.bus = self.start(["dbus-daemon", "--nofork", "--print-address=1", "--config-file=" + config],
                              stderr=subprocess.DEVNULL)
        self.assertTrue(self.bus.stdout.readline())

    def clean_up(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(timeout=10)
            process.stdout.close()
        shutil.rmtree(self.directory)

    def start(self, command, **options):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "P2PNET_BUS": getattr(self, "address", "")}, **options)
        self.processes.append(process)
        return process

    def start_node(self, user=0):
        """What it answers to those it lets in says that they were let in."""
        node = self.start(["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc/group && shift && exec "$@"', "sh",
                           self.group_file, "setpriv", f"--reuid={user}", "--clear-groups", self.fake_node, "6001",
                           "com.example.LetIn", "let in."])
        self.assertEqual(node.stdout.readline(), "ready\n")

    def publish(self, *who):
        result = subprocess.run(["setpriv", *who, self.p2pctl, "publish", "/x", "y"], capture_output=True, text=True,
                                env={**os.environ, "P2PNET_BUS": self.address}, timeout=30)
        return result.returncode, result.stderr

    def assert_let_in(self, *who):
        self.assertEqual(self.publish(*who), (1, "p2pctl: peer@6001: let in.\n"))

    def assert_refused(self, *who):
        self.assertEqual(self.publish(*who), (4, "p2pctl: peer@6001 refused: pretending needs root or membership of "
                                                 "group p2pnet-ctl.\n"))

    def test_root_and_the_group_are_let_in_and_others_are_not(self):
        self.start_node()
        self.assert_let_in("--reuid=0", "--clear-groups")
        self.assert_let_in(f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups={GROUP_ID}")
        self.assert_let_in(f"--reuid={NOBODY}", f"--regid={GROUP_ID}", "--clear-groups")
        self.assert_refused(f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        self.assert_refused(f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups={GROUP_ID + 1}")

    def test_the_own_user_is_let_in(self):
        self.start_node(user=NOBODY)
        self.assert_let_in(f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        self.assert_let_in("--reuid=0", "--clear-groups")
        self.assert_refused(f"--reuid={DAEMON}", f"--regid={NOBODY}", "--clear-groups")

    def test_reading_is_open_to_all(self):
        self.start_node()
        subprocess.run(["setpriv", f"--reuid={NOBODY}", "--clear-groups", self.p2pctl, "peers"], check=True,
                       timeout=30, stdout=subprocess.DEVNULL, env={**os.environ, "P2PNET_BUS": self.address})


if __name__ == "__main__":
    unittest.main(verbosity=2)
