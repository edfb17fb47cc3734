#include "core/selector.h"

#include "core/base/limits.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#include <stdio.h>

/* What every message here has: headers of every type, and properties. */
static struct sl_bytes headers(struct table_maker *m)
{
    static const uint8_t HALF[] = {0x3f, 0xe0, 0, 0, 0, 0, 0, 0};
    static const uint8_t CENTS[] = {2, 0, 0, 0, 250};

    table_begin(m);
    table_write_string(&m->w, SL_BYTES_LITERAL("colour"), SL_BYTES_LITERAL("red"));
    table_write_string(&m->w, SL_BYTES_LITERAL("weight"), SL_BYTES_LITERAL("2.5"));
    table_write_string(&m->w, SL_BYTES_LITERAL("count"), SL_BYTES_LITERAL("7"));
    table_write_string(&m->w, SL_BYTES_LITERAL("count"), SL_BYTES_LITERAL("8"));
    table_write_string(&m->w, SL_BYTES_LITERAL("urgent"), SL_BYTES_LITERAL("true"));
    table_write_string(&m->w, SL_BYTES_LITERAL("order-no"), SL_BYTES_LITERAL("a_b%c"));
    table_write_string(&m->w, SL_BYTES_LITERAL("empty"), SL_BYTES_LITERAL(""));
    table_write_string(&m->w, SL_BYTES_LITERAL("street"),
                       SL_BYTES_LITERAL("Stra\xc3\x9f"
                                        "e 5"));
    table_write_string(&m->w, SL_BYTES_LITERAL("and.so"), SL_BYTES_LITERAL("it's"));
    table_write_s64(&m->w, SL_BYTES_LITERAL("big"), INT64_MAX);
    table_write_s64(&m->w, SL_BYTES_LITERAL("year"), 1815);
    table_write_bool(&m->w, SL_BYTES_LITERAL("paid"), false);
    table_write_value(&m->w, SL_BYTES_LITERAL("half"),
                      (struct table_value){TABLE_F64, {HALF, sizeof HALF}});
    table_write_value(&m->w, SL_BYTES_LITERAL("price"),
                      (struct table_value){TABLE_DECIMAL, {CENTS, sizeof CENTS}});
    table_write_value(&m->w, SL_BYTES_LITERAL("nothing"),
                      (struct table_value){TABLE_VOID, {NULL, 0}});
    return table_end(m);
}

static bool takes(const char *text)
{
    struct selector_message message = {
        .properties = {.present = PROPERTY_TYPE | PROPERTY_PRIORITY | PROPERTY_TIMESTAMP |
                                  PROPERTY_DELIVERY_MODE | PROPERTY_CORRELATION_ID,
                       .priority = 6,
                       .delivery_mode = 2,
                       .timestamp = 1700000000,
                       .type = SL_BYTES_LITERAL("order"),
                       .correlation_id = SL_BYTES_LITERAL("c-1")}};
    struct table_maker m;
    struct header_set set = header_set_of(headers(&m));
    struct selector *s = NULL;
    char room[256];
    struct text reason = text_on(room, sizeof room);
    enum sl_err err = selector_parse(sl_bytes_of(text), &s, &reason);

    if (err != SL_OK)
        printf("\n%s: %s", text, room);
    CU_ASSERT_EQUAL_FATAL(err, SL_OK);
    CU_ASSERT_EQUAL_FATAL(header_set_sort(&set), SL_OK);
    message.headers = &set;
    bool is_taken = selector_takes(s, &message);
    header_set_deinit(&set);
    selector_free(s);
    return is_taken;
}

static void all_are(bool expected, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        bool is_taken = takes(*texts);
        if (is_taken != expected)
            printf("\n%s: %s", *texts, is_taken ? "taken" : "not taken");
        CU_ASSERT_EQUAL(is_taken, expected);
    }
}

static void refused(const char *text, enum sl_err expected, const char *why)
{
    struct selector *s;
    char room[256];
    struct text reason = text_on(room, sizeof room);

    CU_ASSERT_EQUAL(selector_parse(sl_bytes_of(text), &s, &reason), expected);
    CU_ASSERT_PTR_NULL(s);
    if (strcmp(room, why) != 0)
        printf("\n%s: %s", text, room);
    CU_ASSERT_STRING_EQUAL(room, why);
}

