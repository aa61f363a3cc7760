#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another implementation of the protocol, the model in Python, as a member of a network of real daemons."""

import contextlib
import re
import socket
import threading
import time
import unittest

from network import Attended, NetworkTest, SharedNetworkTest, free_ports, model, port_of

SETTLE_SECONDS = 0.4    # in which a second copy would have come


def dial(node, instance, **options):
    return model.Session.dial(node, "127.0.0.1", port_of(instance), **options)


@contextlib.contextmanager
def link(node, instance, priority=model.HIGH):
    """A link to a real peer, attended."""
    session = dial(node, instance)
    if not session.neighbor(priority):
        session.sock.close()
        raise AssertionError(f"{instance} is busy")
    with Attended(session) as attended:
        yield attended


class Listener:
    """Where the model can be called. Each caller gets handle(session), in one thread."""

    def __init__(self, node, handle):
        self.node, self.handle = node, handle
        self.error = None
        self.is_stopping = False
        self.socket = socket.create_server(("127.0.0.1", node.port))
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_stopping:
            try:
                session = model.Session.accept(self.node, self.socket, timeout=0.2)
            except TimeoutError:
                continue
            except (model.Closed, OSError):
                continue
            try:
                self.handle(session)
            except (model.Closed, OSError):
                session.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_stopping = True
        self.thread.join()
        self.socket.close()


