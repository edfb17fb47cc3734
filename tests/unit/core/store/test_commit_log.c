#include "core/store/commit_log.h"

#include "tests/support/unit.h"
#include "tests/unit/core/store/log_model.h"

#include <pthread.h>
#include <sched.h>

static struct model m;

static void start(void)
{
    model_init(&m, 1);
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
}

static void append(uint32_t len)
{
    model_add(&m, 0, len, 0);
    m.runs[m.runs_count].end = commit_log_append(m.log, &m.run, 1, 0, NULL, NULL).end.v;
    m.runs[m.runs_count++].last = m.appended;
}

static void reopen(void)
{
    faulty_disk_power_off(m.disk);
    model_close(&m);
    faulty_disk_crash(m.disk, 3);
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    CU_ASSERT_FALSE(m.is_wrong);
}

static void nothing_is_durable_before_its_sync(void)
{
    start();
    sl_lsn before = commit_log_durable(m.log);
    append(10);
    CU_ASSERT_EQUAL(commit_log_durable(m.log).v, before.v);
    CU_ASSERT_TRUE(commit_log_end(m.log).v > before.v);
    uint64_t syncs = faulty_disk_calls(m.disk, FAULTY_SYNC);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_SYNC), syncs + 1);
    CU_ASSERT_EQUAL(commit_log_durable(m.log).v, commit_log_end(m.log).v);
    model_deinit(&m);
}

static void a_flush_of_nothing_touches_nothing(void)
{
    start();
    uint64_t calls = faulty_disk_calls(m.disk, FAULTY_ANY);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_ANY), calls);
    model_deinit(&m);
}

static void note_base(void *context, struct log_place place)
{
    uint64_t *seen = context;

    *seen = place.base;
}

static void numbers_without_records_take_no_place(void)
{
    uint64_t seen = 0;

    start();
    struct log_place place = commit_log_append(m.log, &m.run, 5, 0, note_base, &seen);
    CU_ASSERT_EQUAL(place.base, 1);
    CU_ASSERT_EQUAL(seen, 1);
    CU_ASSERT_TRUE(sl_lsn_reached(commit_log_durable(m.log), place.end));
    place = commit_log_append(m.log, &m.run, 1, 0, note_base, &seen);
    CU_ASSERT_EQUAL(seen, 6);
    model_deinit(&m);
}

static void numbers_go_on_behind_those_on_record(void)
{
    start();
    (void)commit_log_append(m.log, &m.run, 5, 0, NULL, NULL);
    append(1);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    reopen();
    CU_ASSERT_EQUAL(m.findings.next.v, 7);
    CU_ASSERT_EQUAL(commit_log_append(m.log, &m.run, 1, 0, NULL, NULL).base, 7);
    model_deinit(&m);
}

static void time_never_goes_back_also_over_restarts(void)
{
    start();
    CU_ASSERT_EQUAL(m.findings.time, 0);
    model_add(&m, 0, 1, 0);
    CU_ASSERT_EQUAL(commit_log_append(m.log, &m.run, 1, 5000, NULL, NULL).time, 5000);
    model_add(&m, 0, 1, 0);
    CU_ASSERT_EQUAL(commit_log_append(m.log, &m.run, 1, 4000, NULL, NULL).time, 5000);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    reopen();
    CU_ASSERT_EQUAL(m.findings.time, 5000);
    CU_ASSERT_EQUAL(commit_log_append(m.log, &m.run, 1, 3000, NULL, NULL).time, 5000);
    CU_ASSERT_EQUAL(commit_log_append(m.log, &m.run, 1, 6000, NULL, NULL).time, 6000);
    model_deinit(&m);
}

static void an_absolute_sequence_is_kept(void)
{
    struct model_body body = {1, 0, 0};

    start();
    m.appended = 1;
    memcpy(log_run_add(&m.run, RECORD_MESSAGE, 77, true, sizeof body), &body, sizeof body);
    (void)commit_log_append(m.log, &m.run, 1, 0, NULL, NULL);
    CU_ASSERT_EQUAL(commit_log_flush(m.log), SL_OK);
    reopen();
    CU_ASSERT_EQUAL(m.seen_sequence, 77);
    CU_ASSERT_EQUAL(m.findings.next.v, 78);
    model_deinit(&m);
}

