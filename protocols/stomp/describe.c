#include "protocols/stomp/describe.h"

#include "protocols/stomp/session.h"
#include "protocols/stomp/subscription.h"

#define ONLY_CHANNEL 1u

static void describe_self(const struct stomp_session *s, struct inspect_page *page);
static void describe_only_channel(const struct stomp_session *s, struct inspect_page *page);
static void describe_tags(const struct stomp_session *s, struct inspect_page *page);
static struct sl_bytes user_of(const struct stomp_session *s);

void stomp_describe(struct session *base, struct inspect_page *page)
{
    const struct stomp_session *s = stomp_of(base);

    if (s->phase == STOMP_NEW || s->user == NULL)
        return;
    switch (page->subject) {
    case INSPECT_CONNECTIONS: describe_self(s, page); return;
    case INSPECT_CHANNELS: describe_only_channel(s, page); return;
    default: describe_tags(s, page);
    }
}

static void describe_self(const struct stomp_session *s, struct inspect_page *page)
{
    static const char *const NAMES[] = {
        [STOMP_1_0] = "STOMP 1.0", [STOMP_1_1] = "STOMP 1.1", [STOMP_1_2] = "STOMP 1.2"};
    struct described_connection *row = describe_connection(page, &s->base, user_of(s));

    if (row == NULL)
        return;
    row->protocol = sl_bytes_of(NAMES[s->version]);
    row->channels = 1;
    row->heartbeat_s = (s->heartbeat.receive_ms + 999) / 1000;
    if (s->phase == STOMP_LEAVING)
        row->state = "closing";
}

static void describe_only_channel(const struct stomp_session *s, struct inspect_page *page)
{
    struct described_channel *row = describe_channel(page, &s->base, user_of(s), ONLY_CHANNEL);

    if (row == NULL)
        return;
    row->consumers = s->subscriptions.count;
    row->unacked = s->settlement.open;
}

static void describe_tags(const struct stomp_session *s, struct inspect_page *page)
{
    const struct stomp_subscription *sub;
    size_t cursor = 0;

    while ((sub = hash_map_next(&s->subscriptions, &cursor)) != NULL)
        if (sub->core != NULL)
            describe_tag(page, &s->base, user_of(s), ONLY_CHANNEL, sub->core->cookie, sub->tag);
}

static struct sl_bytes user_of(const struct stomp_session *s)
{
    return sl_bytes_of(s->user);
}
