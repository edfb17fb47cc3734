"""Definitions: RabbitMQ's own come in, and what goes out comes in again, here and there."""

import glob
import json
import os
import shutil
import socket
import subprocess
import tempfile
from types import SimpleNamespace

import admin
import amqp_client
import broker as brokers
from ctl import data_dir
from suite import Skip, Suite, equal, has, raises, wait_until

suite = Suite("definitions")

HERE = os.path.dirname(os.path.abspath(__file__))
NOBODY = 65534
FIXTURE = os.path.join(HERE, "rabbitmq_definitions.json")  # exported by RabbitMQ 3.10.8
SECTIONS = ("users", "permissions", "topic_permissions", "parameters", "policies", "exchanges",
            "queues", "bindings")


def rows(definitions, section):
    return sorted(json.dumps(row, sort_keys=True) for row in definitions[section])


def written(directory, definitions):
    path = os.path.join(directory, "definitions.json")
    with open(path, "w") as file:
        json.dump(definitions, file)
    return path


@suite.test
def rabbitmqs_own_are_loaded_at_the_start_and_go_out_again(gateway):
    with open(FIXTURE) as file:
        wanted = json.load(file)
    with brokers.Broker(gateway.binary, "--load-definitions", FIXTURE) as own:
        got = admin.get(own, "definitions")
        for section in SECTIONS:
            if section != "exchanges":  # where RabbitMQ leaves internal out
                equal(rows(got, section), rows(wanted, section), section)
        equal({(row["vhost"], row["name"], row["type"]) for row in got["exchanges"]},
              {(row["vhost"], row["name"], row["type"]) for row in wanted["exchanges"]})
        admin.call(own, "POST", "definitions", body=got)  # the same again is nothing new
        equal(rows(admin.get(own, "definitions"), "queues"), rows(wanted, "queues"))


@suite.test
def a_directory_that_nobody_serves_is_exported(gateway):
    with brokers.Broker(gateway.binary, "--load-definitions", FIXTURE) as own:
        before = admin.get(own, "definitions")
        own.terminate()
        done = subprocess.run([gateway.binary, "--export-definitions", "--data-dir",
                               data_dir(own)], capture_output=True, text=True, timeout=60)
        equal((done.returncode, done.stderr), (0, ""))
        after = json.loads(done.stdout)
        for section in SECTIONS:
            equal(rows(after, section), rows(before, section), section)
        own.start()


@suite.test
def what_root_exports_stays_its_owners(gateway):
    if os.geteuid() != 0:
        raise Skip("only root may read what is another user's")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        data = os.path.join(directory, "data")
        command = [gateway.binary, "--export-definitions", "--data-dir", data]
        subprocess.run(command, capture_output=True, check=True, timeout=60)
        for path in [data, *glob.glob(os.path.join(data, "*"))]:
            os.chown(path, NOBODY, NOBODY)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        equal((done.returncode, done.stderr), (0, ""))
        equal({os.stat(path).st_uid for path in glob.glob(os.path.join(data, "*"))}, {NOBODY})


@suite.test
def a_file_that_cannot_be_read_refuses_the_start_and_names_the_object(gateway):
    for definitions, text in (([], "an object"), ({"queues": {}}, "queues is not a list"),
                              ({"queues": [{"name": "q", "vhost": 1}]}, "queues[0] 'q'"),
                              ({"users": [{"name": "u", "tags": 1}]}, "users[0] 'u'"),
                              ({"bindings": [{"source": "x", "vhost": "/", "destination": "q",
                                              "routing_key": ""}]}, "bindings[0]"),
                              ({"queues": [{"name": "q", "vhost": "nowhere"}]}, "queue 'q'")):
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                [gateway.binary, "--amqp-port", "0", "--stomp-port", "0", "--data-dir",
                 os.path.join(directory, "data"), "--load-definitions",
                 written(directory, definitions)], capture_output=True, text=True, timeout=60)
            equal(done.returncode, 1)
            has(done.stderr, "the definitions cannot be loaded")
            has(done.stderr, text)


