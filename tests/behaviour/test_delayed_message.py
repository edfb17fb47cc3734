"""Exchanges of type x-delayed-message and the header x-delay: what waits, how long, and what it
finds when its time has come."""

import time

import admin
import amqp_client
import broker as brokers
import stomp_client
from ends import unique
from rules import channel_of, refused
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("delayed message")
GRAIN = 0.002  # the broker counts in milliseconds
BATCH = 0.1  # after a start it knows the time of a batch of records only
PATIENCE = 30.0
FAR = 3600 * 1000


def exchange(channel, kind="direct", key="k", queue=None, **arguments):
    """A delaying exchange, and a queue that is bound to it: both names."""
    name, queue = unique("later"), queue or unique()
    channel.exchange_declare(name, "x-delayed-message", durable=True,
                             arguments={"x-delayed-type": kind, **arguments})
    channel.queue_declare(queue, durable=True)
    channel.queue_bind(queue, name, key)
    return name, queue


def confirmed(channel, name, key, body, delay=None, mandatory=False, **more):
    if not hasattr(channel, "confirming"):
        channel.confirm_select()
        channel.confirming = True
    headers = {} if delay is None else {"x-delay": delay}
    properties = {"delivery_mode": 2, "headers": {**headers, **more.pop("headers", {})}, **more}
    channel.publish(name, key, body, properties, mandatory=mandatory)
    channel.wait_confirms(timeout=PATIENCE)


def comes(channel, queue):
    return wait_until(lambda: channel.get(queue, no_ack=True), f"a message in {queue}", PATIENCE)


def comes_to_hold(broker, name, count):
    """Who holds them counts them, maybe a moment after who publishes has its confirm."""
    wait_until(lambda: admin.get(broker, "exchanges", "/", name)["messages_delayed"] == count,
               f"{count} messages held by {name}")


@suite.test
def an_exchange_says_what_it_does_when_the_time_has_come(broker):
    text = "Invalid argument, 'x-delayed-type' must be"
    for arguments in ({}, {"x-delayed-type": "nothing"}, {"x-delayed-type": 5},
                      {"x-delayed-type": "x-delayed-message"}):
        refused(406, text, channel_of(broker).exchange_declare, unique(), "x-delayed-message",
                arguments=arguments)


@suite.test
def another_delayed_type_is_not_the_same_exchange(broker):
    channel = channel_of(broker)
    name, _ = exchange(channel)
    channel.exchange_declare(name, "x-delayed-message", durable=True,
                             arguments={"x-delayed-type": "direct"})
    refused(406, "inequivalent arg 'x-delayed-type' for exchange", channel.exchange_declare, name,
            "x-delayed-message", durable=True, arguments={"x-delayed-type": "topic"})


@suite.test
def nothing_comes_before_its_time(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel)
    for delay in (50, 400, 1100):
        began = time.monotonic()
        confirmed(channel, name, "k", b"x", delay)
        got = comes(channel, queue)
        assert time.monotonic() - began >= delay / 1000 - GRAIN, delay
        equal(got.headers["x-delay"], -delay)


@suite.test
def a_delay_above_the_most_is_refused(broker):
    only_sluice(broker, "the plugin routes it at once")
    text = "invalid header 'x-delay': more than 4294967295 ms"
    name, queue = exchange(channel_of(broker))
    before = unique("before")
    channel_of(broker).exchange_declare(before, "fanout")
    channel_of(broker).exchange_bind(name, before)
    for to in (name, before):
        for delay in (1 << 32, (1 << 63) - 1, "4294967296", 4294967296.5, float("inf")):
            refused(406, text, confirmed, channel_of(broker), to, "k", b"x", delay)
        channel = channel_of(broker)
        channel.tx_select()
        channel.publish(to, "k", b"x", {"headers": {"x-delay": 1 << 32}})
        refused(406, text, channel.tx_commit)
    equal(channel_of(broker).queue_declare(queue, passive=True)[1], 0)


@suite.test
def the_most_is_taken_in_every_width(broker):
    only_sluice(broker, "the plugin tells of none")
    channel = channel_of(broker)
    name, _ = exchange(channel)
    most = (1 << 32) - 1
    for delay in (most, str(most), float(most)):  # the first one is written in 64 bits
        confirmed(channel, name, "k", b"x", delay)
    comes_to_hold(broker, name, 3)


