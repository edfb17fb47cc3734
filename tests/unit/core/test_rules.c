#include "core/rules.h"

#include "core/properties.h"
#include "core/table.h"
#include "tests/support/unit.h"

static uint8_t room[512];
static uint8_t flat_room[512];

static struct sl_bytes arguments(const char *name, int64_t n, const char *overflow)
{
    struct sl_writer w = {room, room + sizeof room, false};
    uint8_t *start = table_write_start(&w);

    if (name != NULL)
        table_write_s64(&w, sl_bytes_of(name), n);
    if (overflow != NULL)
        table_write_string(&w, sl_bytes_of("x-overflow"), sl_bytes_of(overflow));
    table_write_finish(&w, start);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static struct queue_rules rules_of(const char *name, int64_t n)
{
    struct queue_rules r;

    rules_read(&r, arguments(name, n, NULL));
    return r;
}

static struct sl_bytes flat(const char *expiration, int priority)
{
    struct sl_writer w = {flat_room, flat_room + sizeof flat_room, false};
    struct properties p = {0};

    if (expiration != NULL) {
        p.present |= PROPERTY_EXPIRATION;
        p.expiration = sl_bytes_of(expiration);
    }
    if (priority >= 0) {
        p.present |= PROPERTY_PRIORITY;
        p.priority = (uint8_t)priority;
    }
    properties_encode(&p, &w);
    return (struct sl_bytes){flat_room, (size_t)(w.pos - flat_room)};
}

static void a_queue_without_arguments_has_no_rules(void)
{
    struct queue_rules r = rules_of(NULL, 0);

    CU_ASSERT_FALSE(r.is_any);
    CU_ASSERT_EQUAL(r.ttl_ms, RULES_NONE);
    CU_ASSERT_EQUAL(r.expires_ms, RULES_NONE);
    CU_ASSERT_EQUAL(r.max_length, RULES_NONE);
    CU_ASSERT_EQUAL(r.max_bytes, RULES_NONE);
    CU_ASSERT_EQUAL(r.delivery_limit, RULES_NONE);
    CU_ASSERT_EQUAL(r.max_priority, 0);
    CU_ASSERT_FALSE(r.has_dead_letter_exchange);
    CU_ASSERT_EQUAL(rules_deadline(&r, flat(NULL, -1), 1000), 0);
    CU_ASSERT_EQUAL(rules_priority(&r, flat(NULL, 7)), 0);
    CU_ASSERT_FALSE(rules_limit(&r) || rules_refuse(&r));
}

static void a_delivery_limit_below_zero_is_none(void)
{
    CU_ASSERT_EQUAL(rules_of("x-delivery-limit", -1).delivery_limit, RULES_NONE);
    CU_ASSERT_EQUAL(rules_of("x-delivery-limit", 0).delivery_limit, 0);
}

static void overflow_alone_limits_nothing(void)
{
    struct queue_rules r;

    rules_read(&r, arguments(NULL, 0, "reject-publish"));
    CU_ASSERT_FALSE(rules_refuse(&r));
    rules_read(&r, arguments("x-max-length", 3, "reject-publish"));
    CU_ASSERT_TRUE(rules_refuse(&r));
    CU_ASSERT_EQUAL(r.overflow, OVERFLOW_REJECT_PUBLISH);
    rules_read(&r, arguments("x-max-length-bytes", 3, "reject-publish-dlx"));
    CU_ASSERT_TRUE(rules_refuse(&r));
    CU_ASSERT_EQUAL(r.overflow, OVERFLOW_REJECT_PUBLISH_DLX);
    rules_read(&r, arguments("x-max-length", 3, "drop-head"));
    CU_ASSERT_TRUE(rules_limit(&r) && !rules_refuse(&r));
    CU_ASSERT_TRUE(r.is_any);
}

static void the_shorter_of_both_lives_counts(void)
{
    struct queue_rules r = rules_of("x-message-ttl", 500);

    CU_ASSERT_EQUAL(rules_deadline(&r, flat(NULL, -1), 1000), 1500);
    CU_ASSERT_EQUAL(rules_deadline(&r, flat("200", -1), 1000), 1200);
    CU_ASSERT_EQUAL(rules_deadline(&r, flat("0", -1), 1000), 1000);
    CU_ASSERT_EQUAL(rules_deadline(&r, flat("800", -1), 1000), 1500);
    CU_ASSERT_EQUAL(rules_deadline(&r, flat("4294967295", -1), 1000), 1500);
    r = rules_of(NULL, 0);
    CU_ASSERT_EQUAL(rules_deadline(&r, flat("4294967295", -1), 1000), 1000 + 4294967295ull);
}

static void an_expiration_that_is_no_number_of_ms_is_none(void)
{
    static const char *const BAD[] = {"",   "-1", "1.5", "4294967296", "99999999999999999999",
                                      "1 ", "x"};
    uint64_t ms;

    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        CU_ASSERT_FALSE(expiration_read(sl_bytes_of(BAD[i]), &ms));
    CU_ASSERT_TRUE(expiration_read(sl_bytes_of("007"), &ms));
    CU_ASSERT_EQUAL(ms, 7);
}

static void a_priority_above_the_most_counts_as_the_most(void)
{
    struct queue_rules r = rules_of("x-max-priority", 5);

    CU_ASSERT_EQUAL(rules_priority(&r, flat(NULL, -1)), 0);
    CU_ASSERT_EQUAL(rules_priority(&r, flat(NULL, 5)), 5);
    CU_ASSERT_EQUAL(rules_priority(&r, flat(NULL, 255)), 5);
    CU_ASSERT_EQUAL(rules_of("x-max-priority", 255).max_priority, 255);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_queue_without_arguments_has_no_rules),
        UNIT(a_delivery_limit_below_zero_is_none),
        UNIT(overflow_alone_limits_nothing),
        UNIT(the_shorter_of_both_lives_counts),
        UNIT(an_expiration_that_is_no_number_of_ms_is_none),
        UNIT(a_priority_above_the_most_counts_as_the_most),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/rules", tests);
}
