#include "gateway/config.h"

#include "core/base/assert.h"
#include "core/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_ROOM 64u /* a setting's name */

static bool parse_number(const char *value, bool may_scale, uint64_t *out);
static bool scale(const char *suffix, uint64_t *number);
static bool parse_switch(const char *value, bool *out);
static enum sl_err refuse(const struct setting *s, const char *value, struct text *why);
static void *place(struct config *c, const struct setting *s);
static const void *place_in(const struct config *c, const struct setting *s);
static void put_text(const char **at, const char *value);
static size_t distance(const char *a, const char *b);

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

static void put_text(const char **at, const char *value)
{
    char *copy = value == NULL ? NULL : strdup(value);

    SL_ASSERT(value == NULL || copy != NULL);
    free((void *)(uintptr_t)*at); /* ours: every text in a config was copied here */
    *at = copy;
}
