#!/usr/bin/python3
"""The gateway behind TLS and behind proxies, with an authority made for the run.

    tests/system/tls/run.py --sluice build/release/sluice [--only REGEX] [handshake proxy ...]
"""

import argparse
import importlib
import os
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]

import broker  # noqa: E402
from suite import Tally, run_suite  # noqa: E402

import world  # noqa: E402

SUITES = ["handshake", "certificates", "data", "reload", "proxy"]


def main():
    parser = argparse.ArgumentParser()
    broker.add_options(parser)
    parser.add_argument("suites", nargs="*", default=SUITES, metavar="SUITE")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    broker.Broker.is_sanitized = options.sanitized

    tally = Tally()
    with tempfile.TemporaryDirectory() as directory:
        pki = world.Pki(directory)
        gateway = world.start(options.sluice, pki, workers=options.workers)
        try:
            for name in options.suites:
                suite = importlib.import_module(f"test_{name}").suite
                tally.add(run_suite(suite, gateway, options.only, options.threads,
                                    options.verbose))
        finally:
            complaint = gateway.close()
    if complaint:
        print("  FAILED the gateway ended badly\n    " + complaint.replace("\n", "\n    "))
        tally.failed += 1
    print(tally)
    return 1 if tally.failed else 0


sys.exit(main())
