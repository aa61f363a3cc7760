# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts with people on them: a network that stays up from check to check, connections to the bus as somebody, and a user who has
services of her own."""

import contextlib
import os
import sys
from pathlib import Path

from product import BUS_SOCKET, NODE, Product, eventually, peer, seed

sys.path.insert(1, str(Path(__file__).resolve().parent.parent / 'integration'))

import minibus

# alice is anybody, with services of her own; carol may publish; dave is nobody's friend.
USERS = ('u alice 1000 - /home/alice /bin/sh\nu carol 1001 - /home/carol /bin/sh\nm carol p2pnet-ctl\n'
         'u dave 1002 - /home/dave /bin/sh\n')
PEERS = 6001, 6002              # of the system, with the seed 5000
OWN = 6101, 6102                # of alice, with the seed 5100


class Standing(Product):
        """A host on which the network stays up from check to check."""

        def __init__(self, host, source, title=''):
                super().__init__(host, source)
                self.title = title
                self.stands = False

        def clean(self):
                units = [seed(5000), *map(peer, PEERS)]
                if not self.stands:
                        super().clean()
                        self.stands = True
                self.since = self.host.run('date', '+%F %T.%N').stdout.strip()
                if any(self.state(unit) != 'active' for unit in units):
                        self.network(*PEERS)

        def groups(self, user):
                return [int(group) for group in self.host.run('id', '-G', user).stdout.split()]

        @contextlib.contextmanager
        def client(self, user):
                """A connection to the bus of the system, of that user and all groups that the user is in now."""
                uid, groups = int(self.host.run('id', '-u', user).stdout), self.groups(user)
                socket = os.open(self.host.path(BUS_SOCKET), os.O_PATH)
                own = os.getgroups()
                os.setgroups(groups)
                os.setegid(groups[0])
                os.seteuid(uid)
                try:
                        client = minibus.Client(f'/proc/self/fd/{socket}', with_fds=True)
                finally:
                        os.seteuid(0)
                        os.setegid(0)
                        os.setgroups(own)
                        os.close(socket)
                with client:
                        yield client

        def ask(self, client, port, method, signature='', *values, path=NODE, interface=None):
                return client.call(self.name(port), path, interface or self.interface(port), method, signature, *values)


class User:
        """What one user types in a session."""

        def __init__(self, host, name):
                self.host = host
                self.name = name
                self.home = f'/home/{name}'
                self.uid = host.run('id', '-u', name).stdout.strip()
                self.runtime = f'/run/user/{self.uid}'
                host.run('install', '-d', '-o', name, '-g', name, self.home)

        def run(self, *args, environment=(), **kwargs):
                session = f'XDG_RUNTIME_DIR={self.runtime}', f'DBUS_SESSION_BUS_ADDRESS=unix:path={self.runtime}/bus'
                return self.host.run('env', f'HOME={self.home}', *(environment or session), *args, user=self.name, **kwargs)

        def systemctl(self, *args, **kwargs):
                return self.run('systemctl', '--user', *args, **kwargs)

        def show(self, unit, prop):
                return self.systemctl('show', '--value', '-p', prop, unit).stdout.strip()

        def ctl(self, *args, status=0, **kwargs):
                return expect(self.run('p2pctl', *args, check=False, **kwargs), status, *args)

        def journal(self, unit):
                self.host.run('journalctl', '--sync')
                return self.run('journalctl', '--user', '--no-pager', '--quiet', '--output=cat', '--unit', unit).stdout

        def write(self, path, text):
                self.run('mkdir', '-p', os.path.dirname(f'{self.home}/{path}'))
                self.run('tee', f'{self.home}/{path}', input=text)

        @contextlib.contextmanager
        def lingering(self):
                """With the user's service manager, and none of that afterwards."""
                self.host.run('loginctl', 'enable-linger', self.name)
                self.host.run('systemctl', 'start', f'user@{self.uid}.service')         # logind may think that it still runs
                try:
                        eventually(self.manager_runs, f'the service manager of {self.name} runs')
                        yield self
                finally:
                        self.host.run('loginctl', 'disable-linger', self.name)
                        self.host.run('systemctl', 'stop', f'user@{self.uid}.service')
                        self.host.run('sh', '-c', f'rm -rf {self.home}/.config {self.home}/.local')

        def manager_runs(self):
                state = self.systemctl('is-system-running', check=False).stdout
                return state.strip() == 'running'


def expect(result, status, *args):
        assert result.returncode == status, \
                f'p2pctl {" ".join(map(str, args))}: exit status {result.returncode}, expected {status}\n{result.stdout}'
        return result.stdout


def start_own(alice):
        alice.systemctl('start', seed(5100), *map(peer, OWN))
        for port, other in OWN, reversed(OWN):
                eventually(lambda: f':{other} ' in alice.ctl('--user', 'peers', '-i', str(port)), f'{port} knows {other}')
