#include "core/groups.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/dispatch.h"
#include "core/expiry.h"
#include "core/levels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum step { STEP_ON, STEP_STOP };

struct group {
    uint64_t name; /* its hash, the key in by_name */
    struct queue *queue;
    struct consumer *consumer;
    uint32_t loans;
    struct list waiting;     /* of aside_item.of_group */
    struct list of_consumer; /* in consumer.groups */
    struct list of_idle;     /* nothing is out, nothing waits */
};

struct groups {
    struct hash_map by_name;
    struct list idle; /* the one that was in use last stands last */
    uint32_t idle_count;
    uint32_t waiting;     /* entries that stand aside */
    struct list resuming; /* of consumer.of_resuming: they can take, and something waits for them */
};

static enum step lend_one(struct shard *s, struct queue *q);
static enum step lend_waiting(struct shard *s, struct queue *q, struct consumer *c);
static struct consumer *resuming(struct queue *q, enum backlog_head head, const struct entry *next);
static bool is_before(const struct consumer *c, enum backlog_head head, const struct entry *next);
static struct aside_item *first_waiting(const struct consumer *c);
static void fetch_waiting(struct shard *s, struct queue *q, struct consumer *c);
static bool put_aside(struct shard *s, struct queue *q, struct group *g);
static bool name_of(const struct queue *q, const struct message *msg, uint64_t *name);
static struct group *find(const struct queue *q, uint64_t name);
static struct group *group_new(struct queue *q, struct consumer *c, uint64_t name);
static void pin(struct group *g, struct consumer *c);
static void note_lent(struct group *g);
static void detach(struct aside_item *item);
static void release(struct shard *s, struct group *g);
static void group_free(struct group *g);
static void rest(struct group *g);
static void wake(struct group *g);
static struct sl_bytes key_of(const uint64_t *name);

bool groups_lend(struct shard *s, struct queue *q, uint32_t *budget)
{
    while (dispatch_next(q) != NULL) {
        if (lend_one(s, q) == STEP_STOP)
            return false;
        if (--*budget == 0)
            return true;
    }
    return false;
}

enum backlog_head groups_peek(struct shard *s, struct queue *q, struct entry *out)
{
    enum backlog_head head;
    uint64_t name;

    while ((head = queue_peek(s, q, out)) == BACKLOG_READY && groups_matter(q, out)) {
        struct group *g = name_of(q, out->msg, &name) ? find(q, name) : NULL;
        if (g == NULL || (g->loans == 0 && list_is_empty(&g->waiting)))
            return head;
        if (!put_aside(s, q, g))
            return BACKLOG_EMPTY;
    }
    return head;
}

void groups_note_get(struct queue *q, struct consumer *getter, const struct entry *entry)
{
    uint64_t name;

    if (q->rules.is_single_active || !name_of(q, entry->msg, &name))
        return;
    struct group *g = find(q, name);
    if (g == NULL)
        g = group_new(q, getter, name);
    else
        pin(g, getter);
    note_lent(g);
}

void groups_end_loan(struct shard *s, struct consumer *c, struct group *g)
{
    SL_ASSERT(g->consumer == c && g->loans > 0);
    if (--g->loans > 0)
        return;
    if (c->is_cancelled || c->is_getter)
        release(s, g);
    else
        rest(g);
}

void groups_resume(struct consumer *c)
{
    if (c->waiting.count > 0 && list_is_empty(&c->of_resuming))
        list_push(&c->queue->groups->resuming, &c->of_resuming);
}

void groups_leave(struct shard *s, struct consumer *c)
{
    list_remove(&c->of_resuming);
    for (struct list *at = c->groups.next, *next; at != &c->groups; at = next) {
        struct group *g = LIST_OF(at, struct group, of_consumer);
        next = at->next;
        if (g->loans == 0)
            release(s, g);
    }
}

void groups_forget_item(struct aside_item *item)
{
    struct group *g = item->group;

    detach(item);
    rest(g);
}

