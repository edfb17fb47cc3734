"""What a consumer may rely on: order, fairness, credit, redelivery."""

import amqp_client
import stomp_client
from ends import AMQP, EVERY, STOMP, AmqpEnd, StompEnd, Watcher, unique
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("delivery")

KEEPS_LOANS = "RabbitMQ's UNSUBSCRIBE leaves what is out with the connection"


def bodies(count, stem="m"):
    return [f"{stem}{i}".encode() for i in range(count)]


def take(subscription, count):
    return [subscription.next() for _ in range(count)]


@suite.test_over(*EVERY)
def messages_come_in_the_order_of_publishing(broker, way):
    queue = unique()
    consumer, publisher = way.consumer(broker), way.publisher(broker)
    subscription = consumer.subscribe(queue)
    publisher.publish(queue, *bodies(500))
    got = take(subscription, 500)
    equal([g.body for g in got], bodies(500))
    assert not any(g.redelivered for g in got)


@suite.test_over(*EVERY)
def what_was_published_before_anyone_consumed_waits(broker, way):
    queue = unique()
    publisher, consumer = way.publisher(broker), way.consumer(broker)
    publisher.declare(queue)
    publisher.publish(queue, *bodies(20))
    publisher.close()
    equal([g.body for g in take(consumer.subscribe(queue), 20)], bodies(20))


@suite.test_over(*EVERY)
def competing_consumers_take_turns(broker, way):
    queue = unique()
    consumers = [way.consumer(broker) for _ in range(3)]
    subscriptions = [c.subscribe(queue, prefetch=10) for c in consumers]
    way.publisher(broker).publish(queue, *bodies(30))
    shares = [[g.body for g in take(s, 10)] for s in subscriptions]
    equal(sorted(sum(shares, [])), sorted(bodies(30)))
    for share in shares:
        numbers = [int(b[1:]) for b in share]
        equal(numbers, sorted(numbers), "order at one consumer")
        assert numbers != list(range(numbers[0], numbers[0] + 10)), "one took all at once"


@suite.test_over(*EVERY)
def prefetch_bounds_what_is_out_with_a_consumer(broker, way):
    queue, watcher = unique(), Watcher(broker)
    subscription = way.consumer(broker).subscribe(queue, prefetch=2)
    way.publisher(broker).publish(queue, *bodies(6))
    first = take(subscription, 2)
    wait_until(lambda: watcher.ready(queue) == 4, "two out, four ready")
    subscription.ack(first[0])
    equal(subscription.next().body, b"m2")
    wait_until(lambda: watcher.ready(queue) == 3, "still two out")


@suite.test
def global_prefetch_is_shared_by_the_channel(broker):
    queue, watcher = unique(), Watcher(broker)
    end = AmqpEnd(broker)
    end.declare(queue)
    channel = end.connection.channel()
    channel.qos(3, is_global=True)
    channel.consume(queue, "one")
    channel.consume(queue, "two")
    end.publish(queue, *bodies(8))
    out = [channel.message() for _ in range(3)]
    wait_until(lambda: watcher.ready(queue) == 5, "three out of eight")
    channel.ack(out[-1].tag, multiple=True)
    equal([channel.message().body for _ in range(3)], bodies(6)[3:])
    wait_until(lambda: watcher.ready(queue) == 2, "three more")


@suite.test
def a_slow_consumer_leaves_its_share_to_others(broker):
    queue = unique()
    slow, quick = AmqpEnd(broker).subscribe(queue, prefetch=1), AmqpEnd(broker).subscribe(queue)
    AmqpEnd(broker).publish(queue, *bodies(20))
    held = slow.next()
    got = take(quick, 19)
    equal(sorted([held.body] + [g.body for g in got]), sorted(bodies(20)))


@suite.test_over(*EVERY)
def what_was_given_back_returns_to_its_old_place(broker, way):
    queue = unique()
    subscription = way.consumer(broker).subscribe(queue, prefetch=3)
    way.publisher(broker).publish(queue, *bodies(6))
    first, second, third = take(subscription, 3)
    subscription.give_back(second)
    again = subscription.next()
    equal((again.body, again.redelivered), (b"m1", True))
    subscription.ack(first)
    later = subscription.next()
    equal((later.body, later.redelivered), (b"m3", False))


