/* Views on findings that are built here: what tools read, and what it is made from. */
#include "gateway/admin/views.h"

#include "gateway/admin/columns.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#include <stdio.h>

static struct findings found;
static struct query q;
static struct view v;
static unsigned status;

static const struct facts FACTS = {.node = "sluice@test",
                                   .data_dir = "/var/lib/sluice",
                                   .bind = "",
                                   .amqp_port = 5672,
                                   .server_version = "3.13.7",
                                   .published = 7,
                                   .memory_limit = 100};

static struct inspect_page *page_of(enum inspect_subject subject)
{
    if (found.pages[subject] == NULL)
        found.pages[subject] = inspect_page_new(subject, 0, 1, NULL);
    return found.pages[subject];
}

static struct inspect_queue *add_queue(const char *vhost, const char *name, uint64_t ready)
{
    struct inspect_page *page = page_of(INSPECT_QUEUES);
    struct inspect_queue *row = inspect_row_new(page, sizeof *row);

    row->vhost = inspect_copy_text(page, vhost);
    row->name = inspect_copy_text(page, name);
    row->ready = ready;
    row->unacked = 1;
    return row;
}

static void add_binding(const char *source, const char *destination, const char *key,
                        struct sl_bytes arguments)
{
    struct inspect_page *page = page_of(INSPECT_BINDINGS);
    struct inspect_binding *row = inspect_row_new(page, sizeof *row);

    row->vhost = inspect_copy_text(page, "/");
    row->source = inspect_copy_text(page, source);
    row->destination = inspect_copy_text(page, destination);
    row->key = inspect_copy_text(page, key);
    row->arguments = inspect_copy(page, arguments);
}

static struct described_session session(struct inspect_page *page, uint32_t slot)
{
    return (struct described_session){.handle = {slot, 1, 0},
                                      .peer = inspect_copy_text(page, "[::1]:4711"),
                                      .local = inspect_copy_text(page, "[::1]:5672"),
                                      .user = inspect_copy_text(page, "guest"),
                                      .vhost = inspect_copy_text(page, "/")};
}

static struct described_connection *add_connection(uint32_t slot)
{
    struct inspect_page *page = page_of(INSPECT_CONNECTIONS);
    struct described_connection *row = inspect_row_new(page, sizeof *row);

    row->session = session(page, slot);
    row->protocol = inspect_copy_text(page, "AMQP 0-9-1");
    row->state = "running";
    row->channels = 2;
    return row;
}

/* The view's body as JSON; the caller's. */
static json_t *show(view_handler handler, const char *target, const char *first, const char *second)
{
    json_t *out;

    CU_ASSERT_EQUAL_FATAL(query_parse(&q, sl_bytes_of(target)), SL_OK);
    view_init(&v, &q, &FACTS, &found, "root");
    v.arguments[0] = first == NULL ? (struct sl_bytes){NULL, 0} : sl_bytes_of(first);
    v.arguments[1] = second == NULL ? (struct sl_bytes){NULL, 0} : sl_bytes_of(second);
    status = handler(&v);
    out = json_loadb((const char *)v.body.at, v.body.len, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    view_deinit(&v);
    query_deinit(&q);
    return out;
}

static const char *text_at(json_t *object, const char *path)
{
    const char *text = json_string_value(columns_find(object, sl_bytes_of(path)));
    return text == NULL ? "" : text;
}

static long long number_at(json_t *object, const char *path)
{
    return json_integer_value(columns_find(object, sl_bytes_of(path)));
}

static void names_are(json_t *list, const char *names)
{
    char room[512] = "";
    struct text text = text_on(room, sizeof room);
    json_t *row;
    size_t i;

    json_array_foreach(list, i, row) text_add(&text, "%s ", text_at(row, "name"));
    CU_ASSERT_STRING_EQUAL(room, names);
}

static void end(json_t *shown)
{
    json_decref(shown);
    findings_release(&found);
}

static void what_is_not_there_is_404_in_the_known_words(void)
{
    json_t *o = show(view_queue, "/", "/", "nothing");
    CU_ASSERT_EQUAL(status, 404);
    CU_ASSERT_STRING_EQUAL(text_at(o, "error"), "Object Not Found");
    CU_ASSERT_STRING_EQUAL(text_at(o, "reason"), "Not Found");
    end(o);
    end(show(view_connection, "/", "a -> b", NULL));
    CU_ASSERT_EQUAL(status, 404);
    end(show(view_node, "/", "sluice@elsewhere", NULL));
    CU_ASSERT_EQUAL(status, 404);
}

static void bad_pages_are_400(void)
{
    static const char *const BAD[] = {"/?page=0",
                                      "/?page=x",
                                      "/?page=1&page_size=501",
                                      "/?page=1&page_size=0",
                                      "/?page=2",
                                      "/?page=-1",
                                      "/?page=1&use_regex=true&name=(",
                                      "/?page=1&use_regex=true&name=(a{1,255}){1,255}",
                                      "/?page=1&use_regex=true&name=(a)%5C1"};

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        add_queue("/", "q", 1);
        end(show(view_queues, BAD[i], NULL, NULL));
        CU_ASSERT_EQUAL(status, 400);
    }
}

