/* commands.c - what sluicectl changes: each command is a row, a request with places to be filled. */
#include "gateway/ctl/api.h"
#include "gateway/ctl/ctl.h"
#include "gateway/ctl/secret.h"

#include <stdlib.h>
#include <string.h>

enum special {
    PLAIN,
    TAKES_CONDITIONS, /* --if-unused, --if-empty */
    WANTS_IT_THERE,   /* what it changes; else it would be made, or nothing said */
    WANTS_IT_NEW,     /* a PUT would change it */
};

struct command {
    const char *words;     /* "set policy"; rabbitmqctl's set_policy is the same */
    const char *arguments; /* for people, in their order: "NAME PATTERN" */
    int least, most;       /* how many there are */
    const char *method;
    const char *path; /* v: the virtual host; 1, 2, ...: an argument, where it is given */
    /* "name=1": text, "name:2": JSON, "?" stands for an option, "name*2": that one and the rest as a
     * list, "name#": an empty text, "name!2": text, and - stands for standard input; ":2": all of
     * it is that JSON; NULL: none */
    const char *body;
    const char *help;
    enum special special;
};

static const struct command COMMANDS[] = {
    {"purge queue", "NAME", 1, 1, "DELETE", "queues/v/1/contents", NULL,
     "drops what is ready in it", PLAIN},
    {"delete queue", "NAME", 1, 1, "DELETE", "queues/v/1", NULL,
     "with --if-unused, --if-empty only then", TAKES_CONDITIONS},
    {"delete exchange", "NAME", 1, 1, "DELETE", "exchanges/v/1", NULL,
     "with --if-unused only when nothing is bound to it", TAKES_CONDITIONS},
    {"set policy", "NAME PATTERN DEFINITION", 3, 3, "PUT", "policies/v/1",
     "pattern=2 definition:3 priority? apply-to?",
     "the definition as JSON; --priority N, --apply-to queues|exchanges|...", PLAIN},
    {"clear policy", "NAME", 1, 1, "DELETE", "policies/v/1", NULL, "", PLAIN},
    {"set operator policy", "NAME PATTERN DEFINITION", 3, 3, "PUT", "operator-policies/v/1",
     "pattern=2 definition:3 priority? apply-to?", "limits beside which no other counts", PLAIN},
    {"clear operator policy", "NAME", 1, 1, "DELETE", "operator-policies/v/1", NULL, "", PLAIN},
    {"add user", "NAME PASSWORD", 2, 2, "PUT", "users/1", "password!2 tags#",
     "the password - is read from standard input", WANTS_IT_NEW},
    {"delete user", "NAME", 1, 1, "DELETE", "users/1", NULL, "and closes its connections", PLAIN},
    {"change password", "NAME PASSWORD", 2, 2, "PUT", "users/1", "password!2", "as above",
     WANTS_IT_THERE},
    {"clear password", "NAME", 1, 1, "PUT", "users/1", "password_hash#",
     "it comes in by certificate only", WANTS_IT_THERE},
    {"set user tags", "NAME [TAG...]", 1, CTL_WORDS_MAX, "PUT", "users/1", "tags*2",
     "administrator, monitoring, policymaker, management, impersonator, protected", WANTS_IT_THERE},
    {"set cluster", "USER CLUSTERID", 2, 2, "PUT", "users/1", "cluster_id=2",
     "subscriptions of that account share a cluster's queues", WANTS_IT_THERE},
    {"clear cluster", "USER", 1, 1, "PUT", "users/1", "cluster_id#", "", WANTS_IT_THERE},
    {"set permissions", "USER CONFIGURE WRITE READ", 4, 4, "PUT", "permissions/v/1",
     "configure=2 write=3 read=4", "regular expressions for names of queues and exchanges", PLAIN},
    {"clear permissions", "USER", 1, 1, "DELETE", "permissions/v/1", NULL, "", PLAIN},
    {"set topic permissions", "USER EXCHANGE WRITE READ", 4, 4, "PUT", "topic-permissions/v/1",
     "exchange=2 write=3 read=4", "regular expressions for routing keys", PLAIN},
    {"clear topic permissions", "USER [EXCHANGE]", 1, 2, "DELETE", "topic-permissions/v/1/2", NULL,
     "", PLAIN},
    {"list user permissions", "USER", 1, 1, "GET", "users/1/permissions", NULL, "", PLAIN},
    {"list user topic permissions", "USER", 1, 1, "GET", "users/1/topic-permissions", NULL, "",
     PLAIN},
    {"set user limits", "USER LIMITS", 2, 2, "PUT", "user-limits/1", ":2",
     "as JSON: max-connections, max-channels, max-message-bytes, publish-rate, publish-byte-rate",
     PLAIN},
    {"clear user limits", "USER [LIMIT]", 1, 2, "DELETE", "user-limits/1/2", NULL, "", PLAIN},
    {"add vhost", "NAME", 1, 1, "PUT", "vhosts/1", NULL, "", PLAIN},
    {"delete vhost", "NAME", 1, 1, "DELETE", "vhosts/1", NULL, "with everything in it", PLAIN},
    {"set vhost limits", "LIMITS", 1, 1, "PUT", "vhost-limits/v", ":1",
     "as JSON: max-connections, max-queues", PLAIN},
    {"clear vhost limits", "[LIMIT]", 0, 1, "DELETE", "vhost-limits/v/1", NULL, "", PLAIN},
    {"close connection", "NAME", 1, 1, "DELETE", "connections/1", NULL,
     "as list connections has it", WANTS_IT_THERE},
    {"reload", "", 0, 0, "POST", "reload", NULL, "reads the settings again", PLAIN},
    {"export definitions", "[FILE]", 0, 1, "GET", "definitions", NULL,
     "what is defined, as RabbitMQ has it", PLAIN},
    {"import definitions", "FILE", 1, 1, "POST", "definitions", "file=1", "the other way round",
     PLAIN},
};
#define COMMANDS_COUNT (sizeof COMMANDS / sizeof *COMMANDS)

