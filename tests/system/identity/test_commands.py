"""The same by sluicectl, in its own spelling and in that of rabbitmqctl."""

import json
import os
import subprocess

import amqp_client
from ends import unique
from office import Office
from suite import Suite, equal, has, raises, wait_until

suite = Suite("commands")


def run(gateway, *words, said=None):
    """Gives (exit status, standard output, standard error)."""
    binary = os.path.join(os.path.dirname(os.path.abspath(gateway.binary)), "sluicectl")
    done = subprocess.run([binary, "--data-dir", os.path.join(gateway.directory, "data"), *words],
                          capture_output=True, text=True, timeout=60, input=said)
    return done.returncode, done.stdout, done.stderr


def do(gateway, *words):
    status, out, error = run(gateway, *words)
    assert status == 0, (words, error)
    return out


def rows(gateway, *words):
    return json.loads(do(gateway, "-o", "json", *words))


@suite.test
def what_is_refused_says_why(gateway):
    status, _, error = run(gateway, "set", "permissions", unique("nobody"), ".*", ".*", ".*")
    equal(status, 1)
    has(error, "does not exist")
    status, _, error = run(gateway, "set", "permissions", "guest", "(", ".*", ".*")
    equal(status, 1)
    has(error, "a pattern cannot be used")
    equal(run(gateway, "add", "user", "only-a-name")[0], 2)
    equal(run(gateway, "set_user_limits", "guest", "no json")[0], 1)


@suite.test
def what_changes_a_user_makes_none(gateway):
    name = unique("nobody")
    for words in (("change_password", name, "x"), ("clear_password", name),
                  ("set_user_tags", name, "management"), ("set", "cluster", name, "shop"),
                  ("clear", "cluster", name)):
        equal(run(gateway, *words)[0], 1)
    equal(Office(gateway).ask("GET", f"users/{name}")[0], 404)


@suite.test
def who_is_there_is_not_added_again(gateway):
    name = unique("u")
    do(gateway, "add", "user", name, "secret")
    do(gateway, "set_user_tags", name, "monitoring")
    status, _, error = run(gateway, "add_user", name, "another")
    equal(status, 1)
    has(error, f"'{name}' exists already")
    equal(Office(gateway).ask("GET", f"users/{name}")[1]["tags"], ["monitoring"])
    amqp_client.connect(gateway, user="guest", password="guest").close()


def only_of(connections, user):
    """The user's connection, when there is one."""
    own = [c for c in connections if c["user"] == user]
    return own[0] if len(own) == 1 else None


@suite.test
def a_connection_that_is_not_there_is_not_closed(gateway):
    status, out, error = run(gateway, "close", "connection", unique("nobody"))
    equal((status, out), (1, ""))
    has(error, "404")


@suite.test
def a_user_from_the_cradle_to_the_grave(gateway):
    name, vhost = unique("u"), unique("v")
    do(gateway, "add_vhost", vhost)
    do(gateway, "add", "user", name, "secret")
    do(gateway, "set_user_tags", name, "monitoring", "management")
    do(gateway, "-p", vhost, "set_permissions", name, ".*", ".*", ".*")
    do(gateway, "-p", vhost, "set", "topic", "permissions", name, "amq.topic", "^a", "^b")
    do(gateway, "set", "cluster", name, "shop-1")
    do(gateway, "set_user_limits", name, '{"max-connections": 3}')
    do(gateway, "-p", vhost, "set_vhost_limits", '{"max-queues": 9}')
    shown = [u for u in rows(gateway, "list", "users") if u["name"] == name]
    equal([(u["tags"], u["cluster_id"], u["limits"]) for u in shown],
          [(["monitoring", "management"], "shop-1", {"max-connections": 3})])
    equal(rows(gateway, "list_user_permissions", name),
          [{"user": name, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}])
    lines = [line for line in do(gateway, "list", "users").splitlines() if name in line]
    equal([" ".join(line.split()) for line in lines],
          [name + ' monitoring, management shop-1 {"max-connections":3}'])
    assert vhost in do(gateway, "list", "topic", "permissions")
    assert vhost in do(gateway, "list_vhosts") and vhost in do(gateway, "list_permissions")
    amqp_client.connect(gateway, user=name, password="secret", vhost=vhost).close()
    do(gateway, "change_password", name, "other")
    connection = amqp_client.connect(gateway, user=name, password="other", vhost=vhost)
    one = wait_until(lambda: only_of(rows(gateway, "list", "connections"), name),
                     "the first connection to be gone")
    do(gateway, "close", "connection", one["name"])
    equal(connection.wait_closed().code, 320)
    wait_until(lambda: run(gateway, "close", "connection", one["name"])[0] == 1,
               "the connection to be gone")
    do(gateway, "clear_user_limits", name)
    do(gateway, "-p", vhost, "clear_permissions", name)
    raises(amqp_client.ConnectionClosed, lambda: amqp_client.connect(
        gateway, user=name, password="other", vhost=vhost))
    do(gateway, "clear", "password", name)
    do(gateway, "delete_vhost", vhost)
    do(gateway, "delete", "user", name)
    equal(Office(gateway).ask("GET", f"users/{name}")[0], 404)


@suite.test
def what_is_cleared_is_what_was_named(gateway):
    user, vhost, exchange = ("\u00e9" * 118 + unique(kind) for kind in "uvx")
    do(gateway, "add_vhost", vhost)
    do(gateway, "add", "user", user, "secret")
    for name in (exchange, exchange + "-2"):
        do(gateway, "-p", vhost, "set_topic_permissions", user, name, "a", "b")
    status, _, error = run(gateway, "-p", vhost, "clear_topic_permissions", user, "")
    equal((status, "empty" in error), (1, True))
    status, _, error = run(gateway, "-p", vhost, "clear_topic_permissions", user, "\u00e9" * 600)
    equal((status, "too long" in error), (1, True))
    do(gateway, "-p", vhost, "clear_topic_permissions", user, exchange)
    equal([row["exchange"] for row in rows(gateway, "list_user_topic_permissions", user)],
          [exchange + "-2"])


@suite.test
def a_password_need_not_be_seen_among_the_arguments(gateway):
    name = unique("u")
    equal(run(gateway, "add", "user", name, "-", said="")[0], 1)
    equal(run(gateway, "add", "user", name, "-", said="hush hush\n")[0], 0)
    Office(gateway).permit(name)
    amqp_client.connect(gateway, user=name, password="hush hush")
    equal(run(gateway, "change_password", name, "-", said="louder")[0], 0)
    amqp_client.connect(gateway, user=name, password="louder")


@suite.test
def exported_definitions_are_for_their_owner(gateway):
    path = os.path.join(gateway.directory, unique("definitions"))
    do(gateway, "export_definitions", path)
    equal(os.stat(path).st_mode & 0o777, 0o600)
    with open(path) as file:
        assert json.load(file)["users"]