static void an_empty_list_is_an_empty_array_and_its_first_page_is_there(void)
{
    json_t *o = show(view_queues, "/", NULL, NULL);
    CU_ASSERT(status == 200 && json_array_size(o) == 0 && json_is_array(o));
    end(o);
    o = show(view_queues, "/?page=1", NULL, NULL);
    CU_ASSERT(status == 200 && number_at(o, "page_count") == 1);
    CU_ASSERT(json_array_size(json_object_get(o, "items")) == 0);
    end(o);
}

static void a_queue_shows_its_counts(void)
{
    struct table_maker m;
    struct inspect_queue *row = add_queue("/", "q", 4);
    row->arguments =
        inspect_copy(page_of(INSPECT_QUEUES), table_of_string(&m, "x-queue-type", "quorum"));
    row->is_durable = true;
    json_t *o = show(view_queue, "/", "/", "q");
    CU_ASSERT_EQUAL(status, 200);
    CU_ASSERT_STRING_EQUAL(text_at(o, "name"), "q");
    CU_ASSERT_STRING_EQUAL(text_at(o, "type"), "quorum");
    CU_ASSERT_STRING_EQUAL(text_at(o, "arguments.x-queue-type"), "quorum");
    CU_ASSERT_EQUAL(number_at(o, "messages"), 5);
    CU_ASSERT_EQUAL(number_at(o, "messages_ready"), 4);
    CU_ASSERT_EQUAL(number_at(o, "messages_unacknowledged"), 1);
    CU_ASSERT(json_is_true(json_object_get(o, "durable")));
    CU_ASSERT_PTR_NULL(json_object_get(o, "owner_pid_details"));
    CU_ASSERT_PTR_NOT_NULL(json_object_get(o, "consumer_details"));
    end(o);
}

static void an_exclusive_queue_shows_whose_it_is(void)
{
    struct inspect_queue *row = add_queue("/", "q", 4);
    row->is_exclusive = true;
    row->owner = (struct sl_handle){3, 1, 0};
    add_connection(2);
    add_connection(3);
    json_t *o = show(view_queues, "/", NULL, NULL);
    json_t *one = json_array_get(o, 0);
    CU_ASSERT_STRING_EQUAL(text_at(one, "owner_pid_details.name"), "[::1]:4711 -> [::1]:5672");
    CU_ASSERT_STRING_EQUAL(text_at(one, "owner_pid_details.peer_host"), "::1");
    CU_ASSERT_EQUAL(number_at(one, "owner_pid_details.peer_port"), 4711);
    end(o);
}

static void lists_are_sorted_cut_and_paged(void)
{
    static const char *const NAMES[] = {"d", "b", "a", "e", "Cab"};
    json_t *o;

    for (uint64_t i = 0; i < 5; i++)
        add_queue("/", NAMES[i], i % 3);
    names_are(o = show(view_queues, "/", NULL, NULL), "Cab a b d e ");
    json_decref(o);
    names_are(o = show(view_queues, "/?sort=messages_ready&sort_reverse=true", NULL, NULL),
              "a b Cab e d ");
    json_decref(o);
    o = show(view_queues, "/?page=2&page_size=2&columns=name,messages", NULL, NULL);
    names_are(json_object_get(o, "items"), "b d ");
    CU_ASSERT_EQUAL(json_object_size(json_array_get(json_object_get(o, "items"), 0)), 2);
    CU_ASSERT(number_at(o, "page") == 2 && number_at(o, "page_count") == 3);
    CU_ASSERT(number_at(o, "item_count") == 2 && number_at(o, "total_count") == 5);
    json_decref(o);
    o = show(view_queues, "/?page=1&name=a", NULL, NULL);
    names_are(json_object_get(o, "items"), "Cab a ");
    CU_ASSERT(number_at(o, "filtered_count") == 2 && number_at(o, "total_count") == 5);
    json_decref(o);
    o = show(view_queues, "/?page=1&use_regex=true&name=%5E%5Ba-c%5D", NULL, NULL);
    names_are(json_object_get(o, "items"), "Cab a b ");
    json_decref(o);
    o = show(view_queues, "/", "elsewhere", NULL);
    CU_ASSERT_EQUAL(json_array_size(o), 0);
    end(o);
}

