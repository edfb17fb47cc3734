"""From an exchange to its queues: the four kinds, bindings between exchanges, refusals."""

import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from ends import EVERY, AmqpEnd, Watcher, unique
from rules import refused
from suite import Suite, equal, has, raises, wait_until

suite = Suite("routing")


class Bench:
    """An AMQP channel with queues of its own; tells which of them a publish reached."""

    def __init__(self, broker):
        self.connection = amqp_client.connect(broker)
        self.channel = self.connection.channel()
        self.channel.confirm_select()
        self.queues = {}

    def exchange(self, kind, **options):
        name = unique(kind)
        self.channel.exchange_declare(name, kind, **options)
        return name

    def queue(self, label, exchange=None, key="", arguments=None):
        if label not in self.queues:
            self.queues[label] = self.channel.queue_declare(exclusive=True)[0]
        if exchange is not None:
            self.channel.queue_bind(self.queues[label], exchange, key, arguments)
        return self.queues[label]

    def reached(self, exchange, key, headers=None):
        self.channel.publish(exchange, key, b"x", {"headers": headers} if headers else None)
        self.channel.wait_confirms()
        return {label for label, queue in self.queues.items()
                if self.channel.get(queue, no_ack=True) is not None}


@suite.test
def direct_matches_the_whole_key(broker):
    bench = Bench(broker)
    exchange = bench.exchange("direct")
    bench.queue("one", exchange, "a")
    bench.queue("both", exchange, "a")
    bench.queue("both", exchange, "b")
    equal(bench.reached(exchange, "a"), {"one", "both"})
    equal(bench.reached(exchange, "b"), {"both"})
    equal(bench.reached(exchange, "A"), set())
    equal(bench.reached(exchange, ""), set())


@suite.test
def fanout_ignores_the_key(broker):
    bench = Bench(broker)
    exchange = bench.exchange("fanout")
    for label in "abc":
        bench.queue(label, exchange, label)
    equal(bench.reached(exchange, "whatever"), set("abc"))


@suite.test
def topic_wildcards(broker):
    bench = Bench(broker)
    exchange = bench.exchange("topic")
    for pattern in ("a.b", "a.*", "*.b", "a.#", "#", "#.b", "a.#.c", "*", "*.*.#", ""):
        bench.queue(pattern, exchange, pattern)
    equal(bench.reached(exchange, "a.b"), {"a.b", "a.*", "*.b", "a.#", "#", "#.b", "*.*.#"})
    equal(bench.reached(exchange, "a"), {"a.#", "#", "*"})
    equal(bench.reached(exchange, "b"), {"#", "#.b", "*"})
    equal(bench.reached(exchange, "a.c"), {"a.*", "a.#", "#", "a.#.c", "*.*.#"})
    equal(bench.reached(exchange, "a.x.y.c"), {"a.#", "#", "a.#.c", "*.*.#"})
    equal(bench.reached(exchange, ""), {"#", ""})
    assert "a.*" in bench.reached(exchange, "a."), "an empty word is a word"


@suite.test
def one_queue_bound_twice_gets_one_copy(broker):
    bench = Bench(broker)
    exchange = bench.exchange("topic")
    queue = bench.queue("q", exchange, "a.*")
    bench.queue("q", exchange, "*.b")
    equal(bench.reached(exchange, "a.b"), {"q"})
    equal(bench.channel.get(queue), None)


@suite.test
def headers_all_and_any(broker):
    bench = Bench(broker)
    exchange = bench.exchange("headers")
    bench.queue("all", exchange, "", {"x-match": "all", "a": 1, "b": "two"})
    bench.queue("any", exchange, "", {"x-match": "any", "a": 1, "b": "two"})
    bench.queue("default", exchange, "", {"a": 1, "b": "two"})
    bench.queue("present", exchange, "", {"a": None})
    equal(bench.reached(exchange, "", {"a": 1, "b": "two", "c": 3}),
          {"all", "any", "default", "present"})
    equal(bench.reached(exchange, "", {"a": 1}), {"any", "present"})
    equal(bench.reached(exchange, "", {"a": 2}), {"present"})
    equal(bench.reached(exchange, "", {"c": 3}), set())


