/*
 * recovery.h - reads a log that somebody left, finds its end, and makes the end safe to go on from.
 *
 * The end is where the first record lies that is not whole.  Whether that is the torn tail of
 * writes nobody was promised, or damage to something that was, is told by the batches behind it:
 * each carries the durable cursor of its time.  A bad record below a cursor is damage.
 *
 * Thread: the one that opens the log.
 */
#ifndef SLUICE_CORE_STORE_RECOVERY_H
#define SLUICE_CORE_STORE_RECOVERY_H

#include "core/store/commit_log.h"
#include "core/store/segment_set.h"

struct recovery { /* where the log ends */
    uint64_t start_number;
    sl_lsn end;         /* behind the last good record */
    sl_lsn recorded;    /* the largest durable cursor on record */
    bool is_covered;    /* the last record is a batch that vouches for all before it */
    size_t tail;        /* index of the segment in which the end lies */
    uint64_t next_base; /* not 0: that segment is sealed, and here the next one will start */
    bool is_torn;       /* there is something behind the end */
};

/* Changes nothing.  The set is not empty.  SL_ECORRUPT with findings->problem, SL_EIO, SL_ENOMEM,
 * or what the visitor said. */
SL_MUST_CHECK enum sl_err recovery_read(const struct segment_set *set,
                                        const struct log_visitor *visitor,
                                        struct log_findings *findings, struct recovery *out);

/* Cuts what is behind the end, writes what is above the recorded cursor once more, removes later
 * segments, and syncs all that.  Gives the segment in which the log goes on, at least of that
 * size. */
SL_MUST_CHECK enum sl_err recovery_mend(struct segment_set *set, const struct recovery *found,
                                        uint64_t segment_bytes, struct segment *tail);

#endif
