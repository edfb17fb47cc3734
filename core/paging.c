#include "core/paging.h"

#include "core/aside.h"
#include "core/base/assert.h"
#include "core/chunk.h"
#include "core/consumer.h"
#include "core/direct_reply.h"
#include "core/index.h"
#include "core/levels.h"
#include "core/memory.h"
#include "core/recall.h"

#define RUN_BUDGET 16384u /* of work in one run: an entry looked at is one, */
#define WRITE_BYTES 64u   /* and so is this much of a message written */
#define BATCH SL_CHUNK_ENTRIES_MAX

enum progress { PROGRESS_DONE, PROGRESS_MORE, PROGRESS_WAITS };

struct page_walk { /* over the backlogs of a queue */
    struct shard *shard;
    struct queue *queue;
    uint32_t *budget;
    enum progress progress;
};

static void store_chunks_of(void *context, uint8_t priority, struct backlog *b);
static bool is_worth_storing(const struct chunk *c);
static void drop_durable(struct shard *s);
static enum paging_step step_for(const struct shard *s);
static void list_all(struct shard *s);
static enum progress page_queue(struct shard *s, struct queue *q, uint32_t *budget);
static void note_progress(struct page_walk *walk, enum progress progress);
static void page_chunks_of(void *context, uint8_t priority, struct backlog *b);
static void page_rest_of(void *context, uint8_t priority, struct backlog *b);
static bool page_chunk(struct shard *s, struct queue *q, struct backlog *b, uint32_t *budget);
static void page_closed(struct shard *s, struct queue *q, struct backlog *b, uint32_t *budget);
static enum progress page_loans(struct shard *s, struct queue *q, uint32_t *budget);
static enum progress page_consumer(struct shard *s, struct consumer *c, uint32_t *budget);
static enum progress page_aside(struct shard *s, struct queue *q, uint32_t *budget);
static enum progress page_rest(struct shard *s, struct backlog *b, uint32_t *budget);
static uint32_t page_row(struct shard *s, struct entry *entries, size_t n, uint32_t *budget);
static uint32_t strip(struct shard *s, struct entry **entries, uint32_t n);
static void store(struct shard *s, const struct queue *q, struct chunk *c, uint32_t *budget);
static void write_row(struct shard *s, struct entry *entries, size_t n, uint32_t *budget);
static void write_messages(struct shard *s, struct entry **entries, uint32_t n, uint32_t *budget);
static void place_messages(struct shard *s, struct entry **written, const uint64_t *offsets,
                           const uint32_t *lengths, uint32_t n);
static uint64_t leaving_of(const struct chunk *c);
static void spend(uint32_t *budget, uint64_t work);

void paging_init(struct paging *p, uint64_t budget)
{
    *p = (struct paging){.budget = budget};
    list_init(&p->queues);
    list_init(&p->later);
    list_init(&p->dropping);
}

bool paging_run(struct shard *s)
{
    struct paging *p = &s->paging;
    uint32_t budget = RUN_BUDGET;
    struct list *at;

    if (p->budget == 0 || s->run->order->log == NULL)
        return false;
    drop_durable(s);
    enum paging_step step = step_for(s);
    if (step > p->step) {
        p->has_risen = true;
        list_all(s);
    }
    p->step = step;
    if (step == PAGING_NONE)
        return false;
    while (budget > 0 && step_for(s) != PAGING_NONE && (at = list_pop(&p->queues)) != NULL) {
        struct queue *q = LIST_OF(at, struct queue, of_paging);
        spend(&budget, 8);
        enum progress progress = page_queue(s, q, &budget);
        if (progress != PROGRESS_DONE)
            list_push(progress == PROGRESS_MORE ? &p->queues : &p->later, &q->of_paging);
    }
    if (paging_waits_for_log(p))
        order_hurry(s->run->order);
    return budget == 0;
}

void paging_note(struct shard *s, struct queue *q)
{
    if (list_is_empty(&q->of_paging))
        list_push(&s->paging.queues, &q->of_paging);
}

bool paging_waits_for_log(const struct paging *p)
{
    return !list_is_empty(&p->dropping) || p->wait.v != 0;
}

bool paging_is_freed_by(const struct paging *p, sl_lsn durable)
{
    if (p->wait.v != 0 && sl_lsn_reached(durable, p->wait))
        return true;
    return !list_is_empty(&p->dropping) &&
           sl_lsn_reached(durable,
                          chunk_index_end(LIST_OF(p->dropping.next, struct chunk, of_dropping)));
}

void paging_store_full_chunks(struct shard *s, struct queue *q)
{
    uint32_t unlimited = UINT32_MAX;
    struct page_walk walk = {s, q, &unlimited, PROGRESS_DONE};

    queue_each_backlog(q, store_chunks_of, &walk);
}

