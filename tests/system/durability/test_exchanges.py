"""Exchanges that do more than route, over the end of a life: what they are and what waits for them."""

import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from rules import comes_to_hold, ready, taken
from suite import Suite, equal, has, raises
from test_rules import FORGET, KILL, channel_on, sync

suite = Suite("exchanges")
HOUR = 3600
LATER = {"x-delayed-type": "topic"}


def publish(channel, exchange, key, *texts, **headers):
    if not getattr(channel, "is_confirming", False):
        channel.confirm_select()
        channel.is_confirming = True
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    for text in texts:
        channel.publish(exchange, key, text, {"delivery_mode": 2, "headers": named})
    channel.wait_confirms()


def declare_later(channel, queue="q", **arguments):
    channel.exchange_declare("later", "x-delayed-message", durable=True, arguments=LATER)
    channel.queue_declare(queue, durable=True, arguments={
        f"x-{name.replace('_', '-')}": value for name, value in arguments.items()})
    channel.queue_bind(queue, "later", "a.#")


def comes(channel, queue, *wanted):
    comes_to_hold(channel, queue, len(wanted))
    equal(sorted(taken(channel, queue).body for _ in wanted), sorted(wanted))


@suite.test_over(KILL, FORGET)
def a_hash_spreads_as_before(lab, end):
    keys = [f"key{i}" for i in range(60)]
    with end.machine(lab) as machine:
        channel, seen = channel_on(machine), []
        channel.exchange_declare("hash", "x-consistent-hash", durable=True)
        for box in ("b1", "b2", "b3"):
            channel.queue_declare(box, durable=True)
            channel.queue_bind(box, "hash", "10")
        for _ in range(2):
            for key in keys:
                publish(channel, "hash", key, key.encode())
            channel = end.next_life(machine)
            seen.append({box: [taken(channel, box).body for _ in range(ready(channel, box))]
                         for box in ("b1", "b2", "b3")})
        equal(seen[0], seen[1])
        equal(sum(map(len, seen[0].values())), len(keys))


@suite.test_over(KILL, FORGET)
def a_history_has_its_length_and_begins_anew(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        arguments = {"x-recent-history-length": 2}
        channel.exchange_declare("past", "x-recent-history", durable=True, arguments=arguments)
        publish(channel, "past", "", b"1", b"2", b"3")
        channel = end.next_life(machine)
        channel.exchange_declare("past", "x-recent-history", durable=True, arguments=arguments)
        channel.queue_declare("q", durable=True)
        channel.queue_bind("q", "past")
        equal(ready(channel, "q"), 0)
        publish(channel, "past", "", b"4", b"5", b"6")
        channel.queue_declare("new", durable=True)
        channel.queue_bind("new", "past")
        sync(channel)
        channel = end.next_life(machine)
        comes(channel, "new", b"5", b"6")
        comes(channel, "q", b"4", b"5", b"6")


@suite.test_over(KILL, FORGET)
def what_became_due_comes_with_the_next_life_and_nothing_else(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        declare_later(channel)
        publish(channel, "later", "a.b", b"1", x_delay=HOUR * 1000)
        publish(channel, "later", "a.c", b"2", x_delay=3 * HOUR * 1000)
        publish(channel, "later", "b", b"to nobody", x_delay=HOUR * 1000)
        channel = end.next_life(machine, HOUR // 2)
        equal(ready(channel, "q"), 0)
        channel = end.next_life(machine, 2 * HOUR)
        comes_to_hold(channel, "q", 1)
        message = taken(channel, "q")
        equal((message.body, message.exchange, message.key, message.headers["x-delay"]),
              (b"1", "later", "a.b", -HOUR * 1000))
        declare_later(channel)
        closed = raises(ChannelClosed, channel.exchange_declare, "later", "x-delayed-message",
                        durable=True, arguments={"x-delayed-type": "direct"})
        has(closed.text, "inequivalent arg 'x-delayed-type'")
        comes(end.next_life(machine, 4 * HOUR), "q", b"2")


@suite.test_over(KILL, FORGET)
def what_waited_goes_with_its_exchange_for_ever(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        declare_later(channel)
        publish(channel, "later", "a", b"1", x_delay=HOUR * 1000)
        channel = end.next_life(machine)
        channel.exchange_delete("later")
        declare_later(channel)
        publish(channel, "later", "a", b"2", x_delay=HOUR * 1000)
        comes(end.next_life(machine, 2 * HOUR), "q", b"2")


@suite.test_over(KILL, FORGET)
def an_id_is_judged_when_it_is_due(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        declare_later(channel, dedup_window_ms=24 * HOUR * 1000)
        for body, hours in ((b"1", 1), (b"2", 3)):
            publish(channel, "later", "a", body, x_delay=hours * HOUR * 1000, dedup_id="i")
        channel = end.next_life(machine, 2 * HOUR)
        comes(channel, "q", b"1")
        sync(channel)
        channel = end.next_life(machine, 4 * HOUR)
        publish(channel, "later", "a", b"3", dedup_id="j")
        comes(channel, "q", b"3")


@suite.test_over(KILL, FORGET)
def a_transaction_waits_as_one(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        declare_later(channel)
        channel.tx_select()
        properties = {"delivery_mode": 2, "headers": {"x-delay": HOUR * 1000}}
        channel.publish("later", "a", b"1", properties)
        channel.publish("", "q", b"2", {"delivery_mode": 2})
        channel.tx_commit()
        channel.publish("later", "a", b"3", properties)
        comes(end.next_life(machine, 2 * HOUR), "q", b"1", b"2")


@suite.test_over(KILL, FORGET)
def what_was_prepared_waits_from_its_commit(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        declare_later(channel)
        publish(channel, "later", "a", b"1", x_prepare="p", x_delay=HOUR * 1000)
        channel = end.next_life(machine, 2 * HOUR)
        publish(channel, "amq.prepared", "p", b"", outcome="commit")
        equal(ready(channel, "q"), 0)
        channel = end.next_life(machine, 2 * HOUR + HOUR // 2)
        equal(ready(channel, "q"), 0)
        comes(end.next_life(machine, 4 * HOUR), "q", b"1")


@suite.test_over(KILL, FORGET)
def a_subscription_selects_as_before(lab, end):
    with end.machine(lab) as machine:
        named = {"durable": "true", "auto-delete": "false", "x-queue-name": "mine"}
        stomp_client.connect(machine).subscribe("/topic/t", selector="n > 5", **named)
        end.next_life(machine)
        sender = stomp_client.connect(machine)
        for n in (4, 6, 9):
            sender.ask("SEND", {"destination": "/topic/t", "persistent": "true", "n": n}, b"%d" % n)
        channel = end.next_life(machine)
        equal(ready(channel, "mine"), 2)
        stomp = stomp_client.connect(machine)
        stomp.subscribe("/topic/t", selector="n > 5", **named)
        equal([stomp.message().body for _ in range(2)], [b"6", b"9"])
        amqp_client.connect(machine).channel().queue_declare("mine", passive=True)
