/* What a session that has logged in sends, subscribes to, settles and commits. */
#include "protocols/stomp/session.h"

#include "core/base/limits.h"
#include "tests/support/stomp_peer.h"
#include "tests/support/unit.h"

#include <stdio.h>

static struct harness h;
static struct peer_end *peer;

static void start_logged_in(void)
{
    stomp_begin(&h);
    peer = stomp_log_in(&h);
}

/* ---- sending and receiving ---- */

static void a_message_crosses_with_its_headers(void)
{
    start_logged_in();
    stomp_say(peer,
              "SUBSCRIBE\nid:1\ndestination:/queue/q\nreceipt:s\n\n@"
              "SEND\ndestination:/queue/q\ncontent-type:text/plain\nfoo:b\\car\npersistent:true\n"
              "priority:3\nfoo:second\nreceipt:r\n\nhello@");
    stomp_expect(peer, "RECEIPT\nreceipt-id:s\n\n@\n"
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
    stomp_say(peer, frames);
    stomp_expect(peer, expected);
    harness_deinit(&h);
}

static void a_send_like_the_last_one_takes_its_own_length_and_receipt(void)
{
    start_logged_in();
    stomp_say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\n\n@"
                    "SEND\ndestination:/queue/q\nk:v\n\nfirst@"
                    "SEND\ncontent-length:2\ndestination:/queue/q\nreceipt:2\nk:v\n\na@@"
                    "SEND\ndestination:/queue/q\nk:w\n\nother@");
    const char *text = stomp_heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "k:v\ncontent-length:5\n\nfirst@"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "k:v\ncontent-length:2\n\na@@"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "k:w\ncontent-length:5\n\nother@"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "receipt-id:2\n"));
    harness_deinit(&h);
}

static void the_receipt_of_a_subscription_comes_before_its_messages(void)
{
    start_logged_in();
    stomp_say(peer, "SEND\ndestination:/queue/q\nreceipt:1\n\nx@"
                    "SUBSCRIBE\nid:1\ndestination:/queue/q\nreceipt:2\n\n@"
                    "SEND\ndestination:/queue/q\nreceipt:3\n\ny@");
    const char *text = stomp_heard(peer);
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
    stomp_say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\n\n@SEND\ndestination:/queue/q\n\n");
    for (int i = 0; i < 5; i++)
        harness_send(peer, (struct sl_bytes){part, sizeof part});
    stomp_say(peer, "@");
    CU_ASSERT_PTR_NOT_NULL(strstr(stomp_heard(peer), "content-length:500000\n"));
    harness_deinit(&h);
}

static void a_topic_reaches_everyone_who_matches(void)
{
    start_logged_in();
    struct peer_end *other = stomp_log_in(&h);

    stomp_say(other, "SUBSCRIBE\nid:o\ndestination:/topic/a.*\n\n@");
    stomp_say(peer, "SUBSCRIBE\nid:p\ndestination:/exchange/amq.topic/#\n\n@"
                    "SEND\ndestination:/topic/a.b\n\n1@SEND\ndestination:/topic/b.b\n\n2@");
    CU_ASSERT_PTR_NULL(strstr(stomp_heard(other), "\n\n2@"));
    const char *text = stomp_heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "destination:/topic/a.b\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\n2@"));
    harness_deinit(&h);
}

static void a_missing_exchange_is_said_and_closes(void)
{
    start_logged_in();
    stomp_say(peer, "SUBSCRIBE\nid:p\ndestination:/exchange/none\nreceipt:s\n\n@");
    stomp_expect(
        peer,
        "ERROR\nmessage:not_found\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
        "receipt-id:s\ncontent-length:44\n\nNOT_FOUND - no exchange 'none' in vhost '/'\n@\n");
    CU_ASSERT_PTR_NULL(peer->session);
    peer = stomp_log_in(&h);
    stomp_say(peer, "SEND\ndestination:/exchange/none/k\nreceipt:s\n\nx@");
    stomp_expect_error(peer, "not_found");
    CU_ASSERT_PTR_NULL(peer->session);
    peer = stomp_log_in(&h);
    stomp_say(peer, "SUBSCRIBE\nid:p\ndestination:/amq/queue/none\n\n@");
    stomp_expect_error(peer, "not_found");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

static void a_queue_that_is_anothers_alone_is_not_consumed(void)
{
    struct client other;
    struct subscribe_options alone = {.queue = SL_BYTES_LITERAL("q"), .is_exclusive = true};

    start_logged_in();
    stomp_say(peer, "SEND\ndestination:/queue/q\n\nx@");
    broker_client_init(&other, h.worker, (struct sl_handle){HARNESS_PEERS_MAX - 1, 1, 0});
    CU_ASSERT_EQUAL(broker_open_vhost(&other, SL_BYTES_LITERAL("/")), SL_OK);
    CU_ASSERT_PTR_NOT_NULL(broker_subscribe(&other, 1, &alone));
    harness_settle(&h);
    stomp_say(peer, "SUBSCRIBE\nid:p\ndestination:/queue/q\nreceipt:s\n\n@");
    stomp_expect(peer,
                 "ERROR\nmessage:Failed to consume\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
                 "receipt-id:s\ncontent-length:40\n\nqueue 'q' in vhost '/' in exclusive use\n@\n");
    CU_ASSERT_PTR_NULL(peer->session);
    broker_client_close(&other);
    harness_deinit(&h);
}

static void the_same_id_twice_closes(void)
{
    start_logged_in();
    stomp_say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n@"
                    "SUBSCRIBE\nid:1\ndestination:/queue/b\n\n@");
    stomp_expect_error(peer, "Duplicated subscription identifier");
    CU_ASSERT_PTR_NULL(peer->session);
    harness_deinit(&h);
}

