#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The first network of p2pnet(7), followed word by word on three booted hosts that never saw p2pnet. Speaks TAP.

usage: test-first-steps.py DEBDIR SOURCE [WORD...]

The commands are taken out of docs/man/p2pnet.7.scd, and typed where the page says. With P2PNET_TRANSCRIPT=FILE in the
environment what a person sees is written there, as docs/FIRST-STEPS.md: that is what tools/first-steps does. Needs root.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import tap
from rig import Host, run, wait_until

LIBRARIES = ('libconfig9', 'libjansson4')       # what the package needs and Debian's base system has not
HOSTS = ('web-1', 'web-2', 'web-3')
CHATTER = re.compile(r'(?m)^((WARNING: apt|Get:|Ign:|Hit:|Reading|Building|Selecting|\(Reading|After this|Need to|'
                     r'Preparing|debconf:).*)?\n')
HERE_DOCUMENT = r".*<<'END'\n(?:.*\n)*?END$|.+"   # one, or any other line
QUIET_SECONDS = 6                               # more than it takes until a peer that was stopped is said to have left
READING_SECONDS = 30                            # for what the page says is printed meanwhile

# What a newcomer does wrong: why, on web-2, with what it takes to make the mistake before and to mend it after.
MISTAKES = (
        ('The port is forgotten.', None, 'systemctl start p2p-peerd', None),
        ('A command is misspelt.', None, 'p2pctl pers', None),
        ('An ordinary user publishes.', None, 'runuser -u alice -- p2pctl publish /deploy/web v43', None),
        ('An ordinary user asks, which is open to all.', None, 'runuser -u alice -- p2pctl peers', None),
        ('Two programs on one port.', None, 'systemctl start p2p-peerd@5000', 'systemctl reset-failed'),
        ('... and why it failed.', None, 'journalctl --no-pager -n 5 -u p2p-peerd@5000', None),
        ('A comma too many.', 'sed -i.good "s/^);/,);/" /etc/p2pnet/seeds.conf', 'p2pctl config check', None),
        ('... and reloaded all the same.', None, 'systemctl reload p2p-peerd@6001', None),
        ('... which harms nothing: it goes on with what it had, and says so.', None,
         'systemctl show -p ActiveState -p StatusText p2p-peerd@6001',
         'mv /etc/p2pnet/seeds.conf.good /etc/p2pnet/seeds.conf'),
        ('Step 2 is forgotten in part.', "sed -i.good '/^security/d' /etc/p2pnet/p2pnet.conf.d/network.conf",
         'systemctl start p2p-peerd@6002', None),
        ('... and why it failed.', None, 'systemctl status --no-pager p2p-peerd@6002',
         'cd /etc/p2pnet/p2pnet.conf.d && mv network.conf.good network.conf; systemctl reset-failed'),
        ('A message for a peer that is not there.', None, 'p2pctl ping web-9', None),
)

PREFACE = '''# First steps

What a newcomer sees in the first ten minutes on three hosts: the steps of p2pnet(7), *A first network of three hosts*,
typed as they stand there, then the mistakes that people make. `tools/first-steps` makes this file by doing it, on three
hosts booted from a minimal Debian 12; `tools/test` does it, too, and fails when the page has commands that are not here.
The hosts are called web-1, web-2 and web-3 and have the addresses 10.77.0.1 to 3. `apt` was told to assume yes, and what
it says of its work with files and lists is left out. What a host printed as the one before it, but for names and numbers,
is not shown again.
'''


class Step:
        """One heading of the page, and what is typed below it: commands, each with the names of its hosts."""

        def __init__(self, title):
                self.title = title
                self.places = HOSTS if 'on each host' in title else HOSTS[:1]
                self.typed = []                 # (hosts, command)


