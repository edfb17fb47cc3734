#!/usr/bin/python3
"""stomp.py as Debian packages it, unmodified."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import pika  # noqa: E402
import stomp  # noqa: E402
from support import (TIMEOUT, Login, Ports, Tls, over_tls, pika_parameters, run,  # noqa: E402
                     stomp_connection, test_with, wait_for_its_end)

from ends import unique  # noqa: E402
from suite import Suite, equal, raises  # noqa: E402

suite = Suite("stomp.py")
KINDS = (stomp.Connection10, stomp.Connection11, stomp.Connection12)


@suite.test
def every_version_of_the_protocol(_):
    for kind in KINDS:
        connection, _ = stomp_connection(kind)
        assert connection.is_connected()
        connection.disconnect()


@suite.test
def connects_with_its_default_host_header(_):
    connection, _ = stomp_connection(stomp.Connection, vhost="localhost")
    connection.disconnect()


@suite.test
def publishes_consumes_and_acknowledges(_):
    for kind in KINDS:
        connection, inbox = stomp_connection(kind)
        destination = "/queue/" + unique("stomp.py")
        connection.subscribe(destination, id="1", ack="client-individual")
        for i in range(20):
            connection.send(destination, f"m{i}", headers={"n": i})
        for i in range(20):
            frame = inbox.next()
            equal((frame.body, frame.headers["n"]), (f"m{i}", str(i)))
            if kind is stomp.Connection12:
                connection.ack(frame.headers["ack"])
            elif kind is stomp.Connection11:
                connection.ack(frame.headers["message-id"], "1")
            else:
                connection.ack(frame.headers["message-id"])
        connection.disconnect(receipt="bye")
        inbox.wait_receipt("bye")


@suite.test
def a_nacked_message_comes_again(_):
    connection, inbox = stomp_connection()
    destination = "/queue/" + unique("stomp.py")
    connection.subscribe(destination, id="1", ack="client-individual")
    connection.send(destination, "again")
    connection.nack(inbox.next().headers["ack"])
    frame = inbox.next()
    equal(frame.headers["redelivered"], "true")
    connection.ack(frame.headers["ack"])
    connection.disconnect()


@suite.test
def publishes_are_confirmed(_):
    connection, inbox = stomp_connection()
    connection.send("/queue/" + unique("stomp.py"), "x", receipt="sent")
    inbox.wait_receipt("sent")
    connection.disconnect()


@suite.test
def transactions(_):
    connection, inbox = stomp_connection()
    destination = "/queue/" + unique("stomp.py")
    connection.subscribe(destination, id="1")
    name = connection.begin()
    connection.send(destination, "dropped", transaction=name)
    connection.abort(name)
    name = connection.begin()
    connection.send(destination, "kept", transaction=name)
    connection.commit(name)
    equal(inbox.next().body, "kept")
    connection.disconnect()


@suite.test
def binary_bodies_and_escaped_headers_come_back(_):
    connection, inbox = stomp_connection(auto_decode=False)
    destination = "/queue/" + unique("stomp.py")
    connection.subscribe(destination, id="1")
    connection.send(destination, b"\0\1\0\xff", headers={"odd": "a:b\\c\nd"})
    frame = inbox.next()
    equal((frame.body, frame.headers["odd"]), (b"\0\1\0\xff", "a:b\\c\nd"))
    connection.disconnect()


@suite.test
def heart_beats_keep_an_idle_connection(_):
    connection, inbox = stomp_connection(heartbeats=(1000, 1000), heart_beat_receive_scale=5)
    deadline = time.monotonic() + 3.5
    while time.monotonic() < deadline:
        assert connection.is_connected(), "lost the connection"
        time.sleep(0.1)
    destination = "/queue/" + unique("stomp.py")
    connection.subscribe(destination, id="1")
    connection.send(destination, "alive")
    equal(inbox.next().body, "alive")
    connection.disconnect()


@suite.test
def a_wrong_password_is_refused(_):
    connection = over_tls(stomp.Connection12([("127.0.0.1", Ports.stomp)],
                                             reconnect_attempts_max=1))
    raises(stomp.exception.ConnectFailedException, connection.connect, "guest", "wrong", wait=True)


@test_with(suite, Login.user)
def its_own_user_comes_into_its_own_virtual_host(_):
    connection, inbox = stomp_connection(login=(Login.user, Login.password), vhost=Login.vhost)
    destination = "/queue/" + unique(Login.user)
    connection.subscribe(destination, id="1")
    connection.send(destination, "own")
    equal(inbox.next().body, "own")
    connection.disconnect()


@test_with(suite, Login.user)
def what_its_user_may_not_is_refused(_):
    login = (Login.user, Login.password)
    raises(stomp.exception.ConnectFailedException, stomp_connection, login=login, vhost="/",
           reconnect_attempts_max=1)
    connection, inbox = stomp_connection(login=login, vhost=Login.vhost)
    connection.subscribe("/queue/" + unique("foreign"), id="1")
    equal(inbox.errors.get(timeout=TIMEOUT).headers["message"], "access_refused")
    wait_for_its_end(connection)


@test_with(suite, Tls.cert)
def its_certificate_says_who_it_is(_):
    connection, inbox = stomp_connection(login=())
    destination = "/queue/" + unique("stomp.py")
    connection.subscribe(destination, id="1")
    connection.send(destination, "mine")
    equal(inbox.next().body, "mine")
    connection.disconnect()


@suite.test
def an_error_is_told(_):
    connection, inbox = stomp_connection()
    connection.send("/garden/x", "x")
    equal(inbox.errors.get(timeout=TIMEOUT).headers["message"], "Unknown destination")
    connection.disconnect()  # such an error does not close


@suite.test
def a_question_and_its_answer(_):
    (asker, answers), (service, questions) = stomp_connection(), stomp_connection()
    destination = "/queue/" + unique("stomp.py")
    service.subscribe(destination, id="1")
    asker.send(destination, "?", headers={"reply-to": "/temp-queue/answers",
                                          "correlation-id": "7"})
    question = questions.next()
    service.send(question.headers["reply-to"], "re:" + question.body,
                 headers={"correlation-id": question.headers["correlation-id"]})
    answer = answers.next()
    equal((answer.body, answer.headers["correlation-id"], answer.headers["subscription"]),
          ("re:?", "7", "/temp-queue/answers"))
    asker.disconnect()
    service.disconnect()


@suite.test
def a_durable_subscription_outlives_its_connection(_):
    client = unique("client")
    sender, sent = stomp_connection()
    for id, words in (("rabbit", {"durable": "true", "auto-delete": "false"}),
                      ("mq", {"activemq.subscriptionName": "offers"})):
        destination = "/topic/" + unique("stomp.py")

        def subscribed():
            connection, inbox = stomp_connection(headers={"client-id": client})
            connection.subscribe(destination, id=id, ack="client-individual",
                                 headers={**words, "receipt": "ready"})
            inbox.wait_receipt("ready")
            return connection, inbox

        subscribed()[0].disconnect()
        sender.send(destination, id, headers={"persistent": "true", "receipt": id})
        sent.wait_receipt(id)
        connection, inbox = subscribed()
        frame = inbox.next()
        equal(frame.body, id)
        connection.ack(frame.headers["ack"])
        connection.unsubscribe(id, headers={**words, "receipt": "ended"})
        inbox.wait_receipt("ended")
        connection.disconnect()
    sender.disconnect()


@suite.test
def a_browser_sees_all_and_takes_nothing(_):
    connection, inbox = stomp_connection()
    destination = "/queue/" + unique("stomp.py")
    for body in ("a", "b"):
        connection.send(destination, body, receipt=body)
        inbox.wait_receipt(body)
    connection.subscribe(destination, id="b", headers={"browser": "true"})
    equal([inbox.next().body for _ in range(2)], ["a", "b"])
    equal(inbox.next().headers["browser"], "end")
    connection.unsubscribe(id="b")
    connection.subscribe(destination, id="1")
    equal([inbox.next().body for _ in range(2)], ["a", "b"])
    connection.disconnect()


@suite.test
def a_selector_chooses(_):
    connection, inbox = stomp_connection()
    destination = "/topic/" + unique("stomp.py")
    connection.subscribe(destination, id="1",
                         headers={"selector": "colour = 'red' AND weight > 2"})
    for colour, weight in (("red", 1), ("blue", 5), ("red", 3)):
        connection.send(destination, f"{colour} {weight}",
                        headers={"colour": colour, "weight": weight})
    equal(inbox.next().body, "red 3")
    connection.disconnect()


@suite.test
def crosses_to_the_other_protocol_and_back(_):
    topic = unique("stomp.py")
    connection, inbox = stomp_connection()
    connection.subscribe(f"/topic/{topic}.#", id="1", headers={"receipt": "ready"})
    inbox.wait_receipt("ready")
    amqp = pika.BlockingConnection(pika_parameters())
    amqp.channel().basic_publish("amq.topic", f"{topic}.a.b", "from pika", pika.BasicProperties(
        correlation_id="c-1", priority=4, headers={"own": "header", "number": 5}))
    frame = inbox.next()
    equal((frame.body, frame.headers["destination"]), ("from pika", f"/topic/{topic}.a.b"))
    equal([frame.headers[n] for n in ("correlation-id", "priority", "own", "number")],
          ["c-1", "4", "header", "5"])
    channel = amqp.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    connection.send(f"/amq/queue/{queue}", "from stomp.py", headers={"own": "h"}, receipt="sent")
    inbox.wait_receipt("sent")
    _, properties, body = channel.basic_get(queue, auto_ack=True)
    equal((body, properties.headers["own"]), (b"from stomp.py", "h"))
    amqp.close()
    connection.disconnect()


run(suite)
