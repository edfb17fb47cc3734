#!/usr/bin/python3
"""Takes back what no sync covers, after a process that ran with preload_disk.so was killed.

    undo_unsynced.py UNDO_DIRECTORY DATA_DIRECTORY all|subset [SEED]

all: everything unsynced is gone.  subset: each unsynced write stays, goes, or is torn at sectors
of 512 bytes, and of the changes to the directory a random number of the first ones stays.

All noted changes are undone in reverse, which gives back the bytes each had written; then those
that are durable, or are to stay, are made again in order.
"""

import os
import random
import struct
import sys

NOTE = struct.Struct("<II6Q")
MAGIC = 0x4F444E55
WRITE, RESIZE, CREATE, RENAME, UNLINK, SYNC, LOST = range(1, 8)
SECTOR = 512


class Note:
    def __init__(self, fields, payload):
        _, self.kind, self.number, self.inode, self.at, self.len, self.size_before, _ = fields
        self.payload = payload
        self.is_durable = False
        self.new = self.new_size = None

    def names(self):
        return [name.decode() for name in self.payload.split(b"\0")]


def read_notes(path):
    with open(path, "rb") as journal:
        data = journal.read()
    notes, at = [], 0
    while at + NOTE.size <= len(data):
        fields = NOTE.unpack_from(data, at)
        end = at + NOTE.size + fields[7]
        if fields[0] != MAGIC or end > len(data):
            break  # killed while noting: the change was never made
        notes.append(Note(fields, data[at + NOTE.size : end]))
        at = end
    return notes


def mark_durable(notes):
    """Gives the changes, without the notes about syncs."""
    by_inode = {}
    for note in notes:
        earlier = by_inode.setdefault(note.inode, [])
        if note.kind == SYNC:
            for change in earlier:
                change.is_durable |= note.len <= change.number <= note.at
        elif note.kind != LOST:
            earlier.append(note)
    return [n for n in notes if n.kind not in (SYNC, LOST)]


class Disk:
    def __init__(self, undo, data):
        self.undo, self.data = undo, data
        self.paths = {}

    def path_of(self, inode):
        path = self.paths.get(inode)
        if path and os.path.exists(path) and os.stat(path).st_ino == inode:
            return path
        for directory in (self.data, self.undo):
            for entry in os.scandir(directory):
                self.paths[entry.inode()] = entry.path
        return self.paths.get(inode)

    def kept(self, number):
        return os.path.join(self.undo, f"kept-{number}")

    def held(self, note):
        return os.path.join(self.undo, f"held-{note.number}")

    def take_back(self, note):
        if note.kind in (WRITE, RESIZE):
            path = self.path_of(note.inode)
            if path:
                with open(path, "r+b", buffering=0) as file:
                    take_back_bytes(note, file)
            return
        source, target = note.names()[:2]
        if note.kind == CREATE and os.path.exists(source):
            os.rename(source, self.held(note))
        elif note.kind == RENAME:
            os.rename(target, source)
            if note.at:
                os.link(self.kept(note.at), target)
        elif note.kind == UNLINK and note.at and not os.path.exists(source):
            os.link(self.kept(note.at), source)

    def make_again(self, note, sectors):
        if note.kind in (WRITE, RESIZE):
            path = self.path_of(note.inode)
            if path and note.new_size is not None:
                with open(path, "r+b", buffering=0) as file:
                    make_bytes_again(note, file, sectors)
            return
        source, target = note.names()[:2]
        if note.kind == CREATE and os.path.exists(self.held(note)):
            os.rename(self.held(note), source)
        elif note.kind == RENAME:
            os.rename(source, target)
        elif note.kind == UNLINK and note.at:
            os.unlink(source)


def take_back_bytes(note, file):
    note.new_size = os.fstat(file.fileno()).st_size
    if note.kind == WRITE:
        note.new = os.pread(file.fileno(), note.len, note.at)
    end = min(note.at + note.len, note.size_before) if note.kind == WRITE else note.size_before
    os.pwrite(file.fileno(), note.payload.ljust(end - note.at, b"\0"), note.at)
    os.ftruncate(file.fileno(), note.size_before)


def make_bytes_again(note, file, sectors):
    if note.kind == RESIZE:
        os.ftruncate(file.fileno(), note.new_size)
        return
    at = note.at
    unit = SECTOR * max(1, len(note.new) >> 20)  # many sectors at once where there are very many
    while at < note.at + len(note.new):
        end = min((at // unit + 1) * unit, note.at + len(note.new))
        if sectors is None:
            end = note.at + len(note.new)
        if sectors is None or sectors.random() < 0.5:
            os.pwrite(file.fileno(), note.new[at - note.at : end - note.at], at)
        at = end


def unsynced_bytes(undo, data):
    """Gives what lies in the ranges that no sync covers; changes nothing."""
    disk, found = Disk(undo, data), b""
    for note in mark_durable(read_notes(os.path.join(undo, "journal"))):
        path = disk.path_of(note.inode)
        if note.kind == WRITE and not note.is_durable and path:
            with open(path, "rb") as file:
                found += os.pread(file.fileno(), note.len, note.at)
    return found


def undo_unsynced(undo, data, mode="all", seed=0):
    """Gives (changes noted, of them not durable, of those kept or torn)."""
    choice = random.Random(seed)
    notes = mark_durable(read_notes(os.path.join(undo, "journal")))
    disk = Disk(undo, data)
    for note in reversed(notes):
        disk.take_back(note)

    unsynced = [n for n in notes if not n.is_durable]
    names = [n for n in unsynced if n.kind not in (WRITE, RESIZE)]
    names_staying = set(names[: choice.randrange(len(names) + 1)]) if mode == "subset" else set()
    staying = 0
    for note in notes:
        sectors = None
        if not note.is_durable:
            if mode == "all":
                continue
            if note.kind in (WRITE, RESIZE):
                fate = choice.choice(("stays", "goes", "torn"))
                sectors = choice if fate == "torn" and note.kind == WRITE else None
            else:
                fate = "stays" if note in names_staying else "goes"
            if fate == "goes":
                continue
            staying += 1
        disk.make_again(note, sectors)
    for name in os.listdir(undo):
        os.unlink(os.path.join(undo, name))
    return len(notes), len(unsynced), staying


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5) or sys.argv[3] not in ("all", "subset"):
        sys.exit(__doc__)
    made, lost, kept = undo_unsynced(sys.argv[1], sys.argv[2], sys.argv[3],
                                     int(sys.argv[4]) if len(sys.argv) == 5 else 0)
    print(f"{made} changes noted, {lost} unsynced, {kept} of those stay at least in part")
