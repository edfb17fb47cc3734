#include "gateway/config.h"

#include "core/base/assert.h"
#include "core/base/log.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#define NAME_ROOM 64u /* a setting's name, and what is taken for one */

static bool parse_number(const char *value, bool may_scale, uint64_t *out);
static bool scale(const char *suffix, uint64_t *number);
static bool parse_switch(const char *value, bool *out);
static enum sl_err refuse(const struct setting *s, const char *value, struct text *why);
static void *place(struct config *c, const struct setting *s);
static const void *place_in(const struct config *c, const struct setting *s);
static void put_text(const char **at, const char *value);
static size_t distance(const char *a, const char *b);
static void suggest(const char *name, const char *dashes, struct text *why);

struct reading { /* of one file */
    struct config *config;
    struct text *why; /* of the first line that was refused */
    const char *path;
    FILE *file;
    int line;
    int refused; /* its number */
};

static char *read_line(char *into, int room, void *context);
static int on_row(void *context, const char *section, const char *name, const char *value);

struct argument { /* --name value, --name=value, or --name */
    char name[NAME_ROOM];
    const char *value; /* behind the =, or NULL */
};

static bool split_argument(const char *given, struct argument *out);
static enum sl_err read_flag(struct config *c, const struct argument *a, const char *next,
                             int *used, struct text *why);
static const char *config_path(int count, char **arguments);
static bool is_request(const char *name, struct config_request *request);

const struct setting *setting_find(const char *name)
{
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        if (strcmp(SETTINGS[i].name, name) == 0)
            return &SETTINGS[i];
    }
    return NULL;
}

/* Near is: no more than every third letter is another one. */
const struct setting *setting_nearest(const char *name)
{
    const struct setting *nearest = NULL;
    size_t least = strlen(name) / 3;

    if (strlen(name) >= NAME_ROOM)
        return NULL;
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        size_t d = distance(name, SETTINGS[i].name);
        if (d > least || (d == least && nearest != NULL))
            continue;
        least = d;
        nearest = &SETTINGS[i];
    }
    return nearest;
}

bool setting_is_equal(const struct setting *s, const struct config *a, const struct config *b)
{
    const void *one = place_in(a, s);
    const void *other = place_in(b, s);

    switch (s->kind) {
    case SETTING_TEXT: return strcmp(*(const char *const *)one, *(const char *const *)other) == 0;
    case SETTING_BYTES: return *(const uint64_t *)one == *(const uint64_t *)other;
    case SETTING_SWITCH: return *(const bool *)one == *(const bool *)other;
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_LEVEL: break;
    }
    return *(const uint32_t *)one == *(const uint32_t *)other;
}

void setting_copy(const struct setting *s, struct config *to, const struct config *from)
{
    const void *value = place_in(from, s);

    switch (s->kind) {
    case SETTING_TEXT: put_text(place(to, s), *(const char *const *)value); break;
    case SETTING_BYTES: *(uint64_t *)place(to, s) = *(const uint64_t *)value; break;
    case SETTING_SWITCH: *(bool *)place(to, s) = *(const bool *)value; break;
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_LEVEL: *(uint32_t *)place(to, s) = *(const uint32_t *)value; break;
    }
}

void config_init(struct config *c)
{
    char room[200];
    struct text why = text_on(room, sizeof room);

    *c = (struct config){.bind = NULL};
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        SL_ASSERT(config_set(c, &SETTINGS[i], SETTINGS[i].fallback, &why) == SL_OK);
}

void config_deinit(struct config *c)
{
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        if (SETTINGS[i].kind == SETTING_TEXT)
            put_text(place(c, &SETTINGS[i]), NULL);
    }
}

enum sl_err config_set(struct config *c, const struct setting *s, const char *value,
                       struct text *why)
{
    uint64_t number = 0;
    bool is_on;
    enum sl_log_level level;

    switch (s->kind) {
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_BYTES:
        if (!parse_number(value, s->kind != SETTING_COUNT, &number) || number < s->min ||
            number > s->max)
            return refuse(s, value, why);
        if (s->kind == SETTING_BYTES)
            *(uint64_t *)place(c, s) = number;
        else
            *(uint32_t *)place(c, s) = (uint32_t)number;
        return SL_OK;
    case SETTING_SWITCH:
        if (!parse_switch(value, &is_on))
            return refuse(s, value, why);
        *(bool *)place(c, s) = is_on;
        return SL_OK;
    case SETTING_LEVEL:
        if (sl_log_level_parse(value, &level) != SL_OK)
            return refuse(s, value, why);
        *(uint32_t *)place(c, s) = level;
        return SL_OK;
    case SETTING_TEXT:
        if (strlen(value) < s->min || strlen(value) > s->max)
            return refuse(s, value, why);
        put_text(place(c, s), value);
        return SL_OK;
    }
    return refuse(s, value, why);
}

enum sl_err config_read_file(struct config *c, const char *path, struct text *why)
{
    struct reading r = {.config = c, .why = why, .path = path, .file = fopen(path, "re")};

