#include "protocols/stomp/session.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "tests/support/harness.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define BUDGET (64u * 1024 * 1024)

static struct harness h;
static struct peer_end *peer;

/* Frames are written with '@' for NUL, and the session's name, which changes, reads SESSION. */
static void say(struct peer_end *p, const char *text)
{
    uint8_t bytes[4096];
    size_t len = strlen(text);

    SL_ASSERT(len <= sizeof bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = text[i] == '@' ? 0 : (uint8_t)text[i];
    harness_send(p, (struct sl_bytes){bytes, len});
}

static const char *heard(struct peer_end *p)
{
    static char text[65536];
    struct sl_bytes b = harness_heard(p);
    size_t n = 0;

    for (size_t i = 0; i < b.len && n < sizeof text - 1; i++) {
        struct sl_bytes rest = sl_bytes_skip(b, i);
        if (sl_bytes_begin(rest, "session-") && rest.len > 30) {
            memcpy(text + n, "SESSION", 7);
            n += 7;
            i += STOMP_NAME_BYTES - 1;
        } else if (b.at[i] != 0) {
            text[n++] = (char)b.at[i];
        } else {
            text[n++] = '@';
        }
    }
    text[n] = 0;
    harness_forget(p);
    return text;
}

static void expect_of(struct peer_end *p, const char *expected)
{
    const char *text = heard(p);

    CU_ASSERT_STRING_EQUAL(text, expected);
    if (strcmp(text, expected) != 0)
        printf("\nexpected: %s\nheard:    %s\n", expected, text);
}

static void expect(const char *expected)
{
    expect_of(peer, expected);
}

static void expect_error(const char *message)
{
    char line[128];
    const char *text = heard(peer);

    snprintf(line, sizeof line, "ERROR\nmessage:%s\n", message);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, line));
    if (strstr(text, line) == NULL)
        printf("\nexpected: %s\nheard:    %s\n", line, text);
}

static void start(void)
{
    harness_init(&h, BUDGET);
    h.settings.stomp_trailing_lf = true;
    h.settings.stomp_default_requeue = true;
    peer = harness_connect(&h, &stomp_protocol);
}

static struct peer_end *log_in(void)
{
    struct peer_end *p = harness_connect(&h, &stomp_protocol);

    say(p, "CONNECT\naccept-version:1.2\nhost:localhost\n\n@");
    harness_forget(p);
    return p;
}

static void start_logged_in(void)
{
    start();
    peer = log_in();
}

/* Acknowledges (or not) the message with that number of the subscription `id`. */
static void answer(const char *command, const char *id, unsigned tag, const char *more)
{
    char frame[512];

    snprintf(frame, sizeof frame, "%s\nid:T_%s@@%s@@%u\n%s\n", command, id,
             stomp_of(peer->session)->name, tag, more);
    harness_send(peer, (struct sl_bytes){(uint8_t *)frame, strlen(frame) + 1});
}

/* ---- before CONNECTED ---- */

static void nothing_but_connect_is_taken_first(void)
{
    start();
    say(peer, "SEND\ndestination:/queue/q\ncontent-length:3\nreceipt:r\n\n@@@@"
              "SUBSCRIBE\nid:0\ndestination:/queue/q\n\n@");
    expect("ERROR\nmessage:Illegal command\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
           "receipt-id:r\ncontent-length:36\n\nYou must log in using CONNECT first\n@\n"
           "ERROR\nmessage:Illegal command\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
           "content-length:36\n\nYou must log in using CONNECT first\n@\n");
    say(peer, "CONNECT\n\n@");
    expect("CONNECTED\nserver:Sluice/test\nsession:SESSION\nheart-beat:0,0\nversion:1.0\n\n@\n");
    harness_deinit(&h);
}

