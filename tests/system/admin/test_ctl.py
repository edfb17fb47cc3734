"""sluicectl: what it shows, and what it says when it cannot."""

import json
import os
import tempfile

import amqp_client
import broker as brokers
import stomp_client
from ctl import data_dir, get, listing, run, socket_path
from ends import unique
from suite import Suite, equal, has, wait_until

suite = Suite("ctl")


def find(rows, **wanted):
    return [row for row in rows if all(row.get(k) == v for k, v in wanted.items())]


@suite.test
def what_it_does_not_understand_is_status_2(gateway):
    for arguments in ((), ("list",), ("list", "nothing"), ("status", "now"), ("--format", "xml"),
                      ("--sing", "x", "status"), ("--data-dir",), ("list", "queues", "all")):
        status, out, error = run(gateway, *arguments)
        equal((status, out), (2, ""), arguments)
        has(error, "sluicectl")


@suite.test
def without_a_gateway_it_says_so_with_status_1(gateway):
    with tempfile.TemporaryDirectory() as empty:
        for arguments in (("--data-dir", empty, "status"), ("--socket", empty + "/s", "status"),
                          ("--data-dir", empty, "list", "queues")):
            status, out, error = run(gateway, *arguments)
            equal((status, out), (1, ""), arguments)
            has(error, "no gateway is running")
        has(run(gateway, "--socket=" + "/x" * 3000, "status")[2], "too long")


@suite.test
def a_socket_that_a_killed_gateway_left_is_replaced(gateway):
    with brokers.Broker(gateway.binary) as own:
        own.process.kill()
        own.process.wait()
        assert os.path.exists(socket_path(own))
        status, _, error = run(own, "--data-dir", data_dir(own), "status")
        equal(status, 1)
        has(error, "no gateway is running")
        own.process.stdout.close()
        own.log.close()
        own.start()
        equal(run(own, "--data-dir", data_dir(own), "status")[0], 0)
        equal(os.stat(socket_path(own)).st_mode & 0o777, 0o600)
        own.terminate()
        assert not os.path.exists(socket_path(own))
        own.start()


@suite.test
def it_tells_its_version_and_its_commands(gateway):
    status, out, _ = run(gateway, "--version")
    equal(status, 0)
    has(out, "sluicectl ")
    status, out, _ = run(gateway, "--help")
    equal(status, 0)
    for word in ("status", "queues", "exchanges", "bindings", "connections", "channels",
                 "consumers", "--data-dir", "--format"):
        has(out, word)


@suite.test
def status_tells_what_runs(gateway):
    status, out, error = run(gateway, "--data-dir", data_dir(gateway), "status")
    equal(status, 0, error)
    for part in ("Sluice", str(gateway.process.pid), str(gateway.amqp_port), "data directory"):
        has(out, part)
    out = run(gateway, "--data-dir", data_dir(gateway), "--format", "json", "status")[1]
    equal(json.loads(out)["overview"]["product_name"], "Sluice")


@suite.test
def a_table_is_aligned(gateway):
    channel = amqp_client.connect(gateway).channel()
    name = unique()
    channel.queue_declare(name, exclusive=True)
    channel.queue_declare("ü" * 40 + name, exclusive=True)
    out = run(gateway, "--data-dir", data_dir(gateway), "list", "queues")[1]
    head, *rows = out.splitlines()
    assert len(rows) >= 2
    for title in ("type", "durable"):
        for row in rows:
            equal(row[head.index(title) - 1], " ", row)


@suite.test
def queues_show_what_is_in_them_and_whose_they_are(gateway):
    connection = amqp_client.connect(gateway)
    channel = connection.channel()
    name = unique()
    channel.queue_declare(name, exclusive=True, arguments={"x-expires": 60000})
    for _ in range(5):
        channel.publish("", name, b"x")
    channel.qos(2)
    channel.consume(name)
    queue = wait_until(lambda: find(listing(gateway, "queues"), name=name,
                                    messages_unacknowledged=2), "two of five to be out")[0]
    equal((queue["messages"], queue["messages_ready"], queue["consumers"]), (5, 3, 1))
    equal((queue["vhost"], queue["durable"], queue["exclusive"]), ("/", False, True))
    equal(queue["arguments"], {"x-expires": 60000})
    local = connection.wire.socket.getsockname()
    equal(queue["owner_pid_details"]["name"],
          f"127.0.0.1:{local[1]} -> 127.0.0.1:{gateway.amqp_port}")
    connection.close()
    wait_until(lambda: not find(listing(gateway, "queues"), name=name), "the queue to go")


@suite.test
def connections_channels_and_consumers_show_who_is_there(gateway):
    amqp, stomp = amqp_client.connect(gateway), stomp_client.connect(gateway)
    name = unique()
    first, second = amqp.channel(), amqp.channel()
    first.queue_declare(name, durable=True)
    tag = first.consume(name)
    stomp.subscribe(f"/queue/{name}")

    port = amqp.wire.socket.getsockname()[1]
    one = find(listing(gateway, "connections"), peer_port=port)[0]
    equal((one["protocol"], one["user"], one["vhost"], one["channels"]),
          ("AMQP 0-9-1", "guest", "/", 2))
    equal(len([c for c in listing(gateway, "channels")
               if c["connection_details"]["peer_port"] == port]), 2)
    other = find(listing(gateway, "connections"), peer_port=stomp.wire.socket.getsockname()[1])[0]
    has(other["protocol"], "STOMP 1.")

    consumers = wait_until(
        lambda: (lambda rows: len(rows) == 2 and rows)(
            [c for c in listing(gateway, "consumers") if c["queue"]["name"] == name]),
        "both consumers")
    assert tag in [c["consumer_tag"] for c in consumers], (tag, consumers)
    details = [c["channel_details"] for c in consumers if c["consumer_tag"] == tag][0]
    equal((details["peer_port"], details["number"]), (port, first.number))
    first.queue_delete(name)


