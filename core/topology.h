/*
 * topology.h - what exists: virtual hosts, exchanges, queues and the bindings between them.
 *
 * This is the catalogue, not the backlog: a queue's messages and consumers live in its shard
 * (shard.h), which is told of every change through the order (order.h).
 *
 * Thread: any, under topology_lock.  That lock comes first in the lock order of the program;
 * the order lock may be taken while it is held.  Nobody waits or does I/O under it.  Reading a
 * route takes it too, but workers keep what they resolved (route.h) until the version moves,
 * so a message does not.
 */
#ifndef SLUICE_CORE_TOPOLOGY_H
#define SLUICE_CORE_TOPOLOGY_H

#include "core/ages.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/hash_map.h"
#include "core/base/ids.h"
#include "core/base/list.h"
#include "core/base/slot_table.h"
#include "core/base/text.h"
#include "core/policies.h"

#include <pthread.h>
#include <stdatomic.h>

enum exchange_type {
    EXCHANGE_DIRECT,
    EXCHANGE_FANOUT,
    EXCHANGE_TOPIC,
    EXCHANGE_HEADERS,
    EXCHANGE_DEDUPLICATION, /* as fanout; queues ask for ids */
    /* Numbers are in the log: they stay. */
    EXCHANGE_CONSISTENT_HASH = 6, /* one binding, by a hash and weights: hash_choice.h */
    EXCHANGE_RANDOM = 7,          /* one binding, any */
    EXCHANGE_RECENT_HISTORY = 8,  /* as fanout; who is bound gets what came before: history.h */
    EXCHANGE_DELAYED = 16,        /* as x-delayed-type says, but later: delayed.h */
};

struct accounts;
struct admission;
struct effective;
struct selector;

struct queue_ref { /* where a queue lives; stale once the queue is deleted */
    uint32_t shard;
    struct slot_ref at; /* in that shard's table; chosen here, told to the shard */
    bool asks_always;   /* for an id, also of a message without MARK_DEDUP */
    bool holds;         /* what waits for its time, for an exchange */
    uint64_t number;    /* of a durable queue; 0 for others: nothing about them is logged */
    struct admission *admission; /* of a queue that may refuse publishers, or might once; counted by
                                    the definition and by routes, borrowed elsewhere */
};

struct log_run;
struct bindings;       /* exchange.c: how one exchange finds its destinations */
struct topology_queue; /* below */
struct cluster_name;
struct cluster; /* topology_cluster.c: how many queues one ClusterID has */

struct exchange {
    struct vhost *vhost;
    struct sl_bytes name; /* owned */
    enum exchange_type type;
    enum exchange_type matching; /* how it finds its destinations: mostly its type */
    bool is_durable;
    bool is_auto_delete; /* goes with its last binding as a source */
    bool is_internal;
    bool asks_ids;                  /* by its type or its arguments: see route.h */
    struct sl_bytes arguments;      /* owned; a whole table */
    struct effective *effective;    /* what policies make of them; NULL: nothing */
    struct bindings *bindings;      /* this exchange is their source */
    struct list as_destination;     /* of struct binding: this exchange is their destination */
    struct topology_queue *holding; /* what waits for its time; NULL: nothing ever did */
    sl_lsn place;                   /* where its declaration is in the log */
    uint64_t visited;               /* stamp of the route that last came by */
    struct exchange *next;          /* in the work list of who holds the lock */
    struct list of_vhost;           /* vhost.exchange_order */
};

struct topology_queue {
    struct vhost *vhost;
    struct sl_bytes name; /* owned */
    uint64_t number;      /* never reused */
    struct queue_ref ref;
    bool is_durable;
    bool is_exclusive;
    bool is_auto_delete;
    bool is_hidden;              /* the broker's own: for whoever asks by name it is not there */
    bool is_reply;               /* the same, but the default exchange finds it: direct_reply.h */
    struct sl_handle owner;      /* the session of an exclusive queue */
    struct sl_bytes arguments;   /* owned; a whole table */
    struct effective *effective; /* what policies make of them; NULL: nothing */
    struct selector *selector;   /* which messages it takes; NULL: all */
    struct list as_destination;  /* of struct binding */
    uint64_t visited;            /* stamp of the route that last came by */
    bool is_selected;            /* and did it take the message? */
    struct cluster *cluster;     /* counted; NULL: not a cluster queue */
    sl_lsn bound_place;          /* of a cluster queue: where its own binding was made again */
    struct exchange *holds_for;  /* of a holding queue; NULL: that is gone */
    struct list of_orphans;      /* in topology.orphans: a holding queue to be removed */
    _Atomic uint64_t held;       /* what a holding queue holds; its shard's, read by anyone */
};

