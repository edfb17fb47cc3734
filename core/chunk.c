#include "core/chunk.h"

#include "core/base/assert.h"
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

/* Shared by all queues of the thread: a busy queue is empty many times a second. */
#define SPARE_ROWS_MAX 64u

struct spare_row {
    struct spare_row *next;
};

static _Thread_local struct spare_row *spare_rows;
static _Thread_local uint32_t spare_count;

static struct entry *row_take(uint32_t room);
static void row_give(struct entry *row, uint32_t room);
static struct chunk_index *index_new(uint32_t spans);
static void index_free(struct chunk_index *index);
static uint32_t gather_spans(const struct entry *entries, uint32_t n, uint64_t stretch_bytes,
                             struct stored_span *spans);
static void tell_entries(const struct entry *entries, uint32_t n, struct stored_chunk *out);

struct chunk *chunk_new(uint32_t room)
{
    struct chunk *c = calloc(1, sizeof *c);

    SL_ASSERT(c != NULL);
    memory_charge(sizeof *c);
    list_init(&c->of_dropping);
    if (room > 0)
        c->entries = row_take(room);
    c->room = room;
    return c;
}

void chunk_free(struct chunk *c)
{
    list_remove(&c->of_dropping);
    if (c->index != NULL)
        chunk_forget_index(c);
    if (c->entries != NULL)
        row_give(c->entries, c->room);
    memory_release(sizeof *c);
    free(c);
}

void chunks_trim(void)
{
    while (spare_rows != NULL) {
        struct spare_row *next = spare_rows->next;
        free(spare_rows);
        spare_rows = next;
    }
    spare_count = 0;
}

void chunk_store(struct chunk *c, struct live *live, sl_lsn place, uint32_t record_len)
{
    SL_ASSERT(c->entries != NULL && c->index == NULL);
    c->index = index_new(0);
    c->index->live = live;
    c->index->shift = 0u - c->from;
    c->index->told =
        (struct stored_chunk){.place = place, .record_len = record_len, .count = c->to - c->from};
    live_add(live, place, record_len, 1);
}

void chunk_store_as(struct chunk *c, struct live *live, const struct stored_chunk *told)
{
    SL_ASSERT(c->entries == NULL && c->index == NULL);
    c->index = index_new(told->spans_count);
    c->index->live = live;
    c->index->told = *told;
    if (told->spans_count > 0)
        memcpy(c->index->spans, told->spans, told->spans_count * sizeof told->spans[0]);
    c->index->told.spans = c->index->spans;
    live_add(live, told->place, told->record_len, 1);
}

void chunk_forget_index(struct chunk *c)
{
    live_sub(c->index->live, c->index->told.place, c->index->told.record_len, 1);
    index_free(c->index);
    c->index = NULL;
}

sl_lsn chunk_index_end(const struct chunk *c)
{
    return (sl_lsn){c->index->told.place.v + c->index->told.record_len};
}

void chunk_drop(struct chunk *c)
{
    struct stored_span spans[SL_CHUNK_ENTRIES_MAX];
    struct chunk_index *before = c->index;
    struct stored_chunk told;

    chunk_tell(c, &told, spans);
    c->index = index_new(told.spans_count);
    c->index->live = before->live;
    c->index->told = told;
    memcpy(c->index->spans, spans, told.spans_count * sizeof spans[0]);
    c->index->told.spans = c->index->spans;
    index_free(before);
    for (uint32_t i = c->from; i < c->to; i++)
        if (c->entries[i].msg != NULL)
            message_unref(c->entries[i].msg);
    row_give(c->entries, c->room);
    c->entries = NULL;
    c->room = c->from = c->to = c->resident = c->body_bytes = 0;
    c->cookie = 0;
    list_remove(&c->of_dropping);
}

