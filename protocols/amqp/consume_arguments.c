#include "protocols/amqp/consume_arguments.h"

#include "core/table.h"

static const char *const OF_STREAMS[] = {"x-stream-offset", "x-stream-filter",
                                         "x-stream-match-unfiltered"};

static bool refuse_argument(struct amqp_channel *ch, struct sl_bytes queue, const char *name,
                            struct table_value value);
static bool refuse_of_stream(struct amqp_channel *ch, struct sl_bytes queue, const char *name);

bool amqp_consume_arguments(struct amqp_channel *ch, struct sl_bytes queue, struct sl_bytes table,
                            struct amqp_consume_arguments *out)
{
    struct table_value value;
    int64_t ms;

    *out = (struct amqp_consume_arguments){.priority = 0};
    for (size_t i = 0; i < sizeof OF_STREAMS / sizeof OF_STREAMS[0]; i++)
        if (table_find(table, OF_STREAMS[i], &value))
            return refuse_of_stream(ch, queue, OF_STREAMS[i]);
    if (table_find(table, "x-priority", &value) && !table_value_integer(value, &out->priority))
        return refuse_argument(ch, queue, "x-priority", value);
    if (!table_find(table, "x-consumer-timeout", &value))
        return true;
    if (!table_value_integer(value, &ms) || ms < 0)
        return refuse_argument(ch, queue, "x-consumer-timeout", value);
    out->has_timeout = true;
    out->timeout_ms = (uint64_t)ms;
    return true;
}

static bool refuse_argument(struct amqp_channel *ch, struct sl_bytes queue, const char *name,
                            struct table_value value)
{
    struct amqp_connection *c = ch->connection;
    int64_t n;

    amqp_channel_fail(
        ch, AMQP_PRECONDITION_FAILED,
        "invalid arg '%s' for queue '%s' in vhost '%s': expected %sinteger, got %s", name,
        amqp_printable(c, queue), amqp_printable(c, amqp_client(c)->vhost->name),
        table_value_integer(value, &n) ? "non-negative " : "", table_type_name(value.type));
    return false;
}

/* Who wants to read again what was read is not served by a queue that gives each message away. */
static bool refuse_of_stream(struct amqp_channel *ch, struct sl_bytes queue, const char *name)
{
    struct amqp_connection *c = ch->connection;

    amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED,
                      "invalid arg '%s' for queue '%s' in vhost '%s' of queue type "
                      "rabbit_classic_queue",
                      name, amqp_printable(c, queue),
                      amqp_printable(c, amqp_client(c)->vhost->name));
    return false;
}
