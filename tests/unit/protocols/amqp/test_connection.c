/* What a peer asked for before its last word is done before the connection ends. */
#include "core/base/limits.h"
#include "core/properties.h"
#include "protocols/amqp/channel.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define LITTLE_MEMORY (1024u * 1024)
#define PAIRS 100

static const uint8_t PERSISTENT[] = {0x10, 0, 2}; /* delivery-mode */

static struct harness h;

static void write_pairs(struct sl_buffer *bytes)
{
    for (int i = 0; i < PAIRS; i++) {
        amqp_write_method(bytes, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 0);
        amqp_write_publish(bytes, 1, "", "q", 0, properties_none, SL_BYTES_LITERAL("x"));
    }
}

static void write_close(struct sl_buffer *bytes)
{
    amqp_write_method(bytes, 0, AMQP_CONNECTION_CLOSE, "hshh", 200, "bye", 0, 0);
}

static void expect_pairs_done(struct peer_end *p)
{
    for (int i = 0; i < PAIRS; i++)
        amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
}

static uint32_t ready(const char *queue)
{
    struct peer_end *p = amqp_open_channel(&h);

    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, queue, 0);
    struct sl_reader r = amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    sl_read_short_string(&r);
    return sl_read_u32(&r);
}

/* Publishers wait for memory from here on. */
static void fill_memory(void)
{
    static const uint8_t body[4000];
    struct peer_end *p = amqp_open_channel(&h);

    amqp_declare(p, 1, "full");
    for (int i = 0; i < 1000 && !p->session->is_held; i++)
        amqp_publish(p, 1, "", "full", 0, (struct sl_bytes){body, sizeof body});
    CU_ASSERT_FATAL(p->session->is_held);
}

static struct peer_end *peer_with_a_held_publish(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, LITTLE_MEMORY);
    struct peer_end *p = amqp_open_channel(&h);
    fill_memory();
    amqp_write_method(&bytes, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 0);
    amqp_write_publish(&bytes, 1, "", "q", 0, properties_none, SL_BYTES_LITERAL("x"));
    amqp_say_bytes(p, &bytes);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    return p;
}

static void say_close(struct peer_end *p)
{
    amqp_say(p, 0, AMQP_CONNECTION_CLOSE, "hshh", 200, "bye", 0, 0);
}

static void publishes_before_the_peers_close_arrive(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    write_pairs(&bytes);
    write_close(&bytes);
    amqp_say_bytes(p, &bytes);
    expect_pairs_done(p);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE_OK);
    amqp_expect_silence(p);
    CU_ASSERT_PTR_NULL(p->session);
    CU_ASSERT_EQUAL(ready("q"), PAIRS);
    harness_deinit(&h);
}

static void publishes_before_the_end_of_input_arrive(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    write_pairs(&bytes);
    harness_feed(p, sl_buffer_bytes(&bytes));
    harness_stop_sending(p);
    expect_pairs_done(p);
    amqp_expect_silence(p);
    CU_ASSERT_PTR_NULL(p->session);
    CU_ASSERT_EQUAL(ready("q"), PAIRS);
    sl_buffer_deinit(&bytes);
    harness_deinit(&h);
}

static void publishes_before_the_shutdown_arrive(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    write_pairs(&bytes);
    harness_feed(p, sl_buffer_bytes(&bytes));
    p->session->protocol->on_shutdown(p->session);
    harness_settle(&h);
    expect_pairs_done(p);
    amqp_expect_close(p, 0, 320,
                      "CONNECTION_FORCED - broker forced connection closure with reason "
                      "'shutdown'");
    amqp_say(p, 0, AMQP_CONNECTION_CLOSE_OK, "");
    CU_ASSERT_PTR_NULL(p->session);
    CU_ASSERT_EQUAL(ready("q"), PAIRS);
    sl_buffer_deinit(&bytes);
    harness_deinit(&h);
}

static void acks_before_the_peers_close_count(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    struct heard heard;

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    for (int i = 0; i < 10; i++)
        amqp_publish(p, 1, "", "q", 0, SL_BYTES_LITERAL("x"));
    amqp_say(p, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "q", "tag", 0);
    while (amqp_hear(p, &heard)) { /* consume-ok and ten deliveries */
    }
    amqp_write_method(&bytes, 1, AMQP_BASIC_CANCEL, "so", "tag", 1);
    amqp_write_method(&bytes, 1, AMQP_BASIC_ACK, "qo", (uint64_t)0, 1);
    write_close(&bytes);
    amqp_say_bytes(p, &bytes);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE_OK);
    CU_ASSERT_EQUAL(ready("q"), 0);
    harness_deinit(&h);
}

