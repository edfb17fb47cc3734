/*
 * dead_letter.h - a message goes from a queue to that queue's dead-letter exchange.
 *
 * It is published anew, by the worker on whose thread it died: with a sequence of its own, with
 * what deaths.h writes into its headers, and confirmed to nobody.  A queue that it would reach
 * in a circle that nobody rejected it in is left out.
 *
 * Thread: the worker that owns the run.
 */
#ifndef SLUICE_CORE_DEAD_LETTER_H
#define SLUICE_CORE_DEAD_LETTER_H

#include "core/counters.h"
#include "core/discard.h"
#include "core/rules.h"
#include "core/run.h"

struct dead_letter { /* borrowed */
    struct run *run;
    struct topology *topology;
    struct worker_counters *counters;
    struct vhost *vhost;
    struct sl_bytes queue;           /* that it comes from */
    const struct queue_rules *rules; /* of that queue, with a dead-letter exchange */
    enum discard_reason reason;
    const struct message *msg;
    uint64_t number; /* of the queue, where the entry's end there is to be logged; else 0 */
    sl_seq seq;      /* of that entry */
};

/* True: one record says both ends.  False: the entry's end in its queue is not logged yet, be it
 * that the message reached nothing that is kept, or that the exchange is not there. */
bool dead_letter_send(const struct dead_letter *d);

/* A full queue refused this publish: its copy of the message goes to its dead-letter exchange all
 * the same.  Not under the topology lock. */
struct broker_worker;
void dead_letter_refused(struct broker_worker *w, struct queue_ref queue,
                         const struct message *msg);

#endif
