/* Prepared messages on the real core, on a log, with time in the test's hands. */
#include "core/prepared.h"

#include "core/account_change.h"
#include "core/base/limits.h"
#include "core/evacuation.h"
#include "core/fetch.h"
#include "core/keeper.h"
#include "core/properties.h"
#include "core/shard.h"
#include "tests/support/table_log.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define BUDGET (64u * 1024 * 1024)
#define BUDGET_NONE 1u /* everything that can be paged out is */
#define MINUTE_MS 60000u

static struct faulty_disk *disk;
static struct table t;
static struct sitter *a;
static struct sitter *b;

static void sit(uint64_t budget)
{
    table_init_on(&t, 2, budget, disk);
    a = table_sit(&t, 0);
    b = table_sit(&t, 1);
    a->client.user = b->client.user = SL_BYTES_LITERAL("guest");
}

static void rest(void)
{
    for (int i = 0; i < 6; i++) {
        table_settle(&t);
        table_flush(&t);
    }
}

static void begin(uint64_t budget)
{
    disk = faulty_disk_new();
    sit(budget);
    CU_ASSERT_EQUAL_FATAL(table_declare_durable(&t, a, "q", table_empty), SL_OK);
}

static void start_again(uint64_t budget)
{
    table_drop(&t);
    sit(budget);
}

static void end(void)
{
    table_deinit(&t);
    faulty_disk_free(disk);
}

/* A message with one or two headers. */
static struct message *message_of(const char *exchange, const char *key, const char *name,
                                  const char *value, const char *timeout)
{
    struct table_maker m;
    struct properties p = {.present = PROPERTY_HEADERS | PROPERTY_DELIVERY_MODE,
                           .delivery_mode = 2};
    uint8_t room[1024];
    struct sl_writer w = {room, room + sizeof room, false};
    uint8_t body[8] = {0};

    table_begin(&m);
    table_write_string(&m.w, sl_bytes_of(name), sl_bytes_of(value));
    if (timeout != NULL)
        table_write_string(&m.w, SL_BYTES_LITERAL("x-prepare-timeout"), sl_bytes_of(timeout));
    p.headers = table_end(&m);
    properties_encode(&p, &w);
    struct message *msg = message_new(sl_bytes_of(exchange), sl_bytes_of(key),
                                      (struct sl_bytes){room, (size_t)(w.pos - room)}, 8);
    CU_ASSERT_EQUAL_FATAL(message_append(&msg, (struct sl_bytes){body, 8}), SL_OK);
    return msg;
}

static void prepare(struct sitter *s, const char *id)
{
    broker_prepared_step(&s->client, 7, message_of("", "q", "x-prepare", id, NULL));
    table_settle(&t);
}

static void decide(struct sitter *s, const char *id, const char *outcome)
{
    broker_prepared_step(&s->client, 8, message_of("amq.prepared", id, "outcome", outcome, NULL));
    table_settle(&t);
}

static void prepared(const char *id)
{
    prepare(a, id);
    rest();
    CU_ASSERT_EQUAL_FATAL(a->last->err, SL_OK);
}

static enum sl_err decided(const char *id, const char *outcome)
{
    size_t before = a->answers;

    decide(a, id, outcome);
    rest();
    CU_ASSERT_EQUAL(a->answers, before + 1);
    return a->last->err;
}

static int64_t ready(const char *queue)
{
    int64_t count = table_ready(&t, b, queue);

    rest();
    return count;
}

static void purge(const char *queue)
{
    broker_purge_queue(&b->client, 3, sl_bytes_of(queue));
    rest();
}

static void an_unknown_id_and_a_bad_request_are_answered_at_once(void)
{
    begin(BUDGET);
    CU_ASSERT_EQUAL(decided("none", "commit"), SL_ENOENT);
    CU_ASSERT_EQUAL(decided("none", "perhaps"), SL_EPRECOND);
    CU_ASSERT_EQUAL(decided("", "commit"), SL_EPRECOND);
    prepare(a, "");
    CU_ASSERT_EQUAL(a->last->err, SL_EPRECOND);
    broker_prepared_step(&a->client, 7, message_of("", "q", "x-prepare", "x", "soon"));
    table_settle(&t);
    CU_ASSERT_EQUAL(a->last->err, SL_EPRECOND);
    end();
}

