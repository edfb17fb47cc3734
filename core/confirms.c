#include "core/confirms.h"

#include "core/base/assert.h"

#include <stdlib.h>

#define ROOM_FIRST 16u

static struct waiting_publisher *at(const struct confirm_line *line, uint64_t i);
static void append(struct confirm_line *line, struct waiting_publisher publisher);
static void grow(struct confirm_line *line);

void confirm_line_deinit(struct confirm_line *line)
{
    free(line->ring);
    *line = (struct confirm_line){0};
}

void confirm_line_add(struct confirm_line *line, struct sl_handle session, uint64_t who, sl_tag tag,
                      uint64_t run)
{
    if (line->tail > line->placed) {
        struct waiting_publisher *last = at(line, line->tail - 1);
        if (last->who == who && sl_handle_equal(last->session, session) && !last->is_refused) {
            last->tag = tag;
            return;
        }
    }
    append(line, (struct waiting_publisher){session, who, tag, run, {0}, false});
}

void confirm_line_add_refused(struct confirm_line *line, struct sl_handle session, uint64_t who,
                              sl_tag tag, uint64_t run)
{
    append(line, (struct waiting_publisher){session, who, tag, run, {0}, true});
}

void confirm_line_place(struct confirm_line *line, sl_lsn end)
{
    for (; line->placed < line->tail; line->placed++)
        at(line, line->placed)->end = end;
}

bool confirm_line_next(struct confirm_line *line, sl_lsn durable, struct waiting_publisher *out)
{
    if (line->head == line->placed || !sl_lsn_reached(durable, at(line, line->head)->end))
        return false;
    *out = *at(line, line->head++);
    return true;
}

sl_lsn confirm_line_front(const struct confirm_line *line)
{
    if (line->head == line->placed)
        return (sl_lsn){UINT64_MAX}; /* still in the run */
    return at(line, line->head)->end;
}

static struct waiting_publisher *at(const struct confirm_line *line, uint64_t i)
{
    return &line->ring[i & (line->room - 1)];
}

static void append(struct confirm_line *line, struct waiting_publisher publisher)
{
    if (line->tail - line->head == line->room)
        grow(line);
    *at(line, line->tail++) = publisher;
}

/* Bounded by the number of channels that publish in one run, and by how many runs the disk is
 * behind; both are ours, so running out of memory here is fatal. */
static void grow(struct confirm_line *line)
{
    struct confirm_line wide = *line;

    wide.room = line->room == 0 ? ROOM_FIRST : line->room * 2;
    wide.ring = malloc(wide.room * sizeof *wide.ring);
    SL_ASSERT(wide.ring != NULL);
    for (uint64_t i = line->head; i < line->tail; i++)
        *at(&wide, i) = *at(line, i);
    free(line->ring);
    *line = wide;
}
