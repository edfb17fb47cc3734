"""What the programs have in common that run the suites of a folder, one after another."""

import argparse
import importlib
import os
import signal
import sys

import broker
from suite import Tally, run_suite


def parser(folder, suites):
    """The options of all of them; refuses to start where a suite is forgotten in the list."""
    there = {name[5:-3] for name in os.listdir(folder)
             if name.startswith("test_") and name.endswith(".py")}
    if there != set(suites):
        sys.exit(f"not the list of suites: {sorted(there ^ set(suites))}")
    made = argparse.ArgumentParser()
    broker.add_options(made)
    made.add_argument("suites", nargs="*", default=suites, metavar="SUITE")
    return made


def parse(made):
    """What the command line says; a run that is told to end closes what it started."""
    options = made.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    return options


def run(options, subject, prepare=None):
    """Runs the suites, whose tests are called with the subject, and gives the tally."""
    tally = Tally()
    for name in options.suites:
        suite = importlib.import_module(f"test_{name}").suite
        if prepare:
            prepare(suite)
        tally.add(run_suite(suite, subject, options.only, options.threads, options.verbose))
    return tally


def run_on(options, gateway, run_them=run):
    """The same on a gateway, which must end well; closes it."""
    try:
        tally = run_them(options, gateway)
    finally:
        complaint = gateway.close()
    if complaint:
        print("  FAILED the gateway ended badly\n    " + complaint.replace("\n", "\n    "))
        tally.failed += 1
    return tally


def told(tally):
    """Prints the count, which is the last line, and gives the status to exit with."""
    print(tally)
    return 1 if tally.failed else 0
