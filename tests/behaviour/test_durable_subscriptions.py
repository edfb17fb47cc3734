"""Subscriptions to a topic that outlive their connection, in RabbitMQ's words and in those of
ActiveMQ and Artemis."""

import amqp_client
import broker as brokers
import stomp_client
from amqp_client import ChannelClosed
from ends import unique
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("durable_subscriptions")

NONE = "RabbitMQ's adapter has no named durable subscriptions"
NAMES = ("activemq.subscriptionName", "activemq.subcriptionName", "durable-subscription-name",
         "durable-subscriber-name")


def topic():
    return f"/topic/{unique('dur')}"


def refused(call, *arguments, **named):
    return raises(ErrorFrame, call, *arguments, **named)


def named(broker, client, version="1.2"):
    return stomp_client.connect(broker, version=version, **{"client-id": client})


def send(connection, destination, *texts):
    for text in texts:
        connection.ask("SEND", {"destination": destination, "persistent": "true"}, text)


def bodies(connection, count):
    return [connection.message().body for _ in range(count)]


def restarted(own):
    own.process.kill()
    own.process.wait()
    own.process.stdout.close()
    own.log.close()
    own.start()


def is_there(broker, queue):
    try:
        amqp_client.connect(broker).channel().queue_declare(queue, passive=True)
        return True
    except ChannelClosed as closed:
        equal(closed.code, 404)
        return False


@suite.test
def without_an_id_it_is_refused(broker):
    stomp = stomp_client.connect(broker)
    for word in ("durable", "persistent"):
        error = refused(stomp.ask, "SUBSCRIBE", {"destination": topic(), word: "true"})
        has(error.body, f"Header 'id' is required for {word} subscriptions")


@suite.test
def an_id_keeps_the_queue_where_it_is_not_to_go(broker):
    where = topic()
    keep = {"durable": "true", "auto-delete": "false"}
    one = stomp_client.connect(broker)
    one.subscribe(where, id="d", **keep)
    one.close()
    two = stomp_client.connect(broker)
    send(two, where, b"while away")
    two.subscribe(where, id="d", **keep)
    equal(bodies(two, 1), [b"while away"])
    two.ask("UNSUBSCRIBE", {"id": "d", "durable": "true"})  # which ends it
    send(two, where, b"nobody is there")
    two.subscribe(where, id="d", **keep)
    send(two, where, b"new")
    equal(bodies(two, 1), [b"new"])
    two.ask("UNSUBSCRIBE", {"id": "d", "durable": "true"})


@suite.test
def a_plain_unsubscribe_keeps_it(broker):
    where = topic()
    keep = {"durable": "true", "auto-delete": "false"}
    stomp = stomp_client.connect(broker)
    stomp.subscribe(where, id="d", **keep)
    stomp.ask("UNSUBSCRIBE", {"id": "d"})
    send(stomp, where, b"kept")
    stomp.subscribe(where, id="d", **keep)
    equal(bodies(stomp, 1), [b"kept"])
    stomp.ask("UNSUBSCRIBE", {"id": "d", "durable": "true"})


@suite.test
def connections_with_one_id_compete(broker):
    where = topic()
    keep = {"durable": "true", "auto-delete": "false", "prefetch-count": "1"}
    both = [stomp_client.connect(broker) for _ in range(2)]
    for one in both:
        one.subscribe(where, id="d", ack="client-individual", **keep)
    send(both[0], where, b"a", b"b")
    equal(sorted(one.message().body for one in both), [b"a", b"b"])
    both[0].ask("UNSUBSCRIBE", {"id": "d", "durable": "true"})


@suite.test
def a_named_queue_is_shared_and_its_name_is_that(broker):
    where, queue = topic(), unique()
    both = [stomp_client.connect(broker) for _ in range(2)]
    for one in both:
        one.subscribe(where, ack="client-individual",
                      **{"x-queue-name": queue, "prefetch-count": "1"})
    send(both[0], where, b"a", b"b")
    equal(sorted(one.message().body for one in both), [b"a", b"b"])
    equal(is_there(broker, queue), True)
    for one in both:
        one.close()
    wait_until(lambda: not is_there(broker, queue), "the queue goes with its last consumer")


@suite.test
def what_has_a_queue_of_its_own_has_no_cluster(broker):
    only_sluice(broker, NONE)
    stomp = named(broker, unique("c"))
    for header in (*NAMES, "x-queue-name", "durable", "persistent", "exclusive", "auto-delete"):
        for cluster in ({"destination": topic() + "@c"},
                        {"destination": topic(), "cluster-id": "c"}):
            error = refused(stomp.ask, "SUBSCRIBE", {"id": "s", **cluster, header: "true"})
            equal((error.message, error.body.strip()), (
                "Invalid ClusterID",
                f"'{header}' does not go with a ClusterID on the same frame"))


