#!/usr/bin/python3
"""The gateway as a process: its command line, its files, its ports, its memory at rest."""

import argparse
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
sys.path.insert(0, os.path.join(HERE, "../../support"))

import amqp_client  # noqa: E402
import broker as brokers  # noqa: E402
import stomp_client  # noqa: E402
from suite import Skip, Suite, equal, has, raises, run_suite, wait_until  # noqa: E402
from wire import Closed, Wire  # noqa: E402

suite = Suite("process")
MIB = 1 << 20


def fails(binary, *flags, status=2):
    """Starts what must not start; gives what it says."""
    result = subprocess.run([binary, *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, timeout=60)
    equal(result.returncode, status, f"{flags}: {result.stdout}")
    return result.stdout


def started(binary, *flags, **options):
    return brokers.Broker(binary, *flags, **options)


@suite.test
def it_tells_its_version_and_its_flags(binary):
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=60)
    assert version.returncode == 0 and re.search(r"\d+\.\d+\.\d+", version.stdout), version
    usage = subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=60)
    equal(usage.returncode, 0)
    for flag in ("--bind", "--amqp-port", "--stomp-port", "--data-dir", "--workers", "--config",
                 "--check-store", "--export-definitions", "--print-settings"):
        has(usage.stdout, flag)


@suite.test
def unknown_flags_and_bad_values_are_refused(binary):
    has(fails(binary, "--sing"), "sing")
    has(fails(binary, "--workers", "many"), "workers")
    has(fails(binary, "--amqp-port", "70000"), "amqp-port")
    has(fails(binary, "--config", "/nonexistent/file"), "/nonexistent/file")
    for arguments in ((), ("/tmp", "--workers", "1")):
        has(fails(binary, "--check-store", *arguments), "--check-store wants one directory")


@suite.test
def a_bad_line_of_the_configuration_is_named(binary):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("[listen]\namqp-port = 5672\nsing = loud\n")
        file.flush()
        said = fails(binary, "--config", file.name)
        has(said, file.name)
        has(said, "sing")


@suite.test
def a_reload_applies_what_it_can_and_names_the_rest(binary):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "sluice.conf")

        def write(text):
            with open(path, "w") as file:
                file.write(text)

        write("[process]\nlog-level = info\n[stomp]\nstomp-server = one\n")
        with started(binary, "--config", path) as gateway:
            write("[limits]\nmessage-bytes-max = 1\n")
            gateway.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "nothing has changed" in gateway.log_text(), "the refusal")
            has(gateway.log_text(), f"{path}:2: message-bytes-max")

            write("[limits]\nmessage-bytes-max = 2k\nmemory-budget = 64m\n"
                  "[stomp]\nstomp-server = two\n")
            gateway.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "waiting=memory-budget" in gateway.log_text(), "the reload")
            has(gateway.log_text(), "applied=message-bytes-max,stomp-server")
            client = stomp_client.Connection(gateway.stomp_port)
            equal(client.open().connected.headers["server"], "two")
            client.publish("/queue/reload", b"x" * 2049)
            client.error()
            assert gateway.is_running()


@suite.test
def the_first_certificate_waits_for_a_restart(binary):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        with started(binary, "--config", file.name) as gateway:
            file.write("[tls]\ntls-cert = first.pem\n[stomp]\nstomp-server = two\n")
            file.flush()
            gateway.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "config.reload" in gateway.log_text(), "the reload")
            wait_until(lambda: "waiting=tls-cert " in gateway.log_text(), "what waits")
            has(gateway.log_text(), "applied=stomp-server")


