#include "gateway/disk_watch.h"

#include "tests/support/unit.h"

#define MIB (1024ull * 1024)
#define GIB (1024 * MIB)

static uint64_t room_left; /* 0: the system does not say */

static enum sl_err room(void *self, uint64_t *free_bytes, uint64_t *total_bytes)
{
    (void)self;
    if (room_left == 0)
        return SL_EIO;
    *free_bytes = room_left;
    *total_bytes = 2 * GIB;
    return SL_OK;
}

static void wake(void *context, uint32_t worker)
{
    (void)context, (void)worker;
}

static const struct sl_file_ops FILES = {.room = room};
static const struct broker_options OPTIONS = {
    .workers = 1, .memory_budget_bytes = MIB, .clock = &sl_clock_system, .wake = wake};

static void the_limit_is_a_fifth_but_bounded_on_both_ends(void)
{
    CU_ASSERT_EQUAL(disk_watch_limit(1), 3 * LOG_SEGMENT_BYTES);
    CU_ASSERT_EQUAL(disk_watch_limit(2 * GIB), 2 * GIB / 5);
    CU_ASSERT_EQUAL(disk_watch_limit(1000 * GIB), GIB);
}

static void publishers_are_held_below_the_limit_until_it_is_well_above(void)
{
    struct broker *b = broker_new(&OPTIONS);
    struct broker_worker *worker = broker_worker_at(b, 0);
    struct disk_watch w;

    disk_watch_init(&w, &FILES, b, 100 * MIB);
    room_left = 100 * MIB;
    disk_watch_look(&w);
    CU_ASSERT_FALSE(broker_worker_balance(worker));
    room_left--;
    disk_watch_look(&w);
    CU_ASSERT_TRUE(broker_worker_balance(worker));
    CU_ASSERT_EQUAL(broker_held_by(b), HELD_BY_DISK);
    room_left = 101 * MIB;
    disk_watch_look(&w);
    CU_ASSERT_FALSE(broker_worker_balance(worker));
    room_left = 113 * MIB;
    disk_watch_look(&w);
    CU_ASSERT_TRUE(broker_worker_balance(worker));
    CU_ASSERT_EQUAL(broker_held_by(b), 0);
    broker_free(b);
}

static void a_system_that_does_not_tell_changes_nothing(void)
{
    struct broker *b = broker_new(&OPTIONS);
    struct disk_watch w;

    disk_watch_init(&w, &FILES, b, 100 * MIB);
    room_left = 1;
    disk_watch_look(&w);
    room_left = 0;
    disk_watch_look(&w);
    CU_ASSERT_TRUE(atomic_load(&w.is_low));
    CU_ASSERT_EQUAL(atomic_load(&w.free_bytes), 1);
    broker_free(b);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(the_limit_is_a_fifth_but_bounded_on_both_ends),
        UNIT(publishers_are_held_below_the_limit_until_it_is_well_above),
        UNIT(a_system_that_does_not_tell_changes_nothing),
        CU_TEST_INFO_NULL,
    };
    return unit_run("disk_watch", tests);
}
