#include "protocols/amqp/tx.h"

#include "core/base/limits.h"
#include "core/properties.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DURABLE = 2, MANDATORY = 1, MULTIPLE = 1, REQUEUE = 2 };

static struct harness h;

static struct peer_end *open_transactional(void)
{
    struct peer_end *p = amqp_open_channel(&h);

    amqp_say(p, 1, AMQP_TX_SELECT, "");
    amqp_expect(p, 1, AMQP_TX_SELECT_OK);
    return p;
}

static struct peer_end *start(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = open_transactional();
    amqp_declare(p, 1, "q");
    return p;
}

static void commit(struct peer_end *p)
{
    amqp_say(p, 1, AMQP_TX_COMMIT, "");
    amqp_expect(p, 1, AMQP_TX_COMMIT_OK);
}

static void rollback(struct peer_end *p)
{
    amqp_say(p, 1, AMQP_TX_ROLLBACK, "");
    amqp_expect(p, 1, AMQP_TX_ROLLBACK_OK);
}

static void publish(struct peer_end *p, const char *queue, const char *body)
{
    amqp_publish(p, 1, "", queue, 0, sl_bytes_of(body));
}

static void ack(struct peer_end *p, uint64_t tag, int multiple)
{
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", tag, multiple);
}

/* Takes the next message without a loan; NULL: the queue must be empty. */
static void expect_in(struct peer_end *p, uint16_t channel, const char *queue, const char *body)
{
    amqp_say(p, channel, AMQP_BASIC_GET, "hso", 0, queue, 1);
    if (body == NULL) {
        amqp_expect(p, channel, AMQP_BASIC_GET_EMPTY);
        return;
    }
    amqp_expect(p, channel, AMQP_BASIC_GET_OK);
    amqp_expect_content(p, channel, sl_bytes_of(body));
}

/* Takes the next message as a loan, and gives its tag. */
static uint64_t borrow(struct peer_end *p, const char *queue, const char *body)
{
    amqp_say(p, 1, AMQP_BASIC_GET, "hso", 0, queue, 0);
    struct sl_reader r = amqp_expect(p, 1, AMQP_BASIC_GET_OK);
    uint64_t tag = sl_read_u64(&r);
    amqp_expect_content(p, 1, sl_bytes_of(body));
    return tag;
}

/* Another client, who put three messages into q. */
static struct peer_end *fill(void)
{
    struct peer_end *other = amqp_open_channel(&h);

    publish(other, "q", "1");
    publish(other, "q", "2");
    publish(other, "q", "3");
    return other;
}

static void a_channel_that_selected_nothing_is_told_so(void)
{
    static const uint32_t methods[] = {AMQP_TX_COMMIT, AMQP_TX_ROLLBACK};

    harness_init(&h, 1 << 30);
    for (size_t i = 0; i < 2; i++) {
        struct peer_end *p = amqp_open_channel(&h);
        amqp_say(p, 1, methods[i], "");
        amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - channel is not transactional");
        amqp_say(p, 1, AMQP_CHANNEL_CLOSE_OK, "");
    }
    harness_deinit(&h);
}

static void the_modes_exclude_each_other(void)
{
    struct peer_end *p = start();

    amqp_say(p, 1, AMQP_CONFIRM_SELECT, "o", 0);
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode");
    p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_CONFIRM_SELECT, "o", 0);
    amqp_expect(p, 1, AMQP_CONFIRM_SELECT_OK);
    amqp_say(p, 1, AMQP_TX_SELECT, "");
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode");
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE_OK, ""); /* the next life has no mode */
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);
    amqp_say(p, 1, AMQP_TX_SELECT, "");
    amqp_expect(p, 1, AMQP_TX_SELECT_OK);
    harness_deinit(&h);
}

