"""A TCP connection with deadlines: every read ends with bytes, Closed or Late."""

import socket
import struct
import time

TIMEOUT = 30.0  # generous: sanitizer builds on a busy machine


class Closed(Exception):
    """The other side closed, or reset, the connection."""


class Late(Exception):
    """The deadline passed first."""


class Wire:
    wrap = None  # a function that makes an encrypted socket of a plain one

    def __init__(self, port, host="127.0.0.1", receive_buffer=None, source=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(TIMEOUT)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if Wire.wrap:
            self.socket = Wire.wrap(self.socket)
        self.unread = bytearray()

    def send(self, data, timeout=TIMEOUT):
        self.socket.settimeout(timeout)
        try:
            self.socket.sendall(data)
        except socket.timeout:
            raise Late(f"the peer did not take {len(data)} bytes") from None
        except OSError as error:
            raise Closed(str(error)) from None

    def send_what_fits(self, data, timeout):
        """Sends until the peer stops reading for timeout; gives the number of bytes taken."""
        sent = 0
        self.socket.settimeout(timeout)
        view = memoryview(data)
        while sent < len(data):
            try:
                sent += self.socket.send(view[sent : sent + 65536])
            except socket.timeout:
                break
            except OSError as error:
                raise Closed(str(error)) from None
        return sent

    def fill(self, deadline):
        """Appends what comes to self.unread."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise Late("nothing came in time")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(262144)
        except socket.timeout:
            raise Late("nothing came in time") from None
        except OSError as error:
            raise Closed(str(error)) from None
        if not data:
            raise Closed("end of stream")
        self.unread += data

    def read(self, count, deadline):
        while len(self.unread) < count:
            self.fill(deadline)
        data = bytes(self.unread[:count])
        del self.unread[:count]
        return data

    def read_to_end(self, timeout=TIMEOUT):
        """Everything until the peer closes; Late when it does not."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.fill(deadline)
        except Closed:
            data = bytes(self.unread)
            self.unread.clear()
            return data

    def close(self):
        self.socket.close()

    def finish(self, timeout=TIMEOUT):
        """Ends our half, so that all that was sent is read, and takes what comes until the end."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        data = self.read_to_end(timeout)
        self.close()
        return data

    def kill(self):
        """Resets the connection, as a dying machine would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