@suite.test_over(*EVERY)
def a_dead_connection_gives_back_what_it_held(broker, way):
    queue = unique()
    consumer, heir = way.consumer(broker), way.consumer(broker)
    subscription = consumer.subscribe(queue)
    way.publisher(broker).publish(queue, *bodies(5))
    got = take(subscription, 5)
    subscription.ack(got[1])
    subscription.settle()
    consumer.kill()
    again = take(heir.subscribe(queue), 4)
    equal([g.body for g in again], [b"m0", b"m2", b"m3", b"m4"])
    assert all(g.redelivered for g in again)


@suite.test_over(*EVERY)
def ending_a_subscription_gives_back_in_order(broker, way):
    if way.target is StompEnd:
        only_sluice(broker, KEEPS_LOANS)
    queue = unique()
    subscription = way.consumer(broker).subscribe(queue, prefetch=3)
    way.publisher(broker).publish(queue, *bodies(5))
    take(subscription, 3)
    subscription.end()
    again = take(way.consumer(broker).subscribe(queue), 5)
    equal([g.body for g in again], bodies(5))
    equal([g.redelivered for g in again], [True] * 3 + [False] * 2)


@suite.test_over(*EVERY)
def what_was_refused_is_gone(broker, way):
    if way.target is StompEnd:
        only_sluice(broker, KEEPS_LOANS)
    queue, watcher = unique(), Watcher(broker)
    consumer = way.consumer(broker)
    subscription = consumer.subscribe(queue)
    way.publisher(broker).publish(queue, *bodies(2))
    first, second = take(subscription, 2)
    subscription.refuse(first)
    subscription.settle()
    subscription.end()
    wait_until(lambda: watcher.ready(queue) == 1, "only the second returns")
    equal(watcher.channel.get(queue).body, b"m1")


@suite.test_over(*EVERY)
def what_was_acknowledged_never_comes_again(broker, way):
    queue, watcher = unique(), Watcher(broker)
    consumer = way.consumer(broker)
    subscription = consumer.subscribe(queue)
    way.publisher(broker).publish(queue, *bodies(50))
    for got in take(subscription, 50):
        subscription.ack(got)
    subscription.settle()
    consumer.kill()
    wait_until(lambda: watcher.consumers(queue) == 0, "the consumer is gone")
    equal(watcher.ready(queue), 0)


@suite.test_over(*EVERY)
def without_acknowledgements_a_message_is_settled_when_sent(broker, way):
    queue, watcher = unique(), Watcher(broker)
    consumer = way.consumer(broker)
    subscription = consumer.subscribe(queue, acks=False)
    way.publisher(broker).publish(queue, *bodies(50))
    equal([g.body for g in take(subscription, 50)], bodies(50))
    consumer.kill()
    wait_until(lambda: watcher.consumers(queue) == 0, "the consumer is gone")
    equal(watcher.ready(queue), 0)


@suite.test
def one_acknowledgement_may_settle_many(broker):
    queue, watcher = unique(), Watcher(broker)
    end = AmqpEnd(broker)
    subscription = end.subscribe(queue)
    end.publish(queue, *bodies(10))
    got = take(subscription, 10)
    subscription.channel.ack(got[6].raw.tag, multiple=True)
    subscription.settle()
    subscription.end()
    wait_until(lambda: watcher.ready(queue) == 3, "three are back")
    equal([watcher.channel.get(queue).body for _ in range(3)], [b"m7", b"m8", b"m9"])


@suite.test
def nack_of_many_returns_them_in_order(broker):
    queue = unique()
    end = AmqpEnd(broker)
    subscription = end.subscribe(queue)
    end.publish(queue, *bodies(10))
    got = take(subscription, 10)
    subscription.channel.nack(got[4].raw.tag, multiple=True, requeue=True)
    again = take(subscription, 5)
    equal([g.body for g in again], bodies(5))
    assert all(g.redelivered for g in again)


@suite.test
def tag_zero_with_multiple_settles_everything(broker):
    queue, watcher = unique(), Watcher(broker)
    end = AmqpEnd(broker)
    subscription = end.subscribe(queue)
    end.publish(queue, *bodies(5))
    take(subscription, 5)
    subscription.channel.ack(0, multiple=True)
    subscription.settle()
    end.connection.kill()
    wait_until(lambda: watcher.consumers(queue) == 0, "the consumer is gone")
    equal(watcher.ready(queue), 0)


@suite.test
def recover_brings_back_what_is_out(broker):
    queue = unique()
    end = AmqpEnd(broker)
    subscription = end.subscribe(queue)
    end.publish(queue, *bodies(3))
    take(subscription, 3)
    subscription.channel.recover(requeue=True)
    again = take(subscription, 3)
    equal([(g.body, g.redelivered) for g in again], [(b, True) for b in bodies(3)])


