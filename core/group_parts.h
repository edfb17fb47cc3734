/*
 * group_parts.h - what groups.c and group.c share: the groups of a queue, one by one.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_GROUP_PARTS_H
#define SLUICE_CORE_GROUP_PARTS_H

#include "core/groups.h"

struct group {
    uint64_t name; /* its hash, the key in by_name */
    struct queue *queue;
    struct consumer *consumer;
    uint32_t loans;
    struct list waiting;     /* of aside_item.of_group */
    struct list of_consumer; /* in consumer.groups */
    struct list of_idle;     /* nothing is out, nothing waits */
};

struct groups {
    struct hash_map by_name;
    struct list idle; /* the one that was in use last stands last */
    uint32_t idle_count;
    uint32_t waiting;     /* entries that stand aside */
    struct list resuming; /* of consumer.of_resuming: they can take, and something waits for them */
};

/* False: the message is of no group here. */
bool group_name_of(const struct queue *q, const struct message *msg, uint64_t *name);
struct group *group_find(const struct queue *q, uint64_t name); /* NULL: it is new */
struct group *group_new(struct queue *q, struct consumer *c, uint64_t name);
/* It goes to c from here on; nothing of it is out or waits. */
void group_pin(struct group *g, struct consumer *c);
/* Its consumer has just been lent one of it. */
void group_note_lent(struct group *g);
/* The item waits for it no more, and stands aside alone. */
void group_detach(struct aside_item *item);
/* Whoever is next may have it; what waits goes back to its place.  Frees it. */
void group_release(struct shard *s, struct group *g);
/* With nothing out and nothing waiting it is only remembered; the oldest of those may be freed. */
void group_rest(struct group *g);
void group_wake(struct group *g); /* it is in use */

#endif
