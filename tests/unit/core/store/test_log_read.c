#include "core/store/log_read.h"

#include "tests/support/unit.h"
#include "tests/unit/core/store/log_model.h"

#define RECORDS 400u

static struct model m;

static struct seen {
    sl_lsn place;
    uint32_t length;
    uint64_t sequence;
    uint64_t number;
} seen[RECORDS];
static size_t seen_count;

static enum sl_err note(void *context, const struct record *record, sl_lsn place)
{
    struct model_body body;

    (void)context;
    memcpy(&body, record->body.at, sizeof body);
    seen[seen_count++] = (struct seen){place, (uint32_t)(RECORD_HEADER_BYTES + record->body.len),
                                       record->sequence.v, body.number};
    return SL_OK;
}

/* A log of some segments, groups in it, and where its records lie. */
static void start(void)
{
    model_init(&m, 5);
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    while (m.appended < RECORDS - 20) {
        model_append(&m);
        if (model_roll(&m, 5) == 0)
            CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    }
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    seen_count = 0;
    CU_ASSERT_EQUAL(commit_log_check(&m.ops, &(struct log_visitor){.record = note}, &m.findings),
                    SL_OK);
    CU_ASSERT_EQUAL(seen_count, m.appended);
}

static bool is_record(struct log_reader *r, const struct seen *at)
{
    struct record record;
    struct model_body body;

    if (log_reader_read(r, at->place, at->length, &record) != SL_OK)
        return false;
    memcpy(&body, record.body.at, sizeof body);
    return record.sequence.v == at->sequence && body.number == at->number &&
           RECORD_HEADER_BYTES + record.body.len == at->length;
}

static void what_does_not_lie_there_is_not_read(void)
{
    struct record record;

    start();
    struct log_reader *r = log_reader_new(m.log);
    const struct seen *one = &seen[RECORDS / 2];
    CU_ASSERT_EQUAL(log_reader_read(r, one->place, one->length + 8, &record), SL_ECORRUPT);
    CU_ASSERT_EQUAL(log_reader_read(r, one->place, 8, &record), SL_ECORRUPT);
    CU_ASSERT_EQUAL(log_reader_read(r, one->place, UINT32_MAX, &record), SL_ECORRUPT);
    CU_ASSERT_EQUAL(log_reader_read(r, (sl_lsn){one->place.v + 8}, one->length, &record),
                    SL_ECORRUPT);
    CU_ASSERT_EQUAL(log_reader_read(r, (sl_lsn){1ull << 60}, 24, &record), SL_ENOENT);
    CU_ASSERT_TRUE(is_record(r, one));
    faulty_disk_fail(m.disk, FAULTY_READ, 1, SL_EIO);
    CU_ASSERT_EQUAL(log_reader_read(r, seen[0].place, seen[0].length, &record), SL_EIO);
    CU_ASSERT_TRUE(is_record(r, &seen[0]));
    log_reader_free(r);
    model_deinit(&m);
}

static void every_record_is_read_by_its_place_inside_groups_too(void)
{
    start();
    struct log_reader *r = log_reader_new(m.log);
    for (size_t i = 0; i < seen_count; i++)
        CU_ASSERT_TRUE(is_record(r, &seen[i]));
    for (size_t i = seen_count; i-- > 0;)
        CU_ASSERT_TRUE(is_record(r, &seen[i]));
    for (unsigned i = 0; i < 1000; i++)
        CU_ASSERT_TRUE(is_record(r, &seen[model_roll(&m, seen_count)]));
    log_reader_free(r);
    model_deinit(&m);
}

static uint64_t disk_bytes;
static uint64_t disk_reads;
static struct sl_file_ops counted;

static enum sl_err read_counted(struct sl_file *file, uint64_t at, void *into, size_t len,
                                size_t *got)
{
    disk_bytes += len;
    disk_reads++;
    return counted.read_at(file, at, into, len, got);
}

#define LARGE_RECORDS 20000u
#define LARGE_BODY 232u

/* One segment with records of 256 bytes. */
static void start_large(struct commit_log **log, sl_lsn *places)
{
    struct log_options options = {.segment_bytes = 16u * 1024 * 1024};
    struct log_visitor visitor = {.context = NULL};

    model_init(&m, 1);
    counted = options.files = m.ops;
    options.files.read_at = read_counted;
    CU_ASSERT_EQUAL_FATAL(commit_log_open(&options, &visitor, &m.findings, log), SL_OK);
    for (uint32_t i = 0; i < LARGE_RECORDS; i++) {
        memset(log_run_add(&m.run, RECORD_MESSAGE, 0, false, LARGE_BODY), (int)i, LARGE_BODY);
        places[i] = commit_log_append(*log, &m.run, 1, 0, NULL, NULL).start;
    }
    CU_ASSERT_EQUAL(commit_log_flush(*log), SL_OK);
    disk_bytes = disk_reads = 0;
}

