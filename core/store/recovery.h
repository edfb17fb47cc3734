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

#include "core/store/checkpoint.h"
#include "core/store/commit_log.h"
#include "core/store/segment_set.h"
#include "core/store/window.h"

struct recovery { /* where the log ends */
    uint64_t start_number;
    sl_lsn end;         /* behind the last good record */
    sl_lsn recorded;    /* the largest durable cursor on record */
    bool is_covered;    /* the last record is a batch that vouches for all before it */
    size_t tail;        /* index of the segment in which the end lies */
    uint64_t next_base; /* not 0: that segment is sealed, and here the next one will start */
    bool is_torn;       /* there is something behind the end */
};

/* Changes nothing on the disk; measures the set, which may be empty.  SL_ECORRUPT with
 * findings->problem, SL_EIO, SL_ENOMEM, or what the visitor said. */
SL_MUST_CHECK enum sl_err recovery_read(struct segment_set *set, const struct log_visitor *visitor,
                                        struct log_findings *findings, struct recovery *out);

struct recovery_start { /* from where the log is read */
    bool has_checkpoint;
    bool is_damaged;                 /* there is one that cannot be used, and none is needed */
    struct checkpoint_header header; /* zero without one */
    uint8_t *body;
    size_t len;
    size_t first; /* index of the segment to begin with */
};

/* SL_ECORRUPT with findings->problem, SL_EIO, SL_ENOMEM. */
SL_MUST_CHECK enum sl_err recovery_find_start(const struct segment_set *set,
                                              struct recovery_start *start,
                                              struct log_findings *findings);
void recovery_start_deinit(struct recovery_start *start);

struct recovery_behind { /* what lies behind the end */
    sl_lsn cursor;       /* the largest of any batch; 0: there is none */
    uint64_t base;       /* where that was found */
    uint64_t offset;
    uint64_t cut_bytes;
};

/* Sets found->is_torn.  SL_EIO, SL_ENOMEM. */
SL_MUST_CHECK enum sl_err recovery_look_behind(const struct segment_set *set,
                                               struct recovery *found, struct window *window,
                                               struct recovery_behind *behind);

/* Cuts what is behind the end, writes what is above the recorded cursor once more, removes later
 * segments, and syncs all that.  Gives the segment in which the log goes on, at least of that
 * size. */
SL_MUST_CHECK enum sl_err recovery_mend(struct segment_set *set, const struct recovery *found,
                                        uint64_t segment_bytes, struct segment *tail);

#endif
