/* exchange_type.c - the part of exchange.h about types: their names, and what delays. */
#include "core/exchange.h"

static enum sl_err delayed_type(struct sl_bytes arguments, enum exchange_type *type);

static const char *const TYPE_NAMES[] = {[EXCHANGE_DIRECT] = "direct",
                                         [EXCHANGE_FANOUT] = "fanout",
                                         [EXCHANGE_TOPIC] = "topic",
                                         [EXCHANGE_HEADERS] = "headers",
                                         [EXCHANGE_DEDUPLICATION] = "x-message-deduplication",
                                         [EXCHANGE_CONSISTENT_HASH] = "x-consistent-hash",
                                         [EXCHANGE_RANDOM] = "x-random",
                                         [EXCHANGE_RECENT_HISTORY] = "x-recent-history",
                                         [EXCHANGE_DELAYED] = "x-delayed-message"};
#define TYPES (sizeof TYPE_NAMES / sizeof *TYPE_NAMES)

enum sl_err exchange_type_parse(struct sl_bytes name, enum exchange_type *type)
{
    for (size_t i = 0; i < TYPES; i++)
        if (TYPE_NAMES[i] != NULL && sl_bytes_are(name, TYPE_NAMES[i])) {
            *type = (enum exchange_type)i;
            return SL_OK;
        }
    return SL_ENOENT;
}

const char *exchange_type_name(enum exchange_type type)
{
    return (size_t)type < TYPES ? TYPE_NAMES[type] : NULL;
}

enum exchange_type exchange_matching(enum exchange_type type, struct sl_bytes arguments)
{
    enum exchange_type matching = type;

    return type == EXCHANGE_DELAYED && delayed_type(arguments, &matching) != SL_OK ? EXCHANGE_DIRECT
                                                                                   : matching;
}

enum sl_err exchange_check_delayed(enum exchange_type type, struct sl_bytes arguments,
                                   struct text *reason)
{
    if (type != EXCHANGE_DELAYED || delayed_type(arguments, &type) == SL_OK)
        return SL_OK;
    text_add(reason, "Invalid argument, 'x-delayed-type' must be an existing exchange type");
    return SL_EPRECOND;
}

static enum sl_err delayed_type(struct sl_bytes arguments, enum exchange_type *type)
{
    struct table_value value;
    struct sl_bytes name;

    if (!table_find(arguments.len == 0 ? table_empty : arguments, "x-delayed-type", &value) ||
        !table_value_string(value, &name))
        return SL_ENOENT;
    SL_TRY(exchange_type_parse(name, type));
    return *type == EXCHANGE_DELAYED ? SL_ENOENT : SL_OK;
}
