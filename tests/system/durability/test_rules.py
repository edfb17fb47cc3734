"""The rules of queues over the end of a life: times go on, deaths and counts stay."""

import amqp_client
from machine import Machine
from rules import (CLASSIC, QUORUM, bodies, comes_to_hold, confirmed, is_there, letter_box, ready,
                   taken)
from suite import Suite, equal, wait_until

suite = Suite("rules")
HOUR = 3600


class End:
    """How a life ends; what follows is the next one."""

    def __init__(self, name, forgets=False):
        self.name, self.forgets = name, forgets

    def machine(self, lab, **options):
        layer = lab.layer if self.forgets else None
        return Machine(lab.binary, layer=layer, clock_layer=lab.clock_layer, forgets=self.forgets,
                       **options)

    def next_life(self, machine, clock=None):
        """Gives a channel on it."""
        if self.name == "stop":
            equal(machine.terminate()[0], 0, "exit status")
        machine.power_off()
        if clock is not None:
            machine.clock.set(clock)
        machine.power_on()
        channel = channel_on(machine)
        sync(channel)
        return channel


STOP, KILL, FORGET = End("stop"), End("kill"), End("forget", forgets=True)
ENDS = (STOP, KILL, FORGET)


def channel_on(machine):
    return amqp_client.connect(machine).channel()


def persistent(channel, queue, *wanted, **properties):
    confirmed(channel, queue, *wanted, delivery_mode=2, **properties)


def sync(channel):
    """What was done before is on the disk: the log is in order."""
    channel.queue_declare("sync", durable=True)
    persistent(channel, "sync", b"x")
    channel.queue_purge("sync")


def lent(channel, queue):
    return wait_until(lambda: channel.get(queue), f"a message in {queue}")


def reject(channel, queue):
    channel.reject(lent(channel, queue).tag, requeue=False)
    channel.round_trip()


