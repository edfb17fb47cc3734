/*
 * session.h - what every front end's session has.
 *
 * Thread: the worker that owns it.
 */
#ifndef SLUICE_PROTOCOLS_SESSION_H
#define SLUICE_PROTOCOLS_SESSION_H

#include "core/access.h"
#include "core/base/arena.h"
#include "core/base/list.h"
#include "core/broker.h"
#include "protocols/outbox.h"
#include "protocols/peer_security.h"
#include "protocols/protocol.h"
#include "protocols/settings.h"

struct session_env { /* one per worker; the gateway fills it in */
    struct broker_worker *worker;
    const struct protocol_settings *settings;
    const struct sl_clock *clock;
    uint64_t now_ms;      /* monotonic, taken once per turn */
    struct arena arena;   /* scratch; front ends reset it per frame */
    struct list dirty;    /* sessions whose outbox grew, or that ended, in this turn */
    struct list runnable; /* sessions to be lent their unread input again */
};

#define SESSION_ADDRESS_MAX 64

struct session {
    struct client client; /* first: a client is a session to whoever made it */
    const struct protocol *protocol;
    struct session_env *env;
    struct outbox out;
    void *carrier; /* the gateway's connection */

    bool is_loopback;               /* the peer's address is this machine's own */
    char peer[SESSION_ADDRESS_MAX]; /* "127.0.0.1:4711" */
    char local[SESSION_ADDRESS_MAX];
    const struct peer_security *security; /* NULL: the bytes came as they are */
    /* What the peer's certificate calls its owner, as the setting ssl-cert-login-from reads it;
     * owned (malloc), set by the gateway when the certificate was verified; else NULL. */
    char *certificate_name;

    bool is_parked;  /* on_bytes waits for an answer */
    bool is_held;    /* on_bytes waits for memory: the next thing to read is a publish */
    bool is_ending;  /* nothing more is read; closes when the outbox is empty */
    bool is_aborted; /* closes now */

    uint64_t opened_ms;      /* since 1970 */
    uint64_t deadline_ms;    /* when on_deadline is due; UINT64_MAX: never */
    uint64_t last_in_ms;     /* the gateway notes: when bytes came */
    uint64_t last_out_ms;    /* and when bytes went out */
    uint64_t delivered_cost; /* all deliveries so far, in session_window's measure; counted by
                                session_on_mail, not by front ends */
    uint64_t written_cost;   /* what the shards have been told of it */

    struct list of_dirty;
    struct list of_runnable;
};

/* The gateway, before protocol->open. */
void session_init(struct session *s, const struct protocol *protocol, struct session_env *env,
                  struct sl_handle handle);
/* The gateway, after protocol->close: releases the outbox. */
void session_deinit(struct session *s);

/* The largest body that it may publish. */
static inline uint64_t session_message_bytes_max(const struct session *s)
{
    uint64_t max = s->env->settings->message_bytes_max;
    const struct access *a = s->client.access;

    return a != NULL && a->message_bytes_max < max ? a->message_bytes_max : max;
}

/* The outbox grew: it is written at the end of the turn. */
static inline void session_touch(struct session *s)
{
    if (list_is_empty(&s->of_dirty))
        list_push(&s->env->dirty, &s->of_dirty);
}

/* Whatever on_bytes waited for is over: its unread input is lent again this turn. */
void session_resume(struct session *s);
/* No more input; the connection closes when the outbox is empty. */
void session_end(struct session *s);
/* The connection closes now; what is in the outbox is dropped. */
void session_abort(struct session *s);

/* The gateway: is it one of those that are to be closed? */
bool session_is_evicted(const struct session *s, const struct eviction *e);

/* The gateway: hands one mail to the protocol.  The mail stays the caller's. */
void session_on_mail(struct session *s, struct mail *mail);
/* The gateway, after writing: tells the shards what the socket has taken. */
void session_on_written(struct session *s);

#endif
