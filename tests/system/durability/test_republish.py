"""Who loses its connection says everything again that was not confirmed, with the same ids: each
queue of each cluster holds each message once, in the order of its publisher, whatever ended."""

import random
import time

import amqp_client
import churn
import republish
from ledger import Ledger
from load import finish
from machine import Machine
from republish import Outbox, Sink, drained, numbers_of
from suite import Suite, equal, wait_until
from test_churn import AIMS, come_to_an_end, die_while_starting, lose_power
from test_kill import fail_if_broken

suite = Suite("republish")
PLAIN = "plain"
KEPT = ("/topic/orders.#@billing", "/exchange/amq.topic/orders.#@mail", "/topic/orders.eu.*@mail")
TAKEN = "/topic/orders.#@audit"
EU_ONLY = (KEPT[2], PLAIN)  # their pattern: not everybody publishes there
MEMORY = "48m"  # less would be too little for the ids of who says things again late
TAKERS = (republish.AmqpSinkTaker, republish.StompSinkTaker)


def rounds_of(lab):
    return 50 if lab.is_long else 5


def declare_all(machine):
    connection = amqp_client.connect(machine)
    channel = connection.channel()
    for queue in (*KEPT, TAKEN):
        channel.queue_declare(queue, durable=True)
    channel.queue_declare(PLAIN, durable=True)
    channel.queue_bind(PLAIN, "amq.topic", "orders.eu.*")
    for queue in churn.QUEUES:
        channel.queue_declare(queue, durable=True)
    connection.close()


def outboxes():
    """The last header counts on cluster queues only."""
    return [(republish.AmqpRepublisher, Outbox("ada", "amq.topic", "orders.eu.ada")),
            (republish.StompRepublisher, Outbox("bob", "amq.topic", "orders.eu.bob",
                                                "_AMQ_DUPL_ID")),
            (republish.AmqpRepublisher, Outbox("cyd", "amq.topic", "orders.us.cyd",
                                               "x-deduplication-header")),
            (republish.StompRepublisher, Outbox("dan", "amq.topic", "orders.us.dan")),
            (republish.AmqpTxRepublisher, Outbox("eve", "amq.topic", "orders.eu.eve")),
            (republish.StompTxRepublisher, Outbox("fay", "amq.topic", "orders.eu.fay"))]


def noise(machine, ledger, seed):
    """Large messages that come and go, so that the log is shortened meanwhile."""
    channel = amqp_client.connect(machine).channel()
    channel.queue_purge(churn.THROUGH)
    channel.connection.close()
    own = Ledger()  # of one life
    own.is_ending, own.broken = ledger.is_ending, ledger.broken
    for queue in churn.QUEUES:
        own.book(queue)
    return [churn.Filler(machine, own, f"fill{seed}", seed),
            churn.Taker(machine, own, f"through{seed}", seed)]


def play(machine, ledger, seed, boxes, sink, end):
    ledger.is_ending.clear()
    machine.on_end = ledger.is_ending.set
    players = [kind(machine, ledger, box, seed) for kind, box in boxes]
    players.append(TAKERS[seed % 2](machine, ledger, f"take{seed}", seed, sink))
    players += noise(machine, ledger, seed)
    for player in players:
        player.start()
    end()
    finish(players, ledger)


def lives(lab, ledger, machine, boxes, sink, end):
    for seed in range(lab.seed, lab.seed + rounds_of(lab)):
        choice, words = random.Random(seed), []

        def die():
            words.append(end(machine, ledger, choice))

        play(machine, ledger, seed, boxes, sink, die)
        if machine.undo and choice.random() < 0.3:
            words.append(die_while_starting(machine, choice))
        machine.workers = choice.randrange(1, 5)
        machine.power_on()
        fail_if_broken(ledger, f"seed {seed}, {words}, {ledger.counts}")


def publish_the_rest(machine, ledger, boxes):
    """A quiet life: everybody says once more what is not confirmed."""
    ledger.is_ending.clear()
    players = [kind(machine, ledger, box, "last") for kind, box in boxes]
    for player in players:
        player.stop.set()
        player.start()
    finish(players, ledger)
    fail_if_broken(ledger, "when the rest was published")
    equal([len(box.unconfirmed) for _, box in boxes], [0] * len(boxes), "not confirmed")


