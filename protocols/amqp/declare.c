#include "protocols/amqp/declare.h"

#include "protocols/amqp/encode.h"

enum exchange_declare_bits {
    EXCHANGE_PASSIVE = 1 << 0,
    EXCHANGE_DURABLE = 1 << 1,
    EXCHANGE_AUTO_DELETE = 1 << 2,
    EXCHANGE_INTERNAL = 1 << 3,
    EXCHANGE_NO_WAIT = 1 << 4,
};

enum queue_declare_bits {
    QUEUE_PASSIVE = 1 << 0,
    QUEUE_DURABLE = 1 << 1,
    QUEUE_EXCLUSIVE = 1 << 2,
    QUEUE_AUTO_DELETE = 1 << 3,
    QUEUE_NO_WAIT = 1 << 4,
};

enum delete_bits { /* exchange.delete has no if-empty: its no-wait is the second bit */
                   DELETE_IF_UNUSED = 1 << 0,
                   EXCHANGE_DELETE_NO_WAIT = 1 << 1,
                   QUEUE_DELETE_IF_EMPTY = 1 << 1,
                   QUEUE_DELETE_NO_WAIT = 1 << 2,
};

static struct sl_bytes read_name(struct amqp_channel *ch, struct sl_reader *r);
static void bind_exchange(struct amqp_channel *ch, struct sl_reader *r, bool is_bind);
static void bind_queue(struct amqp_channel *ch, struct sl_reader *r, bool is_bind);
static void send_binding(struct amqp_channel *ch, const struct binding_request *request,
                         bool is_bind, bool is_no_wait);
static void note_last_queue(struct amqp_channel *ch, struct sl_bytes name);
static void send_count(struct amqp_channel *ch, uint32_t method, uint64_t count);
static uint32_t count_of(uint64_t count);

bool amqp_queue_name(struct amqp_channel *ch, struct sl_bytes *name)
{
    if (name->len == 0)
        *name = ch->last_queue;
    if (name->len != 0)
        return true;
    amqp_channel_fail(ch, AMQP_NOT_FOUND, "no previously declared queue");
    return false;
}

void amqp_exchange_declare(struct amqp_channel *ch, struct sl_reader *r)
{
    sl_read_u16(r);
    struct sl_bytes name = read_name(ch, r);
    struct sl_bytes type = sl_read_short_string(r);
    uint8_t bits = sl_read_u8(r);
    struct sl_bytes arguments = amqp_read_table(r);
    if (!amqp_arguments_end(ch->connection, r))
        return;

    struct exchange_declaration declaration = {
        .name = name,
        .type = type,
        .is_passive = (bits & EXCHANGE_PASSIVE) != 0,
        .is_durable = (bits & EXCHANGE_DURABLE) != 0,
        .is_auto_delete = (bits & EXCHANGE_AUTO_DELETE) != 0,
        .is_internal = (bits & EXCHANGE_INTERNAL) != 0,
        .arguments = arguments,
    };
    uint64_t ticket = amqp_channel_wait(ch, (bits & EXCHANGE_NO_WAIT) != 0);
    broker_declare_exchange(amqp_client(ch->connection), ticket, &declaration);
}

void amqp_exchange_delete(struct amqp_channel *ch, struct sl_reader *r)
{
    sl_read_u16(r);
    struct sl_bytes name = read_name(ch, r);
    uint8_t bits = sl_read_u8(r);
    if (!amqp_arguments_end(ch->connection, r))
        return;

    uint64_t ticket = amqp_channel_wait(ch, (bits & EXCHANGE_DELETE_NO_WAIT) != 0);
    broker_delete_exchange(amqp_client(ch->connection), ticket, name,
                           (bits & DELETE_IF_UNUSED) != 0);
}

void amqp_exchange_bind(struct amqp_channel *ch, struct sl_reader *r)
{
    bind_exchange(ch, r, true);
}

void amqp_exchange_unbind(struct amqp_channel *ch, struct sl_reader *r)
{
    bind_exchange(ch, r, false);
}

void amqp_queue_declare(struct amqp_channel *ch, struct sl_reader *r)
{
    sl_read_u16(r);
    struct sl_bytes name = read_name(ch, r);
    uint8_t bits = sl_read_u8(r);
    struct sl_bytes arguments = amqp_read_table(r);
    if (!amqp_arguments_end(ch->connection, r))
        return;

    struct queue_declaration declaration = {
        .name = name,
        .is_passive = (bits & QUEUE_PASSIVE) != 0,
        .is_durable = (bits & QUEUE_DURABLE) != 0,
        .is_exclusive = (bits & QUEUE_EXCLUSIVE) != 0,
        .is_auto_delete = (bits & QUEUE_AUTO_DELETE) != 0,
        .arguments = arguments,
    };
    if (declaration.is_passive && !amqp_queue_name(ch, &declaration.name))
        return;
    note_last_queue(ch, declaration.name); /* a refusal closes the channel, and so forgets it */
    uint64_t ticket = amqp_channel_wait(ch, (bits & QUEUE_NO_WAIT) != 0);
    broker_declare_queue(amqp_client(ch->connection), ticket, &declaration, "amq.gen-");
}

