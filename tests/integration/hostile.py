#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bytes that are no protocol get, who lies, and who only sits there; and that nobody else is disturbed by it."""

import contextlib
import os
import re
import socket
import struct
import threading
import time
import unittest

from network import Attended, SharedNetworkTest, model, port_of

HELLO = 0x01
LONG_SECONDS = 20


class Hostile(SharedNetworkTest):
    SEEDS, PEERS = 1, 2

    def setUp(self):
        (self.seed,), self.peer = self.net.seeds, self.net.peers[0]
        self.everyone = [self.seed, self.peer]

    def connect(self, instance, **node):
        sock = socket.create_connection(("127.0.0.1", port_of(instance)), 10)
        self.addCleanup(sock.close)
        return model.Session(sock, self.net.node(**node), timeout=LONG_SECONDS)

    def dial(self, instance, **node):
        session = model.Session.dial(self.net.node(**node), "127.0.0.1", port_of(instance))
        self.addCleanup(session.sock.close)
        return session

    def assert_closed(self, session, reason="protocol"):
        """The other end says CLOSE, and why; then the connection ends. Return: what it said."""
        with self.assertRaises(model.Closed) as closed:
            while True:
                session.receive()
        self.assertEqual(model.REASONS.get(closed.exception.reason), reason, closed.exception)
        session.sock.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(session.sock.recv(1), b"", "nothing follows CLOSE")
        return closed.exception.detail

    def counter(self, instance, name):
        return self.net.json("-i", instance, "statistics")["statistics"][name]

    def hello(self, **changes):
        node = self.net.node()
        return {"network": "test", "version_min": 1, "version_max": 1, "id": node.id, "epoch": node.epoch, "role": model.PEER,
                "purpose": model.SESSION, "name": "hostile", "port": node.port, "features": 0, **changes}

    def assert_undisturbed(self):
        """The real peers are still linked, still registered, and a message still gets through."""
        topic = f"/still/{time.monotonic_ns()}"
        self.net.ctl("-i", self.net.peers[1], "publish", topic, "x")
        self.net.wait_log(self.peer, rf"on {topic}, 1 byte\.")
        self.assertLessEqual({port_of(peer) for peer in self.net.peers}, self.net.listed_ports(self.seed))
        for instance in self.net.peers:
            self.assertNotRegex(self.net.log(instance), rf"{socket.gethostname()}:\d+ is suspected")
            self.assertEqual(self.net.log(instance).count("Lost seed"), 0)


