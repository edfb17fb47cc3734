"""Where messages go that a queue gives up, and what they say of it."""

import time

import amqp_client
import broker as brokers
import stomp_client
from ends import unique
from rules import (CLASSIC, KINDS, QUORUM, bodies, channel_of, comes_to_hold, confirmed, letter_box,
                   ready, taken)
from suite import Suite, equal, only_sluice, wait_until

suite = Suite("dead letter")


def lent(channel, queue):
    return wait_until(lambda: channel.get(queue), f"a message in {queue}")


def reject(channel, queue):
    channel.reject(lent(channel, queue).tag, requeue=False)


def exchange_of(channel, kind="direct"):
    exchange = unique("dlx")
    channel.exchange_declare(exchange, kind)
    return exchange


def bound(channel, exchange, key=""):
    queue = unique("bound")
    channel.queue_declare(queue, durable=True)
    channel.queue_bind(queue, exchange, key)
    return queue


def names(deaths, *fields):
    return [tuple(death[field] for field in fields) for death in deaths]


# --- reasons


@suite.test_over(*KINDS)
def a_reject_is_a_death(broker, kind):
    channel = channel_of(broker)
    queue, box = letter_box(channel, kind)
    confirmed(channel, queue, b"1")
    reject(channel, queue)
    dead = taken(channel, box)
    equal((dead.body, dead.headers["x-death"][0]["reason"]), (b"1", "rejected"))


@suite.test_over(*KINDS)
def a_nack_of_many_is_the_death_of_all_in_order(broker, kind):
    channel = channel_of(broker)
    queue, box = letter_box(channel, kind)
    confirmed(channel, queue, b"1", b"2", b"3", b"4")
    last = [lent(channel, queue) for _ in range(3)][-1]
    channel.nack(last.tag, multiple=True, requeue=False)
    comes_to_hold(channel, box, 3)
    equal(bodies(channel, box), [b"1", b"2", b"3"])
    equal(bodies(channel, queue), [b"4"])


@suite.test_over(*KINDS)
def an_end_of_time_is_a_death(broker, kind):
    channel = channel_of(broker)
    queue, box = letter_box(channel, kind, message_ttl=100)
    confirmed(channel, queue, b"1")
    equal(taken(channel, box).headers["x-death"][0]["reason"], "expired")


@suite.test_over(*KINDS)
def making_room_is_a_death(broker, kind):
    channel = channel_of(broker)
    queue, box = letter_box(channel, kind, max_length=1)
    confirmed(channel, queue, b"1", b"2")
    dead = taken(channel, box)
    equal((dead.body, dead.headers["x-death"][0]["reason"]), (b"1", "maxlen"))


@suite.test
def too_many_bytes_are_a_death_of_the_same_name(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, max_length_bytes=10)
    confirmed(channel, queue, b"1" * 8, b"2" * 8)
    equal(taken(channel, box).headers["x-death"][0]["reason"], "maxlen")


@suite.test
def requeue_consume_purge_and_delete_are_no_deaths(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel)
    confirmed(channel, queue, b"1", b"2", b"3")
    channel.nack(lent(channel, queue).tag, requeue=True)
    channel.ack(lent(channel, queue).tag)
    channel.round_trip()
    equal(channel.queue_purge(queue), 2)
    confirmed(channel, queue, b"4")
    channel.queue_delete(queue)
    equal(ready(channel, box), 0)


@suite.test
def without_an_exchange_a_reject_is_the_end(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel)
    confirmed(channel, queue, b"1")
    reject(channel, queue)
    comes_to_hold(channel, queue, 0)


@suite.test
def an_exchange_that_is_not_there_loses_it(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, dead_letter_exchange=unique("nowhere"))
    confirmed(channel, queue, b"1", b"2")
    reject(channel, queue)
    comes_to_hold(channel, queue, 1)
    equal(lent(channel, queue).body, b"2")


@suite.test
def an_exchange_may_come_later(broker):
    channel, exchange = channel_of(broker), unique("later")
    queue = CLASSIC.declare(channel, dead_letter_exchange=exchange)
    confirmed(channel, queue, b"lost", b"kept")
    reject(channel, queue)
    channel.round_trip()
    channel.exchange_declare(exchange, "fanout")
    box = bound(channel, exchange)
    reject(channel, queue)
    equal(taken(channel, box).body, b"kept")