/* As a front end does with an answer. */
static void confirm(uint64_t tag)
{
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
    broker_confirm_after(&a->client, a->last->safe_at);
    broker_confirm(&a->client, 1, (sl_tag){tag});
    table_settle(&t);
}

static void nothing_is_confirmed_before_it_is_durable(void)
{
    begin(BUDGET);
    prepare(a, "x");
    confirm(1);
    prepare(a, "x"); /* the same again waits for the first */
    confirm(2);
    CU_ASSERT_EQUAL(a->confirmed.v, 0);
    rest();
    CU_ASSERT_EQUAL(a->confirmed.v, 2);
    decide(a, "x", "commit");
    confirm(3);
    decide(a, "x", "commit");
    confirm(4);
    CU_ASSERT_EQUAL(a->confirmed.v, 2);
    rest();
    CU_ASSERT_EQUAL(a->confirmed.v, 4);
    end();
}

static void an_error_is_told_when_what_it_names_is_durable(void)
{
    begin(BUDGET);
    prepared("x");
    decide(a, "x", "commit");
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
    size_t before = a->answers;
    decide(a, "x", "rollback");
    CU_ASSERT_EQUAL(a->answers, before);
    rest();
    CU_ASSERT_EQUAL(a->answers, before + 1);
    CU_ASSERT_EQUAL(a->last->err, SL_EPRECOND);
    end();
}

static void what_a_commit_sends_is_lent_when_that_is_durable(void)
{
    begin(BUDGET);
    prepared("x");
    table_consume(&t, b, "q", 0, false);
    rest();
    decide(a, "x", "commit");
    CU_ASSERT_EQUAL(b->told_count, 0);
    rest();
    CU_ASSERT_EQUAL(b->told_count, 1);
    end();
}

