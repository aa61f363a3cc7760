#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what, on dbus-daemon and on dbus-broker, and instances that run as units of a user. Two booted hosts. Speaks TAP.

usage: test-users.py DEBDIR SOURCE [WORD...]

DEBDIR has our packages, SOURCE is the top of the source tree; with words only the checks whose names have one of them are
run. Needs root.

The first host has dbus-daemon, the second dbus-broker.
"""

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import tap
from people import OWN, PEERS, USERS, Standing, User, minibus, start_own
from product import NODE, eventually, peer, seed
from rig import Host

DENIED = 'org.freedesktop.DBus.Error.AccessDenied'
DBUS = 'org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus'
PROPERTIES = 'org.freedesktop.DBus.Properties'
LOG_CONTROL = '/org/freedesktop/LogControl1', 'org.freedesktop.LogControl1'
MANAGER, SEED, SUBSCRIPTION = (f'org.p2pnet.Node1.{name}' for name in ('Manager', 'Seed', 'Subscription'))
EX_UNAVAILABLE = 69

RIGHTS, UNITS = [], []


def refusal(function, *args, **kwargs):
        """The error that a call comes back with; None when it succeeds."""
        try:
                function(*args, **kwargs)
        except minibus.BusError as error:
                return error
        return None


# Rights, on both buses ----------------------------------------------------------------------------------------------

rights = tap.collector(RIGHTS)


def calls(p):
        """(interface, method): how to call it so that it does something."""
        other = p.property(PEERS[0], 'NodeId')
        common = {'ListPeers': ('ta{sv}', 1, {}), 'GetPeer': ('s', other), 'ListSeeds': (), 'GetStatistics': (), 'Describe': ()}
        reading = {(interface, method): args for interface in (MANAGER, SEED) for method, args in common.items()}
        reading[MANAGER, 'GetHistogram'] = ('s', 'DeliveryHops')
        reading[MANAGER, 'ListTopics'] = ()
        reading[MANAGER, 'GetTopology'] = ('a{sv}', {})
        changing = {
                (MANAGER, 'Publish'): ('saya{sv}', '/x', b'y', {}),
                (MANAGER, 'Subscribe'): ('asa{sv}', ['*'], {}),
                (MANAGER, 'OpenStream'): ('asa{sv}', ['*'], {}),
                (MANAGER, 'OpenPublisher'): ('a{sv}', {}),
                (MANAGER, 'Ping'): ('s', other),
                (MANAGER, 'Connect'): ('s', f'127.0.0.1:{PEERS[0]}'),
                (MANAGER, 'Disconnect'): ('s', other),
                (MANAGER, 'Reload'): (),
                (SEED, 'Reload'): (),
                (SUBSCRIPTION, 'Close'): (),
        }
        return reading, changing


def port_of(interface):
        return 5000 if interface == SEED else PEERS[1]


@rights
def which_bus(p):
        """it is the bus that it is said to be"""
        expected = 'dbus-broker.service' if 'broker' in p.title else 'dbus.service'
        assert p.host.show('dbus.service', 'Id') == expected, p.host.show('dbus.service', 'Id')


@rights
def every_method(p):
        """every method of every interface is tried below"""
        reading, changing = calls(p)
        written = set()
        for file in (p.source / 'dbus').glob('*.xml'):
                for interface in ElementTree.parse(file).iter('interface'):
                        written |= {(interface.get('name'), method.get('name')) for method in interface.iter('method')}
        assert written == reading.keys() | changing.keys(), written ^ (reading.keys() | changing.keys())


@rights
def everybody_reads(p):
        """everybody may read everything: methods, properties, objects, introspection, signals"""
        reading, _ = calls(p)
        for user in 'alice', 'carol', 'root':
                with p.client(user) as client:
                        for (interface, method), args in reading.items():
                                p.ask(client, port_of(interface), method, *args)
                        for port in 5000, *PEERS:
                                everything = p.ask(client, port, 'GetAll', 's', p.interface(port), interface=PROPERTIES)[0]
                                assert everything['Port'] == port
                                p.ask(client, port, 'GetManagedObjects', interface='org.freedesktop.DBus.ObjectManager')
                                p.ask(client, port, 'Introspect', interface='org.freedesktop.DBus.Introspectable')
                                level = p.ask(client, port, 'Get', 'ss', LOG_CONTROL[1], 'LogLevel', path=LOG_CONTROL[0],
                                              interface=PROPERTIES)
                                assert level == ['info'], level
                        (path,) = p.ask(client, PEERS[1], 'GetPeer', 's', p.property(PEERS[0], 'NodeId'))
                        p.ask(client, PEERS[1], 'GetAll', 's', 'org.p2pnet.Node1.Peer', path=path, interface=PROPERTIES)

        with p.client('alice') as alice, p.client('root') as root:
                alice.match(f"type='signal',sender='{p.name(PEERS[1])}',interface='{MANAGER}'")
                p.ask(root, PEERS[1], 'Disconnect', 's', p.property(PEERS[0], 'NodeId'))
                assert alice.signal('PeerChanged').body[2] == 'unlinked'


@rights
def ordinary_changes_nothing(p):
        """an ordinary user may change nothing, and is told what that would need"""
        _, changing = calls(p)
        with p.client('carol') as carol, p.client('alice') as alice:
                (subscription,) = p.ask(carol, PEERS[1], 'Subscribe', 'asa{sv}', ['/carol'], {})
                for (interface, method), args in changing.items():
                        path = subscription if interface == SUBSCRIPTION else NODE
                        error = refusal(p.ask, alice, port_of(interface), method, *args, path=path, interface=interface)
                        assert error and error.name == DENIED, f'{interface}.{method}: {error}'
                        if interface != SUBSCRIPTION:
                                assert re.fullmatch('[a-z ]+ needs root or membership of group p2pnet-ctl.', error.sentence), error
                for port in 5000, PEERS[1]:
                        for name, value in ('LogLevel', 'debug'), ('LogTarget', 'console'):
                                error = refusal(p.ask, alice, port, 'Set', 'ssv', LOG_CONTROL[1], name, ('s', value),
                                                path=LOG_CONTROL[0], interface=PROPERTIES)
                                assert error and error.name == DENIED, f'{name}: {error}'
                # It is still there: alice did not close it, and she may not say what carol says.
                p.ask(carol, PEERS[1], 'Close', path=subscription, interface=SUBSCRIPTION)
        assert not p.told(peer(PEERS[1]), 'CONFIG_LOADED') and p.call(PEERS[1], 'GetStatistics')['Subscriptions'] == 0


@rights
def nobody_writes_what_is_read_only(p):
        """properties that are facts cannot be written by anybody"""
        for user in 'alice', 'carol', 'root':
                with p.client(user) as client:
                        for port in 5000, PEERS[1]:
                                before = p.property(port, 'Name')
                                error = refusal(p.ask, client, port, 'Set', 'ssv', p.interface(port), 'Name', ('s', 'mine'),
                                                interface=PROPERTIES)
                                assert error and error.name in (DENIED, 'org.freedesktop.DBus.Error.PropertyReadOnly'), error
                                assert p.property(port, 'Name') == before


@rights
def members_change(p):
        """a member of p2pnet-ctl may do all that root may, on peers and seeds, the level of the log too"""
        _, changing = calls(p)
        for user in 'carol', 'root':
                with p.client(user) as client:
                        for (interface, method), args in changing.items():
                                path = NODE
                                if interface == SUBSCRIPTION:
                                        (path,) = p.ask(client, PEERS[1], 'Subscribe', 'asa{sv}', ['/x'], {})
                                error = refusal(p.ask, client, port_of(interface), method, *args, path=path, interface=interface)
                                # The link may be there or not, from one call to the next.
                                assert not error or error.name.endswith('.NotLinked'), f'{interface}.{method}: {error}'
                        for port in 5000, PEERS[1]:
                                for level in 'debug', 'info':
                                        p.ask(client, port, 'Set', 'ssv', LOG_CONTROL[1], 'LogLevel', ('s', level),
                                              path=LOG_CONTROL[0], interface=PROPERTIES)
        p.ctl('log-level', 'notice', '-i', 'all', user='carol')
        assert p.host.run('systemctl', 'service-log-level', peer(PEERS[1])).stdout.strip() == 'notice'
        p.host.run('systemctl', 'service-log-level', peer(PEERS[1]), 'info')
        assert 'peer@6002: info' in p.ctl('log-level', '-i', 'all', user='alice')
        p.ctl('log-level', 'info', '-i', 'all')


@rights
def p2pctl_says_it(p):
        """p2pctl answers an ordinary user with exit status 4 and a sentence, and reads for everybody"""
        port, instance = PEERS[1], f'peer@{PEERS[1]}'
        other = p.property(PEERS[0], 'NodeId')
        for verb, *args in (('publish', '/x', 'y'), ('subscribe', '*'), ('ping', other), ('connect', f'127.0.0.1:{PEERS[0]}'),
                            ('disconnect', other), ('reload',), ('log-level', 'debug')):
                text = p.ctl('-i', instance, verb, *args, user='alice', status=4)
                assert re.fullmatch(rf'p2pctl: {instance} refused: [a-z ]+ needs root or membership of group p2pnet-ctl\.\n', text), text
        assert 'seed@5000 refused: ' in p.ctl('-i', 'seed@5000', 'reload', user='alice', status=4)
        text = p.ctl('spawn-seeds', '1', '--first-port=5050', user='alice', status=4)
        assert text.startswith('p2pctl: systemd refused: '), text

        for verb, *args in (('status',), ('peers',), ('show',), ('show', other), ('seeds',), ('statistics',), ('is-online',),
                            ('wait-online',), ('log-level',), ('config', 'check'), ('monitor', '--timeout=0.1')):
                p.ctl('-i', instance, verb, *args, user='alice')
                if verb not in ('config', 'monitor'):
                        json.loads(p.ctl('-i', 'all' if len(args) == 0 and verb != 'wait-online' else instance, '--json=short', verb,
                                         *args, user='alice'))
        assert p.call(port, 'GetStatistics')['GossipPublished'] >= 0


@rights
def names(p):
        """only the daemons' own user, and root, can have our names"""
        for user, may in ('alice', False), ('carol', False), ('p2pnet', True), ('root', True):
                with p.client(user) as client:
                        for name in ('org.p2pnet.Peer1', 'org.p2pnet.Seed1', 'org.p2pnet.Peer1.p6999', 'org.p2pnet.Seed1.p5999',
                                     'org.p2pnet.Peer1.x.y'):
                                error = refusal(client.call, *DBUS, 'RequestName', 'su', name, 0)
                                assert (error is None) == may and (may or error.name == DENIED), f'{user}, {name}: {error}'


