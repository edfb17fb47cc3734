/*
 * recall.h - a queue asks for what it has paged out, and gets it back.
 *
 * One that meets an entry without message asks for it and for a little of what comes behind
 * (fetch.h), and is looked at again when the answer is there.  What cannot be read is logged and
 * asked for again a second later: nothing is given up.  What is not durable yet is asked for again
 * soon.  However many queues ask at once, only so much is under way; the others wait for their turn.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_RECALL_H
#define SLUICE_CORE_RECALL_H

#include "core/fetch.h"

#define RECALL_AHEAD 3u /* chunks at the head of a queue that are wanted while there is memory */
#define RECALL_ENTRIES_AHEAD 8u /* the same, where no messages are wanted */
#define RECALL_DUE_AHEAD 64u    /* where all of it is wanted soon */
#define RECALL_RETRY_MS 1000u
#define RECALL_SHARE 8u   /* this part of the memory budget may be under way, for all shards */
#define RECALL_SOON_MS 5u /* while it is only not durable yet */

struct queue;
struct shard;

/* Asks for what the head of that backlog of the queue wants and has not asked for. */
void recall_ask(struct shard *s, struct queue *q, struct backlog *b);
/* The same for a backlog that is wanted whole before its time comes. */
void recall_ask_due(struct shard *s, struct queue *q, struct backlog *b);
/* The same of the entries alone, where the queue passes them on without messages. */
void recall_ask_entries(struct shard *s, struct queue *q, struct backlog *b);
/* Takes the answer, whether anyone still waits for it or not. */
void recall_take(struct shard *s, struct fetch_request *r);

/* Some of those that had to wait are busy again, when there is room; and: would more be? */
void recall_go_on(struct shard *s);
bool recall_can_go_on(const struct shard *s);

/* Queues that met something that cannot be read now are busy again when their time has come. */
void recall_retry(struct shard *s);
/* When that is for the first of them, in ms of the order's time; UINT64_MAX: there is none. */
uint64_t recall_next_due(const struct shard *s);

#endif