static void an_outcome_that_comes_before_its_message_is_in_its_queue_waits(void)
{
    struct client *client = &a->client;

    begin(BUDGET);
    client = &a->client;
    broker_prepared_step(client, 7, message_of("", "q", "x-prepare", "x", NULL));
    broker_prepared_step(client, 8, message_of("amq.prepared", "x", "outcome", "commit", NULL));
    rest();
    CU_ASSERT_EQUAL(a->last->ticket, 8);
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void two_that_decide_one_that_is_paged_out_hear_what_stands(void)
{
    begin(BUDGET_NONE);
    prepared("x");
    t.is_fetch_held = true;
    decide(a, "x", "commit");
    decide(b, "x", "rollback");
    rest();
    t.is_fetch_held = false;
    rest();
    CU_ASSERT_EQUAL(b->last->err, SL_OK); /* which needs no message, and was first */
    CU_ASSERT_EQUAL(a->last->err, SL_EPRECOND);
    CU_ASSERT_EQUAL(ready("q"), 0);
    end();
}

static void one_that_is_paged_out_and_unreadable_stays_prepared(void)
{
    begin(BUDGET_NONE);
    prepared("x");
    faulty_disk_fail_always(disk, FAULTY_READ, SL_EIO);
    decide(a, "x", "commit");
    rest();
    faulty_disk_fail_always(disk, FAULTY_READ, SL_OK);
    table_wait(&t, 2000);
    rest();
    CU_ASSERT_EQUAL(decided("x", "commit"), SL_OK);
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void two_that_decide_one_that_is_unreadable_hear_what_stands(void)
{
    begin(BUDGET_NONE);
    prepared("x");
    faulty_disk_fail_always(disk, FAULTY_READ, SL_EIO);
    decide(a, "x", "commit");
    rest();
    size_t before = a->answers;
    decide(b, "x", "rollback");
    rest();
    CU_ASSERT_EQUAL(b->last->err, SL_OK);
    CU_ASSERT_EQUAL(a->answers, before + 1);
    CU_ASSERT_EQUAL(a->last->err, SL_EPRECOND);
    faulty_disk_fail_always(disk, FAULTY_READ, SL_OK);
    end();
}

static void a_fetch_for_an_outcome_neither_hurries_nor_stops_checks(void)
{
    begin(BUDGET_NONE);
    prepared("x");
    broker_delete_queue(&b->client, 3, SL_BYTES_LITERAL("q"), false, false);
    rest();
    CU_ASSERT_EQUAL(decided("x", "commit"), SL_EPRECOND);
    faulty_disk_fail_always(disk, FAULTY_READ, SL_EIO);
    decide(a, "x", "commit");
    rest();
    table_wait(&t, 2000);
    rest();
    faulty_disk_fail_always(disk, FAULTY_READ, SL_OK);
    table_wait(&t, 2000);
    rest();
    CU_ASSERT_EQUAL(a->last->err, SL_EPRECOND);
    CU_ASSERT_EQUAL(ready("prepared.check"), 0);
    table_wait(&t, 2000);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 1);
    end();
}

static void checks_come_after_6_s_and_every_30_s_and_then_hourly(void)
{
    begin(BUDGET);
    prepared("x");
    table_wait(&t, SL_PREPARED_CHECK_MS - 100);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 0);
    table_wait(&t, 100);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 1);
    for (uint32_t i = 1; i < SL_PREPARED_CHECKS; i++) {
        purge("prepared.check"); /* it counts as gone, and the next one comes in its time */
        table_wait(&t, SL_PREPARED_CHECK_AGAIN_MS);
        rest();
        CU_ASSERT_EQUAL(ready("prepared.check"), 1);
    }
    CU_ASSERT_EQUAL(ready("prepared.expired"), 0);
    purge("prepared.check");
    table_wait(&t, SL_PREPARED_CHECK_AGAIN_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.expired"), 1);
    CU_ASSERT_EQUAL(ready("prepared.check"), 0);
    table_wait(&t, 59 * MINUTE_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 0);
    table_wait(&t, MINUTE_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 1);
    CU_ASSERT_EQUAL(ready("prepared.expired"), 1);
    CU_ASSERT_EQUAL(decided("x", "commit"), SL_OK);
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void a_check_that_is_queued_out_or_paged_out_keeps_the_next_one_back(void)
{
    begin(BUDGET_NONE);
    prepared("x");
    for (int i = 0; i < 2; i++) {
        table_wait(&t, SL_PREPARED_CHECK_AGAIN_MS);
        rest();
        CU_ASSERT_EQUAL(ready("prepared.check"), 1);
    }
    table_consume(&t, b, "prepared.check", 0, false);
    rest();
    for (int i = 0; i < 2; i++) {
        table_wait(&t, SL_PREPARED_CHECK_AGAIN_MS);
        rest();
        CU_ASSERT_EQUAL(b->told_count, 1);
    }
    CU_ASSERT_EQUAL(
        settlement_settle(&b->settlement, &b->client, (sl_tag){0}, true, SETTLE_CONSUMED), SL_OK);
    table_wait(&t, SL_PREPARED_CHECK_AGAIN_MS);
    broker_client_written(&b->client, b->cost);
    rest();
    CU_ASSERT_EQUAL(b->told_count, 2);
    end();
}

static void hundreds_are_asked_for_together(void)
{
    char id[16];

    begin(BUDGET);
    for (int i = 0; i < 600; i++) {
        snprintf(id, sizeof id, "i%d", i);
        prepare(a, id);
    }
    rest();
    table_wait(&t, SL_PREPARED_CHECK_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 600);
    table_wait(&t, SL_PREPARED_CHECK_AGAIN_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 600);
    purge("prepared.check");
    table_wait(&t, SL_PREPARED_CHECK_AGAIN_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 600);
    end();
}

/* Of what was not synced a crash leaves something, or nothing. */
static void what_was_not_durable_is_there_whole_or_not_at_all(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        begin(BUDGET);
        if (seed % 2 == 0)
            prepared("x");
        else
            prepare(a, "x");
        decide(a, "x", "commit");
        table_drop(&t);
        faulty_disk_crash(disk, seed);
        sit(BUDGET);
        int64_t count = ready("q");
        enum sl_err err = decided("x", "rollback");
        if (count == 1)
            CU_ASSERT_EQUAL(err, SL_EPRECOND);
        if (count == 0)
            CU_ASSERT_TRUE(err == SL_OK || (err == SL_ENOENT && seed % 2 == 1));
        CU_ASSERT_EQUAL(ready("q"), count);
        end();
    }
}

static void keep_house(struct keeper *k, uint64_t *now_ms)
{
    for (int i = 0; i < 40; i++) {
        *now_ms += 100;
        CU_ASSERT_EQUAL_FATAL(keeper_step(k, *now_ms), SL_OK);
        table_settle(&t);
        table_flush(&t);
    }
}