static void a_log_of_many_segments_reads_back_whole(void)
{
    start();
    for (unsigned i = 0; i < 3000; i++) {
        model_append(&m);
        if (i % 7 == 0)
            CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
        if (i % 5 == 0)
            CU_ASSERT_EQUAL(commit_log_prepare(m.log), SL_OK);
    }
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_EQUAL(m.promised, m.appended);
    CU_ASSERT_EQUAL(m.lent, 0);
    reopen();
    CU_ASSERT_TRUE(m.findings.segments > 20);
    CU_ASSERT_EQUAL(m.findings.records, m.appended);
    model_deinit(&m);
}

static void a_record_larger_than_a_segment_gets_one_of_its_own(void)
{
    start();
    append(10);
    append(3 * MODEL_SEGMENT_BYTES);
    append(10);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_EQUAL(commit_log_durable(m.log).v, commit_log_end(m.log).v);
    reopen();
    CU_ASSERT_EQUAL(m.seen, 3);
    CU_ASSERT_EQUAL(m.findings.segments, 2); /* the last one fits into what rounding left */
    model_deinit(&m);
}

static void bases_are_multiples_of_a_segment_also_behind_a_larger_one(void)
{
    struct log_segment found[8] = {{0}};
    size_t n = 0;

    start();
    append(10);
    append(3 * MODEL_SEGMENT_BYTES); /* takes a little more than three */
    append(MODEL_SEGMENT_BYTES / 2);
    append(MODEL_SEGMENT_BYTES / 2);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    for (unsigned restart = 0; restart < 2; restart++) {
        n = commit_log_segments(m.log, found, 8);
        CU_ASSERT_EQUAL(n, 3);
        CU_ASSERT_EQUAL(found[0].base, 0);
        CU_ASSERT_EQUAL(found[1].base, MODEL_SEGMENT_BYTES);
        CU_ASSERT_TRUE(found[1].size > 3 * MODEL_SEGMENT_BYTES);
        CU_ASSERT_TRUE(found[1].size < 4 * MODEL_SEGMENT_BYTES);
        CU_ASSERT_EQUAL(found[2].base, 5 * MODEL_SEGMENT_BYTES);
        reopen();
        CU_ASSERT_EQUAL(m.seen, 4);
    }
    model_deinit(&m);
}

/* Its checksum is in front and known only behind: nothing of it may be written before. */
static void a_group_of_many_writes_is_one_record(void)
{
    start();
    log_run_group_begin(&m.run);
    for (unsigned i = 0; i < 600; i++)
        model_add(&m, i, 8000, 599 - i);
    log_run_group_end(&m.run);
    (void)commit_log_append(m.log, &m.run, 600, 0, NULL, NULL);
    append(10);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_EQUAL(m.lent, 0);
    reopen();
    CU_ASSERT_EQUAL(m.seen, 601);
    model_deinit(&m);
}

static void lent_bodies_are_given_back_also_when_the_log_fails(void)
{
    start();
    for (unsigned i = 0; i < 50; i++)
        append(500);
    CU_ASSERT_TRUE(m.lent > 0);
    faulty_disk_fail(m.disk, FAULTY_WRITE, 1, SL_EIO);
    CU_ASSERT_EQUAL(commit_log_flush(m.log), SL_EIO);
    append(500);
    commit_log_close(m.log);
    m.log = NULL;
    CU_ASSERT_EQUAL(m.lent, 0);
    model_deinit(&m);
}

static void a_run_that_is_dropped_gives_everything_back(void)
{
    start();
    for (unsigned i = 0; i < 50; i++)
        model_add(&m, i, 3000, 0);
    log_run_clear(&m.run);
    CU_ASSERT_EQUAL(m.lent, 0);
    CU_ASSERT_PTR_NULL(m.run.first);
    model_deinit(&m);
}

static void no_room_for_a_segment_holds_publishers_and_loses_nothing(void)
{
    start();
    faulty_disk_fail_always(m.disk, FAULTY_ALLOCATE, SL_EFULL);
    while (commit_log_end(m.log).v < MODEL_SEGMENT_BYTES * 3 / 4)
        append(100);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_FALSE(commit_log_is_out_of_room(m.log));
    CU_ASSERT_EQUAL(commit_log_prepare(m.log), SL_EFULL);
    CU_ASSERT_TRUE(commit_log_is_out_of_room(m.log));
    append(100); /* what is short still has the rest of the segment */
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_EQUAL(m.promised, m.appended);

    append(MODEL_SEGMENT_BYTES / 2);
    append(10);
    CU_ASSERT_EQUAL(model_flush(&m), SL_EFULL);
    append(10);
    CU_ASSERT_EQUAL(model_flush(&m), SL_EFULL);
    CU_ASSERT_TRUE(m.promised < m.appended);
    CU_ASSERT_FALSE(commit_log_has_failed(m.log));
    CU_ASSERT_TRUE(commit_log_is_out_of_room(m.log));

    faulty_disk_fail_always(m.disk, FAULTY_ALLOCATE, SL_OK);
    CU_ASSERT_TRUE(commit_log_wait(m.log)); /* a moment later */
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_FALSE(commit_log_is_out_of_room(m.log));
    CU_ASSERT_EQUAL(m.promised, m.appended);
    reopen();
    model_deinit(&m);
}

