#include "core/store/window.h"

#include <stdlib.h>

static enum sl_err slide(struct window *w, uint64_t offset, size_t wanted);

void window_on(struct window *w, const struct sl_file_ops *files, const struct segment *segment)
{
    w->files = files;
    w->file = segment->file;
    w->limit = UINT64_MAX;
    w->at = 0;
    w->len = 0;
}

void window_deinit(struct window *w)
{
    free(w->buffer);
    *w = (struct window){0};
}

enum sl_err window_look(struct window *w, uint64_t offset, size_t wanted, struct sl_bytes *out)
{
    bool is_there = offset >= w->at && offset - w->at <= w->len &&
                    w->len - (size_t)(offset - w->at) >= wanted;

    if (!is_there)
        SL_TRY(slide(w, offset, wanted));
    size_t skipped = (size_t)(offset - w->at);
    *out = (struct sl_bytes){w->buffer + skipped, w->len - skipped};
    return SL_OK;
}

static enum sl_err slide(struct window *w, uint64_t offset, size_t wanted)
{
    size_t ahead = w->ahead == 0 ? WINDOW_BYTES : w->ahead;
    size_t room = wanted > ahead ? wanted : ahead;
    uint64_t left = w->limit > offset ? w->limit - offset : 0;

    w->at = offset;
    w->len = 0; /* also when nothing can be read: what it held is no longer there */
    if (room > w->room || (w->room > WINDOW_BYTES && room <= WINDOW_BYTES)) {
        free(w->buffer);
        w->buffer = malloc(room);
        w->room = w->buffer == NULL ? 0 : room;
        if (w->buffer == NULL)
            return SL_ENOMEM;
    }
    if (room > left)
        room = (size_t)left;
    return w->files->read_at(w->file, offset, w->buffer, room, &w->len);
}
