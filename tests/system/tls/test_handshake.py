"""Which handshakes are answered, and what becomes of the others."""

import socket
import ssl
import time

import amqp_client
from suite import Suite, equal, has, wait_until
from tls_socket import TlsSocket
from wire import Closed, Late, Wire
from world import (LOGIN_TIMEOUT_MS, context, logs, own, refused, s_client, serves, shake, stomp_on,
                   wire_on)

suite = Suite("handshake")
SECONDS_MAX = LOGIN_TIMEOUT_MS / 1000 + 20
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
ANY_CIPHER = ("-cipher", "ALL:eNULL:aNULL:@SECLEVEL=0")


class Recorder:
    """Stands between a TlsSocket and its socket, and counts what the client says."""

    def __init__(self, plain, limit=None):
        self.plain, self.limit, self.said = plain, limit, 0

    def send(self, data):
        room = len(data) if self.limit is None else min(len(data), self.limit - self.said)
        if room == 0:
            raise BrokenPipeError("cut")
        self.said += self.plain.send(bytes(data[:room]))
        return room

    def __getattr__(self, name):
        return getattr(self.plain, name)


def plain_to(port):
    return socket.create_connection(("127.0.0.1", port), 10)


@suite.test
def both_protocols_are_served_in_both_versions(gateway):
    for version in (V12, V13):
        tls = shake(gateway, version=version)
        equal(tls.tls.version(), {V12: "TLSv1.2", V13: "TLSv1.3"}[version])
        serves(tls)
        amqp = TlsSocket(plain_to(gateway.amqps_port), context(gateway, version=version))
        connection = amqp_client.Connection.__new__(amqp_client.Connection)
        connection.prepare(wire_on(amqp.handshake()))
        connection.open().channel().round_trip()
        connection.close()


@suite.test
def a_front_end_is_chosen_by_what_is_said_inside(gateway):
    tls = TlsSocket(plain_to(gateway.amqps_port), context(gateway)).handshake()
    serves(tls)


@suite.test
def nothing_below_1_2_is_spoken(gateway):
    for flag in ("-ssl3", "-tls1", "-tls1_1"):
        said = s_client(gateway.stomps_port, flag, *ANY_CIPHER)
        assert "Cipher is (NONE)" in said or "unknown option" in said.lower() or \
            "Unknown option" in said, said
    has(s_client(gateway.stomps_port, "-tls1_2"), "Protocol  : TLSv1.2")
    has(s_client(gateway.stomps_port, "-tls1_3"), "TLSv1.3")


@suite.test
def tls_1_2_can_be_switched_off(gateway):
    with own(gateway, "--tls-version", "1.3") as strict:
        has(refused(lambda: shake(strict, version=V12)), "rotocol")
        serves(shake(strict, version=V13))


@suite.test
def weak_ciphers_are_not_agreed_on(gateway):
    for weak in ("NULL", "aNULL", "RC4", "3DES", "DES", "MD5", "kRSA", "CAMELLIA", "SEED", "PSK",
                 "DHE", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256",
                 "ECDHE-ECDSA-AES128-CCM8"):
        said = s_client(gateway.stomps_port, "-tls1_2", "-cipher", weak + ":@SECLEVEL=0")
        assert "Cipher is (NONE)" in said or "no cipher match" in said, f"{weak}: {said}"
    for strong in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
        has(s_client(gateway.stomps_port, "-tls1_2", "-cipher", strong), f"Cipher is {strong}")


@suite.test
def nothing_is_compressed_and_nothing_renegotiated(gateway):
    said = s_client(gateway.stomps_port, "-tls1_2", say=b"R\n")
    has(said, "Compression: NONE")
    has(said, "Secure Renegotiation IS supported")
    has(said, "RENEGOTIATING")
    has(said, "no renegotiation")


