#include "protocols/amqp/sasl.h"

#include "core/table.h"

static enum sl_err read_plain(struct sl_bytes response, struct amqp_credentials *out);
static bool take_until_nul(struct sl_bytes *rest, struct sl_bytes *part);
static enum sl_err read_amqplain(struct sl_bytes response, struct amqp_credentials *out);

enum sl_err amqp_sasl_read(struct sl_bytes mechanism, struct sl_bytes response,
                           struct amqp_credentials *out)
{
    if (sl_bytes_are(mechanism, "PLAIN"))
        return read_plain(sl_bytes_skip(response, 4), out);
    if (sl_bytes_are(mechanism, "AMQPLAIN"))
        return read_amqplain(response, out);
    return SL_ENOENT;
}

/* RFC 4616: [authzid] NUL authcid NUL password.  The first is ignored, as RabbitMQ does. */
static enum sl_err read_plain(struct sl_bytes response, struct amqp_credentials *out)
{
    struct sl_bytes authorize;

    if (!take_until_nul(&response, &authorize) || !take_until_nul(&response, &out->user))
        return SL_ESYNTAX;
    out->password = response;
    return SL_OK;
}

static bool take_until_nul(struct sl_bytes *rest, struct sl_bytes *part)
{
    const uint8_t *nul = rest->len == 0 ? NULL : memchr(rest->at, 0, rest->len);

    if (nul == NULL)
        return false;
    *part = (struct sl_bytes){rest->at, (size_t)(nul - rest->at)};
    *rest = sl_bytes_skip(*rest, part->len + 1);
    return true;
}

/* A field table whose length is the long string's own. */
static enum sl_err read_amqplain(struct sl_bytes response, struct amqp_credentials *out)
{
    struct table_value user, password;
    const char *why;
    size_t used;

    SL_TRY(table_check(response, &used, &why));
    if (!table_find(response, "LOGIN", &user) || !table_value_string(user, &out->user))
        return SL_ESYNTAX;
    if (!table_find(response, "PASSWORD", &password) ||
        !table_value_string(password, &out->password))
        return SL_ESYNTAX;
    return SL_OK;
}
