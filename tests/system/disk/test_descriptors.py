"""Connections take descriptors, and so do the files of the log."""

import resource
import socket

import amqp_client
from machine import Machine
from suite import Suite, equal, wait_until

suite = Suite("descriptors")
PERSISTENT = {"delivery_mode": 2}
BODY = b"x" * 60000
ROUNDS = 24  # each of some three MiB: more than a segment
DESCRIPTORS = 100


def publish(channel):
    for _ in range(ROUNDS):
        for _ in range(50):
            channel.publish("", "q", BODY, PERSISTENT)
        channel.wait_confirms()


@suite.test
def more_connections_than_descriptors_do_not_end_the_log(lab):
    with Machine(lab.binary, workers=2) as machine:
        resource.prlimit(machine.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        channel = amqp_client.connect(machine).channel()
        channel.queue_declare("q", durable=True)
        channel.confirm_select()
        crowd = [socket.create_connection(("127.0.0.1", machine.amqp_port))
                 for _ in range(2 * DESCRIPTORS)]
        wait_until(lambda: "listener.paused" in machine.log_text(), "no more to be let in")
        publish(channel)
        for one in crowd:
            one.close()
        equal(amqp_client.connect(machine).channel().queue_declare("q", passive=True)[1],
              50 * ROUNDS)
