/* delayed_kept.c - the part of delayed.h about exchanges that come and go, checkpoints and what
 * comes back from the log. */
#include "core/base/assert.h"
#include "core/commands.h"
#include "core/delay_header.h"
#include "core/delayed_parts.h"
#include "core/journal.h"
#include "core/levels.h"
#include "core/snapshot_form.h"

#define PART_BYTES (1u + 8u)

sl_lsn delayed_announce(struct run *run, struct topology_queue *q, struct log_run *records,
                        bool *must_wake)
{
    struct lane_batch *batch = lane_batch_new();

    batch->count = 1;
    batch->items[0] = (struct lane_item){.at = q->ref.at, .kind = LANE_HOLD};
    struct hand_over part = {run->lanes[q->ref.shard].to, batch, batch, false};
    struct log_place place = order_hand_over(run->order, records, &part, 1, 0);
    *must_wake = part.must_wake;
    return place.end;
}

/* Its exchange may be gone again, but not the definition: that is this shard's to end. */
void delayed_enter(struct shard *s, const struct lane_item *item, sl_lsn place)
{
    topology_lock(s->topology);
    const struct topology_queue *def =
        topology_queue_at(s->topology, (struct queue_ref){.shard = s->index, .at = item->at});
    if (def != NULL)
        shard_enter_queue(s, def)->place = place;
    topology_unlock(s->topology);
}

void delayed_sweep(struct run *run, struct topology *t)
{
    struct list *at;

    while ((at = list_pop(&t->orphans)) != NULL) {
        const struct topology_queue *q = LIST_OF(at, struct topology_queue, of_orphans);
        struct lane_item *item = run_add(run, q->ref.shard);
        *item = (struct lane_item){.at = q->ref.at, .kind = LANE_ABANDON};
    }
}

void delayed_tell(const struct queue *q, struct sl_buffer *body, uint32_t *parts)
{
    uint8_t *at = sl_buffer_reserve(body, PART_BYTES);

    SL_ASSERT(at != NULL);
    sl_buffer_grow(body, PART_BYTES);
    *at = SNAPSHOT_DELAYED;
    sl_store_u64(at + 1, q->delayed->cursor);
    ++*parts;
}

enum sl_err delayed_read_part(struct queue *q, struct sl_reader *r)
{
    uint64_t cursor = sl_read_u64(r);

    if (r->is_short || q->delayed == NULL)
        return SL_ECORRUPT;
    q->delayed->cursor = delayed_cursor_at(cursor);
    return SL_OK;
}

/* The cursor stays where it was, or begins with the first message: what has passed it since comes
 * by it again. */
void delayed_replay(struct queue *q, const struct journal_entry *e, uint64_t time,
                    struct entry *entry)
{
    struct delayed *d = q->delayed;

    if (d->cursor == 0)
        d->cursor = delayed_cursor_at(time + DELAYED_AHEAD_MS);
    entry->deadline = time + delay_of_properties(e->properties);
    entry->priority = delayed_level(d->cursor, entry->deadline);
}

/* What was near when the checkpoint was taken is near. */
void delayed_restore(struct shard *s, struct queue *q, struct entry *entry)
{
    uint8_t level = entry->priority;

    shard_begin_entry(s, entry);
    delayed_count(q, entry, 1);
    if (entry->deadline == 0)
        entry->deadline = 1; /* whatever that was, it waits no longer */
    delayed_put(q, entry, delayed_fits(level, entry->deadline) ? level : DELAYED_NEAR);
}

void delayed_restore_chunk(struct shard *s, struct queue *q, uint8_t level,
                           const struct stored_chunk *chunk)
{
    struct backlog *b = queue_level(q, level);
    _Atomic uint64_t *held = &((struct topology_queue *)(uintptr_t)q->def)->held;

    backlog_push_stored(b, &s->live, chunk);
    q->ready_bytes += chunk->body_bytes;
    atomic_fetch_add_explicit(held, chunk->count - chunk->from, memory_order_relaxed);
}

void delayed_restored(struct shard *s, struct queue *q)
{
    if (q->delayed->cursor == 0)
        q->delayed->cursor = delayed_cursor_at(s->now);
    shard_queue_is_busy(s, q);
}