/* What is next of all goes to the consumer of its group, or to the one whose turn it is. */
static enum step lend_one(struct shard *s, struct queue *q)
{
    struct entry next;
    uint64_t name;
    enum backlog_head head = queue_peek(s, q, &next);
    struct consumer *c = q->groups == NULL ? NULL : resuming(q, head, &next);

    if (c != NULL)
        return lend_waiting(s, q, c);
    if (head != BACKLOG_READY)
        return STEP_STOP;
    if ((q->gates_count != 0 || q->ref.number != 0) && !queue_may_lend(s, q, &next))
        return STEP_STOP;
    bool is_grouped = name_of(q, next.msg, &name);
    struct group *g = is_grouped ? find(q, name) : NULL;
    c = g != NULL ? g->consumer : dispatch_next(q);
    if (list_is_empty(&c->of_able) || !consumer_can_take(s, c)) {
        if (g == NULL)
            return STEP_ON; /* it has left those who can */
        return put_aside(s, q, g) ? STEP_ON : STEP_STOP;
    }
    queue_pop(s, q, &next);
    if (is_grouped && g == NULL)
        g = group_new(q, c, name);
    consumer_deliver(s, c, &next);
    if (g != NULL)
        note_lent(g);
    dispatch_turn(c);
    return STEP_ON;
}

/* The oldest that waits for c, which stands among those who can take. */
static enum step lend_waiting(struct shard *s, struct queue *q, struct consumer *c)
{
    struct aside_item *item = first_waiting(c);

    if (expiry_is_due(s, &item->entry)) {
        struct entry gone = aside_take(q, item);
        queue_taken(s, q, &gone);
        queue_discard(s, q, &gone, DISCARD_EXPIRED);
        return STEP_ON;
    }
    bool has_credit = c->is_no_ack || c->out < c->prefetch;
    if (item->entry.msg == NULL && has_credit) {
        fetch_waiting(s, q, c);
        return STEP_ON;
    }
    if ((q->gates_count != 0 || q->ref.number != 0) && !queue_may_lend(s, q, &item->entry))
        return STEP_STOP;
    if (!has_credit || !consumer_can_take(s, c)) {
        list_remove(&c->of_able);
        list_remove(&c->of_resuming);
        return STEP_ON;
    }
    struct group *g = item->group;
    struct entry entry = aside_take(q, item);
    queue_taken(s, q, &entry);
    consumer_deliver(s, c, &entry);
    note_lent(g);
    dispatch_turn(c);
    return STEP_ON;
}

/* One that can take and has something waiting that is before what is next in the backlog. */
static struct consumer *resuming(struct queue *q, enum backlog_head head, const struct entry *next)
{
    struct list *all = &q->groups->resuming;

    for (struct list *at = all->next, *after; at != all; at = after) {
        struct consumer *c = LIST_OF(at, struct consumer, of_resuming);
        after = at->next;
        if (c->waiting.count == 0 || list_is_empty(&c->of_able))
            list_remove(at);
        else if (is_before(c, head, next))
            return c;
    }
    return NULL;
}

static bool is_before(const struct consumer *c, enum backlog_head head, const struct entry *next)
{
    if (head == BACKLOG_EMPTY)
        return true;
    struct entry at = *next;
    if (head == BACKLOG_AWAY && at.place.v == 0) /* of a priority that is not told */
        at.priority = first_waiting(c)->entry.priority;
    return aside_order(&first_waiting(c)->entry) < aside_order(&at);
}

static struct aside_item *first_waiting(const struct consumer *c)
{
    return LIST_OF(c->waiting.at[0], struct aside_item, of_waiting);
}

/* As many as it could take now, and as are next; they come by the backlog. */
static void fetch_waiting(struct shard *s, struct queue *q, struct consumer *c)
{
    uint32_t room = c->is_no_ack ? SL_CHUNK_ENTRIES_MAX : c->prefetch - c->out;

    for (uint32_t i = 0; i < room && i < SL_CHUNK_ENTRIES_MAX && c->waiting.count > 0; i++) {
        struct aside_item *item = first_waiting(c);
        if (item->entry.msg != NULL)
            break;
        aside_return(q, item);
    }
    if (q->has_deadlines)
        expiry_watch(s, q);
}

