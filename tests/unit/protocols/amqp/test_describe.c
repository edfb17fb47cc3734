#include "protocols/amqp/describe.h"

#include "core/table.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/properties_maker.h"
#include "tests/support/unit.h"

static struct harness h;

static struct inspect_page *describe(struct peer_end *p, enum inspect_subject subject)
{
    struct inspect_page *page = inspect_page_new(subject, 0, 1, NULL);

    p->session->protocol->describe(p->session, page);
    return page;
}

static void who_has_not_logged_in_says_nothing(void)
{
    static const enum inspect_subject ALL[] = {INSPECT_CONNECTIONS, INSPECT_CHANNELS, INSPECT_TAGS};

    harness_init(&h, 1 << 30);
    struct peer_end *fresh = amqp_connect(&h);
    struct peer_end *half = amqp_login(&h, table_empty);
    for (size_t i = 0; i < 3; i++) {
        struct inspect_page *page = describe(fresh, ALL[i]);
        half->session->protocol->describe(half->session, page);
        CU_ASSERT_PTR_NULL(page->first);
        inspect_page_free(page);
    }
    harness_deinit(&h);
}

static void a_connection_says_who_and_how(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    struct inspect_page *page = describe(p, INSPECT_CONNECTIONS);
    const struct described_connection *c = (const struct described_connection *)page->first;
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(sl_bytes_are(c->protocol, "AMQP 0-9-1"));
    CU_ASSERT(sl_bytes_are(c->session.user, "guest") && sl_bytes_are(c->session.vhost, "/"));
    CU_ASSERT(sl_handle_equal(c->session.handle, p->session->client.handle));
    CU_ASSERT_EQUAL(c->channels, 1);
    CU_ASSERT(c->frame_max >= 4096 && c->bytes_out > 0);
    CU_ASSERT_STRING_EQUAL(c->state, "running");
    inspect_page_free(page);
    harness_deinit(&h);
}

static void a_channel_says_what_it_holds(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_say(p, 1, AMQP_CONFIRM_SELECT, "o", 0);
    amqp_say(p, 1, AMQP_BASIC_QOS, "lho", 0, 3, 0);
    amqp_say(p, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "q", "my tag", 0);
    amqp_publish(p, 1, "", "q", 0, sl_bytes_of("x"));
    amqp_publish(p, 1, "", "q", 0, sl_bytes_of("y"));

    struct inspect_page *page = describe(p, INSPECT_CHANNELS);
    const struct described_channel *c = (const struct described_channel *)page->first;
    CU_ASSERT_FATAL(c != NULL && page->count == 1);
    CU_ASSERT(c->number == 1 && c->prefetch == 3 && c->global_prefetch == 0);
    CU_ASSERT(c->consumers == 1 && c->unacked == 2 && c->is_confirming && c->unconfirmed == 0);
    inspect_page_free(page);

    page = describe(p, INSPECT_TAGS);
    const struct described_tag *tag = (const struct described_tag *)page->first;
    CU_ASSERT_FATAL(tag != NULL && page->count == 1);
    CU_ASSERT(sl_bytes_are(tag->tag, "my tag") && tag->channel == 1);
    inspect_page_free(page);
    harness_deinit(&h);
}

static void a_connection_that_was_told_to_close_has_no_consumers(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_say(p, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "q", "my tag", 0);
    amqp_expect(p, 1, AMQP_BASIC_CONSUME_OK);
    amqp_say(p, 1, AMQP_CHANNEL_FLOW, "o", 0);
    amqp_expect_close(p, 0, 540, "NOT_IMPLEMENTED - active=false");

    struct inspect_page *page = describe(p, INSPECT_CONNECTIONS);
    const struct described_connection *c = (const struct described_connection *)page->first;
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_STRING_EQUAL(c->state, "closing");
    inspect_page_free(page);
    page = describe(p, INSPECT_TAGS);
    CU_ASSERT_PTR_NULL(page->first);
    inspect_page_free(page);
    page = describe(p, INSPECT_CHANNELS);
    CU_ASSERT_PTR_NULL(page->first);
    inspect_page_free(page);
    harness_deinit(&h);
}

/* For as long as what it asked for is not done. */
static void a_connection_that_is_leaving_is_listed(void)
{
    char dir[HARNESS_DIR_BYTES];
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    struct properties_maker m;

    harness_make_dir(dir);
    harness_init_on(&h, 1 << 30, dir);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 2); /* durable */
    harness_sync(&h);
    amqp_say(p, 1, AMQP_CONFIRM_SELECT, "o", 0);
    amqp_write_publish(&bytes, 1, "", "q", 0, properties_of_header(&m, "a", "b", true),
                       sl_bytes_of("x"));
    amqp_say_bytes(p, &bytes);
    amqp_say(p, 0, AMQP_CONNECTION_CLOSE, "hshh", 200, "bye", 0, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p->session);

    struct inspect_page *page = describe(p, INSPECT_CONNECTIONS);
    const struct described_connection *c = (const struct described_connection *)page->first;
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_STRING_EQUAL(c->state, "closing");
    inspect_page_free(page);
    page = describe(p, INSPECT_CHANNELS);
    const struct described_channel *channel = (const struct described_channel *)page->first;
    CU_ASSERT_FATAL(channel != NULL);
    CU_ASSERT_EQUAL(channel->unconfirmed, 1);
    inspect_page_free(page);

    harness_sync(&h);
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
    harness_remove_dir(dir);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(who_has_not_logged_in_says_nothing),
        UNIT(a_connection_says_who_and_how),
        UNIT(a_channel_says_what_it_holds),
        UNIT(a_connection_that_is_leaving_is_listed),
        UNIT(a_connection_that_was_told_to_close_has_no_consumers),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/describe", tests);
}