@suite.test
def systemd_is_told_what_becomes_of_it(binary):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(20)
            environment = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"}
            process = subprocess.Popen(
                [binary, "--amqp-port", "0", "--stomp-port", "0", "--data-dir",
                 os.path.join(directory, "data")], env=environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                def wait_for(word):
                    while word not in listener.recv(4096):
                        pass
                wait_for(b"READY=1")
                wait_for(b"WATCHDOG=1")
                process.send_signal(signal.SIGHUP)
                wait_for(b"RELOADING=1")
                wait_for(b"READY=1")
                process.send_signal(signal.SIGTERM)
                wait_for(b"STOPPING=1")
                equal(process.wait(60), 0)
            finally:
                process.kill()
                process.wait()


@suite.test
def what_it_writes_is_nobody_elses_to_read(binary):
    with started(binary) as gateway:
        data = os.path.join(gateway.directory, "data")
        client = stomp_client.connect(gateway)
        client.ask("SEND", {"destination": "/queue/modes", "persistent": "true"}, b"x")
        equal(os.stat(data).st_mode & 0o777, 0o700)
        for name in os.listdir(data):
            equal(os.stat(os.path.join(data, name)).st_mode & 0o077, 0, name)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        fails(binary, "--data-dir", directory, "--amqp-port", "0", "--stomp-port", "0",
              "--load-definitions", "/nonexistent", status=1)
        equal(os.stat(directory).st_mode & 0o777, 0o700)


@suite.test
def a_password_in_a_file_that_everybody_may_read_is_warned_of(binary):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("[stomp]\nstomp-default-password = secret\n[process]\nworkers = x\n")
        file.flush()
        os.chmod(file.name, 0o644)
        has(fails(binary, "--config", file.name), "config.mode")
        os.chmod(file.name, 0o640)
        assert "config.mode" not in fails(binary, "--config", file.name)


@suite.test
def root_becomes_the_user_that_is_set(binary):
    if os.geteuid() != 0:
        raise Skip("only root can become somebody else")
    has(fails(binary, "--user", "nobody-at-all", status=1), "nobody-at-all")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        public = os.path.join(directory, "sluice")
        shutil.copy(binary, public)
        data = os.path.join(directory, "data")
        process = subprocess.Popen([public, "--user", "nobody", "--amqp-port", "0",
                                    "--stomp-port", "0", "--data-dir", data],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            has(process.stdout.readline(), "sluice ready")
            with open(f"/proc/{process.pid}/status") as status:
                uids = re.search(r"Uid:\s+(.*)", status.read())[1].split()
            equal(set(uids), {str(pwd.getpwnam("nobody").pw_uid)})
            equal(os.stat(data).st_uid, pwd.getpwnam("nobody").pw_uid)
        finally:
            process.terminate()
            process.wait(60)


@suite.test
def the_ready_line_tells_where_it_listens(binary):
    with started(binary, workers=2) as gateway:
        for part in (f"amqp=127.0.0.1:{gateway.amqp_port}", "workers=2",
                     f"stomp=127.0.0.1:{gateway.stomp_port}", f"pid={gateway.process.pid}"):
            has(gateway.ready, part)
        amqp_client.connect(gateway).close()
        stomp_client.connect(gateway).close()


@suite.test
def the_file_is_read_and_flags_go_first(binary):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("# ours\n[limits]\nmessage-bytes-max = 2048\n[process]\nworkers = 7\n")
        file.flush()
        with started(binary, "--config", file.name, workers=1) as gateway:
            has(gateway.ready, "workers=1")
            channel = amqp_client.connect(gateway).channel()
            channel.publish("amq.fanout", "", b"x" * 3000)
            equal(raises(amqp_client.ChannelClosed, channel.round_trip).code, 406)


@suite.test
def port_zero_switches_a_listener_off(binary):
    with tempfile.TemporaryDirectory() as directory:
        port = brokers.free_port()
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", binary, "--bind",
                                    "127.0.0.1", "--amqp-port", str(port), "--stomp-port", "0",
                                    "--data-dir", directory], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        try:
            line = process.stdout.readline()
            has(line, "sluice ready")
            assert "stomp=" not in line or "stomp=off" in line or "stomp=-" in line, line
            amqp_client.Connection(port).open().close()
            stomp_client.Connection(port).open().close()
        finally:
            process.send_signal(signal.SIGTERM)
            equal(process.wait(60), 0)
            process.stdout.close()


@suite.test
def a_port_in_use_is_an_error(binary):
    with started(binary) as gateway, tempfile.TemporaryDirectory() as directory:
        said = fails(binary, "--bind", "127.0.0.1", "--amqp-port", str(gateway.amqp_port),
                     "--stomp-port", "0", "--data-dir", directory, status=1)
        has(said, str(gateway.amqp_port))
        amqp_client.connect(gateway).close()


@suite.test
def a_data_directory_serves_one_process(binary):
    with started(binary) as gateway:
        said = fails(binary, "--bind", "127.0.0.1", "--amqp-port", str(brokers.free_port()),
                     "--stomp-port", "0", "--data-dir", os.path.join(gateway.directory, "data"),
                     status=1)
        has(said, str(gateway.process.pid))


@suite.test
def guest_logs_in_from_loopback_only(binary):
    addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    other = [a for a in addresses if ":" not in a and not a.startswith("127.")]
    if not other:
        raise Skip("this machine has no address but loopback")
    with started(binary, "--bind", "0.0.0.0") as gateway:
        amqp_client.connect(gateway).close()
        wire = amqp_client.Connection(gateway.amqp_port, other[0])
        closed = raises((amqp_client.ConnectionClosed, Closed), wire.open)
        assert isinstance(closed, Closed) or closed.code == 403, closed
        stomp = stomp_client.Connection(gateway.stomp_port, other[0])
        error = raises(stomp_client.ErrorFrame, stomp.open)
        equal(error.message, "Bad CONNECT")
        has(error.body, "non-loopback access denied")


@suite.test
def the_log_has_one_line_per_event(binary):
    with started(binary, "--log-level", "debug") as gateway:
        raises((amqp_client.ConnectionClosed, Closed),
               amqp_client.Connection(gateway.amqp_port).open, user="evil\nline user=admin",
               password="x")
        stomp_client.connect(gateway).close()
        wait_until(lambda: gateway.log_text().count("\n") >= 2, "log lines")
        for line in gateway.log_text().splitlines():
            assert re.match(r"^\S+.*\S$", line) and not line.startswith("line user=admin"), line


@suite.test
def memory_at_rest(binary):
    if suite.is_sanitized:
        raise Skip("a sanitizer's memory is not the product's")
    with started(binary) as gateway:
        amqp_client.connect(gateway).close()
        at_rest = gateway.rss_kib()
        assert at_rest < 12 * 1024, f"{at_rest} KiB at rest"


def may_open(count):
    """Most logins begin with 1,024 descriptors and may have more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Skip(f"no more than {hard} descriptors may be open here")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


@suite.test(alone=True)
def five_thousand_idle_connections(binary):
    if suite.is_sanitized:
        raise Skip("a sanitizer's memory is not the product's")
    may_open(5200)
    with started(binary, "--shutdown-timeout-ms", "1000") as gateway:
        before = gateway.rss_kib()
        count = 5000
        connections = [amqp_client.connect(gateway) if i % 2 else stomp_client.connect(gateway)
                       for i in range(count)]
        grown = gateway.rss_kib() - before
        assert grown < 60 * 1024, f"{count} idle connections took {grown} KiB"
        connections[0].ask("BEGIN", {"transaction": "t"})
        connections[1].channel().round_trip()
        for connection in connections:
            connection.kill()


@suite.test
def a_killed_gateway_starts_again(binary):
    gateway = started(binary)
    gateway.process.kill()
    gateway.process.wait()
    gateway.process.stdout.close()
    gateway.log.close()
    assert gateway.start(), "the directory of a dead process must be free"
    amqp_client.connect(gateway).close()
    equal(gateway.close(), None)


@suite.test
def both_address_families_are_served(binary):
    if not os.path.exists("/proc/net/if_inet6"):
        raise Skip("this machine has no IPv6")
    with started(binary, "--bind", "") as gateway:
        for host in ("127.0.0.1", "::1"):
            amqp_client.Connection(gateway.amqp_port, host).open().close()
            stomp_client.Connection(gateway.stomp_port, host).open().close()


@suite.test
def accepts_are_spread_over_workers(binary):
    with started(binary, workers=4) as gateway:
        connections = [amqp_client.connect(gateway) for _ in range(40)]
        queue = connections[0].channel().queue_declare("spread", durable=True)[0]
        for connection in connections:
            channel = connection.channel()
            channel.consume(queue, no_ack=True)
            channel.round_trip()
        publisher = connections[0].channel()
        for i in range(400):
            publisher.publish("", queue, b"%d" % i)
        bodies = [c.channels[max(c.channels) if c is not connections[0] else 2].message().body
                  for c in connections for _ in range(10)]
        equal(sorted(map(int, bodies)), list(range(400)))


@suite.test
def a_dead_reader_of_standard_output_does_no_harm(binary):
    with started(binary) as gateway:
        gateway.process.stdout.close()
        wire = Wire(gateway.stomp_port)
        wire.send(b"nonsense\n\n\0")
        amqp_client.connect(gateway).close()
        gateway.process.stdout = open(os.devnull)


def main():
    parser = argparse.ArgumentParser()
    brokers.add_options(parser)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    suite.is_sanitized = options.sanitized
    tally = run_suite(suite, os.path.abspath(options.sluice), options.only, options.threads,
                      options.verbose)
    print(tally)
    return 1 if tally.failed else 0


sys.exit(main())
