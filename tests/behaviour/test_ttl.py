"""Messages that live so long and no longer: x-message-ttl and expiration."""

import time

import stomp_client
from ends import unique
from rules import (CLASSIC, KINDS, bodies, channel_of, comes_to_hold, confirmed, letter_box, ready,
                   refused, taken)
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("ttl")

SHORT = 150  # ms
LONG = 600_000


@suite.test_over(*KINDS)
def a_queues_ttl_ends_its_messages(broker, kind):
    channel = channel_of(broker)
    queue = kind.declare(channel, message_ttl=SHORT)
    confirmed(channel, queue, b"1", b"2", delivery_mode=2)
    comes_to_hold(channel, queue, 0)
    equal(channel.get(queue), None)


@suite.test_over(*KINDS)
def a_message_is_there_until_its_time(broker, kind):
    channel = channel_of(broker)
    queue = kind.declare(channel, message_ttl=LONG)
    confirmed(channel, queue, b"1", expiration=str(LONG))
    equal(channel.get(queue, no_ack=True).body, b"1")


@suite.test_over(*KINDS)
def an_expiration_ends_its_message(broker, kind):
    channel = channel_of(broker)
    queue = kind.declare(channel)
    confirmed(channel, queue, b"short", expiration=str(SHORT))
    confirmed(channel, queue, b"stays")
    comes_to_hold(channel, queue, 1)
    equal(bodies(channel, queue), [b"stays"])


@suite.test_over(*KINDS)
def the_shorter_of_the_two_counts(broker, kind):
    channel = channel_of(broker)
    queue = kind.declare(channel, message_ttl=SHORT)
    confirmed(channel, queue, b"1", expiration=str(LONG))
    comes_to_hold(channel, queue, 0)
    queue = kind.declare(channel, message_ttl=LONG)
    confirmed(channel, queue, b"1", expiration=str(SHORT))
    comes_to_hold(channel, queue, 0)


