#include "tests/support/file_faulty.h"

#include "tests/support/unit.h"

static struct faulty_disk *disk;
static struct sl_file_ops ops;
static struct sl_file *file;

static void begin(void)
{
    disk = faulty_disk_new();
    ops = faulty_disk_ops(disk);
    CU_ASSERT_EQUAL_FATAL(ops.open(ops.self, "x", true, &file), SL_OK);
}

static void crash(uint64_t seed)
{
    ops.close(file);
    faulty_disk_crash(disk, seed);
}

static enum sl_err put(uint64_t at, const char *text)
{
    struct sl_bytes b = sl_bytes_of(text);

    return ops.write_at(file, at, &(struct iovec){(void *)(uintptr_t)b.at, b.len}, 1);
}

static void what_was_synced_stays(void)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        begin();
        CU_ASSERT_EQUAL(put(0, "abc"), SL_OK);
        CU_ASSERT_EQUAL(ops.sync(file), SL_OK);
        CU_ASSERT_EQUAL(ops.sync_dir(ops.self), SL_OK);
        crash(seed);
        CU_ASSERT_TRUE(sl_bytes_are(faulty_disk_get(disk, "x"), "abc"));
        faulty_disk_free(disk);
    }
}

/* Of two writes to two sectors: none, each, both, and torn ones are all seen. */
static void what_was_not_synced_comes_in_every_mixture(void)
{
    unsigned seen[4] = {0};
    unsigned torn = 0;

    for (uint64_t seed = 0; seed < 400; seed++) {
        begin();
        CU_ASSERT_EQUAL(ops.allocate(file, 2048), SL_OK);
        CU_ASSERT_EQUAL(ops.sync(file), SL_OK);
        CU_ASSERT_EQUAL(ops.sync_dir(ops.self), SL_OK);
        CU_ASSERT_EQUAL(put(0, "abc"), SL_OK);
        CU_ASSERT_EQUAL(put(1024, "abc"), SL_OK);
        crash(seed);
        const uint8_t *at = faulty_disk_get(disk, "x").at;
        unsigned first = memcmp(at, "abc", 3) == 0;
        unsigned second = memcmp(at + 1024, "abc", 3) == 0;
        seen[first + 2 * second]++;
        torn += !first && memcmp(at, "\0\0\0", 3) != 0;
        faulty_disk_free(disk);
    }
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_TRUE(seen[i] > 20);
    CU_ASSERT_TRUE(torn > 5);
}

static void a_name_that_was_not_synced_may_be_gone(void)
{
    unsigned there = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        begin();
        CU_ASSERT_EQUAL(put(0, "abc"), SL_OK);
        CU_ASSERT_EQUAL(ops.sync(file), SL_OK);
        crash(seed);
        there += faulty_disk_get(disk, "x").at != NULL;
        faulty_disk_free(disk);
    }
    CU_ASSERT_TRUE(there > 20 && there < 80);
}

static void the_chosen_call_fails_and_only_that(void)
{
    begin();
    faulty_disk_fail(disk, FAULTY_WRITE, 2, SL_EFULL);
    CU_ASSERT_EQUAL(put(0, "a"), SL_OK);
    CU_ASSERT_EQUAL(put(0, "a"), SL_EFULL);
    CU_ASSERT_EQUAL(put(0, "a"), SL_OK);
    crash(1);
    faulty_disk_free(disk);
}

static void clean_looking_pages_are_read_until_the_crash_and_no_longer(void)
{
    char back[3];
    size_t got;

    begin();
    CU_ASSERT_EQUAL(ops.sync_dir(ops.self), SL_OK);
    faulty_disk_set_clean_looking(disk, true);
    faulty_disk_fail(disk, FAULTY_SYNC, 1, SL_EIO);
    CU_ASSERT_EQUAL(put(0, "abc"), SL_OK);
    CU_ASSERT_EQUAL(ops.sync(file), SL_EIO);
    CU_ASSERT_EQUAL(ops.sync(file), SL_OK); /* a lie */
    CU_ASSERT_EQUAL(ops.read_at(file, 0, back, sizeof back, &got), SL_OK);
    CU_ASSERT_EQUAL(got, 3);
    crash(1);
    CU_ASSERT_EQUAL(faulty_disk_get(disk, "x").len, 0);
    faulty_disk_free(disk);
}

static void it_has_the_room_that_it_was_given(void)
{
    uint64_t free_bytes;
    uint64_t total_bytes;
    struct faulty_disk *small = faulty_disk_new();
    struct sl_file_ops files = faulty_disk_ops(small);

    faulty_disk_set_room(small, 10, 100);
    CU_ASSERT_EQUAL(files.room(files.self, &free_bytes, &total_bytes), SL_OK);
    CU_ASSERT_EQUAL(free_bytes, 10);
    CU_ASSERT_EQUAL(total_bytes, 100);
    faulty_disk_fail(small, FAULTY_ROOM, 1, SL_EIO);
    CU_ASSERT_EQUAL(files.room(files.self, &free_bytes, &total_bytes), SL_EIO);
    faulty_disk_free(small);
}

static void without_power_nothing_works(void)
{
    begin();
    faulty_disk_power_off_at(disk, 2);
    CU_ASSERT_EQUAL(put(0, "abc"), SL_OK);
    CU_ASSERT_FALSE(faulty_disk_is_off(disk));
    CU_ASSERT_EQUAL(ops.sync(file), SL_EIO);
    CU_ASSERT_TRUE(faulty_disk_is_off(disk));
    CU_ASSERT_EQUAL(ops.sync_dir(ops.self), SL_EIO);
    crash(1);
    CU_ASSERT_EQUAL(ops.sync_dir(ops.self), SL_OK);
    faulty_disk_free(disk);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_was_synced_stays),
        UNIT(what_was_not_synced_comes_in_every_mixture),
        UNIT(a_name_that_was_not_synced_may_be_gone),
        UNIT(the_chosen_call_fails_and_only_that),
        UNIT(clean_looking_pages_are_read_until_the_crash_and_no_longer),
        UNIT(it_has_the_room_that_it_was_given),
        UNIT(without_power_nothing_works),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/file_faulty", tests);
}
