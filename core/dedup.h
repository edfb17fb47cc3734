/*
 * dedup.h - a queue's windows of ids: which message came before, and what follows from it.
 *
 * A queue has two windows once it needs them: one for messages that are logged, which so is a
 * function of the log alone, and one for all others; both are asked.  The verdict is given in the
 * queue's shard when the message enters, and "it came before" of a logged message is a record:
 * a start obeys these, and decides by itself only behind the last one (docs/deduplication.md).
 *
 * All windows of a node share one budget of memory.  Where it is used up, the shard with the largest
 * window of all drops the oldest ids of that.
 *
 * Thread: the owning shard; struct dedup_node any.
 */
#ifndef SLUICE_CORE_DEDUP_H
#define SLUICE_CORE_DEDUP_H

#include "core/backlog.h"
#include "core/credit.h"
#include "core/dedup_rules.h"
#include "core/store/id_file.h"

struct queue;
struct shard;

struct dedup_node { /* what all shards share */
    struct dedup_secret secret;
    uint64_t budget; /* bytes of ids */
    uint32_t shards;
    _Atomic uint64_t bytes[CREDIT_SHARDS_MAX]; /* each shard's */
    _Atomic uint64_t
        largest[CREDIT_SHARDS_MAX];          /* bytes of its largest window, or of one that was */
    atomic_bool is_asked[CREDIT_SHARDS_MAX]; /* that shard is to drop some */
    struct id_file_ref *files; /* from a start to the keeper: what the checkpoint named; owned */
    uint32_t files_count;
};

/* The windows of a queue, or of one exchange of type x-message-deduplication in it.  The queue's
 * own come first; the others hang on them. */
struct dedup { /* zeroed is empty */
    struct dedup *next;
    uint64_t source; /* the exchange: dedup_source_of; 0: these are the queue's own */
    struct dedup_rules rules;
    uint8_t *header;          /* owned: what the rules of an exchange borrow from it */
    uint64_t version;         /* of the topology, as of which these rules are */
    struct id_window kept;    /* of logged messages */
    struct id_window passing; /* of the others */
    uint64_t duplicates;      /* of the queue's own: all of the queue's */
    uint64_t evicted;         /* ids that went before their time */
    uint64_t saved;           /* those of kept up to this sequence were given to a checkpoint */
    sl_seq *gone;             /* saved ones that left since the last checkpoint */
    uint32_t gone_count, gone_room;
};

void dedup_node_init(struct dedup_node *n, uint32_t shards, uint64_t budget);

/* The queue's rules, or those of an exchange, may give this message an id: else nothing of the below is asked. */
static inline bool dedup_concerns(const struct dedup_rules *r, const struct message *msg);

/* Did the message of this entry, which is about to enter, come before?  If so that is noted, and
 * the caller drops it; if not, its id is remembered from now on. */
bool dedup_is_duplicate(struct shard *s, struct queue *q, const struct entry *entry, uint64_t time);
/* Did a message with the id of this one, which does not enter, come before?  That is noted. */
bool dedup_knows(struct shard *s, struct queue *q, const struct message *msg, uint64_t time);

/* An entry has left its queue for good. */
void dedup_forget(struct shard *s, struct queue *q, sl_seq seq);
/* All entries up to the highest have left it but these; growing. */
void dedup_forget_all(struct shard *s, struct queue *q, sl_seq highest, const sl_seq *stay,
                      size_t n);
/* The same by this shard's own decision, whose record is in its run: the id goes when that has its
 * place in the log, so that a start, which reads that log, gives the verdicts that were given. */
void dedup_forget_in_order(struct shard *s, const struct queue *q, sl_seq seq);

struct dedup_purge { /* owned by its item of the lane */
    sl_seq highest;
    size_t count;
    sl_seq stay[];
};
/* The same of all entries that have an id but these, growing; and what the item does then. */
void dedup_purge_in_order(struct shard *s, const struct queue *q, const sl_seq *stay, size_t n);
void dedup_purge_take(struct shard *s, struct queue *q, const struct dedup_purge *purge);
/* Its ids do not go with their messages any more, but have a time from now on. */
void dedup_begin_window(struct shard *s, struct queue *q);
/* The queue goes. */
void dedup_free(struct shard *s, struct queue *q);

/* Drops at most n ids that are over at that time of the order, which everything still to come has
 * reached; of a queue that may get nothing new. */
void dedup_expire(struct shard *s, struct dedup *d, uint64_t time, uint32_t n);
/* At the end of each run.  Drops what is too much, when asked to. */
void dedup_tend(struct shard *s);

/* ---- recovery and what is shown ---- */

struct dedup_publish { /* what a verdict depends on; borrowed */
    struct sl_bytes properties;
    struct sl_bytes exchange;
    const struct dedup_key *key; /* by the queue's own rules, if it is known already; or NULL */
    bool has_id;                 /* MARK_DEDUP */
    bool by_exchange;            /* the exchange asks for ids */
    bool is_logged;
    sl_seq seq;
    uint64_t time;
};
/* True: it came before.  False: its id, if it has one, is remembered. */
bool dedup_decide(struct shard *s, struct queue *q, const struct dedup_publish *p);
/* It was remembered in vain: a record says that it came before. */
void dedup_undo(struct shard *s, struct queue *q, sl_seq seq);
/* How an exchange is told from others in the windows of a queue. */
uint64_t dedup_source_of(const struct shard *s, struct sl_bytes exchange);
/* The windows for that source, made if need be. */
struct dedup *dedup_of(struct queue *q, uint64_t source);
/* An id that a checkpoint names; one that is not behind those that are there is passed over. */
void dedup_restore(struct shard *s, struct queue *q, uint64_t source,
                   const struct remembered_id *id);
/* Adds up what the windows of that queue take by now. */
void dedup_settle(struct shard *s, const struct dedup *d, uint64_t before);
/* This window has grown: where that is too much, somebody drops something. */
void dedup_keep_budget(struct shard *s, const struct id_window *grown);
static inline uint64_t dedup_bytes(const struct dedup *d)
{
    return d->kept.bytes + d->passing.bytes;
}

struct dedup_figures {
    uint64_t duplicates;
    uint64_t evicted;
    uint64_t ids;
    uint64_t window_ms; /* that it effectively is; 0: until settled */
};
void dedup_tell(const struct shard *s, const struct queue *q, struct dedup_figures *out);

#include "core/known_headers.h"
#include "core/message.h"

static inline bool dedup_concerns(const struct dedup_rules *r, const struct message *msg)
{
    return ((msg->marks & MARK_DEDUP) != 0 || r->asks_always || msg->by_exchange) && !msg->is_moved;
}

#endif
