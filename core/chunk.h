/*
 * chunk.h - a run of a queue's entries, in memory or in an INDEX record of the log.
 *
 * A chunk is filled at the tail of its backlog and then closed.  What becomes of a closed one:
 *
 *   in memory --chunk_store--> in memory and stored --chunk_drop--> stored --chunk_load--> ...
 *
 * An entry in memory may be without its message, which then is in the log at the entry's place.
 * Popping moves from; the INDEX record stays as it was written.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_CHUNK_H
#define SLUICE_CORE_CHUNK_H

#include "core/backlog.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/list.h"
#include "core/live.h"

struct chunk_index { /* of a chunk that is stored */
    struct live *live;
    uint32_t shift;           /* entries[i] is number i + shift of the record, modulo 2^32 */
    struct stored_chunk told; /* as of when the chunk went out of memory */
    struct stored_span spans[];
};

struct chunk {
    struct chunk *next; /* towards the tail */
    struct chunk *prev;
    struct chunk *newer; /* of the closed ones that are in memory: backlog.closed_first */
    struct chunk *older;
    struct entry *entries;     /* NULL: stored only */
    struct chunk_index *index; /* NULL: not stored */
    struct list of_dropping;   /* goes out of memory once its INDEX is durable: paging.h */
    uint64_t cookie;           /* of the fetch that is under way; 0: none */
    uint32_t room;
    uint32_t from; /* entries from..to are in the queue; both 0 when stored only */
    uint32_t to;
    uint32_t resident; /* how many of these have their message */
    uint32_t body_bytes;
    bool is_closed; /* stands among the closed ones in memory */
};

struct chunk *backlog_next_chunk(struct backlog *b); /* the tail is full, or there is none */
struct chunk *chunk_new(uint32_t room);
void chunk_free(struct chunk *c); /* its entries are taken care of; the INDEX counts no more */
/* Releases what the calling thread keeps for its next ones. */
void chunks_trim(void);

static inline bool chunk_is_full(const struct chunk *c)
{
    return c->to == c->room || c->body_bytes >= SL_CHUNK_BODY_BYTES;
}

static inline void chunk_push(struct chunk *c, const struct entry *entry)
{
    c->entries[c->to++] = *entry;
    c->resident += entry->msg != NULL;
    c->body_bytes += entry->body_len;
}

static inline void chunk_pop(struct chunk *c, struct entry *out)
{
    *out = c->entries[c->from++];
    c->resident -= out->msg != NULL;
}

/* backlog_push, for who does it all the time. */
static inline void backlog_add(struct backlog *b, const struct entry *entry)
{
    struct chunk *c = b->tail;

    SL_CHECK(entry->seq.v > b->last.v);
    if (c == NULL || chunk_is_full(c))
        c = backlog_next_chunk(b);
    chunk_push(c, entry);
    b->last = entry->seq;
    b->count++;
}

/* The entry that is next where nothing came back and the head is in memory: what a queue is that
 * flows.  Its message may be away.  NULL: backlog_peek has to look. */
static inline struct entry *backlog_flowing(const struct backlog *b)
{
    const struct chunk *c = b->head;

    if (c == NULL || b->returned_count != 0 || b->front != NULL || c->entries == NULL)
        return NULL;
    return &c->entries[c->from];
}

/* Takes what backlog_flowing told, with its message; after that it is not to be looked at. */
static inline void backlog_pass(struct backlog *b)
{
    struct chunk *c = b->head;

    b->count--;
    c->resident--;
    if (++c->from == c->to)
        backlog_end_head(b);
}

static inline uint32_t chunk_count(const struct chunk *c)
{
    return c->entries != NULL ? c->to - c->from : c->index->told.count - c->index->told.from;
}

/* The entries from..to are in the INDEX record at place, whose bytes count as live from here on. */
void chunk_store(struct chunk *c, struct live *live, sl_lsn place, uint32_t record_len);
/* Makes it a chunk that is stored only; its spans are not added to live. */
void chunk_store_as(struct chunk *c, struct live *live, const struct stored_chunk *told);
/* The INDEX record counts no more; the chunk is in memory. */
void chunk_forget_index(struct chunk *c);
/* Where the INDEX ends in the log. */
sl_lsn chunk_index_end(const struct chunk *c);
/* Lets go of entries and messages: what the log holds of them is durable. */
void chunk_drop(struct chunk *c);
/* The entries are back, from told.from on; takes the references in them. */
void chunk_load(struct chunk *c, const struct entry *entries, uint32_t count);
/* Tells a stored chunk as it is now; spans: room for SL_CHUNK_ENTRIES_MAX. */
void chunk_tell(const struct chunk *c, struct stored_chunk *out, struct stored_span *spans);
/* What was live of a stored chunk's entries is not any more: they are gone unread. */
void chunk_end_spans(struct chunk *c);

#endif