static void names_that_are_no_text_are_shown_with_question_marks(void)
{
    struct inspect_queue *row = add_queue("/", "x", 0);
    row->name = (struct sl_bytes){(const uint8_t *)"a\xff\0b", 4};
    json_t *o = show(view_queues, "/", NULL, NULL);
    CU_ASSERT_STRING_EQUAL(text_at(json_array_get(o, 0), "name"), "a??b");
    end(o);
    add_queue("/", "gr\xc3\xbc\xc3\x9f \"dich\"\n", 0);
    o = show(view_queues, "/", NULL, NULL);
    CU_ASSERT_STRING_EQUAL(text_at(json_array_get(o, 0), "name"), "gr\xc3\xbc\xc3\x9f \"dich\"\n");
    end(o);
}

static void tables_are_shown_whole_whatever_is_in_them(void)
{
    static const uint8_t TABLE[] = {
        0, 0,   0,   56,   1,    'd', 'D', 2,   0,   0,   1,   44, /* 3.00 */
        1, 'n', 'd', 0x7f, 0xf8, 0,   0,   0,   0,   0,   0,       /* not a number */
        1, 'v', 'V',                                               /* nothing */
        1, 't', 'T', 0,    0,    0,   0,   0,   0,   0,   9,       /* a time */
        1, 'a', 'A', 0,    0,    0,   4,   't', 1,   'B', 200,     /* [true, 200] */
        1, 'f', 'F', 0,    0,    0,   5,   1,   'x', 'u', 0,   7}; /* {x: 7} */
    size_t used;
    const char *why;
    struct sl_bytes table = {TABLE, sizeof TABLE};
    CU_ASSERT_EQUAL_FATAL(table_check(table, &used, &why), SL_OK);
    json_t *o = json_of_table(table);
    CU_ASSERT_DOUBLE_EQUAL(json_real_value(json_object_get(o, "d")), 3.0, 0.0001);
    CU_ASSERT(json_is_null(json_object_get(o, "n")) && json_is_null(json_object_get(o, "v")));
    CU_ASSERT_EQUAL(number_at(o, "t"), 9);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(o, "a")), 2);
    CU_ASSERT_EQUAL(number_at(o, "f.x"), 7);
    json_decref(o);
}

static void a_binding_is_found_by_its_properties_key(void)
{
    struct table_maker m;
    json_t *o;
    json_t *one;
    char key[128];

    add_binding("x", "q", "a b~#", table_of_string(&m, "k", "v"));
    add_binding("x", "q", "", table_empty);
    add_binding("", "q", "q", table_empty);
    o = show(view_bindings, "/", "/", NULL);
    CU_ASSERT_EQUAL(json_array_size(o), 3);
    CU_ASSERT_STRING_EQUAL(text_at(json_array_get(o, 0), "properties_key"), "q");
    CU_ASSERT_STRING_EQUAL(text_at(json_array_get(o, 1), "properties_key"), "~");
    snprintf(key, sizeof key, "%s", text_at(json_array_get(o, 2), "properties_key"));
    CU_ASSERT(strncmp(key, "a+b%7E%23~", 10) == 0 && strlen(key) == 26);
    json_decref(o);

    CU_ASSERT_EQUAL_FATAL(query_parse(&q, sl_bytes_of("/")), SL_OK);
    view_init(&v, &q, &FACTS, &found, "root");
    v.arguments[0] = sl_bytes_of("/"), v.arguments[1] = sl_bytes_of("x");
    v.arguments[2] = sl_bytes_of("q"), v.arguments[3] = sl_bytes_of(key);
    CU_ASSERT_EQUAL(view_binding(&v), 200);
    one = json_loadb((const char *)v.body.at, v.body.len, 0, NULL);
    CU_ASSERT_STRING_EQUAL(text_at(one, "arguments.k"), "v");
    json_decref(one);
    sl_buffer_clear(&v.body);
    v.arguments[3] = sl_bytes_of("other");
    CU_ASSERT_EQUAL(view_binding(&v), 404);
    view_deinit(&v);
    query_deinit(&q);

    o = show(view_bindings_from, "/", "/", "amq.default");
    CU_ASSERT_EQUAL(json_array_size(o), 1);
    end(o);
}

