#include "core/exchange.h"

#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

static struct exchange source;
static struct topology_queue queues[3];
static struct header_set no_headers;

static void set_up(enum exchange_type type)
{
    source.type = type;
    source.bindings = bindings_new(type);
    for (int i = 0; i < 3; i++)
        list_init(&queues[i].as_destination);
}

static void tear_down(void)
{
    bindings_check(source.bindings);
    bindings_clear(source.bindings);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_TRUE(list_is_empty(&queues[i].as_destination));
    bindings_free(source.bindings);
}

static void bind(int queue, const char *key)
{
    CU_ASSERT_EQUAL(
        bindings_add(&source, NULL, &queues[queue], sl_bytes_of(key), (struct sl_bytes){NULL, 0}),
        SL_OK);
}

static struct binding *find(int queue, const char *key, struct sl_bytes arguments)
{
    struct binding *b = NULL;

    CU_ASSERT_EQUAL(
        bindings_find(source.bindings, NULL, &queues[queue], sl_bytes_of(key), arguments, &b),
        SL_OK);
    return b;
}

static void unbind(int queue, const char *key)
{
    struct binding *b = find(queue, key, (struct sl_bytes){NULL, 0});

    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    bindings_remove(b);
}

static void on_found(void *context, struct binding *b)
{
    *(unsigned *)context |= 1u << (b->to_queue - queues);
}

/* The queues that a key reaches, as bits. */
static unsigned match(const char *key)
{
    const struct matched matched = {sl_bytes_of(key), {NULL, 0}, &no_headers};
    unsigned reached = 0;

    CU_ASSERT_EQUAL(bindings_match(source.bindings, &matched, on_found, &reached), SL_OK);
    return reached;
}

static void an_unknown_type_is_refused(void)
{
    enum exchange_type type;

    CU_ASSERT_EQUAL(exchange_type_parse(SL_BYTES_LITERAL("x-odd"), &type), SL_ENOENT);
    CU_ASSERT_EQUAL(exchange_type_parse((struct sl_bytes){NULL, 0}, &type), SL_ENOENT);
    CU_ASSERT_EQUAL(exchange_type_parse(SL_BYTES_LITERAL("headers"), &type), SL_OK);
    CU_ASSERT_EQUAL(type, EXCHANGE_HEADERS);
    CU_ASSERT_STRING_EQUAL(exchange_type_name(EXCHANGE_TOPIC), "topic");
}

static void what_is_not_bound_is_not_found(void)
{
    set_up(EXCHANGE_DIRECT);
    bind(0, "a");
    CU_ASSERT_PTR_NULL(find(0, "b", (struct sl_bytes){NULL, 0}));
    CU_ASSERT_PTR_NULL(find(1, "a", (struct sl_bytes){NULL, 0}));
    CU_ASSERT_EQUAL(match("b"), 0);
    tear_down();
}

static void binding_again_changes_nothing(void)
{
    set_up(EXCHANGE_DIRECT);
    bind(0, "a");
    bind(0, "a");
    CU_ASSERT_EQUAL(bindings_count(source.bindings), 1);
    unbind(0, "a");
    CU_ASSERT_EQUAL(bindings_count(source.bindings), 0);
    CU_ASSERT_EQUAL(match("a"), 0);
    tear_down();
}

static void direct_matches_the_same_key(void)
{
    set_up(EXCHANGE_DIRECT);
    bind(0, "a");
    bind(1, "a");
    bind(2, "");
    CU_ASSERT_EQUAL(match("a"), 3);
    CU_ASSERT_EQUAL(match(""), 4);
    unbind(0, "a");
    CU_ASSERT_EQUAL(match("a"), 2);
    tear_down();
}

static void fanout_matches_any_key(void)
{
    set_up(EXCHANGE_FANOUT);
    bind(0, "a");
    bind(1, "");
    CU_ASSERT_EQUAL(match("whatever"), 3);
    unbind(1, "");
    CU_ASSERT_EQUAL(match("whatever"), 1);
    tear_down();
}

static void topic_matches_patterns(void)
{
    set_up(EXCHANGE_TOPIC);
    bind(0, "a.*");
    bind(1, "a.#");
    bind(2, "a.b");
    CU_ASSERT_EQUAL(match("a.b"), 7);
    CU_ASSERT_EQUAL(match("a"), 2);
    unbind(2, "a.b");
    CU_ASSERT_EQUAL(match("a.b"), 3);
    tear_down();
}

static void headers_match_arguments(void)
{
    struct table_maker m;
    struct table_maker h;
    unsigned reached = 0;

    set_up(EXCHANGE_HEADERS);
    CU_ASSERT_EQUAL(bindings_add(&source, NULL, &queues[0], SL_BYTES_LITERAL(""),
                                 table_of_number(&m, "size", 1)),
                    SL_OK);
    CU_ASSERT_EQUAL(bindings_add(&source, NULL, &queues[1], SL_BYTES_LITERAL(""),
                                 table_of_number(&m, "size", 2)),
                    SL_OK);
    struct header_set headers = header_set_of(table_of_number(&h, "size", 2));
    const struct matched matched = {SL_BYTES_LITERAL("k"), {NULL, 0}, &headers};
    CU_ASSERT_EQUAL(bindings_match(source.bindings, &matched, on_found, &reached), SL_OK);
    CU_ASSERT_EQUAL(reached, 2);
    header_set_deinit(&headers);
    tear_down();
}

static void the_order_of_arguments_is_no_matter(void)
{
    struct table_maker m;
    struct table_maker n;

    table_begin(&m);
    table_write_bool(&m.w, SL_BYTES_LITERAL("a"), true);
    table_write_bool(&m.w, SL_BYTES_LITERAL("b"), false);
    table_begin(&n);
    table_write_bool(&n.w, SL_BYTES_LITERAL("b"), false);
    table_write_bool(&n.w, SL_BYTES_LITERAL("a"), true);
    set_up(EXCHANGE_FANOUT);
    CU_ASSERT_EQUAL(bindings_add(&source, NULL, &queues[0], SL_BYTES_LITERAL("k"), table_end(&m)),
                    SL_OK);
    CU_ASSERT_PTR_NOT_NULL(find(0, "k", table_end(&n)));
    CU_ASSERT_PTR_NULL(find(0, "k", (struct sl_bytes){NULL, 0}));
    tear_down();
}

static void a_walk_meets_every_binding(void)
{
    struct binding *b;
    unsigned met = 0;
    size_t cursor = 0;

    set_up(EXCHANGE_TOPIC);
    for (int i = 0; i < 3; i++)
        bind(i, "k");
    while ((b = bindings_next(source.bindings, &cursor)) != NULL) {
        CU_ASSERT_TRUE(sl_bytes_are(b->key, "k"));
        CU_ASSERT_TRUE(sl_bytes_equal(b->arguments, table_empty));
        met |= 1u << (b->to_queue - queues);
    }
    CU_ASSERT_EQUAL(met, 7);
    tear_down();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(an_unknown_type_is_refused),    UNIT(what_is_not_bound_is_not_found),
        UNIT(binding_again_changes_nothing), UNIT(direct_matches_the_same_key),
        UNIT(fanout_matches_any_key),        UNIT(topic_matches_patterns),
        UNIT(headers_match_arguments),       UNIT(the_order_of_arguments_is_no_matter),
        UNIT(a_walk_meets_every_binding),    CU_TEST_INFO_NULL};
    return unit_run("core/exchange", tests);
}
