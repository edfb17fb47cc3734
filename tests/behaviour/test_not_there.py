"""What RabbitMQ has and Sluice does not: it is refused in plain words, or does no harm."""

from ends import unique
from rules import QUORUM, channel_of, confirmed, ready, refused, taken
from suite import Suite, equal, has, only_sluice
import stomp_client

suite = Suite("not_there")


@suite.test
def types_of_exchanges_that_are_not_there_are_refused(broker):
    only_sluice(broker, "some are plugins")
    for kind in ("x-local-random", "x-modulus-hash", "x-jms-topic", "x-super-stream"):
        refused(406, f"PRECONDITION_FAILED - unknown exchange type '{kind}'",
                channel_of(broker).exchange_declare, unique(), kind)


@suite.test
def exchanges_that_tell_of_the_broker_are_not_there(broker):
    only_sluice(broker, "amq.rabbitmq.trace is, and plugins have the others")
    for name in ("amq.rabbitmq.trace", "amq.rabbitmq.event", "amq.rabbitmq.log"):
        refused(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'",
                channel_of(broker).exchange_declare, name, "topic", passive=True)
        refused(403, f"exchange name '{name}' contains reserved prefix 'amq.*'",
                channel_of(broker).exchange_declare, name, "topic")


@suite.test
def words_of_other_brokers_about_an_exchange_are_kept_and_mean_nothing(broker):
    only_sluice(broker, "they are LavinMQ's")
    channel = channel_of(broker)
    spare, other = channel.queue_declare(unique())[0], unique()
    channel.exchange_declare(other, "fanout")
    channel.queue_bind(spare, other)
    for kind, arguments in (("direct", {"x-alternate-exchange": other}),
                            ("x-consistent-hash", {"x-algorithm": "jump", "x-hash-on": "h"})):
        exchange = unique()
        channel.exchange_declare(exchange, kind, arguments=arguments)
        channel.exchange_declare(exchange, kind, arguments=arguments)
        channel.publish(exchange, "k", b"x", mandatory=True)
        equal(channel.wait("basic.return")[1].reply_code, 312)
    equal(ready(channel, spare), 0)


@suite.test
def a_prefix_for_names_of_the_server_means_nothing(broker):
    only_sluice(broker, "4.3 uses it")
    name = channel_of(broker).queue_declare("", arguments={"x-name-prefix": "mine."})[0]
    has(name, "amq.gen-")
    equal(len(name), len("amq.gen-") + 22)


@suite.test
def a_quorum_queue_has_priorities_only_when_it_says_so(broker):
    only_sluice(broker, "4.x has some in every quorum queue, and refuses the argument")
    channel = channel_of(broker)
    for arguments, order in (({}, [b"low", b"high"]), ({"max_priority": 31}, [b"high", b"low"])):
        queue = QUORUM.declare(channel, **arguments)
        confirmed(channel, queue, b"low", priority=0)
        confirmed(channel, queue, b"high", priority=31)
        equal([taken(channel, queue).body for _ in range(2)], order)


@suite.test
def a_transient_queue_may_be_shared(broker):
    only_sluice(broker, "4.3 refuses it")
    queue = unique()
    channel_of(broker).queue_declare(queue, durable=False)
    other = channel_of(broker)
    other.queue_declare(queue, durable=False)
    confirmed(other, queue, b"x")
    equal(taken(channel_of(broker), queue).body, b"x")


@suite.test
def without_a_prefetch_all_is_lent(broker):
    only_sluice(broker, "a quorum queue stops at 2000")
    count = 2500
    channel = channel_of(broker)
    queue = QUORUM.declare(channel)
    confirmed(channel, queue, *[b"x"] * count)
    consumer = channel_of(broker)
    tag = consumer.consume(queue)
    for _ in range(count):
        consumer.message()
    consumer.connection.kill()
    stomp = stomp_client.connect(broker)
    stomp.subscribe(f"/amq/queue/{queue}", ack="client-individual")
    for _ in range(count):
        stomp.message()


@suite.test
def whole_numbers_and_fractions_are_different_arguments(broker):
    channel = channel_of(broker)
    queue = unique()
    channel.queue_declare(queue, durable=True, arguments={"x-max-length": 50})
    refused(406, "x-max-length", channel_of(broker).queue_declare, queue, durable=True,
            arguments={"x-max-length": 50.0})
