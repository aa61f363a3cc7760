# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the first inputs of fuzz-frame, fuzz-message and fuzz-stream-record, next to which those lie that the fuzzers found.

    make-wire-corpus.py
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'model'))

import p2pnet_model as model                            # noqa: E402: it is found by the line above

ID = bytes(range(1, 17))
OTHER = b'\xff' * 16
IPV4 = model.address('127.0.0.1', 6001)
IPV6 = model.address('2001:db8::1', 65535)
HELD = model.Held(5, 6, model.DEAD)
RECORD = {
    'id': ID, 'epoch': 1, 'incarnation': 2, 'state': model.SUSPECT, 'role': model.PEER, 'name': 'alpha', 'age': 3,
    'address': [],
}
FULL_RECORD = RECORD | {'id': OTHER, 'name': 'n\u00e4me \U0001f41f' + 90 * 'x', 'address': [IPV4, IPV6, IPV4, IPV6]}
HELLO = {
    'network': 'p2p', 'version_min': 1, 'version_max': 1, 'id': ID, 'epoch': 1, 'role': model.PEER,
    'purpose': model.SESSION, 'name': 'alpha', 'port': 6001, 'features': 0,
}
HELLO_OK = {
    'version': 1, 'id': ID, 'epoch': 1, 'role': model.SEED, 'name': 'seed', 'port': 5000, 'features': 0,
}

# One of each type at least, and those with optional TLVs also with all of them.
MESSAGES = {
    'hello': ('HELLO', HELLO),
    'hello-full': ('HELLO', HELLO | {'purpose': model.PROBE, 'address': [IPV4, IPV6, IPV4, IPV6], 'version_max': 9}),
    'hello-ok': ('HELLO_OK', HELLO_OK),
    'hello-ok-full': ('HELLO_OK', HELLO_OK | {'address': [IPV6, IPV4], 'observed': IPV4, 'held': HELD}),
    'close': ('CLOSE', {'reason': 6, 'retry_after': 1000, 'detail': 'Too many connections.'}),
    'close-later-version': ('CLOSE', {'reason': 200, 'retry_after': 0, 'detail': ''}),
    'ping': ('PING', {'nonce': 1, 'links': 4}),
    'pong': ('PONG', {'nonce': 2 ** 64 - 1, 'links': 65535}),
    'register': ('REGISTER', {'record': FULL_RECORD, 'links': 3}),
    'register-ok': ('REGISTER_OK', {'lease': 90000, 'total': 5}),
    'register-ok-full': ('REGISTER_OK', {'lease': 1, 'total': 0, 'held': HELD}),
    'list': ('LIST', {'count': 64}),
    'list-page': ('LIST', {'count': 1, 'after': bytes(16)}),
    'list-ok': ('LIST_OK', {'total': 2, 'record': [RECORD, FULL_RECORD]}),
    'list-ok-empty': ('LIST_OK', {'total': 0}),
    'renew': ('RENEW', {'epoch': 1, 'incarnation': 0, 'links': 2}),
    'renew-ok': ('RENEW_OK', {'lease': 90000, 'total': 1, 'held': HELD, 'record': [RECORD]}),
    'leave': ('LEAVE', {'epoch': 1, 'incarnation': 0}),
    'dead-report': ('DEAD_REPORT', {'id': OTHER, 'epoch': 1, 'incarnation': 0}),
    'accused': ('ACCUSED', {'held': HELD}),
    'refute': ('REFUTE', {'record': RECORD}),
    'sync-digest': ('SYNC_DIGEST', {'digest': model.digest([(ID, 1, 2, 0), (OTHER, 1, 2, 3)])}),
    'sync-records': ('SYNC_RECORDS', {
        'record': [RECORD, FULL_RECORD], 'renewal': [model.Renewal(ID, 1, 2), model.Renewal(OTHER, 3, 4)],
        'buckets': b'\x80' + bytes(30) + b'\1'}),
    'sync-records-empty': ('SYNC_RECORDS', {}),
    'neighbor': ('NEIGHBOR', {'priority': model.MERGE, 'links': 1}),
    'accept': ('ACCEPT', {'links': 4}),
    'busy': ('BUSY', {'address': 4 * [IPV4, IPV6]}),
    'pong-neighbours': ('PONG', {'nonce': 1, 'links': 2, 'neighbour': [
        model.Neighbour(ID, IPV4), model.Neighbour(OTHER, IPV6)]}),
    'members': ('MEMBERS', {'record': [RECORD, FULL_RECORD], 'suspicion': [model.Suspicion(ID, 1, 2, OTHER, 3)]}),
    'members-empty': ('MEMBERS', {}),
    'shuffle': ('SHUFFLE', {'ttl': 6, 'record': [RECORD, FULL_RECORD]}),
    'shuffle-reply': ('SHUFFLE_REPLY', {'record': [FULL_RECORD]}),
    'probe-req': ('PROBE_REQ', {'nonce': 7, 'id': OTHER, 'address': [IPV4, IPV6]}),
    'probe-ack': ('PROBE_ACK', {'nonce': 7}),
    'probe-nack': ('PROBE_NACK', {'nonce': 7}),
    'links': ('LINKS', {'nonce': 8}),
    'links-ok': ('LINKS_OK', {'nonce': 8, 'link': [model.Link(ID, 3, 250), model.Link(OTHER, 0, 0)]}),
    'disconnect': ('DISCONNECT', {'reason': 2}),
    'gossip': ('GOSSIP', {'stamp': model.Stamp(ID, 1, 1, 0, 1), 'topic': 'news', 'payload': b'hello\0\xff'}),
    'gossip-previous': ('GOSSIP', {'stamp': model.Stamp(ID, 2, 1, 0, 1), 'topic': 'news', 'payload': b'again',
                                   'previous': model.Previous(1, 17)}),
    'ihave': ('IHAVE', {'range': [model.Range(ID, 1, 1, 1), model.Range(OTHER, 2, 5, 2 ** 64 - 1)]}),
    'graft': ('GRAFT', {'range': [model.Range(ID, 1, 2, 3)]}),
    'prune': ('PRUNE', {}),
    'msg-ranges': ('MSG_RANGES', {'range': [model.Range(ID, 1, 1, 100), model.Range(ID, 1, 102, 200)]}),
    'msg-want': ('MSG_WANT', {'range': [model.Range(ID, 1, 101, 101)]}),
    'gossip-empty': ('GOSSIP', {'stamp': model.Stamp(ID, 0, 2 ** 64 - 1, 2 ** 32 - 1, 255), 'topic': ' ', 'payload': b''}),
}

