#!/usr/bin/python3
"""Everything a hostile or broken peer may send, against the real binary.

After each test the gateway must be alive and its memory back, and a bystander in another
process must not have noticed.
"""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]

import broker  # noqa: E402
import runner  # noqa: E402

SUITES = ["amqp_bytes", "amqp_state", "stomp_bytes", "mutations", "silence", "floods",
          "promises"]
LOGIN_TIMEOUT_MS = 3000
GROWTH_KIB_MAX = 24 * 1024  # what the allocator may keep
P99_MS_MAX = 150.0          # the machine is shared with builds and other tests
WORST_MS_MAX = 2000.0


class Bystander:
    def __init__(self, port):
        self.process = subprocess.Popen([os.path.join(HERE, "bystander.py"), str(port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def report(self):
        """(round trips, worst ms, p99 ms) since the last report."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        count, worst, p99 = self.process.stdout.readline().split()
        return int(count), float(worst), float(p99)

    def close(self):
        self.process.kill()
        self.process.wait()


class Guard:
    """Wraps each test: alive, memory back, bystander unharmed."""

    def __init__(self, gateway, bystander, is_sanitized):
        self.gateway, self.bystander, self.is_sanitized = gateway, bystander, is_sanitized

    def wrap_all(self, suite):
        for test in suite.tests:
            self.wrap(test)

    def wrap(self, test):
        inner = test.function

        def guarded(*arguments):
            before = self.gateway.rss_kib()
            inner(*arguments)
            assert self.gateway.is_running(), (f"the gateway died; seed {self.gateway.seed}\n"
                                               + self.gateway.log_text()[-3000:])
            count, worst, p99 = self.bystander.report()
            assert count > 0, "the bystander stood still"
            if self.is_sanitized:
                return
            assert worst <= WORST_MS_MAX, f"the bystander waited {worst} ms"
            assert count < 200 or p99 <= P99_MS_MAX, f"the bystander's p99 was {p99} ms"
            self.memory_comes_back(before)

        test.function = guarded

    def memory_comes_back(self, before):
        deadline = time.monotonic() + 10
        while self.gateway.rss_kib() > before + GROWTH_KIB_MAX:
            grown = self.gateway.rss_kib() - before
            assert time.monotonic() < deadline, f"resident memory grew by {grown} KiB"
            time.sleep(0.02)


def beside_a_bystander(options, gateway):
    bystander = Bystander(gateway.amqp_port)
    try:
        bystander.report()
        guard = Guard(gateway, bystander, options.sanitized)
        return runner.run(options, gateway, guard.wrap_all)
    finally:
        bystander.close()


def main():
    parser = runner.parser(HERE, SUITES)
    parser.add_argument("--rounds", type=int, default=400, help="of seeded mutations")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_000)
    options = runner.parse(parser)
    options.threads = 1  # what a test does to memory is its own

    gateway = broker.from_options(options, "--login-timeout-ms", str(LOGIN_TIMEOUT_MS),
                                  "--shutdown-timeout-ms", "1000")
    gateway.login_timeout = LOGIN_TIMEOUT_MS / 1000
    gateway.rounds, gateway.seed = options.rounds, options.seed
    return runner.told(runner.run_on(options, gateway, beside_a_bystander))


sys.exit(main())
