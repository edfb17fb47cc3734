/*
 * log_read.h - a record of the log by its place.
 *
 * Reads through a window, so neighbours in the log cost one read of the disk: who wants many
 * records asks in the order of places.  A read far from the last one takes little, reads one near
 * behind the other take more and more at once.  Keeps the segment of the last read open.
 *
 * Thread: one at a time for each reader; a reader may be used while the log is written, for
 * places below the durable cursor.
 */
#ifndef SLUICE_CORE_STORE_LOG_READ_H
#define SLUICE_CORE_STORE_LOG_READ_H

#include "core/store/commit_log.h"

struct log_reader;

/* NULL: no memory.  Borrows the log for its life. */
struct log_reader *log_reader_new(struct commit_log *log);
void log_reader_free(struct log_reader *r);
/* Of the log that it reads. */
uint64_t log_reader_start_number(const struct log_reader *r);
const struct sl_file_ops *log_reader_files(const struct log_reader *r);

/* Lends the record of that length at place until the next call; records inside groups too.
 * SL_EAGAIN: it is not durable yet; SL_ENOENT: there is no such segment any more; SL_ECORRUPT: no whole record of that length lies
 * there; SL_EIO; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err log_reader_read(struct log_reader *r, sl_lsn place, uint32_t length,
                                          struct record *record);

#endif
