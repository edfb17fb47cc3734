"""A small raw AMQP 0-9-1 client for tests: every byte is under the test's control.

Methods are packed by a format of one letter per argument:
  B octet, H short, L long, Q longlong, s shortstr, S longstr, T table, t bit (packed together).
"""

import struct
import time
from collections import deque

from wire import TIMEOUT, Closed, Late, Wire

HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, CONTENT_HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE

PROPERTIES = [  # (bit, name, format)
    (15, "content_type", "s"),
    (14, "content_encoding", "s"),
    (13, "headers", "T"),
    (12, "delivery_mode", "B"),
    (11, "priority", "B"),
    (10, "correlation_id", "s"),
    (9, "reply_to", "s"),
    (8, "expiration", "s"),
    (7, "message_id", "s"),
    (6, "timestamp", "Q"),
    (5, "type", "s"),
    (4, "user_id", "s"),
    (3, "app_id", "s"),
    (2, "cluster_id", "s"),
]

# (class, method) of what a server sends -> (name, format)
SERVER = {
    (10, 10): ("connection.start", "BBTSS"),
    (10, 20): ("connection.secure", "S"),
    (10, 30): ("connection.tune", "HLH"),
    (10, 41): ("connection.open-ok", "s"),
    (10, 50): ("connection.close", "HsHH"),
    (10, 51): ("connection.close-ok", ""),
    (10, 60): ("connection.blocked", "s"),
    (10, 61): ("connection.unblocked", ""),
    (10, 71): ("connection.update-secret-ok", ""),
    (20, 11): ("channel.open-ok", "S"),
    (20, 21): ("channel.flow-ok", "t"),
    (20, 40): ("channel.close", "HsHH"),
    (20, 41): ("channel.close-ok", ""),
    (30, 11): ("access.request-ok", "H"),
    (40, 11): ("exchange.declare-ok", ""),
    (40, 21): ("exchange.delete-ok", ""),
    (40, 31): ("exchange.bind-ok", ""),
    (40, 51): ("exchange.unbind-ok", ""),
    (50, 11): ("queue.declare-ok", "sLL"),
    (50, 21): ("queue.bind-ok", ""),
    (50, 31): ("queue.purge-ok", "L"),
    (50, 41): ("queue.delete-ok", "L"),
    (50, 51): ("queue.unbind-ok", ""),
    (60, 11): ("basic.qos-ok", ""),
    (60, 21): ("basic.consume-ok", "s"),
    (60, 30): ("basic.cancel", "st"),
    (60, 31): ("basic.cancel-ok", "s"),
    (60, 50): ("basic.return", "Hsss"),
    (60, 60): ("basic.deliver", "sQtss"),
    (60, 71): ("basic.get-ok", "QtssL"),
    (60, 72): ("basic.get-empty", "s"),
    (60, 80): ("basic.ack", "Qt"),
    (60, 111): ("basic.recover-ok", ""),
    (60, 120): ("basic.nack", "Qtt"),
    (85, 11): ("confirm.select-ok", ""),
    (90, 11): ("tx.select-ok", ""),
    (90, 21): ("tx.commit-ok", ""),
    (90, 31): ("tx.rollback-ok", ""),
}


class ChannelClosed(Exception):
    def __init__(self, code, text, class_id, method_id):
        super().__init__(f"{code} {text}")
        self.code, self.text, self.method = code, text, (class_id, method_id)


class ConnectionClosed(ChannelClosed):
    pass


class Raw(bytes):
    """An encoded table, to be sent or compared as it is."""


def pack_value(value):
    if isinstance(value, bool):
        return b"t" + bytes([value])
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return b"I" + struct.pack(">i", value)
        return b"l" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"d" + struct.pack(">d", value)
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"S" + struct.pack(">I", len(value)) + value
    if isinstance(value, dict):
        return b"F" + pack_table(value)
    if isinstance(value, list):
        items = b"".join(map(pack_value, value))
        return b"A" + struct.pack(">I", len(items)) + items
    if value is None:
        return b"V"
    raise TypeError(type(value))


def pack_table(table):
    if isinstance(table, Raw):
        return bytes(table)
    body = b"".join(pack_short(k) + pack_value(v) for k, v in (table or {}).items())
    return struct.pack(">I", len(body)) + body


def pack_short(text):
    data = text.encode() if isinstance(text, str) else text
    return bytes([len(data)]) + data


