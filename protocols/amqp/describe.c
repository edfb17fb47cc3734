#include "protocols/amqp/describe.h"

#include "protocols/amqp/channel.h"
#include "protocols/amqp/consumer.h"
#include "protocols/amqp/tx.h"

static void describe_self(const struct amqp_connection *c, struct inspect_page *page);
static void describe_one(const struct amqp_channel *ch, struct inspect_page *page);
static void describe_tags(const struct amqp_channel *ch, struct inspect_page *page);

void amqp_describe(struct session *s, struct inspect_page *page)
{
    const struct amqp_connection *c = amqp_connection_of(s);

    if (s->client.vhost == NULL) /* it has not been let in */
        return;
    if (page->subject == INSPECT_CONNECTIONS) {
        describe_self(c, page);
        return;
    }
    if (s->client.is_closed) /* the core has ended its subscriptions */
        return;
    for (uint32_t i = 0; i < c->channels_room; i++) {
        const struct amqp_channel *ch = c->channels[i];

        if (ch == NULL || ch->state != AMQP_CHANNEL_IS_OPEN)
            continue;
        if (page->subject == INSPECT_CHANNELS)
            describe_one(ch, page);
        else
            describe_tags(ch, page);
    }
}

static void describe_self(const struct amqp_connection *c, struct inspect_page *page)
{
    struct described_connection *row = describe_connection(page, &c->session, c->user);

    if (row == NULL)
        return;
    row->protocol = SL_BYTES_LITERAL("AMQP 0-9-1");
    row->client_properties = inspect_copy(page, c->client_properties);
    row->channels = c->channels_open;
    row->channel_max = c->channel_max;
    row->frame_max = c->frame_max;
    row->heartbeat_s = c->heartbeat_s;
    if (c->phase != AMQP_PHASE_OPEN)
        row->state = "closing";
}

static void describe_one(const struct amqp_channel *ch, struct inspect_page *page)
{
    struct described_channel *row =
        describe_channel(page, &ch->connection->session, ch->connection->user, ch->number);

    if (row == NULL)
        return;
    row->prefetch = ch->prefetch;
    uint32_t limit = ch->group == NULL ? 0 : atomic_load(&ch->group->limit);
    row->global_prefetch = limit == SL_LOANS_PER_CHANNEL_MAX ? 0 : limit;
    row->consumers = ch->consumers.count;
    row->unacked = ch->settlement.open;
    row->is_confirming = ch->is_confirming;
    row->is_transactional = ch->tx != NULL;
    row->uncommitted_messages = ch->tx == NULL ? 0 : ch->tx->waiting.count;
    row->uncommitted_acks = ch->tx == NULL ? 0 : ch->tx->waiting.settles;
    row->unconfirmed = ch->is_confirming ? ch->published - ch->confirmed : 0;
}

static void describe_tags(const struct amqp_channel *ch, struct inspect_page *page)
{
    const struct amqp_consumer *consumer;
    size_t cursor = 0;

    while ((consumer = hash_map_next(&ch->consumers, &cursor)) != NULL)
        if (consumer->subscription != NULL)
            describe_tag(page, &ch->connection->session, ch->connection->user, ch->number,
                         consumer->subscription->cookie, amqp_consumer_tag(consumer));
}
