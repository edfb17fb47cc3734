"""Consumers of a queue that is there already, over both protocols, each on a connection of its own."""

import amqp_client
import stomp_client
from ends import AmqpSubscription, StompSubscription
from suite import equal, raises
from wire import TIMEOUT, Late


class AmqpTaker(AmqpSubscription):
    protocol = "amqp"

    def __init__(self, broker, queue, prefetch=0, priority=None, acks=True):
        self.connection = amqp_client.connect(broker)
        channel = self.connection.channel()
        if prefetch:
            channel.qos(prefetch)
        arguments = None if priority is None else {"x-priority": priority}
        super().__init__(channel, channel.consume(queue, no_ack=not acks, arguments=arguments))

    def cancel(self):
        """Loans stay open."""
        self.channel.cancel(self.tag)

    def kill(self):
        self.connection.kill()


class StompTaker(StompSubscription):
    protocol = "stomp"

    def __init__(self, broker, queue, prefetch=0, priority=None, acks=True):
        headers = {"prefetch-count": prefetch} if prefetch else {}
        if priority is not None:
            headers["x-priority"] = priority
        connection = stomp_client.connect(broker)
        connection.subscribe(f"/amq/queue/{queue}", "taker",
                             "client-individual" if acks else "auto", **headers)
        super().__init__(connection, "taker")

    def kill(self):
        self.connection.kill()


class Protocol:
    def __init__(self, name, taker):
        self.name, self.taker = name, taker

    def __call__(self, *arguments, **named):
        return self.taker(*arguments, **named)


AMQP = Protocol("amqp", AmqpTaker)
STOMP = Protocol("stomp", StompTaker)
BOTH = (AMQP, STOMP)


def take(taker, count, timeout=TIMEOUT):
    """The next so many deliveries, none of them settled."""
    return [taker.next(timeout) for _ in range(count)]


def expect(taker, *bodies):
    """Exactly these come next; they are settled."""
    got = take(taker, len(bodies))
    equal([g.body for g in got], list(bodies))
    for one in got:
        taker.ack(one)
    taker.settle()


def expect_nothing(taker):
    """Only for what must not come at all: what may come late is not seen."""
    raises(Late, taker.next, 0.3)
