#include "core/outcomes.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

#include <stdlib.h>

static struct sl_bytes key_of(const struct outcome *outcome);
static void forget_oldest(struct outcomes *o, struct live *live);
static void forget_what_is_due(struct outcomes *o, uint64_t now, struct live *live);
static void add_block(struct outcomes *o);

void outcomes_deinit(struct outcomes *o, struct live *live)
{
    while (o->first != NULL)
        forget_oldest(o, live);
    hash_map_deinit(&o->map);
}

const struct outcome *outcomes_find(const struct outcomes *o, const uint8_t key[OUTCOME_KEY_BYTES],
                                    uint64_t now)
{
    const struct outcome *found = hash_map_get(&o->map, (struct sl_bytes){key, OUTCOME_KEY_BYTES});

    return found != NULL && now < found->time + SL_OUTCOMES_MS ? found : NULL;
}

void outcomes_add(struct outcomes *o, const struct outcome *outcome, struct live *live)
{
    forget_what_is_due(o, outcome->time, live);
    if (outcomes_find(o, outcome->key, outcome->time) != NULL)
        return;
    (void)hash_map_remove(&o->map, key_of(outcome)); /* one that was too old */
    if (o->last == NULL || o->last->count == OUTCOMES_BLOCK)
        add_block(o);
    struct outcome *kept = &o->last->at[o->last->count++];
    *kept = *outcome;
    o->count++;
    enum sl_err err = hash_map_put(&o->map, key_of(kept), kept);
    SL_ASSERT(err == SL_OK); /* bounded by SL_OUTCOMES_MAX */
}

struct outcome_block *outcomes_unwritten(struct outcomes *o)
{
    struct outcome_block *block = o->first;

    while (block != NULL && block->place.v != 0)
        block = block->next;
    return block != NULL && block->count == OUTCOMES_BLOCK ? block : NULL;
}

struct outcome_block *outcomes_within(struct outcomes *o, sl_lsn from, sl_lsn to)
{
    struct outcome_block *block = o->first;

    while (block != NULL &&
           (block->place.v == 0 || block->place.v < from.v || block->place.v >= to.v))
        block = block->next;
    return block;
}

void outcome_block_placed(struct outcome_block *block, sl_lsn place, uint32_t record_len,
                          struct live *live)
{
    if (block->is_live)
        live_sub(live, block->place, block->record_len, 1);
    block->place = place;
    block->record_len = record_len;
    block->is_live = true;
    live_add(live, place, record_len, 1);
}

enum sl_err outcomes_add_block(struct outcomes *o, struct sl_reader *r, sl_lsn place,
                               uint32_t record_len)
{
    if (o->last != NULL && o->last->count != OUTCOMES_BLOCK)
        return SL_ECORRUPT;
    add_block(o);
    o->last->place = place;
    o->last->record_len = record_len;
    for (; o->last->count < OUTCOMES_BLOCK; o->last->count++) {
        struct outcome *kept = &o->last->at[o->last->count];
        SL_TRY(outcome_read(r, kept));
        (void)hash_map_remove(&o->map, key_of(kept));
        SL_TRY(hash_map_put(&o->map, key_of(kept), kept));
        o->count++;
    }
    return SL_OK;
}

void outcomes_restored(struct outcomes *o, struct live *live)
{
    for (struct outcome_block *block = o->first; block != NULL; block = block->next) {
        if (block->place.v == 0)
            continue;
        block->is_live = true;
        live_add(live, block->place, block->record_len, 1);
    }
}

void outcome_write(struct sl_writer *w, const struct outcome *outcome)
{
    sl_write_bytes(w, key_of(outcome));
    sl_write_u64(w, outcome->time);
    sl_write_u8(w, outcome->verdict);
}

enum sl_err outcome_read(struct sl_reader *r, struct outcome *out)
{
    struct sl_bytes key = sl_read_bytes(r, OUTCOME_KEY_BYTES);

    out->time = sl_read_u64(r);
    out->verdict = sl_read_u8(r);
    if (r->is_short || out->verdict > VERDICT_ROLLBACK)
        return SL_ECORRUPT;
    memcpy(out->key, key.at, sizeof out->key);
    return SL_OK;
}

static struct sl_bytes key_of(const struct outcome *outcome)
{
    return (struct sl_bytes){outcome->key, sizeof outcome->key};
}

/* An id that was used again meanwhile is another block's. */
static void forget_oldest(struct outcomes *o, struct live *live)
{
    struct outcome_block *block = o->first;

    for (uint32_t i = 0; i < block->count; i++)
        if (hash_map_get(&o->map, key_of(&block->at[i])) == &block->at[i])
            (void)hash_map_remove(&o->map, key_of(&block->at[i]));
    if (block->is_live)
        live_sub(live, block->place, block->record_len, 1);
    o->count -= block->count;
    o->first = block->next;
    if (o->first == NULL)
        o->last = NULL;
    free(block);
}

static void forget_what_is_due(struct outcomes *o, uint64_t now, struct live *live)
{
    while (o->first != NULL && o->first->count == OUTCOMES_BLOCK &&
           (o->count >= SL_OUTCOMES_MAX + OUTCOMES_BLOCK ||
            now >= o->first->at[OUTCOMES_BLOCK - 1].time + SL_OUTCOMES_MS))
        forget_oldest(o, live);
}

static void add_block(struct outcomes *o)
{
    struct outcome_block *block = calloc(1, sizeof *block);

    SL_ASSERT(block != NULL); /* bounded by SL_OUTCOMES_MAX */
    if (o->last == NULL)
        o->first = block;
    else
        o->last->next = block;
    o->last = block;
}
