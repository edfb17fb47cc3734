"""No queue takes the same id twice from publishers within its window."""

import time

import broker as brokers
import stomp_client
from admin import Policy
from ends import unique
from rules import CLASSIC, bodies, channel_of, comes_to_hold, ready, refused, taken
from suite import Suite, equal, only_sluice, raises, wait_until

suite = Suite("dedup")


def named(ids):
    return {k if k == "_AMQ_DUPL_ID" else k.replace("_", "-"): v for k, v in ids.items()}


class AmqpPublisher:
    name = "amqp"

    def __init__(self, broker):
        self.channel = channel_of(broker)
        self.channel.confirm_select()

    def say(self, queue, body, *, exchange="", persistent=True, message_id=None, **ids):
        properties = {"headers": named(ids),
                      "delivery_mode": 2 if persistent else 1}
        if message_id is not None:
            properties["message_id"] = message_id
        self.channel.publish(exchange, queue, body, properties)
        self.channel.wait_confirms()


class StompPublisher:
    name = "stomp"

    def __init__(self, broker):
        self.connection = stomp_client.connect(broker)

    def say(self, queue, body, *, exchange="", persistent=True, message_id=None, **ids):
        headers = named(ids)
        if message_id is not None:
            headers["amqp-message-id"] = message_id
        destination = f"/exchange/{exchange}/{queue}" if exchange else f"/amq/queue/{queue}"
        return self.connection.ask("SEND", {"destination": destination,
                                            "persistent": "true" if persistent else "false",
                                            **headers}, body)


BOTH = (AmqpPublisher, StompPublisher)


def queue_of(channel, **arguments):
    return CLASSIC.declare(channel, **arguments)


# --- the id


@suite.test_over(*BOTH)
def the_same_id_enters_a_queue_once(broker, publisher):
    only_sluice(broker, "it has no ids of messages")
    channel, p = channel_of(broker), publisher(broker)
    queue = queue_of(channel)
    p.say(queue, b"1", dedup_id="a")
    p.say(queue, b"2", dedup_id="a")
    p.say(queue, b"3", dedup_id="b")
    p.say(queue, b"4", _AMQ_DUPL_ID="b")
    p.say(queue, b"5")
    equal(bodies(channel, queue), [b"1", b"3", b"5"])


@suite.test
def both_protocols_mean_the_same_id(broker):
    only_sluice(broker, "it has no ids of messages")
    channel = channel_of(broker)
    queue = queue_of(channel)
    AmqpPublisher(broker).say(queue, b"1", dedup_id="42")
    StompPublisher(broker).say(queue, b"2", dedup_id="42")
    AmqpPublisher(broker).say(queue, b"3", dedup_id=42)
    AmqpPublisher(broker).say(queue, b"4", dedup_id=43)
    equal(bodies(channel, queue), [b"1", b"4"])


@suite.test_over(*BOTH)
def an_empty_id_is_none(broker, publisher):
    channel, p = channel_of(broker), publisher(broker)
    queue = queue_of(channel)
    p.say(queue, b"1", dedup_id="")
    p.say(queue, b"2", dedup_id="")
    equal(ready(channel, queue), 2)


@suite.test
def an_id_may_be_of_any_length(broker):
    only_sluice(broker, "it has no ids of messages")
    channel, p = channel_of(broker), AmqpPublisher(broker)
    queue = queue_of(channel)
    for ident in ("x" * 65536, "x" * 65536, "x" * 65535 + "y"):
        p.say(queue, b"1", dedup_id=ident)
    equal(ready(channel, queue), 2)


@suite.test_over(*BOTH)
def the_header_of_the_plugin_counts_where_the_queue_asks(broker, publisher):
    only_sluice(broker, "its plugin is not there")
    channel, p = channel_of(broker), publisher(broker)
    plain, asks = queue_of(channel), queue_of(channel, dedup_window_ms=60000)
    for queue in (plain, asks):
        p.say(queue, b"1", x_deduplication_header="a")
        p.say(queue, b"2", x_deduplication_header="a")
    equal((ready(channel, plain), ready(channel, asks)), (2, 1))


