"""Further routing keys of a message: its headers CC and BCC."""

import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from ends import unique
from rules import bodies, channel_of, comes_to_hold, confirmed, refused, taken
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises

suite = Suite("carbon copy")


def queues(channel, count, **options):
    return [channel.queue_declare(unique(), exclusive=True, **options)[0] for _ in range(count)]


@suite.test
def a_header_that_is_no_array_closes_the_channel(broker):
    for name in ("CC", "BCC"):
        channel = channel_of(broker)
        queue, = queues(channel, 1)
        channel.publish("", queue, b"x", {"headers": {name: queue}})
        closed = raises(ChannelClosed, channel.round_trip)
        equal((closed.code, closed.method), (406, (60, 40)))
        equal(closed.text, "PRECONDITION_FAILED - invalid message: "
                           f'{{unacceptable_type_in_header,"{name}",longstr}}')


@suite.test
def a_stomp_header_is_a_string_and_so_refused(broker):
    queue, stomp = unique(), stomp_client.connect(broker)
    stomp.send("SEND", {"destination": f"/queue/{queue}", "CC": "other"}, b"x")
    has(stomp.error().body.decode(), '{unacceptable_type_in_header,"CC",longstr}')


@suite.test
def every_key_of_all_three_is_routed_by(broker):
    channel = channel_of(broker)
    a, b, c, d = queues(channel, 4)
    confirmed(channel, a, b"x", headers={"CC": [b, "nowhere"], "BCC": [c]})
    for queue in (a, b, c):
        equal(taken(channel, queue).body, b"x")
    equal(channel.get(d), None)


@suite.test
def a_queue_that_several_keys_reach_gets_one(broker):
    channel = channel_of(broker)
    queue, = queues(channel, 1)
    channel.queue_bind(queue, "amq.topic", f"{queue}.#")
    confirmed(channel, f"{queue}.a", b"x", exchange="amq.topic",
              headers={"CC": [f"{queue}.b", f"{queue}.b"], "BCC": [f"{queue}.c"]})
    equal(bodies(channel, queue), [b"x"])


@suite.test
def what_is_delivered_says_cc_and_not_bcc(broker):
    channel = channel_of(broker)
    a, b = queues(channel, 2)
    headers = {"before": 1, "BCC": [b], "CC": ["nowhere"], "behind": "two"}
    channel.consume(b, no_ack=True)
    confirmed(channel, a, b"x", headers=headers)
    shown = {"before": 1, "CC": ["nowhere"], "behind": "two"}
    got = taken(channel, a)
    equal((got.headers, got.key), (shown, a))
    delivered = channel.message()
    equal((delivered.headers, delivered.key), (shown, a))


@suite.test
def a_redelivery_hides_bcc_beside_its_count(broker):
    only_sluice(broker, "RabbitMQ counts on quorum queues only")
    channel = channel_of(broker)
    queue = unique()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    confirmed(channel, queue, b"x", headers={"BCC": ["nowhere"]}, delivery_mode=2)
    channel.reject(channel.get(queue).tag)
    comes_to_hold(channel, queue, 1)
    again = channel.get(queue)
    equal((again.redelivered, again.headers), (True, {"x-delivery-count": 1}))
    channel.ack(again.tag)
    channel.queue_delete(queue)


@suite.test
def a_stomp_consumer_gets_its_copy(broker):
    channel, stomp = channel_of(broker), stomp_client.connect(broker)
    key = unique("key")
    stomp.subscribe(f"/topic/{key}", "s")
    confirmed(channel, "nowhere", b"x", exchange="amq.topic", headers={"BCC": [key]})
    got = stomp.message()
    equal(got.body, b"x")
    assert "BCC" not in got.headers


@suite.test
def mandatory_asks_for_one_of_all_keys(broker):
    channel = channel_of(broker)
    queue, = queues(channel, 1)
    channel.confirm_select()
    channel.publish("", "nowhere", b"in", {"headers": {"CC": [queue]}}, mandatory=True)
    channel.wait_confirms()
    assert not channel.has("basic.return")
    equal(bodies(channel, queue), [b"in"])
    channel.publish("", "nowhere", b"out", {"headers": {"CC": ["no"], "BCC": ["no"]}},
                    mandatory=True)
    back = channel.wait("basic.return")[1]
    channel.wait_confirms()
    equal((back.body, back.headers), (b"out", {"CC": ["no"]}))


@suite.test
def an_alternate_exchange_takes_what_no_key_reaches(broker):
    channel = channel_of(broker)
    queue, spare = queues(channel, 2)
    exchange, alternate = unique("x"), unique("alternate")
    channel.exchange_declare(alternate, "fanout", auto_delete=True)
    channel.exchange_declare(exchange, "direct", auto_delete=True,
                             arguments={"alternate-exchange": alternate})
    channel.queue_bind(queue, exchange, "k")
    channel.queue_bind(spare, alternate, "")
    confirmed(channel, "no", b"x", exchange=exchange, headers={"CC": ["k"]})
    equal((bodies(channel, queue), bodies(channel, spare)), ([b"x"], []))
    confirmed(channel, "no", b"y", exchange=exchange, headers={"CC": ["none"]})
    equal((bodies(channel, queue), bodies(channel, spare)), ([], [b"y"]))


