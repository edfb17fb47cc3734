#include "core/keeper.h"

#include "core/base/assert.h"
#include "core/consumer.h"
#include "core/queue.h"
#include "core/store/checkpoint.h"
#include "tests/support/properties_maker.h"
#include "tests/support/table_log.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define BUDGET (64u * 1024 * 1024)
#define STEPS_MAX 100
#define SEGMENT_BYTES (1024u * 1024) /* of a table's log */

static struct table t;
static struct faulty_disk *disk;
static struct keeper *keeper;
static struct sitter *a;
static uint64_t now_ms;

static void open_table(void)
{
    table_init_on(&t, 2, BUDGET, disk);
    keeper = table_keeper(&t);
    a = table_sit(&t, 0);
}

static void begin(void)
{
    disk = faulty_disk_new();
    open_table();
}

/* The power is cut; what was flushed is there. */
static void restart(void)
{
    keeper_free(keeper);
    table_drop(&t);
    open_table();
}

static void end(void)
{
    keeper_free(keeper);
    table_deinit(&t);
    faulty_disk_free(disk);
}

static void take_checkpoint(void)
{
    CU_ASSERT_EQUAL(table_checkpoint(&t, keeper, &now_ms), SL_OK);
    CU_ASSERT_FALSE(keeper_is_busy(keeper));
}

static void declare_with(const char *queue, struct sl_bytes arguments)
{
    CU_ASSERT_EQUAL(table_declare_durable(&t, a, queue, arguments), SL_OK);
}

static void declare(const char *queue)
{
    declare_with(queue, (struct sl_bytes){NULL, 0});
}

static void settle_tag(uint64_t tag, enum settle_verdict verdict)
{
    CU_ASSERT_EQUAL(settlement_settle(&a->settlement, &a->client, (sl_tag){tag}, false, verdict),
                    SL_OK);
    table_settle(&t);
}

/* What is in the queue, in order, with its counts. */
static void read_queue(const char *queue, char *into)
{
    struct sitter *s = table_sit(&t, 0);

    into[0] = '\0';
    table_consume(&t, s, queue, 0, false);
    table_sync(&t);
    table_sync(&t);
    for (size_t i = 0; i < s->told_count; i++)
        sprintf(into + strlen(into), "%llu/%u ", (unsigned long long)s->told[i].body,
                s->told[i].returns);
}

/* A life in steps; false: it is over. */
static bool step(int n)
{
    switch (n) {
    case 0: declare("q"); break;
    case 1: declare("other"); break;
    case 2: CU_ASSERT_EQUAL(table_bind(&t, a, "q", "amq.fanout", ""), SL_OK); break;
    case 3: CU_ASSERT_EQUAL(table_bind(&t, a, "other", "amq.fanout", ""), SL_OK); break;
    case 4:
        for (uint64_t i = 1; i <= 500; i++)
            table_publish_persistent(a, "amq.fanout", "", i);
        break;
    case 5: table_consume(&t, a, "q", 10, false); break;
    case 6: settle_tag(1, SETTLE_CONSUMED); break;
    case 7: settle_tag(2, SETTLE_RETURNED); break;
    case 8: settle_tag(12, SETTLE_RETURNED); break;
    case 9: settle_tag(5, SETTLE_CONSUMED); break;
    case 10: table_publish_persistent(a, "", "q", 501); break;
    case 11: broker_purge_queue(&a->client, 1, sl_bytes_of("other")); break;
    case 12: table_publish_persistent(a, "amq.fanout", "", 502); break;
    case 13: broker_delete_queue(&a->client, 1, sl_bytes_of("gone"), false, false); break;
    case 14: declare("late"); break;
    case 15: table_publish_persistent(a, "", "late", 503); break;
    default: return false;
    }
    table_sync(&t);
    return true;
}

static void live(int checkpoint_before, char q[], char other[], char late[])
{
    begin();
    for (int n = 0; step(n); n++)
        if (n == checkpoint_before)
            take_checkpoint();
    restart();
    if (checkpoint_before < 0)
        CU_ASSERT_EQUAL(keeper_status(keeper).checkpoints, 0);
    read_queue("q", q);
    read_queue("other", other);
    read_queue("late", late);
    end();
}

