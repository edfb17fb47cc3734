/*
 * checkpoint.h - a file that says what the log before some place has come to.
 *
 * Its body is the core's (core/snapshot.h); this is the container: written under another name,
 * synced, renamed, the directory synced.  Whole or not at all: every part is under a checksum,
 * and the header says how long the body is.  A checkpoint only shortens the rebuilding.
 *
 * Thread: one at a time.
 */
#ifndef SLUICE_CORE_STORE_CHECKPOINT_H
#define SLUICE_CORE_STORE_CHECKPOINT_H

#include "core/store/commit_log.h"

#define CHECKPOINT_NAME "checkpoint"
#define CHECKPOINT_NAME_NEW "checkpoint.new"

struct checkpoint_header {
    uint64_t start_number; /* of the log it belongs to */
    sl_lsn from;           /* the log is to be read from here on: the start of a record */
    sl_lsn durable;        /* what its body relies on ends here: the log must reach that far */
    sl_seq next;           /* first sequence not used before from */
    uint64_t time;         /* of the order, at from */
};

struct checkpoint_writer;

/* Begins one; an unfinished older one is replaced.  SL_EIO, SL_EFULL, SL_ENOMEM. */
SL_MUST_CHECK enum sl_err checkpoint_begin(const struct sl_file_ops *files,
                                           struct checkpoint_writer **out);
SL_MUST_CHECK enum sl_err checkpoint_write(struct checkpoint_writer *w, struct sl_bytes bytes);
/* Makes it the checkpoint of the directory, durably.  Frees the writer, also on error, which leaves
 * the checkpoint that was there. */
SL_MUST_CHECK enum sl_err checkpoint_end(struct checkpoint_writer *w,
                                         const struct checkpoint_header *header);
void checkpoint_abandon(struct checkpoint_writer *w);

/* Reads and verifies all of it.  *body is malloc'ed, the caller's.  SL_ENOENT: there is none;
 * SL_ECORRUPT; SL_ENOTIMPL: another format version; SL_EIO; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err checkpoint_read(const struct sl_file_ops *files,
                                          struct checkpoint_header *header, uint8_t **body,
                                          size_t *len);

#endif