static int run(const struct request *r, const struct command *c, const char *const *arguments,
               int count);
static enum sl_err must_be_new(enum sl_err asked, const char *name, struct text *why);
static bool has_empty_name(const struct command *c, const char *const *arguments, int count);
static void write_path(const struct request *r, const struct command *c,
                       const char *const *arguments, int count, struct text *to);
static json_t *make_body(const struct request *r, const struct command *c,
                         const char *const *arguments, struct text *why);
static bool add_field(const struct request *r, json_t *body, const char *field, size_t len,
                      const char *const *arguments, struct text *why);
static bool add_secret(json_t *body, const char *name, struct text *why);
static json_t *read_json(const char *argument, struct text *why);
static json_t *list_from(const struct request *r, const char *const *at);
static bool add_option(const struct request *r, json_t *body, const char *name, struct text *why);
static int show(const struct request *r, const struct command *c, const json_t *answer,
                const char *file);

int ctl_run_command(const struct request *r)
{
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        int words = ctl_matches(r, COMMANDS[i].words);
        if (words == 0)
            continue;
        int count = r->words_count - words;
        if (count >= COMMANDS[i].least && count <= COMMANDS[i].most)
            return run(r, &COMMANDS[i], r->words + words, count);
        fprintf(stderr, "sluicectl: %s wants: %s\n", COMMANDS[i].words,
                *COMMANDS[i].arguments == '\0' ? "nothing more" : COMMANDS[i].arguments);
        return EXIT_USAGE;
    }
    return -1;
}

void ctl_help_commands(FILE *to)
{
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        fprintf(to, "  %s%s%s\n", COMMANDS[i].words, *COMMANDS[i].arguments == '\0' ? "" : " ",
                COMMANDS[i].arguments);
        if (*COMMANDS[i].help != '\0')
            fprintf(to, "        %s\n", COMMANDS[i].help);
    }
}

static int run(const struct request *r, const struct command *c, const char *const *arguments,
               int count)
{
    char path[3072]; /* three names of 255 bytes, each as %XX */
    char room[PATH_MAX + 5000] = "";
    struct text text = text_on(path, sizeof path);
    struct text why = text_on(room, sizeof room);
    json_t *body = NULL;
    json_t *answer = NULL;

    if (has_empty_name(c, arguments, count))
        return ctl_complain("a name is empty");
    write_path(r, c, arguments, count, &text);
    if (text.len == sizeof path - 1)
        return ctl_complain("the names are too long");
    if (c->body != NULL && (body = make_body(r, c, arguments, &why)) == NULL)
        return ctl_complain(room);
    enum sl_err err = SL_OK;
    if (c->special == WANTS_IT_THERE || c->special == WANTS_IT_NEW)
        err = api_get(r->socket, path, &answer, &why);
    json_decref(answer);
    answer = NULL;
    if (c->special == WANTS_IT_NEW)
        err = must_be_new(err, arguments[0], &why);
    if (err == SL_OK)
        err = api_call(r->socket, c->method, path, body, &answer, &why);
    json_decref(body);
    if (err != SL_OK)
        return ctl_complain(room);
    int status = show(r, c, answer, count > 0 ? arguments[0] : NULL);
    json_decref(answer);
    return status;
}

/* asked: how the question for it ended. */
static enum sl_err must_be_new(enum sl_err asked, const char *name, struct text *why)
{
    if (asked == SL_EPRECOND) {
        *why = text_on(why->at, why->room);
        return SL_OK;
    }
    if (asked == SL_OK) {
        text_add(why, "'%s' exists already", name);
        return SL_EPRECOND;
    }
    return asked;
}

