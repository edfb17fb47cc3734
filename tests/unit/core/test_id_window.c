/* What a window remembers, for how long, and what it costs. */
#include "core/id_window.h"

#include "tests/support/unit.h"

#include <stdlib.h>

#define MANY 300000u
#define TTL 1000u

static struct id_window w;

/* Spread as a hash is. */
static struct message_id id_of(uint64_t n)
{
    return (struct message_id){n, n * 0x9e3779b97f4a7c15u ^ n >> 29};
}

static void add(uint64_t n, uint64_t time, uint32_t ttl)
{
    id_window_add(&w, &(struct remembered_id){id_of(n), {n}, time, ttl});
}

static void end(void)
{
    id_window_check(&w);
    id_window_deinit(&w);
    CU_ASSERT_EQUAL(w.bytes, 0);
}

static void an_empty_window_has_nothing(void)
{
    CU_ASSERT_FALSE(id_window_has(&w, id_of(1), 0));
    CU_ASSERT_FALSE(id_window_remove(&w, (sl_seq){1}));
    CU_ASSERT_EQUAL(w.bytes, 0);
    end();
}

static void what_was_added_is_there_until_its_time_is_over(void)
{
    add(1, 5000, TTL);
    add(2, 5001, 1);
    CU_ASSERT_TRUE(id_window_has(&w, id_of(1), 5999));
    CU_ASSERT_FALSE(id_window_has(&w, id_of(1), 6000));
    CU_ASSERT_TRUE(id_window_has(&w, id_of(2), 5001));
    CU_ASSERT_FALSE(id_window_has(&w, id_of(2), 5002));
    CU_ASSERT_FALSE(id_window_has(&w, id_of(3), 5000));
    end();
}

static void an_id_that_is_over_can_come_again(void)
{
    add(1, 0, TTL);
    id_window_add(&w, &(struct remembered_id){id_of(1), {2}, TTL, TTL});
    CU_ASSERT_TRUE(id_window_has(&w, id_of(1), TTL + 1));
    id_window_expire(&w, TTL + 1, 10);
    CU_ASSERT_EQUAL(w.count, 1);
    CU_ASSERT_TRUE(id_window_has(&w, id_of(1), TTL + 1));
    end();
}

static void those_that_are_over_leave_oldest_first(void)
{
    for (uint64_t n = 1; n <= 10; n++)
        add(n, n, TTL);
    id_window_expire(&w, 5 + TTL, 3);
    CU_ASSERT_EQUAL(w.count, 7);
    id_window_expire(&w, 5 + TTL, 100);
    CU_ASSERT_EQUAL(w.count, 5);
    id_window_drop_oldest(&w);
    CU_ASSERT_FALSE(id_window_has(&w, id_of(6), 0));
    CU_ASSERT_TRUE(id_window_has(&w, id_of(7), 0));
    end();
}

static void an_id_goes_with_its_message(void)
{
    for (uint64_t n = 1; n <= 10; n++)
        add(n, 0, ID_LASTS);
    CU_ASSERT_TRUE(id_window_remove(&w, (sl_seq){4}));
    CU_ASSERT_FALSE(id_window_remove(&w, (sl_seq){4}));
    CU_ASSERT_FALSE(id_window_has(&w, id_of(4), 0));
    CU_ASSERT_EQUAL(w.count, 9);
    end();
}

static void a_full_window_takes_less_than_forty_bytes_an_id(void)
{
    for (uint64_t n = 1; n <= MANY; n++)
        add(n, n, TTL);
    CU_ASSERT_TRUE(w.bytes < 40ull * MANY);
    id_window_check(&w);
    for (uint64_t n = MANY + 1; n <= 3 * MANY; n++) {
        id_window_drop_oldest(&w);
        add(n, n, TTL);
    }
    CU_ASSERT_TRUE(w.bytes < 40ull * MANY);
    CU_ASSERT_TRUE(id_window_has(&w, id_of(2 * MANY + 1), 0));
    CU_ASSERT_FALSE(id_window_has(&w, id_of(2 * MANY), 0));
    while (w.count > 0)
        id_window_drop_oldest(&w);
    CU_ASSERT_TRUE(w.bytes < 24 * 1024);
    end();
}

static void a_few_ids_take_little(void)
{
    for (uint64_t n = 1; n <= 3; n++)
        add(n, n, TTL);
    CU_ASSERT_TRUE(w.bytes < 512);
    end();
}

