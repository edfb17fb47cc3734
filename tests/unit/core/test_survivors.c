#include "core/survivors.h"

#include "core/base/limits.h"
#include "core/index.h"
#include "core/survivor_chunk.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

static struct survivors s;
static char told[4096];

static enum sl_err add(uint64_t seq, uint8_t level)
{
    struct entry entry = {.seq = {seq}, .priority = level, .flags = ENTRY_LOGGED};

    return survivors_add(&s, &entry);
}

static enum sl_err add_chunk(uint64_t first, uint64_t last, uint8_t level)
{
    struct stored_chunk chunk = {.place = {1000},
                                 .record_len = record_length(index_bytes(2)),
                                 .count = 2,
                                 .first = {first},
                                 .last = {last}};

    return survivors_add_chunk(&s, &chunk, level);
}

static bool has(uint64_t seq)
{
    struct entry *entry;

    CU_ASSERT_EQUAL(survivors_find(&s, NULL, (sl_seq){seq}, &entry), SL_OK);
    return entry != NULL;
}

static void end(uint64_t seq)
{
    struct entry *entry;

    CU_ASSERT_EQUAL(survivors_find(&s, NULL, (sl_seq){seq}, &entry), SL_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    survivors_end(&s, entry);
}

static bool next_in(void *context, uint64_t *seq)
{
    const uint64_t **at = context;

    if (**at == 0)
        return false;
    *seq = *(*at)++;
    return true;
}

static void tell_chunk(void *context, uint8_t level, const struct stored_chunk *chunk)
{
    (void)context;
    sprintf(told + strlen(told), "%u:%llu-%llu ", level, (unsigned long long)chunk->first.v,
            (unsigned long long)chunk->last.v);
}

static void tell_entry(void *context, struct entry *entry)
{
    (void)context;
    sprintf(told + strlen(told), "%u:%llu ", entry->priority, (unsigned long long)entry->seq.v);
}

static const char *rest(void)
{
    told[0] = '\0';
    survivors_hand_over(&s, tell_chunk, tell_entry, NULL);
    return told;
}

static void what_does_not_come_behind_the_others_is_refused(void)
{
    survivors_init(&s, 1);
    CU_ASSERT_EQUAL(add(5, 0), SL_OK);
    CU_ASSERT_EQUAL(add(5, 0), SL_ECORRUPT);
    CU_ASSERT_EQUAL(add(4, 0), SL_ECORRUPT);
    CU_ASSERT_EQUAL(add(6, 1), SL_ECORRUPT); /* no such level */
    survivors_deinit(&s);
}

static void chunks_that_overlap_are_refused(void)
{
    struct entry inside = {.seq = {12}, .flags = ENTRY_LOGGED};

    survivors_init(&s, 1);
    CU_ASSERT_EQUAL(add_chunk(10, 20, 0), SL_OK);
    CU_ASSERT_EQUAL(add_chunk(20, 30, 0), SL_OK);
    CU_ASSERT_EQUAL(survivors_sort(&s, NULL), SL_ECORRUPT);
    survivors_deinit(&s);

    survivors_init(&s, 1);
    CU_ASSERT_EQUAL(add_chunk(10, 20, 0), SL_OK);
    CU_ASSERT_EQUAL(survivors_add_loose(&s, &inside), SL_OK);
    CU_ASSERT_EQUAL(survivors_sort(&s, NULL), SL_ECORRUPT);
    survivors_deinit(&s);
}

static void what_lies_among_a_chunks_own_is_put_in_its_place_once(void)
{
    struct survivor_chunk c = {0};
    struct entry entry = {.flags = ENTRY_LOGGED};
    const uint64_t order[] = {10, 30, 20, 15, 40};

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        entry.seq.v = order[i];
        CU_ASSERT_EQUAL(survivor_chunk_insert(&c, &entry), SL_OK);
    }
    CU_ASSERT_EQUAL(c.first.v, 10);
    CU_ASSERT_EQUAL(c.last.v, 40);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        CU_ASSERT_PTR_NOT_NULL(survivor_chunk_find(&c, (sl_seq){order[i]}));
    entry.seq.v = 20;
    CU_ASSERT_EQUAL(survivor_chunk_insert(&c, &entry), SL_ECORRUPT);
    survivor_chunk_end(&c);
}

