"""The arguments of a queue: what a declare refuses, and what it compares with."""

import amqp_client
import stomp_client
from ends import unique
from rules import CLASSIC, KINDS, QUORUM, channel_of, refused
from stomp_client import ErrorFrame
from suite import Suite, equal, has, only_sluice, raises

suite = Suite("queue arguments")

NUMBERS = ("x-expires", "x-message-ttl", "x-max-length", "x-max-length-bytes")
WORDS = ("x-dead-letter-exchange", "x-overflow", "x-queue-type")


def raw_integer(name, letter, size, value):
    """An argument table with one integer of that wire type."""
    body = bytes([len(name)]) + name.encode() + letter.encode() + value.to_bytes(size, "big")
    return amqp_client.Raw(len(body).to_bytes(4, "big") + body)


def refuses(broker, arguments, words, kind=CLASSIC):
    """The declare is refused for its first argument, with these words at the end."""
    queue, name = unique(), next(iter(arguments))
    closed = refused(406, f"PRECONDITION_FAILED - invalid arg '{name}' for queue '{queue}' in "
                          "vhost '/'",
                     channel_of(broker).queue_declare, queue, durable=True,
                     arguments={**arguments, **kind.arguments})
    equal(closed.method, (50, 10))
    has(closed.text, words)


@suite.test
def a_number_that_is_a_text_is_refused(broker):
    for name in NUMBERS:
        refuses(broker, {name: "soon"}, "" if not broker.is_sluice
                else "expected integer, got longstr")


@suite.test
def a_number_that_is_a_truth_is_refused(broker):
    for name in NUMBERS:
        refuses(broker, {name: True}, "")


@suite.test
def a_number_below_zero_is_refused(broker):
    for name in NUMBERS:
        refuses(broker, {name: -1}, "{value_negative,-1}")


@suite.test
def an_expiry_at_once_is_refused(broker):
    refuses(broker, {"x-expires": 0}, "{value_zero,0}")


@suite.test
def a_time_beyond_the_timers_is_refused(broker):
    only_sluice(broker, "RabbitMQ 3.10 has longer timers")
    for name in ("x-expires", "x-message-ttl"):
        refuses(broker, {name: 2**32 + 10}, f"{{value_too_big,{2**32 + 10}}}")


@suite.test
def a_ttl_of_zero_and_a_length_of_zero_are_taken(broker):
    for kind in KINDS:
        kind.declare(channel_of(broker), message_ttl=0)
        kind.declare(channel_of(broker), max_length=0)
        kind.declare(channel_of(broker), max_length_bytes=0)


@suite.test
def a_word_that_is_a_number_is_refused(broker):
    for name in WORDS:
        refused(406, f" '{name}' ", channel_of(broker).queue_declare, unique(), durable=True,
                arguments={name: 7})


@suite.test
def an_unknown_overflow_is_refused(broker):
    refuses(broker, {"x-overflow": "explode"}, "invalid_overflow")


@suite.test
def an_unknown_type_is_refused(broker):
    queue = unique()
    refused(406, "", channel_of(broker).queue_declare, queue, durable=True,
            arguments={"x-queue-type": "cardboard"})


@suite.test
def every_overflow_that_there_is_is_taken(broker):
    for overflow in ("drop-head", "reject-publish", "reject-publish-dlx"):
        CLASSIC.declare(channel_of(broker), max_length=5, overflow=overflow)
    for overflow in ("drop-head", "reject-publish"):
        QUORUM.declare(channel_of(broker), max_length=5, overflow=overflow)


@suite.test
def a_dead_letter_key_needs_an_exchange(broker):
    refuses(broker, {"x-dead-letter-routing-key": "k"}, "routing_key_but_no_dlx_defined")
    CLASSIC.declare(channel_of(broker), dead_letter_exchange="not-there-yet",
                    dead_letter_routing_key="k")


