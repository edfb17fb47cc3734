/* views_overview.c - the node as a whole: overview, nodes, whoami, virtual hosts. */
#include "gateway/admin/views.h"

#include "gateway/admin/account_json.h"

#include <stdio.h>
#include <unistd.h>

static json_t *queue_totals(const struct inspect_totals *sum);
static struct inspect_totals sum_queues(const struct view *v);
static json_t *object_totals(const struct view *v, uint64_t queues, uint64_t consumers);
static json_t *message_stats(const struct facts *f);
static json_t *prepared_stats(const struct facts *f);
static json_t *listeners(const struct facts *f);
static void add_listener(json_t *to, const struct facts *f, const char *protocol, uint32_t port);
static json_t *exchange_types(void);
static json_t *named(const char *name, const char *description);
static json_t *log_of(const struct keeper_status *log);
static json_t *render_node(const struct view *v);
static json_t *render_vhost(const struct view *v, const void *row);
static bool is_that_vhost(const struct view *v, const void *row);
static int compare_vhosts(const void *row, const void *other);

unsigned view_overview(struct view *v)
{
    const struct facts *f = v->facts;
    struct inspect_totals sum = sum_queues(v);
    json_t *o = json_object();

    json_put(o, "management_version", json_string(f->server_version));
    json_put(o, "rates_mode", json_string("none"));
    json_put(o, "exchange_types", exchange_types());
    json_put(o, "product_name", json_string("Sluice"));
    json_put(o, "product_version", json_string(SLUICE_VERSION));
    json_put(o, "rabbitmq_version", json_string(f->server_version));
    json_put(o, "cluster_name", json_string(f->node));
    json_put(o, "disable_stats", json_false());
    json_put(o, "enable_queue_totals", json_true());
    json_put(o, "default_queue_type", json_string("classic"));
    json_put(o, "message_stats", message_stats(f));
    json_put(o, "prepared_stats", prepared_stats(f));
    json_put(o, "churn_rates",
             json_pack("{s:I, s:I}", "connection_created", (json_int_t)f->connections_opened,
                       "connection_closed", (json_int_t)f->connections_closed));
    json_put(o, "queue_totals", queue_totals(&sum));
    json_put(o, "object_totals", object_totals(v, sum.queues, sum.consumers));
    json_put(o, "node", json_string(f->node));
    json_put(o, "listeners", listeners(f));
    return view_object(v, o);
}

unsigned view_cluster_name(struct view *v)
{
    return view_object(v, json_pack("{s:s}", "name", v->facts->node));
}

unsigned view_nodes(struct view *v)
{
    json_t *nodes = json_pack("[o]", render_node(v));

    return view_object(v, nodes);
}

unsigned view_node(struct view *v)
{
    if (!sl_bytes_are(v->arguments[0], v->facts->node))
        return view_not_found(v);
    return view_object(v, render_node(v));
}

unsigned view_whoami(struct view *v)
{
    return view_object(v, json_pack("{s:s, s:[s], s:b}", "name", v->user, "tags", "administrator",
                                    "is_internal_user", 0));
}

static const struct list_of VHOSTS = {INSPECT_VHOSTS, NULL, render_vhost, compare_vhosts};

unsigned view_vhosts(struct view *v)
{
    return view_list(v, &VHOSTS);
}

unsigned view_vhost(struct view *v)
{
    struct findings_cursor at = {0};
    const void *row;

    while ((row = findings_next(v->found, INSPECT_VHOSTS, &at)) != NULL)
        if (is_that_vhost(v, row))
            return view_object(v, render_vhost(v, row));
    return view_not_found(v);
}

static struct inspect_totals sum_queues(const struct view *v)
{
    struct inspect_totals sum = {.queues = 0};
    struct findings_cursor at = {0};
    const struct inspect_totals *one;

    while ((one = findings_next(v->found, INSPECT_TOTALS, &at)) != NULL) {
        sum.queues += one->queues;
        sum.ready += one->ready;
        sum.unacked += one->unacked;
        sum.consumers += one->consumers;
    }
    return sum;
}

static json_t *queue_totals(const struct inspect_totals *sum)
{
    return json_pack("{s:I, s:I, s:I}", "messages",
                     (json_int_t)sum->ready + (json_int_t)sum->unacked, "messages_ready",
                     (json_int_t)sum->ready, "messages_unacknowledged", (json_int_t)sum->unacked);
}

static json_t *object_totals(const struct view *v, uint64_t queues, uint64_t consumers)
{
    struct findings_cursor at = {0};
    const struct described_connection *c;
    uint64_t connections = 0;
    uint64_t channels = 0;
    uint64_t exchanges = 0;

    while ((c = findings_next(v->found, INSPECT_CONNECTIONS, &at)) != NULL) {
        connections++;
        channels += c->channels;
    }
    while (findings_next(v->found, INSPECT_EXCHANGES, &at) != NULL)
        exchanges++;
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "channels", (json_int_t)channels, "connections",
                     (json_int_t)connections, "consumers", (json_int_t)consumers, "exchanges",
                     (json_int_t)exchanges, "queues", (json_int_t)queues);
}

static json_t *message_stats(const struct facts *f)
{
    return json_pack("{s:I, s:I, s:I}", "publish", (json_int_t)f->published, "confirm",
                     (json_int_t)f->confirmed, "deliver_get", (json_int_t)f->delivered);
}

/* No field of RabbitMQ's. */
static json_t *prepared_stats(const struct facts *f)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "prepared", (json_int_t)f->prepared, "committed",
                     (json_int_t)f->committed, "rolled_back", (json_int_t)f->rolled_back,
                     "checks_sent", (json_int_t)f->checks_sent);
}