def steps(source):
        """The page, read as a newcomer reads it."""
        page = (source / 'docs/man/p2pnet.7.scd').read_text()
        part = re.search(r'^# A FIRST NETWORK OF THREE HOSTS\n(.*?)^# ', page, re.M | re.S)[1]
        part = part.replace('@CONFIGDIR@', '/etc/p2pnet').replace('192.0.2.', '10.77.0.')
        found = []
        for heading, text in re.findall(r'^## (?:\d+\. )(.*?)\n(.*?)(?=^## |\Z)', part, re.M | re.S):
                step = Step(heading)
                for before, block in re.findall(r'(.*?)^```\n(.*?)^```\n', text, re.M | re.S):
                        paragraph = before.strip().split('\n\n')[-1]
                        here = re.match(r'On (web-\d(?:(?:, | and )web-\d)*)', paragraph)
                        places = tuple(re.findall(r'web-\d', here[1])) if here else step.places
                        if not shutil.which(block.split()[0]) and not block.startswith('p2pctl'):
                                continue                # what is printed, not typed
                        step.typed += [(places, command) for command in re.findall(HERE_DOCUMENT, block, re.M)]
                found.append(step)
        return found


class Network:
        """The three hosts, and all that was typed and seen on them."""

        def __init__(self, rig, source):
                self.rig = rig
                self.source = source
                self.document = [PREFACE]
                # What was started and waits for Ctrl-C: host, command, its place in the document, process, what it printed.
                self.waiting = []
                self.hosts = {name: Host(rig, name, number) for number, name in enumerate(HOSTS, 1)}
                rig.start_all(self.hosts.values())

        def clean(self):
                pass

        def report(self):
                return '\n'.join(self.document[-12:])

        def say(self, *lines):
                self.document += lines

        def type(self, name, command, fails=False):
                """In a shell as root, in the directory where the package is. Return: what it printed."""
                result = self.hosts[name].run('sh', '-c', f'cd /root\n{command}', check=False, timeout=120)
                if bool(result.returncode) != fails:
                        raise AssertionError(f'{name}# {command}\n{result.stdout}exit status {result.returncode}')
                return CHATTER.sub('', result.stdout) if command.startswith('apt') else result.stdout

        def show(self, name, command, output):
                prompted = command.replace('\n', '\n> ')
                self.say(f'{name}# {prompted}', *([output.rstrip()] if output.strip() else []))

        def follow(self, step):
                """Types all of a step. Return: what each host printed."""
                printed = dict.fromkeys(HOSTS, '')
                seen = {}
                self.say(f'## {step.title}', '', '```')
                for name in HOSTS:
                        for places, command in step.typed:
                                if step.places == HOSTS and name in places:
                                        output = self.type(name, command)
                                        printed[name] += output
                                        plain = re.sub(r'web-\d|\d+', '', output)
                                        if seen.get(command) != plain:
                                                self.show(name, command, output)
                                        seen[command] = plain
                for places, command in step.typed if step.places != HOSTS else ():
                        for name in places:
                                if re.match(r'p2pctl (subscribe|monitor)', command):
                                        self.leave_waiting(name, command)
                                        continue
                                if any(name == where for where, *_ in self.waiting):
                                        self.end_waiting(printed)       # the same terminal
                                before = [len(out) for *_, out in self.waiting]
                                output = self.type(name, command)
                                printed[name] += output
                                self.show(name, command, output)
                                if not wait_until(lambda: self.has_grown(before), READING_SECONDS):
                                        raise AssertionError(f'{name}# {command}: nobody noticed')
                                self.look_on()
                self.end_waiting(printed)
                self.say('```', '')
                return printed

        # What waits until Ctrl-C

        def leave_waiting(self, name, command):
                self.say('')                    # its place in the document, for when it has ended
                process = subprocess.Popen(self.hosts[name].inside() + ['sh', '-c', f'exec {command}'],
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                           start_new_session=True)
                os.set_blocking(process.stdout.fileno(), False)
                self.waiting.append([name, command, len(self.document) - 1, process, ''])
                if command.startswith('p2pctl subscribe'):
                        wait_until(lambda: not re.search(r'Subscriptions +0', self.type(name, 'p2pctl statistics')),
                                   READING_SECONDS)
                else:
                        time.sleep(1)           # nothing shows that a monitor listens; a person is not faster

        def has_grown(self, sizes):
                return all(len(entry[-1]) > size for size, entry in zip(sizes, self.read_waiting()))

        def read_waiting(self):
                for entry in self.waiting:
                        while data := entry[3].stdout.read(65536):
                                entry[4] += data.decode()
                return self.waiting

        def end_waiting(self, printed):
                while self.waiting:
                        name, command, place, process, output = self.waiting.pop(0)
                        os.killpg(process.pid, signal.SIGINT)
                        process.wait(10)
                        process.stdout.close()
                        printed[name] += output
                        self.document[place] = f'{name}# {command}\n{output.rstrip()}\n^C'

        def look_on(self):
                """A person does so for as long as something happens."""
                size = None
                while self.waiting and size != (size := sum(len(out) for *_, out in self.read_waiting())):
                        time.sleep(QUIET_SECONDS)


