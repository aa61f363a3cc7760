# SPDX-License-Identifier: LGPL-2.1-or-later
"""The model's Session against itself, over loopback: what integration tests build on has to be right first."""

import contextlib
import socket
import threading
import unittest

import p2pnet_model as model


@contextlib.contextmanager
def answering(callee):
    """Runs callee(listener) in a thread; gives its port. What it raises, the test raises."""
    failures = []

    def run():
        try:
            callee(listener)
        except Exception as error:      # pylint: disable=broad-except
            failures.append(error)

    with socket.create_server(('127.0.0.1', 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)
    if failures:
        raise failures[0]


def node(**changes):
    return model.Node(**{'network': 'test', 'port': 6001, **changes})


class TestSession(unittest.TestCase):
    def test_handshake_tells_each_who_the_other_is(self):
        a, b, seen = node(name='a'), node(name='b', role=model.SEED), []

        def callee(listener):
            with model.Session.accept(b, listener) as session:
                seen.append(session.peer)

        with answering(callee) as port, model.Session.dial(a, '127.0.0.1', port, timeout=5) as session:
            self.assertEqual((session.peer['id'], session.peer['name'], session.peer['role']), (b.id, 'b', model.SEED))
            self.assertEqual(str(session.peer['observed'].host), '127.0.0.1')
        self.assertEqual((seen[0]['id'], seen[0]['epoch'], seen[0]['name']), (a.id, a.epoch, 'a'))

    def test_another_network_and_oneself_are_refused_with_a_reason(self):
        here = node()
        for caller, reason in ((node(network='elsewhere'), 'network'), (here, 'self')):
            def callee(listener):
                with self.assertRaises(model.Closed):
                    model.Session.accept(here, listener)

            with answering(callee) as port, self.assertRaises(model.Closed) as closed:
                model.Session.dial(caller, '127.0.0.1', port, timeout=5)
            self.assertEqual(closed.exception.reason, model.REASON_OF[reason])

    def test_pings_are_answered_while_waiting_for_something_else(self):
        def callee(listener):
            with model.Session.accept(node(), listener) as session:
                self.assertEqual(session.ping(nonce=99)['nonce'], 99)
                session.accept_neighbor()
                session.publish('first', b'1')
                session.send_bytes(model.frame(0x7f, b'from a later version'))
                session.publish('second', b'')
                session.ping()

        caller = node()
        with answering(callee) as port, model.Session.dial(caller, '127.0.0.1', port, timeout=5) as session:
            self.assertTrue(session.neighbor())
            self.assertEqual(caller.links, 1)
            first, second = session.expect('GOSSIP'), session.expect('GOSSIP')
            with self.assertRaises(model.Closed):       # after the last ping was answered
                session.receive()
        self.assertEqual((first['topic'], first['payload'], first['stamp'].sequence), ('first', b'1', 1))
        self.assertEqual((second['topic'], second['payload'], second['stamp'].sequence), ('second', b'', 2))
        self.assertEqual(session.n_skipped, 1)

    def test_what_is_not_awaited_is_kept_in_order(self):
        def callee(listener):
            with model.Session.accept(node(), listener) as session:
                for i in range(3):
                    session.publish('t', bytes([i]))
                session.send('ACCEPT', links=1)

        with answering(callee) as port, model.Session.dial(node(), '127.0.0.1', port, timeout=5) as session:
            session.expect('ACCEPT')
            self.assertEqual([session.receive()[1]['payload'] for _ in range(3)], [b'\0', b'\1', b'\2'])
            with self.assertRaises(model.Closed) as closed:
                session.receive()
            self.assertEqual(closed.exception.reason, 0)

    def test_malformed_input_is_answered_with_close(self):
        def callee(listener):
            with model.Session.accept(node(), listener) as session:
                session.send_bytes(model.frame(0x04, b'\xff'))
                with self.assertRaises(model.Closed) as closed:
                    session.receive()
                self.assertEqual(closed.exception.reason, model.REASON_OF['protocol'])

        with answering(callee) as port, model.Session.dial(node(), '127.0.0.1', port, timeout=5) as session:
            with self.assertRaises(model.Malformed):
                session.receive()


if __name__ == '__main__':
    unittest.main()
