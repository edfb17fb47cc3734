#include "core/survivors.h"

#include "core/survivor_chunk.h"

#include <stdlib.h>

#define LOOSE_FIRST 4u

struct survivor_row {
    struct survivor_chunk *chunks;
    size_t count;
    size_t room;
    size_t front; /* all before it are gone */
};

static enum sl_err row_append(struct survivor_row *row, struct survivor_chunk **out);
static void row_squeeze(struct survivor_row *row);
static void row_trim(struct survivor_row *row);
static struct survivor_chunk *row_find(const struct survivor_row *row, sl_seq seq);
static int by_first(const void *a, const void *b);
static int by_level(const void *a, const void *b);

void survivors_init(struct survivors *s, uint32_t levels)
{
    *s = (struct survivors){.levels = levels};
}

void survivors_deinit(struct survivors *s)
{
    for (uint32_t i = 0; s->rows != NULL && i < s->levels; i++) {
        struct survivor_row *row = &s->rows[i];
        for (size_t n = row->front; n < row->count; n++)
            survivor_chunk_end(&row->chunks[n]);
        free(row->chunks);
    }
    free(s->rows);
    free(s->loose);
    *s = (struct survivors){.levels = s->levels};
}

static enum sl_err rows_of(struct survivors *s, uint8_t level, struct survivor_row **out)
{
    if (level >= s->levels)
        return SL_ECORRUPT;
    if (s->rows == NULL)
        s->rows = calloc(s->levels, sizeof *s->rows);
    if (s->rows == NULL)
        return SL_ENOMEM;
    *out = &s->rows[level];
    return SL_OK;
}

enum sl_err survivors_add(struct survivors *s, const struct entry *entry)
{
    struct survivor_row *row;
    struct survivor_chunk *c = NULL;

    SL_TRY(rows_of(s, entry->priority, &row));
    if (row->count > row->front) {
        c = &row->chunks[row->count - 1];
        if (c->last.v >= entry->seq.v)
            return SL_ECORRUPT; /* order is the log's */
    }
    if (c == NULL || c->entries == NULL || c->count == SURVIVOR_CHUNK_ENTRIES)
        SL_TRY(row_append(row, &c));
    return survivor_chunk_push(c, entry);
}

enum sl_err survivors_add_chunk(struct survivors *s, const struct stored_chunk *chunk,
                                uint8_t level)
{
    struct survivor_row *row;
    struct survivor_chunk *c;
    size_t bytes = chunk->spans_count * sizeof chunk->spans[0];

    SL_TRY(rows_of(s, level, &row));
    struct stored_span *spans = malloc(bytes + 1);
    if (spans == NULL)
        return SL_ENOMEM;
    enum sl_err err = row_append(row, &c);
    if (err != SL_OK) {
        free(spans);
        return err;
    }
    if (bytes != 0)
        memcpy(spans, chunk->spans, bytes);
    c->stored = *chunk;
    c->stored.spans = spans;
    c->first = chunk->first;
    c->last = chunk->last;
    c->open = chunk->count - chunk->from;
    return SL_OK;
}

enum sl_err survivors_add_loose(struct survivors *s, const struct entry *entry)
{
    if (entry->priority >= s->levels)
        return SL_ECORRUPT;
    if (s->loose_count == s->loose_room) {
        size_t room = s->loose_room == 0 ? LOOSE_FIRST : s->loose_room * 2;
        struct entry *loose = realloc(s->loose, room * sizeof *loose);
        if (loose == NULL)
            return SL_ENOMEM;
        s->loose = loose;
        s->loose_room = room;
    }
    s->loose[s->loose_count++] = *entry;
    return SL_OK;
}

/* The loose ones among a stored chunk's: what had come back, or was out, when it was stored, after
 * a start had brought all of them into one row. */
static enum sl_err merge(struct survivors *s, struct survivor_chunk *c, struct log_reader *reader,
                         uint8_t level, size_t *at)
{
    sl_seq last = c->last;

    for (bool is_open = false; *at < s->loose_count; (*at)++) {
        const struct entry *entry = &s->loose[*at];
        if (entry->priority != level || entry->seq.v > last.v)
            break;
        if (!is_open)
            SL_TRY(survivor_chunk_open(c, reader));
        is_open = true;
        SL_TRY(survivor_chunk_insert(c, entry));
    }
    return SL_OK;
}

