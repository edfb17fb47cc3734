"""Selectors: a queue of a subscription takes what it selects, and nothing else is ever in it."""

import amqp_client
import broker as brokers
import stomp_client
from amqp_client import ChannelClosed
from ends import unique
from suite import Suite, equal, has, only_sluice, raises
from stomp_client import ErrorFrame

suite = Suite("selector")

NONE = "RabbitMQ's adapter has no selectors"


def topic():
    return f"/topic/{unique('sel')}"


def subscriber(broker, destination, selector, **headers):
    connection = stomp_client.connect(broker)
    connection.subscribe(destination, selector=selector, **headers)
    return connection


def bodies(connection, count):
    return [connection.message().body for _ in range(count)]


def send(connection, destination, body, **headers):
    connection.ask("SEND", {"destination": destination, **headers}, body)


def refused(call, *arguments, **named):
    return raises(ErrorFrame, call, *arguments, **named)


@suite.test
def a_subscription_gets_what_it_selects(broker):
    only_sluice(broker, NONE)
    where = topic()
    red = subscriber(broker, where, "colour = 'red'")
    heavy = subscriber(broker, where, "weight > 2.5 AND colour IS NOT NULL")
    everything = stomp_client.connect(broker)
    everything.subscribe(where)
    for colour, weight in (("red", 1), ("blue", 10), ("red", "3.0"), ("green", "much")):
        send(everything, where, f"{colour} {weight}".encode(), colour=colour, weight=weight)
    send(everything, where, b"bare")
    send(everything, where, b"end", colour="red", weight=99)
    equal(bodies(red, 3), [b"red 1", b"red 3.0", b"end"])
    equal(bodies(heavy, 3), [b"blue 10", b"red 3.0", b"end"])
    equal(bodies(everything, 6),
          [b"red 1", b"blue 10", b"red 3.0", b"green much", b"bare", b"end"])


@suite.test
def what_it_does_not_select_is_not_in_its_queue(broker):
    only_sluice(broker, NONE)
    where, queue = topic(), unique()
    stomp = subscriber(broker, where, "n BETWEEN 2 AND 3", ack="client-individual",
                       **{"x-queue-name": queue})
    for n in range(6):
        send(stomp, where, str(n).encode(), n=n)
    equal(bodies(stomp, 2), [b"2", b"3"])
    channel = amqp_client.connect(broker).channel()
    equal(channel.queue_declare(queue, passive=True)[1], 0)
    stomp.kill()  # both loans go back, or their queue goes


@suite.test
def publishers_over_amqp_are_selected_by_headers_and_properties(broker):
    only_sluice(broker, NONE)
    key = unique("sel")
    stomp = subscriber(broker, f"/topic/{key}",
                       "JMSType = 'order' AND JMSPriority >= 5 AND paid AND total > 10")
    channel = amqp_client.connect(broker).channel()
    channel.confirm_select()
    for body, properties in (
            (b"yes", {"type": "order", "priority": 5, "headers": {"paid": True, "total": 11}}),
            (b"type", {"type": "offer", "priority": 5, "headers": {"paid": True, "total": 11}}),
            (b"priority", {"type": "order", "headers": {"paid": True, "total": 11}}),
            (b"paid", {"type": "order", "priority": 5, "headers": {"paid": False, "total": 11}}),
            (b"total", {"type": "order", "priority": 5, "headers": {"paid": True, "total": 10}}),
            (b"none", {}),
            (b"end", {"type": "order", "priority": 9, "headers": {"paid": True, "total": 99}})):
        channel.publish("amq.topic", key, body, properties)
    channel.wait_confirms()
    equal(bodies(stomp, 2), [b"yes", b"end"])


@suite.test
def a_message_that_nobody_selects_is_returned(broker):
    only_sluice(broker, NONE)
    key = unique("sel")
    stomp = subscriber(broker, f"/topic/{key}", "colour = 'red'")
    channel = amqp_client.connect(broker).channel()
    channel.confirm_select()
    channel.publish("amq.topic", key, b"blue", {"headers": {"colour": "blue"}}, mandatory=True)
    equal(channel.wait("basic.return")[1].reply_code, 312)
    channel.publish("amq.topic", key, b"red", {"headers": {"colour": "red"}}, mandatory=True)
    equal(bodies(stomp, 1), [b"red"])


@suite.test
def what_nobody_selects_goes_to_the_alternate_exchange(broker):
    only_sluice(broker, NONE)
    channel = amqp_client.connect(broker).channel()
    exchange, rest = unique("x"), unique("rest")
    channel.exchange_declare(rest, "fanout")
    channel.exchange_declare(exchange, "topic", arguments={"alternate-exchange": rest})
    red = subscriber(broker, f"/exchange/{exchange}/k", "colour = 'red'")
    others = stomp_client.connect(broker)
    others.subscribe(f"/exchange/{rest}")
    for colour in ("blue", "red", "green"):
        send(red, f"/exchange/{exchange}/k", colour.encode(), colour=colour)
    equal(bodies(others, 2), [b"blue", b"green"])
    equal(bodies(red, 1), [b"red"])


@suite.test
def the_history_of_an_exchange_is_selected(broker):
    only_sluice(broker, NONE)
    exchange = unique("x")
    channel = amqp_client.connect(broker).channel()
    channel.exchange_declare(exchange, "x-recent-history")
    channel.confirm_select()
    for colour in ("blue", "red", "green", "red"):
        channel.publish(exchange, "", colour.encode(), {"headers": {"colour": colour}})
    channel.wait_confirms()
    red = subscriber(broker, f"/exchange/{exchange}", "colour = 'red'")
    send(red, f"/exchange/{exchange}", b"end", colour="red")
    equal(bodies(red, 3), [b"red", b"red", b"end"])


