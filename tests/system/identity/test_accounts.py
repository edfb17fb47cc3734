"""Users, virtual hosts and limits come and go while the gateway runs, and survive it."""

import signal
import time

import amqp_client
import stomp_client
from broker import Broker
from ends import unique
from office import Office, quote
from suite import Suite, equal, has, raises

suite = Suite("accounts")


def log_in(gateway, **options):
    return amqp_client.connect(gateway, **options)


@suite.test
def what_cannot_be_is_refused_with_a_reason(gateway):
    office = Office(gateway)
    name = unique("u")
    for method, path, body in (
            ("PUT", f"users/{name}", {"tags": 7}),
            ("PUT", f"users/{name}", {"password": ["a"]}),
            ("PUT", f"users/{name}", {"password_hash": "no hash"}),
            ("PUT", f"users/{name}", {"password_hash": "AAAA", "hashing_algorithm": "rot13"}),
            ("PUT", f"users/{name}", {"cluster_id": "a b"}),
            ("PUT", "permissions/%2F/guest", {"configure": "", "write": ""}),
            ("PUT", "permissions/%2F/guest", {"configure": "(", "write": "", "read": ""}),
            ("PUT", "user-limits/guest/max-cows", {"value": 1}),
            ("PUT", "user-limits/guest/max-channels", {"value": "many"})):
        status, answer = office.ask(method, path, body)
        equal((status, answer["error"]), (400, "bad_request"), (path, body))
    for method, path, body in (
            ("DELETE", f"users/{name}", None), ("DELETE", f"vhosts/{name}", None),
            ("PUT", f"permissions/%2F/{name}", {"configure": "", "write": "", "read": ""}),
            ("PUT", f"permissions/{name}/guest", {"configure": "", "write": "", "read": ""}),
            ("GET", f"users/{name}", None), ("GET", f"permissions/%2F/{name}", None)):
        equal(office.ask(method, path, body)[0], 404, (method, path))


@suite.test
def a_user_is_made_changed_and_deleted(gateway):
    office, name = Office(gateway), unique("u")
    equal(office.ask("PUT", f"users/{name}", {"password": "one", "tags": "management"})[0], 201)
    shown = office.get(f"users/{name}")
    equal((shown["name"], shown["tags"], shown["limits"]), (name, ["management"], {}))
    office.permit(name, configure=".*", write=".*", read=".*")
    log_in(gateway, user=name, password="one")
    equal(office.ask("PUT", f"users/{name}", {"password": "two"})[0], 204)
    raises(amqp_client.ConnectionClosed, lambda: log_in(gateway, user=name, password="one"))
    kept = log_in(gateway, user=name, password="two")
    c = stomp_client.connect(gateway, login=name, passcode="two")
    equal(office.ask("DELETE", f"users/{name}")[0], 204)
    closed = kept.wait_closed()
    equal((closed.code, closed.text), (320, f"CONNECTION_FORCED - user '{name}' is deleted"))
    has(c.error().body.decode(), f"user '{name}' is deleted")
    raises(amqp_client.ConnectionClosed, lambda: log_in(gateway, user=name, password="two"))
    equal(office.ask("GET", f"users/{name}")[0], 404)


@suite.test
def a_hash_of_rabbitmq_lets_in(gateway):
    office, name = Office(gateway), unique("u")
    text = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    office.do("PUT", f"users/{name}", {"password_hash": text, "tags": "",
                                       "hashing_algorithm": "rabbit_password_hashing_sha256"})
    office.permit(name, configure=".*", write=".*", read=".*")
    log_in(gateway, user=name, password="test12")
    shown = office.get(f"users/{name}")
    equal((shown["password_hash"], shown["hashing_algorithm"]),
          (text, "rabbit_password_hashing_sha256"))


