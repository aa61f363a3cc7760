#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pctl asks elsewhere: on another host over ssh, and in a container, which runs on a host that is one itself. Two booted hosts.
Speaks TAP.

usage: test-remote.py DEBDIR SOURCE [WORD...]

DEBDIR has our packages, SOURCE is the top of the source tree; with words only the checks whose names have one of them are
run. Needs root.
"""

import contextlib
import json
import os
import re
import subprocess

import tap
from people import PEERS, USERS, Standing, User, expect, start_own
from product import eventually, peer, seed
from rig import Host

SSH, CONTAINER = [], []


# Over ssh -------------------------------------------------------------------------------------------------------------

ssh = tap.collector(SSH)


class Far(Standing):
        """The second host, asked from the first one, whose root has a key for root, alice and carol there."""

        def __init__(self, near, far, source):
                super().__init__(far, source)
                self.near = near

        def prepare(self):
                near, far = self.near, self.host
                near.run('sh', '-c', 'mkdir -p -m 700 ~root/.ssh && ssh-keygen -q -t ed25519 -N "" -f ~root/.ssh/id_ed25519')
                key = near.run('sh', '-c', 'cat ~root/.ssh/id_ed25519.pub').stdout
                for host in near, far:
                        host.run('systemctl', 'start', 'ssh.service')
                        for user, home in ('root', '/root'), ('alice', '/home/alice'), ('carol', '/home/carol'):
                                host.run('install', '-d', '-o', user, '-m', '700', home, home + '/.ssh')
                                host.write(home + '/.ssh/authorized_keys', key)
                for user in 'alice', 'carol':           # else a service manager is started and stopped for each session
                        far.run('loginctl', 'enable-linger', user)
                near.run('sh', '-c', f'ssh-keyscan -t ed25519 {far.address} {far.address6} 127.0.0.1 >~root/.ssh/known_hosts 2>&1')
                near.run('sh', '-c', f'echo "{far.address} h2\n127.0.0.1 h1" >>/etc/hosts; '
                         f'cd ~root/.ssh; sed "s/^127.0.0.1 /h1 /;s/^{far.address} /h2 /" known_hosts >k; cat k >>known_hosts')

        def asked(self, where, *args, status=0, **kwargs):
                """p2pctl -H on the first host."""
                return expect(self.near.run('p2pctl', '-H', where, *args, check=False, **kwargs), status, '-H', where, *args)

        @contextlib.contextmanager
        def asking(self, where, *args):
                """One that goes on. It is another process, inside, that is sent a signal by interrupt()."""
                command = ['setsid', '--wait', 'p2pctl', '-H', where, *args]
                with subprocess.Popen(self.near.inside() + command, text=True, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                        try:
                                yield process
                        finally:
                                self.interrupt('KILL')

        def interrupt(self, signal):
                """All that ask, and their ssh, as a terminal does it upon Ctrl-C."""
                self.near.run('sh', '-c', f'for p in $(pgrep --exact p2pctl); do /bin/kill -s {signal} -- -$p; done')

        def sessions(self):
                """Those of ssh that run on the first host."""
                return self.near.run('pgrep', '--exact', 'ssh', check=False).stdout.split()


@ssh
def ssh_reads(p):
        """every verb that reads works over ssh for an ordinary user there, and shows what is there"""
        own = p.property(PEERS[0], 'NodeId')
        other = p.property(PEERS[1], 'NodeId')
        for verb, *args in (('status',), ('peers',), ('show',), ('show', other), ('seeds',), ('statistics',), ('is-online',),
                            ('wait-online', '--timeout=20'), ('log-level',), ('monitor', '--timeout=0.1')):
                p.asked('alice@h2', verb, *args)
        assert json.loads(p.asked('alice@h2', '--json=short', 'status'))['nodeId'] == own
        assert 'as seen by seed@5000' in p.asked('alice@h2', 'peers', '-i', 'seed@5000')
        for where in 'h2', f'root@{p.host.address}:22', f'alice@[{p.host.address6}]:22', f'alice@{p.host.address6}':
                assert json.loads(p.asked(where, '--json=short', 'status'))['nodeId'] == own, where
        assert 'is running on alice@h1.' in p.asked('alice@h1', 'peers', status=3)      # the way leads back, where nothing runs
        p.asked('h2', 'config', 'check', status=2)
        eventually(lambda: not p.sessions(), 'no ssh is left', p.sessions)


@ssh
def ssh_changes(p):
        """who may change something over ssh is who may there: root and members of p2pnet-ctl, and no others"""
        for user in 'root', 'carol':
                assert p.asked(f'{user}@h2', 'publish', '/far', user).startswith('published ')
                p.asked(f'{user}@h2', 'ping', p.property(PEERS[1], 'NodeId'))
                p.asked(f'{user}@h2', 'reload', '-i', 'all')
        for verb, *args in ('publish', '/far', 'x'), ('reload',), ('subscribe', '*'), ('log-level', 'debug'):
                text = p.asked('alice@h2', verb, *args, status=4)
                assert re.fullmatch(r'p2pctl: peer@6001 refused: [a-z ]+ needs root or membership of group p2pnet-ctl\.\n', text), text
        assert 'started seed@5060' in p.asked('root@h2', 'spawn-seeds', '1', '--first-port=5060')
        assert p.state(seed(5060)) == 'active'
        p.host.run('systemctl', 'stop', seed(5060))


@ssh
def ssh_streams(p):
        """monitor and subscribe tell over ssh what happens there, and leave nothing running when they end"""
        with p.asking('carol@h2', 'subscribe', '--count=2', '/far/*') as reader, \
             p.asking('alice@h2', 'monitor', '-i', 'seed@5000', '--json=short') as watcher:
                eventually(lambda: p.call(PEERS[0], 'GetStatistics')['Subscriptions'] == 1, 'a subscription')
                for text in 'one', 'two':
                        p.ctl('publish', '/far/' + text, text, '-i', f'peer@{PEERS[1]}')
                told = reader.communicate(timeout=20)[0]
                assert reader.returncode == 0 and re.search(r'/far/one .* one\n.*/far/two .* two\n', told), told

                # Until its match is in place nothing is told, so something happens again and again.
                os.set_blocking(watcher.stdout.fileno(), False)
                def happens():
                        p.host.run('systemctl', 'restart', peer(PEERS[1]))
                        return any('6002' in line for line in iter(watcher.stdout.readline, ''))
                eventually(happens, 'a change is told', seconds=30)
                self_ended = watcher.poll()
                p.interrupt('INT')
                assert self_ended is None and watcher.wait(20) == 0, watcher.stderr.read()
        eventually(lambda: not p.sessions(), 'no ssh is left', p.sessions)


@ssh
def ssh_breaks(p):
        """a connection that breaks in the middle is said, with what ssh says of it"""
        with p.asking('carol@h2', 'subscribe', '/far/*') as reader:
                eventually(lambda: p.call(PEERS[0], 'GetStatistics')['Subscriptions'] == 1, 'a subscription')
                p.host.run('sh', '-c', 'kill $(pgrep --uid carol sshd)')
                assert reader.wait(20) == 1
                text = reader.stderr.read()
                assert re.search(r'^p2pctl: lost the connection to carol@h2: Connection to h2 closed by remote host\.$', text, re.M), text
        eventually(lambda: p.call(PEERS[0], 'GetStatistics')['Subscriptions'] == 0, 'its subscription has ended')


@ssh
def ssh_fails(p):
        """when ssh does not get there it is one sentence with what ssh says, and what to try"""
        near = p.near
        for where, why, attempt in (
                ('nowhere', r'Could not resolve hostname nowhere: .*', 'nowhere'),
                ('h2:1', 'connect to host h2 port 1: Connection refused', '-p 1 h2'),
                ('dave@h2', r'dave@h2: Permission denied \(publickey,password\)', 'dave@h2'),
                ('h2.again', 'Host key verification failed', 'h2.again')):
                near.run('sh', '-c', f'grep -q h2.again /etc/hosts || echo {p.host.address} h2.again >>/etc/hosts')
                text = p.asked(where, 'peers', status=1)
                assert re.fullmatch(rf'p2pctl: cannot reach {re.escape(where)} by ssh: {why}\.\nTry: ssh {attempt} true\n', text), text

        near.run('mv', '/usr/bin/ssh', '/usr/bin/ssh.away')
        try:
                assert 'p2pctl: -H needs ssh, which is not installed here.\n' in p.asked('h2', 'peers', status=1)
        finally:
                near.run('mv', '/usr/bin/ssh.away', '/usr/bin/ssh')


@ssh
def ssh_finds_nothing(p):
        """a host without nodes, without a bus, without the bridge, or with a talkative shell: a sentence each, and what to do"""
        host, units = p.host, [seed(5000), *map(peer, PEERS)]
        host.run('systemctl', 'stop', *units)
        try:
                text = p.asked('root@h2', 'peers', status=3)
                assert text == ('p2pctl: no peer or seed is running on root@h2.\n'
                                'Start one with: systemctl -H root@h2 start p2p-seedd@5000 p2p-peerd@6001\n'), text
                # Exactly what is proposed works.
                p.near.run('sh', '-c', text.partition('with: ')[2])
                assert p.state(peer(6001)) == 'active'
                text = p.asked('h2', 'peers', '-i', 'peer@6009', status=3)
                assert text == 'p2pctl: peer@6009 is not running on h2.\nStart it with: systemctl -H h2 start p2p-peerd@6009\n', text
        finally:
                host.run('systemctl', 'start', *units)

        host.run('mv', '/usr/bin/systemd-stdio-bridge', '/usr/bin/bridge.away')
        try:
                text = p.asked('h2', 'peers', status=1)
                assert text == ('p2pctl: h2 has no systemd-stdio-bridge, which comes with systemd and is needed there.\n'
                                'Without it, try: ssh h2 p2pctl\n'), text
        finally:
                host.run('mv', '/usr/bin/bridge.away', '/usr/bin/systemd-stdio-bridge')

        host.run('systemctl', 'stop', 'dbus.socket', 'dbus.service')
        try:
                text = p.asked('h2', 'peers', status=1)
                assert re.fullmatch(r'p2pctl: systemd-stdio-bridge on h2 cannot reach the system bus: .+\.\n'
                                    r'Try: ssh h2 busctl list\n', text), text
        finally:
                host.run('systemctl', 'start', 'dbus.socket')
        eventually(lambda: p.on_bus(PEERS[0]) and p.on_bus(PEERS[1]) and p.on_bus(5000), 'they are on the bus again', seconds=40)

        host.run('usermod', '--shell', '/bin/bash', 'alice')
        host.write('/home/alice/.bashrc', 'echo Welcome\n')
        try:
                text = p.asked('alice@h2', 'peers', status=1)
                assert 'what came from alice@h2 through ssh is no bus: ' in text and 'Try: ssh alice@h2 true\n' in text, text
        finally:
                host.run('rm', '/home/alice/.bashrc')


# Containers -----------------------------------------------------------------------------------------------------------

container = tap.collector(CONTAINER)
# A container in the host, which is one itself: our /usr, and a copy of /etc.
CONTAINER_ROOT = '/var/lib/machines/c1'
MAKE_CONTAINER = f"""
mkdir -p {CONTAINER_ROOT}/usr/lib {CONTAINER_ROOT}/var/lib
cd {CONTAINER_ROOT} && mkdir run tmp dev proc sys root
cp /usr/lib/os-release usr/lib/ && cp -a /etc etc && cp -a /bin /sbin /lib /lib64 . && : >etc/machine-id
exec systemd-run --quiet --unit=c1 -p KillMode=mixed -p Delegate=yes systemd-nspawn --quiet --settings=no -M c1 -D {CONTAINER_ROOT} \\
        --bind-ro=/usr:/usr --private-network --link-journal=no --console=pipe --keep-unit --boot
