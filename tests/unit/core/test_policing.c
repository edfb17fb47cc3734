/* A policy changes over many queues: it rests on the way, and is whole in the end. */
#include "core/policing.h"

#include "core/account_change.h"
#include "core/desk.h"
#include "tests/support/table_log.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define BUDGET (64u * 1024 * 1024)
#define MANY 700u
#define FEW 100u
#define ONCE_MS 5u
#define LONG_MS 100u /* all rests of a change over MANY */
#define TOO_LONG_MS 1000u

static struct faulty_disk *disk;
static struct table t;
static struct sitter *s;
static struct table_maker m;

static void begin(void)
{
    disk = faulty_disk_new();
    table_init_on(&t, 2, BUDGET, disk);
    s = table_sit(&t, 0);
}

static void start_again(void)
{
    table_init_on(&t, 2, BUDGET, disk);
    s = table_sit(&t, 0);
}

static void end(void)
{
    table_deinit(&t);
    faulty_disk_free(disk);
}

static void declare(const char *prefix, unsigned i)
{
    char name[32];

    snprintf(name, sizeof name, "%s%u", prefix, i);
    struct queue_declaration d = {.name = sl_bytes_of(name), .is_durable = true};
    broker_declare_queue(&s->client, 1, &d, "");
    table_settle(&t);
}

static void declare_many(const char *prefix, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        declare(prefix, i);
    table_flush(&t);
}

static void make_exchange(const char *prefix, unsigned i)
{
    char name[32];

    snprintf(name, sizeof name, "%s%u", prefix, i);
    const struct exchange_declaration d = {
        .name = sl_bytes_of(name), .type = SL_BYTES_LITERAL("fanout"), .is_durable = true};
    broker_declare_exchange(&s->client, 2, &d);
    table_settle(&t);
}

static void set_key(uint64_t ticket, const char *vhost, const char *name, const char *pattern,
                    const char *key, int64_t value)
{
    const struct policy_definition d = {.vhost = sl_bytes_of(vhost),
                                        .name = sl_bytes_of(name),
                                        .pattern = sl_bytes_of(pattern),
                                        .keys = table_of_number(&m, key, value),
                                        .apply_to = POLICY_OF_ALL};

    policing_set(&s->client, ticket, &d);
    table_settle(&t);
    table_flush(&t);
}

static void set(uint64_t ticket, const char *vhost, const char *name, const char *pattern,
                int64_t limit)
{
    set_key(ticket, vhost, name, pattern, "max-length", limit);
}

static bool is_answered(uint64_t ticket)
{
    return s->last != NULL && s->last->ticket == ticket;
}

static void finish_rests(void)
{
    while (broker_worker_next_due(broker_worker_at(t.broker, 0)) != UINT64_MAX)
        table_wait(&t, ONCE_MS);
    table_flush(&t);
}

/* For how many of these queues a policy of that name is in force. */
static unsigned in_force(const char *vhost, const char *policy, const char *prefix)
{
    struct topology *topology = broker_topology(t.broker);
    unsigned n = 0;
    size_t cursor = 0;
    struct topology_queue *q;

    topology_lock(topology);
    struct vhost *v = topology_vhost(topology, sl_bytes_of(vhost));
    while (v != NULL && (q = hash_map_next(&v->queues, &cursor)) != NULL)
        n += sl_bytes_begin(q->name, prefix) && q->effective != NULL &&
             sl_bytes_are(q->effective->policy, policy);
    topology_unlock(topology);
    return n;
}

static unsigned in_force_for_exchanges(const char *policy)
{
    struct topology *topology = broker_topology(t.broker);
    unsigned n = 0;
    size_t cursor = 0;
    struct exchange *e;

    topology_lock(topology);
    struct vhost *v = topology_vhost(topology, SL_BYTES_LITERAL("/"));
    while ((e = hash_map_next(&v->exchanges, &cursor)) != NULL)
        n += e->effective != NULL && sl_bytes_are(e->effective->policy, policy);
    topology_unlock(topology);
    return n;
}

static void change_vhost(uint16_t kind, const char *name)
{
    const struct account_change c = {.kind = kind, .vhost = sl_bytes_of(name)};

    broker_change_account(&s->client, 3, &c);
    table_settle(&t);
    table_flush(&t);
    CU_ASSERT_EQUAL(s->last->err, SL_OK);
}

