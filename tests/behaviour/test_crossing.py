"""The same message seen from the other protocol: header mapping both ways, replies."""

import amqp_client
import stomp_client
from ends import AmqpEnd, Watcher, unique
from suite import Suite, equal, only_sluice, wait_until

suite = Suite("crossing")

TEXTS = {"content-type": "text/plain", "content-encoding": "gzip", "correlation-id": "c-7",
         "expiration": "60000", "type": "order", "app-id": "tests"}


def both(broker):
    return AmqpEnd(broker), stomp_client.connect(broker)


@suite.test
def stomp_headers_become_amqp_properties(broker):
    end, stomp = both(broker)
    queue = unique()
    end.declare(queue)
    stomp.ask("SEND", {"destination": f"/queue/{queue}", **TEXTS, "priority": 7,
                       "timestamp": 1700000000, "persistent": "true", "amqp-message-id": "m-1",
                       "user-id": "guest", "x-mine": "own", "Other": "thing"}, b"body")
    got = end.channel.get(queue)
    properties = dict(got.properties)
    headers = properties.pop("headers")
    equal(properties, {**{k.replace("-", "_"): v for k, v in TEXTS.items()}, "priority": 7,
                       "timestamp": 1700000000, "delivery_mode": 2, "message_id": "m-1",
                       "user_id": "guest"})
    equal((headers["x-mine"], headers["Other"]), ("own", "thing"))
    equal((got.body, got.exchange, got.key), (b"body", "", queue))
    only_sluice(broker, "RabbitMQ keeps frame headers in the table")
    equal(headers, {"x-mine": "own", "Other": "thing"})


@suite.test
def amqp_properties_become_stomp_headers(broker):
    end, stomp = both(broker)
    queue = unique()
    stomp.subscribe(f"/queue/{queue}", "s")
    properties = {k.replace("-", "_"): v for k, v in TEXTS.items()}
    end.publish(queue, b"body", **properties, priority=7, timestamp=1700000000, delivery_mode=2,
                message_id="m-1", headers={"text": "own", "number": 42, "big": 2**40})
    headers = dict(stomp.message().headers)
    wanted = {**TEXTS, "priority": "7", "timestamp": "1700000000", "persistent": "true",
              "amqp-message-id": "m-1", "text": "own", "number": "42", "big": str(2**40),
              "content-length": "4", "destination": f"/queue/{queue}", "subscription": "s",
              "redelivered": "false"}
    for name, value in wanted.items():
        equal(headers.get(name), value, name)


@suite.test
def types_that_stomp_cannot_say_become_strings(broker):
    only_sluice(broker, "RabbitMQ drops them")
    end, stomp = both(broker)
    queue = unique()
    stomp.subscribe(f"/queue/{queue}", "s")
    end.publish(queue, b"", headers={"yes": True, "no": False, "nested": {"a": 1}, "list": [1]})
    headers = stomp.message().headers
    equal((headers.get("yes"), headers.get("no")), ("true", "false"))
    assert "list" not in headers and "nested" not in headers, headers


@suite.test
def special_characters_survive_the_crossing(broker):
    end, stomp = both(broker)
    queue = unique()
    stomp.subscribe(f"/queue/{queue}", "s")
    nasty = "colon: back\\slash line\nfeed cr\rend äöü"
    end.publish(queue, b"", headers={"na:me\\": nasty})
    equal(stomp.message().headers["na:me\\"], nasty)
    stomp.send("UNSUBSCRIBE", {"id": "s"})
    stomp.ask("SEND", {"destination": f"/queue/{queue}", "na:me\\": nasty})
    equal(end.channel.get(queue).headers["na:me\\"], nasty)


@suite.test
def a_header_that_tries_to_be_a_frame_does_not(broker):
    end, stomp = both(broker)
    queue = unique()
    stomp.subscribe(f"/queue/{queue}", "s")
    end.publish(queue, b"real", headers={"a": "b\n\nERROR\nmessage:fake\n\n\0"})
    message = stomp.message()
    equal((message.body, message.headers["destination"]), (b"real", f"/queue/{queue}"))


@suite.test
def names_with_slashes_and_percents(broker):
    only_sluice(broker, "RabbitMQ splits at the slash")
    end, stomp = both(broker)
    name = unique("a/b")
    end.declare(name)
    stomp.ask("SEND", {"destination": f"/queue/{name}"}, b"slash")
    equal(end.channel.get(name).body, b"slash")
    stomp.ask("SEND", {"destination": "/queue/" + name.replace("/", "%2F")}, b"escaped")
    equal(end.channel.get(name).body, b"escaped")