@suite.test
def where_it_reaches_nobody_it_is_lost(broker):
    channel = channel_of(broker)
    queue = CLASSIC.declare(channel, dead_letter_exchange=exchange_of(channel))
    confirmed(channel, queue, b"1")
    reject(channel, queue)
    comes_to_hold(channel, queue, 0)


# --- where to


@suite.test
def it_keeps_its_key(broker):
    channel = channel_of(broker)
    exchange = exchange_of(channel)
    queue = CLASSIC.declare(channel, dead_letter_exchange=exchange)
    box = bound(channel, exchange, queue)
    confirmed(channel, queue, b"1")
    reject(channel, queue)
    dead = taken(channel, box)
    equal((dead.exchange, dead.key), (exchange, queue))


@suite.test
def the_queues_own_key_goes_instead(broker):
    channel = channel_of(broker)
    exchange = exchange_of(channel)
    queue = CLASSIC.declare(channel, dead_letter_exchange=exchange, dead_letter_routing_key="k")
    box = bound(channel, exchange, "k")
    confirmed(channel, queue, b"1")
    reject(channel, queue)
    equal(taken(channel, box).key, "k")


@suite.test
def it_may_reach_many_queues(broker):
    channel = channel_of(broker)
    exchange = exchange_of(channel, "fanout")
    queue = CLASSIC.declare(channel, dead_letter_exchange=exchange)
    boxes = [bound(channel, exchange) for _ in range(3)]
    confirmed(channel, queue, b"1")
    reject(channel, queue)
    equal([taken(channel, box).body for box in boxes], [b"1"] * 3)


@suite.test
def every_kind_of_exchange_takes_it(broker):
    channel = channel_of(broker)
    for kind, key in (("topic", "#"), ("fanout", "")):
        exchange = exchange_of(channel, kind)
        queue = CLASSIC.declare(channel, dead_letter_exchange=exchange)
        box = bound(channel, exchange, key)
        confirmed(channel, queue, b"1")
        reject(channel, queue)
        equal(taken(channel, box).body, b"1")


@suite.test
def the_keys_of_cc_are_kept_too(broker):
    channel = channel_of(broker)
    exchange = exchange_of(channel)
    queue = CLASSIC.declare(channel, dead_letter_exchange=exchange)
    boxes = [bound(channel, exchange, key) for key in (queue, "copy")]
    confirmed(channel, queue, b"1", headers={"CC": ["copy"], "BCC": ["blind"]})
    reject(channel, queue)
    for box in boxes:
        dead = taken(channel, box)
        equal(dead.headers["CC"], ["copy"])
        assert "BCC" not in dead.headers, dead.headers
        equal(sorted(dead.headers["x-death"][0]["routing-keys"]), sorted([queue, "copy"]))


@suite.test
def the_keys_of_bcc_are_kept_too(broker):
    channel = channel_of(broker)
    exchange = exchange_of(channel)
    queue = CLASSIC.declare(channel, dead_letter_exchange=exchange)
    blind = bound(channel, exchange, "blind")
    confirmed(channel, queue, b"1", headers={"BCC": ["blind"]})
    reject(channel, queue)
    dead = taken(channel, blind)
    assert "BCC" not in dead.headers, dead.headers
    equal(dead.headers["x-death"][0]["routing-keys"], [queue])


@suite.test
def the_queues_own_key_ends_cc(broker):
    channel = channel_of(broker)
    exchange = exchange_of(channel)
    queue = CLASSIC.declare(channel, dead_letter_exchange=exchange, dead_letter_routing_key="k")
    box, copy = bound(channel, exchange, "k"), bound(channel, exchange, "copy")
    confirmed(channel, queue, b"1", headers={"CC": ["copy"], "BCC": ["blind"]})
    reject(channel, queue)
    dead = taken(channel, box)
    assert "CC" not in dead.headers and "BCC" not in dead.headers, dead.headers
    equal(sorted(dead.headers["x-death"][0]["routing-keys"]), sorted([queue, "copy"]))
    equal(ready(channel, copy), 0)


