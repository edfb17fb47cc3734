/*
 * Target: an AMQP session on the real core.  The first byte says whether the input begins at
 * the protocol header or on an open channel, and how it is cut into reads.
 *
 * Properties: what the session says is whole frames up to the negotiated size; it leaves no more
 * unread than it may (harness.c asserts that); when it is gone nothing of it is left.
 */
#include "core/base/assert.h"
#include "protocols/amqp/frame.h"
#include "tests/support/harness.h"

#define FRAME_BYTES_MAX 131072u

static const uint8_t HEADER[] = "AMQP\0\0\11\1";
static const uint8_t LOGIN[] =
    "AMQP\0\0\11\1"
    /* start-ok: no properties, PLAIN, \0guest\0guest, en_US */
    "\1\0\0\0\0\0\44\0\12\0\13\0\0\0\0\5PLAIN\0\0\0\14\0guest\0guest\5en_US\xce"
    /* tune-ok: 100 channels, frames of 4096, no heartbeat */
    "\1\0\0\0\0\0\14\0\12\0\37\0\144\0\0\20\0\0\0\xce"
    /* open "/", channel.open 1 */
    "\1\0\0\0\0\0\10\0\12\0\50\1/\0\0\xce"
    "\1\0\1\0\0\0\5\0\24\0\12\0\xce"
    /* queue.declare "q" on channel 1 */
    "\1\0\1\0\0\0\15\0\62\0\12\0\0\1q\0\0\0\0\0\xce";

static void log_in(struct peer_end *p);
static void check_heard(const struct peer_end *p);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct harness h;
    struct sl_bytes in = {data, len};

    if (len == 0)
        return 0;
    size_t step = (size_t)(data[0] >> 1) + 1;
    harness_init(&h, 64u << 20);
    struct peer_end *p = harness_connect(&h, &amqp_protocol);
    if (data[0] & 1)
        log_in(p);
    for (in = sl_bytes_skip(in, 1); in.len != 0 && p->session != NULL;) {
        size_t n = in.len < step ? in.len : step;
        harness_feed(p, (struct sl_bytes){in.at, n});
        if (data[0] & 2)
            harness_settle(&h);
        in = sl_bytes_skip(in, n);
    }
    harness_settle(&h);
    check_heard(p);
    harness_deinit(&h);
    return 0;
}

static void log_in(struct peer_end *p)
{
    harness_send(p, (struct sl_bytes){LOGIN, sizeof LOGIN - 1});
    SL_ASSERT(p->session != NULL && !p->session->is_ending);
}

static void check_heard(const struct peer_end *p)
{
    struct sl_bytes heard = harness_heard(p);
    struct amqp_frame frame;
    const char *why;
    size_t used;

    if (sl_bytes_equal(heard, (struct sl_bytes){HEADER, sizeof HEADER - 1}))
        return;
    for (; heard.len != 0; heard = sl_bytes_skip(heard, used))
        SL_ASSERT(amqp_frame_decode(heard, FRAME_BYTES_MAX, &frame, &used, &why) == SL_OK);
}
