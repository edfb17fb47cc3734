#include "core/base/limits.h"
#include "core/table.h"
#include "protocols/amqp/connection.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/unit.h"

#define HEADER ((struct sl_bytes){(const uint8_t *)"AMQP\0\0\11\1", 8})

static struct harness h;

static void start_ok(struct peer_end *p, struct sl_bytes properties, const char *mechanism,
                     struct sl_bytes response)
{
    uint8_t payload[1024];
    struct sl_writer w = {payload, payload + sizeof payload, false};

    harness_send(p, HEADER);
    amqp_expect(p, 0, AMQP_CONNECTION_START);
    sl_write_u32(&w, AMQP_CONNECTION_START_OK);
    sl_write_bytes(&w, properties);
    sl_write_short_string(&w, sl_bytes_of(mechanism));
    sl_write_long_string(&w, response);
    sl_write_short_string(&w, sl_bytes_of("en_US"));
    amqp_say_frame(p, AMQP_FRAME_METHOD, 0, (struct sl_bytes){payload, (size_t)(w.pos - payload)});
}

static void another_protocol_header_is_answered_with_ours_and_the_end(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_connect(&h);
    harness_send(p, (struct sl_bytes){(const uint8_t *)"AMQP\3\1\0\0", 8});
    CU_ASSERT(sl_bytes_equal(harness_heard(p), HEADER));
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void a_header_in_single_bytes_is_a_header(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_connect(&h);
    for (size_t i = 0; i < HEADER.len; i++) {
        amqp_expect_silence(p);
        harness_send(p, (struct sl_bytes){HEADER.at + i, 1});
    }
    amqp_expect(p, 0, AMQP_CONNECTION_START);
    harness_deinit(&h);
}

static void a_header_of_0_9_is_one_of_ours(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_connect(&h);
    harness_send(p, (struct sl_bytes){(const uint8_t *)"AMQP\1\1\0\11", 8});
    amqp_expect(p, 0, AMQP_CONNECTION_START);
    harness_deinit(&h);
}

static void start_says_what_we_are_and_only_what_we_can(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_connect(&h);
    harness_send(p, HEADER);
    struct sl_reader r = amqp_expect(p, 0, AMQP_CONNECTION_START);
    struct table_value value;
    struct sl_bytes text = {NULL, 0};

    CU_ASSERT_EQUAL(sl_read_u16(&r), 9); /* 0-9 */
    struct sl_bytes table = amqp_read_table(&r);
    CU_ASSERT(sl_bytes_are(sl_read_long_string(&r), "AMQPLAIN PLAIN"));
    CU_ASSERT(sl_bytes_are(sl_read_long_string(&r), "en_US"));
    CU_ASSERT(!r.is_short && sl_reader_left(&r) == 0);
    CU_ASSERT_FATAL(table_find(table, "product", &value) && table_value_string(value, &text));
    CU_ASSERT(sl_bytes_are(text, "RabbitMQ"));
    CU_ASSERT_FATAL(table_find(table, "capabilities", &value));
    CU_ASSERT_EQUAL(value.type, TABLE_TABLE);
    harness_deinit(&h);
}

static void a_wrong_password_closes_with_403_for_who_can_read_it(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_connect(&h);
    start_ok(p, amqp_capability("authentication_failure_close"), "PLAIN",
             SL_BYTES_LITERAL("\0guest\0wrong"));
    amqp_expect_close(p, 0, 403,
                      "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
                      "For details see the broker logfile.");
    amqp_say(p, 0, AMQP_CONNECTION_CLOSE_OK, "");
    CU_ASSERT_PTR_NULL(p->session);

    p = amqp_connect(&h);
    start_ok(p, table_empty, "PLAIN", SL_BYTES_LITERAL("\0guest\0wrong"));
    amqp_expect_silence(p);
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void guest_comes_from_this_machine_only(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_connect(&h);
    p->session->is_loopback = false;
    start_ok(p, table_empty, "PLAIN", SL_BYTES_LITERAL("\0guest\0guest"));
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void limits_beyond_ours_are_refused_with_530(void)
{
    static const struct {
        int channel_max;
        uint32_t frame_max;
        const char *text;
    } cases[] = {
        {0, 8192, "channel_max = 0 is higher than the maximum allowed value (2047)"},
        {2048, 8192, "channel_max = 2048 is higher than the maximum allowed value (2047)"},
        {1, 4095, "frame_max = 4095 is lower than the minimum allowed value (4096)"},
        {1, 131073, "frame_max = 131073 is higher than the maximum allowed value (131072)"},
    };
    char text[200];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        harness_init(&h, 1 << 30);
        struct peer_end *p = amqp_login(&h, table_empty);
        amqp_say(p, 0, AMQP_CONNECTION_TUNE_OK, "hlh", cases[i].channel_max, cases[i].frame_max, 0);
        snprintf(text, sizeof text, "NOT_ALLOWED - negotiated %s", cases[i].text);
        amqp_expect_close(p, 0, 530, text);
        harness_deinit(&h);
    }
}

static void an_unknown_vhost_is_refused_with_530(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_login(&h, table_empty);
    amqp_say(p, 0, AMQP_CONNECTION_TUNE_OK, "hlh", 10, 4096u, 0);
    amqp_say(p, 0, AMQP_CONNECTION_OPEN, "sso", "nowhere", "", 0);
    amqp_expect_close(p, 0, 530, "NOT_ALLOWED - vhost nowhere not found");
    harness_deinit(&h);
}

static void a_method_out_of_turn_is_504(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_login(&h, table_empty);
    amqp_say(p, 0, AMQP_CONNECTION_OPEN, "sso", "/", "", 0);
    amqp_expect_close(p, 0, 504, "CHANNEL_ERROR - unexpected method in connection state tuning");
    harness_deinit(&h);
}

static void a_channel_before_open_is_504(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_login(&h, table_empty);
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect_close(p, 0, 504, "CHANNEL_ERROR - frame on channel 1 in connection state tuning");
    harness_deinit(&h);
}

static void a_login_has_ten_seconds(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *silent = amqp_connect(&h);
    struct peer_end *slow = amqp_login(&h, table_empty);
    struct peer_end *open = amqp_open(&h);
    harness_wait(&h, 9900);
    CU_ASSERT(silent->session != NULL && slow->session != NULL);
    harness_wait(&h, 200);
    CU_ASSERT(silent->session == NULL && slow->session == NULL);
    CU_ASSERT_PTR_NOT_NULL(open->session);
    harness_deinit(&h);
}

static void client_properties_are_kept(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_login(&h, amqp_capability("connection.blocked"));
    struct amqp_connection *c = amqp_connection_of(p->session);
    CU_ASSERT(sl_bytes_equal(c->client_properties, amqp_capability("connection.blocked")));
    CU_ASSERT(c->can_blocked && !c->can_cancel_notify);
    harness_deinit(&h);
}

static void sniffing_knows_amqp_by_four_bytes(void)
{
    CU_ASSERT_EQUAL(amqp_protocol.sniff(SL_BYTES_LITERAL("A")), SNIFF_MORE);
    CU_ASSERT_EQUAL(amqp_protocol.sniff(SL_BYTES_LITERAL("AMQ")), SNIFF_MORE);
    CU_ASSERT_EQUAL(amqp_protocol.sniff(SL_BYTES_LITERAL("AMQPx")), SNIFF_YES);
    CU_ASSERT_EQUAL(amqp_protocol.sniff(SL_BYTES_LITERAL("ACK")), SNIFF_NO);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(another_protocol_header_is_answered_with_ours_and_the_end),
        UNIT(a_header_in_single_bytes_is_a_header),
        UNIT(a_header_of_0_9_is_one_of_ours),
        UNIT(start_says_what_we_are_and_only_what_we_can),
        UNIT(a_wrong_password_closes_with_403_for_who_can_read_it),
        UNIT(guest_comes_from_this_machine_only),
        UNIT(limits_beyond_ours_are_refused_with_530),
        UNIT(an_unknown_vhost_is_refused_with_530),
        UNIT(a_method_out_of_turn_is_504),
        UNIT(a_channel_before_open_is_504),
        UNIT(a_login_has_ten_seconds),
        UNIT(client_properties_are_kept),
        UNIT(sniffing_knows_amqp_by_four_bytes),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/handshake", tests);
}
