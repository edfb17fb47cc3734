#include "protocols/outbox.h"

#include "core/memory.h"
#include "core/properties.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static size_t take_all(struct outbox *o, uint8_t *into, size_t step)
{
    size_t got = 0;
    struct iovec iov[8];
    int n;

    while ((n = outbox_gather(o, iov, 8)) > 0) {
        size_t taken = 0;
        for (int i = 0; i < n && taken < step; i++) {
            size_t part = iov[i].iov_len < step - taken ? iov[i].iov_len : step - taken;
            memcpy(into + got, iov[i].iov_base, part);
            got += part;
            taken += part;
        }
        outbox_take(o, taken);
    }
    return got;
}

static void bytes_come_out_as_they_went_in_however_they_are_taken(void)
{
    static const size_t STEPS[] = {1, 7, 1000, 65536, 10000000};
    size_t total = 300000;
    uint8_t *expected = malloc(total);
    uint8_t *got = malloc(total);

    for (size_t i = 0; i < total; i++)
        expected[i] = (uint8_t)(i * 31 + i / 256);
    for (size_t s = 0; s < sizeof STEPS / sizeof STEPS[0]; s++) {
        struct outbox o;
        outbox_init(&o);
        for (size_t at = 0, n = 1; at < total; at += n, n = n * 3 % 7001 + 1) {
            if (n > total - at)
                n = total - at;
            outbox_add(&o, (struct sl_bytes){expected + at, n});
        }
        CU_ASSERT_EQUAL(outbox_bytes(&o), total);
        CU_ASSERT_EQUAL(take_all(&o, got, STEPS[s]), total);
        CU_ASSERT_EQUAL(memcmp(got, expected, total), 0);
        CU_ASSERT_EQUAL(outbox_bytes(&o), 0);
        outbox_deinit(&o);
    }
    free(expected);
    free(got);
}

static void a_large_body_is_referenced_in_its_place_and_let_go(void)
{
    enum { BODY = 100000 };
    uint8_t *got = malloc(BODY + 16);
    struct message *msg = message_new(sl_bytes_of(""), sl_bytes_of("q"), properties_none, BODY);
    uint8_t *body = calloc(1, BODY);
    struct outbox o;

    memset(body, 'b', BODY);
    CU_ASSERT_EQUAL_FATAL(message_append(&msg, (struct sl_bytes){body, BODY}), SL_OK);
    outbox_init(&o);
    outbox_add(&o, sl_bytes_of("head"));
    outbox_add_body(&o, msg, message_body(msg));
    outbox_add(&o, sl_bytes_of("tail"));
    CU_ASSERT_EQUAL(msg->refs, 2);
    CU_ASSERT_EQUAL(take_all(&o, got, 30000), BODY + 8);
    CU_ASSERT_EQUAL(memcmp(got, "head", 4), 0);
    CU_ASSERT_EQUAL(memcmp(got + 4, body, BODY), 0);
    CU_ASSERT_EQUAL(memcmp(got + 4 + BODY, "tail", 4), 0);
    CU_ASSERT_EQUAL(msg->refs, 1);
    outbox_deinit(&o);
    message_unref(msg);
    free(body);
    free(got);
}

static void an_empty_outbox_holds_no_memory(void)
{
    struct outbox o;
    uint8_t got[16];

    memory_settle();
    uint64_t before = memory_used();
    outbox_init(&o);
    outbox_add(&o, sl_bytes_of("hello"));
    CU_ASSERT_EQUAL(take_all(&o, got, 100), 5);
    memory_settle();
    CU_ASSERT_EQUAL(memory_used(), before);
    CU_ASSERT_PTR_NULL(o.first);
    outbox_deinit(&o);
}

static void what_was_not_taken_is_released_with_the_outbox(void)
{
    struct message *msg = message_new(sl_bytes_of(""), sl_bytes_of("q"), properties_none, 20000);
    uint8_t body[20000] = {0};
    struct outbox o;

    CU_ASSERT_EQUAL_FATAL(message_append(&msg, (struct sl_bytes){body, sizeof body}), SL_OK);
    outbox_init(&o);
    outbox_add_body(&o, msg, message_body(msg));
    outbox_deinit(&o);
    CU_ASSERT_EQUAL(msg->refs, 1);
    message_unref(msg);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(bytes_come_out_as_they_went_in_however_they_are_taken),
        UNIT(a_large_body_is_referenced_in_its_place_and_let_go),
        UNIT(an_empty_outbox_holds_no_memory),
        UNIT(what_was_not_taken_is_released_with_the_outbox),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/outbox", tests);
}
