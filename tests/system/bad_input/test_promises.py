"""Clusters, ids and prepared messages said wrongly: a clear error in the protocol's own form, and
nothing is there afterwards that was not there before."""

import admin
import amqp_client
import stomp_client
from amqp_client import ChannelClosed, ConnectionClosed
from ends import unique
from stomp_client import ErrorFrame
from suite import Suite, equal, has, raises

suite = Suite("bad promises")
YEAR = 365 * 24 * 3600 * 1000
LISTS = ("queues", "bindings", "exchanges", "clusters", "prepared")


def traces(broker, mark):
    """Everything in the listings that has the mark in it."""
    return [(what, row) for what in LISTS for row in admin.get(broker, what) if mark in str(row)]


def channel_of(broker, **options):
    return amqp_client.connect(broker, **options).channel()


def refused(code, call, *arguments, **named):
    """The channel is closed with that code, and a text that says more than the code."""
    closed = raises(ChannelClosed, call, *arguments, **named)
    equal(closed.code, code, str(closed))
    assert len(closed.text) > 25, closed.text
    return closed


def subscribe_refused(broker, destination, connected=None, **headers):
    connection = connected or stomp_client.connect(broker)
    error = raises(ErrorFrame, connection.subscribe, destination, "s", **headers)
    assert error.message and error.body and "receipt-id" in error.frame.headers, error
    return error


def send_refused(broker, headers, body=b"x"):
    """The connection lives on: what stands is told, and others may be tried."""
    connection = stomp_client.connect(broker)
    error = raises(ErrorFrame, connection.ask, "SEND",
                   {**headers, "content-length": len(body)}, body)
    assert error.message and "receipt-id" in error.frame.headers, error
    connection.ask("BEGIN", {"transaction": "t"})
    connection.wire.close()
    return error


# --- ClusterIDs and names


@suite.test
def a_bad_cluster_id_leaves_nothing(broker):
    for bad in ("x" * 65, "x" * 300, "x" * 60000, "a b", "a/b", "ä", "a\tb", "a%00b", "a*", "#", ""):
        mark = unique("bad")
        topic = f"VirtualTopic.{mark}"
        subscribe_refused(broker, f"/topic/{topic}", **{"cluster-id": bad})
        subscribe_refused(broker, f"/topic/{topic}@{bad}")
        subscribe_refused(broker, f"/queue/Consumer.{bad}.{topic}")
        raises(ErrorFrame, stomp_client.connect, broker, **{"cluster-id": bad})
        closed = raises(ConnectionClosed, amqp_client.connect, broker,
                        properties={"cluster_id": bad[:4000]})
        equal(closed.code, 530)
        for name in (f"/topic/{topic}@{bad}", f"/queue/Consumer.{bad}.{topic}"):
            if len(name.encode()) < 256:
                refused(406, channel_of(broker).queue_declare, name, durable=True)
                refused(406, channel_of(broker).consume, name)
        equal(traces(broker, mark), [])


@suite.test
def a_name_of_300_bytes_leaves_nothing(broker):
    for length in (256, 300, 5000):
        mark = unique("long")
        long = mark.ljust(length, "n")
        for destination, headers in (
                (f"/topic/{long}@c", {}), (f"/topic/{long}", {"cluster-id": "c"}),
                (f"/exchange/{long}@c", {}), (f"/exchange/amq.topic/{long}@c", {}),
                (f"/queue/{long}", {}), (f"/amq/queue/{long}", {}), (f"/topic/{long}", {}),
                (f"/queue/Consumer.c.VirtualTopic.{long}", {}),
                (f"/topic/{mark}", {"x-queue-name": long}),
                (f"/temp-queue/{mark}", {"x-queue-name": long})):
            connection = stomp_client.connect(broker)
            try:
                connection.subscribe(destination, "s", **headers)
                raise AssertionError(f"taken: {destination[:60]} {str(headers)[:60]}")
            except ErrorFrame as error:
                assert error.message and error.body, error
        for destination in (f"/queue/{long}", f"/topic/{long}", f"/exchange/{long}/k"):
            send_refused(broker, {"destination": destination, "persistent": "true"})
        equal(traces(broker, mark), [])


