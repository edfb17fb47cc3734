"""Queues that hold so much and no more: x-max-length, x-max-length-bytes, x-overflow."""

import amqp_client
import stomp_client
from ends import unique
from rules import (CLASSIC, KINDS, bodies, channel_of, comes_to_hold, confirmed, letter_box, ready,
                   refused, taken)
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises

suite = Suite("limits")


def said(channel):
    """The one confirm of a channel in confirm mode: basic.ack or basic.nack."""
    return channel.wait("basic.ack", "basic.nack")[0]


def publisher_of(broker):
    channel = channel_of(broker)
    channel.confirm_select()
    return channel


def publishes(channel, queue, body, exchange="", **properties):
    """How the publish is answered."""
    channel.publish(exchange, queue, body, properties)
    return said(channel)


@suite.test_over(*KINDS)
def the_oldest_make_room(broker, kind):
    channel = channel_of(broker)
    queue = kind.declare(channel, max_length=3)
    confirmed(channel, queue, *(str(n).encode() for n in range(10)), delivery_mode=2)
    comes_to_hold(channel, queue, 3)
    equal(bodies(channel, queue), [b"7", b"8", b"9"])


@suite.test_over(*KINDS)
def bytes_are_those_of_bodies(broker, kind):
    channel = channel_of(broker)
    queue = kind.declare(channel, max_length_bytes=1000)
    confirmed(channel, queue, b"a" * 400, b"b" * 400, b"c" * 400)
    comes_to_hold(channel, queue, 2)
    equal([body[:1] for body in bodies(channel, queue)], [b"b", b"c"])


@suite.test
def headers_do_not_count(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_length_bytes=10)
    for body in (b"12345", b"67890"):
        confirmed(channel, queue, body, headers={"long": "x" * 500})
    equal(bodies(channel, queue), [b"12345", b"67890"])


@suite.test
def one_that_is_larger_than_all_the_room_goes_itself(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_length_bytes=10)
    confirmed(channel, queue, b"12345", b"x" * 11)
    comes_to_hold(channel, queue, 0)


@suite.test
def both_limits_hold(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_length=3, max_length_bytes=100)
    confirmed(channel, queue, b"1", b"2", b"3", b"4")
    equal(ready(channel, queue), 3)
    confirmed(channel, queue, b"x" * 99)
    equal([body[:1] for body in bodies(channel, queue)], [b"4", b"x"])


@suite.test
def a_length_of_zero_holds_nothing(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_length=0)
    confirmed(channel, queue, b"1", b"2")
    comes_to_hold(channel, queue, 0)


@suite.test
def a_length_of_zero_is_for_who_waits_already(broker):
    channel, consumer = channel_of(broker), channel_of(broker)
    queue = CLASSIC.declare(channel, max_length=0)
    consumer.consume(queue, no_ack=True)
    confirmed(channel, queue, b"1")
    equal(consumer.message().body, b"1")


@suite.test
def what_is_out_does_not_count(broker):
    channel, consumer = channel_of(broker), channel_of(broker)
    queue = CLASSIC.declare(channel, max_length=2)
    consumer.qos(3)
    consumer.consume(queue)
    confirmed(channel, queue, *(str(n).encode() for n in range(3)))
    out = [consumer.message() for _ in range(3)]
    confirmed(channel, queue, b"3", b"4")
    equal(ready(channel, queue), 2)
    consumer.ack(out[-1].tag, multiple=True)
    equal([consumer.message().body for _ in range(2)], [b"3", b"4"])


@suite.test
def what_comes_back_is_the_oldest_and_makes_room(broker):
    channel, consumer = channel_of(broker), channel_of(broker)
    queue, box = letter_box(channel, max_length=2)
    confirmed(channel, queue, b"0")
    got = consumer.get(queue)
    confirmed(channel, queue, b"1", b"2")
    consumer.nack(got.tag, requeue=True)
    dead = taken(channel, box)
    equal((dead.body, dead.headers["x-death"][0]["reason"]), (b"0", "maxlen"))
    equal(bodies(channel, queue), [b"1", b"2"])


@suite.test_over(*KINDS)
def the_oldest_go_to_the_dead_letters(broker, kind):
    channel = channel_of(broker)
    queue, box = letter_box(channel, kind, max_length=2)
    confirmed(channel, queue, *(str(n).encode() for n in range(5)))
    comes_to_hold(channel, box, 3)
    equal(bodies(channel, box), [b"0", b"1", b"2"])
    equal(bodies(channel, queue), [b"3", b"4"])


