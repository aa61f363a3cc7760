#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the TAB key makes of a command, in a real bash that loads the completion as bash-completion does, on a terminal.

Environment: P2PCTL, FAKE_NODE, the programs; COMPLETION, the script.
"""

import fcntl
import os
import pty
import shutil
import signal
import socket
import subprocess
import termios
import threading
import time
import unittest

from fakebus import P2PCTL, Bus

LOADER = "/usr/share/bash-completion/bash_completion"
WAIT_SECONDS = 60

# The spy keeps what the completion has answered, the key C-x C-l what stands on the line then. What p2pctl is called for besides,
# "called" shows.
RC_FILE = r"""
source {loader}
bind 'set bell-style none' 'set completion-query-items 0' 'set page-completions off'
PS1='$ ' HISTFILE=
declare -F _p2pctl && echo loaded too soon
_completion_loader p2pctl
complete -p p2pctl >{directory}/loaded
_spy() {{ _p2pctl "$@"; printf '%s\n' "${{COMPREPLY[@]}}" >{directory}/reply; }}
complete -o nosort -F _spy p2pctl
bind -x '"\C-x\C-l": printf %s "$READLINE_LINE" >{directory}/line.new; mv {directory}/line.new {directory}/line'
"""

WRAPPER = """#!/bin/sh
[ "$1" = complete ] && exec {p2pctl} "$@"
printf '%s\\n' "$@" >{directory}/called.new
mv {directory}/called.new {directory}/called
"""


@unittest.skipUnless(os.path.exists(LOADER), "bash-completion is not installed")
class Completion(Bus):
    """On a terminal."""

    def setUp(self):
        super().setUp()
        share = os.path.join(self.directory, "share/bash-completion/completions")
        os.makedirs(share)
        shutil.copy(os.environ["COMPLETION"], os.path.join(share, "p2pctl"))
        os.mkdir(os.path.join(self.directory, "bin"))
        self.write("bin/p2pctl", WRAPPER.format(p2pctl=P2PCTL, directory=self.directory))
        os.chmod(os.path.join(self.directory, "bin/p2pctl"), 0o755)
        self.write("rc", RC_FILE.format(loader=LOADER, directory=self.directory))
        self.shell = None

    def write(self, name, text):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
            file.write(text)

    def wait_for(self, is_there, what):
        end = time.monotonic() + WAIT_SECONDS
        while not is_there():
            self.assertLess(time.monotonic(), end, f"{what} does not come; the terminal shows: {bytes(self.shown)}")
            time.sleep(0.01)

    def take(self, name):
        """What somebody writes there, once it is whole."""
        file = os.path.join(self.directory, name)
        self.wait_for(lambda: os.path.exists(file), name)
        with open(file, encoding="utf-8") as stream:
            text = stream.read()
        os.unlink(file)
        return text

    def open_shell(self, **environment):
        self.shown = bytearray()
        self.terminal, end = pty.openpty()
        self.shell = subprocess.Popen(
            ["bash", "--noprofile", "--rcfile", os.path.join(self.directory, "rc"), "-i"], stdin=end, stdout=end, stderr=end,
            start_new_session=True, cwd=self.directory, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=self.environment(PATH=os.path.join(self.directory, "bin") + ":" + os.environ["PATH"], TERM="dumb",
                                 XDG_DATA_DIRS=os.path.join(self.directory, "share"), INPUTRC="/dev/null", **environment))
        os.close(end)
        self.processes.append(self.shell)
        self.reader = threading.Thread(target=self.read_terminal)
        self.reader.start()
        self.addCleanup(self.close_shell)
        self.wait_for(lambda: self.shown.endswith(b"$ "), "the prompt")
        self.type("p2pctl ver\t")
        self.assertEqual(self.line(), "p2pctl version ")

    def close_shell(self):
        self.shell.kill()
        self.shell.wait()
        self.reader.join()
        os.close(self.terminal)

    def read_terminal(self):
        while True:
            try:
                self.shown += os.read(self.terminal, 65536)
            except OSError:
                return

    def type(self, text):
        os.write(self.terminal, text.encode())

    def line(self, end="\x15"):
        self.type("\x18\x0c" + end)
        return self.take("line")

    def tab(self, text, end="\x05\x15"):
        """What becomes of the line, and what was there to choose from."""
        if not self.shell:
            self.open_shell()
        self.take("reply")
        self.type(text + "\t")
        line = self.line(end)
        reply = self.take("reply").split("\n")[:-1]
        self.write("reply", "")
        return line, [] if reply == [""] else reply

    def run_line(self, text):
        self.tab(text, end="\n")
        called = self.take("called")
        self.wait_for(lambda: self.shown.endswith(b"$ "), "the next prompt")
        return called

    def tab_until(self, is_right, text, **options):
        """On a machine that has a lot to do, what is asked of a node may come too late for the one who has pressed the key. He
        presses it again."""
        end = time.monotonic() + WAIT_SECONDS
        result = self.tab(text, **options)
        while not is_right(*result) and time.monotonic() < end:
            result = self.tab(text, **options)
        return result

    def assert_becomes(self, text, line):
        self.assertEqual(self.tab_until(lambda became, _: became == line, text)[0], line)

    def assert_offers(self, text, *words):
        self.assertEqual(self.tab_until(lambda _, reply: reply or not words, text)[1], list(words), text)

    def test_it_is_loaded_by_name(self):
        self.open_shell()
        self.assertEqual(self.take("loaded"), "complete -o nosort -F _p2pctl p2pctl\n")
        self.assertNotIn(b"too soon", self.shown)

    def test_commands(self):
        _, words = self.tab("p2pctl ")
        self.assertEqual(words[:3], ["status", "peers", "show"])
        self.assertNotIn("complete", words)
        self.assert_offers("p2pctl s", "status", "show", "seeds", "statistics", "subscribe", "spawn-seeds")
        self.assert_becomes("p2pctl sub", "p2pctl subscribe ")
        self.assert_becomes("p2pctl stat", "p2pctl stat")
        self.assert_becomes("p2pctl -q sub", "p2pctl -q subscribe ")
        self.assert_becomes("p2pctl help sub", "p2pctl help subscribe ")
        self.assert_becomes("p2pctl conf", "p2pctl config ")
        self.assert_becomes("p2pctl config ", "p2pctl config check ")
        self.assert_offers("p2pctl nothing ")
        self.assert_offers("p2pctl publish ")
        self.assert_offers("p2pctl status ")

    def test_options_and_their_values(self):
        _, words = self.tab("p2pctl --")
        self.assertIn("--json=", words)
        self.assert_becomes("p2pctl --js", "p2pctl --json=")
        self.assert_offers("p2pctl --json=", "pretty", "short", "off")
        self.assert_becomes("p2pctl --json=p", "p2pctl --json=pretty ")
        self.assert_becomes("p2pctl --json p", "p2pctl --json pretty ")
        self.assert_offers("p2pctl --color=", "auto", "always", "never")
        self.assert_offers("p2pctl --bus=", "system", "user")
        self.assert_offers("p2pctl --count=")
        self.assert_becomes("p2pctl --qu", "p2pctl --quiet ")
        self.assert_offers("p2pctl ping --co", "--count=", "--color=")
        self.assert_offers("p2pctl peers --co", "--color=")
        self.assert_offers("p2pctl peers --l", "--links")
        self.assert_offers("p2pctl topology --s", "--svg")
        self.assert_becomes("p2pctl topol", "p2pctl topology ")
        self.assert_offers("p2pctl publish -- --")

    def test_log_levels_in_their_order(self):
        self.assert_offers("p2pctl log-level ", "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
        self.assert_becomes("p2pctl log-level de", "p2pctl log-level debug ")
        self.assert_offers("p2pctl log-level debug ")

    def test_directories(self):
        for name in "etc-a", "etc-b", "some where":
            os.mkdir(os.path.join(self.directory, name))
        self.assertEqual(sorted(self.tab("p2pctl config check --config-dir=etc")[1]), ["etc-a", "etc-b"])
        self.assert_becomes("p2pctl config check --config-dir=some", "p2pctl config check --config-dir=some\\ where/")

    def test_instances(self):
        self.fake(6001)
        self.fake(6002)
        self.assert_offers("p2pctl -i ", "peer@6001", "peer@6002", "all")
        self.assert_becomes("p2pctl -i p", "p2pctl -i peer@600")
        self.assert_becomes("p2pctl -i peer@6002", "p2pctl -i peer@6002 ")
        self.assert_becomes("p2pctl -i peer@", "p2pctl -i peer@600")
        self.assert_becomes("p2pctl --instance=peer@6002", "p2pctl --instance=peer@6002 ")
        self.assert_offers("p2pctl peers -i 6", "6001", "6002")
        self.assert_becomes("p2pctl -qi a", "p2pctl -qi all ")

    def test_instances_that_have_a_configuration(self):
        os.makedirs(os.path.join(self.directory, "etc/seed@5000.conf.d"))
        os.makedirs(os.path.join(self.directory, "etc/nonsense.conf.d"))
        self.fake(6001)
        self.assert_offers("p2pctl --config-dir=etc config check ", "seed@5000", "peer@6001")
        self.assert_becomes("p2pctl --config-dir=etc config check seed@", "p2pctl --config-dir=etc config check seed@5000 ")

    def test_peers_by_name(self):
        self.fake(6001, "names", "web-1:6001", "web-1:6002", "db:6001")
        for verb in "ping", "show", "peers":
            self.assert_offers(f"p2pctl {verb} w", "web-1:6001", "web-1:6002")
        self.assert_becomes("p2pctl ping web", "p2pctl ping web-1:600")
        self.assert_becomes("p2pctl ping web-1:6001", "p2pctl ping web-1:6001 ")
        self.assert_becomes("p2pctl show db:6001 web-1:6002", "p2pctl show db:6001 web-1:6002 ")
        self.assert_becomes("p2pctl ping 'web", "p2pctl ping 'web-1:600")
        self.assert_becomes('p2pctl ping "db', 'p2pctl ping "db:6001" ')
        self.assert_becomes("p2pctl show db 000", "p2pctl show db 0000000000000000000000000000000")
        self.assert_offers("p2pctl ping web-1:6001 ")

    def test_links(self):
        self.fake(6001, "names", "one", "two", "three")
        self.assert_offers("p2pctl disconnect ", "one", "three")
        self.assert_becomes("p2pctl connect ", "p2pctl connect 10.0.0.2:6001 ")

    def test_which_node_is_asked(self):
        self.fake(6001, "names", "of-the-first")
        self.fake(6002, "names", "of-the-second")
        self.assert_becomes("p2pctl ping ", "p2pctl ping of-the-first ")
        self.assert_becomes("p2pctl -i peer@6002 ping ", "p2pctl -i peer@6002 ping of-the-second ")
        self.assert_becomes("p2pctl ping --instance=6002 ", "p2pctl ping --instance=6002 of-the-second ")
        self.assert_becomes("p2pctl -i 'peer@6002' ping ", "p2pctl -i 'peer@6002' ping of-the-second ")
        self.assert_offers("p2pctl --bus=unix:path=/nonexistent ping ")

    def test_behind_another_command(self):
        self.fake(6001, "names", "web-1:6001")
        for command in "sudo", "sudo -u root", "P2PNET_BUS=system", "time":
            self.assert_becomes(f"{command} p2pctl sub", f"{command} p2pctl subscribe ")
        self.assert_becomes("sudo p2pctl ping web-1:", "sudo p2pctl ping web-1:6001 ")
        self.assert_becomes("true; p2pctl -i peer@", "true; p2pctl -i peer@6001 ")

    def test_a_cursor_in_the_middle(self):
        self.fake(6001, "names", "web-1:6001")
        self.assert_becomes("p2pctl ping -q\x1b[D\x1b[D\x1b[D we", "p2pctl ping web-1:6001 -q")

    def test_hostile_names_stay_words(self):
        names = ("$(touch gone)", "`touch gone`", "x;touch gone", "it's", 'say "hi"', "two words", "*", "~root", "!!", "#x", "tür")
        self.fake(6001, "names", *names)
        _, words = self.tab_until(lambda _, reply: reply, "p2pctl show ")
        self.assertEqual(len(words), len(names))
        for beginning, name in (r"\$", "$(touch gone)"), (r"\`", "`touch gone`"), ("x", "x;touch gone"), ("it", "it's"), \
                ("say", 'say "hi"'), ("two", "two words"), (r"two\ w", "two words"), (r"\*", "*"), (r"\~", "~root"), \
                (r"\!", "!!"), (r"\#", "#x"), ("t\u00fc", "tür"):
            self.tab_until(lambda _, reply: len(reply) == 1, "p2pctl show " + beginning)
            self.wait_for(lambda: self.run_line("p2pctl show " + beginning) == f"show\n{name}\n", f"the call with {name}")
        self.assertFalse(os.path.exists(os.path.join(self.directory, "gone")))

    def test_names_that_nobody_could_type_are_ids(self):
        self.fake(6001, "names", "evil\x1b]0;owned\x07", "back\\slash", "two\nlines", "--all", "", "same", "same", "\u202etfel", "fine")
        _, words = self.tab_until(lambda _, reply: reply, "p2pctl show ")
        self.assertEqual(words, [f"{number:032x}" for number in range(1, 9)] + ["fine"])

    def test_nothing_runs(self):
        self.assert_offers("p2pctl ping ")
        self.assert_offers("p2pctl -i ", "all")
        self.assertNotIn(b"p2pctl:", self.shown)

    def test_nobody_answers(self):
        node = self.fake(6001, "names", "web")
        self.assert_becomes("p2pctl ping ", "p2pctl ping web ")
        node.send_signal(signal.SIGSTOP)
        self.assert_offers("p2pctl ping ")
        node.send_signal(signal.SIGCONT)
        self.assert_becomes("p2pctl ping ", "p2pctl ping web ")

        with socket.socket(socket.AF_UNIX) as bus:
            bus.bind(os.path.join(self.directory, "mute"))
            bus.listen()
            self.assert_offers(f"p2pctl --bus=unix:path={self.directory}/mute ping ")
        self.assertNotIn(b"p2pctl:", self.shown)

    def test_another_host_is_not_asked(self):
        self.fake(6001, "names", "web")
        self.write("bin/ssh", "#!/bin/sh\ntouch gone\n")
        os.chmod(os.path.join(self.directory, "bin/ssh"), 0o755)
        self.assert_offers("p2pctl -H root@elsewhere ping ")
        self.assert_offers("p2pctl -M container -i ", "all")
        self.assertFalse(os.path.exists(os.path.join(self.directory, "gone")))


class Protocol(Bus):
    """What p2pctl says to the script, whatever shell that is for."""

    def complete(self, *words):
        timed_out = 6
        for _ in range(20):
            result = subprocess.run([P2PCTL, "complete", "--", *words], capture_output=True, text=True, timeout=WAIT_SECONDS,
                                    env=self.environment(), check=False)
            if result.returncode != timed_out:
                break
        self.assertEqual(result.returncode, 0, f"{words}: {result.stdout}{result.stderr}")
        kind, *offered = result.stdout.split("\n")[:-1]
        return kind, offered

    def test_the_first_line_says_what_comes(self):
        self.fake(6001, "names", "web-1", "db")
        self.assertEqual(self.complete("pe"), ("words", ["peers"]))
        self.assertEqual(self.complete("--color=a"), ("words", ["--color=auto", "--color=always"]))
        self.assertEqual(self.complete("-i", ""), ("words", ["peer@6001", "all"]))
        self.assertEqual(self.complete("ping", ""), ("words", ["web-1", "db"]))
        self.assertEqual(self.complete("disconnect", ""), ("words", ["web-1"]))
        self.assertEqual(self.complete("connect", ""), ("words", ["10.0.0.2:6001"]))
        self.assertEqual(self.complete("log-level", "e"), ("words", ["emerg", "err"]))
        self.assertEqual(self.complete("help", "sub"), ("words", ["subscribe"]))
        self.assertEqual(self.complete("config", "check", ""), ("words", ["peer@6001"]))
        self.assertEqual(self.complete("--state-dir", ""), ("directories", []))
        self.assertEqual(self.complete("-H", ""), ("hosts", []))

    def test_nonsense_before_the_last_word_is_not_its_business(self):
        self.fake(6001, "names", "web-1")
        for words in (["--json=xml"], ["--nothing"], ["-xyz"], ["--count=none"], ["--all=yes"], ["-"], [""]):
            self.complete(*words, "peers", "")
        self.assertEqual(self.complete("-qa", "ping", ""), ("words", ["web-1"]))
        self.assertEqual(self.complete("ping", "x" * 100000), ("words", []))
        self.run_ctl("complete", status=2)

    def test_it_is_not_in_the_help(self):
        self.assertNotIn("complete", self.run_ctl("help").stdout)
        self.assertNotIn("Did you mean", self.run_ctl("complte", status=2).stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
