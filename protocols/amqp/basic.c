#include "protocols/amqp/basic.h"

#include "core/base/assert.h"
#include "protocols/amqp/consumer.h"
#include "protocols/amqp/declare.h"
#include "protocols/amqp/encode.h"
#include "protocols/amqp/tx.h"

enum nack_bits { NACK_MULTIPLE = 1 << 0, NACK_REQUEUE = 1 << 1 };

static void limit_channel(struct amqp_channel *ch, uint16_t count);
static void settle(struct amqp_channel *ch, uint64_t tag, bool multiple,
                   enum settle_verdict verdict);
static bool recover(struct amqp_channel *ch, struct sl_reader *r);

void amqp_basic_qos(struct amqp_channel *ch, struct sl_reader *r)
{
    struct amqp_connection *c = ch->connection;
    uint32_t size = sl_read_u32(r);
    uint16_t count = sl_read_u16(r);
    bool is_global = (sl_read_u8(r) & 1) != 0;

    if (!amqp_arguments_end(c, r))
        return;
    if (size != 0) {
        amqp_connection_fail(c, AMQP_NOT_IMPLEMENTED, "prefetch_size!=0 (%u)", size);
        return;
    }
    if (is_global)
        limit_channel(ch, count);
    else
        ch->prefetch = count;
    amqp_send_method(c, ch->number, AMQP_BASIC_QOS_OK);
}

void amqp_basic_get(struct amqp_channel *ch, struct sl_reader *r)
{
    sl_read_u16(r);
    struct sl_bytes queue = sl_read_short_string(r);
    bool is_no_ack = (sl_read_u8(r) & 1) != 0;
    if (!amqp_arguments_end(ch->connection, r) || !amqp_queue_name(ch, &queue))
        return;

    broker_get(amqp_client(ch->connection), amqp_channel_wait(ch, false), queue, is_no_ack);
}

void amqp_basic_got(struct amqp_channel *ch, struct answer *a)
{
    struct amqp_connection *c = ch->connection;
    struct client *client = amqp_client(c);
    sl_tag tag;

    if (a->msg == NULL) { /* with an empty, obsolete cluster id */
        amqp_send_name(c, ch->number, AMQP_BASIC_GET_EMPTY, (struct sl_bytes){NULL, 0});
        return;
    }
    if (a->consumer.at.generation == 0) { /* without acknowledgement */
        tag = settlement_skip(&ch->settlement);
    } else {
        struct subscription *getter = broker_getter(client, a);
        if (getter == NULL) {
            amqp_connection_fail(c, AMQP_RESOURCE_ERROR, "too many unacknowledged messages");
            return;
        }
        getter->context = ch;
        tag = settlement_add(&ch->settlement, getter, a->loan, a->seq);
    }
    uint32_t left = a->messages > UINT32_MAX ? UINT32_MAX : (uint32_t)a->messages;
    amqp_send_get_ok(c, ch->number, tag, a->is_redelivered, left, a->msg, a->returns);
    counter_add(&client->worker->counters.delivered, 1);
}

void amqp_basic_ack(struct amqp_channel *ch, struct sl_reader *r)
{
    uint64_t tag = sl_read_u64(r);
    bool multiple = (sl_read_u8(r) & 1) != 0;

    if (amqp_arguments_end(ch->connection, r))
        settle(ch, tag, multiple, SETTLE_CONSUMED);
}

void amqp_basic_nack(struct amqp_channel *ch, struct sl_reader *r)
{
    uint64_t tag = sl_read_u64(r);
    uint8_t bits = sl_read_u8(r);

    if (amqp_arguments_end(ch->connection, r))
        settle(ch, tag, (bits & NACK_MULTIPLE) != 0,
               (bits & NACK_REQUEUE) != 0 ? SETTLE_RETURNED : SETTLE_REJECTED);
}

void amqp_basic_reject(struct amqp_channel *ch, struct sl_reader *r)
{
    uint64_t tag = sl_read_u64(r);
    bool requeue = (sl_read_u8(r) & 1) != 0;

    if (amqp_arguments_end(ch->connection, r))
        settle(ch, tag, false, requeue ? SETTLE_RETURNED : SETTLE_REJECTED);
}

void amqp_basic_recover(struct amqp_channel *ch, struct sl_reader *r)
{
    if (recover(ch, r))
        amqp_send_method(ch->connection, ch->number, AMQP_BASIC_RECOVER_OK);
}

void amqp_basic_recover_async(struct amqp_channel *ch, struct sl_reader *r)
{
    recover(ch, r);
}

void amqp_basic_unknown_tag(struct amqp_channel *ch, uint64_t tag)
{
    amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED, "unknown delivery tag %llu",
                      (unsigned long long)tag);
}

/* One limit for all consumers of the channel, those that are there included. */
static void limit_channel(struct amqp_channel *ch, uint16_t count)
{
    struct amqp_connection *c = ch->connection;

    uint32_t limit = count == 0 ? SL_LOANS_PER_CHANNEL_MAX : count;

    if (ch->group != NULL) {
        broker_set_group_limit(amqp_client(c), ch->group, limit);
        return;
    }
    ch->group = credit_group_new(limit);
    amqp_consumer_join_all(ch);
}

static void settle(struct amqp_channel *ch, uint64_t tag, bool multiple,
                   enum settle_verdict verdict)
{
    struct client *client = amqp_client(ch->connection);

    if (ch->tx != NULL)
        amqp_tx_settle(ch, tag, multiple, verdict);
    else if (settlement_settle(&ch->settlement, client, (sl_tag){tag}, multiple, verdict) != SL_OK)
        amqp_basic_unknown_tag(ch, tag);
}

static bool recover(struct amqp_channel *ch, struct sl_reader *r)
{
    struct amqp_connection *c = ch->connection;
    bool requeue = (sl_read_u8(r) & 1) != 0;

    if (!amqp_arguments_end(c, r))
        return false;
    if (!requeue) {
        amqp_connection_fail(c, AMQP_NOT_IMPLEMENTED, "requeue=false");
        return false;
    }
    /* Not what a transaction has settled already. */
    enum sl_err err =
        settlement_settle(&ch->settlement, amqp_client(c), (sl_tag){0}, true, SETTLE_RETURNED);
    SL_ASSERT(err == SL_OK); /* zero is always fine */
    return true;
}
