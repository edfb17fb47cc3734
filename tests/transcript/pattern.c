#include "tests/transcript/pattern.h"

#include "core/base/assert.h"

#include <ctype.h>
#include <stdlib.h>

#define PATTERN_BYTES_MAX (64u * 1024 * 1024)

static void add_escape(struct byte_pattern *p, const char **at);
static void add_repeated(struct byte_pattern *p, const char **at);
static bool add_placeholder(struct byte_pattern *p, const char **at);
static const char *find_name(const struct names *names, const char *name);
static bool fill(const struct hole *hole, struct sl_bytes heard, struct names *names);
static bool is_name_char(uint8_t c);

void pattern_init(struct byte_pattern *p, const struct names *names)
{
    *p = (struct byte_pattern){.names = names};
    sl_buffer_init(&p->bytes, PATTERN_BYTES_MAX);
}

void byte_pattern_deinit(struct byte_pattern *p)
{
    sl_buffer_deinit(&p->bytes);
}

void pattern_clear(struct byte_pattern *p)
{
    sl_buffer_clear(&p->bytes);
    p->holes_count = 0;
    p->wrong = NULL;
}

void pattern_add(struct byte_pattern *p, struct sl_bytes bytes)
{
    if (sl_buffer_append(&p->bytes, bytes) != SL_OK)
        p->wrong = "more bytes than a transcript may have";
}

void pattern_add_number(struct byte_pattern *p, uint64_t value, unsigned octets)
{
    static const uint8_t ZEROS[8] = {0};
    size_t at = p->bytes.len;

    pattern_add(p, (struct sl_bytes){ZEROS, octets});
    pattern_set_number(p, at, value, octets);
    if (octets < 8 && value >> (8 * octets) != 0)
        p->wrong = "a number is too large for its field";
}

void pattern_set_number(struct byte_pattern *p, size_t at, uint64_t value, unsigned octets)
{
    for (unsigned i = 0; p->wrong == NULL && i < octets; i++)
        p->bytes.at[at + i] = (uint8_t)(value >> (8 * (octets - 1 - i)));
}

void pattern_add_text(struct byte_pattern *p, const char **at, const char *stop)
{
    while (p->wrong == NULL && **at != '\0' && strchr(stop, **at) == NULL) {
        if (**at == '^')
            add_escape(p, at);
        else if (**at != '{' || !add_placeholder(p, at))
            pattern_add(p, (struct sl_bytes){(const uint8_t *)(*at)++, 1});
    }
}

void pattern_add_line(struct byte_pattern *p, const char *text)
{
    size_t len = strlen(text);
    bool has_lf = len < 2 || strcmp(text + len - 2, "^-") != 0;

    pattern_add_text(p, &text, "");
    if (has_lf)
        pattern_add(p, SL_BYTES_LITERAL("\n"));
}

bool pattern_match(const struct byte_pattern *p, struct sl_bytes heard, struct names *names)
{
    size_t from = 0;

    if (heard.len != p->bytes.len)
        return false;
    for (uint32_t i = 0; i <= p->holes_count; i++) {
        size_t to = i == p->holes_count ? heard.len : p->holes[i].at;

        if (to != from && memcmp(heard.at + from, p->bytes.at + from, to - from) != 0)
            return false;
        if (i == p->holes_count)
            return true;
        if (!fill(&p->holes[i], heard, names))
            return false;
        from = to + SL_RANDOM_NAME_CHARS;
    }
    return true;
}

static void add_escape(struct byte_pattern *p, const char **at)
{
    static const char PLAIN[] = "@\0J\nM\rI\t^^\"\"";
    char digits[3] = {0};
    char c = *++*at;

    for (size_t i = 0; i + 1 < sizeof PLAIN; i += 2) {
        if (c == PLAIN[i] && c != '\0') {
            pattern_add(p, (struct sl_bytes){(const uint8_t *)&PLAIN[i + 1], 1});
            ++*at;
            return;
        }
    }
    if (c == 'x' && isxdigit((uint8_t)(*at)[1]) && isxdigit((uint8_t)(*at)[2])) {
        memcpy(digits, *at + 1, 2);
        pattern_add_number(p, strtoul(digits, NULL, 16), 1);
        *at += 3;
    } else if (c == '(') {
        ++*at;
        add_repeated(p, at);
    } else if (c == '-' && (*at)[1] == '\0') {
        ++*at;
    } else {
        p->wrong = "there is no such escape";
    }
}

static void add_repeated(struct byte_pattern *p, const char **at)
{
    unsigned long count = strtoul(*at, (char **)(uintptr_t)at, 10);
    size_t from = p->bytes.len;

    if (*(*at)++ != '*') {
        p->wrong = "a repetition is ^(N*text)";
        return;
    }
    pattern_add_text(p, at, ")");
    if (*(*at)++ != ')')
        p->wrong = "a repetition has no end";
    size_t n = p->bytes.len - from;
    uint8_t *to = p->wrong != NULL || count == 0 ? NULL : sl_buffer_reserve(&p->bytes, n * count);
    if (to == NULL) {
        p->wrong = "a repetition cannot be";
        return;
    }
    for (unsigned long i = 0; i + 1 < count; i++)
        memcpy(to + i * n, p->bytes.at + from, n);
    sl_buffer_grow(&p->bytes, n * (count - 1));
}

/* False: a brace that stands for itself. */
static bool add_placeholder(struct byte_pattern *p, const char **at)
{
    size_t len = strspn(*at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    struct hole *hole = &p->holes[p->holes_count];

    if (len == 0 || len > NAME_CHARS_MAX || (*at)[len + 1] != '}')
        return false;
    SL_ASSERT(p->holes_count < HOLES_MAX);
    *hole = (struct hole){.at = p->bytes.len};
    memcpy(hole->name, *at + 1, len);
    *at += len + 2;
    const char *value = find_name(p->names, hole->name);
    if (value == NULL) {
        value = "----------------------";
        p->holes_count++;
    }
    pattern_add(p, sl_bytes_of(value));
    return true;
}

static const char *find_name(const struct names *names, const char *name)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].name, name) == 0)
            return names->items[i].value;
    }
    return NULL;
}

static bool fill(const struct hole *hole, struct sl_bytes heard, struct names *names)
{
    const char *known = find_name(names, hole->name);
    const uint8_t *at = heard.at + hole->at;

    if (known != NULL)
        return memcmp(known, at, SL_RANDOM_NAME_CHARS) == 0;
    for (size_t i = 0; i < SL_RANDOM_NAME_CHARS; i++) {
        if (!is_name_char(at[i]))
            return false;
    }
    SL_ASSERT(names->count < NAMES_MAX);
    memcpy(names->items[names->count].name, hole->name, sizeof hole->name);
    memcpy(names->items[names->count].value, at, SL_RANDOM_NAME_CHARS);
    names->items[names->count++].value[SL_RANDOM_NAME_CHARS] = '\0';
    return true;
}

static bool is_name_char(uint8_t c)
{
    return isalnum(c) || c == '-' || c == '_';
}
