#!/usr/bin/python3
"""Runs every unmodified client's checks: plain, inside TLS, and inside TLS with a certificate of
its own, which that gateway demands.

    interop/run.py --sluice build/release/sluice [--way plain|tls|mutual] [pika|stomp_py|... ...]
"""

import argparse
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../tests/support"))

import broker  # noqa: E402
from certificates import Authority  # noqa: E402
from suite import Tally  # noqa: E402

CHECKS = {
    "pika": ["/usr/bin/python3", "-B", "pika/check.py"],
    "stomp_py": ["/usr/bin/python3", "-B", "stomp_py/check.py"],
    "librabbitmq": ["/usr/bin/python3", "-B", "librabbitmq/check.py"],
    "amqplib": ["node", "amqplib/check.mjs"],
    "stompjs": ["node", "stompjs/check.mjs"],
    "bunny": ["ruby", "bunny/check.rb"],
    "php_amqplib": ["php", "php_amqplib/check.php"],
    "amqp091_go": ["go", "run", "go/check.go"],
    "clusters": ["/usr/bin/python3", "-B", "clusters/check.py"],
    "prepared": ["/usr/bin/python3", "-B", "prepared/check.py"],
}
OF_GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
WAYS = ["plain", "tls", "mutual"]
SECONDS_MAX = 240  # with compiling one of them
COUNT = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


def start(options, way, directory):
    """Gives (gateway, environment): where a client finds it, and with which certificates."""
    if way == "plain":
        gateway = broker.from_options(options, "--shutdown-timeout-ms", "2000")
        return gateway, {"AMQP_PORT": str(gateway.amqp_port), "STOMP_PORT": str(gateway.stomp_port)}
    authority = Authority(directory)
    amqps, stomps = str(broker.free_port()), str(broker.free_port())
    flags = [*authority.server().flags, "--amqps-port", amqps, "--stomps-port", stomps]
    found = {"AMQP_PORT": amqps, "STOMP_PORT": stomps, "TLS_CA": authority.cert_file}
    if way == "mutual":
        flags += ["--tls-ca", authority.cert_file, "--tls-verify", "required"]
        client = authority.client()
        found.update(TLS_CERT=client.cert_file, TLS_KEY=client.key_file)
    return broker.from_options(options, "--shutdown-timeout-ms", "2000", *flags), found


def reason_to_skip(name):
    """What is not installed here; None when all is."""
    program = CHECKS[name][0]
    if program == "node" and not os.path.isdir(os.path.join(HERE, "node_modules")):
        return "no node_modules (npm ci in interop/)"
    needs = {"bunny": "/usr/share/rubygems-integration/all/gems/bunny-*",
             "php_amqplib": "/usr/share/php/PhpAmqpLib/autoload.php",
             "amqp091_go": "/usr/share/gocode/src/github.com/rabbitmq/amqp091-go"}
    if shutil.which(program) is None or (name in needs and not glob.glob(needs[name])):
        return "not installed"
    return None


def run_client(name, way, found, tally):
    """Runs one client's checks; every line of theirs but the count is passed on."""
    missing = reason_to_skip(name)
    if missing:
        print(f"  skipped {name}: {missing}")
        tally.skipped += 1
        return
    environment = {**os.environ, **found, **OF_GO}
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
        print(f"  FAILED {name} {way}: ended without a count")
        tally.failed += 1
        return
    print(f"interop {name} {way}: {lines[-1]}", flush=True)
    tally.passed += int(count[1])
    tally.failed += int(count[2])
    tally.skipped += int(count[3])


def main():
    parser = argparse.ArgumentParser()
    broker.add_options(parser)
    parser.add_argument("--way", choices=WAYS, action="append")
    parser.add_argument("clients", nargs="*", default=list(CHECKS), metavar="CLIENT")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tally = Tally()
    for way in options.way or (WAYS[:1] if options.against else WAYS):
        with tempfile.TemporaryDirectory() as directory:
            gateway, found = start(options, way, directory)
            try:
                for name in options.clients:
                    run_client(name, way, found, tally)
            finally:
                complaint = gateway.close()
        if complaint:
            print("  FAILED the gateway ended badly\n    " + complaint.replace("\n", "\n    "))
            tally.failed += 1
    print(tally)
    return 1 if tally.failed else 0


sys.exit(main())
