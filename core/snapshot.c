#include "core/snapshot.h"

#include "core/aside.h"
#include "core/base/assert.h"
#include "core/consumer.h"
#include "core/credit.h"
#include "core/delayed.h"
#include "core/id_keeping.h"
#include "core/index.h"
#include "core/journal.h"
#include "core/levels.h"
#include "core/queue.h"
#include "core/shard.h"
#include "core/snapshot_form.h"

#include <stdlib.h>

#define SNAPSHOT_ENTRY_COST 64u /* of the log, beside its record: its part of an INDEX */

struct snapshot_part {
    struct sl_buffer body;
    struct sl_buffer ids;
    uint64_t first_ids_file;
    struct live live;
};

struct snapshot {
    _Atomic uint32_t refs;
    _Atomic uint32_t missing; /* parts */
    uint32_t shards;
    uint64_t stretch_bytes;
    uint64_t ids_file;
    struct sl_buffer definitions;
    struct sl_buffer sections;
    struct snapshot_part parts[];
};

struct taking { /* of one queue */
    struct sl_buffer *body;
    uint32_t parts;
    uint8_t level; /* of the backlog at hand */
};

static uint8_t *room_in(struct sl_buffer *b, size_t n);
static void add_definition(void *context, const struct record *record);
static bool is_in(const struct queue *q, sl_lsn at);
static void take_queue(struct shard *s, struct queue *q, struct sl_buffer *body);
static void take_ids(struct shard *shard, struct queue *q, uint64_t time,
                     struct snapshot_part *part, uint64_t file);
static void take_level(void *context, uint8_t level, struct backlog *b);
static void take_chunk(void *context, const struct stored_chunk *chunk);
static void take_entry(void *context, const struct entry *entry);
static void take_live(struct live *to, const struct live *from);

struct snapshot *snapshot_new(uint32_t shards, uint64_t stretch_bytes, uint64_t ids_file)
{
    struct snapshot *s = calloc(1, sizeof *s + shards * sizeof s->parts[0]);

    SL_ASSERT(s != NULL);
    atomic_init(&s->refs, 1);
    atomic_init(&s->missing, shards);
    s->shards = shards;
    s->stretch_bytes = stretch_bytes;
    s->ids_file = ids_file;
    sl_buffer_init(&s->definitions, SIZE_MAX);
    sl_buffer_init(&s->sections, SIZE_MAX);
    for (uint32_t i = 0; i < shards; i++) {
        sl_buffer_init(&s->parts[i].body, SIZE_MAX);
        sl_buffer_init(&s->parts[i].ids, SIZE_MAX);
    }
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    sl_buffer_deinit(&s->definitions);
    sl_buffer_deinit(&s->sections);
    for (uint32_t i = 0; i < s->shards; i++) {
        sl_buffer_deinit(&s->parts[i].body);
        sl_buffer_deinit(&s->parts[i].ids);
        live_deinit(&s->parts[i].live);
    }
    free(s);
}

void snapshot_add_definitions(struct snapshot *s, struct topology *t)
{
    struct log_run run = {0};

    topology_describe(t, &run);
    uint8_t *head = room_in(&s->definitions, 20);
    sl_store_u64(head, t->next_number);
    sl_store_u64(head + 8, s->stretch_bytes);
    sl_store_u32(head + 16, run.records);
    log_run_each(&run, add_definition, &s->definitions);
    sl_store_u32(room_in(&s->definitions, 4), s->shards);
    log_run_clear(&run);
}

void snapshot_take(struct shard *shard, struct snapshot *s, sl_lsn at, uint64_t time)
{
    struct snapshot_part *part = &s->parts[shard->index];
    /* What a full disk's log still takes is for what frees it. */
    const struct commit_log *log = shard->run->order->log;
    bool has_room = log != NULL && !commit_log_is_out_of_room(log);
    uint32_t count = 0;

    (void)room_in(&part->body, 4);
    for (uint32_t i = 0; i < shard->queues_room; i++)
        if (shard->queues[i] != NULL && is_in(shard->queues[i], at)) {
            if (has_room)
                paging_store_full_chunks(shard, shard->queues[i]);
            take_queue(shard, shard->queues[i], &part->body);
            if (shard->queues[i]->dedup != NULL)
                take_ids(shard, shard->queues[i], time, part, s->ids_file);
            count++;
        }
    sl_store_u32(part->body.at, count);
    take_live(&part->live, &shard->live);
    /* The part has what these records say, so the checkpoint waits for them. */
    run_hand_over(shard->run);
    atomic_fetch_sub_explicit(&s->missing, 1, memory_order_acq_rel);
    snapshot_unref(s);
}

bool snapshot_is_complete(const struct snapshot *s)
{
    return atomic_load_explicit(&s->missing, memory_order_acquire) == 0;
}

const struct live *snapshot_live(const struct snapshot *s, uint32_t shard)
{
    return &s->parts[shard].live;
}

uint32_t snapshot_shards(const struct snapshot *s)
{
    return s->shards;
}

uint64_t snapshot_live_bytes(const struct snapshot *s)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < s->shards; i++) {
        const struct live *live = &s->parts[i].live;
        for (uint64_t n = live->first; n < live->first + live->count; n++)
            bytes += live_at(live, n)->bytes + live_at(live, n)->entries * SNAPSHOT_ENTRY_COST;
    }
    return bytes;
}

struct sl_buffer *snapshot_ids(struct snapshot *s, uint32_t shard)
{
    return &s->parts[shard].ids;
}

uint64_t snapshot_first_ids_file(const struct snapshot *s)
{
    uint64_t first = 0;

    for (uint32_t i = 0; i < s->shards; i++) {
        uint64_t file = s->parts[i].first_ids_file;
        if (file != 0 && (first == 0 || file < first))
            first = file;
    }
    return first;
}

