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

import functools
import time

import tap
from network import SEED_PORT, SETTLED_SECONDS, Network, Node
from product import CONF
from rig import Host, wait_until

CHECKS, FIRST_CHECKS = [], []


def check(function=None, *, first=False):
        """Marks a check, which returns when its fault has just been mended, and what there is to be said about it.

        @first: also for the second network."""
        if function is None:
                return functools.partial(check, first=first)

        @functools.wraps(function)
        def and_all_is_well(n):
                fact = function(n)
                took = n.whole()
                n.gossip()
                n.whole()
                n.journals()
                return (f'{fact}, ' if fact else '') + f'all well after {took:.1f} s'

        CHECKS.append(and_all_is_well)
        if first:
                FIRST_CHECKS.append(and_all_is_well)
        return function


# Forming ------------------------------------------------------------------------------------------------------------

@check(first=True)
def forms(n):
        """three hosts that start at the same time become one network"""
        n.set_up()
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
        n.peers[1].crash()


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
        n.seeds[1].crash()


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


@check(first=True)
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


@check(first=True)
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


@check(first=True)
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
