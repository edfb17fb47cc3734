"""Exchanges beyond the standard's four kinds, and what else an exchange may be told."""

import collections

import admin
import amqp_client
import broker as brokers
import stomp_client
from amqp_client import ChannelClosed
from ends import unique
from rules import bodies, channel_of, confirmed, refused, taken
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("exchange kinds")
PLUGINS = "the plugins of RabbitMQ are not enabled there"

HASH, RANDOM, HISTORY = "x-consistent-hash", "x-random", "x-recent-history"


def exchange(channel, kind, **options):
    name = unique(kind)
    channel.exchange_declare(name, kind, **options)
    return name


def queues(channel, count, **options):
    return [channel.queue_declare(unique(), exclusive=True, **options)[0] for _ in range(count)]


def spread(channel, name, messages, boxes):
    """Publishes (key, properties) and gives which of the boxes each went to, by body."""
    for i, (key, properties) in enumerate(messages):
        channel.publish(name, key, b"%d" % i, properties)
    channel.wait_confirms()
    went = {}
    for box in boxes:
        for body in bodies(channel, box):
            assert body not in went, "one message in two queues"
            went[int(body)] = box
    equal(len(went), len(messages))
    return [went[i] for i in range(len(messages))]


def confirming(broker):
    channel = channel_of(broker)
    channel.confirm_select()
    channel.is_confirming = True
    return channel


# ---- kinds that there are not

@suite.test
def an_unknown_kind_is_refused_in_rabbitmqs_words(broker):
    only_sluice(broker, "RabbitMQ 3.10 closes the connection with 503")
    for kind in ("x-cardboard", "", "Direct"):
        closed = refused(406, f"PRECONDITION_FAILED - unknown exchange type '{kind}'",
                         channel_of(broker).exchange_declare, unique(), kind)
        equal(closed.method, (40, 10))


# ---- x-consistent-hash

@suite.test
def a_weight_is_a_number_above_zero(broker):
    only_sluice(broker, PLUGINS)
    connection = amqp_client.connect(broker)
    channel = connection.channel()
    name, (queue,) = exchange(channel, HASH, auto_delete=True), queues(channel, 1)
    for key, text in (("", "The binding key must be an integer: <<\"\">>"),
                      ("a", "The binding key must be an integer: <<\"a\">>"),
                      ("0", "The binding key must be greater than 0"),
                      ("-1", "The binding key must be greater than 0")):
        refused(406, f"PRECONDITION_FAILED - {text}", connection.channel().queue_bind, queue, name,
                key)
    inner = exchange(channel, "fanout", auto_delete=True)
    refused(406, "must be an integer", connection.channel().exchange_bind, inner, name, "a")


@suite.test
def a_hash_has_one_source_that_there_is(broker):
    only_sluice(broker, PLUGINS)
    for arguments, text in (
            ({"hash-header": "h", "hash-property": "message_id"},
             "hash-header and hash-property are mutually exclusive"),
            ({"hash-property": "app_id"}, "Unsupported property: app_id"),
            ({"hash-header": 7}, "hash-header")):
        refused(406, text, channel_of(broker).exchange_declare, unique(), HASH,
                arguments=arguments)


