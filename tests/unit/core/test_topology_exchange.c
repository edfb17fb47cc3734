#include "core/topology.h"

#include "tests/support/table_maker.h"
#include "tests/support/topology_maker.h"
#include "tests/support/unit.h"

#include <stdio.h>

static struct topology_maker m;

static void set_up(void)
{
    topology_maker_init(&m, 2);
}

static void assert_refused(enum sl_err err, enum sl_err expected, const char *words)
{
    CU_ASSERT_EQUAL(err, expected);
    CU_ASSERT_STRING_EQUAL(m.reason, words);
}

static struct exchange_declaration exchange(const char *name, const char *type)
{
    return (struct exchange_declaration){.name = sl_bytes_of(name), .type = sl_bytes_of(type)};
}

static void make_auto_delete(const char *name)
{
    struct exchange_declaration d = exchange(name, "fanout");

    d.is_auto_delete = true;
    CU_ASSERT_EQUAL(declare_exchange(&m, d), SL_OK);
}

static void a_passive_declare_makes_nothing(void)
{
    struct exchange_declaration d = exchange("e", "odd");

    set_up();
    d.is_passive = true;
    assert_refused(declare_exchange(&m, d), SL_ENOENT, "no exchange 'e' in vhost '/'");
    make_exchange(&m, "e", "topic");
    CU_ASSERT_EQUAL(declare_exchange(&m, d), SL_OK); /* the type is no matter then */
    topology_maker_deinit(&m);
}

static void what_the_broker_owns_is_not_declared_or_deleted(void)
{
    set_up();
    assert_refused(declare_exchange(&m, exchange("", "direct")), SL_EDENIED,
                   "operation not permitted on the default exchange");
    assert_refused(declare_exchange(&m, exchange("amq.mine", "direct")), SL_EDENIED,
                   "exchange name 'amq.mine' contains reserved prefix 'amq.*'");
    assert_refused(delete_exchange(&m, "", false), SL_EDENIED,
                   "operation not permitted on the default exchange");
    assert_refused(delete_exchange(&m, "amq.topic", false), SL_EDENIED,
                   "deletion of system exchange 'amq.topic' in vhost '/' not allowed");
    CU_ASSERT_TRUE(has_exchange(&m, "amq.topic"));
    topology_maker_deinit(&m);
}

static void an_unknown_type_is_refused(void)
{
    set_up();
    assert_refused(declare_exchange(&m, exchange("e", "x-odd")), SL_EPRECOND,
                   "unknown exchange type 'x-odd'");
    topology_maker_deinit(&m);
}

static void a_different_declaration_is_refused(void)
{
    struct exchange_declaration d = exchange("e", "topic");
    struct table_maker table;

    set_up();
    CU_ASSERT_EQUAL(declare_exchange(&m, d), SL_OK);
    assert_refused(declare_exchange(&m, exchange("e", "direct")), SL_EPRECOND,
                   "inequivalent arg 'type' for exchange 'e' in vhost '/': "
                   "received 'direct' but current is 'topic'");
    d.is_durable = true;
    assert_refused(declare_exchange(&m, d), SL_EPRECOND,
                   "inequivalent arg 'durable' for exchange 'e' in vhost '/': "
                   "received 'true' but current is 'false'");
    d = exchange("e", "topic");
    d.is_auto_delete = true;
    CU_ASSERT_EQUAL(declare_exchange(&m, d), SL_EPRECOND);
    d = exchange("e", "topic");
    d.is_internal = true;
    assert_refused(declare_exchange(&m, d), SL_EPRECOND,
                   "inequivalent arg 'internal' for exchange 'e' in vhost '/': "
                   "received 'true' but current is 'false'");
    d = exchange("e", "topic");
    d.arguments = table_of_string(&table, "alternate-exchange", "other");
    assert_refused(declare_exchange(&m, d), SL_EPRECOND,
                   "inequivalent arg 'alternate-exchange' for exchange 'e' in vhost '/': received "
                   "the value 'other' of type 'longstr' but current is none");
    topology_maker_deinit(&m);
}

static void an_exchange_in_use_stays_if_unused_is_asked(void)
{
    set_up();
    make_exchange(&m, "e", "fanout");
    make_queue(&m, "q");
    CU_ASSERT_EQUAL(bind(&m, to_queue("e", "q", "")), SL_OK);
    assert_refused(delete_exchange(&m, "e", true), SL_EPRECOND, "exchange 'e' in vhost '/' in use");
    CU_ASSERT_EQUAL(unbind(&m, to_queue("e", "q", "")), SL_OK);
    CU_ASSERT_EQUAL(delete_exchange(&m, "e", true), SL_OK);
    CU_ASSERT_FALSE(has_exchange(&m, "e"));
    topology_maker_deinit(&m);
}

