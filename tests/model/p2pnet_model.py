# SPDX-License-Identifier: LGPL-2.1-or-later
"""A second implementation of the p2pnet protocol, version 1: small, slow, written from docs/PROTOCOL.md and nothing else.

The tests hold the C codec against it (test_codec.py), and let it join a real network (Session). Messages are dicts whose
keys are the tags of PROTOCOL.md in lower case; a repeated TLV is a list, an optional one that is absent has no key.

    >>> frame = encode('PING', nonce=17, links=4)
    >>> decode(*split(frame)[:2])
    ('PING', {'nonce': 17, 'links': 4})
"""

import dataclasses
import ipaddress
import os
import re
import socket
import struct
import time
from collections import namedtuple

FRAME_SIZE_MAX = 1024 * 1024 + 4096
FRAME_SIZE_MAX_HANDSHAKE = 64 * 1024
CRITICAL = 0x80

ALIVE, SUSPECT, LEFT, DEAD = range(4)
PEER, SEED = 1, 2
SESSION, PROBE = 0, 1
LOW, HIGH, MERGE = range(3)
REASONS = {
    1: 'done', 2: 'leaving', 3: 'network', 4: 'version', 5: 'protocol', 6: 'busy', 7: 'duplicate-id', 8: 'superseded',
    9: 'self', 10: 'slow', 11: 'idle', 12: 'timeout', 13: 'not-allowed',
}
REASON_OF = {name: number for number, name in REASONS.items()}


class Malformed(Exception):
    """The body of a known type, or a frame's length, breaks a rule."""


class Unknown(Exception):
    """A type that has no body in version 1: to be skipped and counted."""


def require(condition, what):
    if not condition:
        raise Malformed(what)


# Kinds of value, section 2.1: bytes to value, value to bytes, and value to the text that codec-tool prints.

class Number:
    def __init__(self, size, low=0, high=None):
        self.size, self.low, self.high = size, low, 256 ** size - 1 if high is None else high

    def decode(self, data):
        require(len(data) == self.size, 'size')
        value = int.from_bytes(data, 'big')
        require(self.low <= value <= self.high, f'number {value}')
        return value

    def encode(self, value):
        return value.to_bytes(self.size, 'big')

    text = str


class Bytes:
    def __init__(self, low, high):
        self.low, self.high = low, high

    def decode(self, data):
        require(self.low <= len(data) <= self.high, 'size')
        return bytes(data)

    def encode(self, value):
        return value

    def text(self, value):
        return self.encode(value).hex()


class Id(Bytes):
    def __init__(self, nobody=False):
        super().__init__(16, 16)
        self.nobody = nobody

    def decode(self, data):
        value = super().decode(data)
        require(self.nobody or any(value), 'nobody')
        return value


class Text(Bytes):
    def decode(self, data):
        try:
            value = super().decode(data).decode('utf-8')
        except UnicodeDecodeError as error:
            raise Malformed('UTF-8') from error
        require(not re.search('[\0-\x1f\x7f-\x9f]', value), 'control character')
        return value

    def encode(self, value):
        return value.encode('utf-8')


class Topic(Bytes):
    def decode(self, data):
        value = super().decode(data)
        require(re.fullmatch(b'[ -~]*', value), 'topic')
        return value.decode('ascii')

    def encode(self, value):
        return value.encode('ascii')


Neighbour = namedtuple('Neighbour', 'id address')
Address = namedtuple('Address', 'host port')            # host: an ipaddress.IPv4Address or IPv6Address


def address(host, port):
    return Address(ipaddress.ip_address(host), port)


class AddressKind:
    def decode(self, data):
        require(len(data) >= 3, 'size')
        family, port = struct.unpack('>BH', data[:3])
        require((family, len(data)) in ((4, 7), (6, 19)), 'family')
        require(port != 0, 'port')
        host = ipaddress.ip_address(bytes(data[3:]))
        if family == 6 and host.ipv4_mapped:
            host = host.ipv4_mapped
        return Address(host, port)

    def encode(self, value):
        return struct.pack('>BH', value.host.version, value.port) + value.host.packed

    def text(self, value):
        return f'{value.host.version}/{value.host.packed.hex()}/{value.port}'


