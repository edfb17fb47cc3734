"""A STOMP connection as such: versions, login, frames, heart-beats, errors."""

import time

import stomp_client
from ends import Watcher, unique
from stomp_client import Connection, ErrorFrame, encode
from suite import Suite, equal, has, only_sluice, raises, wait_until
from wire import Closed, Late

suite = Suite("stomp session")


@suite.test
def versions_are_negotiated(broker):
    for offered, taken in (("1.2", "1.2"), ("1.1", "1.1"), ("1.0", "1.0"), ("1.0,1.1", "1.1"),
                           ("1.2,1.0", "1.2"), ("1.1,9.9", "1.1")):
        connection = Connection(broker.stomp_port)
        connection.send("CONNECT", {"accept-version": offered, "host": "/", "login": "guest",
                                    "passcode": "guest"})
        connected = connection.wait(lambda f: f.command == "CONNECTED")
        equal(connected.headers["version"], taken, offered)
        for name in ("session", "server", "heart-beat"):
            assert name in connected.headers, connected


@suite.test
def no_version_means_1_0(broker):
    connection = Connection(broker.stomp_port)
    connection.send("CONNECT", {"login": "guest", "passcode": "guest"})
    equal(connection.wait(lambda f: True).headers.get("version"), "1.0")


@suite.test
def an_unknown_version_is_answered_with_the_known_ones(broker):
    connection = Connection(broker.stomp_port)
    connection.send("CONNECT", {"accept-version": "2.0", "host": "/"})
    error = connection.error()
    equal(error.headers["message"], "Version mismatch")
    equal(error.headers["version"], "1.0,1.1,1.2")
    has(error.body.decode(), "Supported versions are 1.0,1.1,1.2")


@suite.test
def the_stomp_command_connects_too(broker):
    connection = Connection(broker.stomp_port)
    connection.send("STOMP", {"accept-version": "1.2", "host": "/", "login": "guest",
                              "passcode": "guest"})
    equal(connection.wait(lambda f: True).command, "CONNECTED")


@suite.test
def no_login_is_the_default_user(broker):
    Connection(broker.stomp_port).open(login=None)


@suite.test
def a_wrong_password_is_refused(broker):
    error = raises(ErrorFrame, Connection(broker.stomp_port).open, passcode="wrong")
    equal(error.message, "Bad CONNECT")
    has(error.body, "Access refused for user 'guest'")


@suite.test
def an_unknown_host_is_the_default_vhost(broker):
    only_sluice(broker, "RabbitMQ refuses it")
    queue = unique()
    named = Connection(broker.stomp_port).open(host="broker.example")
    named.ask("SEND", {"destination": f"/queue/{queue}"}, b"x")
    plain = Connection(broker.stomp_port).open(host="/")
    plain.subscribe(f"/queue/{queue}")
    equal(plain.message().body, b"x")


@suite.test
def nothing_is_done_before_login(broker):
    connection = Connection(broker.stomp_port)
    connection.send("SEND", {"destination": "/queue/x"}, b"x")
    error = connection.error()
    equal(error.headers["message"], "Illegal command")
    has(error.body.decode(), "You must log in using CONNECT first")


@suite.test
def line_ends_may_be_crlf(broker):
    for version in ("1.0", "1.1", "1.2"):
        queue = unique()  # the one that leaves may be heard of after the next one is there
        connection = Connection(broker.stomp_port)
        connection.wire.send(b"CONNECT\r\naccept-version:" + version.encode() +
                             b"\r\nhost:/\r\nlogin:guest\r\npasscode:guest\r\n\r\n\0\r\n")
        equal(connection.wait(lambda f: True).command, "CONNECTED")
        connection.wire.send(f"SUBSCRIBE\r\nid:a\r\ndestination:/queue/{queue}\r\n\r\n\0"
                             f"SEND\r\ndestination:/queue/{queue}\r\n\r\nline\r\nbody\0".encode())
        equal(connection.message().body, b"line\r\nbody")
        connection.close()


@suite.test
def frames_may_come_in_any_pieces(broker):
    queue = unique()
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}")
    data = encode("SEND", {"destination": f"/queue/{queue}", "a": "b:c\\d\ne"}, b"some body")
    for byte in data * 2:
        connection.wire.send(bytes([byte]))
    for _ in range(2):
        message = connection.message()
        equal((message.body, message.headers["a"]), (b"some body", "b:c\\d\ne"))


@suite.test
def many_frames_may_come_in_one_piece(broker):
    queue = unique()
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}")
    connection.wire.send(b"\n".join(encode("SEND", {"destination": f"/queue/{queue}"}, b"%d" % i)
                                    for i in range(2000)))
    equal([int(connection.message().body) for _ in range(2000)], list(range(2000)))


@suite.test
def a_body_may_hold_nuls_when_it_is_counted(broker):
    queue = unique()
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}")
    for body in (b"\0", b"a\0b\0\0", b"\0\n\0", b""):
        connection.publish(f"/queue/{queue}", body)
        equal(connection.message().body, body)