@suite.test
def a_priority_beyond_255_is_refused(broker):
    for priority in (256, 1000):
        refuses(broker, {"x-max-priority": priority}, "{max_value_exceeded,")
    refuses(broker, {"x-max-priority": -1}, "{value_negative,-1}")
    for priority in (0, 1, 255):
        CLASSIC.declare(channel_of(broker), max_priority=priority)


@suite.test
def a_quorum_queue_is_durable_shared_and_stays(broker):
    for property_name, options in (("non-durable", {"durable": False}),
                                   ("auto-delete", {"durable": True, "auto_delete": True}),
                                   ("exclusive-owner", {"durable": True, "exclusive": True}),
                                   ("exclusive-owner", {"durable": False, "exclusive": True}),
                                   ("auto-delete", {"auto_delete": True, "exclusive": True})):
        refused(406, f"invalid property '{property_name}' for queue '",
                channel_of(broker).queue_declare, unique(), arguments=QUORUM.arguments, **options)


@suite.test
def a_quorum_queue_is_not_named_by_the_server(broker):
    refused(406, "server-named", channel_of(broker).queue_declare, "", durable=True,
            arguments=QUORUM.arguments)


@suite.test
def a_delivery_limit_is_taken(broker):
    QUORUM.declare(channel_of(broker), delivery_limit=3)


@suite.test
def a_delivery_limit_on_a_classic_queue_is_taken(broker):
    only_sluice(broker, "RabbitMQ has no limit on classic queues")
    CLASSIC.declare(channel_of(broker), delivery_limit=3)


@suite.test
def what_only_streams_know_is_refused(broker):
    for kind in KINDS:
        refused(406, "invalid arg 'x-max-age' for queue '", channel_of(broker).queue_declare,
                unique(), durable=True, arguments={"x-max-age": "1D", **kind.arguments})


@suite.test
def an_absent_type_is_classic(broker):
    for first, second in (({}, {"x-queue-type": "classic"}), ({"x-queue-type": "classic"}, {})):
        queue = unique()
        channel_of(broker).queue_declare(queue, durable=True, arguments=first)
        channel_of(broker).queue_declare(queue, durable=True, arguments=second)
    queue = CLASSIC.declare(channel_of(broker))
    refused(406, f"inequivalent arg 'x-queue-type' for queue '{queue}' in vhost '/': received "
                 "the value 'quorum' of type 'longstr' but current is ",
            channel_of(broker).queue_declare, queue, durable=True, arguments=QUORUM.arguments)


@suite.test_over(*KINDS)
def integers_of_every_width_are_the_same(broker, kind):
    for letter, size in (("B", 1), ("b", 1), ("s", 2), ("u", 2), ("I", 4), ("i", 4), ("l", 8)):
        queue = kind.declare(channel_of(broker), max_length=100)
        table = raw_integer("x-max-length", letter, size, 100)
        if kind is QUORUM:
            body = bytes(table)[4:] + b"\x0cx-queue-typeS\0\0\0\x06quorum"
            table = amqp_client.Raw(len(body).to_bytes(4, "big") + body)
        channel_of(broker).queue_declare(queue, durable=True, arguments=table)


@suite.test
def a_different_value_is_refused_whatever_the_argument(broker):
    for name, one, other in (("x-message-ttl", 1000, 2000), ("x-expires", 600000, 700000),
                             ("x-max-length", 1, 2), ("x-max-length-bytes", 1, 2),
                             ("x-max-priority", 1, 2), ("x-overflow", "drop-head",
                                                         "reject-publish"),
                             ("x-dead-letter-exchange", "a", "b")):
        queue, connection = unique(), amqp_client.connect(broker)
        connection.channel().queue_declare(queue, durable=True, arguments={name: one})
        kind = "signedint" if isinstance(one, int) else "longstr"
        before = f"PRECONDITION_FAILED - inequivalent arg '{name}' for queue '{queue}' in vhost '/'"
        refused(406, f"{before}: received '{other}' but current is '{one}'",
                connection.channel().queue_declare, queue, durable=True, arguments={name: other})
        refused(406, f"{before}: received none but current is the value '{one}' of type '{kind}'",
                connection.channel().queue_declare, queue, durable=True)