void paging_page_out(struct shard *s, struct queue *q, struct backlog *b)
{
    uint32_t budget = RUN_BUDGET;

    if (s->paging.budget == 0 || s->run->order->log == NULL ||
        commit_log_is_out_of_room(s->run->order->log))
        return;
    while (b->closed_count > 0 && budget > 0)
        page_closed(s, q, b, &budget);
}

static void store_chunks_of(void *context, uint8_t priority, struct backlog *b)
{
    struct page_walk *walk = context;

    (void)priority;
    for (struct chunk *c = b->closed_first; c != NULL; c = c->newer)
        if (c->index == NULL && c->from == 0 && is_worth_storing(c))
            store(walk->shard, walk->queue, c, walk->budget);
}

/* Every message is in the log already, and a restart needs some. */
static bool is_worth_storing(const struct chunk *c)
{
    bool is_logged = false;

    for (uint32_t i = c->from; i < c->to; i++) {
        if (c->entries[i].place.v == 0)
            return false;
        is_logged |= (c->entries[i].flags & ENTRY_LOGGED) != 0;
    }
    return is_logged;
}

static void drop_durable(struct shard *s)
{
    struct paging *p = &s->paging;
    sl_lsn durable = shard_durable(s);
    struct list *at;

    if (p->wait.v != 0 && sl_lsn_reached(durable, p->wait)) {
        while ((at = list_pop(&p->later)) != NULL)
            list_push(&p->queues, at);
        p->wait.v = 0;
    }
    while (!list_is_empty(&p->dropping)) {
        struct chunk *c = LIST_OF(p->dropping.next, struct chunk, of_dropping);
        if (!sl_lsn_reached(durable, chunk_index_end(c)))
            return;
        chunk_drop(c);
    }
    p->leaving = 0;
}

/* What is about to be dropped counts no more; a step is kept until well below its mark. */
static enum paging_step step_for(const struct shard *s)
{
    static const uint32_t MARKS[] = {[PAGING_CHUNKS] = 8, [PAGING_LOANS] = 10, [PAGING_ALL] = 12};
    const struct paging *p = &s->paging;
    enum paging_step step = PAGING_ALL;

    memory_settle();
    uint64_t used = memory_used();
    used = used > p->leaving ? used - p->leaving : 0;
    while (step > PAGING_NONE) {
        uint64_t mark = p->budget / 16 * MARKS[step];
        if (used > mark || (p->step >= step && used > mark - p->budget / 16))
            break;
        step--;
    }
    return step;
}

static void list_all(struct shard *s)
{
    for (uint32_t i = 0; i < s->queues_room; i++) {
        struct queue *q = s->queues[i];
        if (q != NULL && (queue_count(q) > 0 || q->out > 0))
            paging_note(s, q);
    }
}

static enum progress page_queue(struct shard *s, struct queue *q, uint32_t *budget)
{
    struct page_walk walk = {s, q, budget, PROGRESS_DONE};

    if (q->def->is_reply) {
        if (s->paging.step >= PAGING_ALL)
            direct_reply_shed(s, q);
        return PROGRESS_DONE;
    }
    queue_each_backlog(q, page_chunks_of, &walk);
    if (walk.progress != PROGRESS_MORE && s->paging.step >= PAGING_LOANS)
        note_progress(&walk, page_loans(s, q, budget));
    if (walk.progress != PROGRESS_MORE && s->paging.step >= PAGING_LOANS && q->aside != NULL)
        note_progress(&walk, page_aside(s, q, budget));
    if (walk.progress != PROGRESS_MORE && s->paging.step >= PAGING_ALL)
        queue_each_backlog(q, page_rest_of, &walk);
    return walk.progress;
}

static void note_progress(struct page_walk *walk, enum progress progress)
{
    if (walk->progress == PROGRESS_DONE || progress == PROGRESS_MORE)
        walk->progress = progress;
}

static void page_chunks_of(void *context, uint8_t priority, struct backlog *b)
{
    struct page_walk *walk = context;

    (void)priority;
    if (page_chunk(walk->shard, walk->queue, b, walk->budget))
        walk->progress = PROGRESS_MORE;
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
    page_closed(s, q, b, budget);
    return b->closed_count > kept;
}

/* The youngest: it has the longest time. */
static void page_closed(struct shard *s, struct queue *q, struct backlog *b, uint32_t *budget)
{
    struct chunk *c = b->closed_last;

    if (c->index == NULL)
        store(s, q, c, budget);
    spend(budget, SL_CHUNK_ENTRIES_MAX);
    backlog_unlist(b, c);
    if (sl_lsn_reached(shard_durable(s), chunk_index_end(c)))
        chunk_drop(c);
    else {
        s->paging.leaving += leaving_of(c);
        list_push(&s->paging.dropping, &c->of_dropping);
    }
}

