"""Policies and operator policies: each key, on queues that exist and on new ones, and who wins."""

import threading
import time

import admin
import stomp_client
from admin import Policy, Refused
from ends import EVERY, unique
from rules import (CLASSIC, KINDS, QUORUM, bodies, channel_of, comes_to_hold, confirmed, ready,
                   taken)
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("policies")


def seen(broker, queue):
    """What is told of the policies of a queue."""
    row = admin.get(broker, "queues", "/", queue)
    return row["policy"], row["operator_policy"], row["effective_policy_definition"]


def publisher_of(broker):
    channel = channel_of(broker)
    channel.confirm_select()
    return channel


def publishes(channel, queue, body, exchange=""):
    channel.publish(exchange, queue, body)
    return channel.wait("basic.ack", "basic.nack")[0]


def refuses(broker, reason, definition, kind="policies", **fields):
    only_sluice(broker, "it asks the admin socket")
    body = {"pattern": "x", "definition": definition, **fields}
    refusal = raises(Refused, admin.put, broker, kind, "/", unique("p"), **body)
    equal(refusal.status, 400)
    has(refusal.reason, reason)


@suite.test
def an_unknown_key_is_refused(broker):
    refuses(broker, "are not recognised policy settings", {"max-lenght": 1})
    refuses(broker, "are not recognised policy settings", {"max-priority": 1})
    refuses(broker, "are not recognised policy settings", {"dead-letter-exchange": "x"},
            "operator-policies")
    refuses(broker, "no keys are set", {})


@suite.test
def a_bad_value_is_refused(broker):
    for key, value, words in (("message-ttl", "x", "is not a valid message TTL"),
                              ("message-ttl", -1, "-1 is not a valid message TTL"),
                              ("expires", 0, "is not a valid queue expiry"),
                              ("max-length", -1, "is not a valid maximum length"),
                              ("max-length-bytes", True, "valid maximum length in bytes"),
                              ("overflow", "flood", "is not a valid overflow"),
                              ("dead-letter-exchange", 1, "valid dead letter exchange name"),
                              ("dead-letter-routing-key", 1, "valid dead letter routing key"),
                              ("delivery-limit", "x", "is not a valid delivery limit"),
                              ("alternate-exchange", 5, "valid alternate exchange name")):
        refuses(broker, words, {key: value})


@suite.test
def a_bad_pattern_priority_or_target_is_refused(broker):
    refuses(broker, "parenthesis", {"max-length": 1}, pattern="(")
    refuses(broker, "regular expression", {"max-length": 1}, pattern=None)
    refuses(broker, "whole number", {"max-length": 1}, priority="high")
    refuses(broker, "apply-to is", {"max-length": 1}, apply_to="messages")
    refuses(broker, "object of settings", [1])


@suite.test
def what_is_not_there_is_not_found(broker):
    only_sluice(broker, "it asks the admin socket")
    equal(raises(Refused, admin.delete, broker, "policies", "/", unique()).status, 404)
    equal(raises(Refused, admin.get, broker, "policies", "/", unique()).status, 404)
    body = {"pattern": "", "definition": {"max-length": 1}}
    equal(raises(Refused, admin.put, broker, "policies", "nowhere", "p", **body).status, 404)


@suite.test
def keys_without_effect_are_taken_and_named(broker):
    only_sluice(broker, "it asks the admin socket")
    queue = CLASSIC.declare(channel_of(broker))
    with Policy(broker, queue, {"ha-mode": "all", "queue-mode": "lazy"}):
        equal(seen(broker, queue)[2], {"ha-mode": "all", "queue-mode": "lazy"})
    has(broker.log_text(), "policy.key_ignored keys=ha-mode,queue-mode")


