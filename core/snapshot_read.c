#include "core/account_change.h"
#include "core/base/limits.h"
#include "core/policy_record.h"
#include "core/snapshot.h"
#include "core/snapshot_form.h"

#include <stdlib.h>

static enum sl_err read_definitions(struct sl_reader *r, const struct snapshot_visitor *v);
static bool is_definition(uint16_t kind);
static enum sl_err read_section(struct sl_reader *r, const struct snapshot_visitor *v);
static enum sl_err read_queue(struct sl_reader *r, const struct snapshot_visitor *v);
static enum sl_err read_part(struct sl_reader *r, const struct snapshot_visitor *v);
static enum sl_err read_chunk(struct sl_reader *r, const struct snapshot_visitor *v);
static enum sl_err read_spans(struct sl_reader *r, struct stored_chunk *chunk,
                              struct stored_span spans[SL_CHUNK_ENTRIES_MAX]);
static bool makes_sense(const struct stored_chunk *chunk);
static enum sl_err read_entry(struct sl_reader *r, const struct snapshot_visitor *v);

/* Counts are not believed: whatever they say, reading ends where the bytes do. */
enum sl_err snapshot_read(struct sl_bytes body, const struct snapshot_visitor *v)
{
    struct sl_reader r = sl_reader_of(body);

    uint64_t next_number = sl_read_u64(&r);
    v->head(v->context, next_number, sl_read_u64(&r));
    SL_TRY(read_definitions(&r, v));
    uint32_t shards = sl_read_u32(&r);
    for (uint32_t i = 0; i < shards && !r.is_short; i++) {
        uint32_t queues = sl_read_u32(&r);
        for (uint32_t n = 0; n < queues && !r.is_short; n++)
            SL_TRY(read_queue(&r, v));
    }
    while (!r.is_short && sl_reader_left(&r) != 0)
        SL_TRY(read_section(&r, v));
    return r.is_short ? SL_ECORRUPT : SL_OK;
}

static enum sl_err read_section(struct sl_reader *r, const struct snapshot_visitor *v)
{
    uint16_t kind = sl_read_u16(r);
    uint64_t length = sl_read_u64(r);

    if (r->is_short || length > sl_reader_left(r))
        return SL_ECORRUPT;
    struct sl_bytes bytes = sl_read_bytes(r, length);
    return v->section == NULL ? SL_OK : v->section(v->context, kind, bytes);
}

static enum sl_err read_definitions(struct sl_reader *r, const struct snapshot_visitor *v)
{
    uint32_t count = sl_read_u32(r);

    for (uint32_t i = 0; i < count; i++) {
        struct record record = {.kind = sl_read_u16(r)};
        record.body = sl_read_bytes(r, sl_read_u32(r));
        if (r->is_short || !is_definition(record.kind))
            return SL_ECORRUPT;
        SL_TRY(v->definition(v->context, &record));
    }
    return SL_OK;
}

static bool is_definition(uint16_t kind)
{
    return (kind >= RECORD_DECLARE_EXCHANGE && kind <= RECORD_UNBIND) || kind == RECORD_AGES ||
           policy_record_is(kind) || account_change_is(kind);
}

static enum sl_err read_queue(struct sl_reader *r, const struct snapshot_visitor *v)
{
    uint64_t number = sl_read_u64(r);
    uint64_t mark = sl_read_u64(r);
    uint32_t parts = sl_read_u32(r);

    if (r->is_short || number == 0)
        return SL_ECORRUPT;
    SL_TRY(v->queue(v->context, number, mark));
    for (uint32_t i = 0; i < parts; i++)
        SL_TRY(read_part(r, v));
    return SL_OK;
}

static enum sl_err read_part(struct sl_reader *r, const struct snapshot_visitor *v)
{
    uint8_t kind = sl_read_u8(r);

    switch (kind) {
    case SNAPSHOT_CHUNK: return read_chunk(r, v);
    case SNAPSHOT_ENTRY: return read_entry(r, v);
    case SNAPSHOT_PREPARED:
    case SNAPSHOT_OUTCOMES:
    case SNAPSHOT_OUTCOME:
    case SNAPSHOT_DELAYED: return v->other(v->context, kind, r);
    default: return SL_ECORRUPT;
    }
}

static enum sl_err read_chunk(struct sl_reader *r, const struct snapshot_visitor *v)
{
    struct stored_span spans[SL_CHUNK_ENTRIES_MAX];
    struct stored_chunk chunk = {.place = {sl_read_u64(r)}};

    chunk.first.v = sl_read_u64(r);
    chunk.last.v = sl_read_u64(r);
    chunk.deadline = sl_read_u64(r);
    chunk.body_bytes = sl_read_u64(r);
    chunk.lowest.v = sl_read_u64(r);
    chunk.highest.v = sl_read_u64(r);
    chunk.record_len = sl_read_u32(r);
    chunk.count = sl_read_u32(r);
    chunk.from = sl_read_u32(r);
    chunk.transient = sl_read_u32(r);
    uint8_t level = sl_read_u8(r);
    chunk.spans_count = sl_read_u32(r);
    if (r->is_short || !makes_sense(&chunk))
        return SL_ECORRUPT;
    SL_TRY(read_spans(r, &chunk, spans));
    return v->chunk(v->context, &chunk, level);
}

static enum sl_err read_spans(struct sl_reader *r, struct stored_chunk *chunk,
                              struct stored_span spans[SL_CHUNK_ENTRIES_MAX])
{
    uint64_t entries = 0;
    uint64_t transient = 0;

    for (uint32_t i = 0; i < chunk->spans_count; i++) {
        spans[i].stretch = sl_read_u64(r);
        spans[i].bytes = sl_read_u64(r);
        spans[i].entries = sl_read_u32(r);
        spans[i].transient = sl_read_u32(r);
        entries += spans[i].entries;
        transient += spans[i].transient;
    }
    chunk->spans = spans;
    return r->is_short || entries > chunk->count - chunk->from || transient > chunk->transient
               ? SL_ECORRUPT
               : SL_OK;
}

static bool makes_sense(const struct stored_chunk *chunk)
{
    return chunk->place.v != 0 && chunk->first.v != 0 && chunk->first.v <= chunk->last.v &&
           chunk->last.v < UINT64_MAX && chunk->count <= SL_CHUNK_ENTRIES_MAX &&
           chunk->from < chunk->count && chunk->transient <= chunk->count - chunk->from &&
           chunk->record_len == record_length(index_bytes(chunk->count)) &&
           chunk->spans_count <= SL_CHUNK_ENTRIES_MAX && chunk->lowest.v <= chunk->highest.v;
}

static enum sl_err read_entry(struct sl_reader *r, const struct snapshot_visitor *v)
{
    struct sl_bytes bytes = sl_read_bytes(r, INDEX_ENTRY_BYTES);
    struct entry entry;

    if (r->is_short)
        return SL_ECORRUPT;
    index_read_entry(bytes.at, &entry);
    if (entry.seq.v == 0 || entry.seq.v == UINT64_MAX || entry.place.v == 0 ||
        (entry.flags & ~(ENTRY_LOGGED | ENTRY_WAS_LENT | ENTRY_TO_DISCARD)) != 0 ||
        (entry.flags & ENTRY_LOGGED) == 0 || entry.record_len < RECORD_HEADER_BYTES ||
        entry.record_len > RECORD_BYTES_MAX || entry.body_len > entry.record_len)
        return SL_ECORRUPT;
    return v->entry(v->context, &entry);
}
