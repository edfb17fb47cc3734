#include "protocols/outbox.h"

#include "core/base/assert.h"
#include "core/memory.h"

#include <stdlib.h>

/* The first chunk is small, for most sessions say little at a time; a busy one gets large
 * ones, so that a turn's deliveries go out with few vector entries. */
#define FIRST_BYTES 2000u
#define NEXT_BYTES (64u * 1024 - 64)

struct outbox_chunk {
    struct outbox_chunk *next;
    struct message *msg; /* NULL: the bytes are our own, in room */
    const uint8_t *at;
    size_t len; /* while bytes are added to it, pos says it: see chunk_len */
    size_t room_len;
    uint8_t room[];
};

static struct outbox_chunk *add_chunk(struct outbox *o, size_t room_len);
static void close_last(struct outbox *o);
static size_t chunk_len(const struct outbox *o, const struct outbox_chunk *c);
static void drop_first(struct outbox *o);

void outbox_init(struct outbox *o)
{
    *o = (struct outbox){0};
}

void outbox_deinit(struct outbox *o)
{
    while (o->first != NULL)
        drop_first(o);
    *o = (struct outbox){0};
}

uint8_t *outbox_reserve_slow(struct outbox *o, size_t n)
{
    size_t room_len = o->first == NULL ? FIRST_BYTES : NEXT_BYTES;
    struct outbox_chunk *c;

    close_last(o);
    c = add_chunk(o, n > room_len ? n : room_len);
    o->pos = c->room;
    o->end = c->room + c->room_len;
    return o->pos;
}

void outbox_add(struct outbox *o, struct sl_bytes bytes)
{
    if (bytes.len == 0)
        return;
    memcpy(outbox_reserve(o, bytes.len), bytes.at, bytes.len);
    outbox_commit(o, bytes.len);
}

void outbox_add_body(struct outbox *o, struct message *msg, struct sl_bytes part)
{
    if (part.len <= OUTBOX_COPY_MAX) {
        outbox_add(o, part);
        return;
    }
    close_last(o);
    struct outbox_chunk *c = add_chunk(o, 0);
    c->msg = message_ref(msg);
    c->at = part.at;
    c->len = part.len;
    o->added += part.len;
}

int outbox_gather(const struct outbox *o, struct iovec *iov, int n)
{
    size_t offset = o->offset;
    int used = 0;

    for (const struct outbox_chunk *c = o->first; c != NULL && used < n; c = c->next) {
        size_t len = chunk_len(o, c);
        if (len > offset) {
            iov[used].iov_base = (void *)(uintptr_t)(c->at + offset);
            iov[used++].iov_len = len - offset;
        }
        offset = 0;
    }
    return used;
}

void outbox_take(struct outbox *o, size_t n)
{
    SL_ASSERT(n <= outbox_bytes(o));
    o->taken += n;
    if (o->taken == o->added) { /* the usual case: all of it went out */
        while (o->first != NULL)
            drop_first(o);
        return;
    }
    while (n > 0) {
        size_t left = chunk_len(o, o->first) - o->offset;
        if (n < left) {
            o->offset += n;
            return;
        }
        n -= left;
        drop_first(o);
    }
}

static struct outbox_chunk *add_chunk(struct outbox *o, size_t room_len)
{
    struct outbox_chunk *c = malloc(sizeof *c + room_len);

    SL_ASSERT(c != NULL);
    *c = (struct outbox_chunk){.at = c->room, .room_len = room_len};
    memory_charge(sizeof *c + room_len);
    if (o->last == NULL)
        o->first = c;
    else
        o->last->next = c;
    o->last = c;
    return c;
}

/* Until now the last chunk's length was where pos stands. */
static void close_last(struct outbox *o)
{
    if (o->last != NULL && o->last->msg == NULL)
        o->last->len = (size_t)(o->pos - o->last->room);
    o->pos = o->end = NULL;
}

static size_t chunk_len(const struct outbox *o, const struct outbox_chunk *c)
{
    return c == o->last && c->msg == NULL ? (size_t)(o->pos - c->room) : c->len;
}

static void drop_first(struct outbox *o)
{
    struct outbox_chunk *c = o->first;

    o->first = c->next;
    o->offset = 0;
    if (o->first == NULL) {
        o->last = NULL;
        o->pos = o->end = NULL;
    }
    memory_release(sizeof *c + c->room_len);
    if (c->msg != NULL)
        message_unref(c->msg);
    free(c);
}
