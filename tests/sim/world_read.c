/* world_read.c - the part of world.h that looks into queues, wherever their entries are. */
#include "core/aside.h"
#include "core/base/assert.h"
#include "core/chunk.h"
#include "core/consumer.h"
#include "core/index.h"
#include "core/journal.h"
#include "core/levels.h"
#include "core/store/log_read.h"
#include "tests/sim/world.h"

#include <stdlib.h>

struct look { /* at one queue */
    struct log_reader *reader;
    const struct queue *queue;
    struct entry *entries; /* messages borrowed, or NULL */
    size_t count, room;
    size_t level_from; /* entries of the level at hand */
};

static void look_begin(struct look *l, struct world *w, const struct queue *q);
static void look_end(struct look *l, struct world *w);
static void add_level(void *context, uint8_t priority, struct backlog *b);
static void add_chunk(struct look *l, const struct chunk *c);
static void add_loans(struct look *l, struct queue *q);
static void add(void *context, const struct entry *entry);
static void tell(struct look *l, const struct entry *entry, bool is_out,
                 void (*found)(void *context, const struct world_entry *entry), void *context);
static struct message *read_message(struct look *l, const struct entry *entry);
static int by_seq(const void *a, const void *b);

bool world_read_queue(struct world *w, const char *name,
                      void (*found)(void *context, const struct world_entry *entry), void *context)
{
    const struct topology_queue *def = world_queue(w, name);

    if (def != NULL)
        world_read_entries(w, def, found, context);
    return def != NULL;
}

void world_read_entries(struct world *w, const struct topology_queue *def,
                        void (*found)(void *context, const struct world_entry *entry),
                        void *context)
{
    struct look l;
    struct queue *q = shard_queue(broker_worker_at(w->broker, def->ref.shard)->shard, def->ref.at);
    if (q == NULL || q->ref.number != def->ref.number)
        return; /* its shard has not heard of it yet */
    look_begin(&l, w, q);
    queue_each_backlog(q, add_level, &l);
    aside_each(q, add, &l);
    size_t ready = l.count;
    add_loans(&l, q);
    for (size_t i = 0; i < l.count; i++)
        tell(&l, &l.entries[i], i >= ready, found, context);
    look_end(&l, w);
}

void world_check(struct world *w)
{
    topology_lock(broker_topology(w->broker));
    topology_check(broker_topology(w->broker));
    topology_unlock(broker_topology(w->broker));
    for (uint32_t i = 0; i < w->workers; i++) {
        const struct shard *s = broker_worker_at(w->broker, i)->shard;
        for (uint32_t n = 0; n < s->queues_room; n++) {
            struct look l;
            if (s->queues[n] == NULL)
                continue;
            queue_check(s->queues[n]);
            look_begin(&l, w, s->queues[n]);
            queue_each_backlog(s->queues[n], add_level, &l);
            aside_each(s->queues[n], add, &l);
            look_end(&l, w);
        }
    }
}

static void look_begin(struct look *l, struct world *w, const struct queue *q)
{
    faulty_disk_pause(w->disk, true);
    if (w->look != NULL)
        w->look(true);
    *l = (struct look){.reader = log_reader_new(w->log), .queue = q};
    SL_ASSERT(l->reader != NULL);
}

static void look_end(struct look *l, struct world *w)
{
    log_reader_free(l->reader);
    free(l->entries);
    if (w->look != NULL)
        w->look(false);
    faulty_disk_pause(w->disk, false);
}

/* What is ready goes out in its order, returned or not, and none is there twice. */
static void add_level(void *context, uint8_t priority, struct backlog *b)
{
    struct look *l = context;

    l->level_from = l->count;
    for (const struct chunk *c = b->head; c != NULL; c = c->next)
        add_chunk(l, c);
    if (b->front != NULL)
        add_chunk(l, b->front);
    for (size_t i = 0; i < b->returned_count; i++)
        add(l, &b->returned[i]);
    SL_ASSERT(l->count - l->level_from == b->count);
    if (l->count > l->level_from)
        qsort(l->entries + l->level_from, b->count, sizeof *l->entries, by_seq);
    for (size_t i = l->level_from; i < l->count; i++) {
        SL_ASSERT(l->entries[i].priority == priority);
        SL_ASSERT(i == l->level_from || l->entries[i].seq.v > l->entries[i - 1].seq.v);
    }
}

static void add_chunk(struct look *l, const struct chunk *c)
{
    struct entry entries[SL_CHUNK_ENTRIES_MAX];
    struct record record;
    uint64_t number;
    uint32_t count;

    for (uint32_t i = c->from; i < c->to; i++)
        add(l, &c->entries[i]);
    if (c->entries != NULL)
        return;
    const struct stored_chunk *told = &c->index->told;
    SL_ASSERT(log_reader_read(l->reader, told->place, told->record_len, &record) == SL_OK);
    SL_ASSERT(record.kind == RECORD_INDEX);
    SL_ASSERT(index_read(record.body, &number, entries, SL_CHUNK_ENTRIES_MAX, &count) == SL_OK);
    SL_ASSERT(count == told->count && entries[told->from].seq.v == told->first.v &&
              entries[count - 1].seq.v == told->last.v);
    for (uint32_t i = told->from; i < count; i++)
        add(l, &entries[i]);
}

static void add_loans(struct look *l, struct queue *q)
{
    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next)
        consumer_each_loan(LIST_OF(at, struct consumer, of_queue), add, l);
}

static void add(void *context, const struct entry *entry)
{
    struct look *l = context;

    if (l->count == l->room) {
        l->room = l->room == 0 ? 256 : l->room * 2;
        l->entries = realloc(l->entries, l->room * sizeof *l->entries);
        SL_ASSERT(l->entries != NULL);
    }
    l->entries[l->count] = *entry;
    if (entry->seq.v <= l->queue->was_lent_to && (entry->flags & ENTRY_LOGGED) != 0)
        l->entries[l->count].flags |= ENTRY_WAS_LENT; /* as it is told when it is next */
    l->count++;
}

static void tell(struct look *l, const struct entry *entry, bool is_out,
                 void (*found)(void *context, const struct world_entry *entry), void *context)
{
    struct world_entry told = {*entry, is_out};

    if (entry->msg == NULL)
        told.entry.msg = read_message(l, entry);
    found(context, &told);
    if (entry->msg == NULL && told.entry.msg != NULL)
        message_unref(told.entry.msg);
}

static struct message *read_message(struct look *l, const struct entry *entry)
{
    struct record record;
    struct journal_entry e;
    struct message *msg;
    enum sl_err err = log_reader_read(l->reader, entry->place, entry->record_len, &record);

    if (err == SL_EAGAIN)
        return NULL; /* it moved a moment ago */
    SL_ASSERT(err == SL_OK);
    SL_ASSERT(journal_read(&record, &e) == SL_OK);
    SL_ASSERT(journal_read_message(&record, &e, &msg) == SL_OK);
    SL_ASSERT(message_body(msg).len == entry->body_len);
    return msg;
}

static int by_seq(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;

    return left->seq.v < right->seq.v ? -1 : left->seq.v > right->seq.v;
}
