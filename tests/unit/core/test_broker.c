#include "core/broker.h"

#include "core/base/limits.h"
#include "core/memory.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)

static void settle(struct sitter *s, uint64_t tag, bool multiple, enum settle_verdict verdict)
{
    CU_ASSERT_EQUAL(settlement_settle(&s->settlement, &s->client, (sl_tag){tag}, multiple, verdict),
                    SL_OK);
}

static void what_is_published_is_delivered_in_order_over_workers(void)
{
    struct table t;
    table_init(&t, 3, BUDGET);
    struct sitter *p = table_sit(&t, 0);
    struct sitter *c = table_sit(&t, 2);

    CU_ASSERT_EQUAL(table_declare(&t, p, "q"), SL_OK);
    table_consume(&t, c, "q", 0, true);
    for (uint64_t i = 0; i < 10000; i++) {
        table_publish(p, "", "q", i);
        if (i % 701 == 0)
            table_step(&t, (uint32_t)(i % 3));
    }
    table_settle(&t);
    CU_ASSERT_EQUAL_FATAL(c->told_count, 10000);
    for (uint64_t i = 0; i < 10000; i++)
        CU_ASSERT_EQUAL(c->told[i].body, i);
    table_deinit(&t);
}

static void a_message_goes_to_one_consumer_and_each_gets_its_share(void)
{
    struct table t;
    table_init(&t, 2, BUDGET);
    struct sitter *a = table_sit(&t, 0);
    struct sitter *b = table_sit(&t, 1);

    table_declare(&t, a, "q");
    table_consume(&t, a, "q", 0, true);
    table_consume(&t, b, "q", 0, true);
    for (uint64_t i = 0; i < 100; i++)
        table_publish(a, "", "q", i);
    table_settle(&t);
    CU_ASSERT_EQUAL(a->told_count, 50);
    CU_ASSERT_EQUAL(b->told_count, 50);
    table_deinit(&t);
}

static void prefetch_bounds_what_is_out(void)
{
    struct table t;
    table_init(&t, 1, BUDGET);
    struct sitter *s = table_sit(&t, 0);

    table_declare(&t, s, "q");
    table_consume(&t, s, "q", 3, false);
    for (uint64_t i = 0; i < 10; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->told_count, 3);
    settle(s, 2, true, SETTLE_CONSUMED);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->told_count, 5);
    table_deinit(&t);
}

static void returned_messages_come_again_in_their_old_place_and_say_so(void)
{
    struct table t;
    table_init(&t, 1, BUDGET);
    struct sitter *s = table_sit(&t, 0);

    table_declare(&t, s, "q");
    table_consume(&t, s, "q", 2, false);
    for (uint64_t i = 0; i < 4; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
    settle(s, 2, true, SETTLE_RETURNED);
    table_settle(&t);
    CU_ASSERT_EQUAL_FATAL(s->told_count, 4);
    CU_ASSERT_EQUAL(s->told[2].body, 0);
    CU_ASSERT_EQUAL(s->told[3].body, 1);
    CU_ASSERT_EQUAL(s->told[2].returns, 1);
    settle(s, 0, true, SETTLE_CONSUMED);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->told[4].body, 2);
    CU_ASSERT_EQUAL(s->told[4].returns, 0);
    table_deinit(&t);
}

static void a_dead_sessions_loans_go_to_the_others(void)
{
    struct table t;
    table_init(&t, 2, BUDGET);
    struct sitter *a = table_sit(&t, 0);
    struct sitter *b = table_sit(&t, 1);

    table_declare(&t, b, "q");
    table_consume(&t, a, "q", 0, false);
    for (uint64_t i = 0; i < 500; i++)
        table_publish(b, "", "q", i);
    table_settle(&t);
    CU_ASSERT_EQUAL(a->told_count, 500);
    table_consume(&t, b, "q", 0, false);
    CU_ASSERT_EQUAL(b->told_count, 0);
    table_leave(&t, a);
    table_settle(&t);
    CU_ASSERT_EQUAL_FATAL(b->told_count, 500);
    for (uint64_t i = 0; i < 500; i++) {
        CU_ASSERT_EQUAL(b->told[i].body, i);
        CU_ASSERT_EQUAL(b->told[i].returns, 1);
    }
    table_deinit(&t);
}

