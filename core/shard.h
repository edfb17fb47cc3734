/*
 * shard.h - the queues of one worker: commands in, deliveries and answers out.
 *
 * Everything about a queue happens here, on one thread and in the order of its inbox: it is
 * declared, filled, lent from, settled and deleted by its shard.  That is why no queue has a
 * lock, and why a declare that races an auto-delete cannot see half of either.  The shard
 * enters what exists into the topology, under that one's lock, before anyone is answered.
 *
 * Thread: the owning worker, but for shard_inbox.
 */
#ifndef SLUICE_CORE_SHARD_H
#define SLUICE_CORE_SHARD_H

#include "core/base/hash_map.h"
#include "core/base/list.h"
#include "core/base/mailbox.h"
#include "core/counters.h"
#include "core/credit.h"
#include "core/dedup_ahead.h"
#include "core/due.h"
#include "core/live.h"
#include "core/mail.h"
#include "core/paging.h"
#include "core/prepared.h"
#include "core/run.h"
#include "core/topology.h"

struct dedup_node;
struct fetch;
struct moving;
struct queue;
struct peer;
struct consumer;

enum shard_command_kind {
    COMMAND_DECLARE,
    COMMAND_DELETE,
    COMMAND_PURGE,
    COMMAND_SUBSCRIBE,
    COMMAND_CANCEL,
    COMMAND_DROP,
    COMMAND_GET,
    COMMAND_BROWSE,
    COMMAND_JOIN,
    COMMAND_POKE,
    COMMAND_GOODBYE,
    COMMAND_PREPARED, /* prepared.h */
    COMMAND_QUESTION,
};

/* One block; text holds the queue's name and, for a declare, its arguments behind it. */
struct shard_command {
    enum shard_command_kind kind;
    struct sl_handle from;
    uint64_t ticket;
    struct vhost *vhost;
    struct session_window *window;      /* counted, or NULL */
    struct credit_group *group;         /* counted, or NULL */
    struct prepared_request *prepared;  /* owned; of COMMAND_PREPARED, else NULL */
    struct prepared_question *question; /* owned; of COMMAND_QUESTION, else NULL */
    struct slot_ref consumer;
    uint32_t cookie;
    uint32_t prefetch;
    struct browse_cursor browse;
    int64_t priority;    /* of a consumer: the higher, the sooner */
    uint64_t timeout_ms; /* of a consumer: RULES_NONE is none of its own */
    bool is_no_ack;
    bool is_exclusive;
    bool is_reply; /* a subscription to an address that it makes: direct_reply.h */
    bool if_unused;
    bool if_empty;
    struct queue_declaration declaration; /* name and arguments point into text */
    uint8_t text[];
};

struct shard_outlet { /* where mail for the sessions of one worker goes */
    struct mailbox *inbox;
    struct mail_chain chain;
};

