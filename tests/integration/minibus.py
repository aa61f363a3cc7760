# SPDX-License-Identifier: LGPL-2.1-or-later
"""A D-Bus client as small as can be, for what busctl does not do: to stay, to be told the names of errors, to send what
does not fit a command line or a signature, and to stop reading. It blocks, and answers nobody but by answer().

    >>> encode('sa{sv}', ['x', {'Linked': ('b', True)}])        # variants are (signature, value)
"""

import collections
import os
import socket
import struct
import time

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE = 1, 2, 3, 4, 5, 6, 7, 8
NUMBERS = {"y": "B", "b": "I", "h": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}

Message = collections.namedtuple("Message", "type serial fields body")


class BusError(Exception):
    def __init__(self, name, sentence):
        super().__init__(f"{name}: {sentence}")
        self.name, self.sentence = name, sentence


def split(signature):
    """The single complete types of a signature."""
    types, at = [], 0
    while at < len(signature):
        begin = at
        while signature[at] == "a":
            at += 1
        if signature[at] in "({":
            depth = 0
            while True:
                depth += (signature[at] in "({") - (signature[at] in ")}")
                at += 1
                if depth == 0:
                    break
        else:
            at += 1
        types.append(signature[begin:at])
    return types


def alignment(kind):
    return {"s": 4, "o": 4, "a": 4, "g": 1, "v": 1, "(": 8, "{": 8}.get(kind[0]) or struct.calcsize(NUMBERS[kind[0]])


def encode(signature, values, data=b""):
    for kind, value in zip(split(signature), values, strict=True):
        data += bytes(-len(data) % alignment(kind))
        if kind in NUMBERS:
            data += struct.pack("<" + NUMBERS[kind], value)
        elif kind in "so":
            text = value.encode()
            data += struct.pack("<I", len(text)) + text + b"\0"
        elif kind == "g":
            data += bytes([len(value)]) + value.encode() + b"\0"
        elif kind == "v":
            data = encode(value[0], [value[1]], encode("g", [value[0]], data))
        elif kind == "ay":
            data += struct.pack("<I", len(value)) + bytes(value)
        elif kind[0] == "a":
            at = len(data)
            data += bytes(4)
            data += bytes(-len(data) % alignment(kind[1:]))
            begin = len(data)
            for item in value.items() if kind[1] == "{" else value:
                data = encode(kind[1:], [item], data)
            data = data[:at] + struct.pack("<I", len(data) - begin) + data[at + 4:]
        else:
            data = encode(kind[1:-1], value, data)
    return data


class Decoder:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def number(self, code):
        size = struct.calcsize(code)
        self.at += -self.at % size
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += size
        return value

    def text(self, size):
        self.at += size + 1
        return self.data[self.at - size - 1:self.at - 1].decode()

    def value(self, kind):
        if kind in NUMBERS:
            value = self.number(NUMBERS[kind])
            return bool(value) if kind == "b" else value
        if kind in "so":
            return self.text(self.number("I"))
        if kind == "g":
            return self.text(self.number("B"))
        if kind == "v":
            return self.value(self.text(self.number("B")))
        if kind[0] != "a":
            self.at += -self.at % 8
            return tuple(self.value(one) for one in split(kind[1:-1]))

        size = self.number("I")
        self.at += -self.at % alignment(kind[1:])
        end = self.at + size
        if kind == "ay":
            self.at = end
            return self.data[end - size:end]
        items = []
        while self.at < end:
            items.append(self.value(kind[1:]))
        return dict(items) if kind[1] == "{" else items


class Client:
    def __init__(self, address, timeout=20, with_fds=False):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(address.removeprefix("unix:path="))
        self.timeout = timeout
        self.data = b""
        self.serial = 0
        self.waiting = []       # what came while a reply was waited for
        self.fds = []           # in the order in which they came
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n" +
                            (b"NEGOTIATE_UNIX_FD\r\n" if with_fds else b"") + b"BEGIN\r\n")
        for wanted in (b"OK ", b"AGREE_UNIX_FD") if with_fds else (b"OK ",):
            while b"\r\n" not in self.data:
                self.data += self.socket.recv(1024)
            answer, self.data = self.data.split(b"\r\n", 1)
            assert answer.startswith(wanted), answer
        (self.name,) = self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        for fd in self.fds:             # that nobody has taken
            os.close(fd)

    def send(self, kind, fields, signature="", body=b""):
        self.serial += 1
        if signature:
            fields = {**fields, SIGNATURE: ("g", signature)}
        header = encode("yyyyuua(yv)", [ord("l"), kind, 0, 1, len(body), self.serial, fields.items()])
        self.socket.settimeout(self.timeout)
        self.socket.sendall(header + bytes(-len(header) % 8) + body)
        return self.serial

    def receive(self, timeout=None):
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while (sizes := self.sizes()) is None or len(self.data) < sum(sizes):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("nothing came in time")
            self.socket.settimeout(left)
            chunk, fds, _, _ = socket.recv_fds(self.socket, 1 << 20, 16)
            self.fds += fds
            if not chunk:
                raise EOFError("the bus has hung up")
            self.data += chunk

        header, body = self.data[:sizes[0]], Decoder(self.data[sizes[0]:sum(sizes)])
        self.data = self.data[sum(sizes):]
        fields = dict(Decoder(header, 12).value("a(yv)"))
        return Message(header[1], struct.unpack_from("<I", header, 8)[0], fields,
                       [body.value(kind) for kind in split(fields.get(SIGNATURE, ""))])

    def sizes(self):
        """Of the header and the body of the first message, when they are there to be read."""
        if len(self.data) < 16:
            return None
        body_size, _, fields_size = struct.unpack_from("<III", self.data, 4)
        return 16 + fields_size + -fields_size % 8, body_size

    def call(self, destination, path, interface, member, signature="", *values):
        return self.call_raw(destination, path, interface, member, signature, encode(signature, values))

    def call_raw(self, destination, path, interface, member, signature, body):
        serial = self.send(CALL, {PATH: ("o", path), INTERFACE: ("s", interface), MEMBER: ("s", member),
                                  DESTINATION: ("s", destination)}, signature, body)
        while True:
            message = self.receive()
            if message.fields.get(REPLY_SERIAL) != serial:
                self.waiting.append(message)
            elif message.type == ERROR:
                raise BusError(message.fields[ERROR_NAME], message.body[0] if message.body else "")
            else:
                return message.body

    def take_socket(self):
        """The first that came with a reply and was not taken yet."""
        return socket.socket(fileno=self.fds.pop(0))

    def match(self, rule):
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", rule)

    def answer(self, message):
        """As every library does it by itself: Ping."""
        if message.type == CALL and message.fields[MEMBER] == "Ping":
            self.send(RETURN, {REPLY_SERIAL: ("u", message.serial), DESTINATION: ("s", message.fields[SENDER])})

    def signal(self, member, timeout=None, answer=True):
        """The next signal of that name; others are forgotten. Return: the message."""
        while True:
            message = self.waiting.pop(0) if self.waiting else self.receive(timeout)
            if answer:
                self.answer(message)
            if message.type == SIGNAL and message.fields[MEMBER] == member:
                return message

    def drain(self, seconds):
        """Everything that comes in a while, in order, PINGs answered."""
        messages, self.waiting = self.waiting, []
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                messages.append(self.receive(left))
        except TimeoutError:
            pass
        for message in messages:
            self.answer(message)
        return messages
