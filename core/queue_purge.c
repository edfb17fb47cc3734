/* queue_purge.c - the part of queue.h that drops what is ready, all at once. */
#include "core/admission.h"
#include "core/aside.h"
#include "core/base/assert.h"
#include "core/consumer.h"
#include "core/levels.h"

#include <stdlib.h>

struct ending { /* of all that is ready */
    struct shard *shard;
    sl_seq highest;
};

static void end_all(struct shard *s, struct queue *q, struct ending *ending);
static void end_backlog(void *context, uint8_t priority, struct backlog *b);
static void end_entry(void *context, struct entry *entry);
static void note_purge(struct shard *s, struct queue *q, sl_seq highest);
static uint32_t list_out(const struct queue *q, bool is_logged, sl_seq highest, sl_seq *out);
static int by_value(const void *a, const void *b);

uint64_t queue_purge(struct shard *s, struct queue *q)
{
    struct ending ending = {s, {0}};

    queue_tend(s, q);
    uint64_t count = queue_count(q);
    if (count == 0)
        return 0;
    end_all(s, q, &ending);
    if (q->ref.number != 0 || q->dedup != NULL)
        note_purge(s, q, ending.highest);
    shard_queue_is_busy(s, q); /* gets may be waiting */
    return count;
}

void queue_empty(struct shard *s, struct queue *q)
{
    struct ending ending = {s, {0}};

    end_all(s, q, &ending);
}

static void end_all(struct shard *s, struct queue *q, struct ending *ending)
{
    ending->shard = s;
    ending->highest = queue_newest(q);
    uint64_t count = queue_count(q);
    queue_each_backlog(q, end_backlog, ending);
    aside_clear(q, end_entry, ending);
    if (q->ref.admission != NULL)
        admission_give(q->ref.admission, count, q->ready_bytes);
    q->ready_bytes = 0;
}

static void end_backlog(void *context, uint8_t priority, struct backlog *b)
{
    (void)priority;
    backlog_clear(b, end_entry, context);
}

static void end_entry(void *context, struct entry *entry)
{
    struct ending *ending = context;

    if (entry->seq.v > ending->highest.v) /* of a life before */
        ending->highest = entry->seq;
    shard_end_entry(ending->shard, entry);
}

/* What is out is not purged: the record names it, and its id stays. */
static void note_purge(struct shard *s, struct queue *q, sl_seq highest)
{
    sl_seq *stay = malloc((q->out + 1) * sizeof *stay);

    SL_ASSERT(stay != NULL); /* bounded by prefetch */
    if (q->ref.number != 0) {
        uint32_t n = list_out(q, true, highest, stay);
        journal_purged(&s->run->journal, q->ref.number, highest, stay, n);
    }
    if (q->dedup != NULL && q->dedup_rules.is_until_settled)
        dedup_purge_in_order(s, q, stay, list_out(q, false, (sl_seq){UINT64_MAX}, stay));
    free(stay);
}

/* Of those that are logged, or of all; growing. */
static uint32_t list_out(const struct queue *q, bool is_logged, sl_seq highest, sl_seq *out)
{
    uint32_t n = 0;

    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next) {
        struct consumer *c = LIST_OF(at, struct consumer, of_queue);
        for (size_t i = c->first; i < c->end; i++)
            if (c->loans[i].entry.seq.v != 0 && c->loans[i].entry.seq.v <= highest.v &&
                (!is_logged || (c->loans[i].entry.flags & ENTRY_LOGGED) != 0))
                out[n++] = c->loans[i].entry.seq;
    }
    SL_ASSERT(n <= q->out);
    qsort(out, n, sizeof out[0], by_value);
    return n;
}

static int by_value(const void *a, const void *b)
{
    const sl_seq *left = a;
    const sl_seq *right = b;

    return left->v < right->v ? -1 : left->v > right->v;
}
