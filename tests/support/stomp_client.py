"""A small raw STOMP client for tests: frames in, frames out, nothing hidden."""

import itertools
import time
from collections import deque

from wire import TIMEOUT, Closed, Late, Wire

ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", ":": "\\c"}
UNESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\c": ":"}


def escape(text):
    return "".join(ESCAPES.get(c, c) for c in text)


def unescape(text):
    out, i = [], 0
    while i < len(text):
        if text[i] == "\\":
            out.append(UNESCAPES[text[i : i + 2]])
            i += 2
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


def encode(command, headers=None, body=b"", end=b"\0"):
    lines = [command] + [f"{escape(k)}:{escape(str(v))}" for k, v in (headers or {}).items()]
    return "\n".join(lines).encode() + b"\n\n" + body + end


class Frame:
    def __init__(self, command, pairs, body):
        self.command, self.pairs, self.body = command, pairs, body
        self.headers = {}
        for name, value in pairs:
            self.headers.setdefault(name, value)

    def __repr__(self):
        return f"{self.command} {self.headers} {self.body[:200]!r}"


class ErrorFrame(Exception):
    """An ERROR came where something else was awaited."""

    def __init__(self, frame):
        super().__init__(repr(frame))
        self.frame = frame
        self.message = frame.headers.get("message", "")
        self.body = frame.body.decode("utf-8", "replace")


class Connection:
    def __init__(self, port, host="127.0.0.1", receive_buffer=None, source=None):
        self.prepare(Wire(port, host, receive_buffer, source))

    def prepare(self, wire):
        self.wire = wire
        self.frames = deque()
        self.beats_seen = 0
        self.version = "1.2"
        self.receipts = itertools.count(1)

    # --- frames

    def send(self, command, headers=None, body=b""):
        self.wire.send(encode(command, headers, body))

    def ask(self, command, headers=None, body=b"", timeout=TIMEOUT):
        """Sends with a receipt and waits for it."""
        receipt = f"r-{next(self.receipts)}"
        self.send(command, {**(headers or {}), "receipt": receipt}, body)
        return self.receipt(receipt, timeout)

    def receipt(self, receipt, timeout=TIMEOUT):
        return self.wait(lambda f: f.command == "RECEIPT" and f.headers["receipt-id"] == receipt,
                         timeout)

    def wait(self, matches, timeout=TIMEOUT):
        """The next frame that matches; others keep their order; an ERROR is raised."""
        deadline = time.monotonic() + timeout
        while True:
            for i, frame in enumerate(self.frames):
                if matches(frame):
                    del self.frames[i]
                    return frame
                if frame.command == "ERROR":
                    del self.frames[i]
                    raise ErrorFrame(frame)
            self.frames.append(self.read_frame(deadline))

    def error(self, timeout=TIMEOUT):
        return self.wait(lambda f: f.command == "ERROR", timeout)

    def message(self, timeout=TIMEOUT, subscription=None):
        return self.wait(lambda f: f.command == "MESSAGE" and subscription in
                         (None, f.headers.get("subscription")), timeout)

    def read_frame(self, deadline):
        command = self.read_line(deadline)
        while command == "":
            self.beats_seen += 1
            command = self.read_line(deadline)
        pairs = []
        while True:
            line = self.read_line(deadline)
            if line == "":
                break
            name, _, value = line.partition(":")
            pairs.append((unescape(name), unescape(value)))
        length = dict(pairs).get("content-length")
        if length is not None:
            body = self.wire.read(int(length), deadline)
            assert self.wire.read(1, deadline) == b"\0", "no NUL behind the counted body"
        else:
            body = self.read_to(b"\0", deadline)
        return Frame(command, pairs, body)

    def read_line(self, deadline):
        return self.read_to(b"\n", deadline).decode("utf-8", "surrogateescape")

    def read_to(self, mark, deadline):
        while True:
            at = self.wire.unread.find(mark)
            if at >= 0:
                data = bytes(self.wire.unread[:at])
                del self.wire.unread[: at + 1]
                return data
            self.wire.fill(deadline)

    def beat_within(self, timeout):
        """Waits for one more heart-beat; other frames are kept."""
        seen, deadline = self.beats_seen, time.monotonic() + timeout
        while self.beats_seen == seen:
            while self.wire.unread[:1] == b"\n":
                self.beats_seen += 1
                del self.wire.unread[:1]
            if self.beats_seen == seen and self.wire.unread:
                self.frames.append(self.read_frame(deadline))
            elif self.beats_seen == seen:
                self.wire.fill(deadline)

    # --- the usual conversation

    def open(self, version="1.2", heart_beat=None, host="/", login="guest", passcode="guest",
             **headers):
        wanted = {"accept-version": version, "host": host}
        if version == "1.0":
            wanted = {}
        if login is not None:
            wanted.update(login=login, passcode=passcode)
        if heart_beat:
            wanted["heart-beat"] = heart_beat
        self.send("CONNECT", {**wanted, **headers})
        self.connected = self.wait(lambda f: f.command == "CONNECTED")
        self.version = self.connected.headers["version"]
        return self

    def publish(self, destination, body=b"", **headers):
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        self.send("SEND", {"destination": destination, **named, "content-length": len(body)}, body)

    def subscribe(self, destination, id="s", ack="auto", **headers):
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        self.ask("SUBSCRIBE", {"destination": destination, "id": id, "ack": ack, **named})

    def ack(self, message, **headers):
        self.send("ACK", {**self.reference(message), **headers})

    def nack(self, message, **headers):
        self.send("NACK", {**self.reference(message), **headers})

    def reference(self, message):
        if self.version == "1.2":
            return {"id": message.headers["ack"]}
        reference = {"message-id": message.headers["message-id"]}
        if "subscription" in message.headers:
            reference["subscription"] = message.headers["subscription"]
        return reference

    def close(self):
        self.ask("DISCONNECT")
        self.wire.close()

    def kill(self):
        self.wire.kill()


def connect(broker, **options):
    return Connection(broker.stomp_port).open(**options)


__all__ = ["Closed", "Connection", "ErrorFrame", "Frame", "Late", "connect", "encode"]