class Gossip(SharedNetworkTest):
    SEEDS, PEERS = 1, 3

    def counter(self, instance, name):
        return self.net.json("-i", instance, "statistics")["statistics"][name]

    def test_it_gets_exactly_one_copy_over_each_link(self):
        with contextlib.ExitStack() as stack:
            node = self.net.node()
            links = [stack.enter_context(link(node, peer)) for peer in self.net.peers]
            for one in links[1:]:
                one.session.send("GRAFT", range=[])      # where there is a tree, only the first link of a newcomer is in it
            publisher = self.net.json("-i", self.net.peers[0], "show")
            for number in range(1, 4):
                self.net.ctl("-i", self.net.peers[0], "publish", "/one/copy", f"payload {number}")
            for one in links:
                self.net.wait_for(lambda o=one: len(o.bodies("GOSSIP")) == 3, "all messages over this link")
            time.sleep(SETTLE_SECONDS)
            for one in links:
                copies = one.bodies("GOSSIP")
                self.assertEqual([copy["payload"] for copy in copies], [b"payload 1", b"payload 2", b"payload 3"])
                for copy in copies:
                    self.assertEqual((copy["topic"], copy["stamp"].origin.hex()), ("/one/copy", publisher["nodeId"]))
                    self.assertLess(copy["stamp"].age, 10000)
                sequences = [copy["stamp"].sequence for copy in copies]
                self.assertEqual(sequences, list(range(sequences[0], sequences[0] + 3)))
            hops = [one.bodies("GOSSIP")[0]["stamp"].hops for one in links]
            self.assertTrue(all(hops[0] < other <= hops[0] + 2 for other in hops[1:]), hops)

    def test_what_it_publishes_is_delivered_once_by_every_real_peer(self):
        node = self.net.node(name="publisher")
        with link(node, self.net.peers[0]) as one:
            stamps = [one.session.publish("/from/model", b"\0\1\2") for _ in range(3)]
            for peer in self.net.peers:
                for stamp in stamps:
                    self.net.wait_log(peer, rf"Gossip {stamp.sequence} from (publisher|{node.id.hex()[:8]}…) "
                                            r"on /from/model, 3 bytes\.")
            time.sleep(SETTLE_SECONDS)
            for peer in self.net.peers:
                self.assertEqual(self.net.log(peer).count("on /from/model, 3 bytes."), 3)
            self.assertEqual(one.bodies("GOSSIP"), [], "the sender gets no copy back over the link it came from")

    def test_what_it_publishes_comes_back_over_its_other_links_once_and_with_more_hops(self):
        with contextlib.ExitStack() as stack:
            node = self.net.node()
            links = [stack.enter_context(link(node, peer)) for peer in self.net.peers]
            for one in links[1:]:
                one.session.send("GRAFT", range=[])      # where there is a tree, only the first link of a newcomer is in it
            stamp = links[0].session.publish("/and/back", b"payload")
            for one in links[1:]:
                self.net.wait_for(lambda o=one: o.bodies("GOSSIP"), "it comes back")
            time.sleep(SETTLE_SECONDS)
            self.assertEqual(links[0].bodies("GOSSIP"), [])
            for one in links[1:]:
                (copy,) = one.bodies("GOSSIP")
                self.assertEqual(copy["stamp"]._replace(age=0, hops=0), stamp._replace(age=0, hops=0))
                self.assertIn(copy["stamp"].hops, range(stamp.hops + 1, stamp.hops + 4))
                self.assertEqual((copy["topic"], copy["payload"]), ("/and/back", b"payload"))

    def test_copies_are_known_by_their_number_not_by_what_is_in_them(self):
        node = self.net.node()
        peer = self.net.peers[1]
        with link(node, peer) as one:
            duplicates = self.counter(peer, "GossipDuplicates")
            stamp = one.session.publish("/twice", b"first")
            one.session.send("GOSSIP", stamp=stamp, topic="/twice", payload=b"other!")
            one.session.send("GOSSIP", stamp=stamp._replace(hops=7), topic="/other", payload=b"first")
            self.net.wait_log(peer, r"on /twice, 5 bytes\.")
            self.net.wait_for(lambda: self.counter(peer, "GossipDuplicates") >= duplicates + 2, "both are counted")
            one.session.send("GOSSIP", stamp=stamp._replace(epoch=stamp.epoch + 1), topic="/twice", payload=b"new epoch")
            self.net.wait_log(peer, r"on /twice, 9 bytes\.")
            self.assertNotIn("on /twice, 6 bytes.", self.net.log(peer))
            self.assertNotIn("on /other, ", self.net.log(peer))

    def test_what_is_too_old_or_came_too_far_or_in_the_receivers_name_is_refused_and_counted(self):
        node = self.net.node()
        peer = self.net.peers[2]
        with link(node, peer) as one:
            refused = self.counter(peer, "GossipRefused")
            own = bytes.fromhex(self.net.json("-i", peer, "show")["nodeId"])
            for stamp in (node.next_stamp()._replace(age=11 * 60 * 1000), node.next_stamp()._replace(hops=255),
                          node.next_stamp()._replace(origin=own, epoch=2 ** 62)):
                one.session.send("GOSSIP", stamp=stamp, topic="/refused", payload=b"")
            one.session.publish("/not-refused", b"")
            self.net.wait_log(peer, r"on /not-refused, 0 bytes\.")
            self.assertEqual(self.counter(peer, "GossipRefused"), refused + 3)
            for other in self.net.peers:
                self.assertNotIn("on /refused", self.net.log(other))

    def test_the_largest_message_passes_and_a_larger_one_is_no_message(self):
        node = self.net.node()
        with link(node, self.net.peers[0]) as one:
            one.session.publish("/large", bytes(1024 * 1024))
            for peer in self.net.peers:
                self.net.wait_log(peer, r"on /large, 1048576 bytes\.")
            one.session.publish("/large", bytes(1024 * 1024 + 1))
            self.net.wait_for(lambda: one.end, "the link is ended")
            self.assertEqual(one.end.reason, model.REASON_OF["protocol"])

    def test_many_messages_arrive_in_order_and_only_some_of_them_in_the_journal(self):
        with contextlib.ExitStack() as stack:
            publisher, receiver = self.net.node(), self.net.node()
            sender = stack.enter_context(link(publisher, self.net.peers[0]))
            link_out = stack.enter_context(link(receiver, self.net.peers[2]))
            for _ in range(500):
                sender.session.publish("/order", b"x" * 100)
            self.net.wait_for(lambda: len(link_out.bodies("GOSSIP")) == 500, "500 messages")
            self.assertEqual([body["stamp"].sequence for body in link_out.bodies("GOSSIP")], list(range(1, 501)))
            for peer in self.net.peers:
                def counts(peer=peer):
                    """The lines of single messages, and what each summing line says."""
                    return (self.net.log(peer).count("on /order, 100 bytes."),
                            [int(n) for n in re.findall(r"(\d+) more messages? in the last second\.", self.net.log(peer))])

                self.net.wait_for(lambda: counts()[0] + sum(counts()[1]) >= 500, f"{peer} to speak of 500 messages")
                n_lines, sums = counts()
                self.assertLessEqual(n_lines, 10 * (len(sums) + 1))     # 10 in each second that it took
                self.assertGreater(sum(sums), 0)