static void a_stranger_is_told_so(void)
{
    start();
    say(peer, "CONNECT\naccept-version:1.3,2.0\n\n@");
    expect_error("Version mismatch");
    say(peer, "CONNECT\naccept-version:1.2\nlogin:guest\npasscode:wrong\n\n@");
    expect("ERROR\nmessage:Bad CONNECT\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
           "content-length:32\n\nAccess refused for user 'guest'\n@\n");
    say(peer, "STOMP\naccept-version:1.1,1.0\nlogin:guest\npasscode:guest\nheart-beat:1500,70\n"
              "request-id:7\n\n@");
    expect("CONNECTED\nserver:Sluice/test\nsession:SESSION\nheart-beat:70,1500\nversion:1.1\n"
           "response-id:7\n\n@\n");
    harness_deinit(&h);
}

static void guest_comes_from_this_machine_only(void)
{
    start();
    peer->session->is_loopback = false;
    say(peer, "CONNECT\naccept-version:1.2\n\n@");
    expect_error("Bad CONNECT");
    harness_deinit(&h);
}

static void a_host_that_must_exist_is_looked_for(void)
{
    start();
    h.settings.stomp_host_must_exist = true;
    say(peer, "CONNECT\naccept-version:1.2\nhost:localhost\n\n@");
    expect_error("Bad CONNECT");
    say(peer, "CONNECT\naccept-version:1.2\nhost:/\n\n@");
    CU_ASSERT_PTR_NOT_NULL(strstr(heard(peer), "CONNECTED\n"));
    harness_deinit(&h);
}