static void confirms_that_are_owed_come_before_close_ok(void)
{
    char dir[HARNESS_DIR_BYTES];
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_make_dir(dir);
    harness_init_on(&h, 1 << 30, dir);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 2);
    harness_sync(&h);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    amqp_say(p, 1, AMQP_CONFIRM_SELECT, "o", 0);
    amqp_expect(p, 1, AMQP_CONFIRM_SELECT_OK);
    amqp_write_publish(&bytes, 1, "", "q", 0, (struct sl_bytes){PERSISTENT, sizeof PERSISTENT},
                       SL_BYTES_LITERAL("x"));
    write_close(&bytes);
    amqp_say_bytes(p, &bytes);
    amqp_expect_silence(p);
    harness_sync(&h);
    amqp_expect(p, 1, AMQP_BASIC_ACK);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE_OK);
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
    harness_remove_dir(dir);
}

static void nothing_behind_the_peers_close_is_read(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    write_pairs(&bytes);
    write_close(&bytes);
    amqp_write_method(&bytes, 2, AMQP_CHANNEL_OPEN, "s", "");
    amqp_write_method(&bytes, 1, AMQP_QUEUE_PURGE, "hso", 0, "q", 0);
    amqp_say_bytes(p, &bytes);
    expect_pairs_done(p);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE_OK);
    amqp_expect_silence(p);
    CU_ASSERT_EQUAL(ready("q"), PAIRS);
    harness_deinit(&h);
}

static void an_error_on_the_way_out_is_still_answered_by_close_ok(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_write_method(&bytes, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 0);
    amqp_write_method(&bytes, 1, AMQP_METHOD(60, 99), "");
    write_close(&bytes);
    amqp_say_bytes(p, &bytes);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE_OK);
    amqp_expect_silence(p);
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void a_held_publish_is_done_before_close_ok_when_memory_is_back(void)
{
    struct peer_end *p = peer_with_a_held_publish();

    say_close(p);
    amqp_expect_silence(p);
    harness_wait(&h, 1000);
    amqp_expect_silence(p);
    struct peer_end *other = amqp_open_channel(&h);
    amqp_say(other, 1, AMQP_QUEUE_PURGE, "hso", 0, "full", 0);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE_OK);
    CU_ASSERT_PTR_NULL(p->session);
    CU_ASSERT_EQUAL(ready("q"), 1);
    harness_deinit(&h);
}

static void who_leaves_with_a_held_publish_does_not_wait_for_ever(void)
{
    struct peer_end *p = peer_with_a_held_publish();

    say_close(p);
    harness_wait(&h, SL_AMQP_LEAVE_TIMEOUT_MS + 200);
    amqp_expect_silence(p); /* close-ok would say that all was done */
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void a_shutdown_does_not_wait_for_memory(void)
{
    struct peer_end *p = peer_with_a_held_publish();

    p->session->protocol->on_shutdown(p->session);
    harness_settle(&h);
    amqp_expect_silence(p);
    harness_wait(&h, SL_AMQP_CLOSE_TIMEOUT_MS);
    amqp_expect_close(p, 0, 320,
                      "CONNECTION_FORCED - broker forced connection closure with reason "
                      "'shutdown'");
    amqp_say(p, 0, AMQP_CONNECTION_CLOSE_OK, "");
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void a_shutdown_hurries_who_is_leaving(void)
{
    struct peer_end *p = peer_with_a_held_publish();

    say_close(p);
    p->session->protocol->on_shutdown(p->session);
    harness_wait(&h, SL_AMQP_CLOSE_TIMEOUT_MS + 200);
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void what_a_failed_connection_left_unread_is_dropped(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_write_method(&bytes, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 0);
    amqp_write_method(&bytes, 1, AMQP_METHOD(60, 99), "");
    while (bytes.len < 2 * SL_AMQP_PARKED_BYTES_MAX)
        amqp_write_method(&bytes, 1, AMQP_BASIC_QOS, "lho", 0u, 1, 0);
    harness_feed(p, sl_buffer_bytes(&bytes));
    CU_ASSERT(p->session->is_parked);
    CU_ASSERT(p->unread.len > SL_UNREAD_BYTES_MAX);
    harness_settle(&h);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE);
    CU_ASSERT_EQUAL(p->unread.len, 0);
    sl_buffer_deinit(&bytes);
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(nothing_behind_the_peers_close_is_read),
        UNIT(an_error_on_the_way_out_is_still_answered_by_close_ok),
        UNIT(who_leaves_with_a_held_publish_does_not_wait_for_ever),
        UNIT(a_shutdown_does_not_wait_for_memory),
        UNIT(a_shutdown_hurries_who_is_leaving),
        UNIT(what_a_failed_connection_left_unread_is_dropped),
        UNIT(publishes_before_the_peers_close_arrive),
        UNIT(publishes_before_the_end_of_input_arrive),
        UNIT(publishes_before_the_shutdown_arrive),
        UNIT(acks_before_the_peers_close_count),
        UNIT(confirms_that_are_owed_come_before_close_ok),
        UNIT(a_held_publish_is_done_before_close_ok_when_memory_is_back),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/connection", tests);
}
