#include "core/store/commit_log.h"

#include "core/store/file.h"
#include "tests/support/scratch.h"
#include "tests/support/unit.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

static char path[SCRATCH_BYTES];
static struct sl_file_ops ops;

static void begin(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(scratch_name(path, "store")));
    CU_ASSERT_EQUAL_FATAL(file_posix_open(path, &ops), SL_OK);
}

/* False: no directory can be made in memory that has a size. */
static bool begin_in_memory(uint64_t *bytes)
{
    struct statfs fs;

    strcpy(path, "/dev/shm/sluice-store-XXXXXX");
    if (statfs("/dev/shm", &fs) != 0 || fs.f_type != TMPFS_MAGIC || fs.f_blocks == 0 ||
        mkdtemp(path) == NULL)
        return false;
    CU_ASSERT_EQUAL_FATAL(file_posix_open(path, &ops), SL_OK);
    *bytes = fs.f_blocks * (uint64_t)fs.f_bsize;
    return true;
}

static void remove_found(void *context, const char *name)
{
    (void)context;
    if (name[0] != '.')
        CU_ASSERT_EQUAL(ops.remove(ops.self, name), SL_OK);
}

static void end(void)
{
    CU_ASSERT_EQUAL(ops.list(ops.self, remove_found, NULL), SL_OK);
    file_posix_close(&ops);
    file_posix_close(&ops);
    CU_ASSERT_EQUAL(rmdir(path), 0);
}

static void what_is_not_there_is_said_so(void)
{
    struct sl_file *file;

    CU_ASSERT_EQUAL(file_posix_open("/nonexistent/sluice", &ops), SL_ENOENT);
    begin();
    CU_ASSERT_EQUAL(ops.open(ops.self, "x", false, &file), SL_ENOENT);
    CU_ASSERT_EQUAL(ops.remove(ops.self, "x"), SL_ENOENT);
    CU_ASSERT_EQUAL(ops.rename(ops.self, "x", "y"), SL_ENOENT);
    end();
}

static void a_file_is_made_once(void)
{
    struct sl_file *file;
    struct sl_file *again;

    begin();
    CU_ASSERT_EQUAL_FATAL(ops.open(ops.self, "x", true, &file), SL_OK);
    CU_ASSERT_EQUAL(ops.open(ops.self, "x", true, &again), SL_EIO);
    ops.close(file);
    end();
}

/* A disk would take what it can before it refuses, and be full for everybody meanwhile; memory
 * refuses at once. */
static void room_that_is_not_there_is_full(void)
{
    struct sl_file *file;
    uint64_t bytes;

    if (!begin_in_memory(&bytes)) {
        puts("room_that_is_not_there_is_full: not run, no memory with a size in /dev/shm");
        return;
    }
    CU_ASSERT_EQUAL_FATAL(ops.open(ops.self, "x", true, &file), SL_OK);
    CU_ASSERT_EQUAL(ops.allocate(file, bytes + 4096), SL_EFULL);
    CU_ASSERT_EQUAL(ops.allocate(file, 1 << 20), SL_OK);
    ops.close(file);
    end();
}

/* More parts than the system takes at once, some of them empty. */
static void the_room_of_the_medium_is_told(void)
{
    uint64_t free_bytes = 0;
    uint64_t total_bytes = 0;

    begin();
    CU_ASSERT_EQUAL(ops.room(ops.self, &free_bytes, &total_bytes), SL_OK);
    CU_ASSERT_TRUE(total_bytes > 0);
    CU_ASSERT_TRUE(free_bytes <= total_bytes);
    end();
}

static void everything_is_written_and_read_where_it_was_said(void)
{
    enum { PARTS = 3000 };
    static struct iovec parts[PARTS];
    static uint8_t bytes[PARTS * 7];
    static uint8_t back[PARTS * 7 + 10];
    struct sl_file *file;
    uint64_t size;
    size_t got;
    size_t len = 0;

    begin();
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    for (size_t i = 0; i < PARTS; i++) {
        parts[i] = (struct iovec){bytes + len, i % 8};
        len += i % 8;
    }
    CU_ASSERT_EQUAL_FATAL(ops.open(ops.self, "x", true, &file), SL_OK);
    CU_ASSERT_EQUAL(ops.write_at(file, 100, parts, PARTS), SL_OK);
    CU_ASSERT_EQUAL(ops.sync(file), SL_OK);
    CU_ASSERT_EQUAL(ops.read_at(file, 100, back, sizeof back, &got), SL_OK);
    CU_ASSERT_EQUAL(got, len);
    CU_ASSERT_EQUAL(memcmp(back, bytes, len), 0);
    CU_ASSERT_EQUAL(ops.allocate(file, 1 << 20), SL_OK);
    CU_ASSERT_EQUAL(ops.size(file, &size), SL_OK);
    CU_ASSERT_EQUAL(size, 1 << 20);
    CU_ASSERT_EQUAL(ops.allocate(file, 10), SL_OK); /* never smaller */
    CU_ASSERT_EQUAL(ops.size(file, &size), SL_OK);
    CU_ASSERT_EQUAL(size, 1 << 20);
    CU_ASSERT_EQUAL(ops.truncate(file, 200), SL_OK);
    CU_ASSERT_EQUAL(ops.read_at(file, 190, back, sizeof back, &got), SL_OK);
    CU_ASSERT_EQUAL(got, 10);
    CU_ASSERT_EQUAL(ops.read_at(file, 500, back, sizeof back, &got), SL_OK);
    CU_ASSERT_EQUAL(got, 0);
    ops.close(file);
    CU_ASSERT_EQUAL(ops.rename(ops.self, "x", "y"), SL_OK);
    CU_ASSERT_EQUAL(ops.sync_dir(ops.self), SL_OK);
    end();
}

static enum sl_err count_record(void *context, const struct record *record, sl_lsn place)
{
    (void)record, (void)place;
    *(uint64_t *)context += 1;
    return SL_OK;
}

static void a_log_on_a_real_disk_opens_again(void)
{
    struct log_findings findings;
    struct commit_log *log;
    struct log_run run = {0};
    uint64_t seen = 0;
    struct log_visitor visitor = {.record = count_record, .context = &seen};

    begin();
    struct log_options options = {.files = ops, .segment_bytes = 1 << 20};
    CU_ASSERT_EQUAL_FATAL(commit_log_open(&options, &visitor, &findings, &log), SL_OK);
    for (unsigned i = 0; i < 3000; i++) {
        memset(log_run_add(&run, RECORD_MESSAGE, 0, false, 1000), 7, 1000);
        (void)commit_log_append(log, &run, 1, 0, NULL, NULL);
        if (i % 100 == 0) {
            CU_ASSERT_EQUAL(commit_log_flush(log), SL_OK);
            CU_ASSERT_EQUAL(commit_log_prepare(log), SL_OK);
        }
    }
    commit_log_close(log);
    CU_ASSERT_EQUAL_FATAL(commit_log_open(&options, &visitor, &findings, &log), SL_OK);
    CU_ASSERT_EQUAL(seen, 3000);
    CU_ASSERT_EQUAL(findings.cut_bytes, 0);
    commit_log_close(log);
    log_run_clear(&run);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_not_there_is_said_so),
        UNIT(a_file_is_made_once),
        UNIT(room_that_is_not_there_is_full),
        UNIT(the_room_of_the_medium_is_told),
        UNIT(everything_is_written_and_read_where_it_was_said),
        UNIT(a_log_on_a_real_disk_opens_again),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/file_posix", tests);
}