@suite.test
def stomp_is_refused_a_delay_above_the_most(broker):
    only_sluice(broker, "the plugin routes it at once")
    text = "invalid header 'x-delay': more than 4294967295 ms"
    name, _ = exchange(channel_of(broker))
    headers = {"destination": f"/exchange/{name}/k", "x-delay": "4294967296"}
    error = raises(ErrorFrame, stomp_client.connect(broker).ask, "SEND", headers, b"x")
    equal(error.message, "precondition_failed")
    has(error.body, text)
    stomp = stomp_client.connect(broker)
    stomp.ask("BEGIN", {"transaction": "t"})
    stomp.ask("SEND", {**headers, "transaction": "t"}, b"x")
    error = raises(ErrorFrame, stomp.ask, "COMMIT", {"transaction": "t"})
    equal(error.message, "Transaction refused")
    has(error.body, text)


@suite.test
def without_a_delay_that_counts_it_comes_at_once(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel)
    for delay in (None, 0, -FAR, "soon", "", True, {"a": 1}, [FAR]):
        confirmed(channel, name, "k", b"x", delay)
        equal(channel.get(queue, no_ack=True).headers,
              {} if delay is None else {"x-delay": delay})


@suite.test
def words_and_fractions_count_as_numbers(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel)
    for delay in ("60", 60.9):
        began = time.monotonic()
        confirmed(channel, name, "k", b"x", delay)
        equal(comes(channel, queue).headers["x-delay"], -60)
        assert time.monotonic() - began >= 0.06 - GRAIN


@suite.test
def they_come_in_the_order_of_their_times(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel)
    channel.consume(queue, no_ack=True)
    for delay in (2100, 1100, 100):
        channel.publish(name, "k", b"%d" % delay, {"headers": {"x-delay": delay}})
    equal([channel.message(timeout=PATIENCE).body for _ in range(3)], [b"100", b"1100", b"2100"])


@suite.test
def every_delayed_type_routes_as_it_does(broker):
    channel = channel_of(broker)
    for kind, bound, arguments, key, headers in (
            ("direct", "a.b", None, "a.b", {}), ("fanout", "", None, "whatever", {}),
            ("topic", "a.#", None, "a.b.c", {}), ("headers", "", {"h": "1"}, "", {"h": "1"})):
        name, queue = exchange(channel, kind, "another")
        channel.queue_unbind(queue, name, "another")
        channel.queue_bind(queue, name, bound, arguments)
        confirmed(channel, name, key, kind.encode(), 40, headers=headers)
        got = comes(channel, queue)
        equal((got.body, got.exchange, got.key), (kind.encode(), name, key))


@suite.test
def bindings_are_those_of_when_it_is_due(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel, "direct", "early")
    confirmed(channel, name, "late", b"x", 1500)
    channel.queue_bind(queue, name, "late")
    equal(comes(channel, queue).body, b"x")


@suite.test
def what_finds_no_queue_goes_to_the_alternate_exchange(broker):
    channel = channel_of(broker)
    other, queue = unique("other"), unique()
    channel.exchange_declare(other, "fanout")
    channel.queue_declare(queue)
    channel.queue_bind(queue, other)
    name, _ = exchange(channel, "direct", "k", **{"alternate-exchange": other})
    confirmed(channel, name, "nowhere", b"x", 40)
    equal(comes(channel, queue).body, b"x")


@suite.test
def exchanges_before_and_behind_it_are_passed(broker):
    channel = channel_of(broker)
    before, behind, queue = unique("before"), unique("behind"), unique()
    name, _ = exchange(channel, "topic", "none")
    at_once = channel.queue_declare(unique())[0]
    for other in (before, behind):
        channel.exchange_declare(other, "fanout")
    channel.queue_declare(queue)
    channel.queue_bind(at_once, before)
    channel.exchange_bind(name, before)
    channel.exchange_bind(behind, name, "#")
    channel.queue_bind(queue, behind)
    began = time.monotonic()
    confirmed(channel, before, "a", b"x", 300)
    equal(comes(channel, at_once).headers["x-delay"], 300)
    equal(comes(channel, queue).headers["x-delay"], -300)
    assert time.monotonic() - began >= 0.3 - GRAIN


@suite.test
def copies_go_along_when_it_is_due_and_blind_ones_stay_unseen(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel)
    others = [channel.queue_declare(unique())[0] for _ in range(2)]
    for other in others:
        channel.queue_bind(other, name, other)
    confirmed(channel, name, "k", b"x", 100, headers={"CC": [others[0]], "BCC": [others[1]]})
    for one in (queue, *others):
        equal(comes(channel, one).headers, {"x-delay": -100, "CC": [others[0]]})
        equal(channel.get(one), None)


@suite.test
def mandatory_is_answered_before_there_is_a_queue(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel)
    confirmed(channel, name, "k", b"x", 300, mandatory=True)
    equal(channel.wait("basic.return", timeout=PATIENCE)[1].body, b"x")
    equal(comes(channel, queue).body, b"x")