void amqp_queue_declared(struct amqp_channel *ch, struct answer *a)
{
    /* The client hears the name that it said: some wait for exactly that one, and a cluster queue
     * has several. */
    if (ch->last_queue.len == 0)
        note_last_queue(ch, (struct sl_bytes){(const uint8_t *)a->name, a->name_len});
    struct sl_bytes name = ch->last_queue;
    if (ch->is_no_wait)
        return;
    struct amqp_writing writing =
        amqp_method_begin(ch->connection, ch->number, AMQP_QUEUE_DECLARE_OK, 1 + name.len + 4 + 4);
    sl_write_short_string(&writing.w, name);
    sl_write_u32(&writing.w, count_of(a->messages));
    sl_write_u32(&writing.w, count_of(a->consumers));
    amqp_method_end(ch->connection, &writing);
}

void amqp_queue_bind(struct amqp_channel *ch, struct sl_reader *r)
{
    bind_queue(ch, r, true);
}

void amqp_queue_unbind(struct amqp_channel *ch, struct sl_reader *r)
{
    bind_queue(ch, r, false);
}

void amqp_queue_purge(struct amqp_channel *ch, struct sl_reader *r)
{
    sl_read_u16(r);
    struct sl_bytes name = sl_read_short_string(r);
    bool is_no_wait = (sl_read_u8(r) & 1) != 0;
    if (!amqp_arguments_end(ch->connection, r) || !amqp_queue_name(ch, &name))
        return;

    broker_purge_queue(amqp_client(ch->connection), amqp_channel_wait(ch, is_no_wait), name);
}

void amqp_queue_purged(struct amqp_channel *ch, struct answer *a)
{
    send_count(ch, AMQP_QUEUE_PURGE_OK, a->messages);
}

void amqp_queue_delete(struct amqp_channel *ch, struct sl_reader *r)
{
    sl_read_u16(r);
    struct sl_bytes name = sl_read_short_string(r);
    uint8_t bits = sl_read_u8(r);
    if (!amqp_arguments_end(ch->connection, r) || !amqp_queue_name(ch, &name))
        return;

    uint64_t ticket = amqp_channel_wait(ch, (bits & QUEUE_DELETE_NO_WAIT) != 0);
    broker_delete_queue(amqp_client(ch->connection), ticket, name, (bits & DELETE_IF_UNUSED) != 0,
                        (bits & QUEUE_DELETE_IF_EMPTY) != 0);
}

void amqp_queue_deleted(struct amqp_channel *ch, struct answer *a)
{
    send_count(ch, AMQP_QUEUE_DELETE_OK, a->messages);
}

/* RabbitMQ takes CR and LF out of the names of what is declared; whoever has one at the end of
 * a configuration line has relied on it ever since. */
static struct sl_bytes read_name(struct amqp_channel *ch, struct sl_reader *r)
{
    struct sl_bytes given = sl_read_short_string(r);

    if (given.len == 0 ||
        (memchr(given.at, '\r', given.len) == NULL && memchr(given.at, '\n', given.len) == NULL))
        return given;
    uint8_t *at = arena_take(&ch->connection->session.env->arena, given.len);
    size_t len = 0;
    for (size_t i = 0; at != NULL && i < given.len; i++) {
        if (given.at[i] != '\r' && given.at[i] != '\n')
            at[len++] = given.at[i];
    }
    return (struct sl_bytes){at, len};
}

static void bind_exchange(struct amqp_channel *ch, struct sl_reader *r, bool is_bind)
{
    struct binding_request request = {.to_exchange = true};

    sl_read_u16(r);
    request.destination = read_name(ch, r);
    request.source = read_name(ch, r);
    request.key = sl_read_short_string(r);
    bool is_no_wait = (sl_read_u8(r) & 1) != 0;
    request.arguments = amqp_read_table(r);
    if (amqp_arguments_end(ch->connection, r))
        send_binding(ch, &request, is_bind, is_no_wait);
}

/* queue.unbind has no no-wait bit.  Queue and key both empty mean the last queue for both. */
static void bind_queue(struct amqp_channel *ch, struct sl_reader *r, bool is_bind)
{
    struct binding_request request = {.to_exchange = false};
    bool is_no_wait = false;

    sl_read_u16(r);
    request.destination = read_name(ch, r);
    request.source = read_name(ch, r);
    request.key = sl_read_short_string(r);
    if (is_bind)
        is_no_wait = (sl_read_u8(r) & 1) != 0;
    request.arguments = amqp_read_table(r);
    if (!amqp_arguments_end(ch->connection, r))
        return;
    bool is_last = request.destination.len == 0;
    if (!amqp_queue_name(ch, &request.destination))
        return;
    if (is_last && request.key.len == 0)
        request.key = request.destination;
    send_binding(ch, &request, is_bind, is_no_wait);
}

static void send_binding(struct amqp_channel *ch, const struct binding_request *request,
                         bool is_bind, bool is_no_wait)
{
    uint64_t ticket = amqp_channel_wait(ch, is_no_wait);

    if (is_bind)
        broker_bind(amqp_client(ch->connection), ticket, request);
    else
        broker_unbind(amqp_client(ch->connection), ticket, request);
}

static void note_last_queue(struct amqp_channel *ch, struct sl_bytes name)
{
    if (sl_bytes_equal(ch->last_queue, name))
        return;
    sl_bytes_free(ch->last_queue);
    ch->last_queue = sl_bytes_copy(name);
}

static void send_count(struct amqp_channel *ch, uint32_t method, uint64_t count)
{
    if (ch->is_no_wait)
        return;
    struct amqp_writing writing = amqp_method_begin(ch->connection, ch->number, method, 4);
    sl_write_u32(&writing.w, count_of(count));
    amqp_method_end(ch->connection, &writing);
}

static uint32_t count_of(uint64_t count)
{
    return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}
