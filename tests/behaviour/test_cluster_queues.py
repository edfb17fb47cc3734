"""Topic between clusters, queue within a cluster: what a cluster queue is and does."""

import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from clusters import (MANNERS, TWO, Publisher, amqp_name, pattern, stomp_header, stomp_instance,
                      stomp_name)
from ends import Watcher, unique
from rules import refused
from suite import Suite, equal, has, only_sluice, raises, wait_until
from wire import Late

suite = Suite("cluster_queues")
QUIET = 0.2


def cluster():
    return unique("c")


def bodies(instance, count):
    out = []
    for _ in range(count):
        got = instance.next()
        instance.ack(got)
        out.append(got.body)
    return out


def quiet(instance):
    raises(Late, instance.next, QUIET)


@suite.test_over(*MANNERS)
def every_cluster_gets_its_own_copy(broker, manner):
    only_sluice(broker, "there are no cluster queues")
    topic, publisher = pattern(), Publisher(broker)
    one, other = (manner.join(broker, topic, cluster()) for _ in range(2))
    publisher.publish(topic, b"a", b"b")
    equal(bodies(one, 2), [b"a", b"b"])
    equal(bodies(other, 2), [b"a", b"b"])


@suite.test_over(*MANNERS)
def copies_wait_while_no_instance_is_connected(broker, manner):
    only_sluice(broker, "there are no cluster queues")
    topic, ident, publisher = pattern(), cluster(), Publisher(broker)
    manner.join(broker, topic, ident).kill()
    publisher.publish(topic, b"a", b"b")
    again = manner.join(broker, topic, ident)
    equal(bodies(again, 2), [b"a", b"b"])


@suite.test_over(*MANNERS)
def inside_a_cluster_each_message_goes_to_one_instance(broker, manner):
    only_sluice(broker, "there are no cluster queues")
    topic, ident, publisher = pattern(), cluster(), Publisher(broker)
    instances = [manner.join(broker, topic, ident, prefetch=10) for _ in range(3)]
    publisher.publish(topic, *(b"%d" % i for i in range(9)))
    shares = [bodies(instance, 3) for instance in instances]
    equal(sorted(sum(shares, [])), [b"%d" % i for i in range(9)])
    for instance in instances:
        quiet(instance)


@suite.test_over(*TWO)
def who_has_no_credit_is_passed_over(broker, manner):
    only_sluice(broker, "there are no cluster queues")
    topic, ident, publisher = pattern(), cluster(), Publisher(broker)
    slow = manner.join(broker, topic, ident, prefetch=1)
    publisher.publish(topic, b"stays")
    equal(slow.next().body, b"stays")
    fast = manner.join(broker, topic, ident, prefetch=100)
    publisher.publish(topic, *(b"%d" % i for i in range(20)))
    equal(bodies(fast, 20), [b"%d" % i for i in range(20)])


@suite.test_over(*MANNERS)
def the_loans_of_an_instance_that_dies_go_to_the_others_redelivered(broker, manner):
    only_sluice(broker, "there are no cluster queues")
    topic, ident, publisher = pattern(), cluster(), Publisher(broker)
    dies = manner.join(broker, topic, ident, prefetch=2)
    publisher.publish(topic, b"a", b"b", b"c")
    equal([dies.next().body, dies.next().body], [b"a", b"b"])
    other = manner.join(broker, topic, ident, prefetch=3)
    first = other.next()
    equal((first.body, first.redelivered), (b"c", False))
    dies.kill()
    for body in (b"a", b"b"):
        got = other.next()
        equal((got.body, got.redelivered), (body, True))


