"""Arguments of queues that ask for what there is nothing to choose about: taken, compared, ignored."""

import amqp_client
import stomp_client
from ends import unique
from rules import channel_of, confirmed, refused, taken
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises

suite = Suite("ignored arguments")
SOURCE = "RabbitMQ takes each of them for one type of queue only, and versions differ"

# Name, a value, another one, and one that is refused with its words; None: no value is.
ROWS = (
    ("x-queue-mode", "lazy", "default", "sleepy", "invalid_queue_mode"),
    ("x-queue-version", 2, 1, 3, "{value_too_big,3}"),
    ("x-queue-master-locator", "min-masters", "client-local", 7, "expected longstr"),
    ("x-queue-leader-locator", "balanced", "client-local", 7, "expected longstr"),
    ("x-member-placement-tag", "rack-a", "rack-b", 7, "expected longstr"),
    ("x-quorum-initial-group-size", 3, 5, 0, "{value_zero,0}"),
    ("x-max-in-memory-length", 100, 200, -1, "{value_negative,-1}"),
    ("x-max-in-memory-bytes", 1000, 2000, "big", "expected integer, got longstr"),
    ("x-consumer-disconnected-timeout", 60000, 5000, -1, "{value_negative,-1}"),
    ("x-dead-letter-strategy", "at-least-once", "at-most-once", "never",
     "invalid_dead_letter_strategy"),
)


def over_queue_types(name, value):
    return ({name: value}, {name: value, "x-queue-type": "classic"},
            {name: value, "x-queue-type": "quorum"})


@suite.test
def a_bad_value_of_each_is_refused(broker):
    only_sluice(broker, SOURCE)
    for name, _, _, bad, words in ROWS:
        closed = refused(406, f"PRECONDITION_FAILED - invalid arg '{name}' for queue '",
                         channel_of(broker).queue_declare, unique(), durable=True,
                         arguments={name: bad})
        has(closed.text, words)


@suite.test
def each_is_taken_on_every_type_of_queue_and_changes_nothing(broker):
    only_sluice(broker, SOURCE)
    connection = amqp_client.connect(broker)
    channel = connection.channel()
    for name, value, *_ in ROWS:
        for arguments in over_queue_types(name, value):
            queue = unique()
            channel.queue_declare(queue, durable=True, arguments=arguments)
            confirmed(channel, queue, name.encode(), delivery_mode=2)
            equal(taken(channel, queue).body, name.encode())
            channel.queue_declare(queue, durable=True, arguments=arguments)
            channel.queue_delete(queue)


@suite.test
def each_is_compared(broker):
    only_sluice(broker, SOURCE)
    connection = amqp_client.connect(broker)
    for name, value, other, *_ in ROWS:
        queue = unique()
        connection.channel().queue_declare(queue, durable=True, arguments={name: value})
        for arguments in ({name: other}, {}):
            refused(406, f"inequivalent arg '{name}' for queue '{queue}' in vhost '/'",
                    connection.channel().queue_declare, queue, durable=True, arguments=arguments)
        connection.channel().queue_delete(queue)


@suite.test
def what_only_streams_know_is_refused_on_every_type(broker):
    only_sluice(broker, SOURCE)
    for name, value in (("x-max-age", "1D"), ("x-initial-cluster-size", 3),
                        ("x-stream-max-segment-size-bytes", 1000),
                        ("x-stream-filter-size-bytes", 16)):
        for arguments, kind in zip(over_queue_types(name, value), ("classic", "classic", "quorum")):
            closed = refused(406, f"PRECONDITION_FAILED - invalid arg '{name}' for queue '",
                             channel_of(broker).queue_declare, unique(), durable=True,
                             arguments=arguments)
            has(closed.text, f"of queue type rabbit_{kind}_queue")


@suite.test
def a_consumer_that_asks_for_a_stream_is_refused(broker):
    only_sluice(broker, "RabbitMQ has streams")
    queue = unique()
    channel_of(broker).queue_declare(queue, durable=True)
    for name, value in (("x-stream-offset", "first"), ("x-stream-filter", "a"),
                        ("x-stream-match-unfiltered", True)):
        text = (f"PRECONDITION_FAILED - invalid arg '{name}' for queue '{queue}' in vhost '/' of "
                "queue type rabbit_classic_queue")
        refused(406, text, channel_of(broker).consume, queue, arguments={name: value})
        for destination in (f"/queue/{queue}", f"/amq/queue/{queue}"):
            stomp = stomp_client.connect(broker)
            error = raises(ErrorFrame, stomp.subscribe, destination, **{name: value})
            equal((error.message, error.body.strip()), ("precondition_failed", text))
            stomp.wire.read_to_end()


@suite.test
def a_stream_is_refused_by_its_name(broker):
    only_sluice(broker, SOURCE)
    queue = unique()
    refused(406, f"PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue '{queue}' in vhost "
                 "'/': unsupported queue type 'stream'", channel_of(broker).queue_declare, queue,
            durable=True, arguments={"x-queue-type": "stream"})
    stomp = stomp_client.connect(broker)
    error = raises(ErrorFrame, stomp.subscribe, f"/queue/{unique()}", "s",
                   **{"x-queue-type": "stream"})
    has(error.body, "unsupported queue type 'stream'")


@suite.test
def stomp_says_the_type_of_its_queues(broker):
    only_sluice(broker, SOURCE)
    for kind in ("classic", "quorum"):
        queue, stomp = unique(), stomp_client.connect(broker)
        stomp.subscribe(f"/queue/{queue}", "s", **{"x-queue-type": kind})
        channel_of(broker).queue_declare(queue, durable=True, arguments={"x-queue-type": kind})
        stomp.ask("SEND", {"destination": f"/queue/{queue}", "x-queue-type": kind}, b"x")
        equal(stomp.message().body, b"x")
        channel_of(broker).queue_delete(queue)