# --- what it says


@suite.test_over(*KINDS)
def every_field_is_there_with_its_type(broker, kind):
    channel, exchange = channel_of(broker), unique("e")
    channel.exchange_declare(exchange, "direct")
    queue, box = letter_box(channel, kind)
    channel.queue_bind(queue, exchange, "k")
    before = int(time.time())
    confirmed(channel, "k", b"1", exchange=exchange)
    reject(channel, queue)
    headers = taken(channel, box).typed_headers
    letter, deaths = headers["x-death"]
    equal((letter, len(deaths), deaths[0][0]), ("A", 1, "F"))
    death = dict(deaths[0][1])
    letter, when = death.pop("time")
    equal(letter, "T")
    assert before <= when <= time.time() + 1, when
    equal(death, {"count": ("l", 1), "exchange": ("S", exchange), "queue": ("S", queue),
                  "reason": ("S", "rejected"), "routing-keys": ("A", [("S", "k")])})
    equal({name: headers[name] for name in headers if name.startswith("x-first-")},
          {"x-first-death-exchange": ("S", exchange), "x-first-death-queue": ("S", queue),
           "x-first-death-reason": ("S", "rejected")})


@suite.test
def the_last_death_is_told_too(broker):
    only_sluice(broker, "RabbitMQ does so since 3.13")
    channel = channel_of(broker)
    last, box = letter_box(channel)
    first = CLASSIC.declare(channel, dead_letter_exchange="", dead_letter_routing_key=last)
    confirmed(channel, first, b"1")
    reject(channel, first)
    got = lent(channel, last)
    equal([got.typed_headers[f"x-last-death-{name}"] for name in ("reason", "queue", "exchange")],
          [("S", "rejected"), ("S", first), ("S", "")])
    channel.reject(got.tag, requeue=False)
    headers = taken(channel, box).headers
    equal([headers[f"x-last-death-{name}"] for name in ("reason", "queue", "exchange")],
          ["rejected", last, ""])
    equal([headers[f"x-first-death-{name}"] for name in ("reason", "queue", "exchange")],
          ["rejected", first, ""])


@suite.test
def the_rest_of_the_message_is_as_it_was(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel)
    properties = {"content_type": "text/plain", "content_encoding": "gzip", "delivery_mode": 2,
                  "priority": 7, "correlation_id": "c", "reply_to": "r", "message_id": "m",
                  "timestamp": 1700000000, "type": "t", "user_id": "guest", "app_id": "a"}
    confirmed(channel, queue, b"body", headers={"mine": "own", "number": 42}, **properties)
    reject(channel, queue)
    dead = taken(channel, box)
    headers = dead.properties.pop("headers")
    equal((dead.body, dead.properties), (b"body", properties))
    equal((headers["mine"], headers["number"]), ("own", 42))
    assert not dead.redelivered


@suite.test
def an_expiration_goes_and_is_told(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel)
    for expiration, how in (("60000", "rejected"), ("100", "expired")):
        confirmed(channel, queue, b"1", expiration=expiration)
        if how == "rejected":
            reject(channel, queue)
        dead = taken(channel, box)
        death = dead.typed_headers["x-death"][1][0][1]
        equal((death["reason"][1], death["original-expiration"]), (how, ("S", expiration)))
        assert "expiration" not in dead.properties, dead.properties


@suite.test
def a_queues_ttl_is_no_expiration(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, message_ttl=100)
    confirmed(channel, queue, b"1")
    assert "original-expiration" not in taken(channel, box).headers["x-death"][0]


@suite.test
def the_newest_death_comes_first(broker):
    channel = channel_of(broker)
    middle, box = letter_box(channel, message_ttl=100)
    first = CLASSIC.declare(channel, dead_letter_exchange="", dead_letter_routing_key=middle)
    confirmed(channel, first, b"1")
    reject(channel, first)
    headers = taken(channel, box).headers
    equal(names(headers["x-death"], "queue", "reason", "exchange", "routing-keys", "count"),
          [(middle, "expired", "", [middle], 1), (first, "rejected", "", [first], 1)])
    equal([headers[f"x-first-death-{name}"] for name in ("queue", "reason")], [first, "rejected"])


