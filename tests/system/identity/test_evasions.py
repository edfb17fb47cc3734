"""Ways around a refusal: by timing, by another spelling, by what a channel remembers."""

import socket
import time

import amqp_client
import stomp_client
from broker import Broker
from ends import unique
from office import Office
from suite import Suite, equal, has, raises

suite = Suite("evasions")
DELETE = (50, 40, "Hsttt")
DECLARE = (50, 10, "HstttttT")


def user(gateway, **permission):
    """An open connection of somebody new who may do just that."""
    office, name = Office(gateway), unique("u")
    office.user(name, **{"configure": "", "write": "", "read": "", **permission})
    return name, amqp_client.connect(gateway, user=name, password="secret")


def wall(gateway):
    """An exchange that others must not write to."""
    x = unique("wall")
    amqp_client.connect(gateway).channel().exchange_declare(x, "fanout", durable=True)
    return x


@suite.test
def a_queue_that_is_deleted_meanwhile_is_not_made_with_forbidden_dead_letters(gateway):
    x, q = wall(gateway), unique("q")
    name, c = user(gateway, configure=".*", read=".*")
    one, two = c.channel(), c.channel()
    one.queue_declare(q)
    c.wire.send(amqp_client.method(one.number, *DELETE, 0, q, False, False, False)
                + amqp_client.method(two.number, *DECLARE, 0, q, False, False, False, False,
                                     False, {"x-dead-letter-exchange": x}))
    error = raises(amqp_client.ChannelClosed, lambda: two.wait("queue.declare-ok"))
    equal((error.code, error.text), (403, f"ACCESS_REFUSED - access to exchange '{x}' in vhost '/' "
                                          f"refused for user '{name}'"))
    error = raises(amqp_client.ChannelClosed, lambda: c.channel().queue_declare(q, passive=True))
    equal(error.code, 404)


@suite.test
def who_may_not_write_dead_letters_may_still_repeat_a_declaration(gateway):
    x, q = wall(gateway), unique("q")
    arguments = {"x-dead-letter-exchange": x}
    amqp_client.connect(gateway).channel().queue_declare(q, arguments=arguments)
    name, c = user(gateway, configure=".*")
    c.channel().queue_declare(q, arguments=arguments)


@suite.test
def a_cluster_queue_is_not_made_with_forbidden_dead_letters(gateway):
    x = wall(gateway)
    name, c = user(gateway, configure=".*", read=".*")
    topic, cluster = unique("t"), unique("c")
    q = f"/topic/{topic}@{cluster}"
    error = raises(amqp_client.ChannelClosed, lambda: c.channel().queue_declare(
        q, durable=True, arguments={"x-dead-letter-exchange": x}))
    equal(error.code, 403)
    has(error.text, f"access to exchange '{x}' in vhost '/' refused for user '{name}'")
    s = stomp_client.connect(gateway, login=name, passcode="secret")
    error = raises(stomp_client.ErrorFrame, lambda: s.ask(
        "SUBSCRIBE", {"destination": f"/topic/{topic}", "cluster-id": cluster, "id": "s",
                      "x-dead-letter-exchange": x}))
    has(error.body, f"access to exchange '{x}'")
    c.channel().queue_declare(q, durable=True)


@suite.test
def cluster_queues_count_against_the_queues_of_a_vhost(gateway):
    office = Office(gateway)
    vhost = office.vhost(unique("v"))
    office.permit("guest", vhost, configure=".*", write=".*", read=".*")
    office.vhost_limit(vhost, "max-queues", 1)
    c = amqp_client.connect(gateway, vhost=vhost)
    c.channel().queue_declare("/topic/a@c", durable=True)
    for q in ("/topic/b@c", "b"):
        error = raises(amqp_client.ChannelClosed, lambda: c.channel().queue_declare(q, durable=True))
        equal(error.code, 406)
        has(error.text, f"queue limit in vhost '{vhost}' (1) is reached")
    c.channel().queue_declare("/topic/a@c", durable=True)


@suite.test
def a_channel_does_not_remember_that_its_user_was_an_impersonator(gateway):
    office = Office(gateway)
    name, c = user(gateway, write=".*")
    office.do("PUT", f"users/{name}", {"tags": "impersonator"})
    ch = c.channel()
    ch.confirm_select()
    for _ in range(3):
        ch.publish("", "nowhere", b"x", {"user_id": "somebody"})
    ch.wait_confirms()
    office.do("PUT", f"users/{name}", {"tags": ""})
    ch.publish("", "nowhere", b"x", {"user_id": "somebody"})
    error = raises(amqp_client.ChannelClosed, ch.wait_confirms)
    equal(error.code, 406)


@suite.test(alone=True)
def logins_that_nobody_waits_for_keep_nobody_out(gateway):
    own = Broker(gateway.binary, workers=1)
    try:
        shop = Office(own).user("shop")
        login = (amqp_client.HEADER
                 + amqp_client.method(0, 10, 11, "TsSs", {}, "PLAIN", "\0nobody\0no", "en_US"))
        for _ in range(5000):  # as many wait at most, and who fails waits for seconds
            with socket.create_connection(("127.0.0.1", own.amqp_port),
                                          source_address=("127.0.0.2", 0)) as s:
                s.sendall(login)
        amqp_client.connect(own, **shop)
    finally:
        complaint = own.close()
    assert complaint is None, complaint


@suite.test
def prepared_messages_are_slowed_as_others(gateway):
    office = Office(gateway)
    name, c = user(gateway, write=".*")
    office.limit(name, "publish-rate", 20)
    ch = c.channel()
    ch.confirm_select()
    began = time.monotonic()
    for _ in range(60):
        ch.publish("amq.topic", "nowhere", b"x", {"headers": {"x-prepare": unique("id")}})
    ch.wait_confirms(timeout=30)
    assert time.monotonic() - began > 1.5


@suite.test
def a_new_connection_is_not_a_new_publishing_rate(gateway):
    office = Office(gateway)
    name, _ = user(gateway, write=".*")
    office.limit(name, "publish-rate", 10)
    began = time.monotonic()
    for _ in range(30):
        c = amqp_client.connect(gateway, user=name, password="secret")
        ch = c.channel()
        ch.confirm_select()
        ch.publish("amq.topic", "nowhere", b"x")
        ch.wait_confirms()
        c.kill()
    assert time.monotonic() - began > 2