def pack(formats, *values):
    """Packs arguments; neighbouring bits share octets."""
    out, bits, bit_count = bytearray(), 0, 0
    for letter, value in zip(formats, values, strict=True):
        if letter == "t":
            bits |= bool(value) << bit_count
            bit_count += 1
            continue
        if bit_count:
            out.append(bits)
            bits = bit_count = 0
        if letter in "BHLQ":
            out += struct.pack(">" + letter.replace("L", "I"), value)
        elif letter == "s":
            out += pack_short(value)
        elif letter == "S":
            data = value.encode() if isinstance(value, str) else value
            out += struct.pack(">I", len(data)) + data
        elif letter == "T":
            out += pack_table(value)
    if bit_count:
        out.append(bits)
    return bytes(out)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise AssertionError("the server sent a short frame")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, letter):
        return struct.unpack(">" + letter, self.take(struct.calcsize(">" + letter)))[0]

    def short(self):
        return self.take(self.number("B")).decode("utf-8", "surrogateescape")

    def value(self):
        kind = chr(self.number("B"))
        if kind in "bBsuIilLfdT":
            letter = {"b": "b", "B": "B", "s": "h", "u": "H", "I": "i", "i": "I", "l": "q",
                      "L": "q", "f": "f", "d": "d", "T": "Q"}[kind]
            return self.number(letter)
        if kind == "t":
            return bool(self.number("B"))
        if kind == "S":
            return self.take(self.number("I")).decode("utf-8", "surrogateescape")
        if kind == "x":
            return self.take(self.number("I"))
        if kind == "D":
            scale = self.number("B")
            return self.number("I") / 10**scale
        if kind == "F":
            return self.table()
        if kind == "A":
            inner = Reader(self.take(self.number("I")))
            items = []
            while inner.at < len(inner.data):
                items.append(inner.value())
            return items
        if kind == "V":
            return None
        raise AssertionError(f"unknown field type {kind!r}")

    def table(self):
        inner = Reader(self.take(self.number("I")))
        table = {}
        while inner.at < len(inner.data):
            name = inner.short()
            table[name] = inner.value()
        return table

    def typed_value(self):
        """(letter, value), and the same of everything inside."""
        kind = chr(self.data[self.at])
        if kind == "F":
            self.at += 1
            return kind, self.typed_table()
        if kind == "A":
            self.at += 1
            inner, items = Reader(self.take(self.number("I"))), []
            while inner.at < len(inner.data):
                items.append(inner.typed_value())
            return kind, items
        return kind, self.value()

    def typed_table(self):
        inner, table = Reader(self.take(self.number("I"))), {}
        while inner.at < len(inner.data):
            name = inner.short()
            table[name] = inner.typed_value()
        return table

    def arguments(self, formats):
        values, bits, bit_count = [], 0, 8
        for letter in formats:
            if letter == "t":
                if bit_count == 8:
                    bits, bit_count = self.number("B"), 0
                values.append(bool(bits >> bit_count & 1))
                bit_count += 1
                continue
            bit_count = 8
            if letter in "BHLQ":
                values.append(self.number(letter.replace("L", "I")))
            elif letter == "s":
                values.append(self.short())
            elif letter == "S":
                values.append(self.take(self.number("I")))
            elif letter == "T":
                values.append(self.table())
        return values


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([FRAME_END])


def method(channel, class_id, method_id, formats="", *values):
    payload = struct.pack(">HH", class_id, method_id) + pack(formats, *values)
    return frame(METHOD, channel, payload)


def pack_properties(properties):
    if isinstance(properties, Raw):
        return bytes(properties)
    flags, body = 0, b""
    for bit, name, letter in PROPERTIES:
        if properties.get(name) is not None:
            flags |= 1 << bit
            body += pack(letter, properties[name])
    return struct.pack(">H", flags) + body


def content(channel, body, properties=None, frame_max=131072, size=None):
    """A content header and its bodies; size lies about the length when given."""
    header = struct.pack(">HHQ", 60, 0, len(body) if size is None else size)
    out = [frame(CONTENT_HEADER, channel, header + pack_properties(properties or {}))]
    step = frame_max - 8
    out += [frame(BODY, channel, body[i : i + step]) for i in range(0, len(body), step)]
    return b"".join(out)