@rights
def messages_are_private(p):
        """what somebody subscribed to reaches nobody else, whatever they ask the bus for"""
        with p.client('carol') as carol, p.client('alice') as alice, p.client('dave') as dave:
                (subscription,) = p.ask(carol, PEERS[1], 'Subscribe', 'asa{sv}', ['/secret'], {})
                alice.match(f"type='signal',interface='{SUBSCRIPTION}'")
                alice.match(f"path='{subscription}'")
                refusal(alice.match, f"eavesdrop='true',type='signal',interface='{SUBSCRIPTION}'")      # refused, or of no effect
                error = refusal(dave.call, DBUS[0], DBUS[1], 'org.freedesktop.DBus.Monitoring', 'BecomeMonitor', 'asu', [], 0)
                assert error and error.name == DENIED, error
                with p.client('root') as root:
                        p.ask(root, PEERS[1], 'Publish', 'saya{sv}', '/secret', b'of carol', {})
                message = carol.signal('Message')
                assert message.body[4] == b'of carol' and message.fields[minibus.PATH] == subscription
                heard = [message for message in alice.drain(0.5)
                         if message.fields.get(minibus.INTERFACE) == SUBSCRIPTION]
                assert not heard, heard
                # Who is subscribed to what is no secret to read, but not what comes.
                assert p.ask(alice, PEERS[1], 'Get', 'ss', SUBSCRIPTION, 'Patterns', path=subscription, interface=PROPERTIES)