struct vhost {
    struct sl_bytes name; /* owned */
    struct hash_map exchanges;
    struct list exchange_order; /* the same, as they were declared; and marks of who goes through */
    struct hash_map queues;
    uint32_t hidden;              /* how many of the queues are the broker's own */
    bool is_gone;                 /* deleted: sessions and shards may still name it */
    struct vhost *next_gone;      /* which are freed with the topology */
    struct sl_bytes description;  /* owned, as these two */
    struct sl_bytes tags;         /* with commas between them */
    struct sl_bytes queue_type;   /* of queues that do not say theirs; metadata */
    _Atomic uint32_t connections; /* any thread */
    _Atomic uint64_t connections_max, queues_max; /* UINT64_MAX: no limit */
    uint32_t replies;              /* of the queues, how many are is_reply: no limit counts them */
    struct hash_map clusters;      /* of struct cluster, by ClusterID; topology_cluster.c */
    atomic_bool has_cluster_names; /* names like /topic/p@c are those of cluster queues */
};

struct topology {
    pthread_mutex_t lock;
    _Atomic uint64_t version; /* moves when a change is let out by topology_unlock */
    bool is_changed;
    sl_lsn removed; /* where the newest removal is in the log: who finds something missing may
                       say so when that is durable */
    struct log_run *journal; /* where exchanges that go with their last binding are noted; set
                                by whoever removes something, while it has the lock; or NULL */
    bool is_replaying;       /* the log says which exchanges go, not their last binding */
    struct hash_map vhosts;
    struct vhost *gone;        /* deleted ones, chained by next_gone */
    struct accounts *accounts; /* borrowed: who may do what; or NULL */
    struct policies policies;
    struct list changing; /* of struct policing: changes of these, the first is under way */
    struct list orphans;  /* of topology_queue.of_orphans: their shards do not know yet */
    uint32_t shards;
    struct slot_table *places; /* per shard: which slots are taken; the object is the queue */
    uint64_t next_number;
    uint64_t next_stamp;
    bool has_cluster_names; /* of virtual hosts to come */
    struct ages ages;       /* of sequences: there is no better lock for them */
    const char *notice;     /* event that topology_unlock logs, or NULL */
    char notice_fields[1024];
};

/* shards: how many workers there are.  NULL: no memory.  Comes with the virtual host "/" and
 * its pre-declared exchanges: "", amq.direct, amq.fanout, amq.topic, amq.headers, amq.match, and
 * amq.prepared, which takes outcomes (prepared.h). */
struct topology *topology_new(uint32_t shards);
void topology_free(struct topology *t);

void topology_lock(struct topology *t);
void topology_unlock(struct topology *t); /* moves the version when something changed */

/* Which shard a queue of that name lives on, whether it exists or not.  No lock. */
uint32_t topology_shard(const struct topology *t, const struct vhost *v, struct sl_bytes name);

static inline uint64_t topology_version(const struct topology *t) /* any thread, no lock */
{
    return atomic_load_explicit(&t->version, memory_order_acquire);
}

/* ---- everything below: under the lock ----
 *
 * A function that can refuse takes a text for the reason, in words fit for a peer without the
 * protocol's own prefix: "no queue 'q' in vhost '/'", "inequivalent arg 'durable' for queue
 * 'q' in vhost '/': received 'true' but current is 'false'".  The exact texts are RabbitMQ's. */

struct vhost *topology_vhost(struct topology *t, struct sl_bytes name); /* NULL: none */
/* There is none of that name; it comes with the pre-declared exchanges.  SL_ENOMEM. */
SL_MUST_CHECK enum sl_err topology_add_vhost(struct topology *t, struct sl_bytes name,
                                             struct vhost **out);
/* Takes it out of the catalogue with its exchanges and bindings.  Its queues are removed by their
 * shards, which must be told in the order before the lock is let go; what still names it finds it
 * empty, and declares nothing in it any more. */
void topology_drop_vhost(struct topology *t, struct vhost *v);
struct exchange *topology_exchange(struct vhost *v, struct sl_bytes name);
struct topology_queue *topology_queue(struct vhost *v, struct sl_bytes name);

struct exchange_declaration {
    struct sl_bytes name;
    struct sl_bytes type; /* as the peer says it: "direct", "topic", ... */
    bool is_passive;
    bool is_durable;
    bool is_auto_delete;
    bool is_internal;
    struct sl_bytes arguments; /* a checked table, or {NULL, 0} */
};

/* Declares or compares.  SL_ENOENT passive and missing; SL_EPRECOND not equivalent, or unknown
 * type; SL_EDENIED reserved name (amq.) or the default exchange; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err topology_declare_exchange(struct topology *t, struct vhost *v,
                                                    const struct exchange_declaration *d,
                                                    struct text *reason);

/* Makes the queue that holds what waits for its time for that exchange, which has none; its shard
 * must be told, in the order, before the lock is let go (delayed.h).  SL_ENOMEM. */
SL_MUST_CHECK enum sl_err topology_add_holding(struct topology *t, struct exchange *e,
                                               struct topology_queue **out);

