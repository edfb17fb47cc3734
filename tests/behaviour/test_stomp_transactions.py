"""BEGIN, COMMIT, ABORT: publishes and settlements take effect together or not at all."""

import stomp_client
from ends import AmqpEnd, Watcher, unique
from suite import Suite, equal, only_sluice, wait_until

suite = Suite("stomp transactions")


def begin(broker, *names):
    connection = stomp_client.connect(broker)
    for name in names:
        connection.ask("BEGIN", {"transaction": name})
    return connection


def queue_of(broker):
    queue, watcher = unique(), Watcher(broker)
    watcher.channel.queue_declare(queue, durable=True)
    return queue, watcher


@suite.test
def nothing_is_seen_before_commit(broker):
    queue, watcher = queue_of(broker)
    connection = begin(broker, "t")
    for i in range(10):
        connection.publish(f"/queue/{queue}", b"%d" % i, transaction="t")
    connection.publish(f"/queue/{queue}", b"outside")
    wait_until(lambda: watcher.ready(queue) == 1, "only the one outside")
    connection.ask("COMMIT", {"transaction": "t"})
    wait_until(lambda: watcher.ready(queue) == 11, "all are there")
    bodies = [watcher.channel.get(queue, no_ack=True).body for _ in range(11)]
    equal(bodies, [b"outside"] + [b"%d" % i for i in range(10)])


@suite.test
def a_commits_receipt_means_that_all_took_effect(broker):
    only_sluice(broker, "RabbitMQ's COMMIT answers at once")
    queues = [queue_of(broker)[0] for _ in range(5)]
    watcher = Watcher(broker)
    connection = begin(broker, "t")
    for queue in queues * 20:
        connection.publish(f"/queue/{queue}", b"x", transaction="t")
    connection.ask("COMMIT", {"transaction": "t"})
    equal([watcher.ready(queue) for queue in queues], [20] * 5)


@suite.test
def abort_drops_what_was_sent(broker):
    queue, watcher = queue_of(broker)
    connection = begin(broker, "t")
    connection.publish(f"/queue/{queue}", b"dropped", transaction="t")
    connection.ask("ABORT", {"transaction": "t"})
    connection.publish(f"/queue/{queue}", b"kept")
    wait_until(lambda: watcher.ready(queue) == 1, "the other one is there")
    equal(watcher.channel.get(queue).body, b"kept")


@suite.test
def a_lost_connection_drops_its_transactions(broker):
    queue, watcher = queue_of(broker)
    connection = begin(broker, "t")
    connection.publish(f"/queue/{queue}", b"dropped", transaction="t")
    connection.publish(f"/queue/{queue}", b"kept")
    wait_until(lambda: watcher.ready(queue) == 1, "the one outside is there")
    connection.kill()
    AmqpEnd(broker).publish(queue, b"later")
    equal([watcher.channel.get(queue).body for _ in range(2)], [b"kept", b"later"])
    equal(watcher.channel.get(queue), None)


@suite.test
def several_transactions_are_open_at_once(broker):
    queue, watcher = queue_of(broker)
    connection = begin(broker, "a", "b")
    connection.publish(f"/queue/{queue}", b"a1", transaction="a")
    connection.publish(f"/queue/{queue}", b"b1", transaction="b")
    connection.publish(f"/queue/{queue}", b"a2", transaction="a")
    connection.ask("COMMIT", {"transaction": "b"})
    connection.ask("COMMIT", {"transaction": "a"})
    wait_until(lambda: watcher.ready(queue) == 3, "all are there")
    equal([watcher.channel.get(queue).body for _ in range(3)], [b"b1", b"a1", b"a2"])


