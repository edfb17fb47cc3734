#include "core/recovery.h"

#include "core/accounts.h"
#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/commands.h"
#include "core/delayed.h"
#include "core/id_keeping.h"
#include "core/policing.h"
#include "core/policy_record.h"
#include "core/recovery_parts.h"
#include "core/snapshot.h"
#include "core/snapshot_form.h"

#include <stdlib.h>

#define REASON_BYTES_MAX 512

static enum sl_err on_checkpoint(void *context, struct sl_bytes body, struct log_reader *reader);
static enum sl_err sort_queues(struct recovery *r);
static void on_head(void *context, uint64_t next_number, uint64_t stretch_bytes);
static enum sl_err on_definition(void *context, const struct record *record);
static enum sl_err on_queue(void *context, uint64_t number, uint64_t mark);
static enum sl_err on_chunk(void *context, const struct stored_chunk *chunk, uint8_t level);
static enum sl_err on_entry(void *context, const struct entry *entry);
static enum sl_err on_section(void *context, uint16_t kind, struct sl_bytes bytes);
static enum sl_err on_other(void *context, uint8_t kind, struct sl_reader *r);
static enum sl_err on_record(void *context, const struct record *record, sl_lsn place);
static enum sl_err replay_definition(struct recovery *r, uint16_t kind, struct journal_entry *e,
                                     struct text *reason);
static enum sl_err replay_account(struct recovery *r, const struct record *record);
static void delete_queues_of(struct recovery *r, struct sl_bytes vhost);
static void on_progress(void *context, uint64_t done, uint64_t all);
static enum sl_err declare_queue(struct recovery *r, struct vhost *v, struct journal_entry *e,
                                 struct text *reason);
static void delete_queue(struct recovery *r, uint64_t number);
static void free_queue(struct recovered_queue *q);

struct recovery *recovery_new(struct topology *t, struct shard **shards, uint64_t resident_bytes)
{
    struct recovery *r = calloc(1, sizeof *r);

    SL_ASSERT(r != NULL);
    r->topology = t;
    r->resident_bytes = resident_bytes;
    r->shards = calloc(t->shards, sizeof *r->shards);
    SL_ASSERT(r->shards != NULL);
    memcpy(r->shards, shards, t->shards * sizeof *r->shards);
    t->is_replaying = true;
    return r;
}

void recovery_free(struct recovery *r)
{
    struct recovered_queue *q;
    size_t cursor = 0;

    while ((q = hash_map_next(&r->queues, &cursor)) != NULL) {
        free_queue(q);
    }
    for (size_t i = 0; i < r->refused_count; i++)
        if (r->refused[i].entry.msg != NULL)
            message_unref(r->refused[i].entry.msg);
    r->topology->is_replaying = false;
    hash_map_deinit(&r->queues);
    free(r->refused);
    free(r->shards);
    free(r);
}

struct log_visitor recovery_visitor(struct recovery *r)
{
    return (struct log_visitor){.checkpoint = on_checkpoint,
                                .record = on_record,
                                .progress = on_progress,
                                .time = &r->time,
                                .context = r};
}

struct recovered_queue *recovered_queue_find(const struct recovery *r, uint64_t number)
{
    uint8_t key[8];

    sl_store_u64(key, number);
    return hash_map_get(&r->queues, (struct sl_bytes){key, sizeof key});
}

static enum sl_err on_checkpoint(void *context, struct sl_bytes body, struct log_reader *reader)
{
    struct recovery *r = context;
    struct snapshot_visitor visitor = {.head = on_head,
                                       .definition = on_definition,
                                       .queue = on_queue,
                                       .chunk = on_chunk,
                                       .entry = on_entry,
                                       .section = on_section,
                                       .other = on_other,
                                       .context = r};

    r->reader = reader;
    recovery_use_secret(r, reader);
    if (body.len == 0)
        return SL_OK;
    topology_lock(r->topology);
    enum sl_err err = snapshot_read(body, &visitor);
    if (err == SL_OK)
        err = sort_queues(r);
    topology_unlock(r->topology);
    if (err == SL_OK || err == SL_ENOMEM || err == SL_EIO)
        return err;
    sl_error("recovery.checkpoint", "reason=\"it cannot be carried out\"");
    return SL_ECORRUPT;
}

