#include "protocols/stomp/describe.h"

#include "tests/support/harness.h"
#include "tests/support/unit.h"

static struct harness h;

static void say(struct peer_end *p, const char *text)
{
    harness_send(p, (struct sl_bytes){(const uint8_t *)text, strlen(text) + 1});
}

static struct inspect_page *describe(struct peer_end *p, enum inspect_subject subject)
{
    struct inspect_page *page = inspect_page_new(subject, 0, 1, NULL);

    p->session->protocol->describe(p->session, page);
    return page;
}

static void who_has_not_logged_in_says_nothing(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = harness_connect(&h, &stomp_protocol);
    struct inspect_page *page = describe(p, INSPECT_CONNECTIONS);
    CU_ASSERT_PTR_NULL(page->first);
    inspect_page_free(page);
    harness_deinit(&h);
}

static void a_connection_has_one_channel_and_its_subscriptions(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = harness_connect(&h, &stomp_protocol);
    say(p, "CONNECT\naccept-version:1.1\nhost:/\nheart-beat:0,1500\n\n");
    say(p, "SUBSCRIBE\nid:7\ndestination:/queue/q\nack:client\n\n");
    say(p, "SEND\ndestination:/queue/q\n\nx");

    struct inspect_page *page = describe(p, INSPECT_CONNECTIONS);
    const struct described_connection *c = (const struct described_connection *)page->first;
    CU_ASSERT_FATAL(c != NULL && page->count == 1);
    CU_ASSERT(sl_bytes_are(c->protocol, "STOMP 1.1") && sl_bytes_are(c->session.user, "guest"));
    CU_ASSERT(c->channels == 1 && c->frame_max == 0);
    inspect_page_free(page);

    page = describe(p, INSPECT_CHANNELS);
    const struct described_channel *ch = (const struct described_channel *)page->first;
    CU_ASSERT_FATAL(ch != NULL && page->count == 1);
    CU_ASSERT(ch->number == 1 && ch->consumers == 1 && ch->unacked == 1);
    inspect_page_free(page);

    page = describe(p, INSPECT_TAGS);
    const struct described_tag *tag = (const struct described_tag *)page->first;
    CU_ASSERT_FATAL(tag != NULL && page->count == 1);
    CU_ASSERT(sl_bytes_are(tag->tag, "T_7"));
    inspect_page_free(page);
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(who_has_not_logged_in_says_nothing),
        UNIT(a_connection_has_one_channel_and_its_subscriptions),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/stomp/describe", tests);
}
