#include "core/route.h"

#include "core/base/limits.h"
#include "tests/support/properties_maker.h"
#include "tests/support/topology_maker.h"
#include "tests/support/unit.h"

#include <stdio.h>

static struct topology_maker m;
static struct route_cache cache;

static void set_up(void)
{
    topology_maker_init(&m, 2);
    route_cache_init(&cache, m.t);
}

static void tear_down(void)
{
    route_cache_deinit(&cache);
    topology_maker_deinit(&m);
}

static const struct route *route(const char *exchange, const char *key)
{
    const struct route *r = NULL;

    route_cache_refresh(&cache);
    CU_ASSERT_EQUAL_FATAL(route_cache_get(&cache, m.v,
                                          &(struct routed){.exchange = sl_bytes_of(exchange),
                                                           .key = sl_bytes_of(key)},
                                          &r),
                          SL_OK);
    return r;
}

static bool reaches(const struct route *r, const char *queue)
{
    struct queue_ref ref = topology_queue(m.v, sl_bytes_of(queue))->ref;
    int times = 0;

    for (uint32_t i = 0; i < r->count; i++)
        times += r->targets[i].shard == ref.shard && r->targets[i].at.slot == ref.at.slot &&
                 r->targets[i].at.generation == ref.at.generation;
    CU_ASSERT_TRUE(times <= 1);
    return times == 1;
}

static void a_missing_exchange_is_an_error(void)
{
    const struct route *r;

    set_up();
    CU_ASSERT_EQUAL(
        route_cache_get(&cache, m.v,
                        &(struct routed){.exchange = sl_bytes_of("no"), .key = sl_bytes_of("k")},
                        &r),
        SL_ENOENT);
    tear_down();
}

static void nobody_publishes_to_an_internal_exchange(void)
{
    struct exchange_declaration d = {
        .name = SL_BYTES_LITERAL("in"), .type = SL_BYTES_LITERAL("fanout"), .is_internal = true};
    const struct route *r;

    set_up();
    make_queue(&m, "q");
    CU_ASSERT_EQUAL(declare_exchange(&m, d), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("in", "q", "")), SL_OK);
    CU_ASSERT_EQUAL(
        route_cache_get(&cache, m.v,
                        &(struct routed){.exchange = sl_bytes_of("in"), .key = sl_bytes_of("k")},
                        &r),
        SL_EDENIED);
    CU_ASSERT_EQUAL(bind(&m, to_exchange("amq.fanout", "in", "")), SL_OK);
    CU_ASSERT_TRUE(reaches(route("amq.fanout", "k"), "q")); /* but others pass through */
    tear_down();
}

static void a_key_that_reaches_nobody_is_a_route_too(void)
{
    set_up();
    CU_ASSERT_EQUAL(route("", "no queue")->count, 0);
    CU_ASSERT_EQUAL(route("amq.topic", "a.b")->count, 0);
    tear_down();
}

static void the_default_exchange_reaches_the_queue_of_that_name(void)
{
    set_up();
    make_queue(&m, "q");
    CU_ASSERT_EQUAL(route("", "q")->count, 1);
    CU_ASSERT_TRUE(reaches(route("", "q"), "q"));
    CU_ASSERT_TRUE(route("", "q")->is_fixed);
    tear_down();
}

static void an_exclusive_queue_is_reached_by_anyone(void)
{
    struct queue_declaration d = {.name = SL_BYTES_LITERAL("mine"), .is_exclusive = true};

    set_up();
    CU_ASSERT_EQUAL(declare_queue(&m, d), SL_OK);
    CU_ASSERT_TRUE(reaches(route("", "mine"), "mine"));
    tear_down();
}

static void a_route_says_exchange_and_key_as_the_wire_does(void)
{
    set_up();
    struct sl_bytes encoded = route("amq.direct", "key")->encoded;
    CU_ASSERT_TRUE(sl_bytes_are(encoded, "\012amq.direct\003key"));
    encoded = route("", "")->encoded;
    CU_ASSERT_EQUAL(encoded.len, 2);
    CU_ASSERT_TRUE(encoded.at[0] == 0 && encoded.at[1] == 0);
    encoded = route("amq.headers", "key")->encoded;
    CU_ASSERT_TRUE(sl_bytes_are(encoded, "\013amq.headers\003key"));
    tear_down();
}

