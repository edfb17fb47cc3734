"""Many logins at once, wrong ones again and again."""

import concurrent.futures
import time

import amqp_client
import stomp_client
from broker import Broker
from ends import unique
from office import Office
from suite import Suite, equal, has, raises, wait_until

suite = Suite("logins")


@suite.test
def a_wrong_login_is_told_in_the_words_of_its_protocol(gateway):
    name = unique("u")
    error = raises(amqp_client.ConnectionClosed,
                   lambda: amqp_client.connect(gateway, user=name, password="x"))
    equal((error.code, error.text),
          (403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For "
                "details see the broker logfile."))
    error = raises(amqp_client.ConnectionClosed, lambda: amqp_client.connect(
        gateway, user=name, password="x", mechanism="AMQPLAIN"))
    has(error.text, "mechanism AMQPLAIN")
    error = raises(stomp_client.ErrorFrame, lambda: stomp_client.connect(
        gateway, login=name, passcode="x"))
    equal(error.frame.headers["message"], "Bad CONNECT")
    equal(error.frame.body.decode().strip(), f"Access refused for user '{name}'")


@suite.test
def a_stomp_client_may_try_again(gateway):
    office, name = Office(gateway), unique("u")
    office.user(name)
    c = stomp_client.Connection(gateway.stomp_port)
    raises(stomp_client.ErrorFrame, lambda: c.open(login=name, passcode="wrong"))
    c.open(login=name, passcode="secret")
    c.ask("SEND", {"destination": f"/queue/{unique()}"}, b"x")


@suite.test
def mechanisms_that_are_not_offered_are_no_way_in(gateway):
    for mechanism in ("EXTERNAL", "ANONYMOUS", "CRAM-MD5"):
        connection = amqp_client.Connection(gateway.amqp_port)
        connection.start()
        assert mechanism not in connection.mechanisms.split()
        error = raises(amqp_client.ConnectionClosed,
                       lambda: connection.log_in(mechanism=mechanism))
        equal(error.code, 403)


@suite.test(alone=True)
def a_storm_of_logins_does_not_stall_others(gateway):
    own = Broker(gateway.binary, workers=1)
    try:
        office = Office(own)
        user = office.user("shop")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for connection in pool.map(lambda _: amqp_client.connect(own, **user), range(400)):
                connection.kill()
        assert own.cpu_seconds("login") < 5  # uncached they would take three times as long
        ch = amqp_client.connect(own).channel()
        ch.queue_declare("q")
        logins, workers = own.cpu_seconds("login"), own.cpu_seconds("worker")
        for _ in range(20):  # costly ones are looked at elsewhere
            stranger = amqp_client.Connection(own.amqp_port)
            stranger.start()
            stranger.wire.send(amqp_client.method(0, 10, 11, "TsSs", {}, "PLAIN", "\0shop\0no",
                                                  "en_US"))
        wait_until(lambda: ch.queue_declare("q") and own.cpu_seconds("login") > logins + 0.1,
                   "some of them to be looked at")
        assert own.cpu_seconds("worker") < workers + 0.5
    finally:
        complaint = own.close()
    assert complaint is None, complaint


@suite.test(alone=True)
def a_login_that_waits_does_not_mind_what_publishers_are_held_for(gateway):
    own = Broker(gateway.binary, workers=1)
    try:
        office = Office(own)
        fast = amqp_client.connect(own, **office.user("fast")).channel()
        fast.queue_declare("q")
        office.limit("fast", "publish-rate", 500)
        users = [office.user(f"u{i}") for i in range(20)]
        for _ in range(800):  # held and let go again all the time
            fast.publish("", "q", b"x")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for connection in pool.map(lambda u: amqp_client.connect(own, **u), users):
                connection.kill()
    finally:
        complaint = own.close()
    assert complaint is None, complaint


@suite.test(alone=True)
def who_fails_again_and_again_is_slowed(gateway):
    own = Broker(gateway.binary, workers=1)
    try:
        taken = []
        for _ in range(9):
            began = time.monotonic()
            raises(amqp_client.ConnectionClosed,
                   lambda: amqp_client.connect(own, user="guest", password="no"))
            taken.append(time.monotonic() - began)
        assert taken[8] > 0.35, taken  # 400 ms behind the one before
        began = time.monotonic()
        amqp_client.connect(own)  # the right one waits for its turn, too
        assert time.monotonic() - began > 0.4
    finally:
        complaint = own.close()
    assert complaint is None, complaint
