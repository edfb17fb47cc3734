"""Prepared messages (SEMANTICS 8), over both protocols: a business step and a message, both or
neither.  Timing that a message can choose itself (x-prepare-timeout) is tested here; what takes
crashes is in tests/system/durability."""

import threading

import amqp_client
import broker as brokers
import stomp_client
from amqp_client import ChannelClosed
from ends import unique
from rules import has_queue
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("prepared")


class Refused(Exception):
    """What the broker said instead of a confirm."""

    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code, self.text = code, text


class AmqpPreparer:
    """Each call waits for its confirm, and raises Refused where the channel is closed instead."""

    def __init__(self, broker):
        self.connection = amqp_client.connect(broker)
        self.open()

    def open(self):
        self.channel = self.connection.channel()
        self.channel.confirm_select()

    def publish(self, exchange, key, body, headers, **properties):
        properties = {"delivery_mode": 2, "headers": headers, **properties}
        try:
            self.channel.publish(exchange, key, body, properties)
            self.channel.wait_confirms()
        except ChannelClosed as closed:
            self.open()
            raise Refused(closed.code, closed.text) from closed

    def prepare(self, queue, identity, body=b"", properties=None, **headers):
        named = {f"x-prepare-{name}": value for name, value in headers.items()}
        self.publish("", queue, body, {"x-prepare": identity, **named}, **(properties or {}))

    def prepare_to(self, exchange, key, identity, body=b""):
        self.publish(exchange, key, body, {"x-prepare": identity})

    def decide(self, identity, outcome, user=None):
        self.publish("amq.prepared", identity, b"",
                     {"outcome": outcome, **({"prepared-user": user} if user else {})})

    def raw(self, identity, headers):
        self.publish("amq.prepared", identity, b"", headers)

    def close(self):
        self.connection.close()


class StompPreparer:
    """The same by SEND with a receipt; an ERROR must leave the connection open."""

    CODES = {"not_found": 404, "precondition_failed": 406}

    def __init__(self, broker):
        self.connection = stomp_client.connect(broker)

    def ask(self, headers, body=b""):
        receipt = f"p-{next(self.connection.receipts)}"
        self.connection.send("SEND", {**headers, "receipt": receipt, "content-length": len(body)},
                             body)
        try:
            self.connection.receipt(receipt)
        except ErrorFrame as error:
            equal(error.frame.headers.get("receipt-id"), receipt, "receipt-id of the ERROR")
            self.connection.ask("SEND", {"destination": f"/queue/{unique('still-open')}"})
            raise Refused(self.CODES.get(error.message, error.message), error.body) from error

    def prepare(self, queue, identity, body=b"", properties=None, **headers):
        named = {f"x-prepare-{name}": str(value) for name, value in headers.items()}
        given = {name.replace("_", "-"): str(value) for name, value in (properties or {}).items()
                 if name != "delivery_mode"}
        self.ask({"destination": f"/amq/queue/{queue}", "persistent": "true",
                  "x-prepare": identity, **named, **given}, body)

    def prepare_to(self, exchange, key, identity, body=b""):
        self.ask({"destination": f"/exchange/{exchange}/{key}", "persistent": "true",
                  "x-prepare": identity}, body)

    def decide(self, identity, outcome, user=None):
        self.ask({"destination": f"/prepared/{identity}", "outcome": outcome,
                  **({"prepared-user": user} if user else {})})

    def raw(self, identity, headers):
        self.ask({"destination": f"/prepared/{identity}", **headers})

    def close(self):
        self.connection.close()


AmqpPreparer.name, StompPreparer.name = "amqp", "stomp"
over_both = suite.test_over(AmqpPreparer, StompPreparer)


class Bystander:
    """Looks into queues over AMQP."""

    def __init__(self, broker):
        only_sluice(broker, "knows no prepared messages")
        self.connection = amqp_client.connect(broker)
        self.channel = self.connection.channel()

    def queue(self, **arguments):
        name = unique()
        self.channel.queue_declare(name, durable=True, arguments=arguments or None)
        return name

    def ready(self, queue):
        return self.channel.queue_declare(queue, passive=True)[1]

    def take(self, queue):
        return wait_until(lambda: self.channel.get(queue, no_ack=True), f"a message in {queue}")

    def close(self):
        self.connection.close()