@suite.test
def a_queue_that_selects_does_so_by_its_name_too(broker):
    only_sluice(broker, NONE)
    queue = unique()
    channel = amqp_client.connect(broker).channel()
    channel.queue_declare(queue, arguments={"x-selector": "n > 1"})
    channel.confirm_select()
    for n in (1, 2):
        channel.publish("", queue, b"%d" % n, {"headers": {"n": n}}, mandatory=True)
    equal(channel.wait("basic.return")[1].body, b"1")
    channel.wait_confirms()
    equal(channel.queue_declare(queue, passive=True)[1], 1)


@suite.test
def a_transaction_is_selected_at_commit(broker):
    only_sluice(broker, NONE)
    where = topic()
    stomp = subscriber(broker, where, "n > 1")
    stomp.send("BEGIN", {"transaction": "t"})
    for n in range(4):
        stomp.send("SEND", {"destination": where, "transaction": "t", "n": n}, str(n).encode())
    stomp.ask("COMMIT", {"transaction": "t"})
    equal(bodies(stomp, 2), [b"2", b"3"])


@suite.test
def a_bad_selector_is_an_error_and_nothing_is_made(broker):
    only_sluice(broker, NONE)
    stomp = stomp_client.connect(broker)
    queue = unique()
    error = refused(stomp.subscribe, topic(), selector="colour = ", **{"x-queue-name": queue})
    equal((error.message, error.body.strip()), (
        "Invalid selector", "a name, a value or a parenthesis should be here"
        " (character 10 of the selector)"))
    equal(error.frame.headers["receipt-id"], "r-1")
    error = refused(stomp.subscribe, topic(), selector="a = '" + "x" * 1100 + "'")
    equal(error.body.strip(), "a selector may have 1024 bytes at most")
    channel = amqp_client.connect(broker).channel()
    equal(raises(ChannelClosed, channel.queue_declare, queue, passive=True).code, 404)
    stomp.subscribe(topic(), selector="colour = 'x'")  # the connection and the id are free


@suite.test
def a_shared_queue_has_no_selector(broker):
    only_sluice(broker, NONE)
    queue = unique()
    stomp = stomp_client.connect(broker)
    for prefix in ("/queue/", "/amq/queue/", ""):
        error = refused(stomp.subscribe, prefix + queue, selector="a = 1")
        equal(error.message, "Invalid selector")
        has(error.body, "shared")
    channel = amqp_client.connect(broker).channel()
    equal(raises(ChannelClosed, channel.queue_declare, queue, passive=True).code, 404)
    stomp.subscribe("/queue/" + queue)


@suite.test
def the_instances_of_a_cluster_select_the_same(broker):
    only_sluice(broker, NONE)
    where = topic()
    one = subscriber(broker, f"{where}@c", "n > 5")
    same = subscriber(broker, f"{where}@c", "n > 5")
    silent = stomp_client.connect(broker)
    silent.subscribe(f"{where}@c")
    other = stomp_client.connect(broker)
    error = refused(other.subscribe, f"{where}@c", selector="n > 6")
    equal(error.message, "precondition_failed")
    has(error.body, "inequivalent arg 'x-selector' for queue")
    has(error.body, "received 'n > 6' but current is 'n > 5'")
    for n in (1, 6, 7, 8):
        send(one, where, str(n).encode(), n=n)
    equal(sorted(c.message().body for c in (one, same, silent)), [b"6", b"7", b"8"])


@suite.test
def a_cluster_queue_is_declared_with_a_selector_over_amqp(broker):
    only_sluice(broker, NONE)
    where = topic()
    connection = amqp_client.connect(broker)
    channel = connection.channel()
    channel.queue_declare(f"{where}@c", durable=True, arguments={"x-selector": "n > 5"})
    stomp = stomp_client.connect(broker)
    stomp.subscribe(f"{where}@c", selector="n > 5")
    for n in (5, 6):
        send(stomp, where, str(n).encode(), n=n)
    equal(bodies(stomp, 1), [b"6"])
    for selector in ("n > 6", "n >"):
        closed = raises(ChannelClosed, connection.channel().queue_declare, f"{where}@c",
                        durable=True, arguments={"x-selector": selector})
        equal(closed.code, 406)
        has(closed.text, "inequivalent arg 'x-selector'")
    closed = raises(ChannelClosed, connection.channel().queue_declare, unique(),
                    arguments={"x-selector": "n >"})
    has(closed.text, "character 4 of the selector")


@suite.test
def a_selector_outlives_the_gateway(gateway):
    only_sluice(gateway, NONE)
    with brokers.Broker(gateway.binary, workers=2) as own:
        stomp = subscriber(own, "/topic/t", "n > 5", durable="true", **{"auto-delete": "false"})
        stomp.close()
        own.process.kill()
        own.process.wait()
        own.process.stdout.close()
        own.log.close()
        own.start()
        stomp = stomp_client.connect(own)
        for n in (5, 6):
            send(stomp, "/topic/t", str(n).encode(), n=n)
        stomp.subscribe("/topic/t", selector="n > 5", durable="true", **{"auto-delete": "false"})
        equal(bodies(stomp, 1), [b"6"])
        other = stomp_client.connect(own)
        equal(refused(other.subscribe, "/topic/t", durable="true",
                      **{"auto-delete": "false"}).message, "precondition_failed")
