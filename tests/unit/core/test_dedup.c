/* Ids of messages (SEMANTICS 6), in memory and through crashes. */
#include "core/dedup.h"

#include "core/broker.h"
#include "core/queue.h"
#include "core/shard.h"
#include "tests/support/properties_maker.h"
#include "tests/support/table_log.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define BUDGET (64u * 1024 * 1024)
#define LONG_BATCH 400u

static struct faulty_disk *disk;
static struct table t;
static struct sitter *a;

static void begin(uint32_t workers)
{
    disk = faulty_disk_new();
    table_init_on(&t, workers, BUDGET, disk);
    a = table_sit(&t, 0);
}

/* The process dies; what was flushed is there. */
static void crash(void)
{
    uint32_t workers = t.workers;

    table_drop(&t);
    table_init_on(&t, workers, BUDGET, disk);
    a = table_sit(&t, 0);
}

static void end(void)
{
    table_deinit(&t);
    faulty_disk_free(disk);
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

/* A queue's windows, as its shard has them; the sitters sit at the workers in their order. */
static const struct dedup *windows_of(const char *queue)
{
    struct topology *topology = broker_topology(t.broker);

    topology_lock(topology);
    struct queue_ref ref = topology_queue(a->client.vhost, sl_bytes_of(queue))->ref;
    topology_unlock(topology);
    return shard_queue(t.sitters[ref.shard]->client.worker->shard, ref.at)->dedup;
}

/* The first of numbered names that lives there. */
static void declare_in(uint32_t shard, char *name, size_t n)
{
    static uint32_t number;
    struct topology *topology = broker_topology(t.broker);
    uint32_t at;

    do {
        snprintf(name, n, "q%u", number++);
        table_declare(&t, a, name);
        topology_lock(topology);
        at = topology_queue(a->client.vhost, sl_bytes_of(name))->ref.shard;
        topology_unlock(topology);
    } while (at != shard);
}

static void publish_many(const char *queue, uint32_t n)
{
    struct properties_maker m;
    char id[16];

    for (uint32_t i = 0; i < n; i++) {
        snprintf(id, sizeof id, "%u", i);
        table_publish_with(a, "", queue, properties_of_header(&m, "dedup-id", id, false), 1);
        if (i % 64 == 63)
            table_settle(&t);
    }
    table_settle(&t);
}

static struct sl_bytes plugin(struct table_maker *m)
{
    return table_of_bool(m, "x-message-deduplication", true);
}

static void declare_exchange(const char *name, const char *type, struct sl_bytes arguments)
{
    struct exchange_declaration d = {.name = sl_bytes_of(name),
                                     .type = sl_bytes_of(type),
                                     .is_durable = true,
                                     .arguments = arguments};

    broker_declare_exchange(&a->client, 2, &d);
    table_sync(&t);
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
}

static void bind(const char *queue, const char *exchange)
{
    struct binding_request r = {.source = sl_bytes_of(exchange), .destination = sl_bytes_of(queue)};

    broker_bind(&a->client, 3, &r);
    table_sync(&t);
    CU_ASSERT_EQUAL(a->last->err, SL_OK);
}

static void publish_through(const char *exchange, const char *id)
{
    struct properties_maker m;

    table_publish_with(a, exchange, "any",
                       properties_of_header(&m, "x-deduplication-header", id, true), 7);
    table_sync(&t);
}

static void the_same_id_enters_once(void)
{
    begin(2);
    declare("q", table_empty);
    publish("q", "one");
    publish("q", "one");
    publish("q", "two");
    publish_under("q", "_AMQ_DUPL_ID", "one", true);
    CU_ASSERT_EQUAL(ready("q"), 2);
    end();
}

static void an_empty_id_is_none(void)
{
    begin(1);
    declare("q", table_empty);
    publish("q", "");
    publish("q", "");
    CU_ASSERT_EQUAL(ready("q"), 2);
    end();
}

static void the_plugin_s_header_counts_only_where_the_queue_asks(void)
{
    struct table_maker m;

    begin(1);
    declare("plain", table_empty);
    declare("window", table_of_number(&m, "x-cache-size", 10));
    for (int i = 0; i < 2; i++) {
        publish_under("plain", "x-deduplication-header", "one", true);
        publish_under("window", "x-deduplication-header", "one", true);
    }
    CU_ASSERT_EQUAL(ready("plain"), 2);
    CU_ASSERT_EQUAL(ready("window"), 1);
    end();
}

static void a_queue_may_rename_the_header(void)
{
    struct table_maker m;

    begin(1);
    declare("q", table_of_string(&m, "x-deduplication-header", "order"));
    for (int i = 0; i < 2; i++) {
        publish_under("q", "order", "one", true);
        publish_under("q", "x-deduplication-header", "one", true);
    }
    CU_ASSERT_EQUAL(ready("q"), 3);
    end();
}

static void persistent_and_transient_publishes_see_each_other_s_ids(void)
{
    begin(1);
    declare("q", table_empty);
    publish_under("q", "dedup-id", "one", false);
    publish("q", "one");
    publish("q", "two");
    publish_under("q", "dedup-id", "two", false);
    CU_ASSERT_EQUAL(ready("q"), 2);
    end();
}

static void an_id_outlives_its_message_for_the_window(void)
{
    begin(1);
    declare("q", table_empty);
    publish("q", "one");
    broker_purge_queue(&a->client, 1, SL_BYTES_LITERAL("q"));
    table_sync(&t);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 0);
    table_wait(&t, SL_DEDUP_WINDOW_MS - 1);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 0);
    table_wait(&t, 1);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void until_settled_an_id_goes_with_its_message(void)
{
    struct table_maker m;

    begin(1);
    declare("q", plugin(&m));
    publish_under("q", "x-deduplication-header", "one", true);
    table_wait(&t, 2 * SL_DEDUP_WINDOW_MS_MAX);
    publish_under("q", "x-deduplication-header", "one", true);
    CU_ASSERT_EQUAL(ready("q"), 1);
    broker_purge_queue(&a->client, 1, SL_BYTES_LITERAL("q"));
    table_sync(&t);
    publish_under("q", "x-deduplication-header", "one", true);
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void until_settled_an_id_stays_while_its_message_is_out(void)
{
    struct table_maker m;

    begin(1);
    declare("q", plugin(&m));
    table_consume(&t, a, "q", 1, false);
    publish_under("q", "x-deduplication-header", "one", true);
    CU_ASSERT_EQUAL(a->told_count, 1);
    broker_purge_queue(&a->client, 1, SL_BYTES_LITERAL("q"));
    table_sync(&t);
    publish_under("q", "x-deduplication-header", "one", true);
    CU_ASSERT_EQUAL(ready("q"), 0);
    CU_ASSERT_EQUAL(
        settlement_settle(&a->settlement, &a->client, (sl_tag){1}, false, SETTLE_CONSUMED), SL_OK);
    table_sync(&t);
    publish_under("q", "x-deduplication-header", "one", true);
    CU_ASSERT_EQUAL(a->told_count, 2);
    end();
}

static void a_small_cache_forgets_the_oldest(void)
{
    struct table_maker m;

    begin(1);
    declare("q", table_of_number(&m, "x-cache-size", 2));
    publish("q", "one");
    publish("q", "two");
    publish("q", "three");
    publish("q", "two");
    CU_ASSERT_EQUAL(ready("q"), 3);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 4);
    end();
}

