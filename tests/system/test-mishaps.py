#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong on a host, and what its administrator is told: one sentence in the journal that says what was found and what to
do, the same in "systemctl status", no storm of restarts, nothing lost, and the way back. Speaks TAP.

usage: test-mishaps.py DEBDIR SOURCE [WORD...]

DEBDIR holds the p2pnet_*.deb to install, SOURCE is the top of the source tree; with words only the checks whose names have one
of them are run. Needs root.

In every check a seed and a peer of the same host look on; whatever happens to another instance, they go on.
"""

import functools
import re
import shutil
import sys
import time

import tap
from product import CONF, Product, eventually, peer, seed
from rig import Host

EX_USAGE, EX_UNAVAILABLE, EX_NOPERM, EX_CONFIG = 64, 69, 77, 78
EXIT_EXEC, EXIT_USER, EXIT_NAMESPACE, EXIT_STATE_DIRECTORY = 203, 217, 226, 238      # of the service manager, see systemd.exec(5)

STATE = '/var/lib/p2pnet'
DEB = '/var/tmp/p2pnet.deb'
PLAINTEXT = 'security = { mode = "none"; accept-plaintext = true; };\n'
BYSTANDERS = seed(5000), peer(6001)

CHECKS = []


def check(function):
        """A check with two that look on."""
        @functools.wraps(function)
        def run(p):
                p.network(6001)
                before = [p.pid(unit) for unit in BYSTANDERS]
                fact = function(p)
                assert [p.pid(unit) for unit in BYSTANDERS] == before, 'an instance beside it did not go on'
                return fact
        CHECKS.append(run)
        return run


class Mishaps(Product):
        def said(self, unit):
                """What we, and not the service manager, wrote about the unit that an administrator should act on."""
                return [entry['MESSAGE'] for entry in self.entries('--unit', unit)
                        if int(entry['PRIORITY']) <= 4 and entry.get('SYSLOG_IDENTIFIER', '').startswith('p2p')]

        def visible(self, unit):
                return self.host.run('systemctl', 'status', '--no-pager', '--full', '--lines=20', unit, check=False).stdout

        def one_sentence(self, unit, pattern):
                """It is the only one in the journal, and "systemctl status" shows it."""
                eventually(lambda: self.said(unit), f'{unit} says something')
                said = self.said(unit)
                assert len(said) == 1 and re.search(pattern, said[0]), said
                assert said[0] in self.visible(unit), self.visible(unit)
                return said[0]

        def ends(self, unit, status):
                """It fails to start, with that exit status, and systemd does not mean to start it again."""
                result = self.host.run('systemctl', 'start', unit, check=False)
                assert result.returncode != 0, f'{unit} started'
                found = [self.host.show(unit, prop) for prop in ('SubState', 'ExecMainStatus', 'NRestarts')]
                assert found == ['failed', str(status), '0'], found

        def fails(self, unit, status, pattern):
                """It ends for good, and its one sentence is in the STATUS= line as well."""
                self.ends(unit, status)
                sentence = self.one_sentence(unit, pattern)
                assert self.status(unit) == sentence, f'STATUS is "{self.status(unit)}"'
                return sentence

        def does_not_run(self, unit, status, pattern):
                """The daemon did not get to run at all, and could not say a word."""
                self.ends(unit, status)
                return self.one_sentence(unit, pattern)

        def runs_all_the_same(self, unit, pattern, status):
                """It starts, with one sentence in the journal, and says in the STATUS= line what is not as it should be."""
                self.start(unit)
                self.one_sentence(unit, pattern)
                eventually(lambda: re.search(status, self.status(unit)), f'STATUS says "{status}"', lambda: self.status(unit))

        def recovers(self, unit, trouble):
                """The STATUS= line has forgotten the trouble."""
                eventually(lambda: not re.search(trouble, self.status(unit)), f'STATUS without "{trouble}"',
                           lambda: self.status(unit), 30)

        def identity(self, port):
                return self.property(port, 'NodeId')

        def made(self, port):
                """Starts a peer once and stops it. Return: its identity."""
                self.start(peer(port))
                identity = self.identity(port)
                self.host.run('systemctl', 'stop', peer(port))
                return identity

        def is_back(self, port, identity=None):
                """A start is all it takes, and it is in the network; with the identity that it had."""
                n_said = len(self.said(peer(port)))
                self.host.run('systemctl', 'start', peer(port))
                if identity:
                        assert self.identity(port) == identity, 'another identity'
                eventually(lambda: '127.0.0.1:6001' in self.peers(port), 'it is in the network', lambda: self.peers(port))
                said = self.said(peer(port))[n_said:]
                assert not said, said


# Configuration ------------------------------------------------------------------------------------------------------

@check
def broken_dropin(p):
        """a mistake in a drop-in: file, line, key, and what is accepted"""
        identity = p.made(6002)
        p.host.write(f'{CONF}/peer@6002.conf.d/x.conf', '# mine\nlinks = { outgoing = 0; };\n')
        p.fails(peer(6002), EX_CONFIG, rf'^{CONF}/peer@6002\.conf\.d/x\.conf:2: links\.outgoing: found 0, accepted is 1 to 64\.$')
        p.host.run('rm', f'{CONF}/peer@6002.conf.d/x.conf')
        p.is_back(6002, identity)


@check
def two_mistakes(p):
        """of several mistakes the journal has each, and systemctl status the first and how many more"""
        p.configure('links = { outgoing = 0; };\ngossip = { count = "many"; };\n')
        p.ends(peer(6002), EX_CONFIG)
        said = p.said(peer(6002))
        assert len(said) == 2, said
        assert p.status(peer(6002)) == f'{said[0]} (1 more in the journal)', p.status(peer(6002))


@check
def cut_off_dropin(p):
        """a drop-in that was cut off in the middle of a line"""
        p.configure('links = { outgoing =')
        p.fails(peer(6002), EX_CONFIG, r'50-test\.conf:1: \S')


@check
def broken_while_running(p):
        """a list of seeds that breaks while they run is refused, told of, and the old one stays"""
        p.host.write(f'{CONF}/seeds.d/x.conf', 'seeds = ( { host = "127.0.0.1"; port = 99999; } );\n')
        for unit in BYSTANDERS:
                eventually(lambda: 'list of seeds refused: ' in p.status(unit), 'STATUS says so', lambda: p.status(unit))
                p.one_sentence(unit, r'seeds\.d/x\.conf:1: .*99999.* Keeping the old one\.$')
        p.host.run('rm', f'{CONF}/seeds.d/x.conf')
        for unit in BYSTANDERS:
                p.recovers(unit, 'refused')


@check
def unreadable(p):
        """configuration that the daemon may not read: the file, or the directory, and how to grant it"""
        granted = r'may not be read by user p2pnet; grant that, for example by "chmod -R a\+rX"\.$'
        p.host.run('chmod', '0600', f'{CONF}/p2pnet.conf')
        p.fails(peer(6002), EX_CONFIG, rf'^{CONF}/p2pnet\.conf: {granted}')
        p.host.run('chmod', '0700', CONF)
        p.fails(peer(6003), EX_CONFIG, rf'^{CONF}: {granted}')
        p.host.run('chmod', '-R', 'a+rX', CONF)
        p.is_back(6002)
        p.is_back(6003)


@check
def directory_for_file(p):
        """a directory where a file of the configuration should be"""
        p.host.run('mkdir', '-p', f'{CONF}/p2pnet.conf.d/a.conf')
        p.fails(peer(6002), EX_CONFIG, rf'^{CONF}/p2pnet\.conf\.d/a\.conf: is a directory, expected a regular file\.$')
        p.host.run('rmdir', f'{CONF}/p2pnet.conf.d/a.conf')
        p.is_back(6002)


@check
def no_configuration(p):
        """without /etc/p2pnet, and with an empty one, nothing is wrong"""
        p.host.run('rm', '-rf', CONF)
        p.is_back(6002)
        p.host.run('mkdir', CONF)
        p.is_back(6003)


# Names, addresses, ports --------------------------------------------------------------------------------------------

@check
def name(p):
        """a seed whose name does not resolve: it runs, says why, and comes along once the name is there"""
        p.host.write(f'{CONF}/seeds.conf', 'seeds = ( { host = "seed.test"; port = 5000; } );\n')
        unknown = r'seed\.test:5000'
        p.start(peer(6002))
        eventually(lambda: re.search(rf'seed {unknown}: \w', p.status(peer(6002))), 'STATUS says so', lambda: p.status(peer(6002)))
        told = p.told(peer(6002), 'SEED_UNREACHABLE')
        assert len(told) == 1 and re.search(rf'^Seed {unknown} cannot be reached: .*name.*\. Trying again later\.$', told[0]), told
        assert re.search(unknown, p.visible(peer(6002)))

        hosts = p.host.run('sh', '-c', 'cat /etc/hosts 2>/dev/null', check=False).stdout
        p.host.run('tee', '-a', '/etc/hosts', input='127.0.0.1 seed.test\n')
        try:
                eventually(lambda: p.knows(6002, 6001), 'it is in the network', lambda: p.peers(6002), 40)
                p.recovers(peer(6002), unknown)
        finally:
                p.host.write('/etc/hosts', hosts)


@check
def address(p):
        """an address that is not ours: it runs, says that nobody reaches it there, and is reached once the address comes"""
        p.configure('listen = { address = [ "127.0.0.1", "10.77.0.99" ]; };\n' + PLAINTEXT)
        away = r'[Tt]his host has no address 10\.77\.0\.99'
        p.runs_all_the_same(peer(6002), away + r', which listen\.address names: nobody can reach this node there until it has\.$', away)
        assert p.host.show(peer(6002), 'NRestarts') == '0'
        assert p.knows(6002, 6001), p.peers(6002)
        p.host.run('ip', 'address', 'add', '10.77.0.99/24', 'dev', 'eth0')
        try:
                p.host.run('bash', '-c', 'exec 3<>/dev/tcp/10.77.0.99/6002')
                p.recovers(peer(6002), away)
                assert 'This host has the address 10.77.0.99 now' in p.journal(peer(6002))
        finally:
                p.host.run('ip', 'address', 'del', '10.77.0.99/24', 'dev', 'eth0')


@check
def low_port(p):
        """a port below 1024: no permission, and the drop-in that the unit speaks of grants it"""
        p.fails(peer(80), EX_NOPERM, r'^Cannot listen on port 80 of 127\.0\.0\.1: no permission\. '
                                     r'Ports below 1024 need CAP_NET_BIND_SERVICE, see p2p-peerd\(8\)\.$')
        p.dropin(peer(80), '[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n'
                           'PrivateUsers=no\n')
        p.start(peer(80))
        assert '127.0.0.1:80' in p.host.run('ss', '-ltn').stdout


@check
def slow_journal(p):
        """a journal that is slow to read the last words of a daemon still knows whose they are"""
        journald = p.host.show('systemd-journald', 'MainPID')
        p.host.run('kill', '-STOP', journald)
        try:
                p.host.run('systemctl', 'start', '--no-block', peer(80))
                eventually(lambda: p.status(peer(80)), 'its last words as the STATUS')
                time.sleep(0.2)
        finally:
                p.host.run('kill', '-CONT', journald)
        eventually(lambda: p.state(peer(80)) == 'failed', 'it has failed')
        p.one_sentence(peer(80), r'^Cannot listen on port 80 ')


@check
def port_taken(p):
        """a peer on the port of a seed: the port is in use, and by whom can be found out"""
        p.fails(peer(5000), EX_UNAVAILABLE, r'^Port 5000 on 127\.0\.0\.1 is in use by another program; "ss -ltnp" says by which\.$')


@check
def no_port(p):
        """instance names that are no ports: what was found, and what is accepted"""
        for unit, example in (peer, 6001), (seed, 5000):
                for name in 'abc', '0', '70000', '6001x':
                        p.fails(unit(name), EX_USAGE, rf'^Found "{re.escape(name)}", accepted as a port is a number from 1 to 65535, '
                                                      rf'such as {example}\.$')


# Disks and directories ----------------------------------------------------------------------------------------------

@check
def full_run(p):
        """a full /run: a seed that cannot add itself to the list runs, and does so once there is room"""
        host = p.host
        size = host.run('findmnt', '-bno', 'SIZE', '/run').stdout.strip()
        host.run('mount', '-o', 'remount,size=8m', '/run')
        host.run('dd', 'if=/dev/zero', 'of=/run/full', 'bs=64k', check=False)
        try:
                trouble = 'No space left on device'
                p.runs_all_the_same(seed(5007), rf'^This seed is in no list of seeds, and cannot add itself in /run/p2pnet/seeds\.d: '
                                                rf'{trouble}\. Trying again\.$',
                                    f'cannot add itself to the list of seeds: {trouble}')
                p.is_back(6002)
        finally:
                host.run('rm', '/run/full')
                host.run('mount', '-o', f'remount,size={size}', '/run')
        p.recovers(seed(5007), trouble)
        assert '5007' in host.read('/run/p2pnet/seeds.d/5007.conf')


@check
def full_disk(p):
        """a disk that fills up: it runs with the identity it had, says so once, and writes again once there is room"""
        host, directory = p.host, f'{STATE}/peer-6002'
        host.run('mkdir', '-p', directory)
        host.run('mount', '-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'small', directory)
        try:
                identity = p.made(6002)
                host.run('dd', 'if=/dev/zero', f'of={directory}/full', 'bs=4k', check=False)
                trouble = rf'tate cannot be written to {directory}/\w+: No space left on device'
                p.runs_all_the_same(peer(6002), rf'^S{trouble}\. Going on without; a restart will not remember\.$', f's{trouble}')
                assert p.identity(6002) == identity
                host.run('systemctl', 'restart', peer(6002))
                assert p.identity(6002) == identity
                host.run('rm', f'{directory}/full')
                p.start(peer(6003))             # a new neighbour is something to write down
                p.recovers(peer(6002), trouble)
                host.run('systemctl', 'restart', peer(6002))
                assert p.identity(6002) == identity
        finally:
                host.run('systemctl', 'stop', peer(6002))
                host.run('umount', directory)


@check
def read_only(p):
        """a read-only /var: what has state runs on with it, what has none says why it cannot start"""
        host = p.host
        identity = p.made(6002)
        host.run('mount', '--bind', STATE, STATE)
        host.run('mount', '-o', 'remount,bind,ro', STATE)
        try:
                p.does_not_run(peer(6003), EXIT_STATE_DIRECTORY, rf'Not started: {STATE} is read-only; make it writable, and start again')
                p.start(peer(6002))
                assert p.identity(6002) == identity
                p.one_sentence(peer(6002), rf'^State cannot be written to {STATE}/peer-6002/identity: Read-only file system\.')
        finally:
                host.run('umount', STATE)
        host.run('systemctl', 'restart', peer(6002))
        assert p.identity(6002) == identity
        p.is_back(6003)


@check
def file_for_state(p):
        """a file where the state directory should be"""
        path = f'{STATE}/peer-6002'
        p.host.write(path, 'mine')
        p.does_not_run(peer(6002), EXIT_STATE_DIRECTORY, rf'Not started: {path} is no directory; move it away, and start again')
        assert p.host.read(path) == 'mine'
        p.host.run('rm', path)
        p.is_back(6002)


@check
def foreign_state(p):
        """state that belongs to another user is given back by the service manager, or left alone with a word; the identity stays"""
        host, directory = p.host, f'{STATE}/peer-6002'
        identity = p.made(6002)
        host.run('chown', '-R', 'alice:', directory)
        p.is_back(6002, identity)
        host.run('systemctl', 'stop', peer(6002))

        host.run('chown', 'root:', f'{directory}/identity')     # of this the service manager takes no notice
        before = host.run('sha256sum', f'{directory}/identity').stdout
        p.fails(peer(6002), EX_NOPERM, rf'^The state in {directory} belongs to another user, and without it this would be another node: '
                                       rf'give it back by "chown -R p2pnet: {directory}" and start again\.$')
        assert host.run('sha256sum', f'{directory}/identity').stdout == before
        host.run('chown', '-R', 'p2pnet:', directory)
        p.is_back(6002, identity)


@check
def damaged_state(p):
        """damaged state is kept for whoever wants to look, and said to be the reason of a new identity"""
        directory = f'{STATE}/peer-6002'
        identity = p.made(6002)
        p.host.write(f'{directory}/identity', 'garbage')
        p.runs_all_the_same(peer(6002), rf'^State file {directory}/identity is damaged; set aside as identity\.damaged, '
                                        rf'going on without it\.$',
                            'new id: the old one cannot be read')
        assert p.identity(6002) != identity
        assert p.host.read(f'{directory}/identity.damaged') == 'garbage'


@check
def cloned_machine(p):
        """a clone of a machine, with its state: a new identity, the reason, and the copied one is kept"""
        directory = f'{STATE}/peer-6002'
        identity = p.made(6002)
        before = p.host.run('sha256sum', f'{directory}/identity').stdout.split()[0]
        p.host.write('/run/other-machine', '0123456789abcdef0123456789abcdef\n')
        p.dropin(peer(6002), '[Service]\nBindReadOnlyPaths=/run/other-machine:/etc/machine-id\n')
        p.start(peer(6002))
        assert p.identity(6002) != identity
        reason = 'its state was copied from another machine'
        told = p.told(peer(6002), 'IDENTITY_NEW')
        assert told[-1] == f'This node has a new id, {p.identity(6002)}: {reason}.', told
        eventually(lambda: f'new id: {reason}' in p.status(peer(6002)), 'STATUS says so', lambda: p.status(peer(6002)))
        assert told[-1] in p.visible(peer(6002))
        assert p.host.run('sha256sum', f'{directory}/identity.copied').stdout.split()[0] == before

        identity = p.identity(6002)
        p.host.run('systemctl', 'restart', peer(6002))
        assert p.identity(6002) == identity, 'one new identity is enough'


@check
def cloned_state(p):
        """state that was copied on one machine: the second that runs takes a new identity, and both live"""
        identity = p.identity(6001)
        p.host.run('cp', '-a', f'{STATE}/peer-6001', f'{STATE}/peer-6002')
        p.start(peer(6002))
        eventually(lambda: p.identity(6002) != identity, 'a new identity')
        assert p.identity(6001) == identity
        p.one_sentence(peer(6002), r'^Another living node has our id: this node is [0-9a-f]{32} from now on\.$')
        eventually(lambda: 'new id: another living node has the old one' in p.status(peer(6002)), 'STATUS says so',
                   lambda: p.status(peer(6002)))
        eventually(lambda: p.knows(6002, 6001) and p.knows(6001, 6002), 'they know each other', lambda: p.peers(6002))


# The package --------------------------------------------------------------------------------------------------------

@check
def program_missing(p):
        """a daemon's program that is gone"""
        p.host.run('mv', '/usr/lib/p2pnet/p2p-peerd', '/usr/lib/p2pnet/away')
        try:
                p.does_not_run(peer(6002), EXIT_EXEC, r'Not started: /usr/lib/p2pnet/p2p-peerd is missing or cannot be run; '
                                                      r'install p2pnet again, and start again')
        finally:
                p.host.run('mv', '/usr/lib/p2pnet/away', '/usr/lib/p2pnet/p2p-peerd')
        p.is_back(6002)


