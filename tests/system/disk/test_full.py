"""A disk that fills up under load: publishers are held, everybody else goes on, nothing is lost."""

import json
import os
import subprocess
import threading
import time

import amqp_client
import stomp_client
from amqp_client import Late, content, method
from machine import Machine
from small_disk import EXT4, TMPFS, SmallDisk
from suite import Suite, equal, has, wait_until

suite = Suite("full disk")
PERSISTENT = {"delivery_mode": 2}
FLOOR_MIB = 128
BODY = b"x" * 60000


class Publisher(threading.Thread):
    """Publishes persistent messages without end, and knows which are confirmed."""

    def __init__(self, machine, name):
        super().__init__(name=name, daemon=True)
        self.connection = amqp_client.connect(machine)
        self.channel = self.connection.channel()
        self.channel.queue_declare(name, durable=True)
        self.channel.confirm_select()
        self.sent = self.confirmed = 0
        self.singles = set()
        self.reason = ""  # why it is blocked
        self.last = 0  # when a confirm came
        self.stop = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.stop.is_set():
                self.send_some()
                self.hear()
        except (amqp_client.Closed, OSError):
            pass

    def send_some(self):
        """At most so many that are not confirmed; what the broker does not read waits."""
        rest = b""
        while (self.sent - self.confirmed < 32 or rest) and not self.stop.is_set():
            if not rest:
                self.sent += 1
                body = b"%d:" % self.sent + BODY
                rest = (method(1, 60, 40, "Hsstt", 0, "", self.name, False, False)
                        + content(1, body, PERSISTENT))
            rest = rest[self.connection.wire.send_what_fits(rest, 0.05):]
            if rest:
                self.hear()

    def hear(self):
        try:
            while True:
                self.connection.pump(time.monotonic() + 0.001, None)
        except Late:
            pass
        while self.channel.events:
            _, (tag, multiple, *_) = self.channel.events.popleft()
            self.singles.update(range(self.confirmed + 1, tag + 1) if multiple else (tag,))
            while self.confirmed + 1 in self.singles:
                self.confirmed += 1
                self.singles.remove(self.confirmed)
            self.last = time.monotonic()
        while self.connection.events:
            name, arguments = self.connection.events.popleft()
            if name == "connection.blocked":
                self.reason = arguments[0]
            elif name == "connection.unblocked":
                self.reason = ""

    def finish(self):
        self.stop.set()
        self.join(10)
        self.connection.wire.close()


def node(machine):
    ctl = os.path.join(os.path.dirname(os.path.abspath(machine.binary)), "sluicectl")
    done = subprocess.run([ctl, "--data-dir", machine.data, "--format", "json", "status"],
                          capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)["node"]


def on(disk, lab, **options):
    return Machine(lab.binary, "--disk-free-limit", f"{FLOOR_MIB}m", "--memory-budget", "64m",
                   data=disk.place, **options)


def hold(machine, publishers):
    """Waits until all are held because of the disk."""
    def are_held():
        return all(p.reason for p in publishers) and node(machine)["disk_free_alarm"]

    wait_until(are_held, "all publishers to be held", 60)


def consume(machine, queue, count):
    """Acknowledges so many, each with an answer that it is on the disk; gives the numbers."""
    stomp = stomp_client.connect(machine)
    stomp.subscribe(f"/amq/queue/{queue}", ack="client-individual", prefetch_count=20)
    numbers = []
    for _ in range(count):
        frame = stomp.message()
        stomp.ask("ACK", {"id": frame.headers["ack"]})
        numbers.append(int(frame.body.split(b":")[0]))
    stomp.close()
    return numbers


def drain(machine, queue):
    """Takes everything; gives the numbers in their order."""
    channel = amqp_client.connect(machine).channel()
    left = channel.queue_declare(queue, passive=True)[1]
    channel.consume(queue, no_ack=True)
    numbers = [int(channel.message(30).body.split(b":")[0]) for _ in range(left)]
    channel.connection.close()
    return numbers


def is_held(machine):
    """Is a SEND of a STOMP client left unread?"""
    stomp = stomp_client.connect(machine)
    try:
        stomp.ask("SEND", {"destination": "/queue/other", "persistent": "true"}, b"x", timeout=1)
        return False
    except Late:
        return True
    finally:
        stomp.wire.close()


@suite.test_over(TMPFS, EXT4)
def a_disk_that_others_fill_holds_publishers_and_lets_them_go_when_there_is_room(lab, kind):
    with SmallDisk(kind, 600) as disk, on(disk, lab) as machine:
        publishers = [Publisher(machine, name) for name in ("a", "b", "c")]
        wait_until(lambda: all(p.confirmed > 20 for p in publishers), "a beginning")
        equal(node(machine)["disk_free_alarm"], False)
        disk.leave_free(FLOOR_MIB + 40)  # publishers do the rest
        hold(machine, publishers)
        has(machine.log_text(), "disk.low")
        seen = node(machine)
        equal((seen["disk_free_alarm"], seen["mem_alarm"]), (True, False))
        equal(seen["disk_free_limit"], FLOOR_MIB << 20)
        assert seen["disk_free"] < seen["disk_free_limit"], seen
        assert is_held(machine), "STOMP is read although the disk is low"
        equal(consume(machine, "a", 20), list(range(1, 21)))
        equal([p.reason for p in publishers], ["low on disk"] * 3)
        disk.drop_ballast()
        wait_until(lambda: not any(p.reason for p in publishers), "all to be let go")
        has(machine.log_text(), "disk.ok")
        before = [p.confirmed for p in publishers]
        wait_until(lambda: all(p.confirmed > n for p, n in zip(publishers, before)), "confirms")
        equal(node(machine)["disk_free_alarm"], False)
        for publisher in publishers:
            publisher.finish()


@suite.test_over(TMPFS, EXT4)
def what_was_confirmed_outlives_kill_9_at_the_full_disk(lab, kind):
    with SmallDisk(kind, 500) as disk, on(disk, lab) as machine:
        publishers = [Publisher(machine, name) for name in ("a", "b")]
        hold(machine, publishers)
        gone = consume(machine, "a", 50)
        wait_until(lambda: all(time.monotonic() - p.last > 1 for p in publishers), "quiet")
        for publisher in publishers:
            publisher.finish()
        machine.power_off()
        disk.leave_free(0)
        machine.power_on()
        assert is_held(machine), "held from the start"
        for publisher in publishers:
            numbers = drain(machine, publisher.name)
            settled = gone if publisher.name == "a" else []
            equal(numbers, sorted(numbers))
            missing = set(range(1, publisher.confirmed + 1)) - set(numbers) - set(settled)
            assert not missing, f"{publisher.name}: {len(missing)} of {publisher.confirmed} lost"
            assert not set(numbers) & set(settled), "a settled message came again"


@suite.test_over(TMPFS, EXT4)
def consumers_alone_make_room_again(lab, kind):
    with SmallDisk(kind, 600) as disk, on(disk, lab) as machine:
        publisher = Publisher(machine, "a")
        hold(machine, [publisher])
        channel = amqp_client.connect(machine).channel()
        channel.qos(500)
        channel.consume("a")
        taken = 0
        while publisher.reason:
            channel.ack(channel.message(20).tag)
            taken += 1
        has(machine.log_text(), "disk.ok")
        before = publisher.confirmed
        wait_until(lambda: publisher.confirmed > before, "publishing goes on")
        publisher.finish()
