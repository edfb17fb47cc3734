"""A file system of its own for a test: in memory, or ext4 in a file."""

import errno
import os
import shutil
import subprocess
import tempfile

from suite import Skip

MIB = 1 << 20


class Kind:
    """One way of running a test."""

    def __init__(self, name):
        self.name = name


TMPFS, EXT4 = Kind("tmpfs"), Kind("ext4")


class SmallDisk:
    """Mounted while it is open; Skip with the reason where that is not possible."""

    def __init__(self, kind, mib):
        self.kind, self.mib = kind, mib
        self.directory = tempfile.mkdtemp(prefix="sluice-disk-")
        self.place = os.path.join(self.directory, "place")
        self.ballast_path = os.path.join(self.place, "ballast")
        os.mkdir(self.place)

    def __enter__(self):
        try:
            self.mount()
        except OSError as error:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise Skip(f"no {self.kind.name} of our own: {error}") from None
        return self

    def mount(self):
        if self.kind is TMPFS:
            call("mount", "-t", "tmpfs", "-o", f"size={self.mib}m", "tmpfs", self.place)
            return
        image = os.path.join(self.directory, "image")
        with open(image, "wb") as file:
            file.truncate(self.mib * MIB)
        call("mkfs.ext4", "-q", "-F", "-m", "0", image)
        call("mount", "-o", "loop", image, self.place)

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.place], check=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def free_mib(self):
        fs = os.statvfs(self.place)
        return fs.f_bavail * fs.f_frsize // MIB

    def leave_free(self, mib):
        """Somebody else fills the disk up to so much, without work for it: the room is only taken."""
        with open(self.ballast_path, "ab") as file:
            size = file.tell()
            while self.free_mib() > mib:
                try:
                    os.posix_fallocate(file.fileno(), size, MIB)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return
                size += MIB

    def drop_ballast(self):
        os.remove(self.ballast_path)


def call(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError((done.stderr or done.stdout).strip())