@rights
def subscribers_are_pinged(p):
        """the daemons may ask subscribers whether they keep up, and others may not ask anybody anything"""
        with p.client('carol') as carol:
                for user, may in ('p2pnet', True), ('alice', False):
                        with p.client(user) as client:
                                client.send(minibus.CALL, {minibus.PATH: ('o', '/'), minibus.INTERFACE: ('s', 'org.freedesktop.DBus.Peer'),
                                                           minibus.MEMBER: ('s', 'Ping'), minibus.DESTINATION: ('s', carol.name)})
                                if may:
                                        eventually(lambda: any(message.type == minibus.CALL for message in carol.drain(0.1)),
                                                   'carol is asked')
                                answer = client.receive()
                                while answer.type == minibus.SIGNAL:            # NameAcquired
                                        answer = client.receive()
                                assert answer.type == (minibus.RETURN if may else minibus.ERROR), answer
                                assert may or answer.fields[minibus.ERROR_NAME] == DENIED, answer
                assert not carol.drain(0.2), 'alice has reached carol'


@rights
def membership_comes_with_the_login(p):
        """who becomes a member may from the next login on, and who is connected is what the login was"""
        with p.client('dave') as before:
                p.host.run('usermod', '--append', '--groups', 'p2pnet-ctl', 'dave')
                try:
                        with p.client('dave') as after:
                                p.ask(after, PEERS[1], 'Publish', 'saya{sv}', '/x', b'y', {})
                                error = refusal(p.ask, before, PEERS[1], 'Publish', 'saya{sv}', '/x', b'y', {})
                                assert error and error.name == DENIED, error
                                p.ctl('publish', '/x', 'y', user='dave')
                                p.host.run('gpasswd', '--delete', 'dave', 'p2pnet-ctl')
                                p.ctl('publish', '/x', 'y', user='dave', status=4)
                finally:
                        p.host.run('gpasswd', '--delete', 'dave', 'p2pnet-ctl', check=False)


