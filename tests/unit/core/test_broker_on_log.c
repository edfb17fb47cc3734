/* What the broker owes to the log: answers that wait, lending that waits, and what is there again
 * at the next start. */
#include "core/broker.h"

#include "core/base/limits.h"
#include "core/memory.h"
#include "tests/support/table_maker.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)
#define FAST_MESSAGES (SL_LEND_BUDGET * 3)

static struct faulty_disk *disk;
static struct table t;
static struct sitter *a;
static struct sitter *b;

static void begin(uint32_t workers)
{
    disk = faulty_disk_new();
    table_init_on(&t, workers, BUDGET, disk);
    a = table_sit(&t, 0);
    b = table_sit(&t, workers - 1);
}

static void start_again(void)
{
    uint32_t workers = t.workers;

    table_init_on(&t, workers, BUDGET, disk);
    a = table_sit(&t, 0);
    b = table_sit(&t, workers - 1);
}

static void end(void)
{
    table_deinit(&t);
    faulty_disk_free(disk);
}

static void declare(struct sitter *s, const char *queue, bool is_durable)
{
    struct queue_declaration d = {.name = sl_bytes_of(queue), .is_durable = is_durable};

    broker_declare_queue(&s->client, 1, &d, "");
    table_settle(&t);
}

static void make_exchange(struct sitter *s, const char *name, bool is_auto_delete)
{
    struct exchange_declaration d = {.name = sl_bytes_of(name),
                                     .type = SL_BYTES_LITERAL("fanout"),
                                     .is_durable = true,
                                     .is_auto_delete = is_auto_delete};

    broker_declare_exchange(&s->client, 2, &d);
    table_settle(&t);
}

static void bind(struct sitter *s, const char *queue, const char *exchange)
{
    struct binding_request r = {.source = sl_bytes_of(exchange), .destination = sl_bytes_of(queue)};

    broker_bind(&s->client, 3, &r);
    table_flush(&t);
    CU_ASSERT_EQUAL(s->last->err, SL_OK);
}

static void unbind(struct sitter *s, const char *queue, const char *exchange)
{
    struct binding_request r = {.source = sl_bytes_of(exchange), .destination = sl_bytes_of(queue)};

    broker_unbind(&s->client, 3, &r);
    table_flush(&t);
    CU_ASSERT_EQUAL(s->last->err, SL_OK);
}

static bool has_exchange(const char *name)
{
    struct topology *topology = broker_topology(t.broker);

    topology_lock(topology);
    struct vhost *v = topology_vhost(topology, SL_BYTES_LITERAL("/"));
    bool is_there = topology_exchange(v, sl_bytes_of(name)) != NULL;
    topology_unlock(topology);
    return is_there;
}

static void settle_tag(struct sitter *s, uint64_t tag, enum settle_verdict verdict)
{
    CU_ASSERT_EQUAL(settlement_settle(&s->settlement, &s->client, (sl_tag){tag}, false, verdict),
                    SL_OK);
    table_settle(&t);
}

/* Whoever has something to do says so; who only waits for the log does not. */
static bool has_work(void)
{
    for (uint32_t i = 0; i < t.workers; i++)
        if (broker_worker_has_work(broker_worker_at(t.broker, i)))
            return true;
    return false;
}

static void a_declaration_of_what_is_on_its_way_waits_for_it(void)
{
    begin(2);
    make_exchange(a, "e", false);
    make_exchange(b, "e", false);
    declare(a, "q", true);
    declare(b, "q", true);
    CU_ASSERT_EQUAL(a->answers, 0);
    CU_ASSERT_EQUAL(b->answers, 0);
    table_flush(&t);
    CU_ASSERT_EQUAL(a->answers, 2);
    CU_ASSERT_EQUAL(b->answers, 2);
    CU_ASSERT_EQUAL(b->last->err, SL_OK);
    end();
}