static void settling_one_by_one_backwards_with_one_forgotten_keeps_counts_right(void)
{
    struct table t;
    table_init(&t, 1, BUDGET);
    struct sitter *s = table_sit(&t, 0);

    table_declare(&t, s, "q");
    table_consume(&t, s, "q", 10, false);
    for (uint64_t i = 0; i < 5000; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
    /* tag 1 is never settled; all others are, newest first */
    for (uint64_t newest = s->told_count; s->told_count < 5000; newest = s->told_count) {
        for (uint64_t tag = newest; tag > 1; tag--)
            if (settlement_find(&s->settlement, (sl_tag){tag}) != NULL)
                settle(s, tag, false, SETTLE_CONSUMED);
        table_settle(&t);
    }
    for (uint64_t i = 0; i < 5000; i++)
        CU_ASSERT_EQUAL(s->told[i].body, i);
    CU_ASSERT_TRUE(s->settlement.room <= 64); /* the forgotten one costs itself */
    CU_ASSERT_PTR_NOT_NULL(settlement_find(&s->settlement, (sl_tag){1}));
    table_deinit(&t);
}

static void unknown_tags_are_refused_and_change_nothing(void)
{
    struct table t;
    table_init(&t, 1, BUDGET);
    struct sitter *s = table_sit(&t, 0);
    struct settlement *set = &s->settlement;

    table_declare(&t, s, "q");
    table_consume(&t, s, "q", 0, false);
    CU_ASSERT_EQUAL(settlement_settle(set, &s->client, (sl_tag){1}, false, SETTLE_CONSUMED),
                    SL_ENOENT);
    CU_ASSERT_EQUAL(settlement_settle(set, &s->client, (sl_tag){0}, false, SETTLE_CONSUMED),
                    SL_ENOENT);
    CU_ASSERT_EQUAL(settlement_settle(set, &s->client, (sl_tag){0}, true, SETTLE_CONSUMED), SL_OK);
    table_publish(s, "", "q", 1);
    table_settle(&t);
    CU_ASSERT_EQUAL(settlement_settle(set, &s->client, (sl_tag){2}, true, SETTLE_CONSUMED),
                    SL_ENOENT);
    settle(s, 1, false, SETTLE_CONSUMED);
    CU_ASSERT_EQUAL(settlement_settle(set, &s->client, (sl_tag){1}, false, SETTLE_CONSUMED),
                    SL_ENOENT);
    CU_ASSERT_EQUAL(settlement_settle(set, &s->client, (sl_tag){1}, true, SETTLE_CONSUMED),
                    SL_ENOENT);
    table_deinit(&t);
}

static void a_get_with_acknowledgement_is_a_loan_of_its_own(void)
{
    struct table t;
    table_init(&t, 2, BUDGET);
    struct sitter *s = table_sit(&t, 0);
    struct sitter *other = table_sit(&t, 1);

    table_declare(&t, s, "q");
    broker_get(&s->client, 7, sl_bytes_of("q"), false);
    table_settle(&t);
    CU_ASSERT_PTR_NULL(s->last->msg);
    table_publish(s, "", "q", 41);
    table_publish(s, "", "q", 42);
    broker_get(&s->client, 8, sl_bytes_of("q"), false);
    table_settle(&t);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->last->msg);
    CU_ASSERT_EQUAL(s->last->messages, 1);
    struct subscription *getter = broker_getter(&s->client, s->last);
    CU_ASSERT_PTR_NOT_NULL_FATAL(getter);
    sl_tag tag = settlement_add(&s->settlement, getter, s->last->loan, s->last->seq);
    settle(s, tag.v, false, SETTLE_RETURNED);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->client.subscriptions.count, 0);
    table_consume(&t, other, "q", 0, true);
    CU_ASSERT_EQUAL_FATAL(other->told_count, 2);
    CU_ASSERT_EQUAL(other->told[0].body, 41);
    CU_ASSERT_EQUAL(other->told[0].returns, 1);
    table_deinit(&t);
}

