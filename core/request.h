/*
 * request.h - how a session's calls become commands of a shard; used by the broker's own files.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_CORE_REQUEST_H
#define SLUICE_CORE_REQUEST_H

#include "core/client.h"
#include "core/cluster_queue.h"
#include "core/shard.h"

#define REQUEST_REASON_BYTES 1024

/* Gives a command from c about the queue of that name, which is copied into it, with extra
 * bytes of room behind the name.  It carries c's window, in case the shard does not know c. */
struct shard_command *request_about(struct client *c, enum shard_command_kind kind, uint64_t ticket,
                                    struct sl_bytes queue, size_t extra);

/* The shard that a queue of that name lives on, or would live on. */
uint32_t request_shard(const struct client *c, struct sl_bytes queue);

/* Takes the command: it goes with the run. */
void request_send(struct client *c, uint32_t shard, struct shard_command *command);

/* The name of a queue as the client says it, and its own name, in room; see cluster_queue.h.
 * False: it cannot be, and the ticket is answered so. */
SL_MUST_CHECK bool request_resolve(struct client *c, uint64_t ticket, struct sl_bytes *name,
                                   struct cluster_name *room, bool *is_cluster);

/* Takes the answer, which waits for no shard and for nothing in the log. */
void request_answer(struct client *c, struct answer *a);
/* Whether it is an error, which is the answer then. */
SL_MUST_CHECK bool request_is_refused(struct client *c, uint64_t ticket, enum sl_err err,
                                      const struct text *reason);

#endif
