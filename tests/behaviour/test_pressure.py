"""Memory for bodies is bounded: publishers are held and told, consumers go on."""

import broker as brokers
import amqp_client
import stomp_client
from amqp_client import Connection, content, method
from ends import Watcher, unique
from suite import Suite, equal, only_sluice, wait_until
from wire import Late

suite = Suite("pressure")
MIB = 1 << 20


def small(broker):
    """A gateway of its own with little memory for bodies."""
    only_sluice(broker, "the alarm is RabbitMQ's own")
    return brokers.Broker(broker.binary, "--memory-budget", "8m", "--shutdown-timeout-ms",
                          "300", workers=broker.workers)


def fill(port, queue, size=64 * 1024):
    """Publishes until the connection is told that it is held; gives it and its channel."""
    connection = Connection(port).open()
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)
    one = method(1, 60, 40, "Hsstt", 0, "", queue, False, False) + content(1, b"x" * size)
    taken = 0
    while taken < 64 * MIB:
        sent = connection.wire.send_what_fits(one, 1.0)
        taken += sent
        if sent < len(one):
            break
    assert taken < 64 * MIB, "nobody was held"
    return connection, channel, one[sent:]


def is_held(channel, queue):
    """Publishes, and tells whether the channel is no longer read behind it."""
    channel.publish("", queue, b"x")
    channel.send(60, 10, "LHt", 0, 0, False)
    try:
        channel.wait("basic.qos-ok", timeout=0.5)
        return False
    except Late:
        return True


@suite.test
def a_publisher_is_told_that_it_is_blocked_and_then_that_it_is_not(broker):
    with small(broker) as own:
        queue = unique()
        connection, channel, rest = fill(own.amqp_port, queue)
        equal(connection.wait("connection.blocked")[1], ["low on memory"])

        consumer = amqp_client.connect(own).channel()
        consumer.consume(queue, no_ack=True)
        for _ in range(50):
            equal(len(consumer.message().body), 64 * 1024)
        equal(connection.wait("connection.unblocked")[1], [])
        connection.wire.send(rest)
        channel.round_trip()


@suite.test
def consumers_and_their_acks_go_on_under_pressure(broker):
    with small(broker) as own:
        queue = unique()
        publisher, _, _ = fill(own.amqp_port, queue)
        consumer = amqp_client.connect(own).channel()
        consumer.qos(1)
        consumer.consume(queue)
        for _ in range(20):
            consumer.ack(consumer.message().tag)
        consumer.round_trip()
        publisher.kill()


