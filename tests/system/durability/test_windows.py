"""Windows of ids over the end of a life: as long, as wide, and as forgetful as before."""

import os
import shutil

import admin
import amqp_client
from amqp_client import content, method
from machine import Machine
from rules import channel_of
from suite import Suite, equal, has, raises, wait_until
from test_rules import FORGET, KILL, STOP, persistent, sync

suite = Suite("windows")
ENDS = (STOP, KILL, FORGET)
MINUTE = 60


def queue_of(channel, name="q", **arguments):
    channel.queue_declare(name, durable=True, arguments={
        f"x-{k.replace('_', '-')}": v for k, v in arguments.items()})
    return name


def say(channel, ids, exchange="", key="q", mode=2, header="dedup-id", **headers):
    if not getattr(channel, "is_confirming", False):
        channel.confirm_select()
        channel.is_confirming = True
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    for ident in ids:
        channel.publish(exchange, key, f"{ident}".encode(), {
            "delivery_mode": mode, "headers": {header: f"{ident}", **named}})
    channel.wait_confirms()


def count(channel, queue="q"):
    return channel.queue_declare(queue, passive=True)[1]


def taken_in(channel, ids, queue="q", **named):
    """How many of these the queue takes."""
    before = count(channel, queue)
    say(channel, ids, key=named.pop("key", queue), **named)
    return count(channel, queue) - before