static void arguments_where_there_are_none_are_502(void)
{
    static const uint32_t methods[] = {AMQP_TX_SELECT, AMQP_TX_COMMIT, AMQP_TX_ROLLBACK};

    harness_init(&h, 1 << 30);
    for (size_t i = 0; i < 3; i++) {
        struct peer_end *p = open_transactional();
        amqp_say(p, 1, methods[i], "o", 1);
        struct sl_reader r = amqp_expect(p, 0, AMQP_CONNECTION_CLOSE);
        CU_ASSERT_EQUAL(sl_read_u16(&r), 502);
    }
    harness_deinit(&h);
}

static void a_missing_exchange_is_refused_at_the_publish(void)
{
    struct peer_end *p = start();

    publish(p, "q", "dropped");
    amqp_publish(p, 1, "nix", "k", 0, SL_BYTES_LITERAL("x"));
    amqp_expect_close(p, 1, 404, "NOT_FOUND - no exchange 'nix' in vhost '/'");
    expect_in(amqp_open_channel(&h), 1, "q", NULL);
    harness_deinit(&h);
}

static void an_exchange_that_went_away_refuses_the_whole_commit(void)
{
    struct peer_end *p = start();
    struct peer_end *other = fill();

    amqp_say(other, 1, AMQP_EXCHANGE_DECLARE, "hssoe", 0, "e", "fanout", 0);
    amqp_expect(other, 1, AMQP_EXCHANGE_DECLARE_OK);
    publish(p, "q", "dropped");
    ack(p, borrow(p, "q", "1"), 0);
    amqp_publish(p, 1, "e", "", 0, SL_BYTES_LITERAL("x"));
    amqp_say(other, 1, AMQP_EXCHANGE_DELETE, "hso", 0, "e", 0);
    amqp_expect(other, 1, AMQP_EXCHANGE_DELETE_OK);
    amqp_say(p, 1, AMQP_TX_COMMIT, "");
    amqp_expect_close(p, 1, 404, "NOT_FOUND - no exchange 'e' in vhost '/'");
    expect_in(other, 1, "q", "1");
    expect_in(other, 1, "q", "2");
    expect_in(other, 1, "q", "3");
    expect_in(other, 1, "q", NULL);
    harness_deinit(&h);
}

static void an_unknown_tag_is_refused_at_the_ack(void)
{
    struct peer_end *p = start();

    fill();
    ack(p, 7, 0);
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 7");
    p = open_transactional();
    borrow(p, "q", "1");
    ack(p, 2, MULTIPLE);
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 2");
    harness_deinit(&h);
}

static void a_tag_is_settled_once_in_a_transaction(void)
{
    struct peer_end *p = start();
    struct peer_end *other = fill();

    borrow(p, "q", "1");
    ack(p, 1, 0);
    amqp_say(p, 1, AMQP_BASIC_REJECT, "qo", (uint64_t)1, 1);
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 1");

    p = open_transactional();
    borrow(p, "q", "1");
    borrow(p, "q", "2");
    ack(p, 2, MULTIPLE);
    ack(p, 0, MULTIPLE); /* all there are: none is fine */
    amqp_expect_silence(p);
    ack(p, 1, MULTIPLE);
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 1");
    expect_in(other, 1, "q", "1");
    harness_deinit(&h);
}

static void a_transaction_has_a_bound_of_actions(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    struct peer_end *p = start();
    struct peer_end *other = fill();

    borrow(p, "q", "1");
    ack(p, 1, 0);
    for (uint32_t i = 1; i < SL_TRANSACTION_ACTIONS_MAX; i++)
        amqp_write_publish(&bytes, 1, "", "q", 0, properties_none, sl_bytes_of(""));
    amqp_say_bytes(p, &bytes);
    amqp_expect_silence(p);
    ack(p, 0, MULTIPLE);
    amqp_expect_close(p, 1, 406,
                      "PRECONDITION_FAILED - transaction too large (limit 10000 actions, 64 MiB)");
    expect_in(other, 1, "q", "1");
    expect_in(other, 1, "q", "2");
    expect_in(other, 1, "q", "3");
    expect_in(other, 1, "q", NULL);
    harness_deinit(&h);
}

