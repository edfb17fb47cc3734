/* views_queues.c - /queues. */
#include "gateway/admin/views.h"

#include "core/table.h"

static json_t *render_queue(const struct view *v, const void *row);
static void put_dedup(json_t *o, const struct dedup_figures *figures);
static json_t *type_of(const struct inspect_queue *q);
static void put_owner(json_t *o, const struct view *v, const struct inspect_queue *q);
static json_t *consumer_details(const struct view *v);
static bool is_in_vhost(const struct view *v, const void *row);
static int compare_queues(const void *row, const void *other);

static const struct list_of QUEUES = {INSPECT_QUEUES, is_in_vhost, render_queue, compare_queues};

unsigned view_queues(struct view *v)
{
    view_see_connections(v);
    return view_list(v, &QUEUES);
}

unsigned view_queue(struct view *v)
{
    struct findings_cursor at = {0};
    const struct inspect_queue *q = findings_next(v->found, INSPECT_QUEUES, &at);

    while (q != NULL && !(is_in_vhost(v, q) && sl_bytes_equal(q->name, v->arguments[1])))
        q = findings_next(v->found, INSPECT_QUEUES, &at);
    if (q == NULL)
        return view_not_found(v);
    view_see_connections(v);
    json_t *o = render_queue(v, q);
    hash_map_deinit(&v->seen);
    view_see_tags(v);
    json_put(o, "consumer_details", consumer_details(v));
    return view_object(v, o);
}

static json_t *render_queue(const struct view *v, const void *row)
{
    const struct inspect_queue *q = row;
    json_t *o = json_object();

    json_put(o, "name", json_of_bytes(q->name));
    json_put(o, "vhost", json_of_bytes(q->vhost));
    json_put(o, "durable", json_boolean(q->is_durable));
    json_put(o, "auto_delete", json_boolean(q->is_auto_delete));
    json_put(o, "exclusive", json_boolean(q->is_exclusive));
    json_put(o, "arguments", json_of_table(q->arguments));
    json_put(o, "type", type_of(q));
    view_put_policies(o, q->policy, q->operator_policy, q->policy_keys);
    json_put(o, "node", json_string(v->facts->node));
    json_put(o, "state", json_string("running"));
    json_put(o, "consumers", json_of_number(q->consumers));
    json_put(o, "messages", json_of_number(q->ready + q->unacked + q->delayed));
    json_put(o, "messages_ready", json_of_number(q->ready));
    json_put(o, "messages_unacknowledged", json_of_number(q->unacked));
    json_put(o, "messages_delayed", json_of_number(q->delayed));
    json_put(o, "message_bytes_ready", json_of_number(q->ready_bytes));
    json_put(o, "oldest_message_age_ms", json_of_number(q->oldest_age_ms));
    if (q->is_cluster)
        json_put(o, "cluster", view_render_cluster(q));
    put_dedup(o, &q->dedup);
    put_owner(o, v, q);
    return o;
}

/* A window of 0: ids are remembered as long as their messages are in the queue. */
static void put_dedup(json_t *o, const struct dedup_figures *figures)
{
    json_put(o, "dedup_duplicates", json_of_number(figures->duplicates));
    json_put(o, "dedup_ids", json_of_number(figures->ids));
    json_put(o, "dedup_ids_evicted", json_of_number(figures->evicted));
    json_put(o, "dedup_window_ms", json_of_number(figures->window_ms));
}

/* As it was declared: classic and quorum are one kind of queue here. */
static json_t *type_of(const struct inspect_queue *q)
{
    struct table_value value;
    struct sl_bytes type;

    if (table_find(q->arguments, "x-queue-type", &value) && table_value_string(value, &type))
        return json_of_bytes(type);
    return json_string("classic");
}

static void put_owner(json_t *o, const struct view *v, const struct inspect_queue *q)
{
    struct sl_bytes key = {(const uint8_t *)&q->owner, sizeof q->owner};
    const struct described_connection *owner = q->is_exclusive ? hash_map_get(&v->seen, key) : NULL;

    if (owner != NULL)
        json_put(o, "owner_pid_details", view_render_address(&owner->session));
}

static json_t *consumer_details(const struct view *v)
{
    json_t *list = json_array();
    struct findings_cursor at = {0};
    const struct inspect_consumer *c;

    while ((c = findings_next(v->found, INSPECT_CONSUMERS, &at)) != NULL)
        if (sl_bytes_equal(c->vhost, v->arguments[0]) && sl_bytes_equal(c->queue, v->arguments[1]))
            (void)json_array_append_new(list, view_render_consumer(v, c));
    return list;
}

static bool is_in_vhost(const struct view *v, const void *row)
{
    return v->arguments[0].at == NULL ||
           sl_bytes_equal(((const struct inspect_queue *)row)->vhost, v->arguments[0]);
}

static int compare_queues(const void *row, const void *other)
{
    const struct inspect_queue *a = row;
    const struct inspect_queue *b = other;
    int order = view_compare_bytes(a->vhost, b->vhost);

    return order != 0 ? order : view_compare_bytes(a->name, b->name);
}
