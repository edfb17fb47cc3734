#include "core/slowdown.h"

#include "tests/support/unit.h"

#include <stdio.h>

#define NOW_MS 5000000u

static const char SOMEONE[] = "192.0.2.1:4711";
static const struct sl_bytes SHOP = {(const uint8_t *)"shop", 4};
static const struct sl_bytes OTHER = {(const uint8_t *)"other", 5};

static void fail(struct slowdown *s, const char *peer, uint32_t times, uint64_t now_ms)
{
    for (uint32_t i = 0; i < times; i++)
        slowdown_note_failure(s, peer, OTHER, now_ms);
}

static void a_few_failures_cost_nothing(void)
{
    static struct slowdown s;

    fail(&s, SOMEONE, SLOWDOWN_FREE_FAILURES, NOW_MS);
    CU_ASSERT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS), 0);
    fail(&s, SOMEONE, 1, NOW_MS);
    CU_ASSERT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS), SLOWDOWN_FIRST_MS);
}

static void attempts_at_once_wait_behind_each_other_until_it_is_too_long(void)
{
    static struct slowdown s;
    uint64_t last = 0;
    uint64_t wait;

    fail(&s, SOMEONE, 100, NOW_MS);
    while ((wait = slowdown_wait(&s, SOMEONE, SHOP, NOW_MS)) != UINT64_MAX) {
        CU_ASSERT_EQUAL_FATAL(wait, last + SLOWDOWN_STEP_MAX_MS);
        last = wait;
    }
    CU_ASSERT_TRUE(last != 0 && last <= SLOWDOWN_WAIT_MAX_MS);
    CU_ASSERT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS + last), SLOWDOWN_STEP_MAX_MS);
}

static void nobody_waits_for_what_another_address_did(void)
{
    static struct slowdown s;

    fail(&s, SOMEONE, 100, NOW_MS);
    CU_ASSERT_EQUAL(slowdown_wait(&s, "192.0.2.2:4711", SHOP, NOW_MS), 0);
}

static void another_port_or_another_address_of_its_network_is_the_same_peer(void)
{
    static struct slowdown s;

    fail(&s, SOMEONE, 100, NOW_MS);
    CU_ASSERT_NOT_EQUAL(slowdown_wait(&s, "192.0.2.1:4712", SHOP, NOW_MS), 0);
    fail(&s, "[2001:db8::1]:4711", 100, NOW_MS);
    CU_ASSERT_NOT_EQUAL(slowdown_wait(&s, "[2001:db8::ffff]:1", SHOP, NOW_MS), 0);
    CU_ASSERT_EQUAL(slowdown_wait(&s, "[2001:db8:0:1::1]:4711", SHOP, NOW_MS), 0);
}

static void a_quiet_minute_forgets_it(void)
{
    static struct slowdown s;

    fail(&s, SOMEONE, 100, NOW_MS);
    CU_ASSERT_NOT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS + SLOWDOWN_FORGET_MS), 0);
    CU_ASSERT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS + SLOWDOWN_FORGET_MS + 1), 0);
}

/* Many more addresses than there are places: who went on failing is known all the time. */
static void who_goes_on_is_not_pushed_out_by_those_who_failed_once(void)
{
    static struct slowdown s;
    char name[32];

    fail(&s, SOMEONE, 10, NOW_MS);
    for (uint32_t i = 0; i < SLOWDOWN_PLACES * 8; i++) {
        snprintf(name, sizeof name, "10.0.%u.%u:1", i / 256, i % 256);
        fail(&s, name, 1, NOW_MS + i);
        fail(&s, SOMEONE, 1, NOW_MS + i);
    }
    CU_ASSERT_NOT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS + SLOWDOWN_PLACES * 8), 0);
}

/* Threads look at the clock before they have the lock. */
static void who_looked_at_the_clock_before_a_failure_does_not_forget_it(void)
{
    static struct slowdown s;

    slowdown_note_success(&s, SOMEONE, SHOP, NOW_MS - 1);
    fail(&s, SOMEONE, 100, NOW_MS);
    CU_ASSERT_NOT_EQUAL(slowdown_wait(&s, SOMEONE, OTHER, NOW_MS - 1), 0);
    for (uint32_t i = 0; i < 100; i++)
        slowdown_note_failure(&s, SOMEONE, SHOP, NOW_MS);
    CU_ASSERT_NOT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS - 1), 0);
}

static void a_regular_does_not_wait_for_what_others_fail(void)
{
    static struct slowdown s;

    slowdown_note_success(&s, SOMEONE, SHOP, NOW_MS);
    fail(&s, SOMEONE, 100, NOW_MS + 1);
    CU_ASSERT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS + 1), 0);
    CU_ASSERT_EQUAL(slowdown_wait(&s, "192.0.2.1:4712", SHOP, NOW_MS + 1), 0);
    CU_ASSERT_NOT_EQUAL(slowdown_wait(&s, SOMEONE, OTHER, NOW_MS + 1), 0);
    fail(&s, "192.0.2.2:1", 100, NOW_MS + 1); /* where it never came from */
    CU_ASSERT_NOT_EQUAL(slowdown_wait(&s, "192.0.2.2:1", SHOP, NOW_MS + 1), 0);
}

static void a_regular_waits_for_what_fails_with_its_name(void)
{
    static struct slowdown s;

    slowdown_note_success(&s, SOMEONE, SHOP, NOW_MS);
    fail(&s, SOMEONE, 100, NOW_MS + 1);
    for (uint32_t i = 0; i < SLOWDOWN_FREE_FAILURES; i++) {
        slowdown_note_failure(&s, SOMEONE, SHOP, NOW_MS + 1);
        slowdown_note_success(&s, SOMEONE, SHOP, NOW_MS + 1); /* is no excuse */
    }
    CU_ASSERT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS + 1), 0);
    slowdown_note_failure(&s, SOMEONE, SHOP, NOW_MS + 1);
    CU_ASSERT_NOT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS + 1), 0);
    fail(&s, SOMEONE, 10, NOW_MS + SLOWDOWN_FORGET_MS); /* of others */
    CU_ASSERT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS + SLOWDOWN_FORGET_MS + 2), 0);
}

/* Else whoever finds a password at last would be as good as those who knew it. */
static void who_comes_in_among_failures_is_no_regular_before_a_quiet_minute(void)
{
    static struct slowdown s;

    fail(&s, SOMEONE, 100, NOW_MS);
    slowdown_note_success(&s, SOMEONE, SHOP, NOW_MS);
    CU_ASSERT_NOT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS), 0);
    fail(&s, SOMEONE, 100, NOW_MS + SLOWDOWN_FORGET_MS);
    CU_ASSERT_EQUAL(slowdown_wait(&s, SOMEONE, SHOP, NOW_MS + SLOWDOWN_FORGET_MS + 1), 0);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_few_failures_cost_nothing),
        UNIT(attempts_at_once_wait_behind_each_other_until_it_is_too_long),
        UNIT(nobody_waits_for_what_another_address_did),
        UNIT(another_port_or_another_address_of_its_network_is_the_same_peer),
        UNIT(a_quiet_minute_forgets_it),
        UNIT(who_goes_on_is_not_pushed_out_by_those_who_failed_once),
        UNIT(who_looked_at_the_clock_before_a_failure_does_not_forget_it),
        UNIT(a_regular_does_not_wait_for_what_others_fail),
        UNIT(a_regular_waits_for_what_fails_with_its_name),
        UNIT(who_comes_in_among_failures_is_no_regular_before_a_quiet_minute),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/slowdown", tests);
}
