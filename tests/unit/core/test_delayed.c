/* Delayed messages on the real core, on a log, with time in the test's hands. */
#include "core/delayed.h"

#include "core/broker.h"
#include "core/evacuation.h"
#include "core/keeper.h"
#include "core/queue.h"
#include "core/shard.h"
#include "tests/support/properties_maker.h"
#include "tests/support/table_log.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define BUDGET (64u * 1024 * 1024)
#define BUDGET_NONE 1u /* everything that can be paged out is */
#define EXCHANGE "later"
#define MANY 3000u
#define HOUR_MS 3600000ull
#define DAY_MS (24 * HOUR_MS)
#define DELAY_MAX 4294967295ull

static struct faulty_disk *disk;
static struct table t;
static struct sitter *a;
static struct sitter *reader;

static void sit(uint64_t budget)
{
    table_init_on(&t, 2, budget, disk);
    a = table_sit(&t, 0);
    reader = table_sit(&t, 1);
}

static enum sl_err declare_exchange(const char *name, const char *type, const char *delayed_type)
{
    struct table_maker m;
    struct exchange_declaration d = {
        .name = sl_bytes_of(name), .type = sl_bytes_of(type), .is_durable = true};

    if (delayed_type != NULL)
        d.arguments = table_of_string(&m, "x-delayed-type", delayed_type);
    broker_declare_exchange(&a->client, 1, &d);
    table_sync(&t);
    return a->last->err;
}

static void declare_queue(const char *name)
{
    CU_ASSERT_EQUAL_FATAL(table_declare_durable(&t, a, name, table_empty), SL_OK);
}

static void begin(uint64_t budget)
{
    disk = faulty_disk_new();
    sit(budget);
    CU_ASSERT_EQUAL_FATAL(declare_exchange(EXCHANGE, "x-delayed-message", "direct"), SL_OK);
    declare_queue("q");
    CU_ASSERT_EQUAL_FATAL(table_bind(&t, a, "q", EXCHANGE, "q"), SL_OK);
    table_sync(&t);
}

static void start_again(uint64_t budget)
{
    table_sync(&t);
    table_drop(&t);
    sit(budget);
}

static void end(void)
{
    table_deinit(&t);
    faulty_disk_free(disk);
}

/* 0: without the header. */
static struct sl_bytes properties_of(struct properties_maker *m, int64_t delay_ms, bool is_kept)
{
    struct properties p = {.present = PROPERTY_HEADERS | PROPERTY_DELIVERY_MODE,
                           .delivery_mode = is_kept ? 2 : 1};
    struct sl_writer w = {m->room, m->room + sizeof m->room, false};

    table_begin(&m->headers);
    if (delay_ms != 0)
        table_write_s64(&m->headers.w, SL_BYTES_LITERAL("x-delay"), delay_ms);
    p.headers = table_end(&m->headers);
    properties_encode(&p, &w);
    return (struct sl_bytes){m->room, (size_t)(w.pos - m->room)};
}

static const struct route *route_of(const char *exchange, struct sl_bytes properties)
{
    const struct route *route;
    const struct routed what = {
        .exchange = sl_bytes_of(exchange), .key = SL_BYTES_LITERAL("q"), .properties = properties};

    broker_worker_refresh(a->client.worker);
    CU_ASSERT_EQUAL_FATAL(broker_route(&a->client, &what, &route), SL_OK);
    return route;
}

static void send(const char *exchange, struct sl_bytes properties, uint64_t body)
{
    const struct route *route = route_of(exchange, properties);
    struct message *msg = message_new_routed(route->encoded, properties, sizeof body);

    CU_ASSERT_EQUAL_FATAL(
        message_append(&msg, (struct sl_bytes){(const uint8_t *)&body, sizeof body}), SL_OK);
    broker_publish(&a->client, route, msg);
}

static void delay(uint64_t body, int64_t ms)
{
    struct properties_maker m;

    send(EXCHANGE, properties_of(&m, ms, true), body);
}

static int64_t ready(void)
{
    table_sync(&t);
    return table_ready(&t, a, "q");
}

/* How many wait for the exchange, as its listing tells. */
static uint64_t held(const char *exchange)
{
    struct topology *topology = broker_topology(t.broker);

    topology_lock(topology);
    const struct exchange *e = topology_exchange(a->client.vhost, sl_bytes_of(exchange));
    uint64_t count = e == NULL || e->holding == NULL ? UINT64_MAX : e->holding->held;
    topology_unlock(topology);
    return count;
}