static void a_deleted_queue_tells_its_consumers_and_lets_its_messages_go(void)
{
    struct table t;
    memory_settle();
    uint64_t before = memory_used();
    table_init(&t, 2, BUDGET);
    struct sitter *s = table_sit(&t, 0);
    struct sitter *c = table_sit(&t, 1);

    table_declare(&t, s, "q");
    table_consume(&t, c, "q", 5, false);
    for (uint64_t i = 0; i < 100; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
    broker_delete_queue(&s->client, 9, sl_bytes_of("q"), false, false);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->last->err, SL_OK);
    CU_ASSERT_EQUAL(s->last->messages, 95);
    CU_ASSERT_EQUAL(c->cancelled, 1);
    settle(c, 0, true, SETTLE_CONSUMED); /* too late, and harmless */
    table_publish(s, "", "q", 1);
    table_deinit(&t);
    memory_settle();
    CU_ASSERT_EQUAL(memory_used(), before);
}

static void a_publish_that_races_the_deletion_is_lost_with_the_queue_and_not_leaked(void)
{
    struct table t;
    table_init(&t, 2, BUDGET);
    struct sitter *a = table_sit(&t, 0);
    struct sitter *b = table_sit(&t, 1);

    table_declare(&t, a, "q");
    broker_delete_queue(&b->client, 1, sl_bytes_of("q"), false, false);
    table_publish(a, "", "q", 1); /* routed while the queue is there */
    broker_worker_hand_over(b->client.worker);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_declare(&t, a, "q"), SL_OK);
    CU_ASSERT_EQUAL(a->last->messages, 0);
    table_deinit(&t);
}

static void auto_delete_waits_for_the_first_consumer_and_goes_with_the_last(void)
{
    struct table t;
    table_init(&t, 1, BUDGET);
    struct sitter *s = table_sit(&t, 0);
    struct sitter *c = table_sit(&t, 0);
    struct queue_declaration d = {.name = sl_bytes_of("q"), .is_auto_delete = true};

    broker_declare_queue(&s->client, 1, &d, "");
    table_settle(&t);
    d.is_passive = true;
    broker_declare_queue(&s->client, 2, &d, "");
    table_settle(&t);
    CU_ASSERT_EQUAL(s->last->err, SL_OK);
    struct subscription *sub = table_consume(&t, c, "q", 0, false);
    broker_cancel(&c->client, 4, sub);
    table_settle(&t);
    broker_declare_queue(&s->client, 5, &d, "");
    table_settle(&t);
    CU_ASSERT_EQUAL(s->last->err, SL_ENOENT);
    table_deinit(&t);
}

static void an_exclusive_queue_is_its_sessions_and_goes_with_it(void)
{
    struct table t;
    table_init(&t, 2, BUDGET);
    struct sitter *a = table_sit(&t, 0);
    struct sitter *b = table_sit(&t, 1);
    struct queue_declaration d = {.name = sl_bytes_of("mine"), .is_exclusive = true};

    broker_declare_queue(&a->client, 1, &d, "");
    table_settle(&t);
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
    CU_ASSERT_EQUAL(table_declare(&t, b, "mine"), SL_ELOCKED);
    broker_purge_queue(&b->client, 2, sl_bytes_of("mine"));
    table_settle(&t);
    CU_ASSERT_EQUAL(b->last->err, SL_ELOCKED);
    table_leave(&t, a);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_declare(&t, b, "mine"), SL_OK);
    table_deinit(&t);
}