@suite.test_over(*TWO)
def every_spelling_is_the_same_queue(broker, watched):
    only_sluice(broker, "there are no cluster queues")
    topic, ident, publisher = pattern(), cluster(), Publisher(broker)
    instances = [m.join(broker, topic, ident, prefetch=1) for m in MANNERS]
    watcher = watched.join(broker, topic, ident, prefetch=1)
    publisher.publish(topic, *(b"%d" % i for i in range(len(MANNERS) + 1)))
    seen = [instance.next().body for instance in [*instances, watcher]]
    equal(len(set(seen)), len(MANNERS) + 1)
    equal(amqp_client.connect(broker).channel().queue_declare(f"/topic/{topic}@{ident}", passive=True),
          [f"/topic/{topic}@{ident}", 0, len(MANNERS) + 1])


@suite.test
def wildcards_are_patterns_of_their_own(broker):
    only_sluice(broker, "there are no cluster queues")
    stem, ident, publisher = unique("t"), cluster(), Publisher(broker)
    one_word = stomp_name(broker, f"{stem}.*", ident)
    many = amqp_name(broker, f"{stem}.#", ident)
    publisher.publish(f"{stem}.a", b"1")
    publisher.publish(f"{stem}.a.b", b"2")
    equal(bodies(one_word, 1), [b"1"])
    equal(bodies(many, 2), [b"1", b"2"])
    quiet(one_word)


@suite.test
def an_exchange_without_keys_has_one_queue_per_cluster(broker):
    only_sluice(broker, "there are no cluster queues")
    exchange, ident, publisher = unique("fan"), cluster(), Publisher(broker)
    channel = amqp_client.connect(broker).channel()
    channel.exchange_declare(exchange, "fanout", durable=True)
    equal(channel.queue_declare(f"/exchange/{exchange}@{ident}")[0], f"/exchange/{exchange}@{ident}")
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/exchange/{exchange}", "s", "auto", cluster_id=ident)
    publisher.publish("any", b"a", exchange=exchange)
    equal(connection.message().body, b"a")
    refused(406, "has no keys", channel.queue_declare, f"/exchange/{exchange}/p@{ident}")
    channel = amqp_client.connect(broker).channel()
    refused(406, "needs a pattern", channel.queue_declare, f"/exchange/amq.direct@{ident}")


@suite.test
def a_full_name_works_wherever_a_queue_name_does(broker):
    only_sluice(broker, "there are no cluster queues")
    topic, ident = pattern(), cluster()
    own = f"/topic/{topic}@{ident}"
    for spelling in (own, f"/exchange/amq.topic/{topic}@{ident}", f"/queue/Consumer.{ident}.{topic}"):
        channel = amqp_client.connect(broker).channel()
        channel.confirm_select()
        refused(404, f"no queue '{own}'", amqp_client.connect(broker).channel().queue_declare,
                spelling, passive=True)
        refused(404, f"no queue '{own}'", amqp_client.connect(broker).channel().get, spelling)
        # With the name that was said: clients wait for an answer with exactly that one.
        equal(channel.queue_declare(spelling), [spelling, 0, 0])
        equal(channel.queue_declare(spelling, passive=True), [spelling, 0, 0])
        channel.queue_bind(spelling, "amq.direct", own)
        channel.publish("amq.direct", own, b"bound")
        channel.publish("", spelling, b"by name")
        channel.publish("amq.topic", topic, b"by topic")
        channel.wait_confirms()
        equal([channel.get(spelling, no_ack=True).body for _ in range(3)],
              [b"bound", b"by name", b"by topic"])
        channel.queue_unbind(spelling, "amq.direct", own)
        channel.publish("amq.direct", own, b"lost")
        channel.publish("", spelling, b"purged")
        channel.wait_confirms()
        equal(channel.queue_purge(spelling), 1)
        channel.publish("", spelling, b"dropped")
        channel.wait_confirms()
        equal(channel.queue_delete(spelling), 1)
        refused(404, "no queue", channel.queue_declare, own, passive=True)