@suite.test_over(*KINDS)
def the_same_death_again_is_counted_and_comes_to_the_front(broker, kind):
    """Work and wait: rejected from one, ended by its time in the other, and back."""
    channel, work, wait = channel_of(broker), unique("work"), unique("wait")
    kind.declare(channel, work, dead_letter_exchange="", dead_letter_routing_key=wait)
    kind.declare(channel, wait, dead_letter_exchange="", dead_letter_routing_key=work,
                 message_ttl=50)
    confirmed(channel, work, b"1")
    reject(channel, work)
    first = lent(channel, work)
    times = {(d["queue"], d["reason"]): d["time"] for d in first.headers["x-death"]}
    channel.reject(first.tag, requeue=False)
    for count in (2, 3):
        got = lent(channel, work)
        equal(names(got.headers["x-death"], "queue", "reason", "count"),
              [(wait, "expired", count), (work, "rejected", count)])
        equal({(d["queue"], d["reason"]): d["time"] for d in got.headers["x-death"]}, times)
        channel.reject(got.tag, requeue=False)


@suite.test
def two_reasons_of_one_queue_are_two_deaths(broker):
    channel, queue, box = channel_of(broker), unique("both"), unique("again")
    CLASSIC.declare(channel, queue, dead_letter_exchange="", dead_letter_routing_key=box,
                    message_ttl=100)
    CLASSIC.declare(channel, box, dead_letter_exchange="", dead_letter_routing_key=queue)
    confirmed(channel, queue, b"1")
    reject(channel, queue)
    reject(channel, box)
    deaths = wait_until(lambda: channel.get(box), "the second death").headers["x-death"]
    wanted = [(queue, "expired", 1), (box, "rejected", 1), (queue, "rejected", 1)]
    equal(sorted(names(deaths, "queue", "reason", "count")), sorted(wanted))
    only_sluice(broker, "RabbitMQ 3.10 sorts all but the first by their queues")
    equal(names(deaths, "queue", "reason", "count"), wanted)


@suite.test
def deaths_that_a_publisher_tells_of_do_not_count(broker):
    only_sluice(broker, "RabbitMQ 3.10 believes them")
    channel = channel_of(broker)
    queue, box = letter_box(channel)
    told = {"x-death": [{"queue": queue, "reason": "rejected", "count": 77, "exchange": "",
                         "routing-keys": [queue]}],
            "x-first-death-queue": "elsewhere", "x-first-death-reason": "expired",
            "x-first-death-exchange": "e"}
    confirmed(channel, queue, b"1", headers=told)
    reject(channel, queue)
    headers = taken(channel, box).headers
    equal(names(headers["x-death"], "queue", "reason", "count"), [(queue, "rejected", 1)])
    equal((headers["x-first-death-queue"], headers["x-first-death-reason"]), (queue, "rejected"))


@suite.test
def deaths_told_by_a_publisher_close_no_circle(broker):
    only_sluice(broker, "RabbitMQ 3.10 believes them")
    channel = channel_of(broker)
    queue, box = letter_box(channel, message_ttl=50)
    told = {"x-death": [{"queue": box, "reason": "expired", "count": 1, "exchange": "",
                         "routing-keys": [box]}]}
    confirmed(channel, queue, b"1", headers=told)
    equal(taken(channel, box).headers["x-death"][0]["queue"], queue)


@suite.test
def nonsense_in_place_of_deaths_does_no_harm(broker):
    only_sluice(broker, "RabbitMQ 3.10 loses the message")
    channel = channel_of(broker)
    for nonsense in ("text", 7, [], ["x"], [7], [{}], [{"count": "many"}], {"a": 1}, None):
        queue, box = letter_box(channel)
        confirmed(channel, queue, b"1", headers={"x-death": nonsense})
        reject(channel, queue)
        equal(names(taken(channel, box).headers["x-death"], "queue", "reason", "count"),
              [(queue, "rejected", 1)])


# --- circles