@suite.test
def the_server_has_its_own_order_of_ciphers(gateway):
    has(s_client(gateway.stomps_port, "-tls1_2", "-cipher",
                 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"),
        "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256")


@suite.test
def a_session_is_resumed(gateway):
    for version in (V12, V13):
        one = context(gateway, version=version)
        first = TlsSocket(plain_to(gateway.stomps_port), one).handshake()
        assert not first.tls.session_reused
        serves(first)  # the ticket of 1.3 comes behind the handshake
        second = TlsSocket(plain_to(gateway.stomps_port), one,
                           session=first.tls.session).handshake()
        assert second.tls.session_reused, version
        serves(second)


@suite.test
def a_handshake_cut_at_every_byte_leaves_nothing_behind(gateway):
    for version in (V12, V13):
        whole = Recorder(plain_to(gateway.stomps_port))
        TlsSocket(whole, context(gateway, version=version)).handshake()
        assert whole.said > 200
        for limit in range(1, whole.said):
            cut = Recorder(plain_to(gateway.stomps_port), limit)
            try:
                TlsSocket(cut, context(gateway, version=version)).handshake()
            except (BrokenPipeError, ssl.SSLError):
                pass
            cut.close()
    serves(shake(gateway))


@suite.test
def a_handshake_of_single_bytes_succeeds(gateway):
    class Slow(Recorder):
        def send(self, data):
            return self.plain.send(bytes(data[:1]))

    plain = plain_to(gateway.stomps_port)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    serves(TlsSocket(Slow(plain), context(gateway)).handshake())


@suite.test
def who_does_not_finish_is_closed_after_the_login_timeout(gateway):
    began = time.monotonic()
    half = []
    for limit in (1, 5, 50, 300):
        one = Recorder(plain_to(gateway.stomps_port), limit)
        try:
            tls = TlsSocket(one, context(gateway))
            tls.handshake()
        except BrokenPipeError:
            pass
        half.append(one)
    quiet = shake(gateway)  # finished, and then nothing
    for one in half:
        try:
            while one.plain.recv(4096):
                pass
        except ConnectionError:
            pass
    refused(lambda: quiet)
    assert time.monotonic() - began < SECONDS_MAX, time.monotonic() - began


@suite.test
def garbage_behind_the_first_byte_is_refused_at_once(gateway):
    for garbage in (b"\x16" + b"\xff" * 200, b"\x16\x03\x01\x40\x01" + b"\0" * 50,
                    b"\x16\x03\x03\x00\x05\x01\xff\xff\xff\xff" + b"A" * 100,
                    b"\x16\x03\x01\x00\x00" * 40):
        began = time.monotonic()
        wire = Wire(gateway.stomps_port)
        wire.send(garbage)
        wire.finish()
        assert time.monotonic() - began < LOGIN_TIMEOUT_MS / 1000
    logs(gateway, "connection.refused", "listener=stomps")


@suite.test
def a_plain_client_on_a_tls_port_is_refused_at_once(gateway):
    for port, said in ((gateway.amqps_port, amqp_client.HEADER),
                       (gateway.stomps_port, b"CONNECT\naccept-version:1.2\n\n\0"),
                       (gateway.stomps_port, b"GET / HTTP/1.1\r\n\r\n")):
        began = time.monotonic()
        wire = Wire(port)
        wire.send(said)
        equal(wire.read_to_end(), b"")
        assert time.monotonic() - began < LOGIN_TIMEOUT_MS / 1000
    logs(gateway, "connection.refused", "plain-on-tls-port", "listener=amqps", "peer=127.0.0.1:")


@suite.test
def tls_on_a_plain_port_is_refused_at_once(gateway):
    began = time.monotonic()
    refused(lambda: TlsSocket(plain_to(gateway.amqp_port), context(gateway)).handshake())
    assert time.monotonic() - began < LOGIN_TIMEOUT_MS / 1000
    logs(gateway, "connection.refused", "tls-on-plain-port", "listener=amqp")


@suite.test
def a_port_may_serve_both(gateway):
    with own(gateway, "--tls-on-plain-ports", "on") as both:
        for _ in range(2):
            serves(TlsSocket(plain_to(both.stomp_port), context(both)).handshake())
            serves(plain_to(both.stomp_port))
        wire = Wire(both.stomps_port)
        wire.send(b"CONNECT\n\n\0")
        equal(wire.read_to_end(), b"")


@suite.test
def the_certificate_goes_by_the_name_that_is_asked_for(gateway):
    authority = gateway.pki.authority
    shop = authority.server("shop-sni", names=("DNS:shop.example", "DNS:*.shop.example"))
    bank = authority.server("bank-sni", names=("DNS:bank.example",), kind="rsa")
    certs = ",".join(c.cert_file for c in (gateway.pki.server, shop, bank))
    keys = ", ".join(c.key_file for c in (gateway.pki.server, shop, bank))
    with own(gateway, "--tls-cert", certs, "--tls-key", keys) as many:
        for name, wanted in (("shop.example", shop), ("a.shop.example", shop),
                             ("SHOP.example", shop), ("bank.example", bank),
                             ("localhost", gateway.pki.server), ("other.example", None)):
            rules = context(many)
            rules.check_hostname = wanted is not None
            tls = TlsSocket(plain_to(many.stomps_port), rules, name).handshake()
            shown = tls.tls.getpeercert(binary_form=True)
            from cryptography import x509
            equal(x509.load_der_x509_certificate(shown).serial_number,
                  (wanted or gateway.pki.server).certificate.serial_number, name)
            serves(tls)


@suite.test
def early_words_of_a_client_are_not_lost(gateway):
    """Its first frame comes in one piece with the end of its handshake."""
    plain = plain_to(gateway.stomps_port)
    tls = TlsSocket(plain, context(gateway))
    while True:
        try:
            tls.tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            tls.flush()
            tls.feed()
    tls.tls.write(b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0")
    tls.flush()
    has(tls.recv(1000), b"CONNECTED")


@suite.test
def strangers_do_not_keep_others_out_for_long(gateway):
    with own(gateway, "--connections-not-logged-in-max", str(8 * gateway.workers)) as small:
        silent = [plain_to(small.stomps_port) for _ in range(40 * gateway.workers)]

        def works():
            try:
                serves(shake(small))
                return True
            except (Closed, Late, OSError):
                return False

        wait_until(works, "a client gets in when strangers have timed out")
        logs(small, "connection.refused", "too-many-not-logged-in")
        known = [serves(shake(small)) for _ in range(12 * gateway.workers)]  # these do not count
        for one in known:
            one.ask("SEND", {"destination": "/topic/nowhere"}, b"x")
        for one in silent:
            one.close()


@suite.test
def strangers_of_one_address_do_not_keep_out_those_of_another(gateway):
    with own(gateway, "--connections-not-logged-in-per-address-max", str(gateway.workers)) as small:
        silent = [plain_to(small.stomps_port) for _ in range(20 * gateway.workers)]
        logs(small, "connection.refused", "too-many-not-logged-in")
        other = socket.socket()
        other.settimeout(10)
        other.bind(("127.0.0.2", 0))
        other.connect(("127.0.0.1", small.stomps_port))
        serves(TlsSocket(other, context(small)).handshake())
        for one in silent:
            one.close()


@suite.test
def the_key_log_is_written_on_demand_alone(gateway):
    path = gateway.pki.directory + "/keylog"
    with own(gateway, "--tls-keylog-file", path) as debug:
        serves(shake(debug))
        logs(debug, "warn", "tls.keylog")
        with open(path) as file:
            has(file.read(), "CLIENT_TRAFFIC_SECRET_0")


@suite.test
def the_kernel_may_encrypt(gateway):
    """It does where it can; else nothing changes."""
    with own(gateway, "--tls-in-kernel", "on") as kernel:
        for version in (V12, V13):
            connection = stomp_on(shake(kernel, version=version)).open()
            connection.subscribe("/queue/kernel", "1")
            connection.ask("SEND", {"destination": "/queue/kernel"}, b"x" * 300000)
            equal(len(connection.message().body), 300000)
