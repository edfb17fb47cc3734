"""What the Python checks share: ports, a connected stomp.py client, and the run."""

import logging
import os
import queue
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/support"))

import stomp  # noqa: E402
from suite import run_suite, wait_until  # noqa: E402

TIMEOUT = 30
logging.getLogger("stomp.py").addHandler(logging.NullHandler())  # it tells of every end


class Ports:
    """The gateway, as its environment tells."""

    amqp = int(os.environ["AMQP_PORT"])
    stomp = int(os.environ["STOMP_PORT"])
    is_sluice = True


class Login:
    """A user that may enter one virtual host alone, and there what begins with its name."""

    user, password, vhost = (os.environ.get(f"LOGIN_{name}") for name in
                             ("USER", "PASSWORD", "VHOST"))


class Tls:
    """Where an authority is named, everything is inside TLS; where a certificate is, it is ours."""

    ca, cert, key = (os.environ.get(name) for name in ("TLS_CA", "TLS_CERT", "TLS_KEY"))

    @classmethod
    def context(cls):
        context = ssl.create_default_context(cafile=cls.ca)
        if cls.cert:
            context.load_cert_chain(cls.cert, cls.key)
        return context


RESTART = os.environ.get("GATEWAY_RESTART")


def restart():
    """Comes back when the gateway is ready again, on its ports and with its data directory."""
    subprocess.run(RESTART, shell=True, check=True)


def test_with(suite, what, alone=False):
    """Marks a test that makes no sense where this was not given to us."""
    return suite.test(alone=alone) if what else lambda function: function


def pika_parameters(**options):
    import pika
    if Tls.ca:
        options["ssl_options"] = pika.SSLOptions(Tls.context(), "127.0.0.1")
    return pika.ConnectionParameters("127.0.0.1", Ports.amqp, **options)


def over_tls(connection):
    """Tells stomp.py about it."""
    if Tls.ca:
        connection.set_ssl([("127.0.0.1", Ports.stomp)], ca_certs=Tls.ca, cert_file=Tls.cert,
                           key_file=Tls.key)
    return connection


class Inbox(stomp.ConnectionListener):
    """Keeps what stomp.py's own thread hands over."""

    def __init__(self):
        self.messages, self.errors, self.receipts = queue.Queue(), queue.Queue(), queue.Queue()

    def on_message(self, frame):
        self.messages.put(frame)

    def on_error(self, frame):
        self.errors.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def next(self):
        return self.messages.get(timeout=TIMEOUT)

    def wait_receipt(self, name):
        while self.receipts.get(timeout=TIMEOUT) != name:
            pass


def stomp_connection(kind=stomp.Connection12, login=("guest", "guest"), headers=None, **options):
    """Gives (connection, inbox).  Inside TLS it may try again: stomp.py reads and writes one
    SSLSocket from two threads, which Python does not guard, and of some hundred CONNECTs one is
    lost, with any server."""
    for tries_left in (2, 1, 0) if Tls.ca else (0,):
        connection, inbox = over_tls(kind([("127.0.0.1", Ports.stomp)], **options)), Inbox()
        connection.set_listener("inbox", inbox)
        try:
            connection.connect(*login, wait=True, headers=headers)
            return connection, inbox
        except (stomp.exception.ConnectFailedException, ssl.SSLError):
            if not tries_left or not inbox.errors.empty():  # it was heard, and refused
                raise
            print("  stomp.py lost its CONNECT inside TLS: once more", flush=True)
    raise AssertionError


def wait_for_its_end(connection):
    """After most errors the gateway closes, and stomp.py's own thread with it: a disconnect beside
    that may find the socket closed under its hands."""
    wait_until(lambda: not connection.is_connected(), "stomp.py to see the end", TIMEOUT)


def run(suite):
    tally = run_suite(suite, Ports, threads=1, verbose=True)
    print(tally)
    sys.stdout.flush()
    os._exit(1 if tally.failed else 0)  # client threads must not hold the process
