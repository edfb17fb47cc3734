/*
 * log_state.h - the inside of a commit log, shared by commit_log.c, log_wait.c and log_flush.c.
 *
 * Who may touch what is the order of the fields: workers under the order lock; anyone, atomically;
 * the log thread; log and housekeeping under the segment lock, which workers never take and under
 * which the order lock is not taken; those and readers, for a moment, under the lock of the names,
 * under which no other is taken.
 */
#ifndef SLUICE_CORE_STORE_LOG_STATE_H
#define SLUICE_CORE_STORE_LOG_STATE_H

#include "core/store/commit_log.h"
#include "core/store/log_piece.h"
#include "core/store/segment_set.h"

struct piece_list {
    struct log_piece *first;
    struct log_piece *last;
};

struct gather { /* what the next write will hold */
    struct iovec *parts;
    size_t count;
    size_t room;
    uint64_t bytes;
};

#define LOG_STAGE_BYTES (1024u * 1024)

struct stage {      /* bytes on their way to the file, in order */
    uint8_t *bytes; /* aligned to a page */
    size_t len;
    uint64_t at; /* lsn of the first */
};

struct commit_log {
    struct log_options options;
    uint64_t start_number;

    /* The order lock. */
    pthread_mutex_t order;
    pthread_cond_t wake; /* of the log thread */
    struct piece_list filling;
    uint64_t next_sequence;
    uint64_t time;         /* of the last append */
    uint64_t batch_time;   /* that the last batch begins with */
    uint64_t filled_to;    /* lsn: where the next record goes */
    uint64_t filled_limit; /* records of this segment end here */
    uint64_t segment_base; /* of the segment that is being filled, */
    uint64_t segment_next; /* and of the one behind it; neither may be there yet */
    bool must_begin_batch; /* the next record */
    bool is_asleep;
    atomic_bool is_urgent; /* someone waits for what is being filled */
    bool is_stopping;

    /* Anyone.  The two sums only grow, each has one writer; their difference waits. */
    _Alignas(64) _Atomic uint64_t end; /* filled_to */
    _Atomic uint64_t appended_bytes;
    _Alignas(64) _Atomic uint64_t durable;
    _Atomic uint64_t settled_bytes;
    _Atomic uint32_t flushes; /* into the current segment */
    atomic_bool has_failed;
    atomic_bool is_out_of_room;
    _Atomic uint64_t disk_bytes; /* of segments */

    /* The log thread. */
    struct piece_list taken; /* not written yet: nothing, or there was no room for a segment */
    struct gather gather;
    struct stage stage;
    uint64_t at;          /* lsn: what is written ends here */
    uint64_t at_sequence; /* of the next batch record, when no run says it */
    uint64_t at_time;     /* of the order, when the batch was taken */
    uint64_t recorded;    /* the durable cursor in the last batch that was written */
    bool was_busy;        /* the last flush had something: more will come soon */

    /* The segment lock. */
    pthread_mutex_t segments;
    struct segment current;
    uint64_t next_base; /* of the segment behind the current one */
    bool current_is_sealed;
    struct segment prepared; /* file NULL: none */
    bool is_recycling;       /* the last one that was prepared had been released */

    pthread_mutex_t names;
    struct segment_set set; /* without the prepared one */
};

/* Where a segment may begin behind the byte at place: bases are multiples of the size that segments
 * have, also behind one that was made larger. */
uint64_t log_next_base(const struct commit_log *log, uint64_t place);

/* Of a segment's file, where no run is larger. */
uint64_t log_usual_size(const struct commit_log *log);

/* Is there something that is worth a sync of its own? */
bool log_has_work(struct commit_log *log);

/* Writes one more batch record, so that the last sync is on record, and syncs it; at close. */
void log_flush_farewell(struct commit_log *log);

/* The medium is not to be trusted any more: ends the log from another thread than its own. */
enum sl_err log_give_up(struct commit_log *log);

/* A reader of a log that is being opened: nobody writes. */
struct log_reader *log_reader_over(const struct segment_set *set, uint64_t start_number);

#endif
