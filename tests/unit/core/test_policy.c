#include "core/policies.h"

#include "core/rules.h"
#include "tests/support/unit.h"

static char room[512];
static struct text why;
static uint8_t space[3][512];

static struct sl_bytes keys_of(int which, const char *name, int64_t n)
{
    struct sl_writer w = {space[which], space[which] + sizeof space[which], false};
    uint8_t *start = table_write_start(&w);

    table_write_s64(&w, sl_bytes_of(name), n);
    table_write_finish(&w, start);
    return (struct sl_bytes){space[which], (size_t)(w.pos - space[which])};
}

static struct policy_definition policy_of(const char *name, const char *pattern,
                                          struct sl_bytes keys)
{
    why = text_on(room, sizeof room);
    return (struct policy_definition){.vhost = SL_BYTES_LITERAL("/"),
                                      .name = sl_bytes_of(name),
                                      .pattern = sl_bytes_of(pattern),
                                      .keys = keys,
                                      .apply_to = POLICY_OF_ALL};
}

static uint64_t length_of(const struct effective *e)
{
    struct queue_rules rules;

    rules_read(&rules, e->arguments);
    return rules.max_length;
}

static void an_unknown_key_and_a_bad_value_are_refused(void)
{
    struct policy_definition d = policy_of("p", "", keys_of(0, "max-lenght", 1));

    CU_ASSERT_EQUAL(policy_check(&d, &why), SL_EPRECOND);
    CU_ASSERT_PTR_NOT_NULL(strstr(room, "[{<<\"max-lenght\">>,1}] are not recognised"));
    d = policy_of("p", "", keys_of(0, "expires", 0));
    CU_ASSERT_EQUAL(policy_check(&d, &why), SL_EPRECOND);
    CU_ASSERT_PTR_NOT_NULL(strstr(room, "0 is not a valid queue expiry"));
    d = policy_of("p", "", table_empty);
    CU_ASSERT_EQUAL(policy_check(&d, &why), SL_EPRECOND);
}

static void a_pattern_that_cannot_be_read_changes_nothing(void)
{
    struct policies p = {0};
    struct policy_definition d = policy_of("p", "(", keys_of(0, "max-length", 1));

    CU_ASSERT_EQUAL(policies_set(&p, &d, &why), SL_ESYNTAX);
    CU_ASSERT_EQUAL(p.count, 0);
    policies_deinit(&p);
}

static void a_number_is_the_least_of_all_that_are_given(void)
{
    struct policy_definition one = policy_of("p", "", keys_of(0, "max-length", 5));
    struct policy_definition other = policy_of("o", "", keys_of(1, "max-length", 3));
    struct effective *e = effective_new(keys_of(2, "x-max-length", 4), &one, NULL);

    CU_ASSERT_EQUAL(length_of(e), 4);
    effective_unref(e);
    e = effective_new(keys_of(2, "x-max-length", 4), &one, &other);
    CU_ASSERT_EQUAL(length_of(e), 3);
    CU_ASSERT(sl_bytes_are(e->policy, "p") && sl_bytes_are(e->by_operator, "o"));
    effective_unref(e);
    e = effective_new(table_empty, &one, NULL);
    CU_ASSERT_EQUAL(length_of(e), 5);
    effective_unref(e);
}

static void the_highest_priority_wins_and_its_vhost_counts(void)
{
    struct policies p = {0};
    struct policy_definition low = policy_of("low", "^q", keys_of(0, "max-length", 1));
    struct policy_definition high = policy_of("high", "q$", keys_of(1, "max-length", 2));

    high.priority = 1;
    CU_ASSERT_EQUAL(policies_set(&p, &low, &why), SL_OK);
    CU_ASSERT_EQUAL(policies_set(&p, &high, &why), SL_OK);
    struct effective *e =
        policies_apply(&p, low.vhost, SL_BYTES_LITERAL("q"), POLICY_OF_CLASSIC_QUEUES, table_empty);
    CU_ASSERT(sl_bytes_are(e->policy, "high"));
    effective_unref(e);
    e = policies_apply(&p, low.vhost, SL_BYTES_LITERAL("qa"), POLICY_OF_CLASSIC_QUEUES,
                       table_empty);
    CU_ASSERT(sl_bytes_are(e->policy, "low"));
    effective_unref(e);
    CU_ASSERT_PTR_NULL(policies_apply(&p, SL_BYTES_LITERAL("other"), SL_BYTES_LITERAL("q"),
                                      POLICY_OF_CLASSIC_QUEUES, table_empty));
    CU_ASSERT(policies_clear(&p, low.vhost, false, high.name));
    CU_ASSERT_FALSE(policies_clear(&p, low.vhost, false, high.name));
    CU_ASSERT_FALSE(policies_clear(&p, low.vhost, true, low.name));
    policies_deinit(&p);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(an_unknown_key_and_a_bad_value_are_refused),
        UNIT(a_pattern_that_cannot_be_read_changes_nothing),
        UNIT(a_number_is_the_least_of_all_that_are_given),
        UNIT(the_highest_priority_wins_and_its_vhost_counts),
        CU_TEST_INFO_NULL,
    };

    return unit_run("core/policy", tests);
}
