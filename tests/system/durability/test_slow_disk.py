"""While a sync takes 200 ms: who waits for the disk, and who does not."""

import itertools
import threading
import time

import amqp_client
import stomp_client
from machine import Machine
from suite import Suite

suite = Suite("slow disk")
DELAY_MS = 200
LONG_MS = 3000  # for those who do not wait: far above what a busy machine takes
PERSISTENT = {"delivery_mode": 2}


def slow(lab, delay_ms=DELAY_MS):
    machine = Machine(lab.binary, layer=lab.layer)
    machine.power_on()
    channel = amqp_client.connect(machine).channel()
    channel.queue_declare("q", durable=True)
    channel.queue_declare("other", durable=True)
    channel.queue_declare("fast", durable=True)
    for _ in range(20):
        channel.publish("", "q", b"before", PERSISTENT)
    channel.confirm_select()
    channel.publish("", "q", b"before", PERSISTENT)
    channel.wait_confirms()
    machine.disk.put("sync_delay_ms", delay_ms)
    return machine


def took(function, *arguments, **named):
    began = time.monotonic()
    function(*arguments, **named)
    return (time.monotonic() - began) * 1000


def end(machine):
    machine.disk.put("sync_delay_ms", 0)
    complaint = machine.close()
    assert not complaint, complaint


def waits(name, ms):
    assert ms >= DELAY_MS - 1, f"{name} came after {ms:.1f} ms"
    assert ms < 5 * DELAY_MS + 10000, f"{name} took {ms:.0f} ms"


@suite.test
def amqp_answers_wait_for_the_disk(lab):
    machine = slow(lab)
    connection = amqp_client.connect(machine)
    channel = connection.channel()
    channel.confirm_select()

    def confirm():
        channel.publish("", "q", b"x", PERSISTENT)
        channel.wait_confirms()

    def confirm_many():
        for _ in range(100):
            channel.publish("", "q", b"x", PERSISTENT)
        channel.wait_confirms()

    def confirm_transient_behind():
        channel.publish("", "q", b"x", PERSISTENT)
        channel.publish("", "q", b"x", {"delivery_mode": 1})
        channel.wait_confirms()

    for _ in range(2):
        waits("a confirm", took(confirm))
    waits("a hundred confirms", took(confirm_many))
    waits("a transient's confirm behind a persistent's", took(confirm_transient_behind))
    waits("queue.declare-ok", took(channel.queue_declare, "new", durable=True))
    waits("exchange.declare-ok", took(channel.exchange_declare, "e", durable=True))
    waits("bind-ok", took(channel.queue_bind, "new", "e", "k"))
    waits("exchange.bind-ok", took(channel.exchange_bind, "amq.fanout", "e", "k"))
    waits("exchange.unbind-ok", took(channel.exchange_unbind, "amq.fanout", "e", "k"))
    waits("unbind-ok", took(channel.queue_unbind, "new", "e", "k"))
    waits("exchange.delete-ok", took(channel.exchange_delete, "e"))
    waits("purge-ok", took(channel.queue_purge, "q"))
    waits("delete-ok", took(channel.queue_delete, "new"))
    connection.close()
    end(machine)


@suite.test
def amqp_commits_wait_for_the_disk(lab):
    machine = slow(lab)
    connection = amqp_client.connect(machine)
    channel = connection.channel()
    channel.tx_select()
    channel.publish("", "q", b"x", PERSISTENT)
    waits("commit-ok of a publish", took(channel.tx_commit))
    channel.ack(channel.get("q").tag)
    waits("commit-ok of an ack", took(channel.tx_commit))
    channel.publish("", "q", b"x", PERSISTENT)
    machine.disk.put("sync_delay_ms", LONG_MS)
    ms = took(channel.tx_rollback)
    machine.disk.put("sync_delay_ms", 0)
    assert ms < LONG_MS / 2, f"rollback-ok has nothing to wait for, but took {ms:.0f} ms"
    connection.close()
    end(machine)


@suite.test
def stomp_receipts_wait_for_the_disk(lab):
    machine = slow(lab)
    connection = stomp_client.connect(machine)
    send = {"destination": "/amq/queue/q", "persistent": "true"}
    waits("RECEIPT of SEND", took(connection.ask, "SEND", send, b"x"))
    waits("RECEIPT of SUBSCRIBE that declares",
          took(connection.subscribe, "/queue/fresh", "fresh"))
    connection.subscribe("/amq/queue/q", "s", ack="client-individual")
    waits("RECEIPT of ACK", took(connection.ask, "ACK",
                                 {"id": connection.message().headers["ack"]}))
    connection.send("BEGIN", {"transaction": "t"})
    connection.send("SEND", {**send, "transaction": "t"}, b"x")
    connection.ack(connection.message(), transaction="t")
    waits("RECEIPT of COMMIT", took(connection.ask, "COMMIT", {"transaction": "t"}))
    connection.send("SEND", send, b"x")
    waits("RECEIPT of DISCONNECT", took(connection.close))
    end(machine)


@suite.test
def who_needs_no_disk_does_not_wait(lab):
    machine = slow(lab, LONG_MS)
    connection = amqp_client.connect(machine)
    channel = connection.channel()
    channel.confirm_select()

    def confirm_transient():
        channel.publish("", "q", b"x", {"delivery_mode": 1})
        channel.wait_confirms()

    def confirm_unroutable():
        channel.publish("", "nowhere", b"x", PERSISTENT)
        channel.wait_confirms()

    for name, ms in (("a transient's confirm", took(confirm_transient)),
                     ("an unroutable one's confirm", took(confirm_unroutable)),
                     ("a transient declare-ok",
                      took(channel.queue_declare, "soft", exclusive=True)),
                     ("get-ok", took(channel.get, "q", no_ack=True))):
        assert ms < LONG_MS / 2, f"{name} took {ms:.0f} ms"
    machine.disk.put("sync_delay_ms", 0)
    connection.close()
    end(machine)


@suite.test(alone=True)
def delivery_does_not_wait_for_the_disk(lab):
    """Persistent and transient messages to consumers of both protocols, while syncs crawl."""
    machine = slow(lab, LONG_MS)
    publisher = amqp_client.connect(machine).channel()
    publisher.confirm_select()
    consumer = amqp_client.connect(machine).channel()
    stomp = stomp_client.connect(machine)
    consumer.consume("fast", no_ack=True)
    stomp.subscribe("/topic/fast", "s")
    busy, stop = keep_busy(machine)
    late = []
    for number in itertools.count():
        if number == 60:
            break
        persistent = {"delivery_mode": 1 + number % 2}
        if number % 4 < 2:
            ms = took(lambda: (publisher.publish("", "fast", b"x", persistent), consumer.message()))
        else:
            ms = took(lambda: (publisher.publish("amq.topic", "fast", b"x", persistent),
                               stomp.message()))
        if ms >= LONG_MS / 3:
            late.append((number, round(ms)))
        time.sleep(0.01)
    stop.set()
    machine.disk.put("sync_delay_ms", 0)
    busy.join()
    assert not late, f"delivered late (number, ms): {late}"
    publisher.wait_confirms()
    end(machine)


def keep_busy(machine):
    """Somebody who always has something to sync."""
    stop = threading.Event()

    def publish():
        channel = amqp_client.connect(machine).channel()
        channel.confirm_select()
        while not stop.is_set():
            channel.publish("", "other", b"x" * 1000, PERSISTENT)
            channel.wait_confirms()

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    return thread, stop
