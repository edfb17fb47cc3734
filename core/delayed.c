#include "core/delayed.h"

#include "core/aside.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/commands.h"
#include "core/delay_header.h"
#include "core/delayed_parts.h"
#include "core/levels.h"
#include "core/recall.h"

#include <stdatomic.h>
#include <stdlib.h>

struct wheel {
    uint8_t shift; /* a slot is so many bits of the time wide */
    uint8_t base;  /* level of its first slot */
    uint8_t slots; /* a power of two: as many as a slot of the next one has */
};

static const struct wheel WHEELS[] = {{10, 1, 64}, {16, 65, 64}, {22, 129, 64}, {28, 193, 32}};
#define WHEELS_COUNT 4
#define LEVELS 225u

enum progress { PROGRESS_DONE, PROGRESS_MORE, PROGRESS_WAITS };

static uint64_t held_of(const struct queue *q);
static uint64_t slot_of(const struct wheel *w, uint64_t time);
static enum progress open_slots(struct shard *s, struct queue *q, uint32_t *budget);
static uint64_t next_full(struct queue *q);
static bool is_half_narrowed(struct queue *q, uint64_t at);
static enum progress open_next(struct shard *s, struct queue *q, uint64_t next, uint32_t *budget);
static enum progress narrow(struct shard *s, struct queue *q, struct backlog *b, uint64_t next,
                            uint32_t *budget);
static enum progress bring_near(struct shard *s, struct queue *q, struct backlog *b, uint64_t next,
                                uint32_t *budget);
static void watch(struct shard *s, struct queue *q, bool waits);
static bool has_far(const struct queue *q);
static void page_out(struct shard *s, struct queue *q);

struct delayed *delayed_new(void)
{
    struct delayed *d = calloc(1, sizeof *d);

    SL_ASSERT(d != NULL);
    return d;
}

void delayed_free(struct delayed *d)
{
    free(d);
}

void delayed_arrive(struct shard *s, struct queue *q, struct entry *entry, uint64_t time,
                    sl_lsn gate)
{
    struct delayed *d = q->delayed;

    entry->deadline = time + delay_of_properties(message_properties(entry->msg));
    if (d->cursor == 0 || held_of(q) == 0)
        d->cursor = delayed_cursor_at(s->now + DELAYED_AHEAD_MS);
    if (gate.v > d->gate.v)
        d->gate = gate;
    shard_begin_entry(s, entry);
    delayed_count(q, entry, 1);
    delayed_put(q, entry, delayed_level(d->cursor, entry->deadline));
    shard_queue_is_busy(s, q);
}

bool delayed_tend(struct shard *s, struct queue *q)
{
    uint32_t budget = SL_LEND_BUDGET;

    topology_lock(s->topology);
    bool is_orphan = q->def->holds_for == NULL;
    topology_unlock(s->topology);
    if (is_orphan) {
        shard_remove_queue(s, q);
        return false;
    }
    bool more = delayed_release(s, q, &budget);
    enum progress progress = open_slots(s, q, &budget);
    delayed_fetch_near(s, q); /* nothing else may ever wake the queue */
    page_out(s, q);
    watch(s, q, progress == PROGRESS_WAITS);
    return more || progress == PROGRESS_MORE;
}

uint8_t delayed_level(uint64_t cursor, uint64_t due)
{
    const struct wheel *widest = &WHEELS[WHEELS_COUNT - 1];
    uint64_t most = (cursor >> widest->shift) + widest->slots - 1;

    if (due >> WHEELS[0].shift <= cursor >> WHEELS[0].shift)
        return DELAYED_NEAR;
    for (int i = 0; i < WHEELS_COUNT - 1; i++)
        if (due >> WHEELS[i + 1].shift == cursor >> WHEELS[i + 1].shift)
            return (uint8_t)(WHEELS[i].base + slot_of(&WHEELS[i], due));
    if (due >> widest->shift > most) /* looked at again when that comes */
        due = most << widest->shift;
    return (uint8_t)(widest->base + slot_of(widest, due));
}