static void a_change_over_many_is_not_answered_before_the_last_of_them_has_it(void)
{
    begin();
    declare_many("q", MANY);
    set(9, "/", "p", "^q", 5);
    for (unsigned ms = 0; !is_answered(9) && ms < LONG_MS; ms++) {
        CU_ASSERT(in_force("/", "p", "q") < MANY);
        CU_ASSERT(broker_worker_next_due(broker_worker_at(t.broker, 0)) <= ONCE_MS);
        table_wait(&t, 1);
        table_flush(&t);
    }
    CU_ASSERT(is_answered(9) && s->last->err == SL_OK);
    CU_ASSERT_EQUAL(in_force("/", "p", "q"), MANY);
    CU_ASSERT_EQUAL(broker_worker_next_due(broker_worker_at(t.broker, 0)), UINT64_MAX);
    end();
}

static void a_change_over_few_of_many_takes_no_rest(void)
{
    begin();
    declare_many("other", MANY);
    declare_many("q", FEW);
    set(9, "/", "p", "^q", 5);
    CU_ASSERT(is_answered(9) && s->last->err == SL_OK);
    CU_ASSERT_EQUAL(in_force("/", "p", "q"), FEW);
    set(10, "/", "none", "^none", 5);
    CU_ASSERT(is_answered(10));
    end();
}

static void a_change_to_ids_or_away_from_them_takes_no_rest(void)
{
    begin();
    declare_many("q", MANY);
    set_key(9, "/", "p", "^q", "x-dedup-window-ms", 60000);
    CU_ASSERT(is_answered(9) && s->last->err == SL_OK);
    CU_ASSERT_EQUAL(in_force("/", "p", "q"), MANY);
    set(10, "/", "p", "^q", 5);
    CU_ASSERT(is_answered(10) && s->last->err == SL_OK);
    set(11, "/", "p", "^q", 6);
    CU_ASSERT_FALSE(is_answered(11));
    finish_rests();
    CU_ASSERT(is_answered(11));
    end();
}

/* Of policies the first alone counts. */
static void a_change_that_hides_one_about_ids_takes_no_rest(void)
{
    begin();
    declare_many("q", MANY);
    set_key(9, "/", "p", "^q", "x-dedup-window-ms", 60000);
    const struct policy_definition d = {.vhost = sl_bytes_of("/"),
                                        .name = sl_bytes_of("o"),
                                        .pattern = sl_bytes_of("^q"),
                                        .keys = table_of_number(&m, "max-length", 5),
                                        .priority = 1,
                                        .apply_to = POLICY_OF_ALL};
    policing_set(&s->client, 10, &d);
    table_settle(&t);
    table_flush(&t);
    CU_ASSERT(is_answered(10) && s->last->err == SL_OK);
    CU_ASSERT_EQUAL(in_force("/", "o", "q"), MANY);
    end();
}

static void a_change_that_another_one_waits_for_takes_no_rest(void)
{
    begin();
    declare_many("q", MANY);
    set(9, "/", "p", "^q", 5);
    CU_ASSERT_FALSE(is_answered(9));
    set(10, "/", "none", "^none", 5);
    CU_ASSERT_FALSE(is_answered(9));
    table_wait(&t, ONCE_MS); /* the rest that it had begun */
    table_flush(&t);
    CU_ASSERT(is_answered(10));
    CU_ASSERT_EQUAL(in_force("/", "p", "q"), MANY);
    end();
}

static void a_change_that_has_rested_for_long_takes_no_more(void)
{
    begin();
    declare_many("q", MANY);
    set(9, "/", "p", "^q", 5);
    CU_ASSERT_FALSE(is_answered(9));
    table_wait(&t, TOO_LONG_MS); /* the machine was busy with others */
    table_flush(&t);
    CU_ASSERT(is_answered(9));
    end();
}

static void what_is_declared_and_deleted_meanwhile_is_as_it_should_be(void)
{
    begin();
    declare_many("q", MANY);
    set(9, "/", "p", "^q", 5);
    declare("q", MANY);
    CU_ASSERT(in_force("/", "p", "q7") >= 1);
    for (unsigned i = 0; i < MANY; i += 2) {
        char name[32];
        snprintf(name, sizeof name, "q%u", i);
        broker_delete_queue(&s->client, 4, sl_bytes_of(name), false, false);
        table_settle(&t);
    }
    table_flush(&t);
    finish_rests();
    CU_ASSERT(is_answered(9) && s->last->err == SL_OK);
    CU_ASSERT_EQUAL(in_force("/", "p", "q"), MANY / 2 + 1);
    end();
}

