"""Instances join, leave and die while messages pass: in each cluster every message is settled once,
but for those that are flagged as redelivered, and these are at most what was out with the dead."""

import itertools
import random
import threading
import time

import amqp_client
from clusters import amqp_name, amqp_property, stomp_connection, stomp_header, stomp_name
from ledger import Ledger
from load import Late, PATIENCE, Player
from machine import Machine
from suite import Suite, equal, wait_until

suite = Suite("instances")
PATTERN = "VirtualTopic.work"
MANNERS = (amqp_name, stomp_name, amqp_property, stomp_header, amqp_name, stomp_connection)
INSTANCES = 4   # of each cluster, at once
PREFETCH = 40
BARRIER = 200   # messages between two answers that say what was settled
NEW, ACKED, SETTLED = range(3)


class Cluster:
    """What its instances know together."""

    def __init__(self, name, count):
        self.name, self.count = name, count
        self.states = bytearray(count)
        self.left = count          # not ACKED yet
        self.lock = threading.Lock()
        self.redelivered = self.twice = 0
        self.loans_of_the_dead = 0
        self.deaths = self.leaves = 0
        self.queue = f"/topic/{PATTERN}@{name}"


class Member(threading.Thread):
    """A succession of instances, each of which lives for a while."""

    def __init__(self, machine, ledger, cluster, number, seed, lives):
        super().__init__(name=f"{cluster.name}-{number}", daemon=True)
        self.machine, self.ledger, self.cluster = machine, ledger, cluster
        self.choice = random.Random(f"{self.name} {seed}")
        self.number, self.lives = number, lives
        self.stop = threading.Event()

    def run(self):
        try:
            for turn in itertools.count(self.number):
                if self.stop.is_set():
                    break
                join = MANNERS[turn % len(MANNERS)]
                self.live(join(self.machine, PATTERN, self.cluster.name, PREFETCH))
        except Exception as error:
            self.ledger.complain(f"{self.name}: {error!r}")

    def live(self, instance):
        self.instance, self.acked = instance, []
        end = self.choice.choice(("dies", "dies", "leaves"))
        for _ in range(self.choice.randrange(*self.lives)):
            if self.stop.is_set():
                end = "leaves"
                break
            try:
                self.take(instance.next(PATIENCE))
            except Late:
                continue
        getattr(self, end)()

    def take(self, got):
        cluster, number = self.cluster, int(got.body)
        with cluster.lock:
            state = cluster.states[number]
            cluster.redelivered += got.redelivered
            if state == SETTLED:
                self.ledger.complain(f"{self.name}: {number} was settled, and came again")
            elif state != NEW and not got.redelivered:
                self.ledger.complain(f"{self.name}: {number} came again without redelivered")
            if state == ACKED:
                cluster.twice += 1
            else:
                cluster.left -= 1
            cluster.states[number] = ACKED
        self.instance.ack(got)
        self.acked.append(number)
        if len(self.acked) == BARRIER:
            self.settle()

    def settle(self):
        """Returns when all that was acknowledged was read: none of it comes again."""
        self.instance.settle()
        for number in self.acked:
            self.cluster.states[number] = SETTLED
        self.acked = []

    def dies(self):
        self.instance.kill()
        with self.cluster.lock:
            self.cluster.deaths += 1
            self.cluster.loans_of_the_dead += PREFETCH

    def leaves(self):
        """Over AMQP nothing is left with it; STOMP gives back what was on its way."""
        subscription = self.instance.subscription
        is_amqp = hasattr(subscription, "channel")
        if is_amqp:
            subscription.channel.cancel(subscription.tag)
            while subscription.channel.has("basic.deliver"):
                self.take(self.instance.next())
            self.settle()
        else:
            self.settle()
            self.instance.unsubscribe()
        self.instance.close()
        with self.cluster.lock:
            self.cluster.leaves += 1
            self.cluster.loans_of_the_dead += 0 if is_amqp else PREFETCH


class Source(Player):
    """Publishes all numbers; it is held, so that the backlog stays about as large as one wants."""

    def __init__(self, machine, ledger, name, numbers, clusters, ahead):
        super().__init__(machine, ledger, name, 0)
        self.numbers, self.clusters, self.ahead = numbers, clusters, ahead

    def play(self):
        channel = self.channel = self.open_amqp()
        channel.confirm_select()
        for sent, number in enumerate(self.numbers):
            channel.publish("amq.topic", PATTERN, b"%d" % number, {"delivery_mode": 2})
            if sent % 500 == 499:
                channel.wait_confirms(60)
                self.wait_for_the_slowest(sent)
        channel.wait_confirms(60)

    def wait_for_the_slowest(self, sent):
        while not self.stop.is_set() and not self.ledger.broken and max(
                cluster.left for cluster in self.clusters) > (
                    self.clusters[0].count - sent + self.ahead):
            time.sleep(0.01)


def declare_all(machine, clusters):
    connection = amqp_client.connect(machine)
    for cluster in clusters:
        connection.channel().queue_declare(cluster.queue, durable=True)
    connection.close()


@suite.test(alone=True)
def every_message_is_settled_once_by_each_cluster_while_instances_come_and_go(lab):
    count = 1000000 if lab.is_long else 50000
    clusters = [Cluster(name, count) for name in ("billing", "mail", "audit")]
    ledger = Ledger()
    began = time.monotonic()
    with Machine(lab.binary, "--memory-budget", "16m") as machine:
        declare_all(machine, clusters)
        lives = (20, 1200) if not lab.is_long else (20, 8000)
        members = [Member(machine, ledger, cluster, number, lab.seed, lives)
                   for cluster in clusters for number in range(INSTANCES)]
        source = Source(machine, ledger, "source", range(count), clusters, 200000)
        for player in (*members, source):
            player.start()
        wait_until(lambda: ledger.broken or not any(c.left for c in clusters),
                   "everything is settled", 3600 if lab.is_long else 400)
        for player in (*members, source):
            player.stop.set()
            player.join(30)
        lab.say(f"{count} messages in {time.monotonic() - began:.0f} s")
        judge(lab, machine, ledger, clusters)


def judge(lab, machine, ledger, clusters):
    assert not ledger.broken, "\n".join(ledger.broken)
    channel = amqp_client.connect(machine).channel()
    for cluster in clusters:
        lab.say(f"{cluster.name}: {cluster.deaths} died, {cluster.leaves} left, "
                f"{cluster.redelivered} redelivered of {cluster.loans_of_the_dead} that may be, "
                f"{cluster.twice} acknowledged twice")
        assert cluster.deaths > 3 and cluster.leaves, "too few came and went"
        equal(cluster.left, 0)
        equal(channel.queue_declare(cluster.queue, passive=True)[1:], [0, 0], "left")
        assert cluster.twice <= cluster.redelivered <= cluster.loans_of_the_dead, cluster.name
