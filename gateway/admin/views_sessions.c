/* views_sessions.c - /connections, /channels and /consumers. */
#include "gateway/admin/views.h"

#include "core/table.h"

#include <stdio.h>

static json_t *render_connection(const struct view *v, const void *row);
static json_t *render_channel(const struct view *v, const void *row);
static json_t *arguments_of(const struct inspect_consumer *c);
static json_t *channel_details(const struct view *v, const struct described_session *s,
                               uint32_t number);
static void put_address(json_t *o, const char *host_name, const char *port_name,
                        struct sl_bytes address);
static json_t *connection_name(const struct described_session *s);
static json_t *channel_name(const struct described_session *s, uint32_t number);
static bool name_is(json_t *name, struct sl_bytes wanted);

static bool connection_is_of_user(const struct view *v, const void *row);
static bool connection_is_in_vhost(const struct view *v, const void *row);
static bool channel_is_in_vhost(const struct view *v, const void *row);
static bool channel_is_of_connection(const struct view *v, const void *row);
static bool consumer_is_in_vhost(const struct view *v, const void *row);
static int compare_sessions(const struct described_session *a, const struct described_session *b);
static int compare_connections(const void *row, const void *other);
static int compare_channels(const void *row, const void *other);
static int compare_consumers(const void *row, const void *other);
static unsigned list_connections(struct view *v,
                                 bool (*wants)(const struct view *v, const void *row));
static unsigned list_channels(struct view *v, bool (*wants)(const struct view *v, const void *row));
static const struct described_connection *find_connection(const struct view *v);

unsigned view_connections(struct view *v)
{
    return list_connections(v, NULL);
}

unsigned view_connections_of_user(struct view *v)
{
    return list_connections(v, connection_is_of_user);
}

unsigned view_connections_of_vhost(struct view *v)
{
    return list_connections(v, connection_is_in_vhost);
}

unsigned view_connection(struct view *v)
{
    const struct described_connection *c = find_connection(v);

    return c == NULL ? view_not_found(v) : view_object(v, render_connection(v, c));
}

unsigned view_channels(struct view *v)
{
    return list_channels(v, NULL);
}

unsigned view_channels_of_vhost(struct view *v)
{
    return list_channels(v, channel_is_in_vhost);
}

unsigned view_channels_of_connection(struct view *v)
{
    if (find_connection(v) == NULL)
        return view_not_found(v);
    return list_channels(v, channel_is_of_connection);
}

unsigned view_channel(struct view *v)
{
    struct findings_cursor at = {0};
    const struct described_channel *c;

    while ((c = findings_next(v->found, INSPECT_CHANNELS, &at)) != NULL)
        if (name_is(channel_name(&c->session, c->number), v->arguments[0]))
            return view_object(v, render_channel(v, c));
    return view_not_found(v);
}

unsigned view_consumers(struct view *v)
{
    static const struct list_of ALL = {INSPECT_CONSUMERS, NULL, view_render_consumer,
                                       compare_consumers};

    view_see_tags(v);
    return view_list(v, &ALL);
}

unsigned view_consumers_of_vhost(struct view *v)
{
    static const struct list_of OF_VHOST = {INSPECT_CONSUMERS, consumer_is_in_vhost,
                                            view_render_consumer, compare_consumers};

    view_see_tags(v);
    return view_list(v, &OF_VHOST);
}

json_t *view_render_consumer(const struct view *v, const void *row)
{
    const struct inspect_consumer *c = row;
    struct sl_bytes key = {(const uint8_t *)&c->key, sizeof c->key};
    const struct described_tag *tag = hash_map_get(&v->seen, key);
    json_t *o = json_object();

    json_put(
        o, "queue",
        json_pack("{s:o, s:o}", "name", json_of_bytes(c->queue), "vhost", json_of_bytes(c->vhost)));
    if (tag != NULL) { /* else it came or went between the two answers */
        json_put(o, "consumer_tag", json_of_bytes(tag->tag));
        json_put(o, "channel_details", channel_details(v, &tag->session, tag->channel));
    }
    json_put(o, "ack_required", json_boolean(!c->is_no_ack));
    json_put(o, "exclusive", json_boolean(c->is_exclusive));
    json_put(o, "prefetch_count", json_of_number(c->prefetch));
    json_put(o, "active", json_boolean(c->is_active));
    json_put(o, "activity_status",
             json_string(c->is_single   ? "single_active"
                         : c->is_active ? "up"
                                        : "waiting"));
    json_put(o, "arguments", arguments_of(c));
    return o;
}

