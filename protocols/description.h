/*
 * description.h - what a session says of itself, in words of no protocol: rows of the pages of
 * core/inspect.h about connections, channels and consumer tags.
 *
 * A front end fills in what it knows in its slot `describe`; what it leaves zero does not exist
 * there.  A session that has not logged in yet says nothing.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_DESCRIPTION_H
#define SLUICE_PROTOCOLS_DESCRIPTION_H

#include "core/inspect.h"
#include "protocols/session.h"

struct described_session { /* what every row says of whose it is */
    struct sl_handle handle;
    struct sl_bytes peer; /* "127.0.0.1:4711" */
    struct sl_bytes local;
    struct sl_bytes user;
    struct sl_bytes vhost;
};

struct described_connection {
    struct inspect_row row;
    struct described_session session;
    struct sl_bytes protocol;          /* "AMQP 0-9-1", "STOMP 1.2" */
    struct sl_bytes client_properties; /* a whole table, or {NULL, 0} */
    const char *state;                 /* a literal: "running", "blocked", "flow", "closing" */
    uint32_t channels;
    uint32_t channel_max;
    uint32_t frame_max;
    uint32_t heartbeat_s;
    uint64_t opened_ms; /* since 1970 */
    uint64_t bytes_out;
    uint64_t bytes_waiting; /* said, and not yet taken by the socket */
};

struct described_channel {
    struct inspect_row row;
    struct described_session session;
    uint32_t number;
    uint32_t prefetch;        /* of consumers to come; 0: no limit */
    uint32_t global_prefetch; /* of all together; 0: no limit */
    uint64_t consumers;
    uint64_t unacked;
    uint64_t unconfirmed;
    bool is_confirming;
    bool is_transactional;
    uint32_t uncommitted_messages;
    uint32_t uncommitted_acks;
    const char *state;
};

struct described_tag { /* of a consumer: what only its session knows */
    struct inspect_row row;
    struct inspect_consumer_key key;
    struct described_session session;
    uint32_t channel;
    struct sl_bytes tag;
};

/* NULL: the page is short. */
struct described_connection *describe_connection(struct inspect_page *page, const struct session *s,
                                                 struct sl_bytes user);
struct described_channel *describe_channel(struct inspect_page *page, const struct session *s,
                                           struct sl_bytes user, uint32_t number);
void describe_tag(struct inspect_page *page, const struct session *s, struct sl_bytes user,
                  uint32_t channel, uint32_t cookie, struct sl_bytes tag);

#endif
