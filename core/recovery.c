#include "core/recovery.h"

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/base/slot_table.h"
#include "core/commands.h"
#include "core/journal.h"

#include <stdlib.h>

#define REASON_BYTES_MAX 512

struct recovered_queue { /* by number, while the log is read */
    uint8_t key[8];
    struct queue *queue;
    uint32_t shard;
    uint64_t mark;
    struct entry *entries; /* growing sequences; msg NULL: settled */
    size_t first, end, room;
    size_t open;
};

struct recovery {
    struct topology *topology;
    struct shard **shards;
    struct hash_map queues; /* of struct recovered_queue */
    uint64_t messages;
};

static enum sl_err on_record(void *context, const struct record *record, sl_lsn place);
static void on_progress(void *context, uint64_t done, uint64_t all);
static enum sl_err declare_queue(struct recovery *r, struct vhost *v, struct journal_entry *e);
static void delete_queue(struct recovery *r, uint64_t number);
static enum sl_err add_message(struct recovery *r, const struct journal_entry *e, sl_seq seq,
                               sl_lsn place);
static enum sl_err add_entry(struct recovered_queue *q, struct entry entry);
static void settle(struct recovery *r, struct journal_entry *e, bool is_gone);
static struct entry *find_entry(struct recovered_queue *q, uint64_t seq);
static void squeeze(struct recovered_queue *q);
static void fill_backlog(struct recovery *r, struct recovered_queue *q);
static struct recovered_queue *find_queue(struct recovery *r, uint64_t number);

struct recovery *recovery_new(struct topology *t, struct shard **shards)
{
    struct recovery *r = calloc(1, sizeof *r);

    SL_ASSERT(r != NULL);
    r->topology = t;
    r->shards = calloc(t->shards, sizeof *r->shards);
    SL_ASSERT(r->shards != NULL);
    memcpy(r->shards, shards, t->shards * sizeof *r->shards);
    t->is_replaying = true;
    return r;
}

struct log_visitor recovery_visitor(struct recovery *r)
{
    return (struct log_visitor){.record = on_record, .progress = on_progress, .context = r};
}

enum sl_err recovery_finish(struct recovery *r)
{
    struct recovered_queue *q;
    size_t cursor = 0;

    while ((q = hash_map_next(&r->queues, &cursor)) != NULL) {
        fill_backlog(r, q);
        free(q->entries);
        free(q);
    }
    r->topology->is_replaying = false;
    hash_map_deinit(&r->queues);
    free(r->shards);
    free(r);
    return SL_OK;
}

static enum sl_err on_record(void *context, const struct record *record, sl_lsn place)
{
    struct recovery *r = context;
    struct journal_entry e;
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);
    enum sl_err err = SL_OK;

    SL_TRY(journal_read(record, &e));
    topology_lock(r->topology);
    struct vhost *v = topology_vhost(r->topology, e.vhost);
    bool is_definition = record->kind < RECORD_MESSAGE && record->kind != RECORD_DELETE_QUEUE;
    if (is_definition && v == NULL)
        err = SL_ECORRUPT;
    else
        switch (record->kind) {
        case RECORD_DECLARE_EXCHANGE:
            err = topology_declare_exchange(r->topology, v, &e.exchange, &reason);
            break;
        case RECORD_DELETE_EXCHANGE:
            err = topology_delete_exchange(r->topology, v, e.exchange.name, false, &reason);
            break;
        case RECORD_DECLARE_QUEUE: err = declare_queue(r, v, &e); break;
        case RECORD_DELETE_QUEUE: delete_queue(r, e.number); break;
        case RECORD_BIND:
            err = topology_bind(r->topology, v, (struct sl_handle){0, 0, 0}, &e.binding, &reason);
            break;
        case RECORD_UNBIND:
            err = topology_unbind(r->topology, v, (struct sl_handle){0, 0, 0}, &e.binding, &reason);
            break;
        case RECORD_MESSAGE: err = add_message(r, &e, record->sequence, place); break;
        case RECORD_SETTLED: settle(r, &e, true); break;
        case RECORD_RETURNED: settle(r, &e, false); break;
        case RECORD_LENT: {
            struct recovered_queue *q = find_queue(r, e.number);
            if (q != NULL)
                q->mark = e.mark;
            break;
        }
        default: err = SL_ECORRUPT;
        }
    topology_unlock(r->topology);
    if (err != SL_OK && err != SL_ENOMEM) {
        sl_error("recovery.record", "kind=%u place=%llu reason=\"%s\"", record->kind,
                 (unsigned long long)place.v, room);
        err = SL_ECORRUPT;
    }
    return err;
}

static void on_progress(void *context, uint64_t done, uint64_t all)
{
    struct recovery *r = context;

    sl_info("recovery.progress", "bytes=%llu of=%llu messages=%llu", (unsigned long long)done,
            (unsigned long long)all, (unsigned long long)r->messages);
}

static enum sl_err declare_queue(struct recovery *r, struct vhost *v, struct journal_entry *e)
{
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);
    struct topology_queue *def = NULL;
    bool created = false;

    e->queue.number = e->number;
    SL_TRY(topology_declare_queue(r->topology, v, (struct sl_handle){0, 0, 0}, &e->queue, &def,
                                  &created, &reason));
    if (!created)
        return SL_ECORRUPT;
    struct recovered_queue *q = calloc(1, sizeof *q);
    if (q == NULL)
        return SL_ENOMEM;
    sl_store_u64(q->key, e->number);
    q->shard = def->ref.shard;
    q->queue = shard_enter_queue(r->shards[q->shard], def);
    q->mark = e->mark;
    if (hash_map_put(&r->queues, (struct sl_bytes){q->key, sizeof q->key}, q) != SL_OK) {
        free(q);
        return SL_ENOMEM;
    }
    return SL_OK;
}

