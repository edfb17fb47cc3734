/* paging_queue.c - the part of paging.h that takes out of memory what one queue holds. */
#include "core/aside.h"
#include "core/consumer.h"
#include "core/direct_reply.h"
#include "core/levels.h"
#include "core/paging_parts.h"
#include "core/recall.h"

struct page_walk { /* over the backlogs of a queue */
    struct shard *shard;
    struct queue *queue;
    uint32_t *budget;
    enum paging_progress progress;
};

static void note_progress(struct page_walk *walk, enum paging_progress progress);
static void page_chunks_of(void *context, uint8_t priority, struct backlog *b);
static void page_rest_of(void *context, uint8_t priority, struct backlog *b);
static bool page_chunk(struct shard *s, struct queue *q, struct backlog *b, uint32_t *budget);
static enum paging_progress page_loans(struct shard *s, struct queue *q, uint32_t *budget);
static enum paging_progress page_consumer(struct shard *s, struct consumer *c, uint32_t *budget);
static enum paging_progress page_aside(struct shard *s, struct queue *q, uint32_t *budget);
static enum paging_progress page_rest(struct shard *s, struct backlog *b, uint32_t *budget);
static uint32_t page_row(struct shard *s, struct entry *entries, size_t n, uint32_t *budget);
static uint32_t strip(struct shard *s, struct entry **entries, uint32_t n);
static uint64_t leaving_of(const struct chunk *c);

enum paging_progress paging_of_queue(struct shard *s, struct queue *q, uint32_t *budget)
{
    struct page_walk walk = {s, q, budget, PAGING_DONE};

    if (q->def->is_reply) {
        if (s->paging.step >= PAGING_ALL)
            direct_reply_shed(s, q);
        return PAGING_DONE;
    }
    queue_each_backlog(q, page_chunks_of, &walk);
    if (walk.progress != PAGING_MORE && s->paging.step >= PAGING_LOANS)
        note_progress(&walk, page_loans(s, q, budget));
    if (walk.progress != PAGING_MORE && s->paging.step >= PAGING_LOANS && q->aside != NULL)
        note_progress(&walk, page_aside(s, q, budget));
    if (walk.progress != PAGING_MORE && s->paging.step >= PAGING_ALL)
        queue_each_backlog(q, page_rest_of, &walk);
    return walk.progress;
}

static void note_progress(struct page_walk *walk, enum paging_progress progress)
{
    if (walk->progress == PAGING_DONE || progress == PAGING_MORE)
        walk->progress = progress;
}

static void page_chunks_of(void *context, uint8_t priority, struct backlog *b)
{
    struct page_walk *walk = context;

    (void)priority;
    if (page_chunk(walk->shard, walk->queue, b, walk->budget))
        walk->progress = PAGING_MORE;
}

static void page_rest_of(void *context, uint8_t priority, struct backlog *b)
{
    struct page_walk *walk = context;

    (void)priority;
    note_progress(walk, page_rest(walk->shard, b, walk->budget));
}

/* True: there are more. */
static bool page_chunk(struct shard *s, struct queue *q, struct backlog *b, uint32_t *budget)
{
    uint32_t kept = s->paging.step >= PAGING_ALL ? 0 : RECALL_AHEAD;
    struct chunk *c = b->closed_last;

    if (c == NULL || b->closed_count <= kept)
        return false;
    paging_drop_closed(s, q, b, budget);
    return b->closed_count > kept;
}

void paging_drop_closed(struct shard *s, struct queue *q, struct backlog *b, uint32_t *budget)
{
    struct chunk *c = b->closed_last;

    if (c->index == NULL)
        paging_store(s, q, c, budget);
    paging_spend(budget, SL_CHUNK_ENTRIES_MAX);
    backlog_unlist(b, c);
    if (sl_lsn_reached(shard_durable(s), chunk_index_end(c)))
        chunk_drop(c);
    else {
        s->paging.leaving += leaving_of(c);
        list_push(&s->paging.dropping, &c->of_dropping);
    }
}

