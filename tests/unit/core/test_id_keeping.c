/* Ids of messages through checkpoints: what is in files beside the log. */
#include "core/id_keeping.h"

#include "core/broker.h"
#include "core/queue.h"
#include "tests/support/properties_maker.h"
#include "tests/support/table_log.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define BUDGET (64u * 1024 * 1024)

static struct faulty_disk *disk;
static struct table t;
static struct sitter *a;
static struct keeper *keeper;
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

/* The power is cut: of what was not synced, anything is there. */
static void crash(void)
{
    static uint64_t seed = 11;

    faulty_disk_power_off(disk);
    keeper_free(keeper);
    table_drop(&t);
    faulty_disk_crash(disk, seed++);
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

static void purge(const char *queue)
{
    broker_purge_queue(&a->client, 1, sl_bytes_of(queue));
    table_sync(&t);
}

static bool has_file(uint64_t number)
{
    char name[ID_FILE_NAME_ROOM];

    id_file_name(number, name);
    return faulty_disk_get(disk, name).at != NULL;
}

static void declare(const char *name, struct sl_bytes arguments)
{
    CU_ASSERT_EQUAL(table_declare_durable(&t, a, name, arguments), SL_OK);
}

static void publish_under(const char *queue, const char *header, const char *id, bool is_persistent)
{
    struct properties_maker m;

    table_publish_with(a, "", queue, properties_of_header(&m, header, id, is_persistent), 7);
    table_sync(&t);
}

static void publish(const char *queue, const char *id)
{
    publish_under(queue, "dedup-id", id, true);
}

static int64_t ready(const char *queue)
{
    return table_ready(&t, a, queue);
}

static struct sl_bytes plugin(struct table_maker *m)
{
    return table_of_bool(m, "x-message-deduplication", true);
}

static void ids_of_a_checkpoint_are_there_again(void)
{
    begin();
    declare("q", table_empty);
    publish("q", "one");
    purge("q");
    take_checkpoint();
    publish("q", "two");
    purge("q");
    take_checkpoint();
    publish("q", "three");
    purge("q");
    for (int i = 0; i < 2; i++) {
        crash();
        publish("q", "one");
        publish("q", "two");
        publish("q", "three");
        CU_ASSERT_EQUAL(ready("q"), 0);
        take_checkpoint();
    }
    publish("q", "four");
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void without_ids_there_are_no_files(void)
{
    begin();
    declare("q", table_empty);
    table_publish_persistent(a, "", "q", 1);
    table_sync(&t);
    take_checkpoint();
    CU_ASSERT_FALSE(has_file(1));
    end();
}

static void a_window_is_over_at_the_same_time_after_a_start(void)
{
    begin();
    declare("q", table_empty);
    publish("q", "one");
    purge("q");
    take_checkpoint();
    uint64_t ms = t.now_ms;
    crash();
    table_wait(&t, ms + SL_DEDUP_WINDOW_MS - 1 - t.now_ms);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 0);
    table_wait(&t, 1);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void an_id_behind_a_checkpoint_within_its_batch_has_its_time(void)
{
    struct properties_maker m;

    begin();
    declare("q", table_empty);
    table_publish_with(a, "", "q", properties_of_header(&m, "dedup-id", "one", true), 7);
    table_settle(&t);
    keeper_hurry(keeper);
    CU_ASSERT_EQUAL(keeper_step(keeper, now_ms++), SL_OK); /* this is its place */
    table_publish_with(a, "", "q", properties_of_header(&m, "dedup-id", "two", true), 7);
    table_settle(&t);
    take_checkpoint();
    crash();
    publish("q", "one");
    publish("q", "two");
    CU_ASSERT_EQUAL(ready("q"), 2);
    end();
}

static void a_checkpoint_ends_no_id_before_the_time_of_what_is_on_its_way(void)
{
    struct properties_maker m;

    begin();
    declare("q", table_empty);
    publish("q", "one");
    table_wait(&t, SL_DEDUP_WINDOW_MS - 1);
    keeper_hurry(keeper);
    CU_ASSERT_EQUAL(keeper_step(keeper, now_ms++), SL_OK);
    table_publish_with(a, "", "q", properties_of_header(&m, "dedup-id", "one", true), 7);
    broker_worker_hand_over(a->client.worker);
    table_wait(&t, 1); /* and only now the queue hears of both */
    table_sync(&t);
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void a_checkpoint_that_fails_loses_no_id(void)
{
    begin();
    declare("q", table_empty);
    publish("q", "one");
    purge("q");
    faulty_disk_fail(disk, FAULTY_RENAME, 1, SL_EFULL);
    CU_ASSERT_EQUAL(table_checkpoint(&t, keeper, &now_ms), SL_EFULL);
    now_ms += 100000;
    publish("q", "two");
    purge("q");
    take_checkpoint();
    crash();
    publish("q", "one");
    publish("q", "two");
    CU_ASSERT_EQUAL(ready("q"), 0);
    end();
}

static void ids_that_found_no_room_are_written_with_the_next_checkpoint(void)
{
    begin();
    declare("q", table_empty);
    publish("q", "one");
    purge("q");
    faulty_disk_fail(disk, FAULTY_OPEN, 1, SL_EFULL);
    CU_ASSERT_EQUAL(table_checkpoint(&t, keeper, &now_ms), SL_EFULL);
    now_ms += 100000;
    take_checkpoint();
    crash();
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 0);
    end();
}

static void a_directory_that_cannot_be_listed_costs_no_id(void)
{
    begin();
    declare("q", table_empty);
    publish("q", "one");
    purge("q");
    take_checkpoint();
    crash();
    publish("q", "two");
    purge("q");
    faulty_disk_fail(disk, FAULTY_LIST, 1, SL_EIO);
    take_checkpoint();
    crash();
    publish("q", "one");
    publish("q", "two");
    CU_ASSERT_EQUAL(ready("q"), 0);
    end();
}

static void a_file_that_nothing_needs_goes(void)
{
    begin();
    declare("q", table_empty);
    publish("q", "one");
    purge("q");
    take_checkpoint();
    CU_ASSERT_TRUE(has_file(1));
    crash();
    table_wait(&t, 2 * SL_DEDUP_WINDOW_MS);
    table_sync(&t);
    take_checkpoint();
    CU_ASSERT_FALSE(has_file(1));
    end();
}

static void a_file_goes_with_the_last_queue_that_needs_it(void)
{
    begin();
    declare("q", table_empty);
    publish("q", "one");
    take_checkpoint();
    crash();
    CU_ASSERT_TRUE(has_file(1));
    broker_delete_queue(&a->client, 1, SL_BYTES_LITERAL("q"), false, false);
    table_sync(&t);
    take_checkpoint();
    CU_ASSERT_FALSE(has_file(1));
    declare("q", table_empty);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void until_settled_an_id_that_went_stays_gone(void)
{
    struct table_maker m;

    begin();
    declare("q", plugin(&m));
    publish("q", "one");
    publish("q", "two");
    take_checkpoint();
    purge("q");
    publish("q", "three");
    take_checkpoint();
    crash();
    publish("q", "one");
    publish("q", "three");
    CU_ASSERT_EQUAL(ready("q"), 2);
    end();
}

static void until_settled_an_id_goes_by_what_the_log_says_behind_the_checkpoint(void)
{
    struct table_maker m;

    begin();
    declare("q", plugin(&m));
    publish("q", "one");
    publish("q", "two");
    take_checkpoint();
    table_consume(&t, a, "q", 1, false);
    table_sync(&t);
    CU_ASSERT_EQUAL(
        settlement_settle(&a->settlement, &a->client, (sl_tag){1}, false, SETTLE_CONSUMED), SL_OK);
    table_sync(&t);
    crash();
    publish("q", "two");
    CU_ASSERT_EQUAL(ready("q"), 1);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 2);
    end();
}

/* Its shard hears of the checkpoint when the message has gone and nothing says so yet. */
static void until_settled_an_id_goes_whose_message_went_as_the_checkpoint_was_taken(void)
{
    struct table_maker m;

    begin();
    declare("q", plugin(&m));
    publish("q", "one");
    broker_get(&a->client, 1, SL_BYTES_LITERAL("q"), true);
    broker_worker_hand_over(a->client.worker);
    take_checkpoint();
    crash();
    CU_ASSERT_EQUAL(ready("q"), 0);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void what_a_purge_leaves_out_keeps_its_id_over_the_checkpoints_of_later_lives(void)
{
    struct table_maker m;

    begin();
    declare("q", plugin(&m));
    publish("q", "out");
    publish("q", "ready");
    take_checkpoint();
    crash();
    table_consume(&t, a, "q", 1, false);
    table_sync(&t);
    purge("q");
    publish("q", "new");
    take_checkpoint(); /* into a file of this life */
    crash();
    publish("q", "out");
    publish("q", "new");
    CU_ASSERT_EQUAL(ready("q"), 2);
    publish("q", "ready");
    CU_ASSERT_EQUAL(ready("q"), 3);
    end();
}

static void ids_of_an_exchange_are_there_again(void)
{
    struct exchange_declaration d = {.name = SL_BYTES_LITERAL("e"),
                                     .type = SL_BYTES_LITERAL("x-message-deduplication"),
                                     .is_durable = true};
    struct binding_request r = {.source = d.name, .destination = SL_BYTES_LITERAL("q")};
    struct properties_maker m;

    begin();
    broker_declare_exchange(&a->client, 2, &d);
    declare("q", table_empty);
    broker_bind(&a->client, 3, &r);
    table_sync(&t);
    for (int i = 0; i < 3; i++) {
        table_publish_with(a, "e", "",
                           properties_of_header(&m, "x-deduplication-header", "one", true), 7);
        table_sync(&t);
        CU_ASSERT_EQUAL(ready("q"), i == 0);
        purge("q");
        take_checkpoint();
        crash();
    }
    end();
}

static void start_is_refused(void)
{
    struct sl_file_ops files = faulty_disk_ops(disk);
    struct log_options options = {.files = files, .segment_bytes = 1024 * 1024};
    struct log_findings findings;
    struct commit_log *log = NULL;
    struct broker *b = broker_new(
        &(struct broker_options){.workers = 2, .memory_budget_bytes = BUDGET, .clock = &t.clock});
    struct log_visitor visitor = broker_recovery_begin(b);

    CU_ASSERT_EQUAL(commit_log_open(&options, &visitor, &findings, &log), SL_ECORRUPT);
    CU_ASSERT_EQUAL(broker_recovery_end(b, NULL, 0), SL_OK);
    broker_free(b);
}

static void stop(void)
{
    keeper_free(keeper);
    table_drop(&t);
}

static void a_damaged_or_missing_file_refuses_the_start(void)
{
    char name[ID_FILE_NAME_ROOM];

    begin();
    declare("q", table_empty);
    publish("q", "one");
    take_checkpoint();
    stop();
    id_file_name(1, name);
    struct sl_bytes bytes = faulty_disk_get(disk, name);
    CU_ASSERT_TRUE_FATAL(bytes.len > 32);
    uint8_t *copy = malloc(bytes.len);
    size_t len = bytes.len;
    SL_ASSERT(copy != NULL);
    memcpy(copy, bytes.at, len);
    for (size_t i = 0; i < len; i++) {
        copy[i] ^= 0x10;
        faulty_disk_put(disk, name, (struct sl_bytes){copy, len});
        start_is_refused();
        copy[i] ^= 0x10;
    }
    faulty_disk_put(disk, name, (struct sl_bytes){copy, len - 1});
    start_is_refused();
    faulty_disk_drop(disk, name);
    start_is_refused();
    faulty_disk_put(disk, name, (struct sl_bytes){copy, len});
    free(copy);
    open_table();
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(ids_of_a_checkpoint_are_there_again),
        UNIT(without_ids_there_are_no_files),
        UNIT(a_window_is_over_at_the_same_time_after_a_start),
        UNIT(an_id_behind_a_checkpoint_within_its_batch_has_its_time),
        UNIT(a_checkpoint_ends_no_id_before_the_time_of_what_is_on_its_way),
        UNIT(a_checkpoint_that_fails_loses_no_id),
        UNIT(ids_that_found_no_room_are_written_with_the_next_checkpoint),
        UNIT(a_directory_that_cannot_be_listed_costs_no_id),
        UNIT(a_file_that_nothing_needs_goes),
        UNIT(a_file_goes_with_the_last_queue_that_needs_it),
        UNIT(until_settled_an_id_that_went_stays_gone),
        UNIT(until_settled_an_id_goes_by_what_the_log_says_behind_the_checkpoint),
        UNIT(until_settled_an_id_goes_whose_message_went_as_the_checkpoint_was_taken),
        UNIT(what_a_purge_leaves_out_keeps_its_id_over_the_checkpoints_of_later_lives),
        UNIT(ids_of_an_exchange_are_there_again),
        UNIT(a_damaged_or_missing_file_refuses_the_start),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/id_keeping", tests);
}
