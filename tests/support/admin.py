"""The admin socket of a gateway, one call at a time."""

import http.client
import json
import os
import socket
import urllib.parse


class Refused(Exception):
    def __init__(self, status, answer):
        super().__init__(f"{status}: {answer}")
        self.status = status
        self.reason = answer.get("reason", "") if isinstance(answer, dict) else str(answer)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def call(broker, method, *path, body=None, query=""):
    """Gives what is answered; Refused when that is no success.  The path comes in its pieces."""
    quoted = "/".join(urllib.parse.quote(piece, safe="") for piece in path)
    connection = UnixConnection(os.path.join(broker.directory, "data", "sluice.sock"))
    data = None if body is None else json.dumps(body).encode()
    connection.request(method, f"/api/{quoted}{query}", data)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    said = json.loads(text) if text else None
    if answer.status >= 300:
        raise Refused(answer.status, said)
    return said


def get(broker, *path, **named):
    return call(broker, "GET", *path, **named)


def put(broker, *path, **body):
    return call(broker, "PUT", *path, body={k.replace("_", "-"): v for k, v in body.items()})


def delete(broker, *path):
    return call(broker, "DELETE", *path)


class Policy:
    """A policy while the block lasts, of exactly the objects with this name unless told."""

    def __init__(self, broker, on, definition, kind="policies", name=None, **fields):
        self.broker, self.kind, self.name = broker, kind, name or f"of-{on}"
        self.body = {"pattern": f"^{on}$", "definition": definition, **fields}

    def __enter__(self):
        put(self.broker, self.kind, "/", self.name, **self.body)
        return self

    def __exit__(self, *_):
        delete(self.broker, self.kind, "/", self.name)
