#include "protocols/stomp/properties.h"

#include "core/base/limits.h"
#include "core/properties.h"
#include "core/table.h"
#include "protocols/stomp/decode.h"
#include "protocols/stomp/durable.h"
#include "protocols/stomp/queue_headers.h"
#include "tests/support/unit.h"

static struct arena arena;
static struct stomp_frame frame;
static struct stomp_sending sending;
static struct properties p;
static struct sl_bytes flat;

static enum sl_err read_head(const char *headers)
{
    static char head[128 * 1024];
    const char *why;
    size_t used;

    arena_reset(&arena);
    snprintf(head, sizeof head, "SEND\n%s\n", headers);
    CU_ASSERT_EQUAL_FATAL(
        stomp_decode(sl_bytes_of(head), STOMP_1_2, sizeof head, &arena, &frame, &used, &why),
        SL_OK);
    sending = (struct stomp_sending){.now_wall_ms = 1000};
    enum sl_err err = stomp_properties_read(&frame.headers, &sending, &arena, &flat, &why);
    if (err == SL_OK) {
        CU_ASSERT_EQUAL_FATAL(properties_check(flat, &why), SL_OK);
        properties_decode(flat, &p);
    }
    return err;
}

static void a_value_that_no_property_holds_is_refused(void)
{
    static char longer[400] = "correlation-id:";

    CU_ASSERT_EQUAL(read_head("priority:high\n"), SL_ESYNTAX);
    CU_ASSERT_EQUAL(read_head("priority:256\n"), SL_ESYNTAX);
    CU_ASSERT_EQUAL(read_head("timestamp:yesterday\n"), SL_ESYNTAX);
    memset(longer + 15, 'x', 256);
    strcat(longer, "\n");
    CU_ASSERT_EQUAL(read_head(longer), SL_ETOOBIG);
    memset(longer, 'x', 256);
    strcpy(longer + 256, ":v\n");
    CU_ASSERT_EQUAL(read_head(longer), SL_ETOOBIG);
}

static void known_headers_become_properties(void)
{
    CU_ASSERT_EQUAL_FATAL(
        read_head("content-type:text/plain\ncorrelation-id:c\nreply-to:/queue/r\npriority:7\n"
                  "expiration:500\ntimestamp:1234\npersistent:true\namqp-message-id:m\n"
                  "type:t\napp-id:a\ncontent-encoding:gzip\n"),
        SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(p.content_type, "text/plain"));
    CU_ASSERT_TRUE(sl_bytes_are(p.correlation_id, "c"));
    CU_ASSERT_TRUE(sl_bytes_are(p.reply_to, "/queue/r"));
    CU_ASSERT_TRUE(sl_bytes_are(p.expiration, "500"));
    CU_ASSERT_TRUE(sl_bytes_are(p.message_id, "m"));
    CU_ASSERT_TRUE(sl_bytes_are(p.content_encoding, "gzip"));
    CU_ASSERT_EQUAL(p.priority, 7);
    CU_ASSERT_EQUAL(p.timestamp, 1234);
    CU_ASSERT_EQUAL(p.delivery_mode, 2);
    CU_ASSERT_EQUAL(p.present & PROPERTY_HEADERS, 0);
}

static void other_headers_become_strings_each_once(void)
{
    struct table_value value;
    struct sl_bytes text;

    CU_ASSERT_EQUAL_FATAL(read_head("destination:/queue/q\nreceipt:1\nfoo:a:b\nfoo:2\n"
                                    "x-message-ttl:60000\npersistent:false\n"),
                          SL_OK);
    CU_ASSERT_EQUAL(p.present, PROPERTY_HEADERS); /* persistent:false is no property */
    CU_ASSERT_EQUAL(table_count(p.headers), 2);
    CU_ASSERT_TRUE_FATAL(table_find(p.headers, "foo", &value));
    CU_ASSERT_TRUE(table_value_string(value, &text) && sl_bytes_are(text, "a:b"));
    CU_ASSERT_TRUE(table_find(p.headers, "x-message-ttl", &value));
}