static void a_connection_is_found_by_its_name(void)
{
    struct table_maker m;
    struct described_connection *row = add_connection(1);
    row->client_properties = inspect_copy(page_of(INSPECT_CONNECTIONS),
                                          table_of_string(&m, "connection_name", "billing"));
    json_t *o = show(view_connection, "/", "[::1]:4711 -> [::1]:5672", NULL);
    CU_ASSERT_EQUAL(status, 200);
    CU_ASSERT_STRING_EQUAL(text_at(o, "protocol"), "AMQP 0-9-1");
    CU_ASSERT_STRING_EQUAL(text_at(o, "user_provided_name"), "billing");
    CU_ASSERT_STRING_EQUAL(text_at(o, "host"), "::1");
    CU_ASSERT_EQUAL(number_at(o, "port"), 5672);
    CU_ASSERT_PTR_NULL(json_object_get(o, "frame_max"));
    end(o);
}

static void a_consumer_is_joined_with_what_its_session_says(void)
{
    struct inspect_page *page = page_of(INSPECT_CONSUMERS);
    struct inspect_consumer *row = inspect_row_new(page, sizeof *row);
    row->key = (struct inspect_consumer_key){{1, 1, 0}, 77};
    row->vhost = inspect_copy_text(page, "/");
    row->queue = inspect_copy_text(page, "q");
    json_t *o = show(view_consumers, "/", NULL, NULL);
    CU_ASSERT_EQUAL(json_array_size(o), 1); /* its session has gone meanwhile */
    CU_ASSERT_PTR_NULL(json_object_get(json_array_get(o, 0), "consumer_tag"));
    json_decref(o);

    page = page_of(INSPECT_TAGS);
    struct described_tag *tag = inspect_row_new(page, sizeof *tag);
    tag->key = row->key;
    tag->session = session(page, 1);
    tag->channel = 3;
    tag->tag = inspect_copy_text(page, "ctag");
    o = show(view_consumers, "/", NULL, NULL);
    CU_ASSERT_STRING_EQUAL(text_at(json_array_get(o, 0), "consumer_tag"), "ctag");
    CU_ASSERT_STRING_EQUAL(text_at(json_array_get(o, 0), "channel_details.name"),
                           "[::1]:4711 -> [::1]:5672 (3)");
    CU_ASSERT_STRING_EQUAL(text_at(json_array_get(o, 0), "queue.name"), "q");
    end(o);
}

static void the_overview_adds_up(void)
{
    struct inspect_page *page = page_of(INSPECT_TOTALS);
    for (int i = 0; i < 2; i++) {
        struct inspect_totals *sum = inspect_row_new(page, sizeof *sum);
        sum->queues = 2, sum->ready = 10, sum->unacked = 1, sum->consumers = 3;
    }
    add_connection(1);
    add_connection(2);
    json_t *o = show(view_overview, "/", NULL, NULL);
    CU_ASSERT_EQUAL(number_at(o, "queue_totals.messages"), 22);
    CU_ASSERT_EQUAL(number_at(o, "object_totals.queues"), 4);
    CU_ASSERT_EQUAL(number_at(o, "object_totals.connections"), 2);
    CU_ASSERT_EQUAL(number_at(o, "object_totals.channels"), 4);
    CU_ASSERT_EQUAL(number_at(o, "message_stats.publish"), 7);
    CU_ASSERT_STRING_EQUAL(text_at(o, "rabbitmq_version"), "3.13.7");
    CU_ASSERT_EQUAL(json_array_size(json_object_get(o, "listeners")), 1);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(o, "exchange_types")), 9);
    end(o);
    o = show(view_nodes, "/", NULL, NULL);
    CU_ASSERT_STRING_EQUAL(text_at(json_array_get(o, 0), "name"), "sluice@test");
    end(o);
    o = show(view_whoami, "/", NULL, NULL);
    CU_ASSERT_STRING_EQUAL(text_at(o, "name"), "root");
    end(o);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_not_there_is_404_in_the_known_words),
        UNIT(bad_pages_are_400),
        UNIT(an_empty_list_is_an_empty_array_and_its_first_page_is_there),
        UNIT(a_queue_shows_its_counts),
        UNIT(an_exclusive_queue_shows_whose_it_is),
        UNIT(lists_are_sorted_cut_and_paged),
        UNIT(names_that_are_no_text_are_shown_with_question_marks),
        UNIT(tables_are_shown_whole_whatever_is_in_them),
        UNIT(a_binding_is_found_by_its_properties_key),
        UNIT(a_connection_is_found_by_its_name),
        UNIT(a_consumer_is_joined_with_what_its_session_says),
        UNIT(the_overview_adds_up),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/admin/views", tests);
}
