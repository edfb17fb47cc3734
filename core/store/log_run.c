#include "core/store/log_run.h"

#include "core/base/assert.h"
#include "core/store/log_piece.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SPARE_BLOCKS 8u /* what a run takes from the pool at once */
#define PIECE_ALIGN 64u /* the log thread writes to one piece while the next is filled */

struct log_block {
    struct log_block *next;
    _Atomic uint32_t refs;
    uint32_t used;
    uint32_t room;
    _Alignas(PIECE_ALIGN) uint8_t data[];
};

/* Blocks that nobody uses.  The log thread pushes, workers take all there is at once, so that
 * no block can come back while someone looks at it. */
static struct {
    _Atomic(struct log_block *) top;
    _Atomic uint32_t count; /* about; decides only what is kept */
} idle;

static uint8_t *put_header(struct log_run *r, struct log_piece *piece, enum record_kind kind,
                           uint64_t sequence, uint32_t mark, uint32_t length);
static struct log_piece *piece_for(struct log_run *r, uint32_t bytes);
static struct log_piece *piece_new(struct log_run *r, uint32_t bytes);
static struct log_block *block_with_room(struct log_run *r, size_t bytes);
static struct log_block *block_get(struct log_run *r);
static struct log_block *block_new(size_t room);
static void block_unref(struct log_block *block);
static struct log_block *idle_take(void);
static void idle_give(struct log_block *first, struct log_block *last, uint32_t count);

uint8_t *log_run_add(struct log_run *r, enum record_kind kind, uint64_t offset, bool is_absolute,
                     size_t n)
{
    SL_ASSERT(n < RECORD_BYTES_MAX - RECORD_HEADER_BYTES - 8);

    uint32_t length = record_length(n);
    struct log_piece *piece = piece_for(r, length);
    uint8_t *at = put_header(r, piece, kind, offset,
                             is_absolute ? LOG_SEQUENCE_ABSOLUTE : LOG_SEQUENCE_RELATIVE, length);

    if (length != RECORD_HEADER_BYTES)
        memset(at + length - 8, 0, 8); /* the padding is in there */
    piece->used += length;
    if (piece->block == r->block)
        r->block->used += length;
    return at + RECORD_HEADER_BYTES;
}

uint8_t *log_run_add_lent(struct log_run *r, enum record_kind kind, uint64_t offset,
                          size_t head_len, struct sl_bytes lent, void (*release)(void *owner),
                          void *owner)
{
    SL_ASSERT(lent.len != 0 && head_len < LOG_BLOCK_BYTES / 2);
    SL_ASSERT(head_len + lent.len < RECORD_BYTES_MAX - RECORD_HEADER_BYTES - 8);

    uint32_t length = record_length(head_len + lent.len);
    uint32_t head = RECORD_HEADER_BYTES + (uint32_t)head_len;
    struct log_piece *piece = piece_for(r, head);
    uint8_t *at = put_header(r, piece, kind, offset, LOG_SEQUENCE_RELATIVE, length);

    piece->used += head;
    r->block->used += head;
    piece->lent = lent;
    piece->lent_padding = (uint8_t)(length - head - lent.len);
    piece->release = release;
    piece->owner = owner;
    return at + RECORD_HEADER_BYTES;
}

void log_run_group_begin(struct log_run *r)
{
    SL_ASSERT(r->group == NULL);
    r->group = log_run_add(r, RECORD_GROUP, 0, false, 0) - RECORD_HEADER_BYTES;
    r->group_length = RECORD_HEADER_BYTES;
}

void log_run_group_end(struct log_run *r)
{
    SL_ASSERT(r->group != NULL);
    memcpy(r->group + offsetof(struct record_header, length), &r->group_length,
           sizeof r->group_length);
    r->group = NULL;
}

void log_run_each(const struct log_run *r,
                  void (*found)(void *context, const struct record *record), void *context)
{
    struct record_header h;

    for (const struct log_piece *piece = r->first; piece != NULL; piece = piece->next)
        for (const uint8_t *at = piece->at; at != piece->at + piece->used; at += h.length) {
            memcpy(&h, at, sizeof h);
            struct record record = {
                .kind = h.kind,
                .flags = h.flags,
                .sequence = {h.sequence},
                .body = {at + RECORD_HEADER_BYTES, h.length - RECORD_HEADER_BYTES}};
            found(context, &record);
        }
}

void log_run_clear(struct log_run *r)
{
    log_piece_release(r->first, NULL);
    if (r->block != NULL)
        block_unref(r->block);
    for (struct log_block *block; (block = r->spare) != NULL;) {
        r->spare = block->next;
        block_unref(block);
    }
    *r = (struct log_run){0};
}

