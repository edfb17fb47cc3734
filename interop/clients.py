"""The clients that are checked: how each is run, what it needs, and which version is here."""

import glob
import json
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
WAYS = ["plain", "tls", "mutual"]
PYTHON = ["/usr/bin/python3", "-B"]
JARS = [f"/usr/share/java/{name}.jar" for name in ("amqp-client", "slf4j-api", "slf4j-nop")]
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}


class Client:
    """`package` is Debian's or, with a `from_npm`, one of package.json; None: the checks are of
    several clients."""

    def __init__(self, command, package, language="", *, title=None, needs=(), ways=WAYS,
                 from_npm=False, environment=None):
        self.command, self.package, self.language = command, package, language
        self.title, self.ways, self.from_npm = title, ways, from_npm
        self.needs = [command[0], *needs]
        self.environment = environment or {}
        if from_npm:
            self.needs.append(os.path.join(HERE, "node_modules", package, "package.json"))

    def missing(self):
        """What is not installed here; None when all is."""
        for thing in self.needs:
            if not (glob.glob(thing) if "/" in thing else shutil.which(thing)):
                return f"{thing} is not installed" + (
                    " (npm ci in interop/)" if "node_modules" in thing else "")
        return None

    def version(self):
        if self.from_npm:
            with open(self.needs[-1]) as file:
                return json.load(file)["version"]
        found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", self.package],
                               capture_output=True, text=True).stdout
        return found.split("-")[0] or "?"


CLIENTS = {
    "pika": Client([*PYTHON, "pika/check.py"], "python3-pika", "Python", title="pika"),
    "stomp_py": Client([*PYTHON, "stomp_py/check.py"], "python3-stomp", "Python",
                       title="stomp.py"),
    "librabbitmq": Client([*PYTHON, "librabbitmq/check.py"], "amqp-tools", "C",
                          title="librabbitmq", needs=["amqp-get"]),
    "amqplib": Client(["node", "amqplib/check.mjs"], "amqplib", "JavaScript", title="amqplib",
                      from_npm=True),
    "stompjs": Client(["node", "stompjs/check.mjs"], "@stomp/stompjs", "JavaScript",
                      title="stompjs", from_npm=True),
    "bunny": Client(["ruby", "bunny/check.rb"], "ruby-bunny", "Ruby", title="bunny",
                    needs=["/usr/share/rubygems-integration/all/gems/bunny-*"]),
    "php_amqplib": Client(["php", "php_amqplib/check.php"], "php-amqplib", "PHP",
                          title="php-amqplib", needs=["/usr/share/php/PhpAmqpLib/autoload.php"]),
    "go": Client(["go", "run", "go/check.go"], "golang-github-rabbitmq-amqp091-go-dev", "Go",
                 title="amqp091-go", environment=GO,
                 needs=["/usr/share/gocode/src/github.com/rabbitmq/amqp091-go"]),
    "java": Client(["java", "-cp", ":".join(JARS), "java/Check.java"], "librabbitmq-client-java",
                   "Java", title="amqp-client", needs=["javac", *JARS]),
    "clusters": Client([*PYTHON, "clusters/check.py"], None, ways=WAYS[:1]),
    "prepared": Client([*PYTHON, "prepared/check.py"], None, ways=WAYS[:1]),
}
