#!/usr/bin/python3
"""The examples of docs/clusters.md: each is an instance of the cluster `billing`, in its language.

Every example runs alone and takes an order from the cluster's queue; then all run at once, and
every order is taken by exactly one of them.
"""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/support"))

import amqp_client  # noqa: E402
from suite import Skip, Suite, equal, run_suite, wait_until  # noqa: E402

suite = Suite("clusters")
QUEUE = "/topic/orders.*@billing"
START_SECONDS = 60  # a compiler may be in it
AMQP_JAR, LOGGING_JARS = "/usr/share/java/amqp-client.jar", ("/usr/share/java/slf4j-api.jar",
                                                             "/usr/share/java/slf4j-nop.jar")
GO_SOURCES = "/usr/share/gocode/src/github.com/rabbitmq/amqp091-go"
PHP_LIBRARY = "/usr/share/php/PhpAmqpLib/autoload.php"


class Ports:
    amqp_port = int(os.environ["AMQP_PORT"])
    stomp_port = int(os.environ["STOMP_PORT"])
    is_sluice = True


def needs(*things):
    """Programs of the path, or files."""
    for thing in things:
        if not (os.path.exists(thing) if "/" in thing else shutil.which(thing)):
            raise Skip(f"{thing} is not installed")


def python(name):
    return ["/usr/bin/python3", "-B", name]


def node(name):
    needs("node", os.path.join(HERE, "../node_modules"))
    return ["node", name]


def go():
    needs("go", GO_SOURCES)
    binary = os.path.join(scratch, "instance")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    subprocess.run(["go", "build", "-o", binary, "instance.go"], cwd=HERE, env=environment,
                   check=True)
    return [binary]


def java():
    needs("javac", "java", AMQP_JAR, *LOGGING_JARS)
    path = ":".join((AMQP_JAR, *LOGGING_JARS))
    subprocess.run(["javac", "-cp", path, "-d", scratch, "Instance.java"], cwd=HERE, check=True)
    return ["java", "-cp", f"{path}:{scratch}", "Instance"]


def ruby():
    needs("ruby")
    if subprocess.run(["ruby", "-e", "require 'bunny'"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("the gem bunny is not installed")
    return ["ruby", "instance.rb"]


def php():
    needs("php", PHP_LIBRARY)
    return ["php", "instance.php"]


COMMANDS = {"pika": lambda: python("pika_instance.py"),
            "stomp_py": lambda: python("stomp_instance.py"),
            "amqplib": lambda: node("amqplib_instance.mjs"),
            "stompjs": lambda: node("stompjs_instance.mjs"),
            "go": go, "java": java, "ruby": ruby, "php": php}


class Instance:
    def __init__(self, command):
        self.process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def end(self):
        self.process.kill()
        self.process.wait()


class Shop:
    """Publishes orders, and sees who is there to take them."""

    def __init__(self):
        self.channel = amqp_client.connect(Ports).channel()
        self.channel.confirm_select()
        self.channel.queue_declare(QUEUE)

    def order(self, key, body):
        self.channel.publish("amq.topic", key, body.encode())
        self.channel.wait_confirms()

    def count(self):
        return self.channel.queue_declare(QUEUE, passive=True)[2]

    def wait_for(self, instances, processes=()):
        try:
            wait_until(lambda: self.count() == instances, f"{instances} instances", START_SECONDS)
        except AssertionError as error:
            ended = [p.args for p in processes if p.poll() is not None]
            raise AssertionError(f"{error}; there are {self.count()}, ended: {ended}") from None


class Example:
    def __init__(self, name):
        self.name = name


@suite.test_over(*map(Example, COMMANDS))
def an_example_takes_an_order(_, example):
    name = example.name
    command, shop = COMMANDS[name](), Shop()
    instance = Instance(command)
    try:
        shop.wait_for(1)
        shop.order("orders.eu", f"for {name}")
        equal(instance.lines.get(timeout=60), f"billing got orders.eu for {name}")
    finally:
        instance.end()
    shop.wait_for(0)
    equal(shop.channel.queue_declare(QUEUE, passive=True)[0], QUEUE)


@suite.test
def together_they_share_the_orders(_):
    commands, shop = [], Shop()
    for command in COMMANDS.values():
        try:
            commands.append(command())
        except Skip:
            continue
    instances = [Instance(command) for command in commands]
    try:
        shop.wait_for(len(instances), [instance.process for instance in instances])
        for i in range(10 * len(instances)):
            shop.order("orders.us", str(i))
        taken = [[instance.lines.get(timeout=60) for _ in range(10)] for instance in instances]
        equal(sorted(sum(taken, [])),
              sorted(f"billing got orders.us {i}" for i in range(10 * len(instances))))
    finally:
        for instance in instances:
            instance.end()


scratch = tempfile.mkdtemp(prefix="sluice-clusters-")
try:
    tally = run_suite(suite, Ports, threads=1, verbose=True)
finally:
    shutil.rmtree(scratch, ignore_errors=True)
print(tally)
sys.exit(1 if tally.failed else 0)