class Struct:
    """Fixed fields one after the other."""

    def __init__(self, name, **kinds):
        self.kinds = kinds
        self.type = namedtuple(name, kinds)

    def decode(self, data):
        values, at = [], 0
        for kind in self.kinds.values():
            size = kind.size if isinstance(kind, Number) else 16
            values.append(kind.decode(data[at:at + size]))
            at += size
        require(at == len(data), 'size')
        return self.type(*values)

    def encode(self, value):
        return b''.join(kind.encode(v) for kind, v in zip(self.kinds.values(), value))

    def text(self, value):
        return '/'.join(kind.text(v) for kind, v in zip(self.kinds.values(), value))


class NeighbourKind:
    def decode(self, data):
        require(len(data) >= 16, 'size')
        return Neighbour(Id().decode(data[:16]), AddressKind().decode(data[16:]))

    def encode(self, value):
        return value.id + AddressKind().encode(value.address)

    def text(self, value):
        return value.id.hex() + '/' + AddressKind().text(value.address)


class RangeKind(Struct):
    def decode(self, data):
        value = super().decode(data)
        require(value.first <= value.last, 'range')
        return value


class RecordKind:
    def decode(self, data):
        return decode_body(RECORD, data)

    def encode(self, value):
        return encode_body(RECORD, value)

    def text(self, value):
        return '{' + body_text(RECORD, value) + ' }'


STATE = Number(1, 0, 3)
HELD = Struct('Held', epoch=Number(8), incarnation=Number(4), state=STATE)
RENEWAL = Struct('Renewal', id=Id(), epoch=Number(8), age=Number(4))
STAMP = Struct('Stamp', origin=Id(), epoch=Number(8), sequence=Number(8, low=1), age=Number(4), hops=Number(1))
RANGE = RangeKind('Range', origin=Id(), epoch=Number(8), first=Number(8, low=1), last=Number(8, low=1))
SUSPICION = Struct('Suspicion', id=Id(), epoch=Number(8), incarnation=Number(4), accuser=Id(), others=Number(1))
PREVIOUS = Struct('Previous', epoch=Number(8), sequence=Number(8, low=1))
LINK = Struct('Link', id=Id(), flags=Number(1), rtt=Number(4))
Held, Renewal, Stamp, Range, Suspicion, Previous, Link = (
    kind.type for kind in (HELD, RENEWAL, STAMP, RANGE, SUSPICION, PREVIOUS, LINK))

# Section 2.2.
TAGS = {
    'NETWORK': (1, Text(1, 64)),
    'VERSION_MIN': (2, Number(2, low=1)),
    'VERSION_MAX': (3, Number(2, low=1)),
    'VERSION': (4, Number(2, low=1)),
    'ID': (5, Id()),
    'EPOCH': (6, Number(8)),
    'INCARNATION': (7, Number(4)),
    'STATE': (8, STATE),
    'ROLE': (9, Number(1, 1, 2)),
    'NAME': (10, Text(1, 100)),
    'ADDRESS': (11, AddressKind()),
    'FEATURES': (12, Number(8)),
    'PORT': (13, Number(2, low=1)),
    'PURPOSE': (14, Number(1, 0, 1)),
    'HELD': (15, HELD),
    'OBSERVED': (16, AddressKind()),
    'REASON': (17, Number(1, low=1)),
    'RETRY_AFTER': (18, Number(4)),
    'DETAIL': (19, Text(0, 200)),
    'NONCE': (20, Number(8)),
    'LINKS': (21, Number(2)),
    'RECORD': (22, RecordKind()),
    'LEASE': (23, Number(4, low=1)),
    'TOTAL': (24, Number(4)),
    'COUNT': (25, Number(2, 1, 64)),
    'AFTER': (26, Id(nobody=True)),
    'RENEWAL': (27, RENEWAL),
    'AGE': (28, Number(4)),
    'DIGEST': (29, Bytes(2048, 2048)),
    'BUCKETS': (30, Bytes(32, 32)),
    'PRIORITY': (31, Number(1, 0, 2)),
    'STAMP': (32, STAMP),
    'TOPIC': (33, Topic(1, 255)),
    'PAYLOAD': (34, Bytes(0, 1024 * 1024)),
    'RANGE': (35, RANGE),
    'TTL': (36, Number(1)),
    'SUSPICION': (37, SUSPICION),
    'PREVIOUS': (38, PREVIOUS),
    'NEIGHBOUR': (39, NeighbourKind()),
    'LINK': (40, LINK),
}

