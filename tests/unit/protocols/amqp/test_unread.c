/* A peer that asks and does not read: what it is told is bounded, and nothing of it is lost. */
#include "core/base/limits.h"
#include "protocols/amqp/channel.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/unit.h"

#define BODY_BYTES 4000u
#define MESSAGES 1000u

static struct harness h;
static uint8_t body[BODY_BYTES];

static size_t said(const struct peer_end *p)
{
    return outbox_bytes(&p->session->out);
}

static struct peer_end *ask_for_all(struct sl_buffer *more)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    struct peer_end *p = amqp_open_channel(&h);

    amqp_declare(p, 1, "q");
    for (unsigned i = 0; i < MESSAGES; i++)
        amqp_publish(p, 1, "", "q", 0, (struct sl_bytes){body, sizeof body});
    for (unsigned i = 0; i < MESSAGES; i++)
        amqp_write_method(&bytes, 1, AMQP_BASIC_GET, "hso", 0, "q", 1);
    if (more != NULL) {
        CU_ASSERT_FATAL(sl_buffer_append(&bytes, sl_buffer_bytes(more)) == SL_OK);
        sl_buffer_deinit(more);
    }
    p->is_deaf = true;
    amqp_say_bytes(p, &bytes);
    CU_ASSERT_FATAL(p->session != NULL && said(p) <= SL_OUT_BYTES_HIGH + 2 * BODY_BYTES);
    return p;
}

static void read_all(struct peer_end *p)
{
    p->is_deaf = false;
    session_touch(p->session);
    harness_settle(&h);
    for (unsigned i = 0; i < MESSAGES; i++) {
        amqp_expect(p, 1, AMQP_BASIC_GET_OK);
        amqp_expect_content(p, 1, (struct sl_bytes){body, sizeof body});
    }
}

static void answers_that_nobody_reads_are_bounded_and_come_when_they_are_read(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = ask_for_all(NULL);
    read_all(p);
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_BASIC_GET, "hso", 0, "q", 1);
    amqp_expect(p, 1, AMQP_BASIC_GET_EMPTY);
    harness_deinit(&h);
}

static void another_channel_waits_for_its_kept_frames_only(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = ask_for_all(NULL);
    amqp_say(p, 2, AMQP_CHANNEL_OPEN, "s", "");
    amqp_say(p, 2, AMQP_BASIC_QOS, "lho", 0, 3, 0);
    CU_ASSERT_FALSE(amqp_channel_is_parked(amqp_channel_find(amqp_connection_of(p->session), 2)));
    harness_deinit(&h);
}

static void a_close_behind_them_is_answered_behind_them(void)
{
    struct sl_buffer close = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    amqp_write_method(&close, 0, AMQP_CONNECTION_CLOSE, "hshh", 200, "bye", 0, 0);
    struct peer_end *p = ask_for_all(&close);
    read_all(p);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE_OK);
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void who_never_reads_is_given_up_after_its_close(void)
{
    struct sl_buffer close = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    amqp_write_method(&close, 0, AMQP_CONNECTION_CLOSE, "hshh", 200, "bye", 0, 0);
    struct peer_end *p = ask_for_all(&close);
    harness_wait(&h, SL_AMQP_LEAVE_TIMEOUT_MS + 1000);
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(answers_that_nobody_reads_are_bounded_and_come_when_they_are_read),
        UNIT(another_channel_waits_for_its_kept_frames_only),
        UNIT(a_close_behind_them_is_answered_behind_them),
        UNIT(who_never_reads_is_given_up_after_its_close),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/unread", tests);
}