@suite.test
def a_circle_without_a_reject_ends(broker):
    channel, a, b = channel_of(broker), unique("a"), unique("b")
    watcher, gone = letter_box(channel, message_ttl=200)
    CLASSIC.declare(channel, a, dead_letter_exchange="", dead_letter_routing_key=b, message_ttl=30)
    CLASSIC.declare(channel, b, dead_letter_exchange="", dead_letter_routing_key=a, message_ttl=30)
    confirmed(channel, a, b"1")
    confirmed(channel, watcher, b"x")
    taken(channel, gone)
    equal((ready(channel, a), ready(channel, b)), (0, 0))


@suite.test
def a_queue_that_is_its_own_dead_letter_queue_ends_them_too(broker):
    channel, queue = channel_of(broker), unique("own")
    CLASSIC.declare(channel, queue, dead_letter_exchange="", dead_letter_routing_key=queue,
                    message_ttl=50)
    confirmed(channel, queue, b"1")
    comes_to_hold(channel, queue, 0)


@suite.test
def a_circle_with_a_reject_goes_on(broker):
    channel, queue = channel_of(broker), unique("own")
    CLASSIC.declare(channel, queue, dead_letter_exchange="", dead_letter_routing_key=queue)
    confirmed(channel, queue, b"1")
    for count in range(5):
        got = lent(channel, queue)
        equal(names(got.headers.get("x-death", []), "queue", "reason", "count"),
              [(queue, "rejected", count)] if count else [])
        channel.reject(got.tag, requeue=False)


@suite.test
def a_circle_that_is_left_out_does_not_keep_others_from_it(broker):
    channel, a, b = channel_of(broker), unique("a"), unique("b")
    exchange, other = exchange_of(channel, "fanout"), unique("other")
    CLASSIC.declare(channel, a, dead_letter_exchange=exchange, message_ttl=50)
    for queue in (b, other):
        channel.queue_declare(queue, durable=True)
    channel.queue_bind(a, exchange)
    channel.queue_bind(other, exchange)
    confirmed(channel, a, b"1")
    equal(taken(channel, other).body, b"1")
    equal(ready(channel, a), 0)


# --- over both protocols


@suite.test
def a_stomp_nack_is_a_death_that_amqp_reads(broker):
    channel, stomp = channel_of(broker), stomp_client.connect(broker)
    queue, box = letter_box(channel)
    stomp.ask("SEND", {"destination": f"/amq/queue/{queue}", "mine": "own"}, b"1")
    stomp.subscribe(f"/amq/queue/{queue}", "s", ack="client-individual")
    stomp.nack(stomp.message(), requeue="false")
    dead = taken(channel, box)
    equal((dead.body, dead.headers["mine"]), (b"1", "own"))
    equal(names(dead.headers["x-death"], "queue", "reason", "routing-keys"),
          [(queue, "rejected", [queue])])


@suite.test
def an_amqp_reject_is_a_death_that_stomp_reads(broker):
    channel, stomp = channel_of(broker), stomp_client.connect(broker)
    queue, box = letter_box(channel)
    stomp.subscribe(f"/queue/{box}", "s")
    confirmed(channel, queue, b"1", headers={"mine": "own"})
    reject(channel, queue)
    dead = stomp.message()
    equal((dead.body, dead.headers["mine"]), (b"1", "own"))
    equal([dead.headers[f"x-first-death-{name}"] for name in ("reason", "queue")],
          ["rejected", queue])


