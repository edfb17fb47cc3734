"""Players: one real connection each, in a thread of its own, writing what it knows into a ledger.

A player plays until the gateway goes away, or until it is told to stop; before the ledger
says that an end is coming, a lost connection is a broken promise.
"""

import itertools
import random
import threading
import time

import amqp_client
import stomp_client
from amqp_client import ChannelClosed, Closed, Late
from ledger import Transaction, brief, reconcile

PLAIN, FAN, SOURCES, RESULTS = ["p0", "p1"], ["f0", "f1", "f2"], ["s0", "s1"], ["r0", "r1"]
QUEUES = PLAIN + FAN + SOURCES + RESULTS
PATIENCE = 0.2
WINDOW = 48


def declare_all(machine, ledger):
    connection = amqp_client.connect(machine)
    channel = connection.channel()
    channel.exchange_declare("fan", "fanout", durable=True)
    for queue in QUEUES:
        channel.queue_declare(queue, durable=True)
        ledger.book(queue)
    for queue in FAN:
        channel.queue_bind(queue, "fan")
    channel.exchange_declare("soft", "direct")
    channel.queue_declare("soft", durable=False)
    connection.close()


def has_tx(machine):
    connection = amqp_client.connect(machine)
    try:
        connection.channel().tx_select()
        connection.close()
        return True
    except ChannelClosed as closed:
        assert closed.code == 540, closed
        return False


class Player(threading.Thread):
    def __init__(self, machine, ledger, name, seed):
        super().__init__(name=name, daemon=True)
        self.machine, self.ledger = machine, ledger
        self.choice = random.Random(f"{name} {seed}")
        self.stop = threading.Event()
        self.connection = None
        self.waiting = {}  # what has no answer yet

    def run(self):
        try:
            self.play()
        except (Closed, ChannelClosed, stomp_client.ErrorFrame, OSError) as error:
            if not self.ledger.is_ending.is_set():
                self.ledger.complain(f"{self.name}: {error!r}")
        except Exception as error:  # whatever else is a bug, of the broker or of ours
            self.ledger.complain(f"{self.name}: {error!r}")
        finally:
            self.take_leave()

    def take_leave(self):
        """Answers that were under way when the end came count too."""
        try:
            while self.read_answer(0.5):
                pass
        except Exception:
            pass
        if self.connection:
            self.connection.wire.close()

    def open_amqp(self):
        self.connection = amqp_client.connect(self.machine)
        return self.connection.channel()

    def open_stomp(self):
        self.connection = stomp_client.connect(self.machine)

    def read_answer(self, timeout):
        """Takes one answer; False: there will be none."""
        return False

    def hear(self, most):
        """Takes answers until at most so many are missing."""
        while len(self.waiting) > most:
            self.read_answer(10)

    def confirmed(self, timeout):
        """What waits no longer after the next basic.ack; the tags are its keys."""
        _, (tag, multiple) = self.channel.wait("basic.ack", timeout=timeout)
        return [self.waiting.pop(t) for t in list(self.waiting) if t == tag or multiple and t < tag]

    def body(self, number, mark="m"):
        size = self.choice.choice((10, 10, 100, 1000, 5000))
        if self.choice.random() < 0.005:
            size = 150000
        return b"%s:%d:%s" % (self.name.encode(), number, mark.encode() * size)


class AmqpPublisher(Player):
    def __init__(self, machine, ledger, name, seed, routes):
        super().__init__(machine, ledger, name, seed)
        self.routes = routes  # (exchange, key, queues)
        self.waiting = {}  # tag -> (queues, body)
        self.channel = None

    def play(self):
        self.channel = self.open_amqp()
        self.channel.confirm_select()
        for number in itertools.count():
            if self.stop.is_set():
                break
            exchange, key, queues = self.choice.choice(self.routes)
            is_persistent = self.choice.random() < 0.9
            body = self.body(number, "m" if is_persistent else "t")
            self.ledger.sending(queues, body, is_persistent)
            self.waiting[number + 1] = queues, body
            self.channel.publish(exchange, key, body, {"delivery_mode": 1 + is_persistent})
            self.hear(WINDOW)
        self.hear(0)

    def read_answer(self, timeout):
        if not self.waiting:
            return False
        for said in self.confirmed(timeout):
            self.ledger.confirmed(*said)
        return True


