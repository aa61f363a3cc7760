#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""journalctl -x explains every message that has an id: on a booted host each is brought about for real where that can be done in
seconds, and written by hand where it cannot. Speaks TAP.

usage: test-catalog.py DEBDIR SOURCE [WORD...]

DEBDIR has our packages, SOURCE is the top of the source tree; with words only the checks whose names have one of them are
run. Needs root.
"""

import re
import time

import tap
from product import CONF, Product, eventually, peer, seed
from rig import Host

ID = r'[0-9a-f]{32}'
PEERD = '/usr/lib/p2pnet/p2p-peerd'
JUMP_SECONDS = 7                # a timer that comes more than 5 s late is a clock that jumped
# Days, wrong clocks, slow networks and lying peers: these are written by hand.
RARE = {'EPOCH_RAISED', 'GOSSIP_GAP', 'LEASE_EXPIRED', 'LINK_SLOW', 'REPORTER_IGNORED', 'REPORT_FALSE', 'UPGRADE_HELD', 'VERSION_MISMATCH'}
SAMPLES = {
        'NODE_ID': '7c1e90aa00000000000000000000000a', 'PEER_ID': '03dcd23b00000000000000000000000b', 'PEER_ADDRESS': '10.77.0.2:6001',
        'SEED': 'seed.example:5000', 'FILE': '/var/lib/p2pnet/peer-6001/identity', 'REASON': 'a reason', 'GOSSIP_TOPIC': '/deploy/web',
        'GOSSIP_ID': '7c1e90aa00000000000000000000000a-1-1',
}

CHECKS = []
check = tap.collector(CHECKS)


class Told(Product):
        """Knows all ids, and which of them some unit has told."""

        def __init__(self, host, source):
                super().__init__(host, source)
                header = (source / 'src/daemon/message-ids.h').read_text()
                self.ids = {name: (number, fields.split()) for name, number, fields in re.findall(
                        rf'^#define MESSAGE_ID_(\w+)\s+"({ID})"(?:\s+/\* (.*) \*/)?$', header, re.M)}
                self.seen = set()

        def tells(self, unit, *events, seconds=20):
                """The unit says each of these, now or soon."""
                for event in events:
                        eventually(lambda: self.told(unit, event), f'{unit} says {event}', lambda: self.journal(unit), seconds)
                        self.seen.add(event)


# For real -----------------------------------------------------------------------------------------------------------------

@check
def life(p):
        """a life in order: start, new identity, registration, links, messages, reloads, stop"""
        p.network(6001, 6002)
        p.tells(peer(6001), 'IDENTITY_NEW', 'NODE_STARTED', 'SEED_REGISTERED', 'ONLINE', 'MEMBER_JOINED', 'LINKED')
        p.tells(seed(5000), 'PEER_REGISTERED')
        p.ctl('publish', '/x', 'y', '-i', 'peer@6001')
        p.tells(peer(6002), 'GOSSIP')
        p.host.run('systemctl', 'reload', peer(6001))
        p.tells(peer(6001), 'CONFIG_LOADED')
        p.configure('links = { outgoing = 0; };\n')
        assert p.host.run('systemctl', 'reload', peer(6001), check=False).returncode != 0
        p.tells(peer(6001), 'CONFIG_REFUSED')
        p.host.run('systemctl', 'stop', peer(6002))
        p.tells(peer(6002), 'NODE_STOPPED')
        p.tells(peer(6001), 'UNLINKED', 'MEMBER_LEFT')


@check
def deaths(p):
        """one that stands still for a moment, one that does for a while, and one that is killed"""
        p.dropin(peer(6003), '[Service]\nRestart=no\n')
        p.network(6001, 6002, 6003, 6004, 6005)
        p.host.run('systemctl', 'kill', '-s', 'STOP', peer(6002))
        eventually(lambda: p.peers(6001)['127.0.0.1:6002'][0] == 'suspect', '6002 is suspect', lambda: p.peers(6001), 20)
        p.host.run('systemctl', 'kill', '-s', 'CONT', peer(6002))
        p.tells(peer(6002), 'REFUTED')
        p.tells(peer(6001), 'PEER_SILENT', 'MEMBER_SUSPECT', 'MEMBER_ALIVE')

        p.host.run('systemctl', 'kill', '-s', 'KILL', peer(6003))
        p.host.run('systemctl', 'kill', '-s', 'STOP', peer(6002))
        time.sleep(JUMP_SECONDS)
        p.host.run('systemctl', 'kill', '-s', 'CONT', peer(6002))
        p.tells(peer(6002), 'CLOCK_JUMP')
        p.tells(peer(6001), 'MEMBER_DEAD')
        p.tells(seed(5000), 'PEER_DEAD')


@check
def seeds(p):
        """seeds that come and go, and none at all"""
        p.dropin(seed(5000), '[Service]\nRestart=no\n')
        p.start(peer(6001))
        p.tells(peer(6001), 'ISOLATED', 'SEED_UNREACHABLE')
        p.start(seed(5000), seed(5007))
        p.tells(seed(5007), 'SEED_ADDED', 'SEED_LINKED')
        eventually(lambda: p.ctl('seeds', '-i', 'peer@6001').count(' registered ') == 2, 'registered with both', seconds=30)
        p.host.run('systemctl', 'kill', '-s', 'KILL', seed(5000))
        p.tells(seed(5007), 'SEED_UNLINKED')
        p.tells(peer(6001), 'SEED_LOST')


@check
def bus(p):
        """a bus that goes away and comes back, and a program that does not read what it subscribed to"""
        p.network(6001, 6002)
        p.host.run('sh', '-c', 'p2pctl -i peer@6001 subscribe --raw "/much/*" >/dev/null 2>&1 & echo $! >/tmp/reader')
        eventually(lambda: p.call(6001, 'GetStatistics')['Subscriptions'] == 1, 'a subscription')
        p.host.run('sh', '-c', 'kill -s STOP $(cat /tmp/reader); head -c 60000 /dev/zero | tr "\\0" x >/tmp/much')
        try:
                for number in range(20):
                        p.host.run('sh', '-c', f'p2pctl -q -i peer@6002 publish /much/{number} - </tmp/much')
                p.tells(peer(6001), 'GOSSIP_LOST')
        finally:
                p.host.run('sh', '-c', 'kill -s KILL $(cat /tmp/reader)')
        p.host.run('systemctl', 'stop', 'dbus.socket', 'dbus.service')
        p.tells(peer(6001), 'BUS_LOST')
        p.host.run('systemctl', 'start', 'dbus.socket')
        p.tells(peer(6001), 'BUS_BACK', seconds=40)


@check
def state(p):
        """state that is damaged, another user's, on a full disk, or a copy of another node's"""
        p.network(6001, 6002)
        states = '/var/lib/p2pnet'
        p.host.run('cp', '-a', f'{states}/peer-6001', f'{states}/peer-6003')
        p.start(peer(6003))
        p.tells(peer(6003), 'IDENTITY_DUPLICATE')
        eventually(lambda: any(p.told(unit, 'DUPLICATE_REFUSED') for unit in (peer(6001), peer(6002), seed(5000))), 'it is refused')
        p.seen.add('DUPLICATE_REFUSED')

        p.host.run('systemctl', 'stop', peer(6002), peer(6003))
        p.host.run('sh', '-c', f'echo garbage >{states}/peer-6002/identity')
        p.start(peer(6002))
        p.tells(peer(6002), 'STATE_DAMAGED')
        p.host.run('mount', '-t', 'tmpfs', '-o', 'size=4k,nr_inodes=1', 'full', f'{states}/peer-6003')
        try:
                p.start(peer(6003))
                p.tells(peer(6003), 'STATE_NOT_WRITABLE')
        finally:
                p.host.run('systemctl', 'stop', peer(6003))
                p.host.run('umount', f'{states}/peer-6003')


@check
def starts_that_fail(p):
        """a port that is taken, an address that is not there, state of another user, what systemd cannot set up"""
        states = '/var/lib/p2pnet'
        p.start(peer(6001))
        p.host.run('systemd-run', '--quiet', '--collect', '--unit=by-hand', PEERD, '--state-dir=/tmp/by-hand', '6001')
        p.tells('by-hand.service', 'PORT_IN_USE')

        p.configure('listen = { address = [ "10.77.0.9" ]; };\nsecurity = { mode = "none"; accept-plaintext = true; };\n')
        p.host.run('systemctl', 'start', '--no-block', peer(6002))
        p.tells(peer(6002), 'ADDRESS_AWAY')
        p.host.run('rm', f'{CONF}/p2pnet.conf.d/50-test.conf')

        p.host.run('systemctl', 'stop', peer(6001))
        p.host.run('sh', '-c', f'mv {states}/peer-6001 /tmp/theirs; chown -R root: /tmp/theirs; chmod 755 /tmp/theirs')
        p.host.run('systemd-run', '--quiet', '--collect', '--unit=theirs', '-p', 'User=p2pnet', PEERD, '--state-dir=/tmp/theirs', '6009')
        p.tells('theirs.service', 'STATE_DENIED')

        p.host.run('sh', '-c', f'rm -rf {states}/peer-6004; echo >{states}/peer-6004')
        assert p.host.run('systemctl', 'start', peer(6004), check=False).returncode != 0
        eventually(lambda: p.entries(f'MESSAGE_ID={p.ids["NOT_STARTED"][0]}'), 'it is said why', lambda: p.journal(peer(6004)))
        p.seen.add('NOT_STARTED')


@check
def strangers(p):
        """a program that speaks something else, a node of another network, a node that is not wanted"""
        p.host.write(f'{CONF}/peer@6003.conf.d/other.conf', 'network = "other";\n')
        p.host.write(f'{CONF}/seeds.d/wrong.conf', 'seeds = ( { host = "127.0.0.1"; port = 6001; } );\n')
        p.network(6001)
        p.start(peer(6002), peer(6003))
        p.tells(peer(6001), 'SESSION_REFUSED')          # 6002 takes it for a seed
        p.tells(peer(6002), 'SEED_UNREACHABLE')
        assert 'Seed 127.0.0.1:6001 cannot be reached: that is a peer, not a seed. ' in p.journal(peer(6002)), p.journal(peer(6002))
        p.tells(peer(6003), 'NETWORK_MISMATCH')
        p.host.run('bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/6001; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3 >/dev/null')
        p.tells(peer(6001), 'PROTOCOL_ERROR')


# Explained ------------------------------------------------------------------------------------------------------------------

@check
def every_id(p):
        """every id is one that the checks above have brought about, or too rare for that"""
        assert p.seen | RARE == p.ids.keys(), f'missing: {p.ids.keys() - p.seen - RARE}, too much: {(p.seen | RARE) - p.ids.keys()}'
        for name in RARE:
                number, fields = p.ids[name]
                text = ''.join(f'{field}={SAMPLES[field]}\n' for field in fields)
                p.host.run('logger', '--journald', input=f'MESSAGE_ID={number}\nMESSAGE=written by hand\n'
                                                        f'SYSLOG_IDENTIFIER=p2p-peerd\nPRIORITY=5\n{text}')


@check
def explained(p):
        """journalctl -x shows for each what happened, why, and what to do, with every field filled in"""
        p.host.run('journalctl', '--sync')
        for name, (number, _) in p.ids.items():
                text = p.host.run('journalctl', '--no-pager', '--quiet', '--catalog', '--lines=1', f'MESSAGE_ID={number}').stdout
                lines = [line[2:].strip() for line in text.splitlines() if line.startswith('░░')]
                while lines and not lines[-1]:
                        lines.pop()
                assert lines and lines[0].startswith('Subject: '), f'{name}: no explanation:\n{text}'
                parts = '\n'.join(lines).split('\n\n')
                assert len(parts) == 4, f'{name}: {len(parts) - 1} paragraphs:\n{text}'
                assert not re.search('@[A-Z_]+@', text), f'{name}: a field is missing:\n{text}'
                assert not re.search(r'\.\.$', text, re.M), f'{name}: two full stops:\n{text}'
        return f'{len(p.ids)} ids, {len(p.seen)} of them for real'


# -----------------------------------------------------------------------------------------------------------------------------

def session(rig, source, words):
        host = Host(rig, 'h1', 1)
        host.start()
        tap.run_checks([(Told(host, source), CHECKS)], words)
        host.stop()


if __name__ == '__main__':
        tap.main(__doc__, 'p2prig-catalog', session)