/* In a path it would be the same as none, and none often means all. */
static bool has_empty_name(const struct command *c, const char *const *arguments, int count)
{
    for (int i = 0; i < count && i < 9; i++)
        if (*arguments[i] == '\0' && strchr(c->path, '1' + i) != NULL)
            return true;
    return false;
}

static void write_path(const struct request *r, const struct command *c,
                       const char *const *arguments, int count, struct text *to)
{
    text_add(to, "/api");
    for (const char *at = c->path; *at != '\0'; at += *at == '/') {
        size_t len = strcspn(at, "/");
        if (len == 1 && *at == 'v')
            api_add_segment(to, r->vhost == NULL ? "/" : r->vhost);
        else if (len == 1 && *at >= '1' && *at <= '9') {
            if (*at - '1' < count)
                api_add_segment(to, arguments[*at - '1']);
        } else
            text_add(to, "/%.*s", (int)len, at);
        at += len;
    }
    if (c->special == TAKES_CONDITIONS)
        text_add(to, "?if-unused=%s&if-empty=%s", r->if_unused ? "true" : "false",
                 r->if_empty ? "true" : "false");
}

/* NULL with why. */
static json_t *make_body(const struct request *r, const struct command *c,
                         const char *const *arguments, struct text *why)
{
    json_t *body;
    json_error_t error;

    if (strcmp(c->body, "file=1") == 0) {
        body = json_load_file(arguments[0], 0, &error);
        if (body == NULL)
            text_add(why, "%s:%d: %s", arguments[0], error.line, error.text);
        return body;
    }
    if (*c->body == ':')
        return read_json(arguments[c->body[1] - '1'], why);
    body = json_object();
    for (const char *at = c->body; *at != '\0'; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        if (!add_field(r, body, at, len, arguments, why)) {
            json_decref(body);
            return NULL;
        }
        at += len;
    }
    return body;
}

static bool add_field(const struct request *r, json_t *body, const char *field, size_t len,
                      const char *const *arguments, struct text *why)
{
    char name[32];
    size_t n = strcspn(field, "=:?*#!");

    snprintf(name, sizeof name, "%.*s", (int)n, field);
    if (field[n] == '?')
        return add_option(r, body, name, why);
    if (field[n] == '#')
        return json_object_set_new(body, name, json_string("")) == 0;
    if (field[n] == '*')
        return json_object_set_new(body, name, list_from(r, arguments + (field[n + 1] - '1'))) == 0;
    const char *argument = arguments[field[len - 1] - '1'];
    if (field[n] == '!' && strcmp(argument, "-") == 0)
        return add_secret(body, name, why);
    if (field[n] == '=' || field[n] == '!')
        return json_object_set_new(body, name, json_string(argument)) == 0;
    json_t *value = read_json(argument, why);
    return value != NULL && json_object_set_new(body, name, value) == 0;
}

static bool add_secret(json_t *body, const char *name, struct text *why)
{
    char *secret = secret_read("password: ");
    bool is_added = secret != NULL && json_object_set_new(body, name, json_string(secret)) == 0;

    if (!is_added)
        text_add(why, "there is no password on standard input");
    free(secret);
    return is_added;
}

static json_t *read_json(const char *argument, struct text *why)
{
    json_error_t error;
    json_t *value = json_loads(argument, JSON_DECODE_ANY, &error);

    if (value == NULL)
        text_add(why, "'%s' is not JSON: %s", argument, error.text);
    return value;
}

static json_t *list_from(const struct request *r, const char *const *at)
{
    json_t *list = json_array();

    for (; at < r->words + r->words_count; at++)
        (void)json_array_append_new(list, json_string(*at));
    return list;
}

static bool add_option(const struct request *r, json_t *body, const char *name, struct text *why)
{
    char *end;

    if (strcmp(name, "apply-to") == 0)
        return r->apply_to == NULL ||
               json_object_set_new(body, name, json_string(r->apply_to)) == 0;
    if (r->priority == NULL)
        return true;
    long long priority = strtoll(r->priority, &end, 10);
    if (*end == '\0' && end != r->priority)
        return json_object_set_new(body, name, json_integer(priority)) == 0;
    text_add(why, "--priority is a whole number");
    return false;
}

static int show(const struct request *r, const struct command *c, const json_t *answer,
                const char *file)
{
    if (strcmp(c->path, "definitions") == 0 && strcmp(c->method, "GET") == 0 && file != NULL)
        return secret_write_json(file, answer) == 0 ? EXIT_SUCCESS
                                                    : ctl_complain("the file cannot be written");
    if (answer == NULL)
        return EXIT_SUCCESS;
    if (r->wants_json || strcmp(c->method, "GET") == 0) {
        ctl_print_json(answer);
    } else {
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)answer, name, value)
        {
            if (json_string_length(value) != 0)
                printf("%s: %s\n", name, json_string_value(value));
        }
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : ctl_complain("the output cannot be written");
}
