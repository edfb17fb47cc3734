#!/usr/bin/python3
"""Kombu as Debian packages it, unmodified, over py-amqp."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import kombu  # noqa: E402
from kombu.mixins import ConsumerMixin  # noqa: E402
from support import RESTART, Ports, Tls, restart, run, test_with  # noqa: E402

from ends import unique  # noqa: E402
from suite import Suite, equal, raises  # noqa: E402

suite = Suite("kombu")
TIMEOUT = 20


def connect(**options):
    if Tls.ca:
        options["ssl"] = {"ca_certs": Tls.ca, "certfile": Tls.cert, "keyfile": Tls.key,
                          "server_hostname": "127.0.0.1"}
    return kombu.Connection(f"pyamqp://guest:guest@127.0.0.1:{Ports.amqp}//",
                            transport_options={"confirm_publish": True}, **options)


def receive(connection, queue, count, prefetch=0):
    """Takes and acknowledges so many; gives their bodies."""
    got = []
    with connection.Consumer(queue, on_message=got.append, prefetch_count=prefetch):
        while len(got) < count:
            connection.drain_events(timeout=TIMEOUT)
            got[-1].ack()
    return [message.payload for message in got]


@suite.test
def publishes_consumes_and_acknowledges(_):
    exchange = kombu.Exchange(unique("kombu"), "topic")
    queue = kombu.Queue(unique("kombu"), exchange, "orders.#")
    with connect() as connection:
        producer = connection.Producer(exchange=exchange)
        for i in range(100):
            producer.publish({"n": i}, routing_key="orders.eu", declare=[queue])
        equal(receive(connection, queue, 100, prefetch=10), [{"n": i} for i in range(100)])
        equal(queue(connection.default_channel).queue_declare(passive=True).message_count, 0)
        queue(connection.default_channel).delete()


@suite.test
def a_prefetch_bounds_what_is_out(_):
    queue = kombu.Queue(unique("kombu"), auto_delete=True, durable=False)
    with connect() as connection:
        for i in range(5):
            connection.Producer().publish(i, routing_key=queue.name, declare=[queue])
        got = []
        with connection.Consumer(queue, on_message=got.append, prefetch_count=2):
            while len(got) < 2:
                connection.drain_events(timeout=TIMEOUT)
            raises(socket.timeout, connection.drain_events, timeout=0.2)
            equal(len(got), 2)
            got[0].ack()
            connection.drain_events(timeout=TIMEOUT)
            equal([message.payload for message in got], [0, 1, 2])


@suite.test
def compressed_bodies_come_whole(_):
    queue = kombu.Queue(unique("kombu"), auto_delete=True)
    with connect() as connection:
        large = ["x" * 1000] * 1000
        connection.Producer().publish(large, routing_key=queue.name, declare=[queue],
                                      serializer="json", compression="zlib")
        equal(receive(connection, queue, 1), [large])


@suite.test
def the_more_urgent_comes_first(_):
    queue = kombu.Queue(unique("kombu"), auto_delete=True, max_priority=10)
    with connect() as connection:
        for priority in (1, 9, 5):
            connection.Producer().publish(priority, routing_key=queue.name, declare=[queue],
                                          priority=priority)
        equal(receive(connection, queue, 3), [9, 5, 1])


@suite.test
def what_is_rejected_goes_to_the_dead_letter_queue(_):
    dead = kombu.Queue(unique("dead"), auto_delete=True)
    queue = kombu.Queue(unique("kombu"), auto_delete=True, queue_arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name})
    with connect() as connection:
        connection.Producer().publish("bad", routing_key=queue.name, declare=[dead, queue])
        with connection.Consumer(queue, on_message=lambda message: message.reject()):
            connection.drain_events(timeout=TIMEOUT)
        with connection.SimpleQueue(dead) as simple:
            message = simple.get(timeout=TIMEOUT)
            death = message.headers["x-death"][0]
            equal((message.payload, death["reason"], death["queue"]),
                  ("bad", "rejected", queue.name))
            message.ack()


@suite.test
def a_simple_queue_is_empty_at_its_end(_):
    with connect() as connection:
        with connection.SimpleQueue(unique("kombu"), queue_opts={"auto_delete": True}) as simple:
            simple.put("first")
            simple.put("second")
            for wanted in ("first", "second"):
                message = simple.get(timeout=TIMEOUT)
                equal(message.payload, wanted)
                message.ack()
            raises(simple.Empty, simple.get_nowait)


class Waiting(ConsumerMixin):
    """Restarts the gateway with the first message still unacknowledged."""

    def __init__(self, connection, queue):
        self.connection, self.queue, self.got = connection, queue, []

    def get_consumers(self, consumer, channel):
        return [consumer(self.queue, on_message=self.on_message)]

    def on_message(self, message):
        self.got.append((message.payload, message.delivery_info["redelivered"]))
        if len(self.got) == 1:
            restart()
            return
        message.ack()
        self.should_stop = True


@test_with(suite, RESTART)
def it_comes_back_after_the_gateway_restarts(_):
    queue = kombu.Queue(unique("kombu"))
    with connect() as connection, connect() as sender:
        producer = sender.Producer()
        producer.publish("before", routing_key=queue.name, declare=[queue])
        waiting = Waiting(connection, queue)
        waiting.run()
        equal(waiting.got, [("before", False), ("before", True)])
        producer.publish("after", routing_key=queue.name, retry=True)
        sender.ensure_connection()
        equal(receive(sender, queue, 1), ["after"])
        queue(sender.default_channel).delete()


@test_with(suite, Tls.cert)
def its_certificate_says_who_it_is(_):
    with connect(login_method="EXTERNAL") as connection:
        connection.SimpleQueue(unique("kombu"), queue_opts={"auto_delete": True}).close()


run(suite)
