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

static void neighbours_cost_one_read_of_the_disk(void)
{
    start();
    struct log_reader *r = log_reader_new(m.log);
    size_t i = 0;
    CU_ASSERT_TRUE(is_record(r, &seen[i]));
    uint64_t reads = faulty_disk_calls(m.disk, FAULTY_READ);
    while (seen[++i].place.v < MODEL_SEGMENT_BYTES)
        CU_ASSERT_TRUE(is_record(r, &seen[i]));
    CU_ASSERT_TRUE(i > 5);
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_READ), reads);
    log_reader_free(r);
    model_deinit(&m);
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
        UNIT(neighbours_cost_one_read_of_the_disk),
        UNIT(what_is_written_later_is_read_when_it_is_durable),
        UNIT(a_released_segment_is_not_there_any_more),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/log_read", tests);
}
