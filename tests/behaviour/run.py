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
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]

import broker  # noqa: E402
from suite import Tally, run_suite  # noqa: E402

SUITES = ["delivery", "queues", "routing", "confirms", "crossing", "properties", "stomp_session",
          "request_reply", "recover", "consumer_timeout",
          "transactions", "stomp_transactions", "amqp_session", "bodies", "pressure", "queue_arguments",
          "ttl", "expires", "limits", "policies", "dead_letter", "delivery_limit", "priority", "consumer_priority",
          "single_active", "groups", "delayed_retry", "delayed_message", "scheduled", "prepared", "dedup",
          "shutdown",
          "cluster_queues", "cluster_ids", "cluster_restart", "carbon_copy", "exchange_kinds",
          "ignored_arguments", "browser", "durable_subscriptions", "foreign_headers", "selector",
          "destinations", "stomp_frames", "not_there"]


def forgotten():
    """Suites that are there and not in the list: they would never run."""
    there = {name[5:-3] for name in os.listdir(HERE)
             if name.startswith("test_") and name.endswith(".py")}
    return sorted(there - set(SUITES))


def use_tls(directory):
    """From here on every client of the suites speaks TLS, and every gateway has a certificate."""
    from certificates import Authority
    from tls_socket import TlsSocket, client_context
    from wire import Wire

    authority = Authority(directory)
    context = client_context(authority)
    broker.Broker.flags_of_all = ("--tls-on-plain-ports", "on", "--amqps-port", "0",
                                  "--stomps-port", "0", *authority.server().flags)
    Wire.wrap = lambda plain: TlsSocket(plain, context).handshake()


def main():
    parser = argparse.ArgumentParser()
    broker.add_options(parser)
    parser.add_argument("suites", nargs="*", default=SUITES, metavar="SUITE")
    parser.add_argument("--tls", action="store_true", help="everything inside TLS")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if forgotten():
        sys.exit(f"not in the list of suites: {forgotten()}")

    keys = tempfile.TemporaryDirectory()
    if options.tls:
        use_tls(keys.name)
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
