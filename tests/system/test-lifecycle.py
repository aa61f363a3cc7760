#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an administrator does to hosts that are in use: upgrades, removals, restarts of what p2pnet leans on, a full disk, a reboot.
Three booted hosts with a seed and two peers each, and messages on their way all the time. Speaks TAP.

usage: test-lifecycle.py DEBDIR SOURCE [WORD...]

DEBDIR holds our .deb, SOURCE is the top of the source tree, of which the next version is built; with words only the checks whose
names have one of them are run. Needs root.

One peer publishes a message every 100 ms, and "p2pctl subscribe" listens at each peer. No message may come twice or out of order;
each has to come everywhere, but to a peer that was away itself when it was published. After each check all must be well, as in
network.py. The line of a check says what it cost.
"""

import functools
import json
import re
import shutil
import subprocess
import sys
import threading
import time

import tap
from network import Network
from minibus import BusError
from product import CONF, NODE, SHIPPED, eventually, peer, seed
from rig import Host, RigError, run, wait_until

EVERY_SECONDS = 0.1
MARGIN_SECONDS = 0.3            # in which a message may be on its way while a link goes
DEB_NEXT = '/var/tmp/p2pnet-next.deb'

CHECKS = []


class Life(Network):
        """The network, and what is done to its hosts."""

        def __init__(self, hosts, next_deb):
                super().__init__(hosts, 4)
                self.title = ''
                self.next_deb = next_deb        # waits for it

        def clean(self):
                first = self.began is None
                super().clean()
                if first:
                        for host in self.hosts:
                                host.run('systemctl', 'start', 'p2pnet.target')
                        self.whole()

        def of(self, host):
                return [node for node in self.nodes if node.host is host]

        def identities(self):
                return [self.identity(node) for node in self.nodes]

        def pids(self, *hosts):
                return [node.pid() for node in self.nodes if node.host in hosts]

        def lines(self, node, pattern):
                return [entry for entry in self.entries(node.host) if entry['UNIT'] == node.unit and re.search(pattern, entry['MESSAGE'])]

        def nobody_minded(self, *hosts):
                """On these hosts no node took another one for dead."""
                for host in hosts:
                        for entry in self.entries(host):
                                assert not re.search(r'suspected|does not answer|is dead|^(?!The link to).* is gone: ', entry['MESSAGE']), \
                                        f'{host.name}: {entry}'


class Listener:
        """p2pctl subscribe at one peer; what it prints, with the time."""

        def __init__(self, node):
                self.node = node
                self.got = []           # (monotonic time, number)
                self.process = subprocess.Popen(
                        node.host.inside() + ['setpriv', '--pdeathsig', 'TERM',        # nsenter does not pass signals on
                                              'p2pctl', '--json=short', f'--instance=peer@{node.port}', 'subscribe', '/traffic'],
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.thread = threading.Thread(target=self.read, daemon=True)
                self.thread.start()

        def read(self):
                for line in self.process.stdout:
                        self.got.append((time.monotonic(), int(json.loads(line)['payload'])))

        def end(self):
                self.process.terminate()
                self.complaint = self.process.stderr.read()
                self.process.wait(20)
                self.thread.join(20)
                self.process.stdout.close()
                self.process.stderr.close()


class Traffic:
        """A message every 100 ms from one peer, and listeners at peers."""

        def __init__(self, network, publisher, at=None):
                self.network = network
                self.publisher = publisher
                self.listeners = [Listener(node) for node in at or network.peers]
                self.accepted = {}      # number: time
                self.refused = {}       # number: why
                self.over = threading.Event()
                self.thread = threading.Thread(target=self.publish, daemon=True)

        def __enter__(self):
                self.thread.start()
                eventually(lambda: all(listener.got for listener in self.listeners), 'all listeners listen',
                           lambda: [listener.node for listener in self.listeners if not listener.got], 30)
                self.began = time.monotonic()
                return self

        def __exit__(self, kind, *_):
                now = time.monotonic()
                deaf = [] if kind else self.listeners
                wait_until(lambda: all(listener.got[-1][0] > now for listener in deaf), 30)
                self.deaf = [listener.node for listener in deaf if listener.got[-1][0] <= now]
                self.over.set()
                self.thread.join()
                if kind is None:
                        wait_until(lambda: all(listener.got[-1][1] == max(self.accepted) for listener in self.listeners), 5)
                for listener in self.listeners:
                        listener.end()

        def publish(self):
                client = None
                due = time.monotonic()
                number = 0
                while not self.over.wait(max(0, due - time.monotonic())):
                        due += EVERY_SECONDS
                        number += 1
                        asked = time.monotonic()
                        try:
                                client = client or self.network.connect(self.publisher.host)
                                client.call(f'org.p2pnet.Peer1.p{self.publisher.port}', NODE, 'org.p2pnet.Node1.Manager', 'Publish',
                                            'saya{sv}', '/traffic', str(number).encode(), {})
                                self.accepted[number] = asked
                        except BusError as error:
                                self.refused[number] = error
                        except (OSError, EOFError) as error:
                                self.refused[number] = error
                                client = None

        def lost(self, away=()):
                """What was accepted and did not come, after all had begun to listen: {node: numbers}. Each of @away may have missed what
                was published around the times that it was away itself; that is counted apart.

                Return: what they missed while they were away, as {node: n}."""
                missed = {}
                assert not self.deaf, f'nothing comes any more at {self.deaf}, where p2pctl says: ' + \
                        ''.join(listener.complaint for listener in self.listeners if listener.node in self.deaf)
                for listener in self.listeners:
                        numbers = [number for _, number in listener.got]
                        assert numbers == sorted(set(numbers)), f'{listener.node} got messages twice or out of order: {numbers}'
                        came = set(numbers)
                        numbers = [number for number, asked in self.accepted.items() if asked >= self.began and number not in came]
                        if listener.node in away or self.publisher in away:
                                spells = list(self.spells(listener))
                                excused = [number for number in numbers
                                           if any(begin <= self.accepted[number] <= end for begin, end in spells)]
                                missed[listener.node] = len(excused)
                                numbers = sorted(set(numbers) - set(excused))
                        assert not numbers, \
                                f'{listener.node} did not get {numbers}, of {len(self.accepted)}; published at ' \
                                f'{[round(self.accepted[number] - self.began, 2) for number in numbers]} s; away ' \
                                f'{[(round(a - self.began, 2), round(b - self.began, 2)) for a, b in self.spells(listener)]}'
                return missed

        def spells(self, listener):
                """When the listener's peer, or the publisher, was not there: from its farewell until messages come again."""
                offset = time.time() - time.monotonic()
                for node in {listener.node, self.publisher}:
                        for entry in self.network.lines(node, '^Leaving the network'):
                                left = entry['TIME'] - offset
                                back = min((when for when, _ in listener.got if when > left + MARGIN_SECONDS), default=time.monotonic())
                                yield left - MARGIN_SECONDS, back

        def figures(self, missed=None):
                text = f'{len(self.accepted)} messages accepted, {len(self.refused)} refused'
                if missed:
                        text += ', missed by restarting peers ' + ', '.join(f'{node} {n}' for node, n in missed.items() if n) \
                                if any(missed.values()) else ', none missed'
                return text


