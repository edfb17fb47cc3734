/*
 * confirms.h - publishers of one worker, waiting in the order for the durable cursor.
 *
 * A worker's hand-overs go through the order one after the other, so its publishers wait in
 * that order too, and one number settles all of them up to it.  A channel is in the line at
 * most once per run: the newest tag stands for all before it.
 *
 * Thread: the worker.
 */
#ifndef SLUICE_CORE_CONFIRMS_H
#define SLUICE_CORE_CONFIRMS_H

#include "core/base/ids.h"

#include <stdbool.h>
#include <stddef.h>

struct waiting_publisher {
    struct sl_handle session; /* may be gone when its time comes */
    uint64_t who;             /* the front end's name for a channel; never used twice in the
                                 life of a session */
    sl_tag tag;
    uint64_t run;    /* the worker's run that its newest publish is in */
    sl_lsn end;      /* what must be durable first; set at the hand-over */
    bool is_refused; /* tag itself is refused; all before it are safe */
};

struct confirm_line {
    struct waiting_publisher *ring;
    size_t room; /* a power of two, or 0 */
    uint64_t head;
    uint64_t placed; /* from here on the run has not been handed over */
    uint64_t tail;
};

void confirm_line_deinit(struct confirm_line *line);

/* Who waits for its publishes up to tag, which are in the current run or before. */
void confirm_line_add(struct confirm_line *line, struct sl_handle session, uint64_t who, sl_tag tag,
                      uint64_t run);
/* The same for all below tag, which is refused itself and is told so in its turn. */
void confirm_line_add_refused(struct confirm_line *line, struct sl_handle session, uint64_t who,
                              sl_tag tag, uint64_t run);
/* The current run has been handed over and ends there. */
void confirm_line_place(struct confirm_line *line, sl_lsn end);
/* Takes the next one whose place is durable; false when there is none. */
bool confirm_line_next(struct confirm_line *line, sl_lsn durable, struct waiting_publisher *out);
/* The place that the first in line waits for; the line is not empty. */
sl_lsn confirm_line_front(const struct confirm_line *line);
static inline bool confirm_line_is_empty(const struct confirm_line *line)
{
    return line->head == line->tail;
}

#endif
