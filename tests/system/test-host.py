#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The installed product on one booted host: units, D-Bus, journal, configuration, restarts, users. Speaks TAP.

usage: test-host.py DEBDIR SOURCE [WORD...]

DEBDIR holds our .deb, SOURCE is the top of the source tree; with words only the checks whose names have one of them are
run. Needs root. Each check begins on a clean host.
"""

import json
import re
import select
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import tap
from product import CONF, NODE, Product, eventually, peer, seed
from rig import Host

PEERD = '/usr/lib/p2pnet/p2p-peerd'
EX_USAGE, EX_UNAVAILABLE, EX_CONFIG = 64, 69, 78

# Users for the tests: alice is anybody, carol may publish.
USERS = 'u alice - - /home/alice /bin/sh\nu carol - -\nm carol p2pnet-ctl\n'

CHECKS = []
check = tap.collector(CHECKS)


# Installed ----------------------------------------------------------------------------------------------------------

@check
def installed(p):
        """the installation has its users and units, and nothing of it is enabled"""
        assert 'p2pnet-ctl' in p.host.run('getent', 'group', 'p2pnet-ctl').stdout
        assert 'nologin' in p.host.run('getent', 'passwd', 'p2pnet').stdout
        for unit in peer(6001), seed(5000):
                assert p.host.run('systemctl', 'is-enabled', unit, check=False).stdout.strip() == 'disabled'
        for manager in '--system', '--user':
                verified = p.host.run('env', 'XDG_RUNTIME_DIR=/run', 'systemd-analyze', 'verify', '--man=no', manager,
                                      peer(6001), seed(5000), 'p2pnet.target', 'p2pnet.slice')
                assert verified.stdout == '', verified.stdout


@check
def finds(p):
        """a seed and two peers find each other, with the configuration as shipped"""
        p.network(6001, 6002)
        text = p.ctl('peers', '-i', 'peer@6001')
        assert re.search(r'\S+:6002 +127\.0\.0\.1:6002 +alive +(in|out)\b', text), text
        text = p.ctl('peers', '-i', 'seed@5000')
        for port in 6001, 6002:
                assert re.search(rf':{port} +127\.0\.0\.1:{port} +alive', text), text
        text = p.ctl('seeds', '-i', 'peer@6001')
        assert re.search(r'127\.0\.0\.1:5000 +\S+ +registered', text), text
        assert 'online' in p.ctl('status')
        p.ctl('is-online')


@check
def status_line(p):
        """systemctl status has a telling line"""
        p.network(6001, 6002)
        eventually(lambda: re.search(r'\d+ members?, 1 link, 1 of \d seeds?', p.status(peer(6001))), 'a telling STATUS',
                   lambda: p.status(peer(6001)))
        eventually(lambda: re.search(r'2 peers', p.status(seed(5000))), 'the number of peers in the STATUS of the seed',
                   lambda: p.status(seed(5000)))
        assert 'Status: "' in p.host.run('systemctl', 'status', '--no-pager', peer(6001)).stdout


@check
def journal(p):
        """the journal tells what happened, in sentences and in fields, and the catalog explains it"""
        p.network(6001, 6002)
        text = p.journal(peer(6001))
        assert re.search(r'^Listening on 127\.0\.0\.1:6001 ', text, re.M), text
        assert re.search(r'^Registered with seed 127\.0\.0\.1:5000', text, re.M), text
        assert re.search(r'^Linked to \S+ at 127\.0\.0\.1:6002', text, re.M), text

        node_id = p.property(6001, 'NodeId')
        other_id = p.property(6002, 'NodeId')
        assert p.entries('_SYSTEMD_UNIT=' + peer(6001), f'NODE_ID={node_id}')
        assert any(entry['MESSAGE_ID'] for entry in p.entries('_SYSTEMD_UNIT=' + peer(6001), f'PEER_ID={other_id}'))
        explained = p.journal(peer(6001), '--output=short', '--catalog')
        assert 'Subject: Linked to a peer' in explained, explained
        assert not re.search(r'^░░.*@[A-Z_]+@', explained, re.M), explained


@check
def introspection(p):
        """live introspection shows the interfaces of dbus/, no more and no less"""
        p.network(6001, 6002)

        def shape(xml):
                """interface: its members with their types, in no order"""
                return {interface.get('name'): {
                                (member.tag, member.get('name'), member.get('type'), member.get('access'),
                                 tuple((arg.get('name'), arg.get('type'), arg.get('direction'))
                                       for arg in member.findall('arg')))
                                for member in interface if member.tag != 'annotation'}
                        for interface in ElementTree.fromstring(xml).iter('interface')}

        other = f'{NODE}/peer/{p.property(6002, "NodeId")}'
        compared = set()
        for port, path in (5000, NODE), (6001, NODE), (6001, other):
                live = shape(p.host.run('busctl', 'introspect', '--xml-interface', p.name(port), path).stdout)
                for name in live:
                        written = p.source / 'dbus' / f'{name}.xml'
                        if name.startswith('org.p2pnet.'):
                                wanted = shape(written.read_text())[name]
                                assert live[name] == wanted, f'{name}: {live[name] ^ wanted}'
                                compared.add(name)
                assert 'METHOD' in p.host.run('busctl', 'introspect', p.name(port), path).stdout.upper()
        assert compared == {'org.p2pnet.Node1.Manager', 'org.p2pnet.Node1.Peer', 'org.p2pnet.Node1.Seed'}, compared


@check
def gossip(p):
        """a published message reaches another peer's subscriber and can be traced in the journal"""
        p.network(6001, 6002, 6003)
        with subprocess.Popen(p.host.inside() + ['p2pctl', 'subscribe', '/test/*', '-i', 'peer@6003'], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as subscriber:
                try:
                        eventually(lambda: 'subscription' in p.host.run('busctl', 'tree', '--list', p.name(6003)).stdout,
                                   'a subscription')
                        published = p.ctl('publish', '/test/one', 'hello there', '-i', 'peer@6001', '--json=short')
                        line = subscriber.stdout.readline() if wait_readable(subscriber.stdout, 5) else ''
                finally:
                        subscriber.terminate()
        assert '/test/one' in line and 'hello there' in line, line

        message = json.loads(published)['id']

        def arrived():
                return {entry['_SYSTEMD_UNIT'] for entry in p.entries(f'GOSSIP_ID={message}')}

        eventually(lambda: {peer(6002), peer(6003)} <= arrived(), 'in the journals of 6002 and 6003', arrived)


def wait_readable(stream, seconds):
        return bool(select.select([stream], [], [], seconds)[0])


# Configuration ------------------------------------------------------------------------------------------------------

@check
def reload_good(p):
        """reload takes a new configuration over, without a restart"""
        p.network(6001, 6002)
        pid = p.pid(peer(6001))
        p.configure('log = { level = "debug"; };\n')
        p.host.run('systemctl', 'reload', peer(6001))
        assert p.host.run('systemctl', 'service-log-level', peer(6001)).stdout.strip() == 'debug'
        assert p.host.run('systemctl', 'service-log-level', peer(6002)).stdout.strip() == 'info'
        assert p.pid(peer(6001)) == pid
        assert p.knows(6001, 6002)


@check
def reload_bad(p):
        """reload refuses a bad configuration, says where the mistake is, and the old one stays"""
        p.network(6001, 6002)
        pid = p.pid(peer(6001))
        before = p.describe(6001)['links']['outgoingTarget']
        p.configure('# a comment\nlinks = { outgoing = 0; };\n')
        result = p.host.run('systemctl', 'reload', peer(6001), check=False)
        assert result.returncode != 0, 'reload succeeded'
        where = f'{CONF}/p2pnet.conf.d/50-test.conf:2: links.outgoing: found 0, accepted is 1 to 64'
        eventually(lambda: f'reload refused: {where}' in p.status(peer(6001)), 'STATUS says so',
                   lambda: p.status(peer(6001)), 3)
        assert where in p.journal(peer(6001))
        assert where in p.ctl('reload', '-i', 'peer@6001', status=1)
        assert where in p.ctl('config', 'check', status=1)
        assert p.state(peer(6001)) == 'active' and p.pid(peer(6001)) == pid
        assert p.describe(6001)['links']['outgoingTarget'] == before
        assert p.knows(6001, 6002)

        p.configure('links = { outgoing = 3; };\n')
        p.host.run('systemctl', 'reload', peer(6001))
        eventually(lambda: 'refused' not in p.status(peer(6001)), 'STATUS says so', lambda: p.status(peer(6001)), 3)
        assert p.describe(6001)['links']['outgoingTarget'] == 3


@check
def reload_seed(p):
        """a seed reloads as well, and refuses as well"""
        p.start(seed(5000))
        p.host.run('systemctl', 'reload', seed(5000))
        p.configure('log = { level = "loud"; };\n')
        assert p.host.run('systemctl', 'reload', seed(5000), check=False).returncode != 0
        eventually(lambda: 'reload refused' in p.status(seed(5000)) and 'log.level: found "loud"' in p.status(seed(5000)),
                   'STATUS says so', lambda: p.status(seed(5000)), 3)


@check
def start_bad(p):
        """a bad configuration is a sentence with file, line and key, exit status 78, and no restart"""
        p.configure('liveness = { strikes = "many"; };\n')
        for unit in peer(6001), seed(5000):
                p.ends_for_good(unit, EX_CONFIG)
                assert f'{CONF}/p2pnet.conf.d/50-test.conf:1: liveness.strikes' in p.journal(unit), p.journal(unit)


@check
def start_without_configuration(p):
        """without any file in /etc/p2pnet the daemons run on their defaults"""
        p.host.run('rm', '-rf', CONF)
        p.network(6001, 6002)


@check
def beyond_loopback(p):
        """listening beyond loopback wants a word about security first"""
        p.configure('listen = { address = [ "10.77.0.1" ]; };\n')
        p.ends_for_good(peer(6001), EX_CONFIG)
        accepted = 'security = { mode = "none"; accept-plaintext = true; };'
        assert accepted in p.journal(peer(6001)), p.journal(peer(6001))

        p.configure(f'listen = {{ address = [ "10.77.0.1" ]; }};\n{accepted}\n')
        p.start(peer(6001))
        assert p.property(6001, 'ListenAddresses') == ['10.77.0.1:6001']


@check
def address_to_come(p):
        """a peer whose address is not there yet says so, runs, and can be reached as soon as it is"""
        p.configure('listen = { address = [ "10.77.0.9" ]; };\nsecurity = { mode = "none"; accept-plaintext = true; };\n')
        p.start(peer(6001))
        assert 'This host has no address 10.77.0.9' in p.journal(peer(6001)), p.journal(peer(6001))
        p.host.run('ip', 'address', 'add', '10.77.0.9/24', 'dev', 'eth0')
        try:
                p.host.run('bash', '-c', 'exec 3<>/dev/tcp/10.77.0.9/6001')
                assert p.host.show(peer(6001), 'NRestarts') == '0'
        finally:
                p.host.run('ip', 'address', 'del', '10.77.0.9/24', 'dev', 'eth0')


# Life ---------------------------------------------------------------------------------------------------------------

@check
def restart(p):
        """a restarted peer keeps its identity, has a higher epoch, and is linked again"""
        p.network(6001, 6002)
        identity, epoch = p.property(6001, 'NodeId'), p.property(6001, 'Epoch')
        p.host.run('systemctl', 'restart', peer(6001))
        assert p.property(6001, 'NodeId') == identity
        assert p.property(6001, 'Epoch') > epoch
        eventually(lambda: p.knows(6001, 6002) and p.knows(6002, 6001), 'both know each other again')


@check
def stop(p):
        """a stopped peer leaves in order: nobody takes it for dead"""
        p.network(6001, 6002)
        gone = p.property(6001, 'NodeId')
        p.host.run('systemctl', 'stop', peer(6001))
        assert p.host.show(peer(6001), 'Result') == 'success' and p.host.show(peer(6001), 'ExecMainStatus') == '0'
        eventually(lambda: p.knows(6002) and p.knows(5000, 6002), '6001 is gone', lambda: p.peers(6002))
        rows = {row[0]: row[4] for row in p.call(6002, 'ListPeers', 'ta{sv}', 1, 0)}
        assert rows.get(gone) == 'left', rows
        for unit in peer(6002), seed(5000):
                assert not re.search(r'\b(suspect|dead|does not answer)\b', p.journal(unit)), p.journal(unit)


@check
def target(p):
        """p2pnet.target stops all instances, and starts the enabled ones"""
        p.network(6001, 6002)
        p.host.run('systemctl', 'enable', '--quiet', seed(5000), peer(6002))
        p.host.run('systemctl', 'stop', 'p2pnet.target')
        units = seed(5000), peer(6001), peer(6002)
        eventually(lambda: [p.state(unit) for unit in units] == ['inactive'] * 3, 'all are stopped')
        p.host.run('systemctl', 'start', 'p2pnet.target')
        eventually(lambda: [p.state(unit) for unit in units] == ['active', 'inactive', 'active'], 'the enabled ones are back')


@check
def killed(p):
        """a killed peer is started again, with its identity, and is linked again"""
        p.network(6001, 6002)
        identity, pid = p.property(6001, 'NodeId'), p.pid(peer(6001))
        p.host.run('systemctl', 'kill', '-s', 'KILL', peer(6001))
        eventually(lambda: p.runs_as_another(peer(6001), pid), 'it runs again')
        assert p.host.show(peer(6001), 'NRestarts') == '1'
        assert p.property(6001, 'NodeId') == identity
        eventually(lambda: p.knows(6001, 6002) and p.knows(6002, 6001), 'both know each other again')


@check
def dead(p):
        """a peer that is killed and stays away is noticed, and the seed drops it from its list"""
        p.dropin(peer(6003), '[Service]\nRestart=no\n')
        p.network(6001, 6002, 6003)
        p.host.run('systemctl', 'kill', '-s', 'KILL', peer(6003))
        eventually(lambda: p.knows(5000, 6001, 6002), 'the seed drops it', lambda: p.peers(5000), 20)
        eventually(lambda: p.knows(6001, 6002), 'the peers know', lambda: p.peers(6001), 60)
        assert re.search(r':6003 is dead: ', p.journal(seed(5000))), p.journal(seed(5000))


@check
def watchdog(p):
        """a peer that hangs is ended by the watchdog and started again"""
        p.dropin(peer(6001), '[Service]\nWatchdogSec=2s\n')
        p.network(6001, 6002)
        time.sleep(3)
        assert p.host.show(peer(6001), 'NRestarts') == '0', 'a healthy loop did not feed the watchdog'
        pid = p.pid(peer(6001))
        p.host.run('systemctl', 'kill', '-s', 'STOP', peer(6001))
        eventually(lambda: p.runs_as_another(peer(6001), pid), 'it runs again', seconds=20)
        assert 'Watchdog timeout' in p.journal(peer(6001))
        eventually(lambda: p.knows(6002, 6001), '6002 has it back')


@check
def reboot(p):
        """after a reboot the enabled instances are back by themselves, with their identities"""
        p.network(6001, 6002)
        before = {port: (p.property(port, 'NodeId'), p.property(port, 'Epoch')) for port in (5000, 6001, 6002)}
        p.host.run('systemctl', 'enable', '--quiet', seed(5000), peer(6001), peer(6002))
        p.host.reboot()
        eventually(lambda: p.knows(6001, 6002) and p.knows(6002, 6001) and p.knows(5000, 6001, 6002), 'the network is back')
        for port, (identity, epoch) in before.items():
                assert p.property(port, 'NodeId') == identity, port
                assert p.property(port, 'Epoch') > epoch, port


@check
def port_taken(p):
        """a port that is taken is a sentence, exit status 69, and no restart"""
        p.host.run('systemd-run', '--quiet', '--unit=squatter', 'systemd-socket-activate', '-l', '127.0.0.1:6003', 'true')
        try:
                eventually(lambda: ':6003' in p.host.run('ss', '-ltn').stdout, 'the squatter listens')
                p.ends_for_good(peer(6003), EX_UNAVAILABLE)
                assert re.search(r'6003.* in use', p.journal(peer(6003))), p.journal(peer(6003))
        finally:
                p.host.run('systemctl', 'stop', 'squatter')


@check
def second_daemon(p):
        """a second daemon on the same port ends with a sentence, and the first one does not mind"""
        p.network(6001, 6002)
        result = p.host.run(PEERD, '--state-dir=/var/lib/p2pnet/second', '6001', check=False, timeout=10)
        assert result.returncode == EX_UNAVAILABLE, f'{result.returncode}: {result.stdout}'
        assert '6001' in result.stdout, result.stdout
        assert p.knows(6001, 6002) and p.host.show(peer(6001), 'NRestarts') == '0'


@check
def bad_port(p):
        """an instance name that is no port is a sentence, exit status 64, and no restart"""
        for name in 'web', '0', '65536', '6001x':
                p.ends_for_good(f'p2p-peerd@{name}.service', EX_USAGE)
                assert f'"{name}"' in p.journal(f'p2p-peerd@{name}.service')


@check
def damaged_state(p):
        """damaged state is set aside and logged, and the peer runs without it"""
        p.network(6001, 6002)
        identity = p.property(6001, 'NodeId')
        p.host.run('systemctl', 'stop', peer(6001))
        p.host.run('sh', '-c', 'for f in /var/lib/p2pnet/peer-6001/*; do echo garbage > "$f"; done')
        p.start(peer(6001))
        assert p.property(6001, 'NodeId') != identity
        aside = p.told(peer(6001), 'STATE_DAMAGED')
        assert aside and all('/var/lib/p2pnet/peer-6001/' in line for line in aside), aside
        eventually(lambda: p.knows(6002, 6001), '6002 has it back', lambda: p.peers(6002))


@check
def full_disk(p):
        """a state directory that is full is logged once, and the peer runs without it"""
        directory = '/var/lib/p2pnet/peer-6001'
        p.host.run('mkdir', '-p', directory)
        p.host.run('mount', '-t', 'tmpfs', '-o', 'size=4k,nr_inodes=1', 'full', directory)
        try:
                p.network(6001, 6002)
                told = p.told(peer(6001), 'STATE_NOT_WRITABLE')
                assert told and len(told) <= 2, told            # one for each file
                p.host.run('systemctl', 'stop', peer(6001))
                assert p.host.show(peer(6001), 'Result') == 'success'
        finally:
                p.host.run('systemctl', 'stop', peer(6001))
                p.host.run('umount', directory)


# Seeds --------------------------------------------------------------------------------------------------------------

@check
def self_added(p):
        """a seed that is not in the list adds itself, running peers take it up, and it goes when the seed stops"""
        p.network(6001)
        p.start(seed(5007))
        dropin = '/run/p2pnet/seeds.d/5007.conf'
        assert '5007' in p.host.read(dropin)
        eventually(lambda: any(row[0].endswith(':5007') for row in p.call(6001, 'ListSeeds')), 'the peer knows 5007',
                   lambda: p.call(6001, 'ListSeeds'), 30)
        p.host.run('systemctl', 'stop', seed(5007))
        assert p.host.run('test', '-e', dropin, check=False).returncode != 0, 'the drop-in is still there'
        eventually(lambda: not any(row[0].endswith(':5007') for row in p.call(6001, 'ListSeeds')), 'the peer forgets 5007',
                   lambda: p.call(6001, 'ListSeeds'), 30)
        assert p.host.run('test', '-e', '/run/p2pnet/seeds.d/5000.conf', check=False).returncode != 0, \
                'the seed that is in the list has a drop-in'


@check
def self_added_killed(p):
        """the drop-in of a killed seed goes as well"""
        p.dropin('p2p-seedd@5007.service', '[Service]\nRestart=no\n')
        p.start(seed(5007))
        dropin = '/run/p2pnet/seeds.d/5007.conf'
        p.host.run('test', '-e', dropin)
        p.host.run('systemctl', 'kill', '-s', 'KILL', seed(5007))
        eventually(lambda: p.host.run('test', '-e', dropin, check=False).returncode != 0, 'the drop-in is gone')


@check
def spawn_seeds(p):
        """spawn-seeds starts units, skips ports in use, and says what it started"""
        p.start(seed(5001))
        text = p.ctl('spawn-seeds', '3', '--first-port=5000')
        for port in 5000, 5002, 5003:
                assert str(port) in text, text
                eventually(lambda: p.state(seed(port)) == 'active', f'seed {port} runs')
        assert p.state(seed(5004)) == 'inactive'
        assert p.host.show(seed(5001), 'NRestarts') == '0'


# Users --------------------------------------------------------------------------------------------------------------

@check
def users(p):
        """anybody may read; publishing is for root and the group p2pnet-ctl"""
        p.network(6001, 6002)
        for user in 'alice', 'carol', None:
                assert ':6002' in p.ctl('peers', '-i', 'peer@6001', user=user)
        text = p.ctl('publish', '/x', 'y', '-i', 'peer@6001', user='alice', status=4)
        assert 'p2pnet-ctl' in text, text
        p.ctl('reload', '-i', 'peer@6001', user='alice', status=4)
        p.ctl('publish', '/x', 'y', '-i', 'peer@6001', user='carol')
        p.ctl('publish', '/x', 'y', '-i', 'peer@6001')


@check
def user_units(p):
        """the same templates run as units of a user, on the user's bus"""
        host = p.host
        uid = host.run('id', '-u', 'alice').stdout.strip()
        host.run('install', '-d', '-o', 'alice', '-g', 'alice', '/home/alice')
        host.run('loginctl', 'enable-linger', 'alice')
        try:
                def alice(*args, check=True):
                        return host.run('env', f'XDG_RUNTIME_DIR=/run/user/{uid}',
                                        f'DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{uid}/bus',
                                        'HOME=/home/alice', *args, user='alice', check=check)

                eventually(lambda: 'running' in alice('systemctl', '--user', 'is-system-running', check=False).stdout.split(),
                           "alice's service manager runs")
                alice('systemctl', '--user', 'start', seed(5000), peer(6001), peer(6002))
                eventually(lambda: ':6002' in alice('p2pctl', '--user', 'peers', '-i', 'peer@6001', check=False).stdout,
                           'they find each other')
                alice('systemctl', '--user', 'reload', peer(6001))
                alice('p2pctl', '--user', 'publish', '/x', 'y', '-i', 'peer@6001')
                alice('systemctl', '--user', 'stop', 'p2pnet.target')
                for unit in seed(5000), peer(6001):
                        assert alice('systemctl', '--user', 'show', '-P', 'Result', unit).stdout.strip() == 'success'
        finally:
                host.run('loginctl', 'disable-linger', 'alice')
                host.run('systemctl', 'stop', f'user@{uid}.service')


@check
def by_hand(p):
        """started by hand by an ordinary user it runs, logs to standard error, and leaves in order upon Ctrl-C"""
        p.network(6001)
        p.host.run('install', '-d', '-o', 'alice', '-g', 'alice', '/home/alice')
        result = p.host.run('env', 'HOME=/home/alice', 'timeout', '--signal=INT', '--preserve-status', '3', PEERD, '6002',
                            user='alice', check=False)
        assert result.returncode == 0, f'{result.returncode}: {result.stdout}'
        assert 'Listening on 127.0.0.1:6002' in result.stdout, result.stdout
        assert re.search(r'Linked to \S+ at 127\.0\.0\.1:6001', result.stdout), result.stdout
        eventually(lambda: p.knows(6001), 'it has left')
        assert 'does not answer' not in p.journal(peer(6001)), p.journal(peer(6001))

        result = p.host.run(PEERD, user='alice', check=False)
        assert result.returncode == EX_USAGE, f'{result.returncode}: {result.stdout}'


# Sandbox and bus ----------------------------------------------------------------------------------------------------

@check
def sandbox(p):
        """the sandbox is in effect"""
        p.start(seed(5000), peer(6001))
        for unit in seed(5000), peer(6001):
                pid = p.pid(unit)
                status = dict(re.findall(r'^(\w+):\t(.*)$', p.host.read(f'/proc/{pid}/status'), re.M))
                assert status['Uid'].split()[0] == p.host.run('id', '-u', 'p2pnet').stdout.strip()
                assert (status['NoNewPrivs'], status['Seccomp'], int(status['CapBnd'], 16)) == ('1', '2', 0), status

                def inside(*args):
                        return p.host.run('nsenter', '-t', str(pid), '-m', *args, check=False)

                for path in '/usr/x', '/etc/p2pnet/x', '/var/lib/x', '/sys/x':
                        assert 'Read-only file system' in inside('touch', path).stdout, path
                role = 'peer-6001' if unit == peer(6001) else 'seed-5000'
                for path in '/tmp/x', '/var/tmp/x', '/dev/shm/x', '/run/p2pnet/x', f'/var/lib/p2pnet/{role}/x':
                        assert inside('cp', '/usr/bin/true', path).returncode == 0, path
                        assert 'Permission denied' in inside(path).stdout, f'{path} can be run'
                assert inside('ls', '/home').stdout == '', 'it sees /home'
                assert inside('test', '-e', '/dev/null').returncode == 0
                assert inside('test', '-e', '/dev/kmsg').returncode != 0


@check
def without_bus(p):
        """a peer that starts without the bus runs, and takes the bus up when it comes"""
        p.host.run('systemctl', 'stop', 'dbus.socket', 'dbus.service')
        p.start(seed(5000), peer(6001), peer(6002))
        assert p.state(peer(6001)) == 'active'
        p.host.run('systemctl', 'start', 'dbus.socket')
        eventually(lambda: p.on_bus(6001), 'it has its name', seconds=40)
        eventually(lambda: p.knows(6001, 6002), 'the network is there')


@check
def bus_lost(p):
        """a bus that goes away is one warning; the network lives on and the bus is taken up again"""
        p.network(6001, 6002)
        pids = [p.pid(unit) for unit in (seed(5000), peer(6001), peer(6002))]
        p.host.run('systemctl', 'stop', 'dbus.socket', 'dbus.service')
        time.sleep(3)
        p.host.run('systemctl', 'start', 'dbus.socket')
        eventually(lambda: p.on_bus(6001) and p.on_bus(6002) and p.on_bus(5000), 'they have their names back', seconds=40)
        assert [p.pid(unit) for unit in (seed(5000), peer(6001), peer(6002))] == pids, 'a daemon ended with the bus'
        warnings = p.told(peer(6001), 'BUS_LOST')
        assert len(warnings) == 1, warnings
        assert p.knows(6001, 6002)
        assert not re.search(r'does not answer', p.journal(peer(6001)))


@check
def other_bus(p):
        """names, policy and authorisation are the same with dbus-broker"""
        def switch(verb):
                p.host.run('systemctl', 'stop', 'dbus.socket', 'dbus.service')
                p.host.run('systemctl', verb, '--quiet', 'dbus-broker.service')
                p.host.run('systemctl', 'start', 'dbus.socket')

        assert p.host.show('dbus.service', 'Id') == 'dbus.service', 'the other checks have not been with dbus-daemon'
        switch('enable')
        try:
                p.network(6001, 6002)
                assert p.host.show('dbus.service', 'Id') == 'dbus-broker.service'
                assert ':6002' in p.ctl('peers', '-i', 'peer@6001', user='alice')
                p.ctl('publish', '/x', 'y', '-i', 'peer@6001', user='alice', status=4)
                p.ctl('publish', '/x', 'y', '-i', 'peer@6002', user='carol')
                p.host.run('systemctl', 'reload', peer(6001))
                stolen = p.host.run('busctl', 'call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'RequestName', 'su',
                                    'org.p2pnet.Peer1.p6009', 0, user='alice', check=False)
                assert stolen.returncode != 0, 'alice owns a name of ours'
        finally:
                switch('disable')


# ---------------------------------------------------------------------------------------------------------------------

def session(rig, source, words):
        host = Host(rig, 'h1', 1, keep=('/var/lib/p2pnet', '/etc/systemd/system/p2pnet.target.wants'))
        host.start()
        tap.run_checks([(Product(host, source), CHECKS)], words)
        host.stop()


if __name__ == '__main__':
        tap.main(__doc__, 'p2prig-host', session, sysusers=USERS)