static void who_says_nothing_is_closed_after_the_login_timeout(void)
{
    start();
    harness_wait(&h, SL_LOGIN_TIMEOUT_MS - 500);
    CU_ASSERT_PTR_NOT_NULL(peer->session);
    harness_wait(&h, 1000);
    expect_error("Login timeout");
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
    expect_error("Frame too large");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

/* ---- heart-beats ---- */

static void heart_beats_go_out_within_their_interval(void)
{
    start();
    say(peer, "CONNECT\naccept-version:1.2\nheart-beat:0,1000\n\n@");
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
    say(peer, "CONNECT\naccept-version:1.2\nheart-beat:1000,0\n\n@");
    for (int i = 0; i < 5; i++) {
        harness_wait(&h, 1500); /* late, but alive */
        say(peer, "\n");
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
    say(peer, "SEND\nreceipt:1\ncontent-length:4\n\nA@B@@\n"
              "SEND\nreceipt:2\ndestination:/nowhere/x\n\nbody@"
              "SEND\nreceipt:3\ndestination:\n\nbody@"
              "SEND\nreceipt:4\ndestination:/queue/q\nmessage-id:1\n\nbody@"
              "NONSENSE\nreceipt:5\ncontent-length:3\n\n@@@@"
              "SEND\nreceipt:6\ndestination:/queue/q\npriority:x\n\nbody@"
              "SEND\nreceipt:7\ndestination:/temp-queue/q\n\nbody@"
              "BEGIN\ntransaction:t\nreceipt:8\n\n@");
    const char *text = heard(peer);
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
        say(peer, FRAMES[i][0]);
        expect_error(FRAMES[i][1]);
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
    say(peer, "SEND\ndestination:/queue/q\n\n");
    harness_send(peer, (struct sl_bytes){junk, sizeof junk});
    expect_error("Message too large");
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
    expect("RECEIPT\nreceipt-id:s\n\n@\n"
           "MESSAGE\nsubscription:1\ndestination:/queue/d\nmessage-id:T_1@@SESSION@@1\n"
           "redelivered:false\ncontent-length:3\n\n1@2@\nRECEIPT\nreceipt-id:a\n\n@\n"
           "MESSAGE\nsubscription:1\ndestination:/queue/d\nmessage-id:T_1@@SESSION@@2\n"
           "redelivered:false\ncontent-length:2\n\nxy@\nRECEIPT\nreceipt-id:b\n\n@\n"
           "MESSAGE\nsubscription:1\ndestination:/queue/d\nmessage-id:T_1@@SESSION@@3\n"
           "redelivered:false\ncontent-length:0\n\n@\nRECEIPT\nreceipt-id:c\n\n@\n");
    harness_deinit(&h);
}

/* ---- sending and receiving ---- */

static void a_message_crosses_with_its_headers(void)
{
    start_logged_in();
    say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\nreceipt:s\n\n@"
              "SEND\ndestination:/queue/q\ncontent-type:text/plain\nfoo:b\\car\npersistent:true\n"
              "priority:3\nfoo:second\nreceipt:r\n\nhello@");
    expect("RECEIPT\nreceipt-id:s\n\n@\n"
           "MESSAGE\nsubscription:1\ndestination:/queue/q\nmessage-id:T_1@@SESSION@@1\n"
           "redelivered:false\ncontent-type:text/plain\npersistent:true\npriority:3\n"
           "foo:b\\car\ncontent-length:5\n\nhello@\nRECEIPT\nreceipt-id:r\n\n@\n");
    harness_deinit(&h);
}

static void every_receipt_is_answered_once_and_in_order(void)
{
    char frames[4000];
    char expected[4000];
    size_t n = 0;
    size_t m = 0;

    start_logged_in();
    for (int i = 0; i < 40; i++) {
        n += (size_t)snprintf(frames + n, sizeof frames - n,
                              "SEND\ndestination:/queue/q\n%sreceipt:%d\n\nx@",
                              i % 3 == 0 ? "content-length:1\n" : "", i);
        m +=
            (size_t)snprintf(expected + m, sizeof expected - m, "RECEIPT\nreceipt-id:%d\n\n@\n", i);
    }
    say(peer, frames);
    expect(expected);
    harness_deinit(&h);
}

static void a_send_like_the_last_one_takes_its_own_length_and_receipt(void)
{
    start_logged_in();
    say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\n\n@"
              "SEND\ndestination:/queue/q\nk:v\n\nfirst@"
              "SEND\ncontent-length:2\ndestination:/queue/q\nreceipt:2\nk:v\n\na@@"
              "SEND\ndestination:/queue/q\nk:w\n\nother@");
    const char *text = heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "k:v\ncontent-length:5\n\nfirst@"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "k:v\ncontent-length:2\n\na@@"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "k:w\ncontent-length:5\n\nother@"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "receipt-id:2\n"));
    harness_deinit(&h);
}

static void the_receipt_of_a_subscription_comes_before_its_messages(void)
{
    start_logged_in();
    say(peer, "SEND\ndestination:/queue/q\nreceipt:1\n\nx@"
              "SUBSCRIBE\nid:1\ndestination:/queue/q\nreceipt:2\n\n@"
              "SEND\ndestination:/queue/q\nreceipt:3\n\ny@");
    const char *text = heard(peer);
    static const char *const ORDER[] = {"receipt-id:1\n", "receipt-id:2\n", "\n\nx@", "\n\ny@"};
    for (size_t i = 0; i < sizeof ORDER / sizeof ORDER[0]; i++) {
        text = strstr(text, ORDER[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    }
    harness_deinit(&h);
}

static void an_unannounced_body_may_take_many_reads(void)
{
    static uint8_t part[100 * 1000];

    start_logged_in();
    memset(part, 'x', sizeof part);
    say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\n\n@SEND\ndestination:/queue/q\n\n");
    for (int i = 0; i < 5; i++)
        harness_send(peer, (struct sl_bytes){part, sizeof part});
    say(peer, "@");
    CU_ASSERT_PTR_NOT_NULL(strstr(heard(peer), "content-length:500000\n"));
    harness_deinit(&h);
}

static void a_topic_reaches_everyone_who_matches(void)
{
    start_logged_in();
    struct peer_end *other = log_in();

    say(other, "SUBSCRIBE\nid:o\ndestination:/topic/a.*\n\n@");
    say(peer, "SUBSCRIBE\nid:p\ndestination:/exchange/amq.topic/#\n\n@"
              "SEND\ndestination:/topic/a.b\n\n1@SEND\ndestination:/topic/b.b\n\n2@");
    CU_ASSERT_PTR_NULL(strstr(heard(other), "\n\n2@"));
    const char *text = heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "destination:/topic/a.b\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\n2@"));
    harness_deinit(&h);
}