class Sessions(SharedNetworkTest):
    SEEDS, PEERS = 1, 2

    def setUp(self):
        (self.seed,), self.peer = self.net.seeds, self.net.peers[0]

    def assert_closed(self, session, reason):
        with self.assertRaises(model.Closed) as closed:
            while True:
                session.receive()
        self.assertEqual(model.REASONS.get(closed.exception.reason), reason, closed.exception)

    def assert_refused(self, node, instance, reason, **options):
        with self.assertRaises(model.Closed) as closed:
            dial(node, instance, **options)
        self.assertEqual(model.REASONS.get(closed.exception.reason), reason, closed.exception)
        return closed.exception.detail

    def test_it_registers_is_listed_and_leaves(self):
        node = self.net.node(name="registered")
        with dial(node, self.seed) as session:
            self.assertEqual(session.peer["role"], model.SEED)
            answer = session.register()
            self.assertEqual((answer["lease"], answer["total"]), (90000, 3))
            self.assertEqual({record["id"] for record in session.list_all()} - {node.id},
                             {bytes.fromhex(self.net.json("-i", peer, "show")["nodeId"]) for peer in self.net.peers})
            answer = session.renew()
            self.assertEqual(answer["held"], model.Held(node.epoch, 0, model.ALIVE))
            self.assertEqual(len(answer["record"]), answer["total"] - 1, "all others")
            self.assertIn("registered", self.net.listed(self.seed))
            session.leave()
            session.ping()
            self.assertNotIn("registered", self.net.listed(self.seed))
            session.close()
        self.net.wait_log(self.seed, r"registered left\.")

    def test_a_disconnect_alone_changes_nothing(self):
        node = self.net.node(name="disconnected")
        with dial(node, self.seed) as session:
            session.register()
        self.assertIn("disconnected", self.net.listed(self.seed))
        with dial(node, self.seed) as session:
            session.leave()
            session.ping()

    def test_the_list_can_be_paged_through(self):
        node = self.net.node(name="page")
        with dial(node, self.seed) as session:
            session.register()
            ids = [record["id"] for record in session.list_all()]
            self.assertEqual(ids, sorted(set(ids)))
            paged, after = [], bytes(16)
            while page := session.list(count=1, after=after)["record"]:
                self.assertEqual(len(page), 1)
                after = page[0]["id"]
                paged.append(after)
            self.assertEqual(paged, ids)
            session.leave()
            session.ping()

    def test_digests_show_what_differs_and_nothing_else(self):
        with dial(self.net.node(), self.seed) as session:
            session.send("SYNC_DIGEST", digest=bytes(2048))
            records = session.expect("SYNC_RECORDS")["record"]
            self.assertLessEqual(self.net.listed(self.seed).keys(), {record["name"] for record in records})
            session.send("SYNC_DIGEST", digest=model.digest(records))
            session.ping()
            self.assertEqual(session.waiting, [], "nothing differs, nothing is sent")

    def test_pings_are_answered_with_their_nonce_and_the_number_of_links(self):
        for instance in (self.seed, self.peer):
            with dial(self.net.node(), instance, purpose=model.PROBE) as session:
                for nonce in (0, 1, 2 ** 64 - 1):
                    pong = session.ping(nonce)
                    self.assertEqual(pong["links"], 0 if instance == self.seed else pong["links"])
                self.assertEqual(pong["links"] > 0, instance == self.peer)

    def test_a_silent_link_is_asked_for_a_sign_of_life(self):
        with dial(self.net.node(), self.peer) as session:
            self.assertTrue(session.neighbor(model.HIGH))

            def ping():
                while True:                     # whatever news there are of others in between
                    name, body = model.decode(*session.read_frame(time.monotonic() + 10))
                    if name == "PING":
                        return body["nonce"]

            session.send("PONG", nonce=ping(), links=1)
            ping()
            session.close("leaving")

    def test_one_that_stops_answering_is_dropped_from_links_and_list(self):
        node = self.net.node(name="stopped")
        with dial(node, self.seed) as registered, dial(node, self.peer) as session:
            registered.register()
            self.assertTrue(session.neighbor(model.HIGH))
            self.net.wait_log(self.peer, r"stopped does not answer: 3 liveness requests missed in \S+ m?s; reported to 1 seed\.")
            # The seed asks over its own session, too, and gets no answer either.
            self.net.wait_for(lambda: "stopped" not in self.net.listed(self.seed), "it is dropped from the list")
            self.net.wait_log(self.seed, r"stopped is dead: reported by 1 peer, and it does not answer us; dropped from the list")
            self.net.wait_log(self.peer, r"stopped is dead")
            names = []
            with self.assertRaises(model.Closed) as closed:
                while True:
                    names.append(model.decode(*session.read_frame(time.monotonic() + 5)))
                    if names[-1][0] == "CLOSE":
                        raise model.Closed(names[-1][1]["reason"])
            self.assertEqual(closed.exception.reason, model.REASON_OF["timeout"])
            self.assertEqual([name for name, _ in names if name == "PING"], ["PING"] * 3)

    def test_one_that_is_reported_and_answers_the_seed_is_kept_and_told(self):
        node = self.net.node(name="reported")
        with dial(node, self.seed) as session, dial(node, self.peer) as dead_link:
            session.register()
            with Attended(session) as registered:       # nobody listens at its address: no witness hears it, only the seed does
                self.assertTrue(dead_link.neighbor(model.HIGH))
                self.net.wait_log(self.seed, r"reported was reported by \S+ but answers us; kept\.")
                self.net.wait_for(lambda: registered.bodies("ACCUSED"), "it is told")
                self.assertEqual(registered.bodies("ACCUSED")[0]["held"], model.Held(node.epoch, 0, model.SUSPECT))
                self.assertIn("reported", self.net.listed(self.seed))
                session.leave()

    def test_a_session_with_a_higher_epoch_replaces_the_one_before(self):
        node = self.net.node()
        with dial(node, self.peer) as before:
            node.epoch += 1
            with dial(node, self.peer) as after:
                self.assert_closed(before, "superseded")
                after.ping()
                after.close("leaving")

    def test_what_is_held_of_it_is_told_at_the_handshake(self):
        node = self.net.node()
        with dial(node, self.seed) as session:
            session.register()
            session.leave()
            session.ping()
            session.close()
        node.epoch -= 1
        with dial(node, self.seed) as session:
            self.assertEqual(session.peer["held"], model.Held(node.epoch + 1, 0, model.LEFT))
            self.assertEqual(session.register()["held"].epoch, node.epoch + 1)
            session.close()
        self.assertNotIn(node.id, {record["id"] for record in self.net.listed(self.seed).values()})

    def test_a_real_peer_that_is_held_for_dead_refutes(self):
        with dial(self.net.node(), self.peer) as session:
            me = session.peer
            for state in (model.SUSPECT, model.DEAD, model.LEFT):
                incarnation = max(record["incarnation"] for record in self.net.listed(self.seed).values()
                                  if record["id"] == me["id"])
                session.send("ACCUSED", held=model.Held(me["epoch"], incarnation, state))
                refuted = session.expect("REFUTE")["record"]
                self.assertEqual((refuted["id"], refuted["epoch"], refuted["incarnation"], refuted["state"]),
                                 (me["id"], me["epoch"], incarnation + 1, model.ALIVE))
                self.net.wait_for(lambda i=incarnation: any(
                    record["id"] == me["id"] and record["incarnation"] == i + 1
                    for record in self.net.listed(self.seed).values()), "the seed has it, too")
            session.close("leaving")

    def test_a_node_that_comes_as_the_callee_itself_is_told_so(self):
        for instance in (self.seed, self.peer):
            with dial(self.net.node(), instance, purpose=model.PROBE) as session:
                its = session.peer
            self.assert_refused(self.net.node(id=its["id"], epoch=its["epoch"]), instance, "self")
            self.assert_refused(self.net.node(id=its["id"], epoch=its["epoch"] + 5), instance, "duplicate-id")
            self.net.wait_log(instance, r"Refused a caller at \S+ that has the id of \S+, which is alive\.")

    def test_another_network_and_another_version_are_refused_with_both_names(self):
        for instance in (self.seed, self.peer):
            detail = self.assert_refused(self.net.node(network="elsewhere"), instance, "network")
            self.assertIn("elsewhere", detail)
            self.assertIn("test", detail)
            self.net.wait_log(instance, r"Refused a session with model: .*elsewhere.*\.")

            node = self.net.node(name="newer")
            with socket.create_connection(("127.0.0.1", port_of(instance))) as sock:
                session = model.Session(sock, node)
                session.send("HELLO", network="test", version_min=2, version_max=7, id=node.id, epoch=node.epoch,
                             role=model.PEER, purpose=model.SESSION, name=node.name, port=node.port, features=0)
                self.assert_closed(session, "version")
            self.net.wait_log(instance, r"Refused a session with newer: .*2 to 7.*1 to 1.*")

    def test_a_later_version_that_also_speaks_ours_is_welcome(self):
        node = self.net.node()
        with socket.create_connection(("127.0.0.1", port_of(self.peer))) as sock:
            session = model.Session(sock, node)
            session.send("HELLO", network="test", version_min=1, version_max=9, id=node.id, epoch=node.epoch,
                         role=model.PEER, purpose=model.PROBE, name=node.name, port=node.port, features=2 ** 64 - 1)
            self.assertEqual(session.expect("HELLO_OK")["version"], 1)


