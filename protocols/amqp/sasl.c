#include "protocols/amqp/sasl.h"

#include "core/table.h"

static bool has_certificate(const struct amqp_sasl_offer *offer);
static bool has_anonymous(const struct amqp_sasl_offer *offer);
static enum sl_err read_plain(struct sl_bytes response, struct amqp_credentials *out);
static bool take_until_nul(struct sl_bytes *rest, struct sl_bytes *part);
static enum sl_err read_amqplain(struct sl_bytes response, struct amqp_credentials *out);

const char *amqp_sasl_mechanisms(const struct amqp_sasl_offer *offer)
{
    static const char *const ALL[2][2] = {
        {"AMQPLAIN PLAIN", "AMQPLAIN PLAIN ANONYMOUS"},
        {"EXTERNAL AMQPLAIN PLAIN", "EXTERNAL AMQPLAIN PLAIN ANONYMOUS"},
    };
    return ALL[has_certificate(offer)][has_anonymous(offer)];
}

const char *amqp_sasl_name(struct sl_bytes mechanism)
{
    static const char *const NAMES[] = {"PLAIN", "AMQPLAIN", "EXTERNAL", "ANONYMOUS"};

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (sl_bytes_are(mechanism, NAMES[i]))
            return NAMES[i];
    return "UNKNOWN";
}

enum sl_err amqp_sasl_read(const struct amqp_sasl_offer *offer, struct sl_bytes mechanism,
                           struct sl_bytes response, struct amqp_credentials *out)
{
    *out = (struct amqp_credentials){.is_vouched_for = false};
    if (sl_bytes_are(mechanism, "EXTERNAL") && has_certificate(offer)) {
        *out = (struct amqp_credentials){.user = sl_bytes_of(offer->certificate_name),
                                         .is_vouched_for = true};
        return SL_OK;
    }
    if (sl_bytes_are(mechanism, "ANONYMOUS") && has_anonymous(offer)) {
        *out = (struct amqp_credentials){.user = sl_bytes_of(offer->anonymous_user),
                                         .is_vouched_for = true};
        return SL_OK;
    }
    if (sl_bytes_are(mechanism, "PLAIN"))
        return read_plain(sl_bytes_skip(response, 4), out);
    if (sl_bytes_are(mechanism, "AMQPLAIN"))
        return read_amqplain(response, out);
    return SL_ENOENT;
}

static bool has_certificate(const struct amqp_sasl_offer *offer)
{
    return offer->certificate_name != NULL && *offer->certificate_name != '\0';
}

static bool has_anonymous(const struct amqp_sasl_offer *offer)
{
    return offer->anonymous_user != NULL && *offer->anonymous_user != '\0';
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
