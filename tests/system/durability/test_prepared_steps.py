"""The process ends behind every single step of a prepared message: what was answered stands, what
was not can be said again, and whoever was not answered goes on asking."""

import random
import time

import admin
import amqp_client
from ledger import Ledger
from load import Late, PATIENCE, Player, finish
from suite import Suite, equal, has, raises, wait_until
from test_kill import fail_if_broken
from test_prepared import AmqpEnd, QUICK, Refused, StompEnd, made, taken
from test_rules import ENDS, FORGET, KILL

suite = Suite("prepared_steps")
OUTCOMES = ("commit", "rollback")
OTHER = {"commit": "rollback", "rollback": "commit"}


class Story:
    """One prepared message in its own queues, and how far it has come."""

    def __init__(self, kind, outcome):
        self.kind, self.outcome = kind, outcome
        self.id = f"{kind.__name__}-{outcome}"
        self.queue, self.checks = f"q-{self.id}", f"checks-{self.id}"

    def begin(self, machine):
        channel = amqp_client.connect(machine).channel()
        for queue in (self.queue, self.checks):
            channel.queue_declare(queue, durable=True)
        return self

    def prepare_without_waiting(self, machine):
        headers = {"x-prepare": self.id, "x-prepare-check": f"/queue/{self.checks}"}
        say(self.kind, machine, self.queue, headers, self.id.encode())

    def prepare(self, machine):
        headers = {"x-prepare": self.id, "x-prepare-check": f"/queue/{self.checks}"}
        if self.kind is StompEnd:
            StompEnd(machine).ask({"destination": f"/queue/{self.queue}", "persistent": "true",
                                   **headers}, self.id.encode())
        else:
            AmqpEnd(machine).publish("", self.queue, self.id.encode(), **headers)

    def check_is_queued(self, machine):
        self.prepare(machine)
        channel = amqp_client.connect(machine).channel()
        wait_until(lambda: channel.queue_declare(self.checks, passive=True)[1], "a check")

    def check_is_out(self, machine):
        self.prepare(machine)
        self.channel = amqp_client.connect(machine).channel()
        return wait_until(lambda: self.channel.get(self.checks), "a check")

    def check_is_taken(self, machine):
        check = self.check_is_out(machine)
        self.channel.tx_select()
        self.channel.ack(check.tag)
        self.channel.tx_commit()

    def decide_without_waiting(self, machine):
        self.check_is_out(machine)
        say(self.kind, machine, None, {"outcome": self.outcome, "id": self.id}, b"")

    def decide(self, machine):
        self.prepare(machine)
        self.kind(machine).decide(self.id, self.outcome)

    def decide_at_a_check(self, machine):
        """The answer comes before the check is settled: a crash between leaves both."""
        self.check_is_out(machine)
        self.kind(machine).decide(self.id, self.outcome)

    def message_is_out(self, machine):
        self.decide(machine)
        self.channel = amqp_client.connect(machine).channel()
        if self.outcome == "commit":
            equal(self.channel.get(self.queue).body, self.id.encode())

    def message_is_taken(self, machine):
        self.message_is_out(machine)
        if self.outcome == "commit":
            self.channel.tx_select()
            self.channel.ack(1)
            self.channel.tx_commit()

    def commit_is_refused(self, machine):
        """Its queue is gone: it stays prepared."""
        self.prepare(machine)
        channel = amqp_client.connect(machine).channel()
        channel.queue_delete(self.queue)
        has(str(raises(Refused, self.kind(machine).decide, self.id, "commit")), self.id)
        channel.queue_declare(self.queue, durable=True)


def say(kind, machine, queue, headers, body):
    """The bytes are on their way, and nobody waits for an answer."""
    end = kind(machine)
    identity = headers.pop("id", None)
    if kind is StompEnd:
        destination = f"/queue/{queue}" if queue else f"/prepared/{identity}"
        end.connection.send("SEND", {"destination": destination, "persistent": "true",
                                     "receipt": "r", "content-length": len(body), **headers}, body)
    else:
        exchange = "" if queue else "amq.prepared"
        end.channel.publish(exchange, queue or identity, body, {"delivery_mode": 2,
                                                                "headers": headers})


