#include "protocols/amqp/sasl.h"
#include "tests/support/unit.h"

#include "core/table.h"

/* The response as it stands on the wire, with its length in front. */
static struct sl_bytes with_length(struct sl_bytes response, uint8_t room[256])
{
    struct sl_writer w = {room, room + 256, false};

    sl_write_long_string(&w, response);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static const struct amqp_sasl_offer BARE = {NULL, NULL};

static enum sl_err read(const char *mechanism, struct sl_bytes response,
                        struct amqp_credentials *who)
{
    static uint8_t room[256];

    return amqp_sasl_read(&BARE, sl_bytes_of(mechanism), with_length(response, room), who);
}

static void an_unknown_mechanism_is_no_login(void)
{
    struct amqp_credentials who;

    CU_ASSERT_EQUAL(read("ANONYMOUS", SL_BYTES_LITERAL(""), &who), SL_ENOENT);
    CU_ASSERT_EQUAL(read("plain", SL_BYTES_LITERAL("\0a\0b"), &who), SL_ENOENT);
}

static void a_plain_response_without_two_nuls_is_no_login(void)
{
    struct amqp_credentials who;

    CU_ASSERT_EQUAL(read("PLAIN", SL_BYTES_LITERAL(""), &who), SL_ESYNTAX);
    CU_ASSERT_EQUAL(read("PLAIN", SL_BYTES_LITERAL("guest"), &who), SL_ESYNTAX);
    CU_ASSERT_EQUAL(read("PLAIN", SL_BYTES_LITERAL("\0guest"), &who), SL_ESYNTAX);
}

static void external_and_anonymous_are_there_only_when_offered(void)
{
    struct amqp_sasl_offer offer = {.certificate_name = "shop", .anonymous_user = "visitor"};
    struct amqp_credentials who;
    uint8_t room[256];

    CU_ASSERT_STRING_EQUAL(amqp_sasl_mechanisms(&BARE), "AMQPLAIN PLAIN");
    CU_ASSERT_STRING_EQUAL(amqp_sasl_mechanisms(&offer), "EXTERNAL AMQPLAIN PLAIN ANONYMOUS");
    CU_ASSERT_EQUAL(read("EXTERNAL", SL_BYTES_LITERAL("shop"), &who), SL_ENOENT);
    struct sl_bytes response = with_length(SL_BYTES_LITERAL("somebody else"), room);
    CU_ASSERT_EQUAL(amqp_sasl_read(&offer, sl_bytes_of("EXTERNAL"), response, &who), SL_OK);
    CU_ASSERT(sl_bytes_are(who.user, "shop") && who.is_vouched_for);
    CU_ASSERT_EQUAL(amqp_sasl_read(&offer, sl_bytes_of("ANONYMOUS"), response, &who), SL_OK);
    CU_ASSERT(sl_bytes_are(who.user, "visitor") && who.is_vouched_for);
    CU_ASSERT_EQUAL(read("PLAIN", SL_BYTES_LITERAL("\0a\0b"), &who), SL_OK);
    CU_ASSERT(!who.is_vouched_for);
}

static void plain_names_user_and_password(void)
{
    struct amqp_credentials who;

    CU_ASSERT_EQUAL(read("PLAIN", SL_BYTES_LITERAL("ignored\0guest\0pa\0ss"), &who), SL_OK);
    CU_ASSERT(sl_bytes_are(who.user, "guest"));
    CU_ASSERT(sl_bytes_equal(who.password, SL_BYTES_LITERAL("pa\0ss")));
    CU_ASSERT_EQUAL(read("PLAIN", SL_BYTES_LITERAL("\0guest\0"), &who), SL_OK);
    CU_ASSERT_EQUAL(who.password.len, 0);
}

static void amqplain_names_user_and_password(void)
{
    uint8_t room[128];
    struct sl_writer w = {room, room + sizeof room, false};
    struct amqp_credentials who;

    uint8_t *start = table_write_start(&w);
    table_write_string(&w, sl_bytes_of("LOGIN"), sl_bytes_of("guest"));
    table_write_string(&w, sl_bytes_of("PASSWORD"), sl_bytes_of("secret"));
    table_write_finish(&w, start);
    struct sl_bytes table = {room, (size_t)(w.pos - room)};
    CU_ASSERT_EQUAL(amqp_sasl_read(&BARE, sl_bytes_of("AMQPLAIN"), table, &who), SL_OK);
    CU_ASSERT(sl_bytes_are(who.user, "guest"));
    CU_ASSERT(sl_bytes_are(who.password, "secret"));

    /* cut anywhere it is none */
    for (size_t cut = 4; cut < table.len; cut++) {
        struct sl_bytes response = {table.at + 4, cut - 4};
        CU_ASSERT_NOT_EQUAL(read("AMQPLAIN", response, &who), SL_OK);
    }
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(an_unknown_mechanism_is_no_login),
        UNIT(a_plain_response_without_two_nuls_is_no_login),
        UNIT(external_and_anonymous_are_there_only_when_offered),
        UNIT(plain_names_user_and_password),
        UNIT(amqplain_names_user_and_password),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/sasl", tests);
}
