"""Messages that were given back too often: x-delivery-limit and x-delivery-count."""

import amqp_client
import stomp_client
from ends import unique
from rules import CLASSIC, QUORUM, channel_of, comes_to_hold, confirmed, letter_box, taken
from suite import Suite, equal, only_sluice, wait_until

suite = Suite("delivery limit")


def lent(channel, queue):
    return wait_until(lambda: channel.get(queue), f"a message in {queue}")


def give_back(channel, message):
    channel.nack(message.tag, requeue=True)
    channel.round_trip()


@suite.test
def the_first_delivery_is_not_counted(broker):
    channel = channel_of(broker)
    queue = QUORUM.declare(channel)
    channel.consume(queue)
    confirmed(channel, queue, b"1", headers={"mine": "own"})
    equal(channel.message().headers, {"mine": "own"})
    only_sluice(broker, "RabbitMQ 3.10 counts in basic.get from zero")
    confirmed(channel, other := QUORUM.declare(channel), b"1", headers={"mine": "own"})
    equal(lent(channel, other).headers, {"mine": "own"})


@suite.test
def every_return_is_counted_in_a_header(broker):
    channel = channel_of(broker)
    queue = QUORUM.declare(channel)
    confirmed(channel, queue, b"1", headers={"mine": "own"})
    give_back(channel, lent(channel, queue))
    for count in (1, 2, 3):
        got = lent(channel, queue)
        equal(got.typed_headers, {"mine": ("S", "own"), "x-delivery-count": ("l", count)})
        assert got.redelivered
        give_back(channel, got)


@suite.test
def a_message_without_headers_gets_the_count_alone(broker):
    channel = channel_of(broker)
    queue = QUORUM.declare(channel)
    confirmed(channel, queue, b"1", content_type="text/plain", message_id="m")
    give_back(channel, lent(channel, queue))
    equal(lent(channel, queue).properties, {"content_type": "text/plain", "message_id": "m",
                                            "headers": {"x-delivery-count": 1}})


@suite.test
def a_reject_counts_and_so_does_a_closed_channel_and_a_lost_connection(broker):
    channel = channel_of(broker)
    queue = QUORUM.declare(channel)
    confirmed(channel, queue, b"1")
    channel.reject(lent(channel, queue).tag, requeue=True)
    other = amqp_client.connect(broker)
    closing = other.channel()
    equal(lent(closing, queue).headers["x-delivery-count"], 1)
    closing.close()
    equal(lent(other.channel(), queue).headers["x-delivery-count"], 2)
    other.kill()
    equal(lent(channel, queue).headers["x-delivery-count"], 3)


@suite.test
def consumers_see_the_count_too(broker):
    channel, consumer = channel_of(broker), channel_of(broker)
    queue = QUORUM.declare(channel)
    confirmed(channel, queue, b"1")
    consumer.qos(1)
    consumer.consume(queue)
    give_back(consumer, consumer.message())
    equal(consumer.message().headers["x-delivery-count"], 1)


@suite.test
def past_the_limit_it_is_a_dead_letter(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, QUORUM, delivery_limit=2)
    confirmed(channel, queue, b"1")
    for _ in range(3):  # the first, and two more
        give_back(channel, lent(channel, queue))
    dead = taken(channel, box)
    equal(dead.body, b"1")
    death = dead.headers["x-death"][0]
    equal((death["reason"], death["queue"], death["count"]), ("delivery_limit", queue, 1))
    equal(dead.headers["x-first-death-reason"], "delivery_limit")


@suite.test
def past_the_limit_and_without_dead_letters_it_is_gone(broker):
    channel = channel_of(broker)
    queue = QUORUM.declare(channel, delivery_limit=1)
    confirmed(channel, queue, b"1", b"2")
    for _ in range(2):
        got = lent(channel, queue)
        equal(got.body, b"1")
        give_back(channel, got)
    comes_to_hold(channel, queue, 1)
    equal(lent(channel, queue).body, b"2")


@suite.test
def a_limit_of_zero_is_for_one_delivery(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, QUORUM, delivery_limit=0)
    confirmed(channel, queue, b"1")
    give_back(channel, lent(channel, queue))
    equal(taken(channel, box).body, b"1")


@suite.test
def without_a_limit_it_comes_again_and_again(broker):
    channel = channel_of(broker)
    queue = QUORUM.declare(channel)
    confirmed(channel, queue, b"1")
    for _ in range(30):
        give_back(channel, lent(channel, queue))
    equal(lent(channel, queue).headers["x-delivery-count"], 30)


@suite.test
def a_limit_below_zero_is_none(broker):
    only_sluice(broker, "RabbitMQ 3.10 refuses it")
    channel = channel_of(broker)
    queue = QUORUM.declare(channel, delivery_limit=-1)
    confirmed(channel, queue, b"1")
    for _ in range(30):
        give_back(channel, lent(channel, queue))
    equal(lent(channel, queue).headers["x-delivery-count"], 30)


@suite.test
def a_classic_queue_has_a_limit_too(broker):
    only_sluice(broker, "RabbitMQ counts in quorum queues only")
    channel = channel_of(broker)
    queue, box = letter_box(channel, CLASSIC, delivery_limit=1)
    confirmed(channel, queue, b"1")
    give_back(channel, lent(channel, queue))
    got = lent(channel, queue)
    equal(got.headers["x-delivery-count"], 1)
    give_back(channel, got)
    equal(taken(channel, box).headers["x-death"][0]["reason"], "delivery_limit")


@suite.test
def a_stomp_nack_counts_and_the_count_is_a_header(broker):
    channel, stomp, queue = channel_of(broker), stomp_client.connect(broker), unique()
    QUORUM.declare(channel, queue)
    confirmed(channel, queue, b"1")
    stomp.subscribe(f"/amq/queue/{queue}", "s", ack="client-individual")
    first = stomp.message()
    assert "x-delivery-count" not in first.headers, first
    stomp.nack(first, requeue="true")
    second = stomp.message()
    equal((second.headers["x-delivery-count"], second.headers["redelivered"]), ("1", "true"))


@suite.test
def what_a_publisher_says_of_the_count_is_no_count(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, QUORUM, delivery_limit=1)
    confirmed(channel, queue, b"1", headers={"x-delivery-count": 77})
    give_back(channel, lent(channel, queue))
    equal(lent(channel, queue).headers["x-delivery-count"], 1)
