"""Requests and their answers: direct replies and reply queues, over both protocols and across."""

import itertools
import secrets

import admin
import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from broker import Broker
from ends import Watcher, unique
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("request reply")

PSEUDO = "amq.rabbitmq.reply-to"
WAIT = 30  # s; generous, for machines that do something else as well


class AmqpAsker:
    def __init__(self, broker, **options):
        self.connection = amqp_client.connect(broker, **options)
        self.channel = self.connection.channel()
        self.channel.consume(PSEUDO, "replies", no_ack=True)

    def ask(self, queue, body, ident):
        self.channel.publish("", queue, body, {"reply_to": PSEUDO, "correlation_id": ident})

    def answer(self):
        m = self.channel.message(WAIT, "replies")
        return m.properties.get("correlation_id"), m.body


class StompDirectAsker:
    source = f"/queue/{PSEUDO}"
    reply_to = PSEUDO
    subscription = "replies"

    def __init__(self, broker):
        self.connection = stomp_client.connect(broker)
        self.connection.subscribe(self.source, self.subscription)

    def ask(self, queue, body, ident):
        self.connection.publish(f"/amq/queue/{queue}", body, reply_to=self.reply_to,
                                correlation_id=ident)

    def answer(self):
        m = self.connection.message(WAIT, self.subscription)
        return m.headers.get("correlation-id"), m.body


class StompTempAsker(StompDirectAsker):
    reply_to = subscription = "/temp-queue/answers"

    def __init__(self, broker):
        self.connection = stomp_client.connect(broker)


class AmqpService:
    def __init__(self, broker, queue):
        self.channel = amqp_client.connect(broker).channel()
        self.channel.queue_declare(queue)
        self.channel.consume(queue, "work", no_ack=True)

    def take(self):
        m = self.channel.message(WAIT, "work")
        return m.properties["reply_to"], m.properties.get("correlation_id"), m.body

    def answer(self, to, ident, body):
        self.channel.publish("", to, body, {"correlation_id": ident})

    def settle(self):
        self.channel.round_trip()


class StompService:
    def __init__(self, broker, queue):
        self.connection = stomp_client.connect(broker)
        amqp_client.connect(broker).channel().queue_declare(queue)
        self.connection.subscribe(f"/amq/queue/{queue}", "work")

    def take(self):
        m = self.connection.message(WAIT, "work")
        return m.headers["reply-to"], m.headers.get("correlation-id"), m.body

    def answer(self, to, ident, body):
        self.connection.publish(to, body, correlation_id=ident)

    def settle(self):
        self.connection.ask("BEGIN", {"transaction": "t"}, timeout=WAIT)
        self.connection.ask("ABORT", {"transaction": "t"}, timeout=WAIT)


ASKERS = (AmqpAsker, StompDirectAsker, StompTempAsker)
SERVICES = (AmqpService, StompService)
PAIRS = tuple(itertools.product(ASKERS, SERVICES))


def address_of(asker, service, queue):
    asker.ask(queue, b"?", "first")
    return service.take()[0]


def wait_until_gone(broker, key):
    watcher = Watcher(broker)
    wait_until(lambda: not watcher.exists(key), "the address is nobody's", WAIT)


def confirming(service):
    channel = service.channel.connection.channel()
    channel.confirm_select()
    return channel


def returned(channel, key):
    """On a channel with confirms: gives the code of the return, or None."""
    channel.publish("", key, b"!", mandatory=True)
    channel.wait_confirms(WAIT)
    return channel.wait("basic.return")[1].reply_code if channel.has("basic.return") else None


@suite.test
def every_answer_comes_to_who_asked(broker):
    for asker_kind, service_kind in PAIRS:
        queue = unique("rpc")
        service = service_kind(broker, queue)
        askers = [asker_kind(broker) for _ in range(3)]
        for i, asker in itertools.product(range(10), askers):
            asker.ask(queue, b"%d of %d" % (i, askers.index(asker)), f"{i}")
        for _ in range(30):
            to, ident, body = service.take()
            service.answer(to, ident, b"re: " + body)
        for n, asker in enumerate(askers):
            equal([asker.answer() for _ in range(10)],
                  [(f"{i}", b"re: %d of %d" % (i, n)) for i in range(10)], asker_kind.__name__)


