/*
 * outbox.h - what a session wants to say and its socket has not taken yet.
 *
 * An ordered chain of chunks: bytes of our own, or a range of a message's body with a
 * reference to the message.  An empty outbox holds no memory.  Its own bytes count towards the
 * memory budget.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_OUTBOX_H
#define SLUICE_PROTOCOLS_OUTBOX_H

#include "core/base/bytes.h"
#include "core/message.h"

#include <sys/uio.h>

struct outbox_chunk;

struct outbox {
    struct outbox_chunk *first;
    struct outbox_chunk *last;
    uint8_t *pos; /* room left in the last chunk of our own bytes */
    uint8_t *end;
    size_t offset;  /* of the first chunk: already written */
    uint64_t added; /* bytes, in all */
    uint64_t taken;
};

void outbox_init(struct outbox *o);
void outbox_deinit(struct outbox *o);

uint8_t *outbox_reserve_slow(struct outbox *o, size_t n);

/* Lends n bytes of contiguous room; aborts without memory (n is ours: heads and small
 * bodies).  outbox_commit makes up to n of them count; in between nothing else is added. */
static inline uint8_t *outbox_reserve(struct outbox *o, size_t n)
{
    if ((size_t)(o->end - o->pos) >= n)
        return o->pos;
    return outbox_reserve_slow(o, n);
}

static inline void outbox_commit(struct outbox *o, size_t n)
{
    o->pos += n;
    o->added += n;
}

void outbox_add(struct outbox *o, struct sl_bytes bytes); /* copies */

/* part lies in msg's body: copied when small, else referenced (takes a reference of its own). */
void outbox_add_body(struct outbox *o, struct message *msg, struct sl_bytes part);

#define OUTBOX_COPY_MAX 8192u /* a body part up to this is copied: cheaper than a vector entry */

static inline size_t outbox_bytes(const struct outbox *o)
{
    return (size_t)(o->added - o->taken);
}

/* Fills iov with what comes next, at most n entries; returns how many. */
int outbox_gather(const struct outbox *o, struct iovec *iov, int n);
/* The first n bytes have been written. */
void outbox_take(struct outbox *o, size_t n);

#endif
