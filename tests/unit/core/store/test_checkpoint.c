#include "core/store/checkpoint.h"

#include "tests/support/file_faulty.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define BODY_BYTES (2500u * 1024) /* in parts */
#define HEADER_BYTES 4096u

static struct faulty_disk *disk;
static struct sl_file_ops ops;
static uint8_t body[BODY_BYTES];

static const struct checkpoint_header HEADER = {
    .start_number = 42, .from = {5000}, .durable = {6000}, .next = {77}, .time = 1234};

static void begin(void)
{
    disk = faulty_disk_new();
    ops = faulty_disk_ops(disk);
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 7 + i / 1000);
}

static enum sl_err write_one(size_t len)
{
    struct checkpoint_writer *w;

    SL_TRY(checkpoint_begin(&ops, &w));
    for (size_t done = 0; done < len;) {
        size_t n = len - done < 100000 ? len - done : 100000;
        enum sl_err err = checkpoint_write(w, (struct sl_bytes){body + done, n});
        if (err != SL_OK) {
            checkpoint_abandon(w);
            return err;
        }
        done += n;
    }
    return checkpoint_end(w, &HEADER);
}

static enum sl_err read_one(size_t expected)
{
    struct checkpoint_header header;
    uint8_t *read;
    size_t len;

    SL_TRY(checkpoint_read(&ops, &header, &read, &len));
    CU_ASSERT_EQUAL(memcmp(&header, &HEADER, sizeof header), 0);
    CU_ASSERT_EQUAL_FATAL(len, expected);
    CU_ASSERT_EQUAL(memcmp(read, body, len), 0);
    free(read);
    return SL_OK;
}

static void there_is_none_at_first(void)
{
    begin();
    CU_ASSERT_EQUAL(read_one(0), SL_ENOENT);
    faulty_disk_free(disk);
}

static void change(size_t at)
{
    struct sl_bytes old = faulty_disk_get(disk, CHECKPOINT_NAME);
    uint8_t *bytes = malloc(old.len);

    memcpy(bytes, old.at, old.len);
    bytes[at] ^= 0x55;
    faulty_disk_put(disk, CHECKPOINT_NAME, (struct sl_bytes){bytes, old.len});
    free(bytes);
}

static void damage_anywhere_is_found(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(write_one(BODY_BYTES), SL_OK);
    size_t len = faulty_disk_get(disk, CHECKPOINT_NAME).len;
    for (size_t at = 0; at < len; at += at < 2 * HEADER_BYTES ? 61 : 99991) {
        change(at);
        CU_ASSERT_EQUAL(read_one(BODY_BYTES), SL_ECORRUPT);
        change(at);
    }
    CU_ASSERT_EQUAL(read_one(BODY_BYTES), SL_OK);
    faulty_disk_free(disk);
}

static void one_that_is_cut_is_found(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(write_one(100), SL_OK);
    size_t len = faulty_disk_get(disk, CHECKPOINT_NAME).len;
    while (len-- > 0) {
        struct sl_bytes all = faulty_disk_get(disk, CHECKPOINT_NAME);
        uint8_t *bytes = malloc(len + 1);
        memcpy(bytes, all.at, len);
        faulty_disk_put(disk, CHECKPOINT_NAME, (struct sl_bytes){bytes, len});
        free(bytes);
        CU_ASSERT_EQUAL(read_one(100), SL_ECORRUPT);
        if (len > HEADER_BYTES + 8)
            continue;
        len = len > 1000 ? len - 1000 : 0;
    }
    faulty_disk_free(disk);
}

static void without_room_the_old_one_stays_and_nothing_is_left(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(write_one(10), SL_OK);
    faulty_disk_fail_always(disk, FAULTY_WRITE, SL_EFULL);
    CU_ASSERT_EQUAL(write_one(BODY_BYTES), SL_EFULL);
    faulty_disk_fail_always(disk, FAULTY_WRITE, SL_OK);
    CU_ASSERT_PTR_NULL(faulty_disk_get(disk, CHECKPOINT_NAME_NEW).at);
    CU_ASSERT_EQUAL(read_one(10), SL_OK);
    faulty_disk_free(disk);
}

static void what_was_written_is_read(void)
{
    static const size_t lens[] = {0, 1, 1024 * 1024 - 8, 1024 * 1024 - 7, BODY_BYTES};

    begin();
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        CU_ASSERT_EQUAL_FATAL(write_one(lens[i]), SL_OK);
        CU_ASSERT_EQUAL(read_one(lens[i]), SL_OK);
    }
    faulty_disk_free(disk);
}

/* At every call: the old one or the new one, and once it was said to be there, the new one. */
static void a_crash_leaves_the_old_one_or_the_new_one(void)
{
    for (uint64_t n = 1; n < 40; n++) {
        begin();
        CU_ASSERT_EQUAL_FATAL(write_one(10), SL_OK);
        faulty_disk_power_off_at(disk, n);
        enum sl_err said = write_one(BODY_BYTES);
        faulty_disk_power_off(disk);
        faulty_disk_crash(disk, n);

        struct checkpoint_header header;
        uint8_t *read;
        size_t len;
        CU_ASSERT_EQUAL_FATAL(checkpoint_read(&ops, &header, &read, &len), SL_OK);
        CU_ASSERT_TRUE(len == BODY_BYTES || (len == 10 && said != SL_OK));
        CU_ASSERT_EQUAL(memcmp(read, body, len), 0);
        free(read);
        faulty_disk_free(disk);
    }
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(there_is_none_at_first),
        UNIT(damage_anywhere_is_found),
        UNIT(one_that_is_cut_is_found),
        UNIT(without_room_the_old_one_stays_and_nothing_is_left),
        UNIT(what_was_written_is_read),
        UNIT(a_crash_leaves_the_old_one_or_the_new_one),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/checkpoint", tests);
}