class Callee(NetworkTest):
    """A real peer calls the model."""

    def setUp(self):
        super().setUp()
        self.start_network(1, 1)
        (self.seed,), (self.peer,) = self.seeds, self.peers

    def listen(self, node, handle):
        return Listener(node, handle)

    def attend_links(self, links):
        """Accepts every NEIGHBOR."""
        def handle(session):
            session.accept_neighbor()
            links.append(Attended(session))
            self.addCleanup(links[-1].__exit__)
        return handle

    def test_a_real_peer_links_to_it_when_told_to_and_gossips_over_the_link(self):
        links, node = [], self.node(name="callee")
        with self.listen(node, self.attend_links(links)):
            self.assertIn("is linked to", self.ctl("-i", self.peer, "connect", f"127.0.0.1:{node.port}").stdout)
            self.ctl("-i", self.peer, "publish", "/to/callee", "payload")
            self.wait_for(lambda: links and links[0].bodies("GOSSIP"), "the message")
            self.assertEqual(links[0].bodies("GOSSIP")[0]["payload"], b"payload")
            links[0].session.publish("/from/callee", b"12")
            self.wait_log(self.peer, r"Gossip 1 from callee on /from/callee, 2 bytes\.")
            row = self.json("-i", self.peer, "peers", "callee")["peers"][0]
            self.assertEqual((row["state"], row["direction"], row["id"]), ("alive", "out", node.id.hex()))
            self.ctl("-i", self.peer, "disconnect", "callee")
            self.wait_for(lambda: links[0].end, "the link ends in order")
            self.assertEqual(links[0].end.reason, model.REASON_OF["done"])

    def test_a_real_peer_that_starts_finds_it_in_the_list_and_calls(self):
        links, node = [], self.node(name="listed")
        with dial(node, self.seed) as session, self.listen(node, self.attend_links(links)):
            session.register()
            self.stop(self.peer)
            self.start(self.peer)
            self.wait_for(lambda: links, "it is called")
            self.wait_log(self.peer, r"Linked to listed at \S+ \(out, 1 of 4\)\.")

    def test_when_it_is_busy_the_caller_goes_on_with_the_next(self):
        links, busy, other = [], self.node(name="busy"), self.node(name="other")

        def refuse(session):
            session.expect("NEIGHBOR")
            session.send("BUSY", address=[model.address("127.0.0.1", other.port)])
            session.serve(0.5)

        with self.listen(busy, refuse), self.listen(other, self.attend_links(links)):
            result = self.ctl("-i", self.peer, "connect", f"127.0.0.1:{busy.port}", status=1)
            self.assertIn("has enough links", result.stderr)
            self.wait_log(self.peer, r"busy refuses more links \(busy\), trying the next\.")
            self.wait_for(lambda: links, "the next is called")
            self.wait_log(self.peer, r"Linked to other at ")

    def test_a_refusal_is_logged_with_its_reason(self):
        for reason, detail, said in (("network", "This is network x.", "this is network x"),
                                     ("version", "HELLO of version 9 alone.", "HELLO of version 9 alone")):
            with socket.create_server(("127.0.0.1", free_ports(1)[0])) as listener:
                port = listener.getsockname()[1]

                def answer():
                    session = model.Session(listener.accept()[0], self.node())
                    session.expect("HELLO")
                    with contextlib.suppress(model.Closed):
                        session.refuse(reason, detail)
                thread = threading.Thread(target=answer)
                thread.start()
                self.ctl("-i", self.peer, "connect", f"127.0.0.1:{port}", status=1)
                thread.join()
                self.wait_log(self.peer, rf"127\.0\.0\.1:{port} refused our session: {said}\.(?!\.)")


