"""A backlog larger than memory: what the process takes, and what the disk gets back."""

import os

import amqp_client
from machine import Machine
from suite import Skip, Suite, equal, wait_until

suite = Suite("backlog")
PERSISTENT = {"delivery_mode": 2}
BODY = b"x" * 10000
MIB = 1 << 20
SEGMENT = 64 * MIB


def disk_bytes(machine):
    total = 0
    for entry in os.scandir(machine.data):
        try:
            total += entry.stat().st_blocks * 512
        except FileNotFoundError:
            pass  # removed or renamed meanwhile
    return total


def disk_mib(machine):
    return disk_bytes(machine) // MIB


def publish(machine, queue, count, properties=None):
    channel = amqp_client.connect(machine).channel()
    channel.queue_declare(queue, durable=True)
    channel.confirm_select()
    for number in range(count):
        channel.publish("", queue, b"%d:" % number + BODY, properties or PERSISTENT)
        if number % 500 == 499:
            channel.wait_confirms()
    channel.wait_confirms()
    channel.connection.close()


def consume(machine, queue, first, count, is_acked=True):
    connection = amqp_client.connect(machine)
    channel = connection.channel()
    channel.qos(200)
    channel.consume(queue, no_ack=not is_acked)
    for number in range(first, first + count):
        message = channel.message(20)
        equal(int(message.body.split(b":")[0]), number)
        if is_acked:
            channel.ack(message.tag)
    channel.queue_declare(f"{queue}-{first}", durable=True)  # its answer waits for the acks' sync
    connection.kill()


def small(lab):
    if lab.is_sanitized:
        raise Skip("a sanitizer's memory is not the product's")
    return Machine(lab.binary, "--memory-budget", "16m", workers=1)


@suite.test(alone=True)
def a_backlog_of_ten_times_the_memory_stays_on_the_disk_and_comes_back_in_order(lab):
    with small(lab) as machine:
        publish(machine, "q", 16000)
        assert machine.rss_kib() < 64 * 1024, f"{machine.rss_kib()} KiB"
        consume(machine, "q", 0, 8000)
        assert machine.rss_kib() < 64 * 1024, f"{machine.rss_kib()} KiB"
        machine.power_off()
        machine.power_on()
        assert machine.rss_kib() < 64 * 1024, f"{machine.rss_kib()} KiB after the start"
        consume(machine, "q", 8000, 8000)


@suite.test(alone=True)
def transient_messages_are_paged_out_too(lab):
    with small(lab) as machine:
        publish(machine, "q", 8000, {"delivery_mode": 1})
        assert machine.rss_kib() < 64 * 1024, f"{machine.rss_kib()} KiB"
        consume(machine, "q", 0, 8000, is_acked=False)


@suite.test(alone=True)
def what_was_consumed_is_given_back_to_the_disk(lab):
    with small(lab) as machine:
        publish(machine, "q", 40000)
        full = disk_mib(machine)
        consume(machine, "q", 0, 40000)
        publish(machine, "q", 8000)  # something has to go on for a checkpoint to be due
        consume(machine, "q", 0, 8000)
        wait_until(lambda: disk_mib(machine) < full // 2,
                   f"{full} MiB to become less than half", 60)


@suite.test(alone=True)
def a_flow_without_a_backlog_takes_two_segments_and_gives_a_third_back_at_once(lab):
    once = 100  # messages that are live at a time
    most = 2 * SEGMENT + 3 * once * len(BODY)
    with small(lab) as machine:
        channel = amqp_client.connect(machine).channel()
        channel.queue_declare("q", durable=True)
        channel.confirm_select()
        channel.consume("q")
        for number in range(4 * SEGMENT // len(BODY) // once):
            for _ in range(once):
                channel.publish("", "q", BODY, PERSISTENT)
            channel.wait_confirms()
            for _ in range(once):
                last = channel.message(20)
            channel.ack(last.tag, multiple=True)
            taken = disk_bytes(machine)
            assert taken < most + SEGMENT, f"{taken} bytes in round {number}"
            wait_until(lambda: disk_bytes(machine) < most, f"{most} bytes in round {number}", 60)
        wait_until(lambda: disk_bytes(machine) < 2 * SEGMENT, "two segments at rest", 60)


@suite.test(alone=True)
def a_clean_stop_leaves_little_to_read_at_the_next_start(lab):
    with small(lab) as machine:
        publish(machine, "q", 12000)
        equal(machine.terminate()[0], 0)
        machine.kill()
        at = len(machine.log_text())
        machine.power_on()
        said = [line for line in machine.log_text()[at:].splitlines() if "recovery.done" in line]
        records = int(said[0].split("records=")[1].split()[0])
        assert records < 100, said
        consume(machine, "q", 0, 12000)
