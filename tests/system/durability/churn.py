"""Players that fill segments: large messages that come and go, and small ones that stay.

What stays is little and everywhere, so segments are released, used again and evacuated; and with a
small budget most of it is paged out.
"""

import itertools

import load
from ledger import HEAVY, brief
from load import AmqpPublisher, AmqpTxConsumer, AmqpWorker, Player, StompPublisher, StompWorker

THROUGH, LEFT = "through", "left"
QUEUES = [THROUGH, LEFT]
WINDOW = 12


class Filler(Player):
    """Confirmed large messages into one queue, and now and then a small one into another."""

    def play(self):
        self.channel = self.open_amqp()
        self.channel.confirm_select()
        for number in itertools.count():
            if self.stop.is_set():
                break
            queue = LEFT if number % 16 == 0 else THROUGH
            body = b"%s:%d:" % (self.name.encode(), number)
            body += b"small" if queue == LEFT else HEAVY * self.choice.randrange(100, 400)
            self.ledger.sending([queue], brief(body))
            self.waiting[number + 1] = [queue], brief(body)
            self.channel.publish("", queue, body, {"delivery_mode": 2})
            self.hear(WINDOW)
        self.hear(0)

    def read_answer(self, timeout):
        if not self.waiting:
            return False
        for said in self.confirmed(timeout):
            self.ledger.confirmed(*said)
        return True


class Taker(Player):
    """Whatever has its commit-ok is gone for good."""

    def play(self):
        channel = self.open_amqp()
        channel.tx_select()
        channel.qos(16)
        channel.consume(THROUGH)
        while not self.stop.is_set():
            bodies, tag = [], 0
            for _ in range(8):
                try:
                    message = channel.message(load.PATIENCE)
                except load.Late:
                    break
                bodies.append(brief(message.body))
                self.ledger.delivered(THROUGH, bodies[-1], message.redelivered)
                tag = message.tag
            if bodies:
                self.ledger.settling(THROUGH, bodies)
                channel.ack(tag, multiple=True)
                channel.tx_commit()
                self.ledger.settled(THROUGH, bodies)
                self.ledger.count("MB", sum(int(b.split(b":")[2].split()[1]) for b in bodies) / 1e6)


def declare_all(machine, ledger):
    load.declare_all(machine, ledger)
    connection = load.amqp_client.connect(machine)
    for queue in QUEUES:
        connection.channel().queue_declare(queue, durable=True)
        ledger.book(queue)
    connection.close()


def cast(machine, ledger, seed):
    """Fewer than in load.cast: the large ones need the time."""
    who = (machine, ledger)
    return [
        Filler(*who, f"fill{seed}", seed),
        Taker(*who, f"take{seed}", seed),
        AmqpPublisher(*who, f"fan{seed}", seed, [("fan", "", load.FAN), ("", "s0", ["s0"])]),
        StompPublisher(*who, f"send{seed}", seed, [("/amq/queue/s1", ["s1"])]),
        AmqpTxConsumer(*who, f"tx{seed}", seed, "f0"),
        AmqpWorker(*who, f"work{seed}", seed, "s0"),
        StompWorker(*who, f"steps{seed}", seed, "s1"),
    ]