static json_t *arguments_of(const struct inspect_consumer *c)
{
    json_t *o = json_object();

    if (c->priority != 0)
        json_put(o, "x-priority", json_integer(c->priority));
    return o;
}

json_t *view_render_address(const struct described_session *s)
{
    json_t *o = json_object();

    json_put(o, "name", connection_name(s));
    put_address(o, "peer_host", "peer_port", s->peer);
    return o;
}

/* Without memory the list lacks what it would have been joined with. */
void view_see_tags(struct view *v)
{
    struct findings_cursor at = {0};
    const struct described_tag *tag;

    while ((tag = findings_next(v->found, INSPECT_TAGS, &at)) != NULL) {
        struct sl_bytes key = {(const uint8_t *)&tag->key, sizeof tag->key};
        if (hash_map_get(&v->seen, key) == NULL &&
            hash_map_put(&v->seen, key, (void *)(uintptr_t)tag) != SL_OK)
            return;
    }
}

void view_see_connections(struct view *v)
{
    struct findings_cursor at = {0};
    const struct described_connection *c;

    while ((c = findings_next(v->found, INSPECT_CONNECTIONS, &at)) != NULL) {
        struct sl_bytes key = {(const uint8_t *)&c->session.handle, sizeof c->session.handle};
        if (hash_map_get(&v->seen, key) == NULL &&
            hash_map_put(&v->seen, key, (void *)(uintptr_t)c) != SL_OK)
            return;
    }
}

static json_t *render_connection(const struct view *v, const void *row)
{
    const struct described_connection *c = row;
    struct table_value value;
    struct sl_bytes given;
    json_t *o = view_render_address(&c->session);

    put_address(o, "host", "port", c->session.local);
    json_put(o, "node", json_string(v->facts->node));
    json_put(o, "user", json_of_bytes(c->session.user));
    json_put(o, "user_who_performed_action", json_of_bytes(c->session.user));
    json_put(o, "vhost", json_of_bytes(c->session.vhost));
    json_put(o, "protocol", json_of_bytes(c->protocol));
    json_put(o, "type", json_string("network"));
    json_put(o, "state", json_string(c->state));
    json_put(o, "ssl", json_false());
    json_put(o, "channels", json_of_number(c->channels));
    if (c->frame_max != 0) { /* else the protocol has no such thing */
        json_put(o, "channel_max", json_of_number(c->channel_max));
        json_put(o, "frame_max", json_of_number(c->frame_max));
    }
    json_put(o, "timeout", json_of_number(c->heartbeat_s));
    json_put(o, "connected_at", json_of_number(c->opened_ms));
    json_put(o, "client_properties", json_of_table(c->client_properties));
    if (c->client_properties.len != 0 &&
        table_find(c->client_properties, "connection_name", &value) &&
        table_value_string(value, &given))
        json_put(o, "user_provided_name", json_of_bytes(given));
    json_put(o, "send_oct", json_of_number(c->bytes_out));
    json_put(o, "send_pend", json_of_number(c->bytes_waiting));
    return o;
}

static json_t *render_channel(const struct view *v, const void *row)
{
    const struct described_channel *c = row;
    json_t *o = json_object();

    json_put(o, "name", channel_name(&c->session, c->number));
    json_put(o, "number", json_of_number(c->number));
    json_put(o, "user", json_of_bytes(c->session.user));
    json_put(o, "vhost", json_of_bytes(c->session.vhost));
    json_put(o, "node", json_string(v->facts->node));
    json_put(o, "connection_details", view_render_address(&c->session));
    json_put(o, "state", json_string(c->state));
    json_put(o, "prefetch_count", json_of_number(c->prefetch));
    json_put(o, "global_prefetch_count", json_of_number(c->global_prefetch));
    json_put(o, "consumer_count", json_of_number(c->consumers));
    json_put(o, "messages_unacknowledged", json_of_number(c->unacked));
    json_put(o, "messages_unconfirmed", json_of_number(c->unconfirmed));
    json_put(o, "messages_uncommitted", json_of_number(c->uncommitted_messages));
    json_put(o, "acks_uncommitted", json_of_number(c->uncommitted_acks));
    json_put(o, "confirm", json_boolean(c->is_confirming));
    json_put(o, "transactional", json_boolean(c->is_transactional));
    return o;
}

