"""Behind a proxy that says for whom it connects."""

import socket
import struct
import time

from suite import Suite, equal, has, raises
from tls_socket import TlsSocket
from wire import Wire
from world import LOGIN_TIMEOUT_MS, context, logs, own, serves, stomp_on

suite = Suite("proxy")
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 127.0.0.9 127.0.0.1 4711 61613\r\n"


def v2(command=1, family=0x11, addresses=None, options=b"", version=2):
    if addresses is None:
        addresses = socket.inet_aton("127.0.0.9") + socket.inet_aton("127.0.0.1") + \
            struct.pack(">HH", 4711, 61613)
    body = addresses + options
    return SIGNATURE + bytes([version << 4 | command, family]) + struct.pack(">H", len(body)) + body


def plain(port):
    return socket.create_connection(("127.0.0.1", port), 10)


def behind(gateway, *flags):
    return own(gateway, "--proxy-protocol-from", "10.0.0.0/8, 127.0.0.0/8", *flags)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def with_sum(spoil=0):
    header = bytearray(v2(options=b"\x03\x00\x04\0\0\0\0\x04\x00\x02hi"))
    at = 16 + 12 + 3
    header[at:at + 4] = struct.pack(">I", crc32c(bytes(header)) ^ spoil)
    return bytes(header)


@suite.test
def good_headers_of_both_versions_are_passed(gateway):
    with behind(gateway) as own_one:
        for header in (V1, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN whatever else\r\n",
                       b"PROXY TCP6 ::1 2001:db8::1 1 65535\r\n", v2(), v2(command=0),
                       v2(command=0, family=0, addresses=b""), v2(family=0, addresses=b"xyz"),
                       v2(family=0x21, addresses=bytes(15) + b"\1" + bytes(16) + b"\1\1\2\2"),
                       v2(family=0x31, addresses=b"/x" + bytes(214)), with_sum(),
                       v2(options=b"\x04\x00\x03abc\x01\x00\x00")):
            one = plain(own_one.stomp_port)
            one.sendall(header)
            serves(one).wire.socket.close()


@suite.test
def the_address_is_the_one_that_the_proxy_tells(gateway):
    with behind(gateway) as own_one:
        one = plain(own_one.stomp_port)
        one.sendall(V1)
        serves(one)
        logs(own_one, "connection.open", "peer=127.0.0.9:4711")
        two = plain(own_one.stomp_port)
        two.sendall(v2(family=0x21, addresses=socket.inet_pton(socket.AF_INET6, "2001:db8::7") +
                       bytes(16) + struct.pack(">HH", 4712, 1)))
        stomp_on(two).send("NONSENSE")
        logs(own_one, "connection.open", "peer=[2001:db8::7]:4712")


@suite.test
def guest_from_elsewhere_stays_out(gateway):
    """The rule that guest comes from this machine alone holds for the client, not the proxy."""
    with behind(gateway) as own_one:
        one = plain(own_one.stomp_port)
        one.sendall(V1.replace(b"127.0.0.9", b"192.0.2.9"))
        connection = stomp_on(one)
        raises(Exception, connection.open)
        two = plain(own_one.stomp_port)
        two.sendall(b"PROXY UNKNOWN\r\n")
        serves(two)


@suite.test
def hostile_headers_are_refused_at_once(gateway):
    with behind(gateway) as own_one:
        for header in (b"CONNECT\n\n\0", b"AMQP\x00\x00\x09\x01", b"PROXY\r\n", b"PROXY TCP4\r\n",
                       b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
                       b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", b"PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
                       b"PROXY TCP4 ::1 ::1 1 2\r\n", b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
                       b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
                       b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", b"PROXY TCP6 [::1] ::1 1 2\r\n",
                       b"PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n", b"PROXY " + b"x" * 200,
                       b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
                       v2(version=1), v2(version=3), v2(command=2), v2(family=0x12),
                       v2(family=0x99), v2(addresses=b"1234"), v2(family=0x21),
                       v2(family=0x31, addresses=b"/x"), v2(options=b"\x04"),
                       v2(options=b"\x04\x00\x09abc"), with_sum(spoil=1),
                       v2(options=b"\x03\x00\x00"), v2(options=b"\x04\x08\x00" + bytes(2048)),
                       SIGNATURE + b"\x21\x11\xff\xff"):
            began = time.monotonic()
            wire = Wire(own_one.stomp_port)
            wire.send(header)
            equal(wire.read_to_end(), b"", header)
            assert time.monotonic() - began < LOGIN_TIMEOUT_MS / 1000, header
        logs(own_one, "connection.refused", "no-proxy-header", "listener=stomp")


@suite.test
def a_header_may_come_in_pieces(gateway):
    with behind(gateway) as own_one:
        for header in (V1, v2(options=b"\x04\x00\x80" + bytes(128))):
            one = plain(own_one.stomp_port)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in header:
                one.sendall(bytes([byte]))
            serves(one)
            for cut in range(1, len(header), 7):
                one = plain(own_one.stomp_port)
                one.sendall(header[:cut])
                one.close()


@suite.test
def half_a_header_costs_nothing_and_ends(gateway):
    with behind(gateway) as own_one:
        half = [plain(own_one.stomp_port) for _ in range(20)]
        for one in half:
            one.sendall(V1[:20])

        def cpu():
            with open(f"/proc/{own_one.process.pid}/stat") as stat:
                return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))

        before = cpu()
        for one in half:
            try:
                equal(one.recv(10), b"")
            except ConnectionResetError:
                pass  # what it said was never read
        assert cpu() - before < 50, "the socket is looked at again and again"


@suite.test
def half_a_header_that_nothing_follows_is_refused_at_once(gateway):
    def finish(one):
        one.shutdown(socket.SHUT_WR)

    def press(one):
        one.send(b"!", socket.MSG_OOB)
        one.sendall(V1[20:])

    with behind(gateway) as own_one:
        for nth, go_on in enumerate((finish, press), 1):
            one = plain(own_one.stomp_port)
            one.sendall(V1[:20])
            one.sendall(V1[20:25])
            go_on(one)
            try:
                equal(one.recv(10), b"")
            except ConnectionResetError:
                pass  # what it said was never read
            equal(own_one.log_text().count("no-proxy-header"), nth)  # not the timeout's words


@suite.test
def the_header_stands_in_front_of_tls(gateway):
    with behind(gateway) as own_one:
        for header in (V1, v2()):
            one = plain(own_one.stomps_port)
            one.sendall(header)
            serves(TlsSocket(one, context(own_one)).handshake())
        logs(own_one, "connection.open", "peer=127.0.0.9:4711")


@suite.test
def who_is_not_listed_may_not_say_it(gateway):
    wire = Wire(gateway.stomp_port)
    wire.send(V1 + b"CONNECT\naccept-version:1.2\n\n\0")
    has(wire.read_to_end(), b"ERROR")
    with own(gateway, "--proxy-protocol-from", "192.0.2.0/24,::1") as other:
        serves(plain(other.stomp_port))


@suite.test
def a_list_that_cannot_be_read_refuses_the_start(gateway):
    for text in ("10.0.0.0/33", "10.0.0.1/", "localhost", "10.0.0.0/8/8", "1.2.3.4/x"):
        try:
            with own(gateway, "--proxy-protocol-from", text):
                raise AssertionError(f"{text!r} was taken")
        except RuntimeError as error:
            has(str(error), text)
