#include "protocols/stomp/transaction.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "protocols/stomp/session.h"
#include "tests/support/harness.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEND_TO(queue, more, body)                                                                 \
    "SEND\ndestination:/queue/" queue "\npersistent:true\n" more "\n" body "@"
#define SUBSCRIBE_TO(queue) "SUBSCRIBE\nid:1\ndestination:/queue/" queue "\nack:client\n\n@"

static struct harness h;
static struct peer_end *peer;
static char dir[HARNESS_DIR_BYTES];

/* Frames are written with '@' for NUL. */
static void say(const char *text)
{
    uint8_t bytes[1024];
    size_t len = strlen(text);

    SL_ASSERT(len <= sizeof bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = text[i] == '@' ? 0 : (uint8_t)text[i];
    harness_send(peer, (struct sl_bytes){bytes, len});
}

/* What was said since; NUL reads '@'. */
static const char *heard(void)
{
    static char text[65536];
    struct sl_bytes b = harness_heard(peer);

    SL_ASSERT(b.len < sizeof text);
    for (size_t i = 0; i < b.len; i++)
        text[i] = b.at[i] == 0 ? '@' : (char)b.at[i];
    text[b.len] = 0;
    harness_forget(peer);
    return text;
}

static void expect_silence(void)
{
    const char *text = heard();

    CU_ASSERT_STRING_EQUAL(text, "");
    if (*text != 0)
        printf("\nheard: %s\n", text);
}

static void expect(const char *part)
{
    const char *text = heard();

    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
    if (strstr(text, part) == NULL)
        printf("\nexpected: %s\nheard:    %s\n", part, text);
}

static void log_in(void)
{
    peer = harness_connect(&h, &stomp_protocol);
    say("CONNECT\naccept-version:1.2\nhost:localhost\n\n@");
    harness_forget(peer);
}

static void start(void)
{
    harness_init(&h, 1 << 30);
    h.settings.stomp_trailing_lf = true;
    h.settings.stomp_default_requeue = true;
    log_in();
}

static void start_on_disk(void)
{
    harness_init_on(&h, 1 << 30, dir);
    h.settings.stomp_trailing_lf = true;
    h.settings.stomp_default_requeue = true;
    log_in();
}

/* Says it, and that all of it is durable; nothing of the answers is kept. */
static void say_and_sync(const char *text)
{
    say(text);
    for (int i = 0; i < 3; i++) /* an operation has several steps that are logged */
        harness_sync(&h);
    harness_forget(peer);
}

static void answer(const char *command, unsigned tag, const char *more)
{
    char frame[256];

    snprintf(frame, sizeof frame, "%s\nid:T_1@@%s@@%u\n%s\n", command,
             stomp_of(peer->session)->name, tag, more);
    harness_send(peer, (struct sl_bytes){(uint8_t *)frame, strlen(frame) + 1});
}

static void an_exchange_that_went_away_refuses_the_whole_commit(void)
{
    const struct exchange_declaration e = {.name = sl_bytes_of("e"), .type = sl_bytes_of("fanout")};

    start();
    struct client *client = &peer->session->client;
    broker_declare_exchange(client, UINT64_MAX, &e);
    harness_settle(&h);
    say(SUBSCRIBE_TO("q") SEND_TO("q", "", "1"));
    heard();
    say("BEGIN\ntransaction:t\n\n@" SEND_TO(
        "q", "transaction:t\n",
        "half") "SEND\ndestination:/exchange/e/k\ntransaction:t\n\nother half@");
    answer("ACK", 1, "transaction:t\n");
    expect_silence();
    broker_delete_exchange(client, UINT64_MAX, e.name, false);
    harness_settle(&h);
    say("COMMIT\ntransaction:t\nreceipt:c\n\n@");
    const char *text = heard();
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "ERROR\nmessage:Transaction refused\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "no exchange 'e' in vhost '/'"));
    CU_ASSERT_PTR_NULL(strstr(text, "half@"));
    answer("ACK", 1, "receipt:still\n"); /* the loan stayed open, and so did the connection */
    expect("RECEIPT\nreceipt-id:still\n");
    harness_deinit(&h);
}

static void a_full_queue_is_an_error_for_who_asked_and_refuses_the_whole_commit(void)
{
#define LIMITED "x-max-length:1\nx-overflow:reject-publish\n"
    start();
    say(SEND_TO("q", LIMITED "receipt:1\n", "1") SEND_TO("q", LIMITED, "2"));
    expect("RECEIPT\nreceipt-id:1\n");
    say(SEND_TO("q", LIMITED "receipt:3\n", "3"));
    const char *text = heard();
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "ERROR\nmessage:Message refused\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "receipt-id:3\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "queue 'q' is full"));
    say("BEGIN\ntransaction:t\n\n@" SEND_TO("other", "transaction:t\n", "4")
            SEND_TO("q", LIMITED "transaction:t\n", "5") "COMMIT\ntransaction:t\nreceipt:c\n\n@");
    text = heard();
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "ERROR\nmessage:Transaction refused\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "receipt-id:c\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "transaction refused: queue 'q' is full"));
    say("SUBSCRIBE\nid:1\ndestination:/queue/other\n\n@");
    expect_silence();
    harness_deinit(&h);
}