@suite.test
def an_argument_where_there_was_none_is_refused(broker):
    for kind in KINDS:
        queue = kind.declare(channel_of(broker))
        for name, value, type_name in (("x-message-ttl", 60000, "signedint"),
                                       ("x-dead-letter-exchange", "dlx", "longstr")):
            refused(406, f"inequivalent arg '{name}' for queue '{queue}' in vhost '/': received "
                         f"the value '{value}' of type '{type_name}' but current is none",
                    channel_of(broker).queue_declare, queue, durable=True,
                    arguments={name: value, **kind.arguments})


@suite.test
def what_nobody_knows_is_kept_and_not_compared(broker):
    for kind in KINDS:
        queue = kind.declare(channel_of(broker), my_own="thing")
        kind.declare(channel_of(broker), queue, my_own="other thing")


@suite.test
def stomp_headers_are_the_same_arguments(broker):
    queue, stomp = unique(), stomp_client.connect(broker)
    stomp.subscribe(f"/queue/{queue}", "s", **{
        "x-message-ttl": "60000", "x-max-length": "9", "x-max-length-bytes": "900",
        "x-expires": "600000", "x-dead-letter-exchange": "dlx", "x-dead-letter-routing-key": "k",
        "x-max-priority": "5"})
    channel_of(broker).queue_declare(queue, durable=True, arguments={
        "x-message-ttl": 60000, "x-max-length": 9, "x-max-length-bytes": 900, "x-expires": 600000,
        "x-dead-letter-exchange": "dlx", "x-dead-letter-routing-key": "k", "x-max-priority": 5})


@suite.test
def a_stomp_send_declares_with_its_arguments(broker):
    queue, stomp = unique(), stomp_client.connect(broker)
    stomp.ask("SEND", {"destination": f"/queue/{queue}", "x-max-length": "9"}, b"x")
    channel_of(broker).queue_declare(queue, durable=True, arguments={"x-max-length": 9})


@suite.test
def a_stomp_send_to_what_its_session_consumes_need_not_say_its_arguments(broker):
    queue, stomp = unique(), stomp_client.connect(broker)
    stomp.subscribe(f"/queue/{queue}", "s", **{"x-max-length": "9"})
    stomp.ask("SEND", {"destination": f"/queue/{queue}"}, b"plain")
    equal(stomp.message().body, b"plain")
    stomp.send("UNSUBSCRIBE", {"id": "s"})
    stomp.send("SEND", {"destination": f"/queue/{queue}"}, b"by another")
    has(stomp.error().body, b"inequivalent arg 'x-max-length'")


@suite.test
def a_bad_argument_is_an_error_in_stomp(broker):
    for name, value in (("x-message-ttl", "soon"), ("x-expires", "0"), ("x-max-length", "-1")):
        stomp = stomp_client.connect(broker)
        error = raises(ErrorFrame, stomp.subscribe, f"/queue/{unique()}", "s", **{name: value})
        if broker.is_sluice or value != "soon":
            equal(error.message, "precondition_failed")
            has(error.body, f"PRECONDITION_FAILED - invalid arg '{name}' for queue '")


@suite.test
def a_different_argument_is_an_error_in_stomp(broker):
    queue, stomp = unique(), stomp_client.connect(broker)
    CLASSIC.declare(channel_of(broker), queue)
    error = raises(ErrorFrame, stomp.subscribe, f"/queue/{queue}", "s", **{"x-message-ttl": "50"})
    equal(error.message, "precondition_failed")
    has(error.body, f"PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue '{queue}' "
                    "in vhost '/': received the value '50' of type 'long' but current is none")
