"""The clients that are checked: how each is run, what it needs, and which version is here."""

import glob
import json
import os
import shutil
import subprocess

import fetched

HERE = os.path.dirname(os.path.abspath(__file__))
WAYS = ["plain", "tls", "mutual"]
PYTHON = ["/usr/bin/python3", "-B"]
JARS = [f"/usr/share/java/{name}.jar" for name in ("amqp-client", "slf4j-api", "slf4j-nop")]
JAVA = ["sh", "java/run.sh"]
JAVA_SHARED = ["java/Harness.java", "java/Gateway.java"]
GO_RUN = ["sh", "-c", "cd go && exec go run harness.go $0"]
DEBIAN_PYTHON = "/usr/lib/python3/dist-packages/"
DEBIAN_PERL = "/usr/share/perl5/"
PHP_EXTENSIONS = "/usr/lib/php/*/"
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
GO_MODULE = {"GO111MODULE": "on", "GOFLAGS": "-mod=vendor", "GOTOOLCHAIN": "local"}


class Client:
    """`package` is Debian's or, with a `from_npm`, one of package.json; None: the checks are of
    several clients.  `also` are Debian packages that it needs beside its own, `by` is how one
    comes that is in neither.  `usual` are the ways of the default run, where not all are,
    `key` is the kind of its certificate's key, `node` the oldest release of Node that it runs
    on."""

    def __init__(self, command, package, language="", *, title=None, needs=(), ways=WAYS,
                 from_npm=False, environment=None, also=(), is_long=False, by=None, usual=None,
                 key="ec", node=0):
        self.command, self.package, self.language = command, package, language
        self.title, self.ways, self.also = title, ways, also
        self.usual, self.key, self.node = usual or ways, key, node
        self.is_long = is_long
        self.by = by
        self.source = by.source if by else "npm" if from_npm else "Debian"
        self.needs = [command[0], *needs]
        self.environment = environment or {}
        if from_npm:
            self.needs.append(os.path.join(HERE, "node_modules", package, "package.json"))

    @property
    def debian_packages(self):
        return [*([self.package] if self.package and self.source == "Debian" else []), *self.also]

    def missing(self):
        """What is not installed here; None when all is."""
        for thing in self.needs:
            if not (glob.glob(thing) if "/" in thing else shutil.which(thing)):
                return f"{thing} is not installed" + (
                    " (npm ci in interop/)" if "node_modules" in thing else "")
        if self.node and node_release() < self.node:
            return f"Node {self.node} is not installed"
        if self.by and not self.by.is_here():
            return f"{self.package} is not installed ({self.by.how})"
        return None

    def version(self):
        if self.by:
            return self.by.version()
        if self.source == "npm":
            with open(self.needs[-1]) as file:
                return json.load(file)["version"]
        found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", self.package],
                               capture_output=True, text=True).stdout
        return found.split("-")[0] or "?"