static void a_durable_subscription_needs_an_id_and_outlives_its_connection(void)
{
    start_logged_in();
    stomp_say(peer, "SUBSCRIBE\ndestination:/topic/t\ndurable:true\n\n@");
    stomp_expect_error(peer, "Missing Header");
    stomp_say(peer, "SUBSCRIBE\nid:d\ndestination:/topic/t\ndurable:true\nauto-delete:false\n\n@");
    harness_hang_up(peer);
    peer = stomp_log_in(&h);
    stomp_say(peer, "SEND\ndestination:/topic/t\n\nwaiting@"
                    "SUBSCRIBE\nid:d\ndestination:/topic/t\ndurable:true\nauto-delete:false\n\n@");
    CU_ASSERT_PTR_NOT_NULL(strstr(stomp_heard(peer), "\n\nwaiting@"));
    harness_deinit(&h);
}

static void a_reply_address_becomes_a_queue_of_ones_own(void)
{
    start_logged_in();
    struct peer_end *server = stomp_log_in(&h);
    char reply[256];

    stomp_say(server, "SUBSCRIBE\nid:s\ndestination:/queue/service\n\n@");
    stomp_say(peer, "SEND\ndestination:/queue/service\nreply-to:/temp-queue/r\nreceipt:q\n\nask@");
    stomp_expect(peer, "RECEIPT\nreceipt-id:q\n\n@\n");
    const char *address = strstr(stomp_heard(server), "reply-to:/reply-queue/amq.gen-");
    CU_ASSERT_PTR_NOT_NULL_FATAL(address);
    snprintf(reply, sizeof reply, "SEND\ndestination:%.*s\n\nanswer@",
             (int)strcspn(address + 9, "\n"), address + 9);
    stomp_say(server, reply);
    const char *text = stomp_heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "subscription:/temp-queue/r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\nanswer@"));
    harness_deinit(&h);
}

/* ---- settling ---- */

static void an_ack_of_nothing_is_refused(void)
{
    start_logged_in();
    stomp_fill(peer, "client", 1);
    stomp_answer(peer, "ACK", "1", 7, "receipt:a\n");
    stomp_expect_error(peer, "Message not found");
    stomp_answer(peer, "ACK", "2", 1, "");
    stomp_expect_error(peer, "Subscription not found");
    stomp_say(peer, "ACK\nid:rubbish\n\n@");
    stomp_expect_error(peer, "Invalid header");
    stomp_say(peer, "ACK\nreceipt:a\n\n@");
    stomp_expect_error(peer, "Missing header");
    stomp_answer(peer, "ACK", "1", 1, "receipt:a\n");
    stomp_expect(peer, "RECEIPT\nreceipt-id:a\n\n@\n");
    stomp_answer(peer, "ACK", "1", 1, "");
    stomp_expect_error(peer, "Message not found");
    harness_deinit(&h);
}

static void client_mode_covers_what_came_before(void)
{
    start_logged_in();
    stomp_fill(peer, "client", 4);
    stomp_answer(peer, "ACK", "1", 3, "");
    stomp_say(peer, "UNSUBSCRIBE\nid:1\n\n@SUBSCRIBE\nid:2\ndestination:/queue/q\nack:client\n\n@");
    stomp_expect(
        peer,
        "MESSAGE\nsubscription:2\ndestination:/queue/q\nmessage-id:T_2@@SESSION@@5\n"
        "redelivered:true\nack:T_2@@SESSION@@5\nx-delivery-count:1\ncontent-length:1\n\nx@\n");
    harness_deinit(&h);
}

static void client_individual_covers_one(void)
{
    start_logged_in();
    stomp_fill(peer, "client-individual", 3);
    stomp_answer(peer, "ACK", "1", 2, "");
    stomp_answer(peer, "NACK", "1", 3, "requeue:false\n");
    stomp_expect(peer, "");
    stomp_answer(peer, "NACK", "1", 1, "");
    stomp_expect(
        peer,
        "MESSAGE\nsubscription:1\ndestination:/queue/q\nmessage-id:T_1@@SESSION@@4\n"
        "redelivered:true\nack:T_1@@SESSION@@4\nx-delivery-count:1\ncontent-length:1\n\nx@\n");
    harness_deinit(&h);
}