@suite.test
def a_durable_name_switches_the_cluster_of_the_connection_off(broker):
    only_sluice(broker, NONE)
    where = topic()
    stomp = stomp_client.connect(broker, **{"client-id": unique("c"), "cluster-id": "c"})
    stomp.subscribe(where, **{"durable-subscription-name": "n"})
    equal(is_there(broker, where + "@c"), False)
    stomp.ask("UNSUBSCRIBE", {"id": "s", "durable-subscription-name": "n"})


@suite.test
def a_name_needs_a_client_and_a_topic(broker):
    only_sluice(broker, NONE)
    stomp = stomp_client.connect(broker)
    error = refused(stomp.subscribe, topic(), **{"activemq.subscriptionName": "n"})
    equal(error.message, "Missing header")
    has(error.body, "'client-id'")
    stomp = named(broker, unique("c"))
    for queue in ("/queue/q", "/amq/queue/q", "q"):
        error = refused(stomp.subscribe, queue, **{"activemq.subscriptionName": "n"})
        equal((error.message, error.body.strip()), (
            "Invalid Subscription", "cannot durably subscribe to a Queue destination!"))
    for name in ("", "n" * 256):
        equal(refused(stomp.subscribe, topic(), **{"durable-subscription-name": name}).message,
              "Invalid header")
    equal(refused(stomp.subscribe, topic(),
                  **{"durable-subscription-name": "n", "x-queue-name": "q"}).message,
          "Invalid header")
    equal(refused(stomp_client.connect, broker, **{"client-id": "c" * 256}).message, "Bad CONNECT")


@suite.test
def every_spelling_keeps_one_subscription(broker):
    only_sluice(broker, NONE)
    where, client = topic(), unique("c")
    for i, (name, version) in enumerate(zip(NAMES, ("1.0", "1.1", "1.2", "1.2"))):
        stomp = stomp_client.Connection(broker.stomp_port)
        stomp.send("CONNECT", {"client-id": client, "login": "guest", "passcode": "guest",
                               "accept-version": version})
        stomp.connected = stomp.wait(lambda f: f.command == "CONNECTED")
        stomp.subscribe(where, **{name: "n"})
        if i > 0:
            equal(bodies(stomp, 1), [b"before %d" % i])
        stomp.close()
        sender = stomp_client.connect(broker)
        send(sender, where, b"before %d" % (i + 1))


@suite.test
def a_name_of_another_client_is_another_subscription(broker):
    only_sluice(broker, NONE)
    where = topic()
    both = [named(broker, unique("c")) for _ in range(2)]
    for one in both:
        one.subscribe(where, **{"activemq.subscriptionName": "n"})
    send(both[0], where, b"a")
    for one in both:
        equal(bodies(one, 1), [b"a"])


@suite.test
def one_name_is_not_two_topics(broker):
    only_sluice(broker, NONE)
    stomp = named(broker, unique("c"))
    first, second = topic(), topic()
    stomp.subscribe(first, **{"activemq.subscriptionName": "n"})
    error = refused(stomp.subscribe, second, id="t", **{"activemq.subscriptionName": "n"})
    equal(error.message, "precondition_failed")
    has(error.body, f"received '{second}' but current is '{first}'")


@suite.test
def it_ends_by_its_name_on_any_connection_of_the_client(broker):
    only_sluice(broker, NONE)
    where, client = topic(), unique("c")
    stomp = named(broker, client)
    stomp.subscribe(where, **{"activemq.subscriptionName": "n"})
    stomp.ask("UNSUBSCRIBE", {"id": "s"})  # only this connection's part in it
    stomp.close()
    stomp = named(broker, client)
    send(stomp, where, b"kept")
    stomp.subscribe(where, **{"activemq.subscriptionName": "n"})
    equal(bodies(stomp, 1), [b"kept"])
    stomp.close()
    stomp = named(broker, client)
    stomp.ask("UNSUBSCRIBE", {"destination": where, "durable-subscription-name": "n"})
    send(stomp, where, b"nobody is there")
    stomp.subscribe(where, **{"activemq.subscriptionName": "n"})
    send(stomp, where, b"new")
    equal(bodies(stomp, 1), [b"new"])
    stomp.ask("UNSUBSCRIBE", {"id": "s", "activemq.subscriptionName": "n"})
    stomp.ask("UNSUBSCRIBE", {"activemq.subscriptionName": "n"})  # again does no harm


@suite.test
def both_kinds_outlive_kill_9(gateway):
    with brokers.Broker(gateway.binary, workers=2) as own:
        def subscribers():
            plain = stomp_client.connect(own)
            plain.subscribe("/topic/t", id="d", durable="true", **{"auto-delete": "false"})
            by_name = named(own, "c")
            by_name.subscribe("/topic/t", **{"activemq.subscriptionName": "n"})
            return plain, by_name

        for one in subscribers():
            one.close()
        sender = stomp_client.connect(own)
        send(sender, "/topic/t", b"before")
        restarted(own)
        sender = stomp_client.connect(own)
        send(sender, "/topic/t", b"after")
        for one in subscribers():
            equal(bodies(one, 2), [b"before", b"after"])