@suite.test_over(*ENDS)
def a_time_goes_on_while_nothing_runs(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        by_queue, first = letter_box(channel, message_ttl=HOUR * 1000)
        by_message, second = letter_box(channel)
        persistent(channel, by_queue, b"1")
        persistent(channel, by_message, b"2", expiration=str(HOUR * 1000))
        persistent(channel, by_message, b"3")
        channel = end.next_life(machine, 2 * HOUR)
        for box, body in ((first, b"1"), (second, b"2")):
            dead = taken(channel, box)
            equal((dead.body, dead.headers["x-death"][0]["reason"]), (body, "expired"))
        equal(bodies(channel, by_message), [b"3"])


@suite.test_over(*ENDS)
def a_time_does_not_begin_anew(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue = CLASSIC.declare(channel, message_ttl=HOUR * 1000)
        persistent(channel, queue, b"1")
        channel = end.next_life(machine, HOUR // 2)
        equal(ready(channel, queue), 1)
        channel = end.next_life(machine, HOUR + 60)
        comes_to_hold(channel, queue, 0)


@suite.test_over(*ENDS)
def a_clock_that_was_set_back_ends_nothing(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue = CLASSIC.declare(channel, message_ttl=HOUR * 1000)
        persistent(channel, queue, b"1")
        channel = end.next_life(machine, -24 * HOUR)
        equal(bodies(channel, queue), [b"1"])


@suite.test_over(*ENDS)
def what_was_over_stays_over_when_the_clock_is_set_back(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue = CLASSIC.declare(channel, message_ttl=100)
        persistent(channel, queue, b"1")
        comes_to_hold(channel, queue, 0)
        sync(channel)
        channel = end.next_life(machine, -24 * HOUR)
        equal(ready(channel, queue), 0)


@suite.test_over(*ENDS)
def a_dead_letter_stays_with_what_it_says(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue, box = letter_box(channel)
        persistent(channel, queue, b"1", b"2", headers={"mine": "own"}, expiration="600000")
        reject(channel, queue)
        sync(channel)
        before = lent(channel, box)
        channel = end.next_life(machine)
        after = lent(channel, box)
        equal(after.typed_headers, before.typed_headers)
        equal((after.body, after.raw_properties), (b"1", before.raw_properties))
        equal(bodies(channel, queue), [b"2"])
        equal(ready(channel, box), 0)


@suite.test_over(KILL, FORGET)
def a_reject_that_was_committed_is_a_death_whenever_the_life_ends(lab, end):
    """Also for queues of one worker whose letters go to another's."""
    with end.machine(lab, workers=4) as machine:
        channel = channel_on(machine)
        pairs = [letter_box(channel) for _ in range(12)]
        for life in range(3):
            for queue, _ in pairs:
                persistent(channel, queue, b"%d" % life)
            tx = channel.connection.channel()
            tx.tx_select()
            for queue, _ in pairs:
                tx.reject(lent(tx, queue).tag, requeue=False)
            tx.tx_commit()
            channel = end.next_life(machine)
            for queue, box in pairs:
                equal(taken(channel, box).body, b"%d" % life)
                equal((ready(channel, queue), ready(channel, box)), (0, 0))
            sync(channel)


@suite.test_over(*ENDS)
def a_dead_letter_of_a_transient_message_does_not_stay(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue, box = letter_box(channel)
        confirmed(channel, queue, b"1")
        reject(channel, queue)
        comes_to_hold(channel, box, 1)
        sync(channel)
        channel = end.next_life(machine)
        equal((ready(channel, queue), ready(channel, box)), (0, 0))


@suite.test_over(*ENDS)
def a_death_that_was_not_synced_is_in_one_place(lab, end):
    """Rejected and at once the end: there or here, never in both and never in none."""
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue, box = letter_box(channel)
        sent = [str(n).encode() for n in range(300)]
        persistent(channel, queue, *sent)
        channel.consume(queue)
        messages = [channel.message() for _ in sent]
        for message in messages[:200]:
            channel.reject(message.tag, requeue=False)
        channel.round_trip()
        channel = end.next_life(machine)
        dead, left = bodies(channel, box), bodies(channel, queue)
        equal(dead + left, sent)


@suite.test_over(*ENDS)
def a_count_of_deaths_goes_on(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue = CLASSIC.declare(channel, "own", dead_letter_exchange="",
                                dead_letter_routing_key="own")
        persistent(channel, queue, b"1")
        for _ in range(2):
            reject(channel, queue)
        sync(channel)
        channel = end.next_life(machine)
        reject(channel, queue)
        deaths = lent(channel, queue).headers["x-death"]
        equal([(d["queue"], d["reason"], d["count"]) for d in deaths], [(queue, "rejected", 3)])


@suite.test_over(*ENDS)
def a_count_of_returns_goes_on_to_its_limit(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue, box = letter_box(channel, QUORUM, delivery_limit=3)
        persistent(channel, queue, b"1")
        for _ in range(3):
            channel.nack(lent(channel, queue).tag, requeue=True)
        channel.round_trip()
        sync(channel)
        channel = end.next_life(machine)
        got = lent(channel, queue)
        equal(got.headers["x-delivery-count"], 3)
        assert got.redelivered
        channel.nack(got.tag, requeue=True)
        equal(taken(channel, box).headers["x-death"][0]["reason"], "delivery_limit")


@suite.test_over(*ENDS)
def what_made_room_does_not_come_back(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue, box = letter_box(channel, max_length=3)
        persistent(channel, queue, *(str(n).encode() for n in range(6)))
        comes_to_hold(channel, box, 3)
        sync(channel)
        channel = end.next_life(machine)
        equal((bodies(channel, box), bodies(channel, queue)),
              ([b"0", b"1", b"2"], [b"3", b"4", b"5"]))


@suite.test_over(*ENDS)
def a_length_is_in_force_again(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        dropping = CLASSIC.declare(channel, max_length=3)
        refusing = CLASSIC.declare(channel, max_length=2, overflow="reject-publish")
        small = CLASSIC.declare(channel, max_length_bytes=10)
        persistent(channel, dropping, b"0", b"1", b"2")
        persistent(channel, refusing, b"0", b"1")
        persistent(channel, small, b"12345", b"67890")
        channel = end.next_life(machine)
        persistent(channel, dropping, b"3", b"4")
        persistent(channel, small, b"x")
        equal(bodies(channel, dropping), [b"2", b"3", b"4"])
        equal(bodies(channel, small), [b"67890", b"x"])
        channel = channel_on(machine)
        channel.confirm_select()
        for wanted in ("basic.nack", "basic.ack"):
            channel.publish("", refusing, b"2", {"delivery_mode": 2})
            equal(channel.wait("basic.ack", "basic.nack")[0], wanted)
            channel.get(refusing, no_ack=True)


@suite.test_over(*ENDS)
def priorities_are_there_again(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue = CLASSIC.declare(channel, max_priority=9)
        for priority, body in ((1, b"1a"), (9, b"9a"), (1, b"1b"), (5, b"5"), (9, b"9b")):
            persistent(channel, queue, body, priority=priority)
        channel = end.next_life(machine)
        equal(bodies(channel, queue), [b"9a", b"9b", b"5", b"1a", b"1b"])


@suite.test_over(*ENDS)
def a_queue_that_expires_is_there_again_and_goes_when_it_is_not_used(lab, end):
    with end.machine(lab) as machine:
        channel = channel_on(machine)
        queue = CLASSIC.declare(channel, expires=2500)
        persistent(channel, queue, b"1")
        channel = end.next_life(machine)
        equal(bodies(channel, queue), [b"1"])
        knocking = channel_on(machine)

        def is_gone():
            knocking.publish("", queue, b"knock", mandatory=True)
            knocking.round_trip()
            return knocking.has("basic.return")

        wait_until(is_gone, f"the end of {queue}")
        sync(channel)
        end.next_life(machine)
        assert not is_there(machine, queue)


@suite.test_over(*ENDS)
def the_arguments_are_the_same(lab, end):
    with end.machine(lab) as machine:
        channel, named = channel_on(machine), {
            "message_ttl": 60000, "expires": 600000, "max_length": 7, "max_length_bytes": 700,
            "overflow": "reject-publish", "dead_letter_exchange": "dlx",
            "dead_letter_routing_key": "k", "max_priority": 5}
        queue = CLASSIC.declare(channel, **named)
        channel = end.next_life(machine)
        CLASSIC.declare(channel, queue, **named)