void chunk_load(struct chunk *c, const struct entry *entries, uint32_t count)
{
    SL_ASSERT(c->entries == NULL && count == chunk_count(c) && count > 0);
    c->entries = row_take(count);
    c->room = count;
    for (uint32_t i = 0; i < count; i++)
        chunk_push(c, &entries[i]);
    c->index->shift = c->index->told.from;
}

void chunk_tell(const struct chunk *c, struct stored_chunk *out, struct stored_span *spans)
{
    const struct chunk_index *index = c->index;

    *out = index->told;
    if (c->entries == NULL)
        return;
    out->from = c->from + index->shift;
    tell_entries(c->entries + c->from, c->to - c->from, out);
    out->spans_count =
        gather_spans(c->entries + c->from, c->to - c->from, index->live->stretch_bytes, spans);
    out->spans = spans;
}

void chunk_end_spans(struct chunk *c)
{
    const struct stored_chunk *told = &c->index->told;
    struct live *live = c->index->live;

    SL_ASSERT(c->entries == NULL);
    for (uint32_t i = 0; i < told->spans_count; i++) {
        const struct stored_span *span = &told->spans[i];
        live_sub(live, (sl_lsn){span->stretch * live->stretch_bytes}, span->bytes, span->entries);
    }
}

static struct entry *row_take(uint32_t room)
{
    struct entry *row;

    memory_charge(room * sizeof *row);
    if (room == SL_CHUNK_ENTRIES_MAX && spare_rows != NULL) {
        row = (struct entry *)(void *)spare_rows;
        spare_rows = spare_rows->next;
        spare_count--;
        return row;
    }
    row = malloc(room * sizeof *row);
    SL_ASSERT(row != NULL);
    return row;
}

static void row_give(struct entry *row, uint32_t room)
{
    memory_release(room * sizeof *row);
    if (room != SL_CHUNK_ENTRIES_MAX || spare_count >= SPARE_ROWS_MAX) {
        free(row);
        return;
    }
    struct spare_row *spare = (struct spare_row *)(void *)row;
    spare->next = spare_rows;
    spare_rows = spare;
    spare_count++;
}

static struct chunk_index *index_new(uint32_t spans)
{
    size_t bytes = sizeof(struct chunk_index) + spans * sizeof(struct stored_span);
    struct chunk_index *index = calloc(1, bytes);

    SL_ASSERT(index != NULL);
    index->told.spans_count = spans;
    memory_charge(bytes);
    return index;
}

static void index_free(struct chunk_index *index)
{
    memory_release(sizeof *index + index->told.spans_count * sizeof index->spans[0]);
    free(index);
}

/* Entries lie mostly in the order of their places, so the span is mostly the last one. */
static uint32_t gather_spans(const struct entry *entries, uint32_t n, uint64_t stretch_bytes,
                             struct stored_span *spans)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct entry *e = &entries[i];
        uint64_t stretch = e->place.v / stretch_bytes;
        uint32_t at = count;
        while (at > 0 && spans[at - 1].stretch != stretch)
            at--;
        if (at == 0) {
            spans[count] = (struct stored_span){.stretch = stretch};
            at = ++count;
        }
        spans[at - 1].bytes += live_entry_bytes(e);
        spans[at - 1].entries++;
        spans[at - 1].transient += (e->flags & ENTRY_LOGGED) == 0;
    }
    return count;
}

static void tell_entries(const struct entry *entries, uint32_t n, struct stored_chunk *out)
{
    out->first = entries[0].seq;
    out->last = entries[n - 1].seq;
    out->deadline = entries[0].deadline;
    out->body_bytes = 0;
    out->transient = 0;
    out->lowest = out->highest = entries[0].place;
    for (uint32_t i = 0; i < n; i++) {
        out->body_bytes += entries[i].body_len;
        out->transient += (entries[i].flags & ENTRY_LOGGED) == 0;
        if (entries[i].place.v < out->lowest.v)
            out->lowest = entries[i].place;
        if (entries[i].place.v > out->highest.v)
            out->highest = entries[i].place;
    }
}