@rights
def owner_may_all(p):
        """on the bus of a user the user may do everything with the user's own instances, and is in no group for it"""
        alice = User(p.host, 'alice')
        with alice.lingering():
                expected = 'dbus-broker.service' if 'broker' in p.title else 'dbus.service'
                alice.systemctl('start', peer(6101))
                assert alice.show('dbus.service', 'Id') == expected
                eventually(lambda: p.host.run('p2pctl', '-M', 'alice@.host', '--user', 'is-online', check=False).returncode == 0, 'online')
                other = p.property(PEERS[0], 'NodeId')
                for verb, *args in (('publish', '/x', 'y'), ('subscribe', '*', '--timeout=0.1'), ('ping', other), ('reload',),
                                    ('log-level', 'debug'), ('log-level', 'info'), ('connect', f'127.0.0.1:{PEERS[0]}'),
                                    ('disconnect', other)):
                        alice.ctl('--user', verb, *args)
                alice.systemctl('service-log-level', peer(6101), 'debug')
                assert alice.ctl('--user', 'log-level') == 'debug\n'
                # And no more than before with those of the system.
                alice.ctl('publish', '/x', 'y', status=4)


# Units of a user ----------------------------------------------------------------------------------------------------

units = tap.collector(UNITS)

@units
def user_units_find_each_other(p):
        """a seed and peers run as units of a user, find each other, and are all on the bus of that user"""
        with User(p.host, 'alice').lingering() as alice:
                start_own(alice)
                assert re.search(r':6101 +127\.0\.0\.1:6101 +alive', alice.ctl('--user', 'peers', '-i', 'seed@5100'))
                eventually(lambda: re.search(r'127\.0\.0\.1:5100 +\S+ +registered', alice.ctl('--user', 'seeds')), 'registered with it',
                           lambda: alice.ctl('--user', 'seeds'))
                text = alice.ctl('--user', 'status')
                assert text.startswith('● peer@6101') and 'Also here: peer@6102, seed@5100 ' in text, text
                assert re.search(r'^ +Status: "\d+ members?, ', alice.systemctl('status', '--no-pager', peer(6101)).stdout, re.M)

                subscribe = ['p2pctl', '--user', '-i', '6102', 'subscribe', '--count=1', '--timeout=30', '/own']
                with subprocess.Popen(p.host.inside('alice') + ['env', f'XDG_RUNTIME_DIR={alice.runtime}', *subscribe],
                                      stdout=subprocess.PIPE, text=True) as reader:
                        eventually(lambda: 'Subscriptions  1' in re.sub(' +', '  ', alice.ctl('--user', 'statistics', '-i', '6102')),
                                   'a subscription')
                        assert alice.ctl('--user', 'publish', '/own', 'good morning').startswith('published ')
                        assert 'good morning' in reader.communicate(timeout=20)[0]

                text = alice.journal(peer(6101))
                for line in ('Listening on 127.0.0.1:6101 ', 'Registered with seed 127.0.0.1:5100', 'Published gossip 1 on /own'):
                        assert line in text, text
                assert 'Started p2p-peerd@6101.service' in text, text

                alice.systemctl('stop', 'p2pnet.target')
                for unit in seed(5100), *map(peer, OWN):
                        eventually(lambda: alice.show(unit, 'ActiveState') == 'inactive', f'{unit} has stopped')
                        assert (alice.show(unit, 'Result'), alice.show(unit, 'ExecMainStatus')) == ('success', '0')
                text = alice.ctl('--user', 'peers', status=3)
                assert text == ('p2pctl: no peer or seed is running on this host.\n'
                                'Start one with: systemctl --user start p2p-seedd@5000 p2p-peerd@6001\n'), text


