/*
 * publish.h - basic.publish, from its bytes to broker_publish.
 *
 * A channel remembers its last publish method as it stood on the wire, and the route that it
 * led to: the next one is mostly the same, and then one compare replaces parsing and routing.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_PUBLISH_H
#define SLUICE_PROTOCOLS_AMQP_PUBLISH_H

#include "protocols/amqp/channel.h"

/* Takes one whole publish (method, header, at most one body frame) off the front of in, if that
 * is what stands there and nothing is wrong with it.  Returns how many bytes that was; 0: leave
 * it to the ordinary way, which also knows what to say. */
size_t amqp_publish_whole(struct amqp_connection *c, struct sl_bytes in);

/* Is this frame a publish that has to wait for memory or the disk?  Tells the peer, once. */
bool amqp_publish_is_held(struct amqp_channel *ch, const struct amqp_frame *frame);
/* Tells the peer why its publishes wait, once; not what is over in a moment. */
void amqp_publish_tell_blocked(struct amqp_connection *c);

/* Handler of the method table: content follows. */
void amqp_publish_method(struct amqp_channel *ch, struct sl_reader *r);

/* For content.c: the route of the publish method, as messages keep it; borrowed until the
 * next one. */
struct sl_bytes amqp_publish_route(const struct amqp_channel *ch);
/* False: these properties cannot be, and the peer has been told.  They may be others afterwards:
 * direct_reply.h. */
bool amqp_publish_check(struct amqp_channel *ch, struct sl_bytes *properties);
/* Takes a message that is complete. */
void amqp_publish_message(struct amqp_channel *ch, struct message *msg);
/* Closes the channel, or the connection: the broker found no route for msg. */
void amqp_publish_refuse_route(struct amqp_channel *ch, enum sl_err err, const struct message *msg);

/* Handler: what was prepared or decided is durable. */
struct answer;
void amqp_publish_answered(struct amqp_channel *ch, struct answer *a);

/* A refusal of that closes the channel, so it waits until what was published before is confirmed:
 * true, and then on_confirmed brings it as a confirm to the ticket and this bit. */
#define AMQP_REFUSED_BIT (1ull << 62)
static inline bool amqp_publish_is_refusal(uint64_t who)
{
    return (who & AMQP_REFUSED_BIT) != 0;
}
bool amqp_publish_hold_refusal(struct amqp_channel *ch, const struct answer *a);

#endif