static void each_queue_is_reached_once(void)
{
    set_up();
    make_queue(&m, "q");
    make_queue(&m, "r");
    make_exchange(&m, "e", "fanout");
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.topic", "q", "#")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.topic", "q", "a.*")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_exchange("amq.topic", "e", "a.#")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("e", "q", "")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("e", "r", "")), SL_OK);
    const struct route *r = route("amq.topic", "a.b");
    CU_ASSERT_EQUAL(r->count, 2);
    CU_ASSERT_TRUE(reaches(r, "q") && reaches(r, "r"));
    tear_down();
}

static void exchanges_bound_in_a_circle_end(void)
{
    set_up();
    make_queue(&m, "q");
    make_exchange(&m, "a", "fanout");
    make_exchange(&m, "b", "fanout");
    CU_ASSERT_EQUAL(bind(&m, to_exchange("a", "b", "")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_exchange("b", "a", "")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_exchange("b", "b", "")), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_queue("b", "q", "")), SL_OK);
    CU_ASSERT_TRUE(reaches(route("a", "k"), "q"));
    tear_down();
}

static void a_definition_is_seen_after_the_refresh(void)
{
    set_up();
    make_queue(&m, "q");
    CU_ASSERT_EQUAL(route("amq.direct", "k")->count, 0);
    uint64_t epoch = cache.epoch;
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.direct", "q", "k")), SL_OK);
    CU_ASSERT_EQUAL(route("amq.direct", "k")->count, 1);
    CU_ASSERT_NOT_EQUAL(cache.epoch, epoch); /* so that channels forget theirs too */
    remove_queue(&m, "q");
    CU_ASSERT_EQUAL(route("amq.direct", "k")->count, 0);
    tear_down();
}

static void a_known_route_is_lent_again(void)
{
    set_up();
    const struct route *r = route("amq.direct", "k");
    uint64_t epoch = cache.epoch;
    CU_ASSERT_PTR_EQUAL(route("amq.direct", "k"), r);
    CU_ASSERT_PTR_NOT_EQUAL(route("amq.direct", "kk"), r);
    CU_ASSERT_EQUAL(cache.epoch, epoch);
    tear_down();
}

static void routes_by_headers_are_not_remembered(void)
{
    struct binding_request r = to_queue("amq.headers", "q", "");
    const struct route *lent;
    struct table_maker table;
    struct properties_maker properties;

    set_up();
    make_queue(&m, "q");
    r.arguments = table_of_string(&table, "kind", "a");
    CU_ASSERT_EQUAL(bind(&m, r), SL_OK);
    CU_ASSERT_EQUAL(bind(&m, to_exchange("amq.fanout", "amq.headers", "")), SL_OK);
    route_cache_refresh(&cache);
    for (int i = 0; i < 4; i++) {
        const char *kind = i % 2 == 0 ? "a" : "b";
        struct routed what = {.exchange = sl_bytes_of("amq.fanout"), .key = sl_bytes_of("k")};
        what.properties = properties_of_header(&properties, "kind", kind, false);
        CU_ASSERT_EQUAL(route_cache_get(&cache, m.v, &what, &lent), SL_OK);
        CU_ASSERT_FALSE(lent->is_fixed);
        CU_ASSERT_EQUAL(lent->count, i % 2 == 0);
    }
    CU_ASSERT_EQUAL(cache.routes.count, 0);
    tear_down();
}

static void a_peer_with_a_new_key_each_time_does_not_grow_the_cache(void)
{
    char key[32];

    set_up();
    make_queue(&m, "q");
    CU_ASSERT_EQUAL(bind(&m, to_queue("amq.fanout", "q", "")), SL_OK);
    for (unsigned i = 0; i < 3 * SL_ROUTE_CACHE_ENTRIES; i++) {
        snprintf(key, sizeof key, "%u", i);
        CU_ASSERT_EQUAL(route("amq.fanout", key)->count, 1);
        CU_ASSERT_TRUE(cache.routes.count <= SL_ROUTE_CACHE_ENTRIES);
    }
    CU_ASSERT_TRUE(cache.epoch > 2);
    tear_down();
}