void snapshot_add_section(struct snapshot *s, uint16_t kind, struct sl_bytes bytes)
{
    if (bytes.len == 0)
        return;
    uint8_t *at = room_in(&s->sections, SNAPSHOT_SECTION_BYTES + bytes.len);
    sl_store_u16(at, kind);
    sl_store_u64(at + 2, bytes.len);
    memcpy(at + SNAPSHOT_SECTION_BYTES, bytes.at, bytes.len);
}

bool snapshot_piece(const struct snapshot *s, uint32_t number, struct sl_bytes *out)
{
    if (number > s->shards + 1)
        return false;
    *out = sl_buffer_bytes(number == 0          ? &s->definitions
                           : number > s->shards ? &s->sections
                                                : &s->parts[number - 1].body);
    return true;
}

static uint8_t *room_in(struct sl_buffer *b, size_t n)
{
    uint8_t *at = sl_buffer_reserve(b, n);

    SL_ASSERT(at != NULL); /* bounded by what is in memory already */
    sl_buffer_grow(b, n);
    return at;
}

static void add_definition(void *context, const struct record *record)
{
    uint8_t *at = room_in(context, SNAPSHOT_DEFINITION_BYTES + record->body.len);

    sl_store_u16(at, record->kind);
    sl_store_u32(at + 2, (uint32_t)record->body.len);
    memcpy(at + SNAPSHOT_DEFINITION_BYTES, record->body.at, record->body.len);
}

/* Declared before that place; one that the last log had was. */
static bool is_in(const struct queue *q, sl_lsn at)
{
    return q->ref.number != 0 && q->place.v <= at.v;
}

static void take_queue(struct shard *s, struct queue *q, struct sl_buffer *body)
{
    struct taking t = {.body = body};
    size_t head = body->len;

    (void)room_in(body, SNAPSHOT_QUEUE_BYTES);
    queue_each_backlog(q, take_level, &t);
    aside_each(q, take_entry, &t);
    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next)
        consumer_each_loan(LIST_OF(at, struct consumer, of_queue), take_entry, &t);
    if (q->prepared != NULL)
        prepared_tell(s, q, body, &t.parts);
    if (q->delayed != NULL)
        delayed_tell(q, body, &t.parts);
    sl_store_u64(body->at + head, q->ref.number);
    sl_store_u64(body->at + head + 8, q->next_mark);
    sl_store_u32(body->at + head + 16, t.parts);
}

static void take_ids(struct shard *shard, struct queue *q, uint64_t time,
                     struct snapshot_part *part, uint64_t file)
{
    uint64_t first = id_keeping_save(shard, q, time, file, &part->ids);

    if (first != 0 && (part->first_ids_file == 0 || first < part->first_ids_file))
        part->first_ids_file = first;
}

static void take_level(void *context, uint8_t level, struct backlog *b)
{
    struct taking *t = context;

    t->level = level;
    backlog_each_part(b, take_chunk, take_entry, t);
}

static void take_chunk(void *context, const struct stored_chunk *chunk)
{
    struct taking *t = context;
    size_t bytes = SNAPSHOT_CHUNK_BYTES + (size_t)chunk->spans_count * SNAPSHOT_SPAN_BYTES;

    if (chunk->transient == chunk->count - chunk->from)
        return; /* nothing that is kept */
    uint8_t *at = room_in(t->body, bytes);
    struct sl_writer w = {at, at + bytes, false};
    sl_write_u8(&w, SNAPSHOT_CHUNK);
    sl_write_u64(&w, chunk->place.v);
    sl_write_u64(&w, chunk->first.v);
    sl_write_u64(&w, chunk->last.v);
    sl_write_u64(&w, chunk->deadline);
    sl_write_u64(&w, chunk->body_bytes);
    sl_write_u64(&w, chunk->lowest.v);
    sl_write_u64(&w, chunk->highest.v);
    sl_write_u32(&w, chunk->record_len);
    sl_write_u32(&w, chunk->count);
    sl_write_u32(&w, chunk->from);
    sl_write_u32(&w, chunk->transient);
    sl_write_u8(&w, t->level);
    sl_write_u32(&w, chunk->spans_count);
    for (uint32_t i = 0; i < chunk->spans_count; i++) {
        sl_write_u64(&w, chunk->spans[i].stretch);
        sl_write_u64(&w, chunk->spans[i].bytes);
        sl_write_u32(&w, chunk->spans[i].entries);
        sl_write_u32(&w, chunk->spans[i].transient);
    }
    SL_ASSERT(!w.overflowed && w.pos == w.end);
    t->parts++;
}

static void take_entry(void *context, const struct entry *entry)
{
    struct taking *t = context;
    struct entry told = *entry;

    if ((entry->flags & ENTRY_LOGGED) == 0)
        return;
    told.flags &= ENTRY_LOGGED | ENTRY_WAS_LENT;
    if ((entry->flags & ENTRY_TO_DISCARD) != 0 && discard_reason_of(entry) == DISCARD_REJECTED)
        told.flags |= ENTRY_TO_DISCARD; /* what else it may be is found out again */
    uint8_t *at = room_in(t->body, SNAPSHOT_ENTRY_BYTES);
    *at = SNAPSHOT_ENTRY;
    index_write_entry(at + 1, &told);
    t->parts++;
}

static void take_live(struct live *to, const struct live *from)
{
    to->stretch_bytes = from->stretch_bytes;
    for (uint64_t n = from->first; n < from->first + from->count; n++) {
        const struct live_stretch *stretch = live_at(from, n);
        if (stretch->entries != 0)
            live_add(to, (sl_lsn){n * from->stretch_bytes}, stretch->bytes, stretch->entries);
    }
}
