/* What of a backlog is in the log: parts for checkpoints, asking for it, and taking it back. */
#include "core/backlog_parts.h"

#include "core/base/assert.h"
#include "core/fetch.h"

#include <stdlib.h>

#define MESSAGE_BYTES 256u /* of memory, beside what its record has */

static struct fetch_request *ask_front(struct backlog *b, uint64_t cookie);
static struct fetch_request *ask_chunk(struct chunk *c, uint64_t cookie);
static void give_front_back(struct backlog *b);
static void gather_front(struct backlog *b);
static void take_messages(struct chunk *c, struct fetch_request *r);
static struct chunk *find_waiting(struct backlog *b, uint64_t cookie);
static struct chunk *find_chunk(const struct backlog *b, uint64_t seq);
static uint64_t first_in(const struct chunk *c);
static struct entry *find_in(struct chunk *c, uint64_t seq);
static struct entry *find_returned(struct backlog *b, uint64_t seq);
static int by_sequence(const void *a, const void *b);
static void note_ahead(struct backlog *b, uint32_t ahead);
static bool lies_in(sl_lsn place, sl_lsn from, sl_lsn to);

struct fetch_request *backlog_ask(struct backlog *b, uint32_t ahead, uint64_t cookie)
{
    struct fetch_request *r = NULL;
    struct entry next;

    note_ahead(b, ahead);
    if (backlog_peek(b, &next) == BACKLOG_AWAY && !backlog_row_is_next(b))
        r = ask_front(b, cookie);
    for (struct chunk *c = b->head; r == NULL && c != NULL && ahead > 0; c = c->next, ahead--)
        if (c->cookie == 0)
            r = ask_chunk(c, cookie);
    return r;
}

struct fetch_request *backlog_ask_entries(struct backlog *b, uint32_t ahead, uint64_t cookie)
{
    note_ahead(b, ahead);
    for (struct chunk *c = b->head; c != NULL && ahead > 0; c = c->next, ahead--) {
        if (c->cookie != 0 || c->entries != NULL)
            continue;
        struct fetch_request *r = fetch_request_new(FETCH_INDEX);
        r->place = c->index->told.place;
        r->record_len = c->index->told.record_len;
        r->bytes = sizeof *r;
        r->cookie = c->cookie = cookie;
        return r;
    }
    return NULL;
}

bool backlog_is_asked(const struct backlog *b)
{
    return (b->front != NULL && b->front->cookie != 0) || (b->head != NULL && b->head->cookie != 0);
}

bool backlog_take(struct backlog *b, struct fetch_request *r)
{
    struct chunk *c = find_waiting(b, r->cookie);

    if (c == NULL)
        return false;
    c->cookie = 0;
    if (r->err != SL_OK)
        return true;
    if (r->kind == FETCH_ENTRIES)
        take_messages(c, r);
    else {
        uint32_t from = r->kind == FETCH_INDEX ? c->index->told.from : 0;
        chunk_load(c, r->entries + from, r->count - from);
        r->count = 0; /* the references are the chunk's now */
        if (c->next != NULL)
            backlog_list(b, c);
    }
    return true;
}

void backlog_each_part(const struct backlog *b,
                       void (*on_chunk)(void *context, const struct stored_chunk *chunk),
                       void (*on_entry)(void *context, const struct entry *entry), void *context)
{
    struct stored_span spans[SL_CHUNK_ENTRIES_MAX];
    struct stored_chunk told;

    for (const struct chunk *c = b->head; c != NULL; c = c->next) {
        if (c->index != NULL) {
            chunk_tell(c, &told, spans);
            on_chunk(context, &told);
            continue;
        }
        for (uint32_t i = c->from; i < c->to; i++)
            on_entry(context, &c->entries[i]);
    }
    for (uint32_t i = 0; b->front != NULL && i < b->front->to; i++)
        if (i >= b->front->from)
            on_entry(context, &b->front->entries[i]);
    for (size_t i = 0; i < b->returned_count; i++)
        on_entry(context, &b->returned[i]);
}