def judge_kept(machine, queue, boxes):
    found = drained(machine, queue)
    for _, box in boxes:
        is_routed = queue not in EU_ONLY or ".eu." in box.key
        numbers, wanted = numbers_of(found, box), list(range(box.count if is_routed else 0))
        if numbers != wanted:
            missing = sorted(set(wanted) - set(numbers))
            twice = sorted({n for n in numbers if numbers.count(n) > 1}) if len(
                numbers) != len(set(numbers)) else []
            raise AssertionError(f"{queue} of {box.name}: {len(missing)} of {box.count} missing "
                                 f"{missing[:5]}, {len(twice)} there again {twice[:5]}, or in "
                                 f"another order; ids that went for want of memory: "
                                 f"{machine.log_text().count('dedup.memory')} lines")


def judge_taken(machine, sink, boxes):
    found = drained(machine, sink.queue)
    there = set(found)
    equal(len(there), len(found), "messages, each once")
    equal(there & sink.settled, set(), "settled, but there")
    for _, box in boxes:
        numbers = numbers_of(found, box)
        equal(numbers, sorted(numbers), "order")
        every = {(box.name, number) for number in range(box.count)}
        missing = every - there - sink.settled - sink.asked
        equal(missing, set(), f"of {box.name} missing")


def republish_through(lab, end, **options):
    ledger, boxes, sink = Ledger(), outboxes(), Sink(TAKEN)
    with Machine(lab.binary, "--memory-budget", MEMORY, **options) as machine:
        declare_all(machine)
        lives(lab, ledger, machine, boxes, sink, end)
        publish_the_rest(machine, ledger, boxes)
        count, again = sum(box.count for _, box in boxes), sum(b.said_again for _, b in boxes)
        lab.say(f"{count} messages, {again} said again, {len(sink.settled)} taken, {ledger.counts}")
        assert again > 0, "nothing was said again: no test"
        assert ledger.counts.get("checkpoints"), "there was no checkpoint meanwhile"
        for queue in (*KEPT, PLAIN):
            judge_kept(machine, queue, boxes)
        judge_taken(machine, sink, boxes)


@suite.test(alone=True)
def every_id_is_in_every_cluster_once_and_in_order_after_kill_9(lab):
    def end(machine, ledger, choice):
        come_to_an_end(machine, ledger, choice, 0)
        machine.power_off()
        return "kill -9"

    republish_through(lab, end)


@suite.test(alone=True)
def every_id_is_in_every_cluster_once_and_in_order_on_a_disk_that_forgets(lab):
    """Many ends are aimed at the moment when the log is shortened."""
    def end(machine, ledger, choice):
        words = come_to_an_end(machine, ledger, choice, choice.choice(AIMS))
        machine.kill()
        words = words, lose_power(machine, choice)
        machine.disk.put("sync_delay_ms", choice.randrange(8))  # for the next life
        return words

    republish_through(lab, end, layer=lab.layer, forgets=True)


@suite.test(alone=True)
def every_id_is_in_every_cluster_once_over_connections_that_break(lab):
    """The gateway lives on; every publisher loses its connection, again and again."""
    ledger, boxes, sink = Ledger(), outboxes(), Sink(TAKEN)
    with Machine(lab.binary, "--memory-budget", MEMORY) as machine:
        declare_all(machine)
        ledger.is_ending.set()
        for seed in range(lab.seed, lab.seed + rounds_of(lab)):
            players = [kind(machine, ledger, box, seed) for kind, box in boxes]
            for player in players:
                player.start()
            time.sleep(random.Random(seed).uniform(0.1, 0.4))
            for player in players:
                wait_until(lambda player=player: player.connection, "it came in")
                player.connection.wire.socket.shutdown(2)  # 2: both ways
            finish(players, ledger)
        publish_the_rest(machine, ledger, boxes)
        for queue in (*KEPT, PLAIN):
            judge_kept(machine, queue, boxes)
        judge_taken(machine, sink, boxes)


