"""Publishers that say everything again that was not confirmed, and consumers that keep the books.

An outbox outlives its connections: each life a new player goes on with it, first with what it does
not know to have arrived.
"""

import itertools
import random
import threading

import amqp_client
from load import Late, PATIENCE, Player
from suite import wait_until

WINDOW = 64
SIZES = (20, 20, 200, 2000, 2000, 20000)


class Outbox:
    """What one publisher has said, and has to say again."""

    def __init__(self, name, exchange, key, header="dedup-id", sizes=SIZES):
        self.name, self.exchange, self.key = name, exchange, key
        self.header, self.sizes = header, sizes
        self.count = 0         # numbers that were given
        self.unconfirmed = {}  # number -> None, in their order
        self.said_again = 0

    def numbers(self, stop):
        for number in list(self.unconfirmed):
            self.said_again += 1
            yield number
        while not stop.is_set():
            self.unconfirmed[self.count] = None
            self.count += 1
            yield self.count - 1

    def body(self, number):
        """The same each time that it is said."""
        size = random.Random(f"{self.name} {number}").choice(self.sizes)
        return b"%s:%d:" % (self.name.encode(), number) + b"x" * size

    def identity(self, number):
        return f"{self.name}-{number}"


def outbox_and_number(body):
    name, number, _ = body.split(b":", 2)
    return name.decode(), int(number)


class AmqpRepublisher(Player):
    def __init__(self, machine, ledger, outbox, seed):
        super().__init__(machine, ledger, outbox.name, seed)
        self.outbox, self.waiting = outbox, {}  # tag -> number

    def play(self):
        self.channel = self.open_amqp()
        self.channel.confirm_select()
        box = self.outbox
        for tag, number in enumerate(box.numbers(self.stop), 1):
            self.waiting[tag] = number
            self.channel.publish(box.exchange, box.key, box.body(number), {
                "delivery_mode": 2, "headers": self.headers(number)})
            self.hear(WINDOW)
        self.hear(0)

    def headers(self, number):
        return {self.outbox.header: self.outbox.identity(number)}

    def read_answer(self, timeout):
        if not self.waiting:
            return False
        for number in self.confirmed(timeout):
            del self.outbox.unconfirmed[number]
        return True


class StompRepublisher(Player):
    def __init__(self, machine, ledger, outbox, seed):
        super().__init__(machine, ledger, outbox.name, seed)
        self.outbox, self.waiting = outbox, set()

    def play(self):
        self.open_stomp()
        box = self.outbox
        for number in box.numbers(self.stop):
            body = box.body(number)
            self.waiting.add(number)
            self.connection.send("SEND", {
                "destination": self.destination(), "persistent": "true", "receipt": number,
                box.header: box.identity(number), "content-length": len(body)}, body)
            self.hear(WINDOW)
        self.hear(0)

    def destination(self):
        box = self.outbox
        return f"/exchange/{box.exchange}/{box.key}" if box.exchange else f"/amq/queue/{box.key}"

    def read_answer(self, timeout):
        if not self.waiting:
            return False
        frame = self.connection.wait(lambda f: f.command == "RECEIPT", timeout)
        number = int(frame.headers["receipt-id"])
        self.waiting.remove(number)
        del self.outbox.unconfirmed[number]
        if frame.headers.get("duplicate") == "true":
            self.ledger.count("told to be duplicates")
        return True


class AmqpTxRepublisher(Player):
    """The same in transactions: one that was not answered is said again, cut in other pieces."""

    def __init__(self, machine, ledger, outbox, seed):
        super().__init__(machine, ledger, outbox.name, seed)
        self.outbox, self.uncommitted = outbox, []

    def play(self):
        self.open()
        numbers = self.outbox.numbers(self.stop)
        while True:
            part = list(itertools.islice(numbers, self.choice.randrange(1, 12)))
            if not part:
                break
            self.begin()
            for number in part:
                self.publish(number)
            self.uncommitted = part
            self.commit()
            self.committed()

    def committed(self):
        part, self.uncommitted = self.uncommitted, []
        for number in part:
            del self.outbox.unconfirmed[number]

    def open(self):
        self.channel = self.open_amqp()
        self.channel.tx_select()

    def begin(self):
        pass

    def publish(self, number):
        box = self.outbox
        self.channel.publish(box.exchange, box.key, box.body(number), {
            "delivery_mode": 2, "headers": {box.header: box.identity(number)}})

    def commit(self):
        self.channel.tx_commit()

    def read_answer(self, timeout):
        if self.uncommitted:
            self.channel.wait("tx.commit-ok", timeout=timeout)
            self.committed()
        return False