class Step:
    """name: of Story.  is_decided: None where the process ended before the answer."""

    def __init__(self, act, is_decided, is_prepared=True, is_taken=False):
        self.act, self.name = act, act.__name__.replace("_", " ")
        self.is_decided, self.is_prepared, self.is_taken = is_decided, is_prepared, is_taken


STEPS = (Step(Story.prepare_without_waiting, False, is_prepared=None), Step(Story.prepare, False),
         Step(Story.check_is_queued, False), Step(Story.check_is_out, False),
         Step(Story.check_is_taken, False), Step(Story.commit_is_refused, False),
         Step(Story.decide_without_waiting, None), Step(Story.decide, True),
         Step(Story.decide_at_a_check, True), Step(Story.message_is_out, True),
         Step(Story.message_is_taken, True, is_taken=True))


def goes_on(story, step, machine, channel):
    """What a late hand finds in the next life, and does."""
    if step.is_prepared is None:
        story.prepare(machine)  # again, or for the first time
    if step.is_decided is False:
        check = wait_until(lambda: channel.get(story.checks, no_ack=True), "a check goes on")
        equal((check.headers["prepared-id"], check.body), (story.id, story.id.encode()))
    if step.is_decided:
        has(str(raises(Refused, story.kind(machine).decide, story.id, OTHER[story.outcome])),
            story.id)
    story.kind(machine).decide(story.id, story.outcome)


def stands(story, step, machine, channel, is_there):
    """It is decided, once and for all; no check is left that was not there before."""
    other = StompEnd if story.kind is AmqpEnd else AmqpEnd
    other(machine).decide(story.id, story.outcome)
    has(str(raises(Refused, other(machine).decide, story.id, OTHER[story.outcome])), story.id)
    wanted = [story.id.encode()] if is_there and story.outcome == "commit" else []
    ready = channel.queue_declare(story.queue, passive=True)[1]
    equal(ready, len(wanted), f"messages of {story.id}")


def ended_behind(lab, end, step, mode=None):
    stories = [Story(kind, outcome) for kind in (AmqpEnd, StompEnd) for outcome in OUTCOMES]
    with made(lab, end, *QUICK) as machine:
        for story in stories:
            step.act(story.begin(machine), machine)
        channel = end.next_life(machine)
        for story in stories:
            goes_on(story, step, machine, channel)
        for _ in range(2):
            for story in stories:
                stands(story, step, machine, channel, not step.is_taken)
            channel = end.next_life(machine)
        for story in stories:
            bodies = [m.body for m in taken(channel, story.queue)]
            is_there = story.outcome == "commit" and not step.is_taken
            equal(bodies, [story.id.encode()] if is_there else [], story.id)


def of_every_step(step):
    name = f"an_end_behind_a_step_changes_nothing [{step.name}]"

    def promise(lab, end):
        ended_behind(lab, end, step)

    promise.__name__ = name
    suite.test_over(KILL, FORGET)(promise)


for each in STEPS:
    of_every_step(each)


# --- many at once, decided by whoever serves the checks

TOPIC = "/topic/steps"
CLUSTERS = (f"{TOPIC}@billing", f"{TOPIC}@mail")


def outcome_of(identity):
    """As the business step left it."""
    return OUTCOMES[sum(identity.encode()) % 2]


class Preparer(Player):
    """Prepares, and never says how it ended."""

    def __init__(self, machine, ledger, name, seed, kind, known):
        super().__init__(machine, ledger, name, seed)
        self.kind, self.known = kind, known

    def play(self):
        end = self.kind(self.machine)
        self.connection = end.connection
        number = 0
        while not self.stop.is_set():
            identity = f"{self.name}-{number}"
            number += 1
            self.prepare(end, identity)
            self.known.add(identity)
            time.sleep(0.002)

    def prepare(self, end, identity):
        """To several queues at once, with an id that counts from the commit."""
        headers = {"x-prepare": identity, "dedup-id": identity}
        if self.kind is StompEnd:
            end.ask({"destination": TOPIC, "persistent": "true", **headers}, identity.encode())
        else:
            end.publish("amq.topic", TOPIC.removeprefix("/topic/"), identity.encode(), **headers)


