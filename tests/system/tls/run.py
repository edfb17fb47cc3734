#!/usr/bin/python3
"""The gateway behind TLS and behind proxies, with an authority made for the run.

    tests/system/tls/run.py --sluice build/release/sluice [--only REGEX] [handshake proxy ...]
"""

import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]

import broker  # noqa: E402
import runner  # noqa: E402

import world  # noqa: E402

SUITES = ["handshake", "certificates", "data", "reload", "proxy"]


def main():
    options = runner.parse(runner.parser(HERE, SUITES))
    broker.Broker.is_sanitized = options.sanitized
    with tempfile.TemporaryDirectory() as directory:
        gateway = world.start(options.sluice, world.Pki(directory), workers=options.workers)
        tally = runner.run_on(options, gateway)
    return runner.told(tally)


sys.exit(main())