void log_piece_release(struct log_piece *first, const struct log_piece *stop)
{
    while (first != stop) {
        struct log_piece *piece = first;
        first = piece->next;
        if (piece->lent.len != 0 && piece->release != NULL)
            piece->release(piece->owner);
        block_unref(piece->block);
    }
}

static uint8_t *put_header(struct log_run *r, struct log_piece *piece, enum record_kind kind,
                           uint64_t sequence, uint32_t mark, uint32_t length)
{
    struct record_header h = {
        .crc32c = mark, .length = length, .sequence = sequence, .kind = (uint16_t)kind};
    uint8_t *at = piece->at + piece->used;

    memcpy(at, &h, sizeof h);
    r->bytes += length;
    r->records++;
    if (r->group != NULL) {
        SL_ASSERT(length <= RECORD_BYTES_MAX - r->group_length);
        r->group_length += length;
    }
    return at;
}

/* The last piece while it can grow by that much, or a new one. */
static struct log_piece *piece_for(struct log_run *r, uint32_t bytes)
{
    struct log_piece *last = r->last;

    if (last != NULL && last->lent.len == 0 && last->block == r->block &&
        r->block->room - r->block->used >= bytes)
        return last;
    return piece_new(r, bytes);
}

static struct log_piece *piece_new(struct log_run *r, uint32_t bytes)
{
    size_t front = sizeof(struct log_piece) + RECORD_BATCH_BYTES;
    struct log_block *block = block_with_room(r, front + bytes);
    struct log_piece *piece = (struct log_piece *)(void *)(block->data + block->used);

    block->used += (uint32_t)front;
    *piece = (struct log_piece){.block = block, .at = block->data + block->used};
    if (r->last == NULL)
        r->first = piece;
    else
        r->last->next = piece;
    r->last = piece;
    return piece;
}

/* Gives one reference.  A record that is larger than a block has one of its own. */
static struct log_block *block_with_room(struct log_run *r, size_t bytes)
{
    if (bytes > LOG_BLOCK_BYTES - sizeof(struct log_block))
        return block_new(bytes);
    if (r->block != NULL) {
        r->block->used = (r->block->used + PIECE_ALIGN - 1) & ~(PIECE_ALIGN - 1);
        if (r->block->used + bytes > r->block->room) {
            block_unref(r->block);
            r->block = NULL;
        }
    }
    if (r->block == NULL)
        r->block = block_get(r);
    atomic_fetch_add_explicit(&r->block->refs, 1, memory_order_relaxed);
    return r->block;
}

static struct log_block *block_get(struct log_run *r)
{
    if (r->spare == NULL)
        r->spare = idle_take();
    struct log_block *block = r->spare;
    if (block == NULL)
        return block_new(LOG_BLOCK_BYTES - sizeof(struct log_block));
    r->spare = block->next;
    return block;
}

static struct log_block *block_new(size_t room)
{
    size_t bytes = sizeof(struct log_block) + room;
    struct log_block *block =
        aligned_alloc(PIECE_ALIGN, (bytes + PIECE_ALIGN - 1) & ~(size_t)(PIECE_ALIGN - 1));

    SL_ASSERT(block != NULL);
    block->next = NULL;
    block->used = 0;
    block->room = (uint32_t)room;
    atomic_init(&block->refs, 1);
    return block;
}

static void block_unref(struct log_block *block)
{
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (block->room != LOG_BLOCK_BYTES - sizeof(struct log_block) ||
        atomic_load_explicit(&idle.count, memory_order_relaxed) >= LOG_BLOCKS_IDLE_MAX) {
        free(block);
        return;
    }
    atomic_store_explicit(&block->refs, 1, memory_order_relaxed);
    block->used = 0;
    idle_give(block, block, 1);
}

/* Gives a few blocks, or NULL.  All are taken off and the rest put back: taking only some would
 * have to trust a next pointer that another thread may be changing. */
static struct log_block *idle_take(void)
{
    struct log_block *first = atomic_exchange_explicit(&idle.top, NULL, memory_order_acquire);
    struct log_block *last = first;
    uint32_t n = 1;

    if (first == NULL)
        return NULL;
    for (; n < SPARE_BLOCKS && last->next != NULL; n++)
        last = last->next;
    atomic_fetch_sub_explicit(&idle.count, n, memory_order_relaxed);
    struct log_block *rest = last->next;
    last->next = NULL;
    if (rest != NULL) {
        for (last = rest; last->next != NULL;)
            last = last->next;
        idle_give(rest, last, 0);
    }
    return first;
}

static void idle_give(struct log_block *first, struct log_block *last, uint32_t count)
{
    atomic_fetch_add_explicit(&idle.count, count, memory_order_relaxed);
    last->next = atomic_load_explicit(&idle.top, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&idle.top, &last->next, first,
                                                  memory_order_release, memory_order_relaxed))
        ;
}
