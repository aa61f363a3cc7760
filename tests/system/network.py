# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts of a rig that run p2pnet as one network, a seed and two peers each, and what is right of such a network."""

import collections
import contextlib
import json
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'integration'))

from minibus import SIGNAL, BusError, Client    # noqa: E402
from product import BUS_SOCKET, CONF, NODE, SHIPPED, peer, seed     # noqa: E402
from rig import run, wait_until                 # noqa: E402

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

        def crash(self):
                """Kills it, and waits until systemd has started it again."""
                pid = self.pid()
                self.signal('KILL')
                assert wait_until(lambda: self.pid() not in (0, pid), SETTLED_SECONDS)


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
                self.published = {}     # by earlier calls of gossip(): topics, by the name of the message
                self.got = {}           # names of messages, by node and process
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
                return Client(f'unix:path={host.path(BUS_SOCKET)}')

        def identity(self, node):
                interface = f'org.p2pnet.Node1.{"Seed" if node.is_seed else "Manager"}'
                return self.ask(node, 'org.freedesktop.DBus.Properties', 'Get', 'ss', interface, 'NodeId')[0]

        def rows(self, node):
                """name: (state, direction, address) of everybody that the node holds; of two with one name, of that which is alive."""
                rows = self.call(node, 'ListPeers', 'ta{sv}', 1, {})
                return {row[2]: (row[4], row[5], row[3]) for row in sorted(rows, key=lambda row: row[4] == 'alive')}

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
                """Each of these peers publishes a message, and each gets each, exactly once. Return: seconds until all had all.

                Who was away when others published gets that, too, half a second after it is back, and no message twice in one life.
                """
                peers = peers or self.peers
                publishers = publishers or peers
                with contextlib.ExitStack() as stack:
                        clients = {node: stack.enter_context(self.connect(node.host)) for node in peers}
                        names = {node: f'org.p2pnet.Peer1.p{node.port}' for node in peers}
                        got = {node: self.got.setdefault((str(node), node.pid()), set()) for node in peers}
                        for node, client in clients.items():
                                client.call(names[node], NODE, 'org.p2pnet.Node1.Manager', 'Subscribe', 'asa{sv}', ['/rig/*'], {})
                        began = time.monotonic()
                        published = {clients[node].call(names[node], NODE, 'org.p2pnet.Node1.Manager', 'Publish', 'saya{sv}',
                                                        f'/rig/{node}', payload, {})[0]: f'/rig/{node}'
                                     for node in publishers}
                        for node, client in clients.items():
                                self.receive(node, client, published, payload, got[node])
                        took = time.monotonic() - began
                        for node, client in clients.items():
                                for message in client.drain(0.02):
                                        if message.type == SIGNAL:
                                                self.receive_one(node, message.body, got[node])
                        self.published.update(published)
                return took

        def receive(self, node, client, published, payload, got):
                left = dict(published)
                while left:
                        try:
                                body = client.signal('Message').body
                        except TimeoutError:
                                raise AssertionError(f'{node} does not get {sorted(left.values())}') from None
                        identifier, topic, _, _, data, _ = body
                        if identifier not in left:
                                self.receive_one(node, body, got)
                                continue
                        assert left.pop(identifier) == topic, f'{node} gets {topic} as another'
                        assert data == payload
                        got.add(identifier)

        def receive_one(self, node, body, got):
                """A message of an earlier time, that the node has missed."""
                identifier, topic = body[:2]
                assert identifier not in got, f'{node} gets {topic} twice'
                assert self.published.get(identifier) == topic, f'{node} gets {topic}, which nobody has published'
                got.add(identifier)

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
                               'TIME': int(entry.get('_SOURCE_REALTIME_TIMESTAMP') or entry['__REALTIME_TIMESTAMP']) / 1e6,
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
