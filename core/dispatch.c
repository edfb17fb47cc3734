#include "core/dispatch.h"

#include "core/base/assert.h"

#include <stdlib.h>

struct rank {           /* the consumers of a queue that have one x-priority */
    struct due of_able; /* due.at: the higher the priority, the less */
    int64_t priority;   /* the key in by_priority */
    struct list able;   /* of consumer.of_able */
    uint32_t count;     /* of consumers */
};

struct ranks {
    struct hash_map by_priority;
    struct due_heap able; /* those with somebody who can take; and perhaps empty ones */
};

static struct rank *rank_get(struct queue *q, int64_t priority);
static struct rank *first_rank(struct queue *q);
static void rank_leave(struct queue *q, struct rank *r);
static struct sl_bytes key_of(const struct rank *r);
static struct list *able_of(const struct consumer *c);
static void step_down(struct shard *s, struct queue *q);
static void choose(struct shard *s, struct queue *q);

void dispatch_enter(struct shard *s, struct consumer *c, int64_t priority)
{
    struct queue *q = c->queue;

    c->priority = priority;
    if (priority != 0)
        c->rank = rank_get(q, priority);
    if (!q->rules.is_single_active)
        return;
    if (q->active != NULL && priority > q->active->priority)
        step_down(s, q);
    else
        choose(s, q);
}

void dispatch_leave(struct shard *s, struct consumer *c)
{
    list_remove(&c->of_able);
    if (c->queue->active == c)
        step_down(s, c->queue);
}

void dispatch_forget(struct shard *s, struct consumer *c)
{
    struct queue *q = c->queue;

    list_remove(&c->of_able);
    if (c->rank != NULL)
        rank_leave(q, c->rank);
    c->rank = NULL;
    if (q->active != c)
        return;
    q->active = NULL;
    choose(s, q);
}

void dispatch_stand(struct consumer *c)
{
    struct queue *q = c->queue;

    if (q->rules.is_single_active && (q->active != c || q->steps_down))
        return;
    list_push(able_of(c), &c->of_able);
    if (c->rank != NULL) /* the bits are those of the priority, in falling order */
        due_by(&q->ranks->able, &c->rank->of_able, (uint64_t)INT64_MAX - (uint64_t)c->priority);
}

struct consumer *dispatch_next_ranked(struct queue *q)
{
    struct list *able = &q->able;
    struct rank *r = first_rank(q);

    if (r != NULL && (r->priority > 0 || list_is_empty(able)))
        able = &r->able;
    return list_is_empty(able) ? NULL : LIST_OF(able->next, struct consumer, of_able);
}

void dispatch_turn_ranked(struct consumer *c)
{
    dispatch_turn_in(&c->rank->able, c);
}

void dispatch_turn_in(struct list *able, struct consumer *c)
{
    list_remove(&c->of_able);
    list_push(able, &c->of_able);
}

void dispatch_settled(struct shard *s, struct consumer *c)
{
    struct queue *q = c->queue;

    if (q->active != c || !q->steps_down)
        return;
    q->active = NULL;
    choose(s, q);
}

bool dispatch_is_active(const struct consumer *c)
{
    return !c->queue->rules.is_single_active || c->queue->active == c;
}

static struct rank *rank_get(struct queue *q, int64_t priority)
{
    struct rank sought = {.priority = priority};

    if (q->ranks == NULL) {
        q->ranks = calloc(1, sizeof *q->ranks);
        SL_ASSERT(q->ranks != NULL);
    }
    struct rank *r = hash_map_get(&q->ranks->by_priority, key_of(&sought));
    if (r == NULL) {
        r = calloc(1, sizeof *r);
        SL_ASSERT(r != NULL);
        r->priority = priority;
        list_init(&r->able);
        enum sl_err err = hash_map_put(&q->ranks->by_priority, key_of(r), r);
        SL_ASSERT(err == SL_OK);
    }
    r->count++;
    return r;
}

/* The highest in which somebody can take; NULL: there is none. */
static struct rank *first_rank(struct queue *q)
{
    struct due_heap *able = &q->ranks->able;

    while (able->count > 0) {
        struct rank *r = LIST_OF(able->at[0], struct rank, of_able);
        if (!list_is_empty(&r->able))
            return r;
        due_remove(able, &r->of_able);
    }
    return NULL;
}

/* The last one takes the ranks along. */
static void rank_leave(struct queue *q, struct rank *r)
{
    if (--r->count > 0)
        return;
    due_remove(&q->ranks->able, &r->of_able);
    hash_map_remove(&q->ranks->by_priority, key_of(r));
    free(r);
    if (q->ranks->by_priority.count > 0)
        return;
    hash_map_deinit(&q->ranks->by_priority);
    due_heap_deinit(&q->ranks->able);
    free(q->ranks);
    q->ranks = NULL;
}

static struct sl_bytes key_of(const struct rank *r)
{
    return (struct sl_bytes){(const uint8_t *)&r->priority, sizeof r->priority};
}

static struct list *able_of(const struct consumer *c)
{
    return c->rank != NULL ? &c->rank->able : &c->queue->able;
}

/* Nothing more is lent to the active one; another one is when nothing is out with it. */
static void step_down(struct shard *s, struct queue *q)
{
    list_remove(&q->active->of_able);
    q->steps_down = true;
    if (q->active->out == 0)
        dispatch_settled(s, q->active);
}

static void choose(struct shard *s, struct queue *q)
{
    struct consumer *best = NULL;

    if (q->active != NULL || q->is_ending)
        return;
    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next) {
        struct consumer *c = LIST_OF(at, struct consumer, of_queue);
        if (!c->is_getter && !c->is_cancelled && (best == NULL || c->priority > best->priority))
            best = c;
    }
    q->active = best;
    q->steps_down = false;
    if (best != NULL)
        consumer_wake(s, best);
}
