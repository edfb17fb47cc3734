#include "protocols/amqp/confirm.h"

#include "core/properties.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

static struct harness h;
static struct table_maker m;

/* A channel with a queue that takes n messages and then refuses. */
static struct peer_end *start(int64_t n)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);

    table_begin(&m);
    table_write_s64(&m.w, SL_BYTES_LITERAL("x-max-length"), n);
    table_write_string(&m.w, SL_BYTES_LITERAL("x-overflow"), SL_BYTES_LITERAL("reject-publish"));
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoT", 0, "q", 0, table_end(&m));
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    return p;
}

static void select_confirms(struct peer_end *p)
{
    amqp_say(p, 1, AMQP_CONFIRM_SELECT, "o", 0);
    amqp_expect(p, 1, AMQP_CONFIRM_SELECT_OK);
}

static void write_publish(struct sl_buffer *bytes, const char *queue)
{
    amqp_write_publish(bytes, 1, "", queue, 0, properties_none, sl_bytes_of("x"));
}

static void expect_verdict(struct peer_end *p, uint32_t method, uint64_t tag, bool multiple)
{
    struct sl_reader r = amqp_expect(p, 1, method);

    CU_ASSERT_EQUAL(sl_read_u64(&r), tag);
    CU_ASSERT_EQUAL(sl_read_u8(&r), multiple);
}

static void a_refusal_comes_in_its_turn_and_no_ack_covers_it(void)
{
    struct peer_end *p = start(1);
    struct sl_buffer bytes;

    select_confirms(p);
    amqp_declare(p, 1, "other");
    sl_buffer_init(&bytes, 65536);
    write_publish(&bytes, "other"); /* 1 */
    write_publish(&bytes, "q");     /* 2 */
    write_publish(&bytes, "q");     /* 3: refused */
    write_publish(&bytes, "other"); /* 4 */
    write_publish(&bytes, "q");     /* 5: refused */
    write_publish(&bytes, "q");     /* 6: refused */
    write_publish(&bytes, "other"); /* 7 */
    write_publish(&bytes, "other"); /* 8 */
    amqp_say_bytes(p, &bytes);
    expect_verdict(p, AMQP_BASIC_ACK, 2, true);
    expect_verdict(p, AMQP_BASIC_NACK, 3, false);
    expect_verdict(p, AMQP_BASIC_ACK, 4, false);
    expect_verdict(p, AMQP_BASIC_NACK, 5, false);
    expect_verdict(p, AMQP_BASIC_NACK, 6, false);
    expect_verdict(p, AMQP_BASIC_ACK, 8, true);
    amqp_expect_silence(p);
    harness_deinit(&h);
}

static void a_refusal_without_confirms_is_silent(void)
{
    struct peer_end *p = start(0);

    amqp_publish(p, 1, "", "q", 1, sl_bytes_of("x"));
    amqp_expect_silence(p);
    harness_deinit(&h);
}

static void a_transaction_for_a_full_queue_is_refused_by_name(void)
{
    struct peer_end *p = start(1);

    amqp_declare(p, 1, "other");
    amqp_say(p, 1, AMQP_TX_SELECT, "");
    amqp_expect(p, 1, AMQP_TX_SELECT_OK);
    amqp_publish(p, 1, "", "other", 0, sl_bytes_of("x"));
    amqp_publish(p, 1, "", "q", 0, sl_bytes_of("x"));
    amqp_publish(p, 1, "", "q", 0, sl_bytes_of("x"));
    amqp_say(p, 1, AMQP_TX_COMMIT, "");
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - transaction refused: queue 'q' is full");
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE_OK, "");
    amqp_say(p, 2, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 2, AMQP_CHANNEL_OPEN_OK);
    amqp_say(p, 2, AMQP_BASIC_GET, "hso", 0, "other", 1);
    amqp_expect(p, 2, AMQP_BASIC_GET_EMPTY);
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_refusal_comes_in_its_turn_and_no_ack_covers_it),
        UNIT(a_refusal_without_confirms_is_silent),
        UNIT(a_transaction_for_a_full_queue_is_refused_by_name),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/confirm", tests);
}
