#include "core/refusal.h"

static void begin_inequivalent(struct resource r, const char *argument, struct text *reason);
static void describe_value(const struct table_value *value, bool with_type, struct text *to);

void resource_describe(struct resource r, struct text *to)
{
    text_add(to, "%s '", r.kind);
    text_add_bytes(to, r.name);
    text_add(to, "' in vhost '");
    text_add_bytes(to, r.vhost);
    text_add(to, "'");
}

enum sl_err refusal_missing(struct resource r, struct text *reason)
{
    text_add(reason, "no ");
    resource_describe(r, reason);
    return SL_ENOENT;
}

enum sl_err refusal_locked(struct resource r, struct text *reason)
{
    text_add(reason, "cannot obtain exclusive access to locked ");
    resource_describe(r, reason);
    text_add(reason, ". It could be originally declared on another connection or the exclusive "
                     "property value does not match that of the original declaration.");
    return SL_ELOCKED;
}

enum sl_err refusal_in_use(struct resource r, struct text *reason)
{
    resource_describe(r, reason);
    text_add(reason, " in use");
    return SL_EPRECOND;
}

enum sl_err refusal_reserved_name(struct resource r, struct text *reason)
{
    text_add(reason, "%s name '", r.kind);
    text_add_bytes(reason, r.name);
    text_add(reason, "' contains reserved prefix 'amq.*'");
    return SL_EDENIED;
}

enum sl_err refusal_no_vhost(struct sl_bytes vhost, struct text *reason)
{
    text_add(reason, "vhost ");
    text_add_bytes(reason, vhost);
    text_add(reason, " not found");
    return SL_ENOENT;
}

enum sl_err refusal_default_exchange(struct text *reason)
{
    text_add(reason, "operation not permitted on the default exchange");
    return SL_EDENIED;
}

enum sl_err refusal_inequivalent(struct resource r, const char *argument, const char *received,
                                 const char *current, struct text *reason)
{
    begin_inequivalent(r, argument, reason);
    text_add(reason, "received '%s' but current is '%s'", received, current);
    return SL_EPRECOND;
}

/* RabbitMQ names the types only where one side has no value at all. */
enum sl_err refusal_inequivalent_value(struct resource r, const char *argument,
                                       const struct table_value *received,
                                       const struct table_value *current, struct text *reason)
{
    bool with_type = received == NULL || current == NULL;

    begin_inequivalent(r, argument, reason);
    text_add(reason, "received ");
    describe_value(received, with_type, reason);
    text_add(reason, " but current is ");
    describe_value(current, with_type, reason);
    return SL_EPRECOND;
}

static void begin_inequivalent(struct resource r, const char *argument, struct text *reason)
{
    text_add(reason, "inequivalent arg '%s' for ", argument);
    resource_describe(r, reason);
    text_add(reason, ": ");
}

static void describe_value(const struct table_value *value, bool with_type, struct text *to)
{
    if (value == NULL) {
        text_add(to, "none");
        return;
    }
    text_add(to, with_type ? "the value '" : "'");
    table_value_describe(*value, to);
    text_add(to, "'");
    if (with_type)
        text_add(to, " of type '%s'", table_type_name(value->type));
}
