/*
 * Target: the response by which an AMQP peer says who it is, of any mechanism.
 *
 * The first byte says what the peer is offered, and whether the mechanism is one of ours or the
 * input's own: up to the first zero byte.
 *
 * Properties: who is vouched for is who the offer names, never who the response says; without
 * that there is a password to ask for, and both lie within the response.
 */
#include "core/base/assert.h"
#include "protocols/amqp/sasl.h"

#include <stdlib.h>

#define OFFERS_CERTIFICATE 1u
#define OFFERS_ANONYMOUS 2u
#define MECHANISM_SHIFT 2u
#define MECHANISMS 5u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct sl_bytes take_mechanism(uint8_t choice, struct sl_bytes *rest);
static struct sl_bytes long_string(struct sl_bytes content);
static void check(const struct amqp_sasl_offer *offer, struct sl_bytes response,
                  const struct amqp_credentials *out);
static bool lies_in(struct sl_bytes part, struct sl_bytes whole);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct amqp_credentials out;

    if (len == 0)
        return 0;
    const struct amqp_sasl_offer offer = {
        .certificate_name = (data[0] & OFFERS_CERTIFICATE) != 0 ? "CN=someone" : NULL,
        .anonymous_user = (data[0] & OFFERS_ANONYMOUS) != 0 ? "guest" : "",
    };
    struct sl_bytes rest = {data + 1, len - 1};
    struct sl_bytes mechanism = take_mechanism(data[0] >> MECHANISM_SHIFT, &rest);
    struct sl_bytes response = long_string(rest);
    enum sl_err err = amqp_sasl_read(&offer, mechanism, response, &out);

    SL_ASSERT(err == SL_OK || err == SL_ENOENT || err == SL_ESYNTAX);
    if (err == SL_OK) {
        SL_ASSERT(strstr(amqp_sasl_mechanisms(&offer), amqp_sasl_name(mechanism)) != NULL);
        check(&offer, response, &out);
    }
    free((void *)response.at);
    return 0;
}

static struct sl_bytes take_mechanism(uint8_t choice, struct sl_bytes *rest)
{
    static const char *const OURS[MECHANISMS - 1] = {"PLAIN", "AMQPLAIN", "EXTERNAL", "ANONYMOUS"};

    if (choice % MECHANISMS < MECHANISMS - 1)
        return sl_bytes_of(OURS[choice % MECHANISMS]);
    const uint8_t *nul = rest->len == 0 ? NULL : memchr(rest->at, 0, rest->len);
    struct sl_bytes own = {rest->at, nul == NULL ? rest->len : (size_t)(nul - rest->at)};
    *rest = sl_bytes_skip(*rest, own.len);
    return own;
}

/* In a block of its own size, so that a read past its end is seen. */
static struct sl_bytes long_string(struct sl_bytes content)
{
    uint8_t *room = malloc(4 + content.len);

    SL_ASSERT(room != NULL);
    sl_store_u32(room, (uint32_t)content.len);
    if (content.len != 0)
        memcpy(room + 4, content.at, content.len);
    return (struct sl_bytes){room, 4 + content.len};
}

static void check(const struct amqp_sasl_offer *offer, struct sl_bytes response,
                  const struct amqp_credentials *out)
{
    if (!out->is_vouched_for) {
        SL_ASSERT(lies_in(out->user, response) && lies_in(out->password, response));
        return;
    }
    SL_ASSERT(out->password.len == 0);
    SL_ASSERT((offer->certificate_name != NULL &&
               out->user.at == (const uint8_t *)offer->certificate_name) ||
              out->user.at == (const uint8_t *)offer->anonymous_user);
}

static bool lies_in(struct sl_bytes part, struct sl_bytes whole)
{
    return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}
