"""Queues as objects: their lives, their owners, what a declare must agree on."""

import amqp_client
from ends import AmqpEnd, Watcher, unique
from rules import channel_of, refused
from suite import Suite, equal, has, only_sluice, wait_until

suite = Suite("queues")


@suite.test
def a_passive_declare_of_nothing_is_not_found(broker):
    channel, queue = channel_of(broker), unique()
    closed = refused(404, "", channel.queue_declare, queue, passive=True)
    equal(closed.text, f"NOT_FOUND - no queue '{queue}' in vhost '/'")
    equal(closed.method, (50, 10))


@suite.test
def a_passive_declare_counts_messages_and_consumers(broker):
    queue, end = unique(), AmqpEnd(broker)
    end.declare(queue)
    end.publish(queue, b"1", b"2")
    equal(end.channel.queue_declare(queue, passive=True), [queue, 2, 0])
    end.subscribe(queue, prefetch=1).next()
    equal(end.channel.queue_declare(queue, passive=True), [queue, 1, 1])


@suite.test
def declaring_the_same_again_changes_nothing(broker):
    queue, end = unique(), AmqpEnd(broker)
    end.declare(queue)
    end.publish(queue, b"kept")
    equal(end.channel.queue_declare(queue, durable=True), [queue, 1, 0])


@suite.test
def a_different_durable_is_refused(broker):
    queue, connection = unique(), amqp_client.connect(broker)
    connection.channel().queue_declare(queue, durable=True)
    closed = refused(406, "", connection.channel().queue_declare, queue, durable=False)
    equal(closed.text, f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{queue}' in "
                       "vhost '/': received 'false' but current is 'true'")


@suite.test
def a_different_auto_delete_is_refused(broker):
    queue, connection = unique(), amqp_client.connect(broker)
    connection.channel().queue_declare(queue, durable=True)
    refused(406, f"inequivalent arg 'auto_delete' for queue '{queue}' in vhost '/': received "
                 "'true' but current is 'false'",
            connection.channel().queue_declare, queue, durable=True, auto_delete=True)


@suite.test
def a_different_argument_is_refused(broker):
    queue, connection = unique(), amqp_client.connect(broker)
    connection.channel().queue_declare(queue, durable=True, arguments={"x-message-ttl": 60000})
    text = f"inequivalent arg 'x-message-ttl' for queue '{queue}' in vhost '/': received "
    closed = refused(406, text, connection.channel().queue_declare, queue, durable=True,
                     arguments={"x-message-ttl": 50})
    has(closed.text, "'50'")
    has(closed.text, "'60000'")
    closed = refused(406, text + "none but current is the value '60000' of type 'signedint'",
                     connection.channel().queue_declare, queue, durable=True)


@suite.test
def numbers_of_any_width_are_the_same_argument(broker):
    queue, connection = unique(), amqp_client.connect(broker)
    connection.channel().queue_declare(queue, arguments={"x-expires": 600000}, durable=True)
    wide = amqp_client.Raw(b"\0\0\0\x13\x09x-expiresl" + (600000).to_bytes(8, "big"))
    connection.channel().queue_declare(queue, durable=True, arguments=wide)


@suite.test
def arguments_of_a_wrong_type_are_refused(broker):
    connection = amqp_client.connect(broker)
    for arguments in ({"x-message-ttl": "soon"}, {"x-message-ttl": -1}, {"x-expires": 0},
                      {"x-max-length": -5}, {"x-dead-letter-exchange": 7},
                      {"x-overflow": "explode"}, {"x-queue-type": "cardboard"}):
        name = next(iter(arguments))
        queue = unique()
        refused(406, f"'{name}'",
                connection.channel().queue_declare, queue, durable=True, arguments=arguments)


@suite.test
def unknown_arguments_are_kept(broker):
    queue, connection = unique(), amqp_client.connect(broker)
    connection.channel().queue_declare(queue, durable=True, arguments={"x-my-own": "thing"})
    connection.channel().queue_declare(queue, durable=True, arguments={"x-my-own": "thing"})