def begin(way, broker):
    return way(broker), Bystander(broker), unique("id")


# --- prepare


@over_both
def what_is_prepared_is_confirmed_and_no_queue_sees_it(broker, way):
    end, other, identity = begin(way, broker)
    queue = other.queue()
    end.prepare(queue, identity, b"x")
    equal(other.ready(queue), 0)
    equal(other.channel.get(queue), None)
    end.decide(identity, "rollback")


@over_both
def both_queues_are_declared_durable_at_the_first_prepare(broker, way):
    end, other, identity = begin(way, broker)
    end.prepare(other.queue(), identity)
    for queue in ("prepared.check", "prepared.expired"):
        wait_until(lambda name=queue: has_queue(broker, name), queue)
        other.channel.queue_declare(queue, durable=True)
    end.decide(identity, "rollback")


@over_both
def preparing_a_live_id_again_is_a_duplicate(broker, way):
    end, other, identity = begin(way, broker)
    queue = other.queue()
    end.prepare(queue, identity, b"first")
    end.prepare(queue, identity, b"second")
    end.decide(identity, "commit")
    equal(other.take(queue).body, b"first")
    equal(other.ready(queue), 0)


@over_both
def preparing_a_decided_id_is_an_error_that_names_what_stands(broker, way):
    end, other, identity = begin(way, broker)
    queue, second = other.queue(), unique("id")
    end.prepare(queue, identity)
    end.decide(identity, "commit")
    refused = raises(Refused, end.prepare, queue, identity)
    equal(refused.code, 406)
    has(refused.text, "was committed")
    end.prepare(queue, second)
    end.decide(second, "rollback")
    has(raises(Refused, end.prepare, queue, second).text, "was rolled back")


@over_both
def the_exchange_is_checked_when_it_is_prepared(broker, way):
    broken, other, identity = begin(way, broker)
    if way is AmqpPreparer:
        equal(raises(Refused, broken.prepare_to, unique("none"), "k", identity).code, 404)
    refused = raises(Refused, begin(way, broker)[0].decide, identity, "commit")
    equal(refused.code, 404)
    other.close()


@over_both
def the_destination_of_checks_is_checked_when_it_is_prepared(broker, way):
    end, other, identity = begin(way, broker)
    queue = other.queue()
    for check, code in ((f"/exchange/{unique('none')}/k", 404), (f"/queue/{unique('none')}", 404),
                        ("nowhere", 406), ("/prepared/x", 406), ("/exchange//k", 406),
                        ("/queue/" + "q" * 256, 406), ("/exchange/amq.prepared/x", 406)):
        equal(raises(Refused, end.prepare, queue, identity, check=check).code, code, check)
    equal(raises(Refused, end.decide, identity, "commit").code, 404)


@over_both
def a_prepare_must_have_an_id_of_at_most_255_bytes(broker, way):
    end, other, _ = begin(way, broker)
    queue = other.queue()
    equal(raises(Refused, end.prepare, queue, "").code, 406)
    equal(raises(Refused, end.prepare, queue, "i" * 256).code, 406)
    longest = unique("i" * 200).ljust(255, "i")
    end.prepare(queue, longest)
    end.decide(longest, "commit")
    other.take(queue)


@over_both
def a_timeout_must_be_milliseconds(broker, way):
    end, other, identity = begin(way, broker)
    queue = other.queue()
    for bad in ("soon", "", "-1", "1.5", "4294967296", "1" * 300):
        equal(raises(Refused, end.prepare, queue, identity, timeout=bad).code, 406, bad)


# --- outcome


@over_both
def a_commit_puts_the_message_on_its_way(broker, way):
    end, other, identity = begin(way, broker)
    queue = other.queue()
    end.prepare(queue, identity, b"body", check="/queue/prepared.check", timeout=60000)
    end.decide(identity, "commit")
    message = other.take(queue)
    equal(message.body, b"body")
    assert not message.redelivered
    for header in ("x-prepare", "x-prepare-check", "x-prepare-timeout", "prepared-user"):
        assert header not in message.headers, header