static void exchanges_are_gone_through_with_rests_too(void)
{
    begin();
    for (unsigned i = 0; i < MANY; i++)
        make_exchange("e", i);
    set(9, "/", "p", "^e", 5);
    CU_ASSERT_FALSE(is_answered(9));
    CU_ASSERT(in_force_for_exchanges("p") < MANY);
    make_exchange("e", MANY);
    for (unsigned i = 0; i < MANY; i += 2) { /* before the mark, behind it and beside it */
        char name[32];
        snprintf(name, sizeof name, "e%u", i);
        broker_delete_exchange(&s->client, 4, sl_bytes_of(name), false);
        table_settle(&t);
    }
    table_flush(&t);
    finish_rests();
    CU_ASSERT(is_answered(9) && s->last->err == SL_OK);
    CU_ASSERT_EQUAL(in_force_for_exchanges("p"), MANY / 2 + 1);
    end();
}

static void a_change_ends_with_its_virtual_host(void)
{
    begin();
    change_vhost(RECORD_VHOST, "v");
    s->client.is_trusted = true;
    CU_ASSERT_EQUAL(broker_open_vhost(&s->client, sl_bytes_of("v")), SL_OK);
    declare_many("q", MANY);
    make_exchange("e", 0);
    set(9, "v", "p", "", 5);
    CU_ASSERT_FALSE(is_answered(9));
    change_vhost(RECORD_DELETE_VHOST, "v");
    table_wait(&t, ONCE_MS);
    CU_ASSERT(is_answered(9));
    CU_ASSERT_EQUAL(s->last->err, SL_ENOENT);
    end();
}

static void a_stop_does_not_wait_for_a_change(void)
{
    begin();
    declare_many("q", MANY);
    make_exchange("e", 0);
    set(9, "/", "p", "", 5);
    set(10, "/", "p", "", 6);
    CU_ASSERT(!is_answered(9) && !is_answered(10));
    end();
}

static void after_a_crash_on_the_way_all_queues_have_it_or_none(void)
{
    begin();
    declare_many("q", MANY);
    set(9, "/", "p", "^q", 5);
    CU_ASSERT(in_force("/", "p", "q") > 0);
    table_drop(&t);
    start_again();
    CU_ASSERT_EQUAL(in_force("/", "p", "q"), 0);
    CU_ASSERT_EQUAL(broker_topology(t.broker)->policies.count, 0);
    end();
}

static void after_a_crash_behind_a_checkpoint_on_the_way_all_queues_have_it(void)
{
    uint64_t now_ms = 0;

    begin();
    declare_many("q", MANY);
    struct keeper *k = table_keeper(&t);
    set(9, "/", "p", "^q", 5);
    CU_ASSERT_EQUAL(table_checkpoint(&t, k, &now_ms), SL_OK);
    CU_ASSERT_FALSE(is_answered(9));
    keeper_free(k);
    table_drop(&t);
    start_again();
    CU_ASSERT_EQUAL(in_force("/", "p", "q"), MANY);
    end();
}

static void after_a_crash_what_was_answered_holds_for_all(void)
{
    begin();
    declare_many("q", MANY);
    set(9, "/", "p", "^q", 5);
    while (!is_answered(9)) {
        table_wait(&t, 1);
        table_flush(&t);
    }
    table_drop(&t);
    start_again();
    CU_ASSERT_EQUAL(in_force("/", "p", "q"), MANY);
    end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_change_over_many_is_not_answered_before_the_last_of_them_has_it),
        UNIT(a_change_over_few_of_many_takes_no_rest),
        UNIT(a_change_to_ids_or_away_from_them_takes_no_rest),
        UNIT(a_change_that_hides_one_about_ids_takes_no_rest),
        UNIT(a_change_that_another_one_waits_for_takes_no_rest),
        UNIT(a_change_that_has_rested_for_long_takes_no_more),
        UNIT(what_is_declared_and_deleted_meanwhile_is_as_it_should_be),
        UNIT(exchanges_are_gone_through_with_rests_too),
        UNIT(a_change_ends_with_its_virtual_host),
        UNIT(a_stop_does_not_wait_for_a_change),
        UNIT(after_a_crash_on_the_way_all_queues_have_it_or_none),
        UNIT(after_a_crash_behind_a_checkpoint_on_the_way_all_queues_have_it),
        UNIT(after_a_crash_what_was_answered_holds_for_all),
        CU_TEST_INFO_NULL,
    };

    return unit_run("core/policing", tests);
}
