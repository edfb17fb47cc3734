#!/usr/bin/python3
"""A well-behaved client in a process of its own: one message round trip after the other.

Takes the AMQP port.  On every line of standard input it prints "COUNT WORST_MS P99_MS" of the
round trips since the last line; it ends with its input.
"""

import os
import select
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))

import amqp_client  # noqa: E402

PAUSE = 0.002


def main():
    connection = amqp_client.Connection(int(sys.argv[1])).open()
    channel = connection.channel()
    queue = channel.queue_declare(exclusive=True)[0]
    channel.consume(queue, no_ack=True)
    times = []
    while True:
        began = time.monotonic()
        channel.publish("", queue, b"tick")
        channel.message(timeout=30)
        times.append((time.monotonic() - began) * 1000)
        readable, _, _ = select.select([sys.stdin], [], [], PAUSE)
        if readable:
            if not sys.stdin.readline():
                return
            times.sort()
            print(len(times), f"{times[-1]:.1f}", f"{times[len(times) * 99 // 100]:.1f}",
                  flush=True)
            times.clear()


main()