@suite.test
def one_key_goes_to_one_queue_and_weights_are_shares(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name, boxes = exchange(channel, HASH), queues(channel, 3)
    for box, weight in zip(boxes, "123"):
        channel.queue_bind(box, name, weight)
    keys = [(f"k{i}", None) for i in range(600)]
    first, again = spread(channel, name, keys, boxes), spread(channel, name, keys, boxes)
    equal(first, again)
    counts = collections.Counter(first)
    for box, share in zip(boxes, (100, 200, 300)):
        assert abs(counts[box] - share) < 70, counts


@suite.test
def a_queue_that_comes_or_goes_moves_its_own_keys_only(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name, boxes = exchange(channel, HASH), queues(channel, 4)
    for box in boxes[:3]:
        channel.queue_bind(box, name, "1")
    keys = [(f"k{i}", None) for i in range(300)]
    three = spread(channel, name, keys, boxes)
    channel.queue_bind(boxes[3], name, "1")
    four = spread(channel, name, keys, boxes)
    assert 30 < sum(now == boxes[3] for now in four) < 130
    assert all(now in (before, boxes[3]) for before, now in zip(three, four))
    channel.queue_unbind(boxes[0], name, "1")
    left = spread(channel, name, keys, boxes)
    assert all(now == before or before == boxes[0] for before, now in zip(four, left))


@suite.test
def a_hash_is_of_what_its_exchange_says(broker):
    only_sluice(broker, PLUGINS)
    sources = (({"hash-header": "h"}, lambda v: {"headers": {"h": v}}),
               ({"hash-property": "message_id"}, lambda v: {"message_id": v}),
               ({"hash-property": "correlation_id"}, lambda v: {"correlation_id": v}),
               ({"hash-property": "timestamp"}, lambda v: {"timestamp": int(v)}))
    for arguments, say in sources:
        channel = confirming(broker)
        name, boxes = exchange(channel, HASH, arguments=arguments), queues(channel, 3)
        for box in boxes:
            channel.queue_bind(box, name, "5")
        alike = spread(channel, name, [(f"k{i}", say("7")) for i in range(20)], boxes)
        equal(len(set(alike)), 1)
        other = spread(channel, name, [("k", say(str(i))) for i in range(60)], boxes)
        equal(set(other), set(boxes))
        nothing = spread(channel, name, [(f"k{i}", None) for i in range(20)], boxes)
        equal(len(set(nothing)), 1)


@suite.test
def further_keys_change_nothing_at_a_hash(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name, boxes = exchange(channel, HASH), queues(channel, 3)
    for box in boxes:
        channel.queue_bind(box, name, "1")
    keys = [f"k{i}" for i in range(30)]
    equal(spread(channel, name, [(k, None) for k in keys], boxes),
          spread(channel, name, [(k, {"headers": {"CC": ["a", "b"]}}) for k in keys], boxes))


@suite.test
def a_stomp_sender_is_hashed_alike(broker):
    only_sluice(broker, PLUGINS)
    channel, stomp = confirming(broker), stomp_client.connect(broker)
    name, boxes = exchange(channel, HASH, arguments={"hash-header": "who"}), queues(channel, 2)
    for box in boxes:
        channel.queue_bind(box, name, "1")
    for i in range(20):
        who = f"w{i}"
        stomp.ask("SEND", {"destination": f"/exchange/{name}/any", "who": who}, who.encode())
        confirmed(channel, "other", who.encode(), exchange=name, headers={"who": who})
    for box in boxes:
        found = bodies(channel, box)
        equal(sorted(found), sorted(2 * list(set(found))))


@suite.test
def stomp_instances_share_a_hash(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name = exchange(channel, HASH)
    ends = [stomp_client.connect(broker) for _ in range(2)]
    for end in ends:
        end.subscribe(f"/exchange/{name}/1", "s")
    for i in range(40):
        channel.publish(name, f"k{i}", b"%d" % i)
    channel.wait_confirms()

    def counts():
        for end in ends:  # what comes meanwhile is kept
            end.ask("BEGIN", {"transaction": "t"})
            end.ask("ABORT", {"transaction": "t"})
        return [sum(f.command == "MESSAGE" for f in end.frames) for end in ends]
    wait_until(lambda: sum(counts()) >= 40, "each to come")
    assert sum(counts()) == 40 and min(counts()) > 5, counts()
    error = raises(ErrorFrame, stomp_client.connect(broker).subscribe, f"/exchange/{name}/a", "s")
    has(error.body, "The binding key must be an integer")


# ---- x-random

@suite.test
def random_goes_to_one_queue_and_to_each_in_time(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name, boxes = exchange(channel, RANDOM), queues(channel, 3)
    for box in boxes:
        channel.queue_bind(box, name, "any")
    counts = collections.Counter(spread(channel, name, [("k", None)] * 300, boxes))
    assert all(counts[box] > 40 for box in boxes), counts


@suite.test
def random_without_bindings_uses_the_alternate_exchange(broker):
    only_sluice(broker, PLUGINS)
    for kind in (RANDOM, HASH, HISTORY):
        channel = confirming(broker)
        spare = exchange(channel, "fanout", auto_delete=True)
        name, (box,) = exchange(channel, kind, arguments={"alternate-exchange": spare}), \
            queues(channel, 1)
        channel.queue_bind(box, spare, "")
        confirmed(channel, "k", b"x", exchange=name)
        equal(bodies(channel, box), [b"x"])
        channel.exchange_delete(name)


# ---- x-recent-history

@suite.test
def a_length_is_a_number_above_zero(broker):
    only_sluice(broker, PLUGINS)
    for value, shown in ((0, "0"), (-5, "-5"), ("9", '<<"9">>')):
        refused(406, f"Invalid argument {shown}, 'x-recent-history-length' must be a positive "
                     "integer", channel_of(broker).exchange_declare, unique(), HISTORY,
                arguments={"x-recent-history-length": value})


@suite.test
def a_new_binding_brings_the_last_twenty(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name, (early, late) = exchange(channel, HISTORY), queues(channel, 2)
    channel.queue_bind(early, name, "")
    confirmed(channel, "k", *(b"%d" % i for i in range(25)), exchange=name, headers={"h": 1},
              message_id="m")
    equal(len(bodies(channel, early)), 25)
    channel.queue_bind(late, name, "")
    first = taken(channel, late)
    equal((first.body, first.exchange, first.key, first.headers, first.properties["message_id"],
           first.redelivered), (b"5", name, "k", {"h": 1}, "m", False))
    equal(bodies(channel, late), [b"%d" % i for i in range(6, 25)])
    equal(bodies(channel, early), [])
    channel.queue_bind(late, name, "")  # nothing new
    confirmed(channel, "k", b"now", exchange=name)
    equal([bodies(channel, early), bodies(channel, late)], [[b"now"], [b"now"]])


@suite.test
def the_history_is_as_long_as_the_exchange_says(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name = exchange(channel, HISTORY, arguments={"x-recent-history-length": 3})
    box, = queues(channel, 1)
    confirmed(channel, "k", b"1", b"2", b"3", b"4", exchange=name)
    channel.queue_bind(box, name, "a")
    equal(bodies(channel, box), [b"2", b"3", b"4"])
    channel.queue_bind(box, name, "b")
    equal(bodies(channel, box), [b"2", b"3", b"4"])


@suite.test
def what_asks_not_to_be_kept_is_not(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name, (box,) = exchange(channel, HISTORY), queues(channel, 1)
    for body, flag in ((b"a", True), (b"b", False), (b"c", "true")):
        confirmed(channel, "k", body, exchange=name, headers={"x-recent-history-no-store": flag})
    channel.queue_bind(box, name, "")
    equal(bodies(channel, box), [b"b", b"c"])


@suite.test
def a_history_keeps_what_a_transaction_commits(broker):
    only_sluice(broker, PLUGINS)
    channel = channel_of(broker)
    name, (one, two) = exchange(channel, HISTORY), queues(channel, 2)
    channel.tx_select()
    channel.publish(name, "k", b"no")
    channel.tx_rollback()
    channel.publish(name, "k", b"yes")
    channel.queue_bind(one, name, "")
    channel.tx_commit()
    equal(bodies(channel, one), [b"yes"])
    channel.queue_bind(two, name, "")
    equal(bodies(channel, two), [b"yes"])


@suite.test
def a_history_keeps_dead_letters_and_what_other_exchanges_pass_on(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name, first = exchange(channel, HISTORY), exchange(channel, "fanout", auto_delete=True)
    channel.exchange_bind(name, first)
    confirmed(channel, "k", b"passed", exchange=first)
    source, box = queues(channel, 1, arguments={"x-dead-letter-exchange": name,
                                                "x-message-ttl": 0}) + queues(channel, 1)
    confirmed(channel, source, b"dead")
    wait_until(lambda: channel.queue_declare(source, passive=True)[1] == 0, "an expired message")
    channel.queue_bind(box, name, "")
    equal(bodies(channel, box), [b"passed", b"dead"])


@suite.test
def an_exchange_that_is_bound_passes_the_history_on(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name, then = exchange(channel, HISTORY), exchange(channel, "direct", auto_delete=True)
    one, two = queues(channel, 2)
    channel.queue_bind(one, then, "1")
    channel.queue_bind(two, then, "2")
    for key in ("1", "2", "3", "2"):
        confirmed(channel, key, key.encode(), exchange=name)
    channel.exchange_bind(then, name)
    equal([bodies(channel, one), bodies(channel, two)], [[b"1"], [b"2", b"2"]])


@suite.test
def a_history_without_queues_keeps_what_another_history_and_a_delay_bring(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name, late = exchange(channel, HISTORY), exchange(channel, HISTORY)
    delays = exchange(channel, "x-delayed-message", arguments={"x-delayed-type": "fanout"})
    confirmed(channel, "k", b"noted", exchange=name)
    channel.exchange_bind(late, name)
    channel.exchange_bind(late, delays)
    confirmed(channel, "k", b"delayed", exchange=delays, headers={"x-delay": 1})

    def the_history():
        box, = queues(channel, 1)
        channel.queue_bind(box, late, "")
        noted = bodies(channel, box)
        channel.queue_delete(box)
        return noted

    equal(wait_until(lambda: len(the_history()) == 2 and the_history(), "both are noted"),
          [b"noted", b"delayed"])


@suite.test
def a_full_queue_refuses_what_a_history_brings(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name = exchange(channel, HISTORY)
    box, = queues(channel, 1, arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
    confirmed(channel, "k", b"1", b"2", b"3", exchange=name)
    channel.queue_bind(box, name, "")
    equal(bodies(channel, box), [b"1", b"2"])


@suite.test
def a_deleted_exchange_takes_its_history_along(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    name, (box,) = exchange(channel, HISTORY), queues(channel, 1)
    confirmed(channel, "k", b"old", exchange=name)
    channel.exchange_delete(name)
    channel.exchange_declare(name, HISTORY)
    channel.queue_bind(box, name, "")
    equal(bodies(channel, box), [])


@suite.test
def a_stomp_subscription_gets_the_history(broker):
    only_sluice(broker, PLUGINS)
    channel, stomp = confirming(broker), stomp_client.connect(broker)
    name = exchange(channel, HISTORY)
    stomp.ask("SEND", {"destination": f"/exchange/{name}/k"}, b"by stomp")
    confirmed(channel, "k", b"by amqp", exchange=name)
    stomp.subscribe(f"/exchange/{name}", "s")
    equal([stomp.message().body for _ in range(2)], [b"by stomp", b"by amqp"])


@suite.test
def a_new_cluster_queue_gets_the_history_once(broker):
    only_sluice(broker, "cluster queues are Sluice's own")
    channel, stomp = confirming(broker), stomp_client.connect(broker)
    name, cluster = exchange(channel, HISTORY, durable=True), unique("cluster")
    confirmed(channel, "k", b"1", b"2", exchange=name, delivery_mode=2)
    headers = {"cluster-id": cluster}
    stomp.subscribe(f"/exchange/{name}", "a", **headers)
    equal([stomp.message().body for _ in range(2)], [b"1", b"2"])
    stomp.subscribe(f"/exchange/{name}", "b", **headers)
    stomp.ask("UNSUBSCRIBE", {"id": "a"})
    confirmed(channel, "k", b"3", exchange=name)
    equal(stomp.message(subscription="b").body, b"3")
    channel.queue_delete(f"/exchange/{name}@{cluster}")


# ---- what holds for all of them

@suite.test
def exchanges_feed_each_other_whatever_their_kind(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    boxes = queues(channel, 2)
    for kind, key in ((HASH, "1"), (RANDOM, ""), (HISTORY, "")):
        outer, inner = exchange(channel, "topic", auto_delete=True), exchange(channel, kind)
        channel.exchange_bind(inner, outer, "a.#")
        for box in boxes:
            channel.queue_bind(box, inner, key)
        confirmed(channel, "a.b", b"x", exchange=outer)
        equal(sum(len(bodies(channel, box)) for box in boxes), 2 if kind == HISTORY else 1)
        channel.exchange_delete(inner)


@suite.test(alone=True)
def a_policy_gives_them_an_alternate_exchange(broker):
    only_sluice(broker, PLUGINS)
    channel = confirming(broker)
    spare, (box,) = exchange(channel, "fanout"), queues(channel, 1)
    channel.queue_bind(box, spare, "")
    for kind in (HASH, RANDOM, HISTORY):
        name = exchange(channel, kind)
        with admin.Policy(broker, name, {"alternate-exchange": spare}):
            confirmed(channel, "k", b"x", exchange=name)
            equal(bodies(channel, box), [b"x"])
        channel.exchange_delete(name)


@suite.test(alone=True)
def definitions_and_lists_say_what_they_are(broker):
    only_sluice(broker, "of Sluice's admin socket")
    channel = channel_of(broker)
    queue, = queues(channel, 1)
    for kind, arguments, key in ((HASH, {"hash-header": "h"}, "3"), (RANDOM, {}, ""),
                                 (HISTORY, {"x-recent-history-length": 7}, "")):
        name = exchange(channel, kind, durable=True, arguments=arguments)
        channel.queue_bind(queue, name, key)
        shown = admin.get(broker, "exchanges", "/", name)
        equal((shown["type"], shown["arguments"]), (kind, arguments))
        said = admin.get(broker, "definitions")
        mine = [e for e in said["exchanges"] if e["name"] == name]
        equal([(e["type"], e["arguments"]) for e in mine], [(kind, arguments)])
        channel.exchange_delete(name)
        admin.call(broker, "POST", "definitions", body={"exchanges": mine})
        channel.exchange_declare(name, kind, durable=True, arguments=arguments)
        equal(admin.get(broker, "exchanges", "/", name)["type"], kind)
        channel.exchange_delete(name)


@suite.test(alone=True)
def a_restart_keeps_them_and_where_keys_go_but_no_history(gateway):
    only_sluice(gateway, "a gateway of its own")
    with brokers.Broker(gateway.binary, workers=2) as own:
        channel = confirming(own)
        boxes = [channel.queue_declare(f"q{i}", durable=True)[0] for i in range(3)]
        for name, kind in (("hash", HASH), ("random", RANDOM), ("history", HISTORY)):
            channel.exchange_declare(name, kind, durable=True)
        for box in boxes:
            channel.queue_bind(box, "hash", "2")
        keys = [(f"k{i}", None) for i in range(60)]
        before = spread(channel, "hash", keys, boxes)
        confirmed(channel, "k", b"old", exchange="history", delivery_mode=2)
        channel.connection.close()
        own.terminate()
        own.start()
        channel = confirming(own)
        for name, kind in (("hash", HASH), ("random", RANDOM), ("history", HISTORY)):
            channel.exchange_declare(name, kind, durable=True)
        equal(spread(channel, "hash", keys, boxes), before)
        channel.queue_bind(boxes[0], "history", "")
        equal(bodies(channel, boxes[0]), [])
        channel.connection.close()


# ---- internal and auto-delete

@suite.test
def an_internal_exchange_takes_from_exchanges_and_dead_letters_only(broker):
    channel = confirming(broker)
    inner, outer = exchange(channel, "fanout", internal=True), exchange(channel, "fanout")
    box, = queues(channel, 1)
    channel.queue_bind(box, inner, "")
    channel.exchange_bind(inner, outer)
    confirmed(channel, "k", b"bound", exchange=outer)
    source, = queues(channel, 1, arguments={"x-dead-letter-exchange": inner, "x-message-ttl": 0})
    equal(taken(channel, box).body, b"bound")
    confirmed(channel, source, b"dead")
    equal(taken(channel, box).body, b"dead")
    alternate = exchange(channel, "direct", arguments={"alternate-exchange": inner})
    confirmed(channel, "none", b"other", exchange=alternate)
    equal(taken(channel, box).body, b"other")
    with_copies = {"headers": {"CC": ["a"]}}
    for publish in (lambda c: c.publish(inner, "k", b"x"),
                    lambda c: c.publish(inner, "k", b"x", with_copies)):
        other = channel_of(broker)
        publish(other)
        refused(403, f"ACCESS_REFUSED - cannot publish to internal exchange '{inner}' in vhost '/'",
                other.round_trip)
    stomp = stomp_client.connect(broker)
    stomp.send("SEND", {"destination": f"/exchange/{inner}"}, b"x")
    has(stomp.error().body.decode(), f"cannot publish to internal exchange '{inner}'")
    stomp = stomp_client.connect(broker)
    stomp.subscribe(f"/exchange/{inner}", "s")
    confirmed(channel, "k", b"read", exchange=outer)
    equal(stomp.message().body, b"read")


@suite.test
def a_transaction_asks_for_an_internal_exchange_at_once(broker):
    channel = channel_of(broker)
    inner = exchange(channel, "fanout", internal=True)
    channel.tx_select()
    channel.publish(inner, "k", b"x")
    refused(403, f"cannot publish to internal exchange '{inner}'", channel.round_trip)


@suite.test
def an_exchange_that_deletes_itself_waits_for_a_first_binding(broker):
    connection = amqp_client.connect(broker)
    channel = connection.channel()
    name, boxes = exchange(channel, "topic", auto_delete=True), queues(channel, 2)
    channel.exchange_declare(name, "topic", passive=True)
    for box, key in zip(boxes, ("a", "b")):
        channel.queue_bind(box, name, key)
    channel.queue_unbind(boxes[0], name, "a")
    channel.exchange_declare(name, "topic", passive=True)
    channel.queue_delete(boxes[1])
    refused(404, f"no exchange '{name}' in vhost '/'", channel.exchange_declare, name, "topic",
            passive=True)


@suite.test
def being_a_destination_is_no_use_of_an_exchange_that_deletes_itself(broker):
    channel = channel_of(broker)
    name, source = exchange(channel, "fanout", auto_delete=True), exchange(channel, "fanout")
    channel.exchange_bind(name, source)
    channel.exchange_unbind(name, source)
    channel.exchange_declare(name, "fanout", passive=True)
    channel.exchange_bind(source, name)
    channel.exchange_delete(source)
    refused(404, name, channel.exchange_declare, name, "fanout", passive=True)


@suite.test
def the_end_of_a_connection_ends_exchanges_with_its_queues(broker):
    connection, other = amqp_client.connect(broker), channel_of(broker)
    channel = connection.channel()
    name, (box,) = exchange(channel, HASH if broker.is_sluice else "fanout", auto_delete=True), \
        queues(channel, 1)
    channel.queue_bind(box, name, "1")
    connection.close()

    def is_gone():
        try:
            amqp_client.connect(broker).channel().exchange_declare(name, "fanout", passive=True)
            return False
        except ChannelClosed as closed:
            return closed.code == 404
    wait_until(is_gone, "the end of the exchange", timeout=30)
    other.round_trip()


@suite.test
def auto_delete_is_compared(broker):
    channel = channel_of(broker)
    name = exchange(channel, "direct")
    refused(406, f"inequivalent arg 'auto_delete' for exchange '{name}' in vhost '/': received "
                 "'true' but current is 'false'", channel.exchange_declare, name, "direct",
            auto_delete=True)


@suite.test
def what_nobody_knows_about_an_exchange_is_kept(broker):
    channel = channel_of(broker)
    name = exchange(channel, "direct", arguments={"my-own": "thing", "x-queue-type": "cardboard"})
    channel.exchange_declare(name, "direct", arguments={"my-own": "other"})
    refused(406, f"inequivalent arg 'alternate-exchange' for exchange '{name}'",
            channel.exchange_declare, name, "direct", arguments={"alternate-exchange": "x"})
    refused(406, "alternate-exchange", channel_of(broker).exchange_declare, unique(), "direct",
            arguments={"alternate-exchange": 7})