static void a_transaction_has_a_bound_of_bytes(void)
{
    static const uint8_t part[4088]; /* a frame of the peer's */
    uint8_t header[14];
    struct sl_writer w = {header, header + sizeof header, false};
    struct peer_end *p = start();

    sl_write_u32(&w, AMQP_CLASS_BASIC << 16);
    sl_write_u64(&w, 16 * sizeof part);
    sl_write_u16(&w, 0);
    for (size_t sent = 0; p->heard.len == 0 && sent < 2 * SL_TRANSACTION_BYTES_MAX;) {
        struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
        amqp_write_method(&bytes, 1, AMQP_BASIC_PUBLISH, "hsso", 0, "", "q", 0);
        amqp_write_frame(&bytes, AMQP_FRAME_HEADER, 1, (struct sl_bytes){header, sizeof header});
        for (int i = 0; i < 16; i++, sent += sizeof part)
            amqp_write_frame(&bytes, AMQP_FRAME_BODY, 1, (struct sl_bytes){part, sizeof part});
        amqp_say_bytes(p, &bytes);
    }
    amqp_expect_close(p, 1, 406,
                      "PRECONDITION_FAILED - transaction too large (limit 10000 actions, 64 MiB)");
    harness_deinit(&h);
}

static void nothing_is_seen_before_the_commit(void)
{
    struct peer_end *p = start();
    struct peer_end *other = amqp_open_channel(&h);

    amqp_declare(p, 1, "r");
    publish(p, "q", "1");
    publish(p, "r", "2");
    publish(p, "q", "3");
    expect_in(other, 1, "q", NULL);
    expect_in(other, 1, "r", NULL);
    commit(p);
    expect_in(other, 1, "q", "1");
    expect_in(other, 1, "q", "3");
    expect_in(other, 1, "r", "2");
    expect_in(other, 1, "q", NULL);
    commit(p); /* the next one is empty */
    expect_in(other, 1, "r", NULL);
    harness_deinit(&h);
}

static void messages_are_routed_at_the_commit(void)
{
    struct peer_end *p = start();

    publish(p, "late", "x");
    amqp_publish(p, 1, "amq.fanout", "", 0, SL_BYTES_LITERAL("y"));
    amqp_declare(p, 1, "late");
    amqp_say(p, 1, AMQP_QUEUE_BIND, "hsssoe", 0, "q", "amq.fanout", "", 0);
    amqp_expect(p, 1, AMQP_QUEUE_BIND_OK);
    commit(p);
    expect_in(p, 1, "late", "x");
    expect_in(p, 1, "q", "y");
    harness_deinit(&h);
}

static void more_keys_than_routes_are_remembered_take_effect_together(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    struct peer_end *p = start();
    char key[16];

    amqp_say(p, 1, AMQP_QUEUE_BIND, "hsssoe", 0, "q", "amq.topic", "#", 0);
    amqp_expect(p, 1, AMQP_QUEUE_BIND_OK);
    for (int i = 0; i < 9000; i++) {
        snprintf(key, sizeof key, "k.%d", i);
        amqp_write_publish(&bytes, 1, "amq.topic", key, 0, properties_none, sl_bytes_of("x"));
    }
    amqp_say_bytes(p, &bytes);
    commit(p);
    amqp_say(p, 1, AMQP_QUEUE_PURGE, "hso", 0, "q", 0);
    struct sl_reader r = amqp_expect(p, 1, AMQP_QUEUE_PURGE_OK);
    CU_ASSERT_EQUAL(sl_read_u32(&r), 9000);
    harness_deinit(&h);
}

