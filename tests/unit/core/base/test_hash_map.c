#include "core/base/hash_map.h"

#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY 100000

struct thing {
    char name[16];
    size_t len;
    bool is_in;
};

static struct sl_bytes name_of(const struct thing *t)
{
    return (struct sl_bytes){(const uint8_t *)t->name, t->len};
}

static struct thing *make_things(size_t n)
{
    struct thing *things = calloc(n, sizeof *things);

    for (size_t i = 0; i < n; i++)
        things[i].len = (size_t)snprintf(things[i].name, sizeof things[i].name, "thing-%zu", i);
    return things;
}

static void an_empty_map_has_nothing(void)
{
    struct hash_map m = {0};
    size_t cursor = 0;

    CU_ASSERT_PTR_NULL(hash_map_get(&m, SL_BYTES_LITERAL("a")));
    CU_ASSERT_PTR_NULL(hash_map_remove(&m, SL_BYTES_LITERAL("a")));
    CU_ASSERT_PTR_NULL(hash_map_next(&m, &cursor));
    hash_map_deinit(&m);
}

static void a_key_of_no_bytes_is_a_key(void)
{
    struct hash_map m = {0};
    int value;

    CU_ASSERT_EQUAL(hash_map_put(&m, (struct sl_bytes){NULL, 0}, &value), SL_OK);
    CU_ASSERT_PTR_EQUAL(hash_map_get(&m, SL_BYTES_LITERAL("")), &value);
    CU_ASSERT_PTR_EQUAL(hash_map_remove(&m, SL_BYTES_LITERAL("")), &value);
    hash_map_deinit(&m);
}

static void every_key_is_found_until_it_is_removed(void)
{
    struct thing *things = make_things(MANY);
    struct hash_map m = {0};
    size_t wrong = 0;

    for (size_t i = 0; i < MANY; i++)
        wrong += hash_map_put(&m, name_of(&things[i]), &things[i]) != SL_OK;
    for (size_t i = 0; i < MANY; i++)
        wrong += hash_map_get(&m, name_of(&things[i])) != &things[i];
    for (size_t i = 0; i < MANY; i += 2)
        wrong += hash_map_remove(&m, name_of(&things[i])) != &things[i];
    for (size_t i = 0; i < MANY; i++)
        wrong += (hash_map_get(&m, name_of(&things[i])) != NULL) != (i % 2 == 1);
    for (size_t i = 1; i < MANY; i += 2)
        wrong += hash_map_remove(&m, name_of(&things[i])) != &things[i];
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(m.count, 0);
    CU_ASSERT_TRUE(m.room <= 64); /* the memory went back */
    hash_map_deinit(&m);
    free(things);
}

/* The same choices are made on the map and on a flag in each thing. */
static void any_mix_of_puts_and_removes_keeps_the_map_true(void)
{
    enum { N = 300, STEPS = 60000 };
    struct thing *things = make_things(N);
    struct hash_map m = {0};
    size_t wrong = 0;

    srand(7);
    for (int step = 0; step < STEPS; step++) {
        struct thing *t = &things[rand() % N];
        if (t->is_in)
            wrong += hash_map_remove(&m, name_of(t)) != t;
        else
            wrong += hash_map_put(&m, name_of(t), t) != SL_OK;
        t->is_in = !t->is_in;
        if (step % 1000 == 0)
            for (size_t i = 0; i < N; i++)
                wrong += (hash_map_get(&m, name_of(&things[i])) != NULL) != things[i].is_in;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    hash_map_deinit(&m);
    free(things);
}

static void a_walk_meets_everything_once(void)
{
    struct thing *things = make_things(1000);
    struct hash_map m = {0};
    struct thing *met;
    size_t cursor = 0;
    size_t count = 0;

    for (size_t i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(hash_map_put(&m, name_of(&things[i]), &things[i]), SL_OK);
    while ((met = hash_map_next(&m, &cursor)) != NULL) {
        CU_ASSERT_FALSE(met->is_in);
        met->is_in = true;
        count++;
    }
    CU_ASSERT_EQUAL(count, 1000);
    hash_map_deinit(&m);
    free(things);
}

static void another_seed_gives_other_hashes(void)
{
    uint64_t before = hash_map_hash(SL_BYTES_LITERAL("key"));

    hash_map_seed(12345);
    CU_ASSERT_NOT_EQUAL(hash_map_hash(SL_BYTES_LITERAL("key")), before);
    hash_map_seed(0);
    CU_ASSERT_EQUAL(hash_map_hash(SL_BYTES_LITERAL("key")), before);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(an_empty_map_has_nothing),
                                  UNIT(a_key_of_no_bytes_is_a_key),
                                  UNIT(every_key_is_found_until_it_is_removed),
                                  UNIT(any_mix_of_puts_and_removes_keeps_the_map_true),
                                  UNIT(a_walk_meets_everything_once),
                                  UNIT(another_seed_gives_other_hashes),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/base/hash_map", tests);
}
