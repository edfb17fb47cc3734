/*
 * log_run.h - the records that one worker gathers before they get their place in the log.
 *
 * Serialised by the worker outside the order lock; under it only pointers are linked.  Places,
 * sequences and checksums are filled in by the log thread, which walks the bytes once anyway.
 * Bodies up to LOG_COPY_MAX are copied in, larger ones are lent with a reference.
 *
 * Thread: the owning worker until commit_log_append, then the log.
 */
#ifndef SLUICE_CORE_STORE_LOG_RUN_H
#define SLUICE_CORE_STORE_LOG_RUN_H

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/store/record.h"

#define LOG_COPY_MAX (64u * 1024)

struct log_piece; /* log_piece.h: whole records, the last one perhaps with a lent body */
struct log_block;

struct log_run { /* zeroed is empty */
    struct log_piece *first;
    struct log_piece *last;
    uint64_t bytes; /* as they will lie in the log */
    uint32_t records;
    uint32_t group_length; /* bytes of the open group; see log_run_group_begin */
    uint8_t *group;        /* its header, NULL: none is open */
    bool ends_batch;       /* what comes behind it begins a batch: it may be read from there on */

    /* The block that is being filled, kept beyond an append so that small runs share one, and
     * a few recycled ones; log_run_clear gives them up. */
    struct log_block *block;
    struct log_block *spare;
};

/* Adds a record and lends its body of n bytes, to be filled before anything else is added; the
 * padding is zero already.  offset: sequence relative to the run's base (commit_log_append), or
 * with is_absolute the sequence itself.  Aborts without memory: n is bounded by a message. */
uint8_t *log_run_add(struct log_run *r, enum record_kind kind, uint64_t offset, bool is_absolute,
                     size_t n);

/* The record's flags; body: as it was lent, nothing was added since. */
static inline void log_run_set_flags(uint8_t *body, uint16_t flags)
{
    memcpy(body - RECORD_HEADER_BYTES + offsetof(struct record_header, flags), &flags,
           sizeof flags);
}

/* A record whose body is head, to be filled, and behind it lent bytes that stay where they are
 * until release(owner) is called, on the log's thread. */
uint8_t *log_run_add_lent(struct log_run *r, enum record_kind kind, uint64_t offset,
                          size_t head_len, struct sl_bytes lent, void (*release)(void *owner),
                          void *owner);

/* Between begin and end records are inside one group, which becomes one record: the caller keeps
 * it below RECORD_BYTES_MAX. */
void log_run_group_begin(struct log_run *r);
void log_run_group_end(struct log_run *r);

/* Calls back for every record, in order; where there are no lent bodies and no groups. */
void log_run_each(const struct log_run *r,
                  void (*found)(void *context, const struct record *record), void *context);

/* Drops everything, lent bodies and blocks too.  Also ends a run's life. */
void log_run_clear(struct log_run *r);

#endif
