/* main.c - sluicectl: a look inside a running gateway, and a hand. */
#include "gateway/ctl/ctl.h"
#include "gateway/ctl/prepared.h"
#include "gateway/data_dir.h"

#include <stdlib.h>
#include <string.h>

static bool read_arguments(struct request *r, int count, char **arguments);
static bool read_flag(struct request *r, const char *name);
static bool read_option(struct request *r, const char *name, const char *value);
static bool read_format(struct request *r, const char *name, const char *value);
static int run_decision(const struct request *r);
static void default_socket(struct request *r);
static size_t next_word(const char *at, size_t *len);
static void print_help(FILE *to);

int main(int count, char **arguments)
{
    struct request r = {.wants_json = false};

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
        return ctl_run_status(&r);
    if (r.words_count == 2 &&
        (strcmp(r.words[0], "commit") == 0 || strcmp(r.words[0], "rollback") == 0))
        return run_decision(&r);
    int status = ctl_run_listing(&r);
    if (status < 0)
        status = ctl_run_command(&r);
    if (status >= 0)
        return status;
    if (r.words_count == 0)
        fputs("sluicectl: what shall it do?\n", stderr);
    else
        fprintf(stderr, "sluicectl: there is no command \"%s%s%s\"\n", r.words[0],
                r.words_count > 1 ? " " : "", r.words_count > 1 ? r.words[1] : "");
    print_help(stderr);
    return EXIT_USAGE;
}

int ctl_matches(const struct request *r, const char *command)
{
    int words = 0;

    for (const char *at = command; *at != '\0';) {
        if (words == r->words_count)
            return 0;
        for (const char *said = r->words[words++]; *said != '\0';) {
            size_t len;
            size_t said_len;
            size_t used = next_word(at, &len);
            size_t said_used = next_word(said, &said_len);
            if (len != said_len || len == 0 || strncmp(at, said, len) != 0)
                return 0;
            at += used;
            said += said_used;
        }
    }
    return words;
}

/* "set policy", "set_policy": gives how far it is to the next one. */
static size_t next_word(const char *at, size_t *len)
{
    *len = strcspn(at, " _-");
    return *len + (at[*len] != '\0');
}

int ctl_complain(const char *why)
{
    fprintf(stderr, "sluicectl: %s\n", why);
    return EXIT_FAILURE;
}

void ctl_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

/* --name value, --name=value, -o value; anything else is a word of the command. */
static bool read_arguments(struct request *r, int count, char **arguments)
{
    default_socket(r);
    for (int i = 1; i < count; i++) {
        char *given = arguments[i];
        char *value = strchr(given, '=');
        bool is_short = strcmp(given, "-o") == 0 || strcmp(given, "-p") == 0;

        if (read_flag(r, given))
            continue;
        if (is_short || strncmp(given, "--", 2) == 0) {
            if (value != NULL && !is_short)
                *value++ = '\0';
            else
                value = i + 1 < count ? arguments[++i] : NULL;
            if (!read_option(r, given, value))
                return false;
        } else if (r->words_count == CTL_WORDS_MAX) {
            fprintf(stderr, "sluicectl: \"%s\" is too much\n", given);
            return false;
        } else {
            r->words[r->words_count++] = given;
        }
    }
    return true;
}

static bool read_flag(struct request *r, const char *name)
{
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return r->wants_help = true;
    if (strcmp(name, "--version") == 0)
        return r->wants_version = true;
    if (strcmp(name, "--if-unused") == 0)
        return r->if_unused = true;
    if (strcmp(name, "--if-empty") == 0)
        return r->if_empty = true;
    return false;
}

static bool read_option(struct request *r, const char *name, const char *value)
{
    int len = 0;

    if (value == NULL) {
        fprintf(stderr, "sluicectl: %s wants a value, or is no option; see --help\n", name);
        return false;
    }
    if (strcmp(name, "--data-dir") == 0)
        len = snprintf(r->socket, sizeof r->socket, "%s/sluice.sock", value);
    else if (strcmp(name, "--socket") == 0)
        len = snprintf(r->socket, sizeof r->socket, "%s", value);
    else if (strcmp(name, "--vhost") == 0 || strcmp(name, "-p") == 0)
        r->vhost = value;
    else if (strcmp(name, "--priority") == 0)
        r->priority = value;
    else if (strcmp(name, "--apply-to") == 0)
        r->apply_to = value;
    else if (strcmp(name, "--user") == 0)
        r->user = value;
    else
        return read_format(r, name, value);
    if (len < (int)sizeof r->socket)
        return true;
    fprintf(stderr, "sluicectl: the path is too long\n");
    return false;
}

static bool read_format(struct request *r, const char *name, const char *value)
{
    bool is_format = strcmp(name, "--format") == 0 || strcmp(name, "--output") == 0 ||
                     strcmp(name, "-o") == 0;

    r->wants_json = strcmp(value, "json") == 0;
    if (is_format && (r->wants_json || strcmp(value, "table") == 0))
        return true;
    if (is_format)
        fprintf(stderr, "sluicectl: %s is table or json\n", name);
    else
        fprintf(stderr, "sluicectl: there is no option %s; see --help\n", name);
    return false;
}

static int run_decision(const struct request *r)
{
    char room[PATH_MAX + 512];
    struct text why = text_on(room, sizeof room);
    const struct prepared_decision d = {.socket = r->socket,
                                        .outcome = r->words[0],
                                        .id = r->words[1],
                                        .vhost = r->vhost == NULL ? "/" : r->vhost,
                                        .user = r->user};

    return prepared_decide(&d, &why) == SL_OK ? EXIT_SUCCESS : ctl_complain(room);
}

static void default_socket(struct request *r)
{
    struct text path = text_on(r->socket, sizeof r->socket);

    data_dir_default(&path);
    text_add(&path, "/sluice.sock");
}

static void print_help(FILE *to)
{
    fputs("usage: sluicectl [--data-dir DIR | --socket PATH] [--format table|json]\n"
          "                 [--vhost NAME] COMMAND\n"
          "  status\n"
          "        what runs, since when, and how much is in it\n",
          to);
    ctl_help_listings(to);
    ctl_help_commands(to);
    fputs("  commit ID, rollback ID\n"
          "        decides a prepared message; --vhost and --user say whose\n",
          to);
    fputs("-o is --format, -p is --vhost, which is / where a command is about one.  rabbitmqctl's\n"
          "spelling is understood too: list_queues, set_policy.\n"
          "Ends with 0; with 1 when the gateway cannot be asked, or refuses; with 2 when the "
          "command\n"
          "is not understood.  --data-dir is the gateway's own, by default where it has it.\n",
          to);
}
