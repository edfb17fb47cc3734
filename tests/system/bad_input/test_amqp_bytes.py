"""AMQP frames that are cut, lie about their lengths, or are no frames at all."""

import struct

import amqp_client
import conversations
from amqp_client import (BODY, CONTENT_HEADER, METHOD, ChannelClosed, Connection, Raw, frame,
                         method, pack)
from suite import Suite, equal, raises
from wire import Wire

suite = Suite("bad amqp bytes")


def opened(broker):
    connection = amqp_client.connect(broker)
    return connection, connection.channel(1)


def refused(broker, data, *codes):
    """These bytes on an open channel must close the connection with one of these codes."""
    connection, _ = opened(broker)
    connection.wire.send(data)
    closed = connection.wait_closed()
    assert closed.code in codes, closed
    assert closed.text[:1].isupper() and " - " in closed.text, closed.text


def declare(table, queue=b"\x01q", flags=b"\x04"):
    return struct.pack(">HHH", 50, 10, 0) + queue + flags + table


def all_closed(wires):
    """Each of these must be closed by the server; waited for together, as some linger."""
    for wire in wires:
        wire.read_to_end()


@suite.test
def a_conversation_cut_at_every_byte(broker):
    whole = b"".join(conversations.amqp())
    for cut in range(len(whole)):
        wire = Wire(broker.amqp_port)
        wire.send(whole[:cut])
        wire.kill() if cut % 3 == 0 else wire.finish()


@suite.test
def a_conversation_one_byte_at_a_time(broker):
    wire = Wire(broker.amqp_port)
    for byte in b"".join(conversations.amqp()):
        wire.send(bytes([byte]))
    wire.read_to_end()


@suite.test
def every_frame_with_a_wrong_end(broker):
    for piece in conversations.amqp()[4:9]:
        connection = amqp_client.connect(broker)
        connection.wire.send(piece[:-1] + b"\xcd")
        equal(connection.wait_closed().code, 501)


@suite.test
def frames_that_claim_a_size_over_the_limit(broker):
    for size in (131073, 2**24, 2**31, 2**32 - 1):
        for kind in (METHOD, CONTENT_HEADER, BODY):
            refused(broker, struct.pack(">BHI", kind, 1, size) + b"x" * 64, 501)


@suite.test
def a_frame_over_the_limit_before_login(broker):
    wires = []
    for size in (2**20, 2**32 - 1):
        connection = Connection(broker.amqp_port)
        connection.start()
        connection.wire.send(struct.pack(">BHI", METHOD, 0, size) + b"x" * 4096)
        wires.append(connection.wire)
    all_closed(wires)


@suite.test
def frames_too_short_for_what_they_are(broker):
    for payload in (b"", b"\0", b"\0\x32", b"\0\x32\0"):
        refused(broker, frame(METHOD, 1, payload), 501, 502, 503)
    publish = method(1, 60, 40, "Hsstt", 0, "", "q", False, False)
    for payload in (b"", b"\0\x3c", b"\0\x3c\0\0\0\0\0\0\0\0\0", b"\0\x3c" + b"\0" * 10):
        refused(broker, publish + frame(CONTENT_HEADER, 1, payload), 501, 502, 505)


@suite.test
def short_strings_that_run_past_their_frame(broker):
    refused(broker, frame(METHOD, 1, declare(b"", queue=b"\xffq", flags=b"")), 501, 502)
    refused(broker, frame(METHOD, 1, struct.pack(">HHH", 60, 40, 0) + b"\x05ab"), 501, 502)


@suite.test
def tables_that_lie_about_their_length(broker):
    for table in (b"\0\0\0\xff", b"\xff\xff\xff\xff", b"\x80\0\0\0" + b"x" * 20,
                  b"\0\0\0\x05\x01aS\xff\xff", b"\0\0\0\x0a\x01aS\xff\xff\xff\xff\0\0\0",
                  b"\0\0\0\x0b\x01aF\0\0\0\xff\0\0\0\0", b"\0\0\0\x0b\x01aA\0\0\xff\xff\0\0\0\0",
                  b"\0\0\0\x09\x01aA\0\0\0\x02S\0", b"\0\0\0\x04\xffaaa", b"\0\0\0\x03\x01a?",
                  b"\0\0\0\x02\x01a", b"\0\0\0\x05\x01al\0\0"):
        refused(broker, frame(METHOD, 1, declare(table)), 501, 502, 541)


@suite.test
def properties_that_lie_about_their_length(broker):
    publish = method(1, 60, 40, "Hsstt", 0, "", "q", False, False)
    for properties in (b"\x80\0\xffshort", b"\x20\0\0\0\xff\xff", b"\x20\0\0\0\0\x05\x01aS\0\0",
                       b"\x02\0\x0bunfinished", b"\xff\xff", b"\x00\x01", b"\xff\xfc",
                       b"\x00\x40\0\0\0"):
        refused(broker, publish + frame(CONTENT_HEADER, 1, struct.pack(">HHQ", 60, 0, 0) +
                                        properties), 501, 502, 505, 541)


@suite.test
def tables_nested_deep(broker):
    for depth, kind in ((100, b"F"), (5000, b"F"), (15000, b"A")):
        value = b"V"
        for _ in range(depth):
            if kind == b"F":
                value = b"F" + struct.pack(">I", len(value) + 2) + b"\x01a" + value
            else:
                value = b"A" + struct.pack(">I", len(value)) + value
        table = struct.pack(">I", len(value) + 2) + b"\x01a" + value
        refused(broker, frame(METHOD, 1, declare(table)), 501, 502, 541)
        publish = method(1, 60, 40, "Hsstt", 0, "", "q", False, False)
        header = frame(CONTENT_HEADER, 1, struct.pack(">HHQH", 60, 0, 0, 1 << 13) + table)
        refused(broker, publish + header, 501, 502, 541)


