#include "core/paging.h"

#include "core/base/assert.h"
#include "core/chunk.h"
#include "core/consumer.h"
#include "core/fetch.h"
#include "core/memory.h"
#include "core/properties.h"
#include "core/queue.h"
#include "core/recall.h"
#include "tests/support/properties_maker.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define BUDGET (512u * 1024)
#define MANY 20000u /* far more than the budget holds */

static struct faulty_disk *disk;

static void begin(struct table *t, uint32_t workers)
{
    disk = faulty_disk_new();
    SL_ASSERT(disk != NULL);
    table_init_on(t, workers, BUDGET, disk);
}

static void end(struct table *t)
{
    table_deinit(t);
    faulty_disk_free(disk);
}

static void declare(struct table *t, struct sitter *s, const char *queue, bool is_durable)
{
    struct queue_declaration d = {.name = sl_bytes_of(queue), .is_durable = is_durable};

    broker_declare_queue(&s->client, 1, &d, "amq.gen-");
    table_settle(t);
    table_flush(t);
    SL_ASSERT(s->last->err == SL_OK);
}

/* Bodies count on from first. */
static void publish(struct table *t, struct sitter *s, const char *queue, uint64_t first,
                    uint32_t n, bool is_persistent)
{
    for (uint32_t i = 0; i < n; i++) {
        if (is_persistent)
            table_publish_persistent(s, "", queue, first + i);
        else
            table_publish(s, "", queue, first + i);
        if (i % 512 == 511)
            table_settle(t);
        if (i % 4096 == 4095)
            table_flush(t);
    }
    table_settle(t);
}

/* As the disk goes on, until nothing more goes out. */
static void calm(struct table *t)
{
    for (int i = 0; i < 4; i++)
        table_flush(t);
}

/* What was told has been written to the peer, so that more may be. */
static void read_on(struct table *t, struct sitter *s)
{
    size_t before;

    do {
        before = s->told_count;
        broker_client_written(&s->client, s->cost);
        table_flush(t);
    } while (s->told_count != before);
}

static bool told_in_order(const struct sitter *s, uint64_t first, uint32_t n)
{
    if (s->told_count != n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (s->told[i].body != first + i)
            return false;
    return true;
}

static void drain_in_order(bool is_durable)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);

    declare(&t, s, "q", is_durable);
    publish(&t, s, "q", 1, MANY, is_durable);
    calm(&t);
    CU_ASSERT_TRUE(memory_used() < BUDGET / 2 + BUDGET / 8);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), MANY);
    table_consume(&t, s, "q", 0, true);
    read_on(&t, s);
    CU_ASSERT_TRUE(told_in_order(s, 1, MANY));
    CU_ASSERT_EQUAL(s->redelivered, 0);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    const struct live *live = &broker_worker_at(t.broker, 0)->shard->live;
    CU_ASSERT_EQUAL(live->count, 0);
    end(&t);
}

static void a_backlog_larger_than_memory_comes_out_whole_and_in_order(void)
{
    drain_in_order(true);
}

static void what_is_not_logged_is_paged_out_all_the_same(void)
{
    drain_in_order(false);
}

static void loans_that_nobody_settles_go_out_of_memory_and_return_in_order(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    struct sitter *other = table_sit(&t, 0);

    declare(&t, s, "q", true);
    struct subscription *sub = table_consume(&t, s, "q", 0, false);
    table_flush(&t);
    publish(&t, s, "q", 1, MANY / 2, true);
    read_on(&t, s);
    publish(&t, s, "q", MANY / 2 + 1, MANY / 4, false);
    read_on(&t, s);
    calm(&t);
    CU_ASSERT_EQUAL(s->told_count, MANY / 4 * 3);
    uint64_t loans = MANY / 4 * 3 * (sizeof(struct entry) + 8) * 2;
    CU_ASSERT_TRUE(memory_used() < loans + BUDGET / 8 * 7);
    settlement_deinit(&s->settlement);
    settlement_init(&s->settlement);
    broker_drop(&s->client, sub);
    table_settle(&t);
    table_consume(&t, other, "q", 0, true);
    read_on(&t, other);
    CU_ASSERT_TRUE(told_in_order(other, 1, MANY / 4 * 3));
    CU_ASSERT_EQUAL(other->redelivered, MANY / 4 * 3);
    end(&t);
}

