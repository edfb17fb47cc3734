/*
 * destination.h - the names of STOMP to those of the broker, and back.
 *
 *   /queue/NAME, NAME     the queue of that name, declared at first use
 *   /topic/KEY            the topic exchange of the settings
 *   /exchange/EX[/KEY]    that exchange
 *   /amq/queue/NAME       the queue of that name, which must exist
 *   /temp-queue/ID        in reply-to only: a queue of this session
 *   /reply-queue/NAME     the queue of that name, taken literally
 *   /prepared/ID          in SEND only: the outcome of a prepared message
 *
 * Only %2F is decoded, as in RabbitMQ; other than there, a slash behind the first part belongs
 * to the name.  docs/stomp.md has the reasons.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_DESTINATION_H
#define SLUICE_PROTOCOLS_STOMP_DESTINATION_H

#include "core/base/arena.h"
#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

enum stomp_destination_kind {
    STOMP_TO_QUEUE,
    STOMP_TO_TOPIC,
    STOMP_TO_EXCHANGE,
    STOMP_TO_AMQ_QUEUE,
    STOMP_TO_TEMP_QUEUE,
    STOMP_TO_REPLY_QUEUE,
    STOMP_TO_PREPARED
};

struct stomp_destination {
    enum stomp_destination_kind kind;
    struct sl_bytes exchange; /* empty: the default one */
    struct sl_bytes key;      /* of the queues' kinds: the queue's name */
    bool is_cluster;          /* which is a cluster queue's own: see cluster.h */
};

/* topic_exchange stands behind /topic/.  SL_ENOENT: no known kind; SL_ESYNTAX: the kind is
 * known, the rest is not to be used, *why is a literal.  What comes back borrows from text and
 * the arena. */
SL_MUST_CHECK enum sl_err stomp_destination_parse(struct sl_bytes text, const char *topic_exchange,
                                                  struct arena *arena,
                                                  struct stomp_destination *out, const char **why);

static inline bool stomp_destination_is_queue(const struct stomp_destination *d)
{
    return d->exchange.len == 0;
}

/* Appends where a message came by, as a client would say it. */
SL_MUST_CHECK enum sl_err stomp_destination_write(struct sl_buffer *to, struct sl_bytes exchange,
                                                  struct sl_bytes key, const char *topic_exchange);

/* Does text begin like one of the forms above? */
bool stomp_destination_is_known(struct sl_bytes text);

#endif
