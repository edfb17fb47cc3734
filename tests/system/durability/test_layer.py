"""The disk layer itself: it loses what was not synced, all of that, and nothing else."""

import errno
import os
import subprocess
import sys
import tempfile
import time

import machine
import scribbler
from suite import Suite, equal
from undo_unsynced import undo_unsynced

suite = Suite("layer")
SCRIBBLER = os.path.abspath(scribbler.__file__)


class Desk:
    """A directory beneath the layer, and a process that works in it."""

    def __init__(self, lab):
        self.root = tempfile.TemporaryDirectory(prefix="sluice-desk-")
        self.data, self.undo = (os.path.join(self.root.name, n) for n in ("data", "undo"))
        os.mkdir(self.data)
        os.mkdir(self.undo)
        self.control = machine.DiskControl(os.path.join(self.root.name, "control"))
        self.environment = {**os.environ, "LD_PRELOAD": lab.layer, "DISK_DIR": self.data,
                            "DISK_CONTROL": self.control.path, "DISK_UNDO": self.undo}

    def run(self, *arguments):
        return subprocess.run([sys.executable, *arguments], env=self.environment, timeout=30,
                              capture_output=True, text=True)

    def code(self, text):
        result = self.run("-c", f"import os, time\nos.chdir({self.data!r})\n"
                                f"d = {self.data!r} + '/'\n" + text)
        equal(result.stderr, "")
        return result.stdout

    def files(self):
        found = {}
        for name in os.listdir(self.data):
            with open(os.path.join(self.data, name), "rb") as file:
                found[name] = file.read()
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.root.cleanup()


@suite.test
def what_was_not_synced_is_lost_and_nothing_else(lab):
    for seed in range(lab.seed, lab.seed + (200 if lab.is_long else 12)):
        with Desk(lab) as desk:
            status = desk.run(SCRIBBLER, desk.data, str(seed))
            equal((status.returncode, status.stderr), (-9, ""))
            undo_unsynced(desk.undo, desk.data)
            assert desk.files() == scribbler.expected(seed), f"seed {seed}"


@suite.test
def a_subset_keeps_every_synced_byte(lab):
    synced, unsynced = b"s" * 4096, b"u" * 4096
    seen = set()
    for seed in range(20):
        with Desk(lab) as desk:
            desk.code("f = os.open(d + 'f', os.O_RDWR | os.O_CREAT)\n"
                      "os.pwrite(f, b's' * 4096, 0); os.pwrite(f, b's' * 8192, 4096)\n"
                      "os.fdatasync(f)\n"
                      "os.fsync(os.open(d[:-1], os.O_RDONLY))\n"
                      "os.pwrite(f, b'u' * 4096, 4096)\n")
            undo_unsynced(desk.undo, desk.data, "subset", seed)
            data = desk.files()["f"]
            equal((len(data), data[:4096], data[8192:]), (12288, synced, synced))
            middle = data[4096:8192]
            sectors = {middle[i : i + 512] for i in range(0, 4096, 512)}
            assert sectors <= {b"s" * 512, b"u" * 512}, "torn inside a sector"
            seen.add("new" if middle == unsynced else "old" if middle == synced else "torn")
    equal(seen, {"new", "old", "torn"})


@suite.test
def a_failed_sync_loses_its_bytes_for_good(lab):
    with Desk(lab) as desk:
        desk.control.fail(machine.SYNC, errno.EIO, first=2)
        desk.code("f = os.open(d + 'f', os.O_RDWR | os.O_CREAT)\n"
                  "os.pwrite(f, b'one', 0)\n"
                  "os.fsync(os.open(d[:-1], os.O_RDONLY))\n"
                  "try:\n    os.fdatasync(f)\nexcept OSError as e:\n    assert e.errno == 5\n"
                  "os.pwrite(f, b'two', 3)\n"
                  "os.fdatasync(f)\n")
        desk.control.heal()
        equal(desk.files()["f"], b"onetwo")  # as the page cache still shows it
        desk.code("f = os.open(d + 'f', os.O_RDWR); os.fdatasync(f)")
        undo_unsynced(desk.undo, desk.data)
        equal(desk.files()["f"], b"\0\0\0two")