class Full(NetworkTest):
    """The original numbers: 4 links, busy at 4, and a place more for whoever has none."""

    CONFIG = 'profile = "classic";\nnetwork = "test";\ngossip = { count = 0; };\n'

    def test_a_classic_peer_is_busy_at_four_but_never_for_an_isolated_caller(self):
        self.name_ports(0, 1)
        (peer,) = self.peers
        self.start(peer, wait=True)
        with contextlib.ExitStack() as stack:
            links = []
            for n in range(4):
                node = self.node(name=f"caller {n}")
                node.links = n + 1
                links.append(stack.enter_context(link(node, peer, model.LOW)))
            late = self.node()
            late.links = 1
            with dial(late, peer) as session:
                session.send("NEIGHBOR", priority=model.LOW, links=1)
                busy = session.expect("BUSY")
                self.assertEqual({one.port for one in busy["address"]}, {one.session.node.port for one in links})
            links.append(stack.enter_context(link(self.node(name="first isolated"), peer, model.HIGH)))
            self.assertFalse(any(one.end for one in links))
            # The place is taken now: the one that has most links makes room for the next.
            links.append(stack.enter_context(link(self.node(name="second isolated"), peer, model.HIGH)))
            self.wait_for(lambda: links[3].end, "caller 3 makes room")
            self.assertEqual(links[3].bodies("DISCONNECT")[0]["reason"], model.REASON_OF["busy"])
            self.assertEqual(links[3].end.reason, model.REASON_OF["done"])
            self.assertEqual([one.end for one in links if one is not links[3]], [None] * 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