"""


def container_runs(p):
        state = p.host.run('systemctl', '-M', 'c1', 'is-system-running', check=False).stdout.strip()
        return state in ('running', 'degraded')


@container
def no_container(p):
        """a container that is not there is one sentence, with machined and before it ever ran"""
        for args, status, why in (
                (('-M', 'web'), 3, 'p2pctl: no container web runs here, as far as systemd-machined knows.\n'
                                   'See which do: machinectl list\n'),
                (('-M', 'web', '--user'), 1, 'p2pctl: cannot be root in web: Failed to connect to bus: Host is down.\n'
                                            'See what runs: machinectl list\n'),
                (('-M', 'alice@web'), 1, 'p2pctl: cannot be alice in web: Failed to connect to bus: Host is down.\n'
                                        'See what runs: machinectl list\n')):
                text = p.ctl(*args, 'peers', status=status)
                assert text == why, text
        for bad in '', '-web', '../web', 'a b', 'alice@-x':
                assert 'accepted is [USER@]CONTAINER' in p.ctl('-M', bad, 'peers', status=2)


@container
def this_host(p):
        """-M .host is this host, for root and, as far as they are themselves, for others; with --user one's own services"""
        assert 'as seen by peer@6001' in p.ctl('-M', '.host', 'peers')
        with User(p.host, 'alice').lingering() as alice:
                start_own(alice)
                assert 'as seen by peer@6101' in p.ctl('-M', 'alice@.host', '--user', 'peers')
                assert 'as seen by peer@6101' in p.ctl('-M', 'alice@', '--user', 'peers')
                assert p.ctl('-M', 'alice@.host', '--user', 'publish', '/x', 'y').startswith('published')
                assert 'as seen by peer@6001' in p.ctl('-M', 'alice@.host', 'peers')
                assert 'needs root or membership' in p.ctl('-M', 'alice@.host', 'publish', '/x', 'y', status=4)
                for me in '@.host', 'alice@.host', alice.uid + '@.host':
                        assert 'as seen by peer@6101' in alice.ctl('-M', me, '--user', 'peers')
                        assert 'as seen by peer@6001' in alice.ctl('-M', me, 'peers')
                for other, words in ('carol@.host', 'cannot be carol in this host: '), ('root@.host', 'cannot be root in this host: '):
                        text = alice.ctl('-M', other, 'peers', status=4)
                        assert words in text and text.endswith('\nOnly root may be somebody else there.\n'), text
                assert 'only root may reach into .host' in alice.ctl('-M', '.host', 'peers', status=4)
        text = p.ctl('-M', 'dave@.host', '--user', 'peers', status=3)
        assert 'Start one with: systemctl -M dave@.host --user start ' in text, text


