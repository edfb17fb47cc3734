#!/usr/bin/python3
"""Runs every fuzz target of a build for a while, from its corpus in the tree.

What is found new stays in the build's folder: the tree's corpus is chosen by hand.
"""

import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def run(options, name):
    """Gives None, or the output of a target that found something."""
    stem = name.removeprefix("fuzz_")
    grown = os.path.join(options.folder, "grown", stem)
    artifacts = os.path.join(options.folder, "found", stem)
    os.makedirs(grown, exist_ok=True)
    os.makedirs(artifacts, exist_ok=True)
    command = [os.path.join(options.folder, name), f"-max_total_time={options.seconds}",
               "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1",
               f"-artifact_prefix={artifacts}/", grown]
    seeds = os.path.join(HERE, "corpus", stem)
    if os.path.isdir(seeds):
        command.append(seeds)
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", timeout=options.seconds + 120)
    if result.returncode != 0:
        return result.stdout
    runs = [line.split()[-1] for line in result.stdout.splitlines()
            if line.startswith("stat::number_of_executed_units")]
    print(f"fuzz {stem}: {options.seconds} s, {runs[0] if runs else '?'} inputs", flush=True)
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", help="of the targets, such as build/asan/fuzz")
    parser.add_argument("--seconds", type=int, default=4, help="for each target")
    options = parser.parse_args()
    passed = failed = 0
    for name in sorted(n for n in os.listdir(options.folder) if n.startswith("fuzz_")):
        output = run(options, name)
        if output is None:
            passed += 1
        else:
            failed += 1
            print(f"  FAILED {name}\n    " + output[-6000:].replace("\n", "\n    "))
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


sys.exit(main())
