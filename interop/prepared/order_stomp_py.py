#!/usr/bin/python3
"""An order in a database and its message: both, or neither.  Plain stomp.py.

    order_stomp_py.py   on STOMP_PORT of this machine, or 61613
"""

import os
import queue
import sqlite3
import uuid

import stomp

QUEUE = f"/queue/orders-{os.getpid()}"
CHECKS = f"/queue/order-checks-{os.getpid()}"


class Inbox(stomp.ConnectionListener):
    """Hands over what stomp.py's own thread reads."""

    def __init__(self):
        self.frames, self.answers = queue.Queue(), queue.Queue()

    def on_message(self, frame):
        self.frames.put(frame)

    def on_receipt(self, frame):
        self.answers.put((frame.headers["receipt-id"], None))

    def on_error(self, frame):
        self.answers.put((frame.headers.get("receipt-id"), frame.body))


def send(connection, inbox, destination, body="", **headers):
    """Returns when the broker has it on disk; raises where it says no."""
    receipt = str(uuid.uuid4())
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.send(destination, body, headers={**named, "persistent": "true", "receipt": receipt})
    answered, refusal = inbox.answers.get(timeout=60)
    if refusal is not None:
        raise RuntimeError(refusal)
    assert answered == receipt


def place_order(database, connection, inbox, article, crashes=False):
    order = str(uuid.uuid4())
    # 1. The message is stored, and nobody sees it.
    send(connection, inbox, QUEUE, article, x_prepare=order, x_prepare_check=CHECKS,
         x_prepare_timeout="200")
    # 2. The business step.
    try:
        with database:
            database.execute("insert into orders values (?, ?)", (order, article))
        outcome = "commit"
    except sqlite3.Error:
        outcome = "rollback"
    if crashes:
        return
    # 3. Its outcome; the message comes, or never.
    send(connection, inbox, f"/prepared/{order}", outcome=outcome)


def answer_check(database, connection, inbox):
    """Who stopped between 2 and 3 is asked for; any instance of the application may know."""
    check = inbox.frames.get(timeout=60)
    order, user = check.headers["prepared-id"], check.headers["prepared-user"]
    row = database.execute("select 1 from orders where id = ?", (order,)).fetchone()
    send(connection, inbox, f"/prepared/{order}", outcome="commit" if row else "rollback",
         prepared_user=user)
    connection.ack(check.headers["ack"])


def main():
    port = int(os.environ.get("STOMP_PORT", "61613"))
    connection, inbox = stomp.Connection12([("127.0.0.1", port)]), Inbox()
    connection.set_listener("inbox", inbox)
    connection.connect("guest", "guest", wait=True)
    database = sqlite3.connect(":memory:")
    database.execute("create table orders (id primary key, article check (article <> 'bad'))")
    connection.subscribe(CHECKS, id="checks", ack="client-individual")  # which declares it

    place_order(database, connection, inbox, "book")
    place_order(database, connection, inbox, "bad")  # the database says no
    place_order(database, connection, inbox, "pen", crashes=True)
    answer_check(database, connection, inbox)
    connection.subscribe(QUEUE, id="orders", ack="auto")
    for _ in range(2):
        print("ordered:", inbox.frames.get(timeout=60).body)
    connection.disconnect()


main()