static void returns_come_at_the_commit_and_before_commit_ok(void)
{
    struct peer_end *p = start();

    amqp_publish(p, 1, "", "nobody", MANDATORY, SL_BYTES_LITERAL("back"));
    amqp_publish(p, 1, "", "nobody", 0, SL_BYTES_LITERAL("gone"));
    amqp_publish(p, 1, "", "q", MANDATORY, SL_BYTES_LITERAL("there"));
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_TX_COMMIT, "");
    struct sl_reader r = amqp_expect(p, 1, AMQP_BASIC_RETURN);
    CU_ASSERT_EQUAL(sl_read_u16(&r), 312);
    amqp_expect_content(p, 1, SL_BYTES_LITERAL("back"));
    amqp_expect(p, 1, AMQP_TX_COMMIT_OK);
    expect_in(p, 1, "q", "there");
    harness_deinit(&h);
}

static void settlements_wait_for_the_commit(void)
{
    struct peer_end *p = start();
    struct peer_end *other = fill();

    for (int i = 1; i <= 3; i++)
        borrow(p, "q", i == 1 ? "1" : i == 2 ? "2" : "3");
    amqp_say(p, 1, AMQP_BASIC_NACK, "qo", (uint64_t)2, REQUEUE);
    amqp_say(p, 1, AMQP_BASIC_REJECT, "qo", (uint64_t)3, 0);
    ack(p, 0, MULTIPLE);
    amqp_expect_silence(p);
    expect_in(other, 1, "q", NULL);
    commit(p);
    expect_in(other, 1, "q", "2");
    ack(p, 1, 0);
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 1");
    expect_in(other, 1, "q", NULL);
    harness_deinit(&h);
}

static void multiple_means_what_is_out_now(void)
{
    struct peer_end *p = start();
    struct peer_end *other = fill();

    borrow(p, "q", "1");
    ack(p, 0, MULTIPLE);
    borrow(p, "q", "2"); /* came after */
    commit(p);
    harness_hang_up(p);
    expect_in(other, 1, "q", "2");
    expect_in(other, 1, "q", "3");
    harness_deinit(&h);
}

static void a_rollback_makes_none_of_it_happen(void)
{
    struct peer_end *p = start();
    struct peer_end *other = fill();

    borrow(p, "q", "1");
    borrow(p, "q", "2");
    publish(p, "q", "dropped");
    ack(p, 2, MULTIPLE);
    rollback(p);
    ack(p, 1, 0); /* the loans stayed open */
    commit(p);
    harness_hang_up(p);
    expect_in(other, 1, "q", "2");
    expect_in(other, 1, "q", "3");
    expect_in(other, 1, "q", NULL);
    harness_deinit(&h);
}

static void who_goes_without_a_commit_did_nothing(void)
{
    struct peer_end *p = start();
    struct peer_end *other = fill();

    borrow(p, "q", "1");
    ack(p, 1, 0);
    publish(p, "q", "dropped");
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE, "hshh", 200, "bye", 0, 0);
    amqp_expect(p, 1, AMQP_CHANNEL_CLOSE_OK);
    expect_in(other, 1, "q", "1");

    p = open_transactional();
    borrow(p, "q", "2");
    ack(p, 1, 0);
    publish(p, "q", "dropped");
    harness_hang_up(p);
    expect_in(other, 1, "q", "2");
    expect_in(other, 1, "q", "3");
    expect_in(other, 1, "q", NULL);
    harness_deinit(&h);
}

static void recover_passes_by_what_the_transaction_settled(void)
{
    struct peer_end *p = start();
    struct peer_end *other = fill();

    borrow(p, "q", "1");
    borrow(p, "q", "2");
    ack(p, 1, 0);
    amqp_say(p, 1, AMQP_BASIC_RECOVER, "o", 1);
    amqp_expect(p, 1, AMQP_BASIC_RECOVER_OK);
    expect_in(other, 1, "q", "2");
    commit(p);
    harness_hang_up(p);
    expect_in(other, 1, "q", "3");
    expect_in(other, 1, "q", NULL);
    harness_deinit(&h);
}

