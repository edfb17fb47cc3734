/*
 * session.h - one STOMP connection: what it is in, what it has open.
 *
 * The parts that most connections never use (sending, an operation that waits, transactions)
 * are allocated at first use, so that an idle connection stays small.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_SESSION_H
#define SLUICE_PROTOCOLS_STOMP_SESSION_H

#include "core/base/hash_map.h"
#include "core/base/random.h"
#include "core/settlement.h"
#include "protocols/session.h"
#include "protocols/stomp/decode.h"
#include "protocols/stomp/heartbeat.h"
#include "protocols/stomp/receipts.h"

enum stomp_phase {
    STOMP_NEW = 1, /* nothing but CONNECT */
    STOMP_OPEN = 2,
    STOMP_LEAVING =
        4 /* DISCONNECT was read, or all there was: only receipts go out, then the connection closes */
};

/* A body that is being read; it may take many reads. */
struct stomp_body {
    bool is_open;
    bool is_counted; /* else it ends at the first NUL */
    bool is_kept;    /* else it is skipped */
    uint64_t left;   /* bytes that may still come; counted: that must */
    uint64_t due_ms; /* kept: its pace is looked at then */
    bool is_excused; /* in this period there was a time when we did not read */
};

struct stomp_direct_reply; /* direct_reply.c */
struct stomp_login;        /* connect.c */
struct stomp_send;         /* send.c */
struct stomp_operation;    /* operation.h */
struct stomp_transaction;  /* transaction.c */

#define STOMP_NAME_PREFIX "session-"
#define STOMP_NAME_BYTES (sizeof STOMP_NAME_PREFIX - 1 + SL_RANDOM_NAME_CHARS)

struct stomp_session {
    struct session base; /* first: the gateway knows only it */
    enum stomp_phase phase;
    enum stomp_version version;
    bool was_refused; /* the frame in hand was answered by an ERROR */
    char name[STOMP_NAME_BYTES + 1];
    char *user;       /* owned; who logged in */
    char *cluster_id; /* owned; CONNECT said so; or NULL */
    char *client_id;  /* the same; names durable subscriptions */
    struct stomp_heartbeat heartbeat;
    struct stomp_search search; /* in the unread input */
    struct stomp_body body;
    struct stomp_receipts receipts;
    struct settlement settlement;
    struct hash_map subscriptions; /* of struct stomp_subscription, by tag */
    struct stomp_login *login;     /* CONNECT waits for it */
    struct stomp_send *send;
    struct stomp_direct_reply *direct_reply;
    struct stomp_operation *operation; /* what the session is parked for */
    uint64_t next_ticket;
    struct list transactions;
    struct list browsers; /* browser.h */
    uint32_t browsers_count;
    uint32_t transactions_count;
};

static inline struct stomp_session *stomp_of(struct session *s)
{
    return (struct stomp_session *)s;
}

#endif