@suite.test
def a_virtual_host_needs_permission_and_takes_everything_with_it(gateway):
    office, name, vhost = Office(gateway), unique("u"), unique("v")
    office.user(name, vhost=None)
    error = raises(amqp_client.ConnectionClosed,
                   lambda: log_in(gateway, user=name, password="secret", vhost=vhost))
    equal((error.code, error.text), (530, f"NOT_ALLOWED - vhost {vhost} not found"))
    office.vhost(vhost, description="of a test")
    error = raises(amqp_client.ConnectionClosed,
                   lambda: log_in(gateway, user=name, password="secret", vhost=vhost))
    equal((error.code, error.text),
          (530, f"NOT_ALLOWED - access to vhost '{vhost}' refused for user '{name}'"))
    error = raises(stomp_client.ErrorFrame, lambda: stomp_client.connect(
        gateway, login=name, passcode="secret", host=vhost))
    equal(error.frame.headers["message"], "Bad CONNECT")
    equal(error.frame.body.decode().strip(), f"Virtual host '{vhost}' access denied")
    office.permit(name, vhost, configure=".*", write=".*", read=".*")
    connection = log_in(gateway, user=name, password="secret", vhost=vhost)
    ch = connection.channel()
    ch.queue_declare("q", durable=True)
    ch.confirm_select()
    ch.publish("", "q", b"x", {"delivery_mode": 2})
    ch.wait_confirms()
    equal(office.get(f"vhosts/{vhost}")["description"], "of a test")
    office.do("DELETE", f"vhosts/{vhost}")
    closed = connection.wait_closed()
    equal((closed.code, closed.text), (320, f"CONNECTION_FORCED - vhost '{vhost}' is deleted"))
    equal(office.ask("GET", f"vhosts/{vhost}")[0], 404)
    equal(office.get(f"users/{name}/permissions"), [])
    office.vhost(vhost)
    office.permit(name, vhost, configure=".*", write=".*", read=".*")
    ch = log_in(gateway, user=name, password="secret", vhost=vhost).channel()
    error = raises(amqp_client.ChannelClosed, lambda: ch.queue_declare("q", passive=True))
    equal(error.code, 404)


@suite.test
def limits_of_connections(gateway):
    office, name, vhost = Office(gateway), unique("u"), unique("v")
    office.vhost(vhost)
    user = office.user(name, vhost=vhost)
    office.limit(name, "max-connections", 1)
    first = log_in(gateway, vhost=vhost, **user)
    error = raises(amqp_client.ConnectionClosed, lambda: log_in(gateway, vhost=vhost, **user))
    equal((error.code, error.text),
          (530, f"NOT_ALLOWED - connection refused for user '{name}': user connection limit (1) "
                "is reached"))
    first.close()
    office.limit(name, "max-connections", -1)
    office.vhost_limit(vhost, "max-connections", 1)
    second = log_in(gateway, vhost=vhost, **user)
    error = raises(amqp_client.ConnectionClosed, lambda: log_in(gateway, vhost=vhost, **user))
    equal((error.code, error.text),
          (530, f"NOT_ALLOWED - access to vhost '{vhost}' refused for user '{name}': connection "
                "limit (1) is reached"))
    error = raises(stomp_client.ErrorFrame, lambda: stomp_client.connect(
        gateway, login=name, passcode="secret", host=vhost))
    equal(error.frame.body.decode().strip(), "Connection refused: vhost connection limit reached")
    second.close()
    equal(office.get(f"vhost-limits/{vhost}"), [{"vhost": vhost, "value": {"max-connections": 1}}])
    equal(office.get(f"user-limits/{name}"), [])


@suite.test
def limits_of_queues_and_channels(gateway):
    office, name, vhost = Office(gateway), unique("u"), unique("v")
    office.vhost(vhost)
    user = office.user(name, vhost=vhost)
    office.vhost_limit(vhost, "max-queues", 1)
    office.limit(name, "max-channels", 2)
    connection = log_in(gateway, vhost=vhost, **user)
    ch = connection.channel()
    ch.queue_declare("one")
    ch.queue_declare("one")
    error = raises(amqp_client.ChannelClosed, lambda: ch.queue_declare("two"))
    equal((error.code, error.text),
          (406, f"PRECONDITION_FAILED - cannot declare queue 'two': queue limit in vhost '{vhost}' "
                "(1) is reached"))
    connection.channel()
    connection.channel()
    error = raises(amqp_client.ConnectionClosed, connection.channel)
    equal((error.code, error.text),
          (530, f"NOT_ALLOWED - number of channels opened for user '{name}' has reached the maximum "
                "allowed user limit of 2"))


@suite.test
def a_message_may_be_too_large_for_its_user(gateway):
    office, name = Office(gateway), unique("u")
    user = office.user(name)
    office.limit(name, "max-message-bytes", 1000)
    ch = log_in(gateway, **user).channel()
    ch.queue_declare(name)
    ch.confirm_select()
    ch.publish("", name, b"x" * 1000)
    ch.wait_confirms()
    ch.publish("", name, b"x" * 1001)
    error = raises(amqp_client.ChannelClosed, ch.wait_confirms)
    equal((error.code, error.text),
          (406, "PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000"))
    c = stomp_client.connect(gateway, login=name, passcode="secret")
    c.ask("SEND", {"destination": f"/amq/queue/{name}"}, b"x" * 1000)
    error = raises(stomp_client.ErrorFrame, lambda: c.ask(
        "SEND", {"destination": f"/amq/queue/{name}", "content-length": "1001"}, b"x" * 1001))
    equal(error.frame.headers["message"], "Message too large")


