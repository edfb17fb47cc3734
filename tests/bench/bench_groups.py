#!/usr/bin/python3
"""What message groups cost: the same drain of one queue by a few consumers, keys off and on in turns.

    tests/bench/bench_groups.py --sluice build/release/sluice [--messages 100000] [--groups 1000]

Every round fills a queue with confirmed messages and then times how long the consumers, one process
each, take to get and acknowledge them all.  Prints every round, and the medians.
"""

import argparse
import multiprocessing
import os
import select
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support")]

import amqp_client  # noqa: E402
import broker  # noqa: E402
from ends import unique  # noqa: E402

WINDOW = 1000  # publishes between two looks at the confirms
WARM = b"warm"  # the body of the first message of each group


def publish(channel, queue, options, is_grouped, count, body):
    for n in range(count):
        headers = {"JMSXGroupID" if is_grouped else "other-header": f"key-{n % options.groups}"}
        channel.publish("", queue, body, {"headers": headers})
        if n % WINDOW == WINDOW - 1:
            channel.wait_confirms()
    channel.wait_confirms()


def consume(under_test, queue, prefetch, left, warm, subscribed, go):
    channel = amqp_client.connect(under_test).channel()
    channel.qos(prefetch)
    channel.consume(queue)
    subscribed.release()
    unsettled = 0
    while True:
        message = channel.message()
        if message.body == WARM:
            channel.ack(message.tag)
            with warm.get_lock():
                warm.value -= 1
            continue
        go.wait()
        unsettled += 1
        if unsettled == prefetch // 2 or is_drained(channel.connection.wire):
            channel.ack(message.tag, multiple=True)
            with left.get_lock():
                left.value -= unsettled
            unsettled = 0


def is_drained(wire):
    """Nothing has come that was not looked at: what is unsettled may be all that there will be."""
    return not wire.unread and not select.select([wire.socket], [], [], 0)[0]


def wait_for_zero(counter):
    while counter.value > 0:
        time.sleep(0.001)


def one_round(under_test, options, is_grouped):
    """Messages a second.  The consumers are there first, and share the groups among them; what is
    then published waits behind what they have out until they begin."""
    channel = amqp_client.connect(under_test).channel()
    queue = channel.queue_declare(unique("bench"), durable=True)[0]
    channel.confirm_select()
    left = multiprocessing.Value("q", options.messages)
    warm = multiprocessing.Value("q", options.groups)
    subscribed, go = multiprocessing.Semaphore(0), multiprocessing.Event()
    consumers = [multiprocessing.Process(target=consume, daemon=True, args=(
        under_test, queue, options.prefetch, left, warm, subscribed, go))
                 for _ in range(options.consumers)]
    for one in consumers:
        one.start()
    for _ in consumers:
        subscribed.acquire()
    publish(channel, queue, options, is_grouped, options.groups, WARM)
    wait_for_zero(warm)
    publish(channel, queue, options, is_grouped, options.messages, b"x" * options.body)
    began = time.monotonic()
    go.set()
    wait_for_zero(left)
    rate = options.messages / (time.monotonic() - began)
    for one in consumers:
        one.terminate()
        one.join()
    channel.queue_delete(queue)
    channel.connection.close()
    return rate


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    broker.add_options(parser)
    parser.add_argument("--messages", type=int, default=100000)
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--consumers", type=int, default=4)
    parser.add_argument("--prefetch", type=int, default=100)
    parser.add_argument("--body", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    under_test = broker.from_options(options)
    rates = {False: [], True: []}
    try:
        for number in range(options.rounds):
            for is_grouped in (False, True) if number % 2 == 0 else (True, False):
                rate = one_round(under_test, options, is_grouped)
                rates[is_grouped].append(rate)
                print(f"round {number + 1} groups {'on ' if is_grouped else 'off'} {rate:9.0f}/s",
                      flush=True)
    finally:
        under_test.close()
    off, on = (statistics.median(rates[k]) for k in (False, True))
    print(f"median off {off:.0f}/s, on {on:.0f}/s: {100 * on / off:.1f} %")


if __name__ == "__main__":
    main()
