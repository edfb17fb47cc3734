#!/usr/bin/python3
"""amqp-tools, the command line programs of librabbitmq, unmodified."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from support import Login, Ports, Tls, run, stomp_connection, test_with  # noqa: E402

from ends import unique  # noqa: E402
from suite import Suite, equal, has  # noqa: E402

suite = Suite("amqp-tools")
# The library compares host names with the certificate's, no addresses.
PLACE = f"localhost:{Ports.amqp}" if Tls.ca else f"127.0.0.1:{Ports.amqp}"
CERTIFICATES = [f"--{name}={value}" for name, value in (
    ("cacert", Tls.ca), ("cert", Tls.cert), ("key", Tls.key)) if value]


def tool(name, *arguments, body=None, status=0, login="guest:guest", vhost="%2f"):
    """Runs amqp-NAME; gives its standard output, or what it complains of."""
    url = f"--url={'amqps' if Tls.ca else 'amqp'}://{login}@{PLACE}/{vhost}"
    result = subprocess.run([f"amqp-{name}", url, *CERTIFICATES, *arguments], input=body,
                            capture_output=True, timeout=60)
    if result.returncode != status:
        raise AssertionError(f"amqp-{name} {arguments}: {result.returncode} {result.stderr!r}")
    return result.stdout if status == 0 else result.stderr


@suite.test
def declares_publishes_gets_and_deletes(_):
    queue = unique("tools")
    equal(tool("declare-queue", "-d", "-q", queue).decode().strip(), queue)
    tool("publish", "-r", queue, "-p", "-b", "first")
    tool("publish", "-r", queue, body=b"second\0binary")
    equal(tool("get", "-q", queue), b"first")
    equal(tool("get", "-q", queue), b"second\0binary")
    tool("get", "-q", queue, status=2)
    tool("publish", "-r", queue, "-b", "third")
    equal(tool("delete-queue", "-q", queue).decode().strip(), "1")


@suite.test
def publishes_consumes_and_acknowledges(_):
    queue = unique("tools")
    tool("declare-queue", "-d", "-q", queue)
    for i in range(5):
        tool("publish", "-r", queue, "-b", f"m{i};")
    equal(tool("consume", "-q", queue, "-p", "2", "-c", "5", "cat"), b"m0;m1;m2;m3;m4;")
    equal(tool("delete-queue", "-q", queue).decode().strip(), "0")


@suite.test
def a_large_body_comes_whole(_):
    queue, body = unique("tools"), bytes(range(256)) * 4000
    tool("declare-queue", "-q", queue, "-d")
    tool("publish", "-r", queue, body=body)
    assert tool("get", "-q", queue) == body
    tool("delete-queue", "-q", queue)


@suite.test
def an_error_is_told(_):
    has(tool("publish", "-e", unique("nothing"), "-r", "k", "-b", "x", status=1).decode(),
        "404")


@suite.test
def a_wrong_password_is_refused(_):
    has(tool("declare-queue", "-q", "q", status=1, login="guest:wrong").decode(), "403")


@test_with(suite, Login.user)
def its_own_user_comes_into_its_own_virtual_host(_):
    own = {"login": f"{Login.user}:{Login.password}", "vhost": Login.vhost}
    queue = unique(Login.user)
    tool("declare-queue", "-d", "-q", queue, **own)
    tool("publish", "-r", queue, "-b", "own", **own)
    equal(tool("get", "-q", queue, **own), b"own")
    tool("delete-queue", "-q", queue, **own)


@test_with(suite, Login.user)
def what_its_user_may_not_is_refused(_):
    login = f"{Login.user}:{Login.password}"
    has(tool("declare-queue", "-q", "q", status=1, login=login, vhost="%2f").decode(), "530")
    has(tool("declare-queue", "-q", unique("foreign"), status=1, login=login,
             vhost=Login.vhost).decode(), "403")


@suite.test
def crosses_to_the_other_protocol_and_back(_):
    queue = unique("tools")
    stomp, inbox = stomp_connection()
    stomp.send(f"/queue/{queue}", "from stomp.py", receipt="sent")
    inbox.wait_receipt("sent")
    equal(tool("get", "-q", queue), b"from stomp.py")
    stomp.subscribe(f"/queue/{queue}", id="1", ack="auto")
    tool("publish", "-r", queue, "-C", "text/x", "-b", "from amqp-tools")
    frame = inbox.next()
    equal((frame.body, frame.headers["content-type"]), ("from amqp-tools", "text/x"))
    stomp.disconnect()
    tool("delete-queue", "-q", queue)


run(suite)