static void a_missing_exchange_is_said_and_closes(void)
{
    start_logged_in();
    say(peer, "SUBSCRIBE\nid:p\ndestination:/exchange/none\nreceipt:s\n\n@");
    expect("ERROR\nmessage:not_found\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
           "receipt-id:s\ncontent-length:44\n\nNOT_FOUND - no exchange 'none' in vhost '/'\n@\n");
    CU_ASSERT_PTR_NULL(peer->session);
    peer = log_in();
    say(peer, "SEND\ndestination:/exchange/none/k\nreceipt:s\n\nx@");
    expect_error("not_found");
    CU_ASSERT_PTR_NULL(peer->session);
    peer = log_in();
    say(peer, "SUBSCRIBE\nid:p\ndestination:/amq/queue/none\n\n@");
    expect_error("not_found");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

static void a_queue_that_is_anothers_alone_is_not_consumed(void)
{
    struct client other;
    struct subscribe_options alone = {.queue = SL_BYTES_LITERAL("q"), .is_exclusive = true};

    start_logged_in();
    say(peer, "SEND\ndestination:/queue/q\n\nx@");
    broker_client_init(&other, h.worker, (struct sl_handle){HARNESS_PEERS_MAX - 1, 1, 0});
    CU_ASSERT_EQUAL(broker_open_vhost(&other, SL_BYTES_LITERAL("/")), SL_OK);
    CU_ASSERT_PTR_NOT_NULL(broker_subscribe(&other, 1, &alone));
    harness_settle(&h);
    say(peer, "SUBSCRIBE\nid:p\ndestination:/queue/q\nreceipt:s\n\n@");
    expect("ERROR\nmessage:Failed to consume\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
           "receipt-id:s\ncontent-length:40\n\nqueue 'q' in vhost '/' in exclusive use\n@\n");
    CU_ASSERT_PTR_NULL(peer->session);
    broker_client_close(&other);
    harness_deinit(&h);
}

static void the_same_id_twice_closes(void)
{
    start_logged_in();
    say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n@"
              "SUBSCRIBE\nid:1\ndestination:/queue/b\n\n@");
    expect_error("Duplicated subscription identifier");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

static void a_durable_subscription_needs_an_id_and_outlives_its_connection(void)
{
    start_logged_in();
    say(peer, "SUBSCRIBE\ndestination:/topic/t\ndurable:true\n\n@");
    expect_error("Missing Header");
    say(peer, "SUBSCRIBE\nid:d\ndestination:/topic/t\ndurable:true\nauto-delete:false\n\n@");
    harness_hang_up(peer);
    peer = log_in();
    say(peer, "SEND\ndestination:/topic/t\n\nwaiting@"
              "SUBSCRIBE\nid:d\ndestination:/topic/t\ndurable:true\nauto-delete:false\n\n@");
    CU_ASSERT_PTR_NOT_NULL(strstr(heard(peer), "\n\nwaiting@"));
    harness_deinit(&h);
}

static void a_reply_address_becomes_a_queue_of_ones_own(void)
{
    start_logged_in();
    struct peer_end *server = log_in();
    char reply[256];

    say(server, "SUBSCRIBE\nid:s\ndestination:/queue/service\n\n@");
    say(peer, "SEND\ndestination:/queue/service\nreply-to:/temp-queue/r\nreceipt:q\n\nask@");
    expect("RECEIPT\nreceipt-id:q\n\n@\n");
    const char *address = strstr(heard(server), "reply-to:/reply-queue/amq.gen-");
    CU_ASSERT_PTR_NOT_NULL_FATAL(address);
    snprintf(reply, sizeof reply, "SEND\ndestination:%.*s\n\nanswer@",
             (int)strcspn(address + 9, "\n"), address + 9);
    say(server, reply);
    const char *text = heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "subscription:/temp-queue/r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\nanswer@"));
    harness_deinit(&h);
}