static json_t *listeners(const struct facts *f)
{
    json_t *list = json_array();

    add_listener(list, f, "amqp", f->amqp_port);
    add_listener(list, f, "stomp", f->stomp_port);
    return list;
}

static void add_listener(json_t *to, const struct facts *f, const char *protocol, uint32_t port)
{
    const char *address = f->bind == NULL || *f->bind == '\0' ? "::" : f->bind;

    if (port != 0)
        (void)json_array_append_new(to,
                                    json_pack("{s:s, s:s, s:s, s:i}", "node", f->node, "protocol",
                                              protocol, "ip_address", address, "port", (int)port));
}

static json_t *exchange_types(void)
{
    static const char *const DESCRIPTIONS[] = {
        [EXCHANGE_DIRECT] = "AMQP direct exchange",
        [EXCHANGE_FANOUT] = "AMQP fanout exchange",
        [EXCHANGE_TOPIC] = "AMQP topic exchange",
        [EXCHANGE_HEADERS] = "AMQP headers exchange",
        [EXCHANGE_DEDUPLICATION] = "Message Deduplication Exchange.",
        [EXCHANGE_CONSISTENT_HASH] = "Consistent Hashing Exchange",
        [EXCHANGE_RANDOM] = "Randomly picks a binding (queue) to route via (to).",
        [EXCHANGE_RECENT_HISTORY] = "Recent History Exchange.",
        [EXCHANGE_DELAYED] = "Delayed Message Exchange.",
    };
    json_t *all = json_array();

    for (size_t i = 0; i < sizeof DESCRIPTIONS / sizeof *DESCRIPTIONS; i++) {
        const char *name = exchange_type_name((enum exchange_type)i);

        if (name != NULL)
            (void)json_array_append_new(all, named(name, DESCRIPTIONS[i]));
    }
    return all;
}

static json_t *named(const char *name, const char *description)
{
    return json_pack("{s:s, s:s, s:b}", "name", name, "description", description, "enabled", 1);
}

static json_t *render_node(const struct view *v)
{
    const struct facts *f = v->facts;
    json_t *o = json_object();
    char pid[24];

    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    json_put(o, "name", json_string(f->node));
    json_put(o, "type", json_string("disc"));
    json_put(o, "running", json_true());
    json_put(o, "uptime", json_of_number(f->uptime_ms));
    json_put(o, "os_pid", json_string(pid));
    json_put(o, "processors", json_of_number(f->workers));
    json_put(o, "fd_used", json_of_number(f->descriptors_used));
    json_put(o, "fd_total", json_of_number(f->descriptors_total));
    json_put(o, "sockets_used", json_of_number(f->connections));
    json_put(o, "mem_used", json_of_number(f->memory_used));
    json_put(o, "mem_limit", json_of_number(f->memory_limit));
    json_put(o, "mem_alarm", json_boolean((f->held_by & HELD_BY_MEMORY) != 0));
    json_put(o, "disk_free", json_of_number(f->disk_free));
    json_put(o, "disk_free_limit", json_of_number(f->disk_free_limit));
    json_put(o, "disk_free_alarm", json_boolean((f->held_by & HELD_BY_DISK) != 0));
    json_put(o, "log", log_of(&f->log));
    json_put(o, "db_dir", json_string(f->data_dir));
    json_put(o, "rates_mode", json_string("none"));
    json_put(o, "exchange_types", exchange_types());
    json_put(o, "auth_mechanisms",
             json_pack("[o, o]", named("PLAIN", "SASL PLAIN authentication mechanism"),
                       named("AMQPLAIN", "QPid AMQPLAIN mechanism")));
    json_put(o, "partitions", json_array());
    return o;
}

/* No field of RabbitMQ's: how much of the log is needed, and how it is kept short. */
static json_t *log_of(const struct keeper_status *log)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "bytes", (json_int_t)log->log_bytes,
                     "live_bytes", (json_int_t)log->live_bytes, "checkpoints",
                     (json_int_t)log->checkpoints, "last_checkpoint_ms",
                     (json_int_t)log->last_checkpoint_ms, "segments_released",
                     (json_int_t)log->released, "records_moved", (json_int_t)log->moved);
}

static json_t *render_vhost(const struct view *v, const void *row)
{
    const struct inspect_vhost *vhost = row;
    struct inspect_totals sum = {.queues = 0};
    struct findings_cursor at = {0};
    const struct inspect_queue *q;
    json_t *o;

    while ((q = findings_next(v->found, INSPECT_QUEUES, &at)) != NULL)
        if (sl_bytes_equal(q->vhost, vhost->name)) {
            sum.ready += q->ready;
            sum.unacked += q->unacked;
        }
    o = queue_totals(&sum);
    json_put(o, "name", json_of_bytes(vhost->name));
    json_put(o, "tracing", json_false());
    topology_lock(v->topology);
    const struct vhost *as_is = topology_vhost(v->topology, vhost->name);
    if (as_is != NULL)
        account_put_vhost(o, as_is);
    topology_unlock(v->topology);
    json_put(o, "cluster_state", json_pack("{s:s}", v->facts->node, "running"));
    return o;
}

static bool is_that_vhost(const struct view *v, const void *row)
{
    return sl_bytes_equal(((const struct inspect_vhost *)row)->name, v->arguments[0]);
}

static int compare_vhosts(const void *row, const void *other)
{
    return view_compare_bytes(((const struct inspect_vhost *)row)->name,
                              ((const struct inspect_vhost *)other)->name);
}