@suite.test
def time_to_live_counts_from_when_it_is_due(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel)
    channel.consume(queue, no_ack=True)
    confirmed(channel, name, "k", b"x", 700, expiration="300")
    equal(channel.message(timeout=PATIENCE).body, b"x")


@suite.test
def a_transaction_delays_from_its_commit_and_drops_at_its_rollback(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel)
    channel.tx_select()
    properties = {"delivery_mode": 2, "headers": {"x-delay": 200}}
    channel.publish(name, "k", b"no", properties)
    channel.tx_rollback()
    channel.publish(name, "k", b"yes", properties)
    began = time.monotonic()
    channel.tx_commit()
    reader = channel_of(broker)
    equal(comes(reader, queue).body, b"yes")
    assert time.monotonic() - began >= 0.2 - GRAIN
    equal(reader.get(queue), None)


@suite.test
def an_id_is_judged_when_it_is_due(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel)
    confirmed(channel, name, "k", b"delayed", 1500, headers={"dedup-id": "one"})
    confirmed(channel, name, "k", b"at once", headers={"dedup-id": "one"})
    confirmed(channel, name, "k", b"last", 1600)
    equal([comes(channel, queue).body for _ in range(2)], [b"at once", b"last"])


@suite.test
def stomp_sends_and_reads_them(broker):
    channel = channel_of(broker)
    name, queue = exchange(channel)
    stomp = stomp_client.connect(broker)
    stomp.subscribe(f"/amq/queue/{queue}")
    began = time.monotonic()
    stomp.ask("SEND", {"destination": f"/exchange/{name}/k", "x-delay": "300"}, b"x")
    got = stomp.message(timeout=PATIENCE)
    assert time.monotonic() - began >= 0.3 - GRAIN
    equal((got.body, got.headers["x-delay"]), (b"x", "-300"))


@suite.test
def what_waits_is_counted_and_goes_with_its_exchange(broker):
    only_sluice(broker, "the plugin tells of none")
    channel = channel_of(broker)
    name, queue = exchange(channel)
    for _ in range(3):
        confirmed(channel, name, "k", b"x", FAR)
    comes_to_hold(broker, name, 3)
    channel.exchange_delete(name)
    channel.exchange_declare(name, "x-delayed-message", arguments={"x-delayed-type": "direct"})
    comes_to_hold(broker, name, 0)
    names = [q["name"] for q in admin.get(broker, "queues")]
    assert not [n for n in names if n.startswith("amq.delayed")], names


@suite.test
def nobody_comes_at_the_queue_that_holds_them(broker):
    only_sluice(broker, "it has none")
    channel = channel_of(broker)
    name, _ = exchange(channel)
    confirmed(channel, name, "k", b"x", FAR)
    for number in range(1, 200, 20):
        refused(404, "no queue 'amq.delayed.", channel_of(broker).queue_declare,
                f"amq.delayed.{number}", passive=True)
    refused(403, "amq.", channel_of(broker).queue_declare, "amq.delayed.x")
    comes_to_hold(broker, name, 1)


@suite.test
def policies_for_queues_leave_what_waits_alone(broker):
    only_sluice(broker, "there is no queue")
    channel = channel_of(broker)
    pattern = unique("tight")
    admin.put(broker, "policies", "/", pattern, pattern=f"^amq\\.delayed|^{pattern}",
              apply_to="queues", definition={"max-length": 1, "message-ttl": 1}, priority=9)
    try:
        name, queue = exchange(channel)
        for i in range(3):
            confirmed(channel, name, "k", b"%d" % i, 300)
        equal([comes(channel, queue).body for _ in range(3)], [b"0", b"1", b"2"])
    finally:
        admin.call(broker, "DELETE", "policies", "/", pattern)


@suite.test(alone=True)
def they_wait_on_over_a_restart(broker):
    only_sluice(broker, "it is not ours to stop")
    with brokers.Broker(broker.binary, workers=broker.workers) as own:
        channel = amqp_client.connect(own).channel()
        name, queue = exchange(channel)
        began = time.monotonic()
        for delay in (1, 700, 2500, FAR):
            confirmed(channel, name, "k", b"%d" % delay, delay)
        own.process.kill()
        own.process.wait()
        time.sleep(0.8)  # one becomes due while nobody is there
        own.start()
        channel = amqp_client.connect(own).channel()
        channel.consume(queue, no_ack=True)
        equal([channel.message(timeout=PATIENCE).body for _ in range(3)], [b"1", b"700", b"2500"])
        assert time.monotonic() - began >= 2.5 - BATCH
        comes_to_hold(own, name, 1)
        channel.connection.close()
