"""sluice --check-store DIR: says what is in a directory, and changes nothing in it."""

import os
import re
import struct
import subprocess

import amqp_client
import scratch
from machine import Machine
from suite import Suite, equal, has

suite = Suite("check store")
PERSISTENT = {"delivery_mode": 2}
VERSION_AT = 8  # in a segment's header


def check(lab, directory):
    """Gives (status, all that it said); whatever it says, it changes nothing."""
    before = fingerprint(directory)
    result = subprocess.run([lab.binary, "--check-store", directory], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=60)
    equal(fingerprint(directory), before, "the directory")
    return result.returncode, result.stdout


def fingerprint(directory):
    """Any write to a file changes its time."""
    if not os.path.isdir(directory):
        return None
    entries = [entry for entry in os.scandir(directory) if entry.name.endswith((".log", ".new"))]
    return {e.name: (e.inode(), e.stat().st_size, e.stat().st_mtime_ns) for e in entries}


def segment(machine):
    return os.path.join(machine.data, min(n for n in os.listdir(machine.data)
                                          if n.endswith(".log")))


def made(lab, bursts=4):
    """A dead machine with 10 messages a burst, and one settled."""
    machine = Machine(lab.binary)
    machine.power_on()
    channel = amqp_client.connect(machine).channel()
    channel.queue_declare("q", durable=True)
    channel.confirm_select()
    for burst in range(bursts):
        for i in range(10):
            channel.publish("", "q", b"body-%d-%d." % (burst, i), PERSISTENT)
        channel.wait_confirms()
        if burst == 0:
            channel.ack(channel.get("q").tag)
    channel.publish("", "q", b"the last one", PERSISTENT)
    channel.wait_confirms()
    machine.power_off()
    return machine


def patch(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def find(path, text, last=False):
    with open(path, "rb") as file:
        data = file.read()
    at = data.rfind(text) if last else data.find(text)
    assert at > 0, f"{text} is not in the log"
    return at


def ready(machine):
    return amqp_client.connect(machine).channel().queue_declare("q", passive=True)[1]


def refused(lab, machine):
    """By the check and by a start, in the same words; gives them."""
    status, said = check(lab, machine.data)
    equal(status, 1, said)
    before = fingerprint(machine.data)
    assert not machine.tries_to_start(), "it started"
    equal(machine.process.returncode, 1)
    has(machine.log_text(), said.strip().removeprefix("sluice: "))
    equal(fingerprint(machine.data), before, "the directory after a refused start")
    machine.kill()
    return said


def forget(machine):
    scratch.remove(machine.directory)


@suite.test
def a_good_directory_is_described(lab):
    machine = made(lab)
    status, said = check(lab, machine.data)
    equal(status, 0, said)
    for line in ("segments 1", "messages 41", "copies in queues 41", "settled 1",
                 "queues declared 1, deleted 0", "the store is good"):
        has(said, line)
    forget(machine)


@suite.test
def a_torn_tail_is_told_and_cut_at_the_next_start(lab):
    machine = made(lab)
    patch(segment(machine), find(segment(machine), b"the last one", last=True), b"\xff" * 600)
    status, said = check(lab, machine.data)
    equal(status, 0, said)
    assert re.search(r"torn tail \d+ bytes", said), said
    machine.power_on()
    has(machine.log_text(), "recovery.cut")
    equal(ready(machine), 39)
    machine.power_off()
    status, said = check(lab, machine.data)
    equal(status, 0, said)
    assert "torn" not in said, said
    forget(machine)


@suite.test
def damage_below_what_was_durable_refuses_the_start(lab):
    machine = made(lab)
    place = find(segment(machine), b"body-1-5.")
    patch(segment(machine), place, b"B")
    said = refused(lab, machine)
    has(said, os.path.basename(segment(machine)))
    offset = [int(n) for n in re.findall(r"\b\d+\b", said)]
    assert any(place - 4096 < n <= place for n in offset), f"no offset near {place}: {said}"
    forget(machine)


@suite.test
def any_damaged_byte_is_cut_or_refused_and_never_believed(lab):
    """One byte anywhere: what is there afterwards is a beginning of what was there before."""
    machine = made(lab, bursts=2)
    path = segment(machine)
    start = find(path, b"body-0-0.") - 400
    end = find(path, b"the last one", last=True) + 12
    with open(path, "rb") as file:
        good = file.read(end + 4096)
    step = 3 if lab.is_long else 151
    for place in range(start, min(end, start + 12000), step):
        patch(path, place, bytes([good[place] ^ 0x40]))
        status, said = check(lab, machine.data)
        assert status == 1 or "torn tail" in said, f"byte {place}: {said}"
        patch(path, place, good[place : place + 1])
    status, said = check(lab, machine.data)
    equal(status, 0, said)
    forget(machine)


@suite.test
def another_format_version_is_refused(lab):
    for version in (0, 1, 3):
        machine = made(lab, bursts=1)
        patch(segment(machine), VERSION_AT, struct.pack("<I", version))
        has(refused(lab, machine), "version")
        forget(machine)


@suite.test
def a_directory_in_use_is_refused_with_the_pid(lab):
    with Machine(lab.binary) as machine:
        status, said = check(lab, machine.data)
        equal(status, 1)
        has(said, str(machine.process.pid))
        amqp_client.connect(machine).close()


@suite.test
def a_missing_directory_is_refused_and_not_made(lab):
    path = "/tmp/sluice-test-not-there"
    status, said = check(lab, path)
    equal(status, 1)
    has(said, path)
    assert not os.path.exists(path)
