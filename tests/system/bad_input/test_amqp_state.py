"""AMQP methods where they do not belong."""

import struct

import amqp_client
from amqp_client import METHOD, ChannelClosed, Connection, ConnectionClosed, frame, method
from suite import Suite, equal, raises
from wire import Closed

suite = Suite("bad amqp states")

# Every method of the protocol with arguments that decode.
METHODS = {
    (10, 10): ("BBTSS", (0, 9, {}, "PLAIN", "en_US")),
    (10, 11): ("TsSs", ({}, "PLAIN", "\0guest\0guest", "en_US")),
    (10, 20): ("S", ("challenge",)),
    (10, 21): ("S", ("response",)),
    (10, 30): ("HLH", (1, 4096, 0)),
    (10, 31): ("HLH", (100, 131072, 0)),
    (10, 40): ("sst", ("/", "", False)),
    (10, 41): ("s", ("",)),
    (10, 51): ("", ()),
    (10, 60): ("s", ("why",)),
    (10, 61): ("", ()),
    (20, 11): ("S", ("",)),
    (20, 21): ("t", (True,)),
    (20, 41): ("", ()),
    (30, 11): ("H", (1,)),
    (40, 11): ("", ()),
    (40, 21): ("", ()),
    (50, 11): ("sLL", ("q", 0, 0)),
    (50, 21): ("", ()),
    (60, 11): ("", ()),
    (60, 21): ("s", ("t",)),
    (60, 31): ("s", ("t",)),
    (60, 50): ("Hsss", (312, "NO_ROUTE", "", "q")),
    (60, 60): ("sQtss", ("t", 1, False, "", "q")),
    (60, 71): ("QtssL", (1, False, "", "q", 0)),
    (60, 72): ("s", ("",)),
    (60, 111): ("", ()),
    (85, 11): ("", ()),
    (90, 20): ("", ()),
    (99, 99): ("", ()),
    (0, 0): ("", ()),
    (65535, 65535): ("", ()),
}
FREE_ANYWHERE = {(20, 41), (10, 51)}  # may arrive late, and mean nothing then


def must_close(connection, data):
    """The server closes, in words or (before the login) without."""
    connection.wire.send(data)
    try:
        closed = connection.wait_closed()
        assert closed.code >= 500, closed
    except Closed:
        pass


@suite.test
def methods_before_login(broker):
    for key, (formats, values) in METHODS.items():
        if key == (10, 11):
            continue
        connection = Connection(broker.amqp_port)
        connection.start()
        must_close(connection, method(0, *key, formats, *values))


@suite.test
def channels_before_the_connection_is_open(broker):
    for stage in range(3):
        connection = Connection(broker.amqp_port)
        connection.start()
        if stage > 0:
            connection.log_in()
        if stage > 1:
            connection.send(10, 31, "HLH", 2047, 131072, 0)
        must_close(connection, method(1, 20, 10, "s", ""))


@suite.test
def methods_of_the_server_on_channel_zero(broker):
    for key, (formats, values) in METHODS.items():
        if key not in FREE_ANYWHERE:
            must_close(amqp_client.connect(broker), method(0, *key, formats, *values))


@suite.test
def methods_of_the_server_on_an_open_channel(broker):
    for key, (formats, values) in METHODS.items():
        if key in FREE_ANYWHERE or key == (20, 21):
            continue
        connection = amqp_client.connect(broker)
        channel = connection.channel(1)
        channel.send(*key, formats, *values)
        try:
            raises((ChannelClosed, Closed), channel.round_trip)
        except AssertionError:
            raise AssertionError(f"method {key} was taken") from None


@suite.test
def methods_on_a_channel_that_was_never_opened(broker):
    for key, (formats, values) in METHODS.items():
        if key != (20, 41):
            must_close(amqp_client.connect(broker), method(7, *key, formats, *values))


@suite.test
def logging_in_twice(broker):
    connection = amqp_client.connect(broker)
    must_close(connection, method(0, 10, 11, "TsSs", {}, "PLAIN", "\0guest\0guest", "en_US"))
    connection = amqp_client.connect(broker)
    must_close(connection, amqp_client.HEADER)


@suite.test
def channel_numbers_beyond_the_limit(broker):
    for number in (2048, 30000, 65535):
        must_close(amqp_client.connect(broker), method(number, 20, 10, "s", ""))


@suite.test
def close_ok_out_of_the_blue(broker):
    connection = amqp_client.connect(broker)
    channel = connection.channel(1)
    connection.wire.send(method(1, 20, 41))
    try:
        channel.round_trip()
    except (ConnectionClosed, Closed):
        pass
    connection = amqp_client.connect(broker)
    connection.wire.send(method(0, 10, 51))
    connection.wire.send_what_fits(method(1, 20, 10, "s", ""), 1.0)


@suite.test
def opening_and_closing_channels_without_waiting(broker):
    connection = amqp_client.connect(broker)
    pair = method(1, 20, 10, "s", "") + method(1, 20, 40, "HsHH", 200, "", 0, 0)
    connection.wire.send(pair * 3000)
    channel = amqp_client.Channel(connection, 1)
    connection.channels[1] = channel
    for _ in range(3000):
        channel.wait("channel.open-ok")
        channel.wait("channel.close-ok")


@suite.test
def everything_after_a_close_is_ignored(broker):
    connection = amqp_client.connect(broker)
    connection.channel(1)
    connection.wire.send(method(0, 10, 50, "HsHH", 200, "bye", 0, 0)
                         + method(1, 60, 40, "Hsstt", 0, "nowhere", "q", False, False)
                         + frame(METHOD, 1, struct.pack(">HH", 9, 9)))
    connection.wait("connection.close-ok")
    equal(connection.closed, None)


@suite.test
def a_publish_interrupted_by_a_channel_close(broker):
    connection = amqp_client.connect(broker)
    for _ in range(200):
        channel = connection.channel(1)
        connection.wire.send(method(1, 60, 40, "Hsstt", 0, "", "q", False, False))
        channel.send(20, 40, "HsHH", 200, "", 0, 0)
        try:
            channel.wait("channel.close-ok")
        except ConnectionClosed as closed:
            equal(closed.code, 505)
            connection = amqp_client.connect(broker)
        connection.channels.clear()
