#include "core/backlog.h"

#include "core/backlog_parts.h"
#include "core/base/assert.h"
#include "core/memory.h"

#include <stdlib.h>

#define FIRST_ENTRIES 4u /* a hundred thousand queues with a message each are usual, too */
#define ENTRIES_GROWTH 4u
#define RETURNED_FIRST 16u

enum part { PART_ROW, PART_HEAP, PART_FRONT };

static inline bool is_plain_row(const struct backlog *b);
static enum part next_part(const struct backlog *b);
static sl_seq first_of(const struct chunk *c);
static void clear_chunk(struct chunk *c, void (*on_entry)(void *context, struct entry *entry),
                        void *context);
static void free_heap(struct backlog *b);

void backlog_deinit(struct backlog *b)
{
    SL_ASSERT(b->count == 0 && b->head == NULL && b->returned == NULL && b->front == NULL);
    *b = (struct backlog){0};
}

void backlogs_trim(void)
{
    chunks_trim();
}

void backlog_push(struct backlog *b, const struct entry *entry)
{
    backlog_add(b, entry);
}

void backlog_return(struct backlog *b, const struct entry *entry)
{
    backlog_heap_push(b, entry);
    b->count++;
}

void backlog_heap_push(struct backlog *b, const struct entry *entry)
{
    size_t at = b->returned_count;

    if (at == b->returned_room) {
        size_t room = at == 0 ? RETURNED_FIRST : at * 2;
        struct entry *returned = realloc(b->returned, room * sizeof *returned);
        SL_ASSERT(returned != NULL); /* bounded by what was out */
        memory_charge((room - at) * sizeof *returned);
        b->returned = returned;
        b->returned_room = room;
    }
    b->has_order = at == 0 || (b->has_order && b->returned[at - 1].seq.v < entry->seq.v);
    while (at > 0) { /* sift up */
        size_t parent = (at - 1) / 2;
        if (b->returned[parent].seq.v < entry->seq.v)
            break;
        b->returned[at] = b->returned[parent];
        at = parent;
    }
    b->returned[at] = *entry;
    b->returned_count++;
    b->returned_resident += entry->msg != NULL;
}

enum backlog_head backlog_peek(const struct backlog *b, struct entry *out)
{
    if (b->count == 0)
        return BACKLOG_EMPTY;
    if (is_plain_row(b)) {
        *out = b->head->entries[b->head->from];
        return out->msg != NULL ? BACKLOG_READY : BACKLOG_AWAY;
    }
    enum part part = next_part(b);
    if (part == PART_HEAP)
        *out = b->returned[0];
    else {
        const struct chunk *c = part == PART_ROW ? b->head : b->front;
        if (c->entries != NULL)
            *out = c->entries[c->from];
        else
            *out = (struct entry){.seq = c->index->told.first, .deadline = c->index->told.deadline};
    }
    return out->msg != NULL ? BACKLOG_READY : BACKLOG_AWAY;
}

void backlog_pop(struct backlog *b, struct entry *out)
{
    SL_ASSERT(b->count > 0);
    enum part part = is_plain_row(b) ? PART_ROW : next_part(b);
    b->count--;
    if (part == PART_HEAP) {
        *out = backlog_heap_pop(b);
        return;
    }
    struct chunk *c = part == PART_ROW ? b->head : b->front;
    SL_ASSERT(c->entries != NULL);
    chunk_pop(c, out);
    if (c->from < c->to)
        return;
    if (part == PART_ROW)
        backlog_end_head(b);
    else {
        chunk_free(c);
        b->front = NULL;
    }
}

void backlog_end_head(struct backlog *b)
{
    backlog_remove(b, b->head); /* an empty queue holds no memory */
    b->is_turned = true;
}

void backlog_clear(struct backlog *b, void (*on_entry)(void *context, struct entry *entry),
                   void *context)
{
    for (struct chunk *c = b->head, *next; c != NULL; c = next) {
        next = c->next;
        clear_chunk(c, on_entry, context);
    }
    if (b->front != NULL)
        clear_chunk(b->front, on_entry, context);
    for (size_t i = 0; i < b->returned_count; i++)
        on_entry(context, &b->returned[i]);
    free_heap(b);
    *b = (struct backlog){.last = b->last};
}

