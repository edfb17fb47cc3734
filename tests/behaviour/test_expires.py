"""Queues that go when nobody uses them: x-expires."""

import amqp_client
import stomp_client
from ends import unique
from rules import CLASSIC, KINDS, channel_of, confirmed, is_there, letter_box, ready, refused
from suite import Suite, equal, only_sluice, wait_until

suite = Suite("expires")

SHORT = 200  # ms


def goes(broker, queue):
    knocker = Knocker(broker)
    wait_until(lambda: knocker.lacks(queue), f"the end of {queue}")


class Knocker:
    """Tells whether a queue is there without using it: a publish with mandatory comes back."""

    def __init__(self, broker):
        self.channel = channel_of(broker)

    def lacks(self, queue):
        self.channel.publish("", queue, b"knock", mandatory=True)
        self.channel.round_trip()
        if not self.channel.has("basic.return"):
            return False
        self.channel.wait("basic.return")
        return True


@suite.test_over(*KINDS)
def an_unused_queue_goes(broker, kind):
    if kind is not CLASSIC:
        only_sluice(broker, "RabbitMQ fails who publishes to a quorum queue that is just going")
    channel = channel_of(broker)
    queue = kind.declare(channel, expires=SHORT)
    goes(broker, queue)
    assert not is_there(broker, queue)


@suite.test
def it_goes_with_what_is_in_it(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, expires=SHORT)
    confirmed(channel, queue, b"1", b"2", delivery_mode=2)
    goes(broker, queue)
    equal(ready(channel, box), 0)  # which is no death of theirs
    CLASSIC.declare(channel, queue)
    equal(ready(channel, queue), 0)


@suite.test
def a_consumer_keeps_it_and_its_leaving_begins_the_time(broker):
    channel, other = channel_of(broker), channel_of(broker)
    queue = CLASSIC.declare(channel, expires=SHORT)
    watched = CLASSIC.declare(other, expires=SHORT)
    tag = channel.consume(queue, no_ack=True)
    goes(broker, watched)
    goes(broker, CLASSIC.declare(other, expires=SHORT))  # and once more as long
    assert is_there(broker, queue)
    channel.cancel(tag)
    goes(broker, queue)


@suite.test
def a_get_is_a_use(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, expires=3 * SHORT)
    for _ in range(3):
        goes(broker, CLASSIC.declare(channel_of(broker), expires=SHORT))
        equal(channel.get(queue), None)
    assert is_there(broker, queue)


@suite.test
def a_declaration_is_a_use(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, expires=3 * SHORT)
    for _ in range(3):
        goes(broker, CLASSIC.declare(channel_of(broker), expires=SHORT))
        CLASSIC.declare(channel, queue, expires=3 * SHORT)
    assert is_there(broker, queue)


@suite.test
def a_publish_is_no_use(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, expires=SHORT)
    goes(broker, queue)  # which publishes to it all the time


@suite.test
def its_bindings_go_with_it(broker):
    channel, exchange = channel_of(broker), unique("e")
    channel.exchange_declare(exchange, "direct", auto_delete=True)
    queue = CLASSIC.declare(channel, expires=SHORT)
    channel.queue_bind(queue, exchange, "k")
    goes(broker, queue)
    wait_until(lambda: not has_exchange(broker, exchange), "the end of the exchange")


def has_exchange(broker, exchange):
    connection = amqp_client.connect(broker)
    try:
        connection.channel().exchange_declare(exchange, passive=True)
        return True
    except amqp_client.ChannelClosed as closed:
        equal(closed.code, 404)
        return False
    finally:
        connection.close()


@suite.test
def an_exclusive_queue_goes_too(broker):
    channel, queue = channel_of(broker), unique()
    channel.queue_declare(queue, exclusive=True, arguments={"x-expires": SHORT})
    goes(broker, queue)
    refused(404, "no queue", channel.queue_declare, queue, passive=True)


@suite.test
def a_stomp_queue_goes_after_its_last_subscription(broker):
    stomp, queue = stomp_client.connect(broker), unique()
    stomp.subscribe(f"/queue/{queue}", "s", **{"x-expires": str(SHORT)})
    goes(broker, CLASSIC.declare(channel_of(broker), expires=SHORT))
    assert not Knocker(broker).lacks(queue)
    stomp.ask("UNSUBSCRIBE", {"id": "s"})
    goes(broker, queue)
