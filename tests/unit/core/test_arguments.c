#include "core/arguments.h"

#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

static const struct resource queue = {
    "queue", {(const uint8_t *)"q", 1}, {(const uint8_t *)"/", 1}};

static struct table_maker m;
static char room[512];

static enum sl_err check(struct sl_bytes arguments)
{
    struct queue_declaration d = {.is_durable = true, .arguments = arguments};
    struct text reason = text_on(room, sizeof room);

    return arguments_check_queue(queue, &d, &reason);
}

static void assert_refused(struct sl_bytes arguments, const char *words)
{
    CU_ASSERT_EQUAL(check(arguments), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, words);
}

static enum sl_err compare(struct sl_bytes received, struct sl_bytes current)
{
    struct text reason = text_on(room, sizeof room);

    return arguments_compare_queue(queue, received, current, &reason);
}

static void a_value_of_the_wrong_type_is_refused(void)
{
    assert_refused(table_of_string(&m, "x-message-ttl", "60000"),
                   "invalid arg 'x-message-ttl' for queue 'q' in vhost '/': "
                   "expected integer, got longstr");
    assert_refused(table_of_number(&m, "x-single-active-consumer", 1),
                   "invalid arg 'x-single-active-consumer' for queue 'q' in vhost '/': "
                   "expected boolean, got long");
    assert_refused(table_of_number(&m, "x-dead-letter-exchange", 1),
                   "invalid arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': "
                   "expected longstr, got long");
}

static void a_value_out_of_range_is_refused(void)
{
    assert_refused(table_of_number(&m, "x-message-ttl", -1),
                   "invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_negative,-1}");
    assert_refused(table_of_number(&m, "x-expires", 0),
                   "invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}");
    assert_refused(table_of_number(&m, "x-expires", 1ll << 32),
                   "invalid arg 'x-expires' for queue 'q' in vhost '/': "
                   "{value_too_big,4294967296}");
    assert_refused(table_of_number(&m, "x-max-priority", 256),
                   "invalid arg 'x-max-priority' for queue 'q' in vhost '/': "
                   "{max_value_exceeded,256}");
    assert_refused(table_of_string(&m, "x-delayed-retry-type", "sometimes"),
                   "invalid arg 'x-delayed-retry-type' for queue 'q' in vhost '/': "
                   "invalid_delayed_retry_type");
    assert_refused(table_of_number(&m, "x-delayed-retry-min", -1),
                   "invalid arg 'x-delayed-retry-min' for queue 'q' in vhost '/': "
                   "{value_negative,-1}");
    assert_refused(table_of_string(&m, "x-overflow", "drop"),
                   "invalid arg 'x-overflow' for queue 'q' in vhost '/': invalid_overflow");
    assert_refused(table_of_string(&m, "x-overflow", ""),
                   "invalid arg 'x-overflow' for queue 'q' in vhost '/': invalid_overflow");
    assert_refused(table_of_string(&m, "x-overflow", "drop-head|reject-publish"),
                   "invalid arg 'x-overflow' for queue 'q' in vhost '/': invalid_overflow");
    CU_ASSERT_EQUAL(check(table_of_number(&m, "x-delivery-limit", -1)), SL_OK);
    CU_ASSERT_EQUAL(check(table_of_number(&m, "x-expires", UINT32_MAX)), SL_OK);
    CU_ASSERT_EQUAL(check(table_of_number(&m, "x-max-length", 0)), SL_OK);
    CU_ASSERT_EQUAL(check(table_of_string(&m, "x-overflow", "reject-publish-dlx")), SL_OK);
}

static void a_dead_letter_key_needs_an_exchange(void)
{
    assert_refused(table_of_string(&m, "x-dead-letter-routing-key", "k"),
                   "invalid arg 'x-dead-letter-routing-key' for queue 'q' in vhost '/': "
                   "routing_key_but_no_dlx_defined");
}

static void a_queue_type_that_is_not_there_is_refused(void)
{
    assert_refused(table_of_string(&m, "x-queue-type", "stream"),
                   "invalid arg 'x-queue-type' for queue 'q' in vhost '/': "
                   "unsupported queue type 'stream'");
    assert_refused(table_of_string(&m, "x-queue-type", "odd"),
                   "invalid arg 'x-queue-type' for queue 'q' in vhost '/': "
                   "unsupported queue type 'odd'");
    CU_ASSERT_EQUAL(check(table_of_string(&m, "x-queue-type", "classic")), SL_OK);
    CU_ASSERT_EQUAL(check(table_of_string(&m, "x-queue-type", "quorum")), SL_OK);
}

static void what_only_a_stream_understands_is_refused(void)
{
    assert_refused(table_of_string(&m, "x-max-age", "7D"),
                   "invalid arg 'x-max-age' for queue 'q' in vhost '/' "
                   "of queue type rabbit_classic_queue");
    table_begin(&m);
    table_write_string(&m.w, SL_BYTES_LITERAL("x-max-age"), SL_BYTES_LITERAL("7D"));
    table_write_string(&m.w, SL_BYTES_LITERAL("x-queue-type"), SL_BYTES_LITERAL("quorum"));
    assert_refused(table_end(&m), "invalid arg 'x-max-age' for queue 'q' in vhost '/' "
                                  "of queue type rabbit_quorum_queue");
}

static void a_quorum_queue_must_stay(void)
{
    struct queue_declaration d = {.arguments = table_of_string(&m, "x-queue-type", "quorum")};
    struct text reason = text_on(room, sizeof room);

    CU_ASSERT_EQUAL(arguments_check_queue(queue, &d, &reason), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "invalid property 'non-durable' for queue 'q' in vhost '/'");
    reason = text_on(room, sizeof room);
    d.is_durable = d.is_auto_delete = true;
    CU_ASSERT_EQUAL(arguments_check_queue(queue, &d, &reason), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "invalid property 'auto-delete' for queue 'q' in vhost '/'");
    reason = text_on(room, sizeof room);
    d.is_auto_delete = false;
    d.may_be_reserved = true;
    CU_ASSERT_EQUAL(arguments_check_queue(queue, &d, &reason), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room,
                           "Cannot declare a server-named queue for type rabbit_quorum_queue");
}

