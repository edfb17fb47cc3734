#include "core/index.h"

#include "tests/support/unit.h"

#include <stdlib.h>

#define N 3u

static const struct entry ENTRIES[N] = {
    {.seq = {5}, .place = {4096}, .record_len = 80, .body_len = 7, .copies = 2, .flags = 1},
    {.seq = {9}, .place = {8192}, .deadline = 77, .record_len = 88, .body_len = 9, .priority = 4},
    {.seq = {1ull << 40}, .place = {1ull << 50}, .record_len = 96, .copies = UINT16_MAX},
};

static bool is_same(const struct entry *a, const struct entry *b)
{
    return a->msg == b->msg && a->seq.v == b->seq.v && a->place.v == b->place.v &&
           a->deadline == b->deadline && a->record_len == b->record_len &&
           a->body_len == b->body_len && a->copies == b->copies && a->priority == b->priority &&
           a->flags == b->flags && a->returns == b->returns;
}

static enum sl_err read(const uint8_t *body, size_t len, uint32_t room, uint32_t *count)
{
    struct entry entries[N];
    uint64_t number;

    return index_read((struct sl_bytes){body, len}, &number, entries, room, count);
}

static void what_is_not_an_index_is_refused(void)
{
    uint8_t body[INDEX_HEAD_BYTES + N * INDEX_ENTRY_BYTES + 8] = {0};
    size_t len = index_bytes(N);
    uint32_t count;

    index_write(body, 7, ENTRIES, N);
    for (size_t cut = 0; cut < len; cut++)
        CU_ASSERT_EQUAL(read(body, cut, N, &count), SL_ECORRUPT);
    CU_ASSERT_EQUAL(read(body, len, N - 1, &count), SL_ECORRUPT);
    CU_ASSERT_EQUAL(read(body, len + 8, N, &count), SL_ECORRUPT);
    body[12] = 1; /* zero is not zero */
    CU_ASSERT_EQUAL(read(body, len, N, &count), SL_ECORRUPT);
    body[12] = 0;
    body[11] = 0; /* no entries */
    CU_ASSERT_EQUAL(read(body, len, N, &count), SL_ECORRUPT);
    sl_store_u32(body + 8, UINT32_MAX);
    CU_ASSERT_EQUAL(read(body, len, UINT32_MAX, &count), SL_ECORRUPT);
}

static void sequences_that_do_not_grow_are_refused(void)
{
    uint8_t body[INDEX_HEAD_BYTES + N * INDEX_ENTRY_BYTES];
    struct entry entries[N] = {ENTRIES[0], ENTRIES[1], ENTRIES[1]};
    uint32_t count;

    index_write(body, 7, entries, N);
    CU_ASSERT_EQUAL(read(body, sizeof body, N, &count), SL_ECORRUPT);
    entries[0].seq.v = 0;
    index_write(body, 7, entries, 2);
    CU_ASSERT_EQUAL(read(body, index_bytes(2), N, &count), SL_ECORRUPT);
}

static void entries_come_back_as_they_were_but_for_messages_and_returns(void)
{
    uint8_t body[INDEX_HEAD_BYTES + N * INDEX_ENTRY_BYTES];
    struct entry entries[N];
    uint64_t number = 0;
    uint32_t count = 0;

    index_write(body, 1ull << 33, ENTRIES, N);
    CU_ASSERT_EQUAL(index_read((struct sl_bytes){body, sizeof body}, &number, entries, N, &count),
                    SL_OK);
    CU_ASSERT_EQUAL(number, 1ull << 33);
    CU_ASSERT_EQUAL(count, N);
    for (uint32_t i = 0; i < N; i++)
        CU_ASSERT_TRUE(is_same(&entries[i], &ENTRIES[i]));
}

static void a_single_entry_keeps_its_returns(void)
{
    uint8_t bytes[INDEX_ENTRY_BYTES];
    struct entry entry = ENTRIES[1];
    struct entry again;

    entry.returns = 12;
    index_write_entry(bytes, &entry);
    index_read_entry(bytes, &again);
    CU_ASSERT_TRUE(is_same(&again, &entry));
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_not_an_index_is_refused),
        UNIT(sequences_that_do_not_grow_are_refused),
        UNIT(entries_come_back_as_they_were_but_for_messages_and_returns),
        UNIT(a_single_entry_keeps_its_returns),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/index", tests);
}