/* Consumers take turns, too; one without messages leaves until it is lent another. */
static enum paging_progress page_loans(struct shard *s, struct queue *q, uint32_t *budget)
{
    struct list *last = q->holders.prev;
    enum paging_progress progress = PAGING_DONE;
    struct list *at;

    while ((at = list_pop(&q->holders)) != NULL) {
        paging_spend(budget, 1);
        enum paging_progress one =
            page_consumer(s, LIST_OF(at, struct consumer, of_holders), budget);
        if (one != PAGING_DONE)
            list_push(&q->holders, at);
        if (one == PAGING_MORE)
            return one;
        if (one == PAGING_WAITS)
            progress = one;
        if (at == last)
            return progress;
        if (*budget == 0)
            return PAGING_MORE;
    }
    return progress;
}

static enum paging_progress page_consumer(struct shard *s, struct consumer *c, uint32_t *budget)
{
    struct entry *loans[PAGING_BATCH];
    uint32_t n = consumer_residents(c, loans, PAGING_BATCH);

    paging_write(s, loans, n, budget);
    if (strip(s, loans, n) < n)
        return PAGING_WAITS;
    paging_spend(budget, n);
    return n == PAGING_BATCH ? PAGING_MORE : PAGING_DONE;
}

static enum paging_progress page_aside(struct shard *s, struct queue *q, uint32_t *budget)
{
    struct entry *entries[PAGING_BATCH];
    uint32_t n = aside_residents(q, entries, PAGING_BATCH);

    paging_write(s, entries, n, budget);
    bool is_done = strip(s, entries, n) == n;
    aside_note_stripped(q, entries, n);
    paging_spend(budget, n);
    if (!is_done)
        return PAGING_WAITS;
    return n == PAGING_BATCH ? PAGING_MORE : PAGING_DONE;
}

static enum paging_progress page_rest(struct shard *s, struct backlog *b, uint32_t *budget)
{
    struct chunk *const open[] = {b->tail, b->front};
    uint64_t left = 0;

    for (int i = 0; i < 2; i++) {
        struct chunk *c = open[i];
        if (c == NULL || c->resident == 0)
            continue;
        c->resident -= page_row(s, c->entries + c->from, c->to - c->from, budget);
        left += c->resident;
    }
    if (b->returned_resident > 0)
        b->returned_resident -= page_row(s, b->returned, b->returned_count, budget);
    left += b->returned_resident;
    return left > 0 ? PAGING_WAITS : PAGING_DONE;
}

/* Returns how many of them have let go of their message. */
static uint32_t page_row(struct shard *s, struct entry *entries, size_t n, uint32_t *budget)
{
    struct entry *batch[PAGING_BATCH];
    uint32_t stripped = 0;

    for (size_t i = 0; i < n;) {
        uint32_t count = 0;
        for (; i < n && count < PAGING_BATCH; i++)
            if (entries[i].msg != NULL)
                batch[count++] = &entries[i];
        paging_write(s, batch, count, budget);
        stripped += strip(s, batch, count);
    }
    paging_spend(budget, n);
    return stripped;
}

/* Those whose records are durable; the first that is not is waited for. */
static uint32_t strip(struct shard *s, struct entry **entries, uint32_t n)
{
    sl_lsn durable = shard_durable(s);
    sl_lsn *wait = &s->paging.wait;
    uint32_t stripped = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct entry *e = entries[i];
        sl_lsn end = {e->place.v + e->record_len};
        if (sl_lsn_reached(durable, end)) {
            message_unref(e->msg);
            e->msg = NULL;
            stripped++;
        } else if (wait->v == 0 || end.v < wait->v)
            *wait = end;
    }
    return stripped;
}

/* What memory its messages take, for as much as only this queue holds them. */
static uint64_t leaving_of(const struct chunk *c)
{
    uint64_t bytes = 0;

    for (uint32_t i = c->from; i < c->to; i++)
        if (c->entries[i].msg != NULL)
            bytes += message_cost(c->entries[i].msg);
    return bytes;
}
