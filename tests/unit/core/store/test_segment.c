#include "core/store/segment.h"

#include "core/store/segment_set.h"
#include "tests/support/file_faulty.h"
#include "tests/support/unit.h"

#define START 42u

static struct faulty_disk *disk;
static struct sl_file_ops ops;
static struct segment segment;

static void make(uint64_t base)
{
    disk = faulty_disk_new();
    ops = faulty_disk_ops(disk);
    CU_ASSERT_EQUAL_FATAL(segment_create(&ops, START, base, 8192, false, &segment), SL_OK);
}

static void end(void)
{
    segment_close(&ops, &segment);
    faulty_disk_free(disk);
}

static void only_its_own_spelling_is_a_segments_name(void)
{
    static const char *const others[] = {"",
                                         ".",
                                         "segment.new",
                                         "4000.log",
                                         "0000000000004000",
                                         "0000000000004000.lo",
                                         "0000000000004000.log2",
                                         "000000000000400A.log",
                                         " 000000000004000.log",
                                         "-000000000004000.log",
                                         "00000000000004000.log"};
    uint64_t base;

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CU_ASSERT_FALSE(segment_parse_name(others[i], &base));
    CU_ASSERT_TRUE(segment_parse_name("000000000000400a.log", &base));
    CU_ASSERT_EQUAL(base, 0x400a);
}

static void any_bit_of_the_header_matters(void)
{
    uint8_t page[8192];
    uint64_t start;
    uint32_t version;

    make(0);
    segment_close(&ops, &segment);
    memcpy(page, faulty_disk_get(disk, "0000000000000000.log").at, sizeof page);
    for (size_t at = 0; at < SEGMENT_HEADER_BYTES; at++) {
        page[at] ^= 0x10;
        faulty_disk_put(disk, "0000000000000000.log", (struct sl_bytes){page, sizeof page});
        page[at] ^= 0x10;
        CU_ASSERT_EQUAL_FATAL(segment_open(&ops, 0, &segment), SL_OK);
        enum sl_err err = segment_read_header(&ops, &segment, &start, &version);
        CU_ASSERT_EQUAL(err, at >= 8 && at < 12 ? SL_ENOTIMPL : SL_ECORRUPT);
        segment_close(&ops, &segment);
    }
    end();
}

static void a_segment_under_another_name_is_not_believed(void)
{
    uint8_t page[8192];
    uint64_t start;
    uint32_t version;

    make(0);
    segment_close(&ops, &segment);
    memcpy(page, faulty_disk_get(disk, "0000000000000000.log").at, sizeof page);
    faulty_disk_put(disk, "0000000000002000.log", (struct sl_bytes){page, sizeof page});
    CU_ASSERT_EQUAL_FATAL(segment_open(&ops, 8192, &segment), SL_OK);
    CU_ASSERT_EQUAL(segment_read_header(&ops, &segment, &start, &version), SL_ECORRUPT);
    end();
}

static void a_segment_that_finds_no_room_leaves_nothing(void)
{
    struct segment_set set;

    make(0);
    for (unsigned i = 0; i < 2; i++) {
        struct segment more;
        faulty_disk_fail(disk, i == 0 ? FAULTY_ALLOCATE : FAULTY_WRITE, 1, SL_EFULL);
        CU_ASSERT_EQUAL(segment_create(&ops, START, 8192, 8192, true, &more), SL_EFULL);
        CU_ASSERT_PTR_NULL(faulty_disk_get(disk, SEGMENT_NAME_NEW).at);
    }
    CU_ASSERT_EQUAL(segment_set_init(&set, &ops), SL_OK);
    CU_ASSERT_EQUAL(set.count, 1);
    segment_set_deinit(&set);
    end();
}

static void a_new_segment_survives_a_crash_with_header_and_size(void)
{
    uint64_t start;
    uint32_t version;

    for (uint64_t seed = 0; seed < 50; seed++) {
        make(8192);
        segment_close(&ops, &segment);
        faulty_disk_crash(disk, seed);
        CU_ASSERT_EQUAL_FATAL(segment_open(&ops, 8192, &segment), SL_OK);
        CU_ASSERT_EQUAL(segment.size, 8192);
        CU_ASSERT_EQUAL(segment_read_header(&ops, &segment, &start, &version), SL_OK);
        CU_ASSERT_EQUAL(start, START);
        end();
    }
}

static void a_set_lists_in_order_finds_and_removes_from_the_back(void)
{
    struct segment_set set;
    size_t index;

    make(0x4000);
    faulty_disk_put(disk, "0000000000002000.log", SL_BYTES_LITERAL("x"));
    faulty_disk_put(disk, "0000000000008000.log", SL_BYTES_LITERAL("x"));
    faulty_disk_put(disk, "lock", SL_BYTES_LITERAL("x"));
    CU_ASSERT_EQUAL_FATAL(segment_set_init(&set, &ops), SL_OK);
    CU_ASSERT_EQUAL_FATAL(set.count, 3);
    CU_ASSERT_FALSE(segment_set_find(&set, (sl_lsn){0x1fff}, &index));
    CU_ASSERT_TRUE(segment_set_find(&set, (sl_lsn){0x2000}, &index));
    CU_ASSERT_EQUAL(index, 0);
    CU_ASSERT_TRUE(segment_set_find(&set, (sl_lsn){0x7fff}, &index));
    CU_ASSERT_EQUAL(index, 1);
    CU_ASSERT_TRUE(segment_set_find(&set, (sl_lsn){UINT64_MAX}, &index));
    CU_ASSERT_EQUAL(index, 2);
    CU_ASSERT_EQUAL(segment_set_remove_from(&set, 1), SL_OK);
    segment_set_deinit(&set);
    faulty_disk_crash(disk, 1);
    CU_ASSERT_EQUAL_FATAL(segment_set_init(&set, &ops), SL_OK);
    CU_ASSERT_EQUAL(set.count, 1);
    CU_ASSERT_PTR_NOT_NULL(faulty_disk_get(disk, "lock").at);
    segment_set_deinit(&set);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(only_its_own_spelling_is_a_segments_name),
        UNIT(any_bit_of_the_header_matters),
        UNIT(a_segment_under_another_name_is_not_believed),
        UNIT(a_segment_that_finds_no_room_leaves_nothing),
        UNIT(a_new_segment_survives_a_crash_with_header_and_size),
        UNIT(a_set_lists_in_order_finds_and_removes_from_the_back),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/segment", tests);
}