static void a_deletion_of_what_is_just_going_waits_for_that(void)
{
    begin(2);
    make_exchange(a, "e", false);
    declare(a, "q", true);
    table_flush(&t);
    a->answers = 0;
    for (int i = 0; i < 2; i++) {
        broker_delete_exchange(&(i == 0 ? a : b)->client, 3, SL_BYTES_LITERAL("e"), false);
        broker_delete_queue(&(i == 0 ? a : b)->client, 4, SL_BYTES_LITERAL("q"), false, false);
        table_settle(&t);
    }
    CU_ASSERT_EQUAL(a->answers, 0);
    CU_ASSERT_EQUAL(b->answers, 0);
    table_flush(&t);
    CU_ASSERT_EQUAL(a->answers, 2);
    CU_ASSERT_EQUAL(b->answers, 2);
    CU_ASSERT_EQUAL(b->last->err, SL_OK);
    end();
}

static void an_unbinding_of_what_is_just_going_waits_for_that(void)
{
    struct binding_request r = {.source = SL_BYTES_LITERAL("e"),
                                .destination = SL_BYTES_LITERAL("q")};

    begin(2);
    make_exchange(a, "e", false);
    declare(a, "q", true);
    bind(a, "q", "e");
    b->answers = 0;
    broker_delete_exchange(&a->client, 3, SL_BYTES_LITERAL("e"), false);
    table_settle(&t);
    broker_unbind(&b->client, 4, &r);
    table_settle(&t);
    CU_ASSERT_EQUAL(b->answers, 0);
    table_flush(&t);
    CU_ASSERT_EQUAL(b->answers, 1);
    end();
}

/* The binding that keeps it is not in the log, the one that goes is. */
static void an_auto_delete_exchange_that_was_still_bound_is_there_again(void)
{
    begin(1);
    make_exchange(a, "e", true);
    declare(a, "kept", true);
    declare(a, "passing", false);
    bind(a, "kept", "e");
    bind(a, "passing", "e");
    unbind(a, "kept", "e");
    CU_ASSERT_TRUE(has_exchange("e"));
    table_drop(&t);
    start_again();
    CU_ASSERT_TRUE(has_exchange("e"));
    end();
}

/* The other way round: the one that was its last is not in the log. */
static void an_auto_delete_exchange_that_went_stays_gone(void)
{
    begin(1);
    make_exchange(a, "e", true);
    declare(a, "kept", true);
    declare(a, "passing", false);
    bind(a, "kept", "e");
    bind(a, "passing", "e");
    unbind(a, "kept", "e");
    unbind(a, "passing", "e");
    CU_ASSERT_FALSE(has_exchange("e"));
    table_drop(&t);
    start_again();
    CU_ASSERT_FALSE(has_exchange("e"));
    end();
}

static void an_auto_delete_exchange_that_went_with_a_queue_stays_gone(void)
{
    begin(1);
    make_exchange(a, "e", true);
    declare(a, "passing", false);
    bind(a, "passing", "e");
    broker_delete_queue(&a->client, 4, SL_BYTES_LITERAL("passing"), false, false);
    table_settle(&t);
    CU_ASSERT_FALSE(has_exchange("e"));
    table_flush(&t);
    table_drop(&t);
    start_again();
    CU_ASSERT_FALSE(has_exchange("e"));
    end();
}

static void a_quorum_queue_is_there_again(void)
{
    struct table_maker arguments;
    struct queue_declaration d = {
        .name = SL_BYTES_LITERAL("q"),
        .is_durable = true,
        .arguments = table_of_string(&arguments, "x-queue-type", "quorum"),
    };

    begin(1);
    broker_declare_queue(&a->client, 1, &d, "");
    table_settle(&t);
    table_flush(&t);
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
    table_drop(&t);
    start_again();
    d.is_passive = true;
    broker_declare_queue(&a->client, 1, &d, "");
    table_settle(&t);
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
    end();
}

/* A start logs new marks; this queue's becomes durable before anybody looks, and then a group
 * holds its first entry up: there is nothing to do until that is durable too. */
