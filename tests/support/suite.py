"""A named list of tests, run with a deadline each, reported in one line per suite.

A test is a plain function that raises when its promise is broken; it may raise Skip with a
reason.  Tests of one suite run on a few threads at once, those marked alone after them.
"""

import concurrent.futures
import re
import time
import traceback


class Skip(Exception):
    """Raised by a test that cannot run here; the text is the reason."""


class Test:
    def __init__(self, name, function, alone, arguments=()):
        self.name = name
        self.function = function
        self.alone = alone
        self.arguments = arguments


class Suite:
    def __init__(self, name):
        self.name = name
        self.tests = []

    def test(self, function=None, *, alone=False):
        """Marks a test: it is called with the broker under test."""

        def add(f):
            self.tests.append(Test(f.__name__, f, alone))
            return f

        return add(function) if function else add

    def test_over(self, *ways, alone=False):
        """Marks a promise of the broker: it is run once per way, with two neutral ends."""

        def add(f):
            for way in ways:
                self.tests.append(Test(f"{f.__name__} [{way.name}]", f, alone, (way,)))
            return f

        return add


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run_one(test, broker):
    """Gives (outcome, detail, seconds)."""
    began = time.monotonic()
    if getattr(broker, "is_dead", bool)():
        return "failed", "the gateway was dead already", 0.0
    try:
        test.function(broker, *test.arguments)
        outcome, detail = "passed", ""
    except Skip as reason:
        outcome, detail = "skipped", str(reason)
    except BaseException as error:  # a broken test must not end the run
        if isinstance(error, KeyboardInterrupt):
            raise
        outcome, detail = "failed", "".join(
            traceback.format_exception(type(error), error, error.__traceback__)
        )
    return outcome, detail, time.monotonic() - began


def run_suite(suite, broker, only=None, threads=4, verbose=False):
    """Runs what matches only (a regular expression), prints, and gives the tally."""
    tally = Tally()
    tests = [t for t in suite.tests if not only or re.search(only, f"{suite.name} {t.name}")]
    if not tests:
        return tally
    began = time.monotonic()
    together = [t for t in tests if not t.alone]
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        results = list(zip(together, pool.map(lambda t: run_one(t, broker), together)))
    results += [(t, run_one(t, broker)) for t in tests if t.alone]

    for test, (outcome, detail, seconds) in results:
        setattr(tally, outcome, getattr(tally, outcome) + 1)
        if verbose and outcome == "passed":
            print(f"  ok {suite.name}: {test.name} ({seconds:.2f} s)")
        if outcome == "skipped":
            print(f"  skipped {suite.name}: {test.name}: {detail}")
        if outcome == "failed":
            print(f"  FAILED {suite.name}: {test.name}")
            print("    " + detail.rstrip().replace("\n", "\n    "))
    print(f"{suite.name}: {tally} ({time.monotonic() - began:.1f} s)", flush=True)
    return tally


def wait_until(condition, what, timeout=30.0):
    """Polls for a state that no message tells of; raises when it does not come."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for: {what}")
        time.sleep(0.005)


def only_sluice(broker, instead):
    """Skips on another broker, which is known to do something else instead."""
    if not broker.is_sluice:
        raise Skip(instead)


def equal(got, wanted, what="value"):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def has(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def raises(kind, function, *arguments, **named):
    """Calls, and gives the exception of that kind that must come."""
    try:
        function(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} came")