static enum sl_err sort_queues(struct recovery *r)
{
    struct recovered_queue *q;
    size_t cursor = 0;

    while ((q = hash_map_next(&r->queues, &cursor)) != NULL) {
        SL_TRY(survivors_sort(&q->survivors, r->reader));
        SL_TRY(survivors_open(&q->survivors, r->reader, false));
    }
    return SL_OK;
}

static void on_head(void *context, uint64_t next_number, uint64_t stretch_bytes)
{
    struct recovery *r = context;

    if (next_number > r->topology->next_number)
        r->topology->next_number = next_number;
    r->stretch_bytes = stretch_bytes;
}

static enum sl_err on_definition(void *context, const struct record *record)
{
    struct recovery *r = context;
    struct journal_entry e;
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    if (account_change_is(record->kind))
        return replay_account(r, record);
    if (policy_record_is(record->kind))
        return policing_replay(r->topology, r->shards, record, &reason);
    if (record->kind == RECORD_AGES)
        return ages_read(&r->topology->ages, record->body);
    SL_TRY(journal_read(record, &e));
    return replay_definition(r, record->kind, &e, &reason);
}

static enum sl_err on_queue(void *context, uint64_t number, uint64_t mark)
{
    struct recovery *r = context;

    r->at = recovered_queue_find(r, number);
    if (r->at == NULL)
        return SL_ECORRUPT;
    r->at->mark = mark;
    return SL_OK;
}

static enum sl_err on_chunk(void *context, const struct stored_chunk *chunk, uint8_t level)
{
    struct recovery *r = context;

    return survivors_add_chunk(&r->at->survivors, chunk, level);
}

static enum sl_err on_entry(void *context, const struct entry *entry)
{
    struct recovery *r = context;
    struct entry loose = *entry;

    if ((entry->flags & ENTRY_TO_DISCARD) != 0)
        loose.flags = (uint8_t)((entry->flags & ~ENTRY_TO_DISCARD) | SURVIVOR_REFUSED);
    return survivors_add_loose(&r->at->survivors, &loose);
}

static enum sl_err on_section(void *context, uint16_t kind, struct sl_bytes bytes)
{
    return kind == ID_KEEPING_SECTION ? recovery_read_ids(context, bytes) : SL_ECORRUPT;
}

static enum sl_err on_other(void *context, uint8_t kind, struct sl_reader *in)
{
    struct recovery *r = context;

    if (kind == SNAPSHOT_DELAYED)
        return delayed_read_part(r->at->queue, in);
    return prepared_read_part(r->at->queue, kind, in, r->reader);
}

static enum sl_err on_record(void *context, const struct record *record, sl_lsn place)
{
    struct recovery *r = context;
    struct journal_entry e;
    char room[REASON_BYTES_MAX] = "";
    struct text reason = text_on(room, sizeof room);
    enum sl_err err;

    bool is_account = account_change_is(record->kind);
    bool is_policy = policy_record_is(record->kind);
    if (!is_account && !is_policy)
        SL_TRY(journal_read(record, &e));
    topology_lock(r->topology);
    if (record->kind == RECORD_MESSAGE)
        ages_note(&r->topology->ages, record->sequence.v, r->time);
    if (is_account)
        err = replay_account(r, record);
    else if (is_policy)
        err = policing_replay(r->topology, r->shards, record, &reason);
    else if (record->kind < RECORD_MESSAGE)
        err = replay_definition(r, record->kind, &e, &reason);
    else
        err = recovery_replay_entries(r, record, &e, place);
    topology_unlock(r->topology);
    if (err != SL_OK && err != SL_ENOMEM && err != SL_EIO) {
        sl_error("recovery.record", "kind=%u place=%llu reason=\"%s\"", record->kind,
                 (unsigned long long)place.v, room);
        err = SL_ECORRUPT;
    }
    return err;
}

static enum sl_err replay_definition(struct recovery *r, uint16_t kind, struct journal_entry *e,
                                     struct text *reason)
{
    struct sl_handle nobody = {0, 0, 0};
    struct topology *t = r->topology;
    struct vhost *v = topology_vhost(t, e->vhost);