@suite.test
def a_login_table_nested_deep_or_lying(broker):
    deep = b"V"
    for _ in range(1000):
        deep = b"F" + struct.pack(">I", len(deep) + 2) + b"\x01a" + deep
    wires = []
    for table in (struct.pack(">I", len(deep) + 2) + b"\x01a" + deep, b"\xff\xff\xff\xff"):
        connection = Connection(broker.amqp_port)
        connection.start()
        connection.wire.send(method(0, 10, 11, "TsSs", Raw(table), "PLAIN", "\0guest\0guest",
                                    "en_US"))
        wires.append(connection.wire)
    all_closed(wires)


@suite.test
def odd_login_responses(broker):
    wires = []
    for mechanism, response in (("PLAIN", b""), ("PLAIN", b"guest"), ("PLAIN", b"\0guest"),
                                ("PLAIN", b"\0" * 1000), ("PLAIN", b"\0" + b"u" * 60000 + b"\0p"),
                                ("AMQPLAIN", b""), ("AMQPLAIN", b"\x05LOGINS\xff\xff\xff\xff"),
                                ("AMQPLAIN", b"\x05LOGINI\0\0\0\1\x08PASSWORDV"),
                                ("", b""), ("X" * 255, b"x")):
        connection = Connection(broker.amqp_port)
        connection.start()
        connection.wire.send(method(0, 10, 11, "TsSs", {}, mechanism, response, "en_US"))
        wires.append(connection.wire)
    all_closed(wires)


@suite.test
def many_headers_in_one_frame(broker):
    connection, channel = opened(broker)
    queue = channel.queue_declare(exclusive=True)[0]
    fields = b"".join(b"\x01%ct" % (97 + i % 26) + b"\1" for i in range(32000))
    raw = Raw(struct.pack(">HI", 1 << 13, len(fields)) + fields)
    channel.publish("", queue, b"x", raw)
    channel.round_trip()
    equal(bytes(channel.get(queue).raw_properties), bytes(raw))


@suite.test
def body_sizes_beyond_all_measure(broker):
    for size in (16 * 2**20 + 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1):
        connection, channel = opened(broker)
        other = connection.channel(2)
        connection.wire.send(method(1, 60, 40, "Hsstt", 0, "", "q", False, False)
                             + frame(CONTENT_HEADER, 1, struct.pack(">HHQH", 60, 0, size, 0)))
        closed = raises(ChannelClosed, channel.wait, "basic.ack")
        equal(closed.code, 406)
        equal(closed.text, f"PRECONDITION_FAILED - message size {size} is larger than configured "
                           f"max size {16 * 2**20}")
        other.round_trip()


@suite.test
def the_frames_of_a_refused_body_are_swallowed(broker):
    connection, channel = opened(broker)
    connection.wire.send(method(1, 60, 40, "Hsstt", 0, "", "q", False, False)
                         + frame(CONTENT_HEADER, 1, struct.pack(">HHQH", 60, 0, 2**40, 0))
                         + frame(BODY, 1, b"x" * 100000) * 50)
    equal(raises(ChannelClosed, channel.wait, "basic.ack").code, 406)
    connection.channel(1).round_trip()


@suite.test
def bodies_that_are_promised_and_never_sent(broker):
    before = broker.rss_kib()
    connections = []
    for _ in range(50):
        connection = amqp_client.connect(broker)
        connections.append(connection)
        connection.channel(1)
        connection.wire.send(
            method(1, 60, 40, "Hsstt", 0, "", "q", False, False)
            + frame(CONTENT_HEADER, 1, struct.pack(">HHQH", 60, 0, 16 * 2**20, 0))
            + frame(BODY, 1, b"only this"))
    opened(broker)[1].round_trip()
    grown = broker.rss_kib() - before
    assert broker.is_sanitized or grown < 64 * 1024, f"50 empty promises took {grown} KiB"
    for connection in connections:
        connection.kill()


@suite.test
def empty_body_frames_without_end(broker):
    connection, channel = opened(broker)
    connection.wire.send(method(1, 60, 40, "Hsstt", 0, "", "q", False, False)
                         + frame(CONTENT_HEADER, 1, struct.pack(">HHQH", 60, 0, 5, 0))
                         + frame(BODY, 1, b"") * 20000 + frame(BODY, 1, b"12345"))
    channel.round_trip()


@suite.test
def names_that_are_no_text(broker):
    _, channel = opened(broker)
    for name in (b"\xff\xfe", b"a\0b", b"\x80" * 255):
        raw = name.decode("latin-1").encode("latin-1")
        channel.connection.wire.send(frame(METHOD, 1, declare(b"\0\0\0\0", pack("s", raw))))
        try:
            channel.wait("queue.declare-ok")
        except ChannelClosed as closed:
            assert closed.code in (406, 501, 502, 503, 541), closed
            _, channel = opened(broker)


@suite.test
def other_protocols(broker):
    wires = []
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
                 b"\0\0\0\0\0\0\0\0\0\0", b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff" * 4096,
                 b"\x10\x1a\0\x04MQTT\x04\x02\0\x3c\0\x0esome-client-id"):
        for port in (broker.amqp_port, broker.stomp_port):
            wires.append(Wire(port))
            wires[-1].send(data)
    all_closed(wires)
