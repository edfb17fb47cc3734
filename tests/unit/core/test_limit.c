#include "core/limit.h"

#include "core/properties.h"
#include "tests/support/table_maker.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)

static struct table t;
static struct sitter *s;
static struct table_maker m;

static void set_up(const char *argument, int64_t n)
{
    table_init(&t, 2, BUDGET);
    s = table_sit(&t, 0);
    CU_ASSERT_EQUAL_FATAL(table_declare_with(&t, s, "q", table_of_number(&m, argument, n)), SL_OK);
}

static void publish(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
}

static void publish_at(int priority, uint64_t body)
{
    static uint8_t room[64];
    struct sl_writer w = {room, room + sizeof room, false};
    struct properties p = {.present = PROPERTY_PRIORITY, .priority = (uint8_t)priority};

    properties_encode(&p, &w);
    table_publish_with(s, "", "q", (struct sl_bytes){room, (size_t)(w.pos - room)}, body);
}

static void assert_told(const uint64_t *bodies, size_t n)
{
    CU_ASSERT_EQUAL_FATAL(s->told_count, n);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(s->told[i].body, bodies[i]);
}

static void the_oldest_go_when_there_are_too_many(void)
{
    set_up("x-max-length", 3);
    publish(0, 10);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 3);
    table_consume(&t, s, "q", 0, true);
    assert_told((const uint64_t[]){7, 8, 9}, 3);
    table_deinit(&t);
}

static void a_queue_for_nothing_holds_nothing_but_lends(void)
{
    set_up("x-max-length", 0);
    publish(0, 10);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    table_consume(&t, s, "q", 0, true);
    publish(10, 12);
    assert_told((const uint64_t[]){10, 11}, 2);
    table_deinit(&t);
}

static void bytes_of_bodies_are_limited(void)
{
    set_up("x-max-length-bytes", 3 * sizeof(uint64_t) + 7);
    publish(0, 10);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 3);
    table_deinit(&t);
    set_up("x-max-length-bytes", 7); /* not even one fits */
    publish(0, 10);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    table_deinit(&t);
}

static void what_is_out_does_not_count_but_does_when_it_comes_back(void)
{
    set_up("x-max-length", 3);
    publish(0, 3);
    struct subscription *sub = table_consume(&t, s, "q", 2, false);
    publish(3, 5);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 3);
    settlement_forget(&s->settlement, sub);
    broker_drop(&s->client, sub);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 3);
    s->told_count = 0;
    table_consume(&t, s, "q", 0, true);
    assert_told((const uint64_t[]){2, 3, 4}, 3);
    table_deinit(&t);
}

static void a_purge_gives_all_the_room_back(void)
{
    set_up("x-max-length-bytes", 3 * sizeof(uint64_t));
    publish(0, 10);
    broker_purge_queue(&s->client, 5, sl_bytes_of("q"));
    table_settle(&t);
    CU_ASSERT_EQUAL(s->last->messages, 3);
    publish(0, 2);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 2);
    table_deinit(&t);
}

static void priorities_mean_nothing_where_there_are_none(void)
{
    set_up("x-max-length", 100);
    publish_at(0, 1);
    publish_at(9, 2);
    table_settle(&t);
    table_consume(&t, s, "q", 0, true);
    assert_told((const uint64_t[]){1, 2}, 2);
    table_deinit(&t);
}

static void the_highest_priority_goes_first_and_each_in_its_order(void)
{
    set_up("x-max-priority", 5);
    publish_at(0, 1);
    publish_at(3, 2);
    table_publish(s, "", "q", 3); /* none is the lowest */
    publish_at(5, 4);
    publish_at(3, 5);
    publish_at(200, 6); /* the most that there is */
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 6);
    table_consume(&t, s, "q", 0, true);
    assert_told((const uint64_t[]){4, 6, 2, 5, 1, 3}, 6);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    table_deinit(&t);
}

static void a_returned_message_comes_again_in_its_priority(void)
{
    set_up("x-max-priority", 255);
    publish_at(7, 1);
    publish_at(7, 2);
    table_settle(&t);
    struct subscription *sub = table_consume(&t, s, "q", 1, false);
    publish_at(8, 3);
    table_settle(&t);
    settlement_forget(&s->settlement, sub);
    broker_drop(&s->client, sub);
    table_settle(&t);
    table_consume(&t, s, "q", 0, true);
    assert_told((const uint64_t[]){1, 3, 1, 2}, 4);
    table_deinit(&t);
}

static void a_purge_reaches_every_priority(void)
{
    set_up("x-max-priority", 10);
    for (int i = 0; i <= 10; i++)
        publish_at(i, (uint64_t)i);
    table_settle(&t);
    broker_purge_queue(&s->client, 5, sl_bytes_of("q"));
    table_settle(&t);
    CU_ASSERT_EQUAL(s->last->messages, 11);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    publish_at(4, 1);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 1);
    table_deinit(&t); /* with one left in it */
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(the_oldest_go_when_there_are_too_many),
        UNIT(a_queue_for_nothing_holds_nothing_but_lends),
        UNIT(bytes_of_bodies_are_limited),
        UNIT(what_is_out_does_not_count_but_does_when_it_comes_back),
        UNIT(a_purge_gives_all_the_room_back),
        UNIT(priorities_mean_nothing_where_there_are_none),
        UNIT(the_highest_priority_goes_first_and_each_in_its_order),
        UNIT(a_returned_message_comes_again_in_its_priority),
        UNIT(a_purge_reaches_every_priority),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/limit", tests);
}
