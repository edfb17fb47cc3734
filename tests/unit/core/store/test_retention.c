#include "core/store/log_read.h"
#include "core/store/segment.h"
#include "tests/support/unit.h"
#include "tests/unit/core/store/log_model.h"

#include <stdio.h>

static struct model m;

static char *name_of(uint64_t base)
{
    static char name[SEGMENT_NAME_ROOM];

    segment_name(base, name);
    return name;
}

static bool exists(uint64_t base)
{
    return faulty_disk_get(m.disk, name_of(base)).at != NULL;
}

static void fill_to(uint64_t place)
{
    while (commit_log_end(m.log).v < place) {
        model_add(&m, 0, 100, 0);
        (void)commit_log_append(m.log, &m.run, 1, 0, NULL, NULL);
    }
    CU_ASSERT_EQUAL(commit_log_flush(m.log), SL_OK);
    m.promised = m.appended;
}

/* A little more than that many segments. */
static void start(unsigned segments)
{
    model_init(&m, 1);
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    fill_to(segments * MODEL_SEGMENT_BYTES + 8192);
}

static void kill_process(void)
{
    faulty_disk_power_off(m.disk);
    model_close(&m);
    faulty_disk_crash(m.disk, 1);
}

/* The place from where a start reads. */
static sl_lsn checkpoint(void)
{
    struct log_run empty = {0};
    struct checkpoint_writer *w;
    struct log_place at = commit_log_append(m.log, &empty, 0, 0, NULL, NULL);
    struct model_checkpoint body = {m.appended, at.base - 1};
    struct checkpoint_header header = {.start_number = commit_log_start_number(m.log),
                                       .from = at.start,
                                       .durable = commit_log_durable(m.log),
                                       .next = {at.base},
                                       .time = at.time};

    CU_ASSERT_EQUAL_FATAL(checkpoint_begin(&m.ops, &w), SL_OK);
    CU_ASSERT_EQUAL(checkpoint_write(w, (struct sl_bytes){(const uint8_t *)&body, sizeof body}),
                    SL_OK);
    CU_ASSERT_EQUAL(checkpoint_end(w, &header), SL_OK);
    m.kept = m.appended;
    return at.start;
}

static void change_checkpoint(void)
{
    struct sl_bytes old = faulty_disk_get(m.disk, CHECKPOINT_NAME);
    uint8_t *bytes = malloc(old.len);

    memcpy(bytes, old.at, old.len);
    bytes[old.len - 1] ^= 0x55;
    faulty_disk_put(m.disk, CHECKPOINT_NAME, (struct sl_bytes){bytes, old.len});
    free(bytes);
}

static void expect_refusal(const char *why)
{
    uint64_t changes = faulty_disk_calls(m.disk, FAULTY_ANY);

    CU_ASSERT_EQUAL(model_open(&m), SL_ECORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.findings.problem, why));
    if (strstr(m.findings.problem, why) == NULL)
        printf("expected %s in: %s\n", why, m.findings.problem);
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_ANY), changes); /* not a byte changed */
    CU_ASSERT_EQUAL(commit_log_check(&m.ops, &(struct log_visitor){0}, &m.findings), SL_ECORRUPT);
}

static void a_log_without_its_beginning_and_without_a_checkpoint_is_refused(void)
{
    start(3);
    sl_lsn from = checkpoint();
    CU_ASSERT_EQUAL(model_release(&m, from), SL_OK);
    CU_ASSERT_EQUAL(commit_log_release(m.log, &(uint64_t){0}, 1), SL_OK);
    kill_process();
    change_checkpoint();
    expect_refusal("it is damaged, and the log does not go back");
    faulty_disk_drop(m.disk, CHECKPOINT_NAME);
    expect_refusal("there is no checkpoint to go on from");
    model_deinit(&m);
}

static void a_log_with_a_gap_and_a_damaged_checkpoint_is_refused(void)
{
    start(3);
    (void)checkpoint();
    CU_ASSERT_EQUAL(commit_log_release(m.log, &(uint64_t){MODEL_SEGMENT_BYTES}, 1), SL_OK);
    kill_process();
    change_checkpoint();
    expect_refusal("the checkpoint is damaged, so that all of the log is needed");
    model_deinit(&m);
}

static void a_checkpoint_without_the_segment_that_it_needs_is_refused(void)
{
    start(3);
    (void)checkpoint();
    kill_process();
    faulty_disk_drop(m.disk, name_of(3 * MODEL_SEGMENT_BYTES));
    expect_refusal("no segment holds that place");
    for (uint64_t base = 0; base < 3 * MODEL_SEGMENT_BYTES; base += MODEL_SEGMENT_BYTES)
        faulty_disk_drop(m.disk, name_of(base));
    expect_refusal("no segment holds that place");
    model_deinit(&m);
}