static void a_first_prepare_while_a_checkpoint_begins_does_not_spoil_it(void)
{
    struct keeper_options options = {0};
    uint64_t now_ms = 0;

    begin(BUDGET);
    options.files = faulty_disk_ops(disk);
    struct keeper *k = keeper_new(t.broker, t.log, &options);
    keeper_hurry(k);
    broker_prepared_step(&a->client, 7, message_of("", "q", "x-prepare", "x", NULL));
    broker_worker_hand_over(a->client.worker);
    CU_ASSERT_EQUAL(keeper_step(k, now_ms++), SL_OK); /* its place is before the queue's */
    rest();
    keep_house(k, &now_ms);
    keeper_free(k);
    start_again(BUDGET);
    CU_ASSERT_EQUAL(decided("x", "commit"), SL_OK);
    end();
}

/* Under traffic that makes the keeper move what is old: messages, counts of checks, outcomes. */
static void checkpoints_and_evacuation_keep_all_of_it(void)
{
    struct keeper_options options = {.files = faulty_disk_ops(disk)};
    uint64_t now_ms = 1000000;
    char id[16];

    begin(BUDGET);
    options.files = faulty_disk_ops(disk);
    prepared("old");
    for (int i = 0; i < 1100; i++) { /* a block of outcomes and some */
        snprintf(id, sizeof id, "i%d", i);
        prepare(a, id);
        decide(a, id, i % 2 ? "commit" : "rollback");
    }
    rest();
    purge("q");
    struct keeper *k = keeper_new(t.broker, t.log, &options);
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 1500; i++)
            table_publish_persistent(a, "", "q", 1);
        rest();
        purge("q");
        keep_house(k, &now_ms);
    }
    CU_ASSERT_TRUE(keeper_status(k).moved >= 1);
    CU_ASSERT_TRUE(keeper_status(k).released >= 1);
    keeper_free(k);
    start_again(BUDGET);
    for (int i = 0; i < 1100; i += 50) {
        snprintf(id, sizeof id, "i%d", i);
        CU_ASSERT_EQUAL(decided(id, "rollback"), SL_OK);
        CU_ASSERT_EQUAL(decided(id, "commit"), SL_EPRECOND);
    }
    CU_ASSERT_EQUAL(decided("old", "commit"), SL_OK);
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void change_account(const struct account_change *change)
{
    broker_change_account(&b->client, 9, change);
    rest();
    CU_ASSERT_EQUAL_FATAL(b->last->err, SL_OK);
}

/* Whose full blocks of outcomes a checkpoint has named. */
static void a_virtual_host_that_goes_takes_its_outcomes_along_at_a_start_too(void)
{
    struct sl_bytes all = SL_BYTES_LITERAL(".*");
    struct account_change change = {.kind = RECORD_VHOST,
                                    .user = SL_BYTES_LITERAL("guest"),
                                    .vhost = SL_BYTES_LITERAL("x"),
                                    .texts = {all, all, all}};
    struct queue_declaration d = {.name = SL_BYTES_LITERAL("q"), .is_durable = true};
    struct keeper_options options = {.checkpoint_bytes = UINT64_MAX};
    uint64_t now_ms = 0;
    char id[16];

    begin(BUDGET);
    change_account(&change);
    change.kind = RECORD_PERMISSION;
    change_account(&change);
    CU_ASSERT_EQUAL_FATAL(broker_open_vhost(&a->client, change.vhost), SL_OK);
    broker_declare_queue(&a->client, 1, &d, "");
    rest();
    for (int i = 0; i < 1100; i++) {
        snprintf(id, sizeof id, "i%d", i);
        prepare(a, id);
        decide(a, id, "rollback");
        CU_ASSERT_EQUAL_FATAL(a->last->err, SL_OK);
    }
    rest();
    options.files = faulty_disk_ops(disk);
    struct keeper *k = keeper_new(t.broker, t.log, &options);
    keeper_hurry(k);
    keep_house(k, &now_ms);
    CU_ASSERT_EQUAL(keeper_status(k).checkpoints, 1);
    keeper_free(k);
    change.kind = RECORD_DELETE_VHOST;
    change_account(&change);
    start_again(BUDGET);
    CU_ASSERT_EQUAL(broker_open_vhost(&a->client, change.vhost), SL_ENOENT);
    CU_ASSERT_EQUAL(table_live_entries(&t), 0);
    end();
}

