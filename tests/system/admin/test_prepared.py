"""Prepared messages as an administrator sees and decides them."""

import amqp_client
import broker as brokers
import stomp_client
from ctl import Caller, data_dir, listing, run
from ends import unique
from suite import Suite, equal, has, wait_until

suite = Suite("prepared")


class Preparer:
    def __init__(self, gateway):
        self.channel = amqp_client.connect(gateway).channel()
        self.channel.confirm_select()

    def queue(self):
        return self.channel.queue_declare(unique(), durable=True)[0]

    def prepare(self, queue, identity, body=b"x", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.channel.publish("", queue, body, {"delivery_mode": 2,
                                               "headers": {"x-prepare": identity, **named}})
        self.channel.wait_confirms()

    def take(self, queue):
        return wait_until(lambda: self.channel.get(queue, no_ack=True), "the message")


def decide(gateway, *words):
    return run(gateway, "--data-dir", data_dir(gateway), *words)


def row_of(gateway, identity):
    rows = [row for row in listing(gateway, "prepared") if row["name"] == identity]
    equal(len(rows), 1)
    return rows[0]


@suite.test
def what_waits_is_listed(gateway):
    end, identity = Preparer(gateway), unique("id")
    queue, checks = end.queue(), end.queue()
    end.prepare(queue, identity, x_prepare_check=f"/queue/{checks}", x_prepare_timeout=1)
    end.take(checks)
    row = row_of(gateway, identity)
    age = row.pop("age_ms")
    assert 0 <= age < 60000, age
    equal(row, {"vhost": "/", "user": "guest", "name": identity, "exchange": "",
                "routing_key": queue, "check_destination": f"/queue/{checks}", "checks": 1,
                "expired": False})
    status, out, _ = decide(gateway, "list", "prepared")
    equal(status, 0)
    has(out, identity)
    has(out, "age, ms")
    equal(decide(gateway, "rollback", identity)[0], 0)
    equal([row for row in listing(gateway, "prepared") if row["name"] == identity], [])


@suite.test
def what_an_administrator_commits_comes(gateway):
    end, identity = Preparer(gateway), "a/b %&? " + unique("id")
    queue = end.queue()
    end.prepare(queue, identity, b"committed")
    equal(decide(gateway, "commit", identity, "--vhost", "/", "--user", "guest"), (0, "", ""))
    equal(end.take(queue).body, b"committed")
    equal(decide(gateway, "commit", identity, "--user", "guest")[0], 0)  # the same again
    status, _, error = decide(gateway, "rollback", identity, "--user", "guest")
    equal(status, 1)
    has(error, "was committed")


@suite.test
def what_an_administrator_rolls_back_never_comes(gateway):
    end, identity = Preparer(gateway), unique("id")
    queue = end.queue()
    end.prepare(queue, identity)
    equal(decide(gateway, "rollback", identity)[0], 0)
    stomp = stomp_client.connect(gateway)
    stomp.send("SEND", {"destination": f"/prepared/{identity}", "outcome": "commit"})
    has(stomp.error().body.decode(), "was rolled back")
    equal(end.channel.get(queue), None)


@suite.test
def what_does_not_wait_cannot_be_decided(gateway):
    identity = unique("none")
    for words, wanted in ((("commit", identity), "no prepared message"),
                          (("rollback", identity, "--user", "guest"), "no prepared message"),
                          (("commit", identity, "--vhost", "none"), "Not Found"),
                          (("commit", "i" * 256), "longer than 255"),
                          (("commit", identity, "--user", "u" * 256), "longer than 255")):
        status, out, error = decide(gateway, *words)
        equal((status, out), (1, ""), words)
        has(error, wanted)
    equal(decide(gateway, "commit")[0], 2)
    with Caller(gateway) as caller:
        equal(caller.get(f"/api/prepared/%2F/guest/{identity}/commit", "POST")[0], 404)
        equal(caller.get(f"/api/prepared/%2F/{'u' * 300}/x/commit", "POST")[0], 404)
        equal(caller.get("/api/prepared/none")[0], 404)


@suite.test
def a_full_queue_refuses_an_administrator_too(gateway):
    end, identity = Preparer(gateway), unique("id")
    queue = unique()
    end.channel.queue_declare(queue, durable=True, arguments={"x-max-length": 1,
                                                              "x-overflow": "reject-publish"})
    end.channel.publish("", queue, b"first")
    end.channel.wait_confirms()
    end.prepare(queue, identity)
    status, _, error = decide(gateway, "commit", identity)
    equal(status, 1)
    has(error, "is full")
    equal(decide(gateway, "rollback", identity)[0], 0)


@suite.test
def thousands_are_listed_in_pieces(gateway):
    with brokers.Broker(gateway.binary, workers=2) as own:
        end = Preparer(own)
        queue, count = end.queue(), 3000
        for i in range(count):
            end.channel.publish("", queue, b"", {"headers": {"x-prepare": f"i{i}"}})
        end.channel.wait_confirms()
        equal({row["name"] for row in listing(own, "prepared")}, {f"i{i}" for i in range(count)})
        names = [row["name"] for row in listing(own, "queues")]
        assert "amq.prepared" not in names, names
