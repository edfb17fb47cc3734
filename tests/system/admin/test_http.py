"""The socket itself: strange bytes, many callers, callers that do not read."""

import os
import random
import socket
import subprocess
import time

import admin
import amqp_client
from ctl import Caller, get, socket_path
from ends import unique
from suite import Skip, Suite, equal, has, raises

suite = Suite("http")
OVERVIEW = b"GET /api/overview HTTP/1.1\r\nhost: x\r\n\r\n"


@suite.test
def what_is_not_http_is_answered_and_closed(gateway):
    for junk in (b"\0\1\2\3", b"AMQP\0\0\x09\1", b"CONNECT\nlogin:x\n\n\0", b"GET\r\n\r\n",
                 b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\x16\3\1\2\0\1\0\1" * 10):
        with Caller(gateway) as caller:
            caller.send(junk)
            equal(caller.answer()[0], 400, junk)
            assert caller.ends()


@suite.test
def too_much_of_anything_is_413(gateway):
    for much in (b"GET /" + b"a" * 20000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000,
                 b"GET /api/overview HTTP/1.1\r\ncontent-length: 999999999\r\n\r\n" + b"x" * 100000):
        with Caller(gateway) as caller:
            try:
                caller.send(much)
            except ConnectionError:
                pass
            equal(caller.answer()[0], 413)
            assert caller.ends()


@suite.test
def what_is_not_there_and_what_may_not_be_done(gateway):
    with Caller(gateway) as caller:  # all on one connection
        for path in ("/", "/api/nothing", "/api/queues/nowhere", "/api/queues/%2F/" + unique(),
                     "/api/connections/nobody", "/api/nodes/other"):
            equal(caller.get(path), (404, {"error": "Object Not Found", "reason": "Not Found"}))
        for method in ("PUT", "DELETE", "POST"):
            status, body = caller.get("/api/queues", method)
            equal((status, body["error"]), (405, "method_not_allowed"))
        equal(caller.get("/api/queues?page=0")[0], 400)
        equal(caller.get("/api/%zz")[0], 400)
        equal(caller.get("/api/overview", "HEAD"), (200, None))
        caller.send(b"OPTIONS /api/overview HTTP/1.1\r\n\r\n")
        has(caller.answer()[1]["allow"], "GET")


@suite.test
def names_that_are_too_long_make_nothing(gateway):
    long = "n" * 256
    with Caller(gateway) as caller:
        for method, path, status in (
                ("PUT", f"queues/%2F/{long}", 400), ("PUT", f"exchanges/%2F/{long}", 400),
                ("POST", f"bindings/%2F/e/{long}/q/x", 400),
                ("POST", f"bindings/%2F/e/amq.topic/q/{long}", 400),
                ("PUT", f"vhosts/{long}", 400), ("PUT", f"policies/%2F/{long}", 400),
                ("PUT", f"queues/{long}/x", 404), ("DELETE", f"queues/%2F/{long}", 404),
                ("DELETE", f"queues/%2F/{long}/contents", 404),
                ("DELETE", f"exchanges/%2F/{long}", 404)):
            body = b'{"type": "direct", "pattern": "", "definition": {"max-length": 1}}'
            caller.send(f"{method} /api/{path} HTTP/1.1\r\nhost: x\r\n"
                        f"content-length: {len(body)}\r\n\r\n".encode() + body)
            equal(caller.answer()[0], status, (method, path[:20]))


@suite.test
def requests_may_come_in_pieces_or_all_at_once(gateway):
    with Caller(gateway) as caller:
        for byte in OVERVIEW:
            caller.send(bytes([byte]))
        equal(caller.answer()[0], 200)
        caller.send(OVERVIEW * 30)
        for _ in range(30):
            equal(caller.answer()[0], 200)
        caller.send(b"GET /api/whoami HTTP/1.0\r\n\r\n")
        equal(caller.answer()[0], 200)
        assert caller.ends()


@suite.test
def every_path_gives_json(gateway):
    channel = amqp_client.connect(gateway).channel()
    queue = unique()
    channel.queue_declare(queue, exclusive=True)
    with Caller(gateway) as caller:
        for path in ("overview", "cluster-name", "nodes", "whoami", "vhosts", "vhosts/%2F",
                     "vhosts/%2F/connections", "vhosts/%2F/channels", "queues", "queues/%2F",
                     f"queues/%2F/{queue}", f"queues/%2F/{queue}/bindings", "exchanges",
                     "exchanges/%2F", "exchanges/%2F/amq.topic", "exchanges/%2F/amq.default",
                     "exchanges/%2F/amq.topic/bindings/source",
                     "exchanges/%2F/amq.topic/bindings/destination", "bindings", "bindings/%2F",
                     f"bindings/%2F/e/amq.default/q/{queue}",
                     f"bindings/%2F/e/amq.default/q/{queue}/{queue}",
                     "bindings/%2F/e/amq.topic/e/amq.fanout", "connections",
                     "connections/username/guest", "channels", "consumers", "consumers/%2F",
                     "queues?sort=name&sort_reverse=true&columns=name,messages",
                     "connections?page=1&page_size=1"):
            status, body = caller.get("/api/" + path)
            equal(status, 200, path)
            assert body is not None
        node = caller.get("/api/nodes")[1][0]
        equal(caller.get("/api/nodes/" + node["name"])[0], 200)
        equal(node["os_pid"], str(gateway.process.pid))


@suite.test
def strange_bytes_hurt_nobody(gateway):
    dice = random.Random(7)
    good = b"GET /api/queues?sort=name HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab"
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(dice.randrange(1, 6)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        with Caller(gateway) as caller:
            caller.send(bytes(bad[: dice.randrange(1, len(bad) + 1)]))
            caller.socket.shutdown(socket.SHUT_WR)
            assert caller.ends()
    equal(get(gateway, "/api/overview")[0], 200)


@suite.test(alone=True)
def many_callers_take_turns(gateway):
    callers = []
    for _ in range(200):  # more than are served at once; nobody reads before all have asked
        callers.append(Caller(gateway))
        callers[-1].send(OVERVIEW.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    for caller in callers:
        equal(caller.answer()[0], 200)
        caller.close()


@suite.test(alone=True)
def who_asks_and_does_not_read_or_goes_away_stops_nobody(gateway):
    connection = amqp_client.connect(gateway)
    channel = connection.channel()
    prefix = unique()
    for i in range(3000):
        channel.queue_declare(f"{prefix}-{i}", exclusive=True)
    deaf = [Caller(gateway) for _ in range(5)]
    for caller in deaf:
        caller.send(b"GET /api/queues HTTP/1.1\r\n\r\n")
    for _ in range(50):
        with Caller(gateway) as gone:
            gone.send(b"GET /api/queues HTTP/1.1\r\n\r\n")
    began = time.monotonic()
    equal(get(gateway, "/api/overview")[0], 200)
    channel.round_trip()
    assert time.monotonic() - began < 10
    for caller in deaf:
        equal(caller.answer()[0], 200)
        caller.close()
    connection.close()


@suite.test
def only_root_and_its_own_user_may_ask(gateway):
    if os.geteuid() != 0:
        raise Skip("it takes root to become somebody else")
    os.chmod(gateway.directory, 0o755)
    os.chmod(os.path.dirname(socket_path(gateway)), 0o755)
    script = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
              "s.sendall(b'GET /api/whoami HTTP/1.1\\r\\n\\r\\n'); print(s.recv(100))")

    def ask():
        return subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c",
                               script, socket_path(gateway)], capture_output=True, text=True,
                              timeout=60)

    has(ask().stderr, "PermissionError")
    os.chmod(socket_path(gateway), 0o666)  # the kernel's word counts, not the mode alone
    try:
        done = ask()
        assert "200" not in done.stdout, done.stdout
    finally:
        os.chmod(socket_path(gateway), 0o600)


