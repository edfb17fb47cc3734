"""AMQP to AMQP, property bytes pass unchanged, however odd the tables are."""

import struct

import amqp_client
from amqp_client import Raw
from ends import unique
from suite import Suite, equal

suite = Suite("properties")


def field(name, kind, data=b""):
    return bytes([len(name)]) + name + kind + data


def table(*fields):
    body = b"".join(fields)
    return struct.pack(">I", len(body)) + body


EVERY_TYPE = [
    field(b"t", b"t", b"\x01"),
    field(b"b", b"b", b"\x80"),
    field(b"B", b"B", b"\xff"),
    field(b"s", b"s", b"\x80\x00"),
    field(b"u", b"u", b"\xff\xff"),
    field(b"I", b"I", b"\x80\0\0\0"),
    field(b"i", b"i", b"\xff\xff\xff\xff"),
    field(b"l", b"l", b"\x80" + b"\0" * 7),
    field(b"f", b"f", struct.pack(">f", 1.5)),
    field(b"d", b"d", struct.pack(">d", -0.0)),
    field(b"D", b"D", b"\x02\0\0\x30\x39"),
    field(b"S", b"S", struct.pack(">I", 5) + b"a\0b\xff\xfe"),
    field(b"A", b"A", struct.pack(">I", 4) + b"t\x01t\x00"),
    field(b"T", b"T", struct.pack(">Q", 2**63 + 1)),
    field(b"F", b"F", table(field(b"in", b"F", table(field(b"x", b"V"))))),
    field(b"V", b"V"),
    field(b"x", b"x", struct.pack(">I", 3) + b"\0\1\2"),
]


def headers_only(fields):
    return Raw(struct.pack(">H", 1 << 13) + table(*fields))


def pass_through(broker, raw, body=b"x"):
    channel = amqp_client.connect(broker).channel()
    queue = channel.queue_declare(exclusive=True)[0]
    channel.consume(queue, no_ack=True)
    channel.publish("", queue, body, raw)
    got = channel.message()
    equal(bytes(got.raw_properties), bytes(raw))
    equal(got.body, body)


@suite.test
def no_properties_at_all(broker):
    pass_through(broker, Raw(b"\0\0"))


@suite.test
def all_fourteen(broker):
    channel = amqp_client.connect(broker).channel()
    queue = channel.queue_declare(exclusive=True)[0]
    properties = {"content_type": "a/b", "content_encoding": "c", "headers": {"h": "v"},
                  "delivery_mode": 2, "priority": 9, "correlation_id": "x" * 255,
                  "reply_to": "r", "expiration": "4294967295", "message_id": "m",
                  "timestamp": 2**63, "type": "t", "user_id": "guest", "app_id": "a",
                  "cluster_id": "cl"}
    channel.publish("", queue, b"x", properties)
    channel.round_trip()
    got = channel.get(queue)
    equal(got.properties, properties)
    equal(bytes(got.raw_properties), amqp_client.pack_properties(properties))


@suite.test
def every_field_type(broker):
    pass_through(broker, headers_only(EVERY_TYPE))


@suite.test
def empty_and_repeated_names(broker):
    pass_through(broker, headers_only([field(b"", b"t", b"\0"), field(b"a", b"t", b"\0"),
                                       field(b"a", b"S", b"\0\0\0\0")]))


@suite.test
def an_empty_table_is_not_no_table(broker):
    pass_through(broker, headers_only([]))


@suite.test
def empty_short_strings(broker):
    pass_through(broker, Raw(b"\xfc\0" b"\0\0" b"\0\0\0\0" b"\1\0\0"))


@suite.test
def tables_in_tables(broker):
    inner = table()
    for _ in range(10):
        inner = table(field(b"n", b"F", inner))
    pass_through(broker, headers_only([field(b"n", b"F", inner)]))


@suite.test
def a_table_as_large_as_a_frame(broker):
    value = struct.pack(">I", 60000) + b"v" * 60000
    pass_through(broker, headers_only([field(b"one", b"S", value), field(b"two", b"S", value)]))


@suite.test
def a_thousand_headers(broker):
    pass_through(broker, headers_only([field(b"h%d" % i, b"I", struct.pack(">i", i))
                                       for i in range(1000)]))


@suite.test
def returned_messages_keep_their_bytes(broker):
    channel = amqp_client.connect(broker).channel()
    raw = headers_only(EVERY_TYPE)
    channel.publish("", unique("nowhere"), b"x", raw, mandatory=True)
    equal(bytes(channel.wait("basic.return")[1].raw_properties), bytes(raw))