static void end_large(struct commit_log *log, struct log_reader *r)
{
    log_reader_free(r);
    commit_log_close(log);
    model_deinit(&m);
}

static void read_every(struct log_reader *r, const sl_lsn *places, uint32_t step)
{
    struct record record;

    for (uint32_t i = 0; i < LARGE_RECORDS; i += step) {
        CU_ASSERT_EQUAL(log_reader_read(r, places[i], 256, &record), SL_OK);
        CU_ASSERT_EQUAL(record.body.at[0], (uint8_t)i);
    }
}

static void a_record_far_from_the_last_costs_little(void)
{
    static sl_lsn places[LARGE_RECORDS];
    struct commit_log *log;
    struct record record;

    start_large(&log, places);
    struct log_reader *r = log_reader_new(log);
    for (uint32_t i = LARGE_RECORDS; i > 1000; i -= 1000)
        CU_ASSERT_EQUAL(log_reader_read(r, places[i - 1], 256, &record), SL_OK);
    CU_ASSERT_TRUE(disk_bytes <= disk_reads * 16 * 1024);
    disk_bytes = disk_reads = 0;
    read_every(r, places, 1000); /* the same forwards */
    CU_ASSERT_TRUE(disk_bytes <= disk_reads * 16 * 1024);
    end_large(log, r);
}

static void neighbours_cost_few_reads_and_are_read_once(void)
{
    static sl_lsn places[LARGE_RECORDS];
    struct commit_log *log;

    start_large(&log, places);
    struct log_reader *r = log_reader_new(log);
    read_every(r, places, 1);
    CU_ASSERT_TRUE(disk_reads <= 16);
    CU_ASSERT_TRUE(disk_bytes <= LARGE_RECORDS * 256u / 16 * 17 + 1024 * 1024);
    disk_reads = 0;
    read_every(r, places, 4); /* with gaps that are cheaper to read than to jump over */
    CU_ASSERT_TRUE(disk_reads <= 16);
    end_large(log, r);
}

static void what_lies_thinly_is_not_read_through(void)
{
    static sl_lsn places[LARGE_RECORDS];
    struct commit_log *log;

    start_large(&log, places);
    struct log_reader *r = log_reader_new(log);
    read_every(r, places, 1); /* a window that has grown shrinks again */
    disk_bytes = 0;
    read_every(r, places, 200);
    CU_ASSERT_TRUE(disk_bytes <= LARGE_RECORDS / 200 * 16 * 1024);
    end_large(log, r);
}

/* The reader must not keep what it saw of the file's end before more was written there. */
static void what_is_written_later_is_read_when_it_is_durable(void)
{
    struct record record;

    model_init(&m, 1);
    m.page_bytes = 8;
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    struct log_reader *r = log_reader_new(m.log);
    for (unsigned i = 0; i < 50; i++) {
        memset(log_run_add(&m.run, RECORD_MESSAGE, 0, false, 16), (int)i, 16);
        sl_lsn end = commit_log_append(m.log, &m.run, 1, 0, NULL, NULL).end;
        sl_lsn place = {end.v - 40};
        CU_ASSERT_EQUAL(log_reader_read(r, place, 40, &record), SL_EAGAIN);
        CU_ASSERT_EQUAL(commit_log_flush(m.log), SL_OK);
        CU_ASSERT_EQUAL_FATAL(log_reader_read(r, place, 40, &record), SL_OK);
        CU_ASSERT_EQUAL(record.body.at[0], i);
    }
    log_reader_free(r);
    model_deinit(&m);
}

static void a_released_segment_is_not_there_any_more(void)
{
    struct record record;
    struct log_segment closed[2];

    start();
    struct log_reader *r = log_reader_new(m.log);
    CU_ASSERT_TRUE(is_record(r, &seen[0]));
    CU_ASSERT_TRUE(commit_log_segments(m.log, closed, 2) > 2);
    CU_ASSERT_EQUAL(commit_log_release(m.log, &closed[0].base, 1), SL_OK);
    CU_ASSERT_EQUAL(log_reader_read(r, seen[0].place, seen[0].length, &record), SL_ENOENT);
    CU_ASSERT_TRUE(is_record(r, &seen[seen_count - 1]));
    log_reader_free(r);
    model_deinit(&m);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_does_not_lie_there_is_not_read),
        UNIT(every_record_is_read_by_its_place_inside_groups_too),
        UNIT(a_record_far_from_the_last_costs_little),
        UNIT(neighbours_cost_few_reads_and_are_read_once),
        UNIT(what_lies_thinly_is_not_read_through),
        UNIT(what_is_written_later_is_read_when_it_is_durable),
        UNIT(a_released_segment_is_not_there_any_more),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/log_read", tests);
}
