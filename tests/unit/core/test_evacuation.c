/* Survivors of a stretch of the log move to its end: whatever state they are in, and whatever
 * becomes of them meanwhile. */
#include "core/evacuation.h"

#include "core/fetch.h"
#include "core/keeper.h"
#include "core/levels.h"
#include "core/remnants.h"
#include "tests/support/table_log.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)
#define BUDGET_NONE 1u /* everything that can be paged out is */
#define ROUNDS_MAX 10000
#define SEGMENT (1024u * 1024) /* of the table */

static struct faulty_disk *disk;
static struct table t;
static struct sitter *a;
static struct evacuation *under_way;

static void start(uint32_t workers, uint64_t budget)
{
    table_init_on(&t, workers, budget, disk);
    t.is_fetch_held = true; /* turn lets go, once each time */
    a = table_sit(&t, 0);
}

static void begin(uint32_t workers, uint64_t budget)
{
    disk = faulty_disk_new();
    start(workers, budget);
}

static void end(void)
{
    table_deinit(&t);
    faulty_disk_free(disk);
}

static bool turn(void)
{
    return table_turn(&t, a);
}

static void rest(void)
{
    table_rest(&t, a);
}

static void declare(const char *queue, bool is_durable)
{
    struct queue_declaration d = {.name = sl_bytes_of(queue), .is_durable = is_durable};

    broker_declare_queue(&a->client, 1, &d, "");
    rest();
    CU_ASSERT_EQUAL_FATAL(a->last->err, SL_OK);
}

static void bind(const char *queue)
{
    struct binding_request r = {.source = SL_BYTES_LITERAL("amq.fanout"),
                                .destination = sl_bytes_of(queue)};

    broker_bind(&a->client, 2, &r);
    rest();
    CU_ASSERT_EQUAL_FATAL(a->last->err, SL_OK);
}

static void publish(const char *queue, uint64_t from, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        table_publish_persistent(a, "", queue, from + i);
    rest();
}

static void consume(const char *queue)
{
    table_consume(&t, a, queue, 0, false);
    rest();
}

static void settle_all(enum settle_verdict verdict)
{
    CU_ASSERT_EQUAL(settlement_settle(&a->settlement, &a->client, (sl_tag){0}, true, verdict),
                    SL_OK);
    rest();
}

static struct shard *shard(uint32_t worker)
{
    return broker_worker_at(t.broker, worker)->shard;
}

/* Of everything in the log so far. */
static void begin_evacuation(void)
{
    under_way = table_evacuate(&t, (sl_lsn){0}, commit_log_end(t.log));
}

/* How much lies in what was evacuated. */
static size_t remnants_left(void)
{
    struct remnants found = {0};
    size_t count;

    remnants_begin(&found, under_way->from, under_way->to);
    for (uint32_t i = 0; i < t.workers; i++)
        for (uint32_t at = 0; at < shard(i)->queues_room; at++)
            if (shard(i)->queues[at] != NULL)
                remnants_look(&found, shard(i)->queues[at]);
    count = found.count;
    remnants_deinit(&found);
    return count;
}

static void end_evacuation(void)
{
    for (int i = 0; i < ROUNDS_MAX && !evacuation_is_over(under_way); i++)
        turn();
    CU_ASSERT_TRUE_FATAL(evacuation_is_over(under_way));
}

static void evacuate(uint64_t records, uint64_t entries)
{
    begin_evacuation();
    end_evacuation();
    CU_ASSERT_EQUAL(under_way->records, records);
    CU_ASSERT_EQUAL(under_way->entries, entries);
    CU_ASSERT_EQUAL(under_way->left, 0);
    CU_ASSERT_EQUAL(remnants_left(), 0);
    evacuation_unref(under_way);
}

