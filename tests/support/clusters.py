"""Instances of clusters: every way in which a client can say its ClusterID, behind one face."""

import amqp_client
import stomp_client
from ends import AmqpSubscription, StompSubscription, unique
from wire import TIMEOUT

VIRTUAL = "VirtualTopic."


class Instance:
    """One connection with one subscription to the cluster's queue."""

    def __init__(self, connection, subscription):
        self.connection, self.subscription = connection, subscription

    def next(self, timeout=TIMEOUT):
        return self.subscription.next(timeout)

    def ack(self, got):
        self.subscription.ack(got)

    def give_back(self, got):
        self.subscription.give_back(got)

    def settle(self):
        self.subscription.settle()

    def unsubscribe(self):
        self.subscription.end()

    def close(self):
        self.connection.close()

    def kill(self):
        self.connection.kill()


def amqp_instance(broker, queue, prefetch, cluster_id=None):
    properties = {"cluster_id": cluster_id} if cluster_id else None
    connection = amqp_client.connect(broker, properties=properties)
    channel = connection.channel()
    if prefetch:
        channel.qos(prefetch)
    return Instance(connection, AmqpSubscription(channel, channel.consume(queue)))


def stomp_instance(broker, destination, prefetch, frame_id=None, connection_id=None, **headers):
    options = {"cluster-id": connection_id} if connection_id else {}
    connection = stomp_client.connect(broker, **options)
    if prefetch:
        headers["prefetch-count"] = prefetch
    if frame_id:
        headers["cluster-id"] = frame_id
    connection.subscribe(destination, "s", "client-individual", **headers)
    return Instance(connection, StompSubscription(connection, "s"))


def amqp_name(broker, pattern, cluster, prefetch=0):
    return amqp_instance(broker, f"/topic/{pattern}@{cluster}", prefetch)


def amqp_exchange_name(broker, pattern, cluster, prefetch=0):
    return amqp_instance(broker, f"/exchange/amq.topic/{pattern}@{cluster}", prefetch)


def amqp_virtual(broker, pattern, cluster, prefetch=0):
    return amqp_instance(broker, f"/queue/Consumer.{cluster}.{pattern}", prefetch)


def amqp_property(broker, pattern, cluster, prefetch=0):
    return amqp_instance(broker, f"/topic/{pattern}", prefetch, cluster)


def amqp_property_exchange(broker, pattern, cluster, prefetch=0):
    return amqp_instance(broker, f"/exchange/amq.topic/{pattern}", prefetch, cluster)


def stomp_name(broker, pattern, cluster, prefetch=0):
    return stomp_instance(broker, f"/topic/{pattern}@{cluster}", prefetch)


def stomp_exchange_name(broker, pattern, cluster, prefetch=0):
    return stomp_instance(broker, f"/exchange/amq.topic/{pattern}@{cluster}", prefetch)


def stomp_virtual(broker, pattern, cluster, prefetch=0):
    return stomp_instance(broker, f"/queue/Consumer.{cluster}.{pattern}", prefetch)


def stomp_header(broker, pattern, cluster, prefetch=0):
    return stomp_instance(broker, f"/topic/{pattern}", prefetch, frame_id=cluster)


def stomp_connection(broker, pattern, cluster, prefetch=0):
    return stomp_instance(broker, f"/topic/{pattern}", prefetch, connection_id=cluster)


def stomp_connection_exchange(broker, pattern, cluster, prefetch=0):
    return stomp_instance(broker, f"/exchange/amq.topic/{pattern}", prefetch,
                          connection_id=cluster)


class Manner:
    """How the ClusterID is said; named for suite.test_over."""

    def __init__(self, name, join):
        self.name, self.join = name, join


MANNERS = tuple(Manner(f.__name__.replace("_", " "), f) for f in (
    amqp_name, amqp_exchange_name, amqp_virtual, amqp_property, amqp_property_exchange, stomp_name,
    stomp_exchange_name, stomp_virtual, stomp_header, stomp_connection, stomp_connection_exchange))
TWO = tuple(m for m in MANNERS if m.name in ("amqp name", "stomp name"))


def pattern():
    """One that ActiveMQ's form can say too."""
    return VIRTUAL + unique("t")


class Publisher:
    def __init__(self, broker):
        self.connection = amqp_client.connect(broker)
        self.channel = self.connection.channel()
        self.channel.confirm_select()

    def publish(self, key, *bodies, exchange="amq.topic"):
        for body in bodies:
            self.channel.publish(exchange, key, body, {"delivery_mode": 2})
        self.channel.wait_confirms()