static void no_room_inside_a_segment_is_final(void)
{
    start();
    append(100);
    faulty_disk_fail(m.disk, FAULTY_WRITE, 1, SL_EFULL);
    CU_ASSERT_EQUAL(model_flush(&m), SL_EIO);
    CU_ASSERT_TRUE(commit_log_has_failed(m.log));
    model_deinit(&m);
}

static void a_disk_that_is_full_at_a_start_is_no_damage(void)
{
    start();
    while (commit_log_end(m.log).v < MODEL_SEGMENT_BYTES - 200)
        append(0);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    faulty_disk_fail_always(m.disk, FAULTY_ALLOCATE, SL_EFULL);
    append(1000);
    CU_ASSERT_EQUAL(model_flush(&m), SL_EFULL); /* the segment is sealed, there is no next one */
    reopen();
    append(1000);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_EQUAL(m.promised, m.appended);
    reopen();
    model_deinit(&m);
}

static void a_batch_that_waits_too_long_is_noticed(void)
{
    start();
    CU_ASSERT_FALSE(commit_log_is_behind(m.log));
    for (unsigned i = 0; i < 65; i++)
        append(1024 * 1024);
    CU_ASSERT_TRUE(commit_log_is_behind(m.log));
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_FALSE(commit_log_is_behind(m.log));
    model_deinit(&m);
}

static void a_prepared_segment_is_used(void)
{
    start();
    CU_ASSERT_EQUAL(commit_log_prepare(m.log), SL_OK); /* too early: nothing happens */
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_ALLOCATE), 1);
    while (commit_log_end(m.log).v < MODEL_SEGMENT_BYTES * 3 / 4)
        append(100);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_EQUAL(commit_log_prepare(m.log), SL_OK);
    CU_ASSERT_EQUAL(commit_log_prepare(m.log), SL_OK);
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_ALLOCATE), 2);
    uint64_t dir_syncs = faulty_disk_calls(m.disk, FAULTY_SYNC_DIR);
    while (commit_log_end(m.log).v < MODEL_SEGMENT_BYTES + 8192)
        append(100);
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_ALLOCATE), 2);
    CU_ASSERT_EQUAL(faulty_disk_calls(m.disk, FAULTY_SYNC_DIR), dir_syncs);
    reopen();
    model_deinit(&m);
}

static uint64_t announced;

static void count_announcement(void *context)
{
    (void)context;
    announced++;
}

static void a_moved_cursor_and_a_failure_are_announced(void)
{
    struct log_options options = {.segment_bytes = MODEL_SEGMENT_BYTES,
                                  .announce = count_announcement};

    model_init(&m, 1);
    options.files = m.ops;
    announced = 0;
    CU_ASSERT_EQUAL_FATAL(commit_log_open(&options, &(struct log_visitor){0}, &m.findings, &m.log),
                          SL_OK);
    append(1);
    CU_ASSERT_EQUAL(commit_log_flush(m.log), SL_OK);
    CU_ASSERT_EQUAL(announced, 1);
    append(1);
    faulty_disk_fail(m.disk, FAULTY_SYNC, 1, SL_EIO);
    CU_ASSERT_EQUAL(commit_log_flush(m.log), SL_EIO);
    CU_ASSERT_EQUAL(announced, 2);
    model_deinit(&m);
}

static void a_stop_lets_what_is_there_be_flushed_first(void)
{
    start();
    append(1);
    commit_log_stop(m.log);
    CU_ASSERT_TRUE(commit_log_wait(m.log));
    CU_ASSERT_EQUAL(model_flush(&m), SL_OK);
    CU_ASSERT_FALSE(commit_log_wait(m.log));
    model_deinit(&m);
}

/* What several threads append is in the log in the order of its sequences, and that is the order
 * in which they were told. */