bool delayed_fits(uint8_t level, uint64_t due)
{
    for (int i = 0; i < WHEELS_COUNT; i++)
        if (level >= WHEELS[i].base && level < WHEELS[i].base + WHEELS[i].slots)
            return level == WHEELS[i].base + slot_of(&WHEELS[i], due);
    return false;
}

uint64_t delayed_cursor_at(uint64_t time)
{
    return time >> WHEELS[0].shift << WHEELS[0].shift;
}

/* A level that is empty begins anew: what comes to it from a wider wheel is older than what it had
 * before.  What would stand in it behind something younger waits in memory. */
void delayed_put(struct queue *q, struct entry *entry, uint8_t level)
{
    struct backlog *b = level == DELAYED_NEAR ? NULL : queue_level(q, level);

    if (b != NULL && backlog_is_empty(b))
        b->last = (sl_seq){0};
    if (b == NULL || entry->seq.v <= b->last.v) {
        delayed_put_near(q, entry);
        return;
    }
    entry->priority = level;
    backlog_push(b, entry);
}

void delayed_put_near(struct queue *q, struct entry *entry)
{
    entry->priority = DELAYED_NEAR;
    if (entry->msg != NULL)
        aside_put(q, entry);
    else
        backlog_return(&q->backlog, entry);
}

void delayed_count(struct queue *q, const struct entry *entry, int by)
{
    _Atomic uint64_t *held = &((struct topology_queue *)(uintptr_t)q->def)->held;

    q->ready_bytes += by > 0 ? entry->body_len : 0;
    q->ready_bytes -= by > 0 ? 0 : entry->body_len;
    atomic_fetch_add_explicit(held, (uint64_t)(int64_t)by, memory_order_relaxed);
}

/* What waits for the log or for an answer is looked at when that comes. */
static void watch(struct shard *s, struct queue *q, bool waits)
{
    uint64_t next = q->delayed->cursor + (1ull << WHEELS[0].shift);
    uint64_t first = aside_deadline(q);

    if (first > s->now || (first != 0 && q->gates_count == 0))
        due_by(&s->dues, &q->due, first);
    if (has_far(q) && !waits)
        due_by(&s->dues, &q->due, next - DELAYED_AHEAD_MS);
}

static uint64_t slot_of(const struct wheel *w, uint64_t time)
{
    return time >> w->shift & (w->slots - 1u);
}

/* Slot after slot, until what is due in two seconds.  Empty ones are passed in one step: behind a
 * long silence, or a clock that was put right, there are very many. */
static enum progress open_slots(struct shard *s, struct queue *q, uint32_t *budget)
{
    uint64_t last = delayed_cursor_at(s->now + DELAYED_AHEAD_MS);
    struct delayed *d = q->delayed;

    while (d->cursor != 0 && d->cursor < last) {
        uint64_t next = next_full(q);
        if (next > last) {
            d->cursor = last;
            break;
        }
        d->cursor = next - (1ull << WHEELS[0].shift); /* those before it are empty */
        enum progress progress = open_next(s, q, next, budget);
        if (progress != PROGRESS_DONE)
            return progress;
        d->cursor = next;
    }
    return PROGRESS_DONE;
}

/* The start of the next slot that holds something; UINT64_MAX: none does.  Of each wheel those are
 * looked at that come before the next slot of a wider one. */
static uint64_t next_full(struct queue *q)
{
    uint64_t at = q->delayed->cursor + (1ull << WHEELS[0].shift);

    if (is_half_narrowed(q, at))
        return at;
    for (int i = 0; i < WHEELS_COUNT; i++) {
        const struct wheel *w = &WHEELS[i];
        uint64_t slot = (at + (1ull << w->shift) - 1) >> w->shift;
        bool is_widest = i == WHEELS_COUNT - 1;
        for (uint32_t n = 0; is_widest ? n < w->slots : slot % w->slots != 0; n++, slot++)
            if (!backlog_is_empty(queue_level(q, (uint8_t)(w->base + slot % w->slots))))
                return slot << w->shift;
        at = slot << w->shift;
    }
    return UINT64_MAX;
}

