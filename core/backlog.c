#include "core/backlog.h"

#include "core/base/assert.h"
#include "core/memory.h"

#include <stddef.h>
#include <stdlib.h>

#define CHUNK_ENTRIES 170u /* with the head, 8 KiB */
#define FIRST_ENTRIES 4u   /* a hundred thousand queues with a message each are usual, too */
#define ENTRIES_GROWTH 4u

struct backlog_chunk {
    struct backlog_chunk *next;
    uint32_t room;
    struct entry entries[];
};

/* Shared by all queues of the thread: a busy queue is empty many times a second. */
#define SPARE_CHUNKS_MAX 64u

static _Thread_local struct backlog_chunk *spare_chunks;
static _Thread_local uint32_t spare_count;

static struct entry head_entry(const struct backlog *b);
static size_t chunk_bytes(uint32_t room);
static struct backlog_chunk *chunk_take(uint32_t room);
static void chunk_give(struct backlog_chunk *chunk);
static struct entry heap_pop(struct backlog *b);

void backlog_deinit(struct backlog *b)
{
    SL_ASSERT(b->count == 0 && b->head == NULL && b->returned == NULL);
    *b = (struct backlog){0};
}

void backlogs_trim(void)
{
    while (spare_chunks != NULL) {
        struct backlog_chunk *next = spare_chunks->next;
        free(spare_chunks);
        spare_chunks = next;
    }
    spare_count = 0;
}

void backlog_push(struct backlog *b, const struct entry *entry)
{
    SL_CHECK(entry->seq.v > b->last.v);
    if (b->tail == NULL || b->tail_at == b->tail->room) {
        struct backlog_chunk *chunk =
            chunk_take(b->tail == NULL ? FIRST_ENTRIES : b->tail->room * ENTRIES_GROWTH);
        if (b->tail == NULL) {
            b->head = chunk;
            b->head_at = 0;
        } else
            b->tail->next = chunk;
        b->tail = chunk;
        b->tail_at = 0;
    }
    b->tail->entries[b->tail_at++] = *entry;
    b->last = entry->seq;
    b->count++;
}

void backlog_return(struct backlog *b, const struct entry *entry)
{
    size_t at = b->returned_count;

    if (at == b->returned_room) {
        size_t room = at == 0 ? 16 : at * 2;
        struct entry *returned = realloc(b->returned, room * sizeof *returned);
        SL_ASSERT(returned != NULL); /* bounded by what was out */
        memory_charge((room - at) * sizeof *returned);
        b->returned = returned;
        b->returned_room = room;
    }
    while (at > 0) { /* sift up */
        size_t parent = (at - 1) / 2;
        if (b->returned[parent].seq.v < entry->seq.v)
            break;
        b->returned[at] = b->returned[parent];
        at = parent;
    }
    b->returned[at] = *entry;
    b->returned_count++;
    b->count++;
}

enum backlog_head backlog_peek(const struct backlog *b, struct entry *out)
{
    if (b->count == 0)
        return BACKLOG_EMPTY;
    *out = b->returned_count > 0 ? b->returned[0] : head_entry(b);
    return BACKLOG_READY;
}

void backlog_pop(struct backlog *b, struct entry *out)
{
    SL_ASSERT(b->count > 0);
    b->count--;
    if (b->returned_count > 0) {
        *out = heap_pop(b);
        return;
    }
    *out = head_entry(b);
    b->head_at++;
    if (b->head == b->tail && b->head_at == b->tail_at) {
        chunk_give(b->head); /* an empty queue holds no memory */
        b->head = b->tail = NULL;
    } else if (b->head_at == b->head->room) {
        struct backlog_chunk *done = b->head;
        b->head = done->next;
        b->head_at = 0;
        chunk_give(done);
    }
}

static struct entry head_entry(const struct backlog *b)
{
    return b->head->entries[b->head_at];
}

static size_t chunk_bytes(uint32_t room)
{
    return offsetof(struct backlog_chunk, entries) +
           room * sizeof((struct backlog_chunk *)NULL)->entries[0];
}

static struct backlog_chunk *chunk_take(uint32_t room)
{
    struct backlog_chunk *chunk = NULL;

    if (room >= CHUNK_ENTRIES) {
        room = CHUNK_ENTRIES;
        chunk = spare_chunks;
    }
    if (chunk != NULL) {
        spare_chunks = chunk->next;
        spare_count--;
    } else {
        chunk = malloc(chunk_bytes(room));
        SL_ASSERT(chunk != NULL);
    }
    memory_charge(chunk_bytes(room));
    chunk->next = NULL;
    chunk->room = room;
    return chunk;
}

static void chunk_give(struct backlog_chunk *chunk)
{
    memory_release(chunk_bytes(chunk->room));
    if (chunk->room < CHUNK_ENTRIES || spare_count >= SPARE_CHUNKS_MAX) {
        free(chunk);
        return;
    }
    chunk->next = spare_chunks;
    spare_chunks = chunk;
    spare_count++;
}

static struct entry heap_pop(struct backlog *b)
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
    if (b->returned_count == 0) {
        memory_release(b->returned_room * sizeof *b->returned);
        free(b->returned);
        b->returned = NULL;
        b->returned_room = 0;
    }
    return top;
}