static json_t *channel_details(const struct view *v, const struct described_session *s,
                               uint32_t number)
{
    json_t *o = json_object();

    json_put(o, "name", channel_name(s, number));
    json_put(o, "number", json_of_number(number));
    json_put(o, "user", json_of_bytes(s->user));
    json_put(o, "node", json_string(v->facts->node));
    json_put(o, "connection_name", connection_name(s));
    put_address(o, "peer_host", "peer_port", s->peer);
    return o;
}

/* "127.0.0.1:4711", "[::1]:4711" */
static void put_address(json_t *o, const char *host_name, const char *port_name,
                        struct sl_bytes address)
{
    const uint8_t *colon = address.len == 0 ? NULL : memrchr(address.at, ':', address.len);
    struct sl_bytes host = {address.at, colon == NULL ? 0 : (size_t)(colon - address.at)};
    uint32_t port = 0;

    for (size_t i = host.len + 1; i < address.len; i++)
        port = port * 10 + (address.at[i] - '0');
    if (host.len >= 2 && host.at[0] == '[')
        host = (struct sl_bytes){host.at + 1, host.len - 2};
    json_put(o, host_name, json_of_bytes(host));
    json_put(o, port_name, json_of_number(port));
}

static json_t *connection_name(const struct described_session *s)
{
    return json_sprintf("%.*s -> %.*s", (int)s->peer.len, (const char *)s->peer.at,
                        (int)s->local.len, (const char *)s->local.at);
}

static json_t *channel_name(const struct described_session *s, uint32_t number)
{
    return json_sprintf("%.*s -> %.*s (%u)", (int)s->peer.len, (const char *)s->peer.at,
                        (int)s->local.len, (const char *)s->local.at, number);
}

/* Takes name. */
static bool name_is(json_t *name, struct sl_bytes wanted)
{
    bool is_that = name != NULL && sl_bytes_are(wanted, json_string_value(name));

    json_decref(name);
    return is_that;
}

static bool connection_is_of_user(const struct view *v, const void *row)
{
    const struct described_connection *c = row;

    return sl_bytes_equal(c->session.user, v->arguments[0]);
}

static bool connection_is_in_vhost(const struct view *v, const void *row)
{
    const struct described_connection *c = row;

    return sl_bytes_equal(c->session.vhost, v->arguments[0]);
}

static bool channel_is_in_vhost(const struct view *v, const void *row)
{
    const struct described_channel *c = row;

    return sl_bytes_equal(c->session.vhost, v->arguments[0]);
}

static bool channel_is_of_connection(const struct view *v, const void *row)
{
    const struct described_channel *c = row;

    return name_is(connection_name(&c->session), v->arguments[0]);
}

static bool consumer_is_in_vhost(const struct view *v, const void *row)
{
    const struct inspect_consumer *c = row;

    return sl_bytes_equal(c->vhost, v->arguments[0]);
}

static int compare_sessions(const struct described_session *a, const struct described_session *b)
{
    int order = view_compare_bytes(a->peer, b->peer);

    return order != 0 ? order : view_compare_bytes(a->local, b->local);
}

static int compare_connections(const void *row, const void *other)
{
    const struct described_connection *a = row;
    const struct described_connection *b = other;

    return compare_sessions(&a->session, &b->session);
}

static int compare_channels(const void *row, const void *other)
{
    const struct described_channel *a = row;
    const struct described_channel *b = other;
    int order = compare_sessions(&a->session, &b->session);

    return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

static int compare_consumers(const void *row, const void *other)
{
    const struct inspect_consumer *a = row;
    const struct inspect_consumer *b = other;
    int order = view_compare_bytes(a->vhost, b->vhost);

    if (order == 0)
        order = view_compare_bytes(a->queue, b->queue);
    return order != 0 ? order : memcmp(&a->key, &b->key, sizeof a->key);
}

static unsigned list_connections(struct view *v,
                                 bool (*wants)(const struct view *v, const void *row))
{
    struct list_of list = {INSPECT_CONNECTIONS, wants, render_connection, compare_connections};

    return view_list(v, &list);
}

static unsigned list_channels(struct view *v, bool (*wants)(const struct view *v, const void *row))
{
    struct list_of list = {INSPECT_CHANNELS, wants, render_channel, compare_channels};

    return view_list(v, &list);
}

static const struct described_connection *find_connection(const struct view *v)
{
    struct findings_cursor at = {0};
    const struct described_connection *c;

    while ((c = findings_next(v->found, INSPECT_CONNECTIONS, &at)) != NULL)
        if (name_is(connection_name(&c->session), v->arguments[0]))
            return c;
    return NULL;
}
