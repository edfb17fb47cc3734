"""Scribbles into a directory by a seed, and ends by SIGKILL.  Run beneath preload_disk.so.

The same code computes what must be left: see expected().
"""

import os
import random
import signal
import sys

STEPS = 400


def steps(seed):
    """(operation, name, number, number) each; names are few, so that things meet."""
    choice = random.Random(seed)
    for _ in range(STEPS):
        yield (choice.choice(["write"] * 6 + ["sync", "sync", "sync_dir", "create", "resize",
                                              "rename", "unlink", "allocate"]),
               choice.choice("abcd"), choice.randrange(20000), choice.randrange(1, 3000))


def content(at, count):
    return bytes((at * 31 + i * 7 + count) % 255 + 1 for i in range(count))


class Real:
    """Does it."""

    def __init__(self, directory):
        self.at = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.open = {}

    def create(self, name, *_):
        if name not in self.open:
            self.open[name] = os.open(name, os.O_RDWR | os.O_CREAT, dir_fd=self.at)

    def write(self, name, at, count):
        if name in self.open:
            os.pwrite(self.open[name], content(at, count), at)

    def resize(self, name, at, _):
        if name in self.open:
            os.ftruncate(self.open[name], at)

    def allocate(self, name, at, count):
        if name in self.open:
            os.posix_fallocate(self.open[name], at, count)

    def sync(self, name, *_):
        if name in self.open:
            os.fdatasync(self.open[name])

    def sync_dir(self, *_):
        os.fsync(self.at)

    def rename(self, name, *_):
        if name in self.open:
            os.rename(name, name + "2", src_dir_fd=self.at, dst_dir_fd=self.at)
            os.close(self.open.pop(name))

    def unlink(self, name, *_):
        if name in self.open:
            os.unlink(name, dir_fd=self.at)
            os.close(self.open.pop(name))


class File:
    def __init__(self):
        self.now = self.synced = b""


class Model:
    """Computes what is durable."""

    def __init__(self):
        self.names, self.synced_names = {}, {}

    def create(self, name, *_):
        self.names.setdefault(name, File())

    def write(self, name, at, count):
        if name in self.names:
            file = self.names[name]
            data = file.now.ljust(at, b"\0")
            file.now = data[:at] + content(at, count) + data[at + count :]

    def resize(self, name, at, _):
        if name in self.names:
            file = self.names[name]
            file.now = file.now[:at].ljust(at, b"\0")

    def allocate(self, name, at, count):
        if name in self.names:
            file = self.names[name]
            file.now = file.now.ljust(at + count, b"\0")

    def sync(self, name, *_):
        if name in self.names:
            self.names[name].synced = self.names[name].now

    def sync_dir(self, *_):
        self.synced_names = dict(self.names)

    def rename(self, name, *_):
        if name in self.names:
            self.names[name + "2"] = self.names.pop(name)

    def unlink(self, name, *_):
        self.names.pop(name, None)


def play(seed, actor):
    for operation, *arguments in steps(seed):
        getattr(actor, operation)(*arguments)
    return actor


def expected(seed):
    """name -> content, when all that was not synced is lost."""
    return {name: file.synced for name, file in play(seed, Model()).synced_names.items()}


if __name__ == "__main__":
    play(int(sys.argv[2]), Real(sys.argv[1]))
    os.kill(os.getpid(), signal.SIGKILL)
