/*
 * policing_parts.h - what the files of policing.h share: policing.c (a change and its slices),
 * policing_walk.c (which exchanges and queues a slice is about, and what their shards are told).
 *
 * Thread: any, under topology_lock.
 */
#ifndef SLUICE_CORE_POLICING_PARTS_H
#define SLUICE_CORE_POLICING_PARTS_H

#include "core/policing.h"

struct turn { /* of one queue */
    struct queue_ref ref;
    struct effective *effective; /* a reference, or NULL */
};

struct rules_turn { /* of all queues for which another set of rules is in force */
    _Atomic uint32_t refs;
    struct turn *turns;
    size_t count, room;
};

struct policing_walk { /* over one virtual host */
    struct vhost *vhost;
    struct list mark; /* in vhost.exchange_order: those before it are done */
    uint32_t shard;   /* over the queues of all virtual hosts: their places stay */
    uint32_t cursor;
    size_t changed;    /* of both, so many have other rules than before */
    bool is_about_ids; /* one of them asks for ids, or did */
};

struct rules_turn *rules_turn_new(void);

/* list_remove the mark at the end. */
void policing_walk_begin(struct policing_walk *walk, struct vhost *v);
/* Looks at so many at most, and adds those queues that must be told.  True: there may be more. */
bool policing_walk_on(struct policing_walk *walk, struct topology *t, size_t most,
                      struct rules_turn *turn);
/* All of the virtual host's at once, for a start: nothing is declared meanwhile. */
void policing_at_once(struct topology *t, struct vhost *v, struct rules_turn *turn);

#endif