@over_both
def what_was_rolled_back_never_comes(broker, way):
    end, other, identity = begin(way, broker)
    queue = other.queue()
    end.prepare(queue, identity)
    end.decide(identity, "rollback")
    equal(other.ready(queue), 0)


@over_both
def a_commit_goes_where_the_bindings_lead_now(broker, way):
    end, other, identity = begin(way, broker)
    exchange, before, after = unique("e"), other.queue(), other.queue()
    other.channel.exchange_declare(exchange, "topic", durable=True)
    other.channel.queue_bind(before, exchange, "a.#")
    end.prepare_to(exchange, "a.b", identity, b"late")
    other.channel.queue_unbind(before, exchange, "a.#")
    other.channel.queue_bind(after, exchange, "a.#")
    end.decide(identity, "commit")
    equal(other.take(after).body, b"late")
    equal(other.ready(before), 0)


@over_both
def its_time_to_live_counts_from_the_commit(broker, way):
    end, other, identity = begin(way, broker)
    queue = other.queue()
    key = {AmqpPreparer: {"expiration": "60"}, StompPreparer: {"expiration": "60"}}[way]
    end.prepare(queue, identity, b"x", properties=key)
    gone = other.queue(**{"x-message-ttl": 60, "x-dead-letter-exchange": "",
                          "x-dead-letter-routing-key": queue})
    other.channel.publish("", gone, b"waited")
    equal(other.take(queue).body, b"waited")  # so 60 ms have passed
    end.decide(identity, "commit")
    wait_until(lambda: other.ready(queue) == 0, "its end")


@suite.test
def its_deduplication_counts_from_the_commit(broker):
    end, other, first = begin(AmqpPreparer, broker)
    queue, second = other.queue(**{"x-message-deduplication": True}), unique("id")
    checks, same = other.queue(**{"x-message-deduplication": True}), {"x-deduplication-header": "d"}
    for identity in (first, second):
        end.publish("", queue, identity.encode(),
                    {"x-prepare": identity, "x-prepare-timeout": 1,
                     "x-prepare-check": f"/queue/{checks}", **same})
    wait_until(lambda: other.ready(checks) == 2, "both checks, which are no duplicates")
    end.decide(second, "commit")
    end.decide(first, "commit")
    equal(other.take(queue).body, second.encode())
    equal(other.ready(queue), 0)
    equal(raises(Refused, end.decide, first, "rollback").code, 406)


@over_both
def a_transient_message_is_kept_until_it_is_decided(broker, way):
    end, other, identity = begin(way, broker)
    queue = other.queue()
    end.prepare(queue, identity, b"x", properties={"delivery_mode": 1})
    end.decide(identity, "commit")
    equal(other.take(queue).body, b"x")


@over_both
def the_same_outcome_again_is_harmless(broker, way):
    end, other, identity = begin(way, broker)
    queue, second = other.queue(), unique("id")
    end.prepare(queue, identity)
    for _ in range(3):
        end.decide(identity, "commit")
    other.take(queue)
    equal(other.ready(queue), 0)
    end.prepare(queue, second)
    for _ in range(3):
        end.decide(second, "rollback")
    equal(other.ready(queue), 0)


@over_both
def another_outcome_is_an_error_that_names_what_stands(broker, way):
    end, other, identity = begin(way, broker)
    queue, second = other.queue(), unique("id")
    end.prepare(queue, identity)
    end.decide(identity, "commit")
    refused = raises(Refused, end.decide, identity, "rollback")
    equal(refused.code, 406)
    has(refused.text, "was committed")
    has(refused.text, identity)
    end.prepare(queue, second)
    end.decide(second, "rollback")
    refused = raises(Refused, end.decide, second, "commit")
    equal(refused.code, 406)
    has(refused.text, "was rolled back")
    other.take(queue)
    equal(other.ready(queue), 0)