@suite.test
def one_binding_of_several_is_deleted_by_its_properties_key(gateway):
    queue, exchange = unique("q"), unique("e")
    admin.put(gateway, "queues", "/", queue)
    admin.put(gateway, "exchanges", "/", exchange, type="headers")
    for body in ({}, {"routing_key": "a/b"}, {"routing_key": "a/b", "arguments": {"x": 1}},
                 {"routing_key": "a/b", "arguments": {"x": 2}}):
        admin.call(gateway, "POST", "bindings", "/", "e", exchange, "q", queue, body=body)
    path = ("bindings", "/", "e", exchange, "q", queue)
    rows = admin.get(gateway, *path)
    equal(len(rows), 4)
    for left in (3, 2, 1, 0):
        key = rows.pop()["properties_key"]
        admin.delete(gateway, *path, key)
        equal(raises(admin.Refused, admin.delete, gateway, *path, key).status, 404)
        equal(sorted(row["properties_key"] for row in admin.get(gateway, *path)),
              sorted(row["properties_key"] for row in rows))
        equal(len(rows), left)
    admin.call(gateway, "POST", "bindings", "/", "e", "amq.topic", "e", exchange,
               body={"routing_key": "k"})
    admin.delete(gateway, "bindings", "/", "e", "amq.topic", "e", exchange, "k")
    equal(admin.get(gateway, "bindings", "/", "e", "amq.topic", "e", exchange), [])
    equal(raises(admin.Refused, admin.delete, gateway, "bindings", "/", "e", "amq.default", "q",
                 queue, queue).status, 404)