/* What is next in the backlog waits for the group's consumer.  False: too much does already.  What
 * was out before is not counted: it was in nobody's way. */
static bool put_aside(struct shard *s, struct queue *q, struct group *g)
{
    struct entry entry;

    backlog_peek(queue_front(q), &entry);
    if (q->groups->waiting >= SL_GROUPS_OVERTAKEN && !entry_is_redelivered(&entry))
        return false;
    backlog_pop(queue_front(q), &entry);
    struct aside_item *item = aside_put(q, &entry);
    wake(g);
    item->group = g;
    list_push(&g->waiting, &item->of_group);
    due_by(&g->consumer->waiting, &item->of_waiting, aside_order(&entry));
    q->groups->waiting++;
    if (!list_is_empty(&g->consumer->of_able))
        groups_resume(g->consumer);
    if (q->has_deadlines)
        expiry_watch(s, q);
    return true;
}

/* False: the message is of no group here. */
static bool name_of(const struct queue *q, const struct message *msg, uint64_t *name)
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

static struct group *find(const struct queue *q, uint64_t name)
{
    return q->groups == NULL ? NULL : hash_map_get(&q->groups->by_name, key_of(&name));
}

static struct group *group_new(struct queue *q, struct consumer *c, uint64_t name)
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
    pin(g, c);
    return g;
}

/* Nothing of it is out or waits. */
static void pin(struct group *g, struct consumer *c)
{
    SL_ASSERT(g->loans == 0 && list_is_empty(&g->waiting));
    g->consumer = c;
    list_remove(&g->of_consumer);
    list_push(&c->groups, &g->of_consumer);
}

/* Its consumer has just been lent one of it. */
static void note_lent(struct group *g)
{
    struct consumer *c = g->consumer;

    wake(g);
    if (c->is_no_ack) {
        rest(g);
        return;
    }
    g->loans++;
    if (c->loan_groups == NULL) {
        c->loan_groups = calloc(c->room, sizeof(struct group *));
        SL_ASSERT(c->loan_groups != NULL); /* bounded by prefetch */
    }
    c->loan_groups[c->end - 1] = g;
}

static void detach(struct aside_item *item)
{
    struct group *g = item->group;

    due_remove(&g->consumer->waiting, &item->of_waiting);
    list_remove(&item->of_group);
    g->queue->groups->waiting--;
    item->group = NULL;
}

/* Whoever is next may have it; what waits goes back to its place. */
static void release(struct shard *s, struct group *g)
{
    struct queue *q = g->queue;

    wake(g);
    while (!list_is_empty(&g->waiting)) {
        struct aside_item *item = LIST_OF(g->waiting.next, struct aside_item, of_group);
        detach(item);
        aside_return(q, item);
    }
    group_free(g);
    if (q->is_ending)
        return;
    if (q->has_deadlines)
        expiry_watch(s, q);
    shard_queue_is_busy(s, q);
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

/* With nothing out and nothing waiting it is only remembered. */
static void rest(struct group *g)
{
    struct groups *all = g->queue->groups;

    if (g->loans > 0 || !list_is_empty(&g->waiting))
        return;
    list_push(&all->idle, &g->of_idle);
    if (++all->idle_count <= SL_GROUPS_REMEMBERED)
        return;
    struct group *oldest = LIST_OF(all->idle.next, struct group, of_idle);
    wake(oldest);
    group_free(oldest);
}

static void wake(struct group *g)
{
    if (list_is_empty(&g->of_idle))
        return;
    list_remove(&g->of_idle);
    g->queue->groups->idle_count--;
}

static struct sl_bytes key_of(const uint64_t *name)
{
    return (struct sl_bytes){(const uint8_t *)name, sizeof *name};
}