static void a_loan_that_was_settled_elsewhere_refuses_the_whole_commit(void)
{
    start();
    say(SUBSCRIBE_TO("q") SEND_TO("q", "", "1"));
    heard();
    say("BEGIN\ntransaction:t\n\n@" SEND_TO("q", "transaction:t\n", "2"));
    answer("ACK", 1, "transaction:t\n");
    answer("ACK", 1, "");
    say("COMMIT\ntransaction:t\nreceipt:c\n\n@");
    const char *text = heard();
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "ERROR\nmessage:Message not found\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "receipt-id:c\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "MESSAGE"));
    say("COMMIT\ntransaction:t\n\n@"); /* it is gone */
    expect("ERROR\nmessage:Bad transaction\n");
    harness_deinit(&h);
}

static void actions_of_both_kinds_count(void)
{
    start();
    say(SUBSCRIBE_TO("q") SEND_TO("q", "", "1") "BEGIN\ntransaction:t\n\n@");
    heard();
    for (uint32_t i = 0; i < SL_TRANSACTION_ACTIONS_MAX - 1; i++)
        harness_feed(peer, SL_BYTES_LITERAL("SEND\ndestination:/topic/q\ntransaction:t\n\n\0"));
    harness_settle(&h);
    answer("ACK", 1, "transaction:t\n");
    expect_silence();
    answer("ACK", 1, "transaction:t\nreceipt:r\n");
    expect("ERROR\nmessage:Transaction too large\n");
    answer("ACK", 1, "receipt:still\n"); /* the loan stayed open */
    expect("RECEIPT\nreceipt-id:still\n");
    harness_deinit(&h);
}

static void a_loan_named_twice_is_settled_once(void)
{
    start();
    say(SUBSCRIBE_TO("q") SEND_TO("q", "", "1") SEND_TO("q", "", "2") "BEGIN\ntransaction:t\n\n@");
    heard();
    answer("ACK", 2, "transaction:t\n"); /* covers the first */
    answer("ACK", 1, "transaction:t\n");
    answer("ACK", 2, "transaction:t\n");
    say("COMMIT\ntransaction:t\nreceipt:c\n\n@");
    expect("RECEIPT\nreceipt-id:c\n");
    CU_ASSERT_EQUAL(stomp_of(peer->session)->settlement.open, 0);
    harness_deinit(&h);
}

/* ---- on a disk ---- */

static void a_receipt_within_a_transaction_waits_for_nothing(void)
{
    harness_make_dir(dir);
    start_on_disk();
    say_and_sync(SEND_TO("q", "", "first"));
    say("BEGIN\ntransaction:t\nreceipt:b\n\n@" SEND_TO("q", "transaction:t\nreceipt:s\n", "x"));
    expect("RECEIPT\nreceipt-id:b\n\n@\nRECEIPT\nreceipt-id:s\n");
    say("ABORT\ntransaction:t\nreceipt:a\n\n@");
    expect("RECEIPT\nreceipt-id:a\n");
    harness_deinit(&h);
    harness_remove_dir(dir);
}

static void receipts_of_commit_and_send_come_when_it_is_durable(void)
{
    harness_make_dir(dir);
    start_on_disk();
    say_and_sync(SEND_TO("q", "", "first"));
    say("BEGIN\ntransaction:t\n\n@" SEND_TO("q", "transaction:t\n", "x")
            SEND_TO("q", "transaction:t\n", "y"));
    say("COMMIT\ntransaction:t\nreceipt:c\n\n@");
    expect_silence();
    harness_sync(&h);
    expect("RECEIPT\nreceipt-id:c\n");
    say(SEND_TO("q", "receipt:s\n", "z"));
    expect_silence();
    harness_sync(&h);
    expect("RECEIPT\nreceipt-id:s\n");
    harness_deinit(&h);
    harness_remove_dir(dir);
}

