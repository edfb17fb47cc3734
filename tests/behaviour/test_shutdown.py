"""SIGTERM: clients are told in their own words, and the process ends with status 0."""

import broker as brokers
import amqp_client
import stomp_client
from amqp_client import ConnectionClosed
from ends import unique
from suite import Suite, equal, has, only_sluice, raises
from wire import Closed, Wire

suite = Suite("shutdown")


def own(broker):
    only_sluice(broker, "it is not ours to stop")
    return brokers.Broker(broker.binary, workers=broker.workers)


def stop(gateway):
    status, seconds = gateway.terminate()
    equal(status, 0, "exit status")
    assert seconds < 10.0, f"{seconds:.1f} s"
    gateway.kill()
    return seconds


@suite.test
def an_idle_gateway_stops_at_once(broker):
    gateway = own(broker)
    assert stop(gateway) < 8.0


@suite.test
def amqp_clients_are_told_320(broker):
    gateway = own(broker)
    connection = amqp_client.connect(gateway)
    channel = connection.channel()
    channel.consume(channel.queue_declare(exclusive=True)[0])
    gateway.process.send_signal(15)
    closed = connection.wait_closed()
    equal(closed.code, 320)
    has(closed.text, "CONNECTION_FORCED - ")
    assert stop(gateway) < 8.0


@suite.test
def stomp_clients_are_told_by_an_error(broker):
    gateway = own(broker)
    connection = stomp_client.connect(gateway)
    connection.subscribe("/queue/q")
    gateway.process.send_signal(15)
    assert connection.error().headers["message"]
    connection.wire.read_to_end()
    assert stop(gateway) < 8.0


@suite.test
def clients_that_do_not_answer_are_left_behind(broker):
    gateway = own(broker)
    deaf = [amqp_client.connect(gateway) for _ in range(3)]
    silent = [Wire(gateway.amqp_port) for _ in range(3)]
    half = Wire(gateway.stomp_port)
    half.send(b"CONNECT\naccept-ver")
    stop(gateway)
    for wire in silent + [half] + [connection.wire for connection in deaf]:
        wire.read_to_end()


@suite.test
def nobody_is_accepted_any_more(broker):
    gateway = own(broker)
    connection = amqp_client.connect(gateway)
    gateway.process.send_signal(15)
    connection.wait_closed()
    raises(OSError, lambda: (Wire(gateway.amqp_port), stop(gateway), Wire(gateway.amqp_port)))
    stop(gateway)


@suite.test
def confirms_under_way_are_still_sent(broker):
    gateway = own(broker)
    connection = amqp_client.connect(gateway)
    channel = connection.channel()
    channel.queue_declare("q", durable=True)
    channel.confirm_select()
    for _ in range(200):
        channel.publish("", "q", b"x" * 1000)
    channel.wait("basic.ack")  # it has begun to read them
    gateway.process.send_signal(15)
    try:
        channel.wait_confirms()
    except (ConnectionClosed, Closed):
        pass  # what was not read any more has no confirm; that is said by the close
    stop(gateway)


@suite.test
def a_full_house_is_closed_in_time(broker):
    gateway = own(broker)
    ends = [amqp_client.connect(gateway) for _ in range(100)]
    stomps = [stomp_client.connect(gateway) for _ in range(100)]
    queue = unique()
    for stomp in stomps:
        stomp.subscribe(f"/queue/{queue}")
    gateway.process.send_signal(15)
    for connection in ends:
        equal(connection.wait_closed().code, 320)
    for stomp in stomps:
        stomp.error()
    stop(gateway)
