"""A gateway on a machine that can lose its power: killed, made to forget, started again."""

import contextlib
import mmap
import os
import signal
import struct
import subprocess
import time

import scratch
from broker import Broker, free_port
from suite import wait_until
from undo_unsynced import undo_unsynced, unsynced_bytes

WRITE, SYNC, OPEN, ALLOCATE, READ, CHANGE = range(6)
CALLS = ("write", "sync", "open", "allocate", "read", "change")
NAME_CHECKPOINT, NAME_SEGMENT, NAME_RECYCLE, NAME_REMOVE = range(1, 5)
NAMES = ("", "checkpoint", "segment", "recycle", "remove")
FOREVER = 2**63


class DiskControl:
    """struct disk_control of preload_medium.h, shared with the process."""

    FIELDS = ("sync_delay_ms", "fail_call", "fail_first", "fail_last", "fail_errno", "failed",
              "die_at", "die_in", "die_after")

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.write(bytes(8 * (len(self.FIELDS) + len(CALLS))))
        with open(path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 0)

    def put(self, field, value):
        struct.pack_into("<Q", self.shared, 8 * self.FIELDS.index(field), value)

    def get(self, field):
        return struct.unpack_from("<Q", self.shared, 8 * self.FIELDS.index(field))[0]

    def calls(self, call):
        return struct.unpack_from("<Q", self.shared, 8 * (len(self.FIELDS) + call))[0]

    def fail(self, call, errno, first=1, last=None):
        """From now on the first-th such call fails, or all from it up to the last-th."""
        before = self.calls(call)
        self.put("fail_first", 0)
        self.put("fail_call", call)
        self.put("fail_errno", errno)
        self.put("fail_last", before + (first if last is None else last))
        self.put("fail_first", before + first)

    def die(self, change, nth, is_made):
        """At the nth change of that kind to a name the process is killed: just before it or just
        after it."""
        self.put("die_in", 0)
        self.put("die_at", change)
        self.put("die_after", is_made)
        self.put("die_in", nth)

    def live(self):
        self.put("die_in", 0)

    def heal(self):
        self.put("fail_first", 0)


class ClockControl:
    """The seconds that preload_clock.c adds."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.write(bytes(8))
        with open(path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 0)

    def set(self, seconds):
        struct.pack_into("<q", self.shared, 0, seconds)


class Machine(Broker):
    """Not started yet after the constructor.  layer, clock_layer: paths of the preloaded ones."""

    def __init__(self, binary, *flags, layer=None, clock_layer=None, forgets=False, workers=2,
                 data=None):
        self.binary, self.workers = binary, workers
        self.flags = ("--shutdown-timeout-ms", "1000", *flags)
        self.directory = scratch.make()
        self.log_path = os.path.join(self.directory, "log")
        open(self.log_path, "wb").close()
        self.data = os.path.join(self.directory, "data")
        if data:
            os.symlink(data, self.data)
        self.undo = os.path.join(self.directory, "undo") if forgets else None
        self.disk = None
        self.clock = ClockControl(os.path.join(self.directory, "clock"))
        self.environment = {**os.environ, "CLOCK_CONTROL": self.clock.path,
                            "LD_PRELOAD": " ".join(filter(None, (layer, clock_layer)))}
        if layer:
            os.makedirs(self.data, exist_ok=True)
            self.disk = DiskControl(os.path.join(self.directory, "control"))
            self.environment.update(DISK_DIR=self.data, DISK_CONTROL=self.disk.path)
        if forgets:
            os.mkdir(self.undo)
            self.environment["DISK_UNDO"] = self.undo

    @contextlib.contextmanager
    def frozen(self):
        self.process.send_signal(signal.SIGSTOP)
        try:
            while self.state() != "T":
                time.sleep(0.0001)
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def state(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    def unsynced_bytes(self):
        """What a power cut would take now."""
        return unsynced_bytes(self.undo, self.data)

    def on_end(self):
        """Called before the process is made to end; a test may put another one here."""

    def terminate(self, timeout=30.0):
        self.on_end()
        return super().terminate(timeout)

    def kill(self):
        self.on_end()
        super().kill()

    def power_on(self):
        for _ in range(5):  # a port may be taken between the choice and the bind
            if self.start():
                return self
        raise RuntimeError("no free port")

    def read_ready(self):
        """Without a ready line the process is ending: its status is wanted."""
        ready = super().read_ready()
        if not ready:
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                pass
        return ready

    def tries_to_start(self):
        try:
            self.power_on()
            return True
        except RuntimeError:
            return False

    def power_off(self, mode="all", seed=0):
        """kill -9; what was not synced is gone if the disk forgets."""
        self.kill()
        return self.forget(mode, seed)

    def forget(self, mode="all", seed=0):
        return undo_unsynced(self.undo, self.data, mode, seed) if self.undo else None

    def __enter__(self):
        return self.power_on()

    def interrupted_start(self, seconds):
        """Starts and is killed before it may be ready, but not before the layer keeps notes."""
        command = ["setpriv", "--pdeathsig", "KILL", "--", self.binary, "--bind", "127.0.0.1",
                   "--amqp-port", "0", "--stomp-port", str(free_port()), "--data-dir", self.data]
        with open(self.log_path, "ab") as log:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log,
                                       env=self.environment)
        try:
            if self.undo:
                wait_until(lambda: process.poll() is not None or self.has_notes(), "its notes")
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()

    def has_notes(self):
        return os.path.exists(os.path.join(self.undo, "journal"))
