/*
 * survivor_chunk.h - entries of one queue with growing sequences, while the log is read.
 *
 * Thread: the one that starts the process.
 */
#ifndef SLUICE_CORE_SURVIVOR_CHUNK_H
#define SLUICE_CORE_SURVIVOR_CHUNK_H

#include "core/backlog.h"
#include "core/store/log_read.h"

#define SURVIVOR_CHUNK_ENTRIES 1024u /* then the next one begins */

struct survivor_chunk {         /* zeroed is empty */
    struct stored_chunk stored; /* spans are owned; place 0: it is not stored */
    struct entry *entries;      /* NULL: stored only, or all are gone */
    uint32_t count;
    uint32_t room;
    uint32_t open; /* not gone */
    sl_seq first;
    sl_seq last;
};

static inline bool survivor_chunk_is_gone(const struct survivor_chunk *c)
{
    return c->open == 0;
}

/* Takes the message with SL_OK; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err survivor_chunk_push(struct survivor_chunk *c, const struct entry *entry);
/* The same for one that belongs between its own, and has no message.  SL_ECORRUPT: it is there. */
SL_MUST_CHECK enum sl_err survivor_chunk_insert(struct survivor_chunk *c,
                                                const struct entry *entry);
/* NULL: none, or gone. */
struct entry *survivor_chunk_find(const struct survivor_chunk *c, sl_seq seq);
/* Reads the entries of one that is stored only; what was transient is gone.  SL_ECORRUPT: they
 * are not there, or not what was stored; SL_EIO; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err survivor_chunk_open(struct survivor_chunk *c, struct log_reader *reader);
/* One of its entries, which is not gone. */
void survivor_chunk_end_entry(struct survivor_chunk *c, struct entry *entry);
/* Everything is gone. */
void survivor_chunk_end(struct survivor_chunk *c);
/* Everything up to highest is gone but for the sequences in stay, which grow. */
SL_MUST_CHECK enum sl_err survivor_chunk_purge(struct survivor_chunk *c, struct log_reader *reader,
                                               sl_seq highest, const uint64_t *stay,
                                               size_t stay_count);

#endif