@units
def user_directories(p):
        """configuration, state and runtime files are the user's own, below the user's directories"""
        with User(p.host, 'alice').lingering() as alice:
                alice.write('.config/p2pnet/p2pnet.conf.d/own.conf', 'node = { name = "alice-one"; };\n')
                alice.write('.config/p2pnet/seeds.conf', 'seeds = ( { host = "127.0.0.1"; port = 5100; } );\n')
                start_own(alice)
                assert 'alice-one' in alice.ctl('--user', 'peers', '-i', '6102')
                assert '5000' not in alice.ctl('--user', 'seeds'), 'the list of the host counts'
                files = p.host.run('find', alice.home, '-type', 'f', '-printf', '%u %m %P\n').stdout.splitlines()
                assert 'alice 600 .local/state/p2pnet/peer-6101/identity' in files, files
                assert 'alice 600 .local/state/p2pnet/seed-5100/registry' in files, files
                assert not [file for file in files if '.config' in file and 'conf' not in file.rpartition('/')[2]], files
                assert p.host.run('stat', '-c', '%a', f'{alice.home}/.local/state/p2pnet/peer-6101').stdout == '700\n'
                assert p.host.run('sh', '-c', 'ls -d /var/lib/p2pnet/*-[56]10*', check=False).returncode != 0
                dropin = f'{alice.runtime}/p2pnet/seeds.d/'

                # A seed that is in no list is in the user's own, while it runs, and in nobody else's.
                alice.systemctl('start', seed(5101))
                assert '5101' in p.host.read(dropin + '5101.conf')
                eventually(lambda: ':5101 ' in alice.ctl('--user', 'seeds'), 'the peers take it up')
                assert ':5101 ' not in p.ctl('seeds')
                alice.systemctl('kill', '-s', 'KILL', seed(5101))
                eventually(lambda: alice.show(seed(5101), 'NRestarts') == '1' and alice.show(seed(5101), 'ActiveState') == 'active',
                           'it runs again')
                alice.systemctl('stop', seed(5101))
                assert p.host.run('test', '-e', dropin + '5101.conf', check=False).returncode != 0, 'its drop-in is still there'


