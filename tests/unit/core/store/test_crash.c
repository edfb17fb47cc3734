#include "tests/unit/core/store/log_model.h"

#include "tests/support/unit.h"

#include <stdio.h>

#define SEEDS 60u

static struct model m;

/* Every other life is one with checkpoints. */
static void begin(uint64_t seed)
{
    model_init(&m, seed);
    m.has_keeper = seed % 2 == 0;
}

/* A fresh log that has worked for a while, and how many changing calls that took. */
static uint64_t calls_of_a_life(uint64_t seed, unsigned steps)
{
    begin(seed);
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    CU_ASSERT_EQUAL(model_work(&m, steps), SL_OK);
    model_close(&m);
    uint64_t calls = faulty_disk_calls(m.disk, FAULTY_ANY);
    model_deinit(&m);
    return calls;
}

static void crash_and_reopen(uint64_t seed, const char *what)
{
    model_close(&m);
    faulty_disk_crash(m.disk, seed);
    enum sl_err err = model_open(&m);
    CU_ASSERT_EQUAL(err, SL_OK);
    CU_ASSERT_FALSE(m.is_wrong);
    if (err != SL_OK || m.is_wrong)
        printf("%s: seed %llu: error %#x, promised %llu, seen %llu: %s\n", what,
               (unsigned long long)seed, (unsigned)err, (unsigned long long)m.promised,
               (unsigned long long)m.seen, m.findings.problem);
}

static void what_was_promised_survives_a_crash_at_every_call(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t calls = calls_of_a_life(seed, 60);
        for (uint64_t n = 1; n <= calls; n++) {
            begin(seed);
            faulty_disk_power_off_at(m.disk, n);
            if (model_open(&m) == SL_OK)
                (void)model_work(&m, 60);
            crash_and_reopen(seed * 1000 + n, "crash");
            if (m.log == NULL) { /* one message is enough */
                model_deinit(&m);
                return;
            }
            model_deinit(&m);
        }
    }
}

static void crashes_while_recovering_lose_nothing_either(void)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        begin(seed);
        CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
        for (unsigned life = 0; life < 12; life++) {
            faulty_disk_power_off_at(m.disk, 1 + model_roll(&m, 40));
            (void)model_work(&m, 100);
            model_close(&m);
            faulty_disk_crash(m.disk, seed * 100 + life);
            for (unsigned tries = 0;; tries++) {
                faulty_disk_power_off_at(m.disk, tries == 5 ? 0 : 1 + model_roll(&m, 6));
                enum sl_err err = model_open(&m);
                faulty_disk_power_off_at(m.disk, 0);
                if (err == SL_OK)
                    break;
                if (err != SL_EIO)
                    printf("seed %llu life %u: %s\n", (unsigned long long)seed, life,
                           m.findings.problem);
                CU_ASSERT_EQUAL_FATAL(err, SL_EIO); /* never refused */
                faulty_disk_crash(m.disk, seed * 1000 + life * 10 + tries);
            }
            CU_ASSERT_FALSE_FATAL(m.is_wrong);
        }
        model_deinit(&m);
    }
}

/* Stops at the n-th sync that fails, and what then comes. */
static bool fail_sync(uint64_t seed, uint64_t n, bool is_clean_looking)
{
    begin(seed);
    faulty_disk_set_clean_looking(m.disk, is_clean_looking);
    CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
    faulty_disk_fail(m.disk, FAULTY_SYNC, n, SL_EIO);
    enum sl_err err = model_work(&m, 100);
    if (err == SL_OK)
        return false;
    CU_ASSERT_EQUAL(err, SL_EIO);
    if (m.has_keeper && !commit_log_has_failed(m.log))
        return true; /* it was the checkpoint's */
    CU_ASSERT_TRUE(commit_log_has_failed(m.log));
    uint64_t durable = commit_log_durable(m.log).v;
    model_append(&m);
    CU_ASSERT_EQUAL(commit_log_flush(m.log), SL_EIO); /* from then on, though the disk is well */
    CU_ASSERT_EQUAL(commit_log_durable(m.log).v, durable);
    CU_ASSERT_FALSE(commit_log_wait(m.log));
    return true;
}

static void after_a_failed_sync_and_a_crash_what_was_promised_is_there(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        for (uint64_t n = 1; fail_sync(seed, n, seed % 2 == 0) || (model_deinit(&m), false); n++) {
            crash_and_reopen(seed * 100 + n, "sync");
            model_deinit(&m);
        }
}

static void what_a_restart_read_from_clean_looking_pages_is_made_durable(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        for (uint64_t n = 1; fail_sync(seed, n, true) || (model_deinit(&m), false); n++) {
            model_close(&m); /* the process ends, the machine does not: the cache stays */
            CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
            CU_ASSERT_FALSE(m.is_wrong);
            crash_and_reopen(seed * 100 + n, "clean-looking"); /* all that was read is promised */
            model_deinit(&m);
        }
}

/* Each kind of call fails once, at every number: a clean error, and the promises hold. */
static void a_call_that_fails_costs_no_promise(void)
{
    static const enum faulty_op ops[] = {FAULTY_OPEN,     FAULTY_WRITE,  FAULTY_ALLOCATE,
                                         FAULTY_SIZE,     FAULTY_REMOVE, FAULTY_RENAME,
                                         FAULTY_SYNC_DIR, FAULTY_LIST,   FAULTY_READ};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        for (uint64_t n = 1; n < 60; n++) {
            begin(n);
            CU_ASSERT_EQUAL_FATAL(model_open(&m), SL_OK);
            CU_ASSERT_EQUAL(model_work(&m, 20), SL_OK);
            faulty_disk_fail(m.disk, ops[i], n, SL_EIO);
            enum sl_err err = model_work(&m, 100);
            CU_ASSERT_TRUE(err == SL_OK || err == SL_EIO);
            model_close(&m);
            for (unsigned tries = 0; model_open(&m) != SL_OK && tries < 3; tries++)
                ;
            CU_ASSERT_PTR_NOT_NULL_FATAL(m.log);
            CU_ASSERT_FALSE(m.is_wrong);
            crash_and_reopen(n, "fault");
            model_deinit(&m);
        }
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_was_promised_survives_a_crash_at_every_call),
        UNIT(crashes_while_recovering_lose_nothing_either),
        UNIT(after_a_failed_sync_and_a_crash_what_was_promised_is_there),
        UNIT(what_a_restart_read_from_clean_looking_pages_is_made_durable),
        UNIT(a_call_that_fails_costs_no_promise),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/store/crash", tests);
}
