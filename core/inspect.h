/*
 * inspect.h - what there is, copied out for people and tools to look at.
 *
 * A page is a question to one worker, and in the end its answer.  It goes there by mail, takes
 * up a bounded number of rows, comes back to the mailbox of whoever asked, and is sent again
 * until is_done, so that a list of any length never stops a worker for long.  What it says is
 * true of each row at the moment that it was taken, not of all of them at one moment.
 *
 * Queues and consumers are their shard's to tell, connections and channels their worker's
 * (protocols/description.h has those rows).  Exchanges, bindings and virtual hosts are read from
 * the topology by the asker, under its lock for one exchange at a time.
 *
 * Thread: whoever has the page.  Bytes in rows live as long as their page.
 */
#ifndef SLUICE_CORE_INSPECT_H
#define SLUICE_CORE_INSPECT_H

#include "core/base/arena.h"
#include "core/base/bytes.h"
#include "core/dedup.h"
#include "core/mail.h"
#include "core/topology.h"

struct broker;
struct shard;

enum inspect_subject {
    INSPECT_TOTALS, /* of a shard: one inspect_totals */
    INSPECT_QUEUES,
    INSPECT_CONSUMERS,
    INSPECT_PREPARED,
    INSPECT_CONNECTIONS, /* of a worker's sessions */
    INSPECT_CHANNELS,
    INSPECT_TAGS,
    INSPECT_EXCHANGES, /* of the topology */
    INSPECT_BINDINGS,
    INSPECT_VHOSTS,
    INSPECT_SUBJECTS
};

struct inspect_row { /* first in every row */
    struct inspect_row *next;
};

struct inspect_page {
    struct mail mail; /* first */
    enum inspect_subject subject;
    uint32_t worker;
    uint64_t ticket;       /* the asker's */
    struct mailbox *asker; /* where it comes back to; must outlive every worker */
    struct sl_bytes vhost; /* only what is in it; {NULL, 0}: everything */
    struct sl_bytes queue; /* only that queue, or its consumers */
    uint32_t cursor;       /* where the next step begins */
    uint64_t from;         /* and behind that, of INSPECT_PREPARED the loan */
    bool is_done;
    bool is_short; /* memory ran out: rows are missing */
    struct arena arena;
    uint32_t count; /* rows */
    struct inspect_row *first;
    struct inspect_row *last;
    struct inspect_page *next; /* the asker's */
};

#define INSPECT_STEP 1024u /* places looked at, or rows taken, in one step */

struct inspect_totals {
    struct inspect_row row;
    uint64_t queues;
    uint64_t ready;
    uint64_t unacked;
    uint64_t consumers;
};

struct inspect_queue {
    struct inspect_row row;
    struct sl_bytes vhost;
    struct sl_bytes name;
    struct sl_bytes arguments; /* a whole table */
    bool is_durable;
    bool is_exclusive;
    bool is_auto_delete;
    struct sl_handle owner; /* the session of an exclusive queue */
    struct sl_bytes policy; /* names of those in force; empty: none */
    struct sl_bytes operator_policy;
    struct sl_bytes policy_keys; /* of both together: a whole table, or {NULL, 0} */
    uint64_t ready;
    uint64_t ready_bytes; /* of bodies */
    uint64_t unacked;
    uint64_t delayed; /* neither: it came back, and waits for its time */
    uint32_t consumers;
    bool is_cluster;            /* the name says the rest */
    sl_seq oldest;              /* of what is ready or out; 0: it is empty */
    uint64_t oldest_age_ms;     /* of that one, as well as ages.h knows it: inspect_date */
    struct dedup_figures dedup; /* ids that it remembers */
};

struct inspect_consumer_key { /* what a session and a shard both know it by; no padding */
    struct sl_handle session;
    uint32_t cookie;
};

struct inspect_consumer {
    struct inspect_row row;
    struct inspect_consumer_key key;
    struct sl_bytes vhost;
    struct sl_bytes queue;
    uint32_t prefetch; /* 0: no limit */
    uint32_t unacked;
    bool is_no_ack;
    bool is_exclusive;
    bool is_active; /* else it waits for the single active one to leave */
    bool is_single; /* it is the single active one */
    int64_t priority;
};

struct inspect_prepared {
    struct inspect_row row;
    struct sl_bytes vhost;
    struct sl_bytes user;
    struct sl_bytes id;
    struct sl_bytes exchange; /* where it is to go */
    struct sl_bytes key;
    struct sl_bytes check; /* where checks go */
    uint64_t age_ms;
    uint32_t checks;
    bool is_expired; /* nobody answered */
};

struct inspect_exchange {
    struct inspect_row row;
    struct sl_bytes vhost;
    struct sl_bytes name;
    struct sl_bytes arguments;
    struct sl_bytes policy; /* as in inspect_queue */
    struct sl_bytes operator_policy;
    struct sl_bytes policy_keys;
    enum exchange_type type;
    uint64_t held; /* what waits for its time, where it delays */
    bool is_durable;
    bool is_auto_delete;
    bool is_internal;
    bool is_delaying;
};

struct inspect_binding {
    struct inspect_row row;
    struct sl_bytes vhost;
    struct sl_bytes source;
    struct sl_bytes destination;
    struct sl_bytes key;
    struct sl_bytes arguments;
    bool to_exchange;
};

struct inspect_vhost {
    struct inspect_row row;
    struct sl_bytes name;
};

/* NULL: no memory. */
struct inspect_page *inspect_page_new(enum inspect_subject subject, uint32_t worker,
                                      uint64_t ticket, struct mailbox *asker);
void inspect_page_free(struct inspect_page *page);

/* Gives a zeroed row of that size at the end of the page; NULL without memory, and then the
 * page is short and done. */
void *inspect_row_new(struct inspect_page *page, size_t size);
/* A copy that lives with the page; empty when the page is short. */
struct sl_bytes inspect_copy(struct inspect_page *page, struct sl_bytes bytes);
struct sl_bytes inspect_copy_text(struct inspect_page *page, const char *text);

/* Asker: sends the page on its way, for its first step or its next. */
void inspect_ask(struct broker *b, struct inspect_page *page);
/* Asker: fills a page about the topology, whole. */
void inspect_topology(struct topology *t, struct inspect_page *page);
/* Asker: how old the oldest are, of a page about queues that came back. */
void inspect_date(struct broker *b, struct inspect_page *page);
/* Who was asked: one step is done. */
void inspect_reply(struct inspect_page *page);

/* Shard: one step of totals, queues, consumers or prepared messages.  Not sent back yet. */
void inspect_shard(struct shard *s, struct inspect_page *page);

#endif
