"""An AMQP connection as such: negotiation, login, channels, heartbeats, errors."""

import struct
import time

import amqp_client
from amqp_client import (BODY, CONTENT_HEADER, HEADER, HEARTBEAT, METHOD, ChannelClosed,
                         Connection, ConnectionClosed, content, frame, method)
from ends import unique
from suite import Suite, equal, has, only_sluice, raises
from wire import Closed, Late, Wire

suite = Suite("amqp session")


def closes_with(connection, code, text=""):
    """The connection must be closed by the server in these words."""
    closed = connection.wait_closed()
    equal(closed.code, code, str(closed))
    has(closed.text, text)
    return closed


@suite.test
def a_wrong_protocol_header_is_answered_with_the_right_one(broker):
    for header in (b"AMQP\0\0\0\x09", b"AMQP\0\1\0\0", b"AMQP\x03\x01\x00\x00",
                   b"AMQP\0\0\x09\x02"):
        wire = Wire(broker.amqp_port)
        wire.send(header)
        equal(wire.read_to_end(), HEADER, repr(header))


@suite.test
def a_client_that_asks_for_0_9_is_served(broker):
    connection = Connection(broker.amqp_port)
    connection.open(header=b"AMQP\x01\x01\x00\x09")
    connection.channel().queue_declare(exclusive=True)
    connection.close()


@suite.test
def the_server_tells_who_it_is(broker):
    connection = Connection(broker.amqp_port)
    major, minor, properties, mechanisms, locales = connection.start()
    equal((major, minor, locales), (0, 9, b"en_US"))
    for mechanism in (b"PLAIN", b"AMQPLAIN"):
        assert mechanism in mechanisms.split(), mechanisms
    equal(properties["product"], "RabbitMQ")
    for name in ("publisher_confirms", "exchange_exchange_bindings", "basic.nack",
                 "consumer_cancel_notify", "connection.blocked", "per_consumer_qos",
                 "authentication_failure_close", "consumer_priorities", "direct_reply_to"):
        equal(properties["capabilities"].get(name), True, name)
    only_sluice(broker, "the rest is Sluice's own")
    equal(properties["version"], "3.13.7")
    has(properties["information"], "Sluice")


@suite.test
def both_login_mechanisms_work(broker):
    for mechanism in ("PLAIN", "AMQPLAIN"):
        Connection(broker.amqp_port).open(mechanism=mechanism).channel()


@suite.test
def a_wrong_password_is_told_to_clients_that_can_hear_it(broker):
    connection = Connection(broker.amqp_port)
    closed = raises(ConnectionClosed, connection.open, password="wrong")
    equal((closed.code, closed.text),
          (403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For "
                "details see the broker logfile."))


@suite.test
def a_wrong_password_closes_the_socket_of_others(broker):
    connection = Connection(broker.amqp_port)
    raises(Closed, connection.open, password="wrong", capabilities={})


@suite.test
def an_unknown_mechanism_is_refused(broker):
    connection = Connection(broker.amqp_port)
    raises((ConnectionClosed, Closed), connection.open, mechanism="CARRIER-PIGEON")


@suite.test
def an_unknown_vhost_is_refused(broker):
    closed = raises(ConnectionClosed, Connection(broker.amqp_port).open, vhost="atlantis")
    equal((closed.code, closed.text), (530, "NOT_ALLOWED - vhost atlantis not found"))