# Checks, one per step -------------------------------------------------------------------------------------------------

CHECKS = []


def step(number, text):
        """The step with that number of the page; the function looks at what was printed on each host."""
        def add(function):
                def check(network):
                        pages = steps(network.source)
                        assert len(pages) == 9, [page.title for page in pages]
                        function(network, network.follow(pages[number - 1]))
                check.__name__, check.__doc__ = function.__name__, text
                CHECKS.append(check)
                return function
        return add


@step(1, 'the package installs with what it needs, and starts nothing')
def install(network, printed):
        for name in HOSTS:
                assert 'Setting up p2pnet' in printed[name], printed[name]
                assert 'no peer or seed is running' in network.type(name, 'p2pctl', fails=True)


@step(2, 'the file says where to listen')
def listening(network, printed):
        assert not any(printed.values()), printed


@step(3, 'the seeds are named, and nothing is wrong with the configuration')
def seeds(network, printed):
        for name in HOSTS:
                assert printed[name] == 'Nothing is wrong with the configuration.\n', printed[name]


@step(4, 'seeds and peers start, and find each other')
def start(network, printed):
        for name in HOSTS:
                for command, n in ('p2pctl peers', 2), ('p2pctl -i seed@5000 peers', 3):
                        knows = wait_until(lambda: len(re.findall(r':6001 .* alive ', network.type(name, command))) == n,
                                           READING_SECONDS)
                        assert knows, network.type(name, command)


@step(5, 'peers, seeds and status show what the page says')
def look_around(network, printed):
        text = printed['web-1']
        for other in 2, 3:
                assert re.search(rf'^web-{other}:6001 +10\.77\.0\.{other}:6001 +alive +(in|out) ', text, re.M), text
        assert len(re.findall(r'^10\.77\.0\.\d:5000 .* registered ', text, re.M)) >= 2, text
        assert len(re.findall(r'^10\.77\.0\.\d:5000 .* linked ', text, re.M)) == 2, text
        assert '3 peers, as seen by seed@5000.' in text, text


@step(6, 'what one host publishes is printed on the others')
def publish(network, printed):
        assert re.search(r'^published \S+ to [12] links?$', printed['web-1'], re.M), printed
        for name in HOSTS[1:]:
                assert re.search(r'^\d\d:\d\d:\d\d  /deploy/web  from web-1:6001  v42$', printed[name], re.M), printed


@step(7, 'a host that stops, and one that is killed, is noticed')
def lose(network, printed):
        what = re.findall(r'^\d\d:\d\d:\d\d  (restarted|left|joined|suspect|dead) +web-3:6001', printed['web-1'], re.M)
        assert what == ['restarted', 'left', 'joined', 'suspect', 'dead', 'joined'], printed['web-1']
        assert re.search(r'web-3:6001 is dead', printed['web-1']), printed['web-1']
        assert '░░ Subject:' in printed['web-1'], printed['web-1']


@step(8, 'a change is checked and put into force')
def change(network, printed):
        assert 'Nothing is wrong' in printed['web-1'], printed


