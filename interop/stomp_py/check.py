#!/usr/bin/python3
"""stomp.py as Debian packages it, unmodified."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import pika  # noqa: E402
import stomp  # noqa: E402
from support import Ports, over_tls, pika_parameters, run, stomp_connection  # noqa: E402

from ends import unique  # noqa: E402
from suite import Suite, equal, raises  # noqa: E402

suite = Suite("stomp.py")
KINDS = (stomp.Connection10, stomp.Connection11, stomp.Connection12)


@suite.test
def connects_with_every_version(_):
    for kind in KINDS:
        connection, _ = stomp_connection(kind)
        assert connection.is_connected()
        connection.disconnect()


@suite.test
def connects_with_its_default_host_header(_):
    connection = over_tls(stomp.Connection(host_and_ports=[("127.0.0.1", Ports.stomp)],
                                           vhost="localhost"))
    connection.connect("guest", "guest", wait=True)
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
def receipts_and_transactions(_):
    connection, inbox = stomp_connection()
    destination = "/queue/" + unique("stomp.py")
    connection.subscribe(destination, id="1")
    name = connection.begin()
    connection.send(destination, "dropped", transaction=name)
    connection.abort(name)
    name = connection.begin()
    connection.send(destination, "kept", transaction=name, receipt="sent")
    connection.commit(name)
    equal(inbox.next().body, "kept")
    inbox.wait_receipt("sent")
    connection.disconnect()


@suite.test
def binary_bodies_and_odd_headers(_):
    connection, inbox = stomp_connection(auto_decode=False)
    destination = "/queue/" + unique("stomp.py")
    connection.subscribe(destination, id="1")
    connection.send(destination, b"\0\1\0\xff", headers={"odd": "a:b\\c\nd"})
    frame = inbox.next()
    equal((frame.body, frame.headers["odd"]), (b"\0\1\0\xff", "a:b\\c\nd"))
    connection.disconnect()


@suite.test
def heart_beats_keep_an_idle_connection(_):
    connection, inbox = stomp_connection(heartbeats=(400, 400))
    deadline = time.monotonic() + 2.5
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


@suite.test
def an_error_frame_is_reported(_):
    connection, inbox = stomp_connection()
    connection.send("/garden/x", "x")
    equal(inbox.errors.get(timeout=20).headers["message"], "Unknown destination")
    connection.disconnect()


@suite.test
def meets_pika_on_a_topic(_):
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
    amqp.close()
    connection.disconnect()


run(suite)
