"""Browsers: what a queue holds is shown, and stays as it is."""

import amqp_client
import broker as brokers
import stomp_client
from ends import unique
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises

suite = Suite("browser")

NONE = "RabbitMQ's adapter has no browsers"


def refused(call, *arguments, **named):
    return raises(ErrorFrame, call, *arguments, **named)


def fill(connection, destination, *texts, **headers):
    for text in texts:
        connection.ask("SEND", {"destination": destination, **headers}, text)


def browse(connection, destination, id="b", **headers):
    """All that it is shown, to the end."""
    connection.subscribe(destination, id=id, browser="true", **headers)
    shown = []
    while True:
        message = connection.message(subscription=id)
        if message.headers.get("browser") == "end":
            connection.ask("UNSUBSCRIBE", {"id": id})
            return shown, message
        shown.append(message)


def bodies(connection, destination, **headers):
    return [m.body for m in browse(connection, destination, **headers)[0]]


@suite.test
def an_empty_queue_shows_its_end(broker):
    only_sluice(broker, NONE)
    stomp, where = stomp_client.connect(broker), f"/queue/{unique()}"
    shown, end = browse(stomp, where)
    equal(shown, [])
    equal(end.pairs, [("subscription", "b"), ("destination", where), ("message-id", "0"),
                      ("browser", "end"), ("content-length", "0")])


@suite.test
def everything_is_shown_in_order_and_stays(broker):
    only_sluice(broker, NONE)
    stomp, where = stomp_client.connect(broker), f"/queue/{unique()}"
    texts = [b"%d" % n for n in range(1000)]
    for text in texts[:-1]:
        stomp.send("SEND", {"destination": where}, text)
    fill(stomp, where, texts[-1])
    equal(bodies(stomp, where), texts)
    equal(bodies(stomp, where, ack="client"), texts)
    stomp.subscribe(where)
    taken = [stomp.message() for _ in texts]
    equal([m.body for m in taken], texts)
    equal({m.headers["redelivered"] for m in taken}, {"false"})


@suite.test
def what_is_out_is_not_shown_and_what_came_back_is(broker):
    only_sluice(broker, NONE)
    stomp, where = stomp_client.connect(broker), f"/queue/{unique()}"
    fill(stomp, where, b"a", b"b", b"c")
    stomp.subscribe(where, ack="client-individual", **{"prefetch-count": "1"})
    out = stomp.message()
    equal(bodies(stomp, where), [b"b", b"c"])
    stomp.send("UNSUBSCRIBE", {"id": "s"})
    shown, _ = browse(stomp, where)
    equal([(m.body, m.headers["redelivered"]) for m in shown],
          [(b"a", "true"), (b"b", "false"), (b"c", "false")])
    equal(out.body, b"a")


@suite.test
def what_comes_later_is_not_shown(broker):
    only_sluice(broker, NONE)
    stomp, where = stomp_client.connect(broker), f"/queue/{unique()}"
    fill(stomp, where, b"a")
    stomp.send("SUBSCRIBE", {"destination": where, "id": "b", "browser": "true"})
    fill(stomp, where, b"b")  # behind the SUBSCRIBE
    equal(stomp.message().body, b"a")
    equal(stomp.message().headers["browser"], "end")


@suite.test
def priorities_are_shown_highest_first(broker):
    only_sluice(broker, NONE)
    stomp, where = stomp_client.connect(broker), f"/queue/{unique()}"
    for n, priority in enumerate((0, 5, 9, 5, 0)):
        fill(stomp, where, b"%d" % n, priority=priority, **{"x-max-priority": "9"})
    equal(bodies(stomp, where, **{"x-max-priority": "9"}), [b"2", b"1", b"3", b"0", b"4"])


@suite.test
def a_browsed_message_cannot_be_acknowledged(broker):
    only_sluice(broker, NONE)
    stomp, where = stomp_client.connect(broker), f"/queue/{unique()}"
    fill(stomp, where, b"a")
    stomp.subscribe(where, id="b", browser="true", ack="client-individual")
    shown = stomp.message()
    equal("ack" in shown.headers, False)
    for frame in ("ACK", "NACK"):
        equal(refused(stomp.ask, frame, {"id": shown.headers["message-id"]}).message,
              "Message not found")
    equal(stomp.message().headers["browser"], "end")
    stomp.subscribe(where)
    equal(stomp.message(subscription="s").headers["redelivered"], "false")


@suite.test
def a_topic_cannot_be_browsed_and_a_cluster_queue_can(broker):
    only_sluice(broker, NONE)
    stomp, where = stomp_client.connect(broker), f"/topic/{unique()}"
    error = refused(stomp.subscribe, where, browser="true")
    equal((error.message, error.body.strip()), ("Invalid header", "Only a queue can be browsed"))
    stomp.subscribe(where + "@c", ack="client-individual")
    stomp.ask("UNSUBSCRIBE", {"id": "s"})
    fill(stomp, where, b"a")
    equal(bodies(stomp, where + "@c"), [b"a"])


@suite.test
def many_at_once_are_refused(broker):
    only_sluice(broker, NONE)
    stomp, where = stomp_client.connect(broker), f"/queue/{unique()}"
    for i in range(16):
        stomp.subscribe(where, id=f"b{i}", browser="true")
        equal(stomp.message().headers["browser"], "end")
    has(refused(stomp.subscribe, where, id="more", browser="true").body, "limit 16")
    stomp.ask("UNSUBSCRIBE", {"id": "b3"})
    stomp.subscribe(where, id="more", browser="true")


@suite.test
def a_browser_that_does_not_read_holds_nothing_up(broker):
    only_sluice(broker, NONE)
    where = f"/queue/{unique()}"
    stomp = stomp_client.connect(broker)
    slow = stomp_client.Connection(broker.stomp_port, receive_buffer=4096).open()
    texts = [b"%04d" % n * 5000 for n in range(300)]  # more than sockets take
    for text in texts[:-1]:
        stomp.send("SEND", {"destination": where}, text)
    fill(stomp, where, texts[-1])
    slow.ask("SUBSCRIBE", {"destination": where, "id": "b", "browser": "true"})
    channel = amqp_client.connect(broker).channel()
    equal(channel.queue_declare(where[7:], passive=True)[1], 300)
    shown = [slow.message() for _ in range(301)]
    equal([m.body[:4] for m in shown[:-1]], [text[:4] for text in texts])
    equal(shown[-1].headers["browser"], "end")


@suite.test
def what_was_paged_out_is_shown_with_bounded_memory(gateway):
    only_sluice(gateway, NONE)
    with brokers.Broker(gateway.binary, "--memory-budget", "8m", workers=2) as own:
        stomp, where = stomp_client.connect(own), "/queue/q"
        count, size = 3000, 20000
        for n in range(count - 1):
            stomp.publish(where, b"%08d" % n + b"x" * size, persistent=str(n % 2 == 0).lower())
        fill(stomp, where, b"%08d" % (count - 1))
        stomp.subscribe(where, id="b", browser="true")
        for n in range(count):
            equal(stomp.message().body[:8], b"%08d" % n)
        equal(stomp.message().headers["browser"], "end")
        if not own.is_sanitized:
            assert own.rss_kib() < 64 * 1024, f"{own.rss_kib()} KiB"
        equal(amqp_client.connect(own).channel().queue_declare("q", passive=True)[1], count)
