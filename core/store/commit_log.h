/*
 * commit_log.h - the one order of a node, and its one log.
 *
 *   workers                               log thread
 *   log_run (records, no places)
 *   commit_log_append  --order lock-->    batch being filled
 *      sequences, places, hand-over       commit_log_flush: swap batches, checksum, gather-write,
 *                                         fdatasync, durable cursor = end of batch, announce
 *
 * Everything that must survive is a record; every append passes the order lock, under which the
 * caller also posts to shards, so what shards hear is the log in order.  The work under the lock
 * does not grow with messages or bodies.  A run lies in one segment, whatever its size.
 *
 * No timer: while one batch is being synced the other is filled, so groups are as large as the
 * disk is slow.  Only what nobody waits for (settlements, publishes without confirms) is not
 * worth a sync of its own: it rides with the next batch, or goes LOG_LAZY_MS later.
 *
 * A failed write or sync ends the log: commit_log_flush says SL_EIO from then on, nothing more
 * becomes durable, and the process is to stop (docs/durability.md).
 *
 * The log thread is whoever calls commit_log_flush in a loop; tests call it by hand.
 */
#ifndef SLUICE_CORE_STORE_COMMIT_LOG_H
#define SLUICE_CORE_STORE_COMMIT_LOG_H

#include "core/store/file.h"
#include "core/store/log_run.h"
#include "core/store/record.h"

#include <pthread.h>
#include <stdatomic.h>

#define LOG_SEGMENT_BYTES (64ull * 1024 * 1024)
#define LOG_FORMAT_VERSION 2u
#define LOG_PAGE_BYTES 4096u /* a batch ends at a page: file.h says what that is good for */
#define LOG_LAZY_MS 10u
#define LOG_LAZY_BYTES (1024u * 1024)              /* or when this much has gathered */
#define LOG_BATCH_BYTES_HIGH (64ull * 1024 * 1024) /* waiting for the disk: publishers are held */

struct commit_log;

struct log_options {
    struct sl_file_ops files;
    uint64_t segment_bytes; /* 0: LOG_SEGMENT_BYTES; tests take less */
    uint32_t page_bytes;    /* 0: LOG_PAGE_BYTES; 8 where a test wants batches side by side */
    /* The durable cursor moved, or the log failed: wake whom it concerns.  Log thread. */
    void (*announce)(void *context);
    void *announce_context;
};

struct log_findings { /* what recovery saw */
    uint64_t segments;
    uint64_t bytes; /* of good records */
    uint64_t records;
    uint64_t cut_bytes; /* of the torn tail */
    sl_seq next;        /* first sequence not used */
    uint64_t time;      /* of the last append, ms since 1970; 0: unknown */
    char problem[512];  /* when the start is refused: segment, offset, what to do */
};

struct log_reader;

struct log_visitor {
    /* Before the first record, unless NULL: the body of the checkpoint that the reading goes on
     * from ({NULL, 0}: there is none, or it is damaged and the whole log is there), and a reader for
     * records that it names, which stays until commit_log_open returns. */
    enum sl_err (*checkpoint)(void *context, struct sl_bytes body, struct log_reader *reader);
    /* Each good record in order; groups come as their inner records, all of them or none, each
     * with its own place.  The log's own kinds are not shown.  An error ends recovery with it.
     * NULL: nobody wants to know. */
    enum sl_err (*record)(void *context, const struct record *record, sl_lsn place);
    /* Now and then, unless NULL: bytes done and in all. */
    void (*progress)(void *context, uint64_t done, uint64_t all);
    uint64_t *time; /* out, before each record: of the order, as its batch says; or NULL */
    void *context;
};

/* Opens the log in the directory of options->files, or makes an empty one; reads all of it into
 * the visitor; cuts a torn tail and makes what is above the last recorded durable cursor
 * durable.  SL_ECORRUPT: damage that must not be cut, or an unknown format version;
 * findings->problem says it.  SL_EIO, SL_EFULL, SL_ENOMEM. */
SL_MUST_CHECK enum sl_err commit_log_open(const struct log_options *options,
                                          const struct log_visitor *visitor,
                                          struct log_findings *findings, struct commit_log **out);

/* The same reading without changing a byte: for sluice --check-store. */
SL_MUST_CHECK enum sl_err commit_log_check(const struct sl_file_ops *files,
                                           const struct log_visitor *visitor,
                                           struct log_findings *findings);

/* Flushes what is there unless the log has failed, closes, frees. */
void commit_log_close(struct commit_log *log);

struct log_place {
    uint64_t base; /* sequence of offset 0 */
    sl_lsn start;  /* of the run's first record */
    uint64_t time; /* of the order, ms since 1970: never goes back, also over restarts */
    sl_lsn end;    /* durable from here on is durable for all of it */
};

/* Any thread.  Takes the run's records (r is empty afterwards); sequences [base, base + count)
 * are the caller's.  now: ms since 1970; what went before may have been later.  ordered is called under the lock with the place, once. */
struct log_place commit_log_append(struct commit_log *log, struct log_run *r, uint64_t count,
                                   uint64_t now,
                                   void (*ordered)(void *context, struct log_place place),
                                   void *context);

/* ---- retention: housekeeping thread ---- */

struct log_segment {
    uint64_t base;
    uint64_t size; /* of the file */
};

/* Tells the segments that are closed, oldest first; at most room; returns how many there are. */
size_t commit_log_segments(struct commit_log *log, struct log_segment *out, size_t room);
/* Removes closed segments, durably, or makes one of them the next segment.  Nothing in them is
 * needed: a checkpoint that says so is durable.  SL_EIO. */
SL_MUST_CHECK enum sl_err commit_log_release(struct commit_log *log, const uint64_t *bases,
                                             size_t n);
/* What the segments take on the medium, prepared ones included.  Any thread. */
uint64_t commit_log_disk_bytes(struct commit_log *log);
uint64_t commit_log_start_number(const struct commit_log *log);
/* Segments begin at multiples of it. */
uint64_t commit_log_segment_bytes(const struct commit_log *log);

/* Any thread.  Someone waits for what has been appended so far. */
void commit_log_hurry(struct commit_log *log);

/* Any thread. */
sl_lsn commit_log_durable(const struct commit_log *log);
sl_lsn commit_log_end(struct commit_log *log);
bool commit_log_has_failed(const struct commit_log *log);
/* More waits for the disk than should: hold publishers until it does not. */
bool commit_log_is_behind(const struct commit_log *log);
/* The medium has no room for another segment: hold publishers. */
bool commit_log_is_out_of_room(const struct commit_log *log);
/* Any thread.  What still goes into the segment that is being filled. */
uint64_t commit_log_left(struct commit_log *log);

/* Log thread.  Writes and syncs what has gathered.  SL_OK also when nothing had.  SL_EFULL: there
 * is no room for the next segment; nothing is lost, it is tried again at the next call.  SL_EIO:
 * over. */
SL_MUST_CHECK enum sl_err commit_log_flush(struct commit_log *log);
/* Log thread.  Sleeps until there is something to flush or stop was asked; false: stop, or the log
 * has failed.  What there is at a stop is still to be flushed: true comes first. */
bool commit_log_wait(struct commit_log *log);
void commit_log_stop(struct commit_log *log); /* any thread */

/* Housekeeping thread.  Prepares the next segment (allocated, header written and synced) when
 * the current one is half full, so that no flush waits for it.  SL_EFULL: no room; tried again at
 * the next call.  SL_EIO: the log has failed.  A flush that finds no prepared segment makes it
 * itself. */
SL_MUST_CHECK enum sl_err commit_log_prepare(struct commit_log *log);

#endif
