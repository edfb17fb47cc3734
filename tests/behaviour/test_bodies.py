"""Bodies from nothing to the limit, over one frame or many."""

import os

import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from ends import EVERY, unique
from suite import Suite, equal, has, only_sluice, raises

suite = Suite("bodies")
MIB = 1 << 20


@suite.test_over(*EVERY)
def a_body_of_nothing_arrives(broker, way):
    queue = unique()
    subscription = way.consumer(broker).subscribe(queue)
    way.publisher(broker).publish(queue, b"", b"after")
    equal([subscription.next().body for _ in range(2)], [b"", b"after"])


@suite.test_over(*EVERY)
def bodies_around_every_frame_size_arrive(broker, way):
    queue = unique()
    subscription = way.consumer(broker).subscribe(queue)
    publisher = way.publisher(broker)
    for size in (1, 4087, 4088, 4089, 65535, 65536, 131063, 131064, 131065, 262144, 300001):
        body = os.urandom(size)
        publisher.publish(queue, body)
        got = subscription.next()
        assert got.body == body, f"{size} bytes"
        subscription.ack(got)


@suite.test_over(*EVERY, alone=True)
def a_body_of_three_mebibytes_arrives(broker, way):
    queue, body = unique(), os.urandom(3 * MIB)
    subscription = way.consumer(broker).subscribe(queue)
    way.publisher(broker).publish(queue, body)
    assert subscription.next().body == body


@suite.test(alone=True)
def a_body_of_sixteen_mebibytes_arrives(broker):
    queue, body = unique(), os.urandom(16 * MIB)
    connection = amqp_client.connect(broker)
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)
    channel.confirm_select()
    channel.publish("", queue, body)
    channel.wait_confirms()
    assert channel.get(queue, no_ack=True).body == body
    stomp = stomp_client.connect(broker)
    stomp.ask("SEND", {"destination": f"/queue/{queue}", "content-length": len(body)}, body)
    assert channel.get(queue, no_ack=True).body == body


@suite.test(alone=True)
def a_body_over_the_limit_closes_the_channel(broker):
    only_sluice(broker, "RabbitMQ 3.10 allows 128 MiB")
    connection = amqp_client.connect(broker)
    channel, other = connection.channel(), connection.channel()
    channel.publish("amq.fanout", "", b"x" * (16 * MIB + 1))
    closed = raises(ChannelClosed, channel.round_trip)
    equal((closed.code, closed.text),
          (406, f"PRECONDITION_FAILED - message size {16 * MIB + 1} is larger than configured "
                f"max size {16 * MIB}"))
    other.round_trip()


@suite.test(alone=True)
def a_stomp_body_over_the_limit_is_an_error(broker):
    only_sluice(broker, "RabbitMQ closes without a word")
    connection = stomp_client.connect(broker)
    connection.wire.send(f"SEND\ndestination:/queue/q\ncontent-length:{16 * MIB + 1}\n\n".encode())
    error = connection.error()
    assert error.headers["message"]
    connection.wire.read_to_end()


@suite.test
def an_uncounted_stomp_body_ends_at_its_nul(broker):
    queue = unique()
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}")
    body = b"x" * 200000
    connection.wire.send(f"SEND\ndestination:/queue/{queue}\n\n".encode() + body + b"\0\n")
    assert connection.message().body == body


@suite.test
def one_large_body_reaches_many_queues(broker):
    channel = amqp_client.connect(broker).channel()
    exchange = unique("fan")
    channel.exchange_declare(exchange, "fanout")
    queues = [channel.queue_declare(exclusive=True)[0] for _ in range(20)]
    for queue in queues:
        channel.queue_bind(queue, exchange)
    body = os.urandom(500000)
    channel.publish(exchange, "", body)
    channel.round_trip()
    for queue in queues:
        assert channel.get(queue, no_ack=True).body == body


@suite.test
def a_returned_large_body_is_whole(broker):
    channel = amqp_client.connect(broker).channel()
    body = os.urandom(400000)
    channel.publish("", unique("nowhere"), body, mandatory=True)
    returned = channel.wait("basic.return")[1]
    assert returned.body == body
    has(returned.reply_text, "NO_ROUTE")
