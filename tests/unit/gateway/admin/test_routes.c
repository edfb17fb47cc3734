#include "gateway/admin/routes.h"

#include "gateway/admin/views.h"
#include "tests/support/unit.h"

static struct query q;
static struct sl_bytes arguments[VIEW_ARGUMENTS_MAX];

static view_handler handler_of(const char *target)
{
    const struct admin_route *route;

    if (query_parse(&q, sl_bytes_of(target)) != SL_OK)
        return NULL;
    route = route_find(&q, arguments);
    return route == NULL ? NULL : route->view;
}

static view_handler find(const char *target)
{
    view_handler handler = handler_of(target);

    query_deinit(&q);
    return handler;
}

static void what_is_no_path_is_not_read(void)
{
    static const char *const BAD[] = {"", "x", "/api/%", "/api/%4", "/api/%zz", "?x", "http://"};

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        CU_ASSERT_NOT_EQUAL(query_parse(&q, sl_bytes_of(BAD[i])), SL_OK);
    CU_ASSERT_EQUAL(query_parse(&q, sl_bytes_of("/a/b/c/d/e/f/g/h/i/j/k/l/m")), SL_ETOOBIG);
    CU_ASSERT_EQUAL(query_parse(&q, sl_bytes_of("/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w"
                                                "&x&y&z&1&2&3&4&5&6&7&8")),
                    SL_ETOOBIG);
}

static void unknown_paths_lead_nowhere(void)
{
    CU_ASSERT_PTR_NULL(find("/"));
    CU_ASSERT_PTR_NULL(find("/api"));
    CU_ASSERT_PTR_NULL(find("/api/nothing"));
    CU_ASSERT_PTR_NULL(find("/queues"));
    CU_ASSERT_PTR_NULL(find("/api/queues/a/b/c"));
    CU_ASSERT_PTR_NULL(find("/api/overview/x"));
    CU_ASSERT_PTR_NULL(find("/api//queues"));
}

static void paths_lead_to_their_views(void)
{
    CU_ASSERT(find("/api/overview") == view_overview);
    CU_ASSERT(find("/api/queues") == view_queues);
    CU_ASSERT(find("/api/queues/") == view_queues);
    CU_ASSERT(find("/api/queues/%2F") == view_queues);
    CU_ASSERT(find("/api/queues/%2F/q/bindings") == view_bindings_of_queue);
    CU_ASSERT(find("/api/exchanges/%2F/x/bindings/source") == view_bindings_from);
    CU_ASSERT(find("/api/bindings/%2F/e/x/q/y") == view_bindings_between);
    CU_ASSERT(find("/api/bindings/%2F/e/x/e/y/~") == view_binding_of_exchanges);
    CU_ASSERT(find("/api/connections/username/guest") == view_connections_of_user);
    CU_ASSERT(find("/api/connections/a%20-%3E%20b/channels") == view_channels_of_connection);
}

static void arguments_are_decoded_once(void)
{
    CU_ASSERT(handler_of("/api/queues/%2F/a%2Fb%2541+c") == view_queue);
    CU_ASSERT(sl_bytes_are(arguments[0], "/"));
    CU_ASSERT(sl_bytes_are(arguments[1], "a/b%41+c"));
    query_deinit(&q);
}

static void parameters_are_decoded_with_plus_as_a_space(void)
{
    uint64_t number = 5;

    CU_ASSERT_EQUAL(query_parse(&q, sl_bytes_of("/x?a=1+2%2B3&b=&c&d=true&a=no&n=x&m=12")), SL_OK);
    CU_ASSERT(sl_bytes_are(query_value(&q, "a"), "1 2+3"));
    CU_ASSERT(query_value(&q, "b").len == 0 && query_value(&q, "b").at != NULL);
    CU_ASSERT(query_value(&q, "c").at != NULL);
    CU_ASSERT_PTR_NULL(query_value(&q, "e").at);
    CU_ASSERT(query_is_true(&q, "d") && !query_is_true(&q, "a"));
    CU_ASSERT_EQUAL(query_number(&q, "n", &number), SL_ESYNTAX);
    CU_ASSERT(query_number(&q, "missing", &number) == SL_OK && number == 5);
    CU_ASSERT(query_number(&q, "m", &number) == SL_OK && number == 12);
    query_deinit(&q);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_no_path_is_not_read),
        UNIT(unknown_paths_lead_nowhere),
        UNIT(paths_lead_to_their_views),
        UNIT(arguments_are_decoded_once),
        UNIT(parameters_are_decoded_with_plus_as_a_space),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/admin/routes", tests);
}