void backlog_push_stored(struct backlog *b, struct live *live, const struct stored_chunk *chunk)
{
    SL_ASSERT(chunk->first.v > b->last.v && chunk->from < chunk->count);
    struct chunk *c = chunk_new(0);
    chunk_store_as(c, live, chunk);
    for (uint32_t i = 0; i < chunk->spans_count; i++) {
        const struct stored_span *span = &chunk->spans[i];
        live_add(live, (sl_lsn){span->stretch * live->stretch_bytes}, span->bytes, span->entries);
    }
    backlog_append(b, c);
    b->count += chunk->count - chunk->from;
    b->last = chunk->last;
}

struct entry *backlog_find(struct backlog *b, sl_seq seq)
{
    struct chunk *c = find_chunk(b, seq.v);
    struct entry *found = c != NULL && c->entries != NULL ? find_in(c, seq.v) : NULL;

    if (found == NULL && b->front != NULL)
        found = find_in(b->front, seq.v);
    return found != NULL ? found : find_returned(b, seq.v);
}

bool backlog_may_hold(struct backlog *b, sl_seq seq)
{
    const struct chunk *c = find_chunk(b, seq.v);

    if (c != NULL && c->entries == NULL)
        return seq.v <= c->index->told.last.v;
    return backlog_find(b, seq) != NULL;
}

/* What is in order is still a heap. */
static struct entry *find_returned(struct backlog *b, uint64_t seq)
{
    size_t low = 0;
    size_t high = b->returned_count;

    if (!b->has_order && b->returned_count > 1)
        qsort(b->returned, b->returned_count, sizeof b->returned[0], by_sequence);
    b->has_order = true;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->returned[middle].seq.v < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->returned_count && b->returned[low].seq.v == seq ? &b->returned[low] : NULL;
}

static int by_sequence(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;

    return left->seq.v < right->seq.v ? -1 : left->seq.v > right->seq.v;
}

bool backlog_wants_open(const struct backlog *b, sl_lsn from, sl_lsn to, struct stored_chunk *out)
{
    for (const struct chunk *c = b->head; c != NULL; c = c->next) {
        if (c->entries != NULL)
            continue;
        const struct stored_chunk *told = &c->index->told;
        if (lies_in(told->place, from, to) ||
            (told->lowest.v < to.v && told->highest.v >= from.v)) {
            *out = *told;
            return true;
        }
    }
    return false;
}

bool backlog_open(struct backlog *b, sl_lsn place, const struct entry *entries, uint32_t count,
                  uint32_t *from)
{
    for (struct chunk *c = b->head; c != NULL; c = c->next) {
        if (c->entries != NULL || c->index->told.place.v != place.v)
            continue;
        if (count != c->index->told.count)
            return false;
        *from = c->index->told.from;
        c->cookie = 0; /* who waits for the same asks again */
        chunk_load(c, entries + *from, count - *from);
        chunk_forget_index(c);
        if (c->next != NULL)
            backlog_list(b, c);
        return true;
    }
    return false;
}

bool backlog_moved(struct backlog *b, sl_seq seq, sl_lsn place, uint32_t record_len,
                   uint16_t copies)
{
    struct chunk *c = find_chunk(b, seq.v);
    struct entry *entry = backlog_find(b, seq);

    if (entry == NULL)
        return false;
    entry->place = place;
    entry->record_len = record_len;
    entry->copies = copies;
    if (c == NULL || c->index == NULL || c->entries == NULL || entry < c->entries ||
        entry >= c->entries + c->to)
        return true;
    list_remove(&c->of_dropping); /* its INDEX says the old place */
    chunk_forget_index(c);
    if (c->next != NULL)
        backlog_list(b, c);
    return true;
}

void backlog_forget_indexes(struct backlog *b, sl_lsn from, sl_lsn to)
{
    for (struct chunk *c = b->head; c != NULL; c = c->next) {
        if (c->entries == NULL || c->index == NULL || !lies_in(c->index->told.place, from, to))
            continue;
        list_remove(&c->of_dropping);
        chunk_forget_index(c);
        if (c->next != NULL)
            backlog_list(b, c);
    }
}

/* The next one is away, and of the returned: those next of the heap step in front, together with
 * those that stand there already. */
static struct fetch_request *ask_front(struct backlog *b, uint64_t cookie)
{
    sl_seq row = {b->head != NULL ? first_in(b->head) : UINT64_MAX};

