#include "core/dedup_ahead.h"

#include "core/dedup.h"
#include "core/queue.h"
#include "core/shard.h"

#define STEP_ITEMS 8u /* between two steps for the same id: memory answers within so many */
#define STEPS 3u

static void note(struct shard *s, const struct lane_item *item, struct dedup_coming *out);
static void step(const struct shard *s, const struct dedup_coming *coming, uint32_t number);

_Static_assert(STEPS *STEP_ITEMS < DEDUP_AHEAD_ITEMS, "a place is free before it is used again");

void dedup_look_ahead(struct shard *s, const struct lane_batch *batch, uint32_t at)
{
    struct dedup_coming *coming = s->ahead.coming;

    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t item = at + (STEPS - i) * STEP_ITEMS;
        struct dedup_coming *one = &coming[item % DEDUP_AHEAD_ITEMS];

        if (item >= batch->count)
            continue;
        if (i == 0)
            note(s, &batch->items[item], one);
        if (one->msg != NULL)
            step(s, one, i);
    }
}

void dedup_ahead_forget(struct dedup_ahead *a)
{
    for (uint32_t i = 0; i < DEDUP_AHEAD_ITEMS; i++)
        a->coming[i].msg = NULL;
}

const struct dedup_key *dedup_ahead_key(const struct shard *s, const struct queue *q,
                                        const struct message *msg)
{
    const struct dedup_coming *one = &s->ahead.coming[s->todo_at % DEDUP_AHEAD_ITEMS];

    if (one->msg != msg || one->queue.slot != q->ref.at.slot ||
        one->queue.generation != q->ref.at.generation)
        return NULL;
    return &one->key;
}

bool dedup_ahead_is_right(const struct shard *s, const struct queue *q, struct sl_bytes properties,
                          const struct dedup_key *key)
{
    struct dedup_key now;

    return dedup_key_of(&q->dedup_rules, &s->dedup->secret, properties, &now) &&
           now.id.high == key->id.high && now.id.low == key->id.low && now.ttl == key->ttl;
}

/* The queue's own ids only; those of exchanges are found without. */
static void note(struct shard *s, const struct lane_item *item, struct dedup_coming *out)
{
    uint32_t kind = item->kind & ~LANE_ADMITTED;

    out->msg = NULL;
    if (kind != LANE_ENQUEUE && kind != LANE_ENQUEUE_GROUPED)
        return;
    const struct queue *q = shard_queue(s, item->at);
    if (q == NULL || q->dedup == NULL || !dedup_concerns(&q->dedup_rules, item->msg) ||
        !dedup_key_of(&q->dedup_rules, &s->dedup->secret, message_properties(item->msg), &out->key))
        return;
    out->queue = item->at;
    out->msg = item->msg;
}

/* Nothing says that this is still so: only what exists is read. */
static void step(const struct shard *s, const struct dedup_coming *coming, uint32_t number)
{
    const struct queue *q = shard_queue(s, coming->queue);

    if (q == NULL || q->dedup == NULL)
        return;
    id_window_warm(&q->dedup->kept, coming->key.id, number);
    id_window_warm(&q->dedup->passing, coming->key.id, number);
}