@suite.test
def binary_bodies_survive_the_crossing(broker):
    end, stomp = both(broker)
    queue, body = unique(), bytes(range(256)) * 300
    stomp.subscribe(f"/queue/{queue}", "s")
    end.publish(queue, body)
    equal(stomp.message().body, body)
    stomp.ask("UNSUBSCRIBE", {"id": "s"})
    stomp.publish(f"/queue/{queue}", body)
    end.publish(queue, b"")
    stomp.ask("BEGIN", {"transaction": "barrier"})
    got = sorted((end.channel.get(queue).body for _ in range(2)), key=len)
    equal(got, [b"", body])


@suite.test
def persistent_and_delivery_mode(broker):
    end, stomp = both(broker)
    queue = unique()
    end.declare(queue)
    stomp.ask("SEND", {"destination": f"/queue/{queue}"})
    assert end.channel.get(queue).properties.get("delivery_mode") in (None, 1)
    stomp.subscribe(f"/queue/{queue}", "s")
    end.publish(queue, b"", delivery_mode=1)
    only_sluice(broker, "RabbitMQ says persistent:1")
    assert "persistent" not in stomp.message().headers


@suite.test
def a_stomp_client_asks_and_an_amqp_service_answers(broker):
    end, stomp = both(broker)
    queue = unique("rpc")
    service = end.subscribe(queue)
    stomp.send("SEND", {"destination": f"/queue/{queue}", "reply-to": "/temp-queue/answers",
                        "correlation-id": "7"}, b"question")
    request = service.next().raw
    reply_to = request.properties["reply_to"]
    assert reply_to and not reply_to.startswith("/temp-queue"), reply_to
    key = reply_to.removeprefix("/reply-queue/").removeprefix("/queue/")
    end.publish(key, b"answer", correlation_id=request.properties["correlation_id"])
    answer = stomp.message(subscription="/temp-queue/answers")
    equal((answer.body, answer.headers["correlation-id"]), (b"answer", "7"))


@suite.test
def an_amqp_client_asks_and_a_stomp_service_answers(broker):
    end, stomp = both(broker)
    queue = unique("rpc")
    stomp.subscribe(f"/queue/{queue}", "s")
    reply = end.channel.queue_declare(exclusive=True)[0]
    end.channel.consume(reply, no_ack=True)
    end.publish(queue, b"question", reply_to=reply, correlation_id="8")
    request = stomp.message()
    equal(request.headers["reply-to"], f"/reply-queue/{reply}")
    stomp.send("SEND", {"destination": request.headers["reply-to"],
                        "correlation-id": request.headers["correlation-id"]}, b"answer")
    answer = end.channel.message()
    equal((answer.body, answer.properties["correlation_id"]), (b"answer", "8"))


@suite.test
def two_stomp_clients_ask_and_answer(broker):
    asker, service = stomp_client.connect(broker), stomp_client.connect(broker)
    queue = unique("rpc")
    service.subscribe(f"/queue/{queue}", "s")
    for i in range(3):
        asker.send("SEND", {"destination": f"/queue/{queue}", "reply-to": "/temp-queue/r"},
                   b"%d" % i)
        request = service.message()
        service.send("SEND", {"destination": request.headers["reply-to"]}, b"re:" + request.body)
        equal(asker.message(subscription="/temp-queue/r").body, b"re:%d" % i)


@suite.test
def a_temp_queue_ends_with_its_connection(broker):
    end, stomp = both(broker)
    queue = unique("rpc")
    service = end.subscribe(queue)
    stomp.send("SEND", {"destination": f"/queue/{queue}", "reply-to": "/temp-queue/gone"}, b"?")
    reply_to = service.next().raw.properties["reply_to"]
    key = reply_to.removeprefix("/reply-queue/").removeprefix("/queue/")
    stomp.kill()
    watcher = Watcher(broker)
    wait_until(lambda: not watcher.exists(key), "the reply queue is gone")


@suite.test
def a_full_destination_is_a_reply_to_as_it_is(broker):
    end, stomp = both(broker)
    queue = unique()
    stomp.subscribe(f"/queue/{queue}", "s")
    end.publish(queue, b"", reply_to="/topic/answers.here")
    equal(stomp.message().headers["reply-to"], "/topic/answers.here")


@suite.test
def messages_of_other_exchanges_name_their_origin(broker):
    end, stomp = both(broker)
    exchange, queue = unique("ex/ample"), unique()
    end.channel.exchange_declare(exchange, "direct")
    stomp.subscribe(f"/queue/{queue}", "s")
    end.channel.queue_bind(queue, exchange, "k")
    end.publisher.publish(exchange, "k", b"x")
    equal(stomp.message().headers["destination"],
          "/exchange/" + exchange.replace("/", "%2F") + "/k")
    end.channel.queue_bind(queue, "amq.topic", f"{queue}.t")
    end.publish_topic(f"{queue}.t", b"y")
    equal(stomp.message().headers["destination"], f"/topic/{queue}.t")