static void what_is_no_selector_is_refused_with_the_place(void)
{
    refused("", SL_ESYNTAX,
            "a name, a value or a parenthesis should be here (character 1 of the selector)");
    refused("colour =", SL_ESYNTAX,
            "a name, a value or a parenthesis should be here (character 9 of the selector)");
    refused("colour = 'red", SL_ESYNTAX, "a text is not ended (character 10 of the selector)");
    refused("\"colour", SL_ESYNTAX, "a name is not ended (character 1 of the selector)");
    refused("\"\" = 1", SL_ESYNTAX, "a name is empty (character 1 of the selector)");
    refused("colour = 'red' colour", SL_ESYNTAX,
            "the selector should end here (character 16 of the selector)");
    refused("(colour = 'red'", SL_ESYNTAX,
            "a parenthesis should be closed here (character 16 of the selector)");
    refused("colour ! 1", SL_ESYNTAX, "this character means nothing (character 8 of the selector)");
    refused("colour == 'red'", SL_ESYNTAX,
            "a name, a value or a parenthesis should be here (character 9 of the selector)");
    refused("colour NOT = 'red'", SL_ESYNTAX,
            "BETWEEN, IN or LIKE should follow NOT (character 12 of the selector)");
    refused("colour IN 'red'", SL_ESYNTAX,
            "a parenthesis should follow IN (character 11 of the selector)");
    refused("colour IN ()", SL_ESYNTAX,
            "a value should follow here (character 12 of the selector)");
    refused("colour IN ('a' 'b')", SL_ESYNTAX,
            "a comma or a parenthesis should follow here (character 16 of the selector)");
    refused("colour IN (-'a')", SL_ESYNTAX,
            "a number should follow the sign (character 16 of the selector)");
    refused("colour LIKE 5", SL_ESYNTAX,
            "a text should follow LIKE (character 13 of the selector)");
    refused("colour LIKE 'a' ESCAPE 'bc'", SL_ESYNTAX,
            "a text of one ASCII character should follow ESCAPE (character 24 of the selector)");
    refused("colour IS 5", SL_ESYNTAX,
            "NULL or NOT NULL should follow IS (character 11 of the selector)");
    refused("count BETWEEN 1 OR 5", SL_ESYNTAX,
            "AND should follow here (character 17 of the selector)");
    refused("12ab = 1", SL_ESYNTAX, "a number does not end here (character 1 of the selector)");
    refused("1e999 = 1", SL_ESYNTAX, "a number is too large (character 1 of the selector)");
}

static void what_can_never_be_true_is_refused(void)
{
    refused("5", SL_ESYNTAX, "a condition is needed before here (character 2 of the selector)");
    refused("count + 1", SL_ESYNTAX,
            "a condition is needed before here (character 10 of the selector)");
    refused("'red' + 1 = 2", SL_ESYNTAX,
            "a number is needed before here (character 9 of the selector)");
    refused("(count = 7) = 'x'", SL_ESYNTAX,
            "two kinds of values cannot be equal (character 18 of the selector)");
    refused("colour < 'red'", SL_ESYNTAX,
            "a number is needed before here (character 15 of the selector)");
    refused("NOT 'x'", SL_ESYNTAX,
            "a condition is needed before here (character 8 of the selector)");
    refused("5 LIKE 'x'", SL_ESYNTAX, "a text is needed before here (character 8 of the selector)");
}

