#include "core/store/segment.h"
#include "tests/support/unit.h"
#include "tests/unit/core/store/log_model.h"

#include <stdio.h>

#define RECORD_BYTES 48u /* with RECORD_LEN; as long as a batch record */
#define RECORD_LEN 8u

static struct model m;

static char *name_of(uint64_t base)
{
    static char name[32];

    snprintf(name, sizeof name, "%016llx.log", (unsigned long long)base);
    return name;
}

/* Changes n bytes of a segment; n 0: cuts it there. */
static void damage(uint64_t base, size_t at, size_t n)
{
    struct sl_bytes old = faulty_disk_get(m.disk, name_of(base));
    uint8_t *bytes = malloc(old.len);

    memcpy(bytes, old.at, old.len);
    for (size_t i = at; i < at + n; i++)
        bytes[i] ^= 0x55;
    faulty_disk_put(m.disk, name_of(base), (struct sl_bytes){bytes, n == 0 ? at : old.len});
    free(bytes);
}

/* A batch of n equal records. */
static void append_batch(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct model_body body = {++m.appended, RECORD_LEN, 0};
        uint8_t *at = log_run_add(&m.run, RECORD_MESSAGE, i, false, sizeof body + RECORD_LEN);
        memcpy(at, &body, sizeof body);
        model_fill(at + sizeof body, body.number, RECORD_LEN);
    }
    (void)commit_log_append(m.log, &m.run, n, 0, NULL, NULL);
    CU_ASSERT_EQUAL(commit_log_flush(m.log), SL_OK);
}

/* Three batches of two records each, as a process that was killed leaves them:
 * 4096 batch, 4144, 4192, 4240 batch, 4288, 4336, 4384 batch, 4432, 4480, end 4528. */
#define SECOND_BATCH (SEGMENT_HEADER_BYTES + 3 * RECORD_BYTES)
#define THIRD_BATCH (SEGMENT_HEADER_BYTES + 6 * RECORD_BYTES)
#define END_OF_THREE (SEGMENT_HEADER_BYTES + 9 * RECORD_BYTES)

static void kill_process(void)
{
    faulty_disk_power_off(m.disk); /* no farewell */
    model_close(&m);
    faulty_disk_crash(m.disk, 1); /* all was synced, so nothing changes */
}

static void make_three_batches(void)
{
    model_init(&m, 1);
    m.page_bytes = 8;
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    for (unsigned i = 0; i < 3; i++)
        append_batch(2);
    CU_ASSERT_EQUAL(commit_log_durable(m.log).v, END_OF_THREE);
    kill_process();
}

/* Writes two and a half segments. */
static uint64_t make_segments(void)
{
    model_init(&m, 1);
    m.page_bytes = 8;
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    while (commit_log_end(m.log).v < MODEL_SEGMENT_BYTES * 5 / 2)
        append_batch(10);
    uint64_t last = m.appended;
    kill_process();
    return last;
}

static void expect_refusal(const char *where)
{
    CU_ASSERT_EQUAL(model_open(&m), SL_ECORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.findings.problem, where));
    if (strstr(m.findings.problem, where) == NULL)
        printf("expected %s in: %s\n", where, m.findings.problem);
    faulty_disk_power_off(m.disk); /* it was read, not changed: a check says the same */
    faulty_disk_crash(m.disk, 2);
    CU_ASSERT_EQUAL(commit_log_check(&m.ops, &(struct log_visitor){0}, &m.findings), SL_ECORRUPT);
}

static void damage_anywhere_below_the_cursor_is_refused(void)
{
    make_three_batches();
    for (size_t at = SEGMENT_HEADER_BYTES; at < THIRD_BATCH; at++) {
        uint64_t changes = faulty_disk_calls(m.disk, FAULTY_ANY);
        damage(0, at, 1);
        CU_ASSERT_EQUAL(model_open(&m), SL_ECORRUPT);
        CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_ANY), changes); /* not a byte changed */
        damage(0, at, 1);                                                /* twice is not at all */
    }
    damage(0, SECOND_BATCH + RECORD_BYTES, 1);
    expect_refusal("segment 0000000000000000.log, offset 4288");
    model_deinit(&m);
}

