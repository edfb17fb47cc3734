#!/usr/bin/python3
"""Keeps the arrows between the folders, by include lines.

    gateway -> protocols -> core -> core/store -> core/base

A folder may include itself and what is below it; the store gets bytes and reaches nothing else
of the core; the front ends never include each other.  Includes are written from the root, and a
.c includes its own header first.
"""

import os
import re
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')

# The folder of a file, longest first, and what it may include beside itself.
ALLOWED = {
    "gateway": ("protocols", "protocols/amqp", "protocols/stomp", "core", "core/store",
                "core/base"),
    "protocols/amqp": ("protocols", "core", "core/base"),
    "protocols/stomp": ("protocols", "core", "core/base"),
    "protocols": ("core", "core/base"),
    "core/store": ("core/base",),
    "core/base": (),
    "core": ("core/store", "core/base"),
}


def folder_of(path):
    """The layer that a path from the root belongs to; None for what is not a layer."""
    for folder in sorted(ALLOWED, key=len, reverse=True):
        if path.startswith(folder + "/"):
            return folder
    return None


def complaints_about(path):
    """Every wrong include line of one file."""
    folder = folder_of(path)
    own_header = path[:-2] + ".h" if path.endswith(".c") else None
    is_first = True
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            included = match[1]
            target = folder_of(included)
            if not os.path.exists(os.path.join(ROOT, included)):
                yield f"{path}:{number}: not written from the root: {line.strip()}"
            elif target is None:
                yield f"{path}:{number}: outside of every layer: {line.strip()}"
            elif target != folder and target not in ALLOWED[folder]:
                yield f"{path}:{number}: {folder} may not include {target}: {line.strip()}"
            if is_first and own_header and os.path.exists(os.path.join(ROOT, own_header)):
                if included != own_header:
                    yield f"{path}:{number}: its own header comes first: {line.strip()}"
            is_first = False


def sources():
    for top in ("core", "protocols", "gateway"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def check():
    return [complaint for path in sources() for complaint in complaints_about(path)]


def main():
    complaints = check()
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
