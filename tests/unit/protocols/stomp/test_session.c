#include "protocols/stomp/session.h"

#include "core/accounts.h"
#include "core/base/limits.h"
#include "tests/support/stomp_peer.h"
#include "tests/support/unit.h"

static struct harness h;
static struct peer_end *peer;

static void start(void)
{
    stomp_begin(&h);
    peer = harness_connect(&h, &stomp_protocol);
}

static void start_logged_in(void)
{
    stomp_begin(&h);
    peer = stomp_log_in(&h);
}

/* ---- before CONNECTED ---- */

static void nothing_but_connect_is_taken_first(void)
{
    start();
    stomp_say(peer, "SEND\ndestination:/queue/q\ncontent-length:3\nreceipt:r\n\n@@@@"
                    "SUBSCRIBE\nid:0\ndestination:/queue/q\n\n@");
    stomp_expect(peer,
                 "ERROR\nmessage:Illegal command\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
                 "receipt-id:r\ncontent-length:36\n\nYou must log in using CONNECT first\n@\n"
                 "ERROR\nmessage:Illegal command\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
                 "content-length:36\n\nYou must log in using CONNECT first\n@\n");
    stomp_say(peer, "CONNECT\n\n@");
    stomp_expect(
        peer, "CONNECTED\nserver:Sluice/test\nsession:SESSION\nheart-beat:0,0\nversion:1.0\n\n@\n");
    harness_deinit(&h);
}

static void a_stranger_is_told_so(void)
{
    start();
    stomp_say(peer, "CONNECT\naccept-version:1.3,2.0\n\n@");
    stomp_expect_error(peer, "Version mismatch");
    stomp_say(peer, "CONNECT\naccept-version:1.2\nlogin:guest\npasscode:wrong\n\n@");
    stomp_expect(peer, "ERROR\nmessage:Bad CONNECT\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
                       "content-length:32\n\nAccess refused for user 'guest'\n@\n");
    stomp_say(peer,
              "STOMP\naccept-version:1.1,1.0\nlogin:guest\npasscode:guest\nheart-beat:1500,70\n"
              "request-id:7\n\n@");
    stomp_expect(peer,
                 "CONNECTED\nserver:Sluice/test\nsession:SESSION\nheart-beat:70,1500\nversion:1.1\n"
                 "response-id:7\n\n@\n");
    harness_deinit(&h);
}