static void who_waits_for_a_group_does_not_turn_in_circles(void)
{
    begin(1);
    declare(a, "q", true);
    table_flush(&t);
    table_deinit(&t);
    start_again();
    table_consume(&t, b, "q", 0, false);
    broker_group_begin(&a->client);
    table_publish_persistent(a, "", "q", 7);
    broker_group_end(&a->client);
    for (int i = 0; i < 8 && has_work(); i++)
        table_step(&t, 0);
    CU_ASSERT_FALSE_FATAL(has_work());
    CU_ASSERT_EQUAL(b->told_count, 0);
    table_flush(&t);
    CU_ASSERT_EQUAL(b->told_count, 1);
    end();
}

static void a_mark_that_became_durable_unseen_lets_its_message_go(void)
{
    begin(1);
    declare(a, "consumed", true);
    declare(a, "got", true);
    table_flush(&t);
    table_deinit(&t);
    start_again();
    table_consume(&t, b, "consumed", 0, false);
    table_publish_persistent(a, "", "consumed", 7);
    table_publish_persistent(a, "", "got", 8);
    for (int i = 0; i < 8; i++)
        table_step(&t, 0);
    CU_ASSERT_EQUAL(b->told_count, 1);
    broker_get(&a->client, 5, SL_BYTES_LITERAL("got"), true);
    for (int i = 0; i < 8; i++)
        table_step(&t, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a->last);
    CU_ASSERT_PTR_NOT_NULL(a->last->msg);
    end();
}

static void what_the_stop_gives_back_is_redelivered_but_not_counted(void)
{
    begin(1);
    declare(a, "q", true);
    table_flush(&t);
    table_consume(&t, a, "q", 2, false);
    for (uint64_t i = 0; i < 3; i++)
        table_publish_persistent(b, "", "q", i);
    table_settle(&t);
    settle_tag(a, 1, SETTLE_RETURNED); /* once counted, and out again */
    CU_ASSERT_EQUAL(a->told_count, 3);
    broker_on_stopping(t.broker);
    table_deinit(&t);
    start_again();
    table_consume(&t, a, "q", 0, false);
    CU_ASSERT_EQUAL_FATAL(a->told_count, 3);
    CU_ASSERT_EQUAL(a->told[0].returns, 1);
    CU_ASSERT_EQUAL(a->told[1].returns, 0);
    CU_ASSERT_TRUE(a->told[1].is_redelivered);
    CU_ASSERT_FALSE(a->told[2].is_redelivered); /* was never out */
    end();
}

static void a_run_that_was_not_handed_over_goes_with_the_broker(void)
{
    memory_settle();
    uint64_t before = memory_used();

    for (int is_logged = 0; is_logged < 2; is_logged++) {
        begin(2);
        declare(a, "q", is_logged != 0);
        table_flush(&t);
        for (uint64_t i = 0; i < 10; i++)
            table_publish_persistent(b, "", "q", i);
        table_drop(&t);
        faulty_disk_free(disk);
    }
    memory_settle();
    CU_ASSERT_EQUAL(memory_used(), before);
}

static void a_fast_queue_is_emptied_in_the_run_that_fills_it(void)
{
    begin(1);
    declare(a, "q", false);
    table_consume(&t, b, "q", 0, true);
    for (uint64_t i = 0; i < FAST_MESSAGES; i++)
        table_publish(a, "", "q", i);
    table_step(&t, 0);
    CU_ASSERT_EQUAL(b->told_count, FAST_MESSAGES);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_declaration_of_what_is_on_its_way_waits_for_it),
        UNIT(a_deletion_of_what_is_just_going_waits_for_that),
        UNIT(an_unbinding_of_what_is_just_going_waits_for_that),
        UNIT(an_auto_delete_exchange_that_was_still_bound_is_there_again),
        UNIT(an_auto_delete_exchange_that_went_stays_gone),
        UNIT(an_auto_delete_exchange_that_went_with_a_queue_stays_gone),
        UNIT(a_quorum_queue_is_there_again),
        UNIT(who_waits_for_a_group_does_not_turn_in_circles),
        UNIT(a_mark_that_became_durable_unseen_lets_its_message_go),
        UNIT(what_the_stop_gives_back_is_redelivered_but_not_counted),
        UNIT(a_run_that_was_not_handed_over_goes_with_the_broker),
        UNIT(a_fast_queue_is_emptied_in_the_run_that_fills_it),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/broker_on_log", tests);
}