/* These bodies came to the sitter, from its at-th delivery on; all are settled then. */
static void expect(size_t at, uint64_t from, uint64_t n)
{
    CU_ASSERT_EQUAL_FATAL(a->told_count, at + n);
    for (uint64_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(a->told[at + i].body, from + i);
    settle_all(SETTLE_CONSUMED);
    CU_ASSERT_EQUAL(table_live_entries(&t), 0);
}

static void count_resident(void *context, const struct entry *entry)
{
    *(size_t *)context += entry->msg != NULL;
}

static void pass_chunk(void *context, const struct stored_chunk *chunk)
{
    (void)context, (void)chunk;
}

static void count_in(void *context, uint8_t priority, struct backlog *b)
{
    (void)priority;
    backlog_each_part(b, pass_chunk, count_resident, context);
}

/* Ready entries that have their message. */
static size_t residents(void)
{
    size_t count = 0;

    for (uint32_t i = 0; i < t.workers; i++)
        for (uint32_t at = 0; at < shard(i)->queues_room; at++)
            if (shard(i)->queues[at] != NULL)
                queue_each_backlog(shard(i)->queues[at], count_in, &count);
    return count;
}

static void an_evacuation_of_nothing_is_over_when_every_shard_has_looked(void)
{
    begin(2, BUDGET);
    declare("q", true);
    begin_evacuation();
    CU_ASSERT_FALSE(evacuation_is_over(under_way));
    table_step(&t, 0);
    CU_ASSERT_FALSE(evacuation_is_over(under_way));
    end_evacuation();
    CU_ASSERT_EQUAL(under_way->records, 0);
    evacuation_unref(under_way);
    end();
}

static void a_shard_that_ends_leaves_its_evacuation(void)
{
    begin(2, BUDGET_NONE);
    declare("q", true);
    publish("q", 1, 5);
    begin_evacuation();
    for (int i = 0; i < 3; i++)
        table_step(&t, 0);
    table_drop(&t);
    CU_ASSERT_TRUE(evacuation_is_over(under_way));
    evacuation_unref(under_way);
    faulty_disk_free(disk);
}

static void what_cannot_be_read_stays_where_it_is(void)
{
    begin(1, BUDGET_NONE);
    declare("q", true);
    publish("q", 1, 10);
    begin_evacuation();
    faulty_disk_fail_always(disk, FAULTY_READ, SL_EIO);
    end_evacuation();
    faulty_disk_fail_always(disk, FAULTY_READ, SL_OK);
    CU_ASSERT_EQUAL(under_way->entries, 0);
    CU_ASSERT_NOT_EQUAL(under_way->left, 0);
    CU_ASSERT_NOT_EQUAL(remnants_left(), 0);
    evacuation_unref(under_way);
    evacuate(10, 10);
    consume("q");
    expect(0, 1, 10);
    end();
}

static void one_bad_read_makes_no_harm(void)
{
    for (uint64_t n = 1; n < 12; n++) {
        begin(1, BUDGET_NONE);
        declare("q", true);
        publish("q", 1, 600);
        begin_evacuation();
        faulty_disk_fail(disk, FAULTY_READ, n, SL_EIO);
        end_evacuation();
        faulty_disk_fail(disk, FAULTY_READ, 0, SL_OK);
        CU_ASSERT_EQUAL(remnants_left() == 0, under_way->left == 0);
        evacuation_unref(under_way);
        consume("q");
        expect(0, 1, 600);
        end();
    }
}

static void what_moved_is_there_with_its_order(void)
{
    begin(1, BUDGET);
    declare("q", true);
    publish("q", 1, 700);
    evacuate(700, 700);
    CU_ASSERT_EQUAL(table_live_entries(&t), 700);
    consume("q");
    expect(0, 1, 700);
    end();
}

static void what_moved_survives_a_crash(void)
{
    begin(1, BUDGET);
    declare("q", true);
    publish("q", 1, 20);
    begin_evacuation();
    end_evacuation();
    rest();
    table_drop(&t);
    start(1, BUDGET);
    CU_ASSERT_EQUAL(remnants_left(), 0);
    evacuation_unref(under_way);
    consume("q");
    expect(0, 1, 20);
    end();
}

static void an_evacuation_that_a_crash_cuts_short_loses_nothing(void)
{
    for (int turns = 0; turns < 12; turns++) {
        begin(1, BUDGET_NONE);
        declare("q", true);
        publish("q", 1, 600);
        begin_evacuation();
        for (int i = 0; i < turns; i++)
            turn();
        table_drop(&t);
        evacuation_unref(under_way);
        faulty_disk_crash(disk, (uint64_t)turns);
        start(1, BUDGET);
        consume("q");
        expect(0, 1, 600);
        end();
    }
}

static void queues_that_shared_a_record_share_the_new_one(void)
{
    static const char *const QUEUES[] = {"a", "b", "c", "d", "e"};

    begin(1, BUDGET);
    for (int i = 0; i < 5; i++) {
        declare(QUEUES[i], true);
        bind(QUEUES[i]);
    }
    table_publish_persistent(a, "amq.fanout", "", 7);
    rest();
    evacuate(1, 5);
    CU_ASSERT_EQUAL(table_live_entries(&t), 5);
    evacuate(1, 5);
    for (int i = 0; i < 5; i++) {
        consume(QUEUES[i]);
        CU_ASSERT_EQUAL(a->told[i].body, 7);
    }
    settle_all(SETTLE_CONSUMED);
    CU_ASSERT_EQUAL(table_live_entries(&t), 0);
    end();
}

static void each_shard_moves_its_own(void)
{
    static const char *const QUEUES[] = {"one", "two", "three", "four", "five", "six"};

    begin(2, BUDGET);
    for (int i = 0; i < 6; i++) {
        declare(QUEUES[i], true);
        bind(QUEUES[i]);
    }
    table_publish_persistent(a, "amq.fanout", "", 7);
    rest();
    CU_ASSERT_TRUE(shard(0)->live.count > 0 && shard(1)->live.count > 0);
    evacuate(2, 6);
    end();
}

static void what_is_out_moves_and_can_come_back(void)
{
    begin(1, BUDGET);
    declare("q", true);
    publish("q", 1, 10);
    consume("q");
    CU_ASSERT_EQUAL(a->told_count, 10);
    evacuate(10, 10);
    settle_all(SETTLE_RETURNED);
    expect(10, 1, 10);
    end();
}

static void what_is_out_and_paged_out_moves_and_can_come_back(void)
{
    begin(1, BUDGET_NONE);
    declare("q", true);
    publish("q", 1, 10);
    consume("q");
    CU_ASSERT_EQUAL(a->told_count, 10);
    evacuate(10, 10);
    settle_all(SETTLE_RETURNED);
    expect(10, 1, 10);
    end();
}

static void what_came_back_moves(void)
{
    begin(1, BUDGET);
    declare("q", true);
    publish("q", 1, 10);
    consume("q");
    struct sitter *leaving = a;
    a = table_sit(&t, 0);
    table_leave(&t, leaving);
    rest();
    evacuate(10, 10);
    consume("q");
    expect(0, 1, 10);
    end();
}

static void what_is_settled_while_it_is_being_read_is_left_alone(void)
{
    begin(1, BUDGET_NONE);
    declare("q", true);
    publish("q", 1, 10);
    CU_ASSERT_EQUAL(residents(), 0);
    begin_evacuation();
    for (int i = 0; i < 4; i++)
        table_settle(&t); /* it has asked, and nobody has answered */
    broker_purge_queue(&a->client, 9, SL_BYTES_LITERAL("q"));
    table_settle(&t);
    table_flush(&t);
    CU_ASSERT_EQUAL(a->last->messages, 10);
    end_evacuation();
    CU_ASSERT_EQUAL(under_way->entries, 0);
    CU_ASSERT_EQUAL(under_way->left, 0);
    evacuation_unref(under_way);
    CU_ASSERT_EQUAL(table_live_entries(&t), 0);
    end();
}

static void a_queue_may_go_while_it_is_being_read(void)
{
    for (int turns = 0; turns < 8; turns++) {
        begin(1, BUDGET_NONE);
        declare("q", true);
        publish("q", 1, 600);
        begin_evacuation();
        for (int i = 0; i < turns; i++)
            turn();
        broker_delete_queue(&a->client, 9, SL_BYTES_LITERAL("q"), false, false);
        table_settle(&t);
        table_flush(&t);
        end_evacuation();
        CU_ASSERT_EQUAL(remnants_left(), 0);
        evacuation_unref(under_way);
        CU_ASSERT_EQUAL(table_live_entries(&t), 0);
        end();
    }
}

static void stored_chunks_move_with_their_entries_and_are_stored_again(void)
{
    begin(1, BUDGET_NONE);
    declare("q", true);
    publish("q", 1, 3000);
    evacuate(3000, 3000);
    rest();
    consume("q");
    expect(0, 1, 3000);
    end();
}

static void a_stored_chunk_that_is_consumed_meanwhile_keeps_its_order(void)
{
    for (int turns = 0; turns < 16; turns++) {
        begin(1, BUDGET_NONE);
        declare("q", true);
        publish("q", 1, 1500);
        begin_evacuation();
        for (int i = 0; i < turns; i++)
            turn();
        consume("q");
        end_evacuation();
        CU_ASSERT_EQUAL(under_way->left, 0);
        CU_ASSERT_EQUAL(remnants_left(), 0);
        evacuation_unref(under_way);
        rest();
        expect(0, 1, 1500);
        end();
    }
}

static void one_that_is_cancelled_is_soon_over_and_leaves_all_in_order(void)
{
    uint64_t least = UINT64_MAX;

    for (int turns = 0; turns < 16; turns++) {
        begin(1, BUDGET_NONE);
        declare("q", true);
        publish("q", 1, 3000);
        begin_evacuation();
        for (int i = 0; i < turns; i++)
            turn();
        evacuation_cancel(under_way);
        for (int i = 0; i < 4 && !evacuation_is_over(under_way); i++)
            turn();
        CU_ASSERT_TRUE_FATAL(evacuation_is_over(under_way));
        CU_ASSERT_EQUAL(remnants_left() == 0, under_way->entries == 3000);
        least = under_way->entries < least ? under_way->entries : least;
        evacuation_unref(under_way);
        consume("q");
        expect(0, 1, 3000);
        end();
    }
    CU_ASSERT_EQUAL(least, 0);
}

static void transient_messages_that_were_paged_out_move(void)
{
    begin(1, BUDGET_NONE);
    declare("q", false);
    for (uint64_t i = 1; i <= 1000; i++)
        table_publish(a, "", "q", i);
    rest();
    CU_ASSERT_TRUE(table_live_entries(&t) > 0);
    begin_evacuation();
    end_evacuation();
    CU_ASSERT_TRUE(under_way->records > 0);
    CU_ASSERT_EQUAL(remnants_left(), 0);
    evacuation_unref(under_way);
    consume("q");
    expect(0, 1, 1000);
    end();
}

static void more_than_is_kept_at_once_moves_slice_by_slice(void)
{
    const uint64_t n = REMNANTS_MAX * 2 + 100;

    begin(1, BUDGET);
    declare("q", true);
    publish("q", 1, n);
    evacuate(n, n);
    consume("q");
    expect(0, 1, n);
    end();
}

/* Of messages that come and go. */
static void pass_traffic(uint64_t from, uint64_t n)
{
    publish("busy", from, n);
    CU_ASSERT_EQUAL(a->told_count, n);
    settle_all(SETTLE_CONSUMED);
    a->told_count = 0;
}

static void keep_house(struct keeper *k, uint64_t *now_ms)
{
    for (int i = 0; i < 100; i++) {
        *now_ms += 100;
        CU_ASSERT_EQUAL_FATAL(keeper_step(k, *now_ms), SL_OK);
        turn();
    }
}

static void one_forgotten_message_under_a_week_of_traffic_pins_only_itself(void)
{
    uint64_t now_ms = 1000000;
    uint64_t most = 0;

    begin(1, BUDGET);
    declare("forgotten", true);
    declare("busy", true);
    consume("busy");
    publish("forgotten", 42, 1);
    struct keeper_options options = {.files = faulty_disk_ops(disk)};
    struct keeper *k = keeper_new(t.broker, t.log, &options);
    CU_ASSERT_PTR_NOT_NULL_FATAL(k);
    for (uint64_t round = 0; round < 60; round++) {
        pass_traffic(1000 + round * 2000, 2000);
        keep_house(k, &now_ms);
        uint64_t bytes = keeper_status(k).log_bytes;
        most = bytes > most ? bytes : most;
    }
    CU_ASSERT_TRUE(commit_log_end(t.log).v > 8 * SEGMENT);
    CU_ASSERT_TRUE(most <= 5 * SEGMENT);
    CU_ASSERT_TRUE(keeper_status(k).moved >= 1);
    CU_ASSERT_EQUAL(table_live_entries(&t), 1);
    keeper_free(k);
    table_drop(&t);
    start(1, BUDGET);
    consume("forgotten");
    expect(0, 42, 1);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(an_evacuation_of_nothing_is_over_when_every_shard_has_looked),
        UNIT(a_shard_that_ends_leaves_its_evacuation),
        UNIT(what_cannot_be_read_stays_where_it_is),
        UNIT(one_bad_read_makes_no_harm),
        UNIT(what_moved_is_there_with_its_order),
        UNIT(what_moved_survives_a_crash),
        UNIT(an_evacuation_that_a_crash_cuts_short_loses_nothing),
        UNIT(queues_that_shared_a_record_share_the_new_one),
        UNIT(each_shard_moves_its_own),
        UNIT(what_is_out_moves_and_can_come_back),
        UNIT(what_is_out_and_paged_out_moves_and_can_come_back),
        UNIT(what_came_back_moves),
        UNIT(what_is_settled_while_it_is_being_read_is_left_alone),
        UNIT(a_queue_may_go_while_it_is_being_read),
        UNIT(stored_chunks_move_with_their_entries_and_are_stored_again),
        UNIT(a_stored_chunk_that_is_consumed_meanwhile_keeps_its_order),
        UNIT(one_that_is_cancelled_is_soon_over_and_leaves_all_in_order),
        UNIT(transient_messages_that_were_paged_out_move),
        UNIT(more_than_is_kept_at_once_moves_slice_by_slice),
        UNIT(one_forgotten_message_under_a_week_of_traffic_pins_only_itself),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/evacuation", tests);
}