@container
def a_container(p):
        """a container that machined knows is asked by root: there, by a user in it, and through ssh"""
        p.host.run('sh', '-c', MAKE_CONTAINER)
        try:
                eventually(lambda: container_runs(p), 'the container runs', seconds=60)
                text = p.ctl('-M', 'c1', 'peers', status=3)
                assert text == ('p2pctl: no peer or seed is running on c1.\n'
                                'Start one with: systemctl -M c1 start p2p-seedd@5000 p2p-peerd@6001\n'), text
                p.host.run('sh', '-c', text.partition('with: ')[2])
                eventually(lambda: 'online' in p.ctl('-M', 'c1', 'status'), 'it is online')
                assert ':6001' in p.ctl('-M', 'c1', 'peers', '-i', 'seed@5000')
                inside = json.loads(p.ctl('-M', 'c1', '--json=short', 'status'))['nodeId']
                assert inside != p.property(PEERS[0], 'NodeId')
                assert json.loads(p.ctl('-M', 'root@c1', '--json=short', 'status'))['nodeId'] == inside
                p.ctl('-M', 'root@c1', 'reload', '-i', 'all')
                p.ctl('-M', 'alice@c1', 'reload', status=4)
                assert 'started seed@5001' in p.ctl('-M', 'c1', 'spawn-seeds', '1')
                assert p.state(seed(5001)) == 'inactive'

                assert json.loads(p.ctl('-H', 'root@127.0.0.1/c1', '--json=short', 'status'))['nodeId'] == inside

                alice = User(p.host, 'alice')
                assert 'only root may reach into c1.\nTry: sudo p2pctl -M c1\n' in alice.ctl('-M', 'c1', 'peers', status=4)
                assert 'cannot be root in c1: ' in alice.ctl('-M', 'root@c1', 'peers', status=4)
        finally:
                p.host.run('systemctl', 'stop', 'c1.service')


# -----------------------------------------------------------------------------------------------------------------------

def session(rig, source, words):
        h1, h2 = Host(rig, 'h1', 1), Host(rig, 'h2', 2)
        rig.start_all([h1, h2])
        far = Far(h1, h2, source)
        far.prepare()
        tap.run_checks([(far, SSH), (Standing(h1, source), CONTAINER)], words)
        for host in h1, h2:
                host.stop()


if __name__ == '__main__':
        tap.main(__doc__, 'p2prig-remote', session, sysusers=USERS)
