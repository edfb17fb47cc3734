"""A disk that fails: a clean error or a clean stop, and the promises hold at the next start."""

import errno
import os
import subprocess
import tempfile
import time

import amqp_client
import machine as machines
import stomp_client
from amqp_client import ChannelClosed, Closed
from ledger import Ledger, Transaction
from load import look_at_queues, purge_the_long
from machine import FOREVER, Machine
from stomp_client import ErrorFrame
from suite import Skip, Suite, equal, has, wait_until

suite = Suite("disk trouble")
PERSISTENT = {"delivery_mode": 2}
BACKLOG_MAX = 60  # what one life after the other leaves behind, each reads again


class Script:
    """One life's conversation, one step after the other: every step is a few writes and syncs."""

    def __init__(self, machine, ledger, life):
        self.machine, self.ledger, self.life = machine, ledger, life

    def run(self):
        connection = amqp_client.connect(self.machine)
        channel = connection.channel()
        channel.confirm_select()
        for queue in ("q", "w"):
            channel.queue_declare(queue, durable=True)
            self.ledger.book(queue)
        for burst in range(3):
            self.publish(channel, burst)
        stomp = stomp_client.connect(self.machine)
        stomp.subscribe("/amq/queue/q", ack="client-individual")
        for _ in range(2):
            self.settle(stomp)
        self.transact(stomp)
        stomp.close()
        connection.close()

    def publish(self, channel, burst):
        bodies = [b"life%d:%d:x" % (self.life, burst * 4 + i) for i in range(4)]
        for body in bodies:
            self.ledger.sending(["q"], body)
            channel.publish("", "q", body, PERSISTENT)
        channel.wait_confirms()
        for body in bodies:
            self.ledger.confirmed(["q"], body)

    def take(self, stomp):
        frame = stomp.message()
        self.ledger.delivered("q", frame.body, frame.headers["redelivered"] == "true")
        self.ledger.settling("q", [frame.body])
        return frame

    def settle(self, stomp):
        frame = self.take(stomp)
        stomp.ask("ACK", {"id": frame.headers["ack"]})
        self.ledger.settled("q", [frame.body])

    def transact(self, stomp):
        frame = self.take(stomp)
        results = [("w", b"steps%d:%d:x" % (self.life, i)) for i in range(2)]
        transaction = Transaction([("q", frame.body)], results)
        stomp.send("BEGIN", {"transaction": "t"})
        for queue, body in results:
            self.ledger.sending([queue], body)
            stomp.publish(f"/amq/queue/{queue}", body, persistent="true", transaction="t")
        stomp.ack(frame, transaction="t")
        self.ledger.transactions.append(transaction)
        stomp.ask("COMMIT", {"transaction": "t"})
        transaction.is_answered = True
        for queue, body in results:
            self.ledger.confirmed([queue], body)
        self.ledger.settled("q", [frame.body])


def said_since(machine, at):
    return machine.log_text()[at:]


def live_with_trouble(machine, ledger, life):
    """Gives words on what happened; raises when it was neither a clean error nor a clean stop."""
    at = len(machine.log_text())
    if not machine.tries_to_start():
        status = machine.process.returncode
        assert status is not None and status > 0, f"start: status {status}"
        assert said_since(machine, at).strip(), "the start failed without a word"
        return "refused to start"
    try:
        Script(machine, ledger, life).run()
    except (ErrorFrame, ChannelClosed) as error:
        words = f"an error: {error}"
        if machine.is_running():
            return words
    except (Closed, ConnectionRefusedError, ConnectionResetError):
        words = "stopped"
        wait_until(lambda: not machine.is_running(), "the process to end", 30)
    else:
        status, _ = machine.terminate()
        if status == 0:
            return "went on"
        words = "stopped at the end"
    status = machine.process.returncode
    assert status > 0, f"it ended with status {status}: {said_since(machine, at)}"
    has(said_since(machine, at), "log.failed")
    return words


