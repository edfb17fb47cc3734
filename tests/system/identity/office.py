"""Users and virtual hosts of a test, made over the admin socket."""

import json
import os
import socket
import urllib.parse


def quote(name):
    return urllib.parse.quote(name, safe="")


class Office:
    """One caller of the admin socket at a time."""

    def __init__(self, gateway):
        self.path = os.path.join(gateway.directory, "data", "sluice.sock")

    def ask(self, method, path, body=None):
        """(status, JSON or None)"""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} /api/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.path)
            s.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body) if body else None

    def do(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        assert status < 300, (method, path, status, answer)
        return answer

    def get(self, path):
        return self.do("GET", path)

    def user(self, name, password="secret", vhost="/", **rest):
        """With every permission, or those given: configure, write, read."""
        permission = {k: rest.pop(k, ".*") for k in ("configure", "write", "read")}
        self.do("PUT", f"users/{quote(name)}", {"password": password, "tags": "", **rest})
        if vhost is not None:
            self.permit(name, vhost, **permission)
        return {"user": name, "password": password}

    def permit(self, name, vhost="/", **permission):
        self.do("PUT", f"permissions/{quote(vhost)}/{quote(name)}",
                {"configure": "", "write": "", "read": "", **permission})

    def topics(self, name, exchange, write, read, vhost="/"):
        self.do("PUT", f"topic-permissions/{quote(vhost)}/{quote(name)}",
                {"exchange": exchange, "write": write, "read": read})

    def vhost(self, name, **rest):
        self.do("PUT", f"vhosts/{quote(name)}", rest)
        return name

    def limit(self, name, limit, value):
        self.do("PUT", f"user-limits/{quote(name)}/{limit}", {"value": value})

    def vhost_limit(self, name, limit, value):
        self.do("PUT", f"vhost-limits/{quote(name)}/{limit}", {"value": value})