static void damage_above_the_cursor_is_cut(void)
{
    for (size_t at = THIRD_BATCH; at < END_OF_THREE; at++) {
        make_three_batches();
        damage(0, at, 1);
        m.promised = 4; /* the last batch has nobody to vouch for it */
        CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
        CU_ASSERT_FALSE(m.is_wrong);
        CU_ASSERT_EQUAL(m.seen, at < THIRD_BATCH + 2 * RECORD_BYTES ? 4 : 5);
        CU_ASSERT_TRUE(m.findings.cut_bytes > 0);
        model_deinit(&m);
    }
}

static void a_tail_that_is_too_short_is_cut(void)
{
    for (size_t len = THIRD_BATCH; len <= END_OF_THREE; len++) {
        make_three_batches();
        damage(0, len, 0);
        m.promised = 4;
        CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
        CU_ASSERT_FALSE(m.is_wrong);
        append_batch(3);
        model_note_promises(&m);
        m.promised = m.appended;
        model_close(&m);
        CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
        CU_ASSERT_FALSE(m.is_wrong);
        model_deinit(&m);
    }
}

static void a_file_cut_below_the_cursor_is_refused_when_a_later_segment_knows(void)
{
    make_segments();
    damage(0, 5000, 0);
    expect_refusal("segment 0000000000000000.log, offset 4");
    model_deinit(&m);
}

static void what_was_cut_never_comes_back(void)
{
    make_three_batches();
    damage(0, THIRD_BATCH, 1); /* the two records behind it are whole */
    m.promised = 4;
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    CU_ASSERT_EQUAL(m.seen, 4);
    append_batch(1); /* ends exactly where a record lay that was cut */
    kill_process();
    m.promised = m.appended;
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    CU_ASSERT_FALSE(m.is_wrong);
    CU_ASSERT_EQUAL(m.seen, 5);
    model_deinit(&m);
}

static void a_damaged_end_of_a_segment_is_refused(void)
{
    make_segments();
    /* From behind: the only bytes that are not zero in front of the end are the END record. */
    struct sl_bytes bytes = faulty_disk_get(m.disk, name_of(0));
    size_t end = bytes.len;
    while (bytes.at[end - 1] == 0)
        end--;
    end = (end + 7) / 8 * 8;
    damage(0, end - RECORD_END_BYTES, 1);
    expect_refusal("segment 0000000000000000.log");
    model_deinit(&m);
}

static void one_batch_in_a_segment_vouches_for_all_before_it(void)
{
    model_init(&m, 1);
    m.page_bytes = 8;
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    while (commit_log_end(m.log).v < MODEL_SEGMENT_BYTES)
        append_batch(10);
    kill_process();
    struct sl_bytes bytes = faulty_disk_get(m.disk, name_of(0));
    size_t end = bytes.len;
    while (bytes.at[end - 1] == 0)
        end--;
    damage(0, end - 1, 1); /* in the END record */
    expect_refusal("segment 0000000000000000.log");
    model_deinit(&m);
}

static void a_segment_that_is_missing_is_refused(void)
{
    for (unsigned i = 0; i < 2; i++) {
        make_segments();
        faulty_disk_drop(m.disk, name_of(i * MODEL_SEGMENT_BYTES));
        expect_refusal(i == 0 ? "first segment" : "segment 0000000000004000.log, offset 0");
        model_deinit(&m);
    }
}

static void a_segment_of_another_log_is_refused(void)
{
    static uint8_t stranger[MODEL_SEGMENT_BYTES];

    make_segments();
    memcpy(stranger, faulty_disk_get(m.disk, name_of(MODEL_SEGMENT_BYTES)).at, sizeof stranger);
    model_deinit(&m);
    make_segments();
    faulty_disk_put(m.disk, name_of(MODEL_SEGMENT_BYTES),
                    (struct sl_bytes){stranger, sizeof stranger});
    expect_refusal("segment 0000000000004000.log, offset 0");
    model_deinit(&m);
}

static void another_format_version_is_refused_with_both_numbers(void)
{
    make_segments();
    damage(0, 8, 1); /* 2 becomes 0x57 */
    expect_refusal("format version 87; this program reads version 2");
    model_deinit(&m);
}

/* In place of the last two records, a group that is whole, with two records inside. */
static void put_group(uint16_t first_kind, uint16_t second_kind, uint32_t second_length)
{
    size_t place = THIRD_BATCH + RECORD_BYTES;
    struct sl_bytes old = faulty_disk_get(m.disk, name_of(0));
    struct record_header inner[2] = {{.length = 24, .sequence = 5, .kind = first_kind},
                                     {.length = second_length, .kind = second_kind}};
    uint8_t body[72] = {0};
    uint64_t start_number;
    uint8_t *bytes = malloc(old.len);

    memcpy(bytes, old.at, old.len);
    memcpy(&start_number, bytes + 16, sizeof start_number);
    memcpy(body, inner, sizeof inner);
    record_write(bytes + place, RECORD_GROUP, 5, (struct sl_bytes){body, sizeof body}, start_number,
                 (sl_lsn){place});
    faulty_disk_put(m.disk, name_of(0), (struct sl_bytes){bytes, old.len});
    free(bytes);
}