static void what_nobody_knows_is_accepted(void)
{
    CU_ASSERT_EQUAL(check(table_of_string(&m, "x-my-own", "anything")), SL_OK);
    CU_ASSERT_EQUAL(check(table_of_string(&m, "alternate-exchange", "not a queue's")), SL_OK);
    CU_ASSERT_EQUAL(check((struct sl_bytes){NULL, 0}), SL_OK);
}

static void a_known_argument_must_be_repeated(void)
{
    struct table_maker other;

    CU_ASSERT_EQUAL(compare(table_of_number(&m, "x-message-ttl", 60000), table_empty), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': "
                                 "received the value '60000' of type 'long' but current is none");
    CU_ASSERT_EQUAL(compare((struct sl_bytes){NULL, 0}, table_of_number(&m, "x-message-ttl", 1)),
                    SL_EPRECOND);
    CU_ASSERT_EQUAL(compare(table_of_number(&m, "x-message-ttl", 60000),
                            table_of_number(&other, "x-message-ttl", 50000)),
                    SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': "
                                 "received '60000' but current is '50000'");
    CU_ASSERT_EQUAL(compare(table_of_string(&m, "x-overflow", "drop-head"),
                            table_of_number(&other, "x-overflow", 1)),
                    SL_EPRECOND);
}

static void integers_of_any_width_are_equal_by_value(void)
{
    static const uint8_t fifty[] = {0, 0, 0, 50};
    struct table_maker narrow;

    table_begin(&narrow);
    table_write_value(&narrow.w, SL_BYTES_LITERAL("x-expires"),
                      (struct table_value){TABLE_S32, {fifty, sizeof fifty}});
    CU_ASSERT_EQUAL(compare(table_end(&narrow), table_of_number(&m, "x-expires", 50)), SL_OK);
}

static void unknown_arguments_are_not_compared(void)
{
    CU_ASSERT_EQUAL(compare(table_of_string(&m, "x-my-own", "a"), table_empty), SL_OK);
}

static void saying_classic_is_saying_nothing(void)
{
    struct table_maker other;

    CU_ASSERT_EQUAL(compare(table_of_string(&m, "x-queue-type", "classic"), table_empty), SL_OK);
    CU_ASSERT_EQUAL(compare(table_empty, table_of_string(&m, "x-queue-type", "classic")), SL_OK);
    CU_ASSERT_EQUAL(compare(table_of_string(&m, "x-queue-type", "quorum"), table_empty),
                    SL_EPRECOND);
    CU_ASSERT_EQUAL(compare(table_of_string(&m, "x-queue-type", "quorum"),
                            table_of_string(&other, "x-queue-type", "classic")),
                    SL_EPRECOND);
}

static void what_has_no_effect_yet_is_named(void)
{
    struct text list = text_on(room, sizeof room);

    table_begin(&m);
    table_write_s64(&m.w, SL_BYTES_LITERAL("x-message-ttl"), 1);
    table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-strategy"),
                       SL_BYTES_LITERAL("at-most-once"));
    table_write_string(&m.w, SL_BYTES_LITERAL("x-queue-mode"), SL_BYTES_LITERAL("lazy"));
    table_write_s64(&m.w, SL_BYTES_LITERAL("x-consumer-timeout"), 1);
    table_write_s64(&m.w, SL_BYTES_LITERAL("x-consumer-disconnected-timeout"), 1);
    table_write_s64(&m.w, SL_BYTES_LITERAL("x-my-own"), 1);
    arguments_list_dormant(table_end(&m), &list);
    CU_ASSERT_STRING_EQUAL(room, "x-dead-letter-strategy,x-consumer-disconnected-timeout");
    list = text_on(room, sizeof room);
    arguments_list_dormant((struct sl_bytes){NULL, 0}, &list);
    CU_ASSERT_STRING_EQUAL(room, "");
}

static void an_alternate_exchange_must_be_a_name(void)
{
    struct resource exchange = {"exchange", SL_BYTES_LITERAL("e"), SL_BYTES_LITERAL("/")};
    struct text reason = text_on(room, sizeof room);

    CU_ASSERT_EQUAL(
        arguments_check_exchange(exchange, table_of_number(&m, "alternate-exchange", 1), &reason),
        SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "invalid type 'long' for arg 'alternate-exchange' in "
                                 "exchange 'e' in vhost '/'");
    CU_ASSERT_EQUAL(arguments_check_exchange(exchange, (struct sl_bytes){NULL, 0}, &reason), SL_OK);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_value_of_the_wrong_type_is_refused),
                                  UNIT(a_value_out_of_range_is_refused),
                                  UNIT(a_dead_letter_key_needs_an_exchange),
                                  UNIT(a_queue_type_that_is_not_there_is_refused),
                                  UNIT(what_only_a_stream_understands_is_refused),
                                  UNIT(a_quorum_queue_must_stay),
                                  UNIT(what_nobody_knows_is_accepted),
                                  UNIT(a_known_argument_must_be_repeated),
                                  UNIT(integers_of_any_width_are_equal_by_value),
                                  UNIT(unknown_arguments_are_not_compared),
                                  UNIT(saying_classic_is_saying_nothing),
                                  UNIT(what_has_no_effect_yet_is_named),
                                  UNIT(an_alternate_exchange_must_be_a_name),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/arguments", tests);
}