@suite.test
def a_name_that_becomes_too_long_with_its_cluster_leaves_nothing(broker):
    mark = unique("long")
    channel = channel_of(broker, properties={"cluster_id": "c" * 64})
    refused(406, channel.consume, f"/topic/{mark}".ljust(250, "p"))
    refused(406, channel_of(broker).consume, f"/queue/Consumer.{'c' * 65}.VirtualTopic.{mark}")
    connection = stomp_client.connect(broker, **{"cluster-id": "c" * 64})
    subscribe_refused(broker, f"/topic/{mark}".ljust(250, "p"), connection)
    equal(traces(broker, mark), [])


@suite.test
def a_cluster_id_together_with_a_queue_of_ones_own_leaves_nothing(broker):
    for name, value in (("x-queue-name", "own"), ("durable", "true"), ("persistent", "true"),
                        ("exclusive", "true"), ("auto-delete", "true")):
        mark = unique("both")
        value = mark if name == "x-queue-name" else value
        for destination, headers in ((f"/topic/{mark}@c", {}), (f"/topic/{mark}", {"cluster-id": "c"}),
                                     (f"/exchange/amq.fanout/{mark}@c", {}),
                                     (f"/queue/Consumer.c.VirtualTopic.{mark}", {})):
            subscribe_refused(broker, destination, **{name: value}, **headers)
        equal(traces(broker, mark), [])


# --- ids and windows


@suite.test
def a_window_of_nothing_or_of_a_year_leaves_nothing(broker):
    for name, value in (("x-dedup-window-ms", 0), ("x-dedup-window-ms", 999), ("x-dedup-window-ms", -1),
                        ("x-dedup-window-ms", YEAR), ("x-dedup-window-ms", 2**62),
                        ("x-cache-size", 0), ("x-cache-size", -5), ("x-cache-size", 10**8 + 1),
                        ("x-cache-ttl", 0), ("x-cache-ttl", YEAR)):
        mark = unique("window")
        for queue in (mark, f"/topic/{mark}@c"):
            has(refused(406, channel_of(broker).queue_declare, queue, durable=True,
                        arguments={name: value}).text, name)
        for destination in (f"/queue/{mark}", f"/topic/{mark}@c"):
            has(subscribe_refused(broker, destination, **{name: value}).body, name)
        error = raises(admin.Refused, admin.put, broker, "policies", "/", mark,
                       pattern=f"^{mark}", definition={name: value})
        equal(error.status, 400)
        equal(traces(broker, mark), [])
        assert mark not in str(admin.get(broker, "policies"))


@suite.test
def an_id_of_64_kib_is_an_id_or_a_clear_error(broker):
    """And whatever it is, the queue has the message once, or not at all."""
    queue, ident = unique("large"), "i" * 65536
    channel = channel_of(broker)
    channel.queue_declare(queue, durable=True)
    channel.confirm_select()
    for header in ("dedup-id", "_AMQ_DUPL_ID"):
        for _ in range(3):
            channel.publish("", queue, b"x", {"headers": {header: ident}, "delivery_mode": 2})
    channel.wait_confirms()
    equal(channel.queue_purge(queue), 1, "messages of one id")
    for length in (60000, 65536, 200000):
        connection = stomp_client.connect(broker)
        for _ in range(2):
            try:
                connection.ask("SEND", {"destination": f"/amq/queue/{queue}", "persistent": "true",
                                        "dedup-id": "s" * length}, b"x")
            except ErrorFrame as error:
                assert error.message and error.body, error
                break
    assert channel.queue_purge(queue) <= 2, "more than once"


@suite.test
def a_time_that_is_none_on_a_message_is_no_harm(broker):
    queue = unique("ttl")
    channel = channel_of(broker)
    channel.queue_declare(queue, durable=True, arguments={"x-cache-size": 100})
    channel.confirm_select()
    for number, ttl in enumerate((0, -1, YEAR, 2**62, "soon", "", "9" * 300, True, None, {"a": 1}, 1.5)):
        for _ in range(2):
            channel.publish("", queue, b"x", {"delivery_mode": 2, "headers": {
                "x-deduplication-header": f"{queue}{number}", "x-cache-ttl": ttl}})
    channel.wait_confirms()
    assert 11 <= channel.queue_purge(queue) <= 22