@suite.test_over(*BOTH)
def a_queue_may_ask_for_the_message_id(broker, publisher):
    only_sluice(broker, "it has no ids of messages")
    channel, p = channel_of(broker), publisher(broker)
    plain, asks = queue_of(channel), queue_of(channel, dedup_message_id=True)
    for queue in (plain, asks):
        p.say(queue, b"1", message_id="a")
        p.say(queue, b"2", message_id="a")
    equal((ready(channel, plain), ready(channel, asks)), (2, 1))


@suite.test_over(*BOTH)
def a_queue_may_rename_the_header(broker, publisher):
    only_sluice(broker, "its plugin is not there")
    channel, p = channel_of(broker), publisher(broker)
    queue = queue_of(channel, deduplication_header="order")
    p.say(queue, b"1", order="a")
    p.say(queue, b"2", order="a")
    p.say(queue, b"3", x_deduplication_header="a")
    equal(ready(channel, queue), 2)


# --- the window


@suite.test_over(*BOTH)
def an_id_is_remembered_when_its_message_is_gone(broker, publisher):
    only_sluice(broker, "it has no ids of messages")
    channel, p = channel_of(broker), publisher(broker)
    queue = queue_of(channel)
    p.say(queue, b"1", dedup_id="a")
    equal(taken(channel, queue).body, b"1")
    p.say(queue, b"2", dedup_id="a")
    p.say(queue, b"3", dedup_id="b")
    channel.queue_purge(queue)
    p.say(queue, b"4", dedup_id="b")
    equal(ready(channel, queue), 0)


@suite.test_over(*BOTH)
def a_window_ends(broker, publisher):
    only_sluice(broker, "it has no ids of messages")
    channel, p = channel_of(broker), publisher(broker)
    queue = queue_of(channel, dedup_window_ms=3000)
    p.say(queue, b"1", dedup_id="a")
    p.say(queue, b"2", dedup_id="a")
    equal(ready(channel, queue), 1)
    deadline = time.monotonic() + 30
    while ready(channel, queue) == 1 and time.monotonic() < deadline:
        p.say(queue, b"3", dedup_id="a")
    equal(ready(channel, queue), 2)


@suite.test_over(*BOTH)
def a_message_may_have_a_time_of_its_own(broker, publisher):
    only_sluice(broker, "its plugin is not there")
    channel, p = channel_of(broker), publisher(broker)
    queue = queue_of(channel, cache_size=100)
    p.say(queue, b"1", dedup_id="a", x_cache_ttl="50" if publisher is StompPublisher else 50)
    wait_until(lambda: p.say(queue, b"2", dedup_id="a") or ready(channel, queue) == 2,
               "the end of its time")


@suite.test_over(*BOTH)
def until_settled_an_id_goes_with_its_message(broker, publisher):
    only_sluice(broker, "its plugin is not there")
    channel, p = channel_of(broker), publisher(broker)
    queue = queue_of(channel, message_deduplication=True)
    p.say(queue, b"1", x_deduplication_header="a")
    p.say(queue, b"2", x_deduplication_header="a")
    got = channel.get(queue)
    p.say(queue, b"3", x_deduplication_header="a")
    equal(ready(channel, queue), 0)
    channel.ack(got.tag)
    wait_until(lambda: p.say(queue, b"4", x_deduplication_header="a") or ready(channel, queue) == 1,
               "the id to go")


@suite.test
def a_window_is_bounded_by_number_too(broker):
    only_sluice(broker, "its plugin is not there")
    channel, p = channel_of(broker), AmqpPublisher(broker)
    queue = queue_of(channel, cache_size=2)
    for ident in ("a", "b", "c", "b", "a"):
        p.say(queue, ident.encode(), dedup_id=ident)
    equal(bodies(channel, queue), [b"a", b"b", b"c", b"a"])


