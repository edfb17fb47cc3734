#include "core/cluster_name.h"

#include "tests/support/unit.h"

#include <string.h>

static struct cluster_name name;
static char reason[1024];

static enum sl_err read_bytes(struct sl_bytes text)
{
    struct text to = text_on(reason, sizeof reason);

    return cluster_name_read(text, &name, &to);
}

static enum sl_err read_name(const char *text)
{
    return read_bytes(sl_bytes_of(text));
}

static void assert_is(const char *text, const char *exchange, const char *pattern, const char *id,
                      const char *own)
{
    CU_ASSERT_EQUAL_FATAL(read_name(text), SL_OK);
    CU_ASSERT(sl_bytes_are(name.exchange, exchange));
    CU_ASSERT(sl_bytes_are(name.pattern, pattern));
    CU_ASSERT(sl_bytes_are(name.id, id));
    CU_ASSERT(sl_bytes_are(name.own, own));

    char again[256] = "";
    memcpy(again, name.own.at, name.own.len);
    CU_ASSERT_EQUAL_FATAL(read_name(again), SL_OK); /* its own name means the same queue */
    CU_ASSERT(sl_bytes_are(name.own, again));
    CU_ASSERT(sl_bytes_are(name.exchange, exchange));
    CU_ASSERT(sl_bytes_are(name.pattern, pattern));
}

