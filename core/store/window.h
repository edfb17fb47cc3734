/*
 * window.h - a file seen through a buffer that slides forward.
 *
 * A zeroed struct is an empty window.
 */
#ifndef SLUICE_CORE_STORE_WINDOW_H
#define SLUICE_CORE_STORE_WINDOW_H

#include "core/store/segment.h"

#define WINDOW_BYTES (1024u * 1024) /* read at once; the buffer grows for a larger record */

struct window {
    const struct sl_file_ops *files;
    struct sl_file *file; /* borrowed */
    uint64_t limit;       /* nothing is read from here on */
    size_t ahead;         /* read at once; 0: WINDOW_BYTES */
    uint8_t *buffer;
    size_t room;
    uint64_t at; /* offset of the buffer's first byte */
    size_t len;
};

/* Looks at another segment from now on. */
void window_on(struct window *w, const struct sl_file_ops *files, const struct segment *segment);
void window_deinit(struct window *w);

/* Lends at least `wanted` bytes from offset on, or fewer where the file ends, until the next
 * call.  SL_EIO, SL_ENOMEM. */
SL_MUST_CHECK enum sl_err window_look(struct window *w, uint64_t offset, size_t wanted,
                                      struct sl_bytes *out);

#endif
