"""Patience with what was given back: x-delayed-retry-type, -min and -max."""

import time

import stomp_client
from amqp_client import ChannelClosed
from ends import unique
from rules import (CLASSIC, KINDS, QUORUM, bodies, channel_of, comes_to_hold, confirmed, letter_box, ready,
                   refused)
from suite import Suite, equal, raises, wait_until
from takers import AMQP, BOTH, expect, take
from wire import Late

suite = Suite("delayed retry")


def patient(channel, least=200, most=None, kind=CLASSIC, how="all", **arguments):
    if most is not None:
        arguments["delayed_retry_max"] = most
    return kind.declare(channel, delayed_retry_type=how, delayed_retry_min=least, **arguments)


def give_back(channel, queue):
    """What is next, taken and given back: when that was."""
    got = wait_until(lambda: channel.get(queue), f"a message in {queue}")
    channel.nack(got.tag, requeue=True)
    channel.round_trip()
    return time.monotonic()


@suite.test
def other_types_are_refused(broker):
    for kind in KINDS:
        refused(406, "invalid arg 'x-delayed-retry-type' for queue", kind.declare,
                channel_of(broker), delayed_retry_type="sometimes")
        refused(406, "expected longstr, got", kind.declare, channel_of(broker), delayed_retry_type=1)


@suite.test
def times_that_are_no_numbers_or_negative_are_refused(broker):
    for name in ("delayed_retry_min", "delayed_retry_max"):
        wire = "x-" + name.replace("_", "-")
        refused(406, f"invalid arg '{wire}' for queue", CLASSIC.declare, channel_of(broker),
                **{name: "100"})
        refused(406, "{value_negative,-1}", CLASSIC.declare, channel_of(broker), **{name: -1})
        refused(406, "{value_too_big,4294967296}", CLASSIC.declare, channel_of(broker),
                **{name: 1 << 32})


@suite.test
def a_queue_with_other_values_is_not_the_same(broker):
    queue = patient(channel_of(broker), 100, 200)
    refused(406, "inequivalent arg 'x-delayed-retry-min' for queue", CLASSIC.declare,
            channel_of(broker), queue, delayed_retry_type="all", delayed_retry_min=101,
            delayed_retry_max=200)


@suite.test
def without_a_type_or_disabled_or_without_a_least_time_nothing_waits(broker):
    for arguments in ({"delayed_retry_min": 60000},
                      {"delayed_retry_min": 60000, "delayed_retry_type": "disabled"},
                      {"delayed_retry_type": "all"},
                      {"delayed_retry_type": "all", "delayed_retry_min": 0}):
        channel = channel_of(broker)
        queue = CLASSIC.declare(channel, **arguments)
        confirmed(channel, queue, b"1")
        give_back(channel, queue)
        equal(ready(channel, queue), 1)


@suite.test_over(*BOTH)
def what_comes_back_waits_and_grows_patient(broker, kind):
    channel = channel_of(broker)
    queue = patient(channel, 100)
    taker = kind(broker, queue)
    confirmed(channel, queue, b"1")
    for count in range(1, 4):
        got = taker.next()
        equal(got.redelivered, count > 1)
        began = time.monotonic()  # before it can have come back
        taker.give_back(got)
        taker.settle()
        got = taker.next()
        waited = time.monotonic() - began
        assert waited > 0.09 * (2 * count - 1), (count, waited)
        taker.give_back(got)
        taker.settle()
        time_left = 0.1 * 2 * count
        assert waited < time_left + 20, (count, waited)


@suite.test
def the_most_is_a_bound(broker):
    channel = channel_of(broker)
    queue = patient(channel, 50, 60)
    confirmed(channel, queue, b"1")
    for _ in range(40):
        give_back(channel, queue)
    waits = []
    for _ in range(3):  # the machine may stop for a while
        began = give_back(channel, queue)
        wait_until(lambda: ready(channel, queue) == 1, "it is ready again")
        waits.append(time.monotonic() - began)
    assert min(waits) < 40 * 0.05, waits


@suite.test
def every_type_and_every_way_to_give_back_waits(broker):
    for how in ("all", "failed", "returned"):
        for act in ("nack", "reject", "close"):
            channel, other = channel_of(broker), channel_of(broker)
            queue = patient(channel, 60000, how=how, kind=QUORUM)
            confirmed(channel, queue, b"1")
            got = other.get(queue)
            if act == "close":
                other.close()
            else:
                getattr(other, act)(got.tag, requeue=True)
                other.round_trip()
            equal(ready(channel, queue), 0, (how, act))


@suite.test_over(*BOTH)
def others_go_on_meanwhile(broker, kind):
    channel = channel_of(broker)
    queue = patient(channel, 2000)  # long enough for what goes on
    taker = kind(broker, queue)
    confirmed(channel, queue, b"1")
    got = taker.next()
    taker.give_back(got)
    taker.settle()
    confirmed(channel, queue, b"2", b"3")
    expect(taker, b"2", b"3")
    expect(taker, b"1")


