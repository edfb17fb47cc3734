/*
 * main.c - sluicectl: a look inside a running gateway.
 *
 * Exit status: 0 done, 1 the gateway could not be asked, 2 arguments that cannot be understood.
 */
#include "gateway/admin/columns.h"
#include "gateway/ctl/api.h"
#include "gateway/ctl/prepared.h"
#include "gateway/ctl/table.h"
#include "gateway/data_dir.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXIT_USAGE = 2 };

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
      {"consumers", "consumers"},
      {"arguments", "arguments"}}},
    {"exchanges",
     "/api/exchanges",
     {{"vhost", "vhost"},
      {"name", "name"},
      {"type", "type"},
      {"durable", "durable"},
      {"auto-delete", "auto_delete"},
      {"internal", "internal"},
      {"arguments", "arguments"}}},
    {"bindings",
     "/api/bindings",
     {{"vhost", "vhost"},
      {"source", "source"},
      {"to", "destination_type"},
      {"destination", "destination"},
      {"routing key", "routing_key"},
      {"arguments", "arguments"}}},
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
};

#define LISTINGS_COUNT (sizeof LISTINGS / sizeof LISTINGS[0])

struct request {
    char socket[PATH_MAX];
    bool wants_json;
    bool wants_help;
    bool wants_version;
    const char *user; /* NULL: not said */
    const char *vhost;
    const char *words[2]; /* "status"; "list", "queues"; "commit", an id */
    int words_count;
};

static bool read_arguments(struct request *r, int count, char **arguments);
static bool read_option(struct request *r, const char *name, const char *value);
static void default_socket(struct request *r);
static const struct listing *find_listing(const char *name);
static int run_list(const struct request *r, const struct listing *listing);
static int run_status(const struct request *r);
static int run_decision(const struct request *r);
static void print_json(const json_t *value);
static void print_status(const json_t *overview, const json_t *node);
static void print_fact(const char *title, const json_t *from, const char *path);
static int complain(const char *why);
static void print_help(FILE *to);

int main(int count, char **arguments)
{
    struct request r = {.vhost = "/"};
    const struct listing *listing = NULL;

    if (!read_arguments(&r, count, arguments))
        return EXIT_USAGE;
    if (r.wants_help || r.wants_version) {
        if (r.wants_help)
            print_help(stdout);
        else
            puts("sluicectl " SLUICE_VERSION);
        return EXIT_SUCCESS;
    }
    if (r.words_count == 1 && strcmp(r.words[0], "status") == 0)
        return run_status(&r);
    if (r.words_count == 2 && strcmp(r.words[0], "list") == 0)
        listing = find_listing(r.words[1]);
    if (listing != NULL)
        return run_list(&r, listing);
    if (r.words_count == 2 &&
        (strcmp(r.words[0], "commit") == 0 || strcmp(r.words[0], "rollback") == 0))
        return run_decision(&r);
    if (r.words_count == 0)
        fputs("sluicectl: what shall it do?\n", stderr);
    else
        fprintf(stderr, "sluicectl: there is no command \"%s%s%s\"\n", r.words[0],
                r.words_count == 2 ? " " : "", r.words_count == 2 ? r.words[1] : "");
    print_help(stderr);
    return EXIT_USAGE;
}

/* --name value, --name=value; anything else is a word of the command. */
static bool read_arguments(struct request *r, int count, char **arguments)
{
    default_socket(r);
    for (int i = 1; i < count; i++) {
        char *given = arguments[i];
        char *value = strchr(given, '=');

        if (strcmp(given, "--help") == 0 || strcmp(given, "-h") == 0) {
            r->wants_help = true;
        } else if (strcmp(given, "--version") == 0) {
            r->wants_version = true;
        } else if (strncmp(given, "--", 2) == 0) {
            if (value != NULL)
                *value++ = '\0';
            else if (i + 1 < count)
                value = arguments[++i];
            if (!read_option(r, given, value))
                return false;
        } else if (r->words_count == 2) {
            fprintf(stderr, "sluicectl: \"%s\" is too much\n", given);
            return false;
        } else {
            r->words[r->words_count++] = given;
        }
    }
    return true;
}