static void a_thousand_headers_keep_the_first_of_each_name(void)
{
    static char heads[64 * 1024];
    size_t n = 0;

    for (unsigned i = 0; i < SL_STOMP_HEADERS_MAX; i++)
        n += (size_t)snprintf(heads + n, sizeof heads - n, "name-%u:%u\n", i % 300, i);
    CU_ASSERT_EQUAL_FATAL(read_head(heads), SL_OK);
    CU_ASSERT_EQUAL(table_count(p.headers), 300);
}

static void an_absolute_end_becomes_a_time_to_live(void)
{
    CU_ASSERT_EQUAL_FATAL(read_head("expires:1500\n"), SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(p.expiration, "500"));
    CU_ASSERT_TRUE(sending.is_timed);
    CU_ASSERT_EQUAL_FATAL(read_head("expires:500\n"), SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(p.expiration, "0"));
    CU_ASSERT_EQUAL_FATAL(read_head("expires:0\n"), SL_OK);
    CU_ASSERT_EQUAL(p.present & PROPERTY_EXPIRATION, 0);
    CU_ASSERT_EQUAL_FATAL(read_head("expires:4294968295\n"), SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(p.expiration, "4294967295"));
}

static void an_end_too_far_away_for_amqp_is_none(void)
{
    CU_ASSERT_EQUAL_FATAL(read_head("expires:4294968296\n"), SL_OK);
    CU_ASSERT_EQUAL(p.present & PROPERTY_EXPIRATION, 0);
    CU_ASSERT_EQUAL_FATAL(read_head("expires:18446744073709551615\n"), SL_OK);
    CU_ASSERT_EQUAL(p.present & PROPERTY_EXPIRATION, 0);
    CU_ASSERT_EQUAL_FATAL(read_head("expires:soon\n"), SL_OK);
    CU_ASSERT_EQUAL(p.present & PROPERTY_EXPIRATION, 0);
}

static void what_stomp_cannot_say_becomes_a_string_or_is_left_out(void)
{
    uint8_t room[512];
    uint8_t out[600];
    struct sl_writer table = {room, room + sizeof room, false};
    uint8_t *start = table_write_start(&table);
    struct sl_buffer text;

    table_write_s64(&table, SL_BYTES_LITERAL("n"), -5);
    table_write_bool(&table, SL_BYTES_LITERAL("b"), true);
    table_write_string(&table, SL_BYTES_LITERAL("a:b"), SL_BYTES_LITERAL("x\ny"));
    table_write_string(&table, SL_BYTES_LITERAL("content-length"), SL_BYTES_LITERAL("99"));
    table_write_value(&table, SL_BYTES_LITERAL("t"), (struct table_value){TABLE_TABLE, {NULL, 0}});
    table_write_finish(&table, start);
    const struct properties source = {.present = PROPERTY_HEADERS | PROPERTY_REPLY_TO,
                                      .headers = {room, (size_t)(table.pos - room)},
                                      .reply_to = SL_BYTES_LITERAL("amq.gen-1")};
    struct sl_writer w = {out, out + sizeof out, false};
    properties_encode(&source, &w);

    sl_buffer_init(&text, 4096);
    CU_ASSERT_EQUAL(stomp_properties_write(&text, (struct sl_bytes){out, (size_t)(w.pos - out)}),
                    SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(sl_buffer_bytes(&text), "reply-to:/reply-queue/amq.gen-1\n"
                                                        "n:-5\nb:true\na\\cb:x\\ny\n"));
    sl_buffer_deinit(&text);
}

