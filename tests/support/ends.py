"""One neutral face for both protocols: a promise is written once and run over each.

A Way is a pair of ends: who publishes and who consumes.  Names given to the same Way are
the same queue or topic on both sides.
"""

import itertools
import os

import amqp_client
import stomp_client
from wire import TIMEOUT

unique_numbers = itertools.count(1)


def unique(stem="q"):
    """A name that no other test uses, also not in another process on the same broker."""
    return f"{stem}-{os.getpid()}-{next(unique_numbers)}"


class Got:
    """One delivery, as a test sees it whatever the protocol."""

    def __init__(self, body, redelivered, raw):
        self.body, self.redelivered, self.raw = body, redelivered, raw

    def __repr__(self):
        return f"{self.body!r}{' again' if self.redelivered else ''}"


class AmqpEnd:
    protocol = "amqp"

    def __init__(self, broker):
        self.broker = broker
        self.connection = amqp_client.connect(broker)
        self.channel = self.connection.channel()
        self.publisher = self.connection.channel()
        self.publisher.confirm_select()

    def declare(self, queue):
        self.channel.queue_declare(queue, durable=True)

    def publish(self, queue, *bodies, **properties):
        """To a queue; returns when the broker has confirmed all."""
        for body in bodies:
            self.publisher.publish("", queue, body, properties)
        self.publisher.wait_confirms()

    def publish_topic(self, key, *bodies):
        for body in bodies:
            self.publisher.publish("amq.topic", key, body)
        self.publisher.wait_confirms()

    def subscribe(self, queue, acks=True, prefetch=0):
        self.declare(queue)
        return self.consume(queue, acks, prefetch)

    def subscribe_topic(self, pattern):
        queue = self.channel.queue_declare(exclusive=True, auto_delete=True)[0]
        self.channel.queue_bind(queue, "amq.topic", pattern)
        return self.consume(queue, False, 0)

    def consume(self, queue, acks, prefetch):
        channel = self.connection.channel()  # of its own, so that closing it is unsubscribing
        if prefetch:
            channel.qos(prefetch)
        return AmqpSubscription(channel, channel.consume(queue, no_ack=not acks))

    def close(self):
        self.connection.close()

    def kill(self):
        self.connection.kill()


class AmqpSubscription:
    def __init__(self, channel, tag):
        self.channel, self.tag = channel, tag

    def next(self, timeout=TIMEOUT):
        m = self.channel.message(timeout)
        return Got(m.body, m.redelivered, m)

    def ack(self, got):
        self.channel.ack(got.raw.tag)

    def give_back(self, got):
        self.channel.nack(got.raw.tag, requeue=True)

    def refuse(self, got):
        self.channel.reject(got.raw.tag, requeue=False)

    def settle(self):
        """Returns when the broker has read everything that was said before."""
        self.channel.round_trip()

    def end(self):
        self.channel.close()


class StompEnd:
    protocol = "stomp"

    def __init__(self, broker):
        self.broker = broker
        self.connection = stomp_client.connect(broker)
        self.ids = itertools.count(1)

    def declare(self, queue):
        """As a STOMP client does it: the queue comes into being with its first use."""
        ident = f"declare-{next(self.ids)}"
        self.connection.subscribe(f"/queue/{queue}", ident, ack="client-individual")
        self.connection.ask("UNSUBSCRIBE", {"id": ident})

    def publish(self, queue, *bodies, **properties):
        self.send(f"/queue/{queue}", bodies, properties)

    def publish_topic(self, key, *bodies):
        self.send(f"/topic/{key}", bodies, {})

    def send(self, destination, bodies, properties):
        for body in bodies[:-1]:
            self.connection.publish(destination, body, **properties)
        self.connection.ask("SEND", {"destination": destination, **properties,
                                     "content-length": len(bodies[-1])}, bodies[-1])

    def subscribe(self, queue, acks=True, prefetch=0):
        ident = f"sub-{next(self.ids)}"
        more = {"prefetch-count": prefetch} if prefetch else {}
        self.connection.subscribe(f"/queue/{queue}", ident, "client-individual" if acks else "auto",
                                  **more)
        return StompSubscription(self.connection, ident)

    def subscribe_topic(self, pattern):
        ident = f"sub-{next(self.ids)}"
        self.connection.subscribe(f"/topic/{pattern}", ident)
        return StompSubscription(self.connection, ident)

    def close(self):
        self.connection.close()

    def kill(self):
        self.connection.kill()


class StompSubscription:
    def __init__(self, connection, ident):
        self.connection, self.ident = connection, ident

    def next(self, timeout=TIMEOUT):
        frame = self.connection.message(timeout, self.ident)
        return Got(frame.body, frame.headers["redelivered"] == "true", frame)

    def ack(self, got):
        self.connection.ack(got.raw)

    def give_back(self, got):
        self.connection.nack(got.raw, requeue="true")

    def refuse(self, got):
        self.connection.nack(got.raw, requeue="false")

    def settle(self):
        ident = f"barrier-{id(self)}"
        self.connection.ask("BEGIN", {"transaction": ident})
        self.connection.ask("ABORT", {"transaction": ident})

    def end(self):
        self.connection.ask("UNSUBSCRIBE", {"id": self.ident})


class Way:
    def __init__(self, name, source, target):
        self.name, self.source, self.target = name, source, target

    def publisher(self, broker):
        return self.source(broker)

    def consumer(self, broker):
        return self.target(broker)


AMQP = Way("amqp", AmqpEnd, AmqpEnd)
STOMP = Way("stomp", StompEnd, StompEnd)
TO_STOMP = Way("amqp to stomp", AmqpEnd, StompEnd)
TO_AMQP = Way("stomp to amqp", StompEnd, AmqpEnd)
EVERY = (AMQP, STOMP, TO_STOMP, TO_AMQP)


class Watcher:
    """Looks at queues from outside, over AMQP."""

    def __init__(self, broker):
        self.connection = amqp_client.connect(broker)
        self.channel = self.connection.channel()

    def ready(self, queue):
        return self.channel.queue_declare(queue, passive=True)[1]

    def consumers(self, queue):
        return self.channel.queue_declare(queue, passive=True)[2]

    def exists(self, queue):
        try:
            self.channel.queue_declare(queue, passive=True)
            return True
        except amqp_client.ChannelClosed as closed:
            assert closed.code in (404, 405), closed
            self.channel = self.connection.channel()
            return closed.code == 405