static void prefetch_bounds_what_is_out(void)
{
    start_logged_in();
    stomp_say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\nack:client\nprefetch-count:1\n\n@"
                    "SEND\ndestination:/queue/q\n\none@SEND\ndestination:/queue/q\n\ntwo@");
    const char *text = stomp_heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "one@"));
    CU_ASSERT_PTR_NULL(strstr(text, "two@"));
    stomp_answer(peer, "ACK", "1", 1, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(stomp_heard(peer), "two@"));
    harness_deinit(&h);
}

static void a_deleted_queue_cancels_its_subscription(void)
{
    start_logged_in();
    struct peer_end *other = stomp_log_in(&h);

    stomp_say(other,
              "SUBSCRIBE\nid:1\ndestination:/topic/t\ndurable:true\nx-queue-name:shared\n\n@");
    stomp_say(peer, "SUBSCRIBE\nid:2\ndestination:/amq/queue/shared\nack:client\n\n@"
                    "SEND\ndestination:/topic/t\n\nx@SEND\ndestination:/topic/t\n\nx@");
    harness_forget(peer);
    stomp_say(other, "UNSUBSCRIBE\nid:1\ndurable:true\nreceipt:u\n\n@");
    CU_ASSERT_PTR_NOT_NULL(strstr(stomp_heard(other), "RECEIPT\nreceipt-id:u\n"));
    const char *text = stomp_heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "message:Server cancelled subscription\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "subscription:2\n"));
    CU_ASSERT_PTR_NOT_NULL(peer->session);
    harness_deinit(&h);
}

/* ---- transactions ---- */

static void a_commit_makes_all_of_it_happen(void)
{
    start_logged_in();
    stomp_fill(peer, "client", 1);
    stomp_say(peer, "BEGIN\ntransaction:t\n\n@"
                    "SEND\ndestination:/queue/q\ntransaction:t\nreceipt:in\n\nnew@");
    stomp_answer(peer, "ACK", "1", 1, "transaction:t\n");
    stomp_expect(peer, "RECEIPT\nreceipt-id:in\n\n@\n");
    stomp_say(peer, "COMMIT\ntransaction:t\nreceipt:c\n\n@");
    const char *text = stomp_heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\nnew@"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "RECEIPT\nreceipt-id:c\n"));
    stomp_answer(peer, "ACK", "1", 1, "");
    stomp_expect_error(peer, "Message not found"); /* it was settled */
    harness_deinit(&h);
}

static void an_abort_makes_none_of_it_happen(void)
{
    start_logged_in();
    stomp_fill(peer, "client", 1);
    stomp_say(peer, "BEGIN\ntransaction:t\n\n@SEND\ndestination:/queue/q\ntransaction:t\n\nnew@");
    stomp_answer(peer, "ACK", "1", 1, "transaction:t\n");
    stomp_say(peer, "ABORT\ntransaction:t\nreceipt:a\n\n@");
    stomp_expect(peer, "RECEIPT\nreceipt-id:a\n\n@\n");
    stomp_answer(peer, "ACK", "1", 1, "receipt:still\n"); /* the loan stayed open */
    stomp_expect(peer, "RECEIPT\nreceipt-id:still\n\n@\n");
    harness_deinit(&h);
}

static void a_refused_frame_ends_its_transaction(void)
{
    start_logged_in();
    stomp_say(peer, "SUBSCRIBE\nid:1\ndestination:/queue/q\n\n@BEGIN\ntransaction:t\n\n@"
                    "SEND\ndestination:/queue/q\ntransaction:t\n\nhalf@"
                    "SEND\ndestination:/nowhere/q\ntransaction:t\n\nother half@"
                    "COMMIT\ntransaction:t\nreceipt:c\n\n@");
    const char *text = stomp_heard(peer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "message:Unknown destination\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "message:Bad transaction\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "half@"));
    harness_deinit(&h);
}

static void transactions_are_bounded(void)
{
    char frame[64];

    start_logged_in();
    stomp_say(peer, "COMMIT\ntransaction:none\n\n@");
    stomp_expect_error(peer, "Bad transaction");
    stomp_say(peer, "BEGIN\n\n@");
    stomp_expect_error(peer, "Missing transaction");
    for (unsigned i = 0; i < SL_STOMP_TRANSACTIONS_MAX; i++) {
        snprintf(frame, sizeof frame, "BEGIN\ntransaction:%u\n\n@", i);
        stomp_say(peer, frame);
    }
    stomp_expect(peer, "");
    stomp_say(peer, "BEGIN\ntransaction:more\n\n@");
    stomp_expect_error(peer, "Transaction limit exceeded");
    for (unsigned i = 0; i < SL_TRANSACTION_ACTIONS_MAX; i++)
        harness_feed(peer, SL_BYTES_LITERAL("SEND\ndestination:/topic/q\ntransaction:1\n\n\0"));
    harness_settle(&h);
    stomp_expect(peer, "");
    stomp_say(peer, "SEND\ndestination:/topic/q\ntransaction:1\nreceipt:x\n\n@");
    stomp_expect_error(peer, "Transaction too large");
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
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
        CU_TEST_INFO_NULL};
    return unit_run("protocols/stomp/messages", tests);
}
