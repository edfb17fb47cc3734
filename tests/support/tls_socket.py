"""TLS with every step in the test's hand: it may send half a handshake, half a record, or close
its own direction only, which Python's own sockets cannot."""

import socket
import ssl

CHUNK = 65536


def client_context(authority, certificate=None, version=None):
    """Trusts one authority alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority.cert_file)
    if certificate is not None:
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class TlsSocket:
    """Has the methods of a socket that tests use."""

    def __init__(self, plain, context, name="localhost", session=None):
        self.plain = plain
        self.unsent = bytearray()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name,
                                    session=session)

    def handshake(self):
        self.run(self.tls.do_handshake)
        return self

    def run(self, call, *arguments):
        """Sends what the call has to say, and feeds it until it is content."""
        while True:
            try:
                result = call(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self.feed()
            except ssl.SSLError:
                self.flush()  # our alert
                raise

    def flush(self):
        self.unsent += self.outgoing.read()
        while self.unsent:
            del self.unsent[:self.plain.send(self.unsent)]

    def feed(self):
        data = self.plain.recv(CHUNK)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    # --- what wire.py asks of a socket

    def settimeout(self, seconds):
        self.plain.settimeout(seconds)

    def setsockopt(self, *option):
        self.plain.setsockopt(*option)

    def sendall(self, data):
        view = memoryview(data)
        for at in range(0, len(view), CHUNK):
            self.run(self.tls.write, view[at:at + CHUNK])

    def send(self, data):
        """Sends one record; what the peer does not take in time goes in front of the next."""
        self.flush()
        count = self.tls.write(data[:CHUNK // 4])
        self.flush()
        return count

    def recv(self, room):
        """b"" only after a close_notify; a cut raises ssl.SSLEOFError, which is an OSError."""
        while True:
            try:
                return self.tls.read(room)
            except ssl.SSLWantReadError:
                self.feed()
            except ssl.SSLZeroReturnError:
                return b""

    def say_close(self):
        """Sends close_notify; what the peer has to say can still be read."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def shutdown(self, how):
        if how != socket.SHUT_RD:
            self.say_close()
            self.plain.shutdown(socket.SHUT_WR)

    def close(self):
        self.plain.close()


def connect(port, context, name="localhost", session=None, timeout=30.0):
    plain = socket.create_connection(("127.0.0.1", port), timeout)
    return TlsSocket(plain, context, name, session).handshake()