# Section 3, in its own notation.
MESSAGES = {
    0x01: ('HELLO', 'NETWORK VERSION_MIN VERSION_MAX ID EPOCH ROLE PURPOSE NAME PORT [ADDRESS 0..4] FEATURES'),
    0x02: ('HELLO_OK', 'VERSION ID EPOCH ROLE NAME PORT [ADDRESS 0..4] FEATURES [OBSERVED] [HELD]'),
    0x03: ('CLOSE', 'REASON RETRY_AFTER DETAIL'),
    0x04: ('PING', 'NONCE LINKS'),
    0x05: ('PONG', 'NONCE LINKS [NEIGHBOUR 0..8]'),
    0x10: ('REGISTER', 'RECORD(1) LINKS'),
    0x11: ('REGISTER_OK', 'LEASE TOTAL [HELD]'),
    0x12: ('LIST', 'COUNT [AFTER]'),
    0x13: ('LIST_OK', 'TOTAL [RECORD 0..64]'),
    0x14: ('RENEW', 'EPOCH INCARNATION LINKS'),
    0x15: ('RENEW_OK', 'LEASE TOTAL [HELD] [RECORD 0..64]'),
    0x16: ('LEAVE', 'EPOCH INCARNATION'),
    0x17: ('DEAD_REPORT', 'ID EPOCH INCARNATION'),
    0x18: ('ACCUSED', 'HELD'),
    0x19: ('REFUTE', 'RECORD(1)'),
    0x20: ('MEMBERS', '[RECORD 0..64] [SUSPICION 0..64]'),
    0x21: ('SYNC_DIGEST', 'DIGEST'),
    0x22: ('SYNC_RECORDS', '[RECORD 0..64] [RENEWAL 0..512] [BUCKETS]'),
    0x30: ('NEIGHBOR', 'PRIORITY LINKS'),
    0x31: ('ACCEPT', 'LINKS'),
    0x32: ('BUSY', '[ADDRESS 0..8]'),
    0x33: ('DISCONNECT', 'REASON'),
    0x34: ('SHUFFLE', 'TTL [RECORD 0..8]'),
    0x35: ('SHUFFLE_REPLY', '[RECORD 0..8]'),
    0x40: ('PROBE_REQ', 'NONCE ID [ADDRESS 0..4]'),
    0x41: ('PROBE_ACK', 'NONCE'),
    0x42: ('PROBE_NACK', 'NONCE'),
    0x43: ('LINKS', 'NONCE'),
    0x44: ('LINKS_OK', 'NONCE [LINK 0..64]'),
    0x50: ('GOSSIP', 'STAMP TOPIC PAYLOAD [PREVIOUS]'),
    0x51: ('IHAVE', '[RANGE 0..512]'),
    0x52: ('GRAFT', '[RANGE 0..512]'),
    0x53: ('PRUNE', ''),
    0x54: ('MSG_RANGES', '[RANGE 0..512]'),
    0x55: ('MSG_WANT', '[RANGE 0..512]'),
}

Field = namedtuple('Field', 'key tag kind required repeated')


def parse_layout(notation):
    fields = []
    for bracket, name, maximum in re.findall(r'(\[?)([A-Z_]+)(?: 0\.\.(\d+)|\(1\))?', notation):
        tag, kind = TAGS[name]
        fields.append(Field(name.lower(), tag, kind, not bracket, int(maximum) if maximum else 0))
    return fields


RECORD = parse_layout('ID EPOCH INCARNATION STATE ROLE NAME AGE [ADDRESS 0..4]')
LAYOUTS = {number: parse_layout(notation) for number, (_, notation) in MESSAGES.items()}
NUMBER_OF = {name: number for number, (name, _) in MESSAGES.items()}


