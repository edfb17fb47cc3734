"""Bytes inside TLS arrive whole and in order, and an end is told from a cut."""

import itertools
import socket

from suite import Suite, equal, has, raises, wait_until
from tls_socket import TlsSocket
from wire import Closed
from world import context, logs, serves, shake, stomp_on

suite = Suite("data")
numbers = itertools.count(1)


def queue():
    return f"/queue/tls-{next(numbers)}"


@suite.test
def large_bodies_go_both_ways(gateway):
    connection = stomp_on(shake(gateway)).open()
    name = queue()
    connection.subscribe(name, "1")
    for size in (0, 1, 16383, 16384, 16385, 100000, 1 << 20, 5 << 20):
        body = bytes(i * 7 & 255 for i in range(256)) * (size // 256 + 1)
        connection.ask("SEND", {"destination": name, "content-length": size}, body[:size])
        assert connection.message().body == body[:size], size


@suite.test
def records_of_every_size_are_read(gateway):
    tls = shake(gateway)
    connection = stomp_on(tls).open()
    name = queue()
    connection.subscribe(name, "1")
    for size in (1, 2, 3, 100, 1000, 16384):
        body = bytes(range(256)) * (20 if size < 100 else 200)
        frame = b"SEND\ndestination:%s\ncontent-length:%d\n\n" % (name.encode(), len(body)) + body + b"\0"
        for at in range(0, len(frame), size):
            tls.tls.write(frame[at:at + size])
        tls.flush()
        assert connection.message().body == body, size


@suite.test
def what_came_with_one_read_does_not_wait_for_the_next(gateway):
    """Far more than one turn reads, in one burst, and then silence."""
    tls = shake(gateway)
    connection = stomp_on(tls).open()
    name = queue()
    connection.subscribe(name, "1")
    count = 3000
    frame = b"SEND\ndestination:%s\n\n" % name.encode() + b"x" * 1000 + b"\0"
    tls.settimeout(20)
    tls.sendall(frame * count)
    for _ in range(count):
        equal(len(connection.message().body), 1000)


@suite.test
def a_peer_that_reads_late_gets_everything(gateway):
    """The gateway has to stop in the middle of a record, and to go on with the same bytes."""
    slow = shake(gateway)
    reader = stomp_on(slow).open()
    name = queue()
    reader.subscribe(name, "1")
    sender = stomp_on(shake(gateway)).open()
    count, body = 400, bytes(range(256)) * 40
    for i in range(count):
        sender.send("SEND", {"destination": name, "number": i}, body.replace(b"\0", b"\1"))
    sender.ask("SEND", {"destination": name, "number": count}, b"end")
    for i in range(count + 1):
        frame = reader.message()
        equal(frame.headers["number"], str(i))
    equal(frame.body, b"end")


@suite.test
def many_at_once(gateway):
    rules = context(gateway)
    connections = [serves(TlsSocket(socket.create_connection(
        ("127.0.0.1", gateway.stomps_port), 10), rules).handshake()) for _ in range(200)]
    for connection in connections:
        connection.send("SEND", {"destination": "/topic/nowhere", "receipt": "x"}, b"x" * 3000)
    for connection in connections:
        connection.receipt("x")
        connection.wire.socket.close()


@suite.test
def an_end_of_input_is_answered_before_the_end(gateway):
    """Half closed: the client says close_notify, and still hears what it asked for."""
    tls = shake(gateway)
    connection = stomp_on(tls).open()
    for i in range(50):
        connection.send("SEND", {"destination": "/topic/nowhere", "receipt": i}, b"x")
    tls.say_close()
    for i in range(50):
        connection.receipt(str(i))
    equal(tls.recv(100), b"")  # and its close_notify


@suite.test
def the_gateway_ends_with_a_close_notify(gateway):
    tls = shake(gateway)
    connection = stomp_on(tls).open()
    connection.ask("DISCONNECT")
    equal(tls.recv(100), b"")
    bad = shake(gateway)
    stomp_on(bad).open().send("SEND", {"much": "x" * 300000})
    tail = b""
    while True:
        data = bad.recv(1000)
        if not data:
            break
        tail += data
    has(tail, b"ERROR")


@suite.test
def a_cut_is_no_end(gateway):
    """Whoever cuts the wire does not make a half message or a half transaction whole."""
    name = queue()
    tls = shake(gateway)
    connection = stomp_on(tls).open()
    connection.ask("BEGIN", {"transaction": "t"})
    connection.ask("SEND", {"destination": name, "transaction": "t"}, b"never")
    tls.plain.shutdown(socket.SHUT_WR)  # no close_notify
    raises((Closed, OSError), connection.ask, "COMMIT", {"transaction": "t"})
    watcher = stomp_on(shake(gateway)).open()
    watcher.ask("SEND", {"destination": name}, b"first")
    watcher.subscribe(name, "1")
    equal(watcher.message().body, b"first")


@suite.test
def a_forged_record_ends_the_connection(gateway):
    tls = shake(gateway)
    stomp_on(tls).open()
    tls.plain.sendall(b"\x17\x03\x03\x00\x40" + b"\xaa" * 64)
    tls.settimeout(10)
    raises(OSError, lambda: [tls.recv(1000) for _ in range(3)])
    logs(gateway, "connection.dropped", "decryption failed")


@suite.test
def a_connection_that_is_closed_leaves_no_memory(gateway):
    if gateway.is_sanitized:
        return
    rules = context(gateway)

    def round_of(count):
        for _ in range(count):
            serves(TlsSocket(socket.create_connection(("127.0.0.1", gateway.stomps_port), 10),
                             rules).handshake()).wire.socket.close()

    round_of(200)
    before = gateway.rss_kib()
    round_of(600)
    wait_until(lambda: gateway.rss_kib() < before + 6000, "memory comes back")
