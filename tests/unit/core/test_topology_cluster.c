#include "core/cluster_name.h"
#include "core/exchange.h"
#include "core/topology.h"
#include "tests/support/table_maker.h"
#include "tests/support/topology_maker.h"
#include "tests/support/unit.h"

#include <stdio.h>

static struct topology_maker m;
static unsigned changes;

static void set_up(void)
{
    topology_maker_init(&m, 4);
}

static enum sl_err declare(struct queue_declaration d)
{
    struct text reason = text_on(m.reason, sizeof m.reason);

    d.is_cluster = true;
    topology_lock(m.t);
    enum sl_err err = topology_declare_cluster(m.t, m.v, &d, &m.queue, &changes, &reason);
    topology_unlock(m.t);
    return err;
}

static enum sl_err declare_name(const char *name)
{
    return declare((struct queue_declaration){.name = sl_bytes_of(name)});
}

static enum sl_err unbind_own(const char *exchange, const char *key)
{
    struct binding_request r = {
        .source = sl_bytes_of(exchange), .destination = m.queue->name, .key = sl_bytes_of(key)};
    struct text reason = text_on(m.reason, sizeof m.reason);

    topology_lock(m.t);
    enum sl_err err = topology_unbind(m.t, m.v, m.who, &r, &reason);
    topology_unlock(m.t);
    return err;
}

static size_t bindings_of(const char *exchange)
{
    return bindings_count(topology_exchange(m.v, sl_bytes_of(exchange))->bindings);
}

static void without_its_exchange_nothing_is_made(void)
{
    set_up();
    CU_ASSERT_EQUAL(declare_name("/exchange/none/p@c"), SL_ENOENT);
    CU_ASSERT_STRING_EQUAL(m.reason, "no exchange 'none' in vhost '/'");
    CU_ASSERT_PTR_NULL(topology_queue(m.v, SL_BYTES_LITERAL("/exchange/none/p@c")));
    CU_ASSERT_EQUAL(changes, 0);
    topology_maker_deinit(&m);
}

