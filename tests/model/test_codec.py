# SPDX-License-Identifier: LGPL-2.1-or-later
"""The C codec against the Python model: each reads what the other wrote, and both refuse the same.

    test_codec.py CODEC-TOOL PROTOCOL.md [RUN]

Without RUN it does run 1, and one that nobody tried before; a failure names its run.
"""

import os
import random
import re
import subprocess
import sys
import unittest

import p2pnet_model as model

TOOL, SPECIFICATION = sys.argv[1:3]
RUNS = [int(sys.argv[3])] if len(sys.argv) > 3 else [1, int.from_bytes(os.urandom(4), 'big')]


# Of one to four bytes, without the control characters and the surrogates.
CHARACTERS = ((0x20, 0x7e), (0xa0, 0x7ff), (0x800, 0xd7ff), (0xe000, 0xffff), (0x10000, 0x10ffff))


def tool(*args, stdin=''):
    return subprocess.run([TOOL, *args], input=stdin, capture_output=True, text=True, check=True).stdout.splitlines()


def judge(frame):
    """What codec-tool should say of this frame."""
    try:
        parts = model.split(frame)
        if parts is None:
            return 'more'
    except model.Malformed:
        return 'short' if int.from_bytes(frame[:4], 'big') < 2 else 'long'
    try:
        name, body = model.decode(*parts[:2])
    except model.Unknown:
        return 'skip'
    except model.Malformed:
        return 'refuse'
    return f'accept {model.encode(name, **body).hex()} {model.message_text(name, body)}'


