/* paging_write.c - the part of paging.h that has in the log what is to leave memory. */
#include "core/base/assert.h"
#include "core/index.h"
#include "core/paging_parts.h"

#define WRITE_BYTES 64u /* so much of a message written is work for one entry */

static void write_row(struct shard *s, struct entry *entries, size_t n, uint32_t *budget);
static void place_messages(struct shard *s, struct entry **written, const uint64_t *offsets,
                           const uint32_t *lengths, uint32_t n);

void paging_store(struct shard *s, const struct queue *q, struct chunk *c, uint32_t *budget)
{
    struct log_run *record = &s->run->at_once;
    uint32_t count = c->to - c->from;

    write_row(s, c->entries + c->from, count, budget);
    uint8_t *at = log_run_add(record, RECORD_INDEX, 0, false, index_bytes(count));
    index_write(at, q->ref.number, c->entries + c->from, count);
    struct log_place place = order_place(s->run->order, record);
    chunk_store(c, &s->live, place.start, record_length(index_bytes(count)));
}

static void write_row(struct shard *s, struct entry *entries, size_t n, uint32_t *budget)
{
    struct entry *batch[PAGING_BATCH];

    SL_ASSERT(n <= PAGING_BATCH);
    for (size_t i = 0; i < n; i++)
        batch[i] = &entries[i];
    paging_write(s, batch, (uint32_t)n, budget);
}

/* Small ones many at once. */
void paging_write(struct shard *s, struct entry **entries, uint32_t n, uint32_t *budget)
{
    struct entry *written[PAGING_BATCH];
    uint64_t offsets[PAGING_BATCH];
    uint32_t lengths[PAGING_BATCH];
    struct log_run *run = &s->run->at_once;
    uint32_t count = 0;

    SL_ASSERT(n <= PAGING_BATCH);
    for (uint32_t i = 0; i < n; i++) {
        if (entries[i]->place.v != 0)
            continue;
        SL_ASSERT(entries[i]->msg != NULL);
        written[count] = entries[i];
        offsets[count] = journal_paged(run, entries[i]->msg, &lengths[count]);
        paging_spend(budget, lengths[count++] / WRITE_BYTES);
        if (run->bytes < SL_CHUNK_BODY_BYTES)
            continue;
        place_messages(s, written, offsets, lengths, count);
        count = 0;
    }
    if (count > 0)
        place_messages(s, written, offsets, lengths, count);
}

static void place_messages(struct shard *s, struct entry **written, const uint64_t *offsets,
                           const uint32_t *lengths, uint32_t n)
{
    struct log_place place = order_place(s->run->order, &s->run->at_once);

    for (uint32_t i = 0; i < n; i++) {
        struct entry *entry = written[i];
        entry->place.v = place.start.v + offsets[i];
        entry->record_len = lengths[i];
        entry->copies = 1;
        shard_begin_entry(s, entry); /* of the log it holds something only now */
    }
}
