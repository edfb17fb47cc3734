"""Starts the gateway on free loopback ports, and makes sure that it ends with the test."""

import argparse
import itertools
import os
import random
import re
import select
import signal
import socket
import subprocess
import time

import scratch
from suite import Skip

READY_TIMEOUT = 60.0


STRETCH = 1000
stretches = {}  # by process


def free_port():
    """A port below the ephemeral range, so that no client's own socket takes it meanwhile.  Each
    process has a stretch of them to itself, mostly, and gives none twice before all others."""
    own = os.getpid()
    if own not in stretches:
        first = 15000 + own % 17 * STRETCH
        stretches[own] = itertools.cycle(
            random.SystemRandom().sample(range(first, first + STRETCH), STRETCH))
    while True:
        port = next(stretches[own])
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Broker:
    """One running gateway."""

    is_sluice = True
    is_sanitized = False  # a sanitizer's memory and pace are not the product's
    environment = None  # of the process; None: ours
    flags_of_all = ()  # of every gateway that is started

    def __init__(self, binary, *flags, workers=1):
        self.binary, self.flags, self.workers = binary, flags, workers
        self.directory = scratch.make()
        self.log_path = os.path.join(self.directory, "log")
        for attempt in range(5):  # a port may be taken between the choice and the bind
            if self.start() or attempt == 4:
                break

    def start(self):
        self.amqp_port, self.stomp_port = free_port(), free_port()
        return self.launch()

    def start_again(self):
        """Ends it, as a service manager does, and starts it on the same ports and directory."""
        self.terminate()
        self.kill()
        if not self.launch():
            raise RuntimeError(f"the gateway did not start again:\n{self.log_text()}")

    def launch(self):
        command = ["setpriv", "--pdeathsig", "KILL", "--", self.binary, "--bind", "127.0.0.1",
                   "--amqp-port", str(self.amqp_port), "--stomp-port", str(self.stomp_port),
                   "--data-dir", os.path.join(self.directory, "data"),
                   "--workers", str(self.workers), *self.flags_of_all, *self.flags]
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log,
                                        env=self.environment)
        self.ready = self.read_ready()
        if self.ready:
            return True
        self.kill()
        if "in use" in self.log_text().lower():
            return False
        raise RuntimeError(f"the gateway did not start:\n{self.log_text()}")

    def read_ready(self):
        readable, _, _ = select.select([self.process.stdout], [], [], READY_TIMEOUT)
        line = self.process.stdout.readline().decode() if readable else ""
        return line.strip() if line.startswith("sluice ready") else None

    def log_text(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    def cpu_seconds(self, threads=""):
        """What those whose name begins so have worked, whatever else the machine has to do."""
        ticks, tasks = 0, f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/stat") as stat:
                name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
            if name.startswith(threads):
                ticks += sum(map(int, rest.split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def is_running(self):
        return self.process.poll() is None

    def is_dead(self):
        return not self.is_running()

    def terminate(self, timeout=30.0):
        """SIGTERM; gives (exit status, seconds)."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        return status, time.monotonic() - began

    def kill(self):
        if self.is_running():
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def close(self, has_failed=False):
        """Ends it; gives a complaint when it did not end well, with its last words."""
        complaint = None
        try:
            if not self.is_running():
                complaint = f"the gateway died with status {self.process.returncode}"
            else:
                status, seconds = self.terminate()
                if status != 0:
                    complaint = f"SIGTERM: exit status {status} after {seconds:.1f} s"
        except subprocess.TimeoutExpired:
            complaint = "SIGTERM: still running after 30 s"
        self.kill()
        if complaint:
            complaint += "\n" + self.log_text()[-4000:]
        if complaint or has_failed:
            scratch.keep(self.directory)
        scratch.remove(self.directory)
        return complaint

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        complaint = self.close(has_failed=error is not None and kind is not Skip)
        if complaint and error is None:
            raise AssertionError(complaint)


class OtherBroker:
    """A broker that runs already, to compare the suite with: RabbitMQ with its STOMP plugin."""

    is_sluice = is_sanitized = False
    workers = 0

    def __init__(self, ports):
        self.amqp_port, self.stomp_port = map(int, ports.split(":"))

    def close(self):
        return None


def add_options(parser: argparse.ArgumentParser):
    parser.add_argument("--sluice", default="build/release/sluice", help="the binary under test")
    parser.add_argument("--sanitized", action="store_true", help="the binary has a sanitizer")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--against", metavar="AMQP:STOMP", help="ports of a running RabbitMQ")
    parser.add_argument("--only", metavar="REGEX", help="run tests whose 'suite name' matches")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("-v", "--verbose", action="store_true")


def from_options(options, *flags):
    if options.against:
        return OtherBroker(options.against)
    Broker.is_sanitized = options.sanitized
    return Broker(options.sluice, *flags, workers=options.workers)
