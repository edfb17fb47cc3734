"""What outlives the segments that it came in: ids whose messages are long gone, and prepared
messages that wait while the log behind them is shortened."""


import amqp_client
import churn
from ledger import Ledger
from load import finish
from suite import Suite, equal, raises, wait_until
from test_churn import said_of_the_log
from test_prepared import AmqpEnd, Refused, StompEnd, made, taken
from test_rules import FORGET, KILL

suite = Suite("released")
QUEUE = "/topic/early@c"
SEGMENTS = 3  # that go before anything is looked at


def shorten(machine, segments=SEGMENTS):
    """Large messages pass until so many segments of the log went."""
    channel = amqp_client.connect(machine).channel()
    ledger = Ledger()  # nobody asks it
    for queue in churn.QUEUES:
        channel.queue_declare(queue, durable=True)
        channel.queue_purge(queue)
        ledger.book(queue)
    before = said_of_the_log(machine)["segments_released"]
    players = [churn.Filler(machine, ledger, f"fill{before}", before),
               churn.Taker(machine, ledger, f"through{before}", before)]
    for player in players:
        player.start()

    def released():
        return said_of_the_log(machine)["segments_released"] - before

    wait_until(lambda: released() >= segments or not players[0].is_alive(), "segments go", 180)
    assert released() >= segments, f"{released()} went, {ledger.broken}"
    for player in players:
        player.stop.set()
    finish(players, ledger)


def say_all(machine, count, header="dedup-id"):
    """Publishes every number with its id; gives a channel."""
    channel = amqp_client.connect(machine).channel()
    channel.queue_declare(QUEUE, durable=True)
    channel.queue_declare("held", durable=True,
                          arguments={"x-message-deduplication": True})
    channel.confirm_select()
    for number in range(count):
        for exchange, key in (("amq.topic", "early"), ("", "held")):
            channel.publish(exchange, key, b"%d" % number, {
                "delivery_mode": 2, "headers": {header: f"id-{number}"}})
    channel.wait_confirms(60)
    return channel


def take(channel, queue, count):
    """For good."""
    channel.tx_select()
    for number in range(count):
        message = channel.get(queue)
        equal(int(message.body), number)
        channel.ack(message.tag)
        if number % 1000 == 999 or number == count - 1:
            channel.tx_commit()


@suite.test_over(KILL, FORGET, alone=True)
def an_id_outlives_the_segment_of_its_message(lab, end):
    count = 20000 if lab.is_long else 2000
    with end.machine(lab) as machine:
        say_all(machine, count)
        take(amqp_client.connect(machine).channel(), QUEUE, count)  # of nothing a message is left
        shorten(machine)
        for _ in range(2):
            channel = say_all(machine, count)  # all of them duplicates
            equal(channel.queue_declare(QUEUE, passive=True)[1], 0, "taken twice")
            equal(channel.queue_declare("held", passive=True)[1], count, "held")
            channel = end.next_life(machine)
        shorten(machine)
        channel = end.next_life(machine)
        take(amqp_client.connect(machine).channel(), "held", count)
        channel = say_all(machine, count + 10)
        equal([int(m.body) for m in taken(channel, QUEUE)], list(range(count, count + 10)))
        equal(channel.queue_declare("held", passive=True)[1], count + 10, "ids that went")


@suite.test_over(KILL, FORGET, alone=True)
def what_is_prepared_waits_while_the_log_is_shortened(lab, end):
    with made(lab, end) as machine:
        channel = amqp_client.connect(machine).channel()
        channel.queue_declare("q", durable=True)
        first, second = AmqpEnd(machine), StompEnd(machine)
        for i in range(60):
            (first, second)[i % 2].prepare("q", f"i{i}", b"%d" % i)
        for i in range(20):
            (second, first)[i % 2].decide(f"i{i}", ("commit", "rollback")[i % 2])
        for part in (20, 40):
            shorten(machine)
            channel = end.next_life(machine)
            decider = (AmqpEnd, StompEnd)[part == 40](machine)
            for i in range(part, part + 20):
                decider.decide(f"i{i}", ("commit", "rollback")[i % 2])
        shorten(machine)
        channel = end.next_life(machine)
        decider = AmqpEnd(machine)
        for i in range(60):
            decider.decide(f"i{i}", ("commit", "rollback")[i % 2])
            raises(Refused, decider.decide, f"i{i}", ("rollback", "commit")[i % 2])
        equal(sorted(int(m.body) for m in taken(channel, "q")), list(range(0, 60, 2)))
