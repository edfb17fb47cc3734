/*
 * reminder.h - what a new binding to an exchange of type x-recent-history brings: the messages of
 * its history, oldest first, published once more, for the queue or exchange that was bound.
 *
 *     topology_bind, reminder_take     under one hold of the topology lock
 *     reminder_publish                 without it
 *
 * What is published from then on comes by the binding, what was noted before is in the reminder, so
 * nothing comes twice.
 *
 * While publishers are held for memory nothing is brought: nobody could stop who binds again and
 * again.
 */
#ifndef SLUICE_CORE_REMINDER_H
#define SLUICE_CORE_REMINDER_H

#include "core/base/limits.h"
#include "core/topology.h"

struct message;
struct shard;

struct reminder { /* zeroed: there is nothing to bring */
    struct vhost *vhost;
    struct queue_ref queue;
    uint8_t exchange[SL_NAME_BYTES_MAX]; /* where the binding leads, if not to a queue */
    uint32_t exchange_len;
    uint32_t count;
    struct message **messages;
};

/* Of a binding that was not there before. */
void reminder_take(struct reminder *r, struct vhost *v, const struct binding_request *made);
/* Ends the reminder, a zeroed one too.  s: the shard of the calling worker. */
void reminder_publish(struct reminder *r, struct shard *s);

#endif
