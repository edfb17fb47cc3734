#include "protocols/amqp/frame.h"
#include "protocols/amqp/reply.h"
#include "tests/support/unit.h"

static const uint8_t METHOD[] = {1, 0, 7, 0, 0, 0, 4, 0, 10, 0, 51, 0xCE};

static enum sl_err decode(const uint8_t *at, size_t len, struct amqp_frame *frame, size_t *used)
{
    const char *why = NULL;
    enum sl_err err = amqp_frame_decode((struct sl_bytes){at, len}, 4096, frame, used, &why);

    CU_ASSERT_EQUAL(err == SL_EPROTO, why != NULL);
    return err;
}

static void a_frame_cut_anywhere_asks_for_more(void)
{
    struct amqp_frame frame;
    size_t used = 99;

    for (size_t cut = 0; cut < sizeof METHOD; cut++)
        CU_ASSERT_EQUAL(decode(METHOD, cut, &frame, &used), SL_EAGAIN);
    CU_ASSERT_EQUAL(used, 99); /* nothing was touched */
}

static void an_unknown_type_is_refused_at_its_first_byte(void)
{
    struct amqp_frame frame;
    size_t used;

    for (unsigned type = 0; type < 256; type++) {
        uint8_t byte = (uint8_t)type;
        bool is_known = type == 1 || type == 2 || type == 3 || type == 8;
        CU_ASSERT_EQUAL(decode(&byte, 1, &frame, &used), is_known ? SL_EAGAIN : SL_EPROTO);
    }
}

static void a_wrong_end_octet_is_refused(void)
{
    struct amqp_frame frame;
    uint8_t bad[sizeof METHOD];
    size_t used;

    memcpy(bad, METHOD, sizeof bad);
    for (unsigned end = 0; end < 256; end++) {
        bad[sizeof bad - 1] = (uint8_t)end;
        CU_ASSERT_EQUAL(decode(bad, sizeof bad, &frame, &used), end == 0xCE ? SL_OK : SL_EPROTO);
    }
}

static void a_size_over_the_limit_is_refused_before_its_bytes_come(void)
{
    const uint8_t over[] = {3, 0, 1, 0, 0, 0x10, 0x01};
    const uint8_t huge[] = {3, 0, 1, 0xff, 0xff, 0xff, 0xff};
    const uint8_t slack[] = {3, 0, 1, 0, 0, 0x10, 0x00};
    struct amqp_frame frame;
    size_t used;

    CU_ASSERT_EQUAL(decode(over, sizeof over, &frame, &used), SL_EPROTO);
    CU_ASSERT_EQUAL(decode(huge, sizeof huge, &frame, &used), SL_EPROTO);
    CU_ASSERT_EQUAL(decode(slack, sizeof slack, &frame, &used), SL_EAGAIN);
}

static void a_whole_frame_lends_its_payload(void)
{
    struct amqp_frame frame;
    size_t used;

    CU_ASSERT_EQUAL_FATAL(decode(METHOD, sizeof METHOD, &frame, &used), SL_OK);
    CU_ASSERT_EQUAL(used, sizeof METHOD);
    CU_ASSERT_EQUAL(frame.type, AMQP_FRAME_METHOD);
    CU_ASSERT_EQUAL(frame.channel, 7);
    CU_ASSERT_PTR_EQUAL(frame.payload.at, METHOD + 7);
    CU_ASSERT_EQUAL(frame.payload.len, 4);
}

static void every_refusal_has_a_code_and_every_code_a_name(void)
{
    static const enum sl_err errors[] = {
        SL_EPROTO, SL_ETOOBIG,     SL_ESYNTAX,  SL_EDENIED, SL_ENOENT,   SL_ELOCKED, SL_EPRECOND,
        SL_EFULL,  SL_ENOTALLOWED, SL_ENOTIMPL, SL_EIO,     SL_ECORRUPT, SL_ENOMEM};

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct amqp_reply reply = amqp_reply_of(errors[i]);
        bool is_soft = reply.code < 500 && reply.code != 320 && reply.code != 402;
        CU_ASSERT_EQUAL(reply.scope == AMQP_CLOSE_CHANNEL, is_soft);
    }
    CU_ASSERT_STRING_EQUAL(amqp_code_name(406), "PRECONDITION_FAILED");
    CU_ASSERT_STRING_EQUAL(amqp_code_name(541), "INTERNAL_ERROR");
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_frame_cut_anywhere_asks_for_more),
        UNIT(an_unknown_type_is_refused_at_its_first_byte),
        UNIT(a_wrong_end_octet_is_refused),
        UNIT(a_size_over_the_limit_is_refused_before_its_bytes_come),
        UNIT(a_whole_frame_lends_its_payload),
        UNIT(every_refusal_has_a_code_and_every_code_a_name),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/frame", tests);
}