@suite.test
def limits_are_negotiated(broker):
    connection = Connection(broker.amqp_port)
    connection.start()
    equal(connection.log_in()[:2], [2047, 131072])
    for options in ({"channel_max": 10}, {"frame_max": 4096}, {"frame_max": 131072}):
        connection = Connection(broker.amqp_port).open(**options)
        queue = connection.channel().queue_declare(exclusive=True)[0]
        channel = connection.channel()
        channel.publish("", queue, b"x" * 20000)
        channel.round_trip()
        got = channel.get(queue)
        equal(len(got.body), 20000)
        equal(got.frames, -(-20000 // (connection.frame_max - 8)))


def tune(broker, channel_max, frame_max):
    """Answers tune with what must be refused; gives the refusal."""
    only_sluice(broker, "RabbitMQ closes without a word, in time")
    connection = Connection(broker.amqp_port)
    connection.start()
    connection.log_in()
    connection.send(10, 31, "HLH", channel_max, frame_max, 0)
    return connection.wait_closed()


@suite.test
def too_many_channels_are_refused_in_negotiation(broker):
    for channel_max in (0, 3000):
        closed = tune(broker, channel_max, 131072)
        equal(closed.code, 530)
        has(closed.text, f"negotiated channel_max = {channel_max} is higher than the maximum "
                         "allowed value (2047)")


@suite.test
def frames_that_are_too_small_are_refused_in_negotiation(broker):
    closed = tune(broker, 2047, 100)
    equal(closed.code, 530)
    has(closed.text, "negotiated frame_max = 100")
    has(closed.text, "is lower than the minimum allowed value")


@suite.test
def a_channel_beyond_the_limit_is_refused(broker):
    connection = Connection(broker.amqp_port).open(channel_max=5)
    for number in range(1, 6):
        connection.channel(number)
    connection.wire.send(method(6, 20, 10, "s", ""))
    closed = connection.wait_closed()
    assert closed.code in (504, 530), closed


@suite.test
def all_channels_may_be_used_at_once(broker):
    connection = amqp_client.connect(broker)
    channels = [connection.channel(number) for number in range(1, 301)]
    queue = channels[0].queue_declare(exclusive=True)[0]
    for channel in channels:
        channel.consume(queue, f"c{channel.number}", no_ack=True)
    for channel in channels:
        channel.publish("", queue, b"%d" % channel.number)
    bodies = {channel.message().body for channel in channels}
    equal(len(bodies), 300)


@suite.test
def a_channel_error_closes_only_the_channel(broker):
    connection = amqp_client.connect(broker)
    bystander, bad = connection.channel(), connection.channel()
    queue = bystander.queue_declare(exclusive=True)[0]
    bystander.consume(queue, no_ack=True)
    raises(ChannelClosed, bad.queue_declare, unique("nothing"), passive=True)
    bystander.publish("", queue, b"alive")
    equal(bystander.message().body, b"alive")
    equal(connection.channel(bad.number).queue_declare(queue, passive=True)[0], queue)


@suite.test
def frames_behind_an_error_are_dropped_until_close_ok(broker):
    connection = amqp_client.connect(broker)
    channel = connection.channel(1)
    queue = unique()
    bad = method(1, 50, 10, "HstttttT", 0, unique("nothing"), True, False, False, False, False, {})
    good = method(1, 50, 10, "HstttttT", 0, queue, False, True, False, False, False, {})
    connection.wire.send(bad + good + method(1, 60, 40, "Hsstt", 0, "", queue, False, False)
                         + content(1, b"x" * 10))
    raises(ChannelClosed, channel.wait, "queue.declare-ok")
    channel = connection.channel(1)
    closed = raises(ChannelClosed, channel.queue_declare, queue, passive=True)
    equal(closed.code, 404)


@suite.test
def a_channel_returns_what_it_held_when_it_closes(broker):
    connection = amqp_client.connect(broker)
    one, two = connection.channel(), connection.channel()
    queue = one.queue_declare(exclusive=True)[0]
    for i in range(3):
        one.publish("", queue, b"%d" % i)
    one.consume(queue)
    for _ in range(3):
        one.message()
    one.close()
    two.consume(queue)
    again = [two.message() for _ in range(3)]
    equal([(m.body, m.redelivered) for m in again], [(b"%d" % i, True) for i in range(3)])


@suite.test
def a_channel_number_may_be_reused_at_once(broker):
    connection = amqp_client.connect(broker)
    for _ in range(50):
        channel = connection.channel(1)
        queue = channel.queue_declare(exclusive=True, auto_delete=True)[0]
        channel.consume(queue, "t")
        channel.publish("", queue, b"x")
        equal(channel.message().tag, 1)
        channel.close()


@suite.test
def wrong_states_are_connection_errors(broker):
    connection = amqp_client.connect(broker)
    connection.wire.send(method(1, 60, 10, "LHt", 0, 0, False))
    closes_with(connection, 504, "CHANNEL_ERROR - expected 'channel.open'")
    connection = amqp_client.connect(broker)
    connection.channel(1)
    connection.wire.send(method(1, 20, 10, "s", ""))
    closes_with(connection, 504, "CHANNEL_ERROR - second 'channel.open' seen")


@suite.test
def methods_of_channel_zero_elsewhere_and_back_are_errors(broker):
    connection = amqp_client.connect(broker)
    connection.wire.send(method(0, 50, 30, "Hst", 0, "q", False))
    assert connection.wait_closed().code in (503, 504)
    connection = amqp_client.connect(broker)
    connection.channel(1)
    connection.wire.send(method(1, 10, 40, "sst", "/", "", False))
    assert connection.wait_closed().code in (503, 504, 505, 540)


@suite.test
def unknown_methods_are_errors(broker):
    only_sluice(broker, "RabbitMQ closes without a word")
    connection = amqp_client.connect(broker)
    connection.channel(1)
    connection.wire.send(method(1, 60, 77))
    assert connection.wait_closed().code in (503, 540)


@suite.test
def a_wrong_frame_end_is_a_frame_error(broker):
    connection = amqp_client.connect(broker)
    connection.wire.send(frame(HEARTBEAT, 0, b"")[:-1] + b"\x00")
    closes_with(connection, 501, "FRAME_ERROR")


@suite.test
def an_unknown_frame_type_is_an_error(broker):
    connection = amqp_client.connect(broker)
    connection.wire.send(frame(7, 0, b""))
    assert connection.wait_closed().code in (501, 503, 505)


@suite.test
def a_frame_over_the_limit_is_an_error(broker):
    connection = Connection(broker.amqp_port).open(frame_max=4096)
    connection.channel(1)
    connection.wire.send(struct.pack(">BHI", BODY, 1, 10000) + b"x" * 10000 + b"\xce")
    closes_with(connection, 501, "FRAME_ERROR")


@suite.test
def content_out_of_order_is_an_unexpected_frame(broker):
    publish = method(1, 60, 40, "Hsstt", 0, "", "q", False, False)
    header = frame(CONTENT_HEADER, 1, struct.pack(">HHQH", 60, 0, 5, 0))
    other_class = frame(CONTENT_HEADER, 1, struct.pack(">HHQH", 50, 0, 5, 0))
    body = frame(BODY, 1, b"12345")
    qos = method(1, 60, 10, "LHt", 0, 0, False)
    for name, data in (("body first", body), ("header first", header),
                       ("body for header", publish + body),
                       ("method for header", publish + qos),
                       ("method for body", publish + header + qos),
                       ("header for body", publish + header + header),
                       ("wrong class", publish + other_class)):
        connection = amqp_client.connect(broker)
        connection.channel(1)
        connection.wire.send(data)
        equal(connection.wait_closed().code, 505, name)


@suite.test
def more_body_than_announced_is_an_error(broker):
    only_sluice(broker, "RabbitMQ 3.10 waits")
    connection = amqp_client.connect(broker)
    connection.channel(1)
    connection.wire.send(method(1, 60, 40, "Hsstt", 0, "", "q", False, False)
                         + frame(CONTENT_HEADER, 1, struct.pack(">HHQH", 60, 0, 5, 0))
                         + frame(BODY, 1, b"123456"))
    assert connection.wait_closed().code in (501, 505)


@suite.test
def a_truncated_method_is_a_syntax_or_frame_error(broker):
    connection = amqp_client.connect(broker)
    connection.channel(1)
    whole = struct.pack(">HH", 50, 10) + amqp_client.pack("HstttttT", 0, "q", False, False, False,
                                                          False, False, {"a": 1})
    connection.wire.send(frame(METHOD, 1, whole[:-3]))
    assert connection.wait_closed().code in (501, 502, 541)


@suite.test
def not_implemented_is_said_so(broker):
    for build, text in ((lambda c: c.send(60, 10, "LHt", 7, 0, False), "prefetch_size!=0 (7)"),
                        (lambda c: c.send(60, 110, "t", False), "requeue=false"),
                        (lambda c: c.send(20, 20, "t", False), "active=false")):
        connection = amqp_client.connect(broker)
        build(connection.channel())
        closes_with(connection, 540, "NOT_IMPLEMENTED - " + text)


@suite.test
def obsolete_access_requests_are_answered(broker):
    channel = amqp_client.connect(broker).channel()
    equal(channel.ask("access.request-ok", 30, 10, "sttttt", "/data", False, False, True, True,
                      True), [1])


@suite.test
def flow_to_the_server_is_answered(broker):
    equal(amqp_client.connect(broker).channel().ask("channel.flow-ok", 20, 20, "t", True), [True])


@suite.test
def heartbeats_come_at_half_the_interval(broker):
    connection = Connection(broker.amqp_port).open(heartbeat=1)
    began = time.monotonic()
    while connection.heartbeats_seen < 3:
        connection.pump(began + 30.0)
    connection.heartbeat()
    assert time.monotonic() - began < 10.0, "three beats of half a second"


@suite.test
def a_silent_client_is_closed_after_two_intervals(broker):
    began = time.monotonic()
    connection = Connection(broker.amqp_port).open(heartbeat=1)
    try:
        while True:
            connection.pump(began + 30.0)
    except Closed:
        pass
    assert time.monotonic() - began > 1.0, "one missed interval is not two"


@suite.test
def any_traffic_counts_as_a_heartbeat(broker):
    connection = Connection(broker.amqp_port).open(heartbeat=2)
    channel = connection.channel()
    deadline = time.monotonic() + 6.0
    while time.monotonic() < deadline:
        channel.round_trip()
        try:
            connection.pump(time.monotonic() + 0.3)
        except Late:
            pass


@suite.test
def no_heartbeat_by_agreement_means_none(broker):
    connection = Connection(broker.amqp_port).open(heartbeat=0)
    raises(Late, connection.pump, time.monotonic() + 2.5)
    connection.channel().round_trip()


@suite.test
def a_heartbeat_on_a_channel_is_an_error(broker):
    only_sluice(broker, "RabbitMQ lets it pass")
    connection = amqp_client.connect(broker)
    connection.channel(1)
    connection.wire.send(frame(HEARTBEAT, 1, b""))
    assert connection.wait_closed().code in (501, 503, 505)


@suite.test
def frames_may_come_in_any_pieces(broker):
    connection = amqp_client.connect(broker)
    channel = connection.channel(1)
    queue = channel.queue_declare(exclusive=True)[0]
    channel.consume(queue, no_ack=True)
    data = method(1, 60, 40, "Hsstt", 0, "", queue, False, False) + content(
        1, b"0123456789" * 5, {"content_type": "t", "headers": {"a": {"b": [1, "c"]}}},
        frame_max=20)
    for byte in data * 2:
        connection.wire.send(bytes([byte]))
    for _ in range(2):
        equal(channel.message().body, b"0123456789" * 5)


@suite.test
def channels_interleave_their_contents(broker):
    connection = amqp_client.connect(broker)
    one, two = connection.channel(1), connection.channel(2)
    queue = one.queue_declare(exclusive=True)[0]
    one.consume(queue, no_ack=True)

    def parts(number):
        data = [method(number, 60, 40, "Hsstt", 0, "", queue, False, False),
                frame(CONTENT_HEADER, number, struct.pack(">HHQH", 60, 0, 6, 0))]
        return data + [frame(BODY, number, b"%d" % number * 2)] * 3

    connection.wire.send(b"".join(a + b for a, b in zip(parts(1), parts(2))))
    equal(sorted(one.message().body for _ in range(2)), [b"1" * 6, b"2" * 6])
    two.round_trip()


@suite.test
def a_question_on_one_channel_holds_no_other(broker):
    connection = amqp_client.connect(broker)
    one, two = connection.channel(1), connection.channel(2)
    queue = one.queue_declare(exclusive=True)[0]
    data = b""
    for i in range(200):
        data += method(1, 50, 10, "HstttttT", 0, queue, True, False, False, False, False, {})
        data += method(2, 60, 70, "Hst", 0, queue, True)
    connection.wire.send(data)
    for _ in range(200):
        two.wait("basic.get-empty")
    for _ in range(200):
        one.wait("queue.declare-ok")


@suite.test
def the_order_of_a_channel_holds_across_questions(broker):
    """A publish behind a declare on the same channel must see the declared queue."""
    connection = amqp_client.connect(broker)
    channel = connection.channel(1)
    for _ in range(50):
        queue = unique()
        connection.wire.send(
            method(1, 50, 10, "HstttttT", 0, queue, False, False, True, False, False, {})
            + method(1, 60, 40, "Hsstt", 0, "", queue, True, False) + content(1, b"x")
            + method(1, 60, 70, "Hst", 0, queue, True))
        channel.wait("queue.declare-ok")
        equal(channel.wait("basic.get-ok", "basic.get-empty")[0], "basic.get-ok")
    assert not channel.has("basic.return")


@suite.test
def close_is_answered_and_the_socket_ends(broker):
    connection = amqp_client.connect(broker)
    connection.channel()
    connection.send(10, 50, "HsHH", 200, "bye", 0, 0)
    connection.wait("connection.close-ok")
    only_sluice(broker, "RabbitMQ leaves the closing to the client")
    equal(connection.wire.read_to_end(), b"")


@suite.test
def amqp_is_understood_on_the_stomp_port(broker):
    only_sluice(broker, "RabbitMQ's ports speak one protocol")
    channel = Connection(broker.stomp_port).open().channel()
    queue = channel.queue_declare(exclusive=True)[0]
    channel.publish("", queue, b"x")
    channel.round_trip()
    equal(channel.get(queue).body, b"x")


@suite.test
def a_long_client_property_table_is_taken(broker):
    only_sluice(broker, "RabbitMQ 3.10 takes 4096 bytes")
    properties = {f"p{i}": "v" * 70 for i in range(80)}
    Connection(broker.amqp_port).open(properties={**properties, "connection_name": "named"})


def declares_and_publishes(queue, count):
    """What a client sends that waits for nothing, on channel 1."""
    declare = method(1, 50, 10, "HstttttT", 0, queue, False, False, False, False, False, {})
    publish = method(1, 60, 40, "Hsstt", 0, "", queue, False, False) + content(1, b"x")
    return (declare + publish) * count


def goodbye():
    return method(0, 10, 50, "HsHH", 200, "bye", 0, 0)


@suite.test
def what_was_sent_before_the_close_is_done_before_close_ok(broker):
    queue = unique()
    connection = amqp_client.connect(broker)
    connection.channel(1)
    connection.wire.send(declares_and_publishes(queue, 100) + goodbye())
    connection.wait("connection.close-ok")
    channel = amqp_client.connect(broker).channel()
    equal(channel.queue_declare(queue, passive=True)[1], 100)
    channel.queue_delete(queue)


@suite.test
def acks_sent_before_the_close_count(broker):
    queue = unique()
    connection = amqp_client.connect(broker)
    channel = connection.channel(1)
    channel.queue_declare(queue)
    tag = channel.consume(queue)
    for _ in range(10):
        channel.publish("", queue, b"x")
    for _ in range(10):
        channel.message()
    connection.wire.send(method(1, 60, 30, "st", tag, True) +
                         method(1, 60, 80, "Qt", 0, True) + goodbye())
    connection.wait("connection.close-ok")
    other = amqp_client.connect(broker).channel()
    equal(other.queue_declare(queue, passive=True)[1], 0)
    other.queue_delete(queue)


@suite.test
def what_was_sent_before_the_end_of_input_is_done_and_answered(broker):
    only_sluice(broker, "the end of input is the end of all")
    queue = unique()
    connection = amqp_client.connect(broker)
    connection.channel(1)
    connection.wire.send(declares_and_publishes(queue, 200))
    answers = connection.wire.finish()
    equal(answers.count(b"\x00\x32\x00\x0b"), 200, "declare-oks")
    channel = amqp_client.connect(broker).channel()
    equal(channel.queue_declare(queue, passive=True)[1], 200)
    channel.queue_delete(queue)