@suite.test
def acknowledgements_wait_for_the_commit(broker):
    queue, watcher = queue_of(broker)
    AmqpEnd(broker).publish(queue, b"1", b"2")
    connection = begin(broker, "t")
    connection.subscribe(f"/queue/{queue}", "s", ack="client-individual")
    for _ in range(2):
        connection.ack(connection.message(), transaction="t")
    connection.ask("COMMIT", {"transaction": "t"})
    connection.kill()
    wait_until(lambda: watcher.consumers(queue) == 0, "the consumer is gone")
    equal(watcher.ready(queue), 0)


@suite.test
def aborted_acknowledgements_never_happened(broker):
    queue, watcher = queue_of(broker)
    AmqpEnd(broker).publish(queue, b"1", b"2")
    connection = begin(broker, "t")
    connection.subscribe(f"/queue/{queue}", "s", ack="client-individual")
    first, second = connection.message(), connection.message()
    connection.ack(first, transaction="t")
    connection.ask("ABORT", {"transaction": "t"})
    connection.ack(second)
    connection.ask("BEGIN", {"transaction": "barrier"})
    connection.kill()
    wait_until(lambda: watcher.ready(queue) == 1, "the first is back")
    got = watcher.channel.get(queue)
    equal((got.body, got.redelivered), (b"1", True))


@suite.test
def after_an_abort_the_loan_may_still_be_settled(broker):
    queue, watcher = queue_of(broker)
    AmqpEnd(broker).publish(queue, b"1")
    connection = begin(broker, "t")
    connection.subscribe(f"/queue/{queue}", "s", ack="client-individual")
    message = connection.message()
    connection.ack(message, transaction="t")
    connection.ask("ABORT", {"transaction": "t"})
    connection.ack(message)
    connection.ask("BEGIN", {"transaction": "barrier"})
    connection.kill()
    wait_until(lambda: watcher.consumers(queue) == 0, "the consumer is gone")
    equal(watcher.ready(queue), 0)


@suite.test
def a_receipt_inside_a_transaction_is_sent_at_once(broker):
    only_sluice(broker, "RabbitMQ sends it at the commit")
    queue, _ = queue_of(broker)
    connection = begin(broker, "t")
    connection.ask("SEND", {"destination": f"/queue/{queue}", "transaction": "t"}, b"x")
    connection.ask("COMMIT", {"transaction": "t"})


@suite.test
def a_name_is_free_again_after_its_end(broker):
    queue, watcher = queue_of(broker)
    connection = stomp_client.connect(broker)
    for end in ("COMMIT", "ABORT", "COMMIT"):
        connection.ask("BEGIN", {"transaction": "again"})
        connection.publish(f"/queue/{queue}", end.encode(), transaction="again")
        connection.ask(end, {"transaction": "again"})
    wait_until(lambda: watcher.ready(queue) == 2, "two committed")


@suite.test
def unknown_transactions_are_errors(broker):
    connection = stomp_client.connect(broker)
    for command, headers in (("COMMIT", {"transaction": "x"}), ("ABORT", {"transaction": "x"}),
                             ("SEND", {"transaction": "x", "destination": "/queue/q"})):
        connection.send(command, headers)
        equal(connection.error().headers["message"], "Bad transaction", command)
    connection.ask("BEGIN", {"transaction": "x"})


@suite.test
def too_many_open_transactions_are_refused(broker):
    only_sluice(broker, "not in release 3.10")
    connection = begin(broker, *[f"t{i}" for i in range(16)])
    connection.send("BEGIN", {"transaction": "one-more"})
    equal(connection.error().headers["message"], "Transaction limit exceeded")
    connection.ask("ABORT", {"transaction": "t3"})
    connection.ask("BEGIN", {"transaction": "one-more"})


@suite.test
def a_transaction_has_an_end(broker):
    only_sluice(broker, "not in release 3.10")
    queue, watcher = queue_of(broker)
    connection = begin(broker, "t")
    for _ in range(10001):
        connection.publish(f"/queue/{queue}", b"", transaction="t")
    equal(connection.error().headers["message"], "Transaction too large")
    connection.ask("BEGIN", {"transaction": "other"})
    equal(watcher.ready(queue), 0)