PING = model.encode_body(model.LAYOUTS[0x04], {'nonce': 1, 'links': 4})
MAPPED = b'\6\x17\x71' + bytes(10) + b'\xff\xff\x0a\1\2\3'
TLV = model.tlv

# Type and body of what a stranger might try.
NASTY = {
    'unknown-type': (0x7f, b'\xff'),
    'range-backwards': (0x51, TLV(35, ID + bytes(8) + (2).to_bytes(8, 'big') + (1).to_bytes(8, 'big'))),
    'range-from-zero': (0x54, TLV(35, ID + bytes(8) + bytes(8) + (1).to_bytes(8, 'big'))),
    'accused-by-nobody': (0x20, TLV(37, ID + bytes(12) + bytes(16) + b'\3')),
    'neighbour-without-port': (0x05, PING + TLV(39, ID + b'\4\0\0\x7f\0\0\1')),
    'empty-body': (0x01, b''),
    'unknown-skipped': (0x04, TLV(127, b'later') + PING),
    'unknown-critical': (0x04, TLV(0xff, b'later') + PING),
    'known-critical': (0x04, bytes([PING[0] | 0x80]) + PING[1:]),
    'tag-zero': (0x04, PING + TLV(0, b'')),
    'twice': (0x04, PING + PING),
    'rest-of-3': (0x04, PING + b'\x7f\0\0'),
    'length-beyond': (0x04, PING + b'\x7f\xff\xff\xff'),
    'length-wraps': (0x04, b'\x14\xff\xff\xfc' + PING),
    'mapped-address': (0x32, TLV(11, MAPPED)),
    'portless-address': (0x32, TLV(11, b'\4\0\0\x7f\0\0\1')),
    'family-5': (0x32, TLV(11, b'\5\0\1\x7f\0\0\1')),
    'nine-addresses': (0x32, 9 * TLV(11, b'\4\0\1\x7f\0\0\1')),
    'control-character': (0x03, TLV(17, b'\1') + TLV(18, bytes(4)) + TLV(19, b'\x1b[2J')),
    'c1-control': (0x03, TLV(17, b'\1') + TLV(18, bytes(4)) + TLV(19, b'\xc2\x9b2J')),
    'cut-utf8': (0x03, TLV(17, b'\1') + TLV(18, bytes(4)) + TLV(19, b'x\xc2')),
    'record-in-record': (0x19, TLV(22, TLV(22, TLV(22, TLV(22, b''))))),
    'record-cut': (0x19, TLV(22, model.encode_body(model.RECORD, RECORD)[:-1])),
    'record-unknown-inside': (0x19, TLV(22, TLV(100, b'x' * 600) + model.encode_body(model.RECORD, RECORD))),
    'record-alone': (0x00, model.encode_body(model.RECORD, FULL_RECORD)),
    'nobody': (0x17, TLV(5, bytes(16)) + TLV(6, bytes(8)) + TLV(7, bytes(4))),
}

