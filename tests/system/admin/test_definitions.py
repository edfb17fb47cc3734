"""Definitions: RabbitMQ's own come in, and what goes out comes in again, here and there."""

import glob
import json
import os
import shutil
import subprocess
import tempfile

import admin
import broker as brokers
from ctl import data_dir
from suite import Skip, Suite, equal, has, raises

suite = Suite("definitions")

HERE = os.path.dirname(os.path.abspath(__file__))
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
def rabbitmq_takes_what_goes_out(gateway):
    programs = glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin")
    if not programs:
        raise Skip("RabbitMQ is not installed")
    directory = tempfile.mkdtemp(prefix="sluice-rabbitmq-", dir="/tmp")
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
