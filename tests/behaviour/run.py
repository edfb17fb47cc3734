#!/usr/bin/python3
"""Runs the behaviour suites on one gateway: every promise of the broker over both protocols.

    tests/behaviour/run.py --sluice build/release/sluice --workers 2 --only delivery
    tests/behaviour/run.py --against 5672:61613      the same on a running RabbitMQ
"""

import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]

import broker  # noqa: E402
import runner  # noqa: E402

SUITES = ["delivery", "queues", "routing", "confirms", "crossing", "properties", "stomp_session",
          "request_reply", "recover", "consumer_timeout",
          "transactions", "stomp_transactions", "amqp_session", "bodies", "pressure", "queue_arguments",
          "ttl", "expires", "limits", "policies", "dead_letter", "delivery_limit", "priority", "consumer_priority",
          "single_active", "groups", "delayed_retry", "delayed_message", "scheduled", "prepared", "dedup",
          "shutdown",
          "cluster_queues", "cluster_ids", "cluster_restart", "carbon_copy", "exchange_kinds",
          "ignored_arguments", "browser", "durable_subscriptions", "foreign_headers", "selector",
          "destinations", "stomp_frames", "not_there"]


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
    parser = runner.parser(HERE, SUITES)
    parser.add_argument("--tls", action="store_true", help="everything inside TLS")
    options = runner.parse(parser)

    with tempfile.TemporaryDirectory() as keys:
        if options.tls:
            use_tls(keys)
        tally = runner.run_on(options, broker.from_options(options))
    return runner.told(tally)


sys.exit(main())
