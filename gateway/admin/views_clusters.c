/* views_clusters.c - /clusters: cluster queues by what their names say. */
#include "core/cluster_name.h"
#include "gateway/admin/views.h"

static json_t *render_cluster(const struct view *v, const void *row);
static bool is_wanted(const struct view *v, const void *row);
static int compare_clusters(const void *row, const void *other);

static const struct list_of CLUSTERS = {INSPECT_QUEUES, is_wanted, render_cluster,
                                        compare_clusters};

unsigned view_clusters(struct view *v)
{
    return view_list(v, &CLUSTERS);
}

json_t *view_render_cluster(const struct inspect_queue *q)
{
    char room[8];
    struct text ignored = text_on(room, sizeof room);
    struct cluster_name name;
    struct sl_bytes topic;
    struct sl_bytes id;
    json_t *o = json_object();

    if (cluster_name_read(q->name, &name, &ignored) != SL_OK ||
        !cluster_name_split(q->name, &topic, &id))
        return o;
    json_put(o, "id", json_of_bytes(id));
    json_put(o, "topic", json_of_bytes(topic));
    json_put(o, "exchange", json_of_bytes(name.exchange));
    json_put(o, "pattern", json_of_bytes(name.pattern));
    return o;
}

static json_t *render_cluster(const struct view *v, const void *row)
{
    const struct inspect_queue *q = row;
    json_t *o = view_render_cluster(q);

    (void)v;
    json_put(o, "vhost", json_of_bytes(q->vhost));
    json_put(o, "name", json_of_bytes(q->name));
    json_put(o, "instances", json_of_number(q->consumers));
    json_put(o, "lag", json_of_number(q->ready + q->unacked));
    json_put(o, "messages_ready", json_of_number(q->ready));
    json_put(o, "messages_unacknowledged", json_of_number(q->unacked));
    json_put(o, "oldest_message_age", json_of_number(q->oldest_age_ms / 1000));
    json_put(o, "arguments", json_of_table(q->arguments));
    return o;
}

static bool is_wanted(const struct view *v, const void *row)
{
    const struct inspect_queue *q = row;

    return q->is_cluster &&
           (v->arguments[0].at == NULL || sl_bytes_equal(q->vhost, v->arguments[0]));
}

static int compare_clusters(const void *row, const void *other)
{
    const struct inspect_queue *a = row;
    const struct inspect_queue *b = other;
    int order = view_compare_bytes(a->vhost, b->vhost);

    return order != 0 ? order : view_compare_bytes(a->name, b->name);
}
