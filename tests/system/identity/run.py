#!/usr/bin/python3
"""Who may come in, and who may do what: users, permissions, limits, virtual hosts.

    tests/system/identity/run.py --sluice build/release/sluice
"""

import argparse
import importlib
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]

import broker  # noqa: E402
from suite import Tally, run_suite  # noqa: E402

SUITES = ["permissions", "evasions", "accounts", "commands", "logins"]


def main():
    parser = argparse.ArgumentParser()
    broker.add_options(parser)
    parser.add_argument("suites", nargs="*", default=SUITES, metavar="SUITE")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    tally = Tally()
    options.workers = max(options.workers, 2)
    gateway = broker.from_options(options)
    try:
        for name in options.suites:
            suite = importlib.import_module(f"test_{name}").suite
            tally.add(run_suite(suite, gateway, options.only, options.threads, options.verbose))
    finally:
        complaint = gateway.close()
    if complaint:
        print("  FAILED the gateway ended badly\n    " + complaint.replace("\n", "\n    "))
        tally.failed += 1
    print(tally)
    return 1 if tally.failed else 0


sys.exit(main())