static void a_connect_refused_for_its_last_header_may_come_again(void)
{
    char frame[400];
    char name[SL_NAME_BYTES_MAX + 2];

    memset(name, 'c', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(frame, sizeof frame, "CONNECT\naccept-version:1.2\ncluster-id:a\nclient-id:%s\n\n@",
             name);
    start();
    for (int i = 0; i < 3; i++) {
        stomp_say(peer, frame);
        stomp_expect_error(peer, "Bad CONNECT");
    }
    stomp_say(peer, "CONNECT\naccept-version:1.2\ncluster-id:b\n\n@");
    CU_ASSERT_PTR_NOT_NULL(strstr(stomp_heard(peer), "CONNECTED\n"));
    CU_ASSERT(sl_bytes_are(peer->session->client.cluster_id, "b"));
    harness_deinit(&h);
}

static void guest_comes_from_this_machine_only(void)
{
    start();
    peer->session->is_loopback = false;
    stomp_say(peer, "CONNECT\naccept-version:1.2\n\n@");
    stomp_expect_error(peer, "Bad CONNECT");
    harness_deinit(&h);
}

static void a_host_that_must_exist_is_looked_for(void)
{
    start();
    h.settings.stomp_host_must_exist = true;
    stomp_say(peer, "CONNECT\naccept-version:1.2\nhost:localhost\n\n@");
    stomp_expect_error(peer, "Bad CONNECT");
    stomp_say(peer, "CONNECT\naccept-version:1.2\nhost:/\n\n@");
    CU_ASSERT_PTR_NOT_NULL(strstr(stomp_heard(peer), "CONNECTED\n"));
    harness_deinit(&h);
}

/* What held the account of the first attempt does not hold who comes in after it. */
static void a_connect_that_failed_leaves_nothing_behind(void)
{
    start();
    struct user *u = accounts_user(broker_topology(h.broker)->accounts, sl_bytes_of("guest"));
    atomic_store(&u->limits[LIMIT_MESSAGE_RATE], 1);
    atomic_store(&u->paid_until_us[0], UINT64_MAX / 2); /* far more than it may */
    stomp_say(peer, "CONNECT\naccept-version:1.2\ncluster-id:a b\n\n@");
    stomp_expect_error(peer, "Bad CONNECT");
    atomic_store(&u->limits[LIMIT_MESSAGE_RATE], LIMIT_NONE);
    stomp_say(peer, "CONNECT\naccept-version:1.2\n\n@");
    harness_forget(peer);
    stomp_say(peer, "SEND\ndestination:/queue/q\nreceipt:1\n\nx@");
    stomp_expect(peer, "RECEIPT\nreceipt-id:1\n\n@\n");
    harness_deinit(&h);
}

static void who_says_nothing_is_closed_after_the_login_timeout(void)
{
    start();
    harness_wait(&h, SL_LOGIN_TIMEOUT_MS - 500);
    CU_ASSERT_PTR_NOT_NULL(peer->session);
    harness_wait(&h, 1000);
    stomp_expect_error(peer, "Login timeout");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

static void a_stranger_cannot_send_much(void)
{
    static uint8_t junk[SL_STOMP_UNAUTHENTICATED_BYTES_MAX + 100];

    start();
    memset(junk, 'x', sizeof junk);
    memcpy(junk, "CONNECT\na:", 10);
    harness_send(peer, (struct sl_bytes){junk, sizeof junk});
    stomp_expect_error(peer, "Frame too large");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

/* ---- heart-beats ---- */

static void heart_beats_go_out_within_their_interval(void)
{
    start();
    stomp_say(peer, "CONNECT\naccept-version:1.2\nheart-beat:0,1000\n\n@");
    harness_forget(peer);
    harness_wait(&h, 3000);
    CU_ASSERT(harness_heard(peer).len >= 3 && harness_heard(peer).len <= 5);
    CU_ASSERT_EQUAL(harness_heard(peer).at[0], '\n');
    CU_ASSERT_PTR_NOT_NULL(peer->session);
    harness_deinit(&h);
}

static void a_silent_peer_is_given_up_after_twice_its_interval(void)
{
    start();
    stomp_say(peer, "CONNECT\naccept-version:1.2\nheart-beat:1000,0\n\n@");
    for (int i = 0; i < 5; i++) {
        harness_wait(&h, 1500); /* late, but alive */
        stomp_say(peer, "\n");
    }
    CU_ASSERT_PTR_NOT_NULL(peer->session);
    harness_wait(&h, 2500);
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

/* ---- bad frames ---- */

static void a_refused_frame_is_skipped_whole(void)
{
    start_logged_in();
    stomp_say(peer, "SEND\nreceipt:1\ncontent-length:4\n\nA@B@@\n"
                    "SEND\nreceipt:2\ndestination:/nowhere/x\n\nbody@"
                    "SEND\nreceipt:3\ndestination:\n\nbody@"
                    "SEND\nreceipt:4\ndestination:/queue/q\nmessage-id:1\n\nbody@"
                    "NONSENSE\nreceipt:5\ncontent-length:3\n\n@@@@"
                    "SEND\nreceipt:6\ndestination:/queue/q\npriority:x\n\nbody@"
                    "SEND\nreceipt:7\ndestination:/temp-queue/q\n\nbody@"
                    "BEGIN\ntransaction:t\nreceipt:8\n\n@");
    const char *text = stomp_heard(peer);
    static const char *const MESSAGES[] = {
        "message:Missing destination\n", "message:Unknown destination\n",
        "message:Invalid destination\n", "message:Invalid header\n",
        "message:Bad command\n",         "message:Invalid header\n",
        "message:Invalid destination\n", "RECEIPT\nreceipt-id:8\n"};
    for (size_t i = 0; i < sizeof MESSAGES / sizeof MESSAGES[0]; i++) {
        text = strstr(text, MESSAGES[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    }
    CU_ASSERT_PTR_NOT_NULL(peer->session);
    harness_deinit(&h);
}

static void what_cannot_be_read_ends_the_connection_with_an_error(void)
{
    static const char *const FRAMES[][2] = {
        {"SEND\nno colon here\n\n@", "Malformed frame"},
        {"SEND\ndestination:/queue/q\ncontent-length:-1\n\n@", "Malformed frame"},
        {"SEND\ndestination:/queue/q\ncontent-length:2\n\nabc@", "Malformed frame"},
        {"SEND\ndestination:/queue/q\nx:\\q\n\n@", "Malformed frame"},
        {"SEND\ndestination:/queue/q\ncontent-length:9223372036854775808\n\n", "Message too large"},
        {"THIS-COMMAND-IS-MUCH-TOO-LONG-FOR-ANYONE\n\n@", "Frame too large"},
    };

    for (size_t i = 0; i < sizeof FRAMES / sizeof FRAMES[0]; i++) {
        start_logged_in();
        stomp_say(peer, FRAMES[i][0]);
        stomp_expect_error(peer, FRAMES[i][1]);
        CU_ASSERT_PTR_NULL(peer->session);
        harness_deinit(&h);
    }
}

static void a_body_beyond_the_limit_ends_the_connection(void)
{
    static uint8_t junk[3000];

    start_logged_in();
    h.settings.message_bytes_max = 1000;
    memset(junk, 'x', sizeof junk);
    stomp_say(peer, "SEND\ndestination:/queue/q\n\n");
    harness_send(peer, (struct sl_bytes){junk, sizeof junk});
    stomp_expect_error(peer, "Message too large");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

static void frames_may_come_one_byte_at_a_time(void)
{
    static const char FRAMES[] =
        "\n\r\nSUBSCRIBE\r\nid:1\r\ndestination:/queue/d\r\nreceipt:s\r\n\r\n\0"
        "SEND\ndestination:/queue/d\ncontent-length:3\nreceipt:a\n\n1\0"
        "2\0"
        "SEND\ndestination:/queue/d\nreceipt:b\n\nxy\0\n"
        "SEND\ndestination:/queue/d\nreceipt:c\n\n\0";

    start_logged_in();
    for (size_t i = 0; i < sizeof FRAMES - 1; i++)
        harness_send(peer, (struct sl_bytes){(const uint8_t *)FRAMES + i, 1});
    stomp_expect(peer, "RECEIPT\nreceipt-id:s\n\n@\n"
                       "MESSAGE\nsubscription:1\ndestination:/queue/d\nmessage-id:T_1@@SESSION@@1\n"
                       "redelivered:false\ncontent-length:3\n\n1@2@\nRECEIPT\nreceipt-id:a\n\n@\n"
                       "MESSAGE\nsubscription:1\ndestination:/queue/d\nmessage-id:T_1@@SESSION@@2\n"
                       "redelivered:false\ncontent-length:2\n\nxy@\nRECEIPT\nreceipt-id:b\n\n@\n"
                       "MESSAGE\nsubscription:1\ndestination:/queue/d\nmessage-id:T_1@@SESSION@@3\n"
                       "redelivered:false\ncontent-length:0\n\n@\nRECEIPT\nreceipt-id:c\n\n@\n");
    harness_deinit(&h);
}

/* ---- leaving, pressure ---- */

static void disconnect_is_answered_last_and_closes(void)
{
    start_logged_in();
    stomp_say(peer, "SEND\ndestination:/queue/q\nreceipt:1\n\nx@DISCONNECT\nreceipt:bye\n\n@"
                    "SEND\ndestination:/queue/q\nreceipt:2\n\nx@");
    stomp_expect(peer, "RECEIPT\nreceipt-id:1\n\n@\nRECEIPT\nreceipt-id:bye\n\n@\n");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

static void what_was_held_is_free_when_a_disconnect_is_answered(void)
{
    static const char SUBSCRIBE[] = "SUBSCRIBE\nid:0\ndestination:/queue/q\nexclusive:true\n"
                                    "receipt:s\n\n@";

    start_logged_in();
    stomp_say(peer, SUBSCRIBE);
    stomp_expect(peer, "RECEIPT\nreceipt-id:s\n\n@\n");
    peer->is_deaf = true;
    stomp_say(peer, "DISCONNECT\nreceipt:bye\n\n@");
    CU_ASSERT_PTR_NOT_NULL_FATAL(peer->session);
    CU_ASSERT_NOT_EQUAL(outbox_bytes(&peer->session->out), 0);
    struct peer_end *other = stomp_log_in(&h);
    stomp_say(other, SUBSCRIBE);
    stomp_expect(other, "RECEIPT\nreceipt-id:s\n\n@\n");
    harness_deinit(&h);
}

static void a_lost_connection_gives_its_messages_back(void)
{
    start_logged_in();
    stomp_fill(peer, "client", 2);
    harness_hang_up(peer);
    peer = stomp_log_in(&h);
    stomp_say(peer, "SUBSCRIBE\nid:2\ndestination:/queue/q\n\n@");
    const char *text = stomp_heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "@@1\nredelivered:true\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "@@2\nredelivered:true\n"));
    harness_deinit(&h);
}

static void a_held_publisher_waits_until_memory_is_back(void)
{
    static uint8_t frame[128 + 4 * 1024 * 1024];
    size_t head =
        (size_t)sprintf((char *)frame, "SEND\ndestination:/queue/q\ncontent-length:4194304\n\n");

    start_logged_in();
    stomp_say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\nack:client\nprefetch-count:1\n\n@");
    for (unsigned i = 0; i < 2 * STOMP_BUDGET / (4u * 1024 * 1024); i++)
        harness_send(peer, (struct sl_bytes){frame, head + 4194304 + 1});
    CU_ASSERT_TRUE_FATAL(peer->session != NULL && peer->session->is_held);
    size_t waiting = peer->unread.len;
    CU_ASSERT(waiting > 0);

    struct peer_end *other = stomp_log_in(&h); /* a consumer helps it out */
    stomp_say(other, "SUBSCRIBE\nid:1\ndestination:/queue/q\n\n@");
    CU_ASSERT_FALSE(peer->session->is_held);
    CU_ASSERT_EQUAL(peer->unread.len, 0);
    harness_deinit(&h);
}

static void a_shutdown_is_said(void)
{
    start_logged_in();
    peer->session->protocol->on_shutdown(peer->session);
    harness_settle(&h);
    stomp_expect_error(peer, "CONNECTION_FORCED");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

static void stomp_is_recognised_by_its_first_bytes(void)
{
    CU_ASSERT_EQUAL(stomp_protocol.sniff(SL_BYTES_LITERAL("AMQP\0\0\x09\x01")), SNIFF_NO);
    CU_ASSERT_EQUAL(stomp_protocol.sniff(SL_BYTES_LITERAL("GET / HTTP/1.1")), SNIFF_NO);
    CU_ASSERT_EQUAL(stomp_protocol.sniff(SL_BYTES_LITERAL("")), SNIFF_MORE);
    CU_ASSERT_EQUAL(stomp_protocol.sniff(SL_BYTES_LITERAL("\r\nCON")), SNIFF_MORE);
    CU_ASSERT_EQUAL(stomp_protocol.sniff(SL_BYTES_LITERAL("CONNECT")), SNIFF_MORE);
    CU_ASSERT_EQUAL(stomp_protocol.sniff(SL_BYTES_LITERAL("CONNECT\r")), SNIFF_YES);
    CU_ASSERT_EQUAL(stomp_protocol.sniff(SL_BYTES_LITERAL("\nSTOMP\n")), SNIFF_YES);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(nothing_but_connect_is_taken_first),
                                  UNIT(a_stranger_is_told_so),
                                  UNIT(a_connect_refused_for_its_last_header_may_come_again),
                                  UNIT(guest_comes_from_this_machine_only),
                                  UNIT(a_host_that_must_exist_is_looked_for),
                                  UNIT(a_connect_that_failed_leaves_nothing_behind),
                                  UNIT(who_says_nothing_is_closed_after_the_login_timeout),
                                  UNIT(a_stranger_cannot_send_much),
                                  UNIT(heart_beats_go_out_within_their_interval),
                                  UNIT(a_silent_peer_is_given_up_after_twice_its_interval),
                                  UNIT(a_refused_frame_is_skipped_whole),
                                  UNIT(what_cannot_be_read_ends_the_connection_with_an_error),
                                  UNIT(a_body_beyond_the_limit_ends_the_connection),
                                  UNIT(frames_may_come_one_byte_at_a_time),
                                  UNIT(disconnect_is_answered_last_and_closes),
                                  UNIT(what_was_held_is_free_when_a_disconnect_is_answered),
                                  UNIT(a_lost_connection_gives_its_messages_back),
                                  UNIT(a_held_publisher_waits_until_memory_is_back),
                                  UNIT(a_shutdown_is_said),
                                  UNIT(stomp_is_recognised_by_its_first_bytes),
                                  CU_TEST_INFO_NULL};
    return unit_run("protocols/stomp/session", tests);
}
