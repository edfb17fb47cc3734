#include "core/topology.h"

#include "core/base/log.h"
#include "tests/support/table_maker.h"
#include "tests/support/topology_maker.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <unistd.h>

static struct topology_maker m;
static const struct sl_handle STRANGER = {2, 1, 0};

static void set_up(void)
{
    topology_maker_init(&m, 4);
}

static void assert_refused(enum sl_err err, enum sl_err expected, const char *words)
{
    CU_ASSERT_EQUAL(err, expected);
    CU_ASSERT_STRING_EQUAL(m.reason, words);
}

static void a_passive_declare_makes_nothing(void)
{
    set_up();
    assert_refused(declare_queue(&m, (struct queue_declaration){.name = SL_BYTES_LITERAL("q"),
                                                                .is_passive = true}),
                   SL_ENOENT, "no queue 'q' in vhost '/'");
    CU_ASSERT_PTR_NULL(topology_queue(m.v, SL_BYTES_LITERAL("q")));
    make_queue(&m, "q");
    struct topology_queue *q = m.queue;
    CU_ASSERT_EQUAL(declare_queue(&m, (struct queue_declaration){.name = SL_BYTES_LITERAL("q"),
                                                                 .is_passive = true}),
                    SL_OK);
    CU_ASSERT_PTR_EQUAL(m.queue, q);
    CU_ASSERT_FALSE(m.created);
    topology_maker_deinit(&m);
}

static void reserved_names_are_the_brokers_own(void)
{
    struct queue_declaration d = {.name = SL_BYTES_LITERAL("amq.gen-x")};

    set_up();
    assert_refused(declare_queue(&m, d), SL_EDENIED,
                   "queue name 'amq.gen-x' contains reserved prefix 'amq.*'");
    d.may_be_reserved = true;
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    d.may_be_reserved = false;
    d.is_passive = true;
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    topology_maker_deinit(&m);
}

static void a_different_declaration_is_refused(void)
{
    struct queue_declaration d = {.name = SL_BYTES_LITERAL("q"), .is_durable = true};
    struct table_maker table;

    set_up();
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    d.is_durable = false;
    assert_refused(declare_queue(&m, d), SL_EPRECOND,
                   "inequivalent arg 'durable' for queue 'q' in vhost '/': "
                   "received 'false' but current is 'true'");
    d.is_durable = d.is_auto_delete = true;
    assert_refused(declare_queue(&m, d), SL_EPRECOND,
                   "inequivalent arg 'auto_delete' for queue 'q' in vhost '/': "
                   "received 'true' but current is 'false'");
    d.is_auto_delete = false;
    d.arguments = table_of_number(&table, "x-expires", 1000);
    assert_refused(declare_queue(&m, d), SL_EPRECOND,
                   "inequivalent arg 'x-expires' for queue 'q' in vhost '/': "
                   "received the value '1000' of type 'long' but current is none");
    topology_maker_deinit(&m);
}

static void the_same_declaration_is_the_same_queue(void)
{
    struct table_maker table;
    struct queue_declaration d = {.name = SL_BYTES_LITERAL("q"),
                                  .is_durable = true,
                                  .arguments = table_of_number(&table, "x-queue-version", 2)};

    set_up();
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    CU_ASSERT_TRUE(m.created);
    struct topology_queue *q = m.queue;
    uint64_t version = topology_version(m.t);
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    CU_ASSERT_FALSE(m.created);
    CU_ASSERT_PTR_EQUAL(m.queue, q);
    CU_ASSERT_EQUAL(topology_version(m.t), version); /* nothing changed, nobody needs to know */
    topology_maker_deinit(&m);
}

static void an_exclusive_queue_is_locked_for_others(void)
{
    static const char locked[] =
        "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally "
        "declared on another connection or the exclusive property value does not match that of "
        "the original declaration.";
    struct queue_declaration d = {.name = SL_BYTES_LITERAL("q"), .is_exclusive = true};
    struct queue_declaration passive = {.name = SL_BYTES_LITERAL("q"), .is_passive = true};

    set_up();
    struct sl_handle owner = m.who;
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    m.who = STRANGER;
    assert_refused(declare_queue(&m, d), SL_ELOCKED, locked);
    assert_refused(declare_queue(&m, passive), SL_ELOCKED, locked);
    assert_refused(bind(&m, to_queue("amq.direct", "q", "k")), SL_ELOCKED, locked);
    assert_refused(unbind(&m, to_queue("amq.direct", "q", "k")), SL_ELOCKED, locked);
    m.who = owner;
    CU_ASSERT_EQUAL(declare_queue(&m, passive), SL_OK);
    d.is_exclusive = false;
    assert_refused(declare_queue(&m, d), SL_ELOCKED, locked);
    topology_maker_deinit(&m);
}

