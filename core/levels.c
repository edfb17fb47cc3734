#include "core/levels.h"

#include "core/aside.h"
#include "core/base/assert.h"

#include <stdlib.h>

struct levels {
    uint32_t top; /* nothing is above */
    uint32_t count;
    struct backlog *at[]; /* by priority; NULL: never in use; the first is the queue's own */
};

static struct levels *levels_new(struct queue *q);

struct backlog *levels_at(struct queue *q, uint8_t priority)
{
    SL_ASSERT(priority <= q->rules.max_priority);
    if (q->levels == NULL)
        q->levels = levels_new(q);

    struct levels *l = q->levels;
    if (l->at[priority] == NULL) {
        l->at[priority] = calloc(1, sizeof *l->at[priority]);
        SL_ASSERT(l->at[priority] != NULL);
    }
    if (priority > l->top)
        l->top = priority;
    return l->at[priority];
}

struct backlog *levels_front(struct queue *q)
{
    struct levels *l = q->levels;

    while (l->top > 0 && (l->at[l->top] == NULL || backlog_is_empty(l->at[l->top])))
        l->top--;
    return l->at[l->top];
}

void queue_each_backlog(struct queue *q,
                        void (*on_backlog)(void *context, uint8_t priority, struct backlog *b),
                        void *context)
{
    for (uint32_t i = q->levels == NULL ? 0 : q->levels->count - 1; i > 0; i--)
        if (q->levels->at[i] != NULL)
            on_backlog(context, (uint8_t)i, q->levels->at[i]);
    on_backlog(context, 0, &q->backlog);
}

uint64_t queue_count(const struct queue *q)
{
    uint64_t count = q->backlog.count + aside_count(q);

    for (uint32_t i = 1; q->levels != NULL && i <= q->levels->top; i++)
        if (q->levels->at[i] != NULL)
            count += q->levels->at[i]->count;
    return count;
}

sl_seq queue_newest(const struct queue *q)
{
    sl_seq newest = q->backlog.last;

    for (uint32_t i = 1; q->levels != NULL && i < q->levels->count; i++)
        if (q->levels->at[i] != NULL && q->levels->at[i]->last.v > newest.v)
            newest = q->levels->at[i]->last;
    return newest;
}

void levels_deinit(struct queue *q)
{
    for (uint32_t i = 1; q->levels != NULL && i < q->levels->count; i++)
        if (q->levels->at[i] != NULL) {
            backlog_deinit(q->levels->at[i]);
            free(q->levels->at[i]);
        }
    free(q->levels);
    q->levels = NULL;
    backlog_deinit(&q->backlog);
}

static struct levels *levels_new(struct queue *q)
{
    uint32_t count = q->rules.max_priority + 1u;
    struct levels *l = calloc(1, sizeof *l + count * sizeof l->at[0]);

    SL_ASSERT(l != NULL);
    l->count = count;
    l->at[0] = &q->backlog;
    return l;
}