@suite.test
def a_queue_declared_by_stomp_has_dead_letters(broker):
    channel, stomp = channel_of(broker), stomp_client.connect(broker)
    queue, box = unique(), unique("dead")
    channel.queue_declare(box, durable=True)
    stomp.subscribe(f"/queue/{queue}", "s", ack="client-individual",
                    **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": box})
    stomp.ask("SEND", {"destination": f"/amq/queue/{queue}"}, b"1")
    stomp.nack(stomp.message(), requeue="false")
    equal(taken(channel, box).body, b"1")


@suite.test
def a_client_nack_takes_what_came_before_with_it(broker):
    only_sluice(broker, "RabbitMQ covers all subscriptions of the connection")
    channel, stomp = channel_of(broker), stomp_client.connect(broker)
    queue, box = letter_box(channel)
    confirmed(channel, queue, b"1", b"2", b"3")
    stomp.subscribe(f"/amq/queue/{queue}", "s", ack="client")
    got = [stomp.message() for _ in range(3)]
    stomp.nack(got[1], requeue="false")
    comes_to_hold(channel, box, 2)
    equal(bodies(channel, box), [b"1", b"2"])


# --- with others


@suite.test
def a_dead_letter_wakes_who_waits_for_it(broker):
    channel, consumer = channel_of(broker), channel_of(broker)
    queue, box = letter_box(channel, message_ttl=100)
    consumer.consume(box, no_ack=True)
    confirmed(channel, queue, b"1")
    equal(consumer.message().body, b"1")


@suite.test
def dead_letters_obey_the_rules_of_where_they_go(broker):
    channel = channel_of(broker)
    dropped = CLASSIC.declare(channel)
    box = CLASSIC.declare(channel, max_length=2, dead_letter_exchange="",
                          dead_letter_routing_key=dropped)
    queue = CLASSIC.declare(channel, dead_letter_exchange="", dead_letter_routing_key=box)
    confirmed(channel, queue, b"1", b"2", b"3")
    for _ in range(3):
        reject(channel, queue)
    comes_to_hold(channel, dropped, 1)  # the box held two before the third came, too
    equal(bodies(channel, dropped), [b"1"])
    equal(bodies(channel, box), [b"2", b"3"])


@suite.test
def a_reject_in_a_transaction_counts_at_its_commit(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel)
    confirmed(channel, queue, b"1")
    other = amqp_client.connect(broker).channel()
    other.tx_select()
    other.reject(lent(other, queue).tag, requeue=False)
    other.round_trip()
    equal(ready(channel, box), 0)
    other.tx_commit()
    equal(taken(channel, box).body, b"1")


@suite.test
def a_reject_that_is_rolled_back_is_none(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel)
    confirmed(channel, queue, b"1")
    connection = amqp_client.connect(broker)
    other = connection.channel()
    other.tx_select()
    other.reject(lent(other, queue).tag, requeue=False)
    other.tx_rollback()
    connection.close()
    equal(taken(channel, queue).body, b"1")
    equal(ready(channel, box), 0)


@suite.test
def large_bodies_die_whole(broker):
    channel, body = channel_of(broker), bytes(range(256)) * 4096
    queue, box = letter_box(channel)
    confirmed(channel, queue, body, delivery_mode=2)
    reject(channel, queue)
    equal(taken(channel, box).body, body)


@suite.test
def many_deaths_at_once_keep_their_order(broker):
    channel, sent = channel_of(broker), [str(n).encode() for n in range(2000)]
    queue, box = letter_box(channel)
    confirmed(channel, queue, *sent, delivery_mode=2)
    channel.consume(queue, "c")
    for _ in sent:
        last = channel.message()
    channel.nack(last.tag, multiple=True, requeue=False)
    comes_to_hold(channel, box, len(sent))
    equal(bodies(channel, box), sent)


@suite.test
def a_death_in_a_quorum_queue_tells_of_the_returns_before(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, QUORUM)
    confirmed(channel, queue, b"1")
    channel.nack(lent(channel, queue).tag, requeue=True)
    reject(channel, queue)
    equal(taken(channel, box).headers["x-death"][0]["count"], 1)


@suite.test
def a_message_with_many_headers_dies_into_many_queues_in_no_time(broker):
    only_sluice(broker, "its work is not measured")
    with brokers.Broker(broker.binary) as own:
        channel, fan = channel_of(own), unique("fan")
        channel.exchange_declare(fan, "fanout")
        for _ in range(1000):
            queue = unique("grave")
            channel.queue_declare(queue, no_wait=True, arguments={"x-max-length": 40})
            channel.queue_bind(queue, fan, no_wait=True)
        dying = CLASSIC.declare(channel, dead_letter_exchange=fan)
        headers = {f"{n:x}": None for n in range(18000)}
        before = own.cpu_seconds()
        for _ in range(40):
            channel.publish("", dying, b"", {"headers": headers, "expiration": "0"})
        comes_to_hold(channel, queue, 40)
        spent = own.cpu_seconds() - before
        assert spent < 1 or own.is_sanitized, f"it took {spent} s"
