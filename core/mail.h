/*
 * mail.h - what the core tells a session: deliveries, answers, cancelled consumers.
 *
 * Written by any shard or broker call, read by the worker that owns the session.  A mail names
 * its session by handle; the reader who finds nobody there discards it (mail_free), which is
 * enough: the loans in it went back to their queue when the session closed.
 */
#ifndef SLUICE_CORE_MAIL_H
#define SLUICE_CORE_MAIL_H

#include "core/base/err.h"
#include "core/base/ids.h"
#include "core/base/limits.h"
#include "core/base/mailbox.h"
#include "core/base/slot_table.h"
#include "core/message.h"

struct user;
struct vhost;

enum mail_kind {
    MAIL_DELIVERIES,
    MAIL_ANSWER,
    MAIL_CANCELLED,
    MAIL_OVERDUE,
    MAIL_EVICTION, /* to the worker itself: sessions that are to be closed */
    MAIL_INSPECT,  /* a question to the worker itself: inspect.h */
};

struct mail {
    struct mail_node node;
    enum mail_kind kind;
    struct sl_handle to;
};

struct delivery {
    struct message *msg; /* the mail holds a reference */
    sl_seq seq;          /* 0: nothing about it is in the log */
    uint32_t cookie;     /* of the subscription */
    uint32_t returns;    /* how often it came back before */
    bool is_redelivered; /* it came back before, or may have been out before a crash */
};

struct delivery_mail {
    struct mail mail;
    uint32_t count;
    uint32_t room;
    struct delivery items[];
};

struct consumer_ref { /* a consumer in its shard */
    uint32_t shard;
    struct slot_ref at;
};

struct browse_cursor { /* zeroed: nothing was seen yet; browse.h */
    sl_seq seq;        /* seen up to here, */
    sl_seq until;      /* and it ends here */
    uint32_t failures; /* to read what comes next */
    uint8_t level;     /* of that priority */
    bool is_in_row;    /* what came back has been seen */
    bool has_begun;
};

struct browsed {
    struct message *msg; /* the page holds a reference */
    uint32_t returns;
    bool is_redelivered;
};

struct browse_page {
    struct browse_cursor next;
    sl_seq fetched_to; /* in the shard: what is being fetched for it ends here */
    bool is_done;      /* there are no more */
    uint32_t count;
    struct browsed items[SL_CHUNK_ENTRIES_MAX];
};

/* What a broker call came to.  Every call of broker.h that names a ticket ends in exactly one
 * answer to it, in the order of the calls as far as one queue is concerned. */
struct answer {
    struct mail mail;
    uint64_t ticket; /* the caller's */
    enum sl_err err;
    char *reason;      /* owned, or NULL; words fit for the peer when err is not SL_OK */
    bool is_refused;   /* a publish: by a full queue, which reason names; err is SL_OK */
    bool is_forbidden; /* SL_EDENIED: permission is what is missing */
    sl_lsn place;      /* not told before this is durable */
    sl_lsn safe_at;    /* of a prepared step: what it did is, once this is durable */
    char *name;        /* owned, or NULL; the queue's name where the broker made it */
    size_t name_len;   /* a name may hold any octet */
    uint64_t messages; /* ready, purged or deleted, as the call says */
    uint64_t consumers;

    /* subscribe, and get with acknowledgement */
    struct consumer_ref consumer;
    uint64_t queue_number;

    struct browse_page *browsed; /* of a browse: owned; else NULL */

    /* get: NULL when the queue was empty; the mail holds a reference */
    struct message *msg;
    sl_seq seq;
    uint64_t loan;
    uint32_t returns;
    bool is_redelivered;
};

struct cancelled_mail { /* the queue went away under the consumer; nothing more will come */
    struct mail mail;
    uint32_t cookie;
};

struct overdue_mail { /* it keeps what it was lent for too long: overdue.h */
    struct mail mail;
    struct consumer_ref consumer;
    uint32_t cookie; /* of its subscription */
    bool is_getter;  /* then it has no cookie */
    uint64_t timeout_ms;
};

#define EVICTION_REASON_BYTES_MAX 600u

struct eviction { /* of all sessions of the worker that are one of these */
    struct mail mail;
    struct user *user;    /* counted, or NULL */
    struct vhost *vhost;  /* or NULL */
    struct sl_bytes name; /* owned: of one connection; or {NULL, 0} */
    char reason[EVICTION_REASON_BYTES_MAX];
};

/* Gives a mail with everything else zero.  Small and of our own size: aborts without memory. */
struct answer *answer_new(struct sl_handle to, uint64_t ticket);

/* Releases the mail and what it holds. */
void mail_free(struct mail *mail);

#endif