@suite.test_over(*KINDS)
def a_length_limit_holds_at_once(broker, kind):
    only_sluice(broker, "it asks the admin socket")
    channel = channel_of(broker)
    queue = kind.declare(channel)
    confirmed(channel, queue, *(str(n).encode() for n in range(5)), delivery_mode=2)
    with Policy(broker, queue, {"max-length": 2}):
        comes_to_hold(channel, queue, 2)
        confirmed(channel, queue, b"5")
        comes_to_hold(channel, queue, 2)
    confirmed(channel, queue, b"6", b"7")
    equal(bodies(channel, queue), [b"4", b"5", b"6", b"7"])


@suite.test
def a_limit_of_bytes_holds_at_once(broker):
    only_sluice(broker, "it asks the admin socket")
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    confirmed(channel, queue, b"a" * 400, b"b" * 400, b"c" * 400)
    with Policy(broker, queue, {"max-length-bytes": 500}):
        comes_to_hold(channel, queue, 1)


@suite.test
def a_limit_that_comes_later_counts_what_waits_aside(broker):
    only_sluice(broker, "it asks the admin socket")
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, delayed_retry_type="all", delayed_retry_min=600000)
    confirmed(channel, queue, b"a", b"b", b"c")
    for _ in range(3):
        channel.nack(channel.get(queue).tag, requeue=True)
    channel.round_trip()
    with Policy(broker, queue, {"max-length": 1}):
        wait_until(lambda: admin.get(broker, "queues", "/", queue)["messages"] == 1,
                   "the two oldest to go")


@suite.test
def a_limit_that_refuses_comes_and_goes(broker):
    only_sluice(broker, "it asks the admin socket")
    channel = publisher_of(broker)
    queue = CLASSIC.declare(channel)
    equal([publishes(channel, queue, b"0") for _ in range(3)], ["basic.ack"] * 3)
    with Policy(broker, queue, {"max-length": 4, "overflow": "reject-publish"}):
        equal([publishes(channel, queue, b"1") for _ in range(3)],
              ["basic.ack", "basic.nack", "basic.nack"])
        channel.get(queue, no_ack=True)
        equal([publishes(channel, queue, b"1") for _ in range(2)], ["basic.ack", "basic.nack"])
    equal([publishes(channel, queue, b"2") for _ in range(3)], ["basic.ack"] * 3)
    with Policy(broker, queue, {"max-length": 8, "overflow": "reject-publish"}):
        equal([publishes(channel, queue, b"3") for _ in range(2)], ["basic.ack", "basic.nack"])
    equal(len(bodies(channel, queue)), 8)
    with Policy(broker, queue, {"max-length": 1, "overflow": "reject-publish"}):
        equal([publishes(channel, queue, b"4") for _ in range(2)], ["basic.ack", "basic.nack"])


@suite.test
def a_limit_that_comes_under_load_is_kept_exactly(broker):
    only_sluice(broker, "it asks the admin socket")
    publisher, channel = publisher_of(broker), channel_of(broker)
    queue = CLASSIC.declare(channel)
    for _ in range(20):
        for _ in range(200):
            publisher.publish("", queue, b"x")
        with Policy(broker, queue, {"max-length": 50, "overflow": "reject-publish"}):
            for _ in range(200):
                publisher.publish("", queue, b"x")
            publisher.round_trip()
            channel.queue_purge(queue)
            other = publisher_of(broker)
            said = [publishes(other, queue, b"y") for _ in range(52)]
            equal(said, ["basic.ack"] * 50 + ["basic.nack"] * 2)
            channel.queue_purge(queue)


@suite.test
def a_time_to_live_is_for_what_comes(broker):
    only_sluice(broker, "it asks the admin socket")
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    confirmed(channel, queue, b"before")
    with Policy(broker, queue, {"message-ttl": 20}):
        confirmed(channel, queue, b"during")
        channel.queue_purge(queue)
        confirmed(channel, queue, b"during")
        comes_to_hold(channel, queue, 0)
    confirmed(channel, queue, b"after")
    time.sleep(0.1)
    equal(bodies(channel, queue), [b"after"])