static void a_loan_of_a_deleted_queue_may_be_settled(void)
{
    struct peer_end *p = start();
    struct peer_end *other = fill();

    borrow(p, "q", "1");
    ack(p, 1, 0);
    amqp_say(other, 1, AMQP_QUEUE_DELETE, "hso", 0, "q", 0);
    amqp_expect(other, 1, AMQP_QUEUE_DELETE_OK);
    commit(p);
    harness_deinit(&h);
}

/* ---- on a disk ---- */

static char dir[HARNESS_DIR_BYTES];

static void publish_persistent(struct peer_end *p, const char *queue, const char *body)
{
    struct sl_bytes persistent = {(const uint8_t *)"\x10\0\2", 3};
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    amqp_write_publish(&bytes, 1, "", queue, 0, persistent, sl_bytes_of(body));
    amqp_say_bytes(p, &bytes);
}

static void declare_durable(struct peer_end *p, const char *queue)
{
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, queue, DURABLE);
    harness_sync(&h);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
}

static void commit_ok_comes_when_it_is_durable(void)
{
    harness_make_dir(dir);
    harness_init_on(&h, 1 << 30, dir);
    struct peer_end *p = open_transactional();
    declare_durable(p, "q");
    amqp_say(p, 2, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 2, AMQP_CHANNEL_OPEN_OK);
    publish_persistent(p, "q", "1");
    amqp_say(p, 1, AMQP_TX_COMMIT, "");
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_BASIC_QOS, "lho", 0, 1, 0); /* waits behind it */
    amqp_expect_silence(p);
    amqp_declare(p, 2, "other"); /* other channels go on */
    harness_sync(&h);
    amqp_expect(p, 1, AMQP_TX_COMMIT_OK);
    amqp_expect(p, 1, AMQP_BASIC_QOS_OK);

    borrow(p, "q", "1");
    ack(p, 1, 0);
    amqp_say(p, 1, AMQP_TX_COMMIT, "");
    amqp_expect_silence(p); /* a settlement is waited for as well */
    harness_sync(&h);
    amqp_expect(p, 1, AMQP_TX_COMMIT_OK);
    harness_deinit(&h);
    harness_remove_dir(dir);
}

static void what_was_committed_is_there_with_commit_ok_also_when_nothing_is_kept(void)
{
    harness_make_dir(dir);
    harness_init_on(&h, 1 << 30, dir);
    struct peer_end *p = open_transactional();
    struct peer_end *other = amqp_open_channel(&h);
    amqp_declare(p, 1, "q"); /* neither it nor the message is durable */
    publish(p, "q", "1");
    amqp_say(p, 1, AMQP_TX_COMMIT, "");
    amqp_expect_silence(p);
    expect_in(other, 1, "q", NULL);
    harness_sync(&h);
    amqp_expect(p, 1, AMQP_TX_COMMIT_OK);
    expect_in(other, 1, "q", "1");
    harness_deinit(&h);
    harness_init_on(&h, 1 << 30, dir); /* a group of no records is fine */
    harness_deinit(&h);
    harness_remove_dir(dir);
}

static void an_empty_commit_takes_its_turn(void)
{
    harness_make_dir(dir);
    harness_init_on(&h, 1 << 30, dir);
    struct peer_end *p = open_transactional();
    declare_durable(p, "q");
    commit(p); /* nothing to wait for */
    amqp_say(p, 2, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 2, AMQP_CHANNEL_OPEN_OK);
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    amqp_write_publish(&bytes, 2, "", "q", 0, (struct sl_bytes){(const uint8_t *)"\x10\0\2", 3},
                       sl_bytes_of("x"));
    amqp_say_bytes(p, &bytes);
    amqp_say(p, 1, AMQP_TX_COMMIT, "");
    amqp_expect_silence(p); /* what the connection did before is not durable yet */
    harness_sync(&h);
    amqp_expect(p, 1, AMQP_TX_COMMIT_OK);
    harness_deinit(&h);
    harness_remove_dir(dir);
}

