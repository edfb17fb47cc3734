#include "protocols/stomp/destination.h"

#include "tests/support/unit.h"

static struct arena arena;
static struct stomp_destination d;

static enum sl_err parse(const char *text)
{
    const char *why;

    arena_reset(&arena);
    return stomp_destination_parse(sl_bytes_of(text), "amq.topic", &arena, &d, &why);
}

static void expect(const char *text, enum stomp_destination_kind kind, const char *exchange,
                   const char *key)
{
    CU_ASSERT_EQUAL_FATAL(parse(text), SL_OK);
    CU_ASSERT_EQUAL(d.kind, kind);
    CU_ASSERT_TRUE(sl_bytes_are(d.exchange, exchange));
    CU_ASSERT_TRUE(sl_bytes_are(d.key, key));
}

static void what_names_nothing_is_refused(void)
{
    char name[300] = "/queue/";

    CU_ASSERT_EQUAL(parse(""), SL_ESYNTAX);
    CU_ASSERT_EQUAL(parse("/queue/"), SL_ESYNTAX);
    CU_ASSERT_EQUAL(parse("/topic/"), SL_ESYNTAX);
    CU_ASSERT_EQUAL(parse("/exchange/"), SL_ESYNTAX);
    CU_ASSERT_EQUAL(parse("/exchange//key"), SL_ESYNTAX);
    CU_ASSERT_EQUAL(parse("/nowhere/x"), SL_ENOENT);
    CU_ASSERT_EQUAL(parse("/queue"), SL_ENOENT);
    CU_ASSERT_EQUAL(parse("a/b"), SL_ENOENT);
    memset(name + 7, 'q', 256);
    CU_ASSERT_EQUAL(parse(name), SL_ESYNTAX);
    name[7 + 255] = 0;
    CU_ASSERT_EQUAL(parse(name), SL_OK);
}

static void each_form_names_its_exchange_and_key(void)
{
    expect("/queue/q", STOMP_TO_QUEUE, "", "q");
    expect("q", STOMP_TO_QUEUE, "", "q");
    expect("/topic/a.*.#", STOMP_TO_TOPIC, "amq.topic", "a.*.#");
    expect("/exchange/ex", STOMP_TO_EXCHANGE, "ex", "");
    expect("/exchange/ex/a.b", STOMP_TO_EXCHANGE, "ex", "a.b");
    expect("/amq/queue/q", STOMP_TO_AMQ_QUEUE, "", "q");
    expect("/temp-queue/t", STOMP_TO_TEMP_QUEUE, "", "t");
}

static void slashes_behind_the_first_part_belong_to_the_name(void)
{
    expect("/queue/a/b", STOMP_TO_QUEUE, "", "a/b");
    expect("/queue/a%2Fb", STOMP_TO_QUEUE, "", "a/b");
    expect("/queue/a%25b", STOMP_TO_QUEUE, "", "a%25b");
    expect("/exchange/e%2Fx/k/l", STOMP_TO_EXCHANGE, "e/x", "k/l");
    expect("/reply-queue/a%2Fb/c", STOMP_TO_REPLY_QUEUE, "", "a%2Fb/c");
}

static void a_route_is_written_as_a_client_would_say_it(void)
{
    static const char *const ROWS[][3] = {
        {"", "q", "/queue/q"},
        {"", "a/b%", "/queue/a%2Fb%25"},
        {"amq.topic", "a.b", "/topic/a.b"},
        {"ex", "", "/exchange/ex"},
        {"ex", "k", "/exchange/ex/k"},
        {"", "\xc3\xa4:", "/queue/%C3%A4\\c"},
    };
    struct sl_buffer out;

    sl_buffer_init(&out, 1000);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        sl_buffer_clear(&out);
        CU_ASSERT_EQUAL(stomp_destination_write(&out, sl_bytes_of(ROWS[i][0]),
                                                sl_bytes_of(ROWS[i][1]), "amq.topic"),
                        SL_OK);
        CU_ASSERT_TRUE(sl_bytes_are(sl_buffer_bytes(&out), ROWS[i][2]));
    }
    sl_buffer_deinit(&out);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_names_nothing_is_refused), UNIT(each_form_names_its_exchange_and_key),
        UNIT(slashes_behind_the_first_part_belong_to_the_name),
        UNIT(a_route_is_written_as_a_client_would_say_it), CU_TEST_INFO_NULL};
    arena_init(&arena);
    int result = unit_run("protocols/stomp/destination", tests);
    arena_deinit(&arena);
    return result;
}