static void a_log_that_ends_before_its_checkpoint_relied_on_is_refused(void)
{
    start(1);
    (void)checkpoint();
    kill_process();
    struct sl_bytes old = faulty_disk_get(m.disk, name_of(MODEL_SEGMENT_BYTES));
    uint8_t *bytes = malloc(old.len);
    memcpy(bytes, old.at, old.len);
    memset(bytes + SEGMENT_HEADER_BYTES, 0, old.len - SEGMENT_HEADER_BYTES);
    struct checkpoint_header header;
    uint8_t *body;
    size_t len;
    struct checkpoint_writer *w;
    CU_ASSERT_EQUAL_FATAL(checkpoint_read(&m.ops, &header, &body, &len), SL_OK);
    header.from.v = MODEL_SEGMENT_BYTES + SEGMENT_HEADER_BYTES;
    CU_ASSERT_EQUAL_FATAL(checkpoint_begin(&m.ops, &w), SL_OK);
    CU_ASSERT_EQUAL(checkpoint_write(w, (struct sl_bytes){body, len}), SL_OK);
    CU_ASSERT_EQUAL(checkpoint_end(w, &header), SL_OK);
    free(body);
    faulty_disk_put(m.disk, name_of(MODEL_SEGMENT_BYTES), (struct sl_bytes){bytes, old.len});
    free(bytes);
    expect_refusal("the checkpoint says that it was durable up to");
    model_deinit(&m);
}

static void a_checkpoint_of_another_log_is_refused(void)
{
    static uint8_t stranger[16384];

    start(1);
    (void)checkpoint();
    size_t len = faulty_disk_get(m.disk, CHECKPOINT_NAME).len;
    memcpy(stranger, faulty_disk_get(m.disk, CHECKPOINT_NAME).at, len);
    model_deinit(&m);
    start(1);
    kill_process();
    faulty_disk_put(m.disk, CHECKPOINT_NAME, (struct sl_bytes){stranger, len});
    expect_refusal("belongs to another log");
    model_deinit(&m);
}

static void a_damaged_checkpoint_is_no_loss_while_the_whole_log_is_there(void)
{
    start(3);
    (void)checkpoint();
    kill_process();
    change_checkpoint();
    m.kept = 0;
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    CU_ASSERT_FALSE(m.is_wrong);
    CU_ASSERT_EQUAL(m.findings.records, m.appended);
    model_deinit(&m);
}

static void a_start_reads_only_what_the_checkpoint_does_not_cover(void)
{
    start(3);
    uint64_t before = m.appended;
    sl_lsn from = checkpoint();
    fill_to(commit_log_end(m.log).v + MODEL_SEGMENT_BYTES);
    uint64_t after = m.appended - before;
    struct log_segment closed[8];
    size_t n = commit_log_segments(m.log, closed, 8);
    CU_ASSERT_EQUAL(n, 4);
    for (size_t i = 0; i < n; i++)
        if (closed[i].base + closed[i].size <= from.v)
            CU_ASSERT_EQUAL(commit_log_release(m.log, &closed[i].base, 1), SL_OK);
    kill_process();
    faulty_disk_put(m.disk, CHECKPOINT_NAME_NEW, (struct sl_bytes){(const uint8_t *)"x", 1});
    CU_ASSERT_EQUAL(commit_log_check(&m.ops, &(struct log_visitor){.record = NULL}, &m.findings),
                    SL_OK);
    CU_ASSERT_EQUAL(m.findings.records, after);
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    CU_ASSERT_FALSE(m.is_wrong);
    CU_ASSERT_EQUAL(m.findings.records, after);
    CU_ASSERT_PTR_NULL(faulty_disk_get(m.disk, CHECKPOINT_NAME_NEW).at);
    model_deinit(&m);
}

static void numbers_and_time_go_on_behind_a_checkpoint(void)
{
    model_init(&m, 1);
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    (void)commit_log_append(m.log, &m.run, 99, 5000, NULL, NULL); /* leaves no record */
    (void)checkpoint();
    kill_process();
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    struct log_place at = commit_log_append(m.log, &m.run, 1, 0, NULL, NULL);
    CU_ASSERT_EQUAL(at.base, 100);
    CU_ASSERT_EQUAL(at.time, 5000);
    model_deinit(&m);
}

