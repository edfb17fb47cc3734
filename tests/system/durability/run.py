#!/usr/bin/python3
"""The real binary on a disk that is slow, fails and forgets, and under kill -9.

    tests/system/durability/run.py --sluice build/release/sluice kill disk_trouble
    tests/system/durability/run.py --long --seed 7      50 rounds of each kill, every n-th failure
"""

import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SUPPORT = os.path.join(HERE, "../../support")
sys.path[:0] = [HERE, SUPPORT]

import runner  # noqa: E402

SUITES = ["layer", "kill", "churn", "rules", "delayed", "exchanges", "prepared", "prepared_steps",
          "republish", "instances", "office", "policies", "released", "patience", "windows",
          "slow_disk", "disk_trouble", "check_store"]


class Lab:
    """What a test of these suites is called with."""

    def __init__(self, options, directory):
        self.binary = os.path.abspath(options.sluice)
        self.layer = build_layer(directory, "preload_disk", "preload_medium", "preload_notes")
        self.clock_layer = build_layer(directory, "preload_clock")
        self.is_long, self.seed = options.long, options.seed
        self.rounds = 50 if options.long else 4
        self.verbose = options.verbose

    def say(self, text):
        if self.verbose:
            print("  " + text, flush=True)


def build_layer(directory, *names):
    path = os.path.join(directory, names[0] + ".so")
    sources = [os.path.join(SUPPORT, name + ".c") for name in names]
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror",
                    "-shared", "-fPIC", "-o", path, *sources, "-lpthread"], check=True)
    return path


def main():
    parser = runner.parser(HERE, SUITES)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = runner.parse(parser)

    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-layer-") as directory:
        tally = runner.run(options, Lab(options, directory))
    return runner.told(tally)


sys.exit(main())