static void a_queue_that_is_not_exclusive_does_not_become_so(void)
{
    set_up();
    make_queue(&m, "q");
    CU_ASSERT_EQUAL(declare_queue(&m, (struct queue_declaration){.name = SL_BYTES_LITERAL("q"),
                                                                 .is_durable = true,
                                                                 .is_exclusive = true}),
                    SL_ELOCKED);
    topology_maker_deinit(&m);
}

static void durable_and_exclusive_is_exclusive(void)
{
    struct queue_declaration d = {
        .name = SL_BYTES_LITERAL("q"), .is_durable = true, .is_exclusive = true};

    set_up();
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    CU_ASSERT_FALSE(m.queue->is_durable);
    d.is_durable = false;
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    topology_maker_deinit(&m);
}

static void a_bad_argument_makes_no_queue(void)
{
    struct table_maker table;
    struct queue_declaration d = {.name = SL_BYTES_LITERAL("q"),
                                  .arguments = table_of_string(&table, "x-expires", "soon")};

    set_up();
    assert_refused(declare_queue(&m, d), SL_EPRECOND,
                   "invalid arg 'x-expires' for queue 'q' in vhost '/': "
                   "expected integer, got longstr");
    CU_ASSERT_PTR_NULL(topology_queue(m.v, SL_BYTES_LITERAL("q")));
    topology_maker_deinit(&m);
}

static void a_reference_to_a_removed_queue_is_stale(void)
{
    set_up();
    make_queue(&m, "q");
    struct queue_ref ref = m.queue->ref;
    uint64_t number = m.queue->number;
    CU_ASSERT_PTR_EQUAL(topology_queue_at(m.t, ref), m.queue);
    CU_ASSERT_EQUAL(ref.shard, topology_shard(m.t, m.v, SL_BYTES_LITERAL("q")));
    remove_queue(&m, "q");
    CU_ASSERT_PTR_NULL(topology_queue_at(m.t, ref));
    make_queue(&m, "q");
    CU_ASSERT_PTR_NULL(topology_queue_at(m.t, ref));
    CU_ASSERT_NOT_EQUAL(m.queue->number, number); /* numbers are never used again */
    CU_ASSERT_PTR_NULL(topology_queue_at(m.t, (struct queue_ref){.shard = 99, .at = {0, 1}}));
    topology_maker_deinit(&m);
}

static void every_change_moves_the_version(void)
{
    set_up();
    uint64_t version = topology_version(m.t);
    make_queue(&m, "q");
    CU_ASSERT_NOT_EQUAL(topology_version(m.t), version);
    version = topology_version(m.t);
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.direct", "q", "k")), SL_OK);
    CU_ASSERT_NOT_EQUAL(topology_version(m.t), version);
    version = topology_version(m.t);
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.direct", "q", "k")), SL_OK);
    CU_ASSERT_EQUAL(topology_version(m.t), version);
    CU_ASSERT_EQUAL(unbind(&m, to_queue("amq.direct", "q", "k")), SL_OK);
    CU_ASSERT_NOT_EQUAL(topology_version(m.t), version);
    version = topology_version(m.t);
    remove_queue(&m, "q");
    CU_ASSERT_NOT_EQUAL(topology_version(m.t), version);
    topology_maker_deinit(&m);
}

static void what_was_declared_before_is_not_refused_when_the_log_is_read(void)
{
    struct table_maker table;
    struct queue_declaration d = {.name = SL_BYTES_LITERAL("q"),
                                  .is_durable = true,
                                  .may_be_reserved = true, /* as replay says of all */
                                  .arguments = table_of_string(&table, "x-queue-type", "quorum")};

    set_up();
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_EPRECOND);
    d.number = 7;
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    topology_maker_deinit(&m);
}

static void an_argument_without_effect_is_said_in_the_log(void)
{
    struct table_maker table;
    struct queue_declaration d = {
        .name = SL_BYTES_LITERAL("q"),
        .arguments = table_of_number(&table, "x-consumer-disconnected-timeout", 1000)};
    char line[256] = "";
    int ends[2];

    set_up();
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    sl_log_set_clock(&sl_clock_system);
    enum sl_err err = declare_queue(&m, d);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    CU_ASSERT_TRUE(read(ends[0], line, sizeof line - 1) > 0);
    close(ends[0]);
    CU_ASSERT_EQUAL(err, SL_OK);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(line, " warn  queue.argument_ignored arguments=x-consumer-disconnected-timeout "
                     "queue=q vhost=/\n"));
    topology_maker_deinit(&m);
}