@suite.test
def a_full_queue_refuses_the_publish(broker):
    channel = publisher_of(broker)
    queue = CLASSIC.declare(channel, max_length=2, overflow="reject-publish")
    equal([publishes(channel, queue, body) for body in (b"0", b"1", b"2", b"3")],
          ["basic.ack", "basic.ack", "basic.nack", "basic.nack"])
    equal(bodies(channel, queue), [b"0", b"1"])
    equal(publishes(channel, queue, b"4"), "basic.ack")
    equal(bodies(channel, queue), [b"4"])


@suite.test
def a_full_queue_refuses_what_is_persistent_too(broker):
    channel = publisher_of(broker)
    queue = CLASSIC.declare(channel, max_length=1, overflow="reject-publish")
    equal(publishes(channel, queue, b"0", delivery_mode=2), "basic.ack")
    equal(publishes(channel, queue, b"1", delivery_mode=2), "basic.nack")
    equal(bodies(channel, queue), [b"0"])


@suite.test
def a_quorum_queue_refuses_too(broker):
    only_sluice(broker, "RabbitMQ's quorum queue takes a few more")
    channel = publisher_of(broker)
    queue = KINDS[1].declare(channel, max_length=1, overflow="reject-publish")
    equal([publishes(channel, queue, body) for body in (b"0", b"1")], ["basic.ack", "basic.nack"])


@suite.test
def a_refused_publish_goes_to_no_dead_letters(broker):
    channel = publisher_of(broker)
    queue, box = letter_box(channel, max_length=1, overflow="reject-publish")
    equal([publishes(channel, queue, body) for body in (b"0", b"1")], ["basic.ack", "basic.nack"])
    equal((bodies(channel, queue), bodies(channel, box)), ([b"0"], []))


@suite.test
def a_refused_publish_goes_to_the_dead_letters_with_dlx(broker):
    channel = publisher_of(broker)
    queue, box = letter_box(channel, max_length=1, overflow="reject-publish-dlx")
    equal([publishes(channel, queue, body) for body in (b"0", b"1")], ["basic.ack", "basic.nack"])
    dead = taken(channel, box)
    equal((dead.body, dead.headers["x-death"][0]["reason"]), (b"1", "maxlen"))
    equal(dead.headers["x-death"][0]["queue"], queue)
    equal(bodies(channel, queue), [b"0"])


@suite.test
def the_others_get_what_one_refuses(broker):
    channel, exchange, other = publisher_of(broker), unique("e"), unique()
    full = CLASSIC.declare(channel, max_length=1, overflow="reject-publish")
    channel.queue_declare(other, durable=True)
    channel.exchange_declare(exchange, "fanout")
    for queue in (full, other):
        channel.queue_bind(queue, exchange)
    equal([publishes(channel, "", body, exchange, delivery_mode=2) for body in (b"0", b"1")],
          ["basic.ack", "basic.nack"])
    equal((bodies(channel, full), bodies(channel, other)), ([b"0"], [b"0", b"1"]))


@suite.test
def without_confirms_a_refused_publish_is_silent(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_length=1, overflow="reject-publish")
    for body in (b"0", b"1"):
        channel.publish("", queue, body)
    channel.round_trip()
    equal(bodies(channel, queue), [b"0"])


@suite.test
def bytes_refuse_too(broker):
    channel = publisher_of(broker)
    queue = CLASSIC.declare(channel, max_length_bytes=10, overflow="reject-publish")
    equal(publishes(channel, queue, b"1234567890"), "basic.ack")
    equal(publishes(channel, queue, b"x"), "basic.nack")
    equal(bodies(channel, queue), [b"1234567890"])


@suite.test
def a_place_is_free_when_its_message_is_out(broker):
    channel, consumer = publisher_of(broker), channel_of(broker)
    queue = CLASSIC.declare(channel, max_length=1, overflow="reject-publish")
    equal(publishes(channel, queue, b"0"), "basic.ack")
    got = consumer.get(queue)
    equal(publishes(channel, queue, b"1"), "basic.ack")
    equal(publishes(channel, queue, b"2"), "basic.nack")
    consumer.nack(got.tag, requeue=True)  # over the limit, and stays all the same
    consumer.round_trip()
    comes_to_hold(channel, queue, 2)
    equal(publishes(channel, queue, b"3"), "basic.nack")
    equal(bodies(channel, queue), [b"0", b"1"])