static void ids_are_there_again_after_a_crash(void)
{
    begin(2);
    declare("q", table_empty);
    publish("q", "one");
    publish("q", "two");
    publish("q", "one");
    crash();
    CU_ASSERT_EQUAL(ready("q"), 2);
    publish("q", "one");
    publish("q", "two");
    publish("q", "three");
    CU_ASSERT_EQUAL(ready("q"), 3);
    crash();
    CU_ASSERT_EQUAL(ready("q"), 3);
    end();
}

static void ids_of_consumed_messages_are_there_again_after_a_crash(void)
{
    begin(1);
    declare("q", table_empty);
    publish("q", "one");
    broker_purge_queue(&a->client, 1, SL_BYTES_LITERAL("q"));
    table_sync(&t);
    crash();
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 0);
    crash();
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 0);
    end();
}

static void a_duplicate_by_a_transient_id_stays_out_after_a_crash(void)
{
    begin(1);
    declare("q", table_empty);
    publish_under("q", "dedup-id", "one", false);
    publish("q", "one");
    publish("q", "two");
    CU_ASSERT_EQUAL(ready("q"), 2);
    table_sync(&t);
    crash();
    CU_ASSERT_EQUAL(ready("q"), 1);
    publish("q", "one"); /* nothing that is kept has it */
    CU_ASSERT_EQUAL(ready("q"), 2);
    end();
}

