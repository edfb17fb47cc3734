"""The directories of tests, which go with the process that made them, whatever became of its tests.

Of a failed test its broker's log and small files stay, under another name, which is printed; with
SLUICE_KEEP_TESTS in the environment all of it.  What a killed run left, the next one removes.
"""

import atexit
import os
import shutil
import sys
import tempfile
import threading

PREFIX = "sluice-test-"
FAILED_PREFIX = "sluice-failed-"
LARGE = 8 << 20  # bytes: segments are, and say little without their index

_lock = threading.Lock()
_made = set()
_was_swept = False


def make():
    """Gives a new empty directory."""
    global _was_swept
    with _lock:
        if not _was_swept:
            _was_swept = True
            atexit.register(_remove_all, os.getpid())
            _sweep()
        path = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
        _made.add(path)
    return path


def remove(path):
    with _lock:
        _made.discard(path)
    shutil.rmtree(path, ignore_errors=True)


def keep(path):
    """Of one whose test failed: what there is to look at stays, and where is said."""
    with _lock:
        if path not in _made:
            return
        _made.discard(path)
    if "SLUICE_KEEP_TESTS" not in os.environ:
        for directory, _, files in os.walk(path):
            for name in (os.path.join(directory, file) for file in files):
                if not os.path.islink(name) and os.path.getsize(name) > LARGE:
                    os.unlink(name)
    kept = path.replace(PREFIX, FAILED_PREFIX, 1)
    os.rename(path, kept)
    print(f"kept of a failed test: {kept}", file=sys.stderr, flush=True)


def _remove_all(maker):
    if os.getpid() != maker:
        return  # a fork of it
    for path in list(_made):
        remove(path)


def _sweep():
    place = tempfile.gettempdir()
    for name in os.listdir(place):
        pid = name.removeprefix(PREFIX).split("-")[0]
        if name.startswith(PREFIX) and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)