def fail_every_nth(lab, call, number, forgets=True):
    """Over one directory; lives with a failure in turn with lives to compare in."""
    machine = Machine(lab.binary, layer=lab.layer, forgets=forgets, workers=1)
    ledger, seen = Ledger(), {}
    assert live_with_trouble(machine, ledger, 0) == "went on"  # so that there is much to read
    machine.power_off()
    for nth in range(1, 400):
        if not lab.is_long and nth > 6 and nth % 3:
            continue
        where = f"{machines.CALLS[call]} number {nth}, {errno.errorcode.get(number, 'cut short')}"
        before, at = machine.disk.calls(call), len(machine.log_text())
        machine.disk.fail(call, number, first=nth)
        try:
            words = live_with_trouble(machine, ledger, nth)
        except BaseException as error:
            raise AssertionError(f"{where}: {error!r}") from error
        has_failed = machine.disk.get("failed")
        was_last = machine.disk.calls(call) - before == nth  # it only says goodbye: no harm
        matters = call in (machines.WRITE, machines.SYNC) and number != 0 and not was_last
        matters = matters and "checkpoint.full" not in said_since(machine, at)
        if words == "went on" and has_failed and matters:
            raise AssertionError(f"{where}: nobody noticed")
        machine.disk.put("failed", 0)
        machine.disk.heal()
        machine.power_off("subset", lab.seed + nth)
        seen[words] = seen.get(words, 0) + 1
        machine.power_on()
        if ledger.books:
            ledger.compare(look_at_queues(machine, ledger))
        assert not ledger.broken, f"{where}: it {words}\n" + "\n".join(ledger.broken)
        purge_the_long(machine, ledger, BACKLOG_MAX)
        machine.power_off()
        if not has_failed:
            lab.say(f"{machines.CALLS[call]}: {nth - 1} places, {seen}")
            break
    else:
        raise AssertionError("the run never got past the failures")
    machine.power_on()
    complaint = machine.close()
    assert not complaint, complaint


@suite.test
def any_write_may_fail(lab):
    fail_every_nth(lab, machines.WRITE, errno.EIO)


@suite.test
def any_write_may_find_no_room(lab):
    fail_every_nth(lab, machines.WRITE, errno.ENOSPC)


@suite.test
def any_sync_may_fail(lab):
    fail_every_nth(lab, machines.SYNC, errno.EIO)


@suite.test
def any_sync_may_fail_while_the_page_cache_looks_clean(lab):
    """Nothing is forgotten between the lives: the next one sees what the disk never got."""
    fail_every_nth(lab, machines.SYNC, errno.EIO, forgets=False)


@suite.test
def any_open_may_fail(lab):
    fail_every_nth(lab, machines.OPEN, errno.EIO)


@suite.test
def any_read_may_fail(lab):
    fail_every_nth(lab, machines.READ, errno.EIO)


@suite.test
def cutting_a_torn_tail_may_fail(lab):
    """A start that cannot cut, or cannot make the cut durable, is refused; the next one does it."""
    for call in (machines.CHANGE, machines.WRITE, machines.SYNC):
        for nth in range(1, 30) if lab.is_long else (1, 2, 5):
            machine = Machine(lab.binary, layer=lab.layer, forgets=True, workers=1)
            ledger = Ledger()
            equal(live_with_trouble(machine, ledger, 0), "went on")
            machine.power_off()
            tear(machine)
            machine.disk.fail(call, errno.EIO, first=nth)
            if not machine.tries_to_start():
                assert machine.process.returncode > 0, machine.process.returncode
            has_failed = machine.disk.get("failed")
            machine.disk.heal()
            machine.power_off()
            machine.power_on()
            ledger.compare(look_at_queues(machine, ledger))
            assert not ledger.broken, "\n".join(ledger.broken)
            assert not machine.close(), "it does not end well"
            if not has_failed:
                break
        assert nth > 1, f"{machines.CALLS[call]}: nothing to fail"


def tear(machine):
    """Puts behind the last record what a torn write may leave there."""
    name = max(n for n in os.listdir(machine.data) if n.endswith(".log"))
    with open(os.path.join(machine.data, name), "r+b") as file:
        end = len(file.read().rstrip(b"\0")) // 8 * 8 + 64
        file.seek(end)
        file.write(b"\xa5" * 1000)


@suite.test
def a_directory_that_is_never_finished_starts_again(lab):
    """The first start of all fails at every place: the next one makes a new log."""
    for call in (machines.WRITE, machines.SYNC, machines.OPEN, machines.ALLOCATE, machines.CHANGE):
        for nth in range(1, 30) if lab.is_long else (1, 3, 6):
            machine = Machine(lab.binary, layer=lab.layer, forgets=True, workers=1)
            machine.disk.fail(call, errno.EIO, first=nth)
            has_started = machine.tries_to_start()
            machine.disk.heal()
            if not has_started:
                assert machine.process.returncode > 0, machine.process.returncode
            machine.power_off("subset", lab.seed + nth)
            machine.power_on()
            amqp_client.connect(machine).close()
            assert not machine.close(), "it does not end well"
            if has_started and machine.disk.get("failed") == 0:
                break