/* ---- settling ---- */

static void subscribe_and_send(const char *ack, unsigned count)
{
    char frame[128];

    snprintf(frame, sizeof frame, "SUBSCRIBE\nid:1\ndestination:/queue/q\nack:%s\n\n@", ack);
    say(peer, frame);
    for (unsigned i = 0; i < count; i++)
        say(peer, "SEND\ndestination:/queue/q\n\nx@");
    harness_forget(peer);
}

static void an_ack_of_nothing_is_refused(void)
{
    start_logged_in();
    subscribe_and_send("client", 1);
    answer("ACK", "1", 7, "receipt:a\n");
    expect_error("Message not found");
    answer("ACK", "2", 1, "");
    expect_error("Subscription not found");
    say(peer, "ACK\nid:rubbish\n\n@");
    expect_error("Invalid header");
    say(peer, "ACK\nreceipt:a\n\n@");
    expect_error("Missing header");
    answer("ACK", "1", 1, "receipt:a\n");
    expect("RECEIPT\nreceipt-id:a\n\n@\n");
    answer("ACK", "1", 1, "");
    expect_error("Message not found");
    harness_deinit(&h);
}

static void client_mode_covers_what_came_before(void)
{
    start_logged_in();
    subscribe_and_send("client", 4);
    answer("ACK", "1", 3, "");
    say(peer, "UNSUBSCRIBE\nid:1\n\n@SUBSCRIBE\nid:2\ndestination:/queue/q\nack:client\n\n@");
    expect("MESSAGE\nsubscription:2\ndestination:/queue/q\nmessage-id:T_2@@SESSION@@5\n"
           "redelivered:true\nack:T_2@@SESSION@@5\nx-delivery-count:1\ncontent-length:1\n\nx@\n");
    harness_deinit(&h);
}

static void client_individual_covers_one(void)
{
    start_logged_in();
    subscribe_and_send("client-individual", 3);
    answer("ACK", "1", 2, "");
    answer("NACK", "1", 3, "requeue:false\n");
    expect("");
    answer("NACK", "1", 1, "");
    expect("MESSAGE\nsubscription:1\ndestination:/queue/q\nmessage-id:T_1@@SESSION@@4\n"
           "redelivered:true\nack:T_1@@SESSION@@4\nx-delivery-count:1\ncontent-length:1\n\nx@\n");
    harness_deinit(&h);
}

static void prefetch_bounds_what_is_out(void)
{
    start_logged_in();
    say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\nack:client\nprefetch-count:1\n\n@"
              "SEND\ndestination:/queue/q\n\none@SEND\ndestination:/queue/q\n\ntwo@");
    const char *text = heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "one@"));
    CU_ASSERT_PTR_NULL(strstr(text, "two@"));
    answer("ACK", "1", 1, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(heard(peer), "two@"));
    harness_deinit(&h);
}

static void a_deleted_queue_cancels_its_subscription(void)
{
    start_logged_in();
    struct peer_end *other = log_in();

    say(other, "SUBSCRIBE\nid:1\ndestination:/topic/t\ndurable:true\nx-queue-name:shared\n\n@");
    say(peer, "SUBSCRIBE\nid:2\ndestination:/amq/queue/shared\nack:client\n\n@"
              "SEND\ndestination:/topic/t\n\nx@SEND\ndestination:/topic/t\n\nx@");
    harness_forget(peer);
    say(other, "UNSUBSCRIBE\nid:1\ndurable:true\nreceipt:u\n\n@");
    CU_ASSERT_PTR_NOT_NULL(strstr(heard(other), "RECEIPT\nreceipt-id:u\n"));
    const char *text = heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "message:Server cancelled subscription\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "subscription:2\n"));
    CU_ASSERT_PTR_NOT_NULL(peer->session);
    harness_deinit(&h);
}

