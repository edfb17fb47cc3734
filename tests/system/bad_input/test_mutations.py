"""Valid conversations with seeded damage: flipped, dropped, doubled and swapped bytes."""

import random

import conversations
from suite import Suite
from wire import Closed, Wire

suite = Suite("mutations")


def damage(data, chooser):
    data = bytearray(data)
    for _ in range(chooser.choice((1, 1, 2, 5))):
        at = chooser.randrange(len(data))
        kind = chooser.randrange(5)
        if kind == 0:
            data[at] ^= 1 << chooser.randrange(8)
        elif kind == 1:
            data[at] = chooser.choice((0, 1, 10, 58, 127, 128, 206, 255))
        elif kind == 2:
            del data[at : at + chooser.randrange(1, 9)]
        elif kind == 3:
            data[at:at] = data[at : at + chooser.randrange(1, 40)]
        else:
            data[at:at] = bytes(chooser.randrange(256) for _ in range(chooser.randrange(1, 9)))
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


def address(round_):
    """Of its own for each, so that damaged passwords hold nobody else's login up."""
    return f"127.1.{round_ // 250 % 250}.{round_ % 250 + 1}"


def run(broker, port, pieces):
    for round_ in range(broker.rounds):
        chooser = random.Random(f"{broker.seed} {round_}")
        start = chooser.choice((0, 0, 1, 4)) if len(pieces) > 10 else chooser.choice((0, 1))
        data = b"".join(pieces[:start]) + damage(b"".join(pieces[start:]), chooser)
        wire = Wire(port, source=address(round_))
        try:
            for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
                wire.send(piece)
        except Closed:
            pass
        wire.kill() if round_ % 4 == 0 else wire.finish()
    if not broker.is_running():
        raise AssertionError(f"the gateway died; seed {broker.seed}")


@suite.test
def damaged_amqp(broker):
    run(broker, broker.amqp_port, conversations.amqp())


@suite.test
def damaged_stomp(broker):
    run(broker, broker.stomp_port, conversations.stomp())


@suite.test
def damaged_first_bytes_on_the_other_port(broker):
    run(broker, broker.stomp_port, conversations.amqp())
    run(broker, broker.amqp_port, conversations.stomp())