#define THREADS 2u
#define RUNS_EACH 4000u

static uint64_t told[THREADS * RUNS_EACH * 2];
static uint64_t told_count;

static void note_told(void *context, struct log_place place)
{
    told[told_count++] = place.base;
    *(uint64_t *)context = place.base;
}

static void *append_runs(void *context)
{
    struct log_run run = {0};

    (void)context;
    for (unsigned i = 0; i < RUNS_EACH; i++) {
        uint64_t base;
        for (unsigned k = 0; k < 2; k++)
            memset(log_run_add(&run, RECORD_MESSAGE, k, false, 100), (int)i, 100);
        struct log_place place = commit_log_append(m.log, &run, 2, 0, note_told, &base);
        if (base != place.base)
            abort();
        while (commit_log_is_behind(m.log))
            sched_yield();
    }
    log_run_clear(&run);
    return NULL;
}

static void *flush_until_stopped(void *context)
{
    (void)context;
    while (commit_log_wait(m.log) && commit_log_flush(m.log) == SL_OK)
        ;
    return NULL;
}

static void *prepare_until_stopped(void *context)
{
    const atomic_bool *stop = context;

    while (!atomic_load(stop)) {
        if (commit_log_prepare(m.log) != SL_OK)
            abort();
        sched_yield();
    }
    return NULL;
}

static struct {
    uint64_t count;
    uint64_t last_sequence;
    uint64_t last_place;
    bool is_wrong;
} read_back;

static enum sl_err note_order(void *context, const struct record *record, sl_lsn place)
{
    (void)context;
    read_back.is_wrong |= record->sequence.v != read_back.last_sequence + 1 ||
                          place.v <= read_back.last_place;
    read_back.last_sequence = record->sequence.v;
    read_back.last_place = place.v;
    read_back.count++;
    return SL_OK;
}

static void threads_appending_at_once_share_one_order(void)
{
    pthread_t writers[THREADS];
    pthread_t flusher;
    pthread_t preparer;
    atomic_bool stop = false;

    start();
    told_count = 0;
    pthread_create(&flusher, NULL, flush_until_stopped, NULL);
    pthread_create(&preparer, NULL, prepare_until_stopped, &stop);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&writers[i], NULL, append_runs, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&stop, true);
    pthread_join(preparer, NULL);
    commit_log_stop(m.log);
    pthread_join(flusher, NULL);
    CU_ASSERT_EQUAL(commit_log_durable(m.log).v, commit_log_end(m.log).v);
    for (uint64_t i = 0; i < told_count; i++)
        CU_ASSERT_EQUAL(told[i], 1 + 2 * i);

    faulty_disk_power_off(m.disk);
    model_close(&m);
    faulty_disk_crash(m.disk, 1);
    memset(&read_back, 0, sizeof read_back);
    CU_ASSERT_EQUAL(
        commit_log_check(&m.ops, &(struct log_visitor){.record = note_order}, &m.findings), SL_OK);
    CU_ASSERT_FALSE(read_back.is_wrong);
    CU_ASSERT_EQUAL(read_back.count, THREADS * RUNS_EACH * 2);
    model_deinit(&m);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(nothing_is_durable_before_its_sync),
        UNIT(a_flush_of_nothing_touches_nothing),
        UNIT(numbers_without_records_take_no_place),
        UNIT(numbers_go_on_behind_those_on_record),
        UNIT(time_never_goes_back_also_over_restarts),
        UNIT(an_absolute_sequence_is_kept),
        UNIT(a_log_of_many_segments_reads_back_whole),
        UNIT(a_record_larger_than_a_segment_gets_one_of_its_own),
        UNIT(bases_are_multiples_of_a_segment_also_behind_a_larger_one),
        UNIT(a_group_of_many_writes_is_one_record),
        UNIT(lent_bodies_are_given_back_also_when_the_log_fails),
        UNIT(a_run_that_is_dropped_gives_everything_back),
        UNIT(no_room_for_a_segment_holds_publishers_and_loses_nothing),
        UNIT(no_room_inside_a_segment_is_final),
        UNIT(a_disk_that_is_full_at_a_start_is_no_damage),
        UNIT(a_batch_that_waits_too_long_is_noticed),
        UNIT(a_prepared_segment_is_used),
        UNIT(a_moved_cursor_and_a_failure_are_announced),
        UNIT(a_stop_lets_what_is_there_be_flushed_first),
        UNIT(threads_appending_at_once_share_one_order),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/commit_log", tests);
}
