/*
 * backlog.h - what a queue holds and nobody has: entries in sequence order.
 *
 * New entries come in sequence order and stand in a chunked ring.  Returned entries were lent
 * before anything in the ring was, so they all go out before it; they stand in a heap by
 * sequence, so that each is back in its own place whatever the order of returns.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_BACKLOG_H
#define SLUICE_CORE_BACKLOG_H

#include "core/base/ids.h"
#include "core/message.h"

struct entry {
    struct message *msg;
    sl_seq seq;
    uint32_t returns; /* how often it was out before */
};

struct backlog_chunk;

struct backlog { /* zeroed is empty */
    struct backlog_chunk *head;
    struct backlog_chunk *tail;
    uint32_t head_at; /* next to pop, in head */
    uint32_t tail_at; /* next to fill, in tail */
    struct entry *returned;
    size_t returned_count;
    size_t returned_room;
    uint64_t count; /* both parts */
    sl_seq last;    /* pushed */
};

void backlog_deinit(struct backlog *b); /* must be empty */
/* Releases the chunks that the calling thread keeps for its next ones. */
void backlogs_trim(void);

/* Takes the reference.  seq is above all pushed before. */
void backlog_push(struct backlog *b, struct message *msg, sl_seq seq);
/* Takes the reference in entry, which came from backlog_pop. */
void backlog_return(struct backlog *b, struct entry entry);
/* Gives the entry that is next; there must be one. */
struct entry backlog_pop(struct backlog *b);
/* The same without taking it. */
struct entry backlog_peek(const struct backlog *b);

static inline bool backlog_is_empty(const struct backlog *b)
{
    return b->count == 0;
}

#endif