# Bodies, section 2.

def tlv(tag, value):
    return bytes([tag]) + len(value).to_bytes(3, 'big') + value


def tlvs(data):
    """The (tag, value) pairs of a body, the critical bit still in the tag."""
    at = 0
    while at < len(data):
        require(len(data) - at >= 4, 'rest')
        size = int.from_bytes(data[at + 1:at + 4], 'big')
        require(len(data) - at - 4 >= size, 'TLV length')
        yield data[at], data[at + 4:at + 4 + size]
        at += 4 + size


def decode_body(layout, data):
    by_tag = {field.tag: field for field in layout}
    body = {field.key: [] for field in layout if field.repeated}

    for tag, value in tlvs(data):
        field = by_tag.get(tag & ~CRITICAL)
        require(tag & ~CRITICAL, 'tag 0')
        if field is None:
            require(not tag & CRITICAL, 'unknown critical TLV')
        elif field.repeated:
            body[field.key].append(field.kind.decode(value))
            require(len(body[field.key]) <= field.repeated, f'too many {field.key}')
        else:
            require(field.key not in body, f'{field.key} twice')
            body[field.key] = field.kind.decode(value)

    for field in layout:
        require(field.key in body or not field.required, f'no {field.key}')
    require(body.get('version_min', 0) <= body.get('version_max', 0xffff), 'versions')
    return {field.key: body[field.key] for field in layout if field.key in body}


def encode_body(layout, body):
    data = b''
    for field in layout:
        values = body.get(field.key, []) if field.repeated else [body[field.key]] if field.key in body else []
        data += b''.join(tlv(field.tag, field.kind.encode(value)) for value in values)
    return data


def body_text(layout, body):
    text = ''
    for field in layout:
        if field.repeated:
            text += f' {field.key}=[' + ','.join(field.kind.text(value) for value in body.get(field.key, [])) + ']'
        elif field.key in body:
            text += f' {field.key}={field.kind.text(body[field.key])}'
    return text


# Frames, section 1.

def frame(number, body, flags=0):
    return struct.pack('>IBB', 2 + len(body), number, flags) + body


def split(data, limit=FRAME_SIZE_MAX):
    """The first frame in @data as (type, body, rest), or None when it is not there as a whole."""
    if len(data) < 4:
        return None
    size = 4 + int.from_bytes(data[:4], 'big')
    require(6 <= size <= limit, 'frame length')
    return (data[4], data[6:size], data[size:]) if len(data) >= size else None


def decode(number, body):
    if number not in LAYOUTS:
        raise Unknown(f'type {number:#x}')
    return MESSAGES[number][0], decode_body(LAYOUTS[number], body)


def encode(name, /, **body):
    number = NUMBER_OF[name]
    return frame(number, encode_body(LAYOUTS[number], body))


def message_text(name, body):
    return name + body_text(LAYOUTS[NUMBER_OF[name]], body)


# The digest, section 7.3.

def siphash24(data, key=bytes(16)):
    mask = 2 ** 64 - 1

    def rotate(x, n):
        return (x << n | x >> 64 - n) & mask

    def rounds(n):
        nonlocal v0, v1, v2, v3
        for _ in range(n):
            v0 = v0 + v1 & mask
            v1 = rotate(v1, 13) ^ v0
            v0 = rotate(v0, 32)
            v2 = v2 + v3 & mask
            v3 = rotate(v3, 16) ^ v2
            v0 = v0 + v3 & mask
            v3 = rotate(v3, 21) ^ v0
            v2 = v2 + v1 & mask
            v1 = rotate(v1, 17) ^ v2
            v2 = rotate(v2, 32)

    k0, k1 = struct.unpack('<QQ', key)
    constants = struct.unpack('>4Q', b'somepseudorandomlygeneratedbytes')
    v0, v1, v2, v3 = (k ^ c for k, c in zip((k0, k1, k0, k1), constants))
    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) % 256])
    for (word,) in struct.iter_unpack('<Q', padded):
        v3 ^= word
        rounds(2)
        v0 ^= word
    v2 ^= 0xff
    rounds(4)
    return v0 ^ v1 ^ v2 ^ v3


