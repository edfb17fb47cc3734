"""Who gets in by a certificate, and who does not."""

import os
import socket
import ssl
import subprocess
import tempfile

import broker as brokers
import tls_socket
from certificates import CLIENT, Authority, write
from suite import Suite, equal, has
from tls_socket import TlsSocket
from world import context, logs, own, refused, required, serves, shake

suite = Suite("certificates")
BOTH = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def fails(gateway, *flags):
    """Starts what must not start; gives what it says."""
    with tempfile.TemporaryDirectory() as directory:
        result = subprocess.run(
            [gateway.binary, "--data-dir", directory, "--amqp-port", "0", "--stomp-port", "0",
             "--amqps-port", "0", "--stomps-port", "0", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    equal(result.returncode, 1, result.stdout)
    return result.stdout


@suite.test
def without_a_certificate_the_ports_stay_closed(gateway):
    port = brokers.free_port()
    with brokers.Broker(gateway.binary, "--amqps-port", str(port)) as plain:
        assert "amqps" not in plain.ready
        has(refused(lambda: shake_at(gateway, port)), "refused")


def shake_at(gateway, port):
    return tls_socket.connect(port, context(gateway))


@suite.test
def the_ready_line_tells_of_the_ports(gateway):
    has(gateway.ready, f"amqps=127.0.0.1:{gateway.amqps_port}")
    has(gateway.ready, f"stomps=127.0.0.1:{gateway.stomps_port}")


@suite.test
def nobody_is_asked_for_one_by_default(gateway):
    serves(shake(gateway))
    serves(shake(gateway, gateway.pki.client))


@suite.test
def one_may_be_required(gateway):
    with required(gateway) as strict:
        for version in BOTH:
            serves(shake(strict, strict.pki.client, version))
            refused(lambda v=version: shake(strict, None, v))
        logs(strict, "connection.refused", "peer did not return a certificate", "peer=127.0.0.1")


@suite.test
def one_may_be_optional(gateway):
    with own(gateway, "--tls-ca", gateway.pki.authority.cert_file, "--tls-verify",
             "optional") as mild:
        for version in BOTH:
            serves(shake(mild, None, version))
            serves(shake(mild, mild.pki.client, version))
            stranger = Authority(mild.pki.directory, "stranger").client("stranger-client")
            refused(lambda v=version: shake(mild, stranger, v))


@suite.test
def wrong_ones_are_refused_with_the_reason(gateway):
    ours = gateway.pki.authority
    theirs = Authority(gateway.pki.directory, "theirs")
    with required(gateway) as strict:
        for bad, reason in (
                (ours.client("expired", days=(-10, -1)), "certificate has expired"),
                (ours.client("early", days=(1, 10)), "not yet valid"),
                (theirs.client("of-theirs"), "unable to get local issuer certificate"),
                (theirs, "self-signed certificate"),
                (ours.server("no-client"), "unsuitable certificate purpose")):
            for version in BOTH:
                refused(lambda b=bad, v=version: shake(strict, b, v))
            logs(strict, "connection.refused", reason, "listener=stomps")
        serves(shake(strict, strict.pki.client))


@suite.test
def a_chain_may_be_as_deep_as_it_is_allowed(gateway):
    directory = gateway.pki.directory
    between = Authority(directory, "between", gateway.pki.authority)
    client = between.client("deep")
    with required(gateway, "--tls-verify-depth", "1") as strict:
        serves(shake(strict, client))
    with required(gateway, "--tls-verify-depth", "0") as strict:
        refused(lambda: shake(strict, client))
        serves(shake(strict, strict.pki.client))


@suite.test
def a_revoked_one_is_refused(gateway):
    ours = gateway.pki.authority
    bad, good = ours.client("revoked"), ours.client("not-revoked")
    with required(gateway, "--tls-crl", ours.revoke(bad)) as strict:
        for version in BOTH:
            refused(lambda v=version: shake(strict, bad, v))
            serves(shake(strict, good, version))
        logs(strict, "connection.refused", "certificate revoked")


@suite.test
def an_old_revocation_list_lets_nobody_in(gateway):
    old = gateway.pki.authority.revoke(stem="old-crl", days=(-10, -1))
    with required(gateway, "--tls-crl", old) as strict:
        refused(lambda: shake(strict, strict.pki.client))
        logs(strict, "connection.refused", "CRL has expired")


@suite.test
def a_resumed_session_keeps_its_certificate(gateway):
    with required(gateway) as strict:
        for version in BOTH:
            rules = context(strict, strict.pki.client, version)
            first = TlsSocket(connected(strict), rules).handshake()
            serves(first)
            second = TlsSocket(connected(strict), rules, session=first.tls.session).handshake()
            assert second.tls.session_reused
            serves(second)


def connected(gateway):
    return socket.create_connection(("127.0.0.1", gateway.stomps_port), 10)


@suite.test
def a_chain_that_is_too_large_is_refused(gateway):
    large = gateway.pki.authority.issue(
        "large", usage=CLIENT, names=tuple(f"DNS:{i}.{'x' * 60}.example" for i in range(700)))
    with required(gateway) as strict:
        refused(lambda: shake(strict, large))
        serves(shake(strict, strict.pki.client))


@suite.test
def files_that_are_wrong_refuse_the_start(gateway):
    pki, directory = gateway.pki, gateway.pki.directory
    cert, key, ca = pki.server.cert_file, pki.server.key_file, pki.authority.cert_file
    junk, open_key = directory + "/junk.pem", directory + "/open.key"
    write(junk, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with open(key, "rb") as file:
        write(open_key, file.read(), 0o644)
    one = ("--tls-cert", cert, "--tls-key", key)
    for flags, parts in (
            (("--tls-cert", "/no/such.pem", "--tls-key", key), ("tls-cert", "/no/such.pem", "such file")),
            (("--tls-cert", cert, "--tls-key", "/no/such.key"), ("tls-key", "/no/such.key", "such file")),
            (("--tls-cert", junk, "--tls-key", key), ("tls-cert", junk)),
            (("--tls-cert", cert, "--tls-key", junk), ("tls-key",)),
            (("--tls-cert", cert, "--tls-key", pki.client.key_file), ("tls-key", "mismatch")),
            (("--tls-cert", cert, "--tls-key", open_key), ("tls-key", open_key, "everybody")),
            (("--tls-cert", f"{cert},{cert}", "--tls-key", key), ("tls-key", "no key")),
            (one + ("--tls-verify", "required"), ("tls-ca",)),
            (one + ("--tls-verify", "maybe"), ("tls-verify", "maybe")),
            (one + ("--tls-verify", "required", "--tls-ca", junk), ("tls-ca", junk)),
            (one + ("--tls-verify", "required", "--tls-ca", ca, "--tls-crl", ca), ("tls-crl", ca)),
            (one + ("--tls-version", "1.1"), ("tls-version", "1.1")),
            (one + ("--tls-ciphers", "FASTEST"), ("tls-ciphers", "FASTEST")),
            (one + ("--tls-ciphersuites", "FASTEST"), ("tls-ciphersuites", "FASTEST"))):
        said = fails(gateway, *flags)
        for part in parts:
            has(said, part)


@suite.test
def an_encrypted_key_is_refused_without_asking_for_its_password(gateway):
    path = gateway.pki.directory + "/locked.key"
    subprocess.run(["openssl", "ec", "-in", gateway.pki.server.key_file, "-aes128", "-passout",
                    "pass:x", "-out", path], check=True, capture_output=True)
    os.chmod(path, 0o600)
    has(fails(gateway, "--tls-cert", gateway.pki.server.cert_file, "--tls-key", path), "tls-key")