static void an_exclusive_consumer_keeps_others_out(void)
{
    struct table t;
    table_init(&t, 1, BUDGET);
    struct sitter *a = table_sit(&t, 0);
    struct sitter *b = table_sit(&t, 0);
    struct subscribe_options o = {.queue = sl_bytes_of("q"), .is_exclusive = true};

    table_declare(&t, a, "q");
    CU_ASSERT_PTR_NOT_NULL(broker_subscribe(&a->client, 1, &o));
    table_settle(&t);
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
    struct subscription *refused = table_consume(&t, b, "q", 0, false);
    CU_ASSERT_EQUAL(b->last->err, SL_EDENIED);
    CU_ASSERT_STRING_EQUAL(b->last->reason, "queue 'q' in vhost '/' in exclusive use");
    subscription_free(refused);
    table_leave(&t, a);
    table_settle(&t);
    table_consume(&t, b, "q", 0, false);
    CU_ASSERT_EQUAL(b->last->err, SL_OK);
    table_deinit(&t);
}

static void one_message_reaches_every_bound_queue_once(void)
{
    struct table t;
    table_init(&t, 3, BUDGET);
    struct sitter *s = table_sit(&t, 1);
    static const char *const QUEUES[] = {"a", "b", "c", "d", "e"};

    for (int i = 0; i < 5; i++) {
        table_declare(&t, s, QUEUES[i]);
        CU_ASSERT_EQUAL(table_bind(&t, s, QUEUES[i], "amq.topic", "x.#"), SL_OK);
        CU_ASSERT_EQUAL(table_bind(&t, s, QUEUES[i], "amq.topic", "*.y"), SL_OK);
        table_consume(&t, s, QUEUES[i], 0, false);
    }
    table_publish(s, "amq.topic", "x.y", 1);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->told_count, 5);
    table_deinit(&t);
}

static void a_group_takes_effect_together(void)
{
    struct table t;
    table_init(&t, 2, BUDGET);
    struct sitter *p = table_sit(&t, 0);
    struct sitter *c = table_sit(&t, 1);

    table_declare(&t, p, "q");
    table_consume(&t, c, "q", 0, true);
    broker_group_begin(&p->client);
    for (uint64_t i = 0; i < 6000; i++) { /* longer than a run would be */
        table_publish(p, "", "q", i);
        if (i == 3000)
            table_settle(&t);
    }
    CU_ASSERT_EQUAL(c->told_count, 0);
    broker_group_end(&p->client);
    table_settle(&t);
    CU_ASSERT_EQUAL(c->told_count, 6000);
    table_deinit(&t);
}

static void confirms_come_after_the_hand_over_and_stand_for_all_before(void)
{
    struct table t;
    table_init(&t, 1, BUDGET);
    struct sitter *s = table_sit(&t, 0);

    table_declare(&t, s, "q");
    for (uint64_t i = 1; i <= 10; i++) {
        table_publish(s, "", "q", i);
        broker_confirm(&s->client, 1, (sl_tag){i});
    }
    CU_ASSERT_EQUAL(s->confirmed.v, 0);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->confirmed.v, 10);
    table_publish(s, "", "nowhere", 11); /* unroutable: nothing goes out, still confirmed */
    broker_confirm(&s->client, 1, (sl_tag){11});
    table_settle(&t);
    CU_ASSERT_EQUAL(s->confirmed.v, 11);
    table_deinit(&t);
}

static void a_session_that_does_not_read_is_lent_a_window_full_and_no_more(void)
{
    struct table t;
    table_init(&t, 2, BUDGET);
    struct sitter *p = table_sit(&t, 0);
    struct sitter *slow = table_sit(&t, 1);

    table_declare(&t, p, "q");
    table_consume(&t, slow, "q", 0, true);
    for (uint64_t i = 0; i < 30000; i++)
        table_publish(p, "", "q", i);
    table_settle(&t);
    CU_ASSERT_TRUE(slow->told_count < 30000);
    CU_ASSERT_TRUE(slow->cost <= SL_SESSION_WINDOW_BYTES + 4096);
    size_t before = slow->told_count;
    broker_client_written(&slow->client, slow->cost);
    table_settle(&t);
    CU_ASSERT_TRUE(slow->told_count > before);
    table_deinit(&t);
}

