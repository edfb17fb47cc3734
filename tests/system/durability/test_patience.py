"""Messages that are given back again and again, wait in their old place, and belong to groups:
through kills none is lost, none that was settled comes again, and a group keeps its order."""

import itertools
import random
import time

import amqp_client
import republish
from ledger import Ledger
from load import Late, PATIENCE, Player, finish
from machine import Machine
from republish import Outbox, Sink, drained
from suite import Suite, equal, wait_until
from test_kill import fail_if_broken

suite = Suite("patience")


class GivingBack(Player):
    """Settles in transactions or gives back; what it gave back comes again, flagged."""

    def __init__(self, machine, ledger, name, seed, sink, returned):
        super().__init__(machine, ledger, name, seed)
        self.sink, self.returned = sink, returned
        self.uncommitted = []

    def play(self):
        channel = self.channel = self.open_amqp()
        channel.tx_select()
        channel.qos(50)
        channel.consume(self.sink.queue)
        while not self.stop.is_set():
            taken, back, count = [], [], 0
            for _ in range(self.choice.randrange(1, 20)):
                try:
                    message = channel.message(PATIENCE)
                except Late:
                    break
                count += 1
                self.sort(message, taken, back)
            if count:
                self.sink.asking(taken)
                self.uncommitted = taken
                channel.tx_commit()
                self.committed()
                self.returned.update(back)

    def sort(self, message, taken, back):
        what = self.sink.delivered(self.ledger, message.body)
        if what in self.returned and not message.redelivered:
            self.ledger.complain(f"{what} came again without redelivered")
        if self.choice.random() < self.sink.accepts:
            self.channel.ack(message.tag)
            taken.append(what)
        else:
            self.channel.nack(message.tag, requeue=True)
            back.append(what)
            self.sink.refusals += 1

    def committed(self):
        taken, self.uncommitted = self.uncommitted, []
        self.sink.answered(taken)

    def read_answer(self, timeout):
        if self.uncommitted:
            self.channel.wait("tx.commit-ok", timeout=timeout)
            self.committed()
        return False


class Queue:
    def __init__(self, name, forgets, **arguments):
        self.name, self.forgets = name, forgets
        self.arguments = {f"x-{k.replace('_', '-')}": v for k, v in arguments.items()}


PATIENT = {"delayed_retry_type": "all", "delayed_retry_min": 5, "delayed_retry_max": 100}
QUEUES = (Queue("classic, kill", False, **PATIENT),
          Queue("quorum, power cut", True, queue_type="quorum", delivery_limit=1000000, **PATIENT),
          Queue("single active, kill", False, single_active_consumer=True, **PATIENT),
          Queue("priorities, power cut", True, max_priority=5),
          Queue("at once, kill", False))


@suite.test_over(*QUEUES, alone=True)
def what_is_given_back_is_neither_lost_nor_settled_twice(lab, queue):
    ledger, sink, returned = Ledger(), Sink("work"), set()
    sink.accepts = 0.5
    boxes = [(kind, Outbox(name, "", "work", sizes=(20, 200, 2000)))
             for kind, name in ((republish.AmqpRepublisher, "ada"),
                                (republish.StompRepublisher, "bob"))]
    options = {"layer": lab.layer, "forgets": True} if queue.forgets else {}
    with Machine(lab.binary, "--memory-budget", "8m", **options) as machine:
        amqp_client.connect(machine).channel().queue_declare("work", durable=True,
                                                             arguments=queue.arguments)
        for seed in range(lab.seed, lab.seed + (50 if lab.is_long else 3)):
            live(machine, ledger, seed, boxes, sink, returned)
            fail_if_broken(ledger, f"seed {seed}")
        take_the_rest(machine, ledger, boxes, sink, returned)
    count = sum(box.count for _, box in boxes)
    lab.say(f"{count} messages, {sum(b.said_again for _, b in boxes)} said again, "
            f"{sink.refusals} given back, {len(sink.asked)} settled without an answer")
    every = {(box.name, number) for _, box in boxes for number in range(box.count)}
    equal(every - sink.settled - sink.asked, set(), "lost")


def live(machine, ledger, seed, boxes, sink, returned):
    choice = random.Random(seed)
    ledger.is_ending.clear()
    machine.on_end = ledger.is_ending.set
    players = [kind(machine, ledger, box, seed) for kind, box in boxes]
    players += [GivingBack(machine, ledger, f"back{n}-{seed}", seed, sink, returned)
                for n in range(2)]
    for player in players:
        player.start()
    time.sleep(choice.uniform(0.3, 0.9))
    machine.power_off("subset", choice.randrange(10**9))
    finish(players, ledger)
    returned.clear()  # what was published, but not confirmed, may come as new
    machine.workers = choice.randrange(1, 5)
    machine.power_on()