static void wait(uint64_t ms)
{
    table_wait(&t, ms);
    table_sync(&t);
}

static void an_exchange_must_say_what_it_does_when_the_time_has_come(void)
{
    begin(BUDGET);
    CU_ASSERT_EQUAL(declare_exchange("x", "x-delayed-message", NULL), SL_EPRECOND);
    CU_ASSERT_EQUAL(declare_exchange("x", "x-delayed-message", "sometimes"), SL_EPRECOND);
    CU_ASSERT_EQUAL(declare_exchange("x", "x-delayed-message", "x-delayed-message"), SL_EPRECOND);
    CU_ASSERT_EQUAL(declare_exchange(EXCHANGE, "x-delayed-message", "topic"), SL_EPRECOND);
    CU_ASSERT_EQUAL(declare_exchange(EXCHANGE, "direct", NULL), SL_EPRECOND);
    CU_ASSERT_EQUAL(declare_exchange(EXCHANGE, "x-delayed-message", "direct"), SL_OK);
    end();
}

static void a_delay_above_the_most_is_refused_to_whoever_can_be_told(void)
{
    static const int64_t LONG[] = {(int64_t)DELAY_MAX + 1, INT64_MAX};
    struct target_set targets = {0};
    struct properties_maker m;
    const struct route *route;
    bool is_fixed;

    begin(BUDGET);
    for (size_t i = 0; i < sizeof LONG / sizeof *LONG; i++) {
        const struct routed what = {.exchange = SL_BYTES_LITERAL(EXCHANGE),
                                    .key = SL_BYTES_LITERAL("q"),
                                    .properties = properties_of(&m, LONG[i], true)};
        CU_ASSERT_EQUAL(broker_route(&a->client, &what, &route), SL_EPRECOND);
        CU_ASSERT_STRING_EQUAL(broker_route_refusal(&a->client),
                               "invalid header 'x-delay': more than 4294967295 ms");
        targets.count = 0;
        struct topology *topology = broker_topology(t.broker);
        topology_lock(topology);
        CU_ASSERT_EQUAL(route_resolve_inside(topology, a->client.vhost, &what, &targets, &is_fixed),
                        SL_OK);
        CU_ASSERT_EQUAL(targets.count, 1);
        CU_ASSERT(!targets.at[0].holds);
        topology_unlock(topology);
    }
    target_set_deinit(&targets);
    end();
}

static void without_a_delay_that_counts_a_message_goes_on_at_once(void)
{
    static const int64_t NONE[] = {0, -1, -5000, INT64_MIN};

    begin(BUDGET);
    for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++)
        delay(i, NONE[i]);
    CU_ASSERT_EQUAL(ready(), sizeof NONE / sizeof *NONE);
    CU_ASSERT_EQUAL(held(EXCHANGE), 0);
    end();
}

static void a_message_comes_when_its_time_has_come_and_not_before(void)
{
    static const uint64_t DELAYS[] = {
        1,       2,          1023,    1024,   2048,      4097,       65535,       65536,    70001,
        HOUR_MS, 70 * 60000, 4194304, DAY_MS, 268435456, 7 * DAY_MS, 30 * DAY_MS, DELAY_MAX};

    for (size_t i = 0; i < sizeof DELAYS / sizeof *DELAYS; i++) {
        begin(i % 2 == 0 ? BUDGET : BUDGET_NONE);
        delay(1, (int64_t)DELAYS[i]);
        CU_ASSERT_EQUAL(ready(), 0);
        CU_ASSERT_EQUAL(held(EXCHANGE), 1);
        wait(DELAYS[i] - 1);
        CU_ASSERT_EQUAL(ready(), 0);
        wait(1);
        CU_ASSERT_EQUAL(ready(), 1);
        CU_ASSERT_EQUAL(held(EXCHANGE), 0);
        end();
    }
}

