#include "gateway/loop.h"

#include "tests/support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define FOREVER_MS 60000 /* of a wait that is to be ended by something else */

static struct loop *loop;
static unsigned said;

static void on_ready(struct loop_watch *watch, unsigned events)
{
    (void)watch;
    CU_ASSERT_EQUAL(events, LOOP_READ);
    said++;
}

static void begin(void)
{
    loop = loop_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(loop);
    said = 0;
}

static void turn(int timeout_ms)
{
    loop_wait(loop, timeout_ms);
    loop_dispatch(loop);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void a_wake_that_was_said_does_not_end_the_next_wait(void)
{
    begin();
    for (int i = 0; i < 3; i++) {
        loop_doze(loop);
        loop_wake(loop);
        turn(FOREVER_MS);
        uint64_t from_ms = now_ms();
        turn(20);
        CU_ASSERT(now_ms() - from_ms >= 19);
    }
    loop_free(loop);
}

static void who_does_not_doze_is_not_woken(void)
{
    begin();
    loop_wake(loop);
    uint64_t from_ms = now_ms();
    turn(20);
    CU_ASSERT(now_ms() - from_ms >= 19);
    loop_free(loop);
}

static void *wake_often(void *context)
{
    atomic_bool *is_over = context;

    while (!atomic_load(is_over))
        loop_wake(loop);
    return NULL;
}

static void every_wait_of_a_dozing_owner_is_ended_by_another_thread(void)
{
    atomic_bool is_over = false;
    pthread_t thread;

    begin();
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, wake_often, &is_over) == 0);
    uint64_t from_ms = now_ms();
    for (int i = 0; i < 200; i++) {
        loop_doze(loop);
        turn(FOREVER_MS);
    }
    CU_ASSERT(now_ms() - from_ms < FOREVER_MS);
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
    loop_free(loop);
}

static void what_is_still_ready_is_said_again_whoever_wakes(void)
{
    struct loop_watch watch = {.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC), .on_ready = on_ready};

    begin();
    CU_ASSERT_FATAL(watch.fd >= 0 && loop_add(loop, &watch, LOOP_READ) == SL_OK);
    for (unsigned i = 1; i <= 3; i++) {
        loop_doze(loop);
        loop_wake(loop);
        turn(FOREVER_MS);
        CU_ASSERT_EQUAL(said, i);
    }
    loop_remove(loop, &watch);
    close(watch.fd);
    loop_free(loop);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_wake_that_was_said_does_not_end_the_next_wait),
        UNIT(who_does_not_doze_is_not_woken),
        UNIT(every_wait_of_a_dozing_owner_is_ended_by_another_thread),
        UNIT(what_is_still_ready_is_said_again_whoever_wakes),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/loop", tests);
}