class Maker:
    """Values and messages at random, valid, fond of the edges."""

    def __init__(self, run):
        self.rng = random.Random(run)

    def between(self, low, high):
        return self.rng.choice((low, high, self.rng.randint(low, high), self.rng.randint(low, high)))

    def text(self, low, high):
        size, text = self.between(low, high), ''
        while (left := size - len(text.encode())) > 0:
            character = chr(self.between(*self.rng.choice(CHARACTERS)))
            text += character if len(character.encode()) <= left else 'x'
        return text

    def value(self, kind):
        if isinstance(kind, model.Number):
            return self.between(kind.low, kind.high)
        if isinstance(kind, model.Id):
            return bytes(16) if kind.nobody and self.rng.random() < 0.3 else self.rng.randbytes(15) + b'\1'
        if isinstance(kind, model.Text):
            return self.text(kind.low, kind.high)
        if isinstance(kind, model.Topic):
            return ''.join(chr(self.rng.randint(0x20, 0x7e)) for _ in range(self.between(kind.low, kind.high)))
        if isinstance(kind, model.Bytes):
            return self.rng.randbytes(self.between(kind.low, min(kind.high, 2048)))
        if isinstance(kind, model.AddressKind):
            return model.address(self.rng.randbytes(self.rng.choice((4, 16))), self.between(1, 65535))
        if isinstance(kind, model.RangeKind):
            first, last = sorted((self.between(1, 2 ** 64 - 1), self.between(1, 2 ** 64 - 1)))
            return model.Range(self.value(model.Id()), self.value(model.Number(8)), first, last)
        if isinstance(kind, model.NeighbourKind):
            return model.Neighbour(self.value(model.Id()), self.value(model.AddressKind()))
        if isinstance(kind, model.Struct):
            return kind.type(*(self.value(k) for k in kind.kinds.values()))
        assert isinstance(kind, model.RecordKind)
        return self.body(model.RECORD)

    def body(self, layout):
        body = {}
        for field in layout:
            if field.repeated:
                body[field.key] = [self.value(field.kind) for _ in range(self.between(0, field.repeated))]
            elif field.required or self.rng.random() < 0.5:
                body[field.key] = self.value(field.kind)
        if 'version_min' in body:
            body['version_min'], body['version_max'] = sorted((body['version_min'], body['version_max']))
        return body

    def message(self, number):
        return model.MESSAGES[number][0], self.body(model.LAYOUTS[number])

    # Damage. Each takes a list of (tag, value) pairs and changes it.

    def drop(self, pairs):
        del pairs[self.rng.randrange(len(pairs))]

    def double(self, pairs):
        pairs.insert(self.rng.randint(0, len(pairs)), self.rng.choice(pairs))

    def swap(self, pairs):
        i, j = self.rng.randrange(len(pairs)), self.rng.randrange(len(pairs))
        pairs[i], pairs[j] = pairs[j], pairs[i]

    def insert(self, pairs):
        tag = self.rng.choice((0, 41, 127, self.rng.randrange(256))) | self.rng.choice((0, 0, 0x80))
        pairs.insert(self.rng.randint(0, len(pairs)), (tag, self.rng.randbytes(self.rng.randrange(20))))

    def mark_critical(self, pairs):
        i = self.rng.randrange(len(pairs))
        pairs[i] = (pairs[i][0] ^ 0x80, pairs[i][1])

    def retag(self, pairs):
        i = self.rng.randrange(len(pairs))
        pairs[i] = (self.rng.randrange(1, 40), pairs[i][1])

    def resize(self, pairs):
        i = self.rng.randrange(len(pairs))
        tag, value = pairs[i]
        size = self.rng.choice((0, 1, len(value) - 1, len(value) + 1, 2 * len(value)))
        pairs[i] = (tag, (value + self.rng.randbytes(size + 1))[:max(size, 0)])

    def change_byte(self, pairs):
        i = self.rng.randrange(len(pairs))
        tag, value = pairs[i][0], bytearray(pairs[i][1])
        if value:
            at = self.rng.choice((0, len(value) - 1, self.rng.randrange(len(value))))
            value[at] = self.rng.choice((0, 1, 2, 3, 4, 6, 0x1b, 0x7f, 0x9f, 0xc2, 0xff, self.rng.randrange(256)))
        pairs[i] = (tag, bytes(value))

    def zero(self, pairs):
        i = self.rng.randrange(len(pairs))
        pairs[i] = (pairs[i][0], bytes(len(pairs[i][1])))

    def map_address(self, pairs):
        pairs.append((11, b'\6\x17\x71' + bytes(10) + b'\xff\xff' + self.rng.randbytes(4)))

    def damage_record(self, pairs):
        records = [i for i, (tag, _) in enumerate(pairs) if tag == 22]
        if not records:
            return
        i = self.rng.choice(records)
        try:
            inner = list(model.tlvs(pairs[i][1]))
        except model.Malformed:         # an earlier damage
            return
        self.damage_tlvs(inner, nested=True)
        pairs[i] = (22, b''.join(model.tlv(*pair) for pair in inner))

    def damage_tlvs(self, pairs, nested=False):
        if not pairs:
            self.insert(pairs)
            return
        ways = [self.drop, self.double, self.swap, self.insert, self.mark_critical, self.retag, self.resize,
                self.change_byte, self.change_byte, self.zero, self.map_address]
        self.rng.choice(ways if nested else ways + 4 * [self.damage_record])(pairs)

    def damage_bytes(self, frame):
        """What does not even keep to frames and TLVs."""
        frame = bytearray(frame)
        way = self.rng.randrange(5)
        if way == 0:
            frame[self.rng.randrange(len(frame))] ^= 1 << self.rng.randrange(8)
        elif way == 1:                  # the body cut, the frame in order
            body = frame[6:6 + self.rng.randint(0, len(frame) - 6)]
            frame = model.frame(frame[4], bytes(body))
        elif way == 2:                  # the frame cut
            del frame[self.rng.randrange(len(frame)):]
        elif way == 3:
            frame[4] = self.rng.randrange(256)
        else:                           # a length that lies, at the edges
            limit = model.FRAME_SIZE_MAX - 4
            size = self.rng.choice((0, 1, 2, 3, len(frame) - 3, limit, limit + 1, 2 ** 32 - 1))
            frame[:4] = size.to_bytes(4, 'big')
        return bytes(frame)

    def damage(self, frame):
        number, body, _ = model.split(frame)
        if self.rng.random() < 0.2:
            return self.damage_bytes(frame)
        pairs = list(model.tlvs(body))
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            self.damage_tlvs(pairs)
        return model.frame(number, b''.join(model.tlv(*pair) for pair in pairs), flags=self.rng.randrange(256))