static void length_and_depth_are_bounded(void)
{
    char text[SL_SELECTOR_BYTES_MAX + 2];

    memset(text, ' ', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    refused(text, SL_ETOOBIG, "a selector may have 1024 bytes at most");

    size_t depth = SL_SELECTOR_DEPTH_MAX;
    memset(text, '(', depth);
    snprintf(text + depth, sizeof text - depth, "count = 7");
    refused(text, SL_ETOOBIG, "parentheses are too deep (character 33 of the selector)");
    depth--;
    memset(text, '(', depth);
    snprintf(text + depth, sizeof text - depth, "count = 7");
    memset(text + strlen(text) + 1, '\0', 1);
    size_t len = strlen(text);
    memset(text + len, ')', depth);
    text[len + depth] = '\0';
    CU_ASSERT_TRUE(takes(text));
}

static void the_longest_selectors_work(void)
{
    char text[SL_SELECTOR_BYTES_MAX + 1] = "colour='blue'";

    for (size_t len = strlen(text); len + 11 <= SL_SELECTOR_BYTES_MAX; len += 11)
        memcpy(text + len, " OR count=7", 12);
    CU_ASSERT_TRUE(takes(text));
    strcpy(text, "0");
    for (size_t len = 1; len + 2 <= SL_SELECTOR_BYTES_MAX - 5; len += 2)
        memcpy(text + len, "+1", 3);
    strcat(text, ">500");
    CU_ASSERT_TRUE(takes(text));
    strcpy(text, "count IN (0");
    for (size_t len = strlen(text); len + 4 <= SL_SELECTOR_BYTES_MAX; len += 2)
        memcpy(text + len, len % 400 == 1 ? ",7" : ",5", 3);
    strcat(text, ")");
    CU_ASSERT_TRUE(takes(text));
}

static void texts_compare_by_their_bytes(void)
{
    static const char *const YES[] = {"colour = 'red'",
                                      "colour <> 'blue'",
                                      "'red' = colour",
                                      "\"and.so\" = 'it''s'",
                                      "and.so = 'it''s'",
                                      "empty = ''",
                                      "\"order-no\" = 'a_b%c'",
                                      "hyphenated_props:order-no = 'a_b%c'",
                                      "convert_string_expressions:count > 6",
                                      NULL};
    static const char *const NO[] = {"colour = 'Red'", "colour <> 'red'", "Colour = 'red'",
                                     "count = '7.0'",  "colour = 'red '", NULL};

    all_are(true, YES);
    all_are(false, NO);
}

static void a_text_that_is_a_number_is_one_where_it_meets_one(void)
{
    static const char *const YES[] = {"count = 7",
                                      "count = 7.0",
                                      "weight > 2",
                                      "weight < 2.50001",
                                      "count >= year - 1808",
                                      "year = 1815L",
                                      "half = 0.5",
                                      "half = .5e0",
                                      "price = 2.5",
                                      "price = weight + 0",
                                      "big > 9223372036854775806",
                                      "count BETWEEN 7 AND 7",
                                      "count NOT BETWEEN 8 AND 9",
                                      "year IN (1, 1815)",
                                      "count IN (-7, 7)",
                                      NULL};
    static const char *const NO[] = {"colour = 5", "colour <> 5", "NOT colour = 5", "colour > 1",
                                     "empty = 0",  "empty < 1",   "street > 1",     NULL};

    all_are(true, YES);
    all_are(false, NO);
}

static void arithmetic_is_that_of_java(void)
{
    static const char *const YES[] = {"count / 2 = 3",       "count / 2.0 = 3.5",
                                      "count - 3 * 2 = 1",   "(count - 3) * 2 = 8",
                                      "-count = -7",         "- -count = 7",
                                      "+count = 7",          "2 - -2 = 4",
                                      "big + 1000000 > big", NULL};
    static const char *const NO[] = {"count / 0 = 1",   "NOT count / 0 = 1", "colour + 1 > 0",
                                     "missing + 1 > 0", "-colour < 0",       NULL};

    all_are(true, YES);
    all_are(false, NO);
}

static void logic_has_three_values(void)
{
    static const char *const YES[] = {"missing IS NULL",
                                      "nothing IS NULL",
                                      "colour IS NOT NULL",
                                      "missing = 1 OR colour = 'red'",
                                      "colour = 'red' OR missing = 1",
                                      "NOT (missing = 1 AND colour = 'blue')",
                                      "NOT (colour = 'blue' AND missing = 1)",
                                      "urgent",
                                      "urgent = TRUE",
                                      "NOT paid",
                                      "paid = false",
                                      "urgent AND NOT paid",
                                      "NOT NOT urgent",
                                      "TRUE",
                                      "paid <> TRUE",
                                      "colour = 'red' AND count = 7 OR FALSE",
                                      "FALSE AND FALSE OR TRUE",
                                      "missing IS NULL AND NOT colour IS NULL",
                                      NULL};
    static const char *const NO[] = {"missing = 1",
                                     "NOT missing = 1",
                                     "missing <> 1",
                                     "missing",
                                     "NOT missing",
                                     "missing IN (1)",
                                     "missing NOT IN (1)",
                                     "missing LIKE '%'",
                                     "missing NOT LIKE '%'",
                                     "missing BETWEEN 1 AND 2",
                                     "missing NOT BETWEEN 1 AND 2",
                                     "missing = 1 AND colour = 'red'",
                                     "NOT (missing = 1 AND colour = 'red')",
                                     "NOT (missing = 1 OR colour = 'blue')",
                                     "colour",
                                     "NOT colour",
                                     "FALSE",
                                     "paid",
                                     "colour = TRUE",
                                     "TRUE AND (FALSE OR paid)",
                                     "missing = missing",
                                     NULL};

    all_are(true, YES);
    all_are(false, NO);
}

static void like_knows_any_and_one(void)
{
    static const char *const YES[] = {"colour LIKE 'r%'",
                                      "colour LIKE '%d'",
                                      "colour LIKE '%e%'",
                                      "colour LIKE '_e_'",
                                      "colour LIKE '%'",
                                      "colour LIKE 'red%'",
                                      "colour LIKE '%%r%%e%%d%%'",
                                      "colour NOT LIKE 'r'",
                                      "\"order-no\" LIKE 'a!_b!%_' ESCAPE '!'",
                                      "street LIKE 'Stra_e 5'",
                                      "empty LIKE ''",
                                      "empty LIKE '%'",
                                      "colour LIKE '%r%d'",
                                      NULL};
    static const char *const NO[] = {"colour LIKE 'r'",
                                     "colour LIKE '____'",
                                     "colour LIKE '_'",
                                     "colour LIKE ''",
                                     "colour LIKE 'R%'",
                                     "\"order-no\" LIKE 'a!!b%' ESCAPE '!'",
                                     "empty LIKE '_'",
                                     "colour LIKE '%ed_'",
                                     "year LIKE '1%'",
                                     "colour LIKE '%r%r'",
                                     NULL};

    all_are(true, YES);
    all_are(false, NO);
}

/* Of one with that correlation id and nothing else. */
static bool takes_the_text(const char *text, struct sl_bytes of)
{
    struct header_set set = header_set_of(table_empty);
    struct selector_message message = {
        .properties = {.present = PROPERTY_CORRELATION_ID, .correlation_id = of}, .headers = &set};
    struct selector *s = NULL;
    char room[256];
    struct text reason = text_on(room, sizeof room);

    CU_ASSERT_EQUAL_FATAL(selector_parse(sl_bytes_of(text), &s, &reason), SL_OK);
    CU_ASSERT_EQUAL_FATAL(header_set_sort(&set), SL_OK);
    bool is_taken = selector_takes(s, &message);
    header_set_deinit(&set);
    selector_free(s);
    return is_taken;
}

static void like_gives_up_where_it_would_take_long(void)
{
    static uint8_t all_a[SL_SELECTOR_LIKE_BYTES_MAX];
    struct sl_bytes text = {all_a, sizeof all_a};
    char selector[SL_SELECTOR_BYTES_MAX];
    char pattern[512];
    size_t len = 0;

    memset(all_a, 'a', sizeof all_a);
    memset(pattern, 'a', sizeof pattern);
    snprintf(selector, sizeof selector, "JMSCorrelationID NOT LIKE '%%%.400sb%%'", pattern);
    CU_ASSERT(!takes_the_text(selector, text)); /* which is true, but not known to be */
    CU_ASSERT(takes_the_text(selector, (struct sl_bytes){all_a, 500}));

    for (int i = 0; i < 25; i++) /* many short ones are no such thing */
        len += (size_t)snprintf(selector + len, sizeof selector - len,
                                "%sJMSCorrelationID LIKE '%%aaab%%'", i == 0 ? "" : " OR ");
    snprintf(selector + len, sizeof selector - len, " OR TRUE");
    CU_ASSERT(takes_the_text(selector, text));
    CU_ASSERT(
        takes_the_text("JMSCorrelationID NOT LIKE '%aaab%' AND JMSCorrelationID LIKE '%a'", text));
}

static void one_of_a_list(void)
{
    static const char *const YES[] = {"colour IN ('blue', 'red')",
                                      "colour NOT IN ('blue', 'green')", "colour in ('red')",
                                      "NOT colour IN ('blue')", NULL};
    static const char *const NO[] = {"colour IN ('blue')", "colour NOT IN ('blue', 'red')", NULL};

    all_are(true, YES);
    all_are(false, NO);
}

static void properties_have_the_names_of_jms_and_of_stomp(void)
{
    static const char *const YES[] = {"JMSType = 'order'",
                                      "type LIKE 'ord%'",
                                      "JMSPriority > 5",
                                      "priority = 6",
                                      "JMSTimestamp = 1700000000000",
                                      "timestamp = 1700000000",
                                      "JMSDeliveryMode = 'PERSISTENT'",
                                      "persistent",
                                      "JMSCorrelationID = 'c-1'",
                                      "\"correlation-id\" = 'c-1'",
                                      "JMSMessageID IS NULL",
                                      NULL};

    all_are(true, YES);
}

static void keywords_have_no_case_and_names_have(void)
{
    static const char *const YES[] = {"colour = 'red' and count is not null", "not paid Or false",
                                      "colour Like 'r%' AND count between 1 and 9", NULL};

    all_are(true, YES);
    CU_ASSERT_FALSE(takes("COUNT = 7"));
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(what_is_no_selector_is_refused_with_the_place),
                                  UNIT(what_can_never_be_true_is_refused),
                                  UNIT(length_and_depth_are_bounded),
                                  UNIT(the_longest_selectors_work),
                                  UNIT(texts_compare_by_their_bytes),
                                  UNIT(a_text_that_is_a_number_is_one_where_it_meets_one),
                                  UNIT(arithmetic_is_that_of_java),
                                  UNIT(logic_has_three_values),
                                  UNIT(like_knows_any_and_one),
                                  UNIT(like_gives_up_where_it_would_take_long),
                                  UNIT(one_of_a_list),
                                  UNIT(properties_have_the_names_of_jms_and_of_stomp),
                                  UNIT(keywords_have_no_case_and_names_have),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/selector", tests);
}