@suite.test
def a_stomp_publisher_is_held_and_released(broker):
    with small(broker) as own:
        queue = unique()
        connection = stomp_client.connect(own)
        frame = stomp_client.encode("SEND", {"destination": f"/queue/{queue}"}, b"x" * 65536)
        taken, rest = 0, b""
        while taken < 64 * MIB and not rest:
            sent = connection.wire.send_what_fits(frame, 1.0)
            taken, rest = taken + sent, frame[sent:]
        assert rest, "nobody was held"
        consumer = stomp_client.connect(own)
        consumer.subscribe(f"/queue/{queue}", ack="auto")
        for _ in range(taken // len(frame)):
            consumer.message()
        connection.wire.send(rest)
        connection.ask("DISCONNECT")
        consumer.message()


@suite.test
def one_connection_consumes_while_its_publish_is_held(broker):
    with small(broker) as own:
        queue = unique()
        filler, _, _ = fill(own.amqp_port, queue)
        both = amqp_client.connect(own)
        consumer, publisher = both.channel(), both.channel()
        consumer.consume(queue)
        first = consumer.message()
        consumer.ack(first.tag)
        publisher.publish("", queue, b"held")
        wait_until(lambda: consumer.message().tag > 5, "deliveries go on")
        filler.kill()


@suite.test
def others_are_not_told_and_not_held(broker):
    with small(broker) as own:
        queue = unique()
        idle = amqp_client.connect(own)
        filler, _, _ = fill(own.amqp_port, queue)
        filler.wait("connection.blocked")
        channel = idle.channel()
        channel.round_trip()
        assert not idle.events, idle.events
        equal(Watcher(own).exists(queue), True)


@suite.test
def a_client_without_the_capability_is_not_told(broker):
    with small(broker) as own:
        queue = unique()
        deaf = Connection(own.amqp_port).open(capabilities={})
        channel = deaf.channel()
        filler, _, _ = fill(own.amqp_port, queue)
        filler.wait("connection.blocked")
        wait_until(lambda: is_held(channel, queue), "the client is held too")
        assert not deaf.events, deaf.events
        filler.kill()  # or it fills again what is drained, before the other's turn
        drain = amqp_client.connect(own).channel()
        equal(drain.queue_purge(queue) > 0, True)
        channel.wait("basic.qos-ok")


@suite.test
def memory_comes_back_when_the_queue_is_deleted(broker):
    with small(broker) as own:
        for _ in range(3):
            queue = unique()
            filler, channel, rest = fill(own.amqp_port, queue)
            amqp_client.connect(own).channel().queue_delete(queue)
            filler.wire.send(rest)
            channel.round_trip()
            filler.kill()


@suite.test
def a_consumer_that_does_not_read_does_not_stop_others(broker):
    with small(broker) as own:
        queue, other = unique(), unique()
        deaf = Connection(own.amqp_port, receive_buffer=4096).open()
        channel = deaf.channel()
        channel.queue_declare(queue, durable=True)
        channel.consume(queue, no_ack=True)
        publisher = amqp_client.connect(own).channel()
        publisher.confirm_select()
        for _ in range(60):
            publisher.publish("", queue, b"x" * 65536)
        publisher.wait_confirms()
        publisher.queue_declare(other, durable=True)
        for i in range(100):
            publisher.publish("", other, b"%d" % i)
            publisher.wait_confirms()
            equal(publisher.get(other, no_ack=True).body, b"%d" % i)
        assert broker.is_sanitized or own.rss_kib() < 64 * 1024, own.rss_kib()


def begin(connection, number, size, sent):
    """A publish that is left unfinished."""
    connection.wire.send(method(number, 60, 40, "Hsstt", 0, "", "q", False, False) +
                         content(number, b"x" * sent, size=size))


@suite.test
def unfinished_bodies_hold_nobody_and_stay_bounded(broker):
    with small(broker) as own:
        before = own.rss_kib()
        culprits = [amqp_client.connect(own) for _ in range(16)]
        for culprit in culprits:
            culprit.channel(1)
            begin(culprit, 1, 16 * MIB, 100)
        greedy = amqp_client.connect(own)
        for number in range(1, 101):
            greedy.channel(number)
        for number in range(1, 101):
            begin(greedy, number, MIB, 100)
        stomp = stomp_client.connect(own)
        stomp.wire.send(b"SEND\ndestination:/queue/q\ncontent-length:16000000\n\nx")
        queue = unique()
        publisher = amqp_client.connect(own).channel()
        publisher.queue_declare(queue, durable=True)
        publisher.confirm_select()
        for _ in range(50):
            publisher.publish("", queue, b"x" * 1000)
            publisher.wait_confirms()
        other = stomp_client.connect(own)
        other.ask("SEND", {"destination": f"/queue/{queue}"}, b"x")
        assert broker.is_sanitized or own.rss_kib() < before + 24 * 1024, own.rss_kib()
        for end in culprits + [greedy, stomp]:
            end.kill()
        publisher.publish("", queue, b"x" * 5 * MIB)
        publisher.wait_confirms()


@suite.test
def large_bodies_from_many_all_arrive(broker):
    with small(broker) as own:
        queue = unique()
        consumer = amqp_client.connect(own).channel()
        consumer.queue_declare(queue)
        consumer.consume(queue, no_ack=True)
        publishers = [amqp_client.connect(own).channel(1) for _ in range(6)]
        one = method(1, 60, 40, "Hsstt", 0, "", queue, False, False) + content(1, b"x" * 1500000)
        rests = [one] * len(publishers)
        while any(rests):  # a little of each, so that all are under way at once
            for i, publisher in enumerate(publishers):
                sent = publisher.connection.wire.send_what_fits(rests[i][:100000], 0.05)
                rests[i] = rests[i][sent:]
        for _ in publishers:
            equal(len(consumer.message().body), 1500000)
