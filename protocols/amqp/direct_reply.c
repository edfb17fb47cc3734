#include "protocols/amqp/direct_reply.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/properties.h"
#include "protocols/amqp/consumer.h"

#include <stdlib.h>

static enum sl_err rewrite(struct amqp_channel *ch, struct properties *p, struct sl_bytes *flat,
                           struct text *why);

bool amqp_direct_reply_check(struct amqp_channel *ch, bool is_no_ack)
{
    if (!is_no_ack)
        amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED, "reply consumer cannot acknowledge");
    else if (ch->direct_reply != NULL)
        amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED, "reply consumer already set");
    else
        return true;
    return false;
}

struct subscription *amqp_direct_reply_consume(struct amqp_channel *ch, uint64_t ticket,
                                               struct amqp_consumer *consumer)
{
    SL_ASSERT(ch->direct_reply == NULL);
    ch->direct_reply = calloc(1, sizeof *ch->direct_reply);
    SL_ASSERT(ch->direct_reply != NULL);
    ch->direct_reply->consumer = consumer;
    return broker_subscribe_replies(amqp_client(ch->connection), ticket, consumer,
                                    ch->direct_reply->address);
}

void amqp_direct_reply_end(struct amqp_channel *ch, const struct amqp_consumer *consumer)
{
    if (ch->direct_reply != NULL && ch->direct_reply->consumer == consumer)
        amqp_direct_reply_free(ch);
}

void amqp_direct_reply_free(struct amqp_channel *ch)
{
    free(ch->direct_reply);
    ch->direct_reply = NULL;
}

enum sl_err amqp_direct_reply_address(struct amqp_channel *ch, struct sl_bytes *flat,
                                      struct text *why)
{
    struct properties p;

    properties_decode(*flat, &p);
    if (!direct_reply_is(p.reply_to))
        return SL_OK;
    if (ch->direct_reply != NULL)
        return rewrite(ch, &p, flat, why);
    text_add(why, "fast reply consumer does not exist");
    return SL_EPRECOND;
}

static enum sl_err rewrite(struct amqp_channel *ch, struct properties *p, struct sl_bytes *flat,
                           struct text *why)
{
    struct arena *arena = &ch->connection->session.env->arena;
    size_t room = flat->len + DIRECT_REPLY_ADDRESS_CHARS;

    if (room > SL_PROPERTIES_BYTES_MAX) {
        text_add(why, "properties of %zu bytes have no room for a reply address", flat->len);
        return SL_EPRECOND;
    }
    arena_reset(arena);
    uint8_t *at = arena_take(arena, room);
    if (at == NULL)
        return SL_ENOMEM;
    struct sl_writer w = {at, at + room, false};
    p->reply_to = sl_bytes_of(ch->direct_reply->address);
    properties_encode(p, &w);
    SL_ASSERT(!w.overflowed);
    *flat = (struct sl_bytes){at, (size_t)(w.pos - at)};
    return SL_OK;
}
