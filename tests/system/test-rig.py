#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rig of the system tests itself: its faults are what they say, and nothing of it stays behind. Speaks TAP.

usage: test-rig.py DEBDIR SOURCE [WORD...]

The hosts are bare Debian; neither DEBDIR nor SOURCE is used. Needs root.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import tap
from rig import Host, Rig, RigError, cgroup_trees, run, wait_until

CHECKS = []
check = tap.collector(CHECKS)

ECHO_PORT = 7

# Run in the namespace of a host by the python of this machine; the image has none.
REACH = '''
import socket, sys
try:
        socket.create_connection((sys.argv[1], 1), 1)
except ConnectionRefusedError:                  # nobody listens, so it was the host that answered
        print("reached")
except OSError:
        print("not reached")
'''
COUNT = '''
import socket, sys
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)     # SO_RCVBUFFORCE: nothing is lost for want of room
receiver.bind(("0.0.0.0", 9))
receiver.settimeout(10)
print("ready", flush=True)
n = 0
while receiver.recv(16) == b"one":
        n += 1
print(n)
'''
SEND = '''
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for text in [b"one"] * 1000 + [b"end"] * 50:
        sender.sendto(text, (sys.argv[1], 9))
        time.sleep(0.0005)                              # nor on the way
'''
WATCH = '''
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
connection.sendall(b"x")
assert connection.recv(1) == b"x"
print("connected", flush=True)
connection.settimeout(float(sys.argv[3]))
try:
        print("ended" if connection.recv(1) == b"" else "data")
except ConnectionResetError:
        print("ended")
except TimeoutError:
        print("silence")
'''