static void until_settled_ids_are_there_again_with_their_messages(void)
{
    struct table_maker m;

    begin(1);
    declare("q", plugin(&m));
    publish_under("q", "x-deduplication-header", "one", true);
    crash();
    publish_under("q", "x-deduplication-header", "one", true);
    CU_ASSERT_EQUAL(ready("q"), 1);
    broker_purge_queue(&a->client, 1, SL_BYTES_LITERAL("q"));
    table_sync(&t);
    crash();
    publish_under("q", "x-deduplication-header", "one", true);
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

/* In one turn of its session: both go into the log together. */
static void until_settled_what_follows_an_acknowledgement_is_there_after_a_crash(void)
{
    struct properties_maker m;
    struct table_maker arguments;

    begin(1);
    declare("q", plugin(&arguments));
    publish("q", "one");
    struct subscription *sub = table_consume(&t, a, "q", 1, false);
    CU_ASSERT_EQUAL(a->told_count, 1);
    broker_cancel(&a->client, 1, sub);
    table_sync(&t);
    CU_ASSERT_EQUAL(
        settlement_settle(&a->settlement, &a->client, (sl_tag){1}, false, SETTLE_CONSUMED), SL_OK);
    table_publish_with(a, "", "q", properties_of_header(&m, "dedup-id", "one", true), 7);
    table_sync(&t);
    CU_ASSERT_EQUAL(ready("q"), 1);
    crash();
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void until_settled_what_follows_a_rejection_is_there_after_a_crash(void)
{
    struct properties_maker m;
    struct table_maker arguments;

    begin(2);
    declare("d", table_empty);
    table_begin(&arguments);
    table_write_bool(&arguments.w, SL_BYTES_LITERAL("x-message-deduplication"), true);
    table_write_string(&arguments.w, SL_BYTES_LITERAL("x-dead-letter-exchange"),
                       SL_BYTES_LITERAL(""));
    table_write_string(&arguments.w, SL_BYTES_LITERAL("x-dead-letter-routing-key"),
                       SL_BYTES_LITERAL("d"));
    declare("q", table_end(&arguments));
    publish("q", "one");
    struct subscription *sub = table_consume(&t, a, "q", 1, false);
    broker_cancel(&a->client, 1, sub);
    table_sync(&t);
    CU_ASSERT_EQUAL(
        settlement_settle(&a->settlement, &a->client, (sl_tag){1}, false, SETTLE_REJECTED), SL_OK);
    table_publish_with(a, "", "q", properties_of_header(&m, "dedup-id", "one", true), 7);
    table_sync(&t);
    for (int life = 0; life < 2; life++) {
        CU_ASSERT_EQUAL(ready("q"), 1);
        CU_ASSERT_EQUAL(ready("d"), 1);
        crash();
    }
    end();
}

/* Its shard drops the message while the next one with its id is on the way, from another worker and
 * before the record that it was dropped. */
static void until_settled_what_meets_a_drop_is_after_a_crash_what_it_was_before(void)
{
    struct table_maker m;
    struct properties_maker one, two, again;
    char name[16];

    begin(2);
    struct sitter *b = table_sit(&t, 1);
    declare_in(0, name, sizeof name);
    broker_delete_queue(&a->client, 1, sl_bytes_of(name), false, false);
    table_sync(&t);
    table_begin(&m);
    table_write_bool(&m.w, SL_BYTES_LITERAL("x-message-deduplication"), true);
    table_write_s64(&m.w, SL_BYTES_LITERAL("x-max-length"), 1);
    declare(name, table_end(&m));
    table_publish_with(b, "", name, properties_of_header(&one, "dedup-id", "one", true), 7);
    table_sync(&t);
    table_publish_with(b, "", name, properties_of_header(&two, "dedup-id", "two", true), 7);
    broker_worker_hand_over(b->client.worker);
    broker_worker_run_shard(a->client.worker);
    table_publish_with(b, "", name, properties_of_header(&again, "dedup-id", "one", true), 7);
    broker_worker_hand_over(b->client.worker);
    table_sync(&t);
    CU_ASSERT_EQUAL(ready(name), 1);
    crash();
    CU_ASSERT_EQUAL(ready(name), 1);
    end();
}

/* The message lies before the record of the purge, whose shard comes to the purge first. */
static void until_settled_what_meets_a_purge_is_after_a_crash_what_it_was_before(void)
{
    struct table_maker m;
    struct properties_maker one, again;
    char name[16];

    begin(2);
    struct sitter *b = table_sit(&t, 1);
    declare_in(0, name, sizeof name);
    broker_delete_queue(&a->client, 1, sl_bytes_of(name), false, false);
    table_sync(&t);
    declare(name, plugin(&m));
    table_publish_with(b, "", name, properties_of_header(&one, "dedup-id", "one", true), 7);
    table_sync(&t);
    broker_purge_queue(&a->client, 2, sl_bytes_of(name));
    broker_worker_hand_over(a->client.worker);
    table_publish_with(b, "", name, properties_of_header(&again, "dedup-id", "one", true), 7);
    broker_worker_hand_over(b->client.worker);
    table_sync(&t);
    int64_t left = ready(name);
    crash();
    CU_ASSERT_EQUAL(ready(name), left);
    end();
}

/* Both times a flush comes later than what it writes, but not equally late. */
static void what_comes_as_the_window_of_its_id_ends_is_there_after_a_crash(void)
{
    struct table_maker m;
    struct properties_maker one, other, again;

    begin(1);
    declare("q", table_of_number(&m, "x-cache-ttl", 10));
    table_publish_with(a, "", "q", properties_of_header(&one, "dedup-id", "one", true), 7);
    table_settle(&t);
    table_wait(&t, 9);
    table_publish_with(a, "", "q", properties_of_header(&other, "dedup-id", "other", true), 7);
    table_sync(&t);
    CU_ASSERT_EQUAL(ready("q"), 2);
    table_wait(&t, 1);
    table_publish_with(a, "", "q", properties_of_header(&again, "dedup-id", "one", true), 7);
    table_sync(&t);
    CU_ASSERT_EQUAL(ready("q"), 3);
    crash();
    CU_ASSERT_EQUAL(ready("q"), 3);
    end();
}

static void a_window_dies_with_its_queue(void)
{
    begin(1);
    declare("q", table_empty);
    publish("q", "one");
    broker_delete_queue(&a->client, 1, SL_BYTES_LITERAL("q"), false, false);
    table_sync(&t);
    declare("q", table_empty);
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void what_the_broker_moves_is_not_asked_for_its_id(void)
{
    struct table_maker m;

    begin(2);
    table_begin(&m);
    table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-exchange"), SL_BYTES_LITERAL(""));
    table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-routing-key"), SL_BYTES_LITERAL("q"));
    declare("q", table_end(&m));
    publish("q", "one");
    table_consume(&t, a, "q", 1, false);
    for (uint64_t tag = 1; tag <= 3; tag++) { /* back to itself */
        CU_ASSERT_EQUAL(a->told_count, tag);
        CU_ASSERT_EQUAL(
            settlement_settle(&a->settlement, &a->client, (sl_tag){tag}, false, SETTLE_REJECTED),
            SL_OK);
        table_sync(&t);
    }
    CU_ASSERT_EQUAL(a->told_count, 4);
    crash();
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void a_duplicate_gives_its_place_back(void)
{
    struct table_maker m;

    begin(1);
    table_begin(&m);
    table_write_s64(&m.w, SL_BYTES_LITERAL("x-max-length"), 3);
    table_write_string(&m.w, SL_BYTES_LITERAL("x-overflow"), SL_BYTES_LITERAL("reject-publish"));
    declare("q", table_end(&m));
    publish("q", "one");
    for (int i = 0; i < 10; i++)
        publish("q", "one");
    publish("q", "two");
    publish("q", "three");
    CU_ASSERT_EQUAL(ready("q"), 3);
    end();
}

static void a_duplicate_drops_no_head(void)
{
    struct table_maker m;

    begin(1);
    declare("q", table_of_number(&m, "x-max-length", 1));
    publish("q", "one");
    publish("q", "two");
    CU_ASSERT_EQUAL(ready("q"), 1);
    table_consume(&t, a, "q", 1, false);
    publish("q", "three");
    publish("q", "two");
    publish("q", "one");
    CU_ASSERT_EQUAL(ready("q"), 1);
    end();
}

static void an_exchange_that_asks_for_ids_routes_as_fanout(void)
{
    struct table_maker m;

    begin(2);
    declare_exchange("e", "x-message-deduplication", table_of_number(&m, "x-cache-size", 100));
    declare("q", table_empty);
    declare("r", table_empty);
    bind("q", "e");
    publish_through("e", "one");
    bind("r", "e");
    for (int i = 0; i < 2; i++) {
        publish_through("e", "one");
        publish_through("e", "two");
    }
    CU_ASSERT_EQUAL(ready("q"), 2);
    CU_ASSERT_EQUAL(ready("r"), 2);
    end();
}

static void each_exchange_has_a_window_of_its_own_in_a_queue(void)
{
    struct table_maker m;

    begin(1);
    declare_exchange("e", "x-message-deduplication", table_of_number(&m, "x-cache-size", 1));
    declare_exchange("f", "fanout", plugin(&m));
    declare("q", table_empty);
    bind("q", "e");
    bind("q", "f");
    publish_through("e", "one");
    publish_through("f", "one");
    publish_through("e", "one");
    publish_through("f", "one");
    CU_ASSERT_EQUAL(ready("q"), 2);
    publish_through("e", "two");
    publish_through("f", "two");
    publish_through("e", "one"); /* its place went to two */
    publish_through("f", "one");
    CU_ASSERT_EQUAL(ready("q"), 5);
    crash();
    publish_through("e", "one");
    publish_through("f", "one");
    CU_ASSERT_EQUAL(ready("q"), 5);
    end();
}

static void where_memory_ends_the_largest_window_of_all_shards_loses_its_oldest(void)
{
    const uint32_t budget = 4u * 1024 * 1024 / SL_DEDUP_MEMORY_SHARE;
    const uint32_t ids = budget / 40;
    char large[16], small[16][16];
    int count = 0;

    table_init(&t, 2, 4u * 1024 * 1024);
    a = table_sit(&t, 0);
    (void)table_sit(&t, 1);
    declare_in(0, large, sizeof large);
    publish_many(large, ids / 3);
    while (windows_of(large)->evicted == 0 && count < 16) {
        declare_in(1, small[count], sizeof small[count]);
        publish_many(small[count++], ids / 16);
    }
    CU_ASSERT(windows_of(large)->evicted > 0);
    for (int i = 0; i < count; i++)
        CU_ASSERT_EQUAL(windows_of(small[i])->evicted, 0);
    CU_ASSERT(count > 8); /* all of them together had more than the large one */
    table_deinit(&t);
}

/* Some hundred at a time, so that a shard has something to look ahead at. */
static void publish_range(const char *queue, uint32_t from, uint32_t to)
{
    struct properties_maker m;
    char id[32];

    for (uint32_t n = from; n < to; n++) {
        snprintf(id, sizeof id, "id-%u", n);
        table_publish_with(a, "", queue, properties_of_header(&m, "dedup-id", id, n % 2 == 0), 7);
        if (n % LONG_BATCH == 0)
            table_settle(&t);
    }
    table_settle(&t);
}

static void a_large_window_is_as_exact_as_a_small_one(void)
{
    begin(2);
    declare("q", table_empty);
    publish_range("q", 0, 3 * ID_WINDOW_LARGE);
    CU_ASSERT_EQUAL(ready("q"), 3 * ID_WINDOW_LARGE);
    publish_range("q", ID_WINDOW_LARGE, 3 * ID_WINDOW_LARGE + 1000);
    CU_ASSERT_EQUAL(ready("q"), 3 * ID_WINDOW_LARGE + 1000);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(the_same_id_enters_once),
        UNIT(an_empty_id_is_none),
        UNIT(the_plugin_s_header_counts_only_where_the_queue_asks),
        UNIT(a_queue_may_rename_the_header),
        UNIT(persistent_and_transient_publishes_see_each_other_s_ids),
        UNIT(an_id_outlives_its_message_for_the_window),
        UNIT(until_settled_an_id_goes_with_its_message),
        UNIT(until_settled_an_id_stays_while_its_message_is_out),
        UNIT(a_small_cache_forgets_the_oldest),
        UNIT(ids_are_there_again_after_a_crash),
        UNIT(ids_of_consumed_messages_are_there_again_after_a_crash),
        UNIT(a_duplicate_by_a_transient_id_stays_out_after_a_crash),
        UNIT(until_settled_ids_are_there_again_with_their_messages),
        UNIT(until_settled_what_follows_an_acknowledgement_is_there_after_a_crash),
        UNIT(until_settled_what_follows_a_rejection_is_there_after_a_crash),
        UNIT(until_settled_what_meets_a_drop_is_after_a_crash_what_it_was_before),
        UNIT(until_settled_what_meets_a_purge_is_after_a_crash_what_it_was_before),
        UNIT(what_comes_as_the_window_of_its_id_ends_is_there_after_a_crash),
        UNIT(a_window_dies_with_its_queue),
        UNIT(what_the_broker_moves_is_not_asked_for_its_id),
        UNIT(a_duplicate_gives_its_place_back),
        UNIT(a_duplicate_drops_no_head),
        UNIT(an_exchange_that_asks_for_ids_routes_as_fanout),
        UNIT(each_exchange_has_a_window_of_its_own_in_a_queue),
        UNIT(where_memory_ends_the_largest_window_of_all_shards_loses_its_oldest),
        UNIT(a_large_window_is_as_exact_as_a_small_one),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/dedup", tests);
}
