#include "protocols/session.h"
#include "tests/support/stomp_peer.h"
#include "tests/support/unit.h"

static struct harness h;

/* As a shard would, for the consumer of the peer's only subscription, or of one before it in the same
 * place. */
static void tell_overdue(struct peer_end *p, bool is_of_another)
{
    struct overdue_mail mail = {.mail = {.kind = MAIL_OVERDUE}, .timeout_ms = 1000};
    uint32_t cursor = 0;
    const struct subscription *sub = slot_table_next(&p->session->client.subscriptions, &cursor);

    CU_ASSERT_PTR_NOT_NULL_FATAL(sub);
    mail.consumer = sub->consumer;
    mail.cookie = is_of_another ? sub->cookie ^ 1u << 31 : sub->cookie;
    session_on_mail(p->session, &mail.mail);
    harness_settle(&h);
}

static void what_is_said_of_a_subscription_that_has_ended_is_nothing(void)
{
    stomp_begin(&h);
    struct peer_end *p = stomp_log_in(&h);
    stomp_say(p, "SUBSCRIBE\nid:s\ndestination:/queue/q\nack:client\nreceipt:r\n\n@");
    CU_ASSERT_PTR_NOT_NULL(strstr(stomp_heard(p), "RECEIPT"));
    tell_overdue(p, true);
    CU_ASSERT_PTR_NULL(strstr(stomp_heard(p), "ERROR"));
    tell_overdue(p, false);
    CU_ASSERT_PTR_NOT_NULL(strstr(stomp_heard(p), "Timeout value used: 1000 ms"));
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_said_of_a_subscription_that_has_ended_is_nothing),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/stomp/overdue", tests);
}