    if (r.file == NULL) {
        text_add(why, "%s: %s", path, strerror(errno));
        return SL_EIO;
    }
    int line = ini_parse_stream(read_line, &r, on_row, &r); /* the first bad one */
    fclose(r.file);
    if (line == 0)
        return SL_OK;
    if (line != r.refused) {
        *why = text_on(why->at, why->room);
        text_add(why, "%s:%d: not a section, a comment or name = value", path, line);
    }
    return SL_ESYNTAX;
}

enum sl_err config_read_arguments(struct config *c, int count, char **arguments,
                                  struct config_request *request, struct text *why)
{
    const char *path = config_path(count, arguments);

    *request = (struct config_request){false, false, false, false};
    if (path != NULL)
        SL_TRY(config_read_file(c, path, why));

    for (int i = 1; i < count;) {
        struct argument a;
        int used = 1;

        if (!split_argument(arguments[i], &a)) {
            text_add(why, "'%s' is no flag; sluice --help lists them", arguments[i]);
            return SL_ESYNTAX;
        }
        if (a.value != NULL || !is_request(a.name, request))
            SL_TRY(read_flag(c, &a, i + 1 < count ? arguments[i + 1] : NULL, &used, why));
        i += used;
    }
    return SL_OK;
}

void config_print_help(FILE *to)
{
    fputs("usage: sluice [--config FILE] [--SETTING VALUE]...\n\n"
          "A message broker that speaks STOMP 1.0-1.2 and AMQP 0-9-1.  Every setting may also\n"
          "stand in the file, under its section; the command line wins.\n",
          to);
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const struct setting *s = &SETTINGS[i];

        if (i == 0 || strcmp(s->section, SETTINGS[i - 1].section) != 0)
            fprintf(to, "\n[%s]\n", s->section);
        fprintf(to, "  --%s (%s)\n        %s\n", s->name, *s->fallback ? s->fallback : "empty",
                s->help);
    }
    fputs("\n  --export-definitions\n"
          "        write what a data directory that no process serves defines, as JSON\n"
          "  --check-store DIR\n        look whether a data directory is whole\n"
          "  --version\n  --help\n",
          to);
}

void config_print_settings(FILE *to)
{
    fputs("# Settings\n\n"
          "Every setting is a flag (`--name value` or `--name=value`) and a line in the file that\n"
          "`--config FILE` names (`name = value` under `[section]`; comments begin with `;` or\n"
          "`#`). The command line wins over the file. Sizes may end in `k`, `m` or `g`. What\n"
          "cannot be read is said with file and line, and the process exits with status 2.\n\n"
          "On SIGHUP, and on `sluicectl reload`, the file is read again. What says `yes` under\n"
          "reload is applied at once, for what is decided from then on; of the rest the log says\n"
          "that it waits for a restart. A file that cannot be read changes nothing.\n\n"
          "This file is the output of `sluice --print-settings`.\n",
          to);
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const struct setting *s = &SETTINGS[i];

        if (i == 0 || strcmp(s->section, SETTINGS[i - 1].section) != 0)
            fprintf(to,
                    "\n## [%s]\n\n| name | default | reload | what it does |\n"
                    "| --- | --- | --- | --- |\n",
                    s->section);
        fprintf(to, "| `%s` | %s%s%s | %s | %s |\n", s->name, *s->fallback ? "`" : "",
                *s->fallback ? s->fallback : "empty", *s->fallback ? "`" : "",
                s->is_live ? "yes" : "no", s->help);
    }
}

static bool parse_number(const char *value, bool may_scale, uint64_t *out)
{
    char *end;

    if (*value < '0' || *value > '9') /* strtoull would take a sign and leading blanks */
        return false;
    errno = 0;
    *out = strtoull(value, &end, 10);
    if (errno != 0)
        return false;
    return *end == '\0' || (may_scale && scale(end, out));
}

static bool scale(const char *suffix, uint64_t *number)
{
    static const char UNITS[] = "kmg";
    const char *unit = strchr(UNITS, *suffix | 0x20);

    if (unit == NULL || *unit == '\0' || suffix[1] != '\0')
        return false;
    return !__builtin_mul_overflow(*number, 1ull << (10 * (unit - UNITS + 1)), number);
}

static bool parse_switch(const char *value, bool *out)
{
    static const char *const ON[] = {"on", "true", "yes", "1"};
    static const char *const OFF[] = {"off", "false", "no", "0"};

    for (size_t i = 0; i < sizeof ON / sizeof ON[0]; i++) {
        *out = strcmp(value, ON[i]) == 0;
        if (*out || strcmp(value, OFF[i]) == 0)
            return true;
    }
    return false;
}

