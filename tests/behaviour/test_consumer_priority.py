"""Consumers that go before others: x-priority."""

import stomp_client
from rules import CLASSIC, channel_of, confirmed, refused
from suite import Suite, equal, has, raises
from takers import BOTH, AMQP, expect, expect_nothing, take

suite = Suite("consumer priority")


def numbered(first, end):
    return [str(n).encode() for n in range(first, end)]


@suite.test
def what_is_no_integer_is_refused(broker):
    for bad, name in (("5", "longstr"), (True, "bool")):
        channel = channel_of(broker)
        queue = CLASSIC.declare(channel)
        refused(406, f"invalid arg 'x-priority' for queue '{queue}' in vhost '/': "
                     f"expected integer, got {name}",
                channel.consume, queue, arguments={"x-priority": bad})


@suite.test
def a_stomp_header_that_is_no_integer_is_refused(broker):
    queue = CLASSIC.declare(channel_of(broker))
    for bad in ("high", "1.5", "99999999999999999999"):
        stomp = stomp_client.connect(broker)
        error = raises(stomp_client.ErrorFrame, stomp.ask, "SUBSCRIBE", {
            "destination": f"/amq/queue/{queue}", "id": "1", "x-priority": bad})
        has(error.frame.headers["message"] + error.frame.body.decode(), "'x-priority' must be an integer")


@suite.test_over(*BOTH)
def the_higher_gets_everything_while_it_can_take(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    low, high = kind(broker, queue), kind(broker, queue, priority=10)
    confirmed(channel, queue, *numbered(0, 50))
    equal([g.body for g in take(high, 50)], numbered(0, 50))
    expect_nothing(low)


@suite.test_over(*BOTH)
def the_lower_gets_what_the_higher_has_no_credit_for(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    low = kind(broker, queue, prefetch=2)
    high = kind(broker, queue, prefetch=2, priority=1)
    confirmed(channel, queue, *numbered(0, 5))
    equal([g.body for g in take(high, 2)], numbered(0, 2))
    got = take(low, 2)
    equal([g.body for g in got], numbered(2, 4))
    low.ack(got[0])
    equal(low.next().body, b"4")


@suite.test_over(*BOTH)
def a_negative_one_goes_behind_those_without(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    last = kind(broker, queue, priority=-1)
    plain = kind(broker, queue, prefetch=1)
    confirmed(channel, queue, b"1", b"2")
    equal(plain.next().body, b"1")
    equal(last.next().body, b"2")


@suite.test_over(*BOTH)
def equals_take_turns(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    kind(broker, queue)
    equals = [kind(broker, queue, priority=7) for _ in range(3)]
    confirmed(channel, queue, *numbered(0, 30))
    for taker in equals:
        take(taker, 10)
        expect_nothing(taker)


@suite.test
def the_ends_of_the_range_are_fine(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    priorities = (0, -(1 << 63), (1 << 63) - 1, -1, 1)
    takers = {p: AMQP(broker, queue, prefetch=1, priority=p) for p in priorities}
    for n, priority in enumerate(sorted(priorities, reverse=True)):
        confirmed(channel, queue, str(n).encode())
        equal(takers[priority].next().body, str(n).encode())


@suite.test_over(*BOTH)
def one_that_leaves_leaves_all_to_the_next_rank(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    low, high = kind(broker, queue), kind(broker, queue, priority=3)
    confirmed(channel, queue, b"1")
    take(high, 1)
    high.kill()
    expect(low, b"1")
    again = kind(broker, queue, priority=3)
    confirmed(channel, queue, b"2")
    expect(again, b"2")