@suite.test
def cancel_leaves_loans_with_the_channel(broker):
    queue, watcher = unique(), Watcher(broker)
    end = AmqpEnd(broker)
    subscription = end.subscribe(queue, prefetch=1)
    end.publish(queue, *bodies(3))
    out = subscription.next()
    equal(subscription.channel.cancel(subscription.tag), subscription.tag)
    wait_until(lambda: watcher.consumers(queue) == 0, "no consumer")
    equal(watcher.ready(queue), 2)
    subscription.ack(out)
    subscription.settle()
    subscription.end()
    equal([watcher.channel.get(queue).body for _ in range(2)], [b"m1", b"m2"])
    equal(watcher.channel.get(queue), None)


@suite.test
def cancel_of_an_unknown_tag_is_answered(broker):
    equal(AmqpEnd(broker).channel.cancel("nobody"), "nobody")


@suite.test
def get_takes_one_and_tells_how_many_are_left(broker):
    queue = unique()
    end = AmqpEnd(broker)
    end.declare(queue)
    equal(end.channel.get(queue), None)
    end.publish(queue, *bodies(3))
    got = end.channel.get(queue)
    equal((got.body, got.message_count, got.redelivered), (b"m0", 2, False))
    end.channel.nack(got.tag)
    again = end.channel.get(queue, no_ack=True)
    equal((again.body, again.message_count, again.redelivered), (b"m0", 2, True))


@suite.test
def get_is_not_counted_against_prefetch(broker):
    queue = unique()
    end = AmqpEnd(broker)
    end.declare(queue)
    end.publish(queue, *bodies(2))
    channel = end.connection.channel()
    channel.qos(1)
    equal(channel.get(queue).body, b"m0")
    channel.consume(queue)
    equal(channel.message().body, b"m1")


@suite.test
def an_unknown_delivery_tag_closes_the_channel(broker):
    end = AmqpEnd(broker)
    channel = end.connection.channel()
    channel.ack(77)
    closed = raises(amqp_client.ChannelClosed, channel.round_trip)
    equal((closed.code, closed.text, closed.method),
          (406, "PRECONDITION_FAILED - unknown delivery tag 77", (60, 80)))
    end.channel.round_trip()


@suite.test
def acknowledging_twice_closes_the_channel(broker):
    queue = unique()
    end = AmqpEnd(broker)
    subscription = end.subscribe(queue)
    end.publish(queue, b"once")
    got = subscription.next()
    subscription.ack(got)
    subscription.ack(got)
    closed = raises(amqp_client.ChannelClosed, subscription.settle)
    equal(closed.text, f"PRECONDITION_FAILED - unknown delivery tag {got.raw.tag}")


@suite.test
def tags_count_from_one_on_every_channel(broker):
    end = AmqpEnd(broker)
    for _ in range(2):
        queue = unique()
        subscription = end.subscribe(queue)
        end.publish(queue, *bodies(3))
        equal([g.raw.tag for g in take(subscription, 3)], [1, 2, 3])


@suite.test
def an_exclusive_consumer_is_alone(broker):
    queue = unique()
    end = AmqpEnd(broker)
    end.declare(queue)
    first = end.connection.channel()
    first.consume(queue, "sole", exclusive=True)
    second = end.connection.channel()
    closed = raises(amqp_client.ChannelClosed, second.consume, queue)
    equal(closed.code, 403)
    has(closed.text, f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use")
    first.cancel("sole")
    third = end.connection.channel()
    third.consume(queue)
    fourth = end.connection.channel()
    closed = raises(amqp_client.ChannelClosed, fourth.consume, queue, exclusive=True)
    equal(closed.code, 403)


@suite.test
def a_consumer_tag_is_used_once_per_channel(broker):
    queue = unique()
    end = AmqpEnd(broker)
    end.declare(queue)
    channel = end.connection.channel()
    channel.consume(queue, "t")
    closed = raises(amqp_client.ChannelClosed, channel.consume, queue, "t")
    equal(closed.code, 530)
    has(closed.text, "NOT_ALLOWED - attempt to reuse consumer tag 't'")


@suite.test
def consumers_without_a_tag_are_given_one(broker):
    queue = unique()
    end = AmqpEnd(broker)
    end.declare(queue)
    channel = end.connection.channel()
    tags = {channel.consume(queue) for _ in range(2)}
    equal(len(tags), 2)
    assert all(tag.startswith("amq.ctag-") for tag in tags), tags


@suite.test
def deleting_a_queue_tells_its_amqp_consumers(broker):
    queue, watcher = unique(), Watcher(broker)
    subscription = AmqpEnd(broker).subscribe(queue)
    watcher.channel.queue_delete(queue)
    equal(subscription.channel.wait("basic.cancel")[1], [subscription.tag, True])
    subscription.channel.round_trip()


@suite.test
def deleting_a_queue_tells_its_stomp_consumers(broker):
    queue, watcher = unique(), Watcher(broker)
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}", "x")
    watcher.channel.queue_delete(queue)
    error = connection.error()
    equal(error.headers["message"], "Server cancelled subscription")
    equal(error.headers["subscription"], "x")
    connection.ask("BEGIN", {"transaction": "still-here"})