@suite.test
def in_its_old_place_it_goes_before_everything_later(broker):
    channel = channel_of(broker)
    queue = patient(channel, 100)
    confirmed(channel, queue, b"1", b"2")
    give_back(channel, queue)
    confirmed(channel, queue, b"3")
    comes_to_hold(channel, queue, 3)
    equal(bodies(channel, queue), [b"1", b"2", b"3"])


@suite.test
def what_is_due_together_comes_in_order(broker):
    channel = channel_of(broker)
    queue = patient(channel, 100)
    confirmed(channel, queue, b"1", b"2", b"3")
    got = [channel.get(queue) for _ in range(3)]
    channel.nack(got[-1].tag, multiple=True, requeue=True)
    comes_to_hold(channel, queue, 3)
    equal(bodies(channel, queue), [b"1", b"2", b"3"])


@suite.test
def what_waits_is_neither_ready_nor_with_a_consumer(broker):
    channel = channel_of(broker)
    queue = patient(channel, 60000)
    confirmed(channel, queue, b"1", b"2")
    give_back(channel, queue)
    equal(ready(channel, queue), 1)
    equal(channel.get(queue).body, b"2")
    equal(channel.get(queue), None)


@suite.test
def a_queue_in_which_something_waits_is_not_empty(broker):
    channel = channel_of(broker)
    queue = patient(channel, 60000)
    confirmed(channel, queue, b"1")
    give_back(channel, queue)
    equal(ready(channel, queue), 0)
    equal(raises(ChannelClosed, channel.queue_delete, queue, if_empty=True).code, 406)
    channel = channel_of(broker)
    equal(channel.queue_purge(queue), 1)
    channel.queue_delete(queue, if_empty=True)


@suite.test
def with_65536_that_wait_nothing_more_is_lent(broker):
    channel, prefetch, bound = channel_of(broker), 512, 65536
    queue = patient(channel, least=3600 * 1000)
    for _ in range(bound + 2 * prefetch):
        channel.publish("", queue)
    channel.qos(prefetch)
    channel.consume(queue, "c")
    for _ in range(bound // prefetch):
        for _ in range(prefetch):
            last = channel.message()
        channel.nack(last.tag, multiple=True)
    channel.round_trip()
    raises(Late, channel.message, 0.3)
    equal(channel.get(queue), None)
    equal(channel.queue_purge(queue), bound + 2 * prefetch)
    channel.publish("", queue, b"next")
    equal(bytes(channel.message().body), b"next")


@suite.test
def what_waits_is_purged(broker):
    channel = channel_of(broker)
    queue = patient(channel, 100)
    confirmed(channel, queue, b"1", b"2")
    give_back(channel, queue)
    equal(channel.queue_purge(queue), 2)
    confirmed(channel, queue, b"3", expiration="250")
    comes_to_hold(channel, queue, 0)  # long after the first would have been ready again


@suite.test
def what_waits_goes_with_its_queue(broker):
    channel = channel_of(broker)
    queue = patient(channel, 100)
    confirmed(channel, queue, b"1")
    give_back(channel, queue)
    channel.queue_delete(queue)
    patient(channel, 100, queue=queue)
    equal(ready(channel, queue), 0)


@suite.test
def what_waits_expires(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, delayed_retry_type="all", delayed_retry_min=60000)
    confirmed(channel, queue, b"1", expiration="300")
    give_back(channel, queue)
    letter = wait_until(lambda: channel.get(box), "a dead letter")
    equal(letter.headers["x-death"][0]["reason"], "expired")


@suite.test
def limits_count_what_waits(broker):
    channel = channel_of(broker)
    queue = patient(channel, 60000, max_length=2)
    confirmed(channel, queue, b"1", b"2")
    give_back(channel, queue)
    confirmed(channel, queue, b"3")  # the oldest is the one that waits
    equal(bodies(channel, queue), [b"2", b"3"])


@suite.test
def the_delivery_limit_ends_it(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, delayed_retry_type="all", delayed_retry_min=20, delivery_limit=2)
    confirmed(channel, queue, b"1")
    for _ in range(3):
        give_back(channel, queue)
    letter = wait_until(lambda: channel.get(box), "a dead letter")
    equal(letter.headers["x-death"][0]["reason"], "delivery_limit")


@suite.test
def stomp_headers_declare_it(broker):
    channel, stomp, queue = channel_of(broker), stomp_client.connect(broker), unique()
    stomp.subscribe(f"/queue/{queue}", **{"x-delayed-retry-type": "all",
                                          "x-delayed-retry-min": "100",
                                          "x-delayed-retry-max": "500"})
    equal(patient(channel, 100, 500, queue=queue), queue)


@suite.test
def the_single_active_consumer_goes_on_meanwhile(broker):
    channel = channel_of(broker)
    queue = patient(channel, 150, single_active_consumer=True)
    taker = AMQP(broker, queue)
    confirmed(channel, queue, b"1", b"2")
    first, second = take(taker, 2)
    taker.give_back(first)
    taker.ack(second)
    expect(taker, b"1")
