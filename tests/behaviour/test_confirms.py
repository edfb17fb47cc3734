"""What a confirmation means to a publisher: confirms, receipts, returns."""

import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from ends import Watcher, unique
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("confirms")


def confirming(broker):
    channel = amqp_client.connect(broker).channel()
    channel.confirm_select()
    return channel


def take_confirms(channel, count):
    """Reads until tag count is confirmed; gives the set of confirmed tags."""
    done = set()
    while len(done) < count:
        _, (tag, multiple) = channel.wait("basic.ack")
        assert tag <= count and tag not in done, "a confirm too many"
        done |= set(range(1, tag + 1)) if multiple else {tag}
    return done


@suite.test
def every_publish_is_confirmed_counting_from_one(broker):
    channel, queue = confirming(broker), unique()
    channel.queue_declare(queue, durable=True)
    for i in range(1000):
        channel.publish("", queue, b"%d" % i, {"delivery_mode": 2 - i % 2})
    equal(take_confirms(channel, 1000), set(range(1, 1001)))
    equal(Watcher(broker).ready(queue), 1000)


@suite.test
def publishes_before_confirm_select_are_not_counted(broker):
    channel = amqp_client.connect(broker).channel()
    queue = channel.queue_declare(exclusive=True)[0]
    channel.publish("", queue, b"uncounted")
    channel.confirm_select()
    channel.publish("", queue, b"counted")
    equal(channel.wait("basic.ack")[1][0], 1)


@suite.test
def selecting_confirms_twice_is_harmless(broker):
    channel = confirming(broker)
    channel.publish("amq.fanout", "", b"x")
    channel.wait_confirms()
    channel.ask("confirm.select-ok", 85, 10, "t", False)
    channel.publish("amq.fanout", "", b"x")
    equal(channel.wait("basic.ack")[1][0], 2)


@suite.test
def an_unroutable_publish_is_confirmed(broker):
    channel = confirming(broker)
    channel.publish("", unique("nowhere"), b"x")
    channel.wait_confirms()


@suite.test
def a_mandatory_message_without_a_queue_returns_before_its_confirm(broker):
    channel, nowhere = confirming(broker), unique("nowhere")
    properties = {"headers": {"a": 1}, "correlation_id": "c-1"}
    channel.publish("", nowhere, b"come back", properties, mandatory=True)
    first, value = channel.wait("basic.return", "basic.ack")
    equal(first, "basic.return")
    equal((value.reply_code, value.reply_text, value.exchange, value.key, value.body),
          (312, "NO_ROUTE", "", nowhere, b"come back"))
    equal(value.properties, properties)
    equal(channel.wait("basic.ack")[1][0], 1)


@suite.test
def returns_keep_their_place_among_confirms(broker):
    channel, queue = confirming(broker), unique()
    channel.queue_declare(queue, durable=True)
    for i in range(100):
        there = i % 3 != 0
        channel.publish("", queue if there else queue + "-no", b"%d" % i, mandatory=True)
    confirmed = 0
    returned = []
    while confirmed < 100:
        name, value = channel.wait("basic.return", "basic.ack")
        if name == "basic.return":
            returned.append(int(value.body))
            assert int(value.body) >= confirmed, "the confirm came first"
        else:
            confirmed = max(confirmed, value[0])
    equal(returned, list(range(0, 100, 3)))


@suite.test
def a_routed_mandatory_message_does_not_return(broker):
    channel = confirming(broker)
    queue = channel.queue_declare(exclusive=True)[0]
    channel.publish("", queue, b"x", mandatory=True)
    equal(channel.wait("basic.return", "basic.ack")[0], "basic.ack")


@suite.test
def mandatory_without_confirms_returns_too(broker):
    channel, nowhere = amqp_client.connect(broker).channel(), unique("nowhere")
    channel.publish("amq.direct", nowhere, b"", mandatory=True)
    returned = channel.wait("basic.return")[1]
    equal((returned.exchange, returned.key, returned.body), ("amq.direct", nowhere, b""))


@suite.test
def immediate_is_not_implemented(broker):
    connection = amqp_client.connect(broker)
    connection.channel().publish("", unique(), b"x", immediate=True)
    closed = connection.wait_closed()
    equal((closed.code, closed.text), (540, "NOT_IMPLEMENTED - immediate=true"))


@suite.test
def confirms_are_per_channel(broker):
    connection = amqp_client.connect(broker)
    one, two = connection.channel(), connection.channel()
    one.confirm_select()
    for channel in (one, two, one, two):
        channel.publish("amq.fanout", "", b"x")
    one.wait_confirms()
    two.round_trip()
    assert not two.has("basic.ack")


@suite.test
def a_confirmed_message_is_there_for_everyone(broker):
    channel, queue, watcher = confirming(broker), unique(), Watcher(broker)
    channel.queue_declare(queue, durable=True)
    for i in range(50):
        channel.publish("", queue, b"x", {"delivery_mode": 2})
        channel.wait_confirms()
        equal(watcher.ready(queue), i + 1)


