"""How a client says its ClusterID: what goes before what, what switches it off, what is refused."""

import amqp_client
import stomp_client
from amqp_client import ChannelClosed, ConnectionClosed
from clusters import Publisher, pattern
from ends import unique
from rules import has_queue
from suite import Suite, equal, has, only_sluice, raises

suite = Suite("cluster_ids")
NONE = "there are no cluster queues"


def subscribed(broker, destination, connection_id=None, **headers):
    options = {"cluster-id": connection_id} if connection_id else {}
    connection = stomp_client.connect(broker, **options)
    connection.subscribe(destination, "s", "client-individual", **headers)
    return connection


def refused(broker, destination, text, connection_id=None, **headers):
    options = {"cluster-id": connection_id} if connection_id else {}
    connection = stomp_client.connect(broker, **options)
    error = raises(stomp_client.ErrorFrame, connection.subscribe, destination, "s",
                   "client-individual", **headers)
    equal(error.frame.headers["receipt-id"], "r-1")
    has(error.body, text)


@suite.test
def the_frame_beats_the_connection(broker):
    only_sluice(broker, NONE)
    topic = pattern()
    subscribed(broker, f"/topic/{topic}@name", "conn")
    subscribed(broker, f"/topic/{topic}", "conn", cluster_id="header")
    subscribed(broker, f"/queue/Consumer.virtual.{topic}", "conn")
    assert not has_queue(broker, f"/topic/{topic}@conn")
    for ident in ("name", "header", "virtual"):
        assert has_queue(broker, f"/topic/{topic}@{ident}"), ident
    channel = amqp_client.connect(broker, properties={"cluster_id": "conn"}).channel()
    channel.consume(f"/topic/{topic}@amqp")
    assert has_queue(broker, f"/topic/{topic}@amqp")
    assert not has_queue(broker, f"/topic/{topic}@conn")
    channel.consume(f"/topic/{topic}")
    assert has_queue(broker, f"/topic/{topic}@conn")


@suite.test
def the_connections_id_is_for_topics_and_exchanges_alone(broker):
    only_sluice(broker, NONE)
    queue = unique("q")
    connection = subscribed(broker, f"/queue/{queue}", "conn")
    equal(amqp_client.connect(broker).channel().queue_declare(queue, passive=True)[2], 1)
    connection.close()
    channel = amqp_client.connect(broker, properties={"cluster_id": "conn"}).channel()
    channel.consume(queue)
    equal(channel.queue_declare(queue, passive=True)[2], 1)


@suite.test
def amqp_declares_what_is_named_and_nothing_else(broker):
    only_sluice(broker, NONE)
    name = "/topic/" + unique("t")
    channel = amqp_client.connect(broker, properties={"cluster_id": "conn"}).channel()
    equal(channel.queue_declare(name, exclusive=True)[0], name)
    assert not has_queue(broker, name + "@conn")


@suite.test
def what_asks_for_a_queue_of_its_own_switches_the_connections_id_off(broker):
    only_sluice(broker, NONE)
    for headers in ({"x-queue-name": unique("named")}, {"durable": "true"}, {"persistent": "true"},
                    {"exclusive": "true"}, {"auto-delete": "true"}):
        topic, publisher = pattern(), Publisher(broker)
        one, other = (subscribed(broker, f"/topic/{topic}", "conn", **{**headers, **more})
                      for more in ({}, {"x-queue-name": unique("other")}))
        assert not has_queue(broker, f"/topic/{topic}@conn"), headers
        publisher.publish(topic, b"x")
        equal(one.message().body, b"x")
        equal(other.message().body, b"x")


@suite.test
def what_says_the_default_does_not_switch_it_off(broker):
    only_sluice(broker, NONE)
    topic = pattern()
    subscribed(broker, f"/topic/{topic}", "conn", durable="false", persistent="false",
               exclusive="false", auto_delete="false")
    assert has_queue(broker, f"/topic/{topic}@conn")


@suite.test
def without_a_cluster_id_a_topic_is_as_it_was(broker):
    topic, publisher = pattern(), Publisher(broker)
    one, other = (stomp_client.connect(broker) for _ in range(2))
    for connection in (one, other):
        connection.subscribe(f"/topic/{topic}", "s")
    publisher.publish(topic, b"x")
    equal((one.message().body, other.message().body), (b"x", b"x"))