# --- messages that go round


def declare_loop(machine, work, wait, **arguments):
    """What is refused waits, and comes back by its time."""
    channel = amqp_client.connect(machine).channel()
    for name, other, ttl in ((work, wait, None), (wait, work, 20)):
        rules = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": other, **arguments}
        if ttl:
            rules["x-message-ttl"] = ttl
        channel.queue_declare(name, durable=True, arguments=rules)
    channel.connection.close()


def loop_through(lab, loop):
    ledger, sink = Ledger(), Sink("work", loop.is_once)
    sink.accepts = 0.4
    boxes = [(kind, Outbox(name, "", "work", "x-deduplication-header", (20, 200, 2000)))
             for kind, name in ((republish.AmqpRepublisher, "ada"),
                                (republish.StompRepublisher, "bob"))]
    options = {"layer": lab.layer, "forgets": True} if loop.forgets else {}
    with Machine(lab.binary, "--memory-budget", MEMORY, **options) as machine:
        declare_loop(machine, "work", "wait", **loop.arguments)
        for seed in range(lab.seed, lab.seed + (50 if lab.is_long else 3)):
            loop_for_a_life(machine, ledger, random.Random(seed), boxes, sink, seed)
            fail_if_broken(ledger, f"seed {seed}")
        publish_the_rest(machine, ledger, boxes)
        take_the_rest(machine, ledger, sink)
    count = sum(box.count for _, box in boxes)
    lab.say(f"{count} messages, {sum(b.said_again for _, b in boxes)} said again, "
            f"{sink.refusals} refusals, {len(sink.asked)} settled without an answer")
    every = {(box.name, number) for _, box in boxes for number in range(box.count)}
    equal(every - sink.settled - sink.asked, set(), "lost")
    assert sink.refusals > count / 10, "too little went round"


def loop_for_a_life(machine, ledger, choice, boxes, sink, seed):
    ledger.is_ending.clear()
    machine.on_end = ledger.is_ending.set
    players = [kind(machine, ledger, box, seed) for kind, box in boxes]
    players += [kind(machine, ledger, f"{kind.__name__}{seed}", seed, sink) for kind in TAKERS]
    for player in players:
        player.start()
    time.sleep(choice.uniform(0.3, 0.9))
    machine.power_off("subset", choice.randrange(10**9))
    finish(players, ledger)
    machine.power_on()


def take_the_rest(machine, ledger, sink):
    sink.accepts = 1.0
    taker = republish.AmqpSinkTaker(machine, ledger, "last", 0, sink)
    taker.start()
    channel = amqp_client.connect(machine).channel()
    left = [True]
    while any(left) and not ledger.broken:
        before = sink.deliveries
        left = [channel.queue_declare(queue, passive=True)[1]
                for queue in ("work", "wait", "work")]
        wait_until(lambda: sink.deliveries > before or not any(left), f"some of {left}", 30)
    taker.stop.set()
    finish([taker], ledger)
    left = drained(machine, sink.queue)
    for outbox, number in left:
        sink.delivered(ledger, b"%s:%d:" % (outbox.encode(), number))
    sink.settled.update(left)
    equal(drained(machine, "wait"), [], "what waits")
    fail_if_broken(ledger, "when the rest was taken")


class Loop:
    """forgets: the disk.  is_once: what was accepted cannot come again."""

    def __init__(self, name, forgets, is_once=True, **arguments):
        self.name, self.forgets, self.is_once = name, forgets, is_once
        self.arguments = {f"x-{k.replace('_', '-')}": v for k, v in arguments.items()}


@suite.test_over(Loop("window, kill", False, dedup_window_ms=600000),
                 Loop("window, power cut", True, dedup_window_ms=600000),
                 Loop("quorum, power cut", True, dedup_window_ms=600000, queue_type="quorum"),
                 Loop("until settled, kill", False, False, message_deduplication=True),
                 Loop("until settled, power cut", True, False, message_deduplication=True),
                 alone=True)
def a_loop_of_refusals_and_waits_loses_nothing(lab, loop):
    loop_through(lab, loop)