static void a_stored_chunk_that_cannot_be_read_is_an_error_only_when_it_is_wanted(void)
{
    struct entry *entry;

    survivors_init(&s, 1);
    CU_ASSERT_EQUAL(add_chunk(10, 20, 0), SL_OK);
    CU_ASSERT_EQUAL(survivors_sort(&s, NULL), SL_OK);
    CU_ASSERT_FALSE(has(9));
    CU_ASSERT_FALSE(has(21));
    CU_ASSERT_EQUAL(survivors_find(&s, NULL, (sl_seq){15}, &entry), SL_ECORRUPT);
    survivors_deinit(&s);
}

static void the_parts_of_a_checkpoint_come_into_their_order(void)
{
    struct entry loose[] = {{.seq = {41}, .flags = ENTRY_LOGGED},
                            {.seq = {1}, .flags = ENTRY_LOGGED},
                            {.seq = {25}, .flags = ENTRY_LOGGED},
                            {.seq = {12}, .priority = 1, .flags = ENTRY_LOGGED}};

    survivors_init(&s, 2);
    CU_ASSERT_EQUAL(add_chunk(30, 40, 0), SL_OK);
    CU_ASSERT_EQUAL(add_chunk(10, 20, 0), SL_OK);
    CU_ASSERT_EQUAL(add_chunk(13, 14, 1), SL_OK);
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++)
        CU_ASSERT_EQUAL(survivors_add_loose(&s, &loose[i]), SL_OK);
    CU_ASSERT_EQUAL(survivors_sort(&s, NULL), SL_OK);
    CU_ASSERT_EQUAL(add(50, 0), SL_OK);
    end(1);
    end(12);
    CU_ASSERT_STRING_EQUAL(rest(), "0:10-20 0:25 0:30-40 0:41 0:50 1:13-14 ");
}

static void what_was_settled_is_gone_and_the_rest_keeps_its_order(void)
{
    survivors_init(&s, 1);
    for (uint64_t seq = 1; seq <= 5000; seq++)
        CU_ASSERT_EQUAL(add(seq, 0), SL_OK);
    for (uint64_t seq = 1; seq <= 5000; seq++)
        if (seq != 17 && seq != 4999)
            end(seq);
    CU_ASSERT_TRUE(has(17));
    CU_ASSERT_FALSE(has(18));
    CU_ASSERT_FALSE(has(5000));
    CU_ASSERT_EQUAL(add(5001, 0), SL_OK);
    CU_ASSERT_STRING_EQUAL(rest(), "0:17 0:4999 0:5001 ");
}

static void a_queue_that_is_always_drained_takes_no_room(void)
{
    survivors_init(&s, 1);
    for (uint64_t seq = 1; seq <= 100000; seq++) {
        CU_ASSERT_EQUAL(add(seq, 0), SL_OK);
        end(seq);
    }
    CU_ASSERT_STRING_EQUAL(rest(), "");
}

static void a_purge_leaves_what_came_later_and_what_was_out(void)
{
    uint64_t stay[] = {3, 5, 0};
    const uint64_t *at = stay;

    survivors_init(&s, 1);
    for (uint64_t seq = 1; seq <= 8; seq++)
        CU_ASSERT_EQUAL(add(seq, 0), SL_OK);
    end(5);
    CU_ASSERT_EQUAL(survivors_purge(&s, NULL, (sl_seq){6}, next_in, &at), SL_OK);
    CU_ASSERT_STRING_EQUAL(rest(), "0:3 0:7 0:8 ");
}

static void a_purge_ends_a_stored_chunk_without_reading_it(void)
{
    uint64_t stay[] = {0};
    const uint64_t *at = stay;

    survivors_init(&s, 1);
    CU_ASSERT_EQUAL(add_chunk(10, 20, 0), SL_OK);
    CU_ASSERT_EQUAL(survivors_sort(&s, NULL), SL_OK);
    CU_ASSERT_EQUAL(add(21, 0), SL_OK);
    CU_ASSERT_EQUAL(survivors_purge(&s, NULL, (sl_seq){20}, next_in, &at), SL_OK);
    CU_ASSERT_STRING_EQUAL(rest(), "0:21 ");
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_does_not_come_behind_the_others_is_refused),
        UNIT(chunks_that_overlap_are_refused),
        UNIT(what_lies_among_a_chunks_own_is_put_in_its_place_once),
        UNIT(a_stored_chunk_that_cannot_be_read_is_an_error_only_when_it_is_wanted),
        UNIT(the_parts_of_a_checkpoint_come_into_their_order),
        UNIT(what_was_settled_is_gone_and_the_rest_keeps_its_order),
        UNIT(a_queue_that_is_always_drained_takes_no_room),
        UNIT(a_purge_leaves_what_came_later_and_what_was_out),
        UNIT(a_purge_ends_a_stored_chunk_without_reading_it),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/survivors", tests);
}