static void they_come_in_the_order_of_their_times(void)
{
    begin(BUDGET);
    table_consume(&t, reader, "q", 0, true);
    for (uint64_t i = 0; i < 100; i++)
        delay(i, (int64_t)(100 - i) * 777);
    for (uint64_t i = 0; i < 80; i++)
        wait(1000);
    CU_ASSERT_EQUAL_FATAL(reader->told_count, 100);
    for (uint64_t i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(reader->told[i].body, 99 - i);
    end();
}

static void those_of_one_time_come_in_the_order_of_their_arrival(void)
{
    begin(BUDGET);
    table_consume(&t, reader, "q", 0, true);
    for (uint64_t i = 0; i < 1000; i++)
        delay(i, i < 500 ? 90000 : 700);
    table_sync(&t);
    wait(700);
    wait(90000 - 700);
    table_rest(&t, reader);
    CU_ASSERT_EQUAL_FATAL(reader->told_count, 1000);
    for (uint64_t i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(reader->told[i].body, (i + 500) % 1000);
    end();
}

static void what_has_come_is_read_from_the_log_again(void)
{
    static const uint64_t BUDGETS[] = {BUDGET, BUDGET_NONE};

    for (size_t i = 0; i < sizeof BUDGETS / sizeof *BUDGETS; i++) {
        begin(BUDGETS[i]);
        delay(7, 1000);
        table_sync(&t);
        wait(1000);
        CU_ASSERT_EQUAL(ready(), 1);
        if (i == 0)
            start_again(BUDGETS[i]);
        table_consume(&t, reader, "q", 0, true);
        table_rest(&t, reader);
        CU_ASSERT_EQUAL_FATAL(reader->told_count, 1);
        CU_ASSERT_EQUAL(reader->told[0].body, 7);
        end();
    }
}

static void nobody_finds_the_queue_that_holds_them(void)
{
    struct queue_declaration d = {
        .name = SL_BYTES_LITERAL("amq.delayed.1"), .may_be_reserved = true, .is_durable = true};

    begin(BUDGET);
    CU_ASSERT_EQUAL(table_ready(&t, a, "amq.delayed.1"), -1);
    broker_declare_queue(&a->client, 1, &d, "");
    table_sync(&t);
    CU_ASSERT_EQUAL(a->last->err, SL_EDENIED);
    delay(1, 1000);
    table_sync(&t);
    const struct route *route = route_of("", properties_none);
    CU_ASSERT_EQUAL(route->count, 1); /* q, and not the other */
    end();
}

static void what_has_no_queue_when_it_is_due_is_gone(void)
{
    begin(BUDGET);
    uint64_t before = table_live_entries(&t);
    struct binding_request r = {.source = SL_BYTES_LITERAL(EXCHANGE),
                                .destination = SL_BYTES_LITERAL("q"),
                                .key = SL_BYTES_LITERAL("q")};
    delay(1, 5000);
    table_sync(&t);
    broker_unbind(&a->client, 1, &r);
    wait(5000);
    CU_ASSERT_EQUAL(held(EXCHANGE), 0);
    CU_ASSERT_EQUAL(ready(), 0);
    CU_ASSERT_EQUAL(table_live_entries(&t), before);
    start_again(BUDGET);
    wait(5000);
    CU_ASSERT_EQUAL(held(EXCHANGE), 0);
    end();
}

static void what_waits_goes_with_its_exchange_and_gives_its_space_back(void)
{
    begin(BUDGET);
    uint64_t before = table_live_entries(&t);
    for (uint64_t i = 0; i < 500; i++)
        delay(i, (int64_t)(i + 1) * 1000);
    table_sync(&t);
    CU_ASSERT(table_live_entries(&t) >= before + 500);
    broker_delete_exchange(&a->client, 1, SL_BYTES_LITERAL(EXCHANGE), false);
    table_sync(&t);
    CU_ASSERT_EQUAL(table_live_entries(&t), before);
    CU_ASSERT_EQUAL(declare_exchange(EXCHANGE, "x-delayed-message", "direct"), SL_OK);
    CU_ASSERT_EQUAL(table_bind(&t, a, "q", EXCHANGE, "q"), SL_OK);
    CU_ASSERT_EQUAL(held(EXCHANGE), 0);
    delay(7, 1000);
    start_again(BUDGET);
    CU_ASSERT_EQUAL(held(EXCHANGE), 1);
    wait(1000 * 1000);
    CU_ASSERT_EQUAL(ready(), 1);
    end();
}

static void transient_ones_are_delayed_and_do_not_survive(void)
{
    struct properties_maker m;

    begin(BUDGET_NONE);
    send(EXCHANGE, properties_of(&m, 5000, false), 1);
    table_sync(&t);
    wait(5000);
    CU_ASSERT_EQUAL(ready(), 1);
    send(EXCHANGE, properties_of(&m, 5000, false), 2);
    start_again(BUDGET);
    CU_ASSERT_EQUAL(held(EXCHANGE), 0);
    end();
}

static void what_a_transaction_delays_waits_for_the_disk(void)
{
    struct properties_maker m;

    begin(BUDGET);
    table_consume(&t, reader, "q", 0, true);
    broker_group_begin(&a->client);
    send(EXCHANGE, properties_of(&m, 1, true), 1);
    broker_group_end(&a->client);
    table_settle(&t);
    table_wait(&t, 1);
    CU_ASSERT_EQUAL(reader->told_count, 0);
    table_sync(&t);
    CU_ASSERT_EQUAL(reader->told_count, 1);
    end();
}

/* ---- many of them, through everything that may happen ---- */

struct many {
    uint64_t due[MANY]; /* by body */
    bool has_come[MANY];
    uint32_t come;
    uint32_t seen; /* of the reader's */
};

static uint64_t now(void)
{
    return order_time(broker_worker_at(t.broker, 0)->run.order);
}

static void note_come(struct many *r)
{
    for (; r->seen < reader->told_count; r->seen++) {
        uint64_t body = reader->told[r->seen].body;
        CU_ASSERT_FATAL(body < MANY);
        CU_ASSERT(!r->has_come[body]);
        CU_ASSERT(r->due[body] <= now());
        r->has_come[body] = true;
        r->come++;
    }
}

static void check_none_is_late(const struct many *r, uint32_t sent)
{
    for (uint32_t i = 0; i < sent; i++)
        CU_ASSERT(r->has_come[i] || r->due[i] > now());
}

static void send_many(struct many *r, uint32_t from, uint32_t to, uint64_t longest)
{
    for (uint32_t i = from; i < to; i++) {
        uint64_t ms = 1 + (uint64_t)rand() % longest;
        r->due[i] = now() + ms;
        delay(i, (int64_t)ms);
    }
    table_sync(&t);
}

static void read_on(struct many *r)
{
    table_rest(&t, reader);
    note_come(r);
}

static void start_and_read(struct many *r, uint64_t budget)
{
    read_on(r);
    start_again(budget);
    r->seen = 0;
    table_consume(&t, reader, "q", 0, true);
    read_on(r);
}

static void all_come_once(uint64_t budget, uint64_t longest, uint64_t step, bool has_checkpoints)
{
    struct many *r = calloc(1, sizeof *r);
    struct keeper *k;
    uint64_t ms = 0;

    srand(7);
    begin(budget);
    table_consume(&t, reader, "q", 0, true);
    for (uint32_t i = 0; i < 6; i++) {
        send_many(r, i * (MANY / 6), (i + 1) * (MANY / 6), longest);
        read_on(r);
        if (has_checkpoints) {
            k = table_keeper(&t);
            CU_ASSERT_EQUAL(table_checkpoint(&t, k, &ms), SL_OK);
            keeper_free(k);
        }
        table_wait(&t, step);
        read_on(r);
        check_none_is_late(r, (i + 1) * (MANY / 6));
        start_and_read(r, budget);
        check_none_is_late(r, (i + 1) * (MANY / 6));
    }
    CU_ASSERT_EQUAL(held(EXCHANGE), MANY - r->come);
    for (uint64_t at = 0; at <= longest; at += step) {
        table_wait(&t, step);
        read_on(r);
        check_none_is_late(r, MANY);
    }
    CU_ASSERT_EQUAL(r->come, MANY);
    CU_ASSERT_EQUAL(held(EXCHANGE), 0);
    CU_ASSERT_EQUAL(table_live_entries(&t), 0);
    free(r);
    end();
}

static void all_come_once_over_starts(void)
{
    all_come_once(BUDGET, 120000, 7001, false);
    all_come_once(BUDGET, 10 * HOUR_MS, HOUR_MS / 3, false);
}

static void all_come_once_over_starts_from_checkpoints(void)
{
    all_come_once(BUDGET, 120000, 7001, true);
    all_come_once(BUDGET, 40 * DAY_MS, 5 * DAY_MS, true);
}

static void all_come_once_without_memory(void)
{
    all_come_once(BUDGET_NONE, 120000, 7001, false);
    all_come_once(BUDGET_NONE, 10 * HOUR_MS, HOUR_MS / 3, true);
}

static void what_waits_is_moved_to_the_end_of_the_log(void)
{
    struct many *r = calloc(1, sizeof *r);

    begin(BUDGET);
    table_consume(&t, reader, "q", 0, true);
    send_many(r, 0, MANY, 3 * HOUR_MS);
    table_wait(&t, HOUR_MS);
    read_on(r);
    sl_lsn moved_to = commit_log_end(t.log);
    struct evacuation *e = table_evacuate(&t, (sl_lsn){0}, moved_to);
    for (int i = 0; i < 1000 && !evacuation_is_over(e); i++)
        table_turn(&t, reader);
    CU_ASSERT(evacuation_is_over(e));
    evacuation_unref(e);
    CU_ASSERT_EQUAL(table_live_entries(&t), MANY - r->come);
    for (int i = 0; i < 30; i++) {
        table_wait(&t, HOUR_MS / 10);
        read_on(r);
        check_none_is_late(r, MANY);
        if (i % 10 == 5)
            start_and_read(r, BUDGET);
    }
    CU_ASSERT_EQUAL(r->come, MANY);
    free(r);
    end();
}

/* The log has the time of a batch of records; a start from the middle of one, too. */
static void none_is_early_that_came_right_behind_a_checkpoint(void)
{
    uint64_t ms = 0;

    begin(BUDGET);
    struct keeper *k = table_keeper(&t);
    table_publish_persistent(a, "", "q", 1);
    table_settle(&t);
    keeper_hurry(k);
    CU_ASSERT_EQUAL(keeper_step(k, ms++), SL_OK); /* its place is behind that message */
    table_wait(&t, 500);
    uint64_t due = now() + 5000;
    delay(2, 5000);
    while (keeper_is_busy(k)) {
        table_sync(&t);
        CU_ASSERT_EQUAL_FATAL(keeper_step(k, ms++), SL_OK);
    }
    CU_ASSERT_EQUAL(keeper_status(k).checkpoints, 1);
    keeper_free(k);
    start_again(BUDGET);
    wait(due - 1 - now());
    CU_ASSERT_EQUAL(ready(), 1);
    wait(1);
    CU_ASSERT_EQUAL(ready(), 2);
    end();
}

/* Some are due where slots of two wheels begin. */
static void one_alone_comes_when_it_is_due_after_a_start(void)
{
    for (uint64_t i = 0; i < 66; i++) {
        uint64_t delay_ms = 120000 + i * 1000;
        begin(BUDGET);
        delay(1, (int64_t)delay_ms);
        start_again(BUDGET_NONE);
        wait(delay_ms - 1);
        CU_ASSERT_EQUAL(ready(), 0);
        wait(1);
        CU_ASSERT_EQUAL(ready(), 1);
        end();
    }
}

static void a_clock_that_was_put_right_by_decades_takes_no_time(void)
{
    begin(BUDGET);
    delay(1, 5000);
    delay(2, DELAY_MAX);
    CU_ASSERT_EQUAL(ready(), 0);
    t.now_ms += 50 * 365 * DAY_MS;
    for (uint32_t turns = 0; turns < 50; turns++)
        table_step(&t, turns % 2);
    CU_ASSERT_EQUAL(held(EXCHANGE), 0);
    CU_ASSERT_EQUAL(ready(), 2);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(an_exchange_must_say_what_it_does_when_the_time_has_come),
                                  UNIT(a_delay_above_the_most_is_refused_to_whoever_can_be_told),
                                  UNIT(without_a_delay_that_counts_a_message_goes_on_at_once),
                                  UNIT(a_message_comes_when_its_time_has_come_and_not_before),
                                  UNIT(they_come_in_the_order_of_their_times),
                                  UNIT(those_of_one_time_come_in_the_order_of_their_arrival),
                                  UNIT(what_has_come_is_read_from_the_log_again),
                                  UNIT(nobody_finds_the_queue_that_holds_them),
                                  UNIT(what_has_no_queue_when_it_is_due_is_gone),
                                  UNIT(what_waits_goes_with_its_exchange_and_gives_its_space_back),
                                  UNIT(transient_ones_are_delayed_and_do_not_survive),
                                  UNIT(what_a_transaction_delays_waits_for_the_disk),
                                  UNIT(a_clock_that_was_put_right_by_decades_takes_no_time),
                                  UNIT(none_is_early_that_came_right_behind_a_checkpoint),
                                  UNIT(one_alone_comes_when_it_is_due_after_a_start),
                                  UNIT(all_come_once_over_starts),
                                  UNIT(all_come_once_over_starts_from_checkpoints),
                                  UNIT(all_come_once_without_memory),
                                  UNIT(what_waits_is_moved_to_the_end_of_the_log),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/delayed", tests);
}
