#!/usr/bin/python3
"""Runs every unmodified client's checks against one gateway.

    interop/run.py --sluice build/release/sluice [pika|stomp_py|librabbitmq|amqplib|stompjs ...]
"""

import argparse
import os
import re
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../tests/support"))

import broker  # noqa: E402
from suite import Tally  # noqa: E402

CHECKS = {
    "pika": ["/usr/bin/python3", "-B", "pika/check.py"],
    "stomp_py": ["/usr/bin/python3", "-B", "stomp_py/check.py"],
    "librabbitmq": ["/usr/bin/python3", "-B", "librabbitmq/check.py"],
    "amqplib": ["node", "amqplib/check.mjs"],
    "stompjs": ["node", "stompjs/check.mjs"],
}
SECONDS_MAX = 90
COUNT = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


def run_client(name, gateway, tally):
    """Runs one client's checks; every line of theirs but the count is passed on."""
    if CHECKS[name][0] == "node" and not os.path.isdir(os.path.join(HERE, "node_modules")):
        print(f"  skipped {name}: no node_modules (npm ci in interop/)")
        tally.skipped += 1
        return
    environment = {**os.environ, "AMQP_PORT": str(gateway.amqp_port),
                   "STOMP_PORT": str(gateway.stomp_port)}
    try:
        result = subprocess.run(CHECKS[name], cwd=HERE, env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                timeout=SECONDS_MAX)
        lines = result.stdout.splitlines()
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
        lines = (output.decode() if isinstance(output, bytes) else output).splitlines()
        lines.append(f"{name} did not end within {SECONDS_MAX} s")
    count = COUNT.match(lines[-1]) if lines else None
    for line in lines[: -1 if count else None]:
        print(line)
    if not count:
        print(f"  FAILED {name}: ended without a count")
        tally.failed += 1
        return
    print(f"interop {name}: {lines[-1]}", flush=True)
    tally.passed += int(count[1])
    tally.failed += int(count[2])
    tally.skipped += int(count[3])


def main():
    parser = argparse.ArgumentParser()
    broker.add_options(parser)
    parser.add_argument("clients", nargs="*", default=list(CHECKS), metavar="CLIENT")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tally = Tally()
    gateway = broker.from_options(options, "--shutdown-timeout-ms", "2000")
    try:
        for name in options.clients:
            run_client(name, gateway, tally)
    finally:
        complaint = gateway.close()
    if complaint:
        print("  FAILED the gateway ended badly\n    " + complaint.replace("\n", "\n    "))
        tally.failed += 1
    print(tally)
    return 1 if tally.failed else 0


sys.exit(main())