def check(function=None, *, allowed=()):
        """Marks a check, which returns what there is to be said about it. @allowed: errors in a journal that are as they should be."""
        if function is None:
                return functools.partial(check, allowed=allowed)

        @functools.wraps(function)
        def and_all_is_well(n):
                fact = function(n)
                took = n.whole()
                n.gossip()
                n.journals([(pattern, '') for pattern in allowed])
                return f'{fact}, all well {took:.1f} s later'

        CHECKS.append(and_all_is_well)
        return function


# What p2pnet leans on -----------------------------------------------------------------------------------------------

@check
def bus_restarted(n):
        """the bus of a host is restarted: p2pctl works again, and the network does not notice"""
        return bus_goes(n, 'restart', 'dbus.service')


@check
def bus_killed(n):
        """the bus of a host is killed: p2pctl works again, and the network does not notice"""
        return bus_goes(n, 'kill', '-s', 'KILL', 'dbus.service')


def bus_goes(n, *verb):
        a, b, c = n.hosts
        pids = n.pids(a)
        others = [node for node in n.peers if node.host is not a]
        with Traffic(n, others[0], others) as traffic:
                a.run('systemctl', *verb)
                began = time.monotonic()
                for node in n.of(a):
                        name = node.unit.removeprefix('p2p-').removesuffix('.service').replace('d@', '@')
                        eventually(lambda: a.run('p2pctl', 'status', '-i', name, check=False).returncode == 0, f'p2pctl reaches {name}',
                                   seconds=40)
                took = time.monotonic() - began
        traffic.lost()
        assert n.pids(a) == pids, 'an instance ended with the bus'
        for node in n.of(a):
                assert len(n.lines(node, '^No D-Bus: ')) == 1 and len(n.lines(node, r'^D-Bus is back\.$')) == 1, n.lines(node, 'D-Bus')
        n.nobody_minded(a, b, c)
        return f'p2pctl works after {took:.1f} s; {traffic.figures()}'