@over_both
def an_outcome_for_an_unknown_id_is_an_error(broker, way):
    end, other, identity = begin(way, broker)
    for outcome in ("commit", "rollback"):
        refused = raises(Refused, end.decide, identity, outcome)
        equal(refused.code, 404)
        has(refused.text, "no prepared message")
    other.close()


@over_both
def an_outcome_must_say_what_it_is(broker, way):
    end, other, identity = begin(way, broker)
    end.prepare(other.queue(), identity)
    for headers in ({}, {"outcome": ""}, {"outcome": "Commit"}, {"outcome": "commit "},
                    {"outcome": "x" * 10000}):
        equal(raises(Refused, end.raw, identity, headers).code, 406)
    end.decide(identity, "rollback")


@over_both
def a_commit_that_a_full_queue_refuses_leaves_it_prepared(broker, way):
    end, other, identity = begin(way, broker)
    queue = other.queue(**{"x-max-length": 1, "x-overflow": "reject-publish"})
    other.channel.publish("", queue, b"first")
    end.prepare(queue, identity, b"second")
    refused = raises(Refused, end.decide, identity, "commit")
    equal(refused.code, 406)
    has(refused.text, "is full")
    equal(other.take(queue).body, b"first")
    end.decide(identity, "commit")
    equal(other.take(queue).body, b"second")


@over_both
def a_commit_that_has_no_route_leaves_it_prepared(broker, way):
    end, other, identity = begin(way, broker)
    exchange, queue = unique("e"), other.queue()
    other.channel.exchange_declare(exchange, "direct", durable=True)
    end.prepare_to(exchange, "k", identity, b"x")
    equal(raises(Refused, end.decide, identity, "commit").code, 406)
    other.channel.exchange_delete(exchange)
    equal(raises(Refused, end.decide, identity, "commit").code, 404)
    other.channel.exchange_declare(exchange, "direct", durable=True)
    other.channel.queue_bind(queue, exchange, "k")
    end.decide(identity, "commit")
    equal(other.take(queue).body, b"x")


@over_both
def ids_are_per_user(broker, way):
    end, other, identity = begin(way, broker)
    queue = other.queue()
    end.prepare(queue, identity)
    equal(raises(Refused, end.decide, identity, "commit", user="somebody").code, 404)
    end.decide(identity, "commit", user="guest")
    other.take(queue)


@suite.test
def either_protocol_decides_what_the_other_prepared(broker):
    amqp, other, identity = begin(AmqpPreparer, broker)
    stomp, queue, second = StompPreparer(broker), other.queue(), unique("id")
    amqp.prepare(queue, identity, b"a")
    stomp.decide(identity, "commit")
    stomp.prepare(queue, second, b"s")
    amqp.decide(second, "commit")
    equal([other.take(queue).body for _ in range(2)], [b"a", b"s"])


@suite.test
def confirms_come_in_their_order_around_a_prepare(broker):
    end, other, identity = begin(AmqpPreparer, broker)
    queue, channel = other.queue(), end.channel
    for i in range(50):
        channel.publish("", queue, b"p", {"delivery_mode": 2})
        channel.publish("", queue, b"q", {"delivery_mode": 2,
                                          "headers": {"x-prepare": f"{identity}-{i}"}})
        channel.publish("amq.prepared", f"{identity}-{i}", b"", {"headers": {"outcome": "commit"}})
    channel.wait_confirms()
    equal(other.ready(queue), 100)


@suite.test
def a_refusal_comes_behind_the_confirms_of_what_was_published_before(broker):
    for exchange, headers in (("amq.prepared", {"outcome": "commit"}),
                              ("amq.prepared", {"outcome": "perhaps"}), ("", {"x-prepare": ""})):
        other = Bystander(broker)
        queue, channel = other.queue(), other.connection.channel()
        channel.confirm_select()
        for _ in range(100):
            channel.publish("", queue, b"p" * 1000, {"delivery_mode": 2})
        channel.publish(exchange, unique("none"), b"", {"headers": headers})
        channel.publish("", queue, b"never", {"delivery_mode": 2})
        raises(ChannelClosed, channel.wait_confirms)
        equal(channel.confirmed, 100)
        equal(other.ready(queue), 100)


