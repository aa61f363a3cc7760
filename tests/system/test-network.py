#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Three booted hosts with a seed and two peers each, as one network under faults, once with IPv4 and once with IPv6. Speaks TAP.

usage: test-network.py DEBDIR SOURCE [WORD...]

DEBDIR holds our .deb, SOURCE is the top of the source tree; with words only the checks whose names have one of them are run.
Needs root.

After each check, once its fault is mended, all must be well: one network of links, every list of members right at peers
and seeds, every peer registered, each message everywhere exactly once, and nothing in any journal that an administrator
could not act on. The line of a check says how long things took, counted from the fault or from its end; what was waited
for last is said where that took long.
"""

import collections
import contextlib
import functools
import json
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'integration'))

import tap                                      # noqa: E402
from minibus import SIGNAL, BusError, Client    # noqa: E402
from product import CONF, NODE, SHIPPED, peer, seed     # noqa: E402
from rig import Host, run, wait_until           # noqa: E402

SEED_PORT = 5000
PEER_PORTS = 6001, 6002
SETTLED_SECONDS = 120           # for facts that take some seconds, or a renewal (30 s), on a machine that is busy
LONG_SECONDS = 3
REPEATED_MAX = 3                # how often a unit may say the same at warning or above, in one check

# What is no fault of ours, wherever it comes from.
IGNORED = (
        r'Failed unmounting var-log-journal',           # bind-mounted by the rig
        r'Failed to set fd limit',                      # dbus-daemon has no CAP_SYS_RESOURCE here
)

CHECKS, FIRST_CHECKS = [], []


class Node:
        def __init__(self, host, port):
                self.host = host
                self.port = port
                self.name = f'{host.name}:{port}'
                self.is_seed = port < 6000
                self.unit = seed(port) if self.is_seed else peer(port)

        def __str__(self):
                return self.name

        __repr__ = __str__

        def systemctl(self, *args, **kwargs):
                return self.host.run('systemctl', *args, self.unit, **kwargs)

        def signal(self, name):
                self.systemctl('kill', '-s', name)

        def pid(self):
                return int(self.host.show(self.unit, 'MainPID'))


class Network:
        """The hosts of the rig, and what runs on them."""

        def __init__(self, hosts, family, settings='', broker=()):
                """@broker: hosts whose bus is dbus-broker."""
                self.hosts = hosts
                self.family = family
                self.settings = settings
                self.broker = broker
                self.title = f'IPv{family}: '
                self.seeds = [Node(host, SEED_PORT) for host in hosts]
                self.peers = [Node(host, port) for host in hosts for port in PEER_PORTS]
                self.buses = {}
                self.began = None
                self.apart = set()              # pairs of hosts that do not see each other

        @property
        def nodes(self):
                return self.seeds + self.peers

        # Configuration ----------------------------------------------------------------------------------------------

        def listens(self, host):
                return host.address if self.family == 4 else host.address6

        def set_up(self):
                """Nothing runs, nothing is remembered, everything is configured. The hosts are told by address (IPv4) or name (IPv6)."""
                for host in self.hosts:
                        host.run('sh', '-c', f'systemctl stop "p2p-*@*"; rm -rf /var/lib/p2pnet/* {CONF}/*; cp -r {SHIPPED}/. {CONF}')
                        host.write(f'{CONF}/p2pnet.conf.d/network.conf',
                                   f'network = "rig-{self.family}";\nlisten = {{ address = "{self.listens(host)}"; }};\n'
                                   'security = { mode = "none"; accept-plaintext = true; };\n' + self.settings)
                        host.run('systemctl', 'enable', '--quiet', seed(SEED_PORT), *map(peer, PEER_PORTS))
                for host in self.broker:
                        host.run('systemctl', 'stop', 'dbus.socket', 'dbus.service')
                        host.run('systemctl', 'enable', '--quiet', 'dbus-broker.service')
                        host.run('systemctl', 'start', 'dbus.socket')
                self.list_seeds()

        def list_seeds(self):
                """Writes who the seeds are into the seeds.conf of every host."""
                names = [node.host.address if self.family == 4 else f'{node.host.name}.example' for node in self.seeds]
                entries = ', '.join(f'{{ host = "{name}"; port = {node.port}; }}' for name, node in zip(names, self.seeds))
                for host in self.hosts:
                        host.write(f'{CONF}/seeds.conf', f'seeds = ( {entries} );\n')

        def clean(self):
                """Before each check: no fault is left of the one before, and all is well."""
                self.unfilter()
                for host in self.hosts:
                        host.heal()
                if self.began is None:
                        self.set_up()
                        self.began = time.time()
                        return
                for node in self.nodes:
                        node.systemctl('start')
                self.whole()
                self.began = time.time()

        def report(self):
                """What is wrong now, and what the daemons said since the beginning of the check."""
                text = '\n'.join(self.complaints())
                for host in self.hosts:
                        lines = [f'{entry["UNIT"]}: {entry["MESSAGE"]}' for entry in self.entries(host) if 'p2p-' in entry['UNIT']]
                        text += f'\n{host.name}:\n' + '\n'.join(lines[-60:])
                return text

        # Faults between hosts -----------------------------------------------------------------------------------------

        def split(self, a, b):
                a.rig.split(a, b)
                self.apart = {(a, b), (b, a)}

        def unfilter(self):
                self.hosts[0].rig.unfilter()
                self.apart = set()

        # Looking ----------------------------------------------------------------------------------------------------

        def call(self, node, method, signature='', *values):
                """A method of a daemon, over the bus of its host."""
                return self.ask(node, f'org.p2pnet.Node1.{"Seed" if node.is_seed else "Manager"}', method, signature, *values)[0]

        def ask(self, node, interface, method, signature, *values):
                name = f'org.p2pnet.{"Seed" if node.is_seed else "Peer"}1.p{node.port}'
                try:
                        if node.host not in self.buses:
                                self.buses[node.host] = self.connect(node.host)
                        return self.buses[node.host].call(name, NODE, interface, method, signature, *values)
                except (OSError, EOFError):
                        if node.host in self.buses:
                                self.buses.pop(node.host).socket.close()
                        raise

        def connect(self, host):
                return Client(f'unix:path=/proc/{host.leader}/root/run/dbus/system_bus_socket')

        def identity(self, node):
                interface = f'org.p2pnet.Node1.{"Seed" if node.is_seed else "Manager"}'
                return self.ask(node, 'org.freedesktop.DBus.Properties', 'Get', 'ss', interface, 'NodeId')[0]

        def rows(self, node):
                """name: (state, direction, address) of everybody that the node holds."""
                return {row[2]: (row[4], row[5], row[3]) for row in self.call(node, 'ListPeers', 'ta{sv}', 1, {})}

        def complaints(self, hosts=None, gone=(), at=None):
                """What is not as it should be, in sentences, where these hosts reach each other and nobody else.

                @gone: nodes that do not run; as a dictionary, with the state that they must have. @at: only at these nodes."""
                hosts = hosts or self.hosts
                here = [node for node in self.nodes if node.host in hosts and node not in gone]
                peers = [node for node in here if not node.is_seed]
                seeds = [node for node in here if node.is_seed]
                found = []
                links = {}

                for node in at or here:
                        try:
                                rows = self.rows(node)
                                told = {row[1]: row[2] for row in self.call(node, 'ListSeeds')}
                        except (OSError, EOFError, BusError) as error:
                                found.append(f'{node}: {error}')
                                continue
                        found += self.wrong_members(node, rows, peers, gone)
                        links[node.name] = {name: direction for name, (_, direction, _) in rows.items() if direction != '-'}
                        found += self.wrong_seeds(node, told, seeds)

                return found if at else found + list(self.wrong_links({node.name for node in peers}, links))

        def wrong_members(self, node, rows, peers, gone):
                for other in self.peers:
                        state, _, address = rows.get(other.name, ('unknown', '-', ''))
                        if other is node:
                                continue
                        if other in peers:
                                if state != 'alive':
                                        yield f'{node} holds {other} as {state}'
                                elif address != self.address(other):
                                        yield f'{node} knows {other} at {address}'
                        elif state in ('alive', 'suspect') or (other in gone and isinstance(gone, dict) and state != gone[other]):
                                yield f'{node} holds {other} as {state}'
                for name in rows.keys() - {other.name for other in self.peers}:
                        yield f'{node} knows a {name}, {rows[name]}'

        def address(self, node):
                return f'{node.host.address}:{node.port}' if self.family == 4 else f'[{node.host.address6}]:{node.port}'

        def wrong_seeds(self, node, told, seeds):
                """@told: address: state, as the node lists the seeds."""
                states = {other: told.get(self.address(other), 'unknown') for other in seeds}
                if node.is_seed:
                        for other, state in states.items():
                                if other is not node and state != 'linked' and (node.host, other.host) not in self.apart:
                                        yield f'{node} has seed {other} as {state}'
                else:
                        wanted = min(len(seeds), len(self.seeds) // 2 + 1)
                        if (n := list(states.values()).count('registered')) != wanted:
                                yield f'{node} is registered with {n} of {wanted} seeds: {states}'

        def wrong_links(self, names, links):
                """@links: name: {name of the other end: direction}."""
                opposite = {'in': 'out', 'out': 'in'}
                for name in names & links.keys():
                        for other, direction in links[name].items():
                                if other in links and links[other].get(name) != opposite[direction]:
                                        yield f'{name} has a link {direction} with {other}, which has {links[other].get(name, "none")}'
                                if other not in names:
                                        yield f'{name} has a link with {other}'

                reached, todo = set(), [min(names)] if names else []
                while todo:
                        name = todo.pop()
                        if name not in reached:
                                reached.add(name)
                                todo += [other for other in links.get(name, {}) if other in names]
                if reached != names:
                        yield f'no links lead from {min(names)} to {", ".join(sorted(names - reached))}'

        def whole(self, hosts=None, gone=(), at=None):
                """Waits until nothing is wrong. Return: how long that took, in seconds."""
                began = time.monotonic()
                before, now = [], []

                def well():
                        before[:] = now or before
                        now[:] = self.complaints(hosts, gone, at)
                        return not now

                if not wait_until(well, SETTLED_SECONDS, 0.1):
                        raise AssertionError(f'not within {SETTLED_SECONDS} s, where {hosts or "all"} are to be one:\n' + '\n'.join(now))
                took = time.monotonic() - began
                if took > LONG_SECONDS:
                        print(f'# after {took:.1f} s no more: {"; ".join(before)}', flush=True)
                return took

        def linked(self):
                """Waits until the links of all peers make one network, whatever else they know. Return: seconds."""
                began = time.monotonic()
                found = []

                def well():
                        links = {node.name: {name: row[1] for name, row in self.rows(node).items() if row[1] != '-'} for node in self.peers}
                        found[:] = self.wrong_links({node.name for node in self.peers}, links)
                        return not found

                if not wait_until(well, SETTLED_SECONDS, 0.1):
                        raise AssertionError(f'not within {SETTLED_SECONDS} s:\n' + '\n'.join(found))
                return time.monotonic() - began

        def held(self, other, states, at):
                """Waits until the nodes @at hold another in one of the states. Return: seconds until the first, and until all."""
                began, first = time.monotonic(), None
                left = list(at)
                while left:
                        for node in list(left):
                                if self.rows(node).get(other.name, ('unknown',))[0] in states:
                                        left.remove(node)
                                        first = first or time.monotonic() - began
                        if time.monotonic() - began > SETTLED_SECONDS:
                                raise AssertionError(f'{other} is not {states} at {left}')
                        time.sleep(0.02)
                return first, time.monotonic() - began

        # Gossip -----------------------------------------------------------------------------------------------------

        def gossip(self, peers=None, payload=b'hello there', publishers=None):
                """Each of these peers publishes a message, and each gets each, exactly once. Return: seconds until all had all."""
                peers = peers or self.peers
                publishers = publishers or peers
                with contextlib.ExitStack() as stack:
                        clients = {node: stack.enter_context(self.connect(node.host)) for node in peers}
                        names = {node: f'org.p2pnet.Peer1.p{node.port}' for node in peers}
                        for node, client in clients.items():
                                client.call(names[node], NODE, 'org.p2pnet.Node1.Manager', 'Subscribe', 'asa{sv}', ['/rig/*'], {})
                        began = time.monotonic()
                        published = {clients[node].call(names[node], NODE, 'org.p2pnet.Node1.Manager', 'Publish', 'saya{sv}',
                                                        f'/rig/{node}', payload, {})[0]: f'/rig/{node}'
                                     for node in publishers}
                        for node, client in clients.items():
                                self.receive(node, client, published, payload)
                        took = time.monotonic() - began
                        for node, client in clients.items():
                                more = [message.body[1] for message in client.drain(0.02) if message.type == SIGNAL]
                                assert not more, f'{node} gets more: {more}'
                return took

        def receive(self, node, client, published, payload):
                left = dict(published)
                while left:
                        try:
                                identifier, topic, _, _, data, _ = client.signal('Message').body
                        except TimeoutError:
                                raise AssertionError(f'{node} does not get {sorted(left.values())}') from None
                        assert left.pop(identifier, None) == topic, f'{node} gets {topic} twice, or as another'
                        assert data == payload

        # Journals ---------------------------------------------------------------------------------------------------

        def entries(self, host):
                """Of this check, all of the host."""
                directory = host.directory / 'var-log-journal'
                text = run('journalctl', '--directory', directory, '--quiet', '--output=json', f'--since=@{self.began:.6f}').stdout
                for line in text.splitlines():
                        entry = json.loads(line)
                        message = entry.get('MESSAGE') or ''
                        yield {'MESSAGE': message if isinstance(message, str) else bytes(message).decode(errors='replace'),
                               'PRIORITY': int(entry.get('PRIORITY', 6)),
                               'UNIT': entry.get('UNIT') or entry.get('_SYSTEMD_UNIT') or entry.get('SYSLOG_IDENTIFIER') or '?'}

        def said(self, pattern):
                """What the daemons said of that kind."""
                return [f'{host.name}, {entry["UNIT"]}: {entry["MESSAGE"]}' for host in self.hosts for entry in self.entries(host)
                        if entry['UNIT'].startswith('p2p-') and re.search(pattern, entry['MESSAGE'])]

        def journals(self, allowed=()):
                """Nothing that an administrator could not act on: no error but those that @allowed explains, no mistake of ours,
                nothing said again and again."""
                for host in self.hosts:
                        host.run('journalctl', '--sync')
                        counted = collections.Counter()
                        for entry in self.entries(host):
                                text = f'{host.name}, {entry["UNIT"]}: {entry["MESSAGE"]}'
                                if any(re.search(pattern, text) for pattern in IGNORED):
                                        continue
                                assert not re.search(r'\bassert|\bBUG\b|core.?dump|Sanitizer|backtrace', text, re.I), text
                                if entry['PRIORITY'] <= 3:
                                        assert any(re.search(pattern, text) for pattern, _ in allowed), text
                                if entry['PRIORITY'] <= 4:
                                        counted[text] += 1
                        for text, n in counted.items():
                                assert n <= REPEATED_MAX, f'{n} times: {text}'


def check(function=None, *, first=False, allowed=()):
        """Marks a check, which returns when its fault has just been mended, and what there is to be said about it.

        @first: also for the second network. @allowed: (pattern, reason) of errors in a journal that the fault explains."""
        if function is None:
                return functools.partial(check, first=first, allowed=allowed)

        @functools.wraps(function)
        def and_all_is_well(n):
                fact = function(n)
                took = n.whole()
                n.gossip()
                n.whole()
                n.journals(allowed)
                return (f'{fact}, ' if fact else '') + f'all well after {took:.1f} s'

        CHECKS.append(and_all_is_well)
        if first:
                FIRST_CHECKS.append(and_all_is_well)
        return function


# Forming ------------------------------------------------------------------------------------------------------------

@check(first=True)
def forms(n):
        """three hosts that start at the same time become one network"""
        for host in n.hosts:
                host.run('systemctl', 'start', '--no-block', 'p2pnet.target')


@check(first=True)
def gossip(n):
        """what each peer publishes reaches all, exactly once, whatever its size"""
        small = n.gossip(payload=b'x')
        large = [n.gossip(payload=bytes(1 << 20), publishers=[node]) for node in n.peers]
        return f'six messages of 1 byte took {small * 1000:.0f} ms, one of 1 MiB up to {max(large) * 1000:.0f} ms'


# Processes ----------------------------------------------------------------------------------------------------------

@check(first=True)
def peer_terminated(n):
        """a peer that is ended in order has left everywhere, and nobody suspects it"""
        node = n.peers[0]
        node.signal('TERM')
        took = n.whole(gone={node: 'left'})
        assert not (doubts := n.said('suspect|does not answer|nobody listens|dead')), doubts
        n.gossip([other for other in n.peers if other is not node])
        node.systemctl('start')
        return f'had left after {took:.1f} s'


@check(first=True)
def peer_killed(n):
        """a peer that is killed is started again by systemd, as the same node"""
        node = n.peers[1]
        pid = node.pid()
        node.signal('KILL')
        assert wait_until(lambda: node.pid() not in (0, pid), SETTLED_SECONDS)


@check
def peer_killed_for_good(n):
        """a peer that is killed and stays away is dead everywhere"""
        node = n.peers[1]
        node.host.write(f'/run/systemd/system/{node.unit}.d/away.conf', '[Service]\nRestart=no\n')
        node.host.run('systemctl', 'daemon-reload')
        try:
                node.signal('KILL')
                took = n.whole(gone={node: 'dead'})
                n.gossip([other for other in n.peers if other is not node])
        finally:
                node.host.run('rm', '-r', f'/run/systemd/system/{node.unit}.d')
                node.host.run('systemctl', 'daemon-reload')
        node.systemctl('start')
        return f'dead everywhere after {took:.1f} s'


@check(first=True)
def peer_stopped(n):
        """a peer that hangs is dead everywhere, and back when it goes on"""
        node = n.peers[2]
        node.signal('STOP')
        try:
                first, last = n.held(node, ('suspect', 'dead'), [other for other in n.peers if other is not node])
                took = n.whole(gone={node: 'dead'})
                n.gossip([other for other in n.peers if other is not node])
        finally:
                node.signal('CONT')
        return f'suspected after {first:.1f} to {last:.1f} s, dead everywhere {took:.1f} s later'


@check
def peer_pauses(n):
        """a peer that hangs for a moment loses nothing and nobody"""
        node = n.peers[3]
        node.signal('STOP')
        time.sleep(1)
        node.signal('CONT')


@check(first=True)
def seed_terminated(n):
        """a seed that is ended in order is replaced by another, and taken up again"""
        node = n.seeds[0]
        node.signal('TERM')
        took = n.whole(gone=[node])
        node.systemctl('start')
        return f'replaced after {took:.1f} s'


@check(first=True)
def seed_killed(n):
        """a seed that is killed is started again by systemd, and lists all"""
        node = n.seeds[1]
        pid = node.pid()
        node.signal('KILL')
        assert wait_until(lambda: node.pid() not in (0, pid), SETTLED_SECONDS)


@check
def seed_stopped(n):
        """a seed that hangs for a while makes no peer dead"""
        node = n.seeds[2]
        node.signal('STOP')
        try:
                n.gossip()
                time.sleep(8)
        finally:
                node.signal('CONT')


# The network ----------------------------------------------------------------------------------------------------------

@check
def cut_short(n):
        """a host that is cut off for two seconds is dead for nobody"""
        n.hosts[2].cut()
        time.sleep(2)
        n.hosts[2].heal()
        time.sleep(4)                   # links that take it for silence have their three strikes
        took = n.whole()
        assert not (dead := n.said('is dead')), dead
        suspected = {text.split(' is suspected')[0].split()[-1] for text in n.said('is suspected')}
        return f'suspected meanwhile: {len(suspected)} peers, for {took:.1f} s at most'


@check(first=True)
def cut_long(n):
        """a host that is cut off is dead for the others, as they are for it, until it is healed"""
        a, b, c = n.hosts
        c.cut()
        try:
                rest = n.whole([a, b])
                alone = n.whole([c])
                n.gossip([node for node in n.peers if node.host is not c])
                n.gossip([node for node in n.peers if node.host is c])
        finally:
                c.heal()
        return f'dead for the others after {rest:.1f} s, they for it {alone:.1f} s later'


@check
def split(n):
        """two hosts that cannot see each other are one network through the third, and hold each other alive"""
        a, b, _ = n.hosts
        sides = [[node.name for node in n.peers if node.host is host] for host in (a, b)]
        n.split(a, b)
        began = time.monotonic()

        def linked():
                return [(node, name) for node in n.peers if node.name in sides[0] for name, (_, direction, _) in n.rows(node).items()
                        if name in sides[1] and direction != '-']

        assert wait_until(lambda: not linked(), SETTLED_SECONDS, 0.1), linked()
        lost = time.monotonic() - began
        n.gossip()
        took = n.whole()
        n.gossip()
        buried = len(n.said('is dead: reported'))
        n.unfilter()
        return f'no link between them after {lost:.1f} s, all held alive {took:.1f} s later ({buried} deaths believed meanwhile)'


@check
def loss(n):
        """a host that loses 30 % of what is sent to it stays a part of the network"""
        host = n.hosts[1]
        host.rig.loss(host, 30)
        end = time.monotonic() + 15
        rounds = []
        while time.monotonic() < end:
                rounds.append(n.gossip())
                time.sleep(1)
        assert not (dead := n.said('is dead')), dead
        n.unfilter()
        return f'{len(rounds)} rounds of gossip took {min(rounds):.2f} to {max(rounds):.2f} s'


@check
def frozen(n):
        """a frozen host is off every list, and back when it thaws"""
        a, b, c = n.hosts
        others = [node for node in n.peers if node.host is not b]
        b.freeze()
        try:
                took = n.whole([a, c], at=[node for node in n.seeds if node.host is not b])
                n.gossip(others)
        finally:
                b.freeze(False)
        return f'off the lists after {took:.1f} s'


@check(first=True)
def power(n):
        """a host without power is dead for the others, and back with its identities when it boots again"""
        a, b, c = n.hosts
        before = [n.identity(node) for node in n.nodes]
        c.power_cut()
        try:
                took = n.whole([a, b])
                n.gossip([node for node in n.peers if node.host is not c])
        finally:
                c.plug_again()
                n.whole()
        assert [n.identity(node) for node in n.nodes] == before
        return f'dead for the others after {took:.1f} s'


# Seeds ----------------------------------------------------------------------------------------------------------------

@check(first=True)
def seeds_away(n):
        """without any seed the network goes on, a peer that restarts finds it, and all register when seeds come back"""
        for node in n.seeds:
                node.systemctl('stop')
        n.whole(gone=n.seeds)
        n.gossip()
        n.peers[4].systemctl('restart')         # those without a link to it hear of it when there is a seed again
        took = n.linked()
        n.gossip()
        for node in n.seeds:
                node.systemctl('start')
        return f'one network without seeds {took:.1f} s after a peer restarted'


@check
def seed_moved(n):
        """the peers register with a seed at the address that a reload of seeds.conf gives"""
        was, node = n.seeds[2], Node(n.hosts[2], SEED_PORT + 1)
        was.systemctl('stop')
        node.systemctl('start')
        n.seeds[2] = node
        try:
                n.list_seeds()
                for other in n.nodes:
                        if other is not node:
                                other.systemctl('reload')
                took = n.whole()
                n.gossip()
        finally:
                node.systemctl('stop')
                n.seeds[2] = was
                n.list_seeds()
        was.systemctl('start')
        for other in n.nodes:
                if other is not was:
                        other.systemctl('reload')
        return f'taken up after {took:.1f} s'


# Restarts -------------------------------------------------------------------------------------------------------------

@check(first=True)
def restarts(n):
        """every unit is restarted, one by one"""
        for node in n.nodes:
                node.systemctl('restart')


@check
def reboot(n):
        """a host is rebooted"""
        before = [n.identity(node) for node in n.nodes]
        n.hosts[0].reboot()
        n.whole()
        assert [n.identity(node) for node in n.nodes] == before


# ----------------------------------------------------------------------------------------------------------------------

def session(rig, source, words):
        with open(rig.root / 'etc/hosts', 'a') as names:
                names.write(''.join(f'fd77::{number} h{number}.example\n' for number in (1, 2, 3)))
        hosts = [Host(rig, f'h{number}', number, keep=('/var/lib/p2pnet', CONF, '/etc/systemd/system/p2pnet.target.wants'))
                 for number in (1, 2, 3)]
        rig.start_all(hosts)
        tap.run_checks([(Network(hosts, 4), CHECKS),
                        (Network(hosts, 6, 'registration = { renew-s = 10; lease-s = 30; };\n', broker=[hosts[1]]), FIRST_CHECKS)],
                       words)
        for host in hosts:
                host.stop()


if __name__ == '__main__':
        tap.main(__doc__, 'p2prig-net', session)
