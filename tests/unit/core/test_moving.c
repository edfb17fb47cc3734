/* What an evacuation leaves as it was: chunks that are consumed at the same time, priorities, and
 * what is not durable yet. */
#include "core/evacuation.h"
#include "core/fetch.h"
#include "core/properties.h"
#include "core/recall.h"
#include "core/shard.h"
#include "tests/support/table_log.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#define BUDGET_NONE 1u /* everything that can be paged out is */
#define ROUNDS_MAX 2000
#define SEGMENT_BYTES (1024u * 1024) /* of a table's log */

static struct faulty_disk *disk;
static struct table t;
static struct table_maker maker;
static struct sitter *a;
static struct evacuation *under_way;

static void start(void)
{
    table_init_on(&t, 1, BUDGET_NONE, disk);
    t.is_fetch_held = true;
    a = table_sit(&t, 0);
}

static void begin(const char *argument, int64_t n)
{
    disk = faulty_disk_new();
    start();
    CU_ASSERT_EQUAL_FATAL(table_declare_durable(&t, a, "other", table_empty), SL_OK);
    CU_ASSERT_EQUAL_FATAL(
        table_declare_durable(
            &t, a, "q", argument == NULL ? table_empty : table_of_number(&maker, argument, n)),
        SL_OK);
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

/* Persistent; returns where its record may begin. */
static sl_lsn publish_at(uint8_t priority, uint64_t body)
{
    static uint8_t room[64];
    struct sl_writer w = {room, room + sizeof room, false};
    struct properties p = {.present = PROPERTY_PRIORITY | PROPERTY_DELIVERY_MODE,
                           .priority = priority,
                           .delivery_mode = 2};
    sl_lsn from = commit_log_end(t.log);

    properties_encode(&p, &w);
    table_publish_with(a, "", "q", (struct sl_bytes){room, (size_t)(w.pos - room)}, body);
    rest();
    return from;
}

static void consume(uint32_t prefetch)
{
    table_consume(&t, a, "q", prefetch, false);
    rest();
}

static void settle_all(void)
{
    CU_ASSERT_EQUAL(
        settlement_settle(&a->settlement, &a->client, (sl_tag){0}, true, SETTLE_CONSUMED), SL_OK);
    rest();
}

static struct shard *shard(void)
{
    return broker_worker_at(t.broker, 0)->shard;
}

static void begin_evacuation(sl_lsn from, sl_lsn to)
{
    under_way = table_evacuate(&t, from, to);
}

static void end_evacuation(void)
{
    for (int i = 0; i < ROUNDS_MAX && !evacuation_is_over(under_way); i++)
        turn();
    CU_ASSERT_TRUE_FATAL(evacuation_is_over(under_way));
    CU_ASSERT_EQUAL(under_way->left, 0);
    evacuation_unref(under_way);
}

/* Returns how many records were written, and in *from where. */
static uint64_t evacuate(sl_lsn *from, sl_lsn *to)
{
    sl_lsn before = commit_log_end(t.log);

    begin_evacuation(*from, *to);
    for (int i = 0; i < ROUNDS_MAX && !evacuation_is_over(under_way); i++)
        turn();
    CU_ASSERT_TRUE_FATAL(evacuation_is_over(under_way));
    *from = before;
    *to = commit_log_end(t.log);
    uint64_t records = under_way->records;
    evacuation_unref(under_way);
    rest();
    return records;
}

/* These bodies came, from the at-th delivery on. */
static void expect(size_t at, uint64_t from, uint64_t n)
{
    CU_ASSERT_EQUAL_FATAL(a->told_count, at + n);
    for (uint64_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(a->told[at + i].body, from + i);
}

/* The first and the last message of a chunk are moved, so that the place of the first lies between
 * those of the others.  Once it is consumed, the stretch where it lay has nothing of the chunk. */
static void what_has_left_its_chunk_is_not_moved(void)
{
    sl_lsn at[12];

    begin(NULL, 0);
    for (uint64_t i = 0; i < 12; i++) /* four make the first chunk */
        at[i] = publish_at(0, i);
    sl_lsn from = at[0];
    sl_lsn to = at[1];
    CU_ASSERT_EQUAL(evacuate(&from, &to), 1);
    sl_lsn last_from = at[3];
    sl_lsn last_to = at[4];
    CU_ASSERT_EQUAL(evacuate(&last_from, &last_to), 1);
    consume(1);
    expect(0, 0, 1);
    settle_all();
    expect(0, 0, 2);
    CU_ASSERT_EQUAL(evacuate(&from, &to), 0);
    end();
}

/* Reads ten messages, settles them and leaves: the rest of their chunk goes out of memory again. */
static void take_ten_and_leave(void)
{
    struct sitter *s = table_sit(&t, 0);

    table_consume(&t, s, "q", 10, false);
    for (int i = 0; i < 10 && s->told_count < 10; i++)
        turn();
    CU_ASSERT_EQUAL_FATAL(s->told_count, 10);
    CU_ASSERT_EQUAL(
        settlement_settle(&s->settlement, &s->client, (sl_tag){0}, true, SETTLE_CONSUMED), SL_OK);
    table_leave(&t, s);
}

/* What comes now lies in the next stretch, whose live bytes are counted apart. */
static void fill_stretch(void)
{
    static uint8_t room[300];
    static uint8_t text[250];
    struct sl_writer w = {room, room + sizeof room, false};
    struct properties p = {.present = PROPERTY_CONTENT_TYPE | PROPERTY_DELIVERY_MODE,
                           .content_type = {text, sizeof text},
                           .delivery_mode = 2};

    properties_encode(&p, &w);
    while (commit_log_end(t.log).v < SEGMENT_BYTES) {
        for (int i = 0; i < 100; i++)
            table_publish_with(a, "", "other", (struct sl_bytes){room, (size_t)(w.pos - room)}, 0);
        rest();
    }
    broker_purge_queue(&a->client, 9, SL_BYTES_LITERAL("other"));
    rest();
}

static void what_is_consumed_while_its_chunk_moves_is_counted_once(void)
{
    for (int turns = 0; turns < 24; turns++) {
        begin(NULL, 0);
        for (uint64_t i = 0; i < 1500; i++)
            table_publish_persistent(a, "", "q", i);
        rest();
        sl_lsn to = commit_log_end(t.log);
        fill_stretch();
        begin_evacuation((sl_lsn){0}, to);
        for (int i = 0; i < turns; i++)
            turn();
        take_ten_and_leave();
        end_evacuation();
        rest();
        uint64_t returned = 1500 - (uint64_t)table_ready(&t, a, "q");
        CU_ASSERT_TRUE(returned == 10 || returned == 20);
        consume(0);
        CU_ASSERT_EQUAL(a->told_count, 1500 - returned);
        settle_all();
        CU_ASSERT_EQUAL(table_live_entries(&t), 0);
        end();
    }
}

static void what_moves_keeps_its_priority(void)
{
    begin("x-max-priority", 9);
    for (uint64_t i = 0; i < 10; i++)
        publish_at(0, 100 + i);
    for (uint64_t i = 0; i < 10; i++)
        publish_at(5, i);
    sl_lsn from = {0};
    sl_lsn to = commit_log_end(t.log);
    CU_ASSERT_EQUAL(evacuate(&from, &to), 20);
    consume(0);
    expect(10, 100, 10);
    CU_ASSERT_EQUAL(a->told[0].body, 0);
    CU_ASSERT_EQUAL(a->told[9].body, 9);
    end();
}

static void what_moved_keeps_its_priority_over_a_crash(void)
{
    begin("x-max-priority", 9);
    for (uint64_t i = 0; i < 10; i++)
        publish_at(0, 100 + i);
    for (uint64_t i = 0; i < 10; i++)
        publish_at(5, i);
    sl_lsn from = {0};
    sl_lsn to = commit_log_end(t.log);
    CU_ASSERT_EQUAL(evacuate(&from, &to), 20);
    table_drop(&t);
    start();
    consume(0);
    expect(10, 100, 10);
    CU_ASSERT_EQUAL(a->told[0].body, 0);
    end();
}

/* Nobody flushes the log after the move; who wants the message then waits a moment for the disk,
 * not a second as after a failure. */
static void what_moved_and_is_not_durable_yet_is_asked_for_again_soon(void)
{
    begin(NULL, 0);
    for (uint64_t i = 0; i < 10; i++)
        publish_at(0, i);
    begin_evacuation((sl_lsn){0}, commit_log_end(t.log));
    for (int i = 0; i < 50; i++) { /* as turn, but for the flush */
        table_settle(&t);
        fetch_run(broker_fetch(t.broker));
    }
    table_consume(&t, a, "q", 0, false);
    for (int i = 0; i < 10; i++) {
        table_settle(&t);
        fetch_run(broker_fetch(t.broker));
    }
    size_t early = a->told_count;
    CU_ASSERT_TRUE(early < 10);
    CU_ASSERT_TRUE(recall_next_due(shard()) <= order_time(shard()->run->order) + RECALL_SOON_MS);
    table_flush(&t);
    table_wait(&t, RECALL_SOON_MS);
    rest();
    expect(0, 0, 10);
    end_evacuation();
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_has_left_its_chunk_is_not_moved),
        UNIT(what_is_consumed_while_its_chunk_moves_is_counted_once),
        UNIT(what_moves_keeps_its_priority),
        UNIT(what_moved_keeps_its_priority_over_a_crash),
        UNIT(what_moved_and_is_not_durable_yet_is_asked_for_again_soon),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/moving", tests);
}
