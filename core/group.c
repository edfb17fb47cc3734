/* group.c - one group of a queue (groups.h). */
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/expiry.h"
#include "core/group_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void group_free(struct group *g);
static struct sl_bytes key_of(const uint64_t *name);

bool group_name_of(const struct queue *q, const struct message *msg, uint64_t *name)
{
    struct known_headers known;
    struct sl_bytes text;
    char room[24];
    int64_t n;

    if ((msg->marks & MARK_GROUP) == 0)
        return false;
    known_headers_read(message_properties(msg), &known);
    const struct table_value *value =
        known_header_is(&known, KNOWN_JMS_GROUP) ? &known.value[KNOWN_JMS_GROUP]
        : q->rules.has_group_ids && known_header_is(&known, KNOWN_GROUP) ? &known.value[KNOWN_GROUP]
                                                                         : NULL;
    if (value == NULL)
        return false;
    if (table_value_integer(*value, &n)) { /* as STOMP would write it */
        snprintf(room, sizeof room, "%" PRId64, n);
        text = sl_bytes_of(room);
    } else if (!table_value_string(*value, &text) || text.len == 0)
        return false;
    *name = hash_map_hash(text);
    return true;
}

struct group *group_find(const struct queue *q, uint64_t name)
{
    return q->groups == NULL ? NULL : hash_map_get(&q->groups->by_name, key_of(&name));
}

struct group *group_new(struct queue *q, struct consumer *c, uint64_t name)
{
    struct group *g = calloc(1, sizeof *g);

    SL_ASSERT(g != NULL);
    if (q->groups == NULL) {
        q->groups = calloc(1, sizeof *q->groups);
        SL_ASSERT(q->groups != NULL);
        list_init(&q->groups->idle);
        list_init(&q->groups->resuming);
    }
    g->name = name;
    g->queue = q;
    list_init(&g->waiting);
    list_init(&g->of_consumer);
    list_init(&g->of_idle);
    enum sl_err err = hash_map_put(&q->groups->by_name, key_of(&g->name), g);
    SL_ASSERT(err == SL_OK);
    group_pin(g, c);
    return g;
}

void group_pin(struct group *g, struct consumer *c)
{
    SL_ASSERT(g->loans == 0 && list_is_empty(&g->waiting));
    g->consumer = c;
    list_remove(&g->of_consumer);
    list_push(&c->groups, &g->of_consumer);
}

void group_note_lent(struct group *g)
{
    struct consumer *c = g->consumer;

    group_wake(g);
    if (c->is_no_ack) {
        group_rest(g);
        return;
    }
    g->loans++;
    if (c->loan_groups == NULL) {
        c->loan_groups = calloc(c->room, sizeof(struct group *));
        SL_ASSERT(c->loan_groups != NULL); /* bounded by prefetch */
    }
    c->loan_groups[c->end - 1] = g;
}

void group_detach(struct aside_item *item)
{
    struct group *g = item->group;

    due_remove(&g->consumer->waiting, &item->of_waiting);
    list_remove(&item->of_group);
    g->queue->groups->waiting--;
    item->group = NULL;
}

void group_release(struct shard *s, struct group *g)
{
    struct queue *q = g->queue;

    group_wake(g);
    while (!list_is_empty(&g->waiting)) {
        struct aside_item *item = LIST_OF(g->waiting.next, struct aside_item, of_group);
        group_detach(item);
        aside_return(q, item);
    }
    group_free(g);
    if (q->is_ending)
        return;
    if (q->has_deadlines)
        expiry_watch(s, q);
    shard_queue_is_busy(s, q);
}

void group_rest(struct group *g)
{
    struct groups *all = g->queue->groups;

    if (g->loans > 0 || !list_is_empty(&g->waiting))
        return;
    list_push(&all->idle, &g->of_idle);
    if (++all->idle_count <= SL_GROUPS_REMEMBERED)
        return;
    struct group *oldest = LIST_OF(all->idle.next, struct group, of_idle);
    group_wake(oldest);
    group_free(oldest);
}

void group_wake(struct group *g)
{
    if (list_is_empty(&g->of_idle))
        return;
    list_remove(&g->of_idle);
    g->queue->groups->idle_count--;
}

/* The last one takes the groups along. */
static void group_free(struct group *g)
{
    struct queue *q = g->queue;

    list_remove(&g->of_consumer);
    hash_map_remove(&q->groups->by_name, key_of(&g->name));
    free(g);
    if (q->groups->by_name.count > 0)
        return;
    SL_ASSERT(q->groups->waiting == 0);
    while (list_pop(&q->groups->resuming) != NULL)
        continue;
    hash_map_deinit(&q->groups->by_name);
    free(q->groups);
    q->groups = NULL;
}

static struct sl_bytes key_of(const uint64_t *name)
{
    return (struct sl_bytes){(const uint8_t *)name, sizeof *name};
}