/* The disk was full when the next segment was wanted: the last thing in the log is an END. */
static void a_checkpoint_behind_a_segment_that_was_closed_is_good(void)
{
    start(0);
    while (commit_log_end(m.log).v < MODEL_SEGMENT_BYTES - 600)
        fill_to(commit_log_end(m.log).v + 1);
    faulty_disk_fail_always(m.disk, FAULTY_ALLOCATE, SL_EFULL);
    model_add(&m, 0, 1000, 0);
    (void)commit_log_append(m.log, &m.run, 1, 0, NULL, NULL);
    CU_ASSERT_EQUAL(commit_log_flush(m.log), SL_EFULL);
    for (unsigned i = 0; i < 2; i++) {
        kill_process();
        CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
        CU_ASSERT_FALSE(m.is_wrong);
        (void)checkpoint();
    }
    fill_to(MODEL_SEGMENT_BYTES + 8192);
    kill_process();
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    CU_ASSERT_FALSE(m.is_wrong);
    model_deinit(&m);
}

static void the_segment_that_is_written_is_never_released(void)
{
    start(1);
    CU_ASSERT_EQUAL(commit_log_release(m.log, &(uint64_t){MODEL_SEGMENT_BYTES}, 1), SL_OK);
    CU_ASSERT_EQUAL(commit_log_release(m.log, &(uint64_t){12345}, 1), SL_OK);
    CU_ASSERT_TRUE(exists(MODEL_SEGMENT_BYTES));
    model_deinit(&m);
}

static void a_released_segment_becomes_the_next_one_and_others_go(void)
{
    start(3);
    (void)checkpoint();
    CU_ASSERT_EQUAL(commit_log_disk_bytes(m.log), 4 * MODEL_SEGMENT_BYTES);
    uint64_t made = faulty_disk_calls(m.disk, FAULTY_ALLOCATE);
    uint64_t bases[] = {0, 2 * MODEL_SEGMENT_BYTES, MODEL_SEGMENT_BYTES};
    CU_ASSERT_EQUAL(commit_log_release(m.log, bases, 3), SL_OK);
    CU_ASSERT_EQUAL(commit_log_disk_bytes(m.log), 2 * MODEL_SEGMENT_BYTES);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_FALSE(exists(bases[i]));
    CU_ASSERT_TRUE(exists(4 * MODEL_SEGMENT_BYTES));
    fill_to(4 * MODEL_SEGMENT_BYTES + 8192);
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_ALLOCATE), made);
    CU_ASSERT_EQUAL(commit_log_prepare(m.log), SL_OK); /* waits for another one, for a while */
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_ALLOCATE), made);
    CU_ASSERT_EQUAL(commit_log_segments(m.log, NULL, 0), 1);
    model_close(&m); /* in order: what the file held before does not look like a torn tail */
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    CU_ASSERT_FALSE(m.is_wrong);
    CU_ASSERT_EQUAL(m.findings.cut_bytes, 0);
    CU_ASSERT_EQUAL(commit_log_disk_bytes(m.log), 2 * MODEL_SEGMENT_BYTES);
    model_deinit(&m);
}

static void a_release_that_fails_ends_the_log(void)
{
    start(3);
    (void)checkpoint();
    faulty_disk_fail(m.disk, FAULTY_RENAME, 1, SL_EIO);
    CU_ASSERT_EQUAL(commit_log_release(m.log, &(uint64_t){0}, 1), SL_EIO);
    CU_ASSERT_TRUE(commit_log_has_failed(m.log));
    CU_ASSERT_EQUAL(commit_log_release(m.log, &(uint64_t){0}, 1), SL_EIO);
    model_deinit(&m);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_log_without_its_beginning_and_without_a_checkpoint_is_refused),
        UNIT(a_log_with_a_gap_and_a_damaged_checkpoint_is_refused),
        UNIT(a_checkpoint_without_the_segment_that_it_needs_is_refused),
        UNIT(a_log_that_ends_before_its_checkpoint_relied_on_is_refused),
        UNIT(a_checkpoint_of_another_log_is_refused),
        UNIT(a_damaged_checkpoint_is_no_loss_while_the_whole_log_is_there),
        UNIT(a_start_reads_only_what_the_checkpoint_does_not_cover),
        UNIT(numbers_and_time_go_on_behind_a_checkpoint),
        UNIT(a_checkpoint_behind_a_segment_that_was_closed_is_good),
        UNIT(the_segment_that_is_written_is_never_released),
        UNIT(a_released_segment_becomes_the_next_one_and_others_go),
        UNIT(a_release_that_fails_ends_the_log),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/retention", tests);
}