@suite.test
def what_was_lost_and_written_again_is_there(lab):
    with Desk(lab) as desk:
        desk.control.fail(machine.SYNC, errno.EIO, first=2)
        desk.code("f = os.open(d + 'f', os.O_RDWR | os.O_CREAT)\n"
                  "os.pwrite(f, b'one', 0)\n"
                  "os.fsync(os.open(d[:-1], os.O_RDONLY))\n"
                  "try:\n    os.fdatasync(f)\nexcept OSError as e:\n    assert e.errno == 5\n")
        desk.code("f = os.open(d + 'f', os.O_RDWR)\nos.pwrite(f, b'one', 0)\nos.fdatasync(f)\n")
        undo_unsynced(desk.undo, desk.data)
        equal(desk.files()["f"], b"one")


@suite.test
def calls_fail_when_told_and_only_then(lab):
    calls = {machine.WRITE: "os.pwrite(f, b'x', 0)", machine.SYNC: "os.fdatasync(f)",
             machine.OPEN: "os.open(d + 'g', os.O_RDWR | os.O_CREAT)",
             machine.ALLOCATE: "os.posix_fallocate(f, 0, 10)", machine.READ: "os.pread(f, 1, 0)",
             machine.CHANGE: "os.ftruncate(f, 1)"}
    for call, text in calls.items():
        with Desk(lab) as desk:
            skip = 2 if call == machine.OPEN else 1
            desk.control.fail(call, errno.ENOSPC, first=skip + 1)
            said = desk.code("f = os.open(d + 'f', os.O_RDWR | os.O_CREAT)\n"
                             "for _ in range(3):\n"
                             f"    try:\n        {text}\n        print('ok')\n"
                             "    except OSError as e:\n        print(e.errno)\n")
            equal(said.split(), ["ok", str(errno.ENOSPC), "ok"], machine.CALLS[call])
            equal(desk.control.get("failed"), 1)


@suite.test
def other_directories_are_left_alone(lab):
    with Desk(lab) as desk:
        desk.control.fail(machine.OPEN, errno.EIO, first=1, last=machine.FOREVER)
        desk.code(f"f = os.open({desk.root.name!r} + '/elsewhere', os.O_RDWR | os.O_CREAT)\n"
                  "os.pwrite(f, b'x', 0)\n")
        desk.control.heal()
        desk.code("f = os.open(d + 'a.lock', os.O_RDWR | os.O_CREAT)\nos.pwrite(f, b'x', 0)\n")
        undo_unsynced(desk.undo, desk.data)
        equal(desk.files(), {"a.lock": b"x"})
        equal(os.path.exists(os.path.join(desk.root.name, "elsewhere")), True)


@suite.test
def a_sync_takes_as_long_as_told(lab):
    with Desk(lab) as desk:
        desk.control.put("sync_delay_ms", 1000)
        began = time.monotonic()
        said = desk.code("f = os.open(d + 'f', os.O_RDWR | os.O_CREAT)\n"
                         "t = time.monotonic(); os.pwrite(f, b'x', 0)\n"
                         "u = time.monotonic(); os.fdatasync(f)\n"
                         "print(u - t < 0.9 and time.monotonic() - u > 0.999)\n")
        equal(said.strip(), "True")
        assert time.monotonic() - began > 1


@suite.test
def a_process_is_killed_just_before_or_just_after_a_name_changes(lab):
    wanted = {machine.NAME_CHECKPOINT: "os.rename(d + 'new', d + 'checkpoint')",
              machine.NAME_SEGMENT: "os.rename(d + 'new', d + '1.log')",
              machine.NAME_RECYCLE: "os.rename(d + '0.log', d + 'next')",
              machine.NAME_REMOVE: "os.unlink(d + '0.log')"}
    for change, text in wanted.items():
        for is_made in (False, True):
            with Desk(lab) as desk:
                desk.control.die(change, 1, is_made)
                result = desk.run("-c", f"import os\nd = {desk.data!r} + '/'\n"
                                        "for n in ('new', '0.log'):\n"
                                        "    os.close(os.open(d + n, os.O_RDWR | os.O_CREAT))\n"
                                        f"{text}\nprint('on')\n")
                equal((result.returncode, result.stdout), (-9, ""), machine.NAMES[change])
                is_old = sorted(desk.files()) == ["0.log", "new"]
                equal(is_old, not is_made, machine.NAMES[change])


@suite.test
def a_start_that_is_cut_off_at_once_can_be_forgotten(lab):
    with machine.Machine(lab.binary, layer=lab.layer, forgets=True) as gateway:
        gateway.power_off()
        for _ in range(5):
            gateway.interrupted_start(0.0)
            gateway.forget()
        gateway.power_on()
