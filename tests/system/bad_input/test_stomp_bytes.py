"""STOMP frames that are cut, endless, or no frames at all."""

import conversations
import stomp_client
from stomp_client import Connection, encode
from suite import Suite, equal
from wire import Closed, Wire

suite = Suite("bad stomp bytes")
MIB = 1 << 20


def refused(broker, data, logged_in=True):
    """These bytes must be answered by an ERROR, and the end of the connection."""
    connection = Connection(broker.stomp_port)
    if logged_in:
        connection.open()
    try:
        connection.wire.send(data)
    except Closed:
        pass
    error = connection.error()
    assert error.headers["message"], error
    connection.wire.read_to_end()


@suite.test
def a_conversation_cut_at_every_byte(broker):
    whole = b"".join(conversations.stomp())
    for cut in range(len(whole)):
        wire = Wire(broker.stomp_port)
        wire.send(whole[:cut])
        wire.kill() if cut % 3 == 0 else wire.finish()


@suite.test
def a_conversation_one_byte_at_a_time(broker):
    wire = Wire(broker.stomp_port)
    for byte in b"".join(conversations.stomp()):
        wire.send(bytes([byte]))
    answer = wire.read_to_end()
    for part in (b"CONNECTED\n", b"receipt-id:1\n", b"receipt-id:3\n", b"receipt-id:4\n"):
        assert part in answer, (part, answer)


@suite.test
def a_command_of_a_megabyte(broker):
    refused(broker, b"SEND" * (MIB // 4))
    refused(broker, b"SEND" * (MIB // 4), logged_in=False)


@suite.test
def a_header_line_without_end(broker):
    refused(broker, b"SEND\na:" + b"x" * MIB)
    refused(broker, b"SEND\n" + b"x" * MIB)
    refused(broker, b"CONNECT\na:" + b"x" * MIB, logged_in=False)


@suite.test
def a_million_headers(broker):
    refused(broker, b"SEND\ndestination:/queue/q\n" + b"a:b\n" * 1_000_000)
    refused(broker, b"CONNECT\n" + b"a:b\n" * 1_000_000, logged_in=False)


@suite.test
def header_lines_without_a_colon(broker):
    refused(broker, b"SEND\ndestination:/queue/q\nno colon here\n\nx\0")


@suite.test
def content_lengths_that_lie(broker):
    refused(broker, b"SEND\ndestination:/topic/q\ncontent-length:2\n\nabc\0")
    refused(broker, b"SEND\ndestination:/topic/q\ncontent-length:-1\n\nabc\0")
    for length in (2**31, 2**63, 2**64 - 1, 10**30):
        refused(broker, f"SEND\ndestination:/topic/q\ncontent-length:{length}\n\nabc".encode())


@suite.test
def content_lengths_that_are_no_numbers_are_not_trusted(broker):
    for length in ("x", "", "1x", "0x10", " "):
        connection = stomp_client.connect(broker)
        connection.wire.send(f"SEND\ndestination:/topic/q\ncontent-length:{length}\n\nabc\0"
                             .encode())
        try:
            connection.ask("BEGIN", {"transaction": "t"})
        except stomp_client.ErrorFrame:
            connection.wire.read_to_end()


@suite.test
def bodies_that_are_promised_and_never_sent(broker):
    before = broker.rss_kib()
    connections = []
    for _ in range(100):
        connection = stomp_client.connect(broker)
        connection.wire.send(f"SEND\ndestination:/topic/q\ncontent-length:{16 * MIB}\n\nabc"
                             .encode())
        connections.append(connection)
    stomp_client.connect(broker).ask("BEGIN", {"transaction": "t"})
    grown = broker.rss_kib() - before
    assert broker.is_sanitized or grown < 32 * 1024, f"100 empty promises took {grown} KiB"
    for connection in connections:
        connection.kill()


@suite.test
def an_uncounted_body_without_end(broker):
    connection = stomp_client.connect(broker)
    connection.wire.send(b"SEND\ndestination:/topic/q\n\n")
    try:
        for _ in range(20):
            connection.wire.send(b"x" * MIB)
    except Closed:
        pass
    assert connection.error().headers["message"]
    connection.wire.read_to_end()


@suite.test
def a_large_frame_before_login(broker):
    refused(broker, encode("CONNECT", {"accept-version": "1.2", "host": "/"}, b"x" * 200_000),
            logged_in=False)


@suite.test
def nuls_and_line_feeds_without_end(broker):
    for flood in (b"\0", b"\n", b"\r\n", b"\n\0"):
        connection = stomp_client.connect(broker)
        try:
            connection.wire.send(flood * (2 * MIB))
            connection.ask("BEGIN", {"transaction": "t"})
        except (Closed, stomp_client.ErrorFrame):
            pass


@suite.test
def escapes_that_do_not_exist(broker):
    for value in (b"\\t", b"\\", b"\\x41", b"a\\"):
        refused(broker, b"SEND\ndestination:/topic/q\na:" + value + b"\n\nx\0")


@suite.test
def names_too_long_or_no_text(broker):
    for destination in ("/queue/" + "q" * 300, "/topic/" + "t." * 200, "/exchange/" + "e" * 300,
                        "/queue/", "/topic/", "/exchange/", "/", "", "//", "/queue/%2", "/%"):
        for command in ("SEND", "SUBSCRIBE"):
            connection = stomp_client.connect(broker)
            connection.send(command, {"destination": destination, "id": "s", "receipt": "r"})
            answer = connection.wait(lambda f: f.command in ("ERROR", "RECEIPT"))
            assert len(destination) < 256 or answer.command == "ERROR", (command, destination)
    connection = stomp_client.connect(broker)
    connection.wire.send(b"SEND\ndestination:/queue/\xff\xfe\xc0\nreceipt:r\n\nx\0")
    connection.wait(lambda f: f.command in ("ERROR", "RECEIPT"))


@suite.test
def subscription_ids_and_receipts_of_any_shape(broker):
    connection = stomp_client.connect(broker)
    for ident in ("", "a@@b@@c", "\n", ":", "x" * 5000, "ä", "T_1"):
        try:
            connection.send("SUBSCRIBE", {"id": ident, "destination": "/topic/shape",
                                          "ack": "client", "receipt": ident + "r"})
            frame = connection.wait(lambda f: f.command in ("RECEIPT", "ERROR"))
            if frame.command == "RECEIPT":
                equal(frame.headers["receipt-id"], ident + "r")
        except Closed:
            connection = stomp_client.connect(broker)
    for ident in ("@@", "@@@@", "a@@b@@c", "a@@b@@99999999999999999999999", "x" * 50000):
        connection.send("ACK", {"id": ident})
        assert connection.error().headers["message"]


@suite.test
def argument_headers_of_any_value(broker):
    for name, value in (("x-max-length", "many"), ("x-max-length", "-1"), ("durable", "perhaps"),
                        ("x-expires", "0"), ("x-queue-type", "cardboard"), ("x-priority", "high"),
                        ("prefetch-count", "-5"), ("prefetch-count", "99999999999999999999"),
                        ("x-message-ttl", "1" * 1000), ("auto-delete", "")):
        connection = stomp_client.connect(broker)
        connection.send("SUBSCRIBE", {"id": "s", "destination": "/topic/args", name: value,
                                      "receipt": "r"})
        connection.wait(lambda f: f.command in ("RECEIPT", "ERROR"))