static void a_channel_wide_limit_counts_all_its_consumers_on_all_shards(void)
{
    struct table t;
    table_init(&t, 4, BUDGET);
    struct sitter *s = table_sit(&t, 0);
    struct credit_group *group = credit_group_new(3);
    static const char *const QUEUES[] = {"a", "b", "c", "d", "e", "f"};

    for (int i = 0; i < 6; i++) {
        table_declare(&t, s, QUEUES[i]);
        struct subscription *sub = table_consume(&t, s, QUEUES[i], 0, false);
        broker_join_group(&s->client, sub, group);
    }
    for (int i = 0; i < 6; i++)
        for (uint64_t n = 0; n < 4; n++)
            table_publish(s, "", QUEUES[i], n);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->told_count, 3);
    for (size_t done = 3; done < 24; done++) {
        settle(s, 0, true, SETTLE_CONSUMED);
        table_settle(&t);
        CU_ASSERT_TRUE(s->settlement.open <= 3);
    }
    CU_ASSERT_EQUAL(s->told_count, 24);
    broker_set_group_limit(&s->client, group, 0);
    credit_group_unref(group);
    table_deinit(&t);
}

static void publishers_are_held_over_the_budget_and_let_go_below_it(void)
{
    struct table t;
    table_init(&t, 1, 1024 * 1024);
    struct sitter *s = table_sit(&t, 0);

    table_declare(&t, s, "q");
    CU_ASSERT_FALSE(broker_is_held(&s->client));
    for (uint64_t i = 0; i < 20000; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
    CU_ASSERT_TRUE(broker_is_held(&s->client));
    broker_purge_queue(&s->client, 1, sl_bytes_of("q"));
    table_settle(&t);
    CU_ASSERT_EQUAL(s->last->messages, 20000);
    CU_ASSERT_FALSE(broker_is_held(&s->client));
    table_deinit(&t);
}

static void server_named_queues_have_names_nobody_guesses(void)
{
    struct table t;
    table_init(&t, 1, BUDGET);
    struct sitter *s = table_sit(&t, 0);

    CU_ASSERT_EQUAL(table_declare(&t, s, ""), SL_OK);
    CU_ASSERT_EQUAL(s->last->name_len, strlen("amq.gen-") + 22);
    CU_ASSERT_EQUAL(strncmp(s->last->name, "amq.gen-", 8), 0);
    table_deinit(&t);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(unknown_tags_are_refused_and_change_nothing),
        UNIT(an_exclusive_consumer_keeps_others_out),
        UNIT(an_exclusive_queue_is_its_sessions_and_goes_with_it),
        UNIT(a_publish_that_races_the_deletion_is_lost_with_the_queue_and_not_leaked),
        UNIT(what_is_published_is_delivered_in_order_over_workers),
        UNIT(a_message_goes_to_one_consumer_and_each_gets_its_share),
        UNIT(prefetch_bounds_what_is_out),
        UNIT(returned_messages_come_again_in_their_old_place_and_say_so),
        UNIT(a_dead_sessions_loans_go_to_the_others),
        UNIT(settling_one_by_one_backwards_with_one_forgotten_keeps_counts_right),
        UNIT(a_get_with_acknowledgement_is_a_loan_of_its_own),
        UNIT(a_deleted_queue_tells_its_consumers_and_lets_its_messages_go),
        UNIT(auto_delete_waits_for_the_first_consumer_and_goes_with_the_last),
        UNIT(one_message_reaches_every_bound_queue_once),
        UNIT(a_group_takes_effect_together),
        UNIT(confirms_come_after_the_hand_over_and_stand_for_all_before),
        UNIT(a_session_that_does_not_read_is_lent_a_window_full_and_no_more),
        UNIT(a_channel_wide_limit_counts_all_its_consumers_on_all_shards),
        UNIT(publishers_are_held_over_the_budget_and_let_go_below_it),
        UNIT(server_named_queues_have_names_nobody_guesses),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/broker", tests);
}
