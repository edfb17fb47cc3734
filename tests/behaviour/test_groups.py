"""Order per key: JMSXGroupID and x-group-id pin a group to one consumer."""

import stomp_client
from ends import unique
from rules import CLASSIC, KINDS, channel_of, comes_to_hold, confirmed, letter_box, ready, refused
from suite import Suite, equal, only_sluice, wait_until
from takers import AMQP, BOTH, expect, expect_nothing, take
from wire import Late

suite = Suite("groups")


def send(channel, queue, group, *bodies, header="JMSXGroupID", **properties):
    confirmed(channel, queue, *bodies, headers={header: group}, **properties)


def bodies_of(got):
    return [g.body for g in got]


def pinned(broker, kind, channel, queue, *, prefetch=1):
    """Two consumers, each with a loan of the group that is pinned to it: "a" and "b"."""
    first = kind(broker, queue, prefetch=prefetch)
    send(channel, queue, "a", b"a1")
    of_first = first.next()
    second = kind(broker, queue, prefetch=prefetch)
    if prefetch > 1:  # it is the first one's turn again
        send(channel, queue, "c", b"c1")
    send(channel, queue, "b", b"b1")
    of_second = second.next()
    return (first, of_first), (second, of_second)


@suite.test
def the_argument_must_be_a_boolean(broker):
    for kind in KINDS:
        refused(406, "invalid arg 'x-message-groups' for queue", kind.declare,
                channel_of(broker), message_groups="true")


@suite.test
def a_queue_with_another_value_is_not_the_same(broker):
    queue = CLASSIC.declare(channel_of(broker), message_groups=True)
    refused(406, "inequivalent arg 'x-message-groups' for queue", CLASSIC.declare,
            channel_of(broker), queue)
    equal(CLASSIC.declare(channel_of(broker), queue, message_groups=True), queue)


