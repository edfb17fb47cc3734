"""STOMP's destinations: which queue stands behind each, how it is declared, and what it is called."""

import admin
import amqp_client
import stomp_client
from ends import unique
from rules import channel_of, is_there, refused
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises, wait_until

suite = Suite("destinations")
LISTS = "its management API is on another port"


def queue_behind(broker, exchange, key):
    """The one queue that is bound there, as the list has it."""
    bound = [b for b in admin.get(broker, "bindings") if (b["source"], b["routing_key"]) ==
             (exchange, key)]
    equal(len(bound), 1)
    return admin.get(broker, "queues", "/", bound[0]["destination"])


def kind_of(queue):
    """Nothing of an exclusive queue is kept, whatever it was declared as: it is not durable."""
    return queue["durable"], queue["exclusive"], queue["auto_delete"]


@suite.test
def a_bare_name_is_a_queue(broker):
    stomp, queue = stomp_client.connect(broker), unique()
    stomp.subscribe(queue)
    stomp.ask("SEND", {"destination": f"/queue/{queue}"}, b"a")
    stomp.ask("SEND", {"destination": queue}, b"b")
    got = [stomp.message() for _ in range(2)]
    equal([m.body for m in got], [b"a", b"b"])
    equal({m.headers["destination"] for m in got}, {f"/queue/{queue}"})


@suite.test
def a_queue_is_durable_and_shared_unless_it_says_otherwise(broker):
    only_sluice(broker, LISTS)
    stomp = stomp_client.connect(broker)
    for headers, kind in (({}, (True, False, False)),
                          ({"auto-delete": "true"}, (True, False, True)),
                          ({"exclusive": "True"}, (False, True, False)),
                          ({"exclusive": "maybe", "durable": "yes"}, (True, False, False)),
                          ({"durable": "false"}, (False, True, True)),
                          ({"durable": "False", "exclusive": "false", "auto-delete": "false"},
                           (False, True, True))):
        queue = unique()
        stomp.subscribe(f"/queue/{queue}", queue, **headers)
        equal(kind_of(admin.get(broker, "queues", "/", queue)), kind, str(headers))


@suite.test
def a_topic_has_a_queue_of_the_subscription(broker):
    only_sluice(broker, LISTS)
    for headers, kind in (({}, (False, True, True)),
                          ({"durable": "true"}, (True, False, True)),
                          ({"persistent": "true"}, (True, False, True)),
                          ({"durable": "true", "auto-delete": "false"}, (True, False, False))):
        key, stomp = unique("key"), stomp_client.connect(broker)
        stomp.subscribe(f"/topic/{key}", "t", **headers)
        queue = queue_behind(broker, "amq.topic", key)
        equal(kind_of(queue), kind, str(headers))
        has(queue["name"], "stomp-subscription-")
        stomp.ask("UNSUBSCRIBE", {"id": "t", "durable": "true"})


@suite.test
def an_exchange_has_an_exclusive_queue_unless_it_says_otherwise(broker):
    only_sluice(broker, LISTS)
    for headers, kind in (({}, (False, True, True)),
                          ({"durable": "true"}, (False, True, True)),
                          ({"durable": "true", "exclusive": "false"}, (True, False, True))):
        key, stomp = unique("key"), stomp_client.connect(broker)
        stomp.subscribe(f"/exchange/amq.direct/{key}", "e", **headers)
        queue = queue_behind(broker, "amq.direct", key)
        equal(kind_of(queue), kind, str(headers))
        has(queue["name"], "stomp-subscription-")


@suite.test
def a_durable_subscription_has_one_name_and_others_have_many(broker):
    only_sluice(broker, LISTS)
    key, names = unique("key"), {"true": set(), "false": set()}
    for durable, found in names.items():
        for _ in range(2):
            stomp = stomp_client.connect(broker)
            stomp.subscribe(f"/topic/{key}", "one", durable=durable)
            found.add(queue_behind(broker, "amq.topic", key)["name"])
            stomp.ask("UNSUBSCRIBE", {"id": "one", "durable": durable})
            wait_until(lambda: not [b for b in admin.get(broker, "bindings")
                                    if b["routing_key"] == key and b["source"]], "no binding")
    equal({durable: len(found) for durable, found in names.items()}, {"true": 1, "false": 2})


@suite.test
def a_durable_subscription_needs_an_id(broker):
    stomp = stomp_client.connect(broker)
    for word in ("durable", "persistent"):
        for destination in ("/topic/x", "/exchange/amq.direct/x"):
            error = raises(ErrorFrame, stomp.ask, "SUBSCRIBE",
                           {"destination": destination, word: "true"})
            equal(error.message.lower(), "missing header")
            has(error.body, f"Header 'id' is required for {word} subscriptions")


@suite.test
def a_queue_name_is_that_of_the_queue(broker):
    stomp = stomp_client.connect(broker)
    for destination in ("/topic/k", "/exchange/amq.direct/k"):
        queue = unique()
        stomp.subscribe(destination, queue, **{"x-queue-name": queue, "durable": "true"})
        assert is_there(broker, queue)


@suite.test
def what_must_exist_is_not_made(broker):
    nobody = unique("nobody")
    for destination in (f"/amq/queue/{nobody}", f"/exchange/{nobody}", f"/exchange/{nobody}/k"):
        stomp = stomp_client.connect(broker)
        equal(raises(ErrorFrame, stomp.subscribe, destination).message, "not_found")
        stomp.wire.read_to_end()
    stomp = stomp_client.connect(broker)
    error = raises(ErrorFrame, stomp.ask, "SEND", {"destination": f"/exchange/{nobody}/k"}, b"x")
    equal(error.message, "not_found")
    stomp = stomp_client.connect(broker)
    for destination in (f"/amq/queue/{nobody}", f"/reply-queue/{nobody}"):
        stomp.ask("SEND", {"destination": destination}, b"x")  # goes nowhere
    refused(404, "no queue", channel_of(broker).queue_declare, nobody, passive=True)


@suite.test
def what_is_only_for_answers_is_not_subscribed_to(broker):
    stomp = stomp_client.connect(broker)
    for destination in ("/temp-queue/x", "/reply-queue/x"):
        error = raises(ErrorFrame, stomp.subscribe, destination)
        equal(error.message, "Invalid destination")
        has(error.body, f"'{destination}' is not a valid destination")


@suite.test
def nobody_publishes_to_an_internal_exchange_over_stomp(broker):
    exchange = unique("internal")
    channel_of(broker).exchange_declare(exchange, "fanout", internal=True)
    stomp = stomp_client.connect(broker)
    error = raises(ErrorFrame, stomp.ask, "SEND", {"destination": f"/exchange/{exchange}"}, b"x")
    equal(error.message, "access_refused")
    has(error.body, f"cannot publish to internal exchange '{exchange}' in vhost '/'")


@suite.test
def only_a_slash_is_decoded_and_all_is_encoded_on_the_way_out(broker):
    stomp, name = stomp_client.connect(broker), unique("a/b%2C\u00e4")
    channel_of(broker).queue_declare(name, durable=True)
    stomp.subscribe("/amq/queue/" + name.replace("/", "%2F"))
    amqp_client.connect(broker).channel().publish("", name, b"x")
    equal(stomp.message().headers["destination"],
          "/queue/" + name.replace("%", "%25").replace("/", "%2F").replace("\u00e4", "%C3%A4"))