/* What takes the memory is elsewhere. */
static void many_consumers_without_anything_to_page_are_not_gone_through_for_ever(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    struct shard *shard = broker_worker_at(t.broker, 0)->shard;
    int runs = 0;

    declare(&t, s, "q", true);
    for (int i = 0; i < 500; i++)
        table_consume(&t, s, "q", 2, false);
    publish(&t, s, "q", 1, 1000, true);
    calm(&t);
    CU_ASSERT_EQUAL(s->told_count, 1000);
    memory_charge(2 * BUDGET);
    while (runs < 1000 && shard_run(shard))
        runs++;
    CU_ASSERT_TRUE(runs < 1000);
    uint32_t residents = 0;
    struct list *consumers = &table_queue(&t)->consumers;
    for (struct list *at = consumers->next; at != consumers; at = at->next) {
        struct entry *loans[2];
        residents += consumer_residents(LIST_OF(at, struct consumer, of_queue), loans, 2);
    }
    CU_ASSERT_EQUAL(residents, 0);
    memory_release(2 * BUDGET);
    end(&t);
}

static void a_get_waits_for_what_is_away(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);

    declare(&t, s, "q", true);
    publish(&t, s, "q", 1, MANY, true);
    calm(&t);
    table_consume(&t, s, "q", 1, false); /* what is at the head is out */
    struct sitter *getter = table_sit(&t, 0);
    struct entry next;
    while (t.is_fetch_held = true,
           backlog_peek(&table_queue(&t)->backlog, &next) == BACKLOG_READY) {
        broker_get(&getter->client, 9, sl_bytes_of("q"), true);
        table_settle(&t);
    }
    uint64_t before = getter->answers;
    broker_get(&getter->client, 10, sl_bytes_of("q"), true);
    broker_get(&getter->client, 11, sl_bytes_of("q"), false);
    table_settle(&t);
    CU_ASSERT_EQUAL(getter->answers, before);
    t.is_fetch_held = false;
    calm(&t);
    CU_ASSERT_EQUAL(getter->answers, before + 2);
    CU_ASSERT_EQUAL(getter->last->ticket, 11);
    CU_ASSERT_PTR_NOT_NULL(getter->last->msg);
    CU_ASSERT_EQUAL(getter->last->seq.v, next.seq.v + 1);
    end(&t);
}

static void a_get_whose_session_leaves_takes_nothing(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    struct sitter *getter = table_sit(&t, 0);

    declare(&t, s, "q", true);
    publish(&t, s, "q", 1, MANY, true);
    calm(&t);
    t.is_fetch_held = true;
    for (uint32_t i = 0; i < 1000; i++) /* more than the head holds */
        broker_get(&getter->client, i, sl_bytes_of("q"), false);
    table_settle(&t);
    uint64_t answered = getter->answers;
    CU_ASSERT_TRUE(answered < 1000);
    table_leave(&t, getter);
    table_settle(&t);
    t.is_fetch_held = false;
    calm(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), MANY);
    end(&t);
}

static void a_get_of_a_queue_that_goes_is_answered_empty(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    struct sitter *getter = table_sit(&t, 0);

    declare(&t, s, "q", true);
    publish(&t, s, "q", 1, MANY, true);
    calm(&t);
    t.is_fetch_held = true;
    for (uint32_t i = 0; i < 1000; i++)
        broker_get(&getter->client, i, sl_bytes_of("q"), true);
    table_settle(&t);
    CU_ASSERT_TRUE(getter->answers < 1000);
    broker_delete_queue(&s->client, 4, sl_bytes_of("q"), false, false);
    table_settle(&t);
    CU_ASSERT_EQUAL(getter->answers, 1000);
    CU_ASSERT_PTR_NULL(getter->last->msg);
    t.is_fetch_held = false; /* the answer finds no queue */
    calm(&t);
    end(&t);
}

