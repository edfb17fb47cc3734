#include "core/survivor_chunk.h"

#include "core/base/limits.h"
#include "core/index.h"
#include "core/survivors.h"

#include <stdlib.h>

#define FIRST_ENTRIES 4u /* a hundred thousand queues with a message each are usual, too */

static bool is_as_stored(const struct stored_chunk *stored, const struct entry *entries,
                         uint32_t count);

struct entry *survivor_chunk_find(const struct survivor_chunk *c, sl_seq seq)
{
    uint32_t low = 0;
    uint32_t high = c->entries == NULL ? 0 : c->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (c->entries[middle].seq.v < seq.v)
            low = middle + 1;
        else
            high = middle;
    }
    if (c->entries == NULL || low == c->count || c->entries[low].seq.v != seq.v ||
        (c->entries[low].flags & SURVIVOR_GONE) != 0)
        return NULL;
    return &c->entries[low];
}

enum sl_err survivor_chunk_push(struct survivor_chunk *c, const struct entry *entry)
{
    if (c->count == c->room) {
        uint32_t room = c->room == 0 ? FIRST_ENTRIES : c->room * 4;
        struct entry *entries = realloc(c->entries, room * sizeof *entries);
        if (entries == NULL)
            return SL_ENOMEM;
        c->entries = entries;
        c->room = room;
    }
    if (c->count == 0)
        c->first = entry->seq;
    c->entries[c->count++] = *entry;
    c->open++;
    c->last = entry->seq;
    return SL_OK;
}

enum sl_err survivor_chunk_insert(struct survivor_chunk *c, const struct entry *entry)
{
    sl_seq last = c->last;

    SL_TRY(survivor_chunk_push(c, entry));
    uint32_t at = c->count - 1;
    for (; at > 0 && c->entries[at - 1].seq.v > entry->seq.v; at--)
        c->entries[at] = c->entries[at - 1];
    c->entries[at] = *entry;
    if (last.v > c->last.v)
        c->last = last;
    return at > 0 && c->entries[at - 1].seq.v == entry->seq.v ? SL_ECORRUPT : SL_OK;
}

enum sl_err survivor_chunk_open(struct survivor_chunk *c, struct log_reader *reader)
{
    struct record record;
    uint64_t number;
    uint32_t count;
    struct entry *entries = malloc(SL_CHUNK_ENTRIES_MAX * sizeof *entries);

    if (entries == NULL)
        return SL_ENOMEM;
    enum sl_err err = reader == NULL
                          ? SL_ECORRUPT
                          : log_reader_read(reader, c->stored.place, c->stored.record_len, &record);
    if (err == SL_OK && record.kind != RECORD_INDEX)
        err = SL_ECORRUPT;
    if (err == SL_OK)
        err = index_read(record.body, &number, entries, SL_CHUNK_ENTRIES_MAX, &count);
    if (err == SL_OK && !is_as_stored(&c->stored, entries, count))
        err = SL_ECORRUPT;
    if (err != SL_OK) {
        free(entries);
        return err == SL_ENOENT ? SL_ECORRUPT : err;
    }
    uint32_t from = c->stored.from;
    free((void *)c->stored.spans);
    c->stored = (struct stored_chunk){0};
    c->entries = entries;
    c->count = c->room = count;
    c->open = count - from;
    for (uint32_t i = 0; i < count; i++) {
        entries[i].msg = NULL;
        if (i < from)
            entries[i].flags = SURVIVOR_GONE;
        else if ((entries[i].flags & ENTRY_LOGGED) == 0)
            survivor_chunk_end_entry(c, &entries[i]);
    }
    return SL_OK;
}

static bool is_as_stored(const struct stored_chunk *stored, const struct entry *entries,
                         uint32_t count)
{
    if (count != stored->count || stored->from >= count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if ((entries[i].flags & ~(ENTRY_LOGGED | ENTRY_WAS_LENT)) != 0)
            return false;
    return entries[stored->from].seq.v == stored->first.v &&
           entries[count - 1].seq.v == stored->last.v;
}

void survivor_chunk_end(struct survivor_chunk *c)
{
    for (uint32_t i = 0; c->entries != NULL && i < c->count; i++)
        if (c->entries[i].msg != NULL)
            message_unref(c->entries[i].msg);
    free(c->entries);
    free((void *)c->stored.spans);
    c->stored = (struct stored_chunk){0};
    c->entries = NULL;
    c->open = c->count = c->room = 0;
}

void survivor_chunk_end_entry(struct survivor_chunk *c, struct entry *entry)
{
    if (entry->msg != NULL)
        message_unref(entry->msg);
    entry->msg = NULL;
    entry->flags |= SURVIVOR_GONE;
    if (--c->open == 0)
        survivor_chunk_end(c);
}

enum sl_err survivor_chunk_purge(struct survivor_chunk *c, struct log_reader *reader,
                                 sl_seq highest, const uint64_t *stay, size_t stay_count)
{
    size_t low = 0;
    size_t high = stay_count;

    while (low < high) { /* the first that may be in the chunk */
        size_t middle = low + (high - low) / 2;
        if (stay[middle] < c->first.v)
            low = middle + 1;
        else
            high = middle;
    }
    if (c->last.v <= highest.v && (low == stay_count || stay[low] > c->last.v)) {
        survivor_chunk_end(c);
        return SL_OK;
    }
    if (c->entries == NULL)
        SL_TRY(survivor_chunk_open(c, reader));
    for (uint32_t i = 0; c->entries != NULL && i < c->count; i++) {
        struct entry *entry = &c->entries[i];
        while (low < stay_count && stay[low] < entry->seq.v)
            low++;
        bool stays = low < stay_count && stay[low] == entry->seq.v;
        if (!stays && entry->seq.v <= highest.v && (entry->flags & SURVIVOR_GONE) == 0)
            survivor_chunk_end_entry(c, entry);
    }
    return SL_OK;
}