@suite.test
def a_window_dies_with_its_queue(broker):
    channel, p = channel_of(broker), AmqpPublisher(broker)
    queue = queue_of(channel)
    p.say(queue, b"1", dedup_id="a")
    channel.queue_delete(queue)
    channel.queue_declare(queue, durable=True)
    p.say(queue, b"2", dedup_id="a")
    equal(bodies(channel, queue), [b"2"])


@suite.test
def what_cannot_be_is_refused(broker):
    only_sluice(broker, "it knows no such argument")
    year = 365 * 24 * 3600 * 1000
    for name, value in (("dedup_window_ms", 0), ("dedup_window_ms", 999), ("dedup_window_ms", year),
                        ("dedup_window_ms", "600000"), ("cache_size", 0), ("cache_size", 10**8 + 1),
                        ("cache_ttl", 0), ("cache_ttl", year), ("message_deduplication", "yes"),
                        ("dedup_message_id", 1), ("cache_persistence", "tape")):
        refused(406, f"invalid arg 'x-{name.replace('_', '-')}' for queue", queue_of,
                channel_of(broker), **{name: value})


@suite.test
def what_cannot_be_is_refused_of_an_exchange_too(broker):
    only_sluice(broker, "its plugin is not there")
    for kind, name, value in (("x-message-deduplication", "x-cache-size", -1),
                              ("x-message-deduplication", "x-cache-size", "many"),
                              ("x-message-deduplication", "x-cache-ttl", 0),
                              ("x-message-deduplication", "x-cache-persistence", "tape"),
                              ("fanout", "x-message-deduplication", "true"),
                              ("fanout", "x-dedup-window-ms", 999)):
        refused(406, f"invalid arg '{name}' for exchange", channel_of(broker).exchange_declare,
                unique("e"), kind, arguments={name: value})


# --- what is not asked, and what is not remembered


@suite.test_over(*BOTH)
def what_the_broker_moves_is_not_asked(broker, publisher):
    """A message that goes round by rejections, with its id, is never lost."""
    channel, p = channel_of(broker), publisher(broker)
    queue = unique()
    channel.queue_declare(queue, durable=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue,
        "x-dedup-window-ms": 60000})
    p.say(queue, b"1", dedup_id="a")
    for _ in range(5):
        got = wait_until(lambda: channel.get(queue), "the message")
        channel.reject(got.tag, requeue=False)
    comes_to_hold(channel, queue, 1)


@suite.test_over(*BOTH)
def a_retry_loop_by_time_loses_nothing(broker, publisher):
    channel, p = channel_of(broker), publisher(broker)
    work, wait = unique("work"), unique("wait")
    for name, other, ttl in ((work, wait, None), (wait, work, 20)):
        channel.queue_declare(name, durable=True, arguments={
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": other,
            "x-message-deduplication": True, **({"x-message-ttl": ttl} if ttl else {})})
    p.say(work, b"1", x_deduplication_header="a")
    for _ in range(4):
        got = wait_until(lambda: channel.get(work), "the message")
        equal(got.body, b"1")
        channel.reject(got.tag, requeue=False)
    comes_to_hold(channel, work, 1)


@suite.test
def an_id_of_a_refused_or_unroutable_publish_is_not_remembered(broker):
    channel, p = channel_of(broker), AmqpPublisher(broker)
    queue = queue_of(channel, max_length=1, overflow="reject-publish")
    p.say(queue, b"1", dedup_id="a")
    raises(AssertionError, AmqpPublisher(broker).say, queue, b"2", dedup_id="b")  # it is full
    equal(bodies(channel, queue), [b"1"])
    p.say(queue, b"3", dedup_id="b")
    equal(bodies(channel, queue), [b"3"])
    later = unique()
    p.say(later, b"4", dedup_id="c")
    channel.queue_declare(later, durable=True)
    p.say(later, b"5", dedup_id="c")
    equal(bodies(channel, later), [b"5"])


