/* publish_check.c - the part of publish.h that looks at properties. */
#include "core/properties.h"
#include "protocols/amqp/direct_reply.h"
#include "protocols/amqp/publish_parts.h"

static enum sl_err check_properties(struct amqp_channel *ch, struct sl_bytes properties,
                                    struct text *why);
static bool properties_passed(const struct amqp_publisher *p, struct sl_bytes properties);
static enum sl_err check_values(struct amqp_connection *c, struct sl_bytes flat, struct text *why);
static bool names_another(const struct amqp_connection *c, struct sl_bytes flat);

bool amqp_publish_check(struct amqp_channel *ch, struct sl_bytes *properties)
{
    char why[256];
    struct text text = text_on(why, sizeof why);
    enum sl_err err = amqp_publisher_check(ch, properties, &text);

    if (err != SL_OK)
        amqp_channel_refuse(ch, err, why);
    return err == SL_OK;
}

enum sl_err amqp_publisher_check(struct amqp_channel *ch, struct sl_bytes *properties,
                                 struct text *why)
{
    if (!properties_passed(ch->publisher, *properties))
        SL_TRY(check_properties(ch, *properties, why));
    if ((sl_load_u16(properties->at) & PROPERTY_REPLY_TO) == 0)
        return SL_OK;
    return amqp_direct_reply_address(ch, properties, why);
}

static enum sl_err check_properties(struct amqp_channel *ch, struct sl_bytes properties,
                                    struct text *why)
{
    struct amqp_publisher *p = ch->publisher;
    const char *reason = NULL;
    enum sl_err err = properties_check(properties, &reason);

    if (err != SL_OK) {
        text_add(why, "malformed properties: %s", reason);
        return err;
    }
    SL_TRY(check_values(ch->connection, properties, why));
    if (properties.len <= sizeof p->properties && !names_another(ch->connection, properties)) {
        memcpy(p->properties, properties.at, properties.len);
        p->properties_len = (uint8_t)properties.len;
    }
    return SL_OK;
}

static bool properties_passed(const struct amqp_publisher *p, struct sl_bytes properties)
{
    return properties.len == p->properties_len && properties.len != 0 &&
           memcmp(properties.at, p->properties, properties.len) == 0;
}

static enum sl_err check_values(struct amqp_connection *c, struct sl_bytes flat, struct text *why)
{
    struct properties p;
    uint64_t ms;

    if ((sl_load_u16(flat.at) & (PROPERTY_USER_ID | PROPERTY_EXPIRATION)) == 0)
        return SL_OK;
    properties_decode(flat, &p);
    if ((p.present & PROPERTY_USER_ID) != 0 && !sl_bytes_equal(p.user_id, c->user) &&
        !broker_may_impersonate(amqp_client(c))) {
        text_add(why, "user_id property set to '");
        text_add_bytes(why, p.user_id);
        text_add(why, "' but authenticated user was '");
        text_add_bytes(why, c->user);
        text_add(why, "'");
        return SL_EPRECOND;
    }
    if ((p.present & PROPERTY_EXPIRATION) != 0 && !expiration_read(p.expiration, &ms)) {
        text_add(why, "invalid expiration '");
        text_add_bytes(why, p.expiration);
        text_add(why, "': a number of milliseconds up to 4294967295 is expected");
        return SL_EPRECOND;
    }
    return SL_OK;
}

/* That may be forbidden at any time, so it is looked at each time. */
static bool names_another(const struct amqp_connection *c, struct sl_bytes flat)
{
    struct properties p;

    if ((sl_load_u16(flat.at) & PROPERTY_USER_ID) == 0)
        return false;
    properties_decode(flat, &p);
    return !sl_bytes_equal(p.user_id, c->user);
}