@suite.test
def a_purge_makes_room(broker):
    channel = publisher_of(broker)
    queue = CLASSIC.declare(channel, max_length=1, overflow="reject-publish")
    equal([publishes(channel, queue, body) for body in (b"0", b"1")], ["basic.ack", "basic.nack"])
    channel.queue_purge(queue)
    equal(publishes(channel, queue, b"2"), "basic.ack")


@suite.test
def many_publishers_do_not_get_past_the_limit(broker):
    only_sluice(broker, "RabbitMQ is not exact here")
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_length=50, overflow="reject-publish")
    publishers = [publisher_of(broker) for _ in range(4)]
    for body in range(40):
        for publisher in publishers:
            publisher.publish("", queue, str(body).encode())
    taken_count = sum(acks(publisher, 40) for publisher in publishers)
    equal((taken_count, ready(channel, queue)), (50, 50))


def acks(channel, count):
    """How many of so many publishes were taken."""
    answered, refusals, singles = 0, 0, set()
    while answered + len(singles) < count:
        name, (tag, multiple, *_) = channel.wait("basic.ack", "basic.nack")
        new = {t for t in range(answered + 1, tag + 1) if t not in singles} if multiple else {tag}
        refusals += len(new) * (name == "basic.nack")
        singles |= new
        while answered + 1 in singles:
            answered += 1
            singles.discard(answered)
    return count - refusals


@suite.test
def a_transaction_is_refused_as_a_whole(broker):
    only_sluice(broker, "RabbitMQ drops what the full queue refuses")
    connection = amqp_client.connect(broker)
    channel, other = connection.channel(), unique()
    queue = CLASSIC.declare(channel, max_length=1, overflow="reject-publish")
    channel.queue_declare(other, durable=True)
    channel.tx_select()
    for target, body in ((other, b"0"), (queue, b"1"), (queue, b"2")):
        channel.publish("", target, body)
    closed = refused(406, f"PRECONDITION_FAILED - transaction refused: queue '{queue}' is full",
                     channel.tx_commit)
    equal(closed.method, (90, 20))
    again = connection.channel()
    equal((bodies(again, queue), bodies(again, other)), ([], []))
    again.confirm_select()
    equal(publishes(again, queue, b"3"), "basic.ack")  # what was reserved is free again


@suite.test
def a_stomp_send_is_told_and_the_connection_stays(broker):
    only_sluice(broker, "RabbitMQ says nothing")
    channel, stomp = channel_of(broker), stomp_client.connect(broker)
    queue = CLASSIC.declare(channel, max_length=1, overflow="reject-publish")
    stomp.ask("SEND", {"destination": f"/amq/queue/{queue}"}, b"0")
    error = raises(ErrorFrame, stomp.ask, "SEND", {"destination": f"/amq/queue/{queue}"}, b"1")
    has(error.frame.headers["receipt-id"], "r-")
    equal(bodies(channel, queue), [b"0"])
    stomp.ask("SEND", {"destination": f"/amq/queue/{queue}"}, b"2")
    equal(bodies(channel, queue), [b"2"])


@suite.test
def a_stomp_transaction_is_refused_as_a_whole(broker):
    only_sluice(broker, "RabbitMQ says nothing")
    channel, stomp = channel_of(broker), stomp_client.connect(broker)
    queue, other = CLASSIC.declare(channel, max_length=1, overflow="reject-publish"), unique()
    channel.queue_declare(other, durable=True)
    stomp.send("BEGIN", {"transaction": "t"})
    for target, body in ((other, b"0"), (queue, b"1"), (queue, b"2")):
        stomp.send("SEND", {"destination": f"/amq/queue/{target}", "transaction": "t"}, body)
    error = raises(ErrorFrame, stomp.ask, "COMMIT", {"transaction": "t"})
    has(error.frame.headers["receipt-id"], "r-")
    equal((bodies(channel, queue), bodies(channel, other)), ([], []))
    stomp.ask("SEND", {"destination": f"/amq/queue/{queue}"}, b"3")


@suite.test
def a_limit_asked_for_by_stomp_holds(broker):
    channel, stomp, queue = channel_of(broker), stomp_client.connect(broker), unique()
    for body in (b"0", b"1", b"2"):
        stomp.ask("SEND", {"destination": f"/queue/{queue}", "x-max-length": "2"}, body)
    comes_to_hold(channel, queue, 2)
    equal(bodies(channel, queue), [b"1", b"2"])