@suite.test
def who_left_is_answered_in_vain_and_nobody_minds(broker):
    for asker_kind, service_kind in PAIRS:
        queue = unique("rpc")
        service, asker = service_kind(broker, queue), asker_kind(broker)
        for i in range(50):
            asker.ask(queue, b"?", f"{i}")
        to = service.take()[0]
        asker.connection.kill()
        for _ in range(200):
            service.answer(to, "0", b"!" * 1000)
        service.settle()
        wait_until_gone(broker, to.removeprefix("/reply-queue/"))
        other = asker_kind(broker)  # of the same service, which is still there
        service.answer(address_of_new(other, service, queue), "1", b"!")
        equal(other.answer(), ("1", b"!"))


def address_of_new(asker, service, queue):
    """Requests of others may still be there."""
    asker.ask(queue, b"the last", "1")
    while True:
        to, _, body = service.take()
        if body == b"the last":
            return to


@suite.test
def a_mandatory_answer_comes_back_when_the_requester_has_left(broker):
    only_sluice(broker, "RabbitMQ does not look whether it is there")
    queue = unique("rpc")
    service, asker = AmqpService(broker, queue), AmqpAsker(broker)
    key = address_of(asker, service, queue)
    channel = confirming(service)
    equal(returned(channel, key), None)
    equal(asker.answer()[1], b"!")
    asker.channel.cancel("replies")
    equal(returned(channel, key), 312)
    again = AmqpAsker(broker)
    key = address_of(again, service, queue)
    again.channel.close()
    wait_until_gone(broker, key)  # its channel is told first
    equal(returned(channel, key), 312)


@suite.test
def an_address_cannot_be_guessed_or_made(broker):
    queue = unique("rpc")
    service, asker = AmqpService(broker, queue), AmqpAsker(broker)
    key = address_of(asker, service, queue)
    only_sluice(broker, "other addresses look otherwise")
    token = key.removeprefix(f"{PSEUDO}.")
    equal(len(token), 22, "characters of 128 random bits")
    channel = confirming(service)
    for guess in (token[:-1], token + "A", token.swapcase(), "", "." + token, token[::-1],
                  secrets.token_urlsafe(16), "x" * 200, "\xff\0", "*", "#"):
        equal(returned(channel, f"{PSEUDO}.{guess}"), 312, guess)
        refused = raises(ChannelClosed, service.channel.connection.channel().queue_declare,
                         f"{PSEUDO}.{guess}")
        equal(refused.code, 404, guess)
    equal(Watcher(broker).channel.queue_declare(key, passive=True)[1:], [0, 1])
    service.answer(key, "2", b"still here")
    equal(asker.answer(), ("2", b"still here"))


@suite.test
def the_pseudo_queue_is_consumed_but_nothing_else(broker):
    connection = amqp_client.connect(broker)
    for refuse, code in ((lambda c: c.get(PSEUDO), 404), (lambda c: c.queue_purge(PSEUDO), 404),
                         (lambda c: c.queue_bind(PSEUDO, "amq.fanout"), 404),
                         (lambda c: c.consume(PSEUDO), 406)):
        equal(raises(ChannelClosed, refuse, connection.channel()).code, code)
    channel = connection.channel()
    equal(channel.queue_declare(PSEUDO, passive=True), [PSEUDO, 0, 1])
    equal(channel.queue_delete(PSEUDO), 0)


@suite.test
def properties_that_have_no_room_for_an_address_are_refused(broker):
    only_sluice(broker, "the bound is Sluice's own")
    queue = unique("rpc")
    service, asker = AmqpService(broker, queue), AmqpAsker(broker)
    for size, fits in ((130900, True), (131010, False)):
        asker.channel.publish("", queue, b"?", {"headers": {"x": "a" * size}, "reply_to": PSEUDO})
        if fits:
            has(service.take()[0], f"{PSEUDO}.")
    refused = raises(ChannelClosed, asker.channel.round_trip)
    equal(refused.code, 406)
    has(refused.text, "no room for a reply address")


@suite.test
def each_channel_has_answers_of_its_own(broker):
    queue = unique("rpc")
    service = AmqpService(broker, queue)
    asker = AmqpAsker(broker)
    other = asker.connection.channel()
    other.consume(PSEUDO, "replies", no_ack=True)
    other.publish("", queue, b"other", {"reply_to": PSEUDO, "correlation_id": "2"})
    to_other = service.take()[0]
    asker.ask(queue, b"first", "1")
    to_first = service.take()[0]
    assert to_first != to_other
    service.answer(to_other, "2", b"to other")
    service.answer(to_first, "1", b"to first")
    equal(asker.answer(), ("1", b"to first"))
    equal(other.message(WAIT).body, b"to other")


