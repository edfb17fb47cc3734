"""A life that ends while a policy changes over many queues."""

import http.client
import threading

import admin
from rules import channel_of
from suite import Suite, equal, wait_until
from test_rules import FORGET, KILL, STOP

suite = Suite("policies")
MANY = 1000  # several slices, so there are rests between them
PREFIX = "p."


class Change(threading.Thread):
    """One that may not come to its end."""

    def __init__(self, machine, limit):
        super().__init__()
        self.machine, self.limit, self.is_answered = machine, limit, False
        self.start()

    def run(self):
        try:
            admin.put(self.machine, "policies", "/", "p", pattern=r"^p\.",
                      definition={"max-length": self.limit})
            self.is_answered = True
        except (OSError, http.client.HTTPException):
            pass


def limit_of(machine, queue):
    return admin.get(machine, "queues", "/", queue)["effective_policy_definition"].get("max-length")


def limits(machine):
    """Those that are in force for the queues, and the one that the policy has."""
    rows = [row for row in admin.get(machine, "queues", "/") if row["name"].startswith(PREFIX)]
    equal(len(rows), MANY)
    policies = admin.get(machine, "policies", "/")
    return ({row["effective_policy_definition"].get("max-length") for row in rows},
            policies[0]["definition"]["max-length"] if policies else None)


@suite.test_over(STOP, KILL, FORGET)
def a_change_that_the_end_met_holds_for_all_queues_or_for_none(lab, end):
    with end.machine(lab) as machine:
        channel = channel_of(machine)
        for n in range(MANY):
            channel.queue_declare(f"{PREFIX}{n}", durable=True)
        answered = None
        for limit in range(1, 4):
            change = Change(machine, limit)
            if limit == 3:
                change.join()
            else:
                wait_until(lambda want=limit: limit_of(machine, f"{PREFIX}0") == want, "a slice")
            end.next_life(machine)
            change.join()
            if change.is_answered:
                answered = limit
            in_force, of_policy = limits(machine)
            equal(in_force, {of_policy})
            equal(of_policy in (answered, limit), True, f"{of_policy}, {answered} was answered")
        equal(of_policy, 3)
