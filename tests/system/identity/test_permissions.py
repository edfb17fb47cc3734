"""Every operation and each permission it needs: allowed with it, refused without it, and how."""

import amqp_client
import stomp_client
from ends import unique
from office import Office
from suite import Suite, equal, has, raises

suite = Suite("permissions")
KINDS = ("configure", "write", "read")


class Stage:
    """One user of its own, and a queue, a topic exchange and their fellows that are there."""

    def __init__(self, gateway):
        self.gateway, self.office = gateway, Office(gateway)
        self.name, self.q, self.x, self.y = unique("u"), unique("q"), unique("x"), unique("y")
        self.new = unique("n")
        self.office.user(self.name)
        self.owner = amqp_client.connect(gateway).channel()
        self.owner.queue_declare(self.q, durable=True)
        for exchange in (self.x, self.y):
            self.owner.exchange_declare(exchange, "topic", durable=True)

    def permit(self, **permission):
        self.office.permit(self.name, **permission)

    def amqp(self):
        return amqp_client.connect(self.gateway, user=self.name, password="secret").channel()

    def stomp(self):
        return stomp_client.connect(self.gateway, login=self.name, passcode="secret")


def publish(ch, exchange, key, properties=None):
    if not hasattr(ch, "is_confirming"):
        ch.confirm_select()
        ch.is_confirming = True
    ch.publish(exchange, key, b"x", properties)
    ch.wait_confirms()


# (name, what is done, what it needs: (permission, kind of thing, its name on the stage))
OPERATIONS = [
    ("queue.declare", lambda s, ch: ch.queue_declare(s.new), [("configure", "queue", "new")]),
    ("queue.declare again", lambda s, ch: ch.queue_declare(s.q, durable=True),
     [("configure", "queue", "q")]),
    ("queue.declare with dead letters",
     lambda s, ch: ch.queue_declare(s.new, arguments={"x-dead-letter-exchange": s.x}),
     [("configure", "queue", "new"), ("read", "queue", "new"), ("write", "exchange", "x")]),
    ("queue.delete", lambda s, ch: ch.queue_delete(s.q), [("configure", "queue", "q")]),
    ("queue.purge", lambda s, ch: ch.queue_purge(s.q), [("read", "queue", "q")]),
    ("queue.bind", lambda s, ch: ch.queue_bind(s.q, s.x, "k"),
     [("write", "queue", "q"), ("read", "exchange", "x")]),
    ("queue.unbind", lambda s, ch: ch.queue_unbind(s.q, s.x, "k"),
     [("write", "queue", "q"), ("read", "exchange", "x")]),
    ("exchange.declare", lambda s, ch: ch.exchange_declare(s.new, "topic"),
     [("configure", "exchange", "new")]),
    ("exchange.declare with an alternate",
     lambda s, ch: ch.exchange_declare(s.new, "topic", arguments={"alternate-exchange": s.x}),
     [("configure", "exchange", "new"), ("read", "exchange", "new"), ("write", "exchange", "x")]),
    ("exchange.delete", lambda s, ch: ch.exchange_delete(s.y), [("configure", "exchange", "y")]),
    ("exchange.bind", lambda s, ch: ch.exchange_bind(s.y, s.x, "k"),
     [("write", "exchange", "y"), ("read", "exchange", "x")]),
    ("exchange.unbind", lambda s, ch: ch.exchange_unbind(s.y, s.x, "k"),
     [("write", "exchange", "y"), ("read", "exchange", "x")]),
    ("basic.publish", lambda s, ch: publish(ch, s.x, "k"), [("write", "exchange", "x")]),
    ("basic.publish to a missing exchange", lambda s, ch: publish(ch, s.new, "k"),
     [("write", "exchange", "new")]),
    ("basic.get", lambda s, ch: ch.get(s.q), [("read", "queue", "q")]),
    ("basic.consume", lambda s, ch: ch.consume(s.q), [("read", "queue", "q")]),
]


def refusal(kind, name, user):
    return f"access to {kind} '{name}' in vhost '/' refused for user '{user}'"


def exactly(needs, stage, but=None):
    """Patterns that allow what is needed and nothing else, but one of it."""
    patterns = {}
    for kind in KINDS:
        names = {getattr(stage, n) for i, (k, _, n) in enumerate(needs) if k == kind and i != but}
        patterns[kind] = "^(" + "|".join(names) + ")$" if names else ""
    return patterns


def add_row(name, act, needs):
    def is_allowed(gateway):
        stage = Stage(gateway)
        stage.permit(**exactly(needs, stage))
        ch = stage.amqp()
        if "missing" not in name:
            act(stage, ch)
            return
        equal(raises(amqp_client.ChannelClosed, lambda: act(stage, ch)).code, 404)

    def is_refused(gateway):
        stage = Stage(gateway)
        for i, (_, kind, thing) in enumerate(needs):
            stage.permit(**exactly(needs, stage, but=i))
            error = raises(amqp_client.ChannelClosed, lambda: act(stage, stage.amqp()))
            equal((error.code, error.text),
                  (403, "ACCESS_REFUSED - " + refusal(kind, getattr(stage, thing), stage.name)))

    is_allowed.__name__, is_refused.__name__ = f"{name}: allowed", f"{name}: refused"
    suite.test(is_allowed)
    suite.test(is_refused)