def mistakes(network):
        """what a newcomer does wrong is answered with a sentence"""
        network.say('## What goes wrong', '', 'All on web-2, while the network runs.', '')
        answers = ''
        for why, before, command, after in MISTAKES:
                if before:
                        network.type('web-2', before)
                result = network.hosts['web-2'].run('sh', '-c', command, check=False)
                network.say(why, '', '```')
                network.show('web-2', command, result.stdout)
                network.say('```', '')
                answers += result.stdout
                if after:
                        network.type('web-2', after)
        for sentence in ("unknown command 'pers'. Did you mean 'peers'?", 'in use by another program', 'reload refused',
                         'publishing needs root or membership of group p2pnet-ctl', 'this version does not encrypt'):
                assert sentence in answers, f'"{sentence}" is not in:\n{answers}'
        status = re.search(r'^StatusText=.*', answers, re.M)[0]
        assert status.count('a comma before it is one too many') == 1, status


CHECKS.append(mistakes)


@step(9, 'it stops, and goes')
def remove(network, printed):
        assert 'Removing p2pnet' in printed['web-1'], printed
        network.type('web-1', 'ls -d /usr/lib/p2pnet', fails=True)


def document(network):
        """docs/FIRST-STEPS.md shows the commands of the page"""
        if (transcript := os.environ.get('P2PNET_TRANSCRIPT')):
                Path(transcript).write_text('\n'.join(network.document).rstrip() + '\n')
        written = (network.source / 'docs/FIRST-STEPS.md').read_text()
        shown = [line for line in written.splitlines() if re.match(r'web-\d# ', line)]
        made = [line.split('\n')[0] for line in network.document if re.match(r'web-\d# ', line)]
        assert shown == made, f'run tools/first-steps: {sorted(set(shown) ^ set(made))}'


CHECKS.append(document)


# ---------------------------------------------------------------------------------------------------------------------

def libraries():
        """The .debs of LIBRARIES from Debian, kept in the cache of the images."""
        key = hashlib.sha256(' '.join(LIBRARIES).encode()).hexdigest()[:12]
        stock = Path(os.environ.get('RIG_CACHE', '/var/cache/p2pnet-rig')) / f'debs-{key}'
        if not stock.exists():
                draft = stock.with_suffix(f'.{os.getpid()}')
                draft.mkdir(parents=True)
                if run('apt-get', 'download', *LIBRARIES, cwd=draft, check=False).returncode != 0:
                        run('apt-get', 'update')
                        run('apt-get', 'download', *LIBRARIES, cwd=draft)
                draft.rename(stock)
        return stock


def make_clean(rig):
        """The image as a newcomer has it: our package in /root, and what it needs not installed, but to be had."""
        run('chroot', rig.root, 'dpkg', '--purge', *LIBRARIES)
        mirror = rig.root / 'srv/debian'
        shutil.copytree(libraries(), mirror)
        with open(mirror / 'Packages', 'w') as index:
                subprocess.run(['dpkg-scanpackages', '--multiversion', '.'], cwd=mirror, check=True,
                               stdout=index, stderr=subprocess.DEVNULL)
        (rig.root / 'etc/apt/sources.list').write_text('deb [trusted=yes] file:/srv/debian ./\n')
        (rig.root / 'etc/apt/apt.conf.d/90yes').write_text('APT::Get::Assume-Yes "true";\nDpkg::Use-Pty "false";\n')
        for deb in rig.debs:
                if not deb.name.startswith('p2pnet-dbgsym'):
                        shutil.copy(deb, rig.root / 'root')


def session(rig, source, words):
        make_clean(rig)
        network = Network(rig, source)
        try:
                tap.run_checks([(network, CHECKS)], words)
        finally:
                for *_, process, _ in network.waiting:
                        process.kill()


if __name__ == '__main__':
        tap.main(__doc__, 'p2prig-first', session, sysusers='u alice - - /home/alice /bin/sh\n', install=False)