/* Consumers take turns, too; one without messages leaves until it is lent another. */
static enum progress page_loans(struct shard *s, struct queue *q, uint32_t *budget)
{
    struct list *last = q->holders.prev;
    enum progress progress = PROGRESS_DONE;
    struct list *at;

    while ((at = list_pop(&q->holders)) != NULL) {
        spend(budget, 1);
        enum progress one = page_consumer(s, LIST_OF(at, struct consumer, of_holders), budget);
        if (one != PROGRESS_DONE)
            list_push(&q->holders, at);
        if (one == PROGRESS_MORE)
            return one;
        if (one == PROGRESS_WAITS)
            progress = one;
        if (at == last)
            return progress;
        if (*budget == 0)
            return PROGRESS_MORE;
    }
    return progress;
}

static enum progress page_consumer(struct shard *s, struct consumer *c, uint32_t *budget)
{
    struct entry *loans[BATCH];
    uint32_t n = consumer_residents(c, loans, BATCH);

    write_messages(s, loans, n, budget);
    if (strip(s, loans, n) < n)
        return PROGRESS_WAITS;
    spend(budget, n);
    return n == BATCH ? PROGRESS_MORE : PROGRESS_DONE;
}

static enum progress page_aside(struct shard *s, struct queue *q, uint32_t *budget)
{
    struct entry *entries[BATCH];
    uint32_t n = aside_residents(q, entries, BATCH);

    write_messages(s, entries, n, budget);
    bool is_done = strip(s, entries, n) == n;
    aside_note_stripped(q, entries, n);
    spend(budget, n);
    if (!is_done)
        return PROGRESS_WAITS;
    return n == BATCH ? PROGRESS_MORE : PROGRESS_DONE;
}

static enum progress page_rest(struct shard *s, struct backlog *b, uint32_t *budget)
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
    return left > 0 ? PROGRESS_WAITS : PROGRESS_DONE;
}

/* Returns how many of them have let go of their message. */
static uint32_t page_row(struct shard *s, struct entry *entries, size_t n, uint32_t *budget)
{
    struct entry *batch[BATCH];
    uint32_t stripped = 0;

    for (size_t i = 0; i < n;) {
        uint32_t count = 0;
        for (; i < n && count < BATCH; i++)
            if (entries[i].msg != NULL)
                batch[count++] = &entries[i];
        write_messages(s, batch, count, budget);
        stripped += strip(s, batch, count);
    }
    spend(budget, n);
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

static void store(struct shard *s, const struct queue *q, struct chunk *c, uint32_t *budget)
{
    struct log_run *record = &s->run->at_once;
    uint32_t count = c->to - c->from;

    write_row(s, c->entries + c->from, count, budget);
    uint8_t *at = log_run_add(record, RECORD_INDEX, 0, false, index_bytes(count));
    index_write(at, q->ref.number, c->entries + c->from, count);
    struct log_place place = order_place(s->run->order, record);
    chunk_store(c, &s->live, place.start, record_length(index_bytes(count)));
}

static void write_row(struct shard *s, struct entry *entries, size_t n, uint32_t *budget)
{
    struct entry *batch[BATCH];

    SL_ASSERT(n <= BATCH);
    for (size_t i = 0; i < n; i++)
        batch[i] = &entries[i];
    write_messages(s, batch, (uint32_t)n, budget);
}

/* Messages that have no record get one; small ones many at once. */
static void write_messages(struct shard *s, struct entry **entries, uint32_t n, uint32_t *budget)
{
    struct entry *written[BATCH];
    uint64_t offsets[BATCH];
    uint32_t lengths[BATCH];
    struct log_run *run = &s->run->at_once;
    uint32_t count = 0;

    SL_ASSERT(n <= BATCH);
    for (uint32_t i = 0; i < n; i++) {
        if (entries[i]->place.v != 0)
            continue;
        SL_ASSERT(entries[i]->msg != NULL);
        written[count] = entries[i];
        offsets[count] = journal_paged(run, entries[i]->msg, &lengths[count]);
        spend(budget, lengths[count++] / WRITE_BYTES);
        if (run->bytes < SL_CHUNK_BODY_BYTES)
            continue;
        place_messages(s, written, offsets, lengths, count);
        count = 0;
    }
    if (count > 0)
        place_messages(s, written, offsets, lengths, count);
}

static void place_messages(struct shard *s, struct entry **written, const uint64_t *offsets,
                           const uint32_t *lengths, uint32_t n)
{
    struct log_place place = order_place(s->run->order, &s->run->at_once);

    for (uint32_t i = 0; i < n; i++) {
        struct entry *entry = written[i];
        entry->place.v = place.start.v + offsets[i];
        entry->record_len = lengths[i];
        entry->copies = 1;
        shard_begin_entry(s, entry); /* of the log it holds something only now */
    }
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

static void spend(uint32_t *budget, uint64_t work)
{
    *budget = work >= *budget ? 0 : *budget - (uint32_t)work;
}
