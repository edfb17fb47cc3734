#!/usr/bin/python3
"""pika as Debian packages it, unmodified: the blocking adapter."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import pika  # noqa: E402
from support import (TIMEOUT, Login, Tls, pika_parameters, run, stomp_connection,  # noqa: E402
                     test_with)

from ends import unique  # noqa: E402
from suite import Suite, equal, raises  # noqa: E402

suite = Suite("pika")


def connect(**options):
    return pika.BlockingConnection(pika_parameters(**options))


@suite.test
def publishes_consumes_and_acknowledges(_):
    connection = connect()
    channel = connection.channel()
    name = unique("pika")
    channel.queue_declare(name, durable=True)
    channel.basic_qos(prefetch_count=10)
    for i in range(100):
        channel.basic_publish("", name, f"m{i}")
    got = []
    for method, _, body in channel.consume(name, inactivity_timeout=60):
        assert method, "nothing came in time"
        got.append(body.decode())
        channel.basic_ack(method.delivery_tag)
        if len(got) == 100:
            break
    channel.cancel()
    equal(got, [f"m{i}" for i in range(100)])
    equal(channel.queue_declare(name, passive=True).method.message_count, 0)
    channel.queue_delete(name)
    connection.close()


@suite.test
def publishes_are_confirmed(_):
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, "x", pika.BasicProperties(delivery_mode=2), mandatory=True)
    channel.basic_publish("", unique("nowhere"), "x")
    connection.close()


@suite.test
def unroutable_ones_return(_):
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    raises(pika.exceptions.UnroutableError, channel.basic_publish, "", unique("nowhere"), "x",
           mandatory=True)
    connection.close()


@suite.test
def a_nacked_message_comes_again(_):
    connection = connect()
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, "again")
    method, _, _ = channel.basic_get(queue)
    channel.basic_nack(method.delivery_tag, requeue=True)
    method, _, body = channel.basic_get(queue)
    equal((method.redelivered, body), (True, b"again"))
    channel.basic_reject(method.delivery_tag, requeue=False)
    equal(channel.basic_get(queue), (None, None, None))
    connection.close()


@suite.test
def exchanges_of_every_kind(_):
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    for kind, key, arguments in (("direct", "k", None), ("fanout", "", None), ("topic", "#", None),
                                 ("headers", "", {"x-match": "all", "h": 1})):
        exchange, inner = unique(kind), unique("inner")
        channel.exchange_declare(exchange, kind)
        channel.exchange_declare(inner, "fanout", auto_delete=True)
        channel.exchange_bind(inner, exchange, key, arguments=arguments)
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, inner)
        channel.basic_publish(exchange, "k", kind, pika.BasicProperties(headers={"h": 1}))
        equal(channel.basic_get(queue, auto_ack=True)[2], kind.encode())
        channel.exchange_delete(exchange)
    connection.close()


@suite.test
def properties_and_headers_come_back(_):
    connection = connect()
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    properties = pika.BasicProperties(
        content_type="a/b",
        headers={"n": -1, "big": 2**40, "b": True, "list": [1, "x", {"y": None}]},
        delivery_mode=2, priority=3, correlation_id="c", reply_to="r", expiration="60000",
        message_id="m", timestamp=1700000000, type="t", user_id="guest", app_id="a")
    channel.basic_publish("", queue, "x", properties)
    _, got, _ = channel.basic_get(queue, auto_ack=True)
    equal(got, properties)
    connection.close()


@suite.test
def an_error_is_told_and_the_connection_goes_on(_):
    connection = connect()
    channel = connection.channel()
    closed = raises(pika.exceptions.ChannelClosedByBroker, channel.queue_declare,
                    unique("nothing"), passive=True)
    equal(closed.reply_code, 404)
    connection.channel().queue_declare("", exclusive=True)
    connection.close()


@suite.test
def heart_beats_keep_an_idle_connection(_):
    connection = connect(heartbeat=2)
    connection.process_data_events(time_limit=5)
    connection.channel().queue_declare("", exclusive=True)
    connection.close()


@suite.test
def a_large_body_comes_whole(_):
    connection = connect(frame_max=4096)
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    body = bytes(range(256)) * 8000
    channel.basic_publish("", queue, body)
    assert channel.basic_get(queue, auto_ack=True)[2] == body
    connection.close()


@suite.test
def a_wrong_password_is_refused(_):
    raises(pika.exceptions.ProbableAuthenticationError, connect,
           credentials=pika.PlainCredentials("guest", "wrong"))


@test_with(suite, Login.user)
def its_own_user_comes_into_its_own_virtual_host(_):
    connection = connect(credentials=pika.PlainCredentials(Login.user, Login.password),
                         virtual_host=Login.vhost)
    channel = connection.channel()
    channel.confirm_delivery()
    queue = unique(Login.user)
    channel.queue_declare(queue, durable=True)
    channel.basic_publish("", queue, "own")
    equal(channel.basic_get(queue, auto_ack=True)[2], b"own")
    connection.close()


@test_with(suite, Login.user)
def what_its_user_may_not_is_refused(_):
    own = {"credentials": pika.PlainCredentials(Login.user, Login.password)}
    raises(pika.exceptions.ProbableAccessDeniedError, connect, virtual_host="/", **own)
    connection = connect(virtual_host=Login.vhost, **own)
    closed = raises(pika.exceptions.ChannelClosedByBroker, connection.channel().queue_declare,
                    unique("foreign"))
    equal(closed.reply_code, 403)
    connection.channel().queue_declare(unique(Login.user), exclusive=True)
    connection.close()


@test_with(suite, Tls.cert)
def its_certificate_says_who_it_is(_):
    connection = connect(credentials=pika.credentials.ExternalCredentials())
    connection.channel().queue_declare("", exclusive=True)
    connection.close()


@suite.test
def a_cluster_queue_answers_to_each_of_its_names(_):
    connection = connect()
    channel = connection.channel()
    topic = unique("VirtualTopic.pika")
    for name in (f"/queue/Consumer.billing.{topic}", f"/exchange/amq.topic/{topic}@billing",
                 f"/topic/{topic}@billing"):
        equal(channel.queue_declare(name, durable=True).method.queue, name)
    channel.queue_delete(f"/topic/{topic}@billing")
    connection.close()


def next_of(channel, queue):
    """Waits for one message and takes it."""
    for method, properties, body in channel.consume(queue, auto_ack=True,
                                                    inactivity_timeout=TIMEOUT):
        assert method, "nothing came in time"
        channel.cancel()
        return method, properties, body


@suite.test
def a_direct_answer_needs_no_queue(_):
    connection = connect()
    asker, service = connection.channel(), connection.channel()
    queue = service.queue_declare("", exclusive=True).method.queue
    answers = []
    asker.basic_consume("amq.rabbitmq.reply-to", lambda *got: answers.append(got[2:]),
                        auto_ack=True)
    asker.basic_publish("", queue, "?", pika.BasicProperties(
        reply_to="amq.rabbitmq.reply-to", correlation_id="1"))
    _, asked, body = next_of(service, queue)
    assert asked.reply_to.startswith("amq.rabbitmq.reply-to."), asked.reply_to
    service.basic_publish("", asked.reply_to, b"re:" + body, pika.BasicProperties(
        correlation_id=asked.correlation_id))
    while not answers:
        connection.process_data_events(time_limit=TIMEOUT)
    equal([(properties.correlation_id, body) for properties, body in answers], [("1", b"re:?")])
    connection.close()


@suite.test
def copies_go_where_its_headers_say(_):
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    to, cc, bcc = (channel.queue_declare("", exclusive=True).method.queue for _ in range(3))
    channel.basic_publish("", to, "x", pika.BasicProperties(headers={"CC": [cc], "BCC": [bcc]}))
    for queue in (to, cc, bcc):
        _, properties, body = channel.basic_get(queue, auto_ack=True)
        equal((body, properties.headers), (b"x", {"CC": [cc]}))
    connection.close()


@suite.test
def delayed_messages_come_when_their_time_has_come(_):
    connection = connect()
    channel = connection.channel()
    exchange = unique("later")
    channel.exchange_declare(exchange, "x-delayed-message",
                             arguments={"x-delayed-type": "direct"})
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, "k")
    began = time.monotonic()
    for text, delay in (("later", 800), ("sooner", 1)):
        channel.basic_publish(exchange, "k", text, pika.BasicProperties(headers={"x-delay": delay}))
    equal([next_of(channel, queue)[2] for _ in range(2)], [b"sooner", b"later"])
    assert time.monotonic() - began > 0.79, "it came too early"
    channel.exchange_delete(exchange)
    connection.close()


@suite.test
def what_is_rejected_goes_to_the_dead_letter_queue(_):
    connection = connect()
    channel = connection.channel()
    dead = channel.queue_declare("", exclusive=True).method.queue
    queue = channel.queue_declare("", exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}).method.queue
    channel.basic_publish("", queue, "bad")
    channel.basic_reject(channel.basic_get(queue)[0].delivery_tag, requeue=False)
    _, properties, body = next_of(channel, dead)
    death = properties.headers["x-death"][0]
    equal((body, death["reason"], death["queue"]), (b"bad", "rejected", queue))
    connection.close()


@suite.test
def many_channels_on_one_connection(_):
    connection = connect()
    channels = [connection.channel() for _ in range(100)]
    queue = channels[0].queue_declare("", exclusive=True).method.queue
    for i, channel in enumerate(channels):
        channel.basic_publish("", queue, str(i))
    for channel in channels:
        channel.close()
    channel = connection.channel()
    equal(channel.queue_declare(queue, passive=True).method.message_count, 100)
    connection.close()


@suite.test
def crosses_to_the_other_protocol_and_back(_):
    connection = connect()
    channel = connection.channel()
    name = unique("pika")
    channel.queue_declare(name, durable=True)
    stomp, inbox = stomp_connection()
    stomp.send(f"/queue/{name}", "from stomp.py", content_type="text/x", headers={
        "correlation-id": "c-2", "priority": 6, "persistent": "true", "own": "header",
        "reply-to": "/queue/answers"}, receipt="sent")
    inbox.wait_receipt("sent")
    _, properties, body = channel.basic_get(name, auto_ack=True)
    equal(body, b"from stomp.py")
    equal((properties.content_type, properties.correlation_id, properties.priority,
           properties.delivery_mode, properties.headers["own"]),
          ("text/x", "c-2", 6, 2, "header"))
    stomp.subscribe(f"/queue/{name}", id="1")
    channel.basic_publish("", name, "from pika", pika.BasicProperties(message_id="m-1"))
    frame = inbox.next()
    equal((frame.body, frame.headers["amqp-message-id"]), ("from pika", "m-1"))
    stomp.disconnect()
    channel.queue_delete(name)
    connection.close()


run(suite)
