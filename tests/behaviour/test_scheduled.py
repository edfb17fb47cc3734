"""Scheduled delivery as clients of ActiveMQ and Artemis ask for it: a SEND to any destination that
comes later, to consumers of both protocols."""

import time

import admin
import amqp_client
import broker as brokers
import stomp_client
from ends import unique
from rules import channel_of
from stomp_client import ErrorFrame, encode
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("scheduled")

NONE = "RabbitMQ's adapter does not know them"
GRAIN = 0.002  # the broker counts in milliseconds
BATCH = 0.1  # after a start it knows the time of a batch of records only
PATIENCE = 30.0
FAR = 3600 * 1000
DELAY = "AMQ_SCHEDULED_DELAY"
TIMES = ("AMQ_SCHEDULED_TIME", "_AMQ_SCHED_DELIVERY")
MOST = 4294967295


def send(connection, destination, body, delay=None, **headers):
    if delay is not None:
        headers[DELAY] = str(delay)
    connection.ask("SEND", {"destination": destination, "persistent": "true", **headers}, body)


def from_now(ms):
    return str(int(time.time() * 1000) + ms)


def comes(channel, queue):
    return wait_until(lambda: channel.get(queue, no_ack=True), f"a message in {queue}", PATIENCE)


def held(broker, vhost):
    every = admin.get(broker, "exchanges", vhost)
    return next(e for e in every if e["name"] == "").get("messages_delayed", 0)


def comes_to_hold(broker, count, vhost="/"):
    """Who holds them counts them, maybe a moment after who publishes has its receipt."""
    wait_until(lambda: held(broker, vhost) == count, f"{count} messages held in {vhost}")


def refused(broker, destination, text, **headers):
    connection = stomp_client.connect(broker)
    error = raises(ErrorFrame, send, connection, destination, b"x", **headers)
    equal(error.message, "Invalid header")
    has(str(error.body), text)
    send(connection, destination, b"the connection stays")


@suite.test
def what_would_come_more_than_once_is_refused(broker):
    only_sluice(broker, NONE)
    for word, value in (("PERIOD", "1000"), ("REPEAT", "9"), ("CRON", "* * * * *"), ("X", "1")):
        refused(broker, f"/queue/{unique()}", f"'AMQ_SCHEDULED_{word}' is not supported",
                **{DELAY: "50", f"AMQ_SCHEDULED_{word}": value})


@suite.test
def times_that_are_none_are_refused(broker):
    only_sluice(broker, NONE)
    where = f"/queue/{unique()}"
    for value in ("", "-1", "soon", "1.5", " 5", "99999999999999999999", str(MOST + 1)):
        refused(broker, where, f"'{DELAY}'", **{DELAY: value})
    for word in TIMES:
        for value in ("", "-1", "tomorrow", from_now(MOST + 60000), str((1 << 64) - 1)):
            refused(broker, where, f"'{word}'", **{word: value})


@suite.test
def two_times_are_refused(broker):
    only_sluice(broker, NONE)
    for one, other in ((DELAY, TIMES[0]), (*TIMES,), (TIMES[1], "x-delay")):
        refused(broker, f"/queue/{unique()}", "only once", **{one: "50", other: "50"})


@suite.test
def prepared_messages_are_not_scheduled(broker):
    only_sluice(broker, NONE)
    refused(broker, f"/queue/{unique()}", "cannot be scheduled",
            **{DELAY: "50", "x-prepare": unique()})


@suite.test
def what_is_due_already_comes_at_once(broker):
    only_sluice(broker, NONE)
    queue, channel = unique(), channel_of(broker)
    connection = stomp_client.connect(broker)
    for word, value in ((DELAY, "0"), (TIMES[0], "0"), (TIMES[1], from_now(-5000))):
        send(connection, f"/queue/{queue}", value.encode(), **{word: value})
        equal(channel.get(queue, no_ack=True).body, value.encode())


@suite.test
def nothing_comes_before_its_time(broker):
    only_sluice(broker, NONE)
    queue, channel = unique(), channel_of(broker)
    connection = stomp_client.connect(broker)
    for delay in (50, 400, 1100):
        began = time.monotonic()
        send(connection, f"/queue/{queue}", b"%d" % delay, delay, own="h")
        got = comes(channel, queue)
        assert time.monotonic() - began >= delay / 1000 - GRAIN, delay
        equal((got.body, got.exchange, got.key), (b"%d" % delay, "", queue))
        equal(got.headers, {"own": "h", "x-delay": -delay})  # and no word to be delayed by again