@suite.test
def a_queue_that_nobody_uses_expires(broker):
    only_sluice(broker, "it asks the admin socket")
    channel = channel_of(broker)
    queue, other = CLASSIC.declare(channel), CLASSIC.declare(channel)
    with Policy(broker, other, {"expires": 60000}), Policy(broker, queue, {"expires": 50}):
        wait_until(lambda: [row for row in admin.get(broker, "queues")
                            if row["name"] == queue] == [], "the queue to go")
    equal(ready(channel, other), 0)


@suite.test_over(*KINDS)
def dead_letters_go_where_the_policy_says(broker, kind):
    only_sluice(broker, "it asks the admin socket")
    channel = channel_of(broker)
    queue, box = kind.declare(channel), unique("dead")
    channel.queue_declare(box, durable=True)
    with Policy(broker, queue, {"dead-letter-exchange": "", "dead-letter-routing-key": box}):
        confirmed(channel, queue, b"x")
        channel.reject(channel.get(queue).tag, requeue=False)
        dead = taken(channel, box)
        equal((dead.body, dead.headers["x-death"][0]["reason"]), (b"x", "rejected"))
    confirmed(channel, queue, b"y")
    channel.reject(channel.get(queue).tag, requeue=False)
    channel.round_trip()
    equal(bodies(channel, box), [])


@suite.test
def a_delivery_limit_holds(broker):
    only_sluice(broker, "it asks the admin socket")
    channel = channel_of(broker)
    queue = QUORUM.declare(channel)
    with Policy(broker, queue, {"delivery-limit": 1}):
        confirmed(channel, queue, b"x")
        for _ in range(2):
            channel.nack(channel.get(queue).tag)
        comes_to_hold(channel, queue, 0)


@suite.test_over(*EVERY)
def either_protocol_is_held_by_it(broker, way):
    only_sluice(broker, "it asks the admin socket")
    publisher, consumer, queue = way.publisher(broker), way.consumer(broker), unique()
    publisher.declare(queue)
    with Policy(broker, queue, {"max-length": 1}):
        publisher.publish(queue, b"1", b"2", b"3")
        equal(consumer.subscribe(queue).next().body, b"3")
    publisher.close()
    consumer.close()


@suite.test
def new_queues_have_it_from_the_start(broker):
    only_sluice(broker, "it asks the admin socket")
    channel, queue = channel_of(broker), unique()
    with Policy(broker, queue, {"max-length": 1}):
        CLASSIC.declare(channel, queue)
        CLASSIC.declare(channel, queue)  # the same: a policy is no argument
        confirmed(channel, queue, b"1", b"2")
        comes_to_hold(channel, queue, 1)
        equal(seen(broker, queue), (f"of-{queue}", None, {"max-length": 1}))
    equal(seen(broker, queue), (None, None, {}))


@suite.test
def the_highest_priority_wins_alone(broker):
    only_sluice(broker, "it asks the admin socket")
    queue = CLASSIC.declare(channel_of(broker))
    with Policy(broker, queue, {"max-length": 1, "expires": 99999}, name=unique(), priority=1):
        with Policy(broker, queue, {"max-length": 2}, name="high", priority=2):
            equal(seen(broker, queue), ("high", None, {"max-length": 2}))
        equal(seen(broker, queue)[2], {"max-length": 1, "expires": 99999})


@suite.test
def the_operator_has_the_least_limit_and_the_last_word(broker):
    only_sluice(broker, "it asks the admin socket")
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    own = {"max-length": 5, "message-ttl": 1000, "overflow": "drop-head"}
    his = {"max-length": 3, "message-ttl": 2000, "overflow": "reject-publish", "expires": 99999}
    with Policy(broker, queue, own), Policy(broker, queue, his, "operator-policies", name="op"):
        equal(seen(broker, queue), (f"of-{queue}", "op", {
            "max-length": 3, "message-ttl": 1000, "overflow": "reject-publish",
            "expires": 99999}))
        publisher = publisher_of(broker)
        equal([publishes(publisher, queue, b"x") for _ in range(4)],
              ["basic.ack"] * 3 + ["basic.nack"])


