#!/usr/bin/python3
"""Runs the behaviour suites on one gateway: every promise of the broker over both protocols.

    tests/behaviour/run.py --sluice build/release/sluice --workers 2 --only delivery
    tests/behaviour/run.py --against 5672:61613      the same on a running RabbitMQ
"""

import argparse
import importlib
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]

import broker  # noqa: E402
from suite import Tally, run_suite  # noqa: E402

SUITES = ["delivery", "queues", "routing", "confirms", "crossing", "properties", "stomp_session",
          "transactions", "stomp_transactions", "amqp_session", "bodies", "pressure", "queue_arguments",
          "ttl", "expires", "limits", "dead_letter", "delivery_limit", "priority", "shutdown"]


def main():
    parser = argparse.ArgumentParser()
    broker.add_options(parser)
    parser.add_argument("suites", nargs="*", default=SUITES, metavar="SUITE")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    tally = Tally()
    under_test = broker.from_options(options)
    try:
        for name in options.suites:
            suite = importlib.import_module(f"test_{name}").suite
            tally.add(run_suite(suite, under_test, options.only, options.threads, options.verbose))
    finally:
        complaint = under_test.close()
    if complaint:
        print("  FAILED the gateway ended badly\n    " + complaint.replace("\n", "\n    "))
        tally.failed += 1
    print(tally)
    return 1 if tally.failed else 0


sys.exit(main())