@suite.test
def a_time_of_the_clock_is_waited_for(broker):
    only_sluice(broker, NONE)
    queue, channel = unique(), channel_of(broker)
    connection = stomp_client.connect(broker)
    for word in TIMES:
        due = time.time() + 0.4
        send(connection, f"/queue/{queue}", b"x", **{word: str(int(due * 1000))})
        assert int(comes(channel, queue).headers.get("x-delay", -1)) < 0
        assert time.time() >= due - 2 * GRAIN


@suite.test
def they_come_in_the_order_of_their_times(broker):
    only_sluice(broker, NONE)
    where = f"/queue/{unique()}"
    connection = stomp_client.connect(broker)
    connection.subscribe(where)
    connection.wire.send(b"".join(encode("SEND", {"destination": where, DELAY: delay},
                                         b"%d" % delay) for delay in (1900, 900, 100, 0)))
    equal([connection.message(timeout=PATIENCE).body for _ in range(4)],
          [b"0", b"100", b"900", b"1900"])


@suite.test
def every_kind_of_destination_is_found_when_it_is_due(broker):
    only_sluice(broker, NONE)
    channel, (exchange, queue) = channel_of(broker), (unique("x"), unique())
    channel.exchange_declare(exchange, "direct")
    channel.queue_declare(queue)
    sender, topic = stomp_client.connect(broker), unique()
    places = (f"/topic/{topic}.a", f"/exchange/{exchange}/k", f"/amq/queue/{queue}",
              f"/topic/{topic}.b")
    for i, where in enumerate(places):
        send(sender, where, b"%d" % i, 4000)
    # What has no subscriber yet, and no binding, has one when it is due.
    reader = stomp_client.connect(broker)
    reader.subscribe(f"/topic/{topic}.*", id="t")
    reader.subscribe(f"/topic/{topic}.b@c", id="c")
    channel.queue_bind(queue, exchange, "k")
    got = [reader.message(timeout=PATIENCE) for _ in range(3)]
    equal(sorted((m.headers["subscription"], m.body) for m in got),
          [("c", b"3"), ("t", b"0"), ("t", b"3")])
    equal([comes(channel, queue).body for _ in range(2)], [b"1", b"2"])


@suite.test
def a_body_without_its_length_waits_too(broker):
    only_sluice(broker, NONE)
    queue, channel = unique(), channel_of(broker)
    channel.queue_declare(queue)
    connection = stomp_client.connect(broker)
    head = f"SEND\ndestination:/amq/queue/{queue}\n{DELAY}:2500\nreceipt:r\n\n".encode()
    connection.wire.send(head + b"half")
    connection.wire.send(b" and half\0")
    connection.receipt("r")
    equal(channel.get(queue), None)
    equal(comes(channel, queue).body, b"half and half")


@suite.test
def an_exchange_that_delays_does_not_delay_again(broker):
    only_sluice(broker, NONE)
    channel, (exchange, queue) = channel_of(broker), (unique("later"), unique())
    channel.exchange_declare(exchange, "x-delayed-message", arguments={"x-delayed-type": "direct"})
    channel.queue_declare(queue)
    channel.queue_bind(queue, exchange, "k")
    began = time.monotonic()
    send(stomp_client.connect(broker), f"/exchange/{exchange}/k", b"x", 300)
    equal(comes(channel, queue).headers, {"x-delay": -300})
    assert time.monotonic() - began >= 0.3 - GRAIN


@suite.test
def other_publishes_to_the_same_place_are_not_delayed(broker):
    only_sluice(broker, NONE)
    queue, channel = unique(), channel_of(broker)
    connection = stomp_client.connect(broker)
    send(connection, f"/queue/{queue}", b"scheduled", FAR)
    send(connection, f"/queue/{queue}", b"stomp")
    send(connection, f"/queue/{queue}", b"header", **{"x-delay": "60000"})
    channel.confirm_select()
    channel.publish("", queue, b"amqp", {"headers": {"x-delay": 60000, DELAY: "60000"}})
    channel.wait_confirms()
    equal([channel.get(queue, no_ack=True).body for _ in range(3)], [b"stomp", b"header", b"amqp"])
    equal(channel.get(queue), None)


@suite.test
def an_exchange_that_is_not_there_is_an_error_at_once(broker):
    only_sluice(broker, NONE)
    connection = stomp_client.connect(broker)
    error = raises(ErrorFrame, send, connection, f"/exchange/{unique()}/k", b"x", 50)
    equal(error.message, "not_found")


