"""basic.recover, connection.update-secret and channel.flow, as RabbitMQ has them."""

import amqp_client
from amqp_client import ConnectionClosed
from ends import Watcher, unique
from suite import Suite, equal, has, raises, wait_until

suite = Suite("recover")
WAIT = 30  # s


def filled(broker, count):
    """A queue with so many messages, and a connection to it."""
    connection = amqp_client.connect(broker)
    queue = unique()
    channel = connection.channel()
    channel.queue_declare(queue)
    channel.confirm_select()
    for i in range(count):
        channel.publish("", queue, b"%d" % i)
    channel.wait_confirms(WAIT)
    return connection, queue


def take(channel, count):
    return [channel.message(WAIT) for _ in range(count)]


@suite.test
def what_consumers_and_gets_of_the_channel_have_comes_again_in_its_order(broker):
    connection, queue = filled(broker, 6)
    channel = connection.channel()
    got = channel.get(queue)
    channel.qos(3)
    tag = channel.consume(queue)
    first = take(channel, 3)
    channel.cancel(tag)
    equal([m.body for m in [got, *first]], [b"0", b"1", b"2", b"3"])
    channel.recover()
    channel.consume(queue, no_ack=True)
    again = take(channel, 6)
    equal([(m.body, m.redelivered) for m in again],
          [(b"%d" % i, i < 4) for i in range(6)])


@suite.test
def other_channels_keep_theirs(broker):
    connection, queue = filled(broker, 2)
    one, other = connection.channel(), connection.channel()
    kept = one.get(queue)
    equal(other.get(queue).body, b"1")
    other.recover()
    equal(one.get(queue).body, b"1")
    one.ack(kept.tag)
    one.round_trip()


@suite.test
def what_was_settled_stays_settled(broker):
    connection, queue = filled(broker, 3)
    channel = connection.channel()
    channel.tx_select()
    tags = [channel.get(queue).tag for _ in range(3)]
    channel.ack(tags[1])
    channel.recover()
    channel.tx_commit()
    equal([channel.get(queue).body for _ in range(2)], [b"0", b"2"])
    equal(channel.get(queue), None)


@suite.test
def the_asynchronous_form_is_not_answered(broker):
    connection, queue = filled(broker, 1)
    channel = connection.channel()
    channel.get(queue)
    channel.send(60, 100, "t", True)
    channel.round_trip()
    assert not channel.has("basic.recover-ok")
    watcher = Watcher(broker)
    wait_until(lambda: watcher.ready(queue) == 1, "it is ready again", WAIT)


@suite.test
def to_the_same_consumer_again_is_not_there(broker):
    for method in (100, 110):
        channel = amqp_client.connect(broker).channel()
        channel.send(60, method, "t", False)
        closed = raises(ConnectionClosed, channel.round_trip)
        equal(closed.code, 540)
        has(closed.text, "requeue=false")


@suite.test
def a_new_secret_is_taken_and_all_goes_on(broker):
    connection, queue = filled(broker, 1)
    connection.send(10, 70, "Ss", b"whatever it is", "it was due")
    connection.wait("connection.update-secret-ok")
    equal(connection.channel().get(queue, no_ack=True).body, b"0")


@suite.test
def the_flow_of_deliveries_goes_on_and_cannot_be_stopped(broker):
    connection = amqp_client.connect(broker)
    equal(connection.channel().ask("channel.flow-ok", 20, 20, "t", True), [True])
    channel = connection.channel()
    channel.send(20, 20, "t", False)
    closed = raises(ConnectionClosed, channel.round_trip)
    equal(closed.code, 540)
    has(closed.text, "active=false")
