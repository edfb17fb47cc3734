/*
 * dedup_ahead.h - what a shard reads ahead of the ids that it is about to ask for.
 *
 * A window of a million ids is larger than the caches, and a question for a new id goes from its
 * bucket to the ids in it: without this, the waits for memory would cost more than all else that is
 * done for a message.  So while one item of a batch is done, what the ones behind it need is asked
 * for, a step at a time.  Nothing is decided here; what is read ahead in vain costs only that.  The
 * keys that this takes are kept until their turn.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_DEDUP_AHEAD_H
#define SLUICE_CORE_DEDUP_AHEAD_H

#include "core/base/slot_table.h"
#include "core/dedup_rules.h"

#define DEDUP_AHEAD_ITEMS 32u

struct lane_batch;
struct message;
struct queue;
struct shard;

struct dedup_ahead { /* zeroed is off */
    bool is_on;      /* this run, ids went into a large window */
    struct dedup_coming {
        const struct message *msg; /* of the item; NULL: it has no id, or is done */
        struct slot_ref queue;
        struct dedup_key key;
    } coming[DEDUP_AHEAD_ITEMS]; /* by the item's place in its batch */
};

/* The item there is next; call it for one after the other. */
void dedup_look_ahead(struct shard *s, const struct lane_batch *batch, uint32_t at);
/* The item there is done. */
static inline void dedup_ahead_done(struct dedup_ahead *a, uint32_t at)
{
    a->coming[at % DEDUP_AHEAD_ITEMS].msg = NULL;
}
/* The rules of a queue have changed, or nothing is taken for now: no key of before is used. */
void dedup_ahead_forget(struct dedup_ahead *a);

/* The key that the message, whose turn it is, has in that queue by its own rules; NULL: it was not
 * looked at. */
const struct dedup_key *dedup_ahead_key(const struct shard *s, const struct queue *q,
                                        const struct message *msg);
/* It is the key that they give now; checks. */
bool dedup_ahead_is_right(const struct shard *s, const struct queue *q, struct sl_bytes properties,
                          const struct dedup_key *key);

#endif