@suite.test
def a_write_cut_short_is_finished(lab):
    """A short count is no error: the rest follows."""
    fail_every_nth(lab, machines.WRITE, 0) if lab.is_long else None
    with Machine(lab.binary, layer=lab.layer, forgets=True) as machine:
        machine.disk.put("fail_errno", 0)
        machine.disk.fail(machines.WRITE, 0, first=1, last=FOREVER // 2)
        ledger = Ledger()
        Script(machine, ledger, 1).run()
        assert machine.disk.get("failed") > 3
        machine.disk.heal()
        machine.power_off()
        machine.power_on()
        ledger.compare(look_at_queues(machine, ledger))
        assert not ledger.broken, "\n".join(ledger.broken)


# --- no room


def fill_until_blocked(channel, body, most):
    """Publishes until the broker says that it is held; gives what it did not read any more."""
    connection = channel.connection
    publish = (amqp_client.method(channel.number, 60, 40, "Hsstt", 0, "", "big", False, False)
               + amqp_client.content(channel.number, body, PERSISTENT))
    rest = b""
    for _ in range(most):
        if not rest:
            rest = publish
            channel.published += 1
        rest = rest[connection.wire.send_what_fits(rest, 0.05) :]
        pump_what_is_there(connection)
        if any(name == "connection.blocked" for name, _ in connection.events):
            return rest
    raise AssertionError(f"never blocked in {most} publishes")


def pump_what_is_there(connection):
    try:
        while True:
            connection.pump(time.monotonic() + 0.001, None)
    except amqp_client.Late:
        pass


def settle_some(machine, count):
    """Consumers go on, and their settles reach the disk."""
    stomp = stomp_client.connect(machine)
    stomp.subscribe("/amq/queue/big", ack="client-individual", prefetch_count=2)
    for _ in range(count):
        stomp.ask("ACK", {"id": stomp.message().headers["ack"]})
    stomp.close()


def held_and_released(machine, make_room):
    """Gives the number of confirmed messages that nobody settled."""
    channel = amqp_client.connect(machine).channel()
    channel.queue_declare("big", durable=True)
    channel.confirm_select()
    rest = fill_until_blocked(channel, b"x" * 500000, 600)
    equal(channel.connection.wait("connection.blocked")[1], ["low on disk"])
    settle_some(machine, 5)
    assert not any(n == "connection.unblocked" for n, _ in channel.connection.events)
    make_room()
    channel.connection.wait("connection.unblocked")
    channel.connection.wire.send(rest)
    channel.wait_confirms()
    channel.publish("", "big", b"after", PERSISTENT)
    channel.wait_confirms()
    return channel.published - 5


@suite.test
def without_room_for_a_segment_publishers_are_held_and_consumers_go_on(lab):
    with Machine(lab.binary, layer=lab.layer) as machine:
        machine.disk.fail(machines.ALLOCATE, errno.ENOSPC, 1, FOREVER)
        count = held_and_released(machine, machine.disk.heal)
        has(machine.log_text(), "disk.full")
        machine.power_off()
        machine.power_on()
        ready = amqp_client.connect(machine).channel().queue_declare("big", passive=True)[1]
        equal(ready, count)


@suite.test
def a_disk_that_fails_while_the_next_segment_is_made_ends_the_process(lab):
    for call, nth in ((machines.ALLOCATE, 1), (machines.OPEN, 1), (machines.CHANGE, 1)):
        machine = Machine(lab.binary, layer=lab.layer)
        machine.power_on()
        channel = amqp_client.connect(machine).channel()
        channel.queue_declare("big", durable=True)
        channel.confirm_select()
        machine.disk.fail(call, errno.EIO, nth)
        try:
            while channel.published < 150:
                channel.publish("", "big", b"x" * 500000, PERSISTENT)
                channel.wait_confirms()
            raise AssertionError(f"{machines.CALLS[call]}: nobody noticed")
        except Closed:
            pass
        wait_until(lambda: not machine.is_running(), "the process to end", 30)
        assert machine.process.returncode > 0, machine.process.returncode
        has(machine.log_text(), "log.failed")
        machine.disk.heal()
        machine.power_on()
        ready = amqp_client.connect(machine).channel().queue_declare("big", passive=True)[1]
        assert ready >= channel.confirmed, f"{ready} of {channel.confirmed}"
        assert not machine.close()


@suite.test
def a_file_system_that_is_full_holds_publishers(lab):
    with tempfile.TemporaryDirectory(prefix="sluice-small-") as place:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=140m", "tmpfs", place],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            raise Skip("cannot mount a tmpfs: " + mounted.stderr.strip())
        try:
            full_file_system(lab, place)
        finally:
            subprocess.run(["umount", "-l", place], check=True)


def full_file_system(lab, place):
    def grow():
        subprocess.run(["mount", "-o", "remount,size=400m", place], check=True)

    with Machine(lab.binary, "--disk-free-limit", "1", data=place) as machine:
        ballast = os.path.join(place, "ballast")
        count = held_and_released(machine, grow)
        machine.power_off()
        with open(ballast, "wb") as file:  # now it is full for everybody
            try:
                file.write(b"x" * (400 << 20))
            except OSError as error:
                equal(error.errno, errno.ENOSPC)
        machine.power_on()
        ready = amqp_client.connect(machine).channel().queue_declare("big", passive=True)[1]
        equal(ready, count)
        settle_some(machine, 3)
