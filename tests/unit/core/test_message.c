#include "core/message.h"

#include "core/base/limits.h"
#include "core/memory.h"
#include "core/properties.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static void a_message_says_what_it_was_built_from(void)
{
    struct message *msg =
        message_new(sl_bytes_of("amq.topic"), sl_bytes_of("a.b"), properties_none, 5);

    CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
    CU_ASSERT_EQUAL(message_append(&msg, sl_bytes_of("he")), SL_OK);
    CU_ASSERT_EQUAL(message_append(&msg, sl_bytes_of("llo")), SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(message_exchange(msg), "amq.topic"));
    CU_ASSERT_TRUE(sl_bytes_are(message_key(msg), "a.b"));
    CU_ASSERT_TRUE(sl_bytes_equal(message_properties(msg), properties_none));
    CU_ASSERT_TRUE(sl_bytes_are(message_body(msg), "hello"));
    message_unref(msg);
}

static void an_announced_body_that_never_comes_costs_little(void)
{
    struct message *msg =
        message_new(sl_bytes_of(""), sl_bytes_of("q"), properties_none, 512u * 1024 * 1024);

    CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
    CU_ASSERT_TRUE(message_cost(msg) <= SL_BODY_FIRST_BYTES + 1024);
    message_unref(msg);
}

static void a_long_body_grows_and_stays_whole(void)
{
    enum { PART = 100000, PARTS = 50 };
    uint8_t *part = malloc(PART);
    struct message *msg =
        message_new(sl_bytes_of(""), sl_bytes_of("q"), properties_none, PART * PARTS);

    CU_ASSERT_PTR_NOT_NULL_FATAL(part);
    for (int i = 0; i < PARTS; i++) {
        memset(part, i, PART);
        CU_ASSERT_EQUAL_FATAL(message_append(&msg, (struct sl_bytes){part, PART}), SL_OK);
    }
    struct sl_bytes body = message_body(msg);
    CU_ASSERT_EQUAL_FATAL(body.len, PART * PARTS);
    for (size_t i = 0; i < body.len; i += 997)
        CU_ASSERT_EQUAL(body.at[i], i / PART);
    message_unref(msg);
    free(part);
}

static void what_messages_take_is_given_back_when_they_end(void)
{
    memory_settle();
    uint64_t before = memory_used();
    struct message *msg = message_new(sl_bytes_of("x"), sl_bytes_of("k"), properties_none, 1000);

    message_ref(msg);
    memory_settle();
    CU_ASSERT_TRUE(memory_used() >= before + 1000);
    message_unref(msg);
    message_unref(msg);
    memory_settle();
    CU_ASSERT_EQUAL(memory_used(), before);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_message_says_what_it_was_built_from),
        UNIT(an_announced_body_that_never_comes_costs_little),
        UNIT(a_long_body_grows_and_stays_whole),
        UNIT(what_messages_take_is_given_back_when_they_end),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/message", tests);
}
