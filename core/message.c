#include "core/message.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/blocks.h"
#include "core/known_headers.h"
#include "core/memory.h"
#include "core/properties.h"

static struct message *allocate(size_t route_len, struct sl_bytes properties, size_t body_len);
static size_t block_bytes(const struct message *msg);
static enum sl_err grow(struct message **msg, size_t body_len);

struct message *message_new(struct sl_bytes exchange, struct sl_bytes key,
                            struct sl_bytes properties, size_t body_len)
{
    SL_ASSERT(exchange.len <= 255 && key.len <= 255);

    struct message *msg = allocate(2 + exchange.len + key.len, properties, body_len);
    if (msg == NULL)
        return NULL;
    struct sl_writer w = {msg->data, msg->data + msg->route_len, false};
    sl_write_short_string(&w, exchange);
    sl_write_short_string(&w, key);
    return msg;
}

struct message *message_new_routed(struct sl_bytes route, struct sl_bytes properties,
                                   size_t body_len)
{
    struct message *msg = allocate(route.len, properties, body_len);

    if (msg != NULL)
        memcpy(msg->data, route.at, route.len);
    return msg;
}

enum sl_err message_append(struct message **msg, struct sl_bytes bytes)
{
    struct message *m = *msg;

    if (m->body_room - m->body_len < bytes.len) {
        SL_TRY(grow(msg, m->body_len + bytes.len));
        m = *msg;
    }
    if (bytes.len != 0)
        memcpy(m->data + m->route_len + m->properties_len + m->body_len, bytes.at, bytes.len);
    m->body_len += (uint32_t)bytes.len;
    return SL_OK;
}

void message_release(void *msg)
{
    message_unref(msg);
}

void message_free(struct message *msg)
{
    memory_release(message_cost(msg));
    block_give(msg, block_bytes(msg));
}

static struct message *allocate(size_t route_len, struct sl_bytes properties, size_t body_len)
{
    size_t room = body_len > SL_BODY_FIRST_BYTES ? SL_BODY_FIRST_BYTES : body_len;
    struct message *msg = block_take(sizeof *msg + route_len + properties.len + room);

    if (msg == NULL)
        return NULL;
    atomic_init(&msg->refs, 1);
    msg->body_len = 0;
    msg->body_room = (uint32_t)room;
    msg->properties_len = (uint32_t)properties.len;
    msg->route_len = (uint16_t)route_len;
    msg->record_len = msg->log_at = 0;
    msg->copies = 0;
    msg->is_logged = msg->has_deaths = msg->is_moved = msg->by_exchange = false;
    msg->is_scheduled = false;
    msg->expires = properties_expire(properties);
    msg->marks = known_headers_marks(properties);
    memcpy(msg->data + route_len, properties.at, properties.len);
    memory_charge(message_cost(msg));
    return msg;
}

static size_t block_bytes(const struct message *msg)
{
    return sizeof *msg + msg->route_len + msg->properties_len + msg->body_room;
}

/* Doubles, so that a body which arrives in many parts is moved a few times only. */
static enum sl_err grow(struct message **msg, size_t body_len)
{
    struct message *m = *msg;
    size_t before = message_cost(m);
    size_t room = m->body_room < SL_BODY_FIRST_BYTES ? SL_BODY_FIRST_BYTES : m->body_room;

    while (room < body_len)
        room *= 2;
    if (room > UINT32_MAX)
        return SL_ENOMEM;
    m = block_grow(m, block_bytes(m), sizeof *m + m->route_len + m->properties_len + room);
    if (m == NULL)
        return SL_ENOMEM;
    m->body_room = (uint32_t)room;
    memory_charge(message_cost(m) - before);
    *msg = m;
    return SL_OK;
}
