#include "core/copies.h"

#include "core/base/limits.h"
#include "core/route.h"
#include "tests/support/properties_maker.h"
#include "tests/support/topology_maker.h"
#include "tests/support/unit.h"

static struct properties_maker maker;
static char words[256];

static struct sl_bytes with_copies(const char *const *cc, const char *const *bcc)
{
    table_begin(&maker.headers);
    table_write_string(&maker.headers.w, SL_BYTES_LITERAL("before"), SL_BYTES_LITERAL("1"));
    if (bcc != NULL)
        table_add_array(&maker.headers, "BCC", bcc);
    if (cc != NULL)
        table_add_array(&maker.headers, "CC", cc);
    table_write_string(&maker.headers.w, SL_BYTES_LITERAL("behind"), SL_BYTES_LITERAL("2"));
    return properties_of_headers(&maker, table_end(&maker.headers), true);
}

static enum sl_err check(struct sl_bytes properties)
{
    struct text reason = text_on(words, sizeof words);

    return copies_check(properties, &reason);
}

static void what_is_no_array_is_refused(void)
{
    CU_ASSERT_EQUAL(check(properties_of_header(&maker, "CC", "k", true)), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(words, "invalid message: {unacceptable_type_in_header,\"CC\",longstr}");
    table_begin(&maker.headers);
    table_write_bool(&maker.headers.w, SL_BYTES_LITERAL("BCC"), true);
    CU_ASSERT_EQUAL(check(properties_of_headers(&maker, table_end(&maker.headers), true)),
                    SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(words, "invalid message: {unacceptable_type_in_header,\"BCC\",bool}");
}

static void more_keys_than_are_allowed_are_refused(void)
{
    uint8_t room[5 * (SL_COPIES_MAX + 1)] = {0};
    for (unsigned i = 0; i <= SL_COPIES_MAX; i++)
        room[5 * i] = TABLE_STRING;
    for (unsigned n = SL_COPIES_MAX; n <= SL_COPIES_MAX + 1; n++) {
        table_begin(&maker.headers);
        table_write_value(&maker.headers.w, SL_BYTES_LITERAL("CC"),
                          (struct table_value){TABLE_ARRAY, {room, 5 * n}});
        CU_ASSERT_EQUAL(check(properties_of_headers(&maker, table_end(&maker.headers), true)),
                        n <= SL_COPIES_MAX ? SL_OK : SL_EPRECOND);
    }
}

static void the_keys_of_both_are_walked(void)
{
    struct sl_bytes properties =
        with_copies((const char *const[]){"a", "", NULL}, (const char *const[]){"c", NULL});
    static const char *const wanted[] = {"a", "", "c"};
    struct copies c;
    struct sl_bytes key;
    unsigned n = 0;

    CU_ASSERT_EQUAL(check(properties), SL_OK);
    copies_begin(&c, properties);
    while (copies_next(&c, &key)) {
        CU_ASSERT_TRUE_FATAL(n < 3);
        CU_ASSERT_TRUE(sl_bytes_are(key, wanted[n++]));
    }
    CU_ASSERT_EQUAL(n, 3);
    copies_begin(&c, (struct sl_bytes){NULL, 0});
    CU_ASSERT_FALSE(copies_next(&c, &key));
}

static void only_bcc_is_hidden(void)
{
    uint8_t room[8192];
    struct table_value value;
    struct sl_bytes headers;
    const char *why;
    struct sl_bytes properties =
        with_copies((const char *const[]){"a", NULL}, (const char *const[]){"c", NULL});

    struct sl_bytes shown = copies_hide(properties, room);
    CU_ASSERT_EQUAL(properties_check(shown, &why), SL_OK);
    CU_ASSERT_TRUE(properties_are_persistent(shown));
    CU_ASSERT_TRUE_FATAL(properties_headers(shown, &headers));
    CU_ASSERT_FALSE(table_find(headers, "BCC", &value));
    CU_ASSERT_EQUAL(table_count(headers), 3);
    CU_ASSERT_TRUE(table_find(headers, "CC", &value) && value.type == TABLE_ARRAY);
    properties = with_copies(NULL, NULL);
    CU_ASSERT_TRUE(sl_bytes_equal(copies_hide(properties, room), properties));
}

/* The keys lead through one search: what two of them reach is reached once, and an exchange that
 * one of them matches has no need of its alternate. */
static void all_keys_are_one_search(void)
{
    struct topology_maker m;
    struct table_maker table;
    struct target_set targets = {0};
    bool is_fixed;

    topology_maker_init(&m, 1);
    make_queue(&m, "one");
    make_queue(&m, "two");
    make_queue(&m, "spare");
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.fanout", "spare", "")), SL_OK);
    struct exchange_declaration d = {
        .name = SL_BYTES_LITERAL("d"),
        .type = SL_BYTES_LITERAL("direct"),
        .arguments = table_of_string(&table, "alternate-exchange", "amq.fanout")};
    CU_ASSERT_EQUAL(declare_exchange(&m, d), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("d", "one", "1")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("d", "one", "11")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("d", "two", "2")), SL_OK);

    static const struct {
        const char *exchange, *key, *cc;
        uint32_t count;
    } cases[] = {{"d", "1", "11", 1},  {"d", "1", "2", 2},     {"d", "no", "2", 1},
                 {"d", "1", "no", 1},  {"d", "no", "none", 1}, {"", "one", "two", 2},
                 {"", "one", "one", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sl_bytes properties =
            with_copies((const char *const[]){cases[i].cc, cases[i].cc, NULL}, NULL);
        struct routed what = {.exchange = sl_bytes_of(cases[i].exchange),
                              .key = sl_bytes_of(cases[i].key),
                              .properties = properties,
                              .copies = properties};
        targets.count = 0;
        CU_ASSERT_EQUAL(route_resolve(m.t, m.v, &what, &targets, &is_fixed), SL_OK);
        CU_ASSERT_EQUAL(targets.count, cases[i].count);
        CU_ASSERT_FALSE(is_fixed);
    }
    target_set_deinit(&targets);
    topology_maker_deinit(&m);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_no_array_is_refused), UNIT(more_keys_than_are_allowed_are_refused),
        UNIT(the_keys_of_both_are_walked), UNIT(only_bcc_is_hidden),
        UNIT(all_keys_are_one_search),     CU_TEST_INFO_NULL};
    return unit_run("core/copies", tests);
}
