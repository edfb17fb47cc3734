#!/usr/bin/python3
"""aio-pika as Debian packages it, unmodified."""

import asyncio
import logging
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import aio_pika  # noqa: E402
from support import RESTART, TIMEOUT, Ports, Tls, restart, run, test_with  # noqa: E402

from ends import unique  # noqa: E402
from suite import Suite, equal  # noqa: E402

suite = Suite("aio_pika")
logging.disable()  # it tells of the restart


def url():
    query = "&".join(f"{name}={value}" for name, value in
                     (("cafile", Tls.ca), ("certfile", Tls.cert), ("keyfile", Tls.key)) if value)
    scheme = "amqps" if Tls.ca else "amqp"
    return f"{scheme}://guest:guest@127.0.0.1:{Ports.amqp}/?{query}"


def check(function, where=True):
    """Runs a coroutine with a connection of its own, which comes back by itself."""
    async def within():
        async with await aio_pika.connect_robust(url(), reconnect_interval=0.1) as connection:
            await function(connection)

    def body(_):
        asyncio.run(asyncio.wait_for(within(), 3 * TIMEOUT))

    body.__name__ = function.__name__
    return test_with(suite, where)(body)


def message(text, **options):
    return aio_pika.Message(text.encode(), delivery_mode=2, **options)


async def take(queue, count):
    got = []
    async with queue.iterator(timeout=TIMEOUT) as incoming:
        async for each in incoming:
            got.append(each.body.decode())
            await each.ack()
            if len(got) == count:
                return got


@check
async def publishes_consumes_and_acknowledges(connection):
    channel = await connection.channel()  # with confirms, unless told otherwise
    await channel.set_qos(prefetch_count=10)
    queue = await channel.declare_queue(unique("aio"), durable=True)
    exchange = await channel.declare_exchange(unique("aio"), "topic", auto_delete=True)
    await queue.bind(exchange, "orders.*")
    await asyncio.gather(*(exchange.publish(message(f"m{i}"), f"orders.{i}") for i in range(100)))
    equal(sorted(await take(queue, 100)), sorted(f"m{i}" for i in range(100)))
    equal((await queue.declare()).message_count, 0)
    await queue.delete()


@check
async def unroutable_ones_return(connection):
    channel = await connection.channel(on_return_raises=True)
    try:
        await channel.default_exchange.publish(message("x"), unique("nowhere"))
    except aio_pika.exceptions.DeliveryError:
        return
    raise AssertionError("it was not returned")


@check
async def a_prefetch_bounds_what_is_out(connection):
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=2)
    queue = await channel.declare_queue(exclusive=True)
    for i in range(5):
        await channel.default_exchange.publish(message(str(i)), queue.name)
    got = asyncio.Queue()
    await queue.consume(got.put)
    first = [await got.get() for _ in range(2)]
    equal((await queue.declare()).message_count, 3)
    await first[0].ack()
    equal((await got.get()).body, b"2")


@check
async def what_is_rejected_goes_to_the_dead_letter_queue(connection):
    channel = await connection.channel()
    dead = await channel.declare_queue(exclusive=True)
    queue = await channel.declare_queue(exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name})
    await channel.default_exchange.publish(message("bad"), queue.name)
    await (await queue.get()).reject(requeue=False)
    got = asyncio.Queue()
    await dead.consume(got.put)
    letter = await got.get()
    death = letter.headers["x-death"][0]
    equal((letter.body, death["reason"], death["queue"]), (b"bad", "rejected", queue.name))
    await letter.ack()


@check
async def a_transaction_is_all_or_nothing(connection):
    channel = await connection.channel(publisher_confirms=False)
    queue = await channel.declare_queue(exclusive=True)
    async with channel.transaction():
        await channel.default_exchange.publish(message("kept"), queue.name)
    try:
        async with channel.transaction():
            await channel.default_exchange.publish(message("dropped"), queue.name)
            raise KeyError
    except KeyError:
        pass
    equal((await queue.declare()).message_count, 1)


@check
async def a_question_and_its_answer(connection):
    channel = await connection.channel()
    name = unique("add")

    async def add(a, b):
        return a + b

    server = await aio_pika.patterns.RPC.create(channel)
    await server.register(name, add, auto_delete=True)
    client = await aio_pika.patterns.RPC.create(await connection.channel())
    equal(await client.call(name, kwargs={"a": 1, "b": 2}), 3)
    await client.close()
    await server.close()


@check
async def tasks_of_a_master_are_done_by_its_workers(connection):
    channel = await connection.channel()
    name, done = unique("work"), asyncio.Queue()

    async def work(*, number):
        await done.put(number)

    master = aio_pika.patterns.Master(channel)
    worker = await master.create_worker(name, work, auto_delete=True)
    for i in range(10):
        await master.create_task(name, {"number": i})
    equal([await done.get() for _ in range(10)], list(range(10)))
    await worker.close()


async def it_comes_back_after_the_gateway_restarts(connection):
    channel = await connection.channel()
    queue = await channel.declare_queue(unique("aio"), durable=True)
    got = asyncio.Queue()
    await queue.consume(got.put)
    await channel.default_exchange.publish(message("before"), queue.name)
    equal((await got.get()).redelivered, False)
    await asyncio.to_thread(restart)
    again = await got.get()
    equal((again.body, again.redelivered), (b"before", True))
    await again.ack()
    await channel.default_exchange.publish(message("after"), queue.name)
    after = await got.get()
    equal(after.body, b"after")
    await after.ack()
    await queue.delete(if_unused=False)


check(it_comes_back_after_the_gateway_restarts, where=RESTART)
run(suite)