class TestCodec(unittest.TestCase):
    longMessage = True
    maxDiff = 2000

    def check(self, run, frames):
        """Both of the same opinion about each frame. Returns how often each verdict fell."""
        counts = {}
        answers = tool(stdin=''.join(frame.hex() + '\n' for frame in frames))
        self.assertEqual(len(answers), len(frames))
        for frame, answer in zip(frames, answers):
            self.assertEqual(answer, judge(frame), f'run {run}, frame {frame.hex()[:2000]}')
            verdict = answer.split()[0]
            counts[verdict] = counts.get(verdict, 0) + 1
        return counts

    def test_model_reads_what_c_writes(self):
        for run in RUNS:
            lines = tool('--random', str(run), '20')
            self.assertEqual(len(lines), 20 * len(model.MESSAGES))
            for line in lines:
                self.assertEqual('accept ' + line, judge(bytes.fromhex(line.split()[0])), f'run {run}')

    def test_c_reads_what_the_model_writes(self):
        for run in RUNS:
            maker = Maker(run)
            messages = [maker.message(number) for number in model.MESSAGES for _ in range(20)]
            frames = [model.encode(name, **body) for name, body in messages]
            self.assertEqual(self.check(run, frames), {'accept': len(frames)})
            for frame, (name, body) in zip(frames, messages):
                self.assertEqual(model.decode(*model.split(frame)[:2]), (name, body), f'run {run}')

    def test_both_refuse_the_same(self):
        for run in RUNS:
            maker, frames = Maker(run), []
            while len(frames) < 6000:
                name, body = maker.message(maker.rng.choice(list(model.MESSAGES)))
                frame = model.encode(name, **body)
                if len(frame) < 3000 or maker.rng.random() < 0.05:
                    frames += [maker.damage(frame) for _ in range(6)]
            counts = self.check(run, frames)
            for verdict, n in {'accept': 500, 'refuse': 1000, 'more': 50, 'long': 5, 'short': 5, 'skip': 20}.items():
                self.assertGreater(counts.get(verdict, 0), n, f'run {run}: {counts}')

    def test_every_type_is_known_to_both_or_neither(self):
        counts = self.check(0, [model.frame(number, b'') for number in range(256)])
        self.assertEqual(counts['skip'], 256 - len(model.MESSAGES))


class TestModel(unittest.TestCase):
    def test_hashes_equal_the_published_ones(self):
        key = bytes(range(16))
        for size, expected in ((0, 0x726fdb47dd0e0e31), (7, 0xab0200f58b01d137), (8, 0x93f5f5799a932462),
                               (15, 0xa129ca6149be45e5), (63, 0x958a324ceb064572)):
            self.assertEqual(model.siphash24(bytes(range(size)), key), expected)

    def test_digest_depends_on_what_the_specification_says(self):
        a, b = b'\x05' + bytes(14) + b'\1', b'\x05' + bytes(14) + b'\2'
        self.assertEqual(model.digest([]), bytes(2048))
        both = model.digest([(a, 1, 2, model.ALIVE), (b, 3, 4, model.DEAD)])
        self.assertEqual(both, model.digest([(b, 3, 4, model.DEAD), (a, 1, 2, model.ALIVE)]))
        self.assertEqual(both, model.digest([(a, 1, 2, model.SUSPECT), (b, 3, 4, model.DEAD)]))
        self.assertEqual(both[:5 * 8] + both[6 * 8:], bytes(2040))
        for other in ((a, 2, 2, model.ALIVE), (a, 1, 3, model.ALIVE), (a, 1, 2, model.LEFT), (a, 1, 2, model.DEAD)):
            self.assertNotEqual(both, model.digest([other, (b, 3, 4, model.DEAD)]))

    def test_tables_are_those_of_the_specification(self):
        with open(SPECIFICATION, encoding='utf-8') as f:
            rows = [[cell.strip() for cell in line.strip().strip('|').split('|')] for line in f if line.startswith('|')]

        messages = {int(row[0], 16): (row[1], row[3]) for row in rows if re.fullmatch('0x[0-9a-f]{2}', row[0])}
        self.assertEqual(messages, model.MESSAGES)

        tags = {row[1]: int(row[0]) for row in rows if re.fullmatch('[0-9]+', row[0]) and re.fullmatch('[A-Z_]+', row[1])}
        self.assertEqual(tags, {name: number for name, (number, _) in model.TAGS.items()})


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
