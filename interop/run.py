#!/usr/bin/python3
"""Runs unmodified clients' checks: plain, inside TLS, and inside TLS with a certificate of its own,
which that gateway demands.

    interop/run.py --sluice build/release/sluice [--way plain|tls|mutual] [pika|stomp_py|... ...]
    interop/run.py --sluice build/release/sluice --long             all, installs what they need
    interop/run.py --sluice build/release/sluice --write-matrix     all, and the table of README.md
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../tests/support"))

import admin  # noqa: E402
import broker  # noqa: E402
import install  # noqa: E402
import matrix  # noqa: E402
from certificates import Authority  # noqa: E402
from clients import CLIENTS, WAYS  # noqa: E402
from restarts import Restarts  # noqa: E402
from suite import Tally  # noqa: E402

SECONDS_MAX = 240  # with compiling one of them
COUNT = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
SUITE = re.compile(r"^\S+: \d+ passed, ")
PASSED = re.compile(r"^  ok ([^:]+): (.*?)(?: \([0-9.]+ s\))?$")
OWN = {"LOGIN_USER": "clerk", "LOGIN_PASSWORD": "of the shop", "LOGIN_VHOST": "shop"}


def chosen(is_long):
    return [name for name in CLIENTS if is_long or not CLIENTS[name].is_long]


def start(options, way, authority, key):
    """Gives (gateway, environment): where a client finds it, who it is, with which certificates."""
    flags, found = ["--shutdown-timeout-ms", "500"], {}
    if way != "plain":
        amqps, stomps = str(broker.free_port()), str(broker.free_port())
        flags += [*authority.server().flags, "--amqps-port", amqps, "--stomps-port", stomps]
        found = {"AMQP_PORT": amqps, "STOMP_PORT": stomps, "TLS_CA": authority.cert_file}
    if way == "mutual":
        flags += ["--tls-ca", authority.cert_file, "--tls-verify", "required",
                  "--stomp-ssl-cert-login", "on"]
        client = authority.client(kind=key)
        found.update(TLS_CERT=client.cert_file, TLS_KEY=client.key_file)
    gateway = broker.from_options(options, *flags)
    found = {"AMQP_PORT": str(gateway.amqp_port), "STOMP_PORT": str(gateway.stomp_port), **found}
    if gateway.is_sluice:
        add_users(gateway)
        found.update(OWN)
    return gateway, found


def add_users(gateway):
    """One who may enter a virtual host alone and use what begins with its name there, and the one
    that the client's certificate names."""
    user, vhost = OWN["LOGIN_USER"], OWN["LOGIN_VHOST"]
    admin.put(gateway, "vhosts", vhost)
    admin.put(gateway, "users", user, password=OWN["LOGIN_PASSWORD"], tags="")
    admin.put(gateway, "permissions", vhost, user, configure=f"^{user}",
              write=rf"^({user}|amq\.default$)", read=f"^{user}")
    admin.call(gateway, "PUT", "users", "CN=client", body={"password_hash": "", "tags": ""})
    admin.put(gateway, "permissions", "/", "CN=client", configure=".*", write=".*", read=".*")


def run_client(name, way, found, tally, results):
    """Runs one client's checks; passes on every line but what passed, and the count."""
    client = CLIENTS[name]
    if missing := client.missing():
        print(f"  skipped {name}: {missing}")
        tally.skipped += 1
        results.skipped[name] = missing
        return
    lines = output_of(name, client, found)
    count = COUNT.match(lines[-1]) if lines else None
    for line in lines[: -1 if count else None]:
        if ok := PASSED.match(line):
            results.passed.append((name, way, ok[2]))
        elif not SUITE.match(line):
            print(line)
    if not count:
        print(f"  FAILED {name} {way}: ended without a count")
        tally.failed += 1
        return
    print(f"interop {name} {way}: {lines[-1]}", flush=True)
    tally.passed += int(count[1])
    tally.failed += int(count[2])
    tally.skipped += int(count[3])


def output_of(name, client, found):
    """In a process group of its own, so that with it go the workers that it started."""
    environment = {**os.environ, **found, **client.environment}
    process = subprocess.Popen(client.command, cwd=HERE, env=environment, text=True,
                               errors="replace", stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        return process.communicate(timeout=SECONDS_MAX)[0].splitlines()
    except subprocess.TimeoutExpired:
        end_group(process)
        lines = process.communicate()[0].splitlines()
        return [*lines, f"{name} did not end within {SECONDS_MAX} s"]
    finally:
        end_group(process)


def end_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def run_way(options, way, tally, results):
    """Each client has a gateway of its own: the wrong passwords of many would slow every login of
    the address that they share."""
    with tempfile.TemporaryDirectory() as directory:
        authority = Authority(directory) if way != "plain" else None
        for name in options.clients:
            if way in (CLIENTS[name].usual if options.is_usual else CLIENTS[name].ways):
                run_alone(options, name, way, authority, tally, results)


def run_alone(options, name, way, authority, tally, results):
    gateway, found = start(options, way, authority, CLIENTS[name].key)
    restarts = Restarts(gateway).start() if gateway.is_sluice else None
    if restarts:
        found.update(restarts.environment)
    try:
        run_client(name, way, found, tally, results)
    finally:
        complaint = gateway.close()
        if restarts:
            restarts.close()
    if complaint:
        print(f"  FAILED the gateway of {name} {way} ended badly\n    "
              + complaint.replace("\n", "\n    "))
        tally.failed += 1


def main():
    parser = argparse.ArgumentParser()
    broker.add_options(parser)
    parser.add_argument("--way", choices=WAYS, action="append")
    parser.add_argument("--write-matrix", action="store_true")
    parser.add_argument("--long", action="store_true", help="all clients, not the chosen ones")
    parser.add_argument("clients", nargs="*", metavar="CLIENT")
    options = parser.parse_args()
    is_long = options.long or options.write_matrix
    if is_long:
        install.packages_of(CLIENTS.values())
        install.fetched_of(CLIENTS.values())
    options.is_usual = not is_long and not options.clients
    options.clients = options.clients or chosen(is_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tally, results = Tally(), matrix.Results()
    for way in options.way or (WAYS[:1] if options.against else WAYS):
        run_way(options, way, tally, results)
    if options.write_matrix and not tally.failed:
        matrix.write(os.path.join(HERE, "README.md"), results)
    print(tally)
    return 1 if tally.failed else 0


sys.exit(main())