class StompPublisher(Player):
    def __init__(self, machine, ledger, name, seed, routes):
        super().__init__(machine, ledger, name, seed)
        self.routes = routes  # (destination, queues)
        self.waiting = {}  # receipt -> (queues, body)

    def play(self):
        self.open_stomp()
        for number in itertools.count():
            if self.stop.is_set():
                break
            destination, queues = self.choice.choice(self.routes)
            is_persistent = self.choice.random() < 0.9
            body = self.body(number, "m" if is_persistent else "t")
            self.ledger.sending(queues, body, is_persistent)
            self.waiting[str(number)] = queues, body
            more = {"persistent": "true"} if is_persistent else {}
            self.connection.publish(destination, body, receipt=number, **more)
            self.hear(WINDOW)
        self.hear(0)

    def read_answer(self, timeout):
        if not self.waiting:
            return False
        frame = self.connection.wait(lambda f: f.command == "RECEIPT", timeout)
        self.ledger.confirmed(*self.waiting.pop(frame.headers["receipt-id"]))
        return True


class AmqpConsumer(Player):
    """Acknowledges by hand; now and then asks whether that was read, or gives a message back."""

    def __init__(self, machine, ledger, name, seed, queue):
        super().__init__(machine, ledger, name, seed)
        self.queue = queue

    def play(self):
        channel = self.open_amqp()
        channel.qos(50)
        channel.consume(self.queue)
        told = []
        while not self.stop.is_set():
            try:
                message = channel.message(PATIENCE)
            except Late:
                continue
            self.ledger.delivered(self.queue, message.body, message.redelivered)
            if self.choice.random() < 0.05:
                self.ledger.returned(self.queue, message.body)
                channel.nack(message.tag)
                continue
            self.ledger.settling(self.queue, [message.body])
            channel.ack(message.tag)
            told.append(message.body)
            if len(told) == 50:
                channel.round_trip()
                self.ledger.book(self.queue).read.update(told)
                told = []


class AmqpTxConsumer(Player):
    """Acknowledges in transactions: whatever has its commit-ok is gone for good."""

    def __init__(self, machine, ledger, name, seed, queue):
        super().__init__(machine, ledger, name, seed)
        self.queue = queue

    def play(self):
        channel = self.open_amqp()
        channel.tx_select()
        channel.qos(50)
        channel.consume(self.queue)
        while not self.stop.is_set():
            bodies, tag = [], 0
            for _ in range(self.choice.randrange(1, 20)):
                try:
                    message = channel.message(PATIENCE)
                except Late:
                    break
                self.ledger.delivered(self.queue, message.body, message.redelivered)
                bodies.append(message.body)
                tag = message.tag
            if bodies:
                self.ledger.settling(self.queue, bodies)
                channel.ack(tag, multiple=True)
                channel.tx_commit()
                self.ledger.settled(self.queue, bodies)


class StompConsumer(Player):
    """Acknowledges with receipts, one by one or what came so far."""

    def __init__(self, machine, ledger, name, seed, queue, ack):
        super().__init__(machine, ledger, name, seed)
        self.queue, self.ack = queue, ack
        self.waiting = {}  # receipt -> bodies

    def play(self):
        self.open_stomp()
        self.connection.subscribe(f"/amq/queue/{self.queue}", ack=self.ack,
                                  prefetch_count=50)
        held, receipts = [], itertools.count()
        while not self.stop.is_set():
            try:
                frame = self.connection.wait(lambda f: f.command in ("MESSAGE", "RECEIPT"),
                                             PATIENCE)
            except Late:
                continue
            if frame.command == "RECEIPT":
                self.take_receipt(frame)
                continue
            self.ledger.delivered(self.queue, frame.body, frame.headers["redelivered"] == "true")
            held.append(frame.body)
            if self.ack == "client" and len(held) < 10:
                continue
            receipt = f"a{next(receipts)}"
            self.ledger.settling(self.queue, held)
            self.waiting[receipt], held = held, []
            self.connection.ack(frame, receipt=receipt)

    def take_receipt(self, frame):
        bodies = self.waiting.pop(frame.headers["receipt-id"], None)
        if bodies:
            self.ledger.settled(self.queue, bodies)

    def read_answer(self, timeout):
        if not self.waiting:
            return False
        self.take_receipt(self.connection.wait(lambda f: f.command == "RECEIPT", timeout))
        return True