@suite.test
def an_argument_wins_but_for_limits(broker):
    only_sluice(broker, "it asks the admin socket")
    channel = channel_of(broker)
    box, other = unique("dead"), unique("dead")
    for name in (box, other):
        channel.queue_declare(name, durable=True)
    queue = CLASSIC.declare(channel, max_length=3, dead_letter_exchange="",
                            dead_letter_routing_key=box)
    with Policy(broker, queue, {"max-length": 2, "dead-letter-routing-key": other}):
        confirmed(channel, queue, b"1", b"2", b"3")
        equal(taken(channel, box).body, b"1")
    with Policy(broker, queue, {"max-length": 9}):
        confirmed(channel, queue, b"4", b"5")
        comes_to_hold(channel, queue, 3)


@suite.test
def kinds_of_queues_are_told_apart(broker):
    only_sluice(broker, "it asks the admin socket")
    channel = channel_of(broker)
    classic, quorum = CLASSIC.declare(channel), QUORUM.declare(channel)
    for target, takes in (("classic_queues", (True, False)), ("quorum_queues", (False, True)),
                          ("queues", (True, True)), ("exchanges", (False, False)),
                          ("streams", (False, False)), ("all", (True, True))):
        with Policy(broker, f"({classic}|{quorum})", {"max-length": 1}, name="kinds",
                    apply_to=target):
            equal(tuple(seen(broker, queue)[0] == "kinds" for queue in (classic, quorum)), takes)


@suite.test(alone=True)
def thousands_of_queues_have_it_within_a_second(broker):
    """Of work: the second may be longer on a machine that others use, too."""
    only_sluice(broker, "it asks the admin socket")
    channel, stem = channel_of(broker), unique("many")
    count = 300 if broker.is_sanitized else 3000
    for n in range(count):
        channel.queue_declare(f"{stem}-{n}", no_wait=True)
    channel.round_trip()
    began = broker.cpu_seconds()
    with Policy(broker, f"{stem}-.*", {"max-length": 1}):
        assert broker.cpu_seconds() - began < 1
        equal(seen(broker, f"{stem}-0")[2], {"max-length": 1})
        equal(seen(broker, f"{stem}-{count - 1}")[2], {"max-length": 1})
    for n in range(count):
        channel.queue_delete(f"{stem}-{n}")


# --- changes that take many turns, and what comes between


class Many:
    """So many queues that a change goes through them in slices."""

    COUNT = 600

    def __init__(self, broker):
        only_sluice(broker, "it asks the admin socket")
        self.broker, self.channel, self.stem = broker, channel_of(broker), unique("many")

    def __enter__(self):
        self.declare(0, self.COUNT)
        return self

    def __exit__(self, *_):
        for n in range(self.COUNT * 2):
            self.channel.queue_delete(f"{self.stem}-{n}")

    def declare(self, start, end):
        for n in range(start, end):
            self.channel.queue_declare(f"{self.stem}-{n}", no_wait=True)
        self.channel.round_trip()

    def limits(self):
        return {row["name"]: row["effective_policy_definition"].get("max-length")
                for row in admin.get(self.broker, "queues", "/")
                if row["name"].startswith(self.stem)}

    def policy(self, limit, **fields):
        return Policy(self.broker, f"{self.stem}-.*", {"max-length": limit},
                      name=f"{self.stem}.{limit}", **fields)


@suite.test
def changes_that_come_at_once_hold_all_and_the_best_wins(broker):
    with Many(broker) as many:
        policies = [many.policy(limit, priority=limit) for limit in range(1, 9)]
        at_once([policy.__enter__ for policy in policies])
        equal(set(many.limits().values()), {8})
        at_once([policy.__exit__ for policy in policies[2:]])
        equal(set(many.limits().values()), {2})
        at_once([policy.__exit__ for policy in policies[:2]])
        equal(set(many.limits().values()), {None})


