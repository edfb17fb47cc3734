"""Transactions: publishes and settlements take effect together or not at all, over both protocols."""

import itertools

import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from ends import AmqpEnd, Watcher, Way, unique
from suite import Suite, equal, only_sluice, raises, wait_until

suite = Suite("transactions")


class AmqpTransaction:
    """A transactional channel; there is always one transaction open on it."""

    def __init__(self, broker):
        self.connection = amqp_client.connect(broker)
        self.channel = self.connection.channel()
        self.channel.tx_select()

    def publish(self, queue, body):
        self.channel.publish("", queue, body, {"delivery_mode": 2})

    def subscribe(self, queue):
        self.channel.consume(queue)

    def take(self):
        return self.channel.message()

    def ack(self, message):
        self.channel.ack(message.tag)

    def give_back(self, message):
        self.channel.nack(message.tag, requeue=True)

    def commit(self):
        self.channel.tx_commit()

    def rollback(self):
        self.channel.tx_rollback()

    def kill(self):
        self.connection.kill()


class StompTransaction:
    """A connection with one transaction open; the next begins where one ends."""

    def __init__(self, broker):
        self.connection = stomp_client.connect(broker)
        self.numbers = itertools.count(1)
        self.begin()

    def begin(self):
        self.name = f"t-{next(self.numbers)}"
        self.connection.send("BEGIN", {"transaction": self.name})

    def publish(self, queue, body):
        self.connection.publish(f"/queue/{queue}", body, transaction=self.name, persistent="true")

    def subscribe(self, queue):
        self.connection.subscribe(f"/queue/{queue}", ack="client-individual")

    def take(self):
        return self.connection.message()

    def ack(self, message):
        self.connection.ack(message, transaction=self.name)

    def give_back(self, message):
        self.connection.nack(message, transaction=self.name, requeue="true")

    def commit(self):
        self.connection.ask("COMMIT", {"transaction": self.name})
        self.begin()

    def rollback(self):
        self.connection.ask("ABORT", {"transaction": self.name})
        self.begin()

    def kill(self):
        self.connection.kill()


WAYS = (Way("amqp", AmqpTransaction, AmqpEnd), Way("stomp", StompTransaction, AmqpEnd))


def queues_of(broker, count):
    watcher, queues = Watcher(broker), [unique() for _ in range(count)]
    for queue in queues:
        watcher.channel.queue_declare(queue, durable=True)
    return watcher, queues


def fill(broker, queue, *bodies):
    AmqpEnd(broker).publish(queue, *bodies, delivery_mode=2)


def empty(watcher, queue):
    """Takes everything that is ready; gives the bodies."""
    bodies = []
    while (got := watcher.channel.get(queue, no_ack=True)) is not None:
        bodies.append(got.body)
    return bodies


@suite.test_over(*WAYS)
def nothing_is_seen_before_the_commit(broker, way):
    watcher, queues = queues_of(broker, 3)
    transaction = way.publisher(broker)
    for i in range(30):
        transaction.publish(queues[i % 3], b"%d" % i)
    other = AmqpEnd(broker)
    other.publish(queues[0], b"outside")
    equal([watcher.ready(queue) for queue in queues], [1, 0, 0])
    transaction.commit()
    wait_until(lambda: [watcher.ready(queue) for queue in queues] == [11, 10, 10], "all are there")
    equal(empty(watcher, queues[1]), [b"%d" % i for i in range(1, 30, 3)])
    equal(empty(watcher, queues[0])[0], b"outside")


@suite.test_over(*WAYS)
def a_consumer_sees_all_of_a_commit_in_order(broker, way):
    _, (queue,) = queues_of(broker, 1)
    transaction = way.publisher(broker)
    subscription = way.consumer(broker).subscribe(queue)
    for round_ in range(20):
        bodies = [b"%d.%d" % (round_, i) for i in range(10)]
        for body in bodies:
            transaction.publish(queue, body)
        transaction.commit()
        equal([subscription.next().body for _ in range(10)], bodies)


