#!/usr/bin/python3
"""The real binary on small real file systems: what happens when they fill up, and what it takes.

    tests/system/disk/run.py --sluice build/release/sluice full backlog
"""

import argparse
import importlib
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]

from broker import add_options  # noqa: E402
from suite import Tally, run_suite  # noqa: E402

SUITES = ["full", "backlog", "descriptors"]


class Lab:
    """What a test of these suites is called with."""

    def __init__(self, options):
        self.binary = os.path.abspath(options.sluice)
        self.is_sanitized = options.sanitized


def main():
    parser = argparse.ArgumentParser()
    add_options(parser)
    parser.add_argument("suites", nargs="*", default=SUITES, metavar="SUITE")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    tally = Tally()
    for name in options.suites:
        suite = importlib.import_module(f"test_{name}").suite
        tally.add(run_suite(suite, Lab(options), options.only, options.threads, options.verbose))
    print(tally)
    return 1 if tally.failed else 0


sys.exit(main())