static void a_life_with_checkpoints_ends_as_one_without(void)
{
    static char expected[3][16384], got[3][16384];

    live(-1, expected[0], expected[1], expected[2]);
    CU_ASSERT_PTR_EQUAL(strstr(expected[0], "2/2 3/0 4/0 6/0 "), expected[0]);
    CU_ASSERT_STRING_EQUAL(expected[2], "503/0 ");
    CU_ASSERT_STRING_EQUAL(expected[1], "502/0 ");
    for (int n = 0; n < 16; n++) {
        live(n, got[0], got[1], got[2]);
        for (int i = 0; i < 3; i++)
            CU_ASSERT_STRING_EQUAL(got[i], expected[i]);
    }
}

/* It stands in front in that life, and the others around it are stored. */
static void a_returned_message_among_others_of_a_life_before_is_where_it_was(void)
{
    static char got[16384];

    begin();
    declare("q");
    for (uint64_t i = 1; i <= 500; i++)
        table_publish_persistent(a, "", "q", i);
    table_consume(&t, a, "q", 10, false);
    table_sync(&t);
    settle_tag(3, SETTLE_RETURNED);
    table_sync(&t);
    restart();
    take_checkpoint();
    restart();
    take_checkpoint();
    restart();
    read_queue("q", got);
    CU_ASSERT_PTR_EQUAL(strstr(got, "1/0 2/0 3/1 4/0 5/0 "), got);
    CU_ASSERT_PTR_NOT_NULL(strstr(got, " 500/0 "));
    end();
}

/* Lets the loans of what is out go out of memory. */
static void page_out_loans(void)
{
    for (uint32_t w = 0; w < t.workers; w++) {
        struct shard *s = broker_worker_at(t.broker, w)->shard;
        for (uint32_t i = 0; i < s->queues_room; i++) {
            if (s->queues[i] == NULL)
                continue;
            struct list *consumers = &s->queues[i]->consumers;
            for (struct list *at = consumers->next; at != consumers; at = at->next) {
                struct entry *loans[64];
                struct consumer *c = LIST_OF(at, struct consumer, of_queue);
                uint32_t n = consumer_residents(c, loans, 64);
                for (uint32_t k = 0; k < n; k++) {
                    message_unref(loans[k]->msg);
                    loans[k]->msg = NULL;
                }
            }
        }
    }
}

/* Its message is still to be read when the checkpoint is taken, and when the power goes out. */
static void what_is_about_to_be_discarded_is_so_after_a_checkpoint_too(void)
{
    static char got[64];
    struct table_maker m;

    begin();
    table_begin(&m);
    table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-exchange"), SL_BYTES_LITERAL(""));
    table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-routing-key"),
                       SL_BYTES_LITERAL("dead"));
    table_write_s64(&m.w, SL_BYTES_LITERAL("x-delivery-limit"), 1);
    declare_with("q", table_end(&m));
    declare("dead");
    for (uint64_t i = 1; i <= 3; i++)
        table_publish_persistent(a, "", "q", i);
    table_consume(&t, a, "q", 0, false);
    table_sync(&t);
    settle_tag(2, SETTLE_RETURNED); /* it comes again at once */
    table_sync(&t);
    CU_ASSERT_EQUAL(a->told_count, 4);
    page_out_loans();
    t.is_fetch_held = true;
    settle_tag(1, SETTLE_REJECTED);
    settle_tag(4, SETTLE_RETURNED);
    table_sync(&t);
    take_checkpoint();
    restart();
    table_sync(&t);
    read_queue("dead", got);
    CU_ASSERT_STRING_EQUAL(got, "1/0 2/0 ");
    read_queue("q", got);
    CU_ASSERT_STRING_EQUAL(got, "3/0 ");
    end();
}

static void a_checkpoint_writes_no_message_that_need_not_survive(void)
{
    begin();
    declare("q");
    for (uint64_t i = 1; i <= 2000; i++)
        table_publish(a, "", "q", i);
    table_sync(&t);
    uint64_t before = commit_log_end(t.log).v;
    take_checkpoint();
    CU_ASSERT_TRUE(commit_log_end(t.log).v - before < 1000);
    end();
}

/* Traffic for several segments, all of it consumed; then a checkpoint, and what it leads to. */
static void pass_traffic(struct sitter *s, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        for (uint64_t i = 0; i < 8000; i++)
            table_publish_persistent(a, "", "q", i + 1);
        table_sync(&t);
        for (int i = 0; i < STEPS_MAX && table_ready(&t, a, "q") > 0; i++) {
            broker_client_written(&s->client, s->cost);
            s->told_count = 0;
            table_sync(&t);
        }
        take_checkpoint();
    }
}