/* Where a slot of a wider wheel begins, all of a narrower one's are empty, unless a part of that slot
 * is in them already; the rest may have been lost with a crash, so that nothing else tells of it. */
static bool is_half_narrowed(struct queue *q, uint64_t at)
{
    for (int i = 0; i < WHEELS_COUNT - 1; i++) {
        if ((at & ((1ull << WHEELS[i + 1].shift) - 1)) != 0)
            break;
        for (uint32_t n = 0; n < WHEELS[i].slots; n++)
            if (!backlog_is_empty(queue_level(q, (uint8_t)(WHEELS[i].base + n))))
                return true;
    }
    return false;
}

/* The widest first: what it has for the narrower ones is older than what comes from now on. */
static enum progress open_next(struct shard *s, struct queue *q, uint64_t next, uint32_t *budget)
{
    for (int i = WHEELS_COUNT - 1; i >= 0; i--) {
        const struct wheel *w = &WHEELS[i];
        if ((next & ((1ull << w->shift) - 1)) != 0)
            continue;
        struct backlog *b = queue_level(q, (uint8_t)(w->base + slot_of(w, next)));
        enum progress progress = i > 0 ? narrow(s, q, b, next, budget)
                                       : bring_near(s, q, b, next, budget);
        if (progress != PROGRESS_DONE)
            return progress;
    }
    return PROGRESS_DONE;
}

/* Without messages: most of it has time. */
static enum progress narrow(struct shard *s, struct queue *q, struct backlog *b, uint64_t next,
                            uint32_t *budget)
{
    struct entry entry;

    while (!backlog_is_empty(b)) {
        if (aside_count(q) + q->backlog.count >= SL_DELAYED_NEAR_MAX)
            return PROGRESS_WAITS;
        if (*budget == 0)
            return PROGRESS_MORE;
        if (backlog_peek(b, &entry) == BACKLOG_AWAY && entry.place.v == 0) {
            recall_ask_entries(s, q, b);
            return PROGRESS_WAITS;
        }
        --*budget;
        backlog_pop(b, &entry);
        delayed_put(q, &entry, delayed_level(next, entry.deadline));
        if (b->is_turned)
            recall_ask_entries(s, q, b);
    }
    return PROGRESS_DONE;
}

static enum progress bring_near(struct shard *s, struct queue *q, struct backlog *b, uint64_t next,
                                uint32_t *budget)
{
    struct entry entry;

    while (!backlog_is_empty(b)) {
        if (aside_count(q) >= SL_DELAYED_NEAR_MAX)
            return PROGRESS_WAITS;
        if (*budget == 0)
            return PROGRESS_MORE;
        if (backlog_peek(b, &entry) != BACKLOG_READY) {
            recall_ask_due(s, q, b);
            return PROGRESS_WAITS;
        }
        --*budget;
        backlog_pop(b, &entry);
        delayed_put(q, &entry, delayed_level(next, entry.deadline));
        if (b->is_turned)
            recall_ask_due(s, q, b);
    }
    return PROGRESS_DONE;
}

static uint64_t held_of(const struct queue *q)
{
    return atomic_load_explicit(&q->def->held, memory_order_relaxed);
}

static bool has_far(const struct queue *q)
{
    return held_of(q) > aside_count(q) + q->backlog.count;
}

/* At once, and not only when memory is short: it is known to have time.  What is brought near now
 * stays. */
static void page_out(struct shard *s, struct queue *q)
{
    uint64_t next = q->delayed->cursor + (1ull << WHEELS[0].shift);
    uint8_t opening[WHEELS_COUNT];

    for (int i = 0; i < WHEELS_COUNT; i++)
        opening[i] = (uint8_t)(WHEELS[i].base + slot_of(&WHEELS[i], next));
    for (uint32_t level = 1; level < LEVELS && q->levels != NULL; level++)
        if (memchr(opening, (int)level, sizeof opening) == NULL)
            paging_page_out(s, q, queue_level(q, (uint8_t)level));
}
