#!/usr/bin/python3
"""Measures what features cost: starts a gateway for each program of this folder, and runs it.

    tests/bench/run.py --sluice build/release/sluice [--rounds 5] [--seconds 2] [dedup tls ...]
    tests/bench/run.py --sluice build/release/sluice --smoke

The programs are beside the gateway in bench/.  --smoke runs each shortly and judges no figure: it
shows that they work.  To measure on a quiet machine is up to the caller.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../support"), os.path.join(HERE, "../system/identity")]

import broker  # noqa: E402
from certificates import Authority  # noqa: E402
from office import Office  # noqa: E402
from suite import Tally  # noqa: E402

NAMES = ("dedup", "clusters", "groups", "delayed", "tls", "logins", "permissions", "policies")
BOUND = "bound:secret"


def places_of(name, gateway):
    """Gives the arguments of each run: HOST:PORT, and what comes behind the options."""
    plain, tls = (f"127.0.0.1:{port}" for port in (gateway.amqp_port, gateway.amqps_port))
    if name == "tls":
        return [(plain, ["stream", tls]), (tls, ["open"])]
    if name == "logins":
        return [(plain, [f"127.0.0.1:{gateway.stomp_port}"])]
    if name == "permissions":
        return [(plain, [BOUND])]
    if name == "policies":
        return [(plain, [os.path.join(gateway.directory, "data", "sluice.sock")])]
    return [(plain, [])]


def make_users(gateway):
    office = Office(gateway)
    name, password = BOUND.split(":")
    office.user(name, password, configure=r"^bench\.", write=r"^(bench\.|amq\.topic$)",
                read=r"^(bench\.|amq\.topic$)")
    office.topics(name, "amq.topic", r"^bench\.", r"^bench\.")


def start(name, options, server):
    """Logins are measured on one core of the broker's own."""
    amqps, stomps = broker.free_port(), broker.free_port()
    gateway = broker.Broker(options.sluice, "--amqps-port", str(amqps), "--stomps-port",
                            str(stomps), *server.flags)
    gateway.amqps_port = amqps
    if gateway.ready is None:
        raise RuntimeError(f"the gateway did not start:\n{gateway.log_text()}")
    if name == "logins" and os.cpu_count() > 1:
        subprocess.run(["taskset", "-a", "-c", "-p", "0", str(gateway.process.pid)], check=True,
                       stdout=subprocess.DEVNULL)
    make_users(gateway)
    return gateway


def measure(name, options, server):
    """Gives whether every run of this program went through."""
    program = os.path.join(os.path.dirname(options.sluice), "bench", f"bench_{name}")
    gateway = start(name, options, server)
    has_failed = False
    try:
        for place, rest in places_of(name, gateway):
            command = [program, "-r", str(options.rounds), "-s", str(options.seconds),
                       "-p", str(gateway.process.pid), "-u", BOUND if name == "logins" else
                       "guest:guest", place, *rest, *(["1000"] if is_short(name, options) else [])]
            print(f"--- {name}: {' '.join(rest)}", flush=True)
            has_failed |= subprocess.run(command, check=False).returncode != 0
    finally:
        complaint = gateway.close(has_failed)
    if complaint:
        print(complaint)
    return not (has_failed or complaint)


def is_short(name, options):
    """A thousand ids are enough to see that it works."""
    return options.smoke and name == "dedup"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sluice", default="build/release/sluice", help="the binary to measure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.smoke:
        options.rounds, options.seconds = 1, 0.2

    tally = Tally()
    with tempfile.TemporaryDirectory() as directory:
        server = Authority(directory).server()
        for name in options.names or NAMES:
            if measure(name, options, server):
                tally.passed += 1
            else:
                print(f"  FAILED {name}")
                tally.failed += 1
    print(tally)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
