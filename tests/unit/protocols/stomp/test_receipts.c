/* RECEIPTs that wait for the disk are bounded; a session that is owed too many is not read on. */
#include "protocols/stomp/session.h"

#include "tests/support/stomp_peer.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define FRAMES 100u
#define RECEIPT_BYTES (60u * 1024) /* all of them are more than may ever be owed */

static struct harness h;

/* A frame whose receipt is the letter, so many times. */
static void say_with_receipt(struct peer_end *p, const char *frame, char letter)
{
    static char bytes[RECEIPT_BYTES + 256];
    int n = snprintf(bytes, sizeof bytes, "%s\nreceipt:", frame);

    memset(bytes + n, letter, RECEIPT_BYTES);
    memcpy(bytes + n + RECEIPT_BYTES, "\n\n", 3);
    harness_send(p, (struct sl_bytes){(uint8_t *)bytes, (size_t)n + RECEIPT_BYTES + 3});
}

static unsigned receipts_heard(struct peer_end *p)
{
    static const char MARK[] = "RECEIPT\nreceipt-id:";
    struct sl_bytes left = harness_heard(p);
    const uint8_t *at;
    unsigned count = 0;

    while (left.len != 0 && (at = memmem(left.at, left.len, MARK, sizeof MARK - 1)) != NULL) {
        left = sl_bytes_skip(left, (size_t)(at - left.at) + sizeof MARK - 1);
        count++;
    }
    return count;
}

/* The first receipt waits for the disk, and all others for the first. */
static struct peer_end *owe_many(const char *frame)
{
    struct peer_end *p = stomp_log_in(&h);

    stomp_say(p, "SEND\ndestination:/queue/q\n\nx@");
    harness_sync(&h); /* the queue is there */
    harness_forget(p);
    stomp_say(p, "SEND\ndestination:/queue/q\npersistent:true\nreceipt:first\n\nx@");
    for (unsigned i = 0; i < FRAMES; i++)
        say_with_receipt(p, frame, (char)('a' + i % 26));
    return p;
}

static void a_session_that_is_owed_too_much_is_not_read(void)
{
    static const char *const FRAME[] = {"BEGIN\ntransaction:t", "SEND\ndestination:/queue/q",
                                        "SEND\ndestination:/queue/q\npersistent:true"};
    char dir[HARNESS_DIR_BYTES];

    harness_make_dir(dir);
    harness_init_on(&h, 1 << 30, dir);
    for (size_t i = 0; i < sizeof FRAME / sizeof FRAME[0]; i++) {
        struct peer_end *p = owe_many(FRAME[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p->session);
        CU_ASSERT_EQUAL(p->heard.len, 0);
        CU_ASSERT_TRUE(p->session->is_parked);
        for (unsigned n = 0; n < FRAMES && p->unread.len != 0; n++)
            harness_sync(&h);
        harness_sync(&h);
        CU_ASSERT_EQUAL(receipts_heard(p), FRAMES + 1);
        CU_ASSERT_FALSE(p->session->is_parked);
        harness_hang_up(p);
    }
    harness_deinit(&h);
    harness_remove_dir(dir);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_session_that_is_owed_too_much_is_not_read),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/stomp/receipts", tests);
}