@suite.test_over(*ENDS)
def a_window_of_so_many_ids_remembers_as_many(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        queue_of(channel, cache_size=100)
        say(channel, range(300))
        for _ in range(2):
            channel = end.next_life(machine)
            equal(taken_in(channel, range(200, 300)), 0)
        equal(taken_in(channel, range(150, 200)), 50, "those that went")
        channel = end.next_life(machine)
        equal(taken_in(channel, range(250, 300)), 0)
        equal(taken_in(channel, range(200, 250)), 50, "those that went later")


@suite.test_over(*ENDS)
def a_window_is_over_at_its_time_whoever_slept(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        queue_of(channel, dedup_window_ms=10 * MINUTE * 1000)
        say(channel, ["a"])
        channel = end.next_life(machine, 5 * MINUTE)
        equal(taken_in(channel, ["a", "b"]), 1)
        channel = end.next_life(machine, 9 * MINUTE)
        equal(taken_in(channel, ["a", "b"]), 0, "still in it")
        channel = end.next_life(machine, 11 * MINUTE)
        equal(taken_in(channel, ["a"]), 1, "over: a duplicate did not move it")
        equal(taken_in(channel, ["b"]), 0)
        channel = end.next_life(machine, 16 * MINUTE)
        equal(taken_in(channel, ["b"]), 1)
        equal(taken_in(channel, ["a"]), 0, "it entered anew")


@suite.test_over(*ENDS)
def a_clock_that_was_set_back_takes_no_id_twice(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        queue_of(channel, dedup_window_ms=10 * MINUTE * 1000)
        say(channel, ["a"])
        channel = end.next_life(machine, -24 * 60 * MINUTE)
        equal(taken_in(channel, ["a", "b"]), 1)
        channel = end.next_life(machine, 0)
        equal(taken_in(channel, ["a", "b"]), 0)
        channel = end.next_life(machine, 11 * MINUTE)
        equal(taken_in(channel, ["a"]), 1)


@suite.test_over(*ENDS)
def a_message_keeps_a_time_of_its_own(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        queue_of(channel)
        say(channel, ["short"], x_cache_ttl=2 * MINUTE * 1000)
        say(channel, ["long"])
        channel = end.next_life(machine, MINUTE)
        equal(taken_in(channel, ["short", "long"]), 0)
        channel = end.next_life(machine, 3 * MINUTE)
        equal(taken_in(channel, ["short"]), 1)
        equal(taken_in(channel, ["long"]), 0)


@suite.test_over(*ENDS)
def ids_of_what_was_purged_taken_or_dropped_stay_and_those_of_a_deleted_queue_go(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        for queue in ("purged", "deleted"):
            queue_of(channel, queue)
        queue_of(channel, "short", max_length=2)
        for queue in ("purged", "deleted", "short"):
            say(channel, range(10), key=queue)
        equal(channel.queue_purge("purged"), 10)
        channel.queue_delete("deleted")
        queue_of(channel, "deleted")
        for _ in range(2):
            channel = end.next_life(machine)
            equal(taken_in(channel, range(10), "purged"), 0)
            say(channel, range(8), key="short")
            equal([m.body for m in (channel.get("short"), channel.get("short"))], [b"8", b"9"])
        equal(taken_in(channel, range(10), "deleted"), 10)
        channel = end.next_life(machine)
        equal(taken_in(channel, range(10), "deleted"), 0)


@suite.test_over(*ENDS)
def until_settled_an_id_is_held_by_its_message(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        queue_of(channel, message_deduplication=True)
        say(channel, range(10))
        taker = channel.connection.channel()
        taker.tx_select()
        for _ in range(5):
            taker.ack(taker.get("q").tag)
        taker.tx_commit()
        channel = end.next_life(machine)
        equal(count(channel), 5)
        equal(taken_in(channel, range(5, 10)), 0, "they are there")
        equal(taken_in(channel, range(5)), 5, "they went")
        channel = end.next_life(machine)
        equal(taken_in(channel, range(10)), 0)


def settle_and_say_again(channel, reject, ident, queue="q"):
    """In one write, so that the broker reads both in one turn."""
    tag, wire = channel.get(queue).tag, channel.connection.wire
    properties = {"delivery_mode": 2, "headers": {"dedup-id": ident}}
    settling = method(channel.number, 60, 90, "Qt", tag, False) if reject else \
        method(channel.number, 60, 80, "Qt", tag, False)
    channel.published += 1
    wire.send(settling + method(channel.number, 60, 40, "Hsstt", 0, "", queue, False, False)
              + content(channel.number, b"again", properties))
    channel.wait_confirms()


@suite.test_over(*ENDS)
def until_settled_what_is_published_as_its_id_goes_is_there(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        queue_of(channel, message_deduplication=True)
        for reject in (False, True):
            say(channel, ["a"])
            settle_and_say_again(channel, reject, "a")
            equal(count(channel), 1)
            channel = end.next_life(machine)
            equal(count(channel), 1)
            equal(channel.get("q", no_ack=True).body, b"again")
            say(channel, ["a"])
            channel = end.next_life(machine)
            equal(count(channel), 1)
            equal(channel.queue_purge("q"), 1)


@suite.test_over(*ENDS)
def transient_ids_go_with_the_life_and_persistent_ones_stay(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        queue_of(channel)
        say(channel, ["soft"], mode=1)
        say(channel, ["hard"])
        equal(taken_in(channel, ["soft", "hard"]), 0, "each sees the other")
        equal(taken_in(channel, ["soft", "hard"], mode=1), 0)
        sync(channel)  # the verdicts are on the disk
        channel = end.next_life(machine)
        equal(count(channel), 1)
        equal(taken_in(channel, ["hard"], mode=1), 0)
        equal(taken_in(channel, ["soft"]), 1)
        channel = end.next_life(machine)
        equal(taken_in(channel, ["soft", "hard"]), 0)


@suite.test_over(*ENDS)
def an_exchange_of_the_plugin_has_a_window_in_each_queue(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        for exchange in ("one", "two"):
            channel.exchange_declare(exchange, "x-message-deduplication", durable=True,
                                     arguments={"x-cache-size": 50})
        for queue in ("a", "b"):
            channel.queue_declare(queue, durable=True)
            channel.queue_bind(queue, "one")
        channel.queue_bind("a", "two")

        def through(exchange, ids):
            before = count(channel, "a"), count(channel, "b")
            say(channel, ids, exchange, header="x-deduplication-header")
            return count(channel, "a") - before[0], count(channel, "b") - before[1]

        equal(through("one", range(20)), (20, 20))
        channel = end.next_life(machine)
        equal(through("one", range(20)), (0, 0))
        equal(through("two", range(20)), (20, 0), "of another exchange")
        channel.queue_declare("c", durable=True)
        channel.queue_bind("c", "one")
        channel = end.next_life(machine)
        equal(through("one", range(20)), (0, 0))
        equal(count(channel, "c"), 20, "bound later")
        channel = end.next_life(machine)
        equal(through("two", range(20)), (0, 0))
        equal(count(channel, "c"), 20)


@suite.test_over(*ENDS)
def a_window_of_a_policy_goes_on(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        queue_of(channel)
        admin.put(machine, "policies", "/", "ids", pattern="^q$",
                  definition={"x-dedup-message-id": True, "x-cache-size": 1000})

        def by_message_id(ids):
            before = count(channel)
            for ident in ids:
                persistent(channel, "q", b"x", message_id=ident)
            return count(channel) - before

        wait_until(lambda: admin.get(machine, "queues", "/", "q").get("policy") == "ids", "it")
        equal(by_message_id(["a", "b", "a"]), 2)
        for _ in range(2):
            channel = end.next_life(machine)
            equal(by_message_id(["a", "b"]), 0)
        admin.delete(machine, "policies", "/", "ids")
        channel = end.next_life(machine)
        equal(by_message_id(["a", "b"]), 2, "nobody asks for it any more")


@suite.test_over(*ENDS)
def a_prepared_message_is_asked_when_it_is_committed(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        queue_of(channel)
        for ident in ("x", "y"):
            say(channel, [ident], x_prepare=f"p{ident}")
        equal(count(channel), 0)
        channel = end.next_life(machine)
        equal(taken_in(channel, ["x"]), 1, "it is not remembered yet")
        decider = amqp_client.connect(machine).channel()
        decider.confirm_select()
        for ident in ("px", "py"):
            decider.publish("amq.prepared", ident, b"", {"headers": {"outcome": "commit"}})
        decider.wait_confirms()
        equal(count(channel), 2)
        channel = end.next_life(machine)
        equal(taken_in(channel, ["x", "y"]), 0)


def files_of_ids(machine):
    return sorted(name for name in os.listdir(machine.data) if name.endswith(".ids"))


@suite.test
def a_file_of_ids_that_is_damaged_or_missing_refuses_the_start_and_is_named(lab):
    def flip(path):
        with open(path, "r+b") as file:
            data = bytearray(file.read())
            data[len(data) // 2] ^= 1
            file.seek(0)
            file.write(data)

    for harm in (flip, os.unlink, lambda path: os.truncate(path, os.path.getsize(path) // 2),
                 lambda path: os.truncate(path, 0)):
        with Machine(lab.binary) as machine:
            channel = channel_of(machine)
            queue_of(channel)
            say(channel, range(1000))
            equal(machine.terminate()[0], 0)
            machine.kill()
            name = files_of_ids(machine)[0]
            path = os.path.join(machine.data, name)
            shutil.copy(path, machine.directory)
            harm(path)
            at = len(machine.log_text())
            raises(RuntimeError, machine.power_on)
            has(machine.log_text()[at:], name)
            shutil.copy(os.path.join(machine.directory, name), path)
            machine.power_on()
            equal(taken_in(channel_of(machine), range(1000)), 0)