static void the_number_of_the_last_check_survives(void)
{
    begin(BUDGET);
    prepared("x");
    table_wait(&t, SL_PREPARED_CHECK_MS);
    rest();
    start_again(BUDGET);
    table_wait(&t, SL_PREPARED_CHECK_AGAIN_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 1); /* still the same */
    purge("prepared.check");
    table_wait(&t, SL_PREPARED_CHECK_AGAIN_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 1);
    end();
}

static void a_check_behind_the_notice_keeps_the_next_one_back_after_a_start_too(void)
{
    begin(BUDGET);
    prepared("x");
    for (uint32_t i = 0; i <= SL_PREPARED_CHECKS; i++) {
        table_wait(&t, SL_PREPARED_CHECK_AGAIN_MS);
        rest();
        purge("prepared.check");
    }
    CU_ASSERT_EQUAL(ready("prepared.expired"), 1);
    table_wait(&t, 60 * MINUTE_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 1);
    start_again(BUDGET);
    table_wait(&t, 60 * MINUTE_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 1);
    CU_ASSERT_EQUAL(ready("prepared.expired"), 1);
    end();
}

/* Neither for what waits, nor for where its checks go. */
static void a_virtual_host_that_may_have_no_more_queues_prepares_all_the_same(void)
{
    begin(BUDGET);
    atomic_store(&a->client.vhost->queues_max, 1);
    prepared("x");
    table_wait(&t, SL_PREPARED_CHECK_MS);
    rest();
    CU_ASSERT_EQUAL(ready("prepared.check"), 1);
    CU_ASSERT_EQUAL(decided("x", "commit"), SL_OK);
    end();
}

static void a_prepare_in_a_virtual_host_that_has_gone_is_refused(void)
{
    begin(BUDGET);
    a->client.vhost->is_gone = true;
    prepare(a, "x");
    rest();
    CU_ASSERT_EQUAL(a->last->err, SL_ENOENT);
    a->client.vhost->is_gone = false;
    end();
}

static void a_policy_for_all_queues_does_not_end_what_waits(void)
{
    struct table_maker m;
    struct policy_definition d = {
        .vhost = SL_BYTES_LITERAL("/"), .name = SL_BYTES_LITERAL("all"), .apply_to = POLICY_OF_ALL};

    begin(BUDGET);
    table_begin(&m);
    table_write_s64(&m.w, SL_BYTES_LITERAL("expires"), 1000);
    d.keys = table_end(&m);
    CU_ASSERT_EQUAL_FATAL(policies_set(&broker_topology(t.broker)->policies, &d, NULL), SL_OK);
    prepared("x");
    table_wait(&t, 2000);
    rest();
    CU_ASSERT_EQUAL(decided("x", "commit"), SL_OK);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(an_unknown_id_and_a_bad_request_are_answered_at_once),
        UNIT(nothing_is_confirmed_before_it_is_durable),
        UNIT(an_error_is_told_when_what_it_names_is_durable),
        UNIT(what_a_commit_sends_is_lent_when_that_is_durable),
        UNIT(an_outcome_that_comes_before_its_message_is_in_its_queue_waits),
        UNIT(two_that_decide_one_that_is_paged_out_hear_what_stands),
        UNIT(one_that_is_paged_out_and_unreadable_stays_prepared),
        UNIT(two_that_decide_one_that_is_unreadable_hear_what_stands),
        UNIT(a_fetch_for_an_outcome_neither_hurries_nor_stops_checks),
        UNIT(checks_come_after_6_s_and_every_30_s_and_then_hourly),
        UNIT(a_check_that_is_queued_out_or_paged_out_keeps_the_next_one_back),
        UNIT(hundreds_are_asked_for_together),
        UNIT(what_was_not_durable_is_there_whole_or_not_at_all),
        UNIT(checkpoints_and_evacuation_keep_all_of_it),
        UNIT(a_first_prepare_while_a_checkpoint_begins_does_not_spoil_it),
        UNIT(a_virtual_host_that_goes_takes_its_outcomes_along_at_a_start_too),
        UNIT(the_number_of_the_last_check_survives),
        UNIT(a_check_behind_the_notice_keeps_the_next_one_back_after_a_start_too),
        UNIT(a_virtual_host_that_may_have_no_more_queues_prepares_all_the_same),
        UNIT(a_prepare_in_a_virtual_host_that_has_gone_is_refused),
        UNIT(a_policy_for_all_queues_does_not_end_what_waits),
        CU_TEST_INFO_NULL};
    return unit_run("core/prepared", tests);
}