static void delete_queue(struct recovery *r, uint64_t number)
{
    struct recovered_queue *q = find_queue(r, number);

    if (q == NULL)
        return;
    struct queue_ref ref = q->queue->ref;
    struct shard *s = r->shards[q->shard];
    for (size_t i = q->first; i < q->end; i++)
        if (q->entries[i].msg != NULL)
            message_unref(q->entries[i].msg);
    queue_free(s, q->queue);
    s->queues[ref.at.slot] = NULL;
    topology_remove_queue(r->topology, topology_queue_at(r->topology, ref));
    hash_map_remove(&r->queues, (struct sl_bytes){q->key, sizeof q->key});
    free(q->entries);
    free(q);
}

/* A queue that is not there any more was deleted while the message was on its way to it. */
static enum sl_err add_message(struct recovery *r, const struct journal_entry *e, sl_seq seq,
                               sl_lsn place)
{
    struct message *msg = message_new_routed(e->route, e->properties, e->body.len);
    struct sl_reader numbers = sl_reader_of(e->numbers);
    enum sl_err err;

    if (msg == NULL)
        return SL_ENOMEM;
    err = message_append(&msg, e->body);
    msg->is_logged = true;
    msg->record_len =
        record_length(4 + e->numbers.len + e->route.len + 4 + e->properties.len + 4 + e->body.len);
    msg->copies = (uint16_t)(e->numbers.len / 8 < UINT16_MAX ? e->numbers.len / 8 : UINT16_MAX);
    r->messages++;
    while (err == SL_OK && sl_reader_left(&numbers) > 0) {
        struct recovered_queue *q = find_queue(r, sl_read_u64(&numbers));
        if (q == NULL)
            continue;
        struct entry entry = entry_of(msg, seq);
        entry.flags = ENTRY_LOGGED;
        entry.place = place;
        err = add_entry(q, entry);
        if (err == SL_OK)
            message_ref(msg);
    }
    message_unref(msg);
    return err;
}

static enum sl_err add_entry(struct recovered_queue *q, struct entry entry)
{
    if (q->end > q->first && q->entries[q->end - 1].seq.v >= entry.seq.v)
        return SL_ECORRUPT; /* order is the log's */
    if (q->end == q->room) {
        if (q->open > q->room / 2 || q->room == 0) {
            size_t room = q->room == 0 ? 64 : q->room * 2;
            struct entry *entries = realloc(q->entries, room * sizeof *entries);
            if (entries == NULL)
                return SL_ENOMEM;
            q->entries = entries;
            q->room = room;
        }
        squeeze(q);
    }
    q->entries[q->end++] = entry;
    q->open++;
    return SL_OK;
}

/* What is not there was settled twice (a requeue at a crash), or went with a purge: no harm. */
static void settle(struct recovery *r, struct journal_entry *e, bool is_gone)
{
    struct recovered_queue *q = find_queue(r, e->number);
    uint64_t seq;

    while (q != NULL && journal_next(e, &seq)) {
        struct entry *entry = find_entry(q, seq);
        if (entry == NULL || entry->msg == NULL)
            continue;
        if (!is_gone) {
            if (e->returns > entry->returns)
                entry->returns = e->returns;
            continue;
        }
        message_unref(entry->msg);
        entry->msg = NULL;
        q->open--;
    }
    while (q != NULL && q->first < q->end && q->entries[q->first].msg == NULL)
        q->first++;
}

static struct entry *find_entry(struct recovered_queue *q, uint64_t seq)
{
    size_t low = q->first;
    size_t high = q->end;

    if (low < high && q->entries[low].seq.v == seq) /* the usual case: oldest first */
        return &q->entries[low];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (q->entries[middle].seq.v < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < q->end && q->entries[low].seq.v == seq ? &q->entries[low] : NULL;
}

static void squeeze(struct recovered_queue *q)
{
    size_t to = 0;

    for (size_t i = q->first; i < q->end; i++)
        if (q->entries[i].msg != NULL)
            q->entries[to++] = q->entries[i];
    q->first = 0;
    q->end = to;
}

/* What may have been out goes among the returned, so that it says redelivered: never missing,
 * for everything below the mark; and its own order is that of sequences all the same. */
static void fill_backlog(struct recovery *r, struct recovered_queue *q)
{
    q->queue->mark = q->queue->next_mark = q->mark;
    for (size_t i = q->first; i < q->end; i++) {
        struct entry entry = q->entries[i];
        if (entry.msg == NULL)
            continue;
        if (q->queue->rules.max_priority != 0)
            entry.priority = rules_priority(&q->queue->rules, message_properties(entry.msg));
        if (entry.seq.v <= q->mark) {
            entry.returns += entry.returns == 0;
            q->queue->lent = entry.seq.v;
        }
        if (entry.returns > 0)
            queue_return(r->shards[q->shard], q->queue, &entry);
        else
            queue_push(q->queue, &entry);
    }
    queue_restored(r->shards[q->shard], q->queue);
}

static struct recovered_queue *find_queue(struct recovery *r, uint64_t number)
{
    uint8_t key[8];

    sl_store_u64(key, number);
    return hash_map_get(&r->queues, (struct sl_bytes){key, sizeof key});
}