@suite.test
def exchanges_and_bindings_show_the_routes(gateway):
    channel = amqp_client.connect(gateway).channel()
    queue, exchange = unique(), unique()
    channel.queue_declare(queue, exclusive=True)
    channel.exchange_declare(exchange, "topic")
    channel.queue_bind(queue, exchange, "a.#")
    equal(find(listing(gateway, "exchanges"), name=exchange)[0]["type"], "topic")
    bindings = find(listing(gateway, "bindings"), destination=queue)
    equal(sorted((b["source"], b["routing_key"]) for b in bindings),
          sorted([("", queue), (exchange, "a.#")]))
    equal(len(find(listing(gateway, "exchanges"), name="amq.topic")), 1)
    channel.exchange_delete(exchange)


@suite.test
def a_listing_is_whole_whatever_the_number(gateway):
    connection = amqp_client.connect(gateway)
    channel = connection.channel()
    prefix = unique()
    names = {f"{prefix}-{i}" for i in range(2500)}
    for name in names:
        channel.queue_declare(name, exclusive=True)
    shown = [q["name"] for q in listing(gateway, "queues") if q["name"].startswith(prefix)]
    equal(len(shown), len(names))
    equal(set(shown), names)
    equal(shown, sorted(shown))
    page = get(gateway, f"/api/queues?page=3&page_size=100&name={prefix}")[1]
    equal((page["filtered_count"], page["page_count"], len(page["items"])), (2500, 25, 100))
    connection.close()


def does(gateway, *arguments):
    status, out, error = run(gateway, "--data-dir", data_dir(gateway), *arguments)
    equal((status, error), (0, ""), arguments)
    return out


def refuses(gateway, text, *arguments):
    status, _, error = run(gateway, "--data-dir", data_dir(gateway), *arguments)
    equal(status, 1, arguments)
    has(error, text)


@suite.test
def policies_are_set_listed_and_cleared_in_either_spelling(gateway):
    name = unique("p")
    does(gateway, "set", "policy", name, "^none$", '{"max-length": 5}', "--priority", "3",
         "--apply-to", "queues")
    row = find(listing(gateway, "policies"), name=name)[0]
    equal((row["priority"], row["apply-to"], row["definition"]), (3, "queues", {"max-length": 5}))
    does(gateway, "clear_policy", name)
    equal(find(listing(gateway, "policies"), name=name), [])
    refuses(gateway, "no such policy", "clear_policy", name)
    does(gateway, "set_operator_policy", name, "^none$", '{"max-length": 5}')
    has(does(gateway, "list_operator_policies", "-o", "json"), name)
    does(gateway, "clear", "operator", "policy", name)
    refuses(gateway, "not recognised", "set_policy", name, "x", '{"max": 5}')
    refuses(gateway, "not JSON", "set_policy", name, "x", "max: 5")


@suite.test
def queues_are_purged_and_deleted(gateway):
    queue = unique()
    channel = amqp_client.connect(gateway).channel()
    channel.queue_declare(queue, durable=True)
    channel.confirm_select()
    channel.publish("", queue, b"x")
    channel.wait_confirms()
    refuses(gateway, "not empty", "delete", "queue", queue, "--if-empty")
    does(gateway, "purge_queue", queue)
    does(gateway, "delete_queue", queue, "--if-empty")
    refuses(gateway, "404", "delete_queue", queue)
    refuses(gateway, "404", "purge_queue", queue)


@suite.test
def a_name_that_no_queue_can_have_is_refused(gateway):
    name = "/queue/Consumer.b!d.VirtualTopic.orders"
    refuses(gateway, "invalid ClusterID 'b!d'", "purge_queue", name)
    refuses(gateway, "404", "delete_queue", name)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"queues": [{"name": name, "vhost": "/", "durable": True}]}, file)
        file.flush()
        refuses(gateway, "invalid ClusterID 'b!d'", "import_definitions", file.name)


@suite.test
def definitions_go_out_and_come_in(gateway):
    queue = unique()
    amqp_client.connect(gateway).channel().queue_declare(queue, durable=True)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "definitions.json")
        does(gateway, "export", "definitions", path)
        does(gateway, "delete_queue", queue)
        does(gateway, "import_definitions", path)
        equal(len(find(listing(gateway, "queues"), name=queue)), 1)
        with open(path, "w") as file:
            file.write('{"queues": [{"name": "x", "vhost": "/", "durable": "perhaps"}]}')
        refuses(gateway, "queues[0] 'x'", "import", "definitions", path)


@suite.test
def the_settings_are_read_again(gateway):
    equal(does(gateway, "reload"), "")