/* The stored ones are put in order, taken off the row, and come back between the loose ones. */
static enum sl_err sort_row(struct survivors *s, struct log_reader *reader, uint8_t level,
                            size_t *at)
{
    struct survivor_row *row;

    SL_TRY(rows_of(s, level, &row));
    struct survivor_row stored = *row;
    enum sl_err err = SL_OK;
    *row = (struct survivor_row){0};
    if (stored.count > 1)
        qsort(stored.chunks, stored.count, sizeof stored.chunks[0], by_first);
    for (size_t n = 0; err == SL_OK;) {
        bool has_loose = *at < s->loose_count && s->loose[*at].priority == level;
        if (!has_loose && n == stored.count)
            break;
        if (has_loose && (n == stored.count || s->loose[*at].seq.v < stored.chunks[n].first.v)) {
            err = survivors_add(s, &s->loose[(*at)++]);
            continue;
        }
        struct survivor_chunk *c;
        if (row->count > 0 && row->chunks[row->count - 1].last.v >= stored.chunks[n].first.v)
            err = SL_ECORRUPT;
        if (err == SL_OK)
            err = merge(s, &stored.chunks[n], reader, level, at);
        if (err == SL_OK)
            err = row_append(row, &c);
        if (err == SL_OK) {
            *c = stored.chunks[n];
            stored.chunks[n++] = (struct survivor_chunk){0};
        }
    }
    for (size_t n = 0; n < stored.count; n++)
        survivor_chunk_end(&stored.chunks[n]); /* those that did not get there */
    free(stored.chunks);
    return err;
}

enum sl_err survivors_sort(struct survivors *s, struct log_reader *reader)
{
    size_t at = 0;

    if (s->rows == NULL && s->loose_count == 0)
        return SL_OK;
    if (s->loose_count > 1)
        qsort(s->loose, s->loose_count, sizeof s->loose[0], by_level);
    for (uint32_t level = 0; level < s->levels; level++)
        SL_TRY(sort_row(s, reader, (uint8_t)level, &at));
    free(s->loose);
    s->loose = NULL;
    s->loose_count = s->loose_room = 0;
    return SL_OK;
}

/* First among what is in memory: a chunk of another level may only seem to have it. */
enum sl_err survivors_find(struct survivors *s, struct log_reader *reader, sl_seq seq,
                           struct entry **out)
{
    uint32_t levels = s->rows == NULL ? 0 : s->levels;

    *out = NULL;
    for (uint32_t i = 0; i < levels && *out == NULL; i++) {
        const struct survivor_chunk *c = row_find(&s->rows[i], seq);
        if (c != NULL)
            *out = survivor_chunk_find(c, seq);
    }
    for (uint32_t i = 0; i < levels && *out == NULL; i++) {
        struct survivor_chunk *c = row_find(&s->rows[i], seq);
        if (c == NULL || c->entries != NULL || survivor_chunk_is_gone(c))
            continue;
        SL_TRY(survivor_chunk_open(c, reader));
        *out = survivor_chunk_find(c, seq);
    }
    return SL_OK;
}

void survivors_end(struct survivors *s, struct entry *entry)
{
    struct survivor_row *row = &s->rows[entry->priority];
    struct survivor_chunk *c = row_find(row, entry->seq);

    survivor_chunk_end_entry(c, entry);
    if (survivor_chunk_is_gone(c))
        row_trim(row);
}

enum sl_err survivors_purge(struct survivors *s, struct log_reader *reader, sl_seq highest,
                            bool (*next)(void *context, uint64_t *seq), void *context)
{
    uint64_t *stay = NULL;
    size_t count = 0;
    size_t room = 0;
    uint64_t seq;
    enum sl_err err = SL_OK;

    while (err == SL_OK && next(context, &seq)) {
        if (count == room) {
            room = room == 0 ? 64 : room * 2;
            uint64_t *more = realloc(stay, room * sizeof *more);
            err = more == NULL ? SL_ENOMEM : SL_OK;
            stay = more == NULL ? stay : more;
        }
        if (err == SL_OK)
            stay[count++] = seq;
    }
    for (uint32_t i = 0; s->rows != NULL && i < s->levels; i++) {
        struct survivor_row *row = &s->rows[i];
        for (size_t n = row->front; n < row->count && err == SL_OK; n++) {
            struct survivor_chunk *c = &row->chunks[n];
            if (survivor_chunk_is_gone(c) || c->first.v > highest.v)
                continue;
            err = survivor_chunk_purge(c, reader, highest, stay, count);
        }
        row_trim(row);
    }
    free(stay);
    return err;
}