    if (kind == RECORD_DELETE_QUEUE) {
        delete_queue(r, e->number);
        return SL_OK;
    }
    if (v == NULL)
        return SL_ECORRUPT;
    switch (kind) {
    case RECORD_DECLARE_EXCHANGE: return topology_declare_exchange(t, v, &e->exchange, reason);
    case RECORD_DELETE_EXCHANGE:
        return topology_delete_exchange(t, v, e->exchange.name, false, reason);
    case RECORD_DECLARE_QUEUE: return declare_queue(r, v, e, reason);
    case RECORD_BIND: return topology_bind(t, v, nobody, &e->binding, reason);
    case RECORD_UNBIND: return topology_unbind(t, v, nobody, &e->binding, reason);
    default: return SL_ECORRUPT;
    }
}

/* A pattern that was good when it was written, and is not any more, allows nothing. */
static enum sl_err replay_account(struct recovery *r, const struct record *record)
{
    struct account_change c;
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    SL_TRY(account_change_read(record, &c));
    if (r->topology->accounts == NULL)
        return SL_ECORRUPT;
    if (c.kind == RECORD_DELETE_VHOST)
        delete_queues_of(r, c.vhost);
    enum sl_err err = accounts_apply(r->topology->accounts, &c, &reason);
    if (err == SL_EPRECOND) {
        sl_error("recovery.permission", "kind=%u reason=\"%s\"", record->kind, room);
        err = SL_OK;
    }
    return err;
}

static void delete_queues_of(struct recovery *r, struct sl_bytes vhost)
{
    struct vhost *v = topology_vhost(r->topology, vhost);
    struct topology_queue *q;
    size_t cursor = 0;
    size_t count = 0;

    if (v == NULL || v->queues.count == 0)
        return;
    uint64_t *numbers = malloc(v->queues.count * sizeof *numbers); /* the map changes */
    SL_ASSERT(numbers != NULL);
    while ((q = hash_map_next(&v->queues, &cursor)) != NULL)
        numbers[count++] = q->number;
    for (size_t i = 0; i < count; i++)
        delete_queue(r, numbers[i]);
    free(numbers);
}

static void on_progress(void *context, uint64_t done, uint64_t all)
{
    struct recovery *r = context;

    sl_info("recovery.progress", "bytes=%llu of=%llu messages=%llu", (unsigned long long)done,
            (unsigned long long)all, (unsigned long long)r->messages);
}

static enum sl_err declare_queue(struct recovery *r, struct vhost *v, struct journal_entry *e,
                                 struct text *reason)
{
    struct topology_queue *def = NULL;
    bool created = false;

    if (recovered_queue_find(r, e->number) != NULL)
        return SL_OK;
    e->queue.number = e->number;
    SL_TRY(topology_declare_queue(r->topology, v, (struct sl_handle){0, 0, 0}, &e->queue, &def,
                                  &created, reason));
    if (!created)
        return SL_ECORRUPT;
    struct recovered_queue *q = calloc(1, sizeof *q);
    if (q == NULL)
        return SL_ENOMEM;
    sl_store_u64(q->key, e->number);
    q->shard = def->ref.shard;
    q->queue = shard_enter_queue(r->shards[q->shard], def);
    q->mark = e->mark;
    survivors_init(&q->survivors, q->queue->rules.max_priority + 1u);
    if (hash_map_put(&r->queues, (struct sl_bytes){q->key, sizeof q->key}, q) != SL_OK) {
        free(q);
        return SL_ENOMEM;
    }
    return SL_OK;
}

static void delete_queue(struct recovery *r, uint64_t number)
{
    struct recovered_queue *q = recovered_queue_find(r, number);

    if (q == NULL)
        return;
    struct queue_ref ref = q->queue->ref;
    struct shard *s = r->shards[q->shard];
    queue_free(s, q->queue);
    s->queues[ref.at.slot] = NULL;
    topology_remove_queue(r->topology, topology_queue_at(r->topology, ref));
    hash_map_remove(&r->queues, (struct sl_bytes){q->key, sizeof q->key});
    free_queue(q);
}

static void free_queue(struct recovered_queue *q)
{
    survivors_deinit(&q->survivors);
    free(q->doubtful);
    free(q->loose);
    free(q->gone);
    free(q);
}
