"""Queues with rules of their own (TTL, limits, dead letters), and what comes out of them."""

import amqp_client
from amqp_client import ChannelClosed
from ends import unique
from suite import equal, has, raises, wait_until


class Kind:
    """A queue type, as a test names it in a declare."""

    def __init__(self, name, **arguments):
        self.name, self.arguments = name, arguments

    def declare(self, channel, queue=None, **arguments):
        """Arguments are written with _ for -, and without their x-."""
        named = {f"x-{k.replace('_', '-')}": v for k, v in arguments.items()}
        queue = queue or unique()
        channel.queue_declare(queue, durable=True, arguments={**self.arguments, **named})
        return queue


CLASSIC = Kind("classic")
QUORUM = Kind("quorum", **{"x-queue-type": "quorum"})
KINDS = (CLASSIC, QUORUM)


def channel_of(broker):
    return amqp_client.connect(broker).channel()


def has_queue(broker, queue):
    connection = amqp_client.connect(broker)
    try:
        connection.channel().queue_declare(queue, passive=True)
    except ChannelClosed as closed:
        equal(closed.code, 404)
        return False
    finally:
        connection.close()
    return True


def refused(code, text, call, *arguments, **named):
    """The call must close its channel with this code, and a text that holds this one."""
    closed = raises(ChannelClosed, call, *arguments, **named)
    equal(closed.code, code, str(closed))
    has(closed.text, text)
    return closed


def letter_box(channel, kind=CLASSIC, key=None, **arguments):
    """A queue, and the one where its dead letters go: both names."""
    box = unique("dead")
    channel.queue_declare(box, durable=True)
    if key is None:
        arguments["dead_letter_routing_key"] = box
    return kind.declare(channel, dead_letter_exchange="", **arguments), box


def confirmed(channel, queue, *bodies, exchange="", **properties):
    """Publishes; returns when all is confirmed."""
    if not getattr(channel, "is_confirming", False):
        channel.confirm_select()
        channel.is_confirming = True
    for body in bodies:
        channel.publish(exchange, queue, body, properties)
    channel.wait_confirms()


def ready(channel, queue):
    return channel.queue_declare(queue, passive=True)[1]


def comes_to_hold(channel, queue, count):
    wait_until(lambda: ready(channel, queue) == count, f"{count} messages in {queue}")


def taken(channel, queue):
    """The next message, settled; waits until there is one."""
    return wait_until(lambda: channel.get(queue, no_ack=True), f"a message in {queue}")


def bodies(channel, queue):
    """All that is ready, settled."""
    found = []
    while message := channel.get(queue, no_ack=True):
        found.append(message.body)
    return found


def is_there(broker, queue):
    """Asks on a connection of its own; a passive declare is no use of a queue that expires."""
    connection = amqp_client.connect(broker)
    try:
        connection.channel().queue_declare(queue, passive=True)
        return True
    except ChannelClosed as closed:
        equal(closed.code, 404)
        return False
    finally:
        connection.close()
