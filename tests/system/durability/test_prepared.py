"""Prepared messages over the end of a life: none is lost, none is both committed and rolled back,
and whoever has not been answered goes on asking."""

import random
import threading
import time

import amqp_client
import stomp_client
from amqp_client import ChannelClosed
from rules import has_queue
from stomp_client import ErrorFrame
from suite import Suite, equal, has, raises, wait_until
from wire import Closed
from test_rules import ENDS, KILL, sync

suite = Suite("prepared")
QUICK = ("--prepared-check-ms", "30", "--prepared-check-again-ms", "30", "--prepared-checks-max",
         "3", "--prepared-check-slow-ms", "300")


class Refused(Exception):
    """The channel was closed, or an ERROR came."""


class AmqpEnd:
    def __init__(self, machine):
        self.connection = amqp_client.connect(machine)
        self.channel = self.connection.channel()
        self.channel.confirm_select()

    def publish(self, exchange, key, body, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            self.channel.publish(exchange, key, body, {"delivery_mode": 2, "headers": named})
            self.channel.wait_confirms()
        except ChannelClosed as closed:
            self.channel = self.connection.channel()
            self.channel.confirm_select()
            raise Refused(closed.text) from closed

    def prepare(self, queue, identity, body=b"", **headers):
        self.publish("", queue, body, x_prepare=identity, **headers)

    def decide(self, identity, outcome):
        self.publish("amq.prepared", identity, b"", outcome=outcome)


class StompEnd:
    def __init__(self, machine):
        self.connection = stomp_client.connect(machine)

    def ask(self, headers, body=b""):
        try:
            self.connection.ask("SEND", {**headers, "content-length": len(body)}, body)
        except ErrorFrame as error:
            raise Refused(error.body) from error

    def prepare(self, queue, identity, body=b""):
        self.ask({"destination": f"/queue/{queue}", "persistent": "true",
                  "x-prepare": identity}, body)

    def decide(self, identity, outcome):
        self.ask({"destination": f"/prepared/{identity}", "outcome": outcome})


def made(lab, end, *flags):
    machine = end.machine(lab)
    machine.flags += flags
    return machine


def taken(channel, queue):
    """Everything that is ready."""
    got = []
    while (message := channel.get(queue, no_ack=True)) is not None:
        got.append(message)
    return got


def comes(channel, queue):
    return wait_until(lambda: channel.get(queue, no_ack=True), f"a message in {queue}")


@suite.test_over(*ENDS)
def what_is_prepared_waits_for_its_outcome_over_lives(lab, end):
    with made(lab, end) as machine:
        channel = declared(machine)
        preparer = AmqpEnd(machine)
        for identity in ("a", "b", "c"):
            preparer.prepare("q", identity, identity.encode())
        channel = end.next_life(machine)
        equal(channel.get("q"), None)
        AmqpEnd(machine).decide("a", "commit")
        AmqpEnd(machine).decide("b", "rollback")
        channel = end.next_life(machine)
        StompEnd(machine).decide("c", "commit")
        channel = end.next_life(machine)
        equal(sorted(m.body for m in taken(channel, "q")), [b"a", b"c"])


def declared(machine):
    channel = amqp_client.connect(machine).channel()
    channel.queue_declare("q", durable=True)
    return channel


@suite.test_over(*ENDS)
def outcomes_are_remembered_over_lives(lab, end):
    with made(lab, end) as machine:
        declared(machine)
        preparer = AmqpEnd(machine)
        count = 2100  # more than two blocks
        for i in range(count):
            channel = preparer.channel
            channel.publish("", "q", b"x", {"delivery_mode": 2,
                                               "headers": {"x-prepare": f"i{i}"}})
            channel.publish("amq.prepared", f"i{i}", b"",
                            {"headers": {"outcome": "commit" if i % 2 else "rollback"}})
        preparer.channel.wait_confirms()
        for _ in range(2):
            channel = end.next_life(machine)
            preparer = AmqpEnd(machine)
            for i in range(0, count, 100):
                preparer.decide(f"i{i}", "rollback")
                has(str(raises(Refused, preparer.decide, f"i{i}", "commit")), "was rolled back")
                preparer.decide(f"i{i + 1}", "commit")
                has(str(raises(Refused, preparer.prepare, "q", f"i{i + 1}")), "was committed")
        equal(channel.queue_declare("q", passive=True)[1], count // 2)


@suite.test_over(*ENDS)
def checks_go_on_after_a_restart(lab, end):
    with made(lab, end, *QUICK, "--prepared-check-slow-ms", "60000") as machine:
        channel = declared(machine)
        AmqpEnd(machine).prepare("q", "a", b"body")
        equal(comes(channel, "prepared.check").headers["prepared-check"], 1)
        seen = comes(channel, "prepared.check").headers["prepared-check"]
        equal(seen, 2)
        channel = end.next_life(machine)
        wait_until(lambda: channel.queue_declare("prepared.check", passive=True)[1], "a check")
        numbers = [m.headers["prepared-check"] for m in taken(channel, "prepared.check")]
        assert numbers and set(numbers) <= {2, 3}, numbers
        AmqpEnd(machine).decide("a", "commit")
        equal([m.body for m in taken(channel, "q")], [b"body"])


@suite.test_over(*ENDS)
def there_is_no_new_check_while_the_last_one_is_queued_or_out(lab, end):
    with made(lab, end, *QUICK) as machine:
        channel = declared(machine)
        AmqpEnd(machine).prepare("q", "a")
        wait_until(lambda: channel.queue_declare("prepared.check", passive=True)[1], "a check")
        a_few_checks_later(machine, "b")
        equal(channel.queue_declare("prepared.check", passive=True)[1], 1)
        out = channel.get("prepared.check")
        a_few_checks_later(machine, "c")
        equal(channel.queue_declare("prepared.check", passive=True)[1], 0)
        channel.nack(out.tag)
        wait_until(lambda: channel.queue_declare("prepared.check", passive=True)[1], "its return")
        channel = end.next_life(machine)
        a_few_checks_later(machine, "d")
        equal([m.headers["prepared-check"] for m in taken(channel, "prepared.check")], [1])
        equal(comes(channel, "prepared.check").headers["prepared-check"], 2)


def a_few_checks_later(machine, identity):
    """Another message's checks, to a queue of their own, tell how time passes."""
    channel = amqp_client.connect(machine).channel()
    queue = channel.queue_declare(f"clock-{identity}", durable=True)[0]
    end = AmqpEnd(machine)
    end.prepare("q", identity, x_prepare_check=f"/queue/{queue}")
    for _ in range(3):
        comes(channel, queue)
    end.decide(identity, "rollback")


@suite.test_over(*ENDS)
def after_the_last_unanswered_check_there_is_one_notice_and_it_stays_prepared(lab, end):
    with made(lab, end, *QUICK) as machine:
        channel = declared(machine)
        began = time.monotonic()
        AmqpEnd(machine).prepare("q", "a", b"body")
        numbers = [comes(channel, "prepared.check").headers["prepared-check"] for _ in range(3)]
        equal(numbers, [1, 2, 3])
        notice = comes(channel, "prepared.expired")
        equal((notice.body, notice.headers["prepared-id"], notice.headers["prepared-check"]),
              (b"body", "a", 3))
        equal(comes(channel, "prepared.check").headers["prepared-check"], 4)
        assert time.monotonic() - began > 0.35, "checks did not slow down"
        channel = end.next_life(machine)
        comes(channel, "prepared.check")
        equal(channel.get("prepared.expired"), None)
        AmqpEnd(machine).decide("a", "commit")
        equal([m.body for m in taken(channel, "q")], [b"body"])


@suite.test
def a_check_that_was_lost_counts_as_gone(lab):
    with made(lab, KILL, *QUICK) as machine:
        channel = declared(machine)
        channel.queue_declare("checks", durable=True)
        end = AmqpEnd(machine)
        end.prepare("q", "a", x_prepare_check="/queue/checks")
        wait_until(lambda: channel.queue_declare("checks", passive=True)[1], "a check")
        channel.queue_purge("checks")
        equal(comes(channel, "checks").headers["prepared-check"], 2)
        wait_until(lambda: channel.queue_declare("checks", passive=True)[1], "a check")
        channel.queue_delete("checks")
        channel.queue_declare("checks", durable=True)
        comes(channel, "prepared.expired")
        comes(channel, "checks")
        end.decide("a", "rollback")


@suite.test
def queues_of_checks_that_were_deleted_are_declared_again(lab):
    with made(lab, KILL, *QUICK) as machine:
        channel = declared(machine)
        AmqpEnd(machine).prepare("q", "a", x_prepare_timeout=200)
        channel.queue_delete("prepared.check")
        channel.queue_delete("prepared.expired")
        wait_until(lambda: AmqpEnd(machine).connection and has_queue(machine, "prepared.check"),
                   "prepared.check")
        for _ in range(3):
            comes(channel, "prepared.check")
        wait_until(lambda: has_queue(machine, "prepared.expired"), "prepared.expired")
        comes(channel, "prepared.expired")


@suite.test_over(*ENDS)
def messages_that_were_paged_out_are_decided_too(lab, end):
    with made(lab, end, "--memory-budget", "4m", "--message-bytes-max", "1m") as machine:
        channel = declared(machine)
        preparer, body = AmqpEnd(machine), b"b" * 100000
        for i in range(80):  # twice the budget
            preparer.prepare("q", f"i{i}", body)
        for i in range(40):
            preparer.decide(f"i{i}", "commit")
        equal(len(taken(channel, "q")), 40)
        sync(channel)
        channel = end.next_life(machine)
        preparer = StompEnd(machine)
        for i in range(40, 80):
            preparer.decide(f"i{i}", "commit")
        equal([m.body == body for m in taken(channel, "q")], [True] * 40)


class Step:
    """What one worker knows of its ids when the process is killed."""

    def __init__(self):
        self.prepared, self.wanted, self.confirmed = set(), {}, {}


def work(kind, machine, number, life, step, chance):
    """Prepares and decides until the connection breaks."""
    try:
        end = kind(machine)
        for i in range(10**6):
            identity = f"{life}-{number}-{i}"
            end.prepare("q", identity, identity.encode())
            step.prepared.add(identity)
            if chance.random() < 0.2:
                continue  # left for the end
            outcome = chance.choice(("commit", "rollback"))
            step.wanted[identity] = outcome
            end.decide(identity, outcome)
            step.confirmed[identity] = outcome
    except (OSError, Closed):
        pass


@suite.test
def killed_at_any_step_none_is_lost_and_none_is_both(lab):
    chance = random.Random(lab.seed)
    steps = []
    with made(lab, KILL) as machine:
        declared(machine)
        for life in range(lab.rounds):
            mine = [Step() for _ in range(4)]
            workers = [threading.Thread(target=work, args=((AmqpEnd, StompEnd)[n % 2], machine, n,
                                                           life, mine[n], random.Random(n)))
                       for n in range(4)]
            for worker in workers:
                worker.start()
            time.sleep(0.1 + chance.random() * 0.3)
            wait_until(lambda: any(step.confirmed for step in mine), "one to be decided")
            machine.power_off()
            for worker in workers:
                worker.join()
            steps += mine
            machine.power_on()
        judge(machine, steps)


def judge(machine, steps):
    channel = amqp_client.connect(machine).channel()
    end, committed = AmqpEnd(machine), set()
    for step in steps:
        for identity in step.prepared:
            outcome = step.confirmed.get(identity, step.wanted.get(identity, "commit"))
            end.decide(identity, outcome)  # the same again, or for the first time: never unknown
            other = "rollback" if outcome == "commit" else "commit"
            raises(Refused, end.decide, identity, other)
            if outcome == "commit":
                committed.add(identity)
    assert committed, "nothing was done"
    bodies = sorted(m.body.decode() for m in taken(channel, "q"))
    equal(bodies, sorted(committed))