class Hosts:
        """Three of them, on one network without faults."""

        def __init__(self, rig):
                self.rig = rig
                self.all = [Host(rig, f'h{number}', number, keep=('/srv',)) for number in (1, 2, 3)]
                rig.start_all(self.all)

        def clean(self):
                self.rig.unfilter()
                for host in self.all:
                        host.heal()

        def report(self):
                return ''

        def python(self, host, program, *args):
                return ['nsenter', f'--net=/run/netns/{self.rig.id}-{host.name}', sys.executable, '-c', program, *map(str, args)]

        def reaches(self, host, address):
                return run(*self.python(host, REACH, address)).stdout.strip() == 'reached'

        def pairs(self):
                """The hosts that reach each other, as pairs of numbers."""
                return {(a.number, b.number) for a in self.all for b in self.all
                        if a != b and self.reaches(a, b.address) and self.reaches(a, b.address6)}

        def connect(self, host, to, seconds):
                """A process that waits so long for the end of a connection."""
                to.run('systemd-run', '--quiet', '--unit=echo', 'systemd-socket-activate', '--listen', ECHO_PORT, '--accept',
                       '--inetd', 'cat')
                wait_until(lambda: f':{ECHO_PORT} ' in to.run('ss', '-ltn').stdout, 10)
                process = subprocess.Popen(self.python(host, WATCH, to.address, ECHO_PORT, seconds), text=True,
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
                assert process.stdout.readline() == 'connected\n'
                return process


ALL_PAIRS = {(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)}


@check
def bridge(h):
        """three hosts boot side by side, and reach each other by IPv4 and IPv6"""
        assert h.pairs() == ALL_PAIRS, h.pairs()
        assert not h.reaches(h.all[0], '10.77.0.9'), 'who is that?'
        assert len({host.read('/etc/machine-id') for host in h.all}) == 3


@check
def cut(h):
        """a host that is cut off reaches nobody, until it is healed"""
        h.all[2].cut()
        assert h.pairs() == {(1, 2), (2, 1)}, h.pairs()
        h.all[2].heal()
        assert wait_until(lambda: h.pairs() == ALL_PAIRS, 20), h.pairs()


@check
def split(h):
        """two hosts that are split do not reach each other, and both reach the third"""
        h.rig.split(h.all[0], h.all[1])
        assert h.pairs() == ALL_PAIRS - {(1, 2), (2, 1)}, h.pairs()
        h.rig.unfilter()
        assert wait_until(lambda: h.pairs() == ALL_PAIRS, 20), h.pairs()


@check
def loss(h):
        """so many of the packets to a host are lost, and none of those to others"""
        def arrived(host):
                with subprocess.Popen(h.python(host, COUNT), text=True, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE) as receiver:
                        assert receiver.stdout.readline() == 'ready\n'
                        run(*h.python(h.all[0], SEND, host.address))
                        return int(receiver.stdout.readline())

        assert h.pairs() == ALL_PAIRS           # each has found the others' hardware addresses
        h.rig.loss(h.all[1], 30)
        lossy, other = arrived(h.all[1]), arrived(h.all[2])
        assert 600 < lossy < 800, f'{lossy} of 1000 arrived'
        assert other == 1000, f'{other} of 1000 arrived'


@check
def freeze(h):
        """in a frozen host nothing runs, though its kernel answers; thawed it goes on"""
        host = h.all[1]
        host.freeze()
        try:
                assert h.reaches(h.all[0], host.address)
                try:
                        host.run('systemctl', 'is-system-running', timeout=1)
                except subprocess.TimeoutExpired:
                        pass
                else:
                        raise AssertionError('its systemd answered')
        finally:
                host.freeze(False)
        assert host.run('systemctl', 'is-system-running').stdout == 'running\n'


@check
def power(h):
        """a host without power is silent at once, and comes back as the same one, with what it keeps"""
        host = h.all[2]
        host.write('/srv/note', 'kept')
        machine = host.read('/etc/machine-id')
        with h.connect(h.all[0], host, 3) as process:
                host.power_cut()
                assert process.stdout.readline() == 'silence\n'
        host.plug_again()
        assert (host.read('/srv/note'), host.read('/etc/machine-id')) == ('kept', machine)
        assert wait_until(lambda: h.pairs() == ALL_PAIRS, 20), h.pairs()
        with h.connect(h.all[0], host, 20) as process:          # the same without the cut is not silent
                host.end(signal.SIGKILL)
                assert process.stdout.readline() == 'ended\n'
        host.start()


def traces(identifier):
        """What a rig with this id has on this machine."""
        found = [path for tree in cgroup_trees() for path in [tree / identifier] if path.exists()]
        found += [path for directory in ('/run/netns', '/run') if Path(directory).exists()
                  for path in Path(directory).iterdir() if path.name == identifier or path.name.startswith(identifier + '-')]
        found += [line for line in run('ps', '-eo', 'pid,args').stdout.splitlines() if f'/run/{identifier}/' in line]
        found += [line for line in Path('/proc/mounts').read_text().splitlines() if f'/{identifier}' in line]
        return list(map(str, found))


def interrupted(number):
        """Runs this script as another rig, ends it by that signal while its host is up. Return: what it left."""
        identifier = f'p2prig-victim-{os.getpid()}'
        with tempfile.NamedTemporaryFile(prefix='p2prig-') as log:
                victim = subprocess.Popen([sys.executable, '-B', __file__, '-', '-', 'hang'], stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log, env={**os.environ, 'P2PNET_RIG_NAMESPACE': '',
                                                                'P2PNET_RIG_VICTIM': identifier})
                try:
                        if not wait_until(lambda: b'hanging' in Path(log.name).read_bytes(), 60):
                                raise RigError(f'it does not come up: {Path(log.name).read_text()}')
                        assert len(traces(identifier)) > 3, traces(identifier)
                        victim.send_signal(number)
                        victim.wait(60)
                finally:
                        victim.kill()
                        victim.wait()

        def processes():
                return [line for line in traces(identifier) if 'systemd-nspawn' in line]

        assert wait_until(lambda: not processes(), 20), processes()
        left = traces(identifier)
        Rig('/run', identifier).sweep()
        if Path('/run', identifier).exists():
                Path('/run', identifier).rmdir()                # its mount has gone with its mount namespace
        assert traces(identifier) == [], f'the sweep leaves {traces(identifier)}'
        return left


@check
def ended(_):
        """a run that is interrupted by Ctrl-C, or ended, leaves nothing"""
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
                assert (left := interrupted(number)) == [], left


@check
def killed(_):
        """a run that is killed leaves no process, and what else it leaves is swept by the next"""
        interrupted(signal.SIGKILL)


def session(rig, source, words):
        if 'P2PNET_RIG_VICTIM' in os.environ:
                host = Host(rig, 'h1', 1)
                host.start()
                host.freeze()                   # as bad as it gets: it cannot end in order
                print('hanging', flush=True)
                signal.pause()
        tap.run_checks([(Hosts(rig), CHECKS)], words)


if __name__ == '__main__':
        tap.main(__doc__, os.environ.get('P2PNET_RIG_VICTIM', 'p2prig-rig'), session, install=False)