@suite.test
def who_may_not_publish_may_not_schedule(broker):
    only_sluice(broker, NONE)
    user, topic = unique("user"), unique()
    admin.put(broker, "users", user, password="secret", tags="")
    admin.put(broker, "permissions", "/", user, configure="", write="^amq.topic$", read="")
    admin.put(broker, "topic-permissions", "/", user, exchange="amq.topic", write=f"^{topic}$",
              read="")
    try:
        for where in ("/amq/queue/q", f"/topic/{unique()}", "/exchange/amq.direct/k"):
            connection = stomp_client.connect(broker, login=user, passcode="secret")
            error = raises(ErrorFrame, send, connection, where, b"x", 50)
            equal(error.message, "access_refused")
        connection = stomp_client.connect(broker, login=user, passcode="secret")
        reader = stomp_client.connect(broker)
        reader.subscribe(f"/topic/{topic}")
        send(connection, f"/topic/{topic}", b"x", 50)
        equal(reader.message(timeout=PATIENCE).body, b"x")
    finally:
        admin.delete(broker, "users", user)


@suite.test
def a_transaction_schedules_at_its_commit(broker):
    only_sluice(broker, NONE)
    queue, channel = unique(), channel_of(broker)
    connection = stomp_client.connect(broker)
    connection.ask("BEGIN", {"transaction": "no"})
    send(connection, f"/queue/{queue}", b"no", 50, transaction="no")
    connection.ask("ABORT", {"transaction": "no"})
    connection.ask("BEGIN", {"transaction": "t"})
    for body, delay in ((b"second", 500), (b"first", 200), (b"now", None)):
        send(connection, f"/queue/{queue}", body, delay, transaction="t")
    began = time.monotonic()
    connection.ask("COMMIT", {"transaction": "t"})
    equal([comes(channel, queue).body for _ in range(3)], [b"now", b"first", b"second"])
    assert time.monotonic() - began >= 0.5 - GRAIN
    equal(channel.get(queue), None)


@suite.test
def an_expiry_is_that_of_the_clock_and_a_time_to_live_begins_when_it_is_due(broker):
    only_sluice(broker, NONE)
    queue, expired, channel = unique(), unique("expired"), channel_of(broker)
    channel.queue_declare(expired)
    channel.queue_declare(queue, arguments={"x-dead-letter-exchange": "",
                                            "x-dead-letter-routing-key": expired})
    connection = stomp_client.connect(broker)
    send(connection, f"/amq/queue/{queue}", b"gone", 300, expires=from_now(100))
    send(connection, f"/amq/queue/{queue}", b"kept", 500, expiration="60000")
    equal(comes(channel, expired).body, b"gone")
    got = comes(channel, queue)
    equal((got.body, got.properties["expiration"]), (b"kept", "60000"))


@suite.test
def a_queue_that_is_gone_when_it_is_due_loses_its_message_alone(broker):
    only_sluice(broker, NONE)
    gone, stays, channel = unique(), unique(), channel_of(broker)
    connection = stomp_client.connect(broker)
    send(connection, f"/queue/{gone}", b"x", 300)
    send(connection, f"/queue/{stays}", b"y", 300)
    channel.queue_delete(gone)
    equal(comes(channel, stays).body, b"y")


@suite.test(alone=True)
def they_wait_on_over_kill_9(broker):
    only_sluice(broker, "it is not ours to stop")
    with brokers.Broker(broker.binary, workers=broker.workers) as own:
        connection, topic, queue = stomp_client.connect(own), unique(), unique()
        channel = amqp_client.connect(own).channel()
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, "amq.topic", topic)
        began = time.monotonic()
        for delay in (1, 700, 2500, FAR):
            send(connection, f"/topic/{topic}", b"%d" % delay, delay)
        connection.kill()
        own.process.kill()
        own.process.wait()
        own.start()
        channel = amqp_client.connect(own).channel()
        channel.consume(queue, no_ack=True)
        got = [channel.message(timeout=PATIENCE) for _ in range(3)]
        equal([m.body for m in got], [b"1", b"700", b"2500"])
        equal((got[2].exchange, got[2].key), ("amq.topic", topic))
        assert time.monotonic() - began >= 2.5 - BATCH
        comes_to_hold(own, 1)
        channel.connection.close()


@suite.test(alone=True)
def what_waits_goes_with_its_virtual_host(broker):
    only_sluice(broker, "it is not ours to stop")
    with brokers.Broker(broker.binary, workers=broker.workers) as own:
        for _ in range(2):
            admin.put(own, "vhosts", "tenant")
            admin.put(own, "permissions", "tenant", "guest", configure=".*", write=".*", read=".*")
            connection = stomp_client.connect(own, host="tenant")
            for i in range(3):
                send(connection, f"/queue/{unique()}", b"x", FAR)
            comes_to_hold(own, 3, "tenant")
            connection.kill()
            admin.call(own, "DELETE", "vhosts", "tenant")
        comes_to_hold(own, 0)
