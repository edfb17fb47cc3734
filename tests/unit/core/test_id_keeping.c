/* Ids of messages through checkpoints: what is in files beside the log. */
#include "core/id_keeping.h"

#include "core/broker.h"
#include "core/keeper.h"
#include "core/properties.h"
#include "core/queue.h"
#include "tests/support/file_faulty.h"
#include "tests/support/table_maker.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define BUDGET (64u * 1024 * 1024)
#define STEPS_MAX 100

static struct faulty_disk *disk;
static struct table t;
static struct sitter *a;
static struct keeper *keeper;
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

static enum sl_err try_checkpoint(void)
{
    enum sl_err err = SL_OK;

    keeper_hurry(keeper);
    for (int i = 0; err == SL_OK && i < STEPS_MAX && keeper_is_busy(keeper); i++) {
        err = keeper_step(keeper, now_ms++);
        sync_all();
    }
    return err;
}

static void take_checkpoint(void)
{
    CU_ASSERT_EQUAL(try_checkpoint(), SL_OK);
    CU_ASSERT_FALSE(keeper_is_busy(keeper));
}

static void purge(const char *queue)
{
    broker_purge_queue(&a->client, 1, sl_bytes_of(queue));
    sync_all();
}

static bool has_file(uint64_t number)
{
    char name[ID_FILE_NAME_ROOM];

    id_file_name(number, name);
    return faulty_disk_get(disk, name).at != NULL;
}

static void declare(const char *name, struct sl_bytes arguments)
{
    struct queue_declaration d = {
        .name = sl_bytes_of(name), .is_durable = true, .arguments = arguments};

    broker_declare_queue(&a->client, 1, &d, "");
    sync_all();
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
}

static struct sl_bytes properties_with(uint8_t *room, size_t n, const char *header, const char *id,
                                       bool is_persistent)
{
    struct table_maker m;
    struct properties p = {.present = PROPERTY_HEADERS | PROPERTY_DELIVERY_MODE,
                           .delivery_mode = is_persistent ? 2 : 1,
                           .headers = table_of_string(&m, header, id)};
    struct sl_writer w = {room, room + n, false};

    properties_encode(&p, &w);
    SL_ASSERT(!w.overflowed);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static void publish_under(const char *queue, const char *header, const char *id, bool is_persistent)
{
    uint8_t room[1024];

    table_publish_with(a, "", queue, properties_with(room, sizeof room, header, id, is_persistent),
                       7);
    sync_all();
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
    table_begin(m);
    table_write_bool(&m->w, SL_BYTES_LITERAL("x-message-deduplication"), true);
    return table_end(m);
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
    sync_all();
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

static void a_checkpoint_that_fails_loses_no_id(void)
{
    begin();
    declare("q", table_empty);
    publish("q", "one");
    purge("q");
    faulty_disk_fail(disk, FAULTY_RENAME, 1, SL_EFULL);
    CU_ASSERT_EQUAL(try_checkpoint(), SL_EFULL);
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
    CU_ASSERT_EQUAL(try_checkpoint(), SL_EFULL);
    now_ms += 100000;
    take_checkpoint();
    crash();
    publish("q", "one");
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
    sync_all();
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
    sync_all();
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
    sync_all();
    CU_ASSERT_EQUAL(
        settlement_settle(&a->settlement, &a->client, (sl_tag){1}, false, SETTLE_CONSUMED), SL_OK);
    sync_all();
    crash();
    publish("q", "two");
    CU_ASSERT_EQUAL(ready("q"), 1);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 2);
    end();
}

static void ids_of_an_exchange_are_there_again(void)
{
    struct exchange_declaration d = {.name = SL_BYTES_LITERAL("e"),
                                     .type = SL_BYTES_LITERAL("x-message-deduplication"),
                                     .is_durable = true};
    struct binding_request r = {.source = d.name, .destination = SL_BYTES_LITERAL("q")};
    uint8_t room[1024];

    begin();
    broker_declare_exchange(&a->client, 2, &d);
    declare("q", table_empty);
    broker_bind(&a->client, 3, &r);
    sync_all();
    for (int i = 0; i < 3; i++) {
        table_publish_with(
            a, "e", "", properties_with(room, sizeof room, "x-deduplication-header", "one", true),
            7);
        sync_all();
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
        UNIT(a_checkpoint_that_fails_loses_no_id),
        UNIT(ids_that_found_no_room_are_written_with_the_next_checkpoint),
        UNIT(a_file_that_nothing_needs_goes),
        UNIT(a_file_goes_with_the_last_queue_that_needs_it),
        UNIT(until_settled_an_id_that_went_stays_gone),
        UNIT(until_settled_an_id_goes_by_what_the_log_says_behind_the_checkpoint),
        UNIT(ids_of_an_exchange_are_there_again),
        UNIT(a_damaged_or_missing_file_refuses_the_start),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/id_keeping", tests);
}
