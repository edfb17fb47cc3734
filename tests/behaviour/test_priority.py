"""Queues that give out the important first: x-max-priority."""

import stomp_client
from ends import unique
from rules import CLASSIC, bodies, channel_of, comes_to_hold, confirmed, ready
from suite import Suite, equal

suite = Suite("priority")


def fill(channel, queue, *pairs):
    """(priority or None, body)"""
    for priority, body in pairs:
        confirmed(channel, queue, body, **({} if priority is None else {"priority": priority}))


@suite.test
def the_important_go_first_and_equals_in_order(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_priority=10)
    fill(channel, queue, (1, b"1a"), (9, b"9a"), (5, b"5a"), (9, b"9b"), (1, b"1b"), (5, b"5b"))
    equal(bodies(channel, queue), [b"9a", b"9b", b"5a", b"5b", b"1a", b"1b"])


@suite.test
def no_priority_is_the_least(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_priority=10)
    fill(channel, queue, (None, b"none"), (1, b"1"), (0, b"0"))
    equal(bodies(channel, queue), [b"1", b"none", b"0"])


@suite.test
def beyond_the_most_is_the_most(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_priority=5)
    fill(channel, queue, (5, b"5"), (200, b"200"), (4, b"4"))
    equal(bodies(channel, queue), [b"5", b"200", b"4"])


@suite.test
def a_priority_stays_on_its_message(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_priority=5)
    fill(channel, queue, (200, b"1"))
    equal(channel.get(queue).properties["priority"], 200)


@suite.test
def without_the_argument_there_is_one_order(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    fill(channel, queue, (1, b"1"), (9, b"9"), (5, b"5"))
    equal(bodies(channel, queue), [b"1", b"9", b"5"])


@suite.test
def what_comes_back_goes_to_its_own_place(broker):
    channel, consumer = channel_of(broker), channel_of(broker)
    queue = CLASSIC.declare(channel, max_priority=10)
    fill(channel, queue, (1, b"1a"), (1, b"1b"), (9, b"9a"), (9, b"9b"))
    got = [consumer.get(queue) for _ in range(3)]
    equal([m.body for m in got], [b"9a", b"9b", b"1a"])
    consumer.nack(got[-1].tag, multiple=True, requeue=True)
    comes_to_hold(channel, queue, 4)
    equal(bodies(channel, queue), [b"9a", b"9b", b"1a", b"1b"])


@suite.test
def a_consumer_gets_the_important_first(broker):
    channel, consumer = channel_of(broker), channel_of(broker)
    queue = CLASSIC.declare(channel, max_priority=10)
    fill(channel, queue, *((n % 10, str(n).encode()) for n in range(40)))
    consumer.qos(1)
    consumer.consume(queue)
    got = []
    for _ in range(40):
        message = consumer.message()
        got.append(int(message.body) % 10)
        consumer.ack(message.tag)
    equal(got, sorted(got, reverse=True))


@suite.test
def all_levels_are_counted_and_purged(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_priority=255)
    fill(channel, queue, *((n, b"x") for n in (0, 1, 100, 254, 255)))
    equal(ready(channel, queue), 5)
    equal(channel.queue_purge(queue), 5)
    equal(ready(channel, queue), 0)


@suite.test
def a_ttl_ends_only_what_is_at_the_head_of_all(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_priority=10)
    watcher = CLASSIC.declare(channel)
    confirmed(channel, queue, b"low and short", priority=1, expiration="100")
    confirmed(channel, queue, b"low and long", priority=1)
    confirmed(channel, queue, b"high", priority=9)
    confirmed(channel, watcher, b"x", expiration="150")
    comes_to_hold(channel, watcher, 0)
    equal(ready(channel, queue), 3)
    equal(bodies(channel, queue), [b"high", b"low and long"])


@suite.test
def a_stomp_priority_counts_too(broker):
    channel, stomp, queue = channel_of(broker), stomp_client.connect(broker), unique()
    for priority in (1, 9, 5):
        stomp.ask("SEND", {"destination": f"/queue/{queue}", "x-max-priority": "10",
                           "priority": priority}, str(priority).encode())
    equal(bodies(channel, queue), [b"9", b"5", b"1"])


@suite.test
def the_head_makes_room_also_where_it_is_the_most_important(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_priority=10, max_length=3)
    fill(channel, queue, (9, b"9"), (1, b"1a"), (1, b"1b"), (5, b"5"))
    comes_to_hold(channel, queue, 3)
    equal(bodies(channel, queue), [b"5", b"1a", b"1b"])