static void who_leaves_a_waiting_commit_has_committed(void)
{
    harness_make_dir(dir);
    harness_init_on(&h, 1 << 30, dir);
    struct peer_end *p = open_transactional();
    declare_durable(p, "q");
    publish_persistent(p, "q", "1");
    amqp_say(p, 1, AMQP_TX_COMMIT, "");
    harness_hang_up(p);
    harness_sync(&h);
    expect_in(amqp_open_channel(&h), 1, "q", "1");
    harness_deinit(&h);
    harness_remove_dir(dir);
}

/* Takes "1" off "from" and puts two messages elsewhere; ends without a word. */
static void move_and_crash(bool is_synced)
{
    if (fork() == 0) {
        unsigned failures = CU_get_number_of_failures();
        harness_init_on(&h, 1 << 30, dir);
        struct peer_end *p = open_transactional();
        declare_durable(p, "from");
        declare_durable(p, "to");
        declare_durable(p, "also");
        publish_persistent(p, "from", "1");
        amqp_say(p, 1, AMQP_TX_COMMIT, "");
        harness_sync(&h);
        amqp_expect(p, 1, AMQP_TX_COMMIT_OK);
        ack(p, borrow(p, "from", "1"), 0);
        publish_persistent(p, "to", "2");
        publish_persistent(p, "also", "3");
        amqp_say(p, 1, AMQP_TX_COMMIT, "");
        if (is_synced)
            harness_sync(&h);
        _exit((int)(CU_get_number_of_failures() - failures));
    }
    int status;
    wait(&status);
    CU_ASSERT_EQUAL(status, 0);
}

static void after_a_crash_all_of_it_is_there_or_nothing(void)
{
    for (int is_synced = 0; is_synced < 2; is_synced++) {
        harness_make_dir(dir);
        move_and_crash(is_synced);
        harness_init_on(&h, 1 << 30, dir);
        struct peer_end *p = amqp_open_channel(&h);
        expect_in(p, 1, "from", is_synced ? NULL : "1");
        expect_in(p, 1, "to", is_synced ? "2" : NULL);
        expect_in(p, 1, "also", is_synced ? "3" : NULL);
        harness_deinit(&h);
        harness_remove_dir(dir);
    }
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_channel_that_selected_nothing_is_told_so),
        UNIT(the_modes_exclude_each_other),
        UNIT(arguments_where_there_are_none_are_502),
        UNIT(a_missing_exchange_is_refused_at_the_publish),
        UNIT(an_exchange_that_went_away_refuses_the_whole_commit),
        UNIT(an_unknown_tag_is_refused_at_the_ack),
        UNIT(a_tag_is_settled_once_in_a_transaction),
        UNIT(a_transaction_has_a_bound_of_actions),
        UNIT(a_transaction_has_a_bound_of_bytes),
        UNIT(nothing_is_seen_before_the_commit),
        UNIT(messages_are_routed_at_the_commit),
        UNIT(more_keys_than_routes_are_remembered_take_effect_together),
        UNIT(returns_come_at_the_commit_and_before_commit_ok),
        UNIT(settlements_wait_for_the_commit),
        UNIT(multiple_means_what_is_out_now),
        UNIT(a_rollback_makes_none_of_it_happen),
        UNIT(who_goes_without_a_commit_did_nothing),
        UNIT(recover_passes_by_what_the_transaction_settled),
        UNIT(a_loan_of_a_deleted_queue_may_be_settled),
        UNIT(commit_ok_comes_when_it_is_durable),
        UNIT(what_was_committed_is_there_with_commit_ok_also_when_nothing_is_kept),
        UNIT(an_empty_commit_takes_its_turn),
        UNIT(who_leaves_a_waiting_commit_has_committed),
        UNIT(after_a_crash_all_of_it_is_there_or_nothing),
        CU_TEST_INFO_NULL};
    return unit_run("protocols/amqp/tx", tests);
}
