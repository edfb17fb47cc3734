"""What clients of ActiveMQ and Artemis say in headers of theirs, and what it means here."""

import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from ends import unique
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises
from wire import Late

suite = Suite("foreign_headers")

NONE = "RabbitMQ's adapter does not know them"
QUIET = 0.2


def subscriber(broker, destination, **headers):
    connection = stomp_client.connect(broker)
    connection.subscribe(destination, ack="client-individual", **headers)
    return connection


def send(broker, destination, *texts, **headers):
    connection = stomp_client.connect(broker)
    for text in texts:
        connection.ask("SEND", {"destination": destination, **headers}, text)
    return connection


@suite.test
def prefetch_size_is_a_count(broker):
    only_sluice(broker, NONE)
    where = f"/queue/{unique()}"
    send(broker, where, b"a", b"b", b"c")
    stomp = subscriber(broker, where, **{"activemq.prefetchSize": "2"})
    equal([stomp.message().body for _ in range(2)], [b"a", b"b"])
    raises(Late, stomp.message, QUIET)
    both = subscriber(broker, where, **{"activemq.prefetchSize": "5", "prefetch-count": "1"})
    equal(both.message().body, b"c")


@suite.test
def priority_is_that_of_the_consumer(broker):
    only_sluice(broker, NONE)
    where = f"/queue/{unique()}"
    later = subscriber(broker, where)
    sooner = subscriber(broker, where, **{"activemq.priority": "5"})
    send(broker, where, b"a", b"b")
    equal([sooner.message().body for _ in range(2)], [b"a", b"b"])
    sooner.kill()
    equal(sorted(later.message().body for _ in range(2)), [b"a", b"b"])
    error = raises(ErrorFrame, later.subscribe, where, id="t", **{"activemq.priority": "high"})
    equal(error.message, "Invalid header")


@suite.test
def exclusive_is_a_single_active_consumer(broker):
    only_sluice(broker, NONE)
    where = f"/queue/{unique()}"
    active = subscriber(broker, where, **{"activemq.exclusive": "true"})
    standby = subscriber(broker, where, **{"activemq.exclusive": "true"})
    send(broker, where, b"a", **{"x-single-active-consumer": "true"})
    equal(active.message().body, b"a")
    active.kill()
    equal(standby.message().body, b"a")
    other = stomp_client.connect(broker)
    error = raises(ErrorFrame, other.subscribe, where)
    has(error.body, "inequivalent arg 'x-single-active-consumer'")


@suite.test
def routing_types_say_what_a_bare_name_is(broker):
    only_sluice(broker, NONE)
    name = unique("art")
    on_topic = subscriber(broker, name, **{"subscription-type": "MULTICAST"})
    on_queue = subscriber(broker, name, **{"subscription-type": "ANYCAST"})
    send(broker, name, b"topic", **{"destination-type": "MULTICAST"})
    send(broker, name, b"queue", **{"destination-type": "ANYCAST"})
    send(broker, name, b"too")
    message = on_topic.message()
    equal((message.body, message.headers["destination"]), (b"topic", f"/topic/{name}"))
    equal([on_queue.message().body for _ in range(2)], [b"queue", b"too"])
    send(broker, f"/queue/{name}", b"by prefix", **{"destination-type": "MULTICAST"})
    equal(on_queue.message().body, b"by prefix")


@suite.test
def what_has_no_meaning_here_does_no_harm(broker):
    only_sluice(broker, NONE)
    where = f"/topic/{unique()}"
    stomp = subscriber(broker, where, **{
        "activemq.dispatchAsync": "true", "activemq.maximumPendingMessageLimit": "10",
        "activemq.noLocal": "true", "no-local": "true", "activemq.retroactive": "true",
        "consumer-window-size": "1024"})
    stomp.send("SEND", {"destination": where, "amq-msg-type": "text", "transformation": "jms-xml"},
               b"a")
    message = stomp.message()
    equal((message.body, message.headers["amq-msg-type"]), (b"a", "text"))


@suite.test
def a_request_id_is_answered(broker):
    only_sluice(broker, NONE)
    stomp = stomp_client.connect(broker, **{"request-id": "r1", "client-id": "c"})
    equal(stomp.connected.headers["response-id"], "r1")
