#include "core/remnants.h"

#include "core/aside.h"
#include "core/base/assert.h"
#include "core/consumer.h"
#include "core/levels.h"
#include "core/memory.h"

#include <stdlib.h>

#define ROOM_FIRST 256u
#define CHUNK_COST 8u /* of looking at one, in entries */

struct look { /* at one queue */
    struct remnants *found;
    const struct queue *queue;
    struct slot_ref consumer;
    uint8_t level;
    uint64_t seen;
};

static void on_backlog(void *context, uint8_t priority, struct backlog *b);
static void on_chunk(void *context, const struct stored_chunk *chunk);
static void on_entry(void *context, const struct entry *entry);
static void on_aside(void *context, const struct entry *entry);
static void on_loan(void *context, const struct entry *entry);
static void add_entry(struct look *look, const struct entry *entry, const struct remnant *where);
static bool is_inside(const struct remnants *v, sl_lsn place);
static void add(struct remnants *v, const struct remnant *item);
static void keep_lowest(struct remnants *v);
static int by_place(const void *a, const void *b);

void remnants_deinit(struct remnants *v)
{
    memory_release(v->room * sizeof *v->items);
    free(v->items);
    *v = (struct remnants){0};
}

void remnants_begin(struct remnants *v, sl_lsn from, sl_lsn to)
{
    v->count = 0;
    v->from = from;
    v->limit = to;
}

uint64_t remnants_look(struct remnants *v, struct queue *q)
{
    struct look look = {.found = v, .queue = q};

    queue_each_backlog(q, on_backlog, &look);
    aside_each(q, on_aside, &look);
    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next) {
        struct consumer *c = LIST_OF(at, struct consumer, of_queue);
        look.consumer = c->at;
        consumer_each_loan(c, on_loan, &look);
    }
    return look.seen;
}

void remnants_end(struct remnants *v)
{
    if (v->count > 1)
        qsort(v->items, v->count, sizeof *v->items, by_place);
}

struct backlog *remnant_backlog(const struct shard *s, const struct remnant *remnant)
{
    struct queue *q = shard_queue(s, remnant->queue);

    return q == NULL ? NULL : queue_level(q, remnant->level);
}

struct entry *remnant_entry(const struct shard *s, const struct remnant *remnant)
{
    struct backlog *b = remnant_backlog(s, remnant);
    struct entry *entry;

    if (b == NULL)
        return NULL;
    if (remnant->consumer.generation != 0) {
        struct consumer *c = slot_table_get(&s->consumers, remnant->consumer);
        entry = c == NULL ? NULL : consumer_loan(c, remnant->loan);
    } else {
        entry = backlog_find(b, remnant->seq);
        if (entry == NULL)
            entry = aside_find(shard_queue(s, remnant->queue), remnant->seq);
    }
    return entry != NULL && entry->seq.v == remnant->seq.v && entry->place.v == remnant->place.v
               ? entry
               : NULL;
}

/* An INDEX record there whose chunk is in memory is not worth moving. */
static void on_backlog(void *context, uint8_t priority, struct backlog *b)
{
    struct look *look = context;

    backlog_forget_indexes(b, look->found->from, look->found->limit);
    look->level = priority;
    backlog_each_part(b, on_chunk, on_entry, look);
}

static void on_chunk(void *context, const struct stored_chunk *chunk)
{
    struct look *look = context;
    struct remnants *v = look->found;
    struct remnant item = {.queue = look->queue->ref.at,
                           .index = chunk->place,
                           .index_len = chunk->record_len,
                           .from = chunk->from,
                           .level = look->level};

    look->seen += CHUNK_COST;
    if (chunk->lowest.v < v->limit.v && chunk->highest.v >= v->from.v)
        item.place = chunk->lowest.v < v->from.v ? v->from : chunk->lowest;
    else if (is_inside(v, chunk->place))
        item.place = chunk->place;
    else
        return;
    add(v, &item);
}

static void on_entry(void *context, const struct entry *entry)
{
    struct look *look = context;

    add_entry(look, entry, &(struct remnant){.level = look->level});
}

static void on_aside(void *context, const struct entry *entry)
{
    add_entry(context, entry, &(struct remnant){.level = entry->priority});
}

static void on_loan(void *context, const struct entry *entry)
{
    struct look *look = context;

    add_entry(look, entry,
              &(struct remnant){.consumer = look->consumer,
                                .loan = LIST_OF(entry, struct out_loan, entry)->number,
                                .level = entry->priority});
}

/* where: what tells at which level and with whom it is. */
static void add_entry(struct look *look, const struct entry *entry, const struct remnant *where)
{
    struct remnant item = *where;

    look->seen++;
    if (!is_inside(look->found, entry->place))
        return;
    item.place = entry->place;
    item.queue = look->queue->ref.at;
    item.seq = entry->seq;
    add(look->found, &item);
}

/* Place 0 is nobody's: a segment begins with its header. */
static bool is_inside(const struct remnants *v, sl_lsn place)
{
    return place.v != 0 && place.v >= v->from.v && place.v < v->limit.v;
}

static void add(struct remnants *v, const struct remnant *item)
{
    if (v->count == REMNANTS_MAX) {
        keep_lowest(v);
        if (item->place.v >= v->limit.v)
            return;
    }
    if (v->count == v->room) {
        size_t room = v->room == 0 ? ROOM_FIRST : v->room * 2;
        struct remnant *items = realloc(v->items, room * sizeof *items);
        SL_ASSERT(items != NULL);
        memory_charge((room - v->room) * sizeof *items);
        v->items = items;
        v->room = room;
    }
    v->items[v->count++] = *item;
}

/* The lower half stays.  More than that at one place go on in the next look at the stretch. */
static void keep_lowest(struct remnants *v)
{
    if (v->count > 1)
        qsort(v->items, v->count, sizeof *v->items, by_place);
    v->count = REMNANTS_MAX / 2;
    v->limit = v->items[v->count].place;
    if (v->limit.v == v->items[0].place.v)
        v->limit.v++;
    while (v->items[v->count - 1].place.v >= v->limit.v)
        v->count--;
}

static int by_place(const void *a, const void *b)
{
    const struct remnant *x = a;
    const struct remnant *y = b;

    if (x->place.v != y->place.v)
        return x->place.v < y->place.v ? -1 : 1;
    if (x->seq.v != y->seq.v) /* chunks first: see evacuation.c */
        return x->seq.v < y->seq.v ? -1 : 1;
    return x->queue.slot < y->queue.slot ? -1 : x->queue.slot > y->queue.slot;
}
