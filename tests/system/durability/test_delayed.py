"""Delayed messages over lives that end at any moment: of those that were confirmed none is lost,
none comes twice, none comes early."""

import random
import threading
import time

import amqp_client
from amqp_client import ChannelClosed
from suite import Suite, wait_until
from test_rules import FORGET, KILL
from wire import Closed

suite = Suite("delayed")
GRAIN = 0.25  # after a start it knows the time of a batch of records only
LONGEST_MS = 3000
BATCH = 40
BATCHES = 50  # of a life: the disk of a test is small


class Book:
    """What was published, when it is due at the earliest, and whether that was confirmed."""

    def __init__(self):
        self.due, self.confirmed = [], set()

    def enter(self, delay_ms):
        self.due.append(time.monotonic() + delay_ms / 1000 - GRAIN)
        return len(self.due) - 1

    def due_by(self, moment):
        return sum(due <= moment for due in self.due)


def declare(machine):
    channel = amqp_client.connect(machine).channel()
    channel.exchange_declare("later", "x-delayed-message", durable=True,
                             arguments={"x-delayed-type": "direct"})
    channel.queue_declare("q", durable=True)
    channel.queue_bind("q", "later", "k")


def publish(machine, book, choice):
    """Until the life ends under it."""
    try:
        channel = amqp_client.connect(machine).channel()
        channel.confirm_select()
        for _ in range(BATCHES):
            first = len(book.due)
            for _ in range(BATCH):
                delay = choice.randint(1, LONGEST_MS)
                body = b"%d" % book.enter(delay)
                channel.publish("later", "k", body, {"delivery_mode": 2,
                                                     "headers": {"x-delay": delay}})
            channel.wait_confirms()
            book.confirmed.update(range(first, len(book.due)))
    except (Closed, ChannelClosed, OSError, AssertionError):
        return


def check_count(channel, book):
    count = channel.queue_declare("q", passive=True)[1]
    due = book.due_by(time.monotonic())
    assert count <= due, f"{count} have come, and only {due} are due"
    return count


def live(machine, book, choice):
    publisher = threading.Thread(target=publish, args=(machine, book, choice))
    publisher.start()
    channel = amqp_client.connect(machine).channel()
    before, entered = check_count(channel, book), len(book.confirmed)
    wait_until(lambda: check_count(channel, book) > before and len(book.confirmed) > entered,
               "some are published and some have come", 30)
    time.sleep(choice.uniform(0, 0.3))
    return publisher


@suite.test_over(KILL, FORGET, alone=True)
def none_is_lost_or_twice_or_early_over_lives(lab, end):
    choice, book = random.Random(lab.seed), Book()
    with end.machine(lab) as machine:
        declare(machine)
        for _ in range(50 if lab.is_long else 5):
            publisher = live(machine, book, choice)
            channel = end.next_life(machine)
            publisher.join()
            check_count(channel, book)
        channel.consume("q", no_ack=True)
        seen, missing = set(), set(book.confirmed)
        while missing:
            body = int(channel.message(timeout=30).body)
            assert time.monotonic() >= book.due[body], f"{body} came too early"
            assert body not in seen, f"{body} came twice"
            seen.add(body)
            missing.discard(body)
    lab.say(f"{len(book.due)} published, {len(book.confirmed)} confirmed, {len(seen)} came")
