/*
 * pace.h - who publishes faster than its user may is slowed, not refused.
 *
 * All connections of a user share its two rates, messages and bytes of bodies per second.  A publish
 * is paid for in time: it moves the user's account ahead, and a session whose user is more than a
 * tenth of a second ahead of the clock is not read (broker_is_held) until the clock is there.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_CORE_PACE_H
#define SLUICE_CORE_PACE_H

#include "core/client.h"

#define PACE_AHEAD_US 100000u

/* The session begins: what others of its user have published holds for it too. */
void pace_begin(struct client *c);
/* A message with a body of that many bytes was published. */
void pace_pay(struct client *c, uint64_t bytes);
/* Sessions of the worker go on for whom it is time; true when there were any. */
bool pace_let_go(struct broker_worker *w);
/* In how many ms the next of them is due; UINT64_MAX: none. */
uint64_t pace_next_due(const struct broker_worker *w);

#endif