# --- prepared messages


@suite.test
def a_prepare_without_an_id_leaves_nothing(broker):
    mark = unique("none")
    watcher = channel_of(broker)
    watcher.queue_declare(mark, durable=True)
    for bad in ("", "i" * 256, "i" * 60000, None, True, 7, 1.5, {"a": 1}, ["a"]):
        channel = channel_of(broker)
        channel.confirm_select()
        channel.publish("", mark, b"x", {"headers": {"x-prepare": bad}, "delivery_mode": 2})
        closed = raises(ChannelClosed, channel.wait_confirms)
        equal(closed.code, 406, f"{bad!r:.20} {closed}")
    for bad in ("", "i" * 256, "i" * 60000):
        send_refused(broker, {"destination": f"/amq/queue/{mark}", "x-prepare": bad})
    equal(admin.get(broker, "queues", "/", mark)["messages"], 0)
    assert not [row for row in admin.get(broker, "prepared") if mark in str(row)]


@suite.test
def outcomes_that_cannot_be_leave_everything_as_it_was(broker):
    queue, ident = unique("outcome"), unique("id")
    watcher = channel_of(broker)
    watcher.queue_declare(queue, durable=True)
    stomp_client.connect(broker).ask("SEND", {
        "destination": f"/amq/queue/{queue}", "x-prepare": ident, "persistent": "true"}, b"x")

    def amqp(code, key, headers):
        channel = channel_of(broker)
        channel.confirm_select()
        channel.publish("amq.prepared", key, b"", {"headers": headers})
        closed = raises(ChannelClosed, channel.wait_confirms)
        equal(closed.code, code, f"{str(headers)[:60]} {closed}")
        return closed

    for key, code in (("unknown", 404), ("", 406), ("u" * 255, 404)):
        for outcome in ("commit", "rollback"):
            amqp(code, key, {"outcome": outcome})
    for headers in ({}, {"outcome": ""}, {"outcome": "both"}, {"outcome": "x" * 60000},
                    {"outcome": True}, {"outcome": None}, {"outcome": {"commit": 1}},
                    {"outcome": ["commit", "rollback"]}):
        amqp(406, ident, headers)
    amqp(404, ident, {"outcome": "commit", "prepared-user": "nobody"})
    for key in ("unknown", "u" * 300, "u" * 60000, ""):
        send_refused(broker, {"destination": f"/prepared/{key}", "outcome": "commit"})
    for outcome in ("", "both", "x" * 60000):
        send_refused(broker, {"destination": f"/prepared/{ident}", "outcome": outcome})
    send_refused(broker, {"destination": f"/prepared/{ident}"})
    equal(len([row for row in admin.get(broker, "prepared") if ident in str(row)]), 1)
    equal(watcher.queue_declare(queue, passive=True)[1], 0)
    stomp_client.connect(broker).ask("SEND", {"destination": f"/prepared/{ident}",
                                              "outcome": "rollback"})


@suite.test
def contradicting_outcomes_say_what_stands(broker):
    for first, other, text in (("commit", "rollback", "was committed"),
                               ("rollback", "commit", "was rolled back")):
        queue, ident = unique("contra"), unique("id")
        watcher = channel_of(broker)
        watcher.queue_declare(queue, durable=True)
        watcher.confirm_select()
        watcher.publish("", queue, b"x", {"headers": {"x-prepare": ident}, "delivery_mode": 2})
        watcher.publish("amq.prepared", ident, b"", {"headers": {"outcome": first}})
        watcher.wait_confirms()
        error = send_refused(broker, {"destination": f"/prepared/{ident}", "outcome": other})
        has(error.body, text)
        channel = channel_of(broker)
        channel.confirm_select()
        channel.publish("amq.prepared", ident, b"", {"headers": {"outcome": other}})
        closed = raises(ChannelClosed, channel.wait_confirms)
        equal(closed.code, 406)
        has(closed.text, text)
        has(closed.text, ident)
        equal(watcher.queue_declare(queue, passive=True)[1], 1 if first == "commit" else 0)