class Worker(Player):
    """Takes from a source, puts two results for each message, all in one transaction."""

    def __init__(self, machine, ledger, name, seed, source):
        super().__init__(machine, ledger, name, seed)
        self.source = source
        self.numbers = itertools.count()
        self.uncommitted = None

    def play(self):
        self.open()
        held = []
        while not self.stop.is_set():
            while len(held) < self.choice.randrange(1, 6):
                try:
                    held.append(self.take())
                except Late:
                    break
            if held:
                self.transact(held)
                held = []

    def transact(self, held):
        bodies = [body for body, _ in held]
        if self.choice.random() < 0.1:  # once in vain: none of this may ever be seen
            self.begin()
            self.publish([("r0", self.body(next(self.numbers), "rolled back"))])
            self.settle(held)
            self.roll_back()
        results = [(queue, self.body(next(self.numbers))) for _ in held for queue in RESULTS]
        for queue, body in results:
            self.ledger.sending([queue], body)
        transaction = Transaction([(self.source, body) for body in bodies], results)
        self.ledger.settling(self.source, bodies)
        self.begin()
        self.publish(results)
        self.settle(held)
        self.ledger.transactions.append(transaction)
        self.uncommitted = transaction
        self.commit()
        self.committed()

    def committed(self):
        transaction, self.uncommitted = self.uncommitted, None
        transaction.is_answered = True
        for queue, body in transaction.results:
            self.ledger.confirmed([queue], body)
        self.ledger.settled(self.source, [body for _, body in transaction.sources])


class AmqpWorker(Worker):
    def open(self):
        self.channel = self.open_amqp()
        self.channel.tx_select()
        self.channel.qos(20)
        self.channel.consume(self.source)

    def take(self):
        message = self.channel.message(PATIENCE)
        self.ledger.delivered(self.source, message.body, message.redelivered)
        return message.body, message.tag

    def begin(self):
        pass

    def publish(self, results):
        for queue, body in results:
            self.channel.publish("", queue, body, {"delivery_mode": 2})

    def settle(self, held):
        for _, tag in held:
            self.channel.ack(tag)

    def roll_back(self):
        self.channel.tx_rollback()

    def commit(self):
        self.channel.tx_commit()

    def read_answer(self, timeout):
        if self.uncommitted:
            self.channel.wait("tx.commit-ok", timeout=timeout)
            self.committed()
        return False


class StompWorker(Worker):
    def open(self):
        self.open_stomp()
        self.connection.subscribe(f"/amq/queue/{self.source}", ack="client-individual",
                                  prefetch_count=20)
        self.names = itertools.count()

    def take(self):
        frame = self.connection.message(PATIENCE)
        self.ledger.delivered(self.source, frame.body, frame.headers["redelivered"] == "true")
        return frame.body, frame

    def begin(self):
        self.transaction = {"transaction": f"t{next(self.names)}"}
        self.connection.send("BEGIN", self.transaction)

    def publish(self, results):
        for queue, body in results:
            self.connection.publish(f"/amq/queue/{queue}", body, persistent="true",
                                    **self.transaction)

    def settle(self, held):
        for _, frame in held:
            self.connection.ack(frame, **self.transaction)

    def roll_back(self):
        self.connection.send("ABORT", self.transaction)

    def commit(self):
        self.connection.send("COMMIT", {**self.transaction, "receipt": "commit"})
        self.connection.receipt("commit")

    def read_answer(self, timeout):
        if self.uncommitted:
            self.connection.receipt("commit", timeout)
            self.committed()
        return False


