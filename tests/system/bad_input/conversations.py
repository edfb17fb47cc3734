"""Whole, valid conversations as lists of pieces, to be cut and damaged."""

import amqp_client
import stomp_client
from amqp_client import HEADER, content, frame, method


def amqp():
    properties = {"content_type": "text/plain", "headers": {"a": 1, "t": {"n": [1, "x"]}},
                  "priority": 3, "timestamp": 5}
    return [
        HEADER,
        method(0, 10, 11, "TsSs", {"capabilities": amqp_client.CAPABILITIES}, "PLAIN",
               "\0guest\0guest", "en_US"),
        method(0, 10, 31, "HLH", 2047, 131072, 0),
        method(0, 10, 40, "sst", "/", "", False),
        method(1, 20, 10, "s", ""),
        method(1, 85, 10, "t", False),
        method(1, 50, 10, "HstttttT", 0, "", False, False, True, True, False, {"x-expires": 9999}),
        method(1, 50, 20, "HssstT", 0, "", "amq.topic", "cut.#", False, {}),
        method(1, 60, 20, "HssttttT", 0, "", "tag", False, False, False, False, {}),
        method(1, 60, 40, "Hsstt", 0, "amq.topic", "cut.here", True, False)
        + content(1, b"some body", properties),
        method(1, 60, 80, "Qt", 1, False),
        method(1, 60, 30, "st", "tag", False),
        frame(amqp_client.HEARTBEAT, 0, b""),
        method(0, 10, 50, "HsHH", 200, "bye", 0, 0),
    ]


def stomp():
    encode = stomp_client.encode
    return [
        encode("CONNECT", {"accept-version": "1.0,1.1,1.2", "host": "/", "login": "guest",
                           "passcode": "guest", "heart-beat": "0,0"}),
        encode("SUBSCRIBE", {"id": "a:b", "destination": "/topic/cut.#", "ack": "client",
                             "receipt": "1"}),
        encode("BEGIN", {"transaction": "t"}),
        encode("SEND", {"destination": "/topic/cut.here", "transaction": "t", "x\n": "y\\z",
                        "content-length": "5", "receipt": "2"}, b"a\0b\0c"),
        encode("COMMIT", {"transaction": "t", "receipt": "3"}),
        encode("SEND", {"destination": "/topic/cut.here"}, b"uncounted"),
        encode("UNSUBSCRIBE", {"id": "a:b"}),
        encode("DISCONNECT", {"receipt": "4"}),
    ]
