"""Both ways of asking: the command, and HTTP over the socket."""

import json
import os
import socket
import subprocess


def data_dir(gateway):
    return os.path.join(gateway.directory, "data")


def socket_path(gateway):
    return os.path.join(data_dir(gateway), "sluice.sock")


def run(gateway, *arguments):
    """Gives (exit status, standard output, standard error)."""
    binary = os.path.join(os.path.dirname(os.path.abspath(gateway.binary)), "sluicectl")
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def listing(gateway, what):
    status, out, error = run(gateway, "--data-dir", data_dir(gateway), "--format", "json",
                             "list", what)
    assert status == 0, error
    return json.loads(out)


class Caller:
    """One connection to the socket."""

    def __init__(self, gateway):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(socket_path(gateway))  # waits while too many are there
        self.socket.settimeout(30)
        self.unread = b""

    def send(self, data):
        self.socket.sendall(data)

    def fill(self):
        data = self.socket.recv(65536)
        self.unread += data
        return data

    def answer(self, has_body=True):
        """(status, headers, body)"""
        while b"\r\n\r\n" not in self.unread:
            if not self.fill():
                raise EOFError(self.unread)
        head, self.unread = self.unread.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["content-length"]) if has_body else 0
        while len(self.unread) < length:
            if not self.fill():
                raise EOFError(self.unread)
        body, self.unread = self.unread[:length], self.unread[length:]
        return int(first.split()[1]), headers, body

    def get(self, path, method="GET"):
        self.send(f"{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        status, headers, body = self.answer(method != "HEAD")
        return status, json.loads(body) if body else None

    def ends(self):
        """True when the gateway closes."""
        try:
            while self.fill():
                pass
        except ConnectionError:
            pass
        return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def get(gateway, path):
    with Caller(gateway) as caller:
        return caller.get(path)