STREAM = b''.join(model.encode(name, **body) for name, body in list(MESSAGES.values())[:8])

# A limit, how it is cut, and the stream.
FRAMES = {
    'nothing': (0, 0, b''),
    'one': (0, 1, model.encode('PING', nonce=1, links=4)),
    'stream': (0, 2, STREAM),
    'stream-handshake': (1, 3, STREAM),
    'stream-limit-64': (2, 4, STREAM),
    'smallest': (3, 5, 5 * model.frame(0x04, b'')),
    'length-0': (0, 6, bytes(4)),
    'length-1': (0, 7, b'\0\0\0\1\4'),
    'length-max': (0, 8, (model.FRAME_SIZE_MAX - 4).to_bytes(4, 'big') + b'\x50\0'),
    'length-over': (0, 9, (model.FRAME_SIZE_MAX - 3).to_bytes(4, 'big') + b'\x50\0'),
    'length-over-handshake': (1, 10, (model.FRAME_SIZE_MAX_HANDSHAKE - 3).to_bytes(4, 'big') + b'\1\0'),
    'length-all-ones': (0, 11, b'\xff\xff\xff\xff'),
    'good-then-bad': (0, 12, model.frame(0x04, b'x') + bytes(4) + model.frame(0x04, b'y')),
    'cut': (0, 13, STREAM[:-1]),
    'flags': (0, 14, model.frame(0x04, PING, flags=0xff)),
}


def record(kind, body, version=1):
    return (len(body) + 2).to_bytes(4, 'big') + bytes([version, kind]) + body


def publish(topic, payload):
    return record(16, bytes([len(topic)]) + topic + payload)


RECORDS = publish(b'/a', b'payload') + publish(b'/' + 254 * b't', b'') + publish(b'', b'x') + publish(b'\n', b'x')
STREAM_MESSAGE = ID + 24 * b'\1' + b'\3\3\2\0web/xpayload'

# The same of records.
STREAM_RECORDS = {
    'nothing': (0, 0, b''),
    'one': (0, 1, publish(b'/x', b'abc')),
    'several': (0, 2, RECORDS),
    'several-limit-64': (2, 3, RECORDS),
    'limit-6': (3, 4, record(99, b'') + RECORDS),
    'cut': (0, 5, RECORDS[:-1]),
    'topic-longer-than-body': (0, 6, record(16, b'\x09/x')),
    'empty-body': (0, 7, record(16, b'')),
    'version-0': (0, 8, record(16, b'\2/x', version=0)),
    'version-2': (0, 9, RECORDS + record(16, b'\2/x', version=2)),
    'length-0': (0, 10, bytes(4) + b'\1\x10'),
    'length-1': (0, 11, b'\0\0\0\1\1\x10'),
    'length-all-ones': (0, 12, b'\xff\xff\xff\xff\1\x10'),
    'message': (1, 13, record(1, STREAM_MESSAGE) + record(2, bytes(8))),
    'message-cut': (1, 14, record(1, STREAM_MESSAGE[:43]) + record(1, STREAM_MESSAGE[:48])),
    'answers': (0, 15, record(17, bytes(20)) + record(18, b'\1') + record(19, b'\2')),
    'unknown-type': (0, 16, record(255, b'anything')),
}


def write(corpus, files):
    directory = HERE / 'corpus' / corpus
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)


write('message', {name: bytes([model.NUMBER_OF[kind]]) + model.encode(kind, **body)[6:]
                  for name, (kind, body) in MESSAGES.items()})
write('message', {f'nasty-{name}': bytes([number]) + body for name, (number, body) in NASTY.items()})
write('stream-record', {name: bytes([limit, run]) + stream for name, (limit, run, stream) in STREAM_RECORDS.items()})
write('frame', {name: bytes([limit, run]) + stream for name, (limit, run, stream) in FRAMES.items()})