class Bytes(Hostile):
    def test_what_is_no_frame_is_closed_at_once_with_a_reason_and_counted(self):
        huge = struct.pack(">I", 65536 - 4 + 1)         # one byte more than a handshake may have
        for what, data in (("another protocol", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                           ("a length of 0", struct.pack(">I", 0)),
                           ("a length of 1", struct.pack(">I", 1) + b"\1"),
                           ("the largest length", b"\xff\xff\xff\xff"),
                           ("a handshake that is too large", huge),
                           ("text", b"hello world, who are you?\n"),
                           ("random bytes", bytes([0x80]) + os.urandom(4096))):
            for instance in self.everyone:
                with self.subTest(what=what, instance=instance):
                    before = self.counter(instance, "FramesMalformed")
                    session = self.connect(instance)
                    session.send_bytes(data)
                    self.assertNotEqual(self.assert_closed(session), "")
                    self.assertEqual(self.counter(instance, "FramesMalformed"), before + 1)
        self.assert_undisturbed()

    def test_what_is_no_hello_is_closed_with_a_reason(self):
        good = self.hello()
        body = model.encode_body(model.LAYOUTS[HELLO], good)
        for what, data in (
                ("PING first", model.encode("PING", nonce=1, links=0)),
                ("HELLO_OK first", model.encode("HELLO_OK", version=1, id=good["id"], epoch=1, role=1, name="x", port=1, features=0)),
                ("an unknown type first", model.frame(0x7f, b"")),
                ("a message for links first", model.frame(0x51, b"")),
                ("an empty HELLO", model.frame(HELLO, b"")),
                ("a HELLO cut off", model.frame(HELLO, body[:-1])),
                ("a HELLO with a rest", model.frame(HELLO, body + b"\0")),
                ("a HELLO with a TLV twice", model.frame(HELLO, body + model.tlv(13, b"\1\1"))),
                ("an unknown critical TLV", model.frame(HELLO, body + model.tlv(0x80 | 99, b""))),
                ("nobody's id", model.encode("HELLO", **{**good, "id": bytes(16)})),
                ("an epoch of 2^63", model.encode("HELLO", **{**good, "epoch": 2 ** 63})),
                ("a role that is none", model.encode("HELLO", **{**good, "role": 3})),
                ("a name with a control character", model.encode("HELLO", **{**good, "name": "a\nb"})),
                ("a name that is too long", model.encode("HELLO", **{**good, "name": "x" * 101})),
                ("port 0", model.encode("HELLO", **{**good, "port": 0})),
                ("versions the wrong way round", model.encode("HELLO", **{**good, "version_min": 2, "version_max": 1})),
                ("five addresses", model.encode("HELLO", **{**good, "address": [model.address("127.0.0.1", n) for n in range(1, 6)]})),
        ):
            for instance in self.everyone:
                with self.subTest(what=what, instance=instance):
                    session = self.connect(instance)
                    session.send_bytes(data)
                    self.assert_closed(session)
        self.assert_undisturbed()

    def test_what_later_versions_may_add_is_skipped(self):
        for instance in self.everyone:
            body = model.encode_body(model.LAYOUTS[HELLO], self.hello(purpose=model.PROBE)) + model.tlv(99, b"what is this?")
            session = self.connect(instance)
            session.send_bytes(model.frame(HELLO, body, flags=0xff))
            session.expect("HELLO_OK")
            before = self.counter(instance, "FramesUnknown")
            for number in (0x7f, 0xff, 0x23, 0x60):
                session.send_bytes(model.frame(number, os.urandom(100)))
            session.send_bytes(model.frame(model.NUMBER_OF["PING"], model.encode_body(
                model.LAYOUTS[4], {"nonce": 5, "links": 0}) + model.tlv(77, b"?"), flags=3))
            self.assertEqual(session.expect("PONG")["nonce"], 5)
            self.assertEqual(self.counter(instance, "FramesUnknown"), before + 4)

    def test_a_frame_may_come_byte_by_byte(self):
        for instance in self.everyone:
            session = self.connect(instance)
            for byte in model.encode("HELLO", **self.hello(purpose=model.PROBE)):
                session.send_bytes(bytes([byte]))
            session.expect("HELLO_OK")

    def test_malformed_and_misplaced_messages_end_an_open_session_and_no_other(self):
        record = self.net.node().record()
        everywhere = [
            ("a second HELLO", model.encode("HELLO", **self.hello())),
            ("a PING without its nonce", model.frame(4, model.tlv(21, b"\0\0"))),
            ("a frame that is too large", struct.pack(">I", model.FRAME_SIZE_MAX - 4 + 1)),
            ("GOSSIP without a link", model.encode("GOSSIP", stamp=self.net.node().next_stamp(), topic="/t", payload=b"")),
            ("somebody else's REFUTE", model.encode("REFUTE", record=record)),
            ("REGISTER_OK", model.encode("REGISTER_OK", lease=1, total=0)),
            ("ACCEPT", model.encode("ACCEPT", links=1)),
        ]
        at_peers = [
            ("REGISTER", model.encode("REGISTER", record=record, links=0)),
            ("LIST", model.encode("LIST", count=1)),
            ("SYNC_DIGEST", model.encode("SYNC_DIGEST", digest=bytes(2048))),
        ]
        at_seeds = [
            ("NEIGHBOR", model.encode("NEIGHBOR", priority=model.HIGH, links=0)),
            ("somebody else's record", model.encode("REGISTER", record=record, links=0)),
            ("a list of none", model.frame(0x12, model.tlv(25, b"\0\0"))),
        ]
        for instance, messages in ((self.peer, everywhere + at_peers), (self.seed, everywhere + at_seeds)):
            for what, data in messages:
                with self.subTest(what=what, instance=instance):
                    session = self.dial(instance)
                    session.send_bytes(data)
                    self.assert_closed(session)
        self.assertNotIn(record["id"], {one["id"] for one in self.net.listed(self.seed).values()})
        self.assert_undisturbed()

    def test_nothing_but_pings_has_a_place_on_a_probe(self):
        for instance, data in ((self.peer, model.encode("NEIGHBOR", priority=model.HIGH, links=0)),
                               (self.seed, model.encode("LIST", count=64))):
            session = model.Session.dial(self.net.node(), "127.0.0.1", port_of(instance), purpose=model.PROBE)
            with contextlib.closing(session.sock):
                session.send_bytes(data)
                self.assert_closed(session)

    def test_names_that_turn_the_text_around_are_escaped_in_the_journal(self):
        name = "evil\u202egnp.exe \u00e9"
        with Attended(self.dial(self.seed, name=name)) as registered:
            registered.session.send("REGISTER", record=registered.session.node.record(), links=0)
            self.net.wait_log(self.seed, r"evil\S+gnp\.exe \S+ at .* registered")
            self.assertNotIn("\u202e", self.net.log(self.seed))
            shown = self.net.ctl("-i", self.seed, "peers").stdout
            self.assertIn("gnp.exe", shown)
            self.assertNotIn("\u202e", shown)
            registered.session.leave()
            self.net.wait_log(self.seed, r"evil\S+gnp\.exe \S+ left")


class Floods(Hostile):
    def test_a_caller_that_says_nothing_is_dropped_after_five_seconds(self):
        silent = [self.connect(instance) for instance in self.everyone]
        halves = [self.connect(instance) for instance in self.everyone]
        for session in halves:
            session.send_bytes(model.encode("HELLO", **self.hello())[:20])
        began = time.monotonic()
        for session in silent + halves:
            self.assert_closed(session, "timeout")
        self.assertTrue(3 < time.monotonic() - began < 15)
        self.assert_undisturbed()

    def test_silent_callers_take_64_places_and_no_more_and_not_for_long(self):
        for instance in self.everyone:
            sessions = [self.connect(instance) for _ in range(64)]
            for _ in range(3):
                self.assert_closed(self.connect(instance), "busy")
            # Those who are in already notice nothing of it.
            self.net.ctl("-i", self.net.peers[1], "publish", f"/full/{instance}", "x")
            self.net.wait_log(self.peer, rf"on /full/{instance}, 1 byte\.")
            for session in sessions:
                session.sock.close()
            self.net.wait_for(lambda i=instance: self.is_answered(i), "there is room again")
        self.assert_undisturbed()

    def is_answered(self, instance):
        try:
            self.dial(instance).close()
            return True
        except (model.Closed, OSError):
            return False

    def test_thousand_bad_connections_are_a_few_lines(self):
        before = len(self.net.log(self.peer))
        began = time.monotonic()
        for _ in range(1000):
            with socket.create_connection(("127.0.0.1", port_of(self.peer)), 10) as sock:
                sock.sendall(b"\0\0\0\0")
        elapsed = time.monotonic() - began
        self.net.wait_log(self.peer, r"\d+ more events? of the network in the last second\.")
        said = self.net.log(self.peer)[before:]
        self.assertLess(len(said.splitlines()), 25 * (int(elapsed) + 3), "20 a second and one that sums them up")
        self.assertGreater(sum(map(int, re.findall(r"(\d+) more events", said))) + len(said.splitlines()), 500)
        self.assert_undisturbed()


class Deaf(Hostile):
    @staticmethod
    def ping_until(session, gone):
        try:
            while not gone.wait(0.2):
                session.send("PING", nonce=1, links=1)
        except OSError:
            pass                            # it is gone

    def test_one_who_reads_nothing_is_cut_off_as_slow_and_nobody_waits_for_it(self):
        deaf = self.connect(self.peer, name="deaf")
        deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.send("HELLO", **self.hello(name="deaf"))
        deaf.expect("HELLO_OK")
        self.assertTrue(deaf.neighbor(model.HIGH))
        slow, lost = self.counter(self.peer, "LinksSlow"), self.counter(self.peer, "GossipLost")
        with Attended(self.dial(self.peer, name="talker")) as talker:
            talker.session.send("NEIGHBOR", priority=model.HIGH, links=0)
            self.net.wait_for(lambda: talker.bodies("ACCEPT"), "a link")
            before = self.counter(self.net.peers[1], "GossipReceived")
            # It is alive, and says so; what waits for it is not for ever.
            gone = threading.Event()
            pings = threading.Thread(target=self.ping_until, args=(deaf, gone), daemon=True)
            pings.start()
            for _ in range(48):             # 12 MiB: more than waits in sockets and in the queue, less than is stored
                talker.session.publish("/loud", bytes(256 * 1024))
            self.net.wait_for(lambda: self.counter(self.net.peers[1], "GossipReceived") == before + 48, "others have all of it")
            self.net.wait_log(self.peer, r"The link to deaf is gone: ended by us, the other end does not read\.")
            gone.set()
            pings.join()
        self.assertEqual(self.counter(self.peer, "LinksSlow"), slow + 1)
        self.assertEqual(self.counter(self.peer, "GossipLost"), lost)
        time.sleep(1.2)                 # the log shows 10 messages a second, and these were more
        self.assert_undisturbed()


class Liars(Hostile):
    def test_reports_of_the_living_are_checked_counted_and_then_ignored(self):
        me = self.dial(self.seed, name="liar")
        me.register()
        victim = next(record for record in self.net.listed(self.seed).values()
                      if record["address"][0].port == port_of(self.peer))
        for number in range(4):
            held = next(record for record in self.net.listed(self.seed).values() if record["id"] == victim["id"])
            me.send("DEAD_REPORT", id=held["id"], epoch=held["epoch"], incarnation=held["incarnation"])
            self.net.wait_log(self.seed, r"\S+ was reported by liar but answers us; kept\.", number + 1)
            # It refutes: the next report has to name what is held then.
            self.net.wait_for(lambda h=held: any(
                record["id"] == victim["id"] and record["incarnation"] > h["incarnation"]
                for record in self.net.listed(self.seed).values()), "it has refuted")
        self.net.wait_log(self.seed, r"Reports of liar are ignored for 10 min: most of its last ones were wrong\.")
        self.assertEqual(self.counter(self.seed, "ReportsFalse"), 4)
        self.assertIn(port_of(self.peer), self.net.listed_ports(self.seed))
        me.leave()
        me.ping()

    def test_a_report_of_one_who_is_not_registered_is_not_heard(self):
        me = self.dial(self.seed, name="nobody")
        held = next(record for record in self.net.listed(self.seed).values()
                    if record["address"][0].port == port_of(self.peer))
        before = self.counter(self.seed, "ReportsFalse")
        me.send("DEAD_REPORT", id=held["id"], epoch=held["epoch"], incarnation=held["incarnation"])
        me.ping()
        time.sleep(0.5)
        self.assertEqual(self.counter(self.seed, "ReportsFalse"), before)
        self.assertNotIn("reported by nobody", self.net.log(self.seed))

    def test_strangers_cannot_bury_anybody_by_sharing_records_as_if_they_were_a_seed(self):
        victim = next(record for record in self.net.listed(self.seed).values()
                      if record["address"][0].port == port_of(self.peer))
        me = self.dial(self.seed, name="false seed", role=model.SEED)
        me.send("SYNC_RECORDS", record=[{**victim, "state": model.DEAD, "incarnation": victim["incarnation"] + 5, "age": 0}])
        me.ping()
        self.assertIn(port_of(self.peer), self.net.listed_ports(self.seed))
        self.assert_undisturbed()

    def test_gossip_in_a_real_peers_name_cannot_silence_it(self):
        publisher = self.net.json("-i", self.net.peers[1], "show")
        epoch = int(publisher["epoch"]) if "epoch" in publisher else 0
        me = self.dial(self.peer, name="forger")
        with Attended(me) as forger:
            me.send("NEIGHBOR", priority=model.HIGH, links=0)
            self.net.wait_for(lambda: forger.bodies("ACCEPT"), "a link")
            # A later epoch makes no earlier one old: both are told apart.
            me.send("GOSSIP", stamp=model.Stamp(bytes.fromhex(publisher["nodeId"]), epoch + 2 ** 61, 1, 0, 1), topic="/forged",
                    payload=b"")
            self.net.wait_log(self.peer, r"on /forged, 0 bytes\.")
            self.assert_undisturbed()


if __name__ == "__main__":
    unittest.main(verbosity=2)