@check
def broken_unit(p):
        """a drop-in of the unit that systemd cannot carry out"""
        p.dropin(peer(6002), '[Service]\nBindReadOnlyPaths=/nowhere\n')
        p.does_not_run(peer(6002), EXIT_NAMESPACE,
                       r'Not started: systemd could not set up what the unit file and its drop-ins ask for; the line of systemd '
                       r'before this one says what; look at drop-ins by "systemctl cat p2p-peerd@6002", and start again by '
                       r'"systemctl start p2p-peerd@6002"\.$')
        assert '/nowhere' in p.visible(peer(6002)), p.visible(peer(6002))
        p.host.run('rm', '-r', f'/etc/systemd/system/{peer(6002)}.d')
        p.host.run('systemctl', 'daemon-reload')
        p.is_back(6002)


def half_installed(p):
        """a package that is unpacked and not configured: it runs on its defaults, and is restarted once it is configured"""
        host = p.host
        host.run('dpkg', '--purge', 'p2pnet')
        host.run('userdel', 'p2pnet')
        host.run('dpkg', '--unpack', DEB)
        try:
                p.start(seed(5000), peer(6001))
                p.is_back(6002)
                identity, pid = p.identity(6002), p.pid(peer(6002))
        finally:
                host.run('dpkg', '--configure', '-a')
        assert p.runs_as_another(peer(6002), pid) and p.identity(6002) == identity
        p.is_back(6002)
        for unit in seed(5000), peer(6001):
                assert not p.said(unit), p.said(unit)


def no_user(p):
        """the user of the daemons is not there, as after a copy of files alone: that it is missing, and how to get it"""
        host = p.host
        host.run('userdel', 'p2pnet')
        try:
                for unit in seed(5000), peer(6002):
                        p.does_not_run(unit, EXIT_USER, r'Not started: there is no user p2pnet, so the installation of p2pnet did '
                                                        r'not come to its end; finish it, on Debian by "dpkg --configure -a", or run '
                                                        rf'"systemd-sysusers", and start again by "systemctl start {unit[:-8]}"\.')
        finally:
                host.run('systemd-sysusers')
        p.start(seed(5000), peer(6001))
        p.is_back(6002)


CHECKS += [half_installed, no_user]


# The end ------------------------------------------------------------------------------------------------------------

def session(rig, source, words):
        shutil.copy(rig.debs[0], rig.root / DEB[1:])
        host = Host(rig, 'h1', 1, keep=(STATE,))
        host.start()
        tap.run_checks([(Mishaps(host, source), CHECKS)], words)
        host.stop()


if __name__ == '__main__':
        sys.exit(tap.main(__doc__, 'p2prig-mishaps', session, 'u alice - - /home/alice /bin/sh\n'))
