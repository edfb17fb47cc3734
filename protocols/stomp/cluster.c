#include "protocols/stomp/cluster.h"

#include "protocols/stomp/durable.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/session.h"

#include <stdlib.h>

#define REASON_BYTES_MAX 512u

struct said { /* of a SUBSCRIBE; at is NULL: not said */
    struct sl_bytes in_name;
    struct sl_bytes in_header;
};

static struct sl_bytes id_of(const struct stomp_headers *h);
static bool read_destination(struct stomp_session *s, const struct stomp_frame *f,
                             struct stomp_destination *d, struct said *said);
static bool unescape_at(struct stomp_session *s, const struct stomp_frame *f,
                        struct sl_bytes *name);
static bool check_frame(struct stomp_session *s, const struct stomp_frame *f,
                        const struct said *said, const char *against);
static const char *what_is_against(const struct stomp_headers *h);
static enum stomp_cluster refuse(struct stomp_session *s, const struct stomp_frame *f,
                                 const char *reason);

enum stomp_cluster stomp_cluster_of_subscribe(struct stomp_session *s, const struct stomp_frame *f,
                                              struct stomp_destination *d, struct cluster_name *out)
{
    struct said said = {.in_header = id_of(&f->headers)};
    const char *against = what_is_against(&f->headers);
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);
    struct sl_bytes id = {NULL, 0};

    if (!read_destination(s, f, d, &said) || !check_frame(s, f, &said, against))
        return STOMP_CLUSTER_REFUSED;
    if (said.in_name.at != NULL)
        id = said.in_name;
    else if (said.in_header.at != NULL)
        id = said.in_header;
    else if (against == NULL && !stomp_destination_is_queue(d))
        id = s->base.client.cluster_id;
    if (id.at == NULL)
        return STOMP_NO_CLUSTER;
    if (stomp_destination_is_queue(d))
        return refuse(s, f, "'cluster-id' goes with /topic and /exchange only");
    if (cluster_name_make(d->exchange, d->key, id, out, &reason) != SL_OK)
        return refuse(s, f, room);
    return STOMP_CLUSTER;
}

bool stomp_cluster_resolve_queue(struct stomp_session *s, const struct stomp_frame *f,
                                 struct stomp_destination *d)
{
    const char *topic_exchange = s->base.env->settings->stomp_topic_exchange;
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);
    struct cluster_name name;
    struct sl_bytes pattern;
    struct sl_bytes id;

    if (d->kind != STOMP_TO_QUEUE || !cluster_name_split_virtual(d->key, &id, &pattern))
        return true;
    if (cluster_name_make(sl_bytes_of(topic_exchange), pattern, id, &name, &reason) != SL_OK) {
        refuse(s, f, room);
        return false;
    }
    uint8_t *at = arena_take(&s->base.env->arena, name.own.len);
    if (at == NULL) {
        stomp_fail_with(s, f->receipt, SL_ENOMEM, "out of memory");
        return false;
    }
    memcpy(at, name.own.at, name.own.len);
    d->key = (struct sl_bytes){at, name.own.len};
    d->is_cluster = true;
    return true;
}

bool stomp_cluster_of_connection(struct stomp_session *s, const struct stomp_headers *h)
{
    struct sl_bytes id = id_of(h);
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    if (id.at == NULL)
        return true;
    if (cluster_id_check(id, &reason) != SL_OK) {
        stomp_refuse(s, STOMP_NO_RECEIPT, "Bad CONNECT", room);
        return false;
    }
    free(s->cluster_id); /* of a CONNECT that was refused further on */
    s->cluster_id = strndup((const char *)id.at, id.len);
    if (s->cluster_id == NULL) {
        stomp_fail_with(s, STOMP_NO_RECEIPT, SL_ENOMEM, "out of memory");
        return false;
    }
    s->base.client.cluster_id = sl_bytes_of(s->cluster_id);
    return true;
}

