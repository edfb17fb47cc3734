#include "core/topology.h"

#include "core/exchange.h"
#include "tests/support/table_maker.h"
#include "tests/support/topology_maker.h"
#include "tests/support/unit.h"

static struct topology_maker m;

static void set_up(void)
{
    topology_maker_init(&m, 2);
    make_queue(&m, "q");
}

static void assert_refused(enum sl_err err, enum sl_err expected, const char *words)
{
    CU_ASSERT_EQUAL(err, expected);
    CU_ASSERT_STRING_EQUAL(m.reason, words);
}

static size_t bindings_of(const char *exchange)
{
    return bindings_count(topology_exchange(m.v, sl_bytes_of(exchange))->bindings);
}

static void both_ends_must_be_there(void)
{
    set_up();
    assert_refused(bind(&m, to_queue("no", "q", "k")), SL_ENOENT, "no exchange 'no' in vhost '/'");
    assert_refused(bind(&m, to_queue("amq.direct", "no", "k")), SL_ENOENT,
                   "no queue 'no' in vhost '/'");
    assert_refused(bind(&m, to_exchange("amq.direct", "no", "k")), SL_ENOENT,
                   "no exchange 'no' in vhost '/'");
    assert_refused(bind(&m, to_exchange("none", "no", "k")), SL_ENOENT,
                   "no exchange 'none' in vhost '/'");
    topology_maker_deinit(&m);
}

static void the_default_exchange_is_not_bound(void)
{
    set_up();
    assert_refused(bind(&m, to_queue("", "q", "k")), SL_EDENIED,
                   "operation not permitted on the default exchange");
    assert_refused(bind(&m, to_exchange("amq.direct", "", "k")), SL_EDENIED,
                   "operation not permitted on the default exchange");
    assert_refused(unbind(&m, to_queue("", "q", "q")), SL_EDENIED,
                   "operation not permitted on the default exchange");
    topology_maker_deinit(&m);
}

static void a_bad_x_match_is_refused(void)
{
    struct binding_request r = to_queue("amq.headers", "q", "");
    struct table_maker table;

    set_up();
    r.arguments = table_of_string(&table, "x-match", "most");
    assert_refused(bind(&m, r), SL_EPRECOND,
                   "Invalid x-match field value <<\"most\">>; expected all, any, all-with-x, or "
                   "any-with-x");
    CU_ASSERT_EQUAL(bindings_of("amq.headers"), 0);
    r.source = SL_BYTES_LITERAL("amq.direct"); /* elsewhere it means nothing */
    CU_ASSERT_EQUAL(bind(&m, r), SL_OK);
    topology_maker_deinit(&m);
}

static void unbinding_what_is_not_there_succeeds(void)
{
    set_up();
    CU_ASSERT_EQUAL(unbind(&m, to_queue("no", "q", "k")), SL_OK);
    CU_ASSERT_EQUAL(unbind(&m, to_queue("amq.direct", "no", "k")), SL_OK);
    CU_ASSERT_EQUAL(unbind(&m, to_queue("amq.direct", "q", "k")), SL_OK);
    topology_maker_deinit(&m);
}

static void binding_twice_is_binding_once(void)
{
    set_up();
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.topic", "q", "a.*")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.topic", "q", "a.*")), SL_OK);
    CU_ASSERT_EQUAL(bindings_of("amq.topic"), 1);
    CU_ASSERT_EQUAL(unbind(&m, to_queue("amq.topic", "q", "a.*")), SL_OK);
    CU_ASSERT_EQUAL(bindings_of("amq.topic"), 0);
    topology_maker_deinit(&m);
}

static void key_and_arguments_tell_bindings_apart(void)
{
    struct binding_request r = to_queue("amq.direct", "q", "k");
    struct table_maker table;

    set_up();
    CU_ASSERT_EQUAL(bind(&m, r), SL_OK);
    r.arguments = table_of_number(&table, "a", 1);
    CU_ASSERT_EQUAL(bind(&m, r), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.direct", "q", "l")), SL_OK);
    CU_ASSERT_EQUAL(bindings_of("amq.direct"), 3);
    CU_ASSERT_EQUAL(unbind(&m, r), SL_OK);
    CU_ASSERT_EQUAL(bindings_of("amq.direct"), 2);
    topology_maker_deinit(&m);
}

static void bindings_go_with_either_end(void)
{
    set_up();
    make_exchange(&m, "e", "fanout");
    CU_ASSERT_EQUAL(bind(&m, to_exchange("amq.topic", "e", "#")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("e", "q", "")), SL_OK);
    remove_queue(&m, "q");
    CU_ASSERT_EQUAL(bindings_of("e"), 0);
    CU_ASSERT_EQUAL(bindings_of("amq.topic"), 1);
    CU_ASSERT_EQUAL(delete_exchange(&m, "e", false), SL_OK);
    CU_ASSERT_EQUAL(bindings_of("amq.topic"), 0);
    topology_maker_deinit(&m);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(both_ends_must_be_there),       UNIT(the_default_exchange_is_not_bound),
        UNIT(a_bad_x_match_is_refused),      UNIT(unbinding_what_is_not_there_succeeds),
        UNIT(binding_twice_is_binding_once), UNIT(key_and_arguments_tell_bindings_apart),
        UNIT(bindings_go_with_either_end),   CU_TEST_INFO_NULL};
    return unit_run("core/topology_binding", tests);
}