@suite.test
def headers_with_x(broker):
    bench = Bench(broker)
    exchange = bench.exchange("headers")
    bench.queue("all", exchange, "", {"x-match": "all", "x-a": 1, "b": 2})
    bench.queue("all-with-x", exchange, "", {"x-match": "all-with-x", "x-a": 1, "b": 2})
    bench.queue("any-with-x", exchange, "", {"x-match": "any-with-x", "x-a": 1, "b": 2})
    equal(bench.reached(exchange, "", {"b": 2}), {"all", "any-with-x"})
    equal(bench.reached(exchange, "", {"x-a": 1}), {"any-with-x"})
    equal(bench.reached(exchange, "", {"x-a": 1, "b": 2}), {"all", "all-with-x", "any-with-x"})


@suite.test
def a_bad_x_match_is_refused(broker):
    bench = Bench(broker)
    queue = bench.queue("q")
    refused(406, "x-match", bench.channel.queue_bind, queue, "amq.headers", "",
            {"x-match": "most", "a": 1})


@suite.test
def the_default_exchange_knows_every_queue(broker):
    bench = Bench(broker)
    queue = bench.queue("q")
    equal(bench.reached("", queue), {"q"})


@suite.test
def the_default_exchange_cannot_be_changed(broker):
    connection = amqp_client.connect(broker)
    queue = connection.channel().queue_declare(exclusive=True)[0]
    text = "ACCESS_REFUSED - operation not permitted on the default exchange"
    for call in (lambda c: c.queue_bind(queue, "", "k"),
                 lambda c: c.queue_unbind(queue, "", "k"),
                 lambda c: c.exchange_declare("", "direct"),
                 lambda c: c.exchange_delete("")):
        refused(403, text, call, connection.channel())


@suite.test
def exchanges_of_the_standard_are_there(broker):
    connection = amqp_client.connect(broker)
    for name, kind in (("amq.direct", "direct"), ("amq.fanout", "fanout"), ("amq.topic", "topic"),
                       ("amq.headers", "headers"), ("amq.match", "headers")):
        channel = connection.channel()
        channel.exchange_declare(name, kind, passive=True)
        channel.exchange_declare(name, kind, durable=True)
        refused(403, name, channel.exchange_delete, name)


@suite.test
def exchange_declares_must_agree(broker):
    bench = Bench(broker)
    exchange = bench.exchange("direct")
    bench.channel.exchange_declare(exchange, "direct")
    refused(406, f"inequivalent arg 'type' for exchange '{exchange}' in vhost '/': received "
                 "'topic' but current is 'direct'",
            bench.connection.channel().exchange_declare, exchange, "topic")
    refused(406, f"inequivalent arg 'durable' for exchange '{exchange}' in vhost '/': received "
                 "'true' but current is 'false'",
            bench.connection.channel().exchange_declare, exchange, "direct", durable=True)
    refused(406, f"inequivalent arg 'internal' for exchange '{exchange}'",
            bench.connection.channel().exchange_declare, exchange, "direct", internal=True)


@suite.test
def reserved_and_unknown_exchanges_are_refused(broker):
    connection = amqp_client.connect(broker)
    refused(403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
            connection.channel().exchange_declare, "amq.mine")
    missing = unique("nothing")
    refused(404, f"NOT_FOUND - no exchange '{missing}' in vhost '/'",
            connection.channel().exchange_declare, missing, passive=True)


@suite.test
def an_unknown_exchange_type_is_refused(broker):
    connection = amqp_client.connect(broker)
    closed = raises(ChannelClosed, connection.channel().exchange_declare, unique(), "x-cardboard")
    assert closed.code in (406, 503), closed


@suite.test
def publishing_to_a_missing_exchange_closes_the_channel(broker):
    bench, missing = Bench(broker), unique("nothing")
    bench.channel.publish(missing, "k", b"x")
    refused(404, f"NOT_FOUND - no exchange '{missing}' in vhost '/'", bench.channel.wait_confirms)
    bench.connection.channel().round_trip()


@suite.test
def nobody_publishes_to_an_internal_exchange(broker):
    bench = Bench(broker)
    exchange = bench.exchange("fanout", internal=True)
    bench.channel.publish(exchange, "k", b"x")
    refused(403, f"cannot publish to internal exchange '{exchange}' in vhost '/'",
            bench.channel.wait_confirms)


