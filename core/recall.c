#include "core/recall.h"

#include "core/base/log.h"
#include "core/levels.h"

struct answer_taker {
    struct fetch_request *request;
    bool is_taken;
};

static void take(void *context, uint8_t priority, struct backlog *b);
static void note_failure(struct shard *s, struct queue *q, const struct fetch_request *r);

void recall_ask(struct shard *s, struct queue *q, struct backlog *b)
{
    struct fetch_request *r;

    b->is_turned = false;
    if (s->fetch == NULL || !list_is_empty(&q->of_retrying))
        return;
    /* Where memory is short, only what is needed next. */
    uint32_t ahead = s->paging.step >= PAGING_ALL ? 1 : RECALL_AHEAD;
    while ((r = backlog_ask(b, ahead, s->cookies + 1)) != NULL) {
        s->cookies++;
        r->answer_to = &s->inbox;
        r->queue = q->ref.at;
        fetch_post(s->fetch, r);
    }
}

void recall_take(struct shard *s, struct fetch_request *r)
{
    struct answer_taker taker = {r, false};
    struct queue *q = shard_queue(s, r->queue);

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
        return; /* asked for together with what failed before */
    sl_error("store.unreadable", "queue=\"%.*s\" place=%llu reason=\"%s\"", (int)q->name.len,
             (const char *)q->name.at, (unsigned long long)r->failed_at.v, reason);
    q->retry_at = order_time(s->run->order) + RECALL_RETRY_MS;
    list_push(&s->retrying, &q->of_retrying); /* times only grow */
}
