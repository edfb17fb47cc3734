#!/usr/bin/python3
"""Runs the unit test programs (or the transcripts) of a build, and adds up their closing lines."""

import argparse
import os
import re
import subprocess
import sys

SECONDS_MAX = 400  # a program that hangs; none takes a tenth on a quiet machine
CLOSING = re.compile(r"^.*: (\d+) passed, (\d+) failed$")


def run(program):
    """Gives (passed, failed, output to show)."""
    try:
        result = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, errors="replace", timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return 0, 1, f"still running after {SECONDS_MAX} s"
    lines = [CLOSING.match(line) for line in result.stdout.splitlines()]
    counts = [match for match in lines if match]
    passed = int(counts[-1][1]) if counts else 0
    failed = int(counts[-1][2]) if counts else 1
    if result.returncode != 0 and failed == 0:
        failed = 1  # a sanitizer's complaint, or a crash behind the tests
    return passed, failed, result.stdout if failed else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", help="of the programs, such as build/release/unit")
    parser.add_argument("programs", nargs="*", help="default: all that are there")
    options = parser.parse_args()
    passed = failed = 0
    programs = options.programs or sorted(os.listdir(options.folder))
    for name in programs:
        ok, bad, output = run(os.path.join(options.folder, name))
        passed, failed = passed + ok, failed + bad
        if bad:
            print(f"  FAILED {name}\n    " + output[-6000:].replace("\n", "\n    "))
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not programs else 0


sys.exit(main())
