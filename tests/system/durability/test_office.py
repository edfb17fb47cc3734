"""Users, permissions, limits, policies and virtual hosts that are made while the gateway runs: who
has the answer finds them after any end, whole, and what was deleted stays away."""

import base64
import hashlib
import os
import random
import threading

import admin
import amqp_client
from amqp_client import ConnectionClosed
from ledger import Ledger
from suite import Suite, equal, raises, wait_until
from test_kill import fail_if_broken
from test_rules import FORGET, KILL

suite = Suite("office")
PATHS = ("users", "vhosts", "permissions", "topic-permissions", "policies", "operator-policies",
         "user-limits", "vhost-limits")


def row_of(path, row):
    """(key, value) of what an answer says, as the books have it."""
    if path == "users":
        return (path, row["name"]), (tuple(row["tags"]), row.get("cluster_id"))
    if path == "vhosts":
        return (path, row["name"]), (row["description"], tuple(row["tags"]))
    if path == "permissions":
        key = row["vhost"], row["user"]
        return (path, *key), (row["configure"], row["write"], row["read"])
    if path == "topic-permissions":
        key = row["vhost"], row["user"], row["exchange"]
        return (path, *key), (row["write"], row["read"])
    if path.endswith("policies"):
        value = row["pattern"], row["priority"], tuple(sorted(row["definition"].items()))
        return (path, row["vhost"], row["name"]), value
    return (path, row.get("user", row.get("vhost"))), tuple(sorted(row["value"].items()))


def found(machine, prefix):
    """What the gateway says of the names of one clerk."""
    rows = (row_of(path, row) for path in PATHS for row in admin.get(machine, path))
    return {key: value for key, value in rows
            if key[1].startswith(prefix) and value != ()}  # limits that are all gone


def hash_of(password):
    """In RabbitMQ's form, which costs the gateway nothing."""
    salt = os.urandom(4)
    digest = salt + hashlib.sha256(salt + password.encode()).digest()
    return {"password_hash": base64.b64encode(digest).decode(),
            "hashing_algorithm": "rabbit_password_hashing_sha256"}


class Clerk(threading.Thread):
    """Makes, changes and deletes under names of its own, until the gateway goes away."""

    def __init__(self, machine, ledger, prefix, seed):
        super().__init__(name=prefix, daemon=True)
        self.machine, self.ledger, self.prefix = machine, ledger, prefix
        self.choice = random.Random(f"{prefix} {seed}")
        self.books = self.maybe = {}  # what was answered, and what may be instead
        self.passwords = {}  # those that were answered
        self.under_way = None
        self.answers = 0

    def run(self):
        try:
            while True:
                self.act()
        except (OSError, ValueError, IndexError):
            if not self.ledger.is_ending.is_set():
                self.ledger.complain(f"{self.name}: the gateway went away")
        except Exception as error:
            if not self.ledger.is_ending.is_set():
                self.ledger.complain(f"{self.name}: {error!r}")

    def act(self, kind=None):
        self.books = dict(self.books)
        kind = kind or self.choice.choice(KINDS)
        self.maybe, call = kind(self)
        if call:
            admin.call(self.machine, *call[:-1], body=call[-1])
            self.answers += 1
        self.books = self.maybe
        if self.under_way:
            self.passwords.update([self.under_way])
            self.under_way = None

    def compare(self):
        there = found(self.machine, self.prefix)
        if there not in (self.books, self.maybe):
            wrong = {key: (there.get(key), self.books.get(key), self.maybe.get(key))
                     for key in there.keys() | self.books.keys() | self.maybe.keys()
                     if there.get(key) not in (self.books.get(key), self.maybe.get(key))}
            self.ledger.complain(f"{self.name}: there, answered, under way: {wrong}")
        self.books = self.maybe = there
        self.log_in()

    def log_in(self):
        """One of the users, with the password that was answered last."""
        users = [key[1] for key in self.books if key[0] == "users" and key[1] in self.passwords]
        self.under_way = None
        if not users:
            return
        user = self.choice.choice(users)
        vhosts = [key[1] for key in self.books if key[0] == "permissions" and key[2] == user]
        if vhosts:
            amqp_client.connect(self.machine, user=user, password=self.passwords[user],
                                vhost=vhosts[0]).close()
        closed = raises(ConnectionClosed, amqp_client.connect, self.machine, user=user,
                        password="no such")
        equal(closed.code, 403)

    # --- what may be done: the books behind it, and the call

    def with_row(self, key, value):
        return {**self.books, key: value}

    def without(self, is_gone):
        return {key: value for key, value in self.books.items() if not is_gone(key)}

    def user(self):
        return f"{self.prefix}u{self.choice.randrange(4)}"

    def vhost(self):
        return f"{self.prefix}v{self.choice.randrange(3)}"

    def make_user(self):
        user, cluster = self.user(), self.choice.choice(("red", "blue"))
        tags = self.choice.choice(((), ("management",), ("monitoring", "policymaker")))
        password = f"{self.choice.randrange(10**9)}"
        self.passwords.pop(user, None)
        self.under_way = user, password
        said = {"password": password} if self.choice.random() < 0.2 else hash_of(password)
        return self.with_row(("users", user), (tags, cluster)), (
            "PUT", "users", user, {**said, "tags": ",".join(tags), "cluster_id": cluster})

    def delete_user(self):
        user = self.user()
        if ("users", user) not in self.books:
            return self.make_user()
        return self.without(lambda key: user in key[1:]), ("DELETE", "users", user, None)

    def make_vhost(self):
        vhost, words = self.vhost(), f"{self.choice.randrange(100)}"
        return self.with_row(("vhosts", vhost), (words, (words,))), (
            "PUT", "vhosts", vhost, {"description": words, "tags": words})

    def delete_vhost(self):
        vhost = self.vhost()
        if ("vhosts", vhost) not in self.books:
            return self.make_vhost()
        return self.without(lambda key: vhost in key[1:]), ("DELETE", "vhosts", vhost, None)

    def pair(self):
        """A user and a virtual host that there are, or None."""
        user, vhost = self.user(), self.vhost()
        is_there = ("users", user) in self.books and ("vhosts", vhost) in self.books
        return (vhost, user) if is_there else None

    def permit(self):
        if not (pair := self.pair()):
            return self.make_vhost()
        words = tuple(self.choice.choice((".*", "^a", "")) for _ in range(3))
        return self.with_row(("permissions", *pair), words), (
            "PUT", "permissions", *pair, dict(zip(("configure", "write", "read"), words)))

    def forbid(self):
        pairs = [key for key in self.books if key[0] == "permissions"]
        if not pairs:
            return self.permit()
        gone = self.choice.choice(sorted(pairs))
        return self.without(lambda key: key == gone), ("DELETE", *gone, None)

    def permit_topic(self):
        if not (pair := self.pair()):
            return self.make_user()
        words = tuple(self.choice.choice((".*", "^a", "")) for _ in range(2))
        return self.with_row(("topic-permissions", *pair, "amq.topic"), words), (
            "PUT", "topic-permissions", *pair,
            {"exchange": "amq.topic", "write": words[0], "read": words[1]})

    def policy(self, path="policies"):
        vhost, name = self.vhost(), f"p{self.choice.randrange(3)}"
        if ("vhosts", vhost) not in self.books:
            return self.make_vhost()
        if (path, vhost, name) in self.books and self.choice.random() < 0.4:
            return self.without(lambda key: key == (path, vhost, name)), (
                "DELETE", path, vhost, name, None)
        length, order = self.choice.randrange(1, 1000), self.choice.randrange(9)
        return self.with_row((path, vhost, name), ("^q", order, (("max-length", length),))), (
            "PUT", path, vhost, name,
            {"pattern": "^q", "priority": order, "definition": {"max-length": length}})

    def operator_policy(self):
        return self.policy("operator-policies")

    def limit_user(self):
        user, count = self.user(), self.choice.randrange(10, 99)
        if ("users", user) not in self.books:
            return self.make_user()
        return self.with_row(("user-limits", user), (("max-connections", count),)), (
            "PUT", "user-limits", user, "max-connections", {"value": count})

    def limit_vhost(self):
        vhost, count = self.vhost(), self.choice.randrange(10, 99)
        if ("vhosts", vhost) not in self.books:
            return self.make_vhost()
        return self.with_row(("vhost-limits", vhost), (("max-queues", count),)), (
            "PUT", "vhost-limits", vhost, "max-queues", {"value": count})


