/* What a SEND that is scheduled says in its properties. */
#include "protocols/stomp/schedule.h"

#include "core/delay_header.h"
#include "core/properties.h"
#include "core/table.h"
#include "protocols/stomp/decode.h"
#include "protocols/stomp/properties.h"
#include "tests/support/unit.h"

static struct arena arena;

static struct sl_bytes properties_of(const char *headers, uint64_t delay_ms)
{
    struct stomp_sending sending = {.now_wall_ms = 1000, .delay_ms = delay_ms};
    struct stomp_frame frame;
    struct sl_bytes flat;
    char head[4096];
    const char *why;
    size_t used;

    arena_reset(&arena);
    snprintf(head, sizeof head, "SEND\n%s\n", headers);
    CU_ASSERT_EQUAL_FATAL(
        stomp_decode(sl_bytes_of(head), STOMP_1_2, sizeof head, &arena, &frame, &used, &why),
        SL_OK);
    CU_ASSERT_EQUAL_FATAL(stomp_properties_read(&frame.headers, &sending, &arena, &flat, &why),
                          SL_OK);
    CU_ASSERT_EQUAL_FATAL(properties_check(flat, &why), SL_OK);
    return flat;
}

static bool has(struct sl_bytes flat, const char *name)
{
    struct table_value value;
    struct sl_bytes headers;

    return properties_headers(flat, &headers) && table_find(headers, name, &value);
}

static void only_words_of_scheduling_are_such(void)
{
    CU_ASSERT_FALSE(stomp_schedule_is_word(SL_BYTES_LITERAL("")));
    CU_ASSERT_FALSE(stomp_schedule_is_word(SL_BYTES_LITERAL("x-delay")));
    CU_ASSERT_FALSE(stomp_schedule_is_word(SL_BYTES_LITERAL("amq_scheduled_delay")));
    CU_ASSERT_FALSE(stomp_schedule_is_word(SL_BYTES_LITERAL("AMQ_SCHEDULED")));
    CU_ASSERT_FALSE(stomp_schedule_is_word(SL_BYTES_LITERAL("_AMQ_SCHED_DELIVERY_")));
    CU_ASSERT_TRUE(stomp_schedule_is_word(SL_BYTES_LITERAL("AMQ_SCHEDULED_DELAY")));
    CU_ASSERT_TRUE(stomp_schedule_is_word(SL_BYTES_LITERAL("AMQ_SCHEDULED_CRON")));
    CU_ASSERT_TRUE(stomp_schedule_is_word(SL_BYTES_LITERAL("_AMQ_SCHED_DELIVERY")));
}

static void what_is_not_delayed_keeps_its_headers(void)
{
    struct sl_bytes flat = properties_of("AMQ_SCHEDULED_DELAY:0\na:1\n", 0);

    CU_ASSERT_TRUE(has(flat, "AMQ_SCHEDULED_DELAY"));
    CU_ASSERT_TRUE(has(flat, "a"));
    CU_ASSERT_FALSE(has(flat, "x-delay"));
}

static void a_delay_takes_the_place_of_the_words_for_it(void)
{
    struct sl_bytes flat =
        properties_of("AMQ_SCHEDULED_DELAY:5\na:1\n_AMQ_SCHED_DELIVERY:9\n", DELAY_MS_MAX);

    CU_ASSERT_EQUAL(delay_of_properties(flat), DELAY_MS_MAX);
    CU_ASSERT_FALSE(has(flat, "AMQ_SCHEDULED_DELAY"));
    CU_ASSERT_FALSE(has(flat, "_AMQ_SCHED_DELIVERY"));
    CU_ASSERT_TRUE(has(flat, "a"));
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(only_words_of_scheduling_are_such), UNIT(what_is_not_delayed_keeps_its_headers),
        UNIT(a_delay_takes_the_place_of_the_words_for_it), CU_TEST_INFO_NULL};
    arena_init(&arena);
    int failed = unit_run("protocols/stomp/schedule", tests);
    arena_deinit(&arena);
    return failed;
}