static void wide_routes_do_not_grow_the_cache(void)
{
    enum { WIDE = 3000 };
    char name[32];

    set_up();
    for (int i = 0; i < WIDE; i++) {
        snprintf(name, sizeof name, "q%d", i);
        make_queue(&m, name);
        CU_ASSERT_EQUAL(bind(&m, to_queue("amq.fanout", name, "")), SL_OK);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "k%d", i);
        CU_ASSERT_EQUAL(route("amq.fanout", name)->count, WIDE);
        CU_ASSERT_TRUE(cache.targets <= SL_ROUTE_CACHE_TARGETS);
    }
    tear_down();
}

static void the_longest_names_fit(void)
{
    char key[256];

    set_up();
    memset(key, 'k', 255);
    key[255] = '\0';
    make_exchange(&m, key, "direct");
    CU_ASSERT_EQUAL(route(key, key)->encoded.len, 512);
    tear_down();
}

static const struct route *find(const char *key, struct route_writer writer)
{
    const struct routed what = {.exchange = SL_BYTES_LITERAL("amq.direct"),
                                .key = sl_bytes_of(key)};

    return route_cache_find(&cache, m.v, &what, writer);
}

/* The grants are only compared, by where they are. */
static const struct route_writer CLERK = {(const struct grant *)&m, 3};

static void a_route_remembers_who_was_allowed(void)
{
    set_up();
    const struct route *r = route("amq.direct", "k");
    CU_ASSERT_PTR_NULL(find("k", CLERK));
    route_cache_allow(r, CLERK);
    CU_ASSERT_PTR_EQUAL(find("k", CLERK), r);
    CU_ASSERT_PTR_NULL(find("l", CLERK));
    tear_down();
}

static void another_writer_is_asked_again(void)
{
    const struct route_writer other = {(const struct grant *)&cache, 3};
    const struct route_writer later = {CLERK.grant, 4};
    const struct route_writer nobody = {NULL, 0};

    set_up();
    route_cache_allow(route("amq.direct", "k"), CLERK);
    CU_ASSERT_PTR_NULL(find("k", other));
    CU_ASSERT_PTR_NULL(find("k", later)); /* permissions changed meanwhile */
    CU_ASSERT_PTR_NULL(find("k", nobody));
    route_cache_allow(route("amq.direct", "k"), later);
    CU_ASSERT_PTR_NULL(find("k", CLERK));
    tear_down();
}

static void a_definition_forgets_who_was_allowed(void)
{
    set_up();
    route_cache_allow(route("amq.direct", "k"), CLERK);
    make_exchange(&m, "x", "topic");
    route_cache_refresh(&cache);
    CU_ASSERT_PTR_NULL(find("k", CLERK));
    CU_ASSERT_PTR_NOT_NULL(route("amq.direct", "k"));
    CU_ASSERT_PTR_NULL(find("k", CLERK));
    tear_down();
}

static void who_may_send_by_headers_is_not_remembered(void)
{
    const struct routed what = {.exchange = SL_BYTES_LITERAL("amq.headers"),
                                .key = SL_BYTES_LITERAL("k")};

    set_up();
    route_cache_allow(route("amq.headers", "k"), CLERK);
    CU_ASSERT_PTR_NULL(route_cache_find(&cache, m.v, &what, CLERK));
    tear_down();
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_missing_exchange_is_an_error),
                                  UNIT(nobody_publishes_to_an_internal_exchange),
                                  UNIT(a_key_that_reaches_nobody_is_a_route_too),
                                  UNIT(the_default_exchange_reaches_the_queue_of_that_name),
                                  UNIT(an_exclusive_queue_is_reached_by_anyone),
                                  UNIT(a_route_says_exchange_and_key_as_the_wire_does),
                                  UNIT(each_queue_is_reached_once),
                                  UNIT(exchanges_bound_in_a_circle_end),
                                  UNIT(a_definition_is_seen_after_the_refresh),
                                  UNIT(a_known_route_is_lent_again),
                                  UNIT(routes_by_headers_are_not_remembered),
                                  UNIT(a_peer_with_a_new_key_each_time_does_not_grow_the_cache),
                                  UNIT(wide_routes_do_not_grow_the_cache),
                                  UNIT(the_longest_names_fit),
                                  UNIT(a_route_remembers_who_was_allowed),
                                  UNIT(another_writer_is_asked_again),
                                  UNIT(a_definition_forgets_who_was_allowed),
                                  UNIT(who_may_send_by_headers_is_not_remembered),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/route", tests);
}