@suite.test
def an_id_of_a_rolled_back_publish_is_not_remembered(broker):
    only_sluice(broker, "it has no ids of messages")
    channel = channel_of(broker)
    queue = queue_of(channel)
    channel.tx_select()
    properties = {"headers": {"dedup-id": "a"}, "delivery_mode": 2}
    channel.publish("", queue, b"1", properties)
    channel.tx_rollback()
    channel.publish("", queue, b"2", properties)
    channel.publish("", queue, b"3", properties)
    channel.tx_commit()
    comes_to_hold(channel, queue, 1)
    equal(taken(channel, queue).body, b"2")


@suite.test
def a_duplicate_drops_no_head_and_takes_no_place(broker):
    only_sluice(broker, "it has no ids of messages")
    channel, p = channel_of(broker), AmqpPublisher(broker)
    short = queue_of(channel, max_length=1)
    full = queue_of(channel, max_length=2, overflow="reject-publish")
    for ident in ("a", "a"):
        p.say(short, b"1", dedup_id=ident)
    for ident in ("a", "a", "a", "b"):
        p.say(full, ident.encode(), dedup_id=ident)
    equal(bodies(channel, short), [b"1"])
    equal(bodies(channel, full), [b"a", b"b"])


# --- a full queue that has the id


def confirms(channel, last):
    """What each publish up to that number came to, in the order of the confirms."""
    said = []
    while len(said) < last:
        name, (tag, multiple, *_) = channel.wait("basic.ack", "basic.nack")
        count = tag - len(said) if multiple else 1
        equal(tag, len(said) + count)  # none is passed over
        said += [name == "basic.ack"] * count
    return said


@suite.test
def a_duplicate_of_what_a_full_queue_has_is_confirmed(broker):
    only_sluice(broker, "it has no ids of messages")
    channel = channel_of(broker)
    channel.confirm_select()
    queue = queue_of(channel, max_length=1, overflow="reject-publish")
    wanted = []
    for n in range(300):
        ident = "a" if n % 3 or n == 0 else f"n{n}"
        channel.publish("", queue, b"x", {"headers": {"dedup-id": ident}})
        wanted.append(ident == "a")
    channel.publish("", queue, b"without an id", {})
    equal(confirms(channel, 301), wanted + [False])
    equal(ready(channel, queue), 1)


@suite.test
def a_full_queue_that_renames_the_header_is_asked_too(broker):
    only_sluice(broker, "it has no ids of messages")
    channel = channel_of(broker)
    channel.confirm_select()
    queue = queue_of(channel, max_length=1, overflow="reject-publish", dedup_message_id=True,
                     deduplication_header="mine")
    for properties in ({"headers": {"mine": 1}}, {"headers": {"mine": 1}},
                       {"headers": {"mine": 2}}, {"message_id": "1"}, {"message_id": "2"}):
        channel.publish("", queue, b"x", properties)
    equal(confirms(channel, 5), [True, True, False, True, False])


@suite.test
def a_full_queue_refuses_for_all_whatever_the_others_had(broker):
    only_sluice(broker, "it has no ids of messages")
    channel, c = channel_of(broker), stomp_client.connect(broker)
    channel.confirm_select()
    exchange, full, other = unique("e"), None, queue_of(channel)
    channel.exchange_declare(exchange, "fanout", durable=True)
    full = queue_of(channel, max_length=1, overflow="reject-publish")

    def asked(ident):
        return c.ask("SEND", {"destination": f"/exchange/{exchange}/", "dedup-id": ident,
                              "persistent": "true"}, b"x").headers.get("duplicate")

    channel.queue_bind(full, exchange, "")
    equal(asked("a"), None)
    channel.queue_bind(other, exchange, "")
    equal([asked("a"), asked("a")], [None, "true"])  # first the other one takes it
    refusal = raises(stomp_client.ErrorFrame, asked, "b")
    equal((refusal.message, refusal.body), ("Message refused", f"queue '{full}' is full\n"))
    equal([asked("a"), ready(channel, full), ready(channel, other)], ["true", 1, 2])
    for ident in ("b", "a"):
        channel.publish(exchange, "", b"x", {"headers": {"dedup-id": ident}})
    equal(confirms(channel, 2), [False, True])