@suite.test
def an_exclusive_queue_is_its_connections_alone(broker):
    queue, owner, other = unique(), amqp_client.connect(broker), amqp_client.connect(broker)
    owner.channel().queue_declare(queue, exclusive=True)
    text = (f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost "
            "'/'. It could be originally declared on another connection or the exclusive property "
            "value does not match that of the original declaration.")
    for call in (lambda c: c.queue_declare(queue, exclusive=True),
                 lambda c: c.queue_declare(queue, passive=True),
                 lambda c: c.consume(queue),
                 lambda c: c.queue_bind(queue, "amq.direct", "k"),
                 lambda c: c.get(queue),
                 lambda c: c.queue_purge(queue),
                 lambda c: c.queue_delete(queue)):
        refused(405, text, call, other.channel())
    owner.channel().queue_declare(queue, passive=True)


@suite.test
def an_exclusive_queue_ends_with_its_connection(broker):
    queue, owner, watcher = unique(), amqp_client.connect(broker), Watcher(broker)
    owner.channel().queue_declare(queue, exclusive=True)
    owner.kill()
    wait_until(lambda: not watcher.exists(queue), "the queue is gone")


@suite.test
def an_auto_delete_queue_ends_with_its_last_consumer(broker):
    queue, connection, watcher = unique(), amqp_client.connect(broker), Watcher(broker)
    channel = connection.channel()
    channel.queue_declare(queue, auto_delete=True)
    assert watcher.exists(queue), "it must not end before its first consumer"
    channel.consume(queue, "a")
    channel.consume(queue, "b")
    channel.cancel("a")
    assert watcher.exists(queue), "one consumer is left"
    channel.cancel("b")
    wait_until(lambda: not watcher.exists(queue), "the queue is gone")


@suite.test
def an_auto_delete_queue_ends_when_the_connection_dies(broker):
    queue, connection, watcher = unique(), amqp_client.connect(broker), Watcher(broker)
    channel = connection.channel()
    channel.queue_declare(queue, auto_delete=True)
    channel.consume(queue)
    connection.kill()
    wait_until(lambda: not watcher.exists(queue), "the queue is gone")


@suite.test
def the_server_names_queues_that_have_no_name(broker):
    channel = channel_of(broker)
    names = {channel.queue_declare(exclusive=True)[0] for _ in range(3)}
    equal(len(names), 3)
    for name in names:
        assert name.startswith("amq.gen-") and len(name) == 30, name


@suite.test
def an_empty_name_means_the_last_declared_queue(broker):
    channel = channel_of(broker)
    queue = channel.queue_declare(exclusive=True)[0]
    channel.queue_bind("", "amq.direct", "")  # both empty: the queue's name is the key
    channel.publish("amq.direct", queue, b"here")
    channel.consume("", no_ack=True)
    equal(channel.message().body, b"here")


@suite.test
def without_a_last_queue_an_empty_name_is_not_found(broker):
    refused(404, "NOT_FOUND - no previously declared queue", channel_of(broker).queue_purge, "")


@suite.test
def reserved_names_are_refused(broker):
    refused(403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
            channel_of(broker).queue_declare, "amq.mine")


@suite.test
def purge_takes_what_is_ready_and_leaves_what_is_out(broker):
    queue, end = unique(), AmqpEnd(broker)
    subscription = end.subscribe(queue, prefetch=2)
    end.publish(queue, *[b"x"] * 10)
    out = [subscription.next() for _ in range(2)]
    wait_until(lambda: Watcher(broker).ready(queue) == 8, "eight are ready")
    equal(end.channel.queue_purge(queue), 8)
    for got in out:
        subscription.ack(got)
    end.publish(queue, b"after")
    equal(subscription.next().body, b"after")


@suite.test
def delete_tells_how_many_messages_went(broker):
    queue, end, watcher = unique(), AmqpEnd(broker), Watcher(broker)
    end.declare(queue)
    end.publish(queue, *[b"x"] * 3)
    equal(end.channel.queue_delete(queue), 3)
    assert not watcher.exists(queue)
    equal(end.channel.queue_delete(queue), 0, "deleting what is missing")