@suite.test
def of_a_repeated_header_the_first_counts(broker):
    queue = unique()
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}")
    connection.wire.send(f"SEND\ndestination:/queue/{queue}\na:first\na:second\n"
                         f"destination:/queue/other\n\nx\0".encode())
    equal(connection.message().headers["a"], "first")


@suite.test
def an_undefined_escape_ends_the_connection_with_an_error(broker):
    only_sluice(broker, "RabbitMQ closes without a word")
    connection = stomp_client.connect(broker)
    connection.wire.send(b"SEND\ndestination:/queue/q\na:\\t\n\nx\0")
    connection.error()
    connection.wire.read_to_end()


@suite.test
def an_unknown_command_is_answered_and_survived(broker):
    connection = stomp_client.connect(broker)
    connection.send("DANCE", {"receipt": "r"})
    error = connection.error()
    equal(error.headers["message"], "Bad command")
    has(error.body.decode(), "DANCE")
    connection.ask("BEGIN", {"transaction": "t"})


@suite.test
def mistakes_that_leave_the_connection_open(broker):
    connection = stomp_client.connect(broker)
    for command, headers, message in (
            ("SEND", {}, "Missing destination"),
            ("SEND", {"destination": "/garden/x"}, "Unknown destination"),
            ("SEND", {"destination": "/queue/x", "message-id": "m"}, "Invalid header"),
            ("SEND", {"destination": "/temp-queue/x"}, "Invalid destination"),
            ("SUBSCRIBE", {"id": "s"}, "Missing destination"),
            ("SUBSCRIBE", {"id": "s", "destination": "/garden/x"}, "Unknown destination"),
            ("SUBSCRIBE", {"destination": "/topic/x", "durable": "true"}, "Missing Header"),
            ("UNSUBSCRIBE", {"id": "nobody"}, "No subscription found"),
            ("UNSUBSCRIBE", {}, "Missing destination or id"),
            ("COMMIT", {"transaction": "nobody"}, "Bad transaction"),
            ("COMMIT", {}, "Missing transaction"),
            ("ACK", {}, "Missing header")):
        connection.send(command, headers)
        error = connection.error()
        equal(error.headers["message"].lower(), message.lower(), f"{command} {headers}")
        equal(error.headers["content-type"], "text/plain")
    connection.ask("BEGIN", {"transaction": "t"})


@suite.test
def a_subscription_id_is_used_once(broker):
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{unique()}", "twice")
    connection.send("SUBSCRIBE", {"destination": f"/queue/{unique()}", "id": "twice"})
    equal(connection.error().headers["message"], "Duplicated subscription identifier")
    connection.wire.read_to_end()


@suite.test
def version_1_0_needs_no_subscription_id(broker):
    queue = unique()
    connection = stomp_client.connect(broker, version="1.0")
    connection.ask("SUBSCRIBE", {"destination": f"/queue/{queue}", "ack": "client"})
    connection.publish(f"/queue/{queue}", b"x")
    message = connection.message()
    assert "ack" not in message.headers
    connection.send("ACK", {"message-id": message.headers["message-id"]})
    connection.ask("UNSUBSCRIBE", {"destination": f"/queue/{queue}"})
    equal(Watcher(broker).ready(queue), 0)


@suite.test
def message_headers_keep_a_fixed_order(broker):
    queue = unique()
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}", "s", ack="client")
    connection.publish(f"/queue/{queue}", b"x", content_type="text/plain")
    names = [name for name, _ in connection.message().pairs]
    wanted = ["destination", "message-id", "redelivered", "content-type", "content-length"]
    equal([n for n in names if n in wanted], wanted)


@suite.test
def several_subscriptions_share_a_connection(broker):
    queues = [unique() for _ in range(50)]
    connection = stomp_client.connect(broker)
    for i, queue in enumerate(queues):
        connection.subscribe(f"/queue/{queue}", f"id-{i}", ack="client-individual")
    for i, queue in enumerate(queues):
        connection.publish(f"/queue/{queue}", b"%d" % i)
    for i in reversed(range(50)):
        message = connection.message(subscription=f"id-{i}")
        equal(message.body, b"%d" % i)
        connection.ack(message)
    connection.close()


@suite.test
def a_durable_topic_subscription_gathers_while_its_owner_is_away(broker):
    topic, ident = unique("t"), unique("sub")
    headers = {"durable": "true", "auto-delete": "false"}
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/topic/{topic}", ident, **headers)
    connection.close()
    stomp_client.connect(broker).ask("SEND", {"destination": f"/topic/{topic}"}, b"while away")
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/topic/{topic}", ident, **headers)
    equal(connection.message().body, b"while away")
    connection.ask("UNSUBSCRIBE", {"id": ident, "durable": "true"})
    stomp_client.connect(broker).ask("SEND", {"destination": f"/topic/{topic}"}, b"too late")
    connection.subscribe(f"/topic/{topic}", ident, **headers)
    connection.publish(f"/topic/{topic}", b"new")
    equal(connection.message().body, b"new")