/* ---- transactions ---- */

static void a_commit_makes_all_of_it_happen(void)
{
    start_logged_in();
    subscribe_and_send("client", 1);
    say(peer, "BEGIN\ntransaction:t\n\n@"
              "SEND\ndestination:/queue/q\ntransaction:t\nreceipt:in\n\nnew@");
    answer("ACK", "1", 1, "transaction:t\n");
    expect("RECEIPT\nreceipt-id:in\n\n@\n");
    say(peer, "COMMIT\ntransaction:t\nreceipt:c\n\n@");
    const char *text = heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\nnew@"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "RECEIPT\nreceipt-id:c\n"));
    answer("ACK", "1", 1, "");
    expect_error("Message not found"); /* it was settled */
    harness_deinit(&h);
}

static void an_abort_makes_none_of_it_happen(void)
{
    start_logged_in();
    subscribe_and_send("client", 1);
    say(peer, "BEGIN\ntransaction:t\n\n@SEND\ndestination:/queue/q\ntransaction:t\n\nnew@");
    answer("ACK", "1", 1, "transaction:t\n");
    say(peer, "ABORT\ntransaction:t\nreceipt:a\n\n@");
    expect("RECEIPT\nreceipt-id:a\n\n@\n");
    answer("ACK", "1", 1, "receipt:still\n"); /* the loan stayed open */
    expect("RECEIPT\nreceipt-id:still\n\n@\n");
    harness_deinit(&h);
}

static void a_refused_frame_ends_its_transaction(void)
{
    start_logged_in();
    say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\n\n@BEGIN\ntransaction:t\n\n@"
              "SEND\ndestination:/queue/q\ntransaction:t\n\nhalf@"
              "SEND\ndestination:/nowhere/q\ntransaction:t\n\nother half@"
              "COMMIT\ntransaction:t\nreceipt:c\n\n@");
    const char *text = heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "message:Unknown destination\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "message:Bad transaction\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "half@"));
    harness_deinit(&h);
}

static void transactions_are_bounded(void)
{
    char frame[64];

    start_logged_in();
    say(peer, "COMMIT\ntransaction:none\n\n@");
    expect_error("Bad transaction");
    say(peer, "BEGIN\n\n@");
    expect_error("Missing transaction");
    for (unsigned i = 0; i < SL_STOMP_TRANSACTIONS_MAX; i++) {
        snprintf(frame, sizeof frame, "BEGIN\ntransaction:%u\n\n@", i);
        say(peer, frame);
    }
    expect("");
    say(peer, "BEGIN\ntransaction:more\n\n@");
    expect_error("Transaction limit exceeded");
    for (unsigned i = 0; i < SL_TRANSACTION_ACTIONS_MAX; i++)
        harness_feed(peer, SL_BYTES_LITERAL("SEND\ndestination:/topic/q\ntransaction:1\n\n\0"));
    harness_settle(&h);
    expect("");
    say(peer, "SEND\ndestination:/topic/q\ntransaction:1\nreceipt:x\n\n@");
    expect_error("Transaction too large");
    harness_deinit(&h);
}

/* ---- leaving, pressure ---- */