@suite.test
def a_duplicate_that_a_full_queue_has_is_not_dead_lettered(broker):
    only_sluice(broker, "it has no ids of messages")
    channel = channel_of(broker)
    channel.confirm_select()
    box = queue_of(channel)
    queue = queue_of(channel, max_length=1, overflow="reject-publish-dlx",
                     dead_letter_exchange="", dead_letter_routing_key=box)
    for ident in ("a", "a", "b", "a"):
        channel.publish("", queue, ident.encode(), {"headers": {"dedup-id": ident}})
    equal(confirms(channel, 4), [True, True, False, True])
    comes_to_hold(channel, box, 1)
    equal(taken(channel, box).body, b"b")


@suite.test
def refusals_and_receipts_of_a_full_queue_are_one_each(broker):
    only_sluice(broker, "it has no ids of messages")
    channel, c = channel_of(broker), stomp_client.connect(broker)
    queue = queue_of(channel, max_length=1, overflow="reject-publish")
    for n in range(100):
        c.send("SEND", {"destination": f"/amq/queue/{queue}", "receipt": str(n),
                        "dedup-id": "a" if n % 2 == 0 else str(n)}, b"x")
    said = {}
    for _ in range(100):
        frame = c.wait(lambda f: True)
        said.setdefault(frame.headers["receipt-id"], frame.command)
    equal(said, {str(n): "ERROR" if n % 2 else "RECEIPT" for n in range(100)})


# --- policies, and ends of the process


@suite.test
def a_policy_says_which_ids_count(broker):
    only_sluice(broker, "it asks the admin socket")
    channel, p = channel_of(broker), AmqpPublisher(broker)
    queue = queue_of(channel)
    with Policy(broker, queue, {"x-dedup-message-id": True, "x-cache-size": 10}):
        for _ in range(2):
            p.say(queue, b"1", message_id="a")
            p.say(queue, b"2", x_deduplication_header="b")
        equal(ready(channel, queue), 2)
    p.say(queue, b"3", message_id="a")
    equal(ready(channel, queue), 3)


@suite.test
def a_window_that_a_policy_brings_ends_for_ids_that_came_before(broker):
    only_sluice(broker, "it asks the admin socket")
    channel, p = channel_of(broker), AmqpPublisher(broker)
    queue = queue_of(channel, message_deduplication=True)
    for persistent, id in ((True, "a"), (False, "b")):
        p.say(queue, b"first", dedup_id=id, persistent=persistent)
    with Policy(broker, queue, {"x-cache-ttl": 100}):
        for _ in range(2):
            equal(taken(channel, queue).body, b"first")
        for persistent, id in ((True, "a"), (False, "b")):
            def enters():
                p.say(queue, b"again", dedup_id=id, persistent=persistent)
                return bodies(channel, queue) == [b"again"]
            wait_until(enters, "an id to be over")


@suite.test
def what_came_again_behind_such_a_window_outlives_a_kill(broker):
    only_sluice(broker, "it is not ours to kill")
    with brokers.Broker(broker.binary, workers=broker.workers) as gateway:
        channel, p = channel_of(gateway), AmqpPublisher(gateway)
        queue = queue_of(channel, message_deduplication=True)
        p.say(queue, b"first", dedup_id="a")
        with Policy(gateway, queue, {"x-cache-ttl": 100}):
            equal(taken(channel, queue).body, b"first")

            def enters():
                p.say(queue, b"again", dedup_id="a")
                return ready(channel, queue) == 1
            wait_until(enters, "the id to be over")
            gateway.kill()
            gateway.start()
            equal(bodies(channel_of(gateway), queue), [b"again"])