@suite.test
def exchanges_feed_exchanges(broker):
    bench = Bench(broker)
    first, inner, last = (bench.exchange("topic"), bench.exchange("direct", internal=True),
                          bench.exchange("fanout"))
    bench.channel.exchange_bind(inner, first, "to.#")
    bench.channel.exchange_bind(last, inner, "to.all")
    bench.queue("direct", inner, "to.one")
    bench.queue("fanned", last)
    equal(bench.reached(first, "to.one"), {"direct"})
    equal(bench.reached(first, "to.all"), {"fanned"})
    equal(bench.reached(first, "elsewhere"), set())
    bench.channel.exchange_unbind(last, inner, "to.all")
    bench.channel.exchange_unbind(last, inner, "to.all")
    equal(bench.reached(first, "to.all"), set())


@suite.test
def a_circle_of_exchanges_delivers_once(broker):
    bench = Bench(broker)
    one, two = bench.exchange("fanout"), bench.exchange("fanout")
    bench.channel.exchange_bind(one, two)
    bench.channel.exchange_bind(two, one)
    queue = bench.queue("q", one)
    bench.queue("q", two)
    equal(bench.reached(one, "k"), {"q"})
    equal(bench.channel.get(queue), None)


@suite.test
def exchange_bindings_need_both_sides(broker):
    connection, missing = amqp_client.connect(broker), unique("nothing")
    refused(404, f"no exchange '{missing}' in vhost '/'",
            connection.channel().exchange_bind, "amq.fanout", missing)
    refused(404, f"no exchange '{missing}' in vhost '/'",
            connection.channel().exchange_bind, missing, "amq.fanout")


@suite.test
def queue_bindings_need_both_sides(broker):
    connection, missing = amqp_client.connect(broker), unique("nothing")
    queue = connection.channel().queue_declare(exclusive=True)[0]
    refused(404, f"no exchange '{missing}' in vhost '/'",
            connection.channel().queue_bind, queue, missing, "k")
    refused(404, f"no queue '{missing}' in vhost '/'",
            connection.channel().queue_bind, missing, "amq.direct", "k")


@suite.test
def binding_and_unbinding_twice_is_harmless(broker):
    bench = Bench(broker)
    exchange = bench.exchange("direct")
    queue = bench.queue("q", exchange, "k")
    bench.channel.queue_bind(queue, exchange, "k")
    equal(bench.reached(exchange, "k"), {"q"})
    bench.channel.queue_unbind(queue, exchange, "k")
    bench.channel.queue_unbind(queue, exchange, "k")
    equal(bench.reached(exchange, "k"), set())


@suite.test
def deleting_an_exchange_deletes_its_bindings(broker):
    bench = Bench(broker)
    exchange = bench.exchange("fanout")
    bench.queue("q", exchange)
    refused(406, f"PRECONDITION_FAILED - exchange '{exchange}' in vhost '/' in use",
            bench.connection.channel().exchange_delete, exchange, if_unused=True)
    bench.channel.exchange_delete(exchange)
    bench.channel.exchange_delete(exchange)
    bench.channel.exchange_declare(exchange, "fanout")
    equal(bench.reached(exchange, "k"), set())


@suite.test
def an_auto_delete_exchange_ends_with_its_last_binding(broker):
    bench = Bench(broker)
    exchange = bench.exchange("fanout", auto_delete=True)
    queue = bench.queue("q", exchange)
    bench.channel.queue_unbind(queue, exchange)
    refused(404, f"no exchange '{exchange}' in vhost '/'",
            bench.connection.channel().exchange_declare, exchange, "fanout", passive=True)


@suite.test
def deleting_a_queue_ends_auto_delete_exchanges_up_the_chain(broker):
    bench = Bench(broker)
    first, second = (bench.exchange("fanout", auto_delete=True),
                     bench.exchange("fanout", auto_delete=True))
    bench.channel.exchange_bind(second, first)
    bench.channel.queue_delete(bench.queue("q", second))
    for exchange in (second, first):
        refused(404, exchange, bench.connection.channel().exchange_declare, exchange, "fanout",
                passive=True)