static void a_whole_group_that_makes_no_sense_is_refused_and_not_cut(void)
{
    make_three_batches();
    put_group(RECORD_BIND, RECORD_BIND, 48);
    CU_ASSERT_EQUAL(commit_log_check(&m.ops, &(struct log_visitor){0}, &m.findings), SL_OK);
    CU_ASSERT_EQUAL(m.findings.records, 6);
    put_group(RECORD_BIND, RECORD_BIND, 40); /* eight bytes are left */
    expect_refusal("offset 4432");
    put_group(RECORD_BIND, RECORD_BIND, 56);
    expect_refusal("offset 4432");
    put_group(RECORD_GROUP, RECORD_BIND, 48);
    expect_refusal("offset 4432");
    put_group(RECORD_BIND, RECORD_END, 48);
    expect_refusal("offset 4432");
    model_deinit(&m);
}

static enum sl_err cannot(void *context, const struct record *record, sl_lsn place)
{
    (void)context, (void)record, (void)place;
    return SL_ECORRUPT;
}

static void a_visitors_error_ends_the_start(void)
{
    struct log_options options;
    struct log_visitor visitor = {.record = cannot};

    make_three_batches();
    options = (struct log_options){.files = m.ops, .segment_bytes = MODEL_SEGMENT_BYTES};
    CU_ASSERT_EQUAL(commit_log_open(&options, &visitor, &m.findings, &m.log), SL_ECORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.findings.problem, "offset 4144"));
    model_deinit(&m);
}

static void a_clean_stop_leaves_nothing_to_cut_and_vouches_for_everything(void)
{
    model_init(&m, 1);
    m.page_bytes = 8;
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    append_batch(2);
    model_close(&m);
    for (unsigned i = 0; i < 3; i++) { /* stopping again adds nothing */
        CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
        CU_ASSERT_EQUAL(m.findings.cut_bytes, 0);
        CU_ASSERT_EQUAL(m.findings.records, 2);
        CU_ASSERT_EQUAL(m.findings.next.v, 3);
        CU_ASSERT_EQUAL(m.findings.bytes, 4 * RECORD_BYTES);
        model_close(&m);
    }
    damage(0, SEGMENT_HEADER_BYTES + 2 * RECORD_BYTES, 1); /* the last record */
    expect_refusal("offset 4192");
    model_deinit(&m);
}

static void a_check_reads_everything_and_changes_nothing(void)
{
    uint64_t last = make_segments();
    uint64_t changes = faulty_disk_calls(m.disk, FAULTY_ANY);
    struct log_visitor visitor = {.record = model_on_record, .context = &m};

    CU_ASSERT_EQUAL(commit_log_check(&m.ops, &visitor, &m.findings), SL_OK);
    CU_ASSERT_EQUAL(m.seen, last);
    CU_ASSERT_EQUAL(m.findings.records, last);
    CU_ASSERT_EQUAL(m.findings.segments, 3);
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_ANY), changes);
    model_deinit(&m);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(damage_anywhere_below_the_cursor_is_refused),
        UNIT(damage_above_the_cursor_is_cut),
        UNIT(a_tail_that_is_too_short_is_cut),
        UNIT(a_file_cut_below_the_cursor_is_refused_when_a_later_segment_knows),
        UNIT(what_was_cut_never_comes_back),
        UNIT(a_damaged_end_of_a_segment_is_refused),
        UNIT(one_batch_in_a_segment_vouches_for_all_before_it),
        UNIT(a_segment_that_is_missing_is_refused),
        UNIT(a_segment_of_another_log_is_refused),
        UNIT(another_format_version_is_refused_with_both_numbers),
        UNIT(a_whole_group_that_makes_no_sense_is_refused_and_not_cut),
        UNIT(a_visitors_error_ends_the_start),
        UNIT(a_clean_stop_leaves_nothing_to_cut_and_vouches_for_everything),
        UNIT(a_check_reads_everything_and_changes_nothing),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/recovery", tests);
}