class Definer(Player):
    """Declares durable queues and deletes some: who has the answer knows what to find."""

    def play(self):
        channel = self.open_amqp()
        known = self.ledger.definitions
        for number in itertools.count():
            if self.stop.is_set():
                return
            name = f"{self.name}-{number}"
            known[name] = "either"
            channel.queue_declare(name, durable=True)
            known[name] = "there"
            if number % 2:
                known[name] = "either"
                channel.queue_delete(name)
                known[name] = "gone"
            time.sleep(0.02)


def cast(machine, ledger, seed, with_tx):
    """Everybody, not started yet."""
    def direct(*queues):
        return [("", queue, [queue]) for queue in queues]

    def named(*queues):
        return [(f"/amq/queue/{queue}", [queue]) for queue in queues]

    who = (machine, ledger)
    players = [
        AmqpPublisher(*who, f"pub{seed}", seed, direct("p0", "s0", "s1")),
        AmqpPublisher(*who, f"fan{seed}", seed, [("fan", "", FAN)]),
        StompPublisher(*who, f"send{seed}", seed, named("p0", "p1", "s1")),
        StompPublisher(*who, f"all{seed}", seed, [("/exchange/fan", FAN)]),
        AmqpConsumer(*who, f"acks{seed}", seed, "p0"),
        StompConsumer(*who, f"each{seed}", seed, "p1", "client-individual"),
        StompConsumer(*who, f"upto{seed}", seed, "f1", "client"),
        StompWorker(*who, f"steps{seed}", seed, "s1"),
        Definer(*who, f"define{seed}", seed),
    ]
    if with_tx:
        players += [AmqpTxConsumer(*who, f"tx{seed}", seed, "f0"),
                    AmqpWorker(*who, f"work{seed}", seed, "s0")]
    else:
        players += [AmqpConsumer(*who, f"plain{seed}", seed, "f0")]
    return players


def finish(players, ledger):
    for player in players:
        player.join(20)
        if player.is_alive():
            ledger.complain(f"{player.name} hangs")


def look(machine, ledger):
    held = look_at_queues(machine, ledger)
    connection = amqp_client.connect(machine)
    look_at_definitions(connection, ledger)
    connection.close()
    return held


def purge_the_long(machine, ledger, most=4000):
    """Whose purge is answered is gone for good, too; and nobody else takes from some queues."""
    channel = amqp_client.connect(machine).channel()
    for queue, book in ledger.books.items():
        if len(book.sent) > most:
            channel.queue_purge(queue)
            reconcile(book, set())
    channel.connection.close()


def look_at_queues(machine, ledger):
    """What the queues hold, by a consumer that settles nothing and goes away."""
    connection = amqp_client.connect(machine)
    held = {}
    for queue in ledger.books:
        channel = connection.channel()
        ready = channel.queue_declare(queue, passive=True)[1]
        channel.consume(queue)
        rows = [channel.message() for _ in range(ready)]
        channel.round_trip()
        if channel.has("basic.deliver"):
            ledger.complain(f"{queue}: declare-ok says {ready}, but there are more")
        held[queue] = [(brief(m.body), m.redelivered) for m in rows]
        channel.close()
    connection.close()
    return held


def look_at_definitions(connection, ledger):
    def exists(ask):
        try:
            ask(connection.channel())
            return True
        except ChannelClosed as closed:
            assert closed.code == 404, closed
            return False

    for name, state in list(ledger.definitions.items()):
        there = exists(lambda c: c.queue_declare(name, passive=True))
        if state != "either" and there != (state == "there"):
            ledger.complain(f"queue {name} should be {state}")
        ledger.definitions[name] = "there" if there else "gone"
    if not exists(lambda c: c.exchange_declare("fan", passive=True)):
        ledger.complain("the durable exchange is gone")
    if exists(lambda c: c.exchange_declare("soft", passive=True)):
        ledger.complain("a transient exchange is there")
    if exists(lambda c: c.queue_declare("soft", passive=True)):
        ledger.complain("a transient queue is there")
