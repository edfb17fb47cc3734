/*
 * direct_reply.h - answers that come straight back to who asked (amq.rabbitmq.reply-to).
 *
 * Who consumes the pseudo queue DIRECT_REPLY has an address of its own as long as it does: that
 * name, a dot, and 128 random bits.  What is published to the default exchange with the address as
 * key goes to it, and nowhere once it has left.
 *
 * Behind an address stands a queue of the session that consumes: it goes with its only consumer,
 * nothing of it is logged or paged out, policies pass it by, and nobody finds it by name but the
 * default exchange, and whoever declares it to hear whether it is still there.  What waits in it
 * for a session that reads too slowly is bounded by SL_REPLIES_WAITING_MAX and
 * SL_REPLIES_WAITING_BYTES_MAX, the oldest go first; while memory is short nothing waits.
 *
 * Thread: as said.
 */
#ifndef SLUICE_CORE_DIRECT_REPLY_H
#define SLUICE_CORE_DIRECT_REPLY_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/random.h"
#include "core/base/text.h"

#include <stdbool.h>

struct answer;
struct queue;
struct shard;
struct shard_command;
struct topology;
struct vhost;

#define DIRECT_REPLY "amq.rabbitmq.reply-to"
#define DIRECT_REPLY_ADDRESS_CHARS (sizeof DIRECT_REPLY + SL_RANDOM_NAME_CHARS)

/* ---- any thread ---- */

/* Is it the pseudo queue?  Is it that or like an address, so that nobody can make it? */
static inline bool direct_reply_is(struct sl_bytes name)
{
    return sl_bytes_are(name, DIRECT_REPLY);
}
static inline bool direct_reply_is_like(struct sl_bytes name)
{
    return sl_bytes_begin(name, DIRECT_REPLY);
}
static inline bool direct_reply_is_address(struct sl_bytes name)
{
    return sl_bytes_begin(name, DIRECT_REPLY ".");
}
/* Makes up an address, ended by a NUL. */
void direct_reply_make_address(char address[DIRECT_REPLY_ADDRESS_CHARS + 1]);

/* What a declaration of a name like that comes to, which takes the topology lock: it is there, or
 * SL_ENOENT. */
SL_MUST_CHECK enum sl_err direct_reply_find(struct topology *t, struct vhost *v,
                                            struct sl_bytes name, struct text *reason);

/* ---- the owning shard ---- */

/* Makes the queue behind the address that the command names.  NULL with the refusal in a. */
struct queue *direct_reply_queue(struct shard *s, const struct shard_command *command,
                                 struct answer *a);
/* Memory is short: drops what waits. */
void direct_reply_shed(struct shard *s, struct queue *q);

#endif