@suite.test
def stomp_client_mode_settles_all_earlier_ones_of_the_subscription(broker):
    only_sluice(broker, KEEPS_LOANS)
    queue, other, watcher = unique(), unique(), Watcher(broker)
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}", "a", ack="client")
    for body in bodies(5):
        connection.publish(f"/queue/{queue}", body)
    messages = [connection.message() for _ in range(5)]
    connection.ack(messages[2])
    connection.ask("UNSUBSCRIBE", {"id": "a"})
    wait_until(lambda: watcher.ready(queue) == 2, "two of five return")
    equal([watcher.channel.get(queue).body for _ in range(2)], [b"m3", b"m4"])


@suite.test
def stomp_client_mode_leaves_other_subscriptions_alone(broker):
    only_sluice(broker, "RabbitMQ settles over all subscriptions of the connection")
    one, two, watcher = unique(), unique(), Watcher(broker)
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{one}", "one", ack="client")
    connection.subscribe(f"/queue/{two}", "two", ack="client")
    connection.publish(f"/queue/{one}", b"1")
    connection.message(subscription="one")
    connection.publish(f"/queue/{two}", b"2")
    connection.ack(connection.message(subscription="two"))
    connection.ask("BEGIN", {"transaction": "barrier"})
    connection.kill()
    wait_until(lambda: watcher.ready(one) == 1, "the other subscription's message returns")
    wait_until(lambda: watcher.consumers(two) == 0, "the consumer is gone")
    equal(watcher.ready(two), 0)


@suite.test
def stomp_individual_mode_settles_one(broker):
    only_sluice(broker, KEEPS_LOANS)
    queue, watcher = unique(), Watcher(broker)
    for version in ("1.1", "1.2"):
        connection = stomp_client.connect(broker, version=version)
        connection.subscribe(f"/queue/{queue}", "a", ack="client-individual")
        for body in bodies(3):
            connection.publish(f"/queue/{queue}", body)
        connection.ack([connection.message() for _ in range(3)][1])
        connection.ask("UNSUBSCRIBE", {"id": "a"})
        wait_until(lambda: watcher.ready(queue) == 2, "two of three return")
        equal([watcher.channel.get(queue, no_ack=True).body for _ in range(2)], [b"m0", b"m2"])


@suite.test
def stomp_nack_without_a_word_requeues(broker):
    queue = unique()
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}", "a", ack="client-individual")
    connection.publish(f"/queue/{queue}", b"again")
    connection.nack(connection.message())
    equal(connection.message().headers["redelivered"], "true")


@suite.test
def stomp_ack_of_what_was_never_sent_is_an_error(broker):
    connection = stomp_client.connect(broker)
    connection.send("ACK", {"id": "T_x@@session-none@@9"})
    assert connection.error().headers["message"]
    connection.send("ACK", {"nothing": "here"})
    equal(connection.error().headers["message"], "Missing header")


@suite.test_over(AMQP, STOMP)
def a_queue_with_two_waiting_consumers_keeps_serving_after_one_dies(broker, way):
    queue = unique()
    first, second = way.consumer(broker), way.consumer(broker)
    first.subscribe(queue, prefetch=1)
    survivor = second.subscribe(queue, prefetch=1)
    publisher = way.publisher(broker)
    publisher.publish(queue, b"a", b"b")
    got = survivor.next()
    first.kill()
    survivor.ack(got)
    again = survivor.next()
    equal((sorted([got.body, again.body]), again.redelivered), ([b"a", b"b"], True))