@suite.test
def delete_if_empty_spares_a_full_queue(broker):
    queue, end = unique(), AmqpEnd(broker)
    end.declare(queue)
    end.publish(queue, b"x")
    refused(406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty",
            end.connection.channel().queue_delete, queue, if_empty=True)
    end.channel.queue_purge(queue)
    end.channel.queue_delete(queue, if_empty=True)


@suite.test
def delete_if_unused_spares_a_used_queue(broker):
    queue, end = unique(), AmqpEnd(broker)
    subscription = end.subscribe(queue)
    refused(406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use",
            end.connection.channel().queue_delete, queue, if_unused=True)
    subscription.end()
    end.channel.queue_delete(queue, if_unused=True)


@suite.test
def no_wait_has_no_answer_but_an_effect(broker):
    queue, channel = unique(), channel_of(broker)
    channel.queue_declare(queue, durable=True, no_wait=True)
    channel.queue_bind(queue, "amq.direct", queue, no_wait=True)
    channel.consume(queue, "quiet", no_ack=True, no_wait=True)
    channel.publish("amq.direct", queue, b"x")
    equal(channel.message(consumer="quiet").body, b"x")
    channel.send(60, 30, "st", "quiet", True)
    channel.send(50, 40, "Hsttt", 0, queue, False, False, True)
    channel.round_trip()
    assert not channel.events, channel.events
    assert not Watcher(broker).exists(queue)


@suite.test
def no_wait_still_reports_an_error(broker):
    queue, channel = unique(), channel_of(broker)
    channel.queue_declare(queue, passive=True, no_wait=True)
    refused(404, queue, channel.round_trip)


@suite.test
def names_may_be_255_bytes_long(broker):
    queue, channel = unique("long-").ljust(255, "x"), channel_of(broker)
    equal(channel.queue_declare(queue, exclusive=True)[0], queue)


@suite.test
def a_queue_made_by_stomp_headers_equals_one_made_with_arguments(broker):
    import stomp_client

    queue = unique()
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}", "s", **{"x-max-length": 100, "x-message-ttl": 60000})
    channel_of(broker).queue_declare(queue, durable=True,
                                     arguments={"x-max-length": 100, "x-message-ttl": 60000})


@suite.test
def a_stomp_queue_is_durable_and_shared(broker):
    import stomp_client

    queue = unique()
    stomp_client.connect(broker).subscribe(f"/queue/{queue}", "s")
    channel_of(broker).queue_declare(queue, durable=True)


@suite.test
def an_auto_delete_stomp_queue_ends_with_its_consumer(broker):
    import stomp_client

    queue, watcher = unique(), Watcher(broker)
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}", "s", **{"auto-delete": "true"})
    assert watcher.exists(queue)
    connection.ask("UNSUBSCRIBE", {"id": "s"})
    wait_until(lambda: not watcher.exists(queue), "the queue is gone")


@suite.test
def a_stomp_declare_that_disagrees_is_an_error_and_closes(broker):
    import stomp_client

    queue = unique()
    channel_of(broker).queue_declare(queue, durable=True, arguments={"x-max-length": 5})
    connection = stomp_client.connect(broker)
    connection.send("SUBSCRIBE", {"destination": f"/queue/{queue}", "id": "s"})
    error = connection.error()
    equal(error.headers["message"].lower(), "precondition_failed")
    has(error.body.decode(), "inequivalent arg 'x-max-length'")
    connection.wire.read_to_end()


@suite.test
def a_thousand_declares_in_one_breath_are_all_answered(broker):
    stem, channel = unique(), channel_of(broker)
    names = [f"{stem}.{i}" for i in range(1000)]
    for name in names:
        channel.send(50, 10, "HstttttT", 0, name, False, False, True, False, False, {})
    equal([channel.wait("queue.declare-ok")[1][0] for _ in names], names)
    only_sluice(broker, "one minute of RabbitMQ's time")
    for name in names:
        channel.send(50, 40, "Hsttt", 0, name, False, False, False)
    for _ in names:
        channel.wait("queue.delete-ok")
