/*
 * arrival.h - a message whose body is still coming in.
 *
 * It is outside the memory budget until it is whole: what a slow or dead publisher has begun must
 * not hold the others.  Its bound is the node's room for arrivals (broker_take_room), which is
 * taken for the whole body before the first byte of it: so who has begun can always end, and
 * room comes back with every end.  Small bodies need none; front ends bound those per session.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_CORE_ARRIVAL_H
#define SLUICE_CORE_ARRIVAL_H

#include "core/message.h"

struct arrival { /* zeroed: nothing is coming in */
    struct message *msg;
    uint64_t room; /* that was taken for it */
    uint64_t seen; /* bytes, when its pace was asked for last */
    bool is_watched;
};

/* Takes msg, which is unsealed and counted. */
void arrival_begin(struct arrival *a, struct message *msg);
/* The next part of the body, as message_append. */
SL_MUST_CHECK enum sl_err arrival_add(struct arrival *a, struct sl_bytes part);
/* Gives the message, which counts in the budget from here; the room is free again. */
struct message *arrival_end(struct arrival *a);
/* Forgets it, the room too; fine when nothing is there. */
void arrival_drop(struct arrival *a);

/* Asked once per SL_ARRIVAL_PERIOD_MS, with the bytes that have come so far.  False: since the
 * last time too few came to go on waiting.  The first answer, and one after arrival_excuse, is
 * always true. */
bool arrival_keeps_pace(struct arrival *a, uint64_t so_far);
/* We did not read for a while: what came in this period says nothing. */
static inline void arrival_excuse(struct arrival *a)
{
    a->is_watched = false;
}

#endif
