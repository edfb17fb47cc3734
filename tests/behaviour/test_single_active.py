"""Queues that lend to one consumer alone: x-single-active-consumer."""

import amqp_client
import stomp_client
from ends import unique
from rules import CLASSIC, KINDS, channel_of, comes_to_hold, confirmed, refused
from suite import Suite, equal, has, only_sluice, raises
from takers import BOTH, AMQP, expect, expect_nothing, take

suite = Suite("single active")


def single(channel, **arguments):
    return CLASSIC.declare(channel, single_active_consumer=True, **arguments)


def numbered(first, end):
    return [str(n).encode() for n in range(first, end)]


@suite.test
def the_argument_must_be_a_boolean(broker):
    for kind in KINDS:
        refused(406, "invalid arg 'x-single-active-consumer' for queue", kind.declare,
                channel_of(broker), single_active_consumer="true")


@suite.test
def a_queue_with_another_value_is_not_the_same(broker):
    queue = single(channel_of(broker))
    refused(406, "inequivalent arg 'x-single-active-consumer' for queue", CLASSIC.declare,
            channel_of(broker), queue)
    refused(406, "inequivalent arg 'x-single-active-consumer' for queue", CLASSIC.declare,
            channel_of(broker), queue, single_active_consumer=False)
    equal(CLASSIC.declare(channel_of(broker), queue, single_active_consumer=True), queue)


@suite.test
def an_exclusive_consumer_is_refused(broker):
    channel = channel_of(broker)
    queue = single(channel)
    refused(403, f"queue '{queue}' in vhost '/' in exclusive use", channel.consume, queue,
            exclusive=True)


@suite.test
def false_lends_to_all(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, single_active_consumer=False)
    takers = [AMQP(broker, queue, prefetch=1) for _ in range(2)]
    confirmed(channel, queue, b"1", b"2")
    equal({taker.next().body for taker in takers}, {b"1", b"2"})


@suite.test
def a_stomp_header_declares_it(broker):
    queue, stomp = unique(), stomp_client.connect(broker)
    stomp.subscribe(f"/queue/{queue}", **{"x-single-active-consumer": "true"})
    equal(CLASSIC.declare(channel_of(broker), queue, single_active_consumer=True), queue)


@suite.test
def a_stomp_header_that_is_no_boolean_is_refused(broker):
    stomp = stomp_client.connect(broker)
    error = raises(stomp_client.ErrorFrame, stomp.ask, "SUBSCRIBE", {
        "destination": f"/queue/{unique()}", "id": "1", "x-single-active-consumer": "perhaps"})
    has(error.frame.headers["message"] + error.frame.body.decode(), "x-single-active-consumer")


@suite.test_over(*BOTH)
def the_first_consumer_gets_everything_in_order(broker, kind):
    channel = channel_of(broker)
    queue = single(channel)
    first, second = kind(broker, queue), kind(broker, queue)
    confirmed(channel, queue, *numbered(0, 100))
    equal([g.body for g in take(first, 100)], numbered(0, 100))
    expect_nothing(second)


@suite.test_over(*BOTH)
def without_credit_the_active_one_stays_and_nobody_helps(broker, kind):
    channel = channel_of(broker)
    queue = single(channel)
    first, second = kind(broker, queue, prefetch=1), kind(broker, queue)
    confirmed(channel, queue, b"1", b"2")
    got = first.next()
    expect_nothing(second)
    first.ack(got)
    expect(first, b"2")


@suite.test_over(*BOTH)
def the_oldest_that_waits_takes_over_from_one_that_dies(broker, kind):
    channel = channel_of(broker)
    queue = single(channel)
    first, second, third = (kind(broker, queue) for _ in range(3))
    confirmed(channel, queue, b"1", b"2")
    take(first, 2)
    first.kill()
    got = take(second, 2)
    equal([(g.body, g.redelivered) for g in got], [(b"1", True), (b"2", True)])
    second.kill()
    expect(third, b"1", b"2")