@suite.test
def a_receipt_tells_that_a_send_is_safe(broker):
    connection, queue, watcher = stomp_client.connect(broker), unique(), Watcher(broker)
    for i in range(20):
        connection.ask("SEND", {"destination": f"/queue/{queue}", "persistent": "true"}, b"x")
        equal(watcher.ready(queue), i + 1)


@suite.test
def every_receipt_is_answered_once_and_in_order(broker):
    connection, queue = stomp_client.connect(broker), unique()
    for i in range(300):
        connection.send("SEND", {"destination": f"/queue/{queue}", "receipt": f"s{i}"}, b"x")
    receipts = [connection.wait(lambda f: f.command == "RECEIPT").headers["receipt-id"]
                for _ in range(300)]
    equal(sorted(receipts), sorted(f"s{i}" for i in range(300)))
    only_sluice(broker, "RabbitMQ's receipts may come out of order")
    equal(receipts, [f"s{i}" for i in range(300)])


@suite.test
def an_unroutable_send_has_its_receipt(broker):
    stomp_client.connect(broker).ask("SEND", {"destination": f"/topic/{unique('nobody')}"}, b"x")


@suite.test
def a_subscriptions_receipt_comes_before_its_first_message(broker):
    queue = unique()
    publisher = stomp_client.connect(broker)
    publisher.ask("SEND", {"destination": f"/queue/{queue}"}, b"waiting")
    only_sluice(broker, "RabbitMQ may deliver first")
    connection = stomp_client.connect(broker)
    connection.send("SUBSCRIBE", {"destination": f"/queue/{queue}", "id": "s", "receipt": "r"})
    first = connection.wait(lambda f: True)
    equal((first.command, first.headers.get("receipt-id")), ("RECEIPT", "r"))
    equal(connection.message().body, b"waiting")


@suite.test
def after_a_subscriptions_receipt_every_publish_arrives(broker):
    for _ in range(20):
        topic = unique("t")
        consumer, publisher = stomp_client.connect(broker), stomp_client.connect(broker)
        consumer.subscribe(f"/topic/{topic}", "s")
        publisher.publish(f"/topic/{topic}", b"x")
        equal(consumer.message().body, b"x")


@suite.test
def receipts_of_every_command(broker):
    connection, queue = stomp_client.connect(broker), unique()
    connection.ask("SUBSCRIBE", {"destination": f"/queue/{queue}", "id": "s",
                                 "ack": "client-individual"})
    for _ in range(2):
        connection.publish(f"/queue/{queue}", b"x")
    first, second = connection.message(), connection.message()
    connection.ask("ACK", {"id": first.headers["ack"]})
    connection.ask("NACK", {"id": second.headers["ack"], "requeue": "false"})
    connection.ask("BEGIN", {"transaction": "t"})
    connection.ask("COMMIT", {"transaction": "t"})
    connection.ask("BEGIN", {"transaction": "u"})
    connection.ask("ABORT", {"transaction": "u"})
    connection.ask("UNSUBSCRIBE", {"id": "s"})
    connection.ask("DISCONNECT")
    connection.wire.read_to_end()


@suite.test
def the_receipt_of_disconnect_covers_everything_before(broker):
    only_sluice(broker, "RabbitMQ's DISCONNECT does not wait")
    queue, watcher = unique(), Watcher(broker)
    watcher.channel.queue_declare(queue, durable=True)
    connection = stomp_client.connect(broker)
    for _ in range(500):
        connection.publish(f"/queue/{queue}", b"x", persistent="true")
    connection.close()
    equal(watcher.ready(queue), 500)


@suite.test
def a_clean_close_loses_nothing_that_was_published(broker):
    queue, watcher = unique(), Watcher(broker)
    watcher.channel.queue_declare(queue, durable=True)
    connection = amqp_client.connect(broker)
    channel = connection.channel()
    for _ in range(500):
        channel.publish("", queue, b"x")
    connection.close()
    wait_until(lambda: watcher.ready(queue) == 500, "all are in the queue")


@suite.test
def an_error_names_the_receipt_that_will_not_come(broker):
    only_sluice(broker, "RabbitMQ's ERROR has no receipt-id")
    connection = stomp_client.connect(broker)
    connection.send("SEND", {"receipt": "r-9"}, b"to nowhere")
    error = connection.error()
    equal(error.headers["message"], "Missing destination")
    equal(error.headers["receipt-id"], "r-9")


@suite.test
def invalid_properties_are_refused_on_the_channel(broker):
    for properties, text in (({"expiration": "soon"}, "invalid expiration"),
                             ({"user_id": "somebody"},
                              "user_id property set to 'somebody' but authenticated user was "
                              "'guest'")):
        channel = confirming(broker)
        channel.publish("amq.fanout", "", b"x", properties)
        closed = raises(ChannelClosed, channel.wait_confirms)
        equal(closed.code, 406)
        has(closed.text, text)
        channel.connection.channel().round_trip()
