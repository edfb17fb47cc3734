"""Who keeps a message for too long without settling it (consumer_timeout)."""

import admin
import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from broker import Broker
from ends import unique
from suite import Suite, equal, has, only_sluice, raises

suite = Suite("consumer timeout")
WAIT = 30  # s
SHORT = {"x-consumer-timeout": 1000}


def declared(broker, arguments):
    connection = amqp_client.connect(broker)
    queue = unique()
    connection.channel().queue_declare(queue, durable=True, arguments=arguments)
    return connection, queue


def hold_one(connection, queue, **named):
    """A channel with a message that it does not acknowledge."""
    channel = connection.channel()
    channel.consume(queue, **named)
    channel.publish("", queue, b"x")
    equal(channel.message(WAIT).body, b"x")
    return channel


def closes(channel, ms):
    closed = raises(ChannelClosed, channel.wait, "nothing", timeout=WAIT)
    equal(closed.code, 406)
    has(closed.text, f"PRECONDITION_FAILED - delivery acknowledgement on channel {channel.number} "
        f"timed out. Timeout value used: {ms} ms.")


@suite.test
def its_channel_closes_and_another_consumer_has_the_message(broker):
    only_sluice(broker, "RabbitMQ looks once a minute")
    connection, queue = declared(broker, SHORT)
    channel, other = hold_one(connection, queue), connection.channel()
    closes(channel, 1000)
    other.consume(queue, no_ack=True)
    again = other.message(WAIT)
    equal((again.body, again.redelivered), (b"x", True))


@suite.test
def a_get_is_no_different(broker):
    only_sluice(broker, "RabbitMQ looks once a minute")
    connection, queue = declared(broker, SHORT)
    channel = connection.channel()
    channel.publish("", queue, b"x")
    equal(channel.get(queue).body, b"x")
    closes(channel, 1000)


@suite.test
def over_stomp_the_connection_ends_with_an_error(broker):
    only_sluice(broker, "RabbitMQ looks once a minute")
    _, queue = declared(broker, SHORT)
    stomp = stomp_client.connect(broker)
    stomp.subscribe(f"/amq/queue/{queue}", ack="client-individual")
    stomp.publish(f"/amq/queue/{queue}", b"x")
    stomp.message(WAIT)
    error = stomp.error(WAIT)
    equal(error.headers["message"], "precondition_failed")
    has(error.body.decode(), "delivery acknowledgement on channel 1 timed out")


@suite.test
def a_policy_is_in_force_at_once_and_the_consumer_has_the_first_word(broker):
    only_sluice(broker, "RabbitMQ looks once a minute")
    connection, queue = declared(broker, None)
    exempt = hold_one(connection, queue, arguments={"x-consumer-timeout": 0})
    channel = connection.channel()
    channel.qos(1)
    channel.consume(queue)
    while channel.closed is None and not channel.has("basic.deliver"):
        exempt.publish("", queue, b"y")
        exempt.round_trip()
        channel.round_trip()
    with admin.Policy(broker, queue, {"consumer-timeout": 1000}):
        closes(channel, 1000)
    exempt.round_trip()


@suite.test
def the_setting_is_for_all_that_say_nothing_else(broker):
    only_sluice(broker, "starts a gateway of its own")
    with Broker(broker.binary, "--consumer-timeout-ms", "1500") as own:
        connection, queue = declared(own, None)
        kept = hold_one(*declared(own, {"x-consumer-timeout": 0}))
        closes(hold_one(connection, queue), 1500)
        kept.round_trip()
        for each in (connection, kept.connection):
            each.kill()  # nobody is there to be told of the shutdown