static void a_log_of_nothing_live_takes_few_segments(void)
{
    struct sitter *s;

    begin();
    declare("q");
    s = table_sit(&t, 0);
    table_consume(&t, s, "q", 0, true);
    pass_traffic(s, 8);
    CU_ASSERT_TRUE(keeper_status(keeper).released > 0);
    CU_ASSERT_TRUE(keeper_status(keeper).log_bytes <= 3u * 1024 * 1024);
    restart();
    CU_ASSERT_EQUAL(table_ready(&t, a, "q"), 0);
    end();
}

static void step_for(uint64_t ms)
{
    for (uint64_t until = now_ms + ms; now_ms < until; now_ms += 5) {
        CU_ASSERT_EQUAL(keeper_step(keeper, now_ms), SL_OK);
        table_sync(&t);
    }
}

/* The checkpoint just behind the end of a segment finds what is out; then there is nothing to move,
 * and no further segment should have to begin before the next checkpoint looks again. */
static void a_segment_that_ends_behind_its_checkpoint_goes_with_the_next(void)
{
    struct sitter *s;

    begin();
    declare("q");
    declare("held");
    table_publish_persistent(a, "", "held", 1);
    table_consume(&t, a, "held", 10, false);
    s = table_sit(&t, 0);
    table_consume(&t, s, "q", 0, true);
    while (commit_log_durable(t.log).v < SEGMENT_BYTES) {
        for (uint64_t i = 0; i < 500; i++)
            table_publish_persistent(a, "", "q", i + 1);
        table_sync(&t);
        broker_client_written(&s->client, s->cost);
        s->told_count = 0;
        table_sync(&t);
    }
    now_ms += 1000;
    for (int i = 0; i < STEPS_MAX && keeper_status(keeper).checkpoints == 0; i++) {
        CU_ASSERT_EQUAL(keeper_step(keeper, now_ms++), SL_OK);
        table_sync(&t);
    }
    CU_ASSERT_EQUAL(keeper_status(keeper).released, 0);
    settle_tag(1, SETTLE_CONSUMED);
    table_sync(&t);
    step_for(1000);
    CU_ASSERT_EQUAL(keeper_status(keeper).moved, 0);
    CU_ASSERT_EQUAL(keeper_status(keeper).released, 1);
    CU_ASSERT_TRUE(commit_log_disk_bytes(t.log) < 2 * SEGMENT_BYTES);
    end();
}

/* The forgotten ones of each segment are worth moving, but not now. */
static void the_last_checkpoint_moves_nothing(void)
{
    struct sitter *s;

    begin();
    declare("q");
    declare("forgotten");
    s = table_sit(&t, 0);
    table_consume(&t, s, "q", 0, true);
    for (uint64_t round = 0; round < 6; round++) {
        table_publish_persistent(a, "", "forgotten", round);
        for (uint64_t i = 0; i < 8000; i++)
            table_publish_persistent(a, "", "q", i + 1);
        table_sync(&t);
        broker_client_written(&s->client, s->cost);
        s->told_count = 0;
        table_sync(&t);
    }
    keeper_end(keeper);
    for (int i = 0; i < STEPS_MAX && keeper_is_busy(keeper); i++) {
        CU_ASSERT_EQUAL(keeper_step(keeper, now_ms++), SL_OK);
        table_sync(&t);
    }
    CU_ASSERT_FALSE(keeper_is_busy(keeper));
    CU_ASSERT_EQUAL(keeper_status(keeper).checkpoints, 1);
    CU_ASSERT_EQUAL(keeper_status(keeper).moved, 0);
    for (int i = 0; i < STEPS_MAX; i++)
        CU_ASSERT_EQUAL(keeper_step(keeper, now_ms++), SL_OK);
    CU_ASSERT_EQUAL(keeper_status(keeper).checkpoints, 1);
    end();
}

