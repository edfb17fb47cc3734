#include "core/keeper.h"

#include "core/base/assert.h"
#include "core/store/checkpoint.h"
#include "tests/support/file_faulty.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define BUDGET (64u * 1024 * 1024)
#define STEPS_MAX 100

static struct table t;
static struct faulty_disk *disk;
static struct keeper *keeper;
static struct sitter *a;
static uint64_t now_ms;

/* Everything that was asked for is done, and durable. */
static void sync_all(void)
{
    for (int i = 0; i < 3; i++) {
        table_settle(&t);
        table_flush(&t);
    }
}

static void open_table(void)
{
    table_init_on(&t, 2, BUDGET, disk);
    keeper = keeper_new(
        t.broker, t.log,
        &(struct keeper_options){.files = faulty_disk_ops(disk), .checkpoint_bytes = UINT64_MAX});
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
    keeper_hurry(keeper);
    for (int i = 0; i < STEPS_MAX && keeper_is_busy(keeper); i++) {
        CU_ASSERT_EQUAL(keeper_step(keeper, now_ms++), SL_OK);
        sync_all();
    }
    CU_ASSERT_FALSE(keeper_is_busy(keeper));
}

static void declare(const char *queue)
{
    struct queue_declaration d = {.name = sl_bytes_of(queue), .is_durable = true};

    broker_declare_queue(&a->client, 1, &d, "");
    sync_all();
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
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
    sync_all();
    sync_all();
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
    sync_all();
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

/* Traffic for several segments, all of it consumed; then a checkpoint, and what it leads to. */
static void pass_traffic(struct sitter *s, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        for (uint64_t i = 0; i < 8000; i++)
            table_publish_persistent(a, "", "q", i + 1);
        sync_all();
        for (int i = 0; i < STEPS_MAX && table_ready(&t, a, "q") > 0; i++) {
            broker_client_written(&s->client, s->cost);
            s->told_count = 0;
            sync_all();
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
    sync_all();
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
        UNIT(a_log_of_nothing_live_takes_few_segments),
        UNIT(a_forgotten_message_pins_only_itself),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/keeper", tests);
}