@check
def journal_restarted(n):
        """the journal of a host is restarted, and killed: the daemons go on, and later lines arrive"""
        a = n.hosts[0]
        pids = n.pids(a)
        with Traffic(n, n.peers[2]) as traffic:
                for verb in ['restart'], ['kill', '-s', 'KILL']:
                        a.run('systemctl', *verb, 'systemd-journald.service')
                        eventually(lambda: a.run('systemctl', 'is-active', 'systemd-journald', check=False).stdout.strip() == 'active',
                                   'the journal is back')
                        before = {node: len(n.lines(node, '^The configuration was read again')) for node in n.of(a)}
                        for node in n.of(a):
                                node.systemctl('reload')
                        eventually(lambda: all(len(n.lines(node, '^The configuration was read again')) > before[node]
                                               for node in n.of(a)), 'later lines arrive')
        traffic.lost()
        assert n.pids(a) == pids
        n.nobody_minded(*n.hosts)
        return traffic.figures()


@check
def journal_hangs(n):
        """the journal of a host hangs for a while: the daemons go on, and say later how many lines they could not write"""
        a = n.hosts[0]
        a.run('systemctl', 'kill', '-s', 'STOP', 'systemd-journald.service')
        try:
                a.run('sh', '-c', 'i=0; while [ $i -lt 1000 ]; do echo MESSAGE=$i | timeout 1 logger --journald || break; '
                      'i=$((i + 1)); done', check=False)
                with Traffic(n, n.peers[2]) as traffic:
                        n.peers[0].systemctl('reload')
                        time.sleep(5)
        finally:
                a.run('systemctl', 'kill', '-s', 'CONT', 'systemd-journald.service')
        traffic.lost()
        n.peers[0].systemctl('reload')
        eventually(lambda: n.lines(n.peers[0], r'^\d+ lines? before this one could not be written'), 'it says what is missing')
        n.nobody_minded(*n.hosts)
        return traffic.figures()


@check
def manager_again(n):
        """the service manager executes itself anew: nothing happens to the instances"""
        a = n.hosts[0]
        pids = n.pids(a)
        with Traffic(n, n.peers[0]) as traffic:
                a.run('systemctl', 'daemon-reexec')
                a.run('systemctl', 'daemon-reload')
                for node in n.of(a):
                        assert a.show(node.unit, 'ActiveState') == 'active' and a.show(node.unit, 'StatusText'), node
                n.peers[5].systemctl('restart')
        missed = traffic.lost(away=[n.peers[5]])
        assert n.pids(a) == pids
        return traffic.figures(missed)


# Restarts -----------------------------------------------------------------------------------------------------------

@check
def all_restarted(n):
        """all instances of a host are restarted at once: each is back as the same node"""
        a, b, c = n.hosts
        before = n.identities()
        with Traffic(n, n.peers[2]) as traffic:
                a.run('systemctl', 'restart', *(node.unit for node in n.of(a)))
        missed = traffic.lost(away=[node for node in n.peers if node.host is a])
        assert n.identities() == before
        n.nobody_minded(b, c)
        return traffic.figures(missed)


@check
def rebooted(n):
        """a host is rebooted: it left in order, and is back with its identities"""
        a, b, c = n.hosts
        before = n.identities()
        with Traffic(n, n.peers[2], [node for node in n.peers if node.host is not c]) as traffic:
                began = time.monotonic()
                c.reboot()
                took = n.whole()
                total = time.monotonic() - began
        traffic.lost()
        assert n.identities() == before
        n.nobody_minded(a, b)
        return f'away for {total - took:.1f} s; {traffic.figures()}'