class Message:
    """One delivery, returned or got message."""

    def __init__(self, name, arguments):
        self.kind = name
        self.consumer_tag = self.reply_code = self.reply_text = self.message_count = None
        self.tag, self.redelivered = 0, False
        if name == "basic.deliver":
            self.consumer_tag, self.tag, self.redelivered, self.exchange, self.key = arguments
        elif name == "basic.get-ok":
            self.tag, self.redelivered, self.exchange, self.key, self.message_count = arguments
        else:
            self.reply_code, self.reply_text, self.exchange, self.key = arguments
        self.size, self.body = None, bytearray()
        self.raw_properties, self.properties, self.frames = b"", {}, 0

    def take_header(self, payload):
        self.size = struct.unpack(">Q", payload[4:12])[0]
        self.raw_properties = Raw(payload[12:])
        reader = Reader(payload[12:])
        flags = reader.number("H")
        for bit, name, letter in PROPERTIES:
            if flags >> bit & 1:
                self.properties[name] = reader.arguments(letter)[0]

    @property
    def headers(self):
        return self.properties.get("headers") or {}

    @property
    def typed_headers(self):
        """The headers with the type letters that they came with."""
        reader = Reader(self.raw_properties)
        flags = reader.number("H")
        for bit in (15, 14):
            if flags >> bit & 1:
                reader.short()
        return reader.typed_table() if flags >> 13 & 1 else {}


def take_first(events, names):
    """Removes the first event of one of these names; None: there is none."""
    for i, event in enumerate(events):
        if event[0] in names:
            del events[i]
            return event
    return None


