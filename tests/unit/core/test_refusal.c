#include "core/refusal.h"

#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

static const struct resource queue = {
    "queue", {(const uint8_t *)"q", 1}, {(const uint8_t *)"/", 1}};

static char room[512];
static struct text reason;

static void words_are_those_that_people_search_for(void)
{
    reason = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(refusal_missing(queue, &reason), SL_ENOENT);
    CU_ASSERT_STRING_EQUAL(room, "no queue 'q' in vhost '/'");
    reason = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(refusal_locked(queue, &reason), SL_ELOCKED);
    CU_ASSERT_STRING_EQUAL(room, "cannot obtain exclusive access to locked queue 'q' in vhost '/'. "
                                 "It could be originally declared on another connection or the "
                                 "exclusive property value does not match that of the original "
                                 "declaration.");
    reason = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(refusal_in_use(queue, &reason), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "queue 'q' in vhost '/' in use");
    reason = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(refusal_inequivalent(queue, "durable", "true", "false", &reason), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "inequivalent arg 'durable' for queue 'q' in vhost '/': "
                                 "received 'true' but current is 'false'");
}

static void types_are_named_where_one_side_has_no_value(void)
{
    static const uint8_t raw[] = {0, 0, 0xea, 0x60};
    struct table_value minute = {TABLE_S32, {raw, sizeof raw}};
    struct table_value text = {TABLE_STRING, SL_BYTES_LITERAL("abc")};

    reason = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(refusal_inequivalent_value(queue, "x-message-ttl", &minute, NULL, &reason),
                    SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': "
                                 "received the value '60000' of type 'signedint' but current is "
                                 "none");
    reason = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(refusal_inequivalent_value(queue, "x-y", NULL, &text, &reason), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "inequivalent arg 'x-y' for queue 'q' in vhost '/': received none "
                                 "but current is the value 'abc' of type 'longstr'");
    reason = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(refusal_inequivalent_value(queue, "x-y", &minute, &text, &reason), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "inequivalent arg 'x-y' for queue 'q' in vhost '/': received "
                                 "'60000' but current is 'abc'");
}

static void a_name_of_a_peer_cannot_break_the_words(void)
{
    struct resource odd = {"exchange", SL_BYTES_LITERAL("a\r\n\xff"), SL_BYTES_LITERAL("/")};

    reason = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(refusal_missing(odd, &reason), SL_ENOENT);
    CU_ASSERT_STRING_EQUAL(room, "no exchange 'a\?\?\?' in vhost '/'");
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(words_are_those_that_people_search_for),
                                  UNIT(types_are_named_where_one_side_has_no_value),
                                  UNIT(a_name_of_a_peer_cannot_break_the_words), CU_TEST_INFO_NULL};
    return unit_run("core/refusal", tests);
}
