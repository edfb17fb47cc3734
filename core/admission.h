/*
 * admission.h - the limit of a queue that refuses publishers, shared by all who publish to it.
 *
 * A place is taken where the message is published, before it is on its way, so that what is ready
 * is never more than the limit.  The queue's shard gives the place back when the entry leaves what
 * is ready.  An entry that comes back is counted and never refused: it is the one thing that can
 * take a queue over its limit.
 *
 * Counted: the queue's definition has one reference, every remembered route to it another, so a
 * publisher may still ask when the queue is gone.
 *
 * Thread: any.
 */
#ifndef SLUICE_CORE_ADMISSION_H
#define SLUICE_CORE_ADMISSION_H

#include "core/rules.h"
#include "core/topology.h"

#include <stdatomic.h>

struct admission {
    _Atomic uint32_t refs;
    struct vhost *vhost; /* borrowed: as long as the topology */
    struct sl_bytes queue;
    _Atomic uint64_t max_length, max_bytes; /* RULES_NONE while the queue refuses nobody */
    atomic_bool is_dead_lettered;           /* a refused copy goes to the dead-letter exchange */
    _Atomic uint64_t count;                 /* ready, or on their way */
    _Atomic uint64_t bytes;                 /* of their bodies */
    uint8_t text[];
};

/* One reference; NULL: no memory.  Copies the name. */
struct admission *admission_new(struct vhost *vhost, struct sl_bytes queue);
/* Other rules are in force. */
void admission_obey(struct admission *a, const struct queue_rules *rules);
struct admission *admission_ref(struct admission *a);
void admission_unref(struct admission *a); /* NULL is fine */

/* False: the queue is full. */
bool admission_take(struct admission *a, uint64_t body_bytes);
void admission_give(struct admission *a, uint64_t count, uint64_t body_bytes);
/* That many came that had taken no place: back, or by a route from before the limit. */
void admission_add(struct admission *a, uint64_t count, uint64_t body_bytes);
/* So much is there from before. */
void admission_set(struct admission *a, uint64_t count, uint64_t body_bytes);

struct route;

/* A route and who of it takes a message; zeroed is empty, its room is kept for the next one. */
struct admission_split {
    struct route *takers;      /* with their places taken; borrows from the route */
    struct queue_ref *refused; /* the full ones */
    uint32_t refused_count;
    uint32_t room;
};

void admission_split(struct admission_split *s, const struct route *route, uint64_t body_bytes);
void admission_split_deinit(struct admission_split *s);

/* All or nothing: NULL when every queue of the route takes it, else one that is full. */
const struct admission *admission_take_all(const struct route *route, uint64_t body_bytes);
void admission_give_all(const struct route *route, uint64_t body_bytes);

#endif