/* ---- sizes: each runs in a moment, or something is wrong with its order of growth ---- */

enum { MANY = 100000 };

static const char *many_name(int i)
{
    static char name[32];

    snprintf(name, sizeof name, "q%d", i);
    return name;
}

static void a_hundred_thousand_queues_come_and_go(void)
{
    set_up();
    for (int i = 0; i < MANY; i++)
        make_queue(&m, many_name(i));
    topology_check(m.t);
    for (int i = 0; i < MANY; i++)
        remove_queue(&m, many_name(i));
    CU_ASSERT_EQUAL(m.v->queues.count, 0);
    topology_maker_deinit(&m);
}

/* One exchange with all the bindings; they go one by one, with their queue, or with their
 * exchange. */
static void bind_many(const char *exchange, const char *format)
{
    char key[64];

    make_queue(&m, "q");
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, format, i, i % 100);
        CU_ASSERT_EQUAL_FATAL(bind(&m, to_queue(exchange, "q", key)), SL_OK);
    }
}

static void a_hundred_thousand_bindings_go_one_by_one(void)
{
    char key[64];

    set_up();
    bind_many("amq.topic", "a.%d.*.%d.#");
    topology_check(m.t);
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "a.%d.*.%d.#", i, i % 100);
        CU_ASSERT_EQUAL_FATAL(unbind(&m, to_queue("amq.topic", "q", key)), SL_OK);
    }
    CU_ASSERT_TRUE(list_is_empty(&m.queue->as_destination));
    topology_maker_deinit(&m);
}

static void a_hundred_thousand_bindings_go_with_their_queue(void)
{
    set_up();
    bind_many("amq.direct", "k%d.%d");
    remove_queue(&m, "q");
    topology_check(m.t);
    bind_many("amq.topic", "%d.%d");
    remove_queue(&m, "q");
    topology_maker_deinit(&m);
}

static void a_hundred_thousand_bindings_go_with_their_exchange(void)
{
    static const char *const types[] = {"direct", "fanout", "topic"};

    set_up();
    for (int i = 0; i < 3; i++) {
        make_exchange(&m, "e", types[i]);
        bind_many("e", "k%d.%d");
        CU_ASSERT_EQUAL(delete_exchange(&m, "e", false), SL_OK);
        topology_check(m.t);
    }
    topology_maker_deinit(&m);
}

/* Whoever still names it needs the name alone. */
static void a_deleted_virtual_host_keeps_no_tables(void)
{
    char name[16];

    set_up();
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "q%d", i);
        make_queue(&m, name);
    }
    topology_drop_vhost(m.t, m.v);
    CU_ASSERT_PTR_NOT_NULL(m.v->queues.slots);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "q%d", i);
        remove_queue(&m, name);
    }
    CU_ASSERT_PTR_NULL(m.v->queues.slots);
    CU_ASSERT_PTR_NULL(m.v->exchanges.slots);
    CU_ASSERT(sl_bytes_are(m.v->name, "/"));
    topology_maker_deinit(&m);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_passive_declare_makes_nothing),
        UNIT(reserved_names_are_the_brokers_own),
        UNIT(a_different_declaration_is_refused),
        UNIT(the_same_declaration_is_the_same_queue),
        UNIT(an_exclusive_queue_is_locked_for_others),
        UNIT(a_queue_that_is_not_exclusive_does_not_become_so),
        UNIT(durable_and_exclusive_is_exclusive),
        UNIT(a_bad_argument_makes_no_queue),
        UNIT(a_reference_to_a_removed_queue_is_stale),
        UNIT(every_change_moves_the_version),
        UNIT(what_was_declared_before_is_not_refused_when_the_log_is_read),
        UNIT(an_argument_without_effect_is_said_in_the_log),
        UNIT(a_hundred_thousand_queues_come_and_go),
        UNIT(a_hundred_thousand_bindings_go_one_by_one),
        UNIT(a_hundred_thousand_bindings_go_with_their_queue),
        UNIT(a_hundred_thousand_bindings_go_with_their_exchange),
        UNIT(a_deleted_virtual_host_keeps_no_tables),
        CU_TEST_INFO_NULL};
    return unit_run("core/topology", tests);
}