/* A missing exchange is a success.  SL_EPRECOND in use (if_unused); SL_EDENIED pre-declared. */
SL_MUST_CHECK enum sl_err topology_delete_exchange(struct topology *t, struct vhost *v,
                                                   struct sl_bytes name, bool if_unused,
                                                   struct text *reason);

struct queue_declaration {
    struct sl_bytes name; /* not empty: the caller made a name up where the peer gave none */
    bool is_passive;
    bool is_durable;
    bool is_exclusive;
    bool is_auto_delete;
    bool is_cluster;           /* the name is a cluster queue's own: see topology_declare_cluster */
    bool may_be_reserved;      /* broker-made amq.gen-… names */
    bool is_reply;             /* see topology_queue */
    bool is_own;               /* the broker needs it itself: no limit of the virtual host holds */
    const char *refusal;       /* why it may not be made where it is missing; NULL: it may */
    uint64_t number;           /* in recovery: the one it had; else 0 */
    struct sl_bytes arguments; /* a checked table, or {NULL, 0} */
};

/* Declares or compares; *out is the queue either way, *created says which.  SL_ENOENT passive
 * and missing; SL_ELOCKED exclusive to another session; SL_EPRECOND not equivalent or an
 * argument that cannot be (A3); SL_EDENIED reserved name, or d->refusal; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err topology_declare_queue(struct topology *t, struct vhost *v,
                                                 struct sl_handle who,
                                                 const struct queue_declaration *d,
                                                 struct topology_queue **out, bool *created,
                                                 struct text *reason);

enum cluster_change { CLUSTER_QUEUE_MADE = 1, CLUSTER_BINDING_MADE = 2 };

/* Makes the cluster queue, its own binding, or whatever of the two is missing; d is not passive.
 * Absent arguments mean "as it is".  SL_ENOENT no such exchange; SL_EPRECOND not equivalent,
 * exclusive or auto-delete, an ordinary queue of that name, a pattern that does not go with the
 * exchange, an argument that cannot be; SL_EFULL the ClusterID has its SL_CLUSTER_QUEUES_MAX;
 * SL_EDENIED d->refusal; SL_ENOMEM: nothing was done. */
SL_MUST_CHECK enum sl_err topology_declare_cluster(struct topology *t, struct vhost *v,
                                                   const struct queue_declaration *d,
                                                   struct topology_queue **out, unsigned *changes,
                                                   struct text *reason);

/* Whether names are read as those of cluster queues, here and in virtual hosts to come; called
 * without the lock by readers of v->has_cluster_names. */
void topology_set_cluster_names(struct topology *t, bool is_on);

/* The queue by name for anyone but a declarer: SL_ENOENT, SL_ELOCKED. */
SL_MUST_CHECK enum sl_err topology_use_queue(struct vhost *v, struct sl_handle who,
                                             struct sl_bytes name, struct topology_queue **out,
                                             struct text *reason);

/* Takes the queue out of the catalogue with all its bindings and frees it; its shard must have
 * been told, in the order, before the lock is let go. */
void topology_remove_queue(struct topology *t, struct topology_queue *q);

/* The queue at that place, if it is still the same. */
struct topology_queue *topology_queue_at(struct topology *t, struct queue_ref ref);

struct binding_request {
    struct sl_bytes source; /* exchange */
    struct sl_bytes destination;
    bool to_exchange; /* destination is an exchange, else a queue */
    struct sl_bytes key;
    struct sl_bytes arguments; /* a checked table, or {NULL, 0} */
};

/* Idempotent.  SL_ENOENT either side; SL_EDENIED the default exchange; SL_ELOCKED; SL_EPRECOND
 * a bad x-match; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err topology_bind(struct topology *t, struct vhost *v, struct sl_handle who,
                                        const struct binding_request *r, struct text *reason);

/* Idempotent: what is not bound is a success, and so is a side that does not exist.
 * SL_EPRECOND: a cluster queue's own binding.  SL_ENOMEM: nothing was done. */
SL_MUST_CHECK enum sl_err topology_unbind(struct topology *t, struct vhost *v, struct sl_handle who,
                                          const struct binding_request *r, struct text *reason);

/* Looks which policies are in force for what exists; true: they make something else of it now. */
bool topology_police_queue(struct topology *t, struct topology_queue *q);
bool topology_police_exchange(struct topology *t, struct exchange *e);
/* Its arguments, with what policies make of them. */
struct sl_bytes topology_queue_arguments(const struct topology_queue *q);
struct sl_bytes topology_exchange_arguments(const struct exchange *e);
/* The own binding of a cluster queue; name keeps its texts. */
void topology_cluster_binding(const struct topology_queue *q, struct cluster_name *name,
                              struct binding_request *out);

void topology_check(struct topology *t); /* asserts the invariants; tests */

/* What the records of the log would say of all that is durable, users and ages too; bindings stand
 * behind both their ends. */
void topology_describe(struct topology *t, struct log_run *run);

#endif
