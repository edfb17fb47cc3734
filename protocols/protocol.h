/*
 * protocol.h - what a front end is to the gateway.
 *
 * A front end turns bytes into broker calls and broker events into bytes.  It never sees a
 * socket, a thread, a clock or another front end: input is lent, output is appended to the
 * session's outbox, time is s->env->now_ms, and the gateway decides when any of them moves.
 *
 * All slots are called on the worker that owns the session, never one inside another, and
 * none of them blocks.  A slot ends a session by session_end (what is in the outbox still goes
 * out) or session_abort (nothing more goes out); close follows later, in its own phase.
 */
#ifndef SLUICE_PROTOCOLS_PROTOCOL_H
#define SLUICE_PROTOCOLS_PROTOCOL_H

#include "core/broker.h"

struct inspect_page;
struct session;

enum sniff { SNIFF_NO, SNIFF_MORE, SNIFF_YES };

struct protocol {
    const char *name;    /* for logs: "amqp", "stomp" */
    size_t session_size; /* the gateway allocates, zeroed; struct session comes first in it */

    /* Do these first bytes of a connection speak this protocol? */
    enum sniff (*sniff)(struct sl_bytes first);

    /* The connection is there; struct session is filled in, nothing was read yet. */
    void (*open)(struct session *s);

    /* Reads from in what it can; *used is how much of it is done with.  The rest, and nothing
     * else, is lent again with more bytes behind it.  A session that waits (s->is_parked for an
     * answer, s->is_held for memory) leaves the rest unread and is called again when that is
     * over.  Never leaves more than SL_UNREAD_BYTES_MAX unread otherwise. */
    void (*on_bytes)(struct session *s, struct sl_bytes in, size_t *used);

    /* Deliveries in order; the items and their message references stay the caller's. */
    void (*on_deliveries)(struct session *s, const struct delivery *items, uint32_t count);

    /* The answer to one of the session's tickets; stays the caller's, but its msg may be taken
     * by setting it to NULL. */
    void (*on_answer)(struct session *s, struct answer *a);

    /* The queue under this consumer is gone. */
    void (*on_cancelled)(struct session *s, uint32_t cookie);

    /* A consumer, or a get, keeps a message for longer than it may; told until that has ended. */
    void (*on_overdue)(struct session *s, const struct overdue_mail *mail);

    /* Everything that who (of broker_confirm) published up to tag is safe; is_refused: but for
     * tag itself. */
    void (*on_confirmed)(struct session *s, uint64_t who, sl_tag upto, bool is_refused);

    /* s->env->now_ms has reached s->deadline_ms.  Sets the next one, or UINT64_MAX. */
    void (*on_deadline)(struct session *s);

    /* Memory pressure began or ended (broker_is_held says which), or there may be room again
     * (broker_take_room) that a session waits for. */
    void (*on_pressure)(struct session *s);

    /* Its outbox was written as far as the peer takes it; NULL: it does not matter. */
    void (*on_written)(struct session *s);

    /* The peer will send no more, and on_bytes has used what it could.  The session may still do
     * what was asked for and answer; then it ends.  on_bytes is not called again. */
    void (*on_end_of_input)(struct session *s);

    /* The gateway is going down: say so in the protocol's own words, then session_end.  A front
     * end whose protocol wants the peer's reply waits for it; the gateway has a time limit. */
    void (*on_shutdown)(struct session *s);

    /* Somebody closes the connection, for that reason: say so in the protocol's own words, then
     * session_end. */
    void (*on_eviction)(struct session *s, const char *reason);

    /* Adds rows about the session, or about what is in it, to the page: description.h. */
    void (*describe)(struct session *s, struct inspect_page *page);

    /* Releases what the front end holds, and calls broker_client_close.  Last call; the memory
     * of the session is the gateway's. */
    void (*close)(struct session *s);
};

extern const struct protocol amqp_protocol;
extern const struct protocol stomp_protocol;

#endif
