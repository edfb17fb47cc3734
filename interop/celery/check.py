#!/usr/bin/python3
"""Celery as Debian packages it, unmodified: a prefork worker with acks_late, and its clients.

The rpc backend keeps results in a queue of the client; Celery itself refuses chords with it, so
these have their results in files and their messages here.
"""

import itertools
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
os.environ["SHOP_NAME"] = f"shop-{os.getpid()}"

import shop  # noqa: E402
from celery import chain, group  # noqa: E402
from support import RESTART, Ports, restart, test_with  # noqa: E402

from suite import Suite, equal, run_suite, wait_until  # noqa: E402

suite = Suite("celery")
SECONDS = 60
numbers = itertools.count()
scratch = tempfile.mkdtemp(prefix="sluice-celery-")


class Worker:
    """One of its own: `celery worker` with processes that take from a queue."""

    def __init__(self, queue=shop.NAME, processes=2, **environment):
        self.log = open(os.path.join(scratch, "log"), "a")
        self.host = f"worker-{next(numbers)}@{shop.NAME}"
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-B", "-m", "celery", "-A", "shop", "worker", "-Q", queue,
             "-n", self.host, "-c", str(processes), "--pool", "prefork", "-l", "INFO"],
            cwd=HERE, env={**os.environ, **environment}, stdout=self.log, stderr=self.log)

    def answers(self):
        if self.process.poll() is not None:
            with open(self.log.name) as said:
                raise AssertionError(f"the worker ended:\n{said.read()[-2000:]}")
        with shop.app.connection() as connection:
            return shop.app.control.ping([self.host], connection=connection, limit=1)

    def wait_ready(self):
        wait_until(self.answers, "a worker", SECONDS)
        return self

    def __enter__(self):
        return self.wait_ready()

    def __exit__(self, kind, error, trace):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def result(task):
    return task.get(timeout=SECONDS)


@suite.test
def tasks_are_done_and_answered(_):
    equal([result(shop.add.delay(i, i)) for i in range(20)], [2 * i for i in range(20)])


@suite.test
def groups_and_chains_come_to_their_end(_):
    equal(result(group(shop.add.s(i, 1) for i in range(20))()), list(range(1, 21)))
    equal(result(chain(shop.add.s(1, 2), shop.add.s(3), shop.add.s(4))()), 10)


@suite.test
def a_task_that_fails_is_tried_again_later(_):
    equal(result(shop.third_time_lucky.delay()), 2)


@suite.test
def a_task_waits_for_its_time(_):
    """More of them than a worker may hold at once: it raises its prefetch as they come."""
    due = time.time() + 1
    waiting = [shop.when_it_ran.apply_async(countdown=1) for _ in range(20)]
    assert all(result(task) >= due for task in waiting)


@suite.test
def a_task_whose_process_is_killed_is_done_by_another(_):
    assert result(shop.killed_once.delay())


@suite.test
def what_is_rejected_goes_to_the_dead_letter_queue(_):
    with shop.app.connection() as connection:
        queue = connection.SimpleQueue(shop.FAILED)  # before a letter can come
        shop.refused.delay()
        dead = queue.get(timeout=SECONDS)
        equal((dead.headers["task"], dead.headers["x-death"][0]["reason"]),
              ("shop.refused", "rejected"))
        dead.ack()
        queue.close()


@suite.test
def the_more_urgent_task_is_done_first(_):
    gate, done = os.path.join(scratch, "gate"), os.path.join(scratch, "done")
    with Worker(shop.URGENT, processes=1):
        for priority in (9, 9, 1, 5, 8):
            shop.hold.apply_async([gate, done, str(priority)], queue=shop.URGENT,
                                  priority=priority)
        open(gate, "w").close()
        wait_until(lambda: lines_of(done) == ["9", "9", "8", "5", "1"], "all in order", SECONDS)


@suite.test
def a_chord_ends_with_its_body(_):
    own = {"SHOP_NAME": f"{shop.NAME}-chords", "SHOP_RESULTS": f"file://{scratch}"}
    with Worker(own["SHOP_NAME"], **own):
        client = subprocess.run(["/usr/bin/python3", "-B", "chords.py", str(SECONDS)], cwd=HERE,
                                env={**os.environ, **own}, text=True, capture_output=True)
    equal((client.stdout, client.stderr), ("90\n", ""))


@test_with(suite, RESTART, alone=True)
def it_comes_back_after_the_gateway_restarts(_):
    """What was under way comes again, whoever finished it meanwhile; what waited, comes."""
    gate, done = os.path.join(scratch, "later"), os.path.join(scratch, "late")
    for line in "abcd":
        shop.hold.apply_async([gate, done, line], ignore_result=True)
    restart()
    worker.wait_ready()
    open(gate, "w").close()
    shop.write_down.apply_async([done, "after"], ignore_result=True)
    wait_until(lambda: {*lines_of(done)} == {"a", "b", "c", "d", "after"}, "all", SECONDS)


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return file.read().split()


def why_no_processes():
    """A pool of processes wants semaphores, which are files of /dev/shm."""
    try:
        multiprocessing.Semaphore()
    except OSError as error:
        return f"no semaphores here, look at /dev/shm: {error}"
    return None


if reason := why_no_processes():
    shutil.rmtree(scratch, ignore_errors=True)
    print(f"  skipped celery: {reason}")
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(0)
try:
    with Worker() as worker:
        tally = run_suite(suite, Ports, threads=4, verbose=True)
finally:
    shutil.rmtree(scratch, ignore_errors=True)
print(tally)
sys.exit(1 if tally.failed else 0)
