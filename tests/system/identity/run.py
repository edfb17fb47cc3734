#!/usr/bin/python3
"""Who may come in, and who may do what: users, permissions, limits, virtual hosts.

    tests/system/identity/run.py --sluice build/release/sluice
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]

import broker  # noqa: E402
import runner  # noqa: E402

SUITES = ["permissions", "evasions", "accounts", "commands", "logins"]


def main():
    options = runner.parse(runner.parser(HERE, SUITES))
    options.workers = max(options.workers, 2)
    return runner.told(runner.run_on(options, broker.from_options(options)))


sys.exit(main())