def node_release():
    """v18.20.4 is 18."""
    return int(subprocess.run(["node", "--version"], capture_output=True,
                              text=True).stdout.lstrip("v").split(".")[0])


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
    "amqp_connection_manager": Client(
        ["node", "amqp_connection_manager/check.mjs"], "amqp-connection-manager", "JavaScript",
        title="amqp-connection-manager", from_npm=True, is_long=True),
    "rascal": Client(["node", "rascal/check.mjs"], "rascal", "JavaScript", title="rascal",
                     from_npm=True, is_long=True),
    "stompit": Client(["node", "stompit/check.mjs"], "stompit", "JavaScript", title="stompit",
                      from_npm=True, is_long=True),
    "bunny": Client(["ruby", "bunny/check.rb"], "ruby-bunny", "Ruby", title="bunny",
                    needs=["/usr/share/rubygems-integration/all/gems/bunny-*"]),
    "php_amqplib": Client(["php", "php_amqplib/check.php"], "php-amqplib", "PHP",
                          title="php-amqplib", needs=["/usr/share/php/PhpAmqpLib/autoload.php"],
                          also=["php-cli"]),
    "go": Client([*GO_RUN, "amqp.go"], "golang-github-rabbitmq-amqp091-go-dev", "Go",
                 title="amqp091-go", environment=GO, also=["golang-go"],
                 needs=["go", "/usr/share/gocode/src/github.com/rabbitmq/amqp091-go"]),
    "go_stomp": Client([*GO_RUN, "stomp.go"], "github.com/go-stomp/stomp/v3", "Go",
                       title="go-stomp", is_long=True, environment=GO_MODULE, needs=["go"],
                       also=["golang-go"],
                       by=fetched.go("go", "github.com/go-stomp/stomp/v3")),
    "java": Client([*JAVA, ":".join(JARS), "java/Check.java", *JAVA_SHARED],
                   "librabbitmq-client-java", "Java", title="amqp-client",
                   needs=["javac", *JARS],
                   also=["default-jdk-headless", "libslf4j-java"]),
    "spring": Client([*JAVA, "spring/target/lib/*", "spring/Check.java", *JAVA_SHARED],
                     "spring-rabbit", "Java", title="Spring AMQP", is_long=True, needs=["javac"],
                     also=["default-jdk-headless", "maven"],
                     by=fetched.maven("spring", "spring-rabbit")),
    "nestjs": Client(["node", "nestjs/check.mjs"], "@nestjs/microservices", "JavaScript",
                     title="NestJS", is_long=True, node=20,
                     by=fetched.npm("nestjs", "@nestjs/microservices")),
    "mono": Client(["sh", "mono/check.sh"], "libmono-rabbitmq4.0-cil", "C#",
                   title="RabbitMQ.Client of Mono", ways=WAYS[:1], is_long=True,
                   needs=["mono", "mcs", "/usr/lib/mono/4.5/RabbitMQ.Client.dll"],
                   also=["mono-mcs", "mono-runtime"]),
    "celery": Client([*PYTHON, "celery/check.py"], "python3-celery", "Python", title="Celery",
                     needs=[DEBIAN_PYTHON + "celery"], ways=WAYS[:1]),
    "kombu": Client([*PYTHON, "kombu/check.py"], "python3-kombu", "Python", title="Kombu",
                    usual=WAYS[:1], needs=[DEBIAN_PYTHON + "kombu"]),
    "aio_pika": Client([*PYTHON, "aio_pika/check.py"], "python3-aio-pika", "Python",
                       title="aio-pika", usual=WAYS[:1],
                       needs=[DEBIAN_PYTHON + "aio_pika"]),
    "ruby_stomp": Client(["ruby", "ruby_stomp/check.rb"], "ruby-stomp", "Ruby", title="ruby-stomp",
                         is_long=True, key="rsa",
                         needs=["/usr/lib/ruby/vendor_ruby/stomp.rb"]),
    "net_stomp": Client(["perl", "net_stomp/check.pl"], "libnet-stomp-perl", "Perl",
                        title="Net::Stomp", ways=WAYS[:1], is_long=True,
                        needs=[DEBIAN_PERL + "Net/Stomp.pm"]),
    "php_amqp": Client(["php", "php_amqp/check.php"], "php-amqp", "PHP", title="php-amqp",
                       is_long=True, needs=[PHP_EXTENSIONS + "amqp.so"], also=["php-cli"]),
    "php_stomp": Client(["php", "php_stomp/check.php"], "php-stomp", "PHP", title="php-stomp",
                        ways=WAYS[:1], is_long=True, needs=[PHP_EXTENSIONS + "stomp.so"],
                        also=["php-cli"]),
    "symfony_messenger": Client(
        ["php", "symfony_messenger/check.php"], "php-symfony-amqp-messenger", "PHP",
        title="Symfony Messenger", ways=WAYS[:1], is_long=True,
        also=["php-amqp", "php-cli", "php-symfony-event-dispatcher"],
        needs=[PHP_EXTENSIONS + "amqp.so",
               "/usr/share/php/Symfony/Component/Messenger/Bridge/Amqp/autoload.php"]),
    "anyevent_rabbitmq": Client(
        ["perl", "anyevent_rabbitmq/check.pl"], "libanyevent-rabbitmq-perl", "Perl",
        title="AnyEvent::RabbitMQ", ways=WAYS[:1], is_long=True,
        needs=[DEBIAN_PERL + "AnyEvent/RabbitMQ.pm"]),
    "mojo_rabbitmq": Client(
        ["perl", "mojo_rabbitmq/check.pl"], "libmojo-rabbitmq-client-perl", "Perl",
        title="Mojo::RabbitMQ::Client", ways=WAYS[:1], is_long=True,
        needs=[DEBIAN_PERL + "Mojo/RabbitMQ/Client.pm"]),
    "clusters": Client([*PYTHON, "clusters/check.py"], None, ways=WAYS[:1]),
    "prepared": Client([*PYTHON, "prepared/check.py"], None, ways=WAYS[:1]),
}