static void holes_are_closed(void)
{
    for (uint64_t n = 1; n <= MANY; n++)
        add(n, 0, ID_LASTS);
    for (uint64_t n = 1; n <= MANY; n++)
        if (n % 100 != 0)
            CU_ASSERT_TRUE(id_window_remove(&w, (sl_seq){n}));
    CU_ASSERT_EQUAL(w.count, MANY / 100);
    CU_ASSERT_TRUE(w.bytes < 300ull * w.count);
    id_window_check(&w);
    for (uint64_t n = 100; n <= MANY; n += 100) {
        CU_ASSERT_TRUE(id_window_has(&w, id_of(n), 0));
        CU_ASSERT_TRUE(id_window_remove(&w, (sl_seq){n}));
    }
    CU_ASSERT_EQUAL(w.count, 0);
    end();
}

static void what_comes_and_goes_at_random_is_right(void)
{
    static uint8_t is_there[20001];
    uint64_t count = 0;

    srand(7);
    for (uint64_t n = 1; n <= 20000; n++) {
        add(n, n / 7, n % 5 == 0 ? TTL : ID_LASTS);
        is_there[n] = 1;
        count++;
        for (int i = 0; i < rand() % 3; i++) {
            uint64_t which = 1 + (uint64_t)rand() % n;
            CU_ASSERT_EQUAL(id_window_remove(&w, (sl_seq){which}), is_there[which]);
            count -= is_there[which];
            is_there[which] = 0;
        }
    }
    CU_ASSERT_EQUAL(w.count, count);
    for (uint64_t n = 1; n <= 20000; n++)
        CU_ASSERT_EQUAL(id_window_has(&w, id_of(n), 0), is_there[n]);
    end();
}

static bool count_id(void *context, const struct remembered_id *id)
{
    uint64_t *told = context;

    told[0]++;
    told[1] = id->seq.v;
    return told[0] < 5000;
}

static void what_came_after_a_message_is_told_in_order(void)
{
    uint64_t told[2] = {0, 0};

    for (uint64_t n = 1; n <= 5000; n++)
        add(2 * n, 0, ID_LASTS);
    id_window_each_above(&w, (sl_seq){3001}, count_id, told);
    CU_ASSERT_EQUAL(told[0], 3500);
    CU_ASSERT_EQUAL(told[1], 10000);
    end();
}

static void a_window_knows_the_first_file_that_it_needs(void)
{
    CU_ASSERT_EQUAL(id_window_least_file(&w), 0);
    for (uint64_t n = 1; n <= 1500; n++)
        add(n, 0, ID_LASTS);
    id_window_saved(&w, 3);
    for (uint64_t n = 1501; n <= 5000; n++)
        add(n, 0, ID_LASTS);
    id_window_saved(&w, 4);
    CU_ASSERT_EQUAL(id_window_least_file(&w), 3);
    for (uint64_t n = 1; n <= 4999; n++)
        id_window_drop_oldest(&w);
    CU_ASSERT_EQUAL(id_window_least_file(&w), 4);
    end();
}

static void warm(uint64_t n)
{
    for (uint32_t step = 0; step < 4; step++)
        id_window_warm(&w, id_of(n), step);
}

static void reading_ahead_changes_nothing(void)
{
    warm(1);
    for (uint64_t n = 1; n <= MANY; n++) {
        add(n, 0, TTL);
        warm(n - n % 7);
    }
    for (uint64_t n = 1; n <= MANY; n += 2)
        CU_ASSERT_TRUE(id_window_remove(&w, (sl_seq){n}));
    for (uint64_t n = 1; n <= 2 * MANY; n++)
        warm(n);
    id_window_check(&w);
    CU_ASSERT_EQUAL(w.count, MANY / 2);
    while (w.count > 0) {
        id_window_drop_oldest(&w);
        warm(w.count);
    }
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(an_empty_window_has_nothing),
        UNIT(what_was_added_is_there_until_its_time_is_over),
        UNIT(an_id_that_is_over_can_come_again),
        UNIT(those_that_are_over_leave_oldest_first),
        UNIT(an_id_goes_with_its_message),
        UNIT(a_full_window_takes_less_than_forty_bytes_an_id),
        UNIT(a_few_ids_take_little),
        UNIT(holes_are_closed),
        UNIT(what_comes_and_goes_at_random_is_right),
        UNIT(what_came_after_a_message_is_told_in_order),
        UNIT(reading_ahead_changes_nothing),
        UNIT(a_window_knows_the_first_file_that_it_needs),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/id_window", tests);
}
