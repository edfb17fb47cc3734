/*
 * request.h - how a session's calls become commands of a shard; used by the broker's own files.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_CORE_REQUEST_H
#define SLUICE_CORE_REQUEST_H

#include "core/client.h"
#include "core/shard.h"

/* Gives a command from c about the queue of that name, which is copied into it, with extra
 * bytes of room behind the name.  It carries c's window, in case the shard does not know c. */
struct shard_command *request_about(struct client *c, enum shard_command_kind kind, uint64_t ticket,
                                    struct sl_bytes queue, size_t extra);

/* The shard that a queue of that name lives on, or would live on. */
uint32_t request_shard(const struct client *c, struct sl_bytes queue);

/* Takes the command: it goes with the run. */
void request_send(struct client *c, uint32_t shard, struct shard_command *command);

#endif