static bool read_option(struct request *r, const char *name, const char *value)
{
    int len = 0;

    if (value == NULL) {
        fprintf(stderr, "sluicectl: %s wants a value, or is no option; see --help\n", name);
        return false;
    }
    if (strcmp(name, "--data-dir") == 0) {
        len = snprintf(r->socket, sizeof r->socket, "%s/sluice.sock", value);
    } else if (strcmp(name, "--socket") == 0) {
        len = snprintf(r->socket, sizeof r->socket, "%s", value);
    } else if (strcmp(name, "--user") == 0) {
        r->user = value;
    } else if (strcmp(name, "--vhost") == 0) {
        r->vhost = value;
    } else if (strcmp(name, "--format") == 0 &&
               (strcmp(value, "json") == 0 || strcmp(value, "table") == 0)) {
        r->wants_json = strcmp(value, "json") == 0;
    } else {
        fprintf(stderr,
                strcmp(name, "--format") == 0 ? "sluicectl: --format is table or json\n"
                                              : "sluicectl: there is no option %s; see --help\n",
                name);
        return false;
    }
    if (len < (int)sizeof r->socket)
        return true;
    fprintf(stderr, "sluicectl: the path is too long\n");
    return false;
}

static void default_socket(struct request *r)
{
    struct text path = text_on(r->socket, sizeof r->socket);

    data_dir_default(&path);
    text_add(&path, "/sluice.sock");
}

static const struct listing *find_listing(const char *name)
{
    for (size_t i = 0; i < LISTINGS_COUNT; i++)
        if (strcmp(LISTINGS[i].name, name) == 0)
            return &LISTINGS[i];
    return NULL;
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
    for (; count < TABLE_COLUMNS_MAX && listing->columns[count].title != NULL; count++)
        if (!r->wants_json) /* what is not shown need not be sent */
            text_add(&text, "%s%s", count == 0 ? "?columns=" : ",", listing->columns[count].path);
    if (api_get(r->socket, path, &rows, &why) != SL_OK)
        return complain(room);
    if (r->wants_json)
        print_json(rows);
    else
        table_print(stdout, rows, listing->columns, count);
    json_decref(rows);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : complain("the output cannot be written");
}

static int run_status(const struct request *r)
{
    char room[PATH_MAX + 512];
    struct text why = text_on(room, sizeof room);
    json_t *overview = NULL;
    json_t *nodes = NULL;

    if (api_get(r->socket, "/api/overview", &overview, &why) != SL_OK ||
        api_get(r->socket, "/api/nodes", &nodes, &why) != SL_OK) {
        json_decref(overview);
        return complain(room);
    }
    json_t *node = json_array_get(nodes, 0);
    if (r->wants_json) {
        json_t *both = json_pack("{s:O, s:O}", "overview", overview, "node", node);
        print_json(both);
        json_decref(both);
    } else
        print_status(overview, node);
    json_decref(overview);
    json_decref(nodes);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : complain("the output cannot be written");
}

static int run_decision(const struct request *r)
{
    char room[PATH_MAX + 512];
    struct text why = text_on(room, sizeof room);
    const struct prepared_decision d = {.socket = r->socket,
                                        .outcome = r->words[0],
                                        .id = r->words[1],
                                        .vhost = r->vhost,
                                        .user = r->user};

    return prepared_decide(&d, &why) == SL_OK ? EXIT_SUCCESS : complain(room);
}

static void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
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
    putchar('\n');
    table_print(stdout, json_object_get(overview, "listeners"), LISTENERS, 3);
}

static void print_fact(const char *title, const json_t *from, const char *path)
{
    printf("%-24s ", title);
    table_print_value(stdout, columns_find((json_t *)(uintptr_t)from, sl_bytes_of(path)));
    putchar('\n');
}

static int complain(const char *why)
{
    fprintf(stderr, "sluicectl: %s\n", why);
    return EXIT_FAILURE;
}

static void print_help(FILE *to)
{
    fputs(
        "usage: sluicectl [--data-dir DIR | --socket PATH] [--format table|json] COMMAND\n"
        "  status                what runs, since when, and how much is in it\n"
        "  list queues           with their messages and consumers\n"
        "  list exchanges\n"
        "  list bindings\n"
        "  list connections\n"
        "  list channels\n"
        "  list consumers\n"
        "  list prepared         messages that wait for their outcomes\n"
        "  commit ID             decides a prepared message; --vhost VHOST, --user USER say whose\n"
        "  rollback ID\n"
        "Ends with 0; with 1 when the gateway cannot be asked; with 2 when the command is\n"
        "not understood.  --data-dir is the gateway's own, by default where it has it.\n",
        to);
}