def take_the_rest(machine, ledger, boxes, sink, returned):
    ledger.is_ending.clear()
    sink.accepts = 1.0
    players = [kind(machine, ledger, box, "last") for kind, box in boxes]
    for player in players:
        player.stop.set()
        player.start()
    finish(players, ledger)
    taker = GivingBack(machine, ledger, "last", 0, sink, returned)
    taker.start()
    every = {(box.name, number) for _, box in boxes for number in range(box.count)}
    wait_until(lambda: ledger.broken or every <= sink.settled | sink.asked, "all are settled", 300)
    taker.stop.set()
    finish([taker], ledger)
    for outbox, number in drained(machine, sink.queue):
        sink.delivered(ledger, b"%s:%d:" % (outbox.encode(), number))
    fail_if_broken(ledger, "when the rest was taken")


# --- groups


GROUPS = 40
GROUPED = "/topic/grouped@c"


class GroupPublisher(republish.AmqpRepublisher):
    def headers(self, number):
        return {"JMSXGroupID": f"g{number % GROUPS}", **super().headers(number)}


class GroupMember(Player):
    """Settles in their order, and dies now and then with what it has."""

    def __init__(self, machine, ledger, name, seed, sink, latest):
        super().__init__(machine, ledger, name, seed)
        self.sink, self.latest = sink, latest

    def play(self):
        for _ in itertools.count():
            self.live()
            if self.stop.is_set():
                break

    def live(self):
        channel = self.channel = self.open_amqp()
        channel.tx_select()
        channel.qos(30)
        channel.consume(GROUPED)
        for _ in range(self.choice.randrange(3, 40)):
            if self.stop.is_set():
                return
            self.take_some(channel)
        self.connection.kill()

    def take_some(self, channel):
        taken = []
        for _ in range(self.choice.randrange(1, 12)):
            try:
                message = channel.message(PATIENCE)
            except Late:
                break
            taken.append(self.sink.delivered(self.ledger, message.body))
            channel.ack(message.tag)
        if taken:
            self.look_at_the_order(taken)
            self.sink.asking(taken)
            channel.tx_commit()
            self.sink.answered(taken)

    def look_at_the_order(self, taken):
        """Behind what anybody settled of the group: each is settled before the next comes."""
        for _, number in taken:
            group = number % GROUPS
            if number < self.latest.get(group, -1):
                self.ledger.complain(f"{number} of group {group} came behind {self.latest[group]}")
        for _, number in taken:
            self.latest[number % GROUPS] = number


@suite.test(alone=True)
def a_group_keeps_its_order_through_kills_and_deaths_of_its_consumers(lab):
    ledger, sink, latest = Ledger(), Sink(GROUPED), {}
    box = Outbox("ada", "amq.topic", "grouped", sizes=(20, 200, 2000))
    with Machine(lab.binary, "--memory-budget", "8m") as machine:
        amqp_client.connect(machine).channel().queue_declare(GROUPED, durable=True)
        for seed in range(lab.seed, lab.seed + (50 if lab.is_long else 4)):
            ledger.is_ending.clear()
            machine.on_end = ledger.is_ending.set
            players = [GroupMember(machine, ledger, f"member{n}-{seed}", seed, sink, latest)
                       for n in range(4)]
            players.append(GroupPublisher(machine, ledger, box, seed))
            for player in players:
                player.start()
            time.sleep(random.Random(seed).uniform(0.4, 1.0))
            machine.power_off()
            finish(players, ledger)
            machine.power_on()
            latest.clear()  # a commit that was not answered may have been in vain
            fail_if_broken(ledger, f"seed {seed}")
        ledger.is_ending.clear()
        last = GroupPublisher(machine, ledger, box, "last")
        last.stop.set()
        last.start()
        finish([last], ledger)
        left = drained(machine, GROUPED)
        for outbox, number in left:
            sink.delivered(ledger, b"%s:%d:" % (outbox.encode(), number))
        fail_if_broken(ledger, "at the end")
    lab.say(f"{box.count} messages, {box.said_again} said again, {len(sink.settled)} settled, "
            f"{len(left)} left")
    every = {(box.name, number) for number in range(box.count)}
    equal(every - sink.settled - sink.asked - set(left), set(), "lost")
    equal(len(left), len(set(left)), "each once")
