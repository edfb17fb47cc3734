/*
 * commands.h - what sessions ask of a shard by name: declare, delete, purge, subscribe, get.
 *
 * Each ends in one answer, but for those that need none (drop, join, poke, goodbye).
 *
 * Thread: the shard's.
 */
#ifndef SLUICE_CORE_COMMANDS_H
#define SLUICE_CORE_COMMANDS_H

#include "core/queue.h"

/* Puts a queue that has just been declared into its place.  Under the topology lock, so that
 * whoever finds it there finds it here; recovery calls it too. */
struct queue *shard_enter_queue(struct shard *s, const struct topology_queue *def);

/* Appends its declaration, in the same hold of the lock; returns where that is. */
sl_lsn commands_log_declaration(struct shard *s, struct queue *q, const struct topology_queue *def);

/* Takes the queue out of everything; returns where the deletion is in the log. */
sl_lsn shard_remove_queue(struct shard *s, struct queue *q);

/* The same for all of a virtual host that is gone. */
void shard_remove_queues_of(struct shard *s, const struct vhost *v);

/* The answer says no; the reason is copied. */
void command_refuse(struct answer *a, enum sl_err err, const char *reason);

/* The command stays the caller's. */
void command_execute(struct shard *s, const struct shard_command *command);

#endif
