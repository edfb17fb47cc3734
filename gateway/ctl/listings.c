/* listings.c - sluicectl list ..., and status. */
#include "gateway/ctl/ctl.h"

#include "gateway/admin/columns.h"
#include "gateway/ctl/api.h"
#include "gateway/ctl/table.h"

#include <stdlib.h>
#include <string.h>

struct listing {
    const char *name; /* behind "list" */
    const char *path;
    struct column columns[TABLE_COLUMNS_MAX]; /* ends with an empty one */
};

static const struct listing LISTINGS[] = {
    {"queues",
     "/api/queues",
     {{"vhost", "vhost"},
      {"name", "name"},
      {"type", "type"},
      {"durable", "durable"},
      {"auto-delete", "auto_delete"},
      {"exclusive", "exclusive"},
      {"ready", "messages_ready"},
      {"bytes ready", "message_bytes_ready"},
      {"unacked", "messages_unacknowledged"},
      {"total", "messages"},
      {"policy", "policy"},
      {"consumers", "consumers"},
      {"duplicates", "dedup_duplicates"},
      {"ids", "dedup_ids"},
      {"ids evicted", "dedup_ids_evicted"},
      {"window ms", "dedup_window_ms"}}},
    {"clusters",
     "/api/clusters",
     {{"vhost", "vhost"},
      {"topic", "topic"},
      {"cluster", "id"},
      {"instances", "instances"},
      {"lag", "lag"},
      {"ready", "messages_ready"},
      {"unacked", "messages_unacknowledged"},
      {"oldest, s", "oldest_message_age"}}},
    {"exchanges",
     "/api/exchanges",
     {{"vhost", "vhost"},
      {"name", "name"},
      {"type", "type"},
      {"durable", "durable"},
      {"auto-delete", "auto_delete"},
      {"internal", "internal"},
      {"delayed", "messages_delayed"},
      {"policy", "policy"},
      {"arguments", "arguments"}}},
    {"bindings",
     "/api/bindings",
     {{"vhost", "vhost"},
      {"source", "source"},
      {"to", "destination_type"},
      {"destination", "destination"},
      {"routing key", "routing_key"},
      {"arguments", "arguments"}}},
    {"users",
     "/api/users",
     {{"name", "name"}, {"tags", "tags"}, {"cluster", "cluster_id"}, {"limits", "limits"}}},
    {"permissions",
     "/api/permissions",
     {{"vhost", "vhost"},
      {"user", "user"},
      {"configure", "configure"},
      {"write", "write"},
      {"read", "read"}}},
    {"topic permissions",
     "/api/topic-permissions",
     {{"vhost", "vhost"},
      {"user", "user"},
      {"exchange", "exchange"},
      {"write", "write"},
      {"read", "read"}}},
    {"vhosts",
     "/api/vhosts",
     {{"name", "name"},
      {"description", "description"},
      {"tags", "tags"},
      {"default queue type", "default_queue_type"},
      {"messages", "messages"}}},
    {"user limits", "/api/user-limits", {{"user", "user"}, {"limits", "value"}}},
    {"vhost limits", "/api/vhost-limits", {{"vhost", "vhost"}, {"limits", "value"}}},
    {"connections",
     "/api/connections",
     {{"name", "name"},
      {"user", "user"},
      {"vhost", "vhost"},
      {"protocol", "protocol"},
      {"state", "state"},
      {"channels", "channels"},
      {"client", "user_provided_name"}}},
    {"channels",
     "/api/channels",
     {{"name", "name"},
      {"user", "user"},
      {"vhost", "vhost"},
      {"state", "state"},
      {"consumers", "consumer_count"},
      {"prefetch", "prefetch_count"},
      {"global", "global_prefetch_count"},
      {"unacked", "messages_unacknowledged"},
      {"unconfirmed", "messages_unconfirmed"},
      {"confirm", "confirm"}}},
    {"consumers",
     "/api/consumers",
     {{"vhost", "queue.vhost"},
      {"queue", "queue.name"},
      {"tag", "consumer_tag"},
      {"channel", "channel_details.name"},
      {"ack", "ack_required"},
      {"exclusive", "exclusive"},
      {"prefetch", "prefetch_count"},
      {"active", "active"}}},
    {"prepared",
     "/api/prepared",
     {{"vhost", "vhost"},
      {"user", "user"},
      {"id", "name"},
      {"exchange", "exchange"},
      {"routing key", "routing_key"},
      {"age, ms", "age_ms"},
      {"checks", "checks"},
      {"expired", "expired"},
      {"checks go to", "check_destination"}}},
    {"policies",
     "/api/policies",
     {{"vhost", "vhost"},
      {"name", "name"},
      {"pattern", "pattern"},
      {"apply-to", "apply-to"},
      {"definition", "definition"},
      {"priority", "priority"}}},
    {"operator policies",
     "/api/operator-policies",
     {{"vhost", "vhost"},
      {"name", "name"},
      {"pattern", "pattern"},
      {"apply-to", "apply-to"},
      {"definition", "definition"},
      {"priority", "priority"}}},
};

#define LISTINGS_COUNT (sizeof LISTINGS / sizeof LISTINGS[0])

static int run_list(const struct request *r, const struct listing *listing);
static void print_status(const json_t *overview, const json_t *node);
static void print_fact(const char *title, const json_t *from, const char *path);

