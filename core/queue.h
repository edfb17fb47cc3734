/*
 * queue.h - one named queue: a backlog in publish order, and who consumes it.
 *
 * A queue holds references, never bytes.  Order is sequence order at all times: a returned
 * entry goes back to its own place, not to the tail.  What is out stands with the consumer
 * that has it (consumer.h).
 *
 * Lending is to those consumers that can take, in the order of dispatch.h; one that cannot
 * (prefetch reached, session's window shut) leaves it until something is given back.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_QUEUE_H
#define SLUICE_CORE_QUEUE_H

#include "core/backlog.h"
#include "core/base/list.h"
#include "core/dedup.h"
#include "core/discard.h"
#include "core/rules.h"
#include "core/shard.h"

/* The lent-up-to mark is logged this many sequences ahead: far enough that the disk has it long
 * before lending comes there, near enough that after a crash little is called redelivered that
 * never was out. */
#define QUEUE_MARK_STEP (1ull << 24)

struct queue_gate { /* from seq on, nothing is lent before lsn is durable */
    sl_seq seq;
    sl_lsn lsn;
};

struct queue {
    struct queue_ref ref;             /* with a number: its logged entries' fate is logged */
    const struct topology_queue *def; /* borrowed, its lists excepted, which others change */
    struct sl_bytes name; /* borrowed from the topology, which this shard removes last */
    bool is_auto_delete;
    bool has_marked;   /* or had: entries with ENTRY_TO_DISCARD */
    bool was_consumed; /* auto-delete waits for a first consumer */
    bool is_ending;    /* the queue is being freed */
    struct consumer *exclusive_consumer;
    struct effective *effective;   /* a reference: where policies have a say; or NULL */
    struct queue_rules rules;      /* borrows from it, or from the definition */
    struct delayed *delayed;       /* of a holding queue, else NULL */
    struct prepared_set *prepared; /* of the queue of prepared messages, else NULL */
    struct dedup_rules dedup_rules;
    struct dedup *dedup;      /* NULL: it remembers no ids */
    struct backlog backlog;   /* of priority 0; for the others see levels.h */
    struct levels *levels;    /* NULL: there are none */
    uint64_t ready_bytes;     /* of the bodies that are ready */
    uint64_t most_ready;      /* what is above goes at the next opportunity */
    uint64_t lease_end;       /* unused until then, it is deleted; 0: never */
    struct due due;           /* to be looked at: expiry.h */
    bool drops_head;          /* has a limit, and does not refuse publishers */
    bool has_deadlines;       /* some entry has come that may expire */
    uint64_t out;             /* entries with consumers */
    uint64_t lent;            /* newest logged sequence that was out */
    uint64_t was_lent_to;     /* logged entries up to here may have been out before the start */
    uint64_t mark;            /* logged entries up to here may be lent */
    uint64_t next_mark;       /* the one that is being logged, or the same */
    sl_lsn mark_place;        /* where next_mark is in the log */
    sl_lsn place;             /* where its declaration is */
    struct queue_gate *gates; /* a ring, growing seq; see queue_add_gate */
    uint32_t gates_first, gates_count, gates_room;
    struct list of_waiting;
    struct list of_paging;    /* paging.queues or paging.later */
    struct list of_asking;    /* it would ask for more, but too much is under way */
    struct list of_retrying;  /* something of it could not be read; */
    uint64_t retry_at;        /* it asks again then */
    struct list parked;       /* of parked_get.of_queue: gets that wait for the head to be there */
    struct aside *aside;      /* in the queue and not to be lent yet; NULL: nothing */
    struct groups *groups;    /* NULL: there are none */
    struct list able;         /* of consumer.of_able, those without priority: dispatch.h */
    struct ranks *ranks;      /* the others; NULL: there are none */
    struct consumer *active;  /* the single one that is lent to, where the queue has such */
    bool steps_down;          /* it gets nothing more */
    struct list consumers;    /* of consumer.of_queue; getters too */
    struct list holders;      /* of consumer.of_holders: what paging goes through */
    uint32_t consumers_count; /* without getters */
    struct list of_busy;
    struct list of_owner; /* in the peer's list when exclusive */
};

struct parked_get {
    struct list of_queue;
    struct list of_shard;
    struct shard_command *command;
};

/* Aborts without memory: a queue's own struct is ours. */
struct queue *queue_new(const struct topology_queue *def);
/* Takes back what is out, drops everything, tells consumers, frees. */
void queue_free(struct shard *s, struct queue *q);