@suite.test
def x_group_id_means_nothing_on_an_ordinary_queue(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    first, second = AMQP(broker, queue, prefetch=1), AMQP(broker, queue, prefetch=1)
    send(channel, queue, "a", b"1", b"2", header="x-group-id")
    equal({first.next().body, second.next().body}, {b"1", b"2"})


@suite.test
def an_empty_group_and_a_group_of_another_type_are_none(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    first, second = AMQP(broker, queue), AMQP(broker, queue)
    for none in ("", {"a": 1}, [1], True):
        send(channel, queue, none, b"1", b"2")
        equal({first.next().body, second.next().body}, {b"1", b"2"})


@suite.test_over(*BOTH)
def a_group_goes_to_one_consumer_in_order(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    takers = [kind(broker, queue) for _ in range(3)]
    for n in range(30):
        send(channel, queue, "only", b"%d" % n)
    equal(bodies_of(take(takers[0], 30)), [b"%d" % n for n in range(30)])
    expect_nothing(takers[1])
    expect_nothing(takers[2])


@suite.test_over(*BOTH)
def x_group_id_counts_where_the_queue_asks_for_it(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, message_groups=True)
    first, second = kind(broker, queue), kind(broker, queue)
    send(channel, queue, "a", b"1", b"2", b"3", header="x-group-id")
    equal(bodies_of(take(first, 3)), [b"1", b"2", b"3"])
    expect_nothing(second)


@suite.test
def x_group_id_counts_on_every_cluster_queue(broker):
    channel, topic = channel_of(broker), unique("topic")
    queue = f"/topic/{topic}@c"
    channel.queue_declare(queue, durable=True)
    first, second = AMQP(broker, queue), AMQP(broker, queue)
    send(channel, queue, "a", b"1", b"2", b"3", header="x-group-id")
    equal(bodies_of(take(first, 3)), [b"1", b"2", b"3"])
    expect_nothing(second)


@suite.test
def a_stomp_header_is_a_group_and_a_number_is_its_text(broker):
    channel, stomp = channel_of(broker), stomp_client.connect(broker)
    queue = CLASSIC.declare(channel)
    first, second = AMQP(broker, queue), AMQP(broker, queue)
    send(channel, queue, 5, b"1")
    for body in (b"2", b"3"):
        stomp.ask("SEND", {"destination": f"/amq/queue/{queue}", "JMSXGroupID": "5"}, body)
    equal(bodies_of(take(first, 3)), [b"1", b"2", b"3"])
    expect_nothing(second)


@suite.test
def a_stomp_subscription_may_ask_for_x_group_id(broker):
    queue, stomp = unique(), stomp_client.connect(broker)
    stomp.subscribe(f"/queue/{queue}", **{"x-message-groups": "true"})
    equal(CLASSIC.declare(channel_of(broker), queue, message_groups=True), queue)


@suite.test_over(*BOTH)
def groups_spread_over_consumers(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    takers = [kind(broker, queue) for _ in range(3)]
    for n in range(9):
        send(channel, queue, f"g{n}", b"%d" % n)
    owners = [bodies_of(take(t, 3)) for t in takers]
    equal(sorted(sum(owners, [])), [b"%d" % n for n in range(9)])
    for n in range(9):  # each group again goes where it was
        send(channel, queue, f"g{n}", b"%d" % n)
    equal([sorted(bodies_of(take(t, 3))) for t in takers], [sorted(o) for o in owners])


@suite.test_over(*BOTH)
def a_group_whose_consumer_has_no_credit_waits_and_others_overtake_it(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    (first, loan), (second, other) = pinned(broker, kind, channel, queue)
    send(channel, queue, "a", b"a2", b"a3")
    send(channel, queue, "b", b"b2")
    confirmed(channel, queue, b"none")
    second.ack(other)
    expect(second, b"b2")
    expect(second, b"none")
    equal(ready(channel, queue), 2)
    first.ack(loan)
    expect(first, b"a2")
    expect(first, b"a3")


@suite.test_over(*BOTH)
def what_waits_is_ready_and_is_purged(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    (first, loan), (second, other) = pinned(broker, kind, channel, queue)
    send(channel, queue, "a", *(b"x" for _ in range(10)))
    send(channel, queue, "b", b"b2")
    second.ack(other)
    expect(second, b"b2")
    equal(ready(channel, queue), 10)
    equal(channel.queue_purge(queue), 10)
    equal(ready(channel, queue), 0)
    send(channel, queue, "a", b"a2")
    first.ack(loan)
    expect(first, b"a2")


@suite.test_over(*BOTH)
def what_waits_is_shown_by_a_browser(broker, kind):
    only_sluice(broker, "RabbitMQ has neither groups nor browsers")
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    (_first, _loan), (second, other) = pinned(broker, kind, channel, queue)
    texts = [b"%d" % n for n in range(300)]
    send(channel, queue, "a", *texts)
    send(channel, queue, "b", b"b2")
    second.ack(other)
    expect(second, b"b2")  # those before it were put aside
    browser = stomp_client.connect(broker)
    browser.subscribe(f"/amq/queue/{queue}", id="b", browser="true")
    equal([browser.message(subscription="b").body for _ in texts], texts)
    equal(browser.message(subscription="b").headers.get("browser"), "end")


@suite.test_over(*BOTH)
def what_came_back_goes_to_its_group_in_order(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    (first, loan), (second, other) = pinned(broker, kind, channel, queue)
    send(channel, queue, "a", b"a2")
    send(channel, queue, "b", b"b2")
    second.ack(other)
    expect(second, b"b2")  # a2 stands aside now
    first.give_back(loan)
    expect(first, b"a1")
    expect(first, b"a2")
    expect_nothing(second)


@suite.test_over(*BOTH)
def all_of_a_dead_consumers_groups_go_on_with_others_in_order(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    first = kind(broker, queue, prefetch=2)
    send(channel, queue, "a", b"1", b"2")
    take(first, 2)
    second = kind(broker, queue)
    send(channel, queue, "a", b"3", b"4")
    confirmed(channel, queue, b"none")
    expect(second, b"none")
    first.kill()
    got = take(second, 4)
    equal([(g.body, g.redelivered) for g in got],
          [(b"1", True), (b"2", True), (b"3", False), (b"4", False)])


@suite.test
def a_cancelled_consumer_keeps_a_group_until_its_last_loan_is_settled(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    first = AMQP(broker, queue, prefetch=2)
    send(channel, queue, "a", b"1", b"2")
    got = take(first, 2)
    second = AMQP(broker, queue)
    first.cancel()
    send(channel, queue, "a", b"3")
    confirmed(channel, queue, b"none")
    expect(second, b"none")
    first.ack(got[0])
    first.settle()
    expect_nothing(second)
    first.give_back(got[1])
    expect(second, b"2", b"3")


@suite.test_over(*BOTH)
def a_group_with_nothing_out_is_remembered_while_its_consumer_is_there(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    first = kind(broker, queue)
    send(channel, queue, "a", b"1")
    expect(first, b"1")
    second = kind(broker, queue)
    for body in (b"2", b"3"):
        send(channel, queue, "a", body)
        expect(first, body)
    first.end()
    send(channel, queue, "a", b"4")
    expect(second, b"4")


@suite.test
def only_the_last_65536_are_remembered(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    first = AMQP(broker, queue, acks=False)
    send(channel, queue, "first of all", b"1")
    equal(first.next().body, b"1")
    for n in range(65536):
        channel.publish("", queue, b"x", {"headers": {"JMSXGroupID": str(n)}})
    take(first, 65536)
    second = AMQP(broker, queue, acks=False, priority=1)  # what is new goes there
    send(channel, queue, "first of all", b"2")
    send(channel, queue, "65535", b"3")
    equal(second.next().body, b"2")
    equal(first.next().body, b"3")


@suite.test_over(*BOTH)
def new_consumers_get_new_groups(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    first = kind(broker, queue, prefetch=10)
    send(channel, queue, "old", b"1")
    expect(first, b"1")
    second = kind(broker, queue, prefetch=10, priority=1)
    send(channel, queue, "old", b"2")
    send(channel, queue, "new", b"3")
    expect(first, b"2")
    expect(second, b"3")


@suite.test
def only_4096_are_overtaken(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    (first, loan), (second, other) = pinned(broker, AMQP, channel, queue)
    send(channel, queue, "a", *(b"a" for _ in range(4095)))
    send(channel, queue, "b", b"b2")
    send(channel, queue, "a", b"the last that is overtaken", b"the first that is not")
    send(channel, queue, "b", b"b3")
    second.ack(other)
    expect(second, b"b2")
    expect_nothing(second)
    equal(ready(channel, queue), 4095 + 3)
    first.ack(loan)
    equal(first.next().body, b"a")
    equal(second.next().body, b"b3")


@suite.test
def no_ack_consumers_have_groups_too(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    first, second = AMQP(broker, queue, acks=False), AMQP(broker, queue, acks=False)
    send(channel, queue, "a", b"1", b"2", b"3")
    send(channel, queue, "b", b"4")
    equal(bodies_of(take(first, 3)), [b"1", b"2", b"3"])
    equal(second.next().body, b"4")


@suite.test
def a_get_passes_over_groups_that_are_out(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    taker = AMQP(broker, queue, prefetch=1)
    send(channel, queue, "a", b"a1")
    loan = taker.next()
    send(channel, queue, "a", b"a2")
    equal(channel.get(queue), None)
    send(channel, queue, "b", b"b1", b"b2")
    got = channel.get(queue)
    equal(got.body, b"b1")
    equal(channel.get(queue), None)
    channel.ack(got.tag)
    equal(wait_until(lambda: channel.get(queue), "the next of b").body, b"b2")
    taker.ack(loan)
    expect(taker, b"a2")


@suite.test
def what_waits_expires(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel)
    (first, loan), (second, other) = pinned(broker, AMQP, channel, queue)
    send(channel, queue, "a", b"short", expiration="50")
    send(channel, queue, "a", b"long")
    send(channel, queue, "b", b"b2")
    second.ack(other)
    expect(second, b"b2")
    equal(wait_until(lambda: channel.get(box), "a dead letter").body, b"short")
    first.ack(loan)
    expect(first, b"long")


@suite.test
def what_waits_is_dropped_as_the_oldest(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_length=3)
    (first, loan), (second, other) = pinned(broker, AMQP, channel, queue)
    send(channel, queue, "a", b"a2", b"a3")
    send(channel, queue, "b", b"b2")
    second.ack(other)
    expect(second, b"b2")  # the others stand aside
    second.cancel()
    send(channel, queue, "a", b"a4", b"a5")
    equal(ready(channel, queue), 3)
    first.ack(loan)
    for body in (b"a3", b"a4", b"a5"):
        expect(first, body)


@suite.test
def what_waits_goes_with_its_queue(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    (first, loan), (second, other) = pinned(broker, AMQP, channel, queue)
    send(channel, queue, "a", b"a2", b"a3")
    send(channel, queue, "b", b"b2")
    second.ack(other)
    expect(second, b"b2")
    equal(channel.queue_delete(queue), 2)
    CLASSIC.declare(channel, queue)
    equal(ready(channel, queue), 0)


@suite.test
def priorities_go_before_groups(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, max_priority=5)
    (first, loan), (second, other) = pinned(broker, AMQP, channel, queue)
    send(channel, queue, "a", b"low", priority=1)
    send(channel, queue, "a", b"high", priority=5)
    send(channel, queue, "b", b"b2")
    second.ack(other)
    expect(second, b"b2")
    first.ack(loan)
    expect(first, b"high")
    expect(first, b"low")


@suite.test_over(*BOTH)
def every_key_keeps_its_order_while_consumers_come_and_go(broker, kind):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    keys, each = 20, 30
    for n in range(each):
        for key in range(keys):
            channel.publish("", queue, b"%d %d" % (key, n), {"headers": {"JMSXGroupID": str(key)}})
    channel.round_trip()
    takers = [kind(broker, queue, prefetch=7) for _ in range(4)]
    settled = {key: [] for key in range(keys)}
    turn = 0
    while sum(map(len, settled.values())) < keys * each:
        turn += 1
        if turn % 40 == 0:  # its loans come back, and its groups are others' now
            takers.pop(0).kill()
            takers.append(kind(broker, queue, prefetch=7))
        taker = takers[turn % 4]
        try:
            got = taker.next(0.02)
        except Late:  # nothing for this one now
            continue
        key, n = map(int, got.body.split())
        settled[key].append(n)
        taker.ack(got)
        taker.settle()
    for key in range(keys):
        equal(sorted(set(settled[key])), list(range(each)))
        firsts = list(dict.fromkeys(settled[key]))
        equal(firsts, list(range(each)), f"key {key}")
    comes_to_hold(channel, queue, 0)