@suite.test
def two_instances_share_a_named_topic_queue(broker):
    topic, name = unique("t"), unique("shared")
    headers = {"x-queue-name": name, "durable": "true", "auto-delete": "false"}
    connections = [stomp_client.connect(broker) for _ in range(2)]
    for connection in connections:
        connection.subscribe(f"/topic/{topic}", "s", ack="client", **headers)
    for i in range(10):
        connections[0].publish(f"/topic/{topic}", b"%d" % i)
    bodies = [c.message().body for c in connections for _ in range(5)]
    equal(sorted(bodies), sorted(b"%d" % i for i in range(10)))


@suite.test
def the_server_beats_at_the_clients_pace(broker):
    only_sluice(broker, "RabbitMQ beats in whole seconds")
    connection = stomp_client.connect(broker, heart_beat="0,200")
    send, _ = map(int, connection.connected.headers["heart-beat"].split(","))
    assert 0 < send <= 200, connection.connected
    began = time.monotonic()
    for _ in range(5):
        connection.beat_within(10.0)
    assert time.monotonic() - began < 10.0, "five beats of 200 ms"


@suite.test
def a_silent_client_that_promised_beats_is_closed(broker):
    began = time.monotonic()
    connection = stomp_client.connect(broker, heart_beat="200,0")
    _, receive = map(int, connection.connected.headers["heart-beat"].split(","))
    assert receive > 0, connection.connected
    connection.wire.read_to_end(30)
    assert time.monotonic() - began >= 0.2, "there must be a grace"


@suite.test
def a_beating_client_is_kept(broker):
    connection = stomp_client.connect(broker, heart_beat="1000,0")
    deadline = time.monotonic() + 4.0
    while time.monotonic() < deadline:
        connection.wire.send(b"\n")
        try:
            connection.wire.fill(time.monotonic() + 0.2)
        except Late:
            pass
    connection.ask("BEGIN", {"transaction": "t"})


@suite.test
def no_heart_beat_header_means_none(broker):
    equal(stomp_client.connect(broker).connected.headers["heart-beat"], "0,0")


@suite.test
def a_bad_heart_beat_header_is_an_error(broker):
    only_sluice(broker, "RabbitMQ crashes the connection")
    for value in ("x", "1", "-1,5", "1,2,3", "99999999999999999999,1", ","):
        connection = Connection(broker.stomp_port)
        connection.send("CONNECT", {"accept-version": "1.2", "host": "/", "heart-beat": value})
        first = connection.wait(lambda f: f.command in ("ERROR", "CONNECTED"))
        assert first.command == "ERROR" or first.headers["heart-beat"], first


@suite.test
def stomp_is_understood_on_the_amqp_port(broker):
    only_sluice(broker, "RabbitMQ's ports speak one protocol")
    queue = unique()
    connection = Connection(broker.amqp_port).open()
    connection.subscribe(f"/queue/{queue}")
    connection.publish(f"/queue/{queue}", b"x")
    equal(connection.message().body, b"x")
    bare = Connection(broker.amqp_port)
    bare.wire.send(b"\n\n")
    bare.open(version="1.0")


@suite.test
def disconnect_needs_no_receipt(broker):
    connection = stomp_client.connect(broker)
    connection.send("DISCONNECT")
    equal(connection.wire.read_to_end().strip(), b"")


@suite.test
def nothing_is_read_after_disconnect(broker):
    queue, watcher = unique(), Watcher(broker)
    watcher.channel.queue_declare(queue, durable=True)
    connection = stomp_client.connect(broker)
    connection.wire.send(encode("DISCONNECT") +
                         encode("SEND", {"destination": f"/queue/{queue}"}, b"late"))
    connection.wire.read_to_end()
    equal(watcher.ready(queue), 0)


@suite.test
def a_consumer_that_vanishes_leaves_no_consumer(broker):
    queue, watcher = unique(), Watcher(broker)
    connection = stomp_client.connect(broker)
    connection.subscribe(f"/queue/{queue}")
    equal(watcher.consumers(queue), 1)
    connection.kill()
    wait_until(lambda: watcher.consumers(queue) == 0, "no consumer is left")


@suite.test
def a_connection_may_be_reused_after_every_error(broker):
    connection = stomp_client.connect(broker)
    queue = unique()
    try:
        for _ in range(100):
            connection.send("SEND", {"destination": "/nowhere/x"})
            connection.error()
    except Closed:
        raise AssertionError("the connection was closed") from None
    connection.subscribe(f"/queue/{queue}")
    connection.publish(f"/queue/{queue}", b"fine")
    equal(connection.message().body, b"fine")