static void a_purge_needs_nothing_in_memory_and_late_answers_are_harmless(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);

    declare(&t, s, "q", true);
    publish(&t, s, "q", 1, MANY, true);
    calm(&t);
    struct subscription *sub = table_consume(&t, s, "q", 10, false);
    t.is_fetch_held = true;
    struct sitter *other = table_sit(&t, 0);
    table_consume(&t, other, "q", 0, true); /* drains the head and asks for more */
    uint64_t taken = s->told_count + other->told_count;
    CU_ASSERT_TRUE(taken < MANY);
    struct live *live = &broker_worker_at(t.broker, 0)->shard->live;
    broker_purge_queue(&s->client, 5, sl_bytes_of("q"));
    calm(&t);
    CU_ASSERT_EQUAL(s->last->messages, MANY - taken);
    CU_ASSERT_EQUAL(table_queue(&t)->out, 10);
    t.is_fetch_held = false;
    calm(&t);
    CU_ASSERT_EQUAL(s->told_count + other->told_count, taken);
    publish(&t, s, "q", 1, 1, true);
    calm(&t);
    CU_ASSERT_EQUAL(s->told_count + other->told_count, taken + 1);
    CU_ASSERT_EQUAL(
        settlement_settle(&s->settlement, &s->client, (sl_tag){0}, true, SETTLE_CONSUMED), SL_OK);
    calm(&t);
    CU_ASSERT_EQUAL(live->count, 0);
    (void)sub;
    end(&t);
}

static void what_cannot_be_read_is_asked_for_again_and_not_given_up(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);

    declare(&t, s, "q", true);
    publish(&t, s, "q", 1, MANY, true);
    calm(&t);
    faulty_disk_fail_always(disk, FAULTY_READ, SL_EIO);
    table_consume(&t, s, "q", 0, true);
    calm(&t);
    size_t before = s->told_count;
    CU_ASSERT_TRUE(before < MANY);
    table_wait(&t, 999);
    faulty_disk_fail_always(disk, FAULTY_READ, SL_OK);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->told_count, before);
    table_wait(&t, 1);
    read_on(&t, s);
    CU_ASSERT_TRUE(told_in_order(s, 1, MANY));
    end(&t);
}

/* A record that has just been moved has its new place before that is durable. */
static void what_is_not_durable_yet_is_asked_for_again_soon(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);

    declare(&t, s, "q", true);
    publish(&t, s, "q", 1, MANY, true);
    calm(&t);
    t.is_fetch_held = true;
    table_consume(&t, s, "q", 0, true);
    read_on(&t, s);
    struct shard *shard = broker_worker_at(t.broker, 0)->shard;
    SL_ASSERT(table_queue(&t)->backlog.head->cookie != 0);
    struct fetch_request *r = fetch_request_new(FETCH_CHUNK);
    r->queue = table_queue(&t)->ref.at;
    r->cookie = table_queue(&t)->backlog.head->cookie;
    r->err = SL_EAGAIN;
    recall_take(shard, r);
    CU_ASSERT_TRUE(recall_next_due(shard) < order_time(shard->run->order) + 10);
    table_wait(&t, 10);
    CU_ASSERT_EQUAL(recall_next_due(shard), UINT64_MAX);
    t.is_fetch_held = false;
    read_on(&t, s);
    CU_ASSERT_TRUE(told_in_order(s, 1, MANY));
    CU_ASSERT_EQUAL(shard->asked_bytes, 0);
    end(&t);
}

static void a_checkpoint_stores_nothing_that_a_restart_forgets(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    struct shard *shard = broker_worker_at(t.broker, 0)->shard;

    declare(&t, s, "q", true);
    publish(&t, s, "q", 1, 600, false);
    table_flush(&t);
    uint64_t end_before = commit_log_end(t.log).v;
    paging_store_full_chunks(shard, table_queue(&t));
    CU_ASSERT_EQUAL(commit_log_end(t.log).v, end_before);
    publish(&t, s, "q", 601, 600, true);
    table_flush(&t);
    end_before = commit_log_end(t.log).v;
    paging_store_full_chunks(shard, table_queue(&t));
    CU_ASSERT_TRUE(commit_log_end(t.log).v > end_before);
    end(&t);
}