@suite.test_over(*BOTH)
def who_publishes_again_after_a_kill_fills_the_gap_only(broker, publisher):
    only_sluice(broker, "it is not ours to kill")
    with brokers.Broker(broker.binary, workers=broker.workers) as gateway:
        plain, plugin = "plain", "plugin"
        channel = channel_of(gateway)
        CLASSIC.declare(channel, plain)
        CLASSIC.declare(channel, plugin, message_deduplication=True)
        for known in (50, 75, 100):
            p = publisher(gateway)
            if known == 75:  # the confirms below make that durable
                equal(taken(channel, plain).body, b"0")
            for n in range(known):
                for queue in (plain, plugin):
                    p.say(queue, str(n).encode(), dedup_id=str(n))
            gateway.kill()
            gateway.start()
            channel = channel_of(gateway)
        equal(bodies(channel, plain), [str(n).encode() for n in range(1, 100)])
        equal(bodies(channel, plugin), [str(n).encode() for n in range(100)])


# --- what a publisher hears


@suite.test
def a_receipt_says_that_every_queue_had_the_id(broker):
    only_sluice(broker, "it has no ids of messages")
    channel, p = channel_of(broker), StompPublisher(broker)
    exchange, queues = unique("e"), []
    channel.exchange_declare(exchange, "fanout", durable=True)

    def said(ident):
        receipt = p.say("any", b"1", exchange=exchange, **({"dedup_id": ident} if ident else {}))
        return receipt.headers.get("duplicate")

    equal(said("a"), None)  # it reached nothing
    for _ in range(2):
        queues.append(queue_of(channel))
        channel.queue_bind(queues[-1], exchange, "")
        equal((said("a"), said("a"), said("a")), (None, "true", "true"))
    equal((said(None), said(None), said("b"), said("b")), (None, None, None, "true"))
    equal([ready(channel, queue) for queue in queues], [4, 4])


@suite.test
def a_receipt_says_so_of_a_renamed_header_too(broker):
    only_sluice(broker, "it has no ids of messages")
    channel, p = channel_of(broker), StompPublisher(broker)
    queue = queue_of(channel, deduplication_header="mine")
    said = [p.say(queue, b"x", mine="a").headers.get("duplicate") for _ in range(2)]
    equal(said, [None, "true"])


@suite.test
def receipts_with_a_verdict_keep_their_order(broker):
    only_sluice(broker, "it has no ids of messages")
    channel, c = channel_of(broker), stomp_client.connect(broker)
    queues = [queue_of(channel) for _ in range(4)]
    wanted = []
    for n in range(400):
        ident = {"dedup-id": str(n // 8)} if n % 3 else {}
        c.send("SEND", {"destination": f"/amq/queue/{queues[n % 4]}", "persistent": "true",
                        "receipt": str(n), **ident}, b"x")
        wanted.append(str(n))
    got = [c.wait(lambda f: f.command == "RECEIPT").headers["receipt-id"] for _ in wanted]
    equal(got, wanted)


# --- exchanges


@suite.test_over(*BOTH)
def an_exchange_of_the_plugin_routes_as_fanout_once(broker, publisher):
    only_sluice(broker, "its plugin is not there")
    channel, p = channel_of(broker), publisher(broker)
    exchange, other = unique("e"), unique("f")
    for name in (exchange, other):
        channel.exchange_declare(name, "x-message-deduplication", durable=True, arguments={
            "x-cache-size": 100, "x-cache-ttl": 60000, "x-cache-persistence": "disk"})
    queues = [queue_of(channel), queue_of(channel)]
    for queue in queues:
        for name in (exchange, other):
            channel.queue_bind(queue, name, "")
    for name in (exchange, other):
        p.say("any", b"1", exchange=name, x_deduplication_header="a")
        p.say("other", b"2", exchange=name, x_deduplication_header="a")
    for queue in queues:
        equal(bodies(channel, queue), [b"1", b"1"])
