/*
 * onward.h - what the broker itself publishes: dead letters, prepared messages that are committed,
 * what a history brings.
 *
 * Thread: the worker's; the topology lock as it says.
 */
#ifndef SLUICE_CORE_ONWARD_H
#define SLUICE_CORE_ONWARD_H

#include "core/route.h"

struct shard;

/* A route of one's own to these targets, without its encoded form; its admissions are borrowed. */
struct route *onward_route(const struct target_set *targets);
void onward_drop(struct route *route); /* NULL: nothing */

/* Leaves out the queues that are full, and takes a place in the others.  Gives how many were left
 * out.  Under the topology lock, which keeps the admissions. */
uint32_t onward_take_places(struct target_set *targets, const struct message *msg);

/* Publishes msg, which it takes, to where the route leads, which it drops; at that offset of the
 * worker's run. */
void onward_publish(struct shard *s, struct route *route, struct message *msg, uint32_t offset);

#endif