static enum sl_err refuse(const struct setting *s, const char *value, struct text *why)
{
    text_add(why, "%s: '%s' is not ", s->name, value);
    switch (s->kind) {
    case SETTING_COUNT: text_add(why, "a number"); break;
    case SETTING_SIZE:
    case SETTING_BYTES: text_add(why, "a size in bytes (16384, 16k, 16m, 1g)"); break;
    case SETTING_SWITCH: text_add(why, "on or off"); break;
    case SETTING_TEXT: text_add(why, "a text"); break;
    case SETTING_LEVEL: text_add(why, "error, warn, info or debug"); break;
    }
    if (s->max != 0)
        text_add(why, " of %llu to %llu%s", (unsigned long long)s->min, (unsigned long long)s->max,
                 s->kind == SETTING_TEXT ? " bytes" : "");
    return SL_ESYNTAX;
}

static void *place(struct config *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

static const void *place_in(const struct config *c, const struct setting *s)
{
    return (const char *)c + s->offset;
}

/* Letters that have to be put in, taken out or changed: the rows of the usual table, one at a
 * time. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_ROOM];
    size_t columns = strlen(b);

    SL_ASSERT(columns < NAME_ROOM);
    for (size_t i = 0; i <= columns; i++)
        row[i] = i;
    for (; *a != '\0'; a++) {
        size_t corner = row[0]++;
        for (size_t i = 1; i <= columns; i++) {
            size_t changed = corner + (*a != b[i - 1]);
            size_t moved = (row[i] < row[i - 1] ? row[i] : row[i - 1]) + 1;
            corner = row[i];
            row[i] = changed < moved ? changed : moved;
        }
    }
    return row[columns];
}

static void suggest(const char *name, const char *dashes, struct text *why)
{
    const struct setting *s = setting_nearest(name);

    if (s != NULL)
        text_add(why, "; did you mean %s%s?", dashes, s->name);
}

static void put_text(const char **at, const char *value)
{
    char *copy = value == NULL ? NULL : strdup(value);

    SL_ASSERT(value == NULL || copy != NULL);
    free((void *)(uintptr_t)*at); /* ours: every text in a config was copied here */
    *at = copy;
}

/* Indented lines would count as more of the line above them, so the blanks go. */
static char *read_line(char *into, int room, void *context)
{
    struct reading *r = context;

    if (fgets(into, room, r->file) == NULL)
        return NULL;
    r->line++; /* a line too long for inih comes in two and is refused, with a number near it */
    size_t blanks = strspn(into, " \t");
    memmove(into, into + blanks, strlen(into + blanks) + 1);
    return into;
}

/* inih wants non-zero for "go on", and keeps the number of the first line that was refused. */
static int on_row(void *context, const char *section, const char *name, const char *value)
{
    struct reading *r = context;
    const struct setting *s = setting_find(name);
    char room[300];
    struct text reason = text_on(room, sizeof room);

    if (r->refused != 0)
        return 0; /* only the first is reported */
    if (s == NULL) {
        text_add(&reason, "there is no setting '%s'", name);
        suggest(name, "", &reason);
    } else if (strcmp(s->section, section) != 0)
        text_add(&reason, "%s belongs under [%s]", name, s->section);
    else if (config_set(r->config, s, value, &reason) == SL_OK)
        return 1;
    text_add(r->why, "%s:%d: %s", r->path, r->line, reason.at);
    r->refused = r->line;
    return 0;
}

static bool split_argument(const char *given, struct argument *out)
{
    if (strncmp(given, "--", 2) != 0)
        return false;
    given += 2;
    size_t len = strcspn(given, "=");
    if (len == 0 || len >= sizeof out->name)
        return false;
    memcpy(out->name, given, len);
    out->name[len] = '\0';
    out->value = given[len] == '=' ? given + len + 1 : NULL;
    return true;
}

static enum sl_err read_flag(struct config *c, const struct argument *a, const char *next,
                             int *used, struct text *why)
{
    const struct setting *s = setting_find(a->name);
    const char *value = a->value != NULL ? a->value : next;

    if (s == NULL && strcmp(a->name, "config") != 0) {
        text_add(why, "there is no flag --%s; sluice --help lists them", a->name);
        suggest(a->name, "--", why);
        return SL_ESYNTAX;
    }
    if (value == NULL) {
        text_add(why, "--%s wants a value", a->name);
        return SL_ESYNTAX;
    }
    *used = a->value != NULL ? 1 : 2;
    return s == NULL ? SL_OK : config_set(c, s, value, why); /* the file has been read */
}

static const char *config_path(int count, char **arguments)
{
    const char *path = NULL;

    for (int i = 1; i < count; i++) {
        struct argument a;

        if (split_argument(arguments[i], &a) && strcmp(a.name, "config") == 0)
            path = a.value != NULL ? a.value : arguments[i + 1]; /* argv ends in NULL */
    }
    return path;
}

static bool is_request(const char *name, struct config_request *request)
{
    if (strcmp(name, "help") == 0)
        return request->wants_help = true;
    if (strcmp(name, "version") == 0)
        return request->wants_version = true;
    if (strcmp(name, "print-settings") == 0)
        return request->wants_settings = true;
    if (strcmp(name, "export-definitions") == 0)
        return request->wants_export = true;
    return false;
}
