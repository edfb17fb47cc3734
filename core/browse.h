/*
 * browse.h - a queue is looked at, and nothing in it is touched.
 *
 * Whoever browses holds a cursor and asks for one page after the other; the queue knows nothing of
 * it in between.  What it sees is what was in the queue when it began and is still there, ready,
 * when the page comes to it: what came back first, then the rest in its order, for each priority
 * from the highest.  Messages that are on disk are fetched for the page alone.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_BROWSE_H
#define SLUICE_CORE_BROWSE_H

#include "core/queue.h"

#define BROWSE_PAGE_BYTES (256u * 1024) /* of bodies: a page ends with the message that passes it */

/* Answers with the page from the command's cursor on, at once or when it was fetched; takes a.  The
 * page to a cursor that has not begun is empty, and fixes what is seen. */
void browse_take(struct shard *s, struct queue *q, const struct shard_command *c, struct answer *a);
/* The answer that r has waits for it; takes r. */
void browse_fetched(struct shard *s, struct fetch_request *r);

#endif
