/*
 * survivors.h - what a queue still holds, while the log is read.
 *
 * Per level of priority a row of chunks in growing sequences.  A chunk that a checkpoint named is
 * left in the log until something inside changes; then its INDEX record is read.
 *
 *   | stored | stored | entries | stored | entries ... |      added to at the end only
 *
 * Thread: the one that starts the process.
 */
#ifndef SLUICE_CORE_SURVIVORS_H
#define SLUICE_CORE_SURVIVORS_H

#include "core/backlog.h"
#include "core/store/log_read.h"

enum survivor_flag { /* beside those of enum entry_flag, until survivors_hand_over */
                     SURVIVOR_GONE = 0x80,
                     SURVIVOR_REFUSED = 0x40, /* nobody has said yet what comes of it */
};

struct survivor_row;

struct survivors {
    struct survivor_row *rows; /* by level */
    uint32_t levels;
    struct entry *loose; /* of the checkpoint: see survivors_sort */
    size_t loose_count, loose_room;
};

void survivors_init(struct survivors *s, uint32_t levels);
void survivors_deinit(struct survivors *s); /* releases what is left */

/* Takes the entry's message, if it has one, with SL_OK.  SL_ECORRUPT: it does not come behind all
 * others of its level; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err survivors_add(struct survivors *s, const struct entry *entry);

/* From a checkpoint, in any order; survivors_sort puts them in theirs, and reads the chunks that
 * have loose entries among their own.  Spans are copied.  SL_ECORRUPT: no such level, two chunks
 * that overlap, one entry twice; SL_ENOMEM; errors of log_reader_read. */
SL_MUST_CHECK enum sl_err survivors_add_chunk(struct survivors *s, const struct stored_chunk *chunk,
                                              uint8_t level);
SL_MUST_CHECK enum sl_err survivors_add_loose(struct survivors *s, const struct entry *entry);
SL_MUST_CHECK enum sl_err survivors_sort(struct survivors *s, struct log_reader *reader);

/* Gives the entry with that sequence, NULL: there is none, any more or at all; it stays until
 * something is added.  A chunk that holds it is read.  Errors of log_reader_read, SL_ENOMEM. */
SL_MUST_CHECK enum sl_err survivors_find(struct survivors *s, struct log_reader *reader, sl_seq seq,
                                         struct entry **out);
/* One that was found, and is not gone. */
void survivors_end(struct survivors *s, struct entry *entry);
/* Everything up to highest is gone, but for those that next tells, in growing order; false: no
 * more. */
SL_MUST_CHECK enum sl_err survivors_purge(struct survivors *s, struct log_reader *reader,
                                          sl_seq highest,
                                          bool (*next)(void *context, uint64_t *seq),
                                          void *context);

/* Reads every chunk that holds transient entries, which do not survive, or all of them. */
SL_MUST_CHECK enum sl_err survivors_open(struct survivors *s, struct log_reader *reader,
                                         bool is_all);

/* Gives everything away, level by level in order; entries with their messages and flags. */
void survivors_hand_over(struct survivors *s,
                         void (*on_chunk)(void *context, uint8_t level,
                                          const struct stored_chunk *chunk),
                         void (*on_entry)(void *context, struct entry *entry), void *context);

#endif