class Channel:
    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.events = deque()  # (name, arguments or Message) in order of arrival
        self.partial = None
        self.closed = None  # the ChannelClosed that ended it
        self.published = self.confirmed = 0

    # --- talking

    def send(self, class_id, method_id, formats="", *values):
        self.connection.wire.send(method(self.number, class_id, method_id, formats, *values))

    def ask(self, reply, class_id, method_id, formats="", *values):
        self.send(class_id, method_id, formats, *values)
        return self.wait(reply)[1]

    def wait(self, *names, timeout=TIMEOUT):
        """The next event of one of these names; others keep their order."""
        deadline = time.monotonic() + timeout
        while not (event := take_first(self.events, names)):
            if self.closed:
                raise self.closed
            self.connection.pump(deadline, self)
        return event

    def message(self, timeout=TIMEOUT, consumer=None):
        """The next delivery (of this consumer)."""
        deadline = time.monotonic() + timeout
        while True:
            for i, (name, value) in enumerate(self.events):
                if name == "basic.deliver" and consumer in (None, value.consumer_tag):
                    del self.events[i]
                    return value
            if self.closed:
                raise self.closed
            self.connection.pump(deadline, self)

    def has(self, name):
        return any(event[0] == name for event in self.events)

    # --- methods

    def open(self):
        self.ask("channel.open-ok", 20, 10, "s", "")
        return self

    def close(self):
        self.ask("channel.close-ok", 20, 40, "HsHH", 200, "", 0, 0)
        self.connection.channels.pop(self.number, None)

    def queue_declare(self, queue="", passive=False, durable=False, exclusive=False,
                      auto_delete=False, no_wait=False, arguments=None):
        self.send(50, 10, "HstttttT", 0, queue, passive, durable, exclusive, auto_delete, no_wait,
                  arguments)
        return None if no_wait else self.wait("queue.declare-ok")[1]

    def queue_bind(self, queue, exchange, key="", arguments=None, no_wait=False):
        self.send(50, 20, "HssstT", 0, queue, exchange, key, no_wait, arguments)
        if not no_wait:
            self.wait("queue.bind-ok")

    def queue_unbind(self, queue, exchange, key="", arguments=None):
        self.ask("queue.unbind-ok", 50, 50, "HsssT", 0, queue, exchange, key, arguments)

    def queue_purge(self, queue):
        return self.ask("queue.purge-ok", 50, 30, "Hst", 0, queue, False)[0]

    def queue_delete(self, queue, if_unused=False, if_empty=False):
        return self.ask("queue.delete-ok", 50, 40, "Hsttt", 0, queue, if_unused, if_empty,
                        False)[0]

    def exchange_declare(self, exchange, kind="direct", passive=False, durable=False,
                         auto_delete=False, internal=False, no_wait=False, arguments=None):
        self.send(40, 10, "HsstttttT", 0, exchange, kind, passive, durable, auto_delete, internal,
                  no_wait, arguments)
        if not no_wait:
            self.wait("exchange.declare-ok")

    def exchange_delete(self, exchange, if_unused=False):
        self.ask("exchange.delete-ok", 40, 20, "Hstt", 0, exchange, if_unused, False)

    def exchange_bind(self, destination, source, key="", arguments=None):
        self.ask("exchange.bind-ok", 40, 30, "HssstT", 0, destination, source, key, False,
                 arguments)

    def exchange_unbind(self, destination, source, key="", arguments=None):
        self.ask("exchange.unbind-ok", 40, 40, "HssstT", 0, destination, source, key, False,
                 arguments)

    def qos(self, count, is_global=False, size=0):
        self.ask("basic.qos-ok", 60, 10, "LHt", size, count, is_global)

    def consume(self, queue, tag="", no_ack=False, exclusive=False, no_wait=False, arguments=None):
        self.send(60, 20, "HssttttT", 0, queue, tag, False, no_ack, exclusive, no_wait, arguments)
        return tag if no_wait else self.wait("basic.consume-ok")[1][0]

    def cancel(self, tag):
        return self.ask("basic.cancel-ok", 60, 30, "st", tag, False)[0]

    def publish(self, exchange, key, body=b"", properties=None, mandatory=False, immediate=False):
        self.published += 1
        self.connection.wire.send(
            method(self.number, 60, 40, "Hsstt", 0, exchange, key, mandatory, immediate)
            + content(self.number, body, properties, self.connection.frame_max)
        )

    def get(self, queue, no_ack=False):
        self.send(60, 70, "Hst", 0, queue, no_ack)
        name, value = self.wait("basic.get-ok", "basic.get-empty")
        return value if name == "basic.get-ok" else None

    def ack(self, tag, multiple=False):
        self.send(60, 80, "Qt", tag, multiple)

    def nack(self, tag, multiple=False, requeue=True):
        self.send(60, 120, "Qtt", tag, multiple, requeue)

    def reject(self, tag, requeue=True):
        self.send(60, 90, "Qt", tag, requeue)

    def recover(self, requeue=True):
        self.ask("basic.recover-ok", 60, 110, "t", requeue)

    def confirm_select(self):
        self.ask("confirm.select-ok", 85, 10, "t", False)
        self.published = self.confirmed = 0

    def tx_select(self):
        self.ask("tx.select-ok", 90, 10)

    def tx_commit(self):
        self.ask("tx.commit-ok", 90, 20)

    def tx_rollback(self):
        self.ask("tx.rollback-ok", 90, 30)

    def wait_confirms(self, timeout=TIMEOUT):
        """Waits until everything published since confirm_select is confirmed."""
        pending = getattr(self, "singles", set())
        self.singles = pending
        while self.confirmed < self.published:
            name, (tag, multiple, *_) = self.wait("basic.ack", "basic.nack", timeout=timeout)
            assert name == "basic.ack", "the broker refused a publish"
            assert tag <= self.published, "a confirm of what was never published"
            if multiple:
                self.confirmed = max(self.confirmed, tag)
            else:
                pending.add(tag)
            while self.confirmed + 1 in pending:
                self.confirmed += 1

    def round_trip(self):
        """Returns when the server has read everything sent before."""
        self.ask("basic.qos-ok", 60, 10, "LHt", 0, 0, False)

    # --- called by the connection

    def take_frame(self, kind, payload):
        if kind == METHOD:
            name, arguments = unpack_method(payload)
            if name == "channel.close":
                self.closed = ChannelClosed(*arguments)
                self.connection.wire.send(method(self.number, 20, 41))
                self.connection.channels.pop(self.number, None)
            elif name in ("basic.deliver", "basic.return", "basic.get-ok"):
                assert self.partial is None, "a method came inside a content"
                self.partial = Message(name, arguments)
            else:
                self.events.append((name, arguments))
        elif kind == CONTENT_HEADER:
            self.partial.take_header(payload)
        else:
            self.partial.body += payload
            self.partial.frames += 1
        done = self.partial is not None and self.partial.size == len(self.partial.body)
        if done:
            self.partial.body = bytes(self.partial.body)
            self.events.append((self.partial.kind, self.partial))
            self.partial = None


def unpack_method(payload):
    reader = Reader(payload)
    key = (reader.number("H"), reader.number("H"))
    if key not in SERVER:
        raise AssertionError(f"the server sent method {key}")
    name, formats = SERVER[key]
    return name, reader.arguments(formats)