for row in OPERATIONS:
    add_row(*row)


@suite.test
def passive_declarations_need_nothing(gateway):
    stage = Stage(gateway)
    stage.permit()
    ch = stage.amqp()
    ch.queue_declare(stage.q, passive=True)
    ch.exchange_declare(stage.x, "topic", passive=True)


@suite.test
def the_default_exchange_is_amq_default(gateway):
    stage = Stage(gateway)
    stage.permit(write="^amq\\.default$")
    publish(stage.amqp(), "", stage.q)
    stage.permit(write="^x")
    error = raises(amqp_client.ChannelClosed, lambda: publish(stage.amqp(), "", stage.q))
    equal((error.code, error.text),
          (403, "ACCESS_REFUSED - " + refusal("exchange", "amq.default", stage.name)))


@suite.test
def names_that_the_broker_makes_are_checked_too(gateway):
    stage = Stage(gateway)
    stage.permit(configure="^amq\\.gen")
    stage.amqp().queue_declare("")
    stage.permit(configure="^other")
    error = raises(amqp_client.ChannelClosed, lambda: stage.amqp().queue_declare(""))
    equal(error.code, 403)
    has(error.text, "access to queue 'amq.gen-")


@suite.test
def topic_permissions_of_publishing(gateway):
    stage = Stage(gateway)
    stage.office.topics(stage.name, stage.x, "^{username}\\.", "")
    ch = stage.amqp()
    publish(ch, stage.x, stage.name + ".a")
    publish(ch, stage.y, "anything")  # nothing is said of that one
    error = raises(amqp_client.ChannelClosed, lambda: publish(ch, stage.x, "other.a"))
    equal((error.code, error.text),
          (403, f"ACCESS_REFUSED - access to topic 'other.a' in exchange '{stage.x}' in vhost '/' "
                f"refused for user '{stage.name}'"))


@suite.test
def topic_permissions_of_binding(gateway):
    stage = Stage(gateway)
    stage.office.topics(stage.name, stage.x, "", "^ok\\.")
    ch = stage.amqp()
    ch.queue_bind(stage.q, stage.x, "ok.*")
    for act in (ch.queue_bind, stage.amqp().queue_unbind):
        error = raises(amqp_client.ChannelClosed, lambda: act(stage.q, stage.x, "no.*"))
        equal(error.code, 403)
        has(error.text, f"access to topic 'no.*' in exchange '{stage.x}' in vhost '/' refused")


@suite.test
def topic_permissions_are_of_topic_exchanges(gateway):
    stage = Stage(gateway)
    stage.owner.exchange_declare(stage.new, "direct")
    stage.office.topics(stage.name, stage.new, "^only$", "^only$")
    publish(stage.amqp(), stage.new, "any")


# STOMP: (name, what is done, needs)
def subscribe(s, c):
    c.ask("SUBSCRIBE", {"destination": f"/amq/queue/{s.q}", "id": "s"})


def subscribe_topic(s, c):
    c.ask("SUBSCRIBE", {"destination": f"/exchange/{s.x}/k", "id": "s", "x-queue-name": s.new})


STOMP_OPERATIONS = [
    ("SEND to /exchange",
     lambda s, c: c.ask("SEND", {"destination": f"/exchange/{s.x}/k"}, b"x"),
     [("write", "exchange", "x")]),
    ("SEND to /queue", lambda s, c: c.ask("SEND", {"destination": f"/queue/{s.new}"}, b"x"),
     [("configure", "queue", "new"), ("write", "exchange", "default")]),
    ("SEND to /amq/queue", lambda s, c: c.ask("SEND", {"destination": f"/amq/queue/{s.q}"}, b"x"),
     [("write", "exchange", "default")]),
    ("SUBSCRIBE to /amq/queue", subscribe, [("read", "queue", "q")]),
    ("SUBSCRIBE to /exchange", subscribe_topic,
     [("configure", "queue", "new"), ("write", "queue", "new"), ("read", "exchange", "x"),
      ("read", "queue", "new")]),
]
Stage.default = "amq.default"


def add_stomp_row(name, act, needs):
    def is_allowed(gateway):
        stage = Stage(gateway)
        stage.permit(**exactly(needs, stage))
        act(stage, stage.stomp())

    def is_refused(gateway):
        stage = Stage(gateway)
        for i, (kind_of, kind, thing) in enumerate(needs):
            if any(j != i and need == needs[i] for j, need in enumerate(needs)):
                continue
            stage.permit(**exactly(needs, stage, but=i))
            error = raises(stomp_client.ErrorFrame, lambda: act(stage, stage.stomp()))
            equal(error.frame.headers["message"], "access_refused")
            equal(error.frame.body.decode().strip(),
                  "ACCESS_REFUSED - " + refusal(kind, getattr(stage, thing), stage.name))

    is_allowed.__name__, is_refused.__name__ = f"{name}: allowed", f"{name}: refused"
    suite.test(is_allowed)
    suite.test(is_refused)