@suite.test
def stomp_sends_to_it_by_name(broker):
    only_sluice(broker, "there are no cluster queues")
    topic, ident = pattern(), cluster()
    connection = stomp_client.connect(broker)
    for destination in (f"/queue//topic/{topic}@{ident}", f"/queue/Consumer.{ident}.{topic}",
                        f"/queue/%2Fexchange%2Famq.topic%2F{topic}@{ident}"):
        connection.ask("SEND", {"destination": destination}, b"x")
    connection.ask("SEND", {"destination": f"/amq/queue//topic/{topic}@{ident}"}, b"x")
    equal(Watcher(broker).ready(f"/topic/{topic}@{ident}"), 4)
    connection.subscribe(f"/amq/queue//topic/{topic}@{ident}", "s")
    equal(connection.message().body, b"x")


@suite.test
def it_is_a_dead_letter_target_by_any_spelling(broker):
    only_sluice(broker, "there are no cluster queues")
    topic, ident = pattern(), cluster()
    channel = amqp_client.connect(broker).channel()
    channel.confirm_select()
    channel.queue_declare(f"/topic/{topic}@{ident}")
    dying = channel.queue_declare(exclusive=True, arguments={
        "x-message-ttl": 1, "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": f"/queue/Consumer.{ident}.{topic}"})[0]
    channel.publish("", dying, b"x")
    channel.wait_confirms()
    wait_until(lambda: Watcher(broker).ready(f"/topic/{topic}@{ident}") == 1, "the dead letter")


@suite.test
def a_literal_at_is_escaped(broker):
    only_sluice(broker, "there are no cluster queues")
    stem, ident, publisher = unique("t"), cluster(), Publisher(broker)
    one = stomp_name(broker, f"{stem}%40home", ident)
    publisher.publish(f"{stem}@home", b"a")
    equal(bodies(one, 1), [b"a"])
    plain = stomp_client.connect(broker)
    plain.subscribe(f"/topic/{stem}%40home", "s")
    publisher.publish(f"{stem}@home", b"b")
    equal(plain.message().body, b"b")
    channel = amqp_client.connect(broker).channel()
    for name in (f"/topic/{stem}@home@{ident}", f"/topic/{stem}%40home@{ident}"):
        equal(channel.queue_declare(name, passive=True)[0], name)


@suite.test
def only_names_that_begin_so_are_read_this_way(broker):
    channel = amqp_client.connect(broker).channel()
    for name in (unique("celery@host"), unique("topic/p@c"), "q" + unique("/topic/p@c")):
        equal(channel.queue_declare(name, exclusive=True), [name, 0, 0])


@suite.test_over(*TWO)
def unsubscribe_never_deletes_one(broker, manner):
    only_sluice(broker, "there are no cluster queues")
    topic, ident, publisher = pattern(), cluster(), Publisher(broker)
    manner.join(broker, topic, ident).unsubscribe()
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/topic/{topic}@{ident}", "d", "client")
    connection.ask("UNSUBSCRIBE", {"id": "d", "durable": "true", "persistent": "true"})
    publisher.publish(topic, b"kept")
    equal(Watcher(broker).ready(f"/topic/{topic}@{ident}"), 1)


@suite.test
def arguments_at_creation_are_the_queues(broker):
    only_sluice(broker, "there are no cluster queues")
    topic, ident, publisher = pattern(), cluster(), Publisher(broker)
    own = f"/topic/{topic}@{ident}"
    connection = stomp_client.connect(broker)
    connection.subscribe(own, "s", "client-individual", x_max_length=2, x_overflow="drop-head")
    connection.ask("UNSUBSCRIBE", {"id": "s"})
    publisher.publish(topic, b"1", b"2", b"3")
    equal(Watcher(broker).ready(own), 2)
    channel = amqp_client.connect(broker).channel()
    channel.queue_declare(own, arguments={"x-max-length": 2})
    channel.queue_declare(own)
    refused(406, "inequivalent arg 'x-max-length'", channel.queue_declare, own,
            arguments={"x-max-length": 3})
    channel = amqp_client.connect(broker).channel()
    refused(406, "inequivalent arg 'x-message-ttl'", channel.queue_declare, own,
            arguments={"x-message-ttl": 3})
    error = raises(stomp_client.ErrorFrame, stomp_client.connect(broker).subscribe, own, "s",
                   x_max_length=3)
    has(error.body, "inequivalent arg 'x-max-length'")
    again = stomp_client.connect(broker)
    again.subscribe(own, "s")
    again.close()


