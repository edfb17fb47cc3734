"""Memory for bodies is bounded: publishers are held and told, consumers go on."""

import broker as brokers
import amqp_client
import stomp_client
from amqp_client import Connection, content, method
from ends import Watcher, unique
from suite import Suite, equal, has, only_sluice, raises, wait_until
from wire import Late

suite = Suite("pressure")
MIB = 1 << 20


def small(broker, *flags):
    """A gateway of its own with little memory for bodies."""
    only_sluice(broker, "the alarm is RabbitMQ's own")
    return brokers.Broker(broker.binary, "--memory-budget", "8m", "--shutdown-timeout-ms",
                          "300", *flags, workers=broker.workers)


def publish(queue, body):
    return method(1, 60, 40, "Hsstt", 0, "", queue, False, False) + content(1, body)


def fill(port, queue):
    """Publishes in a transaction until all publishers are held: what is not committed cannot be
    paged out.  Gives the connection; when it goes, so does the pressure."""
    connection = Connection(port).open()
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)
    channel.tx_select()
    one = publish(queue, b"x" * 65536)
    for _ in range(64 * MIB // len(one)):
        if connection.wire.send_what_fits(one, 1.0) < len(one):
            return connection
    raise AssertionError("nobody was held")


def stuff(broker, queue, count):
    """Puts messages into a new queue."""
    channel = amqp_client.connect(broker).channel()
    channel.queue_declare(queue, durable=True)
    for i in range(count):
        channel.publish("", queue, b"%d" % i)
    channel.round_trip()
    return channel


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
        channel = stuff(own, queue, 1)
        filler = fill(own.amqp_port, queue)
        equal(filler.wait("connection.blocked")[1], ["low on memory"])
        wait_until(lambda: is_held(channel, queue), "the other is held too")
        equal(channel.connection.wait("connection.blocked")[1], ["low on memory"])
        filler.kill()
        equal(channel.connection.wait("connection.unblocked")[1], [])
        channel.wait("basic.qos-ok")


@suite.test
def consumers_and_their_acks_go_on_under_pressure(broker):
    with small(broker) as own:
        queue = unique()
        stuff(own, queue, 20)
        filler = fill(own.amqp_port, queue)
        consumer = amqp_client.connect(own).channel()
        consumer.qos(1)
        consumer.consume(queue)
        for i in range(20):
            message = consumer.message()
            equal(message.body, b"%d" % i)
            consumer.ack(message.tag)
        consumer.round_trip()
        filler.kill()


@suite.test
def a_stomp_publisher_is_held_and_released(broker):
    with small(broker) as own:
        queue = unique()
        other = stuff(own, queue, 0)
        filler = fill(own.amqp_port, queue)
        connection = stomp_client.connect(own)
        filler.wait("connection.blocked")
        wait_until(lambda: is_held(other, queue), "everybody is held")
        raises(Late, connection.ask, "SEND", {"destination": f"/queue/{queue}"}, b"x", 0.5)
        filler.kill()
        connection.receipt("r-1")
        connection.ask("SEND", {"destination": f"/queue/{queue}"}, b"y")
        connection.subscribe(f"/queue/{queue}", ack="auto")
        wait_until(lambda: connection.message().body == b"y", "what came behind")


@suite.test
def one_connection_consumes_while_its_publish_is_held(broker):
    with small(broker) as own:
        queue = unique()
        stuff(own, queue, 20)
        filler = fill(own.amqp_port, queue)
        both = amqp_client.connect(own)
        consumer, publisher = both.channel(), both.channel()
        consumer.qos(5)
        consumer.consume(queue)
        first = consumer.message()
        publisher.publish("", queue, b"held")
        equal([int(consumer.message().body) for _ in range(4)], [1, 2, 3, 4])
        equal(int(first.body), 0)
        filler.kill()
        consumer.ack(5, multiple=True)
        equal(int(consumer.message().body), 5)


@suite.test
def others_are_not_told_and_not_held(broker):
    with small(broker) as own:
        queue = unique()
        idle = amqp_client.connect(own)
        filler = fill(own.amqp_port, queue)
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
        filler = fill(own.amqp_port, queue)
        filler.wait("connection.blocked")
        wait_until(lambda: is_held(channel, queue), "the client is held too")
        assert not deaf.events, deaf.events
        filler.kill()
        channel.wait("basic.qos-ok")


@suite.test
def who_is_held_gets_a_turn_whenever_somebody_does(broker):
    """Three fill what the fourth's transaction gives back, again and again."""
    with small(broker) as own:
        queue = unique()
        stuff(own, queue, 0)
        patient = amqp_client.connect(own).channel()
        for _ in range(3):
            fillers = [fill(own.amqp_port, queue) for _ in range(3)]
            fillers[0].wait("connection.blocked")
            wait_until(lambda: is_held(patient, queue), "the client is held")
            for i in range(200):  # the others always have more
                for filler in fillers[1:]:
                    filler.wire.send_what_fits(publish(queue, b"x" * 65536), 0.001)
                if i == 20:
                    fillers[0].kill()
            patient.wait("basic.qos-ok")
            for filler in fillers[1:]:
                filler.kill()


@suite.test
def a_low_disk_holds_publishers_and_says_so(broker):
    with small(broker, "--disk-free-limit", "1000000g") as own:
        queue = unique()
        channel = amqp_client.connect(own).channel()
        channel.queue_declare(queue, durable=True)  # definitions go on
        assert is_held(channel, queue), "nobody was held"
        equal(channel.connection.wait("connection.blocked")[1], ["low on disk"])
        stomp = stomp_client.connect(own)
        raises(Late, stomp.ask, "SEND", {"destination": f"/queue/{queue}"}, b"x", 0.5)
        has(own.log_text(), "disk.low")
        consumer = amqp_client.connect(own).channel()
        consumer.consume(queue)
        consumer.round_trip()


@suite.test
def memory_comes_back_when_a_transaction_goes(broker):
    with small(broker) as own:
        channel = stuff(own, unique(), 0)
        for _ in range(3):
            queue = unique()
            filler = fill(own.amqp_port, queue)
            filler.kill()
            channel.queue_declare(queue, durable=True)
            channel.publish("", queue, b"x")
            channel.round_trip()


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