struct chunk *backlog_next_chunk(struct backlog *b)
{
    uint32_t room = FIRST_ENTRIES;

    if (b->tail != NULL && b->tail->room >= SL_CHUNK_ENTRIES_MAX / ENTRIES_GROWTH)
        room = SL_CHUNK_ENTRIES_MAX;
    else if (b->tail != NULL && b->tail->room > 0)
        room = b->tail->room * ENTRIES_GROWTH;
    return backlog_append(b, chunk_new(room));
}

struct chunk *backlog_append(struct backlog *b, struct chunk *c)
{
    c->prev = b->tail;
    if (b->tail == NULL)
        b->head = c;
    else {
        b->tail->next = c;
        if (b->tail->entries != NULL)
            backlog_list(b, b->tail);
    }
    b->tail = c;
    return c;
}

void backlog_remove(struct backlog *b, struct chunk *c)
{
    if (c->is_closed)
        backlog_unlist(b, c);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        b->head = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        b->tail = c->prev;
    chunk_free(c);
}

void backlog_list(struct backlog *b, struct chunk *c)
{
    struct chunk *older = b->closed_last;

    if (c->is_closed)
        return;
    while (older != NULL && first_of(older).v > first_of(c).v)
        older = older->older;
    c->older = older;
    c->newer = older != NULL ? older->newer : b->closed_first;
    if (c->older != NULL)
        c->older->newer = c;
    else
        b->closed_first = c;
    if (c->newer != NULL)
        c->newer->older = c;
    else
        b->closed_last = c;
    c->is_closed = true;
    b->closed_count++;
}

void backlog_unlist(struct backlog *b, struct chunk *c)
{
    if (c->older != NULL)
        c->older->newer = c->newer;
    else
        b->closed_first = c->newer;
    if (c->newer != NULL)
        c->newer->older = c->older;
    else
        b->closed_last = c->older;
    c->older = c->newer = NULL;
    c->is_closed = false;
    b->closed_count--;
}

bool backlog_row_is_next(const struct backlog *b)
{
    return next_part(b) == PART_ROW;
}

struct entry backlog_heap_pop(struct backlog *b)
{
    struct entry top = b->returned[0];
    struct entry last = b->returned[--b->returned_count];
    size_t at = 0;

    for (;;) { /* sift last down from the top */
        size_t child = 2 * at + 1;
        if (child >= b->returned_count)
            break;
        if (child + 1 < b->returned_count &&
            b->returned[child + 1].seq.v < b->returned[child].seq.v)
            child++;
        if (last.seq.v < b->returned[child].seq.v)
            break;
        b->returned[at] = b->returned[child];
        at = child;
    }
    b->returned[at] = last;
    b->has_order = false;
    b->returned_resident -= top.msg != NULL;
    if (b->returned_count == 0)
        free_heap(b);
    return top;
}

/* Nothing came back, and the head is in memory: what a queue is that flows. */
static inline bool is_plain_row(const struct backlog *b)
{
    return b->returned_count == 0 && b->front == NULL && b->head->entries != NULL;
}

/* Returned entries were lent before what is in the row, but for those of a life before. */
static enum part next_part(const struct backlog *b)
{
    enum part part = PART_ROW;
    sl_seq least = b->head != NULL ? first_of(b->head) : (sl_seq){UINT64_MAX};

    if (b->returned_count > 0 && b->returned[0].seq.v < least.v) {
        part = PART_HEAP;
        least = b->returned[0].seq;
    }
    if (b->front != NULL && first_of(b->front).v < least.v)
        part = PART_FRONT;
    return part;
}

static sl_seq first_of(const struct chunk *c)
{
    return c->entries != NULL ? c->entries[c->from].seq : c->index->told.first;
}

static void clear_chunk(struct chunk *c, void (*on_entry)(void *context, struct entry *entry),
                        void *context)
{
    if (c->entries == NULL)
        chunk_end_spans(c);
    for (uint32_t i = c->from; i < c->to; i++)
        on_entry(context, &c->entries[i]);
    chunk_free(c);
}

static void free_heap(struct backlog *b)
{
    memory_release(b->returned_room * sizeof *b->returned);
    free(b->returned);
    b->returned = NULL;
    b->returned_count = b->returned_room = b->returned_resident = 0;
}