@units
def user_reload(p):
        """a user reloads: what is right is in force, what is wrong is refused, named, and in the status"""
        with User(p.host, 'alice').lingering() as alice:
                start_own(alice)
                alice.write('.config/p2pnet/p2pnet.conf.d/own.conf', 'links = { outgoing = 3; };\n')
                alice.systemctl('reload', peer(6101))
                assert json.loads(alice.ctl('--user', '--json=short', 'status'))['links']['outgoingTarget'] == 3
                alice.write('.config/p2pnet/p2pnet.conf.d/own.conf', '\nlinks = { outgoing = 0; };\n')
                where = f'{alice.home}/.config/p2pnet/p2pnet.conf.d/own.conf:2: links.outgoing: found 0, accepted is 1 to 64.'
                assert alice.systemctl('reload', peer(6101), check=False).returncode != 0
                assert where in alice.journal(peer(6101)) and where in alice.ctl('--user', 'reload', status=1)
                assert where in alice.ctl('--user', 'config', 'check', status=1)
                assert where not in alice.ctl('config', 'check')
                eventually(lambda: where[:-1] in alice.show(peer(6101), 'StatusText'), 'the status says so',
                           lambda: alice.show(peer(6101), 'StatusText'))
                # It is nothing to those of the system.
                p.host.run('systemctl', 'reload', peer(PEERS[0]))


@units
def user_spawns_seeds(p):
        """spawn-seeds --user starts units of the user, beside those of the system"""
        with User(p.host, 'alice').lingering() as alice:
                text = alice.ctl('--user', 'spawn-seeds', '2')
                assert 'port 5000 is in use' in text and 'started seed@5001' in text and 'started seed@5002' in text, text
                assert alice.show(seed(5001), 'ActiveState') == 'active' and p.state(seed(5001)) == 'inactive'
                assert 'seed@5001' in alice.ctl('--user', 'peers', '-i', '5001')


@units
def beside_the_system(p):
        """instances of a user and of the system share a host: each is asked on its own bus, and a port is had by one"""
        with User(p.host, 'alice').lingering() as alice:
                start_own(alice)
                assert 'as seen by peer@6001' in alice.ctl('peers') and 'as seen by peer@6101' in alice.ctl('--user', 'peers')
                assert '6101' not in alice.ctl('status').partition('Also here')[2]
                eventually(lambda: p.knows(PEERS[0], PEERS[1], *OWN), 'they are one network', lambda: p.peers(PEERS[0]))

                assert alice.systemctl('start', peer(PEERS[0]), check=False).returncode != 0
                eventually(lambda: alice.show(peer(PEERS[0]), 'ActiveState') == 'failed', 'it has failed for good')
                assert int(alice.show(peer(PEERS[0]), 'ExecMainStatus')) == EX_UNAVAILABLE
                assert 'in use' in alice.journal(peer(PEERS[0])), alice.journal(peer(PEERS[0]))
                assert p.state(peer(PEERS[0])) == 'active' and p.host.show(peer(PEERS[0]), 'NRestarts') == '0'
                alice.systemctl('stop', 'p2pnet.target')
                eventually(lambda: p.knows(PEERS[0], PEERS[1]), 'they have left in order')
                assert not re.search('does not answer|is dead', p.journal(peer(PEERS[0]))), p.journal(peer(PEERS[0]))


@units
def user_manager_restarts(p):
        """what a user enabled comes back with the service manager, as the same node; nothing else does"""
        with User(p.host, 'alice').lingering() as alice:
                for unit in seed(5100), peer(6101):
                        assert alice.systemctl('is-enabled', unit, check=False).stdout == 'disabled\n'
                alice.systemctl('--quiet', 'preset', peer(6102))
                assert alice.systemctl('is-enabled', peer(6102), check=False).stdout == 'disabled\n', 'the preset enables'
                p.host.run('systemctl', '--quiet', 'preset', peer(6102), seed(5100))
                assert p.host.run('systemctl', 'is-enabled', peer(6102), seed(5100), check=False).stdout == 'disabled\ndisabled\n'
                alice.systemctl('--quiet', 'enable', '--now', seed(5100), peer(6101))
                alice.systemctl('start', peer(6102))
                identity = json.loads(alice.ctl('--user', '--json=short', 'status', '-i', '6101'))['nodeId']

                pid = alice.show(peer(6101), 'MainPID')
                alice.systemctl('daemon-reexec')
                assert alice.show(peer(6101), 'MainPID') == pid and alice.show(peer(6101), 'ActiveState') == 'active'

                p.host.run('systemctl', 'restart', f'user@{alice.uid}.service')
                eventually(lambda: alice.systemctl('is-active', peer(6101), check=False).stdout == 'active\n', 'it is back')
                eventually(lambda: alice.systemctl('is-active', seed(5100), check=False).stdout == 'active\n', 'the seed is back')
                assert alice.systemctl('is-active', peer(6102), check=False).stdout == 'inactive\n'
                again = json.loads(alice.ctl('--user', '--json=short', 'status', '-i', '6101'))
                assert again['nodeId'] == identity
                alice.systemctl('--quiet', 'disable', '--now', seed(5100), peer(6101))


