/*
 * log_piece.h - what a run is made of, and what the log thread writes.
 *
 * A piece is whole records one behind the other; the last may end in a lent body.  Pieces are
 * slices of blocks, and blocks are counted: each piece and the run that fills it hold one
 * reference, so many small runs share a block and no record costs an allocation.
 *
 *   block   | piece | headroom | records ...     | piece | headroom | records ...  free |
 *                   '- for the batch record, when a batch begins here
 *
 * The fields below the line are set under the order lock, once.
 */
#ifndef SLUICE_CORE_STORE_LOG_PIECE_H
#define SLUICE_CORE_STORE_LOG_PIECE_H

#include "core/store/record.h"

#include <stdbool.h>

#define LOG_BLOCK_BYTES (256u * 1024)
#define LOG_BLOCKS_IDLE_MAX 256u /* 64 MiB: what two batches may need */

struct log_block;

struct log_piece {
    struct log_piece *next;
    struct log_block *block;
    uint8_t *at; /* the first record; RECORD_BATCH_BYTES of headroom in front */
    uint32_t used;

    struct sl_bytes lent; /* behind the bytes; len 0: none */
    uint8_t lent_padding; /* zeros behind it, so that the record's length fits */
    void (*release)(void *owner);
    void *owner;

    /* ---- */
    bool begins_run;
    bool begins_batch;
    uint64_t base;          /* begins_run: sequence of offset 0 */
    uint64_t time;          /* begins_batch: of the order */
    uint64_t segment_bytes; /* not 0: lies at the front of a new segment of this size */
    uint32_t pad;           /* ends its batch: the record of so many bytes behind it */
    uint64_t pad_sequence;
};

/* Until a record has its sequence, its checksum field says how to find it. */
#define LOG_SEQUENCE_RELATIVE 0u
#define LOG_SEQUENCE_ABSOLUTE 1u

/* Releases lent bodies and blocks of [first, stop). */
void log_piece_release(struct log_piece *first, const struct log_piece *stop);

#endif