enum sl_err survivors_open(struct survivors *s, struct log_reader *reader, bool is_all)
{
    for (uint32_t i = 0; s->rows != NULL && i < s->levels; i++) {
        struct survivor_row *row = &s->rows[i];
        for (size_t n = row->front; n < row->count; n++) {
            struct survivor_chunk *c = &row->chunks[n];
            if (survivor_chunk_is_gone(c) || c->entries != NULL ||
                (!is_all && c->stored.transient == 0))
                continue;
            SL_TRY(survivor_chunk_open(c, reader));
        }
        row_trim(row);
    }
    return SL_OK;
}

void survivors_hand_over(struct survivors *s,
                         void (*on_chunk)(void *context, uint8_t level,
                                          const struct stored_chunk *chunk),
                         void (*on_entry)(void *context, struct entry *entry), void *context)
{
    for (uint32_t i = 0; s->rows != NULL && i < s->levels; i++) {
        struct survivor_row *row = &s->rows[i];
        for (; row->front < row->count; row->front++) {
            struct survivor_chunk *c = &row->chunks[row->front];
            if (c->entries == NULL && c->stored.place.v != 0)
                on_chunk(context, (uint8_t)i, &c->stored);
            for (uint32_t n = 0; c->entries != NULL && n < c->count; n++) {
                struct entry entry = c->entries[n];
                c->entries[n].msg = NULL;
                if ((entry.flags & SURVIVOR_GONE) == 0)
                    on_entry(context, &entry);
            }
            survivor_chunk_end(c);
        }
    }
    survivors_deinit(s);
}

static enum sl_err row_append(struct survivor_row *row, struct survivor_chunk **out)
{
    if (row->count == row->room) {
        row_squeeze(row);
        if (row->count > row->room / 2 || row->room == 0) {
            size_t room = row->room == 0 ? 1 : row->room * 2;
            struct survivor_chunk *chunks = realloc(row->chunks, room * sizeof *chunks);
            if (chunks == NULL)
                return SL_ENOMEM;
            row->chunks = chunks;
            row->room = room;
        }
    }
    *out = &row->chunks[row->count++];
    **out = (struct survivor_chunk){0};
    return SL_OK;
}

static void row_squeeze(struct survivor_row *row)
{
    size_t to = 0;

    for (size_t n = row->front; n < row->count; n++)
        if (!survivor_chunk_is_gone(&row->chunks[n]))
            row->chunks[to++] = row->chunks[n];
    row->count = to;
    row->front = 0;
}

static void row_trim(struct survivor_row *row)
{
    while (row->front < row->count && survivor_chunk_is_gone(&row->chunks[row->front]))
        row->front++;
}

/* The chunk in whose range the sequence lies. */
static struct survivor_chunk *row_find(const struct survivor_row *row, sl_seq seq)
{
    size_t low = row->front;
    size_t high = row->count;

    if (low < high && seq.v > row->chunks[low].last.v) /* the usual case: oldest first */
        low++;
    else
        high = low < high ? low + 1 : high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (row->chunks[middle].last.v < seq.v)
            low = middle + 1;
        else
            high = middle;
    }
    return low < row->count && row->chunks[low].first.v <= seq.v ? &row->chunks[low] : NULL;
}

static int by_first(const void *a, const void *b)
{
    const struct survivor_chunk *left = a;
    const struct survivor_chunk *right = b;

    return left->first.v < right->first.v ? -1 : left->first.v > right->first.v;
}

static int by_level(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;

    if (left->priority != right->priority)
        return left->priority < right->priority ? -1 : 1;
    return left->seq.v < right->seq.v ? -1 : left->seq.v > right->seq.v;
}