@suite.test
def a_route_is_forgotten_when_the_binding_goes(broker):
    """Publishers remember routes; a change on any connection must reach the next publish."""
    bench, other = Bench(broker), amqp_client.connect(broker).channel()
    exchange = bench.exchange("topic")
    shared = unique()
    other.queue_declare(shared, durable=True)
    bench.queues["q"] = shared
    for _ in range(10):
        equal(bench.reached(exchange, "a.b"), set())
        other.queue_bind(shared, exchange, "a.*")
        equal(bench.reached(exchange, "a.b"), {"q"})
        other.queue_unbind(shared, exchange, "a.*")


@suite.test_over(*EVERY)
def topic_subscriptions_meet_across_protocols(broker, way):
    root = unique("t")
    consumer, publisher = way.consumer(broker), way.publisher(broker)
    exact = consumer.subscribe_topic(f"{root}.a.b")
    star = consumer.subscribe_topic(f"{root}.*.b")
    hash_ = consumer.subscribe_topic(f"{root}.#")
    publisher.publish_topic(f"{root}.a.b", b"1")
    publisher.publish_topic(f"{root}.x.b", b"2")
    publisher.publish_topic(f"{root}", b"3")
    publisher.publish_topic(f"{root}.a.b", b"4")
    equal([hash_.next().body for _ in range(4)], [b"1", b"2", b"3", b"4"])
    equal([star.next().body for _ in range(3)], [b"1", b"2", b"4"])
    equal([exact.next().body for _ in range(2)], [b"1", b"4"])


@suite.test
def every_topic_subscriber_gets_a_copy(broker):
    root = unique("t")
    connections = [stomp_client.connect(broker) for _ in range(3)]
    for connection in connections:
        connection.subscribe(f"/topic/{root}.*", "s")
    AmqpEnd(broker).publish_topic(f"{root}.x", b"all")
    for connection in connections:
        message = connection.message()
        equal((message.body, message.headers["destination"]), (b"all", f"/topic/{root}.x"))


@suite.test
def stomp_subscribes_to_an_exchange_by_name(broker):
    bench = Bench(broker)
    direct, fanout = bench.exchange("direct"), bench.exchange("fanout")
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/exchange/{direct}/key", "d")
    connection.subscribe(f"/exchange/{fanout}", "f")
    bench.channel.publish(direct, "other", b"no")
    bench.channel.publish(direct, "key", b"yes")
    bench.channel.publish(fanout, "k2", b"fan")
    message = connection.message(subscription="d")
    equal((message.body, message.headers["destination"]), (b"yes", f"/exchange/{direct}/key"))
    message = connection.message(subscription="f")
    equal((message.body, message.headers["destination"]), (b"fan", f"/exchange/{fanout}/k2"))


@suite.test
def stomp_sends_to_an_exchange_by_name(broker):
    bench = Bench(broker)
    exchange = bench.exchange("direct")
    queue = bench.queue("q", exchange, "key")
    stomp_client.connect(broker).ask("SEND", {"destination": f"/exchange/{exchange}/key"}, b"in")
    equal(bench.channel.get(queue).body, b"in")


@suite.test
def stomp_and_a_missing_exchange(broker):
    connection = stomp_client.connect(broker)
    connection.send("SUBSCRIBE", {"destination": f"/exchange/{unique('nothing')}/k", "id": "s"})
    error = connection.error()
    equal(error.headers["message"].lower(), "not_found")
    has(error.body.decode(), "NOT_FOUND - no exchange")
    connection.wire.read_to_end()


@suite.test
def amq_queue_destinations_name_what_exists(broker):
    bench = Bench(broker)
    name = unique()
    bench.channel.queue_declare(name, durable=True)
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/amq/queue/{name}", "s")
    connection.publish(f"/amq/queue/{name}", b"x")
    equal(connection.message().body, b"x")
    connection.send("SUBSCRIBE", {"destination": f"/amq/queue/{unique('nothing')}", "id": "t"})
    equal(connection.error().headers["message"].lower(), "not_found")


@suite.test
def a_topic_subscription_leaves_nothing_behind(broker):
    watcher, root = Watcher(broker), unique("t")
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/topic/{root}", "s", **{"x-queue-name": f"{root}-q"})
    assert watcher.exists(f"{root}-q")
    connection.kill()
    wait_until(lambda: not watcher.exists(f"{root}-q"), "the subscription's queue is gone")
