#include "core/store/record.h"

#include "tests/support/unit.h"

#define START 0x1122334455667788ull
static const sl_lsn PLACE = {4096};

static uint8_t bytes[64];
static uint32_t bytes_len;

static struct sl_bytes whole(void)
{
    record_write(bytes, RECORD_MESSAGE, 7, SL_BYTES_LITERAL("a body of 20 bytes.."), START, PLACE);
    bytes_len = record_length(20);
    return (struct sl_bytes){bytes, bytes_len};
}

static enum sl_err decode(struct sl_bytes in)
{
    struct record record;
    uint32_t length;

    return record_decode(in, START, PLACE, &record, &length);
}

static void a_record_cut_anywhere_asks_for_more(void)
{
    struct sl_bytes in = whole();

    for (size_t cut = 0; cut < in.len; cut++)
        CU_ASSERT_EQUAL(decode((struct sl_bytes){in.at, cut}), SL_EAGAIN);
}

static void a_record_with_any_bit_flipped_is_no_record(void)
{
    struct sl_bytes in = whole();

    for (size_t bit = 0; bit < in.len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CU_ASSERT_NOT_EQUAL(decode(in), SL_OK);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CU_ASSERT_EQUAL(decode(in), SL_OK);
}

static void a_record_torn_anywhere_is_no_record(void)
{
    struct sl_bytes in = whole();
    uint8_t good[64];

    memcpy(good, bytes, sizeof good);
    for (size_t cut = 0; cut < in.len - 4; cut++) { /* the last four are padding: zeros anyway */
        memset(bytes + cut, 0, in.len - cut);
        CU_ASSERT_EQUAL(decode(in), SL_ECORRUPT);
        memcpy(bytes, good, sizeof good);
    }
}

static void a_good_record_in_the_wrong_place_is_no_record(void)
{
    struct sl_bytes in = whole();
    struct record record;
    uint32_t length;

    CU_ASSERT_EQUAL(record_decode(in, START, (sl_lsn){PLACE.v + 8}, &record, &length), SL_ECORRUPT);
    CU_ASSERT_EQUAL(record_decode(in, START + 1, PLACE, &record, &length), SL_ECORRUPT);
}

static void nonsense_lengths_are_refused_before_they_are_believed(void)
{
    static const uint32_t lengths[] = {0, 8, 23, 25, 30, RECORD_BYTES_MAX + 8, UINT32_MAX};
    struct sl_bytes in = whole();

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(bytes + 4, &lengths[i], 4);
        CU_ASSERT_EQUAL(decode(in), SL_ECORRUPT);
    }
}

static void a_later_format_is_told_from_damage(void)
{
    struct sl_bytes in = whole();

    bytes[20] = 1;
    uint32_t sum = record_checksum(bytes, bytes_len, START, PLACE);
    memcpy(bytes, &sum, sizeof sum);
    CU_ASSERT_EQUAL(decode(in), SL_ENOTIMPL);
}

static void a_batch_of_another_log_is_not_believed(void)
{
    uint8_t at[RECORD_BATCH_BYTES];
    struct record record;
    uint32_t length;
    struct record_batch batch;

    record_write_batch(at, 9, (struct record_batch){{77}, 1234}, START, PLACE);
    CU_ASSERT_EQUAL_FATAL(
        record_decode((struct sl_bytes){at, sizeof at}, START, PLACE, &record, &length), SL_OK);
    CU_ASSERT_FALSE(record_read_batch(&record, START + 1, &batch));
    CU_ASSERT_TRUE(record_read_batch(&record, START, &batch));
    CU_ASSERT_EQUAL(batch.durable.v, 77);
    CU_ASSERT_EQUAL(batch.time, 1234);
    CU_ASSERT_EQUAL(length, sizeof at);
}

static void what_was_written_is_read(void)
{
    struct sl_bytes in = whole();
    struct record record;
    uint32_t length;

    CU_ASSERT_EQUAL_FATAL(record_decode(in, START, PLACE, &record, &length), SL_OK);
    CU_ASSERT_EQUAL(length, 48);
    CU_ASSERT_EQUAL(record.kind, RECORD_MESSAGE);
    CU_ASSERT_EQUAL(record.sequence.v, 7);
    CU_ASSERT_EQUAL(record.body.len, 24);
    CU_ASSERT_EQUAL(memcmp(record.body.at, "a body of 20 bytes..\0\0\0", 24), 0);
}

static void a_group_with_nonsense_inside_leaves_a_rest(void)
{
    uint8_t inner[48] = {0};
    struct record_header h = {.length = 24, .kind = RECORD_BIND};
    struct record record;

    memcpy(inner, &h, sizeof h);
    h.length = 32; /* eight more than there are */
    memcpy(inner + 24, &h, sizeof h);
    struct sl_bytes rest = {inner, sizeof inner};
    CU_ASSERT_TRUE(record_next_in_group(&rest, &record));
    CU_ASSERT_EQUAL(record.kind, RECORD_BIND);
    CU_ASSERT_EQUAL(record.body.len, 0);
    CU_ASSERT_FALSE(record_next_in_group(&rest, &record));
    CU_ASSERT_EQUAL(rest.len, 24);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_record_cut_anywhere_asks_for_more),
        UNIT(a_record_with_any_bit_flipped_is_no_record),
        UNIT(a_record_torn_anywhere_is_no_record),
        UNIT(a_good_record_in_the_wrong_place_is_no_record),
        UNIT(nonsense_lengths_are_refused_before_they_are_believed),
        UNIT(a_later_format_is_told_from_damage),
        UNIT(a_batch_of_another_log_is_not_believed),
        UNIT(what_was_written_is_read),
        UNIT(a_group_with_nonsense_inside_leaves_a_rest),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/record", tests);
}