KINDS = (Clerk.make_user, Clerk.make_vhost, Clerk.permit, Clerk.permit_topic, Clerk.policy,
         Clerk.operator_policy, Clerk.limit_user, Clerk.limit_vhost, Clerk.forbid,
         Clerk.delete_user, Clerk.delete_vhost)


def next_life(machine, choice):
    machine.power_off("subset", choice.randrange(10**9))
    machine.power_on()


@suite.test_over(KILL, FORGET)
def an_answer_stands_when_the_end_comes_right_behind_it(lab, end):
    ledger, choice = Ledger(), random.Random(lab.seed)
    with end.machine(lab) as machine:
        clerk = Clerk(machine, ledger, "one-", lab.seed)
        for _ in range(10):
            clerk.act()
        for kind in KINDS * (5 if lab.is_long else 1):
            clerk.act(kind)
            next_life(machine, choice)
            clerk.compare()
            fail_if_broken(ledger, kind.__name__)


@suite.test_over(KILL, FORGET, alone=True)
def what_many_were_answered_stands_through_ends(lab, end):
    ledger = Ledger()
    clerks, answers = [], 0
    with end.machine(lab) as machine:
        for seed in range(lab.seed, lab.seed + (50 if lab.is_long else 5)):
            choice = random.Random(seed)
            ledger.is_ending.clear()
            machine.on_end = ledger.is_ending.set
            clerks = [successor(machine, ledger, n, seed, clerks) for n in range(4)]
            for clerk in clerks:
                clerk.start()
            wanted = choice.randrange(20, 80)
            wait_until(lambda: sum(clerk.answers for clerk in clerks) > wanted, "some answers", 60)
            next_life(machine, choice)
            for clerk in clerks:
                clerk.join(70)
                clerk.compare()
                answers += clerk.answers
            fail_if_broken(ledger, f"seed {seed}")
        lab.say(f"{answers} answers, {[len(clerk.books) for clerk in clerks]} rows stand")


def successor(machine, ledger, number, seed, clerks):
    clerk = Clerk(machine, ledger, f"clerk{number}-", seed)
    if clerks:
        clerk.books = clerk.maybe = clerks[number].books
        clerk.passwords = clerks[number].passwords
    return clerk
