"""What the suites share: an authority, gateways with certificates, and clients inside TLS."""

import contextlib
import ssl
import subprocess

import broker as brokers
import stomp_client
import tls_socket
from certificates import Authority
from suite import has, wait_until
from wire import Wire

LOGIN_TIMEOUT_MS = 5000


class Pki:
    """One authority, and what it has issued for most of the tests."""

    def __init__(self, directory):
        self.directory = directory
        self.authority = Authority(directory)
        self.server = self.authority.server()
        self.client = self.authority.client(subject="CN=shop,O=Acme", names=("DNS:shop.example",))


def start(binary, pki, *flags, workers=1, server=None):
    """A gateway with two more ports, for what comes inside TLS."""
    amqps, stomps = brokers.free_port(), brokers.free_port()
    gateway = brokers.Broker(binary, "--amqps-port", str(amqps), "--stomps-port", str(stomps),
                             "--login-timeout-ms", str(LOGIN_TIMEOUT_MS), "--log-level", "debug",
                             *(server or pki.server).flags, *flags, workers=workers)
    gateway.amqps_port, gateway.stomps_port, gateway.pki = amqps, stomps, pki
    return gateway


@contextlib.contextmanager
def own(shared, *flags, **options):
    """A gateway for one test."""
    with start(shared.binary, shared.pki, *flags, workers=shared.workers, **options) as gateway:
        yield gateway


def required(shared, *flags):
    """A gateway for one test that lets nobody in without a certificate."""
    return own(shared, "--tls-ca", shared.pki.authority.cert_file, "--tls-verify", "required",
               *flags)


def context(gateway, certificate=None, version=None):
    return tls_socket.client_context(gateway.pki.authority, certificate, version)


def shake(gateway, certificate=None, version=None, name="localhost", session=None):
    """A connection inside TLS that says nothing yet."""
    return tls_socket.connect(gateway.stomps_port, context(gateway, certificate, version), name,
                              session)


def wire_on(socket):
    """The test's own reading and writing over a socket that is there already."""
    wire = Wire.__new__(Wire)
    wire.socket, wire.unread = socket, bytearray()
    return wire


def stomp_on(socket):
    """A STOMP connection over a socket; not yet open."""
    connection = stomp_client.Connection.__new__(stomp_client.Connection)
    stomp_client.Connection.prepare(connection, wire_on(socket))
    return connection


def serves(socket):
    """Logs in and asks for an answer: the whole way through."""
    connection = stomp_on(socket).open()
    connection.ask("SEND", {"destination": "/topic/nowhere"}, b"x")
    return connection


def s_client(port, *flags, say=b""):
    """openssl s_client; gives all that it prints."""
    result = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}",
                             "-servername", "localhost", *flags], input=say,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return result.stdout.decode(errors="replace")


def logs(gateway, *parts):
    """Waits for a line with all of them."""
    wait_until(lambda: any(all(part in line for part in parts)
                           for line in gateway.log_text().splitlines()), f"the log says {parts}")


def refused(call, *arguments):
    """The peer says no within TLS or by closing; gives what OpenSSL says."""
    try:
        socket = call(*arguments)
        socket.settimeout(30)
        data = socket.recv(100)  # in TLS 1.3 the client hears it after its own handshake
    except (ssl.SSLError, ConnectionError) as error:
        return str(error)
    assert data == b"", f"it was let in, and heard {data!r}"
    return "closed"


__all__ = ["LOGIN_TIMEOUT_MS", "Pki", "context", "has", "logs", "own", "refused", "required",
           "s_client", "serves", "shake", "start", "stomp_on", "wire_on"]