static void disconnect_is_answered_last_and_closes(void)
{
    start_logged_in();
    say(peer, "SEND\ndestination:/queue/q\nreceipt:1\n\nx@DISCONNECT\nreceipt:bye\n\n@"
              "SEND\ndestination:/queue/q\nreceipt:2\n\nx@");
    expect("RECEIPT\nreceipt-id:1\n\n@\nRECEIPT\nreceipt-id:bye\n\n@\n");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

static void a_lost_connection_gives_its_messages_back(void)
{
    start_logged_in();
    subscribe_and_send("client", 2);
    harness_hang_up(peer);
    peer = log_in();
    say(peer, "SUBSCRIBE\nid:2\ndestination:/queue/q\n\n@");
    const char *text = heard(peer);
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
    say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\nack:client\nprefetch-count:1\n\n@");
    for (unsigned i = 0; i < 2 * BUDGET / (4u * 1024 * 1024); i++)
        harness_send(peer, (struct sl_bytes){frame, head + 4194304 + 1});
    CU_ASSERT_TRUE_FATAL(peer->session != NULL && peer->session->is_held);
    size_t waiting = peer->unread.len;
    CU_ASSERT(waiting > 0);

    struct peer_end *other = log_in(); /* a consumer helps it out */
    say(other, "SUBSCRIBE\nid:1\ndestination:/queue/q\n\n@");
    CU_ASSERT_FALSE(peer->session->is_held);
    CU_ASSERT_EQUAL(peer->unread.len, 0);
    harness_deinit(&h);
}

static void a_shutdown_is_said(void)
{
    start_logged_in();
    peer->session->protocol->on_shutdown(peer->session);
    harness_settle(&h);
    expect_error("CONNECTION_FORCED");
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
    static CU_TestInfo tests[] = {
        UNIT(nothing_but_connect_is_taken_first),
        UNIT(a_stranger_is_told_so),
        UNIT(guest_comes_from_this_machine_only),
        UNIT(a_host_that_must_exist_is_looked_for),
        UNIT(who_says_nothing_is_closed_after_the_login_timeout),
        UNIT(a_stranger_cannot_send_much),
        UNIT(heart_beats_go_out_within_their_interval),
        UNIT(a_silent_peer_is_given_up_after_twice_its_interval),
        UNIT(a_refused_frame_is_skipped_whole),
        UNIT(what_cannot_be_read_ends_the_connection_with_an_error),
        UNIT(a_body_beyond_the_limit_ends_the_connection),
        UNIT(frames_may_come_one_byte_at_a_time),
        UNIT(a_message_crosses_with_its_headers),
        UNIT(every_receipt_is_answered_once_and_in_order),
        UNIT(a_send_like_the_last_one_takes_its_own_length_and_receipt),
        UNIT(the_receipt_of_a_subscription_comes_before_its_messages),
        UNIT(an_unannounced_body_may_take_many_reads),
        UNIT(a_topic_reaches_everyone_who_matches),
        UNIT(a_missing_exchange_is_said_and_closes),
        UNIT(a_queue_that_is_anothers_alone_is_not_consumed),
        UNIT(the_same_id_twice_closes),
        UNIT(a_durable_subscription_needs_an_id_and_outlives_its_connection),
        UNIT(a_reply_address_becomes_a_queue_of_ones_own),
        UNIT(an_ack_of_nothing_is_refused),
        UNIT(client_mode_covers_what_came_before),
        UNIT(client_individual_covers_one),
        UNIT(prefetch_bounds_what_is_out),
        UNIT(a_deleted_queue_cancels_its_subscription),
        UNIT(a_commit_makes_all_of_it_happen),
        UNIT(an_abort_makes_none_of_it_happen),
        UNIT(a_refused_frame_ends_its_transaction),
        UNIT(transactions_are_bounded),
        UNIT(disconnect_is_answered_last_and_closes),
        UNIT(a_lost_connection_gives_its_messages_back),
        UNIT(a_held_publisher_waits_until_memory_is_back),
        UNIT(a_shutdown_is_said),
        UNIT(stomp_is_recognised_by_its_first_bytes),
        CU_TEST_INFO_NULL};
    return unit_run("protocols/stomp/session", tests);
}