class Server(Player):
    """Serves the checks: now and then it takes one and says nothing."""

    def __init__(self, machine, ledger, name, seed, kind, decided):
        super().__init__(machine, ledger, name, seed)
        self.kind, self.decided = kind, decided
        self.always = False

    def play(self):
        end = self.kind(self.machine)
        channel = self.open_amqp()
        channel.qos(10)
        channel.consume("prepared.check")
        while not self.stop.is_set():
            try:
                check = channel.message(PATIENCE)
            except Late:
                continue
            identity = check.headers["prepared-id"]
            if check.body != identity.encode():
                self.ledger.complain(f"{identity}: another body, {check.body[:40]}")
            if self.always or self.choice.random() < 0.7:
                end.decide(identity, outcome_of(identity))
                self.decided.add(identity)
            channel.ack(check.tag)


def serve(machine, ledger, seed, known, decided, preparers=True):
    players = [Server(machine, ledger, f"server{n}-{seed}", seed, kind, decided)
               for n, kind in enumerate((AmqpEnd, StompEnd))]
    if preparers:
        players += [Preparer(machine, ledger, f"{kind.__name__}{n}-{seed}", seed, kind, known)
                    for n in range(2) for kind in (AmqpEnd, StompEnd)]
    for player in players:
        player.always = not preparers
        player.start()
    return players


@suite.test_over(KILL, FORGET, alone=True)
def whoever_serves_the_checks_decides_all_of_them_through_ends(lab, end):
    ledger, known, decided = Ledger(), set(), set()
    with made(lab, end, *QUICK) as machine:
        for queue in (*CLUSTERS, "prepared.check"):
            amqp_client.connect(machine).channel().queue_declare(queue, durable=True)
        for seed in range(lab.seed, lab.seed + (50 if lab.is_long else 5)):
            choice = random.Random(seed)
            ledger.is_ending.clear()
            machine.on_end = ledger.is_ending.set
            players = serve(machine, ledger, seed, known, decided)
            time.sleep(choice.uniform(0.4, 0.9))
            machine.power_off("subset", choice.randrange(10**9))
            finish(players, ledger)
            machine.workers = choice.randrange(1, 5)
            machine.power_on()
            fail_if_broken(ledger, f"seed {seed}")
        lab.say(f"{len(known)} prepared, {len(decided)} of them decided before the last life, "
                f"{len(admin.get(machine, 'prepared'))} wait")
        ledger.is_ending.clear()
        players = serve(machine, ledger, "last", known, decided, preparers=False)
        wait_until(lambda: not admin.get(machine, "prepared") or ledger.broken, "all decided", 60)
        for player in players:
            player.stop.set()
        finish(players, ledger)
        fail_if_broken(ledger, "in the last life")
        judge(machine, known)


def judge(machine, known):
    """Of those whose prepare was not answered some are there: they were checked, and decided."""
    channel = amqp_client.connect(machine).channel()
    wanted = {identity for identity in known if outcome_of(identity) == "commit"}
    for cluster in CLUSTERS:
        bodies = [message.body.decode() for message in taken(channel, cluster)]
        equal(len(bodies), len(set(bodies)), "each once")
        equal(wanted - set(bodies), set(), "committed, and lost")
        equal({b for b in bodies if outcome_of(b) != "commit"}, set(), "rolled back, and there")
    end = AmqpEnd(machine)
    for identity in sorted(known)[::7]:
        end.decide(identity, outcome_of(identity))
        raises(Refused, end.decide, identity, OTHER[outcome_of(identity)])
