"""What of cluster queues outlives the gateway: all of it.  And names that a setting switches off."""

import broker as brokers
import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from clusters import MANNERS, Publisher, amqp_name, stomp_name
from suite import Suite, equal, has, only_sluice, raises

suite = Suite("cluster_restart")


def killed(own):
    """kill -9, and the next life on the same data."""
    own.process.kill()
    own.process.wait()
    own.process.stdout.close()
    own.log.close()
    own.start()


def stopped(own):
    own.terminate()
    own.process.stdout.close()
    own.log.close()
    own.start()


def queue_of(own, name):
    return amqp_client.connect(own).channel().queue_declare(name, passive=True)


def survives(gateway, end):
    with brokers.Broker(gateway.binary, workers=2) as own:
        instances = [m.join(own, f"VirtualTopic.{i}", "c", prefetch=1)
                     for i, m in enumerate(MANNERS)]
        publisher = Publisher(own)
        for i in range(len(MANNERS)):
            publisher.publish(f"VirtualTopic.{i}", b"lent", b"ready")
        equal([instance.next().body for instance in instances], [b"lent"] * len(MANNERS))
        end(own)
        publisher = Publisher(own)
        for i, manner in enumerate(MANNERS):
            name = f"/topic/VirtualTopic.{i}@c"
            equal(queue_of(own, name), [name, 2, 0])
            publisher.publish(f"VirtualTopic.{i}", b"routed")  # the binding is back too
            instance = manner.join(own, f"VirtualTopic.{i}", "c")
            got = [instance.next() for _ in range(3)]
            equal([g.body for g in got], [b"lent", b"ready", b"routed"])
            equal((got[0].redelivered, got[2].redelivered), (True, False))
            channel = amqp_client.connect(own).channel()
            equal(raises(ChannelClosed, channel.queue_unbind, name, "amq.topic",
                         f"VirtualTopic.{i}").code, 406)


@suite.test
def queues_bindings_and_messages_survive_kill_9(gateway):
    only_sluice(gateway, "there are no cluster queues")
    survives(gateway, killed)


@suite.test
def queues_bindings_and_messages_survive_a_stop(gateway):
    only_sluice(gateway, "there are no cluster queues")
    survives(gateway, stopped)


@suite.test
def what_was_answered_is_there_after_kill_9(gateway):
    only_sluice(gateway, "there are no cluster queues")
    with brokers.Broker(gateway.binary, workers=2) as own:
        for life in range(5):
            stomp_name(own, f"s{life}", "c")
            amqp_name(own, f"a{life}", "c")
            killed(own)
            for earlier in range(life + 1):
                for kind in "sa":
                    equal(queue_of(own, f"/topic/{kind}{earlier}@c")[1:], [0, 0])


@suite.test
def a_binding_made_again_survives_kill_9(gateway):
    only_sluice(gateway, "there are no cluster queues")
    with brokers.Broker(gateway.binary) as own:
        channel = amqp_client.connect(own).channel()
        channel.exchange_declare("e", "fanout", durable=True)
        channel.queue_declare("/exchange/e@c")
        channel.exchange_delete("e")
        channel.exchange_declare("e", "fanout", durable=True)
        killed(own)
        Publisher(own).publish("", b"not bound", exchange="e")
        equal(queue_of(own, "/exchange/e@c")[1], 0)
        stomp_name(own, "ignored", "c")
        amqp_client.connect(own).channel().queue_declare("/exchange/e@c")
        killed(own)
        Publisher(own).publish("", b"bound", exchange="e")
        equal(queue_of(own, "/exchange/e@c")[1], 1)


@suite.test
def the_count_of_a_cluster_id_is_known_after_a_restart(gateway):
    only_sluice(gateway, "there are no cluster queues")
    with brokers.Broker(gateway.binary) as own:
        channel = amqp_client.connect(own).channel()
        for i in range(1000):
            channel.queue_declare(f"/topic/p{i}@c", no_wait=True)
        channel.queue_declare("/topic/p0@c")
        killed(own)
        channel = amqp_client.connect(own).channel()
        has(raises(ChannelClosed, channel.queue_declare, "/topic/more@c").text, "limit")


@suite.test
def with_cluster_names_off_a_name_is_a_name(gateway):
    only_sluice(gateway, "there are no cluster queues")
    with brokers.Broker(gateway.binary, "--cluster-names", "off") as own:
        name = "/topic/p@c"
        channel = amqp_client.connect(own).channel()
        equal(channel.queue_declare(name, exclusive=True), [name, 0, 0])
        channel.queue_delete(name)
        connection = stomp_client.connect(own)
        connection.subscribe("/topic/a@b", "s")
        Publisher(own).publish("a@b", b"x")
        equal(connection.message().body, b"x")
        with_header = stomp_client.connect(own)
        with_header.subscribe("/topic/a@b", "s", cluster_id="c")
        Publisher(own).publish("a@b", b"y")
        equal(with_header.message().body, b"y")
        virtual = stomp_client.connect(own)
        virtual.subscribe("/queue/Consumer.c.VirtualTopic.x", "s")
        Publisher(own).publish("VirtualTopic.x", b"z")
        equal(virtual.message().body, b"z")
        equal(queue_of(own, "/topic/VirtualTopic.x@c")[2], 1)


@suite.test
def another_topic_exchange_of_stomp_has_queues_of_its_own(gateway):
    only_sluice(gateway, "there are no cluster queues")
    with brokers.Broker(gateway.binary, "--stomp-topic-exchange", "events") as own:
        amqp_client.connect(own).channel().exchange_declare("events", "topic", durable=True)
        connection = stomp_client.connect(own)
        connection.subscribe("/topic/p@c", "s")
        connection.subscribe("/queue/Consumer.c.VirtualTopic.x", "v")
        equal(queue_of(own, "/exchange/events/p@c")[2], 1)
        equal(queue_of(own, "/exchange/events/VirtualTopic.x@c")[2], 1)
        connection.ask("SEND", {"destination": "/topic/p"}, b"x")
        connection.ask("SEND", {"destination": "/queue/Consumer.c.VirtualTopic.x"}, b"y")
        equal(connection.message(subscription="s").body, b"x")
        equal(connection.message(subscription="v").body, b"y")