@suite.test(alone=True)
def a_requester_that_does_not_read_costs_little_and_loses_the_oldest(broker):
    only_sluice(broker, "the bound is Sluice's own")
    queue = unique("rpc")
    service, asker = AmqpService(broker, queue), AmqpAsker(broker)
    to = address_of(asker, service, queue)
    channel = confirming(service)
    before = broker.rss_kib()
    for i in range(1, 801):  # fifty megabytes
        channel.publish("", to, b"%8d" % i + b"." * 65536, {"correlation_id": str(i)})
    channel.wait_confirms(WAIT)
    if not broker.is_sanitized:
        assert broker.rss_kib() - before < 40 * 1024, broker.rss_kib() - before
    heard = []
    while not heard or heard[-1] != 800:
        heard.append(int(asker.answer()[0]))
    equal(heard, sorted(heard), "in their order")
    assert len(heard) < 800, "some were dropped"


@suite.test
def requests_outlive_a_crash_and_their_addresses_do_not(broker):
    only_sluice(broker, "starts a gateway of its own")
    queue = unique("rpc")
    with Broker(broker.binary, workers=2) as own:
        asker = AmqpAsker(own)
        asker.channel.queue_declare(queue, durable=True)
        asker.channel.confirm_select()
        asker.channel.publish("", queue, b"?", {"reply_to": PSEUDO, "delivery_mode": 2})
        asker.channel.wait_confirms(WAIT)
        for _ in range(2):
            own.kill()
            own.start()
            connection = amqp_client.connect(own)
            channel = connection.channel()
            request = channel.get(queue)
            key = request.properties["reply_to"]
            has(key, f"{PSEUDO}.")
            channel.confirm_select()
            equal(returned(channel, key), 312)
            equal(raises(ChannelClosed, channel.queue_declare, key, passive=True).code, 404)
            connection.kill()  # the request comes back


@suite.test
def nobody_sees_a_queue(broker):
    only_sluice(broker, "asks the admin socket")
    queue = unique("rpc")
    service, asker = AmqpService(broker, queue), AmqpAsker(broker)
    to = address_of(asker, service, queue)
    listed = str(admin.get(broker, "queues")) + str(admin.get(broker, "bindings"))
    has(listed, queue)
    assert to not in listed
    with admin.Policy(broker, f"{PSEUDO}.*", {"max-length": 0}):
        service.answer(to, "1", b"no policy drops it")
        equal(asker.answer(), ("1", b"no policy drops it"))


@suite.test
def who_may_not_write_to_the_default_exchange_may_not_answer(broker):
    only_sluice(broker, "makes its user over the admin socket")
    queue, user = unique("rpc"), unique("user")
    service, asker = AmqpService(broker, queue), AmqpAsker(broker)
    to = address_of(asker, service, queue)
    admin.put(broker, "users", user, password="secret", tags="")
    admin.put(broker, "permissions", "/", user, configure="", write="^other$", read="")
    channel = amqp_client.connect(broker, user=user, password="secret").channel()
    channel.consume(PSEUDO, no_ack=True)  # RabbitMQ asks for nothing here, too
    channel.publish("", to, b"!")
    refused = raises(ChannelClosed, channel.round_trip)
    equal(refused.code, 403)
    has(refused.text, f"access to exchange 'amq.default' in vhost '/' refused for user '{user}'")
    admin.delete(broker, "users", user)


@suite.test
def the_destinations_of_replies_are_for_nothing_else(broker):
    stomp = stomp_client.connect(broker)
    for command in ("SUBSCRIBE", "SEND"):
        stomp.send(command, {"destination": "/temp-queue/x", "id": "1"})
        equal(stomp.error().headers["message"], "Invalid destination")
    stomp.send("SUBSCRIBE", {"destination": "/queue/q", "id": "/temp-queue/x"})
    equal(stomp.error().headers["message"], "Invalid id")
    stomp.send("UNSUBSCRIBE", {"id": "/temp-queue/x"})
    equal(stomp.error().headers["message"], "Invalid id")