/* at is NULL where there is no such header, and only there. */
static struct sl_bytes id_of(const struct stomp_headers *h)
{
    const struct stomp_header *found = stomp_find(h, "cluster-id");

    if (found == NULL)
        return (struct sl_bytes){NULL, 0};
    return found->value.len == 0 ? SL_BYTES_LITERAL("") : found->value;
}

/* What is before the last @ is a destination of its own. */
static bool read_destination(struct stomp_session *s, const struct stomp_frame *f,
                             struct stomp_destination *d, struct said *said)
{
    const char *topic_exchange = s->base.env->settings->stomp_topic_exchange;
    struct sl_bytes text = stomp_value(&f->headers, "destination");
    struct sl_bytes pattern;
    struct sl_bytes before;
    const char *why;

    if (d->kind == STOMP_TO_QUEUE && cluster_name_split_virtual(d->key, &said->in_name, &pattern)) {
        d->kind = STOMP_TO_TOPIC;
        d->exchange = sl_bytes_of(topic_exchange);
        d->key = pattern;
        return true;
    }
    if (stomp_destination_is_queue(d) ||
        !atomic_load_explicit(&s->base.client.vhost->has_cluster_names, memory_order_relaxed))
        return true;
    if (cluster_name_split(text, &before, &said->in_name) &&
        stomp_destination_parse(before, topic_exchange, &s->base.env->arena, d, &why) != SL_OK) {
        refuse(s, f, "the name of a cluster queue has something before its last @");
        return false;
    }
    return (d->kind == STOMP_TO_TOPIC || unescape_at(s, f, &d->exchange)) &&
           unescape_at(s, f, &d->key);
}

static bool unescape_at(struct stomp_session *s, const struct stomp_frame *f, struct sl_bytes *name)
{
    if (name->len == 0 || memchr(name->at, '%', name->len) == NULL)
        return true;
    uint8_t *to = arena_take(&s->base.env->arena, name->len);
    size_t n = 0;

    if (to == NULL) {
        stomp_fail_with(s, f->receipt, SL_ENOMEM, "out of memory");
        return false;
    }
    for (struct sl_bytes left = *name; left.len != 0;) {
        bool is_at = sl_bytes_begin(left, "%40");

        to[n++] = is_at ? '@' : left.at[0];
        left = sl_bytes_skip(left, is_at ? 3 : 1);
    }
    *name = (struct sl_bytes){to, n};
    return true;
}

/* False: the frame contradicts itself, which was answered. */
static bool check_frame(struct stomp_session *s, const struct stomp_frame *f,
                        const struct said *said, const char *against)
{
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    if (said->in_name.at == NULL && said->in_header.at == NULL)
        return true;
    if (against != NULL)
        text_add(&reason, "'%s' does not go with a ClusterID on the same frame", against);
    else if (said->in_name.at != NULL && said->in_header.at != NULL &&
             !sl_bytes_equal(said->in_name, said->in_header))
        text_add(&reason, "'destination' and 'cluster-id' say different ClusterIDs");
    else
        return true;
    refuse(s, f, room);
    return false;
}

/* Who asks for one of these asks for a queue of its own kind.  NULL: nothing. */
static const char *what_is_against(const struct stomp_headers *h)
{
    struct sl_bytes name;
    const char *named_by = stomp_durable_name(h, &name);

    if (named_by != NULL)
        return named_by;
    if (stomp_find(h, "x-queue-name") != NULL)
        return "x-queue-name";
    if (stomp_bool(h, "durable", false))
        return "durable";
    if (stomp_bool(h, "persistent", false))
        return "persistent";
    if (stomp_bool(h, "exclusive", false))
        return "exclusive";
    return stomp_bool(h, "auto-delete", false) ? "auto-delete" : NULL;
}

static enum stomp_cluster refuse(struct stomp_session *s, const struct stomp_frame *f,
                                 const char *reason)
{
    stomp_refuse(s, f->receipt, "Invalid ClusterID", reason);
    return STOMP_CLUSTER_REFUSED;
}
