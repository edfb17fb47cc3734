/*
 * outcomes.h - what became of the prepared messages of a virtual host, remembered for a while.
 *
 * An outcome is known by the key of its message (prepared.h).  They stand in blocks, in the order
 * in which they were decided; a full block becomes a record of the log, so that a checkpoint names
 * a million of them in a few thousand bytes.  What is forgotten is forgotten by the block.  They
 * are no part of memory.h: their number is bounded, and holding publishers makes them no fewer.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_OUTCOMES_H
#define SLUICE_CORE_OUTCOMES_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/hash_map.h"
#include "core/base/ids.h"
#include "core/live.h"

#define OUTCOME_KEY_BYTES 16u
#define OUTCOME_BYTES (OUTCOME_KEY_BYTES + 8u + 1u) /* on disk: key, u64 time, u8 verdict */
#define OUTCOMES_BLOCK 1024u

enum verdict { VERDICT_COMMIT, VERDICT_ROLLBACK };

struct outcome {
    uint8_t key[OUTCOME_KEY_BYTES];
    uint8_t verdict;
    uint64_t time; /* of the order, in ms */
};

struct outcome_block {
    struct outcome_block *next;
    sl_lsn place; /* of its record; 0: it has none */
    uint32_t record_len;
    uint32_t count;
    bool is_live; /* the record counts as such; not yet while the log is read */
    struct outcome at[OUTCOMES_BLOCK];
};

struct outcomes { /* zeroed is empty */
    struct hash_map map;
    struct outcome_block *first; /* the oldest; all but the last are full */
    struct outcome_block *last;
    uint64_t count;
};

void outcomes_deinit(struct outcomes *o, struct live *live);

/* NULL: not known, or not any more. */
const struct outcome *outcomes_find(const struct outcomes *o, const uint8_t key[OUTCOME_KEY_BYTES],
                                    uint64_t now);
/* What is known already stays as it is.  live: NULL in recovery. */
void outcomes_add(struct outcomes *o, const struct outcome *outcome, struct live *live);

/* ---- on disk ---- */

/* Gives the oldest full block that no record holds, or whose record lies in [from, to). */
struct outcome_block *outcomes_unwritten(struct outcomes *o);
struct outcome_block *outcomes_within(struct outcomes *o, sl_lsn from, sl_lsn to);
/* Its record is that one from now on. */
void outcome_block_placed(struct outcome_block *block, sl_lsn place, uint32_t record_len,
                          struct live *live);

/* In recovery: a full block, behind those that are there, with its record.  SL_ECORRUPT, SL_ENOMEM. */
SL_MUST_CHECK enum sl_err outcomes_add_block(struct outcomes *o, struct sl_reader *r, sl_lsn place,
                                             uint32_t record_len);
/* At the end of recovery: the records count as live. */
void outcomes_restored(struct outcomes *o, struct live *live);

void outcome_write(struct sl_writer *w, const struct outcome *outcome);
/* SL_ECORRUPT: not of the form. */
SL_MUST_CHECK enum sl_err outcome_read(struct sl_reader *r, struct outcome *out);

#endif