struct shard {
    uint32_t index;
    uint32_t workers;
    struct topology *topology;
    struct mail_chain todo; /* taken from the inbox, not done yet */
    uint32_t todo_at;       /* items of its first batch that are done */
    struct mailbox inbox;   /* of struct lane_batch */
    struct queue **queues;  /* by slot of queue_ref */
    uint32_t queues_room;
    struct slot_table consumers; /* of struct consumer */
    struct hash_map peers;       /* of struct peer, by handle */
    struct list busy;            /* queues that may have something to lend */
    struct list waiting;         /* queues whose next entry waits for the log */
    struct mail_chain unsafe;    /* answers that wait for the log, in the order of their places */
    struct run *run;             /* the worker's: what the shard decides goes into its journal */
    struct worker_counters *counters;
    uint64_t newest;              /* sequence that it has heard of */
    uint64_t now;                 /* the order's time, as this run knows it */
    uint64_t fresh;               /* what came in this run begins there; UINT64_MAX: expiry.h */
    struct due_heap dues;         /* of queue.due */
    uint64_t consumer_timeout_ms; /* of queues and consumers without their own; 0: none */
    atomic_bool is_stopping;      /* returns are the server's doing now, and not counted */
    struct list writing;          /* peers with a mail begun */
    struct live live;             /* what its queues need of the log */
    struct paging paging;
    struct dedup_node *dedup; /* borrowed: what queues of all shards share for their ids */
    struct dedup_ahead ahead; /* of the batch that is being taken */
    bool has_forgotten;       /* an id goes with this run: dedup_forget_in_order */
    struct fetch *fetch;      /* borrowed; NULL: nothing was ever paged out */
    struct moving *moving;    /* an evacuation that is under way; or NULL */
    uint64_t cookies;         /* of fetches, so far */
    uint64_t asked_bytes;     /* that fetches will bring: recall.h */
    struct list asking;       /* of queue.of_asking: these have to wait until less is asked */
    struct list retrying;     /* of queue.of_retrying: what they want could not be read */
    struct list parked;       /* of parked_get.of_shard */
    struct list prepared;     /* of prepared_set.of_shard */
    struct prepared_settings prepared_settings;
    struct shard_outlet *outlets; /* one per worker, and the desk's behind them */
    struct mailbox **shards;      /* inboxes of all shards, for pokes */
};

/* NULL: no memory.  inboxes: of the workers' sessions; shards: filled by the caller with every
 * shard's inbox before anything is posted.  The caller initialises the shard's own inbox. */
struct shard *shard_new(uint32_t index, uint32_t workers, struct topology *t,
                        struct mailbox **inboxes, struct mailbox **shards);
/* Frees queues and what is in them. */
void shard_free(struct shard *s);
/* The worker's run and counters; borrowed. */
void shard_attach(struct shard *s, struct run *run, struct worker_counters *counters);

/* When something is to be done that nobody asks for, in ms of the order's time; UINT64_MAX: never. */
uint64_t shard_next_due(const struct shard *s);

/* Logs the next mark of every durable queue, so that lending need not wait for it; and at the
 * end, exactly what was out. */
void shard_extend_marks(struct shard *s);
void shard_log_lent(struct shard *s, struct log_run *marks);

bool shard_waits_for_log(const struct shard *s);
/* Has something that waited for the log only waited for this? */
bool shard_is_freed_by(const struct shard *s, sl_lsn durable);

/* Takes what is in the inbox, lends what can be lent, posts what came of it.  True when some
 * queue has more to lend at once. */
bool shard_run(struct shard *s);

/* Gives a command with room for n bytes of text, all else zero; aborts without memory. */
struct shard_command *shard_command_new(enum shard_command_kind kind, struct sl_handle from,
                                        uint64_t ticket, size_t n);
void shard_command_free(struct shard_command *command);

/* ---- for queue.c, consumer.c and commands.c ---- */

struct queue *shard_queue(const struct shard *s, struct slot_ref at); /* NULL: gone */
void shard_queue_is_busy(struct shard *s, struct queue *q);
/* An entry has come to a queue; one has left it for good, whatever became of it: what the log
 * holds of it is live between the two.  The end also releases its message, if it is there. */
struct entry;
void shard_begin_entry(struct shard *s, const struct entry *entry);
void shard_end_entry(struct shard *s, struct entry *entry);
/* Posts the answer, behind the deliveries lent before; or keeps it until its place is durable. */
void shard_answer(struct shard *s, struct answer *a);
/* Keeps an answer that does not come from this shard, but must wait as its own do. */
void shard_keep(struct shard *s, struct answer *a);
sl_lsn shard_durable(const struct shard *s);
/* The queue's next entry must not be lent yet. */
void shard_queue_waits(struct shard *s, struct queue *q);
void shard_post(struct shard *s, struct mail *mail);
/* Tells the shards in that set of bits that sessions may have room again. */
void shard_poke(struct shard *s, uint64_t shards, struct sl_handle whom);

#endif