@suite.test
def an_expiration_stays_on_what_is_delivered_in_time(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    confirmed(channel, queue, b"1", expiration=str(LONG))
    equal(channel.get(queue).properties["expiration"], str(LONG))


@suite.test_over(*KINDS)
def nothing_is_ended_behind_a_head_that_stays(broker, kind):
    channel = channel_of(broker)
    queue, box = letter_box(channel, kind)
    confirmed(channel, queue, b"head", expiration=str(LONG))
    confirmed(channel, queue, b"behind", expiration="1")
    comes_to_hold(channel, queue, 2)
    head = channel.get(queue)
    equal(head.body, b"head")
    equal(taken(channel, box).body, b"behind")
    channel.ack(head.tag)


@suite.test_over(*KINDS)
def what_is_out_is_not_ended(broker, kind):
    channel = channel_of(broker)
    queue = kind.declare(channel, message_ttl=SHORT)
    watcher = kind.declare(channel, message_ttl=SHORT)
    channel.consume(queue)
    confirmed(channel, queue, b"1")
    got = channel.message()
    confirmed(channel, watcher, b"1")  # its end tells that the time of the other is over, too
    comes_to_hold(channel, watcher, 0)
    channel.ack(got.tag)
    channel.round_trip()


@suite.test_over(*KINDS)
def what_comes_back_too_late_is_ended(broker, kind):
    channel = channel_of(broker)
    queue, box = letter_box(channel, kind, message_ttl=SHORT)
    watcher = kind.declare(channel, message_ttl=SHORT)
    confirmed(channel, queue, b"1")
    got = taken_on_loan(channel, queue)
    confirmed(channel, watcher, b"1")
    comes_to_hold(channel, watcher, 0)
    channel.nack(got.tag, requeue=True)
    equal(taken(channel, box).headers["x-death"][0]["reason"], "expired")


def taken_on_loan(channel, queue):
    return wait_until(lambda: channel.get(queue), f"a message in {queue}")


@suite.test
def returning_does_not_make_it_young_again(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, message_ttl=SHORT)
    confirmed(channel, queue, b"1")
    began = time.monotonic()
    while got := channel.get(queue):
        channel.nack(got.tag, requeue=True)
        assert time.monotonic() - began < 20 * SHORT / 1000, "it lives on"


@suite.test
def a_ttl_of_zero_is_for_who_waits_already(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, message_ttl=0)
    confirmed(channel, queue, b"nobody waits")
    comes_to_hold(channel, queue, 0)
    consumer = channel_of(broker)
    consumer.consume(queue, no_ack=True)
    confirmed(channel, queue, b"somebody waits")
    equal(consumer.message().body, b"somebody waits")


@suite.test
def an_expiration_of_zero_is_for_who_waits_already(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    confirmed(channel, queue, b"nobody waits", expiration="0")
    comes_to_hold(channel, queue, 0)
    consumer = channel_of(broker)
    consumer.consume(queue, no_ack=True)
    confirmed(channel, queue, b"somebody waits", expiration="0")
    equal(consumer.message().body, b"somebody waits")


@suite.test
def an_expiration_that_is_no_time_is_refused(broker):
    for expiration in ("soon", "-1", "1.5", "12x", ""):
        channel = channel_of(broker)
        channel.publish("", unique(), b"x", {"expiration": expiration})
        closed = refused(406, "invalid expiration", channel.round_trip)
        equal(closed.method, (60, 40))


@suite.test
def messages_end_in_the_order_of_the_queue(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, message_ttl=SHORT)
    confirmed(channel, queue, *(str(n).encode() for n in range(50)))
    comes_to_hold(channel, box, 50)
    equal(bodies(channel, box), [str(n).encode() for n in range(50)])


@suite.test
def what_is_over_is_never_delivered(broker):
    """Also to somebody who comes at the very moment."""
    channel, consumer = channel_of(broker), channel_of(broker)
    queue, box = letter_box(channel, message_ttl=1)
    sent = [str(n).encode() for n in range(200)]
    consumer.qos(1)
    consumer.consume(queue)
    confirmed(channel, queue, *sent)
    got = [consumer.message().body]
    comes_to_hold(channel, box, len(sent) - 1)
    equal(sorted(got + bodies(channel, box)), sorted(sent))


@suite.test
def a_stomp_expiration_ends_its_message(broker):
    channel, stomp = channel_of(broker), stomp_client.connect(broker)
    queue = CLASSIC.declare(channel)
    stomp.ask("SEND", {"destination": f"/queue/{queue}", "expiration": str(SHORT)}, b"short")
    stomp.ask("SEND", {"destination": f"/queue/{queue}"}, b"stays")
    comes_to_hold(channel, queue, 1)
    equal(bodies(channel, queue), [b"stays"])


@suite.test
def a_stomp_queues_ttl_ends_its_messages(broker):
    channel, stomp, queue = channel_of(broker), stomp_client.connect(broker), unique()
    stomp.ask("SEND", {"destination": f"/queue/{queue}", "x-message-ttl": str(SHORT)}, b"1")
    comes_to_hold(channel, queue, 0)


@suite.test
def a_stomp_expiration_that_is_no_time_is_an_error(broker):
    stomp, queue = stomp_client.connect(broker), unique()
    error = raises(ErrorFrame, stomp.ask, "SEND",
                   {"destination": f"/queue/{queue}", "expiration": "soon"}, b"x")
    only_sluice(broker, "RabbitMQ has a text of its own")
    has(f"{error.message} {error.body}", "expiration")


@suite.test
def a_ttl_of_one_queue_is_not_that_of_another(broker):
    channel = channel_of(broker)
    short, kept, exchange = CLASSIC.declare(channel, message_ttl=SHORT), unique(), unique("e")
    channel.queue_declare(kept, durable=True)
    channel.exchange_declare(exchange, "fanout")
    for queue in (short, kept):
        channel.queue_bind(queue, exchange)
    confirmed(channel, "", b"1", exchange=exchange)
    comes_to_hold(channel, short, 0)
    equal(ready(channel, kept), 1)


@suite.test
def many_queues_end_their_messages_each_in_its_time(broker):
    channel = channel_of(broker)
    queues = [CLASSIC.declare(channel, message_ttl=SHORT + 10 * n) for n in range(10)]
    for queue in reversed(queues):
        confirmed(channel, queue, b"1")
    for queue in queues:
        comes_to_hold(channel, queue, 0)