static void queue_headers_become_typed_arguments(void)
{
    struct stomp_destination queue = {.kind = STOMP_TO_QUEUE, .key = SL_BYTES_LITERAL("q")};
    struct queue_declaration d;
    struct table_value value;
    int64_t n;
    bool is_true;

    CU_ASSERT_EQUAL_FATAL(read_head("x-message-ttl:60000\nx-dead-letter-routing-key:12\n"
                                    "x-single-active-consumer:true\nx-trace:7\n"),
                          SL_OK);
    CU_ASSERT_EQUAL_FATAL(stomp_queue_headers_read(&frame.headers, &queue, false, &arena, &d),
                          SL_OK);
    CU_ASSERT_TRUE(d.is_durable && !d.is_exclusive && !d.is_auto_delete);
    CU_ASSERT_EQUAL(table_count(d.arguments), 3); /* x-trace is the message's own */
    CU_ASSERT_TRUE(table_find(d.arguments, "x-message-ttl", &value) && value.type == TABLE_S64 &&
                   table_value_integer(value, &n) && n == 60000);
    CU_ASSERT_TRUE(table_find(d.arguments, "x-dead-letter-routing-key", &value) &&
                   value.type == TABLE_STRING);
    CU_ASSERT_TRUE(table_find(d.arguments, "x-single-active-consumer", &value) &&
                   table_value_bool(value, &is_true) && is_true);
    CU_ASSERT_EQUAL_FATAL(stomp_queue_headers_read(&frame.headers, &queue, true, &arena, &d),
                          SL_OK);
    CU_ASSERT_EQUAL(table_count(d.arguments), 4);
}

static void queue_properties_follow_the_destination(void)
{
    struct stomp_destination queue = {.kind = STOMP_TO_QUEUE, .key = SL_BYTES_LITERAL("q")};
    struct stomp_destination topic = {.kind = STOMP_TO_TOPIC,
                                      .exchange = SL_BYTES_LITERAL("amq.topic"),
                                      .key = SL_BYTES_LITERAL("k")};
    struct queue_declaration d;

    CU_ASSERT_EQUAL_FATAL(read_head("durable:false\n"), SL_OK);
    CU_ASSERT_EQUAL(stomp_queue_headers_read(&frame.headers, &queue, true, &arena, &d), SL_OK);
    CU_ASSERT_TRUE(!d.is_durable && d.is_exclusive && d.is_auto_delete);
    CU_ASSERT_EQUAL(stomp_queue_headers_read(&frame.headers, &topic, true, &arena, &d), SL_OK);
    CU_ASSERT_TRUE(!d.is_durable && d.is_exclusive && d.is_auto_delete);
    CU_ASSERT_EQUAL_FATAL(read_head("persistent:true\nauto-delete:false\n"), SL_OK);
    CU_ASSERT_EQUAL(stomp_queue_headers_read(&frame.headers, &topic, true, &arena, &d), SL_OK);
    CU_ASSERT_TRUE(d.is_durable && !d.is_exclusive && !d.is_auto_delete);
    CU_ASSERT_EQUAL_FATAL(read_head("x-queue-name:shared\n"), SL_OK);
    CU_ASSERT_EQUAL(stomp_queue_headers_read(&frame.headers, &topic, true, &arena, &d), SL_OK);
    CU_ASSERT_TRUE(!d.is_durable && !d.is_exclusive && d.is_auto_delete);
}

static void a_stable_name_depends_on_destination_and_id_alone(void)
{
    uint8_t a[STOMP_STABLE_NAME_CHARS];
    uint8_t b[STOMP_STABLE_NAME_CHARS];

    stomp_stable_name(SL_BYTES_LITERAL("/topic/x"), SL_BYTES_LITERAL("1"), a);
    stomp_stable_name(SL_BYTES_LITERAL("/topic/x"), SL_BYTES_LITERAL("1"), b);
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    stomp_stable_name(SL_BYTES_LITERAL("/topic/x1"), SL_BYTES_LITERAL(""), b);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
    stomp_stable_name(SL_BYTES_LITERAL("/topic/x"), SL_BYTES_LITERAL("2"), b);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_value_that_no_property_holds_is_refused),
                                  UNIT(known_headers_become_properties),
                                  UNIT(other_headers_become_strings_each_once),
                                  UNIT(a_thousand_headers_keep_the_first_of_each_name),
                                  UNIT(an_absolute_end_becomes_a_time_to_live),
                                  UNIT(an_end_too_far_away_for_amqp_is_none),
                                  UNIT(what_stomp_cannot_say_becomes_a_string_or_is_left_out),
                                  UNIT(queue_headers_become_typed_arguments),
                                  UNIT(queue_properties_follow_the_destination),
                                  UNIT(a_stable_name_depends_on_destination_and_id_alone),
                                  CU_TEST_INFO_NULL};
    arena_init(&arena);
    int result = unit_run("protocols/stomp/properties", tests);
    arena_deinit(&arena);
    return result;
}