def seconds_of(act):
    began = time.monotonic()
    act()
    return time.monotonic() - began


@suite.test
def who_publishes_too_fast_is_slowed_and_loses_nothing(gateway):
    office, name = Office(gateway), unique("u")
    user = office.user(name)
    ch = log_in(gateway, **user).channel()
    other = log_in(gateway).channel()
    ch.queue_declare(name)
    ch.confirm_select()
    other.confirm_select()

    def publish(channel, count, size=1):
        for _ in range(count):
            channel.publish("", name, b"x" * size)
        channel.wait_confirms()

    publish(ch, 300)
    office.limit(name, "publish-rate", 200)
    taken = seconds_of(lambda: publish(ch, 300))
    assert 0.9 < taken < 30, taken
    assert seconds_of(lambda: publish(other, 3000)) < 10  # nobody else is
    office.limit(name, "publish-rate", -1)
    office.limit(name, "publish-byte-rate", 100000)
    taken = seconds_of(lambda: publish(ch, 20, 10000))
    assert 1.2 < taken < 30, taken
    office.do("DELETE", f"user-limits/{name}/all")
    assert seconds_of(lambda: publish(ch, 3000)) < 10
    equal(ch.queue_purge(name), 300 + 300 + 3000 + 20 + 3000)

    office.limit(name, "publish-rate", 100)
    c = stomp_client.connect(gateway, login=name, passcode="secret")

    def send():
        for _ in range(100):
            c.send("SEND", {"destination": f"/amq/queue/{name}"}, b"x")
        c.ask("SEND", {"destination": f"/amq/queue/{name}"}, b"x")

    taken = seconds_of(send)
    assert 0.5 < taken < 30, taken
    equal(other.queue_purge(name), 101)


@suite.test
def a_connection_is_closed_by_name(gateway):
    office, name = Office(gateway), unique("u")
    connection = log_in(gateway, **office.user(name))
    shown = [c for c in office.get("connections") if c["user"] == name]
    equal(len(shown), 1)
    office.do("DELETE", f"connections/{quote(shown[0]['name'])}")
    closed = connection.wait_closed()
    equal((closed.code, closed.text), (320, "CONNECTION_FORCED - Closed via management plugin"))


def everything(office):
    def ordered(rows):
        return sorted(rows, key=str)

    return {path: ordered(office.get(path)) for path in
            ("users", "permissions", "topic-permissions", "user-limits", "vhost-limits")} | {
                "vhosts": ordered([(v["name"], v["description"], str(v["tags"]))
                                   for v in office.get("vhosts")])}


@suite.test(alone=True)
def a_restart_and_a_kill_keep_it_all(gateway):
    own = Broker(gateway.binary, workers=2)
    try:
        office = Office(own)
        office.vhost("a/b", description="first", tags="x,y")
        office.vhost("gone")
        office.user("shop", vhost="a/b", cluster_id="c-1", write="^w")
        office.user("guest2", "pw")
        office.topics("shop", "amq.topic", "^a", "^b", vhost="a/b")
        office.limit("shop", "max-connections", 5)
        office.vhost_limit("a/b", "max-queues", 7)
        ch = amqp_client.connect(own, user="shop", password="secret", vhost="a/b").channel()
        ch.queue_declare("kept", durable=True)
        amqp_client.connect(own, user="guest2", password="pw")
        office.do("DELETE", "users/guest")
        office.do("DELETE", "vhosts/gone")
        before = everything(office)
        for way in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            own.process.send_signal(way)
            own.process.wait(20)
            own.process.stdout.close()
            own.log.close()
            assert own.start()
            equal(everything(Office(own)), before)
            raises(amqp_client.ConnectionClosed, lambda: log_in(own))
            ch = amqp_client.connect(own, user="shop", password="secret", vhost="a/b").channel()
            ch.queue_declare("kept", passive=True)
        office.do("DELETE", "vhosts/%2F")
        own.process.send_signal(signal.SIGTERM)
        own.process.wait(20)
        own.process.stdout.close()
        own.log.close()
        assert own.start()
        equal([v["name"] for v in office.get("vhosts")], ["a/b"])
    finally:
        complaint = own.close()
    assert complaint is None, complaint