@suite.test
def the_next_message_goes_by_its_own_keys(broker):
    channel = channel_of(broker)
    a, b, c = queues(channel, 3)
    for body, headers in ((b"1", {}), (b"2", {"CC": [b]}), (b"3", {}), (b"4", {"CC": [c]})):
        confirmed(channel, a, body, headers=headers)
    equal([bodies(channel, q) for q in (a, b, c)], [[b"1", b"2", b"3", b"4"], [b"2"], [b"4"]])


@suite.test
def a_transaction_keeps_the_keys(broker):
    channel = channel_of(broker)
    a, b, c = queues(channel, 3)
    channel.tx_select()
    channel.publish("", a, b"x", {"headers": {"CC": [b], "BCC": [c]}})
    channel.publish("", a, b"y")
    equal(bodies(channel, b), [])
    channel.tx_commit()
    equal([bodies(channel, q) for q in (a, b, c)], [[b"x", b"y"], [b"x"], [b"x"]])


@suite.test
def a_prepared_message_goes_by_all_keys_when_it_is_committed(broker):
    only_sluice(broker, "prepared messages are Sluice's own")
    channel = channel_of(broker)
    a, b, c = queues(channel, 3)
    ident = unique("prepared")
    confirmed(channel, a, b"x", headers={"x-prepare": ident, "CC": [b], "BCC": [c]})
    equal([bodies(channel, q) for q in (a, b, c)], [[], [], []])
    confirmed(channel, ident, b"", exchange="amq.prepared", headers={"outcome": "commit"})
    for queue in (a, b, c):
        equal(taken(channel, queue).body, b"x")


@suite.test
def dead_letters_go_by_all_keys_too(broker):
    channel = channel_of(broker)
    exchange = unique("dlx")
    channel.exchange_declare(exchange, "direct", auto_delete=True)
    queue, a, b, c = queues(channel, 1, arguments={"x-dead-letter-exchange": exchange,
                                                   "x-message-ttl": 0}) + queues(channel, 3)
    for box, key in ((a, queue), (b, "cc"), (c, "bcc")):
        channel.queue_bind(box, exchange, key)
    confirmed(channel, queue, b"x", headers={"CC": ["cc"], "BCC": ["bcc"]})
    for box in (a, b, c):
        got = taken(channel, box)
        equal(got.headers["CC"], ["cc"])
        assert "BCC" not in got.headers
        equal(got.headers["x-death"][0]["routing-keys"], [queue, "cc"])


@suite.test
def a_dead_letter_key_of_the_queue_replaces_all_keys(broker):
    channel = channel_of(broker)
    box, other = queues(channel, 2)
    queue, = queues(channel, 1, arguments={"x-dead-letter-exchange": "", "x-message-ttl": 0,
                                           "x-dead-letter-routing-key": box})
    confirmed(channel, queue, b"x", headers={"CC": ["cc"], "BCC": [unique("bcc")]})
    got = taken(channel, box)
    assert "CC" not in got.headers and "BCC" not in got.headers
    equal(bodies(channel, other), [])


@suite.test(alone=True)
def topic_permissions_are_asked_for_each_key(broker):
    only_sluice(broker, "RabbitMQ 3.10 asks for the first key only")
    import admin

    user = unique("user")
    admin.put(broker, "users", user, password="secret", tags="")
    admin.put(broker, "permissions", "/", user, configure=".*", write=".*", read=".*")
    admin.put(broker, "topic-permissions", "/", user, exchange="amq.topic", write="^mine\\.",
              read=".*")
    try:
        connection = amqp_client.Connection(broker.amqp_port).open(user=user, password="secret")
        channel = connection.channel()
        confirmed(channel, "mine.a", b"x", exchange="amq.topic", headers={"CC": ["mine.b"]})
        for name in ("CC", "BCC"):
            channel = connection.channel()
            channel.publish("amq.topic", "mine.a", b"x", {"headers": {name: ["yours"]}})
            refused(403, "access to topic 'yours' in exchange 'amq.topic'", channel.round_trip)
        connection.close()
    finally:
        admin.delete(broker, "users", user)


@suite.test
def more_than_1024_keys_are_refused(broker):
    only_sluice(broker, "RabbitMQ has no bound")
    channel = channel_of(broker)
    queue, = queues(channel, 1)
    confirmed(channel, queue, b"x", headers={"CC": [queue] * 1024})
    equal(bodies(channel, queue), [b"x"])
    channel.publish("", queue, b"x", {"headers": {"CC": [queue] * 1000, "BCC": [queue] * 25}})
    refused(406, "1025 keys", channel.round_trip)


@suite.test
def a_stomp_transaction_is_refused_with_the_header(broker):
    stomp = stomp_client.connect(broker)
    stomp.send("BEGIN", {"transaction": "t"})
    stomp.send("SEND", {"destination": f"/queue/{unique()}", "transaction": "t", "BCC": "k"}, b"x")
    error = raises(ErrorFrame, stomp.ask, "COMMIT", {"transaction": "t"})
    has(error.body, '{unacceptable_type_in_header,"BCC",longstr}')
