#include "core/recall.h"

#include "core/base/log.h"
#include "core/levels.h"
#include "core/memory.h"

#define TURNS 32u /* queues that may ask again in one run of the shard */

struct answer_taker {
    struct fetch_request *request;
    bool is_taken;
};

typedef struct fetch_request *asker(struct backlog *b, uint32_t ahead, uint64_t cookie);

static void ask(struct shard *s, struct queue *q, struct backlog *b, asker *next, uint32_t ahead);
static uint32_t ahead_of(const struct shard *s);
static bool has_room(const struct shard *s);
static void take(void *context, uint8_t priority, struct backlog *b);
static void note_failure(struct shard *s, struct queue *q, const struct fetch_request *r);
static void retry_in(struct shard *s, struct queue *q, uint64_t ms);

void recall_ask(struct shard *s, struct queue *q, struct backlog *b)
{
    ask(s, q, b, backlog_ask, ahead_of(s));
}

void recall_ask_due(struct shard *s, struct queue *q, struct backlog *b)
{
    ask(s, q, b, backlog_ask, ahead_of(s) == 1 ? RECALL_AHEAD : RECALL_DUE_AHEAD);
}

void recall_ask_entries(struct shard *s, struct queue *q, struct backlog *b)
{
    ask(s, q, b, backlog_ask_entries, RECALL_ENTRIES_AHEAD);
}

void recall_go_on(struct shard *s)
{
    struct list *at;

    for (uint32_t i = 0; i < TURNS && has_room(s) && (at = list_pop(&s->asking)) != NULL; i++)
        shard_queue_is_busy(s, LIST_OF(at, struct queue, of_asking));
}

bool recall_can_go_on(const struct shard *s)
{
    return has_room(s) && !list_is_empty(&s->asking);
}

void recall_take(struct shard *s, struct fetch_request *r)
{
    struct answer_taker taker = {r, false};
    struct queue *q = shard_queue(s, r->queue);

    if (q != NULL && q->prepared != NULL) {
        prepared_fetched(s, q, r);
        return;
    }
    s->asked_bytes -= r->bytes;
    if (q != NULL)
        queue_each_backlog(q, take, &taker);
    if (taker.is_taken) {
        if (r->err != SL_OK)
            note_failure(s, q, r);
        else
            shard_queue_is_busy(s, q);
        if (paging_is_on(&s->paging))
            paging_note(s, q);
    } else if (q != NULL)
        shard_queue_is_busy(s, q); /* its chunk changed meanwhile: it asks again */
    fetch_request_free(r);
}

void recall_retry(struct shard *s)
{
    uint64_t now = order_time(s->run->order);

    while (recall_next_due(s) <= now) {
        struct queue *q = LIST_OF(s->retrying.next, struct queue, of_retrying);
        list_remove(&q->of_retrying);
        shard_queue_is_busy(s, q);
    }
}

uint64_t recall_next_due(const struct shard *s)
{
    if (list_is_empty(&s->retrying))
        return UINT64_MAX;
    return LIST_OF(s->retrying.next, struct queue, of_retrying)->retry_at;
}

static void ask(struct shard *s, struct queue *q, struct backlog *b, asker *next, uint32_t ahead)
{
    struct fetch_request *r;

    b->is_turned = false;
    if (s->fetch == NULL || !list_is_empty(&q->of_retrying))
        return;
    if (!has_room(s)) { /* an answer to what is under way makes it busy anyhow */
        if (!backlog_is_asked(b) && list_is_empty(&q->of_asking))
            list_push(&s->asking, &q->of_asking);
        return;
    }
    while (has_room(s) && (r = next(b, ahead, s->cookies + 1)) != NULL) {
        s->cookies++;
        s->asked_bytes += r->bytes;
        r->answer_to = &s->inbox;
        r->queue = q->ref.at;
        fetch_post(s->fetch, r);
    }
}

/* With many queues it is much that is ahead in all of them: then only what is needed next. */
static uint32_t ahead_of(const struct shard *s)
{
    uint64_t budget = s->paging.budget;

    return budget > 0 && memory_used() > budget / 4 ? 1 : RECALL_AHEAD;
}

/* A single request may be larger. */
static bool has_room(const struct shard *s)
{
    return s->paging.budget == 0 || s->asked_bytes == 0 ||
           s->asked_bytes < s->paging.budget / (RECALL_SHARE * (uint64_t)s->workers);
}

static void take(void *context, uint8_t priority, struct backlog *b)
{
    struct answer_taker *taker = context;

    (void)priority;
    if (!taker->is_taken)
        taker->is_taken = backlog_take(b, taker->request);
}

static void note_failure(struct shard *s, struct queue *q, const struct fetch_request *r)
{
    const char *reason = r->err == SL_ENOENT     ? "no such segment"
                         : r->err == SL_ECORRUPT ? "no whole record"
                         : r->err == SL_ENOMEM   ? "no memory"
                                                 : "read failed";

    if (!list_is_empty(&q->of_retrying))
        return;                /* asked for together with what failed before */
    if (r->err == SL_EAGAIN) { /* it moved a moment ago */
        order_hurry(s->run->order);
        retry_in(s, q, RECALL_SOON_MS);
        return;
    }
    sl_error("store.unreadable", "queue=\"%.*s\" place=%llu reason=\"%s\"", (int)q->name.len,
             (const char *)q->name.at, (unsigned long long)r->failed_at.v, reason);
    retry_in(s, q, RECALL_RETRY_MS);
}

/* Those that are waiting stand in the order of their times. */
static void retry_in(struct shard *s, struct queue *q, uint64_t ms)
{
    struct list *after = s->retrying.prev;

    if (!list_is_empty(&q->of_retrying))
        return;
    q->retry_at = order_time(s->run->order) + ms;
    while (after != &s->retrying &&
           LIST_OF(after, struct queue, of_retrying)->retry_at > q->retry_at)
        after = after->prev;
    list_push(after->next, &q->of_retrying);
}
