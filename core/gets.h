/*
 * gets.h - messages that are asked for one at a time.
 *
 * A get that finds the head of its queue on disk, or behind a mark that is not durable yet, is
 * parked: it is answered in its turn when the head is there.  It goes with its session and with
 * its queue.
 *
 * Thread: the shard's.
 */
#ifndef SLUICE_CORE_GETS_H
#define SLUICE_CORE_GETS_H

#include "core/queue.h"

/* Gives the answer, or keeps a copy of the command until there is one; takes a. */
void gets_take(struct shard *s, struct queue *q, const struct shard_command *c, struct answer *a);

/* Answers those that are parked, as far as the head is there. */
void gets_resume(struct shard *s, struct queue *q);

/* The session is gone, and with it those of its that are parked. */
void gets_forget(struct shard *s, struct sl_handle session);

#endif