int ctl_run_listing(const struct request *r)
{
    char command[64];

    for (size_t i = 0; i < LISTINGS_COUNT; i++) {
        snprintf(command, sizeof command, "list %s", LISTINGS[i].name);
        if (r->words_count != 0 && ctl_matches(r, command) == r->words_count)
            return run_list(r, &LISTINGS[i]);
    }
    return -1;
}

void ctl_help_listings(FILE *to)
{
    for (size_t i = 0; i < LISTINGS_COUNT; i++)
        fprintf(to, "  list %s\n", LISTINGS[i].name);
}

static int run_list(const struct request *r, const struct listing *listing)
{
    char path[1024];
    char room[PATH_MAX + 512];
    struct text text = text_on(path, sizeof path);
    struct text why = text_on(room, sizeof room);
    size_t count = 0;
    json_t *rows;

    text_add(&text, "%s", listing->path);
    if (r->vhost != NULL && strcmp(listing->path, "/api/connections") != 0 &&
        strcmp(listing->path, "/api/channels") != 0 && strcmp(listing->path, "/api/vhosts") != 0) {
        api_add_segment(&text, r->vhost);
    }
    for (; count < TABLE_COLUMNS_MAX && listing->columns[count].title != NULL; count++)
        if (!r->wants_json) /* what is not shown need not be sent */
            text_add(&text, "%s%s", count == 0 ? "?columns=" : ",", listing->columns[count].path);
    if (api_get(r->socket, path, &rows, &why) != SL_OK)
        return ctl_complain(room);
    if (r->wants_json)
        ctl_print_json(rows);
    else
        table_print(stdout, rows, listing->columns, count);
    json_decref(rows);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : ctl_complain("the output cannot be written");
}

int ctl_run_status(const struct request *r)
{
    char room[PATH_MAX + 512];
    struct text why = text_on(room, sizeof room);
    json_t *overview = NULL;
    json_t *nodes = NULL;

    if (api_get(r->socket, "/api/overview", &overview, &why) != SL_OK ||
        api_get(r->socket, "/api/nodes", &nodes, &why) != SL_OK) {
        json_decref(overview);
        return ctl_complain(room);
    }
    json_t *node = json_array_get(nodes, 0);
    if (r->wants_json) {
        json_t *both = json_pack("{s:O, s:O}", "overview", overview, "node", node);
        ctl_print_json(both);
        json_decref(both);
    } else
        print_status(overview, node);
    json_decref(overview);
    json_decref(nodes);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : ctl_complain("the output cannot be written");
}

static void print_status(const json_t *overview, const json_t *node)
{
    static const struct column LISTENERS[] = {
        {"listens for", "protocol"}, {"address", "ip_address"}, {"port", "port"}};
    long long up = json_integer_value(json_object_get(node, "uptime")) / 1000;

    print_fact("product", overview, "product_name");
    print_fact("version", overview, "product_version");
    print_fact("node", overview, "node");
    print_fact("process", node, "os_pid");
    printf("%-24s %lld d %02lld:%02lld:%02lld\n", "up", up / 86400, up / 3600 % 24, up / 60 % 60,
           up % 60);
    print_fact("data directory", node, "db_dir");
    print_fact("disk free, bytes", node, "disk_free");
    print_fact("  held below", node, "disk_free_limit");
    print_fact("  publishers held", node, "disk_free_alarm");
    print_fact("log, bytes", node, "log.bytes");
    print_fact("  of these live", node, "log.live_bytes");
    print_fact("  segments released", node, "log.segments_released");
    print_fact("  records moved", node, "log.records_moved");
    print_fact("checkpoints", node, "log.checkpoints");
    print_fact("  the last took, ms", node, "log.last_checkpoint_ms");
    print_fact("workers", node, "processors");
    print_fact("message memory, bytes", node, "mem_used");
    print_fact("  of at most", node, "mem_limit");
    print_fact("  publishers held", node, "mem_alarm");
    print_fact("descriptors", node, "fd_used");
    print_fact("  of at most", node, "fd_total");
    print_fact("connections", overview, "object_totals.connections");
    print_fact("channels", overview, "object_totals.channels");
    print_fact("consumers", overview, "object_totals.consumers");
    print_fact("exchanges", overview, "object_totals.exchanges");
    print_fact("queues", overview, "object_totals.queues");
    print_fact("messages", overview, "queue_totals.messages");
    print_fact("  ready", overview, "queue_totals.messages_ready");
    print_fact("  unacknowledged", overview, "queue_totals.messages_unacknowledged");
    print_fact("published since start", overview, "message_stats.publish");
    print_fact("delivered since start", overview, "message_stats.deliver_get");
    print_fact("prepared since start", overview, "prepared_stats.prepared");
    print_fact("  committed", overview, "prepared_stats.committed");
    print_fact("  rolled back", overview, "prepared_stats.rolled_back");
    print_fact("  checks sent", overview, "prepared_stats.checks_sent");
    putchar('\n');
    table_print(stdout, json_object_get(overview, "listeners"), LISTENERS, 3);
}

static void print_fact(const char *title, const json_t *from, const char *path)
{
    printf("%-24s ", title);
    table_print_value(stdout, columns_find((json_t *)(uintptr_t)from, sl_bytes_of(path)));
    putchar('\n');
}