    if (b->returned_count > 0 && b->returned[0].msg == NULL && b->returned[0].seq.v < row.v &&
        (b->front == NULL || b->returned[0].seq.v < first_in(b->front))) {
        if (b->front != NULL)
            give_front_back(b);
        gather_front(b);
    }
    bool is_next = b->front != NULL && first_in(b->front) < row.v;
    return is_next && b->front->cookie == 0 ? ask_chunk(b->front, cookie) : NULL;
}

/* NULL: all its messages are there. */
static struct fetch_request *ask_chunk(struct chunk *c, uint64_t cookie)
{
    struct fetch_request *r;

    if (c->entries == NULL) {
        r = fetch_request_new(FETCH_CHUNK);
        r->place = c->index->told.place;
        r->record_len = c->index->told.record_len;
        r->from = c->index->told.from;
        r->bytes = c->index->told.body_bytes + chunk_count(c) * MESSAGE_BYTES;
        for (uint32_t i = 0; i < c->index->told.spans_count; i++)
            r->bytes += c->index->spans[i].bytes;
    } else if (c->resident == c->to - c->from)
        return NULL;
    else {
        r = fetch_request_new(FETCH_ENTRIES);
        for (uint32_t i = c->from; i < c->to; i++)
            if (c->entries[i].msg == NULL) {
                r->entries[r->count++] = c->entries[i];
                r->bytes += c->entries[i].record_len + MESSAGE_BYTES;
            }
    }
    r->bytes += sizeof *r;
    r->cookie = c->cookie = cookie;
    return r;
}

/* What was asked for them is not taken any more. */
static void give_front_back(struct backlog *b)
{
    struct chunk *c = b->front;
    struct entry entry;

    while (c->from < c->to) {
        chunk_pop(c, &entry);
        backlog_heap_push(b, &entry);
    }
    chunk_free(c);
    b->front = NULL;
}

static void gather_front(struct backlog *b)
{
    struct chunk *c = chunk_new(SL_CHUNK_ENTRIES_MAX);

    while (b->returned_count > 0 && !chunk_is_full(c)) {
        struct entry entry = backlog_heap_pop(b);
        chunk_push(c, &entry);
    }
    b->front = c;
}

/* Both are in the order of sequences; what has left meanwhile is passed over. */
static void take_messages(struct chunk *c, struct fetch_request *r)
{
    uint32_t at = c->from;

    for (uint32_t i = 0; i < r->count && c->entries != NULL; i++) {
        while (at < c->to && c->entries[at].seq.v < r->entries[i].seq.v)
            at++;
        if (at == c->to)
            return;
        if (c->entries[at].seq.v != r->entries[i].seq.v || c->entries[at].msg != NULL)
            continue;
        c->entries[at].msg = r->entries[i].msg;
        r->entries[i].msg = NULL;
        c->resident++;
    }
}

static struct chunk *find_waiting(struct backlog *b, uint64_t cookie)
{
    if (b->front != NULL && b->front->cookie == cookie)
        return b->front;
    struct chunk *c = b->head;
    for (uint32_t i = 0; i < b->asked_ahead && c != NULL; i++, c = c->next)
        if (c->cookie == cookie)
            return c;
    return NULL;
}

static void note_ahead(struct backlog *b, uint32_t ahead)
{
    if (ahead > b->asked_ahead)
        b->asked_ahead = ahead;
}

/* The chunk of the row in which it would stand; NULL: before all of them, or there is none.  Looked
 * for from the end that is nearer: what is in memory of a long row is near one of them. */
static struct chunk *find_chunk(const struct backlog *b, uint64_t seq)
{
    struct chunk *c = b->head;

    if (c == NULL || first_in(c) > seq)
        return NULL;
    if (first_in(b->tail) > seq && seq - first_in(c) < first_in(b->tail) - seq) {
        while (first_in(c->next) <= seq)
            c = c->next;
        return c;
    }
    for (c = b->tail; first_in(c) > seq;)
        c = c->prev;
    return c;
}

static uint64_t first_in(const struct chunk *c)
{
    return c->entries != NULL ? c->entries[c->from].seq.v : c->index->told.first.v;
}

static struct entry *find_in(struct chunk *c, uint64_t seq)
{
    uint32_t low = c->from;
    uint32_t high = c->to;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (c->entries[middle].seq.v < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->to && c->entries[low].seq.v == seq ? &c->entries[low] : NULL;
}

static bool lies_in(sl_lsn place, sl_lsn from, sl_lsn to)
{
    return place.v >= from.v && place.v < to.v;
}