@suite.test
def headers_of_other_types_are_refused(broker):
    other = Bystander(broker)
    queue = other.queue()
    for value in (1, True, None, [b"x"], {"a": 1}, 1.5, 2**60):
        for exchange, headers in (("", {"x-prepare": value}),
                                  ("", {"x-prepare": "x", "x-prepare-check": value}),
                                  ("amq.prepared", {"outcome": value}),
                                  ("amq.prepared", {"outcome": "commit", "prepared-user": value})):
            end = AmqpPreparer(broker)
            equal(raises(Refused, end.publish, exchange, queue, b"", headers).code, 406, headers)
            end.close()
    end = AmqpPreparer(broker)
    for value in (True, None, [b"x"], {"a": 1}, 1.5, 2**60, -1):
        headers = {"x-prepare": "x", "x-prepare-timeout": value}
        equal(raises(Refused, end.publish, "", queue, b"", headers).code, 406, headers)
    equal(raises(Refused, end.publish, "", queue, b"",
                 {"x-prepare": "x", "big": "b" * 130000}).code, 406)


@suite.test
def what_is_prepared_in_a_transaction_is_refused(broker):
    other, identity = Bystander(broker), unique("id")
    queue = other.queue()
    for exchange, key, headers in (("", queue, {"x-prepare": identity}),
                                   ("amq.prepared", identity, {"outcome": "commit"})):
        channel = other.connection.channel()
        channel.tx_select()
        channel.publish(exchange, key, b"", {"headers": headers})
        equal(raises(ChannelClosed, channel.tx_commit).code, 406)
    stomp = stomp_client.connect(broker)
    for destination, headers in ((f"/queue/{queue}", {"x-prepare": identity}),
                                 (f"/prepared/{identity}", {"outcome": "commit"}),
                                 (f"/exchange/amq.prepared/{identity}", {"outcome": "commit"})):
        stomp.send("BEGIN", {"transaction": "t"})
        stomp.send("SEND", {"destination": destination, "transaction": "t", **headers})
        has(stomp.error().body.decode(), "transaction")
    equal(raises(Refused, StompPreparer(broker).decide, identity, "rollback").code, 404)


@suite.test
def nobody_sees_the_queue_of_what_waits(broker):
    end, other, identity = begin(AmqpPreparer, broker)
    end.prepare(other.queue(), identity)
    channel = other.connection.channel
    equal(raises(ChannelClosed, channel().queue_declare, "amq.prepared", True).code, 404)
    equal(raises(ChannelClosed, channel().queue_declare, "amq.prepared").code, 403)
    equal(raises(ChannelClosed, channel().get, "amq.prepared").code, 404)
    equal(raises(ChannelClosed, channel().consume, "amq.prepared").code, 404)
    equal(raises(ChannelClosed, channel().queue_purge, "amq.prepared").code, 404)
    equal(raises(ChannelClosed, channel().queue_bind, "amq.prepared", "amq.topic", "#").code, 404)
    channel().queue_delete("amq.prepared")  # as if it were not there
    end.decide(identity, "rollback")


@suite.test
def the_exchange_of_outcomes_takes_nothing_else(broker):
    other = Bystander(broker)
    queue, channel = other.queue(), other.connection.channel
    channel().exchange_declare("amq.prepared", passive=True)
    equal(raises(ChannelClosed, channel().queue_bind, queue, "amq.prepared", "x").code, 403)
    equal(raises(ChannelClosed, channel().exchange_bind, "amq.prepared", "amq.topic").code, 403)
    equal(raises(ChannelClosed, channel().exchange_bind, "amq.topic", "amq.prepared").code, 403)
    equal(raises(ChannelClosed, channel().exchange_delete, "amq.prepared").code, 403)
    stomp = stomp_client.connect(broker)
    stomp.send("SUBSCRIBE", {"destination": "/prepared/x", "id": "s"})
    stomp.error()