@suite.test_over(*BOTH)
def one_that_unsubscribes_gives_its_loans_to_the_next(broker, kind):
    channel = channel_of(broker)
    queue = single(channel)
    first, second = kind(broker, queue), kind(broker, queue)
    confirmed(channel, queue, b"1")
    take(first, 1)
    first.end()
    expect(second, b"1")


@suite.test
def one_that_cancels_is_waited_for_until_its_loans_are_settled(broker):
    only_sluice(broker, "RabbitMQ lets the next one begin at once")
    channel = channel_of(broker)
    queue = single(channel)
    first, second = AMQP(broker, queue, prefetch=2), AMQP(broker, queue)
    confirmed(channel, queue, b"1", b"2", b"3")
    got = take(first, 2)
    first.cancel()
    expect_nothing(second)
    first.ack(got[0])
    first.settle()
    expect_nothing(second)
    first.give_back(got[1])
    expect(second, b"2", b"3")


@suite.test_over(*BOTH)
def a_consumer_that_waits_may_leave_unnoticed(broker, kind):
    channel = channel_of(broker)
    queue = single(channel)
    first, second = kind(broker, queue), kind(broker, queue)
    second.end()
    confirmed(channel, queue, b"1")
    expect(first, b"1")


@suite.test_over(*BOTH)
def a_higher_priority_takes_over_once_nothing_is_out(broker, kind):
    only_sluice(broker, "in RabbitMQ quorum queues do this since 4.0")
    channel = channel_of(broker)
    queue = single(channel)
    low = kind(broker, queue, prefetch=1)
    confirmed(channel, queue, b"1", b"2")
    got = low.next()
    high = kind(broker, queue, priority=10)
    expect_nothing(high)
    low.ack(got)
    expect(high, b"2")
    confirmed(channel, queue, b"3")
    expect(high, b"3")
    high.kill()
    confirmed(channel, queue, b"4")
    expect(low, b"4")


@suite.test_over(*BOTH)
def the_highest_and_then_the_oldest_takes_over(broker, kind):
    only_sluice(broker, "in RabbitMQ quorum queues do this since 4.0")
    channel = channel_of(broker)
    queue = single(channel)
    first = kind(broker, queue, priority=9)
    low, high, later = (kind(broker, queue, priority=p) for p in (1, 5, 5))
    first.kill()
    confirmed(channel, queue, b"1")
    expect(high, b"1")
    high.kill()
    confirmed(channel, queue, b"2")
    expect(later, b"2")
    later.kill()
    confirmed(channel, queue, b"3")
    expect(low, b"3")


@suite.test
def groups_do_not_matter_to_it(broker):
    channel = channel_of(broker)
    queue = single(channel)
    first, second = AMQP(broker, queue), AMQP(broker, queue)
    for n in range(10):
        confirmed(channel, queue, b"%d" % n, headers={"JMSXGroupID": str(n)})
    equal([g.body for g in take(first, 10)], numbered(0, 10))
    expect_nothing(second)


@suite.test
def a_get_takes_what_is_next_all_the_same(broker):
    channel = channel_of(broker)
    queue = single(channel)
    first = AMQP(broker, queue, prefetch=1)
    confirmed(channel, queue, b"1", b"2")
    comes_to_hold(channel, queue, 1)
    equal(channel.get(queue).body, b"2")
    equal(first.next().body, b"1")


@suite.test
def the_queue_may_be_deleted_under_all_of_them(broker):
    channel = channel_of(broker)
    queue = single(channel)
    takers = [AMQP(broker, queue) for _ in range(20)]
    confirmed(channel, queue, b"1")
    take(takers[0], 1)
    channel.queue_delete(queue)
    for taker in takers:
        taker.settle()
    raises(amqp_client.ChannelClosed, channel.queue_declare, queue, passive=True)