@suite.test
def what_is_declared_while_it_changes_has_it_too(broker):
    with Many(broker) as many:
        policy = many.policy(3)
        at_once([policy.__enter__, lambda: many.declare(many.COUNT, 2 * many.COUNT)])
        limits = many.limits()
        equal((len(limits), set(limits.values())), (2 * many.COUNT, {3}))
        policy.__exit__()


@suite.test
def a_limit_holds_for_what_comes_behind_the_answer(broker):
    with Many(broker) as many, many.policy(1):
        for n in range(0, many.COUNT, 7):
            for body in (b"1", b"2"):
                many.channel.publish("", f"{many.stem}-{n}", body)
        many.channel.round_trip()
        equal({ready(many.channel, f"{many.stem}-{n}") for n in range(0, many.COUNT, 7)}, {1})


def at_once(calls):
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- alternate exchanges, which policies give too


def alternate(broker, arguments=None):
    """Gives a channel, an exchange, and a queue behind the other one."""
    channel = publisher_of(broker)
    first, other, queue = unique("e"), unique("alt"), CLASSIC.declare(channel)
    channel.exchange_declare(other, "fanout")
    channel.queue_bind(queue, other)
    channel.exchange_declare(first, "direct",
                             arguments={"alternate-exchange": other} if arguments else None)
    return channel, first, other, queue


@suite.test
def what_matches_no_binding_goes_to_the_alternate(broker):
    channel, exchange, _, queue = alternate(broker, True)
    bound = CLASSIC.declare(channel)
    channel.queue_bind(bound, exchange, "known")
    for key in ("known", "unknown"):
        equal(publishes(channel, key, key.encode(), exchange), "basic.ack")
    equal((bodies(channel, bound), bodies(channel, queue)), ([b"known"], [b"unknown"]))


@suite.test
def it_is_not_returned_then(broker):
    channel, exchange, _, queue = alternate(broker, True)
    channel.publish(exchange, "x", b"x", mandatory=True)
    equal(channel.wait("basic.ack", "basic.return")[0], "basic.ack")
    equal(bodies(channel, queue), [b"x"])


@suite.test
def alternates_that_are_missing_or_go_round_do_no_harm(broker):
    channel = publisher_of(broker)
    one, two = unique("e"), unique("e")
    channel.exchange_declare(one, arguments={"alternate-exchange": two})
    equal(publishes(channel, "x", b"x", one), "basic.ack")
    channel.exchange_declare(two, arguments={"alternate-exchange": one})
    equal(publishes(channel, "x", b"x", one), "basic.ack")
    queue = CLASSIC.declare(channel)
    channel.queue_bind(queue, two, "x")
    equal(publishes(channel, "x", b"x", one), "basic.ack")
    equal(bodies(channel, queue), [b"x"])


@suite.test
def a_policy_gives_an_alternate_to_an_exchange_that_exists(broker):
    only_sluice(broker, "it asks the admin socket")
    channel, exchange, other, queue = alternate(broker)
    equal(publishes(channel, "x", b"lost", exchange), "basic.ack")
    with Policy(broker, exchange, {"alternate-exchange": other}, apply_to="exchanges"):
        equal(publishes(channel, "x", b"kept", exchange), "basic.ack")
        stomp_client.connect(broker).ask("SEND", {"destination": f"/exchange/{exchange}/x"},
                                         b"stomp")
        row = admin.get(broker, "exchanges", "/", exchange)
        equal(row["effective_policy_definition"], {"alternate-exchange": other})
    equal(publishes(channel, "x", b"lost", exchange), "basic.ack")
    equal(bodies(channel, queue), [b"kept", b"stomp"])
