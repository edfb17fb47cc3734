"""Peers that say nothing, or never finish what they began."""

import time

import amqp_client
import stomp_client
from amqp_client import HEADER
from suite import Suite
from wire import Wire

suite = Suite("silence")


def ends_in_time(broker, *wires, began):
    for wire in wires:
        wire.read_to_end(broker.login_timeout * 4 + 5)
    waited = time.monotonic() - began
    assert waited >= broker.login_timeout * 0.8, f"closed already after {waited:.2f} s"


@suite.test
def connections_that_never_log_in_are_closed(broker):
    began = time.monotonic()
    wires = []
    for port in (broker.amqp_port, broker.stomp_port):
        for start in (b"", b"A", b"AMQP", HEADER, HEADER + b"\1", b"C", b"CONNECT\n", b"\n\n",
                      b"CONNECT\naccept-version:1.2\nhost:/\n"):
            wires.append(Wire(port))
            wires[-1].send(start)
    ends_in_time(broker, *wires, began=began)


@suite.test
def line_feeds_before_login_buy_no_time(broker):
    began = time.monotonic()
    wire = Wire(broker.stomp_port)
    deadline = began + broker.login_timeout * 3 + 5
    try:
        while time.monotonic() < deadline:
            wire.send(b"\n")
            try:
                wire.fill(time.monotonic() + 0.05)
            except amqp_client.Late:
                pass
    except amqp_client.Closed:
        return
    raise AssertionError("the connection is still open")


@suite.test
def a_login_that_stops_half_way_is_closed(broker):
    began = time.monotonic()
    after_start = amqp_client.Connection(broker.amqp_port)
    after_start.start()
    after_tune = amqp_client.Connection(broker.amqp_port)
    after_tune.start()
    after_tune.log_in()
    ends_in_time(broker, after_start.wire, after_tune.wire, began=began)


@suite.test
def who_has_logged_in_may_be_silent(broker):
    amqp, stomp = amqp_client.connect(broker), stomp_client.connect(broker)
    channel = amqp.channel()
    began = time.monotonic()
    silent = Wire(broker.amqp_port)
    silent.read_to_end(broker.login_timeout * 4 + 5)
    assert time.monotonic() - began >= broker.login_timeout * 0.8
    channel.round_trip()
    stomp.ask("BEGIN", {"transaction": "t"})


@suite.test
def a_thousand_connections_that_say_nothing(broker):
    began = time.monotonic()
    wires = [Wire(broker.amqp_port if i % 2 else broker.stomp_port) for i in range(1000)]
    stomp_client.connect(broker).close()
    for wire in wires:
        wire.read_to_end(broker.login_timeout * 4 + 10)
    assert time.monotonic() - began < broker.login_timeout * 4 + 10
