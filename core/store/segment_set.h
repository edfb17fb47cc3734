/*
 * segment_set.h - which segments a directory has, in the order of the log.
 *
 * Knows names and sizes, not contents.  Files that do not look like a segment are not ours and stay.
 *
 * Thread: one at a time; the log's segment lock while it runs.
 */
#ifndef SLUICE_CORE_STORE_SEGMENT_SET_H
#define SLUICE_CORE_STORE_SEGMENT_SET_H

#include "core/store/commit_log.h"
#include "core/store/segment.h"

struct segment_set {
    const struct sl_file_ops *files; /* borrowed for the set's life */
    struct log_segment *segments;    /* bases growing */
    size_t count;
    size_t room;
};

/* Lists the directory; sizes are 0 until measured. */
SL_MUST_CHECK enum sl_err segment_set_init(struct segment_set *set,
                                           const struct sl_file_ops *files);
void segment_set_deinit(struct segment_set *set);

/* Asks each file how large it is. */
SL_MUST_CHECK enum sl_err segment_set_measure(struct segment_set *set);

/* Notes a segment behind all others. */
void segment_set_add(struct segment_set *set, uint64_t base, uint64_t size);
/* Forgets one. */
void segment_set_forget(struct segment_set *set, size_t index);

/* The segment in which the byte at place lies, if it lies in any; false: before the first. */
bool segment_set_find(const struct segment_set *set, sl_lsn place, size_t *index);

/* Removes the files of all segments from index on, and makes that durable. */
SL_MUST_CHECK enum sl_err segment_set_remove_from(struct segment_set *set, size_t index);

#endif