@units
def user_bus_restarts(p):
        """a bus of the user that goes and comes back is taken up again, and the network does not mind"""
        with User(p.host, 'alice').lingering() as alice:
                start_own(alice)
                pid = alice.show(peer(6101), 'MainPID')
                # systemctl --user reaches the manager without the bus.
                alice.systemctl('stop', 'dbus.socket', 'dbus.service')
                text = alice.ctl('--user', 'peers', status=3)
                assert text.startswith('p2pctl: nobody answers on the bus of this user, unix:path='), text
                alice.systemctl('start', 'dbus.socket')
                eventually(lambda: alice.run('p2pctl', '--user', 'is-online', '-i', '6101', check=False).returncode == 0,
                           'it is on the bus', seconds=40)
                assert alice.show(peer(6101), 'MainPID') == pid


@units
def no_bus_of_the_user(p):
        """without a bus of the user it is said which of the reasons holds, and what to do"""
        alice = User(p.host, 'alice')
        text = alice.ctl('--user', 'peers', status=3, environment=['LC_ALL=C'])
        assert 'neither XDG_RUNTIME_DIR nor DBUS_SESSION_BUS_ADDRESS is set, as after su and sudo.\n' in text, text
        text = alice.ctl('--user', 'peers', status=3, environment=[f'XDG_RUNTIME_DIR={alice.runtime}'])
        assert f'there is no {alice.runtime}/bus,' in text and 'as root: loginctl enable-linger alice\n' in text, text
        text = alice.ctl('--user', 'peers', status=3)
        assert f'nobody answers on the bus of this user, unix:path={alice.runtime}/bus: No such file or directory.\n' in text, text
        with alice.lingering():
                # Exactly what is proposed works.
                text = alice.ctl('--user', 'peers', status=3, environment=['LC_ALL=C'])
                proposed = re.search(r'^Try: export (XDG_RUNTIME_DIR=\S+)$', text, re.M)
                assert proposed, text
                text = alice.ctl('--user', 'peers', status=3, environment=[proposed[1]])
                assert 'systemctl --user start p2p-seedd@5000' in text, text
        # What needs no bus of a user works as ever.
        assert 'peer@6001' in alice.ctl('peers', environment=['LC_ALL=C'])


# -----------------------------------------------------------------------------------------------------------------------

def session(rig, source, words):
        h1, h2 = Host(rig, 'h1', 1), Host(rig, 'h2', 2)
        rig.start_all([h1, h2])
        h2.run('systemctl', 'stop', 'dbus.socket', 'dbus.service')
        h2.run('systemctl', '--quiet', 'enable', 'dbus-broker.service')
        h2.run('systemctl', '--quiet', '--global', 'enable', 'dbus-broker.service')
        h2.run('systemctl', 'start', 'dbus.socket')
        tap.run_checks([(Standing(h1, source, 'dbus-daemon: '), RIGHTS), (Standing(h2, source, 'dbus-broker: '), RIGHTS),
                        (Standing(h1, source), UNITS)], words)
        for host in h1, h2:
                host.stop()


if __name__ == '__main__':
        tap.main(__doc__, 'p2prig-users', session, sysusers=USERS)
