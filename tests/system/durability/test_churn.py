"""The log is shortened all the time, and the end comes just then.

Memory is small, so that most of what queues hold is paged out.  Half of the ends are aimed: at the
moment when a checkpoint, a segment or its removal takes its name; of the others nobody knows what
was under way.
"""

import itertools
import json
import os
import random
import subprocess
import time

import amqp_client
import churn
import load
from ledger import Ledger
from machine import (NAME_CHECKPOINT, NAME_RECYCLE, NAME_REMOVE, NAME_SEGMENT, NAMES, Machine)
from suite import Suite, equal
from test_kill import fail_if_broken

suite = Suite("churn")
AIMS = (NAME_CHECKPOINT, NAME_RECYCLE, NAME_SEGMENT, NAME_REMOVE, NAME_CHECKPOINT, 0, 0, 0)
WORK = ("checkpoints", "segments_released", "records_moved")
PATIENCE = 4.0  # with an aim that is not met


def play(machine, ledger, seed, end):
    ledger.is_ending.clear()
    players = churn.cast(machine, ledger, seed)
    for player in players:
        player.start()
    words = end(players)
    ledger.is_ending.set()
    machine.kill()
    load.finish(players, ledger)
    return words


def said_of_the_log(machine):
    ctl = os.path.join(os.path.dirname(machine.binary), "sluicectl")
    done = subprocess.run([ctl, "--data-dir", machine.data, "--format", "json", "status"],
                          capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)["node"]["log"]


def come_to_an_end(machine, ledger, choice, aim):
    """Lives for a while, then waits for the aim; gives words."""
    time.sleep(choice.uniform(0.8, 1.8))
    for what, count in said_of_the_log(machine).items():
        if what in WORK:
            ledger.count(what, count)
    ledger.is_ending.set()
    if not aim:
        return "at any time"
    nth, is_made = choice.randrange(1, 3), choice.random() < 0.5
    machine.disk.die(aim, nth, is_made)
    until = time.monotonic() + PATIENCE
    while machine.is_running() and time.monotonic() < until:
        time.sleep(0.005)
    has_hit = not machine.is_running()
    machine.disk.live()
    ledger.count(f"{NAMES[aim]} {'hit' if has_hit else 'missed'}")
    return f"{'after' if is_made else 'before'} {NAMES[aim]} {nth}{'' if has_hit else ' (missed)'}"


def lose_power(machine, choice):
    """Or only the process; gives words."""
    mode = choice.choice(("none", "all", "subset", "subset"))
    if mode == "none":
        return "kill -9"
    seed = choice.randrange(10**9)
    made, lost, kept = machine.forget(mode, seed)
    return f"power cut, {mode} {seed}: {made} changes, {lost} unsynced, {kept} of them stay"


def die_while_starting(machine, choice):
    """The first checkpoint of a life comes soon, and what is not needed goes with it."""
    machine.disk.die(choice.choice(AIMS[:5]), 1, choice.random() < 0.5)
    machine.interrupted_start(choice.uniform(0.05, 0.4))
    machine.disk.live()
    return lose_power(machine, choice)


def is_shortened(machine, lives, lab):
    """Where the machine is slow it takes more lives than on others."""
    return first_segment(machine) > 0 or lives >= 5 * lab.rounds


def first_segment(machine):
    return min(int(name[:-4], 16) for name in os.listdir(machine.data)
               if name.endswith(".log"))


@suite.test(alone=True)
def what_was_confirmed_outlives_an_end_while_the_log_is_shortened(lab):
    ledger = Ledger()
    options = {"layer": lab.layer, "forgets": True}
    with Machine(lab.binary, "--memory-budget", "8m", **options) as machine:
        churn.declare_all(machine, ledger)
        for seed in itertools.count(lab.seed):
            if seed >= lab.seed + lab.rounds and is_shortened(machine, seed - lab.seed, lab):
                break
            choice = random.Random(seed)
            aim = AIMS[seed % len(AIMS)]
            words = [play(machine, ledger, seed,
                          lambda _: come_to_an_end(machine, ledger, choice, aim))]
            words.append(lose_power(machine, choice))
            if choice.random() < 0.4:
                words.append(die_while_starting(machine, choice))
            machine.power_on()
            ledger.compare(load.look(machine, ledger))
            fail_if_broken(ledger, f"seed {seed}, {words}, {ledger.counts}")
            load.purge_the_long(machine, ledger)
            lab.say(f"seed {seed}: {'; '.join(words)}")
        begins = first_segment(machine)
    lab.say(f"{seed - lab.seed} rounds from seed {lab.seed}: the log begins at {begins >> 20} MiB, "
            f"{ledger.counts}")
    idle = [what for what in WORK if lab.is_long and not ledger.counts.get(what)]
    assert begins > 0 and not idle, f"the log begins at {begins}, there were no {idle}"


def pile_up(machine, count):
    """A backlog that stays, all of it confirmed."""
    channel = amqp_client.connect(machine).channel()
    channel.queue_declare("pile", durable=True)
    channel.confirm_select()
    for number in range(count):
        channel.publish("", "pile", b"%d:" % number + b"x" * 300, {"delivery_mode": 2})
        if number % 1000 == 999:
            channel.wait_confirms()
    channel.wait_confirms()
    channel.connection.close()


def records_read(machine, at):
    said = [line for line in machine.log_text()[at:].splitlines() if "recovery.done" in line]
    return int(said[-1].split("records=")[1].split()[0])


@suite.test(alone=True)
def a_stop_under_load_with_a_large_backlog_is_in_time_and_the_next_start_reads_little(lab):
    """Nobody lets go: the clients use all the time that they are given."""
    count = 1000000 if lab.is_long else 30000
    ledger = Ledger()
    with Machine(lab.binary, "--memory-budget", "8m", "--shutdown-timeout-ms", "8000") as machine:
        churn.declare_all(machine, ledger)
        pile_up(machine, count)
        players = churn.cast(machine, ledger, lab.seed)
        for player in players:
            player.start()
        time.sleep(1)
        ledger.is_ending.set()
        status, seconds = machine.terminate()
        load.finish(players, ledger)
        equal(status, 0, f"exit status, {machine.log_text()[-2000:]}")
        assert seconds < 10, f"it took {seconds:.1f} s"
        machine.kill()
        at = len(machine.log_text())
        began = time.monotonic()
        machine.power_on()
        words = f"stop {seconds:.1f} s, start {time.monotonic() - began:.2f} s"
        records = records_read(machine, at)
        lab.say(f"{words}, {records} records read, {ledger.counts}")
        assert records < count // 20, f"{records} records were read again"
        ledger.compare(load.look(machine, ledger), was_clean=True)
        fail_if_broken(ledger, words)
        channel = amqp_client.connect(machine).channel()
        channel.consume("pile", no_ack=True)
        for number in range(count):
            equal(int(channel.message().body.split(b":")[0]), number)