@check
def full_disk(n):
        """a disk fills up while the instances run: one line of each, nothing lost, and written again once there is room"""
        c = n.hosts[2]
        nodes = n.of(c)
        c.run('systemctl', 'stop', 'p2p-*@*')
        c.run('mount', '-t', 'tmpfs', '-o', 'size=256k', 'small', '/var/lib/p2pnet')
        c.run('systemctl', 'start', 'p2pnet.target')
        n.whole()
        try:
                before = n.identities()
                with Traffic(n, n.peers[2]) as traffic:
                        c.run('dd', 'if=/dev/zero', 'of=/var/lib/p2pnet/full', 'bs=1k', check=False)
                        n.peers[0].systemctl('restart')
                        n.peers[1].systemctl('restart')
                        for node in nodes:
                                eventually(lambda: n.lines(node, '^State cannot be written to '), f'{node} says so', seconds=40)
                                eventually(lambda: 'state cannot be written to ' in c.show(node.unit, 'StatusText'), 'STATUS says so',
                                           lambda: c.show(node.unit, 'StatusText'))
                        c.run('rm', '/var/lib/p2pnet/full')
                        n.peers[0].systemctl('restart')
                        for node in nodes:
                                eventually(lambda: n.lines(node, '^State can be written to '), f'{node} says so', seconds=40)
                                assert len(n.lines(node, '^State cannot be written to ')) == 1
                missed = traffic.lost(away=n.peers[:2])
                c.run('systemctl', 'restart', 'p2p-*@*')
                n.whole()
                assert n.identities() == before
        finally:
                c.run('systemctl', 'stop', 'p2p-*@*')
                c.run('umount', '/var/lib/p2pnet')
                c.run('systemctl', 'start', 'p2pnet.target')
        return traffic.figures(missed)


# The package --------------------------------------------------------------------------------------------------------

def install(n, host):
        """The next version. Return: what it printed, and how long it took."""
        shutil.copy(n.next_deb(), host.path(DEB_NEXT))
        began = time.monotonic()
        printed = host.run('dpkg', '--install', DEB_NEXT, timeout=120).stdout
        return printed, time.monotonic() - began


def runs_installed(node):
        """The program that runs is the one that is installed."""
        return not node.host.run('readlink', f'/proc/{node.pid()}/exe').stdout.strip().endswith('(deleted)')


def one_after_the_other(n, host):
        """Seeds first, and nothing was stopped before the one before it was ready."""
        lines = [entry for entry in n.entries(host) if 'p2p-' in entry['UNIT']]
        steps = [(entry['UNIT'], entry['MESSAGE'].split()[0]) for entry in lines
                 if re.match(r'(Leaving the network|Listening on )', entry['MESSAGE'])]
        wanted = [(node.unit, step) for node in n.of(host) for step in ('Leaving', 'Listening')]
        assert steps == wanted, steps


@check
def upgraded(n):
        """three hosts are upgraded in turn: one instance after the other, and who was up misses nothing"""
        deb = n.next_deb()
        version = run('dpkg-deb', '--field', deb, 'Version').stdout.strip()
        before = n.identities()
        times = []
        with Traffic(n, n.peers[0]) as traffic:
                for host in n.hosts:
                        times.append(install(n, host)[1])
                        took = n.whole()
        missed = traffic.lost(away=n.peers)
        for host in n.hosts:
                assert host.run('dpkg-query', '--show', '--showformat=${Status} ${Version}', 'p2pnet').stdout == \
                        f'install ok installed {version}'
                one_after_the_other(n, host)
        assert all(runs_installed(node) for node in n.nodes)
        assert n.identities() == before
        n.nobody_minded(*n.hosts)
        return f'{", ".join(f"{t:.1f}" for t in times)} s, all well {took:.1f} s after the last; {traffic.figures(missed)}'


@check
def upgraded_broken(n):
        """an upgrade while a drop-in is broken: the old daemon goes on and one sentence says so; mended, the new one runs"""
        b = n.hosts[1]
        node = n.peers[2]
        before, pids = n.identities(), n.pids(b)
        n.next_deb()
        b.write(f'{CONF}/peer@{node.port}.conf.d/broken.conf', 'links = { outgoing = 0; };\n')
        try:
                with Traffic(n, n.peers[0]) as traffic:
                        printed, took = install(n, b)
                missed = traffic.lost(away=[other for other in n.peers if other.host is b])
                sentence = rf'peer@{node.port} still runs in the old version, as the new one refuses its configuration: ' \
                           rf'{CONF}/peer@{node.port}\.conf\.d/broken\.conf:1: links\.outgoing: found 0, accepted is 1 to 64\. ' \
                           rf'Correct that, then: systemctl restart p2p-peerd@{node.port}$'
                assert len(re.findall(sentence, printed, re.M)) == 1, printed
                visible = b.run('systemctl', 'status', '--no-pager', '--full', '--lines=50', node.unit).stdout
                assert len(re.findall(sentence, visible, re.M)) == 1, visible
                assert [pid == old for pid, old in zip(n.pids(b), pids)] == [other is node for other in n.nodes if other.host is b]
                assert not runs_installed(node)
        finally:
                b.run('rm', f'{CONF}/peer@{node.port}.conf.d/broken.conf')
        node.systemctl('restart')
        assert runs_installed(node) and n.identities() == before
        return f'{took:.1f} s; {traffic.figures(missed)}'


