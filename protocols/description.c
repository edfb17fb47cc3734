#include "protocols/description.h"

static struct described_session name_session(struct inspect_page *page, const struct session *s,
                                             struct sl_bytes user);
static const char *state_of(const struct session *s);

struct described_connection *describe_connection(struct inspect_page *page, const struct session *s,
                                                 struct sl_bytes user)
{
    struct described_connection *row = inspect_row_new(page, sizeof *row);

    if (row == NULL)
        return NULL;
    row->session = name_session(page, s, user);
    row->state = state_of(s);
    row->opened_ms = s->opened_ms;
    row->bytes_out = s->out.taken;
    row->bytes_waiting = outbox_bytes(&s->out);
    return row;
}

struct described_channel *describe_channel(struct inspect_page *page, const struct session *s,
                                           struct sl_bytes user, uint32_t number)
{
    struct described_channel *row = inspect_row_new(page, sizeof *row);

    if (row == NULL)
        return NULL;
    row->session = name_session(page, s, user);
    row->number = number;
    row->state = state_of(s);
    return row;
}

void describe_tag(struct inspect_page *page, const struct session *s, struct sl_bytes user,
                  uint32_t channel, uint32_t cookie, struct sl_bytes tag)
{
    struct described_tag *row = inspect_row_new(page, sizeof *row);

    if (row == NULL)
        return;
    row->key = (struct inspect_consumer_key){s->client.handle, cookie};
    row->session = name_session(page, s, user);
    row->channel = channel;
    row->tag = inspect_copy(page, tag);
}

static struct described_session name_session(struct inspect_page *page, const struct session *s,
                                             struct sl_bytes user)
{
    return (struct described_session){
        .handle = s->client.handle,
        .peer = inspect_copy_text(page, s->peer),
        .local = inspect_copy_text(page, s->local),
        .user = inspect_copy(page, user),
        .vhost = s->client.vhost == NULL ? (struct sl_bytes){NULL, 0}
                                         : inspect_copy(page, s->client.vhost->name),
    };
}

static const char *state_of(const struct session *s)
{
    if (s->is_ending)
        return "closing";
    if (!s->is_held)
        return "running";
    return *broker_held_reason(&s->client) != '\0' ? "blocked" : "flow";
}
