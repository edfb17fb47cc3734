"""kill -9 and SIGTERM under load: what the clients were told is what they find."""

import random
import time

import amqp_client
import load
import stomp_client
from ledger import Ledger
from machine import Machine
from suite import Suite, equal, wait_until

suite = Suite("kill")
DAY = 24 * 3600
CONFIRMED_MIN = 50  # in each life, so that there is something to tell


def fail_if_broken(ledger, words):
    if ledger.broken:
        raise AssertionError(f"{words}: {len(ledger.broken)} broken promises\n"
                             + "\n".join(ledger.broken))


def play(machine, ledger, seed, end):
    """One life under load, ended by end()."""
    choice = random.Random(seed)
    ledger.is_ending.clear()
    machine.on_end = ledger.is_ending.set
    players = load.cast(machine, ledger, seed, load.has_tx(machine))
    for player in players:
        player.start()
    enough = ledger.counts.get("confirmed", 0) + CONFIRMED_MIN
    time.sleep(choice.uniform(0.2, 0.9))
    wait_until(lambda: ledger.counts.get("confirmed", 0) > enough or ledger.broken, "some load")
    words = end(choice)
    load.finish(players, ledger)
    return words


def live_and_die(lab, rounds, was_clean, end, **options):
    """end(machine, choice) takes the machine down and gives words for the report."""
    first = lab.seed
    ledger = Ledger()
    with Machine(lab.binary, **options) as machine:
        load.declare_all(machine, ledger)
        for seed in range(first, first + rounds):
            words = play(machine, ledger, seed, lambda choice: end(machine, choice))
            machine.power_on()
            ledger.compare(load.look(machine, ledger), was_clean)
            fail_if_broken(ledger, f"seed {seed}, {words}, {ledger.counts}")
            load.purge_the_long(machine, ledger)
    lab.say(f"{rounds} rounds from seed {first}: {ledger.counts}")


@suite.test(alone=True)
def what_was_confirmed_outlives_kill_9(lab):
    def end(machine, _):
        machine.power_off()
        return "kill -9"

    live_and_die(lab, lab.rounds, False, end)


@suite.test(alone=True)
def what_was_confirmed_outlives_a_disk_that_forgets_what_was_not_synced(lab):
    def end(machine, choice):
        mode, seed = choice.choice(("all", "subset", "subset")), choice.randrange(10**9)
        made, lost, kept = machine.power_off(mode, seed)
        machine.disk.put("sync_delay_ms", choice.randrange(8))  # for the next life
        return f"power cut, {mode} {seed}: {made} changes, {lost} unsynced, {kept} of them stay"

    live_and_die(lab, lab.rounds, False, end, layer=lab.layer, forgets=True)


