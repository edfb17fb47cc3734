"""Certificates are exchanged while connections live."""

import os
import shutil
import signal
import socket
import threading

from cryptography import x509

from certificates import write
from suite import Suite, equal, has, wait_until
from tls_socket import TlsSocket
from world import context, logs, own, refused, required, serves, shake

suite = Suite("reload")


def shown(gateway):
    """The serial number of the certificate that new connections get."""
    tls = shake(gateway)
    der = tls.tls.getpeercert(binary_form=True)
    tls.close()
    return x509.load_der_x509_certificate(der).serial_number


def put(source, target):
    shutil.copy(source, target + ".new")
    os.rename(target + ".new", target)


def reload(gateway):
    gateway.process.send_signal(signal.SIGHUP)


@suite.test
def new_connections_get_the_new_certificate_and_old_ones_stay(gateway):
    authority = gateway.pki.authority
    first, second = authority.server("reload-1"), authority.server("reload-2")
    with own(gateway, server=first) as live:
        before = serves(shake(live))
        equal(shown(live), first.certificate.serial_number)
        put(second.key_file, first.key_file)
        put(second.cert_file, first.cert_file)
        reload(live)
        wait_until(lambda: shown(live) == second.certificate.serial_number, "the new one is shown")
        before.ask("SEND", {"destination": "/topic/nowhere"}, b"x")


@suite.test
def bad_files_keep_the_old_certificate(gateway):
    authority = gateway.pki.authority
    one, other = authority.server("keep-1"), authority.server("keep-2")
    with own(gateway, server=one) as live:
        for spoil in (lambda: put(other.key_file, one.key_file),
                      lambda: write(one.cert_file, b"junk"), lambda: os.unlink(one.cert_file)):
            count = live.log_text().count("tls.reload")
            spoil()
            reload(live)
            wait_until(lambda c=count: live.log_text().count("tls.reload") > c, "it is logged")
            equal(shown(live), one.certificate.serial_number)
        logs(live, "tls.reload", "error", one.cert_file)
        serves(shake(live))


@suite.test
def a_revoked_client_does_not_come_back_by_its_ticket(gateway):
    authority = gateway.pki.authority
    client = authority.client("soon-revoked")
    path = authority.revoke(stem="reload-crl")
    with required(gateway, "--tls-crl", path) as live:
        rules = context(live, client)

        def connect(session=None):
            plain = socket.create_connection(("127.0.0.1", live.stomps_port), 10)
            return TlsSocket(plain, rules, session=session).handshake()

        first = connect()
        connection = serves(first)
        assert connect(first.tls.session).tls.session_reused
        authority.revoke(client, stem="reload-crl")
        count = live.log_text().count("config.reload")
        reload(live)
        wait_until(lambda: live.log_text().count("config.reload") > count, "the reload is done")
        refused(lambda: connect(first.tls.session))
        logs(live, "connection.refused", "certificate revoked")
        connection.ask("SEND", {"destination": "/topic/nowhere"}, b"x")  # who is in stays in


@suite.test
def nothing_fails_while_certificates_change(gateway):
    """Clients come, work and go while the files are exchanged again and again."""
    authority = gateway.pki.authority
    pairs = [authority.server(f"load-{i}") for i in range(2)]
    both = os.path.join(gateway.pki.directory, "load-both.pem")

    def choose(pair):
        with open(pair.cert_file, "rb") as cert, open(pair.key_file, "rb") as key:
            write(both, cert.read() + key.read(), 0o600)

    choose(pairs[0])
    with own(gateway, "--tls-key", "", "--tls-cert", both) as live:
        stop, troubles, rounds = threading.Event(), [], [0] * 4

        def work(number):
            lasting = serves(shake(live))
            while not stop.is_set():
                try:
                    serves(shake(live)).wire.socket.close()
                    lasting.ask("SEND", {"destination": "/topic/nowhere"}, b"x" * 2000)
                    rounds[number] += 1
                except Exception as error:  # any at all breaks the promise
                    troubles.append(repr(error))
                    return

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for i in range(30):
            choose(pairs[i % 2])
            goal = sum(rounds) + 8
            reload(live)
            wait_until(lambda g=goal: sum(rounds) >= g or troubles, "clients go on")
        stop.set()
        for thread in threads:
            thread.join()
        equal(troubles, [])
        assert live.log_text().count("tls.certificate") > 20
        has(live.log_text(), "config.reload")