static void receipts_of_settlements_come_when_they_are_durable(void)
{
    harness_make_dir(dir);
    start_on_disk();
    say_and_sync(SUBSCRIBE_TO("q"));
    say_and_sync(SEND_TO("q", "", "1") SEND_TO("q", "", "2") SEND_TO("q", "", "3"));
    answer("ACK", 1, "receipt:a\n");
    expect_silence();
    harness_sync(&h);
    expect("RECEIPT\nreceipt-id:a\n");
    answer("NACK", 2, "requeue:false\nreceipt:n\n");
    expect_silence();
    harness_sync(&h);
    expect("RECEIPT\nreceipt-id:n\n");
    say("BEGIN\ntransaction:t\n\n@");
    answer("ACK", 3, "transaction:t\n");
    say("COMMIT\ntransaction:t\nreceipt:c\n\n@");
    expect_silence();
    harness_sync(&h);
    expect("RECEIPT\nreceipt-id:c\n");
    harness_deinit(&h);
    harness_remove_dir(dir);
}

static void the_receipt_of_disconnect_covers_what_asked_for_none(void)
{
    harness_make_dir(dir);
    start_on_disk();
    say_and_sync(SUBSCRIBE_TO("q"));
    say_and_sync(SEND_TO("q", "", "1"));
    answer("ACK", 1, "");
    harness_feed(peer, SL_BYTES_LITERAL("DISCONNECT\nreceipt:d\n\n\0"));
    harness_settle(&h);
    expect_silence();
    CU_ASSERT_PTR_NOT_NULL(peer->session);
    harness_sync(&h);
    expect("RECEIPT\nreceipt-id:d\n");
    CU_ASSERT_PTR_NULL(peer->session);
    log_in();
    say(SUBSCRIBE_TO("q"));
    harness_sync(&h);
    expect_silence(); /* the ACK took effect */
    harness_deinit(&h);
    harness_remove_dir(dir);
}

/* Moves "1" from one queue to another and puts one into a third; ends without a word. */
static void move_and_crash(bool is_synced)
{
    if (fork() == 0) {
        unsigned failures = CU_get_number_of_failures();
        start_on_disk();
        say_and_sync(SUBSCRIBE_TO("from"));
        say_and_sync(SEND_TO("from", "", "1"));
        say_and_sync(SEND_TO("to", "", "old") SEND_TO("also", "", "old"));
        say_and_sync(SEND_TO("also", "", "old"));
        say("BEGIN\ntransaction:t\n\n@" SEND_TO("to", "transaction:t\n", "2")
                SEND_TO("also", "transaction:t\n", "3"));
        answer("ACK", 1, "transaction:t\n");
        say("COMMIT\ntransaction:t\nreceipt:c\n\n@");
        expect_silence();
        if (is_synced)
            harness_sync(&h);
        _exit((int)(CU_get_number_of_failures() - failures));
    }
    int status;
    wait(&status);
    CU_ASSERT_EQUAL(status, 0);
}

static bool holds(const char *queue, const char *body)
{
    char frame[128];

    snprintf(frame, sizeof frame, "SUBSCRIBE\nid:%s\ndestination:/queue/%s\nack:client\n\n@", queue,
             queue);
    say(frame);
    for (int i = 0; i < 3; i++)
        harness_sync(&h);
    return strstr(heard(), body) != NULL;
}

static void after_a_crash_all_of_it_is_there_or_nothing(void)
{
    for (int is_synced = 0; is_synced < 2; is_synced++) {
        harness_make_dir(dir);
        move_and_crash(is_synced);
        start_on_disk();
        CU_ASSERT_EQUAL(holds("from", "\n\n1@"), !is_synced);
        CU_ASSERT_EQUAL(holds("to", "\n\n2@"), is_synced);
        CU_ASSERT_EQUAL(holds("also", "\n\n3@"), is_synced);
        harness_deinit(&h);
        harness_remove_dir(dir);
    }
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(an_exchange_that_went_away_refuses_the_whole_commit),
        UNIT(a_full_queue_is_an_error_for_who_asked_and_refuses_the_whole_commit),
        UNIT(a_loan_that_was_settled_elsewhere_refuses_the_whole_commit),
        UNIT(actions_of_both_kinds_count),
        UNIT(a_loan_named_twice_is_settled_once),
        UNIT(a_receipt_within_a_transaction_waits_for_nothing),
        UNIT(receipts_of_commit_and_send_come_when_it_is_durable),
        UNIT(receipts_of_settlements_come_when_they_are_durable),
        UNIT(the_receipt_of_disconnect_covers_what_asked_for_none),
        UNIT(after_a_crash_all_of_it_is_there_or_nothing),
        CU_TEST_INFO_NULL};
    return unit_run("protocols/stomp/transaction", tests);
}