static void many_small_queues_go_out_of_memory_and_none_is_forgotten(void)
{
    struct table t;
    begin(&t, 2);
    struct sitter *s = table_sit(&t, 0);
    char name[16];

    for (int q = 0; q < 400; q++) {
        snprintf(name, sizeof name, "q%d", q);
        declare(&t, s, name, q % 2 == 0);
    }
    for (int i = 0; i < 25; i++)
        for (int q = 0; q < 400; q++) {
            snprintf(name, sizeof name, "q%d", q);
            publish(&t, s, name, (uint64_t)(q * 100 + i), 1, q % 2 == 0);
        }
    calm(&t);
    CU_ASSERT_TRUE(memory_used() < 400u * 4096 + BUDGET / 2);
    uint64_t resident = 0;
    for (uint32_t w = 0; w < 2; w++) {
        const struct shard *shard = broker_worker_at(t.broker, w)->shard;
        for (uint32_t i = 0; i < shard->queues_room; i++)
            if (shard->queues[i] != NULL) {
                struct entry e;
                resident += backlog_peek(&shard->queues[i]->backlog, &e) == BACKLOG_READY;
            }
    }
    CU_ASSERT_TRUE(resident < 300);
    for (int q = 0; q < 400; q++) {
        snprintf(name, sizeof name, "q%d", q);
        s->told_count = 0;
        table_consume(&t, s, name, 0, true);
        read_on(&t, s);
        CU_ASSERT_TRUE(told_in_order(s, (uint64_t)(q * 100), 25));
    }
    end(&t);
}

/* Eight persistent messages with 4 KiB of headers each. */
static void publish_large(struct table *t, struct sitter *s, const char *queue)
{
    static struct properties_maker m;

    for (uint64_t i = 0; i < 8; i++)
        table_publish_with(s, "", queue, properties_large(&m), i);
    calm(t);
}

static void many_queues_that_are_consumed_at_once_do_not_all_come_back_at_once(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    struct sitter *consumer = table_sit(&t, 0);
    struct shard *shard = broker_worker_at(t.broker, 0)->shard;
    char name[16];

    for (int q = 0; q < 200; q++) {
        snprintf(name, sizeof name, "q%d", q);
        declare(&t, s, name, true);
        publish_large(&t, s, name);
    }
    t.is_fetch_held = true;
    for (int q = 0; q < 200; q++) {
        snprintf(name, sizeof name, "q%d", q);
        table_consume(&t, consumer, name, 0, true);
    }
    calm(&t);
    uint64_t before = memory_used();
    fetch_run(shard->fetch);
    memory_settle();
    CU_ASSERT_TRUE(memory_used() - before < BUDGET);
    t.is_fetch_held = false;
    read_on(&t, consumer);
    CU_ASSERT_EQUAL(consumer->told_count, 200 * 8);
    end(&t);
}

static void publishers_are_let_go_although_nobody_consumes(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);

    declare(&t, s, "q", true);
    for (uint32_t i = 0; i < MANY; i++)
        table_publish_persistent(s, "", "q", i);
    table_step(&t, 0);
    CU_ASSERT_TRUE(broker_is_held(&s->client));
    calm(&t);
    CU_ASSERT_FALSE(broker_is_held(&s->client));
    end(&t);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_backlog_larger_than_memory_comes_out_whole_and_in_order),
        UNIT(what_is_not_logged_is_paged_out_all_the_same),
        UNIT(loans_that_nobody_settles_go_out_of_memory_and_return_in_order),
        UNIT(many_consumers_without_anything_to_page_are_not_gone_through_for_ever),
        UNIT(a_get_waits_for_what_is_away),
        UNIT(a_get_whose_session_leaves_takes_nothing),
        UNIT(a_get_of_a_queue_that_goes_is_answered_empty),
        UNIT(a_purge_needs_nothing_in_memory_and_late_answers_are_harmless),
        UNIT(what_cannot_be_read_is_asked_for_again_and_not_given_up),
        UNIT(what_is_not_durable_yet_is_asked_for_again_soon),
        UNIT(a_checkpoint_stores_nothing_that_a_restart_forgets),
        UNIT(many_small_queues_go_out_of_memory_and_none_is_forgotten),
        UNIT(many_queues_that_are_consumed_at_once_do_not_all_come_back_at_once),
        UNIT(publishers_are_let_go_although_nobody_consumes),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/paging", tests);
}