/* As the threads would go on, with a disk that has no room for another segment. */
static void go_on_without_room(void)
{
    faulty_disk_fail_always(disk, FAULTY_ALLOCATE, SL_EFULL);
    for (int i = 0; i < 1000; i++) {
        if (!keeper_is_busy(keeper))
            keeper_hurry(keeper);
        CU_ASSERT_FATAL(keeper_step(keeper, now_ms += 10) != SL_EIO);
        CU_ASSERT_FATAL(commit_log_prepare(t.log) != SL_EIO);
        CU_ASSERT_FATAL(commit_log_flush(t.log) != SL_EIO);
        table_settle(&t);
    }
    faulty_disk_fail_always(disk, FAULTY_ALLOCATE, SL_OK);
}

/* Messages of 4 KiB, each fourth to the other queue, to the middle of a segment. */
static void publish_large(const char *often, const char *seldom, uint64_t until)
{
    static struct properties_maker m;
    struct sl_bytes properties = properties_large(&m);

    for (uint64_t i = 0; commit_log_end(t.log).v < until; i++) {
        table_publish_with(a, "", i % 4 == 3 ? seldom : often, properties, i);
        table_sync(&t);
    }
}

static void what_is_moved_while_the_disk_is_full_leaves_room_for_what_frees_it(void)
{
    begin();
    declare("q");
    declare("kept");
    publish_large("q", "kept", 8 * SEGMENT_BYTES + SEGMENT_BYTES / 8 * 5);
    int64_t kept = table_ready(&t, a, "kept");
    broker_purge_queue(&a->client, 1, sl_bytes_of("q"));
    table_sync(&t);
    uint64_t before = commit_log_disk_bytes(t.log);
    go_on_without_room();
    CU_ASSERT_TRUE(sl_lsn_reached(commit_log_durable(t.log), commit_log_end(t.log)));
    CU_ASSERT_EQUAL(commit_log_prepare(t.log), SL_OK); /* now there is room again */
    for (int i = 0; i < 5; i++)
        take_checkpoint();
    CU_ASSERT_TRUE(commit_log_disk_bytes(t.log) < before / 4 * 3);
    restart();
    CU_ASSERT_EQUAL(table_ready(&t, a, "kept"), kept);
    end();
}

static void a_forgotten_message_pins_only_itself(void)
{
    char got[64];
    struct sitter *s;

    begin();
    declare("q");
    declare("forgotten");
    table_publish_persistent(a, "", "forgotten", 7);
    s = table_sit(&t, 0);
    table_consume(&t, s, "q", 0, true);
    pass_traffic(s, 8);
    take_checkpoint();
    CU_ASSERT_TRUE(keeper_status(keeper).moved > 0);
    CU_ASSERT_TRUE(keeper_status(keeper).log_bytes <= 4u * 1024 * 1024);
    restart();
    read_queue("forgotten", got);
    CU_ASSERT_STRING_EQUAL(got, "7/0 ");
    end();
}

static void what_has_no_room_is_tried_again(void)
{
    begin();
    declare("q");
    table_publish_persistent(a, "", "q", 7);
    table_sync(&t);
    keeper_hurry(keeper);
    faulty_disk_fail_always(disk, FAULTY_OPEN, SL_EFULL);
    enum sl_err err = SL_OK;
    for (int i = 0; i < STEPS_MAX && err == SL_OK; i++) {
        err = keeper_step(keeper, now_ms++);
        if (err == SL_OK)
            table_settle(&t);
    }
    CU_ASSERT_EQUAL(err, SL_EFULL);
    faulty_disk_fail_always(disk, FAULTY_OPEN, SL_OK);
    take_checkpoint();
    CU_ASSERT_EQUAL(keeper_status(keeper).checkpoints, 1);
    restart();
    CU_ASSERT_EQUAL(table_ready(&t, a, "q"), 1);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_has_no_room_is_tried_again),
        UNIT(a_life_with_checkpoints_ends_as_one_without),
        UNIT(a_returned_message_among_others_of_a_life_before_is_where_it_was),
        UNIT(what_is_about_to_be_discarded_is_so_after_a_checkpoint_too),
        UNIT(a_checkpoint_writes_no_message_that_need_not_survive),
        UNIT(a_log_of_nothing_live_takes_few_segments),
        UNIT(a_segment_that_ends_behind_its_checkpoint_goes_with_the_next),
        UNIT(the_last_checkpoint_moves_nothing),
        UNIT(what_is_moved_while_the_disk_is_full_leaves_room_for_what_frees_it),
        UNIT(a_forgotten_message_pins_only_itself),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/keeper", tests);
}
