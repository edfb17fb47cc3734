#!/usr/bin/python3
"""An order in a database and its message: both, or neither.  Plain pika.

    order_pika.py       on AMQP_PORT of this machine, or 5672
"""

import os
import sqlite3
import uuid

import pika

QUEUE = f"orders-{os.getpid()}"
CHECKS = f"order-checks-{os.getpid()}"


def publish(channel, exchange, key, body, headers):
    """Returns when the broker has it on disk; raises where it says no."""
    channel.basic_publish(exchange, key, body,
                          pika.BasicProperties(delivery_mode=2, headers=headers))


def place_order(database, channel, article, crashes=False):
    order = str(uuid.uuid4())
    # 1. The message is stored, and nobody sees it.
    publish(channel, "", QUEUE, article.encode(),
            {"x-prepare": order, "x-prepare-check": f"/queue/{CHECKS}", "x-prepare-timeout": 200})
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
    publish(channel, "amq.prepared", order, b"", {"outcome": outcome})


def answer_check(database, channel):
    """Who stopped between 2 and 3 is asked for; any instance of the application may know."""
    for method, properties, _ in channel.consume(CHECKS):
        order, user = properties.headers["prepared-id"], properties.headers["prepared-user"]
        row = database.execute("select 1 from orders where id = ?", (order,)).fetchone()
        publish(channel, "amq.prepared", order, b"",
                {"outcome": "commit" if row else "rollback", "prepared-user": user})
        channel.basic_ack(method.delivery_tag)
        break
    channel.cancel()


def main():
    port = int(os.environ.get("AMQP_PORT", "5672"))
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
    channel = connection.channel()
    channel.confirm_delivery()
    for queue in (QUEUE, CHECKS):
        channel.queue_declare(queue, durable=True)
    database = sqlite3.connect(":memory:")
    database.execute("create table orders (id primary key, article check (article <> 'bad'))")

    place_order(database, channel, "book")
    place_order(database, channel, "bad")  # the database says no
    place_order(database, channel, "pen", crashes=True)
    answer_check(database, channel)
    while True:
        method, _, body = channel.basic_get(QUEUE, auto_ack=True)
        if method is None:
            break
        print("ordered:", body.decode())
    for queue in (QUEUE, CHECKS):
        channel.queue_delete(queue)
    connection.close()


main()