/* Other rules, by policies; takes the reference, which may be NULL. */
void queue_read_rules(struct queue *q, struct effective *effective, struct admission *admission);
/* The same in a queue at work: they hold at once, for what waits there as far as they can. */
void queue_obey(struct shard *s, struct queue *q, struct effective *effective,
                struct admission *admission);

/* Takes the reference. */
void queue_push(struct queue *q, const struct entry *entry);

/* In recovery: see backlog_push_stored. */
void queue_push_stored(struct shard *s, struct queue *q, uint8_t priority,
                       const struct stored_chunk *chunk);

/* What it holds and nobody has, over all priorities; and of this, as others are to see it, what is
 * ready: not what waits for its time. */
uint64_t queue_count(const struct queue *q);
uint64_t queue_ready(const struct queue *q);

/* Tells the entry that is next, once what is due was discarded.  AWAY: it is being fetched, and
 * makes the queue busy when it is there. */
enum backlog_head queue_peek(struct shard *s, struct queue *q, struct entry *out);
/* Takes what queue_peek told, after READY; or where queue_may_discard said so. */
void queue_pop(struct shard *s, struct queue *q, struct entry *out);
/* An entry that was aside has left the queue, lent or for good; queue_pop does that itself. */
void queue_taken(struct shard *s, struct queue *q, struct entry *entry);
/* A loan came back uncounted or counted: back to its place. */
void queue_return(struct shard *s, struct queue *q, const struct entry *entry);
/* The same where it was put aside. */
void queue_note_return(struct shard *s, struct queue *q, const struct entry *entry);

/* The entry with that sequence, pushed last, waits for its group. */
void queue_add_gate(struct queue *q, sl_seq seq, sl_lsn lsn);
/* May this entry, the next one, be lent?  False leaves the queue with those that wait for the
 * log. */
bool queue_may_lend(struct shard *s, struct queue *q, const struct entry *next);
/* Logs the next mark; it counts once that is durable. */
void queue_extend_mark(struct shard *s, struct queue *q);
bool queue_is_freed_by(const struct queue *q, sl_lsn durable);
/* Is this entry's fate to be logged? */
static inline bool queue_logs(const struct queue *q, const struct message *msg)
{
    return q->ref.number != 0 && msg->is_logged;
}

/* A session has settled the entry: the record of that lies just where the shard is. */
static inline void queue_forget_id(struct shard *s, struct queue *q, sl_seq seq)
{
    if (q->dedup != NULL && q->dedup_rules.is_until_settled)
        dedup_forget(s, q, seq);
}
/* An entry has left the queue for good, whatever became of it. */
static inline void queue_end_entry(struct shard *s, struct queue *q, struct entry *entry)
{
    if (q->dedup != NULL && q->dedup_rules.is_until_settled)
        dedup_forget_in_order(s, q, entry->seq);
    shard_end_entry(s, entry);
}
/* The same for one whose message is somebody else's now. */
static inline void queue_end_bare_entry(struct shard *s, struct queue *q, const struct entry *entry)
{
    if (q->dedup != NULL && q->dedup_rules.is_until_settled)
        dedup_forget_in_order(s, q, entry->seq);
    if (entry->place.v != 0)
        live_sub(&s->live, entry->place, live_entry_bytes(entry), 1);
}

/* Can what queue_peek or backlog_peek told be popped to be discarded? */
static inline bool queue_may_discard(const struct queue *q, enum backlog_head head,
                                     const struct entry *next)
{
    return head == BACKLOG_READY ||
           (head == BACKLOG_AWAY && next->place.v != 0 && !discard_needs_message(q));
}

/* Discards what is expired or too much, all of it: before what is ready is told. */
void queue_tend(struct shard *s, struct queue *q);
/* Its entries came back from the log: what they add up to, and what they are due for. */
void queue_restored(struct shard *s, struct queue *q);

/* Lends what it can to those who can take, and discards what must not stay; at most
 * SL_LEND_BUDGET, true when it stopped there. */
bool queue_lend(struct shard *s, struct queue *q);

/* Drops what is ready; returns how much that was. */
uint64_t queue_purge(struct shard *s, struct queue *q);
/* The same where nobody is to know: the queue goes. */
void queue_empty(struct shard *s, struct queue *q);

void queue_check(const struct queue *q); /* asserts the invariants */

#endif