@suite.test
def together_with_an_id_on_the_same_frame_they_are_an_error(broker):
    only_sluice(broker, NONE)
    topic = pattern()
    for name, value in (("x-queue-name", "q"), ("durable", "true"), ("persistent", "true"),
                        ("exclusive", "true"), ("auto-delete", "true")):
        text = f"'{name}' does not go with a ClusterID"
        refused(broker, f"/topic/{topic}@c", text, **{name: value})
        refused(broker, f"/topic/{topic}", text, **{name: value, "cluster-id": "c"})
        refused(broker, f"/queue/Consumer.c.{topic}", text, **{name: value})
    assert not has_queue(broker, f"/topic/{topic}@c")


@suite.test
def two_different_ids_on_one_frame_are_an_error(broker):
    only_sluice(broker, NONE)
    topic = pattern()
    refused(broker, f"/topic/{topic}@a", "different ClusterIDs", cluster_id="b")
    subscribed(broker, f"/topic/{topic}@a", cluster_id="a")
    assert has_queue(broker, f"/topic/{topic}@a")
    assert not has_queue(broker, f"/topic/{topic}@b")


@suite.test
def an_id_goes_with_topics_and_exchanges_only(broker):
    only_sluice(broker, NONE)
    queue = unique("q")
    refused(broker, f"/queue/{queue}", "'cluster-id' goes with /topic and /exchange", cluster_id="c")
    refused(broker, f"/amq/queue/{queue}", "'cluster-id' goes with", cluster_id="c")
    assert not has_queue(broker, queue)


@suite.test
def a_bad_id_is_refused_in_the_protocols_own_form(broker):
    only_sluice(broker, NONE)
    for bad in ("a b", "a/b", "a%40b", "x" * 65, "ä", "", "a:b"):
        topic = pattern()
        refused(broker, f"/topic/{topic}", "invalid ClusterID", cluster_id=bad)
        refused(broker, f"/topic/{topic}@{bad}", "invalid ClusterID")
        refused(broker, f"/queue/Consumer.{bad}.{topic}", "invalid ClusterID")
        error = raises(stomp_client.ErrorFrame, stomp_client.connect, broker, **{"cluster-id": bad})
        has(error.body, "invalid ClusterID")
        closed = raises(ConnectionClosed, amqp_client.connect, broker, properties={"cluster_id": bad})
        equal(closed.code, 530)
        has(closed.text, "invalid ClusterID")
        for call in ("queue_declare", "consume", "get", "queue_purge", "queue_delete"):
            channel = amqp_client.connect(broker).channel()
            closed = raises(ChannelClosed, getattr(channel, call), f"/topic/{topic}@{bad}")
            equal(closed.code, 406)
            has(closed.text, "invalid ClusterID")
        for call in ("queue_bind", "queue_unbind"):
            channel = amqp_client.connect(broker).channel()
            closed = raises(ChannelClosed, getattr(channel, call), f"/topic/{topic}@{bad}",
                            "amq.topic", "k")
            equal(closed.code, 406)
    closed = raises(ConnectionClosed, amqp_client.connect, broker, properties={"cluster_id": 7})
    has(closed.text, "no string")


@suite.test
def a_name_of_300_bytes_is_refused(broker):
    only_sluice(broker, NONE)
    for destination, headers in (("/topic/" + "p" * 291 + "@c", {}),
                                 ("/topic/" + "p" * 247, {"cluster_id": "c"}),
                                 ("/topic/" + "@" * 100, {"cluster_id": "c"}),
                                 ("/exchange/" + "e" * 290 + "@c", {}),
                                 ("/queue/Consumer.c.VirtualTopic." + "p" * 240, {})):
        connection = stomp_client.connect(broker)
        error = raises(stomp_client.ErrorFrame, connection.subscribe, destination, "s",
                       **headers)
        assert error.message in ("Invalid ClusterID", "Invalid destination"), error
    channel = amqp_client.connect(broker, properties={"cluster_id": "c" * 64}).channel()
    closed = raises(ChannelClosed, channel.consume, "/topic/" + "p" * 240)
    equal(closed.code, 406)
    has(closed.text, "longer than 255 bytes")


@suite.test
def an_empty_topic_is_refused(broker):
    only_sluice(broker, NONE)
    for name in ("/topic/@c", "/exchange/@c", "/exchange//p@c", "/exchange/amq.topic@c"):
        connection = stomp_client.connect(broker)
        error = raises(stomp_client.ErrorFrame, connection.subscribe, name, "s")
        equal(error.message, "Invalid ClusterID" if name != "/exchange//p@c" else error.message)
        channel = amqp_client.connect(broker).channel()
        equal(raises(ChannelClosed, channel.consume, name).code, 406)