@check
def upgraded_other_bus(n):
        """the same upgrade on a host with dbus-broker"""
        b = n.hosts[1]
        n.next_deb()

        def switch(verb):
                b.run('systemctl', 'stop', 'dbus.socket', 'dbus.service')
                b.run('systemctl', verb, '--quiet', 'dbus-broker.service')
                b.run('systemctl', 'start', 'dbus.socket')
                for node in n.of(b):
                        eventually(lambda: b.run('busctl', 'status', f'org.p2pnet.{"Seed" if node.is_seed else "Peer"}1.p{node.port}',
                                                 check=False).returncode == 0, 'it is on the bus', seconds=40)

        switch('enable')
        try:
                assert b.show('dbus.service', 'Id') == 'dbus-broker.service'
                n.whole()
                n.began = time.time()
                before = n.identities()
                with Traffic(n, n.peers[0]) as traffic:
                        _, took = install(n, b)
                missed = traffic.lost(away=[node for node in n.peers if node.host is b])
                one_after_the_other(n, b)
                assert n.identities() == before and all(runs_installed(node) for node in n.of(b))
                n.nobody_minded(*n.hosts)
                b.run('p2pctl', 'publish', '/x', 'y', '-i', 'peer@6001')
        finally:
                switch('disable')
        return f'{took:.1f} s; {traffic.figures(missed)}'


@check
def removed(n):
        """the package is removed: all left in order; purged, nothing is left; installed again, the host is back"""
        a, host, c = n.hosts            # on which nothing is bind-mounted
        gone = {node: 'left' for node in n.peers if node.host is host}
        rest = [node for node in n.peers if node.host is not host]
        host.run('tar', '-C', '/', '-cf', '/var/tmp/etc.tar', CONF[1:])
        with Traffic(n, rest[0], rest) as traffic:
                began = time.monotonic()
                host.run('dpkg', '--remove', 'p2pnet')
                took = time.monotonic() - began
                n.whole([a, c], gone=gone)
        traffic.lost()
        n.nobody_minded(a, c)
        assert host.run('sh', '-c', 'ls /var/lib/p2pnet').stdout.split(), 'a removal took the state along'

        host.run('dpkg', '--purge', 'p2pnet')
        found = host.run('find', '/', '-xdev', '(', '-name', '*p2pnet*', '-o', '-name', 'p2p-*', '-o', '-name', 'p2pctl', ')',
                      '-not', '-path', '/proc/*', '-not', '-path', '/var/tmp/*', '-not', '-path', f'{SHIPPED}*').stdout.split()
        assert not found, found
        assert not host.run('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'p2p*').stdout
        assert not host.run('sh', '-c', 'ls /run | grep p2p', check=False).stdout

        install(n, host)
        host.run('tar', '-C', '/', '-xf', '/var/tmp/etc.tar')
        host.run('systemctl', 'enable', '--quiet', seed(5000), peer(6001), peer(6002))
        began = time.monotonic()
        host.run('systemctl', 'start', 'p2pnet.target')
        n.whole()
        return f'removed in {took:.1f} s, back {time.monotonic() - began:.1f} s after the start; {traffic.figures()}'


# The end ------------------------------------------------------------------------------------------------------------

def next_version(rig, source):
        """Builds it beside the checks that need none. Return: a function that waits for it and gives its path."""
        target = rig.directory / 'next'
        builder = subprocess.Popen([source / 'tools/build-deb', '--version-suffix=+next', target], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        def wait():
                said = builder.communicate()[0] if builder.returncode is None else ''
                if builder.returncode != 0:
                        raise RigError(f'tools/build-deb: {said}')
                return next(target.glob('p2pnet_*.deb'))

        return builder, wait


def session(rig, source, words):
        builder, wait = next_version(rig, source)
        try:
                kept = '/var/lib/p2pnet', CONF, '/etc/systemd/system/p2pnet.target.wants'       # over the reboot of h3
                hosts = [Host(rig, 'h1', 1), Host(rig, 'h2', 2), Host(rig, 'h3', 3, keep=kept)]
                rig.start_all(hosts)
                tap.run_checks([(Life(hosts, wait), CHECKS)], words)
                for host in hosts:
                        host.stop()
        finally:
                builder.terminate()             # it takes its directory along
                builder.wait()


if __name__ == '__main__':
        sys.exit(tap.main(__doc__, 'p2prig-life', session))