class StompTxRepublisher(AmqpTxRepublisher):
    def open(self):
        self.open_stomp()

    def begin(self):
        self.connection.send("BEGIN", {"transaction": "t"})

    def publish(self, number):
        box = self.outbox
        self.connection.publish(f"/exchange/{box.exchange}/{box.key}", box.body(number),
                                persistent="true", transaction="t",
                                **{box.header: box.identity(number)})

    def commit(self):
        self.connection.send("COMMIT", {"transaction": "t", "receipt": "commit"})
        self.connection.receipt("commit")

    def read_answer(self, timeout):
        if self.uncommitted:
            self.connection.receipt("commit", timeout)
            self.committed()
        return False


class Sink:
    """What was taken from one queue for good, over all lives."""

    def __init__(self, queue, is_once=True):
        self.queue, self.is_once, self.lock = queue, is_once, threading.Lock()
        self.settled = set()  # it was answered: (outbox, number)
        self.asked = set()    # it was not: may be gone, may come again
        self.deliveries = 0
        self.refusals = 0     # of messages that go round
        self.accepts = 1.0    # the part of the messages that is not refused

    def delivered(self, ledger, body):
        what = outbox_and_number(body)
        self.deliveries += 1
        if self.is_once and what in self.settled:
            ledger.complain(f"{self.queue}: {what} was settled with an answer and came again")
        return what

    def answered(self, taken):
        with self.lock:
            self.settled.update(taken)
            self.asked.difference_update(taken)

    def asking(self, taken):
        with self.lock:
            self.asked.update(taken)


class AmqpSinkTaker(Player):
    """Accepts, and refuses what goes round once more, in transactions."""

    def __init__(self, machine, ledger, name, seed, sink):
        super().__init__(machine, ledger, name, seed)
        self.sink, self.uncommitted = sink, None

    def play(self):
        channel = self.channel = self.open_amqp()
        channel.tx_select()
        channel.qos(50)
        channel.consume(self.sink.queue)
        while not self.stop.is_set():
            taken, count = [], 0
            for _ in range(self.choice.randrange(1, 20)):
                try:
                    message = channel.message(PATIENCE)
                except Late:
                    break
                count += 1
                what = self.sink.delivered(self.ledger, message.body)
                if self.choice.random() < self.sink.accepts:
                    channel.ack(message.tag)
                    taken.append(what)
                else:
                    channel.reject(message.tag, requeue=False)
                    self.sink.refusals += 1
            if count:
                self.sink.asking(taken)
                self.uncommitted = taken
                channel.tx_commit()
                self.committed()

    def committed(self):
        taken, self.uncommitted = self.uncommitted, None
        self.sink.answered(taken)

    def read_answer(self, timeout):
        if self.uncommitted is not None:
            self.channel.wait("tx.commit-ok", timeout=timeout)
            self.committed()
        return False


class StompSinkTaker(Player):
    """The same one by one, with receipts."""

    def __init__(self, machine, ledger, name, seed, sink):
        super().__init__(machine, ledger, name, seed)
        self.sink, self.waiting = sink, {}  # receipt -> [what] or []

    def play(self):
        self.open_stomp()
        self.connection.subscribe(f"/amq/queue/{self.sink.queue}", ack="client-individual",
                                  prefetch_count=50)
        receipts = itertools.count()
        while not self.stop.is_set() or self.waiting:
            try:
                frame = self.connection.wait(lambda f: f.command in ("MESSAGE", "RECEIPT"),
                                             PATIENCE)
            except Late:
                continue
            if frame.command == "RECEIPT":
                self.sink.answered(self.waiting.pop(frame.headers["receipt-id"]))
            elif not self.stop.is_set():
                self.take(frame, f"a{next(receipts)}")

    def take(self, frame, receipt):
        what = self.sink.delivered(self.ledger, frame.body)
        if self.choice.random() < self.sink.accepts:
            self.waiting[receipt] = [what]
            self.sink.asking([what])
            self.connection.ack(frame, receipt=receipt)
        else:
            self.waiting[receipt] = []
            self.sink.refusals += 1
            self.connection.nack(frame, requeue="false", receipt=receipt)

    def read_answer(self, timeout):
        if not self.waiting:
            return False
        frame = self.connection.wait(lambda f: f.command == "RECEIPT", timeout)
        self.sink.answered(self.waiting.pop(frame.headers["receipt-id"]))
        return True


def drained(machine, queue):
    """Everything that the queue holds, in its order: (outbox, number)."""
    connection = amqp_client.connect(machine)
    channel = connection.channel()
    wait_until(lambda: channel.queue_declare(queue, passive=True)[2] == 0, "nobody has any of it")
    ready = channel.queue_declare(queue, passive=True)[1]
    channel.consume(queue, no_ack=True)
    found = [outbox_and_number(channel.message().body) for _ in range(ready)]
    channel.round_trip()
    assert not channel.has("basic.deliver"), f"{queue}: declare-ok says {ready}, there are more"
    connection.close()
    return found


def numbers_of(found, outbox):
    return [number for name, number in found if name == outbox.name]