static void a_pattern_goes_with_keys(void)
{
    set_up();
    CU_ASSERT_EQUAL(declare_name("/exchange/amq.direct@c"), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(m.reason, "a cluster queue on exchange 'amq.direct' needs a pattern");
    CU_ASSERT_EQUAL(declare_name("/exchange/amq.fanout/p@c"), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(
        m.reason, "exchange 'amq.fanout' has no keys: a cluster queue on it has no pattern");
    CU_ASSERT_EQUAL(m.v->queues.count, 0);
    CU_ASSERT_EQUAL(m.v->clusters.count, 0);
    CU_ASSERT_EQUAL(declare_name("/exchange/amq.direct/k@c"), SL_OK);
    CU_ASSERT_EQUAL(declare_name("/exchange/amq.fanout@c"), SL_OK);
    CU_ASSERT_EQUAL(declare_name("/exchange/amq.headers@c"), SL_OK);
    topology_maker_deinit(&m);
}

static void it_is_never_exclusive_nor_auto_deleted(void)
{
    struct queue_declaration d = {.name = SL_BYTES_LITERAL("/topic/p@c"), .is_exclusive = true};

    set_up();
    CU_ASSERT_EQUAL(declare(d), SL_EPRECOND);
    d.is_exclusive = false;
    d.is_auto_delete = true;
    CU_ASSERT_EQUAL(declare(d), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(m.reason, "inequivalent arg 'auto_delete' for queue '/topic/p@c' in "
                                     "vhost '/': received 'true' but current is 'false'");
    CU_ASSERT_EQUAL(declare_name("/topic/p@c"), SL_OK);
    CU_ASSERT_EQUAL(declare(d), SL_EPRECOND);
    d.is_auto_delete = false;
    d.is_exclusive = true;
    CU_ASSERT_EQUAL(declare(d), SL_EPRECOND);
    topology_maker_deinit(&m);
}

static void an_ordinary_queue_of_that_name_is_not_taken(void)
{
    set_up();
    CU_ASSERT_EQUAL(
        declare_queue(&m, (struct queue_declaration){.name = SL_BYTES_LITERAL("/topic/p@c"),
                                                     .is_durable = true}),
        SL_OK);
    CU_ASSERT_EQUAL(declare_name("/topic/p@c"), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(m.reason, "queue '/topic/p@c' in vhost '/' is an ordinary queue, not a "
                                     "cluster queue");
    CU_ASSERT_EQUAL(bindings_of("amq.topic"), 0);
    topology_maker_deinit(&m);
}

static void a_cluster_id_has_a_thousand_queues_at_most(void)
{
    char name[64];

    set_up();
    for (unsigned i = 0; i < SL_CLUSTER_QUEUES_MAX; i++) {
        snprintf(name, sizeof name, "/topic/p%u@c", i);
        CU_ASSERT_EQUAL_FATAL(declare_name(name), SL_OK);
    }
    CU_ASSERT_EQUAL(declare_name("/topic/more@c"), SL_EFULL);
    CU_ASSERT_STRING_EQUAL(m.reason, "ClusterID 'c' has 1000 cluster queues, which is the limit");
    CU_ASSERT_EQUAL(declare_name("/topic/p7@c"), SL_OK);
    CU_ASSERT_EQUAL(declare_name("/topic/more@d"), SL_OK);
    remove_queue(&m, "/topic/p7@c");
    CU_ASSERT_EQUAL(declare_name("/topic/more@c"), SL_OK);
    topology_maker_deinit(&m);
}

static void what_is_not_said_is_as_it_is(void)
{
    struct table_maker table;
    struct queue_declaration d = {.name = SL_BYTES_LITERAL("/topic/p@c")};

    set_up();
    d.arguments = table_of_number(&table, "x-max-length", 5);
    CU_ASSERT_EQUAL(declare(d), SL_OK);
    CU_ASSERT_EQUAL(declare_name("/topic/p@c"), SL_OK);
    CU_ASSERT_EQUAL(declare(d), SL_OK);
    d.arguments = table_of_number(&table, "x-max-length", 6);
    CU_ASSERT_EQUAL(declare(d), SL_EPRECOND);
    d.arguments = table_of_number(&table, "x-expires", 6);
    CU_ASSERT_EQUAL(declare(d), SL_EPRECOND);
    topology_maker_deinit(&m);
}

static void it_comes_durable_and_bound(void)
{
    set_up();
    CU_ASSERT_EQUAL(declare_name("/topic/a.*@c"), SL_OK);
    CU_ASSERT_EQUAL(changes, CLUSTER_QUEUE_MADE | CLUSTER_BINDING_MADE);
    CU_ASSERT(m.queue->is_durable);
    CU_ASSERT_EQUAL(bindings_of("amq.topic"), 1);
    CU_ASSERT_EQUAL(declare_name("/topic/a.*@c"), SL_OK);
    CU_ASSERT_EQUAL(changes, 0);
    CU_ASSERT_EQUAL(bindings_of("amq.topic"), 1);
    topology_maker_deinit(&m);
}

static void its_own_binding_stays_and_others_come_and_go(void)
{
    set_up();
    CU_ASSERT_EQUAL(declare_name("/topic/p@c"), SL_OK);
    CU_ASSERT_EQUAL(unbind_own("amq.topic", "p"), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(
        m.reason, "the own binding of cluster queue '/topic/p@c' in vhost '/' cannot be removed");
    CU_ASSERT_EQUAL(bindings_of("amq.topic"), 1);
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.topic", "/topic/p@c", "q")), SL_OK);
    CU_ASSERT_EQUAL(bindings_of("amq.topic"), 2);
    CU_ASSERT_EQUAL(unbind_own("amq.topic", "q"), SL_OK);
    CU_ASSERT_EQUAL(unbind_own("amq.topic", "q"), SL_OK);
    CU_ASSERT_EQUAL(bindings_of("amq.topic"), 1);
    topology_maker_deinit(&m);
}

static void a_missing_own_binding_is_made_again(void)
{
    set_up();
    CU_ASSERT_EQUAL(
        declare_exchange(&m, (struct exchange_declaration){.name = SL_BYTES_LITERAL("e"),
                                                           .type = SL_BYTES_LITERAL("fanout")}),
        SL_OK);
    CU_ASSERT_EQUAL(declare_name("/exchange/e@c"), SL_OK);
    CU_ASSERT_EQUAL(delete_exchange(&m, "e", false), SL_OK);
    CU_ASSERT_PTR_NOT_NULL(topology_queue(m.v, SL_BYTES_LITERAL("/exchange/e@c")));
    CU_ASSERT_EQUAL(declare_name("/exchange/e@c"), SL_ENOENT);
    CU_ASSERT_EQUAL(
        declare_exchange(&m, (struct exchange_declaration){.name = SL_BYTES_LITERAL("e"),
                                                           .type = SL_BYTES_LITERAL("fanout")}),
        SL_OK);
    CU_ASSERT_EQUAL(bindings_of("e"), 0);
    CU_ASSERT_EQUAL(declare_name("/exchange/e@c"), SL_OK);
    CU_ASSERT_EQUAL(changes, CLUSTER_BINDING_MADE);
    CU_ASSERT_EQUAL(bindings_of("e"), 1);
    topology_maker_deinit(&m);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(without_its_exchange_nothing_is_made),
                                  UNIT(a_pattern_goes_with_keys),
                                  UNIT(it_is_never_exclusive_nor_auto_deleted),
                                  UNIT(an_ordinary_queue_of_that_name_is_not_taken),
                                  UNIT(a_cluster_id_has_a_thousand_queues_at_most),
                                  UNIT(what_is_not_said_is_as_it_is),
                                  UNIT(it_comes_durable_and_bound),
                                  UNIT(its_own_binding_stays_and_others_come_and_go),
                                  UNIT(a_missing_own_binding_is_made_again),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/topology_cluster", tests);
}
