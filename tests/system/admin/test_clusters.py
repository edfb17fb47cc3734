"""Cluster queues as administration shows them: topic, ClusterID, instances, lag, age."""

import admin
import amqp_client
import broker as brokers
from clusters import Publisher, amqp_name, stomp_name
from ctl import data_dir, get, listing, run
from ends import unique
from suite import Suite, equal, has, raises, wait_until
from urllib.parse import quote

suite = Suite("clusters")


def row_of(gateway, ident):
    rows = [row for row in listing(gateway, "clusters") if row["id"] == ident]
    return rows[0] if len(rows) == 1 else None


@suite.test
def a_listing_shows_topic_cluster_instances_and_lag(gateway):
    topic, ident = unique("t"), unique("c")
    one, two = stomp_name(gateway, topic, ident, prefetch=1), amqp_name(gateway, topic, ident, 1)
    Publisher(gateway).publish(topic, *(b"%d" % i for i in range(5)))
    one.next(), two.next()
    row = wait_until(lambda: row_of(gateway, ident), "the row")
    equal({k: row[k] for k in ("vhost", "topic", "id", "exchange", "pattern", "instances", "lag",
                               "messages_ready", "messages_unacknowledged", "name")},
          {"vhost": "/", "topic": f"/topic/{topic}", "id": ident, "exchange": "amq.topic",
           "pattern": topic, "instances": 2, "lag": 5, "messages_ready": 3,
           "messages_unacknowledged": 2, "name": f"/topic/{topic}@{ident}"})
    out = run(gateway, "--data-dir", data_dir(gateway), "list", "clusters")[1]
    has(out, "instances")
    has(out, f"/topic/{topic}")
    assert "queue" not in [row["name"] for row in listing(gateway, "clusters")]


@suite.test
def every_spelling_names_the_queue_in_a_path(gateway):
    ident = unique("c")
    amqp_client.connect(gateway).channel().queue_declare(f"/topic/VirtualTopic.x@{ident}")
    for spelling in (f"/topic/VirtualTopic.x@{ident}", f"/exchange/amq.topic/VirtualTopic.x@{ident}",
                     f"/queue/Consumer.{ident}.VirtualTopic.x"):
        path = quote(spelling, safe="")
        status, queue = get(gateway, f"/api/queues/%2F/{path}")
        equal((status, queue["name"]), (200, f"/topic/VirtualTopic.x@{ident}"))
        equal(queue["cluster"], {"id": ident, "topic": "/topic/VirtualTopic.x",
                                 "exchange": "amq.topic", "pattern": "VirtualTopic.x"})
        status, bindings = get(gateway, f"/api/queues/%2F/{path}/bindings")
        equal(sorted(b["source"] for b in bindings), ["", "amq.topic"])
        equal(len(get(gateway, f"/api/bindings/%2F/e/amq.topic/q/{path}")[1]), 1)
    equal(get(gateway, "/api/queues/%2F/" + quote("/topic/x@a b", safe=""))[0], 404)
    equal(get(gateway, "/api/clusters/nowhere")[0], 404)
    equal([row["id"] for row in get(gateway, "/api/clusters/%2F")[1] if row["id"] == ident], [ident])


@suite.test
def every_spelling_deletes_the_queue(gateway):
    ident = unique("c")
    channel = amqp_client.connect(gateway).channel()
    for spelling in (f"/topic/VirtualTopic.x@{ident}", f"/exchange/amq.topic/VirtualTopic.x@{ident}",
                     f"/queue/Consumer.{ident}.VirtualTopic.x"):
        channel.queue_declare(f"/topic/VirtualTopic.x@{ident}")
        channel.publish("amq.topic", "VirtualTopic.x", b"")
        channel.round_trip()
        admin.delete(gateway, "queues", "/", spelling, "contents")
        equal(channel.queue_declare(f"/topic/VirtualTopic.x@{ident}", passive=True)[1], 0)
        admin.delete(gateway, "queues", "/", spelling)
        equal(row_of(gateway, ident), None)
        equal(raises(admin.Refused, admin.delete, gateway, "queues", "/", spelling).status, 404)


@suite.test
def the_age_is_that_of_the_oldest_also_after_a_restart(gateway):
    with brokers.Broker(gateway.binary, workers=2) as own:
        topic, ident = "t", "c"
        reader = amqp_name(own, topic, ident, 1)
        publisher = Publisher(own)
        publisher.publish(topic, b"oldest", b"newer")
        reader.next()  # lent, and the oldest all the same
        aged = wait_until(lambda: row_of(own, ident)["oldest_message_age"] >= 2 and row_of(own, ident),
                          "two seconds of age")
        assert aged["oldest_message_age"] <= 5, aged
        reader.close()
        for is_killed in (False, True):
            if is_killed:
                own.process.kill()
                own.process.wait()
            else:
                own.terminate()
            own.process.stdout.close()
            own.log.close()
            own.start()
            aged = row_of(own, ident)
            equal(aged["lag"], 2)
            assert 2 <= aged["oldest_message_age"] <= 30, aged
        channel = amqp_client.connect(own).channel()
        equal(channel.queue_purge(f"/topic/{topic}@{ident}"), 2)
        Publisher(own).publish(topic, b"young")
        assert row_of(own, ident)["oldest_message_age"] <= 2
