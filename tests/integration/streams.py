#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""OpenStream and OpenPublisher: messages through sockets, what is said when something is missing or refused, and when they
end. The records are taken apart by hand, as org.p2pnet.Node1(5) has them."""

import collections
import signal
import socket
import struct
import unittest

import minibus
from network import Network, NetworkTest, SharedNetworkTest, bus_name, model, port_of

ROOT, MANAGER = "/org/p2pnet/Node1", "org.p2pnet.Node1.Manager"
LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"
INVALID = "org.freedesktop.DBus.Error.InvalidArgs"

MESSAGE, LOST, PUBLISH, ACCEPTED, REFUSED, CLOSED = 1, 2, 16, 17, 18, 19
BAD_TOPIC, TOO_LARGE = 2, 3
BAD_VERSION, MALFORMED = 1, 2
PAYLOAD_MAX = 1 << 20

UNKNOWN_ID = "00112233445566778899aabbccddeeff-1-1"

Message = collections.namedtuple("Message", "origin epoch sequence age hops name topic payload")


def record(kind, body, version=1):
    return struct.pack(">IBB", len(body) + 2, version, kind) + body


def publish(topic, payload=b""):
    return record(PUBLISH, bytes([len(topic)]) + topic.encode() + payload)


def read_message(body):
    origin, epoch, sequence, age, hops, name_size, topic_size, _ = struct.unpack_from(">16sQQQBBBB", body)
    topic_at, payload_at = 44 + name_size, 44 + name_size + topic_size
    return Message(origin, epoch, sequence, age, hops, body[44:topic_at].decode(), body[topic_at:payload_at].decode(),
                   body[payload_at:])


def message_id(message):
    return f"{message.origin.hex()}-{message.epoch:x}-{message.sequence:x}"


class Records:
    """One of the sockets."""

    def __init__(self, test, client, instance, member, signature="a{sv}", *values):
        _, details = client.call(bus_name(instance), ROOT, MANAGER, member, signature, *(values or ({},)))
        self.name = details.pop("Name", None)
        test.assertEqual(details, {"Version": 1})
        test.assertEqual(self.name is not None, member == "OpenStream")
        self.socket = client.take_socket()
        self.socket.settimeout(30)
        test.addCleanup(self.socket.close)
        self.data = b""

    def read(self):
        """The next record: type and body; None at the end."""
        while len(self.data) < 6 or len(self.data) < 4 + struct.unpack_from(">I", self.data)[0]:
            try:
                chunk = self.socket.recv(1 << 20)
            except ConnectionResetError:        # it was closed while something that we sent was not read
                chunk = b""
            if not chunk:
                assert not self.data, self.data
                return None
            self.data += chunk
        size = 4 + struct.unpack_from(">I", self.data)[0]
        version, kind = self.data[4:6]
        assert version == 1
        body, self.data = self.data[6:size], self.data[size:]
        return kind, body

    def messages(self, n):
        found = [self.read() for _ in range(n)]
        assert all(kind == MESSAGE for kind, _ in found), [(kind, body[:100]) for kind, body in found if kind != MESSAGE]
        return [read_message(body) for _, body in found]

    def answers(self, n):
        """What became of the next n records: sequence numbers, and reasons in brackets."""
        found = []
        while len(found) < n:
            kind, body = self.read()
            if kind == ACCEPTED:
                _, first, count = struct.unpack(">QQI", body)
                found += range(first, first + count)
            else:
                assert kind == REFUSED, kind
                found.append([body[0]])
        return found


class Tools:
    def open_stream(self, instance, *patterns, client=None, **options):
        return Records(self, client or self.client, instance, "OpenStream", "asa{sv}", list(patterns), options)

    def open_publisher(self, instance, client=None):
        return Records(self, client or self.client, instance, "OpenPublisher")

    def statistic(self, network, instance, name):
        return network.json("-i", instance, "statistics")["statistics"][name]


class Streams(Tools, SharedNetworkTest):
    SEEDS, PEERS = 1, 3
    CONFIG = Network.CONFIG + "limits = { subscriptions = 6; };\n"

    def setUp(self):
        self.peer, self.other, self.third = self.net.peers
        self.client = minibus.Client(self.net.address, with_fds=True)
        self.addCleanup(self.client.socket.close)
        self.addCleanup(self.wait_for_none)

    def wait_for_none(self):
        for instance in self.net.peers:
            for name in ("Streams", "Publishers", "Subscriptions"):
                self.net.wait_for(lambda i=instance, n=name: self.statistic(self.net, i, n) == 0, f"no {name}")

    def assert_error(self, name, sentence, instance, member, signature, *values):
        with self.assertRaises(minibus.BusError) as error:
            self.client.call(bus_name(instance), ROOT, MANAGER, member, signature, *values)
        self.assertEqual(error.exception.name, name, error.exception.sentence)
        self.assertRegex(error.exception.sentence, sentence)

    def test_messages_reach_a_stream_of_every_node_whole_and_in_order(self):
        streams = [self.open_stream(instance, "/a/*") for instance in self.net.peers]
        publisher = self.open_publisher(self.peer)
        payloads = [bytes([i]) * (i * 37 % 400) for i in range(200)] + [b"x" * 300000, b""]
        data = b"".join(publish("/b" if i % 10 == 3 else f"/a/{i}", payload) for i, payload in enumerate(payloads))
        publisher.socket.sendall(data[:1000])           # in pieces that are no records
        publisher.socket.sendall(data[1000:])
        sequences = publisher.answers(len(payloads))
        self.assertEqual(sequences, list(range(sequences[0], sequences[0] + len(payloads))))

        wanted = [(sequences[i], f"/a/{i}", payload) for i, payload in enumerate(payloads) if i % 10 != 3]
        node_id = self.net.json("-i", self.peer, "show")["nodeId"]
        for i, stream in enumerate(streams):
            found = stream.messages(len(wanted))
            self.assertEqual([(one.sequence, one.topic, one.payload) for one in found], wanted)
            self.assertEqual({one.origin.hex() for one in found}, {node_id})
            self.assertEqual({one.hops == 0 for one in found}, {i == 0})
            self.assertTrue(all(one.name.endswith(f":{port_of(self.peer)}") for one in found))

        publisher.socket.sendall(publish("/a/largest", b"y" * PAYLOAD_MAX))
        for stream in streams:
            (found,) = stream.messages(1)
            self.assertTrue(found.payload == b"y" * PAYLOAD_MAX)

    def test_refused_records_are_answered_in_their_place_and_the_rest_goes_on(self):
        stream, publisher = self.open_stream(self.other, "*"), self.open_publisher(self.peer)
        publisher.socket.sendall(publish("/1") + publish("") + publish("/2") + publish("\x7f") + publish("/3", bytes(PAYLOAD_MAX + 1)) +
                                 publish("/" + 254 * "t", bytes(5 << 20)) + publish("/4") + publish("/5"))
        answers = publisher.answers(8)
        first = answers[0]
        self.assertEqual(answers, [first, [BAD_TOPIC], first + 1, [BAD_TOPIC], [TOO_LARGE], [TOO_LARGE], first + 2, first + 3])
        self.assertEqual([one.topic for one in stream.messages(4)], ["/1", "/2", "/4", "/5"])

    def test_a_publisher_that_breaks_the_format_is_told_why_and_closed(self):
        untouched = self.open_publisher(self.peer)
        for data, reason in ((record(PUBLISH, b"\x02/x", version=2), BAD_VERSION), (record(PUBLISH, b"\x02/x", version=0), BAD_VERSION),
                             (record(MESSAGE, bytes(44)), MALFORMED), (record(99, b""), MALFORMED),
                             (struct.pack(">IBB", 1, 1, PUBLISH), MALFORMED), (record(PUBLISH, b""), MALFORMED),
                             (record(PUBLISH, b"\x09/x"), MALFORMED), (struct.pack(">IBB", 0xffffffff, 1, MESSAGE), MALFORMED)):
            with self.subTest(data=data):
                publisher = self.open_publisher(self.peer)
                publisher.socket.sendall(publish("/before") + data + publish("/behind"))
                self.assertEqual(len(publisher.answers(1)), 1)
                self.assertEqual(publisher.read(), (CLOSED, bytes([reason])))
                self.assertIsNone(publisher.read())
        untouched.socket.sendall(publish("/x"))
        self.assertEqual(len(untouched.answers(1)), 1)

    def test_a_publisher_that_ends_is_answered_first(self):
        publisher = self.open_publisher(self.peer)
        publisher.socket.sendall(publish("/x") * 5)
        publisher.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(len(publisher.answers(5)), 5)
        self.assertIsNone(publisher.read())

        publisher = self.open_publisher(self.peer)
        publisher.socket.sendall(publish("/x") + publish("/y")[:-1])
        publisher.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(len(publisher.answers(1)), 1)
        self.assertEqual(publisher.read(), (CLOSED, bytes([MALFORMED])))
        self.assertIsNone(publisher.read())

    def test_what_was_written_before_the_socket_was_closed_is_published(self):
        stream, publisher = self.open_stream(self.other, "/*"), self.open_publisher(self.peer)
        publisher.socket.sendall(b"".join(publish(f"/{i}") for i in range(1000)))
        publisher.socket.close()
        self.assertEqual([one.topic for one in stream.messages(1000)], [f"/{i}" for i in range(1000)])

    def test_a_stream_counts_among_those_whom_a_topic_concerns(self):
        publisher = self.open_publisher(self.peer)
        publisher.socket.sendall(publish("/counted"))
        publisher.answers(1)
        for patterns, wanted in ((["/cou*"], 1), (["/other"], 1), (["/x", "*"], 2)):
            self.open_stream(self.peer, *patterns)
            topics, _ = self.client.call(bus_name(self.peer), ROOT, MANAGER, "ListTopics")
            self.assertEqual([row[4] for row in topics if row[0] == "/counted"], [wanted])

    def test_nothing_can_be_written_to_a_stream(self):
        stream = self.open_stream(self.peer, "/x")
        with self.assertRaises(BrokenPipeError):
            stream.socket.sendall(b"x")

    def test_a_user_has_so_many_of_all_kinds_and_no_more(self):
        opened = [self.open_stream(self.peer, "/x"), self.open_publisher(self.peer), self.open_stream(self.peer, "/x"),
                  self.open_publisher(self.peer), self.open_stream(self.peer, "/x")]
        (path,) = self.client.call(bus_name(self.peer), ROOT, MANAGER, "Subscribe", "asa{sv}", ["/x"], {})
        for member, signature, values in (("OpenStream", "asa{sv}", (["/x"], {})), ("OpenPublisher", "a{sv}", ({},)),
                                          ("Subscribe", "asa{sv}", (["/x"], {}))):
            self.assert_error(LIMITS, "6 subscriptions, streams and publishers", self.peer, member, signature, *values)
        self.assertEqual(self.statistic(self.net, self.peer, "Streams"), 3)
        self.assertEqual(self.statistic(self.net, self.peer, "Publishers"), 2)
        opened[0].socket.close()
        self.net.wait_for(lambda: self.statistic(self.net, self.peer, "Streams") == 2, "the end of a stream")
        self.open_publisher(self.peer)
        self.client.call(bus_name(self.peer), path, "org.p2pnet.Node1.Subscription", "Close")
        self.open_stream(self.peer, "/y")

    def test_other_arguments_are_refused_with_a_sentence(self):
        for values, name, sentence in ((([], {}), INVALID, "Found no pattern"), ((["/x"] * 65, {}), LIMITS, "more than 64 patterns"),
                                       ((["\n"], {}), INVALID, "not printable"),
                                       ((["/x"], {"A": ("t", 0)}), INVALID, r"Found the option 'A', accepted are since and after\."),
                                       ((["/x"], {"since": ("u", 5)}), INVALID, "'since' has to be"),
                                       ((["/x"], {"since": ("s", UNKNOWN_ID)}), INVALID, "not stored here any more"),
                                       ((["/x"], {"after": ("s", UNKNOWN_ID)}), INVALID, "'after' has to be"),
                                       ((["/x"], {"after": ("as", ["yesterday"])}), INVALID, "'after' has to be"),
                                       ((["/x"], {"after": ("as", [UNKNOWN_ID] * 1025)}), INVALID, "at most 1024")):
            self.assert_error(name, sentence, self.peer, "OpenStream", "asa{sv}", *values)
        self.assert_error(INVALID, "Found the option 'A'", self.peer, "OpenPublisher", "a{sv}", {"A": ("t", 0)})

    def store_has(self, instance, name):
        (topics, _) = self.client.call(bus_name(instance), ROOT, MANAGER, "ListTopics")
        return name in [row[0] for row in topics]

    def test_a_stream_can_begin_in_the_past(self):
        publisher = self.open_publisher(self.peer)
        publisher.socket.sendall(b"".join(publish("/past", b"%d" % i) for i in range(10)) + publish("/past-sent"))
        publisher.answers(11)
        self.net.wait_for(lambda: self.store_has(self.other, "/past-sent"), "they have come")
        now, late = self.open_stream(self.other, "/past"), self.open_stream(self.other, "/past", since=("t", 3600))
        found = late.messages(10)
        later = self.open_stream(self.other, "/past", since=("s", message_id(found[4])))
        after = self.open_stream(self.other, "/past", since=("t", 3600), after=("as", [UNKNOWN_ID, message_id(found[7])]))
        publisher.socket.sendall(publish("/past", b"10"))
        found += late.messages(1)
        self.assertEqual([one.payload for one in found], [b"%d" % i for i in range(11)])
        self.assertEqual([one.payload for one in later.messages(6)], [b"%d" % i for i in range(5, 11)])
        self.assertEqual([one.payload for one in after.messages(3)], [b"%d" % i for i in range(8, 11)])
        self.assertEqual([one.payload for one in now.messages(1)], [b"10"])

    def test_much_of_the_past_comes_as_fast_as_it_is_read_and_nothing_is_lost(self):
        publisher, n = self.open_publisher(self.peer), 60
        publisher.socket.sendall(b"".join(publish("/much-past", bytes([i]) * 100000) for i in range(n)))
        publisher.answers(n)
        stream = self.open_stream(self.peer, "/much-past", since=("t", 3600))
        publisher.socket.sendall(publish("/much-past", bytes([n]) * 100000))    # while it is behind
        publisher.answers(1)
        self.assertEqual([one.payload[0] for one in stream.messages(n + 1)], list(range(n + 1)))

    def test_a_reader_that_does_not_read_harms_only_itself(self):
        watcher = minibus.Client(self.net.address)
        self.addCleanup(watcher.socket.close)
        watcher.match(f"type='signal',sender='{bus_name(self.other)}',member='Overflow'")
        deaf, keen = self.open_stream(self.other, "/*"), self.open_stream(self.other, "/*")
        publisher, n, topics, n_lost, last = self.open_publisher(self.peer), 600, [], 0, None
        for first in range(0, n, 50):
            publisher.socket.sendall(b"".join(publish(f"/{i}", bytes(10000)) for i in range(first, first + 50)))
            self.assertEqual([one.topic for one in keen.messages(50)], [f"/{i}" for i in range(first, first + 50)])
        publisher.answers(n)

        publisher.socket.sendall(publish("/end"))
        while "/end" not in topics and n_lost + len(topics) <= n:
            kind, body = deaf.read()
            if kind == LOST:
                (count,) = struct.unpack(">Q", body)
                n_lost += count
                last = len(topics)
            else:
                topics.append(read_message(body).topic)
        self.assertGreater(n_lost, 300)                 # 6 MB were sent; 1 MiB waits, and what a socket holds
        self.assertEqual(n_lost + len(topics), n + 1)
        # The gap is told where it is: the first after it carries on behind it.
        self.assertEqual(topics[:last], [f"/{i}" for i in range(last)])

        n_told = 0                                      # on the bus, too, and under its name
        while n_told < n_lost:
            where, dropped = watcher.signal("Overflow").body
            self.assertEqual(where, deaf.name)
            n_told += dropped
        self.assertEqual(n_told, n_lost)
        self.net.wait_log(self.other, rf"The reader of {deaf.name}, of user \d+, does not keep up: messages are dropped for it, ")


class Alone(Tools, NetworkTest):
    def test_without_a_link_records_are_accepted_and_wait_for_one(self):
        self.start_network(0, 1)
        (peer,) = self.peers
        with minibus.Client(self.address, with_fds=True) as self.client:
            publisher = self.open_publisher(peer)
            publisher.socket.sendall(publish("/x"))
            self.assertEqual(publisher.answers(1), [1])
            self.assertEqual(self.json("-i", peer, "statistics")["statistics"]["StoreMessages"], 1)

    def test_a_publisher_waits_while_a_link_takes_nothing(self):
        self.start_network(0, 1)
        (peer,) = self.peers
        n, size = 2000, 20000
        with minibus.Client(self.address, with_fds=True) as self.client, \
                model.Session.dial(self.node(), "127.0.0.1", port_of(peer)) as deaf:
            self.assertTrue(deaf.neighbor(model.HIGH))
            publisher = self.open_publisher(peer)
            data, sent, received, still = b"".join(publish(f"/{i}", bytes(size)) for i in range(n)), 0, 0, 0
            publisher.socket.settimeout(0.05)
            while still < 20:                           # times in a row that nothing was taken
                deaf.send("PING", nonce=1, links=1)     # it is alive, and says so
                try:
                    sent += publisher.socket.send(data[sent:sent + (1 << 20)])
                    still = 0
                except TimeoutError:
                    still += 1
            self.assertLess(sent, len(data))            # 40 MB, of which 1 MiB and what the sockets hold find room

            while received < n * size:                  # the link reads again: everything goes through
                deaf.send("PING", nonce=1, links=1)
                deaf.sock.settimeout(0.05)
                try:
                    received += len(deaf.sock.recv(1 << 20))
                    sent += publisher.socket.send(data[sent:sent + (1 << 20)]) if sent < len(data) else 0
                except TimeoutError:
                    pass
            publisher.socket.settimeout(30)
            answers = publisher.answers(n)
            self.assertEqual(answers, list(range(answers[0], answers[0] + n)))

    def test_sockets_outlive_the_bus_and_end_with_the_daemon(self):
        self.start_network(1, 2)
        peer, other = self.peers
        with minibus.Client(self.address, with_fds=True) as self.client:
            stream, publisher = self.open_stream(other, "/x"), self.open_publisher(peer)
        self.stop_bus()
        publisher.socket.sendall(publish("/x", b"past the bus"))
        self.assertEqual(stream.messages(1)[0].payload, b"past the bus")
        self.stop(other)
        self.assertIsNone(stream.read())
        self.stop(peer, signal.SIGKILL)
        self.assertEqual(len(publisher.answers(1)), 1)
        self.assertIsNone(publisher.read())

    def test_who_says_where_it_was_gets_each_message_once_over_a_restart(self):
        self.start_network(1, 3)
        peer, another, other = self.peers
        with minibus.Client(self.address, with_fds=True) as self.client:
            publishers = [self.open_publisher(peer), self.open_publisher(another)]

            def send(numbers):
                for publisher in publishers:
                    publisher.socket.sendall(b"".join(publish("/x", b"%d" % i) for i in numbers))
                    publisher.answers(len(numbers))

            stream = self.open_stream(other, "/x")
            send(range(5))
            got = stream.messages(10)
            self.stop(other, signal.SIGKILL)
            send(range(5, 10))
            self.start(other)
            self.ctl("-i", other, "wait-online", "--timeout=60")
            self.wait_for(lambda: self.statistic(self, other, "StoreMessages") >= 20, "what is stored has come back")

            last = {one.origin: message_id(one) for one in got}
            again = self.open_stream(other, "/x", since=("t", 600), after=("as", list(last.values())))
            whole = self.open_stream(other, "/x", since=("t", 600))
            send(range(10, 12))
            got += again.messages(14)
            for origin in last:
                self.assertEqual([one.payload for one in got if one.origin == origin], [b"%d" % i for i in range(12)])
            self.assertEqual(len({message_id(one) for one in whole.messages(24)}), 24)      # without it: all once more

    def test_while_it_stops_nothing_is_opened(self):
        self.start_network(0, 1)
        (peer,) = self.peers
        with model.Session.dial(self.node(), "127.0.0.1", port_of(peer)), \
                minibus.Client(self.address, with_fds=True) as self.client:
            publisher = self.open_publisher(peer)
            self.processes[peer].send_signal(signal.SIGTERM)
            self.wait_log(peer, r"Leaving the network\.")
            for member, signature, values in (("OpenStream", "asa{sv}", (["/x"], {})), ("OpenPublisher", "a{sv}", ({},))):
                with self.assertRaises(minibus.BusError) as error:
                    self.client.call(bus_name(peer), ROOT, MANAGER, member, signature, *values)
                self.assertEqual(error.exception.name, "org.p2pnet.Node1.Error.ShuttingDown")
            publisher.socket.sendall(publish("/x"))
            self.assertEqual(publisher.read(), (CLOSED, b"\x03"))
            self.assertIsNone(publisher.read())
        self.assertEqual(self.processes.pop(peer).wait(timeout=15), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
