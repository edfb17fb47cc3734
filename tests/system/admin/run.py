#!/usr/bin/python3
"""A look inside a running gateway: sluicectl, and the HTTP of its unix socket.

    tests/system/admin/run.py --sluice build/release/sluice
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]

import broker  # noqa: E402
import runner  # noqa: E402

SUITES = ["ctl", "http", "clusters", "prepared", "definitions"]


def main():
    options = runner.parse(runner.parser(HERE, SUITES))
    options.workers = max(options.workers, 2)  # answers come from several
    return runner.told(runner.run_on(options, broker.from_options(options)))


sys.exit(main())