@suite.test(alone=True)
def what_was_confirmed_outlives_a_power_cut_while_starting_again(lab):
    """The second cut comes while the first one's traces are being cleared away."""
    def end(machine, choice):
        words = [machine.power_off("subset", choice.randrange(10**9))]
        machine.interrupted_start(choice.uniform(0.0, 0.05))
        words.append(machine.power_off("subset", choice.randrange(10**9)))
        return str(words)

    live_and_die(lab, max(lab.rounds // 2, 2), False, end, layer=lab.layer, forgets=True)


@suite.test(alone=True)
def sigterm_under_load_loses_nothing_confirmed_and_no_settle_that_was_read(lab):
    def end(machine, _):
        status, seconds = machine.terminate()
        equal(status, 0, "exit status")
        machine.kill()
        return f"SIGTERM, {seconds:.1f} s"

    live_and_die(lab, max(lab.rounds // 2, 2), True, end)


@suite.test(alone=True)
def a_clock_that_jumps_by_a_day_changes_nothing(lab):
    """Forward and back, while it runs and while it is down."""
    def end(machine, choice):
        for days in (1, -1, 0):
            machine.clock.set(days * DAY)
            time.sleep(0.1)
        machine.clock.set(choice.choice((-1, 1)) * DAY)
        time.sleep(0.1)
        machine.power_off("subset", choice.randrange(10**9))
        machine.clock.set(choice.choice((-1, 1)) * DAY)
        return "power cut, the clock jumping"

    live_and_die(lab, max(lab.rounds // 2, 2), False, end, layer=lab.layer,
                 clock_layer=lab.clock_layer, forgets=True)


@suite.test
def no_answer_comes_before_its_sync(lab):
    """The process is stopped at the very moment of an answer: nothing of it is unsynced."""
    with Machine(lab.binary, layer=lab.layer, forgets=True) as machine:
        channel = amqp_client.connect(machine).channel()
        channel.queue_declare("q", durable=True)
        channel.confirm_select()
        stomp = stomp_client.connect(machine)
        send = {"destination": "/amq/queue/q", "persistent": "true"}

        def check(body):
            with machine.frozen():
                bodies = machine.unsynced_bytes()
            assert body not in bodies, f"{body} is answered, but not synced"

        for i in range(500 if lab.is_long else 120):
            channel.publish("", "q", b"confirm-%d." % i, {"delivery_mode": 2})
            channel.wait_confirms()
            check(b"confirm-%d." % i)
            stomp.ask("SEND", send, b"receipt-%d." % i)
            check(b"receipt-%d." % i)
            stomp.send("BEGIN", {"transaction": "t"})
            stomp.send("SEND", {**send, "transaction": "t"}, b"commit-%d." % i)
            stomp.ask("COMMIT", {"transaction": "t"})
            check(b"commit-%d." % i)


@suite.test
def an_idle_restart_changes_nothing(lab):
    """Start and kill, several times in a row, over the same log."""
    ledger = Ledger()
    with Machine(lab.binary, layer=lab.layer, forgets=True) as machine:
        load.declare_all(machine, ledger)
        play(machine, ledger, lab.seed, lambda _: machine.power_off())
        for _ in range(3):
            machine.power_on()
            ledger.compare(load.look(machine, ledger))
            fail_if_broken(ledger, "after an idle life")
            machine.power_off()
        machine.power_on()


@suite.test
def what_is_there_can_be_got_at_once(lab):
    """Also by the first who asks after a start."""
    queues = [f"got-{n}" for n in range(20)]
    with Machine(lab.binary) as machine:
        channel = amqp_client.connect(machine).channel()
        channel.confirm_select()
        for queue in queues:
            channel.queue_declare(queue, durable=True)
            channel.publish("", queue, b"x", {"delivery_mode": 2})
        channel.wait_confirms()
        channel.connection.close()
        equal(machine.terminate()[0], 0, "exit status")
        machine.kill()
        machine.power_on()
        channel = amqp_client.connect(machine).channel()
        empty = [queue for queue in queues if channel.get(queue, no_ack=True) is None]
        equal(empty, [], "said to be empty")


@suite.test
def a_return_that_was_synced_is_counted_after_a_crash(lab):
    with Machine(lab.binary, layer=lab.layer, forgets=True) as machine:
        channel = amqp_client.connect(machine).channel()
        channel.confirm_select()
        for queue in ("counted", "other"):
            channel.queue_declare(queue, durable=True)
        channel.publish("", "counted", b"x", {"delivery_mode": 2})
        channel.wait_confirms()
        for _ in range(3):
            channel.nack(channel.get("counted").tag)
        message = channel.get("counted")
        count = message.headers["x-delivery-count"]
        equal(count, 3)
        channel.publish("", "other", b"y", {"delivery_mode": 2})  # the log is in order
        channel.wait_confirms()
        machine.power_off()
        machine.power_on()
        again = amqp_client.connect(machine).channel().get("counted")
        assert again.redelivered and again.headers["x-delivery-count"] >= count, again.headers


@suite.test
def a_connection_that_went_before_the_crash_leaves_its_messages_redelivered(lab):
    with Machine(lab.binary, layer=lab.layer, forgets=True) as machine:
        channel = amqp_client.connect(machine).channel()
        channel.confirm_select()
        channel.queue_declare("lent", durable=True)
        for i in range(300):
            channel.publish("", "lent", b"%d" % i, {"delivery_mode": 2})
        channel.wait_confirms()
        taker = amqp_client.connect(machine)
        reader = taker.channel()
        reader.qos(200)
        reader.consume("lent")
        taken = [reader.message().body for _ in range(200)]
        machine.power_off()  # nothing was synced since they went out
        machine.power_on()
        after = amqp_client.connect(machine).channel()
        after.consume("lent")
        messages = [after.message() for _ in range(300)]
        equal([m.body for m in messages], [b"%d" % i for i in range(300)])
        missing = [m.body for m in messages if m.body in set(taken) and not m.redelivered]
        equal(missing, [], "out before, without redelivered")


@suite.test
def a_queue_keeps_its_order_over_many_lives(lab):
    with Machine(lab.binary, layer=lab.layer, forgets=True) as machine:
        for life in range(4):
            channel = amqp_client.connect(machine).channel()
            channel.confirm_select()
            channel.queue_declare("lives", durable=True)
            for i in range(50):
                channel.publish("", "lives", b"%d" % (life * 50 + i), {"delivery_mode": 2})
            channel.wait_confirms()
            machine.power_off()
            machine.power_on()
        channel = amqp_client.connect(machine).channel()
        wait_until(lambda: channel.queue_declare("lives", passive=True)[1] == 200, "all are there")
        equal([int(channel.get("lives", no_ack=True).body) for _ in range(200)], list(range(200)))
