"""What the frames of STOMP say beyond the specification, as RabbitMQ's adapter has it."""

import stomp_client
from ends import unique
from rules import CLASSIC, channel_of, confirmed, letter_box, ready, taken
from stomp_client import ErrorFrame
from suite import Suite, equal, has, raises

suite = Suite("stomp_frames")


@suite.test
def an_unknown_mode_of_acknowledgement_is_auto(broker):
    stomp, queue = stomp_client.connect(broker), unique()
    stomp.subscribe(f"/queue/{queue}", ack="sometimes")
    stomp.ask("SEND", {"destination": f"/queue/{queue}"}, b"x")
    assert "ack" not in stomp.message().headers
    stomp.close()
    equal(ready(channel_of(broker), queue), 0)


@suite.test
def a_message_id_begins_with_the_tag_of_its_subscription(broker):
    stomp, queue = stomp_client.connect(broker), unique()
    for headers, tag in (({"id": "one"}, "T_one@@session-"), ({}, f"Q_/queue/{queue}@@session-")):
        headers["destination"] = f"/queue/{queue}"
        stomp.ask("SUBSCRIBE", headers)
        stomp.ask("SEND", {"destination": f"/queue/{queue}"}, b"x")
        message_id = stomp.message().headers["message-id"]
        assert message_id.startswith(tag), message_id
        stomp.ask("UNSUBSCRIBE", headers)


@suite.test
def an_unsubscribe_must_name_a_subscription(broker):
    stomp = stomp_client.connect(broker)
    for headers, message, body in (
            ({}, "Missing destination or id",
             "UNSUBSCRIBE must include a 'destination' or 'id' header"),
            ({"id": "/temp-queue/x"}, "Invalid id",
             "UNSUBSCRIBE 'id' may not start with /temp-queue/"),
            ({"id": "nobody"}, "No subscription found",
             'UNSUBSCRIBE must refer to an existing subscription.\nSubscription to "nobody" not'),
            ({"destination": "/queue/nobody"}, "No subscription found",
             'Subscription to "/queue/nobody" not found.')):
        error = raises(ErrorFrame, stomp.ask, "UNSUBSCRIBE", headers)
        equal(error.message, message)
        has(error.body, body)


@suite.test
def an_exclusive_consumer_is_told_to_who_comes_second(broker):
    queue = unique()
    channel = channel_of(broker)
    channel.queue_declare(queue, durable=True)
    channel.consume(queue, exclusive=True)
    error = raises(ErrorFrame, stomp_client.connect(broker).subscribe, f"/queue/{queue}")
    equal(error.message, "Failed to consume")
    has(error.body, f"queue '{queue}' in vhost '/' in exclusive use")


@suite.test
def the_subscription_of_an_ack_is_not_looked_at(broker):
    stomp, queue = stomp_client.connect(broker, version="1.1"), unique()
    stomp.subscribe(f"/queue/{queue}", "s", ack="client-individual")
    stomp.ask("SEND", {"destination": f"/queue/{queue}"}, b"x")
    stomp.ask("ACK", {"message-id": stomp.message().headers["message-id"],
                      "subscription": "another"})
    stomp.close()
    equal(ready(channel_of(broker), queue), 0)


@suite.test
def a_nack_requeues_or_not_as_it_says(broker):
    channel = channel_of(broker)
    queue, box = letter_box(channel, CLASSIC)
    stomp = stomp_client.connect(broker)
    stomp.subscribe(f"/amq/queue/{queue}", ack="client-individual")
    confirmed(channel, queue, b"x")
    for headers in ({}, {"requeue": "true"}, {"requeue": "false"}):
        stomp.nack(stomp.message(), **headers)
    equal(taken(channel, box).body, b"x")


@suite.test
def a_user_id_is_the_login(broker):
    stomp, queue = stomp_client.connect(broker), unique()
    stomp.ask("SEND", {"destination": f"/queue/{queue}", "user-id": "guest"}, b"x")
    equal(taken(channel_of(broker), queue).properties["user_id"], "guest")
    error = raises(ErrorFrame, stomp.ask, "SEND",
                   {"destination": f"/queue/{queue}", "user-id": "somebody"}, b"x")
    equal(error.message, "precondition_failed")
    has(error.body, "user_id property set to 'somebody' but")


@suite.test
def beginning_again_begins_anew(broker):
    stomp, queue = stomp_client.connect(broker), unique()
    stomp.subscribe(f"/queue/{queue}")
    for body in (b"before", b"after"):
        stomp.ask("BEGIN", {"transaction": "t"})
        stomp.ask("SEND", {"destination": f"/queue/{queue}", "transaction": "t"}, body)
    stomp.ask("COMMIT", {"transaction": "t"})
    equal(stomp.message().body, b"after")
    stomp.close()
    equal(ready(channel_of(broker), queue), 0)


@suite.test
def commands_of_other_brokers_are_not_known(broker):
    stomp = stomp_client.connect(broker)
    for command in ("SUB", "UNSUB", "KEEPALIVE", "CONNECT", "STOMP"):
        stomp.send(command, {"destination": "/queue/x", "id": "s"})
        error = stomp.error()
        equal(error.headers["message"], "Bad command")
        equal(error.body, f'Could not interpret command "{command}"\n'.encode())