@suite.test
def it_is_durable_and_neither_exclusive_nor_auto_deleted(broker):
    only_sluice(broker, "there are no cluster queues")
    topic, ident = pattern(), cluster()
    own = f"/topic/{topic}@{ident}"
    for wrong in ({"exclusive": True}, {"auto_delete": True}):
        channel = amqp_client.connect(broker).channel()
        refused(406, "inequivalent arg", channel.queue_declare, own, **wrong)
        channel = amqp_client.connect(broker).channel()
        refused(404, "no queue", channel.queue_declare, own, passive=True)
    channel = amqp_client.connect(broker).channel()
    channel.queue_declare(own, durable=True)
    channel.queue_declare(own, durable=False)
    refused(406, "inequivalent arg", channel.queue_declare, own, auto_delete=True)


@suite.test
def its_own_binding_cannot_be_unbound_and_others_can(broker):
    only_sluice(broker, "there are no cluster queues")
    topic, ident = pattern(), cluster()
    own = f"/topic/{topic}@{ident}"
    channel = amqp_client.connect(broker).channel()
    channel.confirm_select()
    channel.queue_declare(own)
    channel.queue_bind(own, "amq.topic", topic)
    channel.queue_bind(own, "amq.topic", topic + ".more")
    channel.queue_unbind(own, "amq.topic", topic + ".more")
    refused(406, "own binding", channel.queue_unbind, own, "amq.topic", topic)
    Publisher(broker).publish(topic, b"x")
    equal(Watcher(broker).ready(own), 1)


@suite.test_over(*TWO)
def a_binding_that_went_with_its_exchange_comes_back_with_a_subscription(broker, manner):
    only_sluice(broker, "there are no cluster queues")
    exchange, ident, publisher = unique("ex"), cluster(), Publisher(broker)
    own = f"/exchange/{exchange}/p@{ident}"
    channel = amqp_client.connect(broker).channel()
    channel.exchange_declare(exchange, "topic")

    instances = []

    def subscribe():
        if manner.name == "stomp name":
            instances.append(stomp_client.connect(broker))
            instances[-1].subscribe(own, "s", "client-individual")
        else:
            instances.append(amqp_client.connect(broker))
            instances[-1].channel().consume(own)

    subscribe()
    channel.exchange_delete(exchange)
    error = raises((ChannelClosed, stomp_client.ErrorFrame), subscribe)
    has(str(error), f"no exchange '{exchange}'")
    channel.queue_declare(own, passive=True)
    channel.exchange_declare(exchange, "topic")
    publisher.publish("p", b"missed", exchange=exchange)
    equal(Watcher(broker).ready(own), 0)
    subscribe()
    publisher.publish("p", b"caught", exchange=exchange)
    for instance in instances:
        instance.kill()
    wait_until(lambda: channel.queue_declare(own, passive=True)[1:] == [1, 0], "it came back")


@suite.test_over(*MANNERS)
def without_its_exchange_nothing_is_made(broker, manner):
    only_sluice(broker, "there are no cluster queues")
    ident, name = cluster(), unique("none")
    channel = amqp_client.connect(broker, properties={"cluster_id": ident}).channel()
    refused(404, f"no exchange '{name}'", channel.consume, f"/exchange/{name}/p")
    error = raises(stomp_client.ErrorFrame, stomp_client.connect(broker).subscribe,
                   f"/exchange/{name}/p", "s", cluster_id=ident)
    has(error.body, f"no exchange '{name}'")
    channel = amqp_client.connect(broker).channel()
    refused(404, "no queue", channel.queue_declare, f"/exchange/{name}/p@{ident}", passive=True)


