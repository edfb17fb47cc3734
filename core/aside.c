#include "core/aside.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/expiry.h"
#include "core/groups.h"
#include "core/levels.h"
#include "core/memory.h"

#include <stdlib.h>

static struct aside *aside_get(struct queue *q);
static struct sl_bytes key_of(const sl_seq *seq);
static void take_out(struct queue *q, struct aside_item *item);

struct aside_item *aside_put(struct queue *q, const struct entry *entry)
{
    struct aside *a = aside_get(q);
    struct aside_item *item = calloc(1, sizeof *item);

    SL_ASSERT(item != NULL);
    SL_CHECK(entry->seq.v < 1ull << 56);
    memory_charge(sizeof *item);
    item->entry = *entry;
    item->of_deadlines.order = entry->seq.v;
    list_init(&item->of_group);
    list_push(entry->msg != NULL ? &a->resident : &a->away, &item->of_all);
    if (q->drops_head)
        due_by(&a->order, &item->of_order, aside_order(entry));
    if (entry->deadline != 0)
        due_by(&a->deadlines, &item->of_deadlines, entry->deadline);
    enum sl_err err = hash_map_put(&a->by_seq, key_of(&item->entry.seq), item);
    SL_ASSERT(err == SL_OK);
    return item;
}

struct entry aside_take(struct queue *q, struct aside_item *item)
{
    struct entry entry = item->entry;

    if (item->group != NULL)
        groups_forget_item(item);
    else
        due_remove(&q->aside->delayed, &item->of_waiting);
    take_out(q, item);
    return entry;
}

void aside_return(struct queue *q, struct aside_item *item)
{
    struct entry entry = aside_take(q, item);

    backlog_return(queue_level(q, entry.priority), &entry);
    q->has_marked |= (entry.flags & ENTRY_TO_DISCARD) != 0;
}

void aside_clear(struct queue *q, void (*on_entry)(void *context, struct entry *entry),
                 void *context)
{
    while (q->aside != NULL) {
        struct list *from = list_is_empty(&q->aside->resident) ? &q->aside->away
                                                               : &q->aside->resident;
        struct entry entry = aside_take(q, LIST_OF(from->next, struct aside_item, of_all));
        on_entry(context, &entry);
    }
}

uint64_t aside_count(const struct queue *q)
{
    return q->aside == NULL ? 0 : q->aside->by_seq.count;
}

struct entry *aside_find(const struct queue *q, sl_seq seq)
{
    struct aside_item *item = q->aside == NULL ? NULL
                                               : hash_map_get(&q->aside->by_seq, key_of(&seq));

    return item == NULL ? NULL : &item->entry;
}

void aside_each(const struct queue *q, void (*on_entry)(void *context, const struct entry *entry),
                void *context)
{
    size_t cursor = 0;
    const struct aside_item *item;

    while (q->aside != NULL && (item = hash_map_next(&q->aside->by_seq, &cursor)) != NULL)
        on_entry(context, &item->entry);
}

void aside_each_ready(const struct queue *q,
                      void (*on_entry)(void *context, const struct entry *entry), void *context)
{
    size_t cursor = 0;
    const struct aside_item *item;

    while (q->aside != NULL && (item = hash_map_next(&q->aside->by_seq, &cursor)) != NULL)
        if (item->group != NULL)
            on_entry(context, &item->entry);
}

uint64_t aside_deadline(const struct queue *q)
{
    return q->aside == NULL || q->aside->deadlines.count == 0 ? 0 : due_next(&q->aside->deadlines);
}

bool aside_discard_expired(struct shard *s, struct queue *q)
{
    for (uint32_t i = 0; i < SL_LEND_BUDGET; i++) {
        if (aside_deadline(q) == 0)
            return false;
        struct aside_item *item =
            LIST_OF(q->aside->deadlines.at[0], struct aside_item, of_deadlines);
        if (!expiry_is_due(s, &item->entry))
            return false;
        struct entry entry = aside_take(q, item);
        queue_taken(s, q, &entry);
        queue_discard(s, q, &entry, DISCARD_EXPIRED);
    }
    return true;
}

void aside_keep_order(struct queue *q)
{
    struct aside_item *item;
    size_t cursor = 0;

    while (q->aside != NULL && (item = hash_map_next(&q->aside->by_seq, &cursor)) != NULL)
        due_by(&q->aside->order, &item->of_order, aside_order(&item->entry));
}

struct aside_item *aside_oldest(const struct queue *q)
{
    if (q->aside == NULL || q->aside->order.count == 0)
        return NULL;
    return LIST_OF(q->aside->order.at[0], struct aside_item, of_order);
}

uint32_t aside_residents(const struct queue *q, struct entry **out, uint32_t room)
{
    uint32_t n = 0;

    if (q->aside == NULL)
        return 0;
    for (struct list *at = q->aside->resident.next; at != &q->aside->resident && n < room;
         at = at->next)
        out[n++] = &LIST_OF(at, struct aside_item, of_all)->entry;
    return n;
}

void aside_note_stripped(struct queue *q, struct entry **entries, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct aside_item *item = LIST_OF(entries[i], struct aside_item, entry);
        if (item->entry.msg != NULL)
            continue;
        list_remove(&item->of_all);
        list_push(&q->aside->away, &item->of_all);
    }
}

static struct aside *aside_get(struct queue *q)
{
    if (q->aside != NULL)
        return q->aside;
    q->aside = calloc(1, sizeof *q->aside);
    SL_ASSERT(q->aside != NULL);
    list_init(&q->aside->resident);
    list_init(&q->aside->away);
    return q->aside;
}

static struct sl_bytes key_of(const sl_seq *seq)
{
    return (struct sl_bytes){(const uint8_t *)&seq->v, sizeof seq->v};
}

/* The last one takes all of it along. */
static void take_out(struct queue *q, struct aside_item *item)
{
    struct aside *a = q->aside;

    due_remove(&a->order, &item->of_order);
    due_remove(&a->deadlines, &item->of_deadlines);
    list_remove(&item->of_all);
    hash_map_remove(&a->by_seq, key_of(&item->entry.seq));
    memory_release(sizeof *item);
    free(item);
    if (a->by_seq.count > 0)
        return;
    hash_map_deinit(&a->by_seq);
    due_heap_deinit(&a->order);
    due_heap_deinit(&a->deadlines);
    due_heap_deinit(&a->delayed);
    free(a);
    q->aside = NULL;
}