@suite.test_over(*WAYS)
def a_rollback_drops_what_was_published(broker, way):
    watcher, (queue,) = queues_of(broker, 1)
    transaction = way.publisher(broker)
    transaction.publish(queue, b"dropped")
    transaction.rollback()
    transaction.publish(queue, b"kept")
    transaction.commit()
    wait_until(lambda: watcher.ready(queue) == 1, "the other one is there")
    equal(empty(watcher, queue), [b"kept"])


@suite.test_over(*WAYS)
def a_settlement_waits_for_the_commit(broker, way):
    watcher, (queue,) = queues_of(broker, 1)
    fill(broker, queue, b"1", b"2")
    transaction = way.publisher(broker)
    transaction.subscribe(queue)
    for _ in range(2):
        transaction.ack(transaction.take())
    transaction.rollback()
    transaction.kill()
    wait_until(lambda: watcher.ready(queue) == 2, "both are back")

    transaction = way.publisher(broker)
    transaction.subscribe(queue)
    for _ in range(2):
        transaction.ack(transaction.take())
    transaction.commit()
    transaction.kill()
    wait_until(lambda: watcher.consumers(queue) == 0, "the consumer is gone")
    equal(watcher.ready(queue), 0)


@suite.test_over(*WAYS)
def a_lost_connection_did_nothing(broker, way):
    watcher, (source, target) = queues_of(broker, 2)
    fill(broker, source, b"1")
    transaction = way.publisher(broker)
    transaction.subscribe(source)
    transaction.ack(transaction.take())
    transaction.publish(target, b"1")
    transaction.kill()
    wait_until(lambda: watcher.ready(source) == 1, "the loan is back")
    equal(watcher.ready(target), 0)


@suite.test_over(*WAYS)
def messages_are_moved_once_each(broker, way):
    """Taken here and put there in one step, by movers of whom none finishes its last move."""
    watcher, (source, target) = queues_of(broker, 2)
    bodies = [b"%d" % i for i in range(20)]
    fill(broker, source, *bodies)
    for _ in range(4):
        transaction = way.publisher(broker)
        transaction.subscribe(source)
        for i in range(6):
            message = transaction.take() if i < 5 or watcher.ready(target) < 20 else None
            if message is not None:
                transaction.publish(target, message.body)
                transaction.ack(message)
            if i < 5:
                transaction.commit()
        transaction.kill()
        wait_until(lambda: watcher.consumers(source) == 0, "the mover is gone")
    equal(empty(watcher, target), bodies)
    equal(empty(watcher, source), [])


@suite.test_over(*WAYS)
def what_is_given_back_goes_to_its_place_at_the_commit(broker, way):
    watcher, (queue,) = queues_of(broker, 1)
    fill(broker, queue, b"1", b"2", b"3")
    transaction = way.publisher(broker)
    transaction.subscribe(queue)
    messages = [transaction.take() for _ in range(3)]
    transaction.ack(messages[1])
    transaction.commit()
    transaction.give_back(messages[0])
    equal(watcher.ready(queue), 0)
    transaction.kill()
    wait_until(lambda: watcher.ready(queue) == 2, "both are back")
    equal(empty(watcher, queue), [b"1", b"3"])


@suite.test_over(*WAYS)
def a_commit_of_nothing_is_answered(broker, way):
    transaction = way.publisher(broker)
    for _ in range(3):
        transaction.commit()
        transaction.rollback()


def amqp_transaction(broker):
    transaction = AmqpTransaction(broker)
    return transaction, transaction.channel


@suite.test
def modes_of_a_channel_exclude_each_other(broker):
    connection = amqp_client.connect(broker)
    for select, then, text in (("tx_select", "confirm_select", "from tx to confirm mode"),
                               ("confirm_select", "tx_select", "from confirm to tx mode")):
        channel = connection.channel()
        getattr(channel, select)()
        closed = raises(ChannelClosed, getattr(channel, then))
        equal((closed.code, closed.text), (406, f"PRECONDITION_FAILED - cannot switch {text}"))


@suite.test
def a_channel_without_transactions_says_so(broker):
    connection = amqp_client.connect(broker)
    for function in ("tx_commit", "tx_rollback"):
        closed = raises(ChannelClosed, getattr(connection.channel(), function))
        equal((closed.code, closed.text),
              (406, "PRECONDITION_FAILED - channel is not transactional"))