static void what_is_missing_is_as_good_as_deleted(void)
{
    set_up();
    CU_ASSERT_EQUAL(delete_exchange(&m, "never.there", true), SL_OK);
    topology_maker_deinit(&m);
}

static void every_virtual_host_has_the_predeclared_ones(void)
{
    static const struct {
        const char *name;
        const char *type;
    } own[] = {{"amq.direct", "direct"},
               {"amq.fanout", "fanout"},
               {"amq.topic", "topic"},
               {"amq.headers", "headers"},
               {"amq.match", "headers"}};

    set_up();
    CU_ASSERT_TRUE(has_exchange(&m, ""));
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct exchange_declaration d = exchange(own[i].name, own[i].type);
        d.is_durable = true; /* to declare them as they are is allowed */
        CU_ASSERT_EQUAL(declare_exchange(&m, d), SL_OK);
    }
    topology_maker_deinit(&m);
}

static void an_auto_delete_exchange_goes_with_its_last_binding(void)
{
    set_up();
    make_auto_delete("e");
    make_queue(&m, "q");
    CU_ASSERT_TRUE(has_exchange(&m, "e")); /* one that was never bound stays */
    CU_ASSERT_EQUAL(bind(&m, to_queue("e", "q", "1")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("e", "q", "2")), SL_OK);
    CU_ASSERT_EQUAL(unbind(&m, to_queue("e", "q", "1")), SL_OK);
    CU_ASSERT_TRUE(has_exchange(&m, "e"));
    CU_ASSERT_EQUAL(unbind(&m, to_queue("e", "q", "2")), SL_OK);
    CU_ASSERT_FALSE(has_exchange(&m, "e"));
    topology_maker_deinit(&m);
}

static void an_auto_delete_exchange_goes_with_its_last_queue(void)
{
    set_up();
    make_auto_delete("e");
    make_queue(&m, "q");
    make_queue(&m, "r");
    CU_ASSERT_EQUAL(bind(&m, to_queue("e", "q", "")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("e", "r", "")), SL_OK);
    remove_queue(&m, "q");
    CU_ASSERT_TRUE(has_exchange(&m, "e"));
    remove_queue(&m, "r");
    CU_ASSERT_FALSE(has_exchange(&m, "e"));
    topology_maker_deinit(&m);
}

/* e0 -> e1 -> ... -> queue: the queue takes all of them along, however many. */
static void one_that_goes_takes_others_along(void)
{
    enum { CHAIN = 20000 };
    char name[32];
    char next[32];

    set_up();
    for (int i = 0; i < CHAIN; i++) {
        snprintf(name, sizeof name, "e%d", i);
        make_auto_delete(name);
    }
    make_queue(&m, "q");
    for (int i = 0; i + 1 < CHAIN; i++) {
        snprintf(name, sizeof name, "e%d", i);
        snprintf(next, sizeof next, "e%d", i + 1);
        CU_ASSERT_EQUAL(bind(&m, to_exchange(name, next, "")), SL_OK);
    }
    CU_ASSERT_EQUAL(bind(&m, to_queue(next, "q", "")), SL_OK);
    remove_queue(&m, "q");
    CU_ASSERT_EQUAL(m.v->exchanges.count, 7);
    topology_maker_deinit(&m);
}

static void exchanges_bound_in_a_circle_go_once(void)
{
    set_up();
    make_auto_delete("a");
    make_auto_delete("b");
    CU_ASSERT_EQUAL(bind(&m, to_exchange("a", "b", "")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_exchange("b", "a", "")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_exchange("a", "a", "")), SL_OK);
    CU_ASSERT_EQUAL(delete_exchange(&m, "b", false), SL_OK);
    CU_ASSERT_TRUE(has_exchange(&m, "a")); /* still bound to itself */
    CU_ASSERT_EQUAL(unbind(&m, to_exchange("a", "a", "")), SL_OK);
    CU_ASSERT_FALSE(has_exchange(&m, "a"));
    topology_maker_deinit(&m);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_passive_declare_makes_nothing),
                                  UNIT(what_the_broker_owns_is_not_declared_or_deleted),
                                  UNIT(an_unknown_type_is_refused),
                                  UNIT(a_different_declaration_is_refused),
                                  UNIT(an_exchange_in_use_stays_if_unused_is_asked),
                                  UNIT(what_is_missing_is_as_good_as_deleted),
                                  UNIT(every_virtual_host_has_the_predeclared_ones),
                                  UNIT(an_auto_delete_exchange_goes_with_its_last_binding),
                                  UNIT(an_auto_delete_exchange_goes_with_its_last_queue),
                                  UNIT(one_that_goes_takes_others_along),
                                  UNIT(exchanges_bound_in_a_circle_go_once),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/topology_exchange", tests);
}
