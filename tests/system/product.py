# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that has p2pnet installed, in the product's words: units, D-Bus, p2pctl, journal."""

import json
import re
import shutil
import time

from rig import wait_until

NODE = '/org/p2pnet/Node1'
BUS_SOCKET = '/run/dbus/system_bus_socket'
CONF = '/etc/p2pnet'
SHIPPED = '/usr/share/p2pnet-as-shipped'        # what CONF was right after the installation
SETTLED_SECONDS = 10            # within which the network is expected to notice and agree


def peer(port):
        return f'p2p-peerd@{port}.service'


def seed(port):
        return f'p2p-seedd@{port}.service'


def eventually(condition, what, found=None, seconds=SETTLED_SECONDS):
        if not wait_until(condition, seconds, 0.1):
                raise AssertionError(f'not within {seconds} s: {what}' + (f'; found {found()}' if found else ''))


def keep_shipped(root):
        """Puts the configuration of a fresh image aside, for Product.clean()."""
        source, target = root / CONF[1:], root / SHIPPED[1:]
        if source.exists():
                shutil.copytree(source, target)
        else:
                target.mkdir(parents=True)


class Product:
        """What the checks do with the host, in the product's words."""

        def __init__(self, host, source):
                self.host = host
                self.source = source
                self.since = None

        def clean(self):
                """As after the installation, and nothing runs."""
                host = self.host
                host.run('sh', '-c', 'systemctl stop "p2p-*@*"; systemctl disable --quiet "p2p-peerd@" "p2p-seedd@"; '
                         'systemctl reset-failed; systemctl start dbus.socket; rm -rf /var/lib/p2pnet/* /run/p2pnet '
                         '/etc/systemd/system/p2p-* /etc/systemd/system/p2pnet.target.wants/*; '
                         f'rm -rf {CONF}; cp -r {SHIPPED} {CONF}; systemctl daemon-reload',
                         check=False)
                self.since = host.run('date', '+%F %T.%N').stdout.strip()

        def report(self):
                """For whoever looks into a check that failed."""
                return 'The journal meanwhile:\n' + self.host.journal(
                        '--output=short-precise', '--since', self.since, '--unit', 'p2p-*', '--lines', '40')

        # Units

        def start(self, *units):
                self.host.run('systemctl', 'start', *units)

        def dropin(self, unit, text):
                """Changes a unit for this check."""
                self.host.write(f'/etc/systemd/system/{unit}.d/test.conf', text)
                self.host.run('systemctl', 'daemon-reload')

        def configure(self, text, name='50-test.conf'):
                self.host.write(f'{CONF}/p2pnet.conf.d/{name}', text)

        def state(self, unit):
                return self.host.show(unit, 'ActiveState')

        def runs_as_another(self, unit, pid):
                return self.state(unit) == 'active' and self.pid(unit) not in (0, pid)

        def pid(self, unit):
                return int(self.host.show(unit, 'MainPID'))

        def status(self, unit):
                return self.host.show(unit, 'StatusText')

        def ends_for_good(self, unit, status):
                """The unit fails to start, with that exit status, and is not started again."""
                host = self.host
                result = host.run('systemctl', 'start', unit, check=False)
                assert result.returncode != 0, f'{unit} started'
                wait_until(lambda: self.state(unit) == 'failed', 5)
                time.sleep(3)           # RestartSec= of the unit, and more
                assert self.state(unit) == 'failed', f'{unit} is {self.state(unit)}'
                assert int(host.show(unit, 'ExecMainStatus')) == status, f'exit status {host.show(unit, "ExecMainStatus")}'
                assert host.show(unit, 'NRestarts') == '0', f'{host.show(unit, "NRestarts")} restarts'

        def journal(self, unit, *args):
                return self.host.journal('--unit', unit, '--since', self.since, *args)

        def entries(self, *args):
                """Lines of the journal as dictionaries."""
                text = self.host.journal('--output=json', '--since', self.since, *args)
                return [json.loads(line) for line in text.splitlines() if line.startswith('{')]

        def told(self, unit, event):
                """The lines of a unit that carry the MESSAGE_ID of that name in daemon/message-ids.h."""
                header = (self.source / 'src/daemon/message-ids.h').read_text()
                number = re.search(rf'MESSAGE_ID_{event}\s+"(\w+)"', header)[1]
                return [entry['MESSAGE'] for entry in self.entries(f'_SYSTEMD_UNIT={unit}', f'MESSAGE_ID={number}')]

        # D-Bus

        def name(self, port):
                return f'org.p2pnet.{"Seed" if port < 6000 else "Peer"}1.p{port}'

        def interface(self, port):
                return f'org.p2pnet.Node1.{"Seed" if port < 6000 else "Manager"}'

        def busctl(self, verb, port, *args):
                result = self.host.run('busctl', '--json=short', verb, self.name(port), NODE, self.interface(port), *args)
                return json.loads(result.stdout)['data']

        def property(self, port, name):
                return self.busctl('get-property', port, name)

        def call(self, port, method, *args):
                return self.busctl('call', port, method, *args)[0]

        def on_bus(self, port):
                return self.host.run('busctl', 'status', self.name(port), check=False).returncode == 0

        def describe(self, port):
                return json.loads(self.call(port, 'Describe'))

        def peers(self, port):
                """address: (state, direction) of all that the node knows and counts as there."""
                return {row[3]: (row[4], row[5]) for row in self.call(port, 'ListPeers', 'ta{sv}', 0, 0)}

        def knows(self, port, *others):
                """True when the node holds exactly these ports as alive."""
                alive = [address for address, (state, _) in self.peers(port).items() if state == 'alive']
                return {int(address.rpartition(':')[2]) for address in alive} == set(others)

        # p2pctl

        def ctl(self, *args, user=None, status=0):
                """Runs it, expects that exit status, returns what it printed."""
                result = self.host.run('p2pctl', *args, user=user, check=False)
                words = ' '.join(map(str, args))
                assert result.returncode == status, \
                        f'p2pctl {words}: exit status {result.returncode}, expected {status}\n{result.stdout}'
                return result.stdout

        # A small network

        def network(self, *peers, seeds=(5000,)):
                """Starts seeds and peers and waits until everybody knows everybody."""
                self.start(*map(seed, seeds))
                self.start(*map(peer, peers))
                for port in peers:
                        eventually(lambda: self.knows(port, *(set(peers) - {port})),
                                   f'{port} knows {peers}', lambda: self.peers(port))
                for port in seeds:
                        if len(seeds) == 1:
                                eventually(lambda: self.knows(port, *peers), f'seed {port} lists {peers}',
                                           lambda: self.peers(port))