def loading(gateway, directory, queues):
    path = written(directory, {"queues": [{"name": f"q{n}", "vhost": "/", "durable": True}
                                          for n in range(queues)]})
    port = brokers.free_port()
    process = subprocess.Popen(
        [gateway.binary, "--amqp-port", str(port), "--stomp-port", "0", "--data-dir",
         os.path.join(directory, "data"), "--load-definitions", path],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return process, port


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except ConnectionRefusedError:
        return False


@suite.test
def nobody_is_let_in_before_all_is_loaded(gateway):
    with tempfile.TemporaryDirectory() as directory:
        process, port = loading(gateway, directory, 3000)
        try:
            wait_until(lambda: is_open(port), "the port")
            equal(len(admin.get(SimpleNamespace(directory=directory), "queues")), 3000)
        finally:
            process.terminate()
            process.communicate(timeout=60)
        equal(process.returncode, 0)


@suite.test
def who_loads_can_be_told_to_stop(gateway):
    with tempfile.TemporaryDirectory() as directory:
        process, _ = loading(gateway, directory, 100000)
        path = os.path.join(directory, "data", "sluice.sock")
        wait_until(lambda: os.path.exists(path), "its socket")  # signals are read from before
        process.terminate()
        out, errors = process.communicate(timeout=60)
        equal((process.returncode, "sluice ready" in out), (0, False), errors)


@suite.test
def nothing_is_done_when_an_object_cannot_be_read(gateway):
    definitions = {"queues": [{"name": "never-made", "vhost": "/"}, {"name": 1, "vhost": "/"}]}
    refusal = raises(admin.Refused, admin.call, gateway, "POST", "definitions", body=definitions)
    has(refusal.reason, "queues[1]")
    equal([row for row in admin.get(gateway, "queues") if row["name"] == "never-made"], [])


@suite.test
def what_means_nothing_here_is_named(gateway):
    definitions = {"parameters": [{"component": "shovel", "vhost": "/", "name": "s", "value": {}}],
                   "global_parameters": [{"name": "mqtt", "value": 1}], "novelties": [1],
                   "queues": [{"name": "novel", "vhost": "/", "colour": "blue"}]}
    admin.call(gateway, "POST", "definitions", body=definitions)
    for part in ("parameters.shovel", "global_parameters.mqtt", "novelties", "queues.colour"):
        has(gateway.log_text(), part)
    admin.delete(gateway, "queues", "/", "novel")


@suite.test
def quorum_queues_come_in_and_go_out_again(gateway):
    name = "quorum-import"
    for queue in ({"type": "quorum", "arguments": {}},
                  {"arguments": {"x-queue-type": "quorum"}}):
        row = {"name": name, "vhost": "/", "durable": True, "auto_delete": False, **queue}
        admin.call(gateway, "POST", "definitions", body={"queues": [row]})
        out = [row for row in admin.get(gateway, "definitions")["queues"] if row["name"] == name]
        equal(out[0]["arguments"]["x-queue-type"], "quorum")
        admin.call(gateway, "POST", "definitions", body={"queues": out})
        admin.delete(gateway, "queues", "/", name)


@suite.test
def the_queue_that_nobody_sees_does_not_come_in(gateway):
    definitions = {"queues": [{"name": "amq.prepared", "vhost": "/", "durable": False}]}
    refusal = raises(admin.Refused, admin.call, gateway, "POST", "definitions", body=definitions)
    has(refusal.reason, "reserved")


@suite.test
def a_cluster_queue_comes_back_as_one_whoever_may_name_it(gateway):
    name = "/topic/orders.*@shop"
    definitions = {"queues": [{"name": name, "vhost": "/", "durable": True}]}
    with brokers.Broker(gateway.binary, "--cluster-names", "off") as own:
        for _ in range(2):
            admin.call(own, "POST", "definitions", body=definitions)
            queue = admin.get(own, "queues", "/", name)
            equal(queue["cluster"]["id"], "shop")
            equal(sorted(b["source"] for b in admin.get(own, "bindings")
                         if b["destination"] == name), ["", "amq.topic"])


@suite.test
def a_password_of_our_own_is_for_us_and_its_user_is_named(gateway):
    with brokers.Broker(gateway.binary) as one, brokers.Broker(gateway.binary) as other:
        admin.put(one, "users", "shop", password="secret", tags="")
        got = admin.get(one, "definitions")
        users = {user["name"]: user for user in got["users"]}
        assert "password_hash" not in users["shop"] and "hashing_algorithm" not in users["shop"]
        assert "password_hash" in users["guest"]
        has(got["explanation"], "shop")
        assert "guest" not in got["explanation"]
        has(one.log_text(), "definitions.scrypt")
        got["permissions"].append({"user": "shop", "vhost": "/", "configure": "", "write": "",
                                   "read": ""})
        admin.call(other, "POST", "definitions", body=got)
        amqp_client.connect(other, user="shop", password="secret")
        raises(amqp_client.ConnectionClosed,
               lambda: amqp_client.connect(other, user="shop", password="other"))


@suite.test
def rabbitmq_takes_what_goes_out(gateway):
    programs = glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin")
    if not programs:
        raise Skip("RabbitMQ is not installed")
    directory = tempfile.mkdtemp(prefix="sluice-rabbitmq-")
    ports = [str(brokers.free_port()) for _ in range(3)]
    environment = {**os.environ, "HOME": directory, "ERL_EPMD_ADDRESS": "127.0.0.1",
                   "RABBITMQ_NODENAME": f"sluice{os.getpid()}@localhost",
                   "RABBITMQ_NODE_PORT": ports[0], "RABBITMQ_DIST_PORT": ports[1],
                   "ERL_EPMD_PORT": ports[2], "RABBITMQ_MNESIA_BASE": directory + "/mnesia",
                   "RABBITMQ_LOG_BASE": directory + "/log",
                   "RABBITMQ_CONFIG_FILE": directory + "/none",
                   "RABBITMQ_ENABLED_PLUGINS_FILE": directory + "/plugins"}
    with open(directory + "/plugins", "w") as file:
        file.write("[].")

    def ctl(*arguments):
        return subprocess.run([programs[0] + "/rabbitmqctl", "-n", environment["RABBITMQ_NODENAME"],
                               *arguments], env=environment, capture_output=True, text=True,
                              timeout=120)

    server = subprocess.Popen([programs[0] + "/rabbitmq-server"], env=environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(60):
            if ctl("await_startup", "--timeout", "60").returncode == 0:
                break
            if server.poll() is not None:
                raise Skip("RabbitMQ does not start here")
        else:
            raise Skip("RabbitMQ does not start here")
        with brokers.Broker(gateway.binary, "--load-definitions", FIXTURE) as own:
            out = admin.get(own, "definitions")
        done = ctl("import_definitions", written(directory, out))
        equal(done.returncode, 0, done.stderr)
        path = directory + "/again.json"
        equal(ctl("export_definitions", path).returncode, 0)
        with open(path) as file:
            back = json.load(file)
        for section in ("users", "permissions", "policies", "queues", "bindings"):
            equal(rows(back, section), rows(out, section), section)
    finally:
        ctl("stop")
        server.terminate()
        server.wait(30)
        epmd = shutil.which("epmd") or next(iter(glob.glob("/usr/lib/erlang/erts-*/bin/epmd")), None)
        if epmd:
            subprocess.run([epmd, "-port", ports[2], "-kill"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env=environment)
        shutil.rmtree(directory, ignore_errors=True)
