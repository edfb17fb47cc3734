"""Too much of something that is allowed once."""

import time

import amqp_client
import stomp_client
from amqp_client import ChannelClosed, ConnectionClosed, content, method
from ends import unique
from stomp_client import encode
from suite import Suite, equal, raises
from wire import Closed, Late

suite = Suite("floods")
MIB = 1 << 20


def says_and_never_reads(broker, wire, one):
    """Says it again and again: at some point no more is taken, and memory has not grown."""
    before = broker.rss_kib()
    taken = wire.send_what_fits(one * (60 * MIB // len(one)), 0.7)
    grown = broker.rss_kib() - before
    assert taken < 50 * MIB, f"{taken} bytes were taken"
    assert broker.is_sanitized or grown < 16 * 1024, f"{grown} KiB"


@suite.test
def acks_for_unknown_tags(broker):
    connection = amqp_client.connect(broker)
    flood = b"".join(method(1, 60, 80, "Qt", tag, False) for tag in range(1, 20001))
    for _ in range(3):
        channel = connection.channel(1)
        connection.wire.send(flood)
        closed = raises(ChannelClosed, channel.wait, "basic.qos-ok")
        equal((closed.code, closed.text), (406, "PRECONDITION_FAILED - unknown delivery tag 1"))
    connection.channel(1).round_trip()


@suite.test
def stomp_acks_for_unknown_messages(broker):
    connection = stomp_client.connect(broker)
    count = 2000
    connection.wire.send(encode("ACK", {"id": "T_a@@session-x@@1"}) * count)
    for _ in range(count):
        connection.error()
    connection.ask("BEGIN", {"transaction": "t"})


@suite.test
def a_peer_that_publishes_and_never_reads_its_confirms(broker):
    connection = amqp_client.Connection(broker.amqp_port, receive_buffer=4096).open()
    channel = connection.channel(1)
    channel.confirm_select()
    one = method(1, 60, 40, "Hsstt", 0, "", "nowhere-" + "x" * 100, True, False) + content(
        1, b"come back", {"correlation_id": "c" * 200})
    says_and_never_reads(broker, connection.wire, one)
    connection.kill()


@suite.test
def a_stomp_peer_that_never_reads_its_receipts(broker):
    connection = stomp_client.Connection(broker.stomp_port, receive_buffer=4096).open()
    one = encode("SEND", {"destination": "/topic/nobody", "receipt": "r" * 500})
    says_and_never_reads(broker, connection.wire, one)
    connection.kill()


@suite.test
def questions_whose_answers_are_never_read(broker):
    connection = amqp_client.Connection(broker.amqp_port, receive_buffer=4096).open()
    connection.channel(1)
    one = method(1, 50, 10, "HstttttT", 0, "a-queue", False, True, False, False, False, {})
    before = broker.rss_kib()
    taken = connection.wire.send_what_fits(one * (30 * MIB // len(one)), 0.7)
    assert taken < 29 * MIB, f"{taken} bytes were taken"
    assert broker.is_sanitized or broker.rss_kib() - before < 16 * 1024
    connection.kill()
    amqp_client.connect(broker).channel().queue_delete("a-queue")


@suite.test
def a_consumer_that_never_reads(broker):
    queue = unique()
    deaf = amqp_client.Connection(broker.amqp_port, receive_buffer=4096).open()
    channel = deaf.channel()
    channel.queue_declare(queue, durable=True)
    channel.consume(queue, no_ack=True)
    publisher = amqp_client.connect(broker).channel()
    publisher.confirm_select()
    for _ in range(3000):
        publisher.publish("", queue, b"x" * 10000)
    publisher.wait_confirms()
    deaf.kill()
    publisher.queue_delete(queue)


@suite.test
def a_hundred_thousand_queues(broker):
    connection = amqp_client.connect(broker)
    channel = connection.channel(1)
    stem, count = unique("many"), 100_000
    began = time.monotonic()
    for make in (lambda i: method(1, 50, 10, "HstttttT", 0, f"{stem}.{i}", False, False, True,
                                  False, True, None),
                 lambda i: method(1, 50, 40, "Hsttt", 0, f"{stem}.{i}", False, False, True)):
        for start in range(0, count, 5000):
            connection.wire.send(b"".join(make(i) for i in range(start, start + 5000)), 60)
        channel.ask("basic.qos-ok", 60, 10, "LHt", 0, 0, False)
    assert time.monotonic() - began < 60


@suite.test
def a_hundred_thousand_bindings(broker):
    connection = amqp_client.connect(broker)
    channel = connection.channel(1)
    queue = channel.queue_declare(exclusive=True)[0]
    exchange, count = unique("wide"), 100_000
    channel.exchange_declare(exchange, "topic")
    for start in range(0, count, 5000):
        connection.wire.send(b"".join(
            method(1, 50, 20, "HssstT", 0, queue, exchange, f"a.{i}.*.#", True, None)
            for i in range(start, start + 5000)), 60)
    channel.ask("basic.qos-ok", 60, 10, "LHt", 0, 0, False)
    channel.publish(exchange, "a.77777.x", b"found")
    channel.publish(exchange, "a.100001.x", b"not this one")
    channel.round_trip()
    equal(channel.get(queue).body, b"found")
    equal(channel.get(queue), None)
    channel.exchange_delete(exchange)


@suite.test
def queues_that_outlive_the_connection_that_died(broker):
    connection = amqp_client.connect(broker)
    connection.channel(1)
    connection.wire.send(b"".join(
        method(1, 50, 10, "HstttttT", 0, "", False, False, True, False, True, None)
        for _ in range(20000)))
    connection.kill()


@suite.test
def topic_keys_against_hashes(broker):
    connection = amqp_client.connect(broker)
    channel = connection.channel(1)
    channel.confirm_select()
    exchange = unique("hashes")
    channel.exchange_declare(exchange, "topic")
    queue = channel.queue_declare(exclusive=True)[0]
    for words in (4, 20, 60, 100):
        channel.queue_bind(queue, exchange, ".".join(["#"] * words))
        channel.queue_bind(queue, exchange, ".".join(["#", "a"] * (words // 2) + ["b"]))
    began = time.monotonic()
    for i in range(300):
        channel.publish(exchange, ".".join(["a"] * (127 - i % 3)), b"x")
    channel.wait_confirms(timeout=60)
    assert time.monotonic() - began < 30
    equal(channel.queue_declare(queue, passive=True)[1], 300)
    channel.exchange_delete(exchange)


@suite.test
def consumers_by_the_thousand(broker):
    connection = amqp_client.connect(broker)
    channel = connection.channel(1)
    queue = channel.queue_declare(exclusive=True)[0]
    connection.wire.send(b"".join(
        method(1, 60, 20, "HssttttT", 0, queue, f"c{i}", False, True, False, True, {})
        for i in range(20000)))
    channel.round_trip()
    equal(channel.queue_declare(queue, passive=True)[2], 20000)
    for i in range(100):
        channel.publish("", queue, b"%d" % i)
    equal(len({channel.message().consumer_tag for _ in range(100)}), 100)
    connection.kill()


@suite.test
def subscriptions_by_the_thousand(broker):
    connection = stomp_client.connect(broker)
    try:
        connection.wire.send(b"".join(
            encode("SUBSCRIBE", {"id": i, "destination": f"/topic/sub.{i}"}) for i in range(3000)))
        connection.ask("BEGIN", {"transaction": "t"}, timeout=60)
    except stomp_client.ErrorFrame:
        pass  # a limit is an answer, too
    connection.kill()


@suite.test
def transactions_that_never_end(broker):
    connection = stomp_client.connect(broker)
    connection.ask("BEGIN", {"transaction": "t"})
    frame = encode("SEND", {"destination": "/topic/nobody", "transaction": "t"}, b"x" * MIB)
    errors = 0
    for _ in range(70):
        connection.wire.send(frame)
        try:
            connection.ask("BEGIN", {"transaction": "t2"})
            connection.ask("ABORT", {"transaction": "t2"})
        except stomp_client.ErrorFrame as error:
            errors += 1
            equal(error.message, "Transaction too large")
            break
    equal(errors, 1)
    connection.kill()


@suite.test
def logins_with_wrong_passwords(broker):
    """From many addresses: one alone would only wait, and so would the tests that follow."""
    for i in range(100):
        source = f"127.2.0.{i + 1}"
        raises((ConnectionClosed, Closed),
               amqp_client.Connection(broker.amqp_port, source=source).open, password="wrong")
        connection = stomp_client.Connection(broker.stomp_port, source=source)
        raises(stomp_client.ErrorFrame, connection.open, passcode="wrong")
        connection.kill()


@suite.test
def connections_that_come_and_go(broker):
    for i in range(500):
        connection = amqp_client.connect(broker) if i % 2 else stomp_client.connect(broker)
        connection.kill() if i % 3 else connection.close()


@suite.test
def messages_that_are_returned_for_ever(broker):
    connection = amqp_client.connect(broker)
    channel = connection.channel(1)
    queue = channel.queue_declare(exclusive=True)[0]
    for i in range(10):
        channel.publish("", queue, b"%d" % i)
    channel.qos(1)
    channel.consume(queue)
    for _ in range(3000):
        channel.nack(channel.message().tag, requeue=True)
    try:
        channel.message(timeout=5)
    except Late:
        raise AssertionError("the queue stood still") from None
