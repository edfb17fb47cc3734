#include "core/paging.h"

#include "core/chunk.h"
#include "core/levels.h"
#include "core/memory.h"
#include "core/paging_parts.h"

#define RUN_BUDGET 16384u /* of work in one run: an entry looked at is one, and see paging_write */

struct store_walk { /* over the backlogs of a queue */
    struct shard *shard;
    struct queue *queue;
};

static void store_chunks_of(void *context, uint8_t priority, struct backlog *b);
static bool is_worth_storing(const struct chunk *c);
static void drop_durable(struct shard *s);
static enum paging_step step_for(const struct shard *s);
static void list_all(struct shard *s);

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
        paging_spend(&budget, 8);
        enum paging_progress progress = paging_of_queue(s, q, &budget);
        if (progress != PAGING_DONE)
            list_push(progress == PAGING_MORE ? &p->queues : &p->later, &q->of_paging);
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
    struct store_walk walk = {s, q};

    queue_each_backlog(q, store_chunks_of, &walk);
}

void paging_page_out(struct shard *s, struct queue *q, struct backlog *b)
{
    uint32_t budget = RUN_BUDGET;

    if (s->paging.budget == 0 || s->run->order->log == NULL ||
        commit_log_is_out_of_room(s->run->order->log))
        return;
    while (b->closed_count > 0 && budget > 0)
        paging_drop_closed(s, q, b, &budget);
}

static void store_chunks_of(void *context, uint8_t priority, struct backlog *b)
{
    struct store_walk *walk = context;
    uint32_t unlimited = UINT32_MAX;

    (void)priority;
    for (struct chunk *c = b->closed_first; c != NULL; c = c->newer)
        if (c->index == NULL && c->from == 0 && is_worth_storing(c))
            paging_store(walk->shard, walk->queue, c, &unlimited);
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
