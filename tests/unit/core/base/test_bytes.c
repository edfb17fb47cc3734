#include "core/base/bytes.h"

#include "tests/support/unit.h"

static void a_reader_never_passes_its_end(void)
{
    static const uint8_t in[] = {1, 2, 3};
    struct sl_reader r = sl_reader_of((struct sl_bytes){in, sizeof in});

    CU_ASSERT_EQUAL(sl_read_u32(&r), 0);
    CU_ASSERT_TRUE(r.is_short);
    CU_ASSERT_EQUAL(sl_reader_left(&r), 0);
    CU_ASSERT_EQUAL(sl_read_u8(&r), 0); /* short stays short */
    CU_ASSERT_TRUE(r.is_short);
}

static void a_string_that_lies_about_its_length_is_no_string(void)
{
    static const uint8_t short_string[] = {5, 'a', 'b'};
    static const uint8_t long_string[] = {0xff, 0xff, 0xff, 0xff, 'a'};
    struct sl_reader r = sl_reader_of((struct sl_bytes){short_string, sizeof short_string});

    CU_ASSERT_EQUAL(sl_read_short_string(&r).len, 0);
    CU_ASSERT_TRUE(r.is_short);
    r = sl_reader_of((struct sl_bytes){long_string, sizeof long_string});
    CU_ASSERT_EQUAL(sl_read_long_string(&r).len, 0);
    CU_ASSERT_TRUE(r.is_short);
}

static void a_writer_that_overflows_writes_nothing_behind_its_end(void)
{
    uint8_t room[4] = {9, 9, 9, 9};
    struct sl_writer w = {room, room + 3, false};

    sl_write_u32(&w, 1);
    CU_ASSERT_TRUE(w.overflowed);
    CU_ASSERT_EQUAL(room[0], 9);
    CU_ASSERT_EQUAL(room[3], 9);
}

static void a_short_string_holds_at_most_255_bytes(void)
{
    static const uint8_t text[256];
    uint8_t room[512];
    struct sl_writer w = {room, room + sizeof room, false};

    sl_write_short_string(&w, (struct sl_bytes){text, 255});
    CU_ASSERT_FALSE(w.overflowed);
    sl_write_short_string(&w, (struct sl_bytes){text, 256});
    CU_ASSERT_TRUE(w.overflowed);
}

static void what_is_written_is_read_back_in_network_order(void)
{
    uint8_t room[64];
    struct sl_writer w = {room, room + sizeof room, false};

    sl_write_u8(&w, 0x01);
    sl_write_u16(&w, 0x0203);
    sl_write_u32(&w, 0x04050607);
    sl_write_u64(&w, 0x08090a0b0c0d0e0f);
    sl_write_short_string(&w, SL_BYTES_LITERAL("abc"));
    sl_write_long_string(&w, SL_BYTES_LITERAL("defg"));
    CU_ASSERT_FALSE(w.overflowed);
    for (uint8_t i = 0; i < 15; i++)
        CU_ASSERT_EQUAL(room[i], i + 1);

    struct sl_reader r = {room, w.pos, false};
    CU_ASSERT_EQUAL(sl_read_u8(&r), 0x01);
    CU_ASSERT_EQUAL(sl_read_u16(&r), 0x0203);
    CU_ASSERT_EQUAL(sl_read_u32(&r), 0x04050607);
    CU_ASSERT_EQUAL(sl_read_u64(&r), 0x08090a0b0c0d0e0f);
    CU_ASSERT_TRUE(sl_bytes_are(sl_read_short_string(&r), "abc"));
    CU_ASSERT_TRUE(sl_bytes_are(sl_read_long_string(&r), "defg"));
    CU_ASSERT_FALSE(r.is_short);
    CU_ASSERT_EQUAL(sl_reader_left(&r), 0);
}

static void bytes_compare_by_length_and_content(void)
{
    CU_ASSERT_TRUE(sl_bytes_equal((struct sl_bytes){NULL, 0}, SL_BYTES_LITERAL("")));
    CU_ASSERT_FALSE(sl_bytes_are(SL_BYTES_LITERAL("ab"), "abc"));
    CU_ASSERT_FALSE(sl_bytes_begin(SL_BYTES_LITERAL("am"), "amq."));
    CU_ASSERT_TRUE(sl_bytes_begin(SL_BYTES_LITERAL("amq.x"), "amq."));
    CU_ASSERT_TRUE(sl_bytes_are(sl_bytes_skip(SL_BYTES_LITERAL("abc"), 2), "c"));
    CU_ASSERT_EQUAL(sl_bytes_skip(SL_BYTES_LITERAL("abc"), 9).len, 0);
}

static void a_word_is_among_others_when_it_is_a_whole_one(void)
{
    CU_ASSERT_FALSE(sl_bytes_are_among(sl_bytes_of("drop"), "|drop-head|lazy|"));
    CU_ASSERT_FALSE(sl_bytes_are_among(sl_bytes_of("drop-head|lazy"), "|drop-head|lazy|"));
    CU_ASSERT_FALSE(sl_bytes_are_among(sl_bytes_of(""), "|drop-head|lazy|"));
    CU_ASSERT_FALSE(sl_bytes_are_among(sl_bytes_of("|"), "|drop-head|lazy|"));
    CU_ASSERT_FALSE(sl_bytes_are_among(sl_bytes_of("lazy"), ""));
    CU_ASSERT_TRUE(sl_bytes_are_among(sl_bytes_of("drop-head"), "|drop-head|lazy|"));
    CU_ASSERT_TRUE(sl_bytes_are_among(sl_bytes_of("lazy"), "|drop-head|lazy|"));
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_reader_never_passes_its_end),
                                  UNIT(a_string_that_lies_about_its_length_is_no_string),
                                  UNIT(a_writer_that_overflows_writes_nothing_behind_its_end),
                                  UNIT(a_short_string_holds_at_most_255_bytes),
                                  UNIT(what_is_written_is_read_back_in_network_order),
                                  UNIT(bytes_compare_by_length_and_content),
                                  UNIT(a_word_is_among_others_when_it_is_a_whole_one),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/base/bytes", tests);
}