@suite.test
def an_amqp_name_without_queue_in_front_is_an_ordinary_one(broker):
    only_sluice(broker, "there are no cluster queues")
    ident, topic = cluster(), pattern()
    name = f"Consumer.{ident}.{topic}"
    channel = amqp_client.connect(broker).channel()
    equal(channel.queue_declare(name, exclusive=True), [name, 0, 0])
    instance = stomp_header(broker, topic, ident)
    equal(channel.queue_declare(f"/topic/{topic}@{ident}", passive=True)[2], 1)
    instance.close()


@suite.test
def a_cluster_id_has_a_thousand_queues_at_most(broker):
    only_sluice(broker, "there are no cluster queues")
    ident = cluster()
    channel = amqp_client.connect(broker).channel()
    for i in range(1000):
        channel.queue_declare(f"/topic/p{i}@{ident}", no_wait=True)
    channel.queue_declare(f"/topic/p0@{ident}")
    refused(406, "1000 cluster queues", channel.queue_declare, f"/topic/more@{ident}")
    channel = amqp_client.connect(broker).channel()
    channel.queue_declare(f"/topic/more@{cluster()}")
    channel.queue_delete(f"/topic/p0@{ident}")
    channel.queue_declare(f"/topic/more@{ident}")


@suite.test
def the_receipt_comes_before_the_first_message(broker):
    only_sluice(broker, "there are no cluster queues")
    topic, ident = pattern(), cluster()
    stomp_name(broker, topic, ident).close()
    Publisher(broker).publish(topic, b"waits")
    connection = stomp_client.connect(broker)
    connection.send("SUBSCRIBE", {"destination": f"/topic/{topic}@{ident}", "id": "s",
                                  "ack": "client", "receipt": "r"})
    first = connection.wait(lambda f: f.command in ("MESSAGE", "RECEIPT"))
    equal(first.command, "RECEIPT")
    equal(connection.message().body, b"waits")


@suite.test
def x_group_id_pins_a_group_to_one_instance(broker):
    only_sluice(broker, "there are no cluster queues")
    topic, ident = pattern(), cluster()
    instances = [amqp_name(broker, topic, ident, prefetch=10) for _ in range(2)]
    channel = amqp_client.connect(broker).channel()
    channel.confirm_select()
    for i in range(8):
        channel.publish("amq.topic", topic, b"%d" % i, {"headers": {"x-group-id": f"g{i % 2}"}})
    channel.wait_confirms()
    shares = [[instance.next().body for _ in range(4)] for instance in instances]
    equal(sorted(shares), [[b"0", b"2", b"4", b"6"], [b"1", b"3", b"5", b"7"]])


@suite.test
def every_header_of_an_id_counts_without_arguments(broker):
    only_sluice(broker, "there are no cluster queues")
    topic, ident = pattern(), cluster()
    own = f"/topic/{topic}@{ident}"
    channel = amqp_client.connect(broker).channel()
    channel.confirm_select()
    channel.queue_declare(own)
    for header in ("x-deduplication-header", "_AMQ_DUPL_ID", "dedup-id"):
        for _ in range(2):
            channel.publish("amq.topic", topic, b"x", {"headers": {header: header},
                                                       "delivery_mode": 2})
    channel.wait_confirms()
    equal(channel.queue_declare(own, passive=True)[1], 3)


@suite.test
def a_single_active_instance_is_an_argument_at_creation(broker):
    only_sluice(broker, "there are no cluster queues")
    topic, ident, publisher = pattern(), cluster(), Publisher(broker)
    first = stomp_instance(broker, f"/topic/{topic}@{ident}", 0,
                           **{"x-single-active-consumer": "true"})
    other = amqp_name(broker, topic, ident)
    publisher.publish(topic, b"a", b"b")
    equal(bodies(first, 2), [b"a", b"b"])
    quiet(other)