static void assert_refused(const char *text, const char *words)
{
    CU_ASSERT_EQUAL(read_name(text), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(reason, words);
}

static void other_names_are_those_of_ordinary_queues(void)
{
    static const char *const NAMES[] = {
        "",
        "q",
        "@",
        "celery@host",
        "topic/p@c",
        "/topi/p@c",
        "/topic/p",
        "/topic/",
        "/topic/p%40c",
        "/exchange/e/p",
        "/queue/q@c",
        "/queue/Consumer.c",
        "/queue/Consumer.c.p",
        "/queue/Consumer.c.VirtualTopic.",
        "/queue/Consumer.a.b.VirtualTopic.x",
        "Consumer.c.VirtualTopic.x",
        " /topic/p@c",
    };

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        CU_ASSERT_EQUAL(read_name(NAMES[i]), SL_ENOENT);
    CU_ASSERT_EQUAL(read_bytes((struct sl_bytes){NULL, 0}), SL_ENOENT);
}

static void a_bad_cluster_id_is_refused_in_clear_words(void)
{
    char long_id[300] = "/topic/p@";

    assert_refused("/topic/p@", "invalid ClusterID '': 1 to 64 of A-Z a-z 0-9 . _ - are allowed");
    assert_refused("/topic/p@a b",
                   "invalid ClusterID 'a b': 1 to 64 of A-Z a-z 0-9 . _ - are allowed");
    assert_refused("/exchange/a@b/p",
                   "invalid ClusterID 'b/p': 1 to 64 of A-Z a-z 0-9 . _ - are allowed");
    CU_ASSERT_EQUAL(read_name("/topic/p@\xc3\xa4"), SL_EPRECOND);
    CU_ASSERT_EQUAL(read_name("/topic/p@c%40"), SL_EPRECOND);
    CU_ASSERT_EQUAL(read_name("/queue/Consumer.a b.VirtualTopic.x"), SL_EPRECOND);
    CU_ASSERT_EQUAL(read_name("/queue/Consumer..VirtualTopic.x"), SL_EPRECOND);
    CU_ASSERT_EQUAL(read_bytes((struct sl_bytes){(const uint8_t *)"/topic/p@a\0b", 12}),
                    SL_EPRECOND);

    memset(long_id + strlen(long_id), 'x', 64);
    CU_ASSERT_EQUAL(read_name(long_id), SL_OK);
    CU_ASSERT_EQUAL(name.id.len, 64);
    strcat(long_id, "x");
    CU_ASSERT_EQUAL(read_name(long_id), SL_EPRECOND);
}

static void a_name_longer_than_255_bytes_is_refused(void)
{
    char text[600] = "/topic/";

    memset(text + 7, 'p', 246);
    strcat(text, "@c");
    CU_ASSERT_EQUAL(strlen(text), 255);
    CU_ASSERT_EQUAL(read_name(text), SL_OK);
    strcat(text, "c");
    assert_refused(text, "the name of a cluster queue is longer than 255 bytes");
    memset(text + 7, 'p', 400);
    strcpy(text + 407, "@c");
    assert_refused(text, "the name of a cluster queue is longer than 255 bytes");
    memset(text + 7, '/', 400);
    CU_ASSERT_EQUAL(read_name(text), SL_EPRECOND);
    memcpy(text, "/exchange/", 10);
    memset(text + 10, 'e', 300);
    CU_ASSERT_EQUAL(read_name(text), SL_EPRECOND);
}

/* Said with slashes that are shorter than what they are written as. */
static void what_only_its_own_name_would_be_too_long_for_is_refused(void)
{
    char text[300] = "/exchange/";

    for (int i = 0; i < 100; i++)
        memcpy(text + 10 + i, "@", 1);
    strcpy(text + 110, "@c");
    CU_ASSERT_EQUAL(read_name(text), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(reason, "the name of a cluster queue is longer than 255 bytes");
}

static void a_pattern_or_an_exchange_is_needed(void)
{
    assert_refused("/topic/@c", "the name of a cluster queue has something before its last @");
    assert_refused("/exchange/@c", "the name of a cluster queue has something before its last @");
    assert_refused("/exchange//p@c", "the name of a cluster queue has something before its last @");
    assert_refused("/exchange/amq.topic@c",
                   "a cluster queue on exchange 'amq.topic' needs a pattern");
}

static void every_spelling_of_one_queue_is_its_own_name(void)
{
    assert_is("/topic/a.*.#@c", "amq.topic", "a.*.#", "c", "/topic/a.*.#@c");
    assert_is("/exchange/amq.topic/p@c", "amq.topic", "p", "c", "/topic/p@c");
    assert_is("/queue/Consumer.c.VirtualTopic.Orders.eu", "amq.topic", "VirtualTopic.Orders.eu",
              "c", "/topic/VirtualTopic.Orders.eu@c");
    assert_is("/exchange/e/p@A-Z_0.9", "e", "p", "A-Z_0.9", "/exchange/e/p@A-Z_0.9");
    assert_is("/exchange/e@c", "e", "", "c", "/exchange/e@c");
    assert_is("/exchange/e/@c", "e", "", "c", "/exchange/e@c");
}

static void the_last_at_splits_and_escapes_are_literal(void)
{
    assert_is("/topic/a@b@c", "amq.topic", "a@b", "c", "/topic/a%40b@c");
    assert_is("/topic/a%40b@c", "amq.topic", "a@b", "c", "/topic/a%40b@c");
    assert_is("/topic/a%2Fb@c", "amq.topic", "a/b", "c", "/topic/a/b@c");
    assert_is("/topic/a/b@c", "amq.topic", "a/b", "c", "/topic/a/b@c");
    assert_is("/exchange/e%2Ff/p/q@c", "e/f", "p/q", "c", "/exchange/e%2Ff/p/q@c");
    assert_is("/exchange/e%40f/p@c", "e@f", "p", "c", "/exchange/e%40f/p@c");
    assert_is("/topic/100%%@c", "amq.topic", "100%%", "c", "/topic/100%%@c");
    assert_is("/topic/%4%40@c", "amq.topic", "%4@", "c", "/topic/%4%40@c");
    assert_is("/topic/%%4040@c", "amq.topic", "%@40", "c", "/topic/%%4040@c");
    assert_is("/queue/Consumer.c.VirtualTopic.a@b", "amq.topic", "VirtualTopic.a@b", "c",
              "/topic/VirtualTopic.a%40b@c");
}

static void a_topic_and_an_id_make_the_same_name(void)
{
    struct text to = text_on(reason, sizeof reason);
    struct sl_bytes id = SL_BYTES_LITERAL("c");

    CU_ASSERT_EQUAL(cluster_name_of_topic(SL_BYTES_LITERAL("/topic/a@b"), id, &name, &to), SL_OK);
    CU_ASSERT(sl_bytes_are(name.own, "/topic/a%40b@c"));
    CU_ASSERT_EQUAL(cluster_name_of_topic(SL_BYTES_LITERAL("/exchange/e"), id, &name, &to), SL_OK);
    CU_ASSERT(sl_bytes_are(name.own, "/exchange/e@c"));
    CU_ASSERT_EQUAL(cluster_name_of_topic(SL_BYTES_LITERAL("/topic/"), id, &name, &to), SL_ENOENT);
    CU_ASSERT_EQUAL(cluster_name_of_topic(SL_BYTES_LITERAL("q"), id, &name, &to), SL_ENOENT);
    CU_ASSERT_EQUAL(
        cluster_name_make(SL_BYTES_LITERAL("e/@"), SL_BYTES_LITERAL("p"), id, &name, &to), SL_OK);
    CU_ASSERT(sl_bytes_are(name.own, "/exchange/e%2F%40/p@c"));
    CU_ASSERT_EQUAL(
        cluster_name_make((struct sl_bytes){NULL, 0}, SL_BYTES_LITERAL("p"), id, &name, &to),
        SL_EPRECOND);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(other_names_are_those_of_ordinary_queues),
                                  UNIT(a_bad_cluster_id_is_refused_in_clear_words),
                                  UNIT(a_name_longer_than_255_bytes_is_refused),
                                  UNIT(what_only_its_own_name_would_be_too_long_for_is_refused),
                                  UNIT(a_pattern_or_an_exchange_is_needed),
                                  UNIT(every_spelling_of_one_queue_is_its_own_name),
                                  UNIT(the_last_at_splits_and_escapes_are_literal),
                                  UNIT(a_topic_and_an_id_make_the_same_name),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/cluster_name", tests);
}