def digest(members):
    """The DIGEST of (id, epoch, incarnation, state) tuples or of records: a hash for each first byte of an id."""
    buckets = [0] * 256
    for member in members:
        if isinstance(member, dict):
            member = tuple(member[key] for key in ('id', 'epoch', 'incarnation', 'state'))
        node_id, epoch, incarnation, state = member
        state = ALIVE if state == SUSPECT else state
        buckets[node_id[0]] ^= siphash24(node_id + struct.pack('>QIB', epoch, incarnation, state))
    return struct.pack('>256Q', *buckets)


# A node that speaks the protocol over blocking sockets.

class Closed(Exception):
    """The other end said CLOSE; or just hung up, which has reason 0."""

    def __init__(self, reason, detail=''):
        super().__init__(f'{REASONS.get(reason, reason)}: {detail}')
        self.reason, self.detail = reason, detail


@dataclasses.dataclass
class Node:
    """What we say of ourselves."""
    network: str
    port: int
    name: str = 'model'
    role: int = PEER
    id: bytes = dataclasses.field(default_factory=lambda: os.urandom(16))
    epoch: int = dataclasses.field(default_factory=lambda: time.time_ns() // 1000)
    incarnation: int = 0
    state: int = ALIVE
    addresses: list = dataclasses.field(default_factory=list)
    links: int = 0
    sequence: int = 0

    def record(self):
        return {
            'id': self.id, 'epoch': self.epoch, 'incarnation': self.incarnation, 'state': self.state, 'role': self.role,
            'name': self.name, 'age': 0, 'address': self.addresses or [address('127.0.0.1', self.port)],
        }

    def next_stamp(self):
        self.sequence += 1
        return Stamp(self.id, self.epoch, self.sequence, age=0, hops=1)


class Session:
    """One connection. dial() and accept() return it with its handshake done; PING is answered by whatever receives."""

    def __init__(self, sock, node, timeout=10):
        self.sock, self.node, self.timeout = sock, node, timeout
        self.data = b''
        self.limit = FRAME_SIZE_MAX_HANDSHAKE
        self.waiting = []               # messages that came while another was waited for
        self.n_skipped = 0
        self.peer = None                # the other end's HELLO or HELLO_OK

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    @classmethod
    def dial(cls, node, host, port, purpose=SESSION, timeout=10):
        session = cls(socket.create_connection((host, port), timeout), node, timeout)
        try:
            session.send('HELLO', network=node.network, version_min=1, version_max=1, id=node.id, epoch=node.epoch,
                         role=node.role, purpose=purpose, name=node.name, port=node.port, address=node.addresses,
                         features=0)
            session.peer = session.expect('HELLO_OK')
            require(session.peer['version'] == 1, 'version')
        except BaseException:
            session.sock.close()
            raise
        session.limit = FRAME_SIZE_MAX
        return session

    @classmethod
    def accept(cls, node, listener, timeout=10):
        listener.settimeout(timeout)
        session = cls(listener.accept()[0], node, timeout)
        try:
            hello = session.expect('HELLO')
            if hello['network'] != node.network:
                session.refuse('network', f'This is network {node.network}, not {hello["network"]}.')
            if not hello['version_min'] <= 1 <= hello['version_max']:
                session.refuse('version', 'Only version 1 is spoken here.')
            if hello['id'] == node.id:
                session.refuse('self', 'You have reached yourself.')
            host, port = session.sock.getpeername()[:2]
            session.send('HELLO_OK', version=1, id=node.id, epoch=node.epoch, role=node.role, name=node.name,
                         port=node.port, address=node.addresses, features=0, observed=address(host, port))
        except BaseException:
            session.sock.close()
            raise
        session.peer = hello
        session.limit = FRAME_SIZE_MAX
        return session

    def refuse(self, reason, detail):
        self.send('CLOSE', reason=REASON_OF[reason], retry_after=0, detail=detail)
        raise Closed(REASON_OF[reason], detail)

    def send(self, name, /, **body):
        self.send_bytes(encode(name, **body))

    def send_bytes(self, data):
        """Anything at all: also what no frame should be."""
        self.sock.settimeout(self.timeout)
        self.sock.sendall(data)

    def read_frame(self, deadline):
        while (parts := split(self.data, self.limit)) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError('nothing came in time')
            self.sock.settimeout(left)
            chunk = self.sock.recv(65536)
            if not chunk:
                raise Closed(0, 'hung up')
            self.data += chunk
        number, body, self.data = parts
        return number, body

    def read_message(self, deadline):
        while True:
            try:
                name, body = decode(*self.read_frame(deadline))
            except Unknown:
                self.n_skipped += 1
                continue
            except Malformed as error:
                self.send('CLOSE', reason=REASON_OF['protocol'], retry_after=0, detail=str(error))
                raise
            if name == 'CLOSE':
                raise Closed(body['reason'], body['detail'])
            if name != 'PING':
                return name, body
            self.send('PONG', nonce=body['nonce'], links=self.node.links)

    def receive(self, timeout=None):
        """The next message, as (name, body). CLOSE and the end of the connection raise Closed, silence TimeoutError."""
        if self.waiting:
            return self.waiting.pop(0)
        return self.read_message(time.monotonic() + (self.timeout if timeout is None else timeout))

    def expect(self, *names, timeout=None):
        """The body of the next message of one of these names. Others stay for receive(), in their order."""
        for i, (name, body) in enumerate(self.waiting):
            if name in names:
                del self.waiting[i]
                return body

        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            name, body = self.read_message(deadline)
            if name in names:
                return body
            self.waiting.append((name, body))

    def serve(self, seconds):
        """Answers PING for a while and keeps everything else for receive()."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.waiting.append(self.read_message(deadline))
        except TimeoutError:
            pass

    def close(self, reason='done', detail=''):
        try:
            self.send('CLOSE', reason=REASON_OF[reason], retry_after=0, detail=detail)
        finally:
            self.sock.close()

    # With anybody.

    def ping(self, nonce=1):
        self.send('PING', nonce=nonce, links=self.node.links)
        pong = self.expect('PONG')
        require(pong['nonce'] == nonce, 'nonce')
        return pong

    # With a peer.

    def neighbor(self, priority=LOW):
        """Asks for a link. True when it is one now; False when the other end is busy."""
        self.send('NEIGHBOR', priority=priority, links=self.node.links)
        accepted = 'links' in self.expect('ACCEPT', 'BUSY')
        self.node.links += accepted
        return accepted

    def accept_neighbor(self):
        """Waits for NEIGHBOR and makes a link of this session."""
        asked = self.expect('NEIGHBOR')
        self.node.links += 1
        self.send('ACCEPT', links=self.node.links)
        return asked

    def publish(self, topic, payload):
        stamp = self.node.next_stamp()
        self.send('GOSSIP', stamp=stamp, topic=topic, payload=payload)
        return stamp

    def forward(self, gossip, held_msec=0):
        """Hands on what came over another link."""
        stamp = gossip['stamp']
        self.send('GOSSIP', stamp=stamp._replace(age=stamp.age + held_msec, hops=min(stamp.hops + 1, 255)),
                  topic=gossip['topic'], payload=gossip['payload'])

    # With a seed.

    def register(self):
        self.send('REGISTER', record=self.node.record(), links=self.node.links)
        return self.expect('REGISTER_OK')

    def renew(self):
        self.send('RENEW', epoch=self.node.epoch, incarnation=self.node.incarnation, links=self.node.links)
        return self.expect('RENEW_OK')

    def list(self, count=64, after=None):
        self.send('LIST', count=count, **({} if after is None else {'after': after}))
        return self.expect('LIST_OK')

    def list_all(self):
        """The whole list, page by page."""
        records, after = [], bytes(16)
        while page := self.list(after=after)['record']:
            records += page
            after = page[-1]['id']
        return records

    def leave(self):
        self.send('LEAVE', epoch=self.node.epoch, incarnation=self.node.incarnation)