@suite.test
def selecting_transactions_twice_is_harmless(broker):
    watcher, (queue,) = queues_of(broker, 1)
    transaction, channel = amqp_transaction(broker)
    transaction.publish(queue, b"x")
    channel.tx_select()
    transaction.commit()
    wait_until(lambda: watcher.ready(queue) == 1, "it was kept")


@suite.test
def an_exchange_is_looked_for_at_the_publish(broker):
    _, channel = amqp_transaction(broker)
    channel.publish(unique("none"), "k", b"x")
    closed = raises(ChannelClosed, channel.round_trip)
    equal((closed.code, closed.method), (404, (60, 40)))


@suite.test
def an_exchange_that_went_away_refuses_the_commit(broker):
    only_sluice(broker, "RabbitMQ routes at the publish")
    watcher, (queue,) = queues_of(broker, 1)
    exchange = unique("e")
    watcher.channel.exchange_declare(exchange, "fanout")
    transaction, channel = amqp_transaction(broker)
    transaction.publish(queue, b"x")
    channel.publish(exchange, "", b"y")
    channel.round_trip()
    watcher.channel.exchange_delete(exchange)
    closed = raises(ChannelClosed, transaction.commit)
    equal((closed.code, closed.method), (404, (90, 20)))
    equal(watcher.ready(queue), 0)


@suite.test
def returns_come_before_commit_ok(broker):
    transaction, channel = amqp_transaction(broker)
    for i in range(10):
        channel.publish("", unique("nowhere"), b"%d" % i, mandatory=True)
    channel.round_trip()
    assert not channel.has("basic.return"), "a return before the commit"
    transaction.commit()
    returned = [channel.wait("basic.return")[1].body for _ in range(10)]
    equal(returned, [b"%d" % i for i in range(10)])


@suite.test
def a_tag_is_settled_once_in_a_transaction(broker):
    watcher, (queue,) = queues_of(broker, 1)
    fill(broker, queue, b"1")
    transaction, channel = amqp_transaction(broker)
    transaction.subscribe(queue)
    tag = transaction.take().tag
    channel.ack(tag)
    channel.ack(tag)
    closed = raises(ChannelClosed, channel.round_trip)
    equal((closed.code, closed.text),
          (406, f"PRECONDITION_FAILED - unknown delivery tag {tag}"))
    wait_until(lambda: watcher.ready(queue) == 1, "it is back")


@suite.test
def an_unknown_tag_is_refused_at_the_ack(broker):
    _, channel = amqp_transaction(broker)
    channel.ack(7)
    closed = raises(ChannelClosed, channel.round_trip)
    equal((closed.code, closed.text), (406, "PRECONDITION_FAILED - unknown delivery tag 7"))


@suite.test
def multiple_covers_what_is_out_and_not_more(broker):
    watcher, (queue,) = queues_of(broker, 1)
    fill(broker, queue, b"1", b"2", b"3")
    transaction, channel = amqp_transaction(broker)
    first = [channel.get(queue) for _ in range(2)]
    channel.ack(first[-1].tag, multiple=True)
    channel.get(queue)
    transaction.commit()
    transaction.kill()
    wait_until(lambda: watcher.ready(queue) == 1, "the third is back")
    equal(empty(watcher, queue), [b"3"])


@suite.test
def commits_may_be_pipelined(broker):
    watcher, (queue,) = queues_of(broker, 1)
    transaction, channel = amqp_transaction(broker)
    for i in range(100):
        transaction.publish(queue, b"%d" % i)
        channel.send(90, 20)
    for _ in range(100):
        channel.wait("tx.commit-ok")
    wait_until(lambda: watcher.ready(queue) == 100, "all are there")
    equal(empty(watcher, queue), [b"%d" % i for i in range(100)])


@suite.test
def a_transaction_has_an_end(broker):
    only_sluice(broker, "RabbitMQ has no bound")
    watcher, (queue,) = queues_of(broker, 1)
    transaction, channel = amqp_transaction(broker)
    for _ in range(10001):
        transaction.publish(queue, b"")
    closed = raises(ChannelClosed, channel.round_trip)
    equal((closed.code, closed.text), (406, "PRECONDITION_FAILED - transaction too large "
                                            "(limit 10000 actions, 64 MiB)"))
    equal(watcher.ready(queue), 0)