# --- check-back


def own_checks(broker, other):
    """A queue of checks that this test has for itself."""
    queue = other.queue()
    return queue, f"/queue/{queue}"


@over_both
def a_check_comes_while_there_is_no_outcome(broker, way):
    end, other, identity = begin(way, broker)
    queue, (checks, destination) = other.queue(), own_checks(broker, other)
    end.prepare(queue, identity, b"body", properties={"delivery_mode": 1, "expiration": "1"},
                check=destination, timeout=10)
    check = other.take(checks)
    equal(check.body, b"body")
    equal(check.headers["x-prepare"], identity)
    equal(check.headers["prepared-id"], identity)
    equal(check.headers["prepared-user"], "guest")
    equal(check.headers["prepared-check"], 1)
    equal(check.headers["prepared-key"], queue)
    end.decide(check.headers["prepared-id"], "commit", user=check.headers["prepared-user"])


@over_both
def a_check_goes_to_an_exchange_where_it_says_so(broker, way):
    end, other, identity = begin(way, broker)
    queue, checks, exchange = other.queue(), other.queue(), unique("e")
    other.channel.exchange_declare(exchange, "direct", durable=True)
    other.channel.queue_bind(checks, exchange, "k/1")
    end.prepare(queue, identity, check=f"/exchange/{exchange}/k/1", timeout=1)
    equal(other.take(checks).headers["prepared-id"], identity)
    end.decide(identity, "rollback")


@over_both
def what_is_decided_is_not_checked(broker, way):
    end, other, first = begin(way, broker)
    queue, (checks, destination), second = other.queue(), own_checks(broker, other), unique("id")
    end.prepare(queue, first, check=destination, timeout=100)
    end.decide(first, "commit")
    end.prepare(queue, second, check=destination, timeout=150)
    equal(other.take(checks).headers["prepared-id"], second)
    equal(other.ready(checks), 0)
    end.decide(second, "rollback")


# --- many


@suite.test
def hundreds_at_once_over_many_sessions(broker):
    other = Bystander(broker)
    queue, wrong = other.queue(), []

    def work(number):
        end = (AmqpPreparer, StompPreparer)[number % 2](broker)
        try:
            for i in range(60):
                identity = f"{queue}-{number}-{i}"
                end.prepare(queue, identity, identity.encode())
                end.decide(identity, "commit" if i % 3 else "rollback")
        except Exception as error:  # whatever it was, the test fails with it
            wrong.append(error)
        end.close()

    workers = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    equal(wrong, [])
    bodies = {other.take(queue).body.decode() for _ in range(6 * 40)}
    equal(bodies, {f"{queue}-{n}-{i}" for n in range(6) for i in range(60) if i % 3})
    equal(other.ready(queue), 0)


def prepare_until_refused(preparer, target):
    """Gives how many were prepared, each known by some 1 KB, and the refusal."""
    for i in range(4000):
        try:
            preparer.prepare(target, f"{i:0250}", check=f"/queue/{target}")
        except Refused as refused:
            return i, refused
    raise AssertionError("none was refused")


@suite.test(alone=True)
def what_waits_for_outcomes_does_not_hold_publishers(broker):
    only_sluice(broker, "it prepares nothing")
    with brokers.Broker(broker.binary, "--memory-budget", "4m") as own:
        preparer, other = AmqpPreparer(own), amqp_client.connect(own).channel()
        target = unique("a" * 200)
        other.queue_declare(target, durable=True)
        count, refused = prepare_until_refused(preparer, target)
        equal(refused.code, 406)
        has(refused.text, "cannot prepare message")
        again = raises(Refused, preparer.prepare, target, "short")
        has(again.text, f"{count} wait for their outcomes already")
        other.confirm_select()
        other.publish("", target, b"x" * 1000, {"delivery_mode": 2})
        other.wait_confirms()
        for i in range(2):
            preparer.decide(f"{i:0250}", "commit")
        preparer.prepare(target, "another")
        equal(other.queue_declare(target, passive=True)[1], 3)
