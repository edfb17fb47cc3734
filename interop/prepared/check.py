#!/usr/bin/python3
"""The examples of docs/prepared.md do what they say."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

from support import run  # noqa: E402

from suite import Suite, equal  # noqa: E402

suite = Suite("prepared")


def output_of(name):
    done = subprocess.run(["/usr/bin/python3", "-B", os.path.join(HERE, name)], text=True,
                          capture_output=True, timeout=60)
    equal(done.returncode, 0, done.stderr)
    return done.stdout


@suite.test
def an_order_and_its_message_by_pika(_):
    equal(output_of("order_pika.py"), "ordered: book\nordered: pen\n")


@suite.test
def an_order_and_its_message_by_stomp_py(_):
    equal(output_of("order_stomp_py.py"), "ordered: book\nordered: pen\n")


run(suite)
