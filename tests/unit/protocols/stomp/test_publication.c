/* Bodies that come in parts: bounded, and nobody waits for ever for one that does not end. */
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/memory.h"
#include "protocols/stomp/session.h"
#include "tests/support/harness.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define ROOM (1024u * 1024)
#define LARGE (700u * 1024)
#define PERIOD SL_ARRIVAL_PERIOD_MS

static struct harness h;

static void say(struct peer_end *p, const char *text)
{
    uint8_t bytes[1024];
    size_t len = strlen(text);

    SL_ASSERT(len <= sizeof bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = text[i] == '@' ? 0 : (uint8_t)text[i];
    harness_send(p, (struct sl_bytes){bytes, len});
}

static struct peer_end *log_in(void)
{
    struct peer_end *p = harness_connect(&h, &stomp_protocol);

    say(p, "CONNECT\naccept-version:1.2\nhost:localhost\n\n@");
    harness_forget(p);
    return p;
}

static void start(void)
{
    harness_init(&h, SL_ARRIVAL_BUDGET_SHARE * ROOM);
}

static void say_announced(struct peer_end *p, uint32_t len)
{
    char text[128];

    snprintf(text, sizeof text, "SEND\ndestination:/queue/q\nreceipt:1\ncontent-length:%u\n\n",
             len);
    say(p, text);
}

static void say_body(struct peer_end *p, size_t len)
{
    static uint8_t xs[4096];

    memset(xs, 'x', sizeof xs);
    for (size_t n; len != 0; len -= n) {
        n = len < sizeof xs ? len : sizeof xs;
        harness_send(p, (struct sl_bytes){xs, n});
    }
}

static bool has_heard(struct peer_end *p, const char *text)
{
    struct sl_bytes b = harness_heard(p);
    bool has = b.len != 0 && memmem(b.at, b.len, text, strlen(text)) != NULL;

    harness_forget(p);
    return has;
}

static bool is_room_free(void)
{
    return memory_room_is_free(ROOM, ROOM);
}

static void unfinished_bodies_hold_nobody_who_sends_small_ones(void)
{
    start();
    for (int i = 0; i < 8; i++) {
        struct peer_end *culprit = log_in();
        say_announced(culprit, SL_MESSAGE_BYTES_MAX);
        say_body(culprit, ROOM);
        culprit = log_in();
        say(culprit, "SEND\ndestination:/queue/q\n\n");
        say_body(culprit, ROOM);
    }
    struct peer_end *p = log_in();
    say_announced(p, 1000);
    say_body(p, 1000);
    say(p, "@");
    CU_ASSERT_TRUE(has_heard(p, "RECEIPT\n"));
    harness_deinit(&h);
    CU_ASSERT_TRUE(is_room_free());
}

static void who_waits_for_room_goes_on_when_it_is_back(void)
{
    start();
    struct peer_end *first = log_in();
    struct peer_end *announced = log_in();
    struct peer_end *gathered = log_in();
    say_announced(first, LARGE);
    say_announced(announced, LARGE);
    CU_ASSERT_TRUE(announced->session->is_held);
    say(gathered, "SEND\ndestination:/queue/q\nreceipt:1\n\n");
    say_body(gathered, LARGE);
    CU_ASSERT_TRUE(gathered->session->is_held);
    say(gathered, "@");
    say_body(announced, LARGE);
    say(announced, "@");
    CU_ASSERT_FALSE(has_heard(announced, "RECEIPT\n"));
    say_body(first, LARGE);
    say(first, "@");
    CU_ASSERT_TRUE(has_heard(first, "RECEIPT\n"));
    CU_ASSERT_TRUE(has_heard(announced, "RECEIPT\n"));
    CU_ASSERT_TRUE(has_heard(gathered, "RECEIPT\n"));
    CU_ASSERT_TRUE(is_room_free());
    harness_deinit(&h);
}

static void a_refused_send_keeps_no_room(void)
{
    start();
    struct peer_end *p = log_in();
    say(p, "SEND\ndestination:/queue/q\nmessage-id:1\ncontent-length:700000\n\n");
    CU_ASSERT_TRUE(has_heard(p, "ERROR\n"));
    CU_ASSERT_TRUE(is_room_free());
    harness_deinit(&h);
}

static void a_body_that_does_not_go_on_closes_its_connection(void)
{
    start();
    struct peer_end *p = log_in();
    struct peer_end *other = log_in();
    say_announced(p, LARGE);
    say_body(p, 1000);
    say_announced(other, LARGE);
    harness_wait(&h, 2 * PERIOD + 200);
    CU_ASSERT_TRUE(has_heard(p, "ERROR\nmessage:Body not finished\n"));
    CU_ASSERT_PTR_NULL(p->session);
    say_body(other, LARGE);
    say(other, "@");
    CU_ASSERT_TRUE(has_heard(other, "RECEIPT\n"));
    harness_deinit(&h);
}

static void a_slow_body_is_waited_for(void)
{
    start();
    struct peer_end *p = log_in();
    say(p, "SEND\ndestination:/queue/q\nreceipt:1\n\n");
    for (int i = 0; i < 5; i++) {
        say_body(p, SL_ARRIVAL_PACE_BYTES);
        harness_wait(&h, PERIOD);
    }
    say(p, "@");
    CU_ASSERT_TRUE(has_heard(p, "RECEIPT\n"));
    harness_wait(&h, 3 * PERIOD);
    CU_ASSERT_PTR_NOT_NULL(p->session);
    harness_deinit(&h);
}

static void receipts_that_are_owed_go_out_after_the_end_of_input(void)
{
    char dir[HARNESS_DIR_BYTES];

    harness_make_dir(dir);
    harness_init_on(&h, 1 << 30, dir);
    struct peer_end *p = log_in();
    say(p, "SEND\ndestination:/queue/q\n\nx@");
    harness_sync(&h); /* the queue is there */
    say(p, "SEND\ndestination:/queue/q\npersistent:true\nreceipt:1\n\nx@SEND\ndestination:/que");
    harness_stop_sending(p);
    CU_ASSERT_EQUAL(p->heard.len, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p->session);
    harness_sync(&h);
    CU_ASSERT_TRUE(has_heard(p, "RECEIPT\nreceipt-id:1\n"));
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
    harness_remove_dir(dir);
}

/* Who has no more to say cannot beat. */
static void a_slow_disk_costs_nobody_the_receipt_of_a_disconnect(void)
{
    char dir[HARNESS_DIR_BYTES];

    harness_make_dir(dir);
    harness_init_on(&h, 1 << 30, dir);
    for (int stops = 0; stops < 2; stops++) {
        struct peer_end *p = harness_connect(&h, &stomp_protocol);
        say(p, "CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:1000,0\n\n@");
        say(p, "SEND\ndestination:/queue/q\n\nx@");
        harness_sync(&h); /* the queue is there */
        harness_forget(p);
        say(p, "SEND\ndestination:/queue/q\npersistent:true\n\nx@DISCONNECT\nreceipt:bye\n\n@");
        if (stops != 0)
            harness_stop_sending(p);
        harness_wait(&h, 10000);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p->session);
        harness_sync(&h);
        CU_ASSERT_TRUE(has_heard(p, "RECEIPT\nreceipt-id:bye\n"));
        CU_ASSERT_PTR_NULL(p->session);
    }
    harness_deinit(&h);
    harness_remove_dir(dir);
}

static void an_unfinished_body_ends_with_the_input(void)
{
    start();
    struct peer_end *p = log_in();
    say_announced(p, LARGE);
    harness_stop_sending(p);
    CU_ASSERT_PTR_NULL(p->session);
    CU_ASSERT_TRUE(is_room_free());
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(unfinished_bodies_hold_nobody_who_sends_small_ones),
        UNIT(a_refused_send_keeps_no_room),
        UNIT(a_body_that_does_not_go_on_closes_its_connection),
        UNIT(a_slow_disk_costs_nobody_the_receipt_of_a_disconnect),
        UNIT(an_unfinished_body_ends_with_the_input),
        UNIT(a_slow_body_is_waited_for),
        UNIT(who_waits_for_room_goes_on_when_it_is_back),
        UNIT(receipts_that_are_owed_go_out_after_the_end_of_input),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/stomp/publication", tests);
}