for row in STOMP_OPERATIONS:
    add_stomp_row(*row)


@suite.test
def topic_permissions_of_stomp(gateway):
    stage = Stage(gateway)
    stage.office.topics(stage.name, stage.x, "^ok$", "^ok$")
    c = stage.stomp()
    c.ask("SEND", {"destination": f"/exchange/{stage.x}/ok"}, b"x")
    c.ask("SUBSCRIBE", {"destination": f"/exchange/{stage.x}/ok", "id": "s"})
    for command in ("SEND", "SUBSCRIBE"):
        c = stage.stomp()
        error = raises(stomp_client.ErrorFrame, lambda: c.ask(
            command, {"destination": f"/exchange/{stage.x}/no", "id": "t"}))
        equal(error.frame.headers["message"], "access_refused")
        has(error.frame.body.decode(),
            f"access to topic 'no' in exchange '{stage.x}' in vhost '/' refused for user")


@suite.test
def a_change_holds_for_open_connections(gateway):
    stage = Stage(gateway)
    ch, c = stage.amqp(), stage.stomp()
    for _ in range(3):
        publish(ch, stage.x, "k")
        c.ask("SEND", {"destination": f"/exchange/{stage.x}/k"}, b"x")
    stage.permit(read=".*")
    error = raises(amqp_client.ChannelClosed, lambda: publish(ch, stage.x, "k"))
    equal(error.code, 403)
    error = raises(stomp_client.ErrorFrame, lambda: c.ask(
        "SEND", {"destination": f"/exchange/{stage.x}/k"}, b"x"))
    equal(error.frame.headers["message"], "access_refused")
    stage.permit(write=".*")
    publish(ch.connection.channel(), stage.x, "k")


@suite.test
def a_change_of_topics_holds_for_keys_that_were_sent_before(gateway):
    """Two keys in turn, so that each was allowed behind the other one."""
    stage = Stage(gateway)
    ch = stage.amqp()
    stage.permit(write=".*")
    stage.office.topics(stage.name, stage.x, "^[kl]$", "")
    for key in ("k", "l", "k", "l"):
        publish(ch, stage.x, key)
    stage.office.topics(stage.name, stage.x, "^k$", "")
    publish(ch, stage.x, "k")
    error = raises(amqp_client.ChannelClosed, lambda: publish(ch, stage.x, "l"))
    equal(error.code, 403)


@suite.test
def a_transaction_that_may_not_publish_fails(gateway):
    stage = Stage(gateway)
    stage.permit(read=".*")
    ch = stage.amqp()
    ch.tx_select()

    def commit():
        ch.publish(stage.x, "k", b"x")
        ch.tx_commit()

    equal(raises(amqp_client.ChannelClosed, commit).code, 403)


@suite.test
def who_sent_it_must_be_true(gateway):
    stage = Stage(gateway)
    publish(stage.amqp(), stage.x, "k", {"user_id": stage.name})
    error = raises(amqp_client.ChannelClosed,
                   lambda: publish(stage.amqp(), stage.x, "k", {"user_id": "somebody"}))
    equal((error.code, error.text),
          (406, "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user "
                f"was '{stage.name}'"))
    stage.office.do("PUT", f"users/{stage.name}", {"tags": "impersonator"})
    publish(stage.amqp(), stage.x, "k", {"user_id": "somebody"})


@suite.test
def outcomes_of_others_need_a_permission_and_own_ones_do_not(gateway):
    stage = Stage(gateway)
    stage.owner.queue_bind(stage.q, stage.x, "#")
    stage.permit(write=f"^{stage.x}$")
    ids = [unique("id") for _ in range(3)]
    for name in ids[:2]:
        publish(stage.amqp(), stage.x, "k", {"headers": {"x-prepare": name}})
    publish(stage.owner, stage.x, "k", {"headers": {"x-prepare": ids[2]}})
    publish(stage.amqp(), "amq.prepared", ids[0], {"headers": {"outcome": "commit"}})
    stage.stomp().ask("SEND", {"destination": f"/prepared/{ids[1]}", "outcome": "commit"})
    others = {"outcome": "commit", "prepared-user": "guest"}
    words = "ACCESS_REFUSED - " + refusal("exchange", "amq.prepared", stage.name)
    error = raises(amqp_client.ChannelClosed, lambda: publish(
        stage.amqp(), "amq.prepared", ids[2], {"headers": others}))
    equal((error.code, error.text), (403, words))
    error = raises(stomp_client.ErrorFrame, lambda: stage.stomp().ask(
        "SEND", {"destination": f"/prepared/{ids[2]}", **others}))
    equal(error.frame.body.decode().strip(), words)
    stage.permit(write="^amq\\.prepared$")
    publish(stage.amqp(), "amq.prepared", ids[2], {"headers": others})
