/* config_read.c - the part of config.h that reads the file and the command line. */
#include "gateway/config.h"

#include "core/base/log.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_ROOM 64u /* what is taken for a setting's name */
#define PASSWORD "stomp-default-password"

struct reading { /* of one file */
    struct config *config;
    struct text *why; /* of the first line that was refused */
    const char *path;
    FILE *file;
    char *text; /* of the line; getline's */
    size_t text_room;
    const char *value; /* in it, of a line that is too long for inih; or NULL */
    int line;
    int refused; /* its number */
    int error;   /* errno of a line that could not be had; 0: the file has ended */
    bool has_password;
};

struct argument { /* --name value, --name=value, or --name */
    char name[NAME_ROOM];
    const char *value; /* behind the =, or NULL */
};

static char *read_line(char *into, int room, void *context);
static void shorten(struct reading *r, char *line, char *into, size_t room);
static int on_row(void *context, const char *section, const char *name, const char *value);
static void check_mode(const struct reading *r);
static bool split_argument(const char *given, struct argument *out);
static enum sl_err read_flag(struct config *c, const struct argument *a, const char *next,
                             int *used, struct text *why);
static const char *config_path(int count, char **arguments);
static bool is_request(const char *name, struct config_request *request);
static void suggest(const char *name, const char *dashes, struct text *why);

enum sl_err config_read_file(struct config *c, const char *path, struct text *why)
{
    struct reading r = {.config = c, .why = why, .path = path, .file = fopen(path, "re")};

    if (r.file == NULL) {
        text_add(why, "%s: %s", path, strerror(errno));
        return SL_EIO;
    }
    int line = ini_parse_stream(read_line, &r, on_row, &r); /* the first bad one */
    check_mode(&r);
    free(r.text);
    fclose(r.file);
    if (r.error != 0) { /* a directory, for one, is opened like a file */
        *why = text_on(why->at, why->room);
        text_add(why, "%s: %s", path, strerror(r.error));
        return SL_EIO;
    }
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

/* Indented lines would count as more of the line above them, so the blanks go. */
static char *read_line(char *into, int room, void *context)
{
    struct reading *r = context;

    if (getline(&r->text, &r->text_room, r->file) < 0) {
        r->error = ferror(r->file) ? errno : 0;
        return NULL;
    }
    r->line++;
    r->value = NULL;
    char *line = r->text + strspn(r->text, " \t");
    if (strlen(line) < (size_t)room)
        memcpy(into, line, strlen(line) + 1);
    else
        shorten(r, line, into, (size_t)room);
    return into;
}

/* inih has room for 200 bytes.  It gets the name, and on_row the value from here; what has no name in
 * front is refused by its beginning alone, and a comment is one by its beginning. */
static void shorten(struct reading *r, char *line, char *into, size_t room)
{
    size_t name = strcspn(line, "=:");
    char *value = line + name + (line[name] != '\0');
    char *end = value + strlen(value);

    snprintf(into, room, "%s", line);
    if (*line == '#' || *line == ';' || *line == '[' || name + sizeof "= value" > room)
        return;
    snprintf(into, room, "%.*s= value", (int)name, line);
    for (char *at = value; (at = strchr(at, ';')) != NULL && at < end; at++)
        if (isspace((unsigned char)at[-1])) /* as inih knows a comment behind a value */
            end = at;
    while (end > value && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    r->value = value + strspn(value, " \t");
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
    if (r->value != NULL)
        value = r->value;
    if (s == NULL) {
        text_add(&reason, "there is no setting '%s'", name);
        suggest(name, "", &reason);
    } else if (strcmp(s->section, section) != 0)
        text_add(&reason, "%s belongs under [%s]", name, s->section);
    else if (config_set(r->config, s, value, &reason) == SL_OK) {
        r->has_password |= strcmp(name, PASSWORD) == 0 && strcmp(value, s->fallback) != 0;
        return 1;
    }
    text_add(r->why, "%s:%d: %s", r->path, r->line, reason.at);
    r->refused = r->line;
    return 0;
}

/* Not refused: on the STOMP port it lets in whoever does not know it, too. */
static void check_mode(const struct reading *r)
{
    struct stat st;

    if (r->has_password && fstat(fileno(r->file), &st) == 0 && (st.st_mode & S_IRWXO) != 0)
        sl_warn("config.mode", "file=%s mode=%03o setting=" PASSWORD " action=\"chmod 640 or 600\"",
                r->path, (unsigned)st.st_mode & 0777);
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

static void suggest(const char *name, const char *dashes, struct text *why)
{
    const struct setting *s = setting_nearest(name);

    if (s != NULL)
        text_add(why, "; did you mean %s%s?", dashes, s->name);
}
