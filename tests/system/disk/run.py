#!/usr/bin/python3
"""The real binary on small real file systems: what happens when they fill up, and what it takes.

    tests/system/disk/run.py --sluice build/release/sluice full backlog
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]

import runner  # noqa: E402

SUITES = ["full", "backlog", "descriptors"]


class Lab:
    """What a test of these suites is called with."""

    def __init__(self, options):
        self.binary = os.path.abspath(options.sluice)
        self.is_sanitized = options.sanitized


def main():
    options = runner.parse(runner.parser(HERE, SUITES))
    return runner.told(runner.run(options, Lab(options)))


sys.exit(main())