CAPABILITIES = {
    "publisher_confirms": True,
    "exchange_exchange_bindings": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "authentication_failure_close": True,
}


class Connection:
    """After open() the connection is in use; before it a test may send what it likes."""

    def __init__(self, port, host="127.0.0.1", receive_buffer=None, source=None):
        self.prepare(Wire(port, host, receive_buffer, source))

    def prepare(self, wire):
        self.wire = wire
        self.channels = {}
        self.events = deque()  # of channel 0
        self.closed = None
        self.frame_max = 131072
        self.server_properties = {}
        self.heartbeats_seen = 0
        self.tune = None

    def start(self, header=HEADER):
        """Sends the protocol header and takes connection.start."""
        self.wire.send(header)
        start = self.wait("connection.start")[1]
        self.server_properties, self.mechanisms = start[2], start[3].decode()
        return start

    def log_in(self, user="guest", password="guest", capabilities=None, mechanism="PLAIN",
               properties=None):
        table = {"product": "sluice-tests",
                 "capabilities": CAPABILITIES if capabilities is None else capabilities}
        table.update(properties or {})
        if mechanism == "AMQPLAIN":
            response = pack_table({"LOGIN": user, "PASSWORD": password})[4:]
        else:
            response = f"\0{user}\0{password}"
        self.wire.send(method(0, 10, 11, "TsSs", table, mechanism, response, "en_US"))
        self.tune = self.wait("connection.tune")[1]
        return self.tune

    def open(self, channel_max=None, frame_max=None, heartbeat=0, vhost="/", header=HEADER,
             **login):
        self.start(header)
        channels, frames, _ = self.log_in(**login)
        self.frame_max = frames if frame_max is None else frame_max
        self.send(10, 31, "HLH", channels if channel_max is None else channel_max, self.frame_max,
                  heartbeat)
        self.send(10, 40, "sst", vhost, "", False)
        self.wait("connection.open-ok")
        return self

    def channel(self, number=None):
        number = number or next(n for n in range(1, 65536) if n not in self.channels)
        channel = self.channels[number] = Channel(self, number)
        return channel.open()

    def send(self, class_id, method_id, formats="", *values):
        self.wire.send(method(0, class_id, method_id, formats, *values))

    def wait(self, *names, timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        while not (event := take_first(self.events, names)):
            if self.closed:
                raise self.closed
            self.pump(deadline)
        return event

    def wait_closed(self, timeout=TIMEOUT):
        """The connection.close that must come; afterwards the socket must end too."""
        deadline = time.monotonic() + timeout
        while not self.closed:
            self.pump(deadline)
        self.wire.read_to_end(timeout)
        return self.closed

    def pump(self, deadline, channel=None):
        """Reads one frame and hands it to whom it belongs."""
        kind, number, size = struct.unpack(">BHI", self.wire.read(7, deadline))
        payload = self.wire.read(size + 1, deadline)
        assert payload[-1] == FRAME_END, "a frame of the server lacks its end"
        assert size + 8 <= self.frame_max or not self.frame_max, "a frame over frame-max"
        payload = payload[:-1]
        if kind == HEARTBEAT:
            self.heartbeats_seen += 1
        elif number == 0:
            self.take_method(*unpack_method(payload))
        elif number in self.channels:
            self.channels[number].take_frame(kind, payload)
        if self.closed and channel is not None:
            channel.closed = channel.closed or self.closed

    def take_method(self, name, arguments):
        if name == "connection.close":
            self.closed = ConnectionClosed(*arguments)
            try:
                self.wire.send(method(0, 10, 51))
            except Closed:
                pass
            for channel in self.channels.values():
                channel.closed = channel.closed or self.closed
        else:
            self.events.append((name, arguments))

    def heartbeat(self):
        self.wire.send(frame(HEARTBEAT, 0, b""))

    def close(self):
        """The clean goodbye."""
        self.send(10, 50, "HsHH", 200, "bye", 0, 0)
        self.wait("connection.close-ok")
        self.wire.close()

    def kill(self):
        self.wire.kill()


def connect(broker, **options):
    return Connection(broker.amqp_port).open(**options)


__all__ = ["ChannelClosed", "Closed", "Connection", "ConnectionClosed", "Late", "Raw", "connect"]
