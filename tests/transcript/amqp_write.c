#include "tests/transcript/amqp_write.h"

#include "tests/transcript/amqp_methods.h"

#include <ctype.h>
#include <stdlib.h>

#define WORDS_MAX 32

struct word { /* name=value of a line, or a name alone */
    const char *name;
    size_t name_len;
    const char *value; /* NULL: there is none */
    bool is_used;
};

struct words {
    struct word at[WORDS_MAX];
    uint32_t count;
};

static void write_protocol(struct byte_pattern *to, const char *at);
static void write_hex(struct byte_pattern *to, const char *at);
static void write_frame(struct byte_pattern *to, const char *line);
static uint8_t write_payload(struct byte_pattern *to, const char *kind, size_t kind_len,
                             const char *rest);
static void write_method(struct byte_pattern *to, const struct method_form *form, const char *rest);
static void write_header(struct byte_pattern *to, const char *rest);
static void read_words(struct byte_pattern *to, const char *at, struct words *words);
static const char *skip_value(const char *at);
static void complain_of_unused(struct byte_pattern *to, const struct words *words);
static struct word *find_word(struct words *words, const char *name, size_t len);
static uint64_t number_of(struct words *words, const char *name, uint64_t otherwise);
static void write_argument(struct byte_pattern *to, char type, const struct word *word);
static void write_quoted(struct byte_pattern *to, const char **at, unsigned length_octets);
static void write_table(struct byte_pattern *to, const char **at);
static void write_value(struct byte_pattern *to, const char **at);
static void write_scalar(struct byte_pattern *to, char type, const char **at);
static void write_array(struct byte_pattern *to, const char **at);
static const char *skip_blanks(const char *at);

void amqp_line_write(struct byte_pattern *to, const char *line)
{
    if (strncmp(line, "protocol ", 9) == 0)
        write_protocol(to, line + 9);
    else if (strncmp(line, "hex ", 4) == 0)
        write_hex(to, line + 4);
    else
        write_frame(to, line);
}

static void write_protocol(struct byte_pattern *to, const char *at)
{
    pattern_add(to, SL_BYTES_LITERAL("AMQP"));
    for (int i = 0; i < 4; i++)
        pattern_add_number(to, strtoul(at, (char **)(uintptr_t)&at, 10), 1);
}

static void write_hex(struct byte_pattern *to, const char *at)
{
    for (at = skip_blanks(at); *at != '\0' && to->wrong == NULL; at = skip_blanks(at)) {
        char digits[3] = {at[0], at[1], 0};
        unsigned long times = 1;

        if (*at == '"') {
            write_quoted(to, &at, 0);
            continue;
        }
        if (!isxdigit((uint8_t)at[0]) || !isxdigit((uint8_t)at[1])) {
            to->wrong = "two hexadecimal digits are one octet";
            return;
        }
        at += 2;
        if (*at == '*')
            times = strtoul(at + 1, (char **)(uintptr_t)&at, 10);
        while (times-- > 0)
            pattern_add_number(to, strtoul(digits, NULL, 16), 1);
    }
}

static void write_frame(struct byte_pattern *to, const char *line)
{
    unsigned long channel = strtoul(line, (char **)(uintptr_t)&line, 10);
    const char *kind = skip_blanks(line);
    size_t kind_len = strcspn(kind, " ");
    size_t start = to->bytes.len;

    if (line == kind) {
        to->wrong = "a frame begins with its channel";
        return;
    }
    pattern_add_number(to, 0, 1); /* the type and the size come at the end */
    pattern_add_number(to, channel, 2);
    pattern_add_number(to, 0, 4);
    uint8_t type = write_payload(to, kind, kind_len, skip_blanks(kind + kind_len));
    pattern_set_number(to, start, type, 1);
    pattern_set_number(to, start + 3, to->bytes.len - start - 7, 4);
    pattern_add_number(to, 0xCE, 1);
}

static uint8_t write_payload(struct byte_pattern *to, const char *kind, size_t kind_len,
                             const char *rest)
{
    if (kind_len == 6 && strncmp(kind, "header", 6) == 0) {
        write_header(to, rest);
        return 2;
    }
    if (kind_len == 4 && strncmp(kind, "body", 4) == 0) {
        write_quoted(to, &rest, 0);
        return 3;
    }
    if (kind_len == 9 && strncmp(kind, "heartbeat", 9) == 0)
        return 8;
    for (const struct method_form *form = METHOD_FORMS; form->name != NULL; form++) {
        if (strlen(form->name) == kind_len && strncmp(form->name, kind, kind_len) == 0) {
            write_method(to, form, rest);
            return 1;
        }
    }
    to->wrong = "there is no such frame or method";
    return 0;
}

static void write_method(struct byte_pattern *to, const struct method_form *form, const char *rest)
{
    struct words words;
    unsigned bits = 0; /* so far in the octet that is the last one */

    read_words(to, rest, &words);
    pattern_add_number(to, form->class_id, 2);
    pattern_add_number(to, form->method_id, 2);
    for (const char *at = form->arguments; *at != '\0'; at += strspn(at, " ")) {
        size_t len = strcspn(at, ":");
        const struct word *word = find_word(&words, at, len);
        char type = at[len + 1];

        if (type == 'b') {
            if (bits++ == 0)
                pattern_add_number(to, 0, 1);
            if (word != NULL)
                to->bytes.at[to->bytes.len - 1] |= (uint8_t)(1u << (bits - 1));
        } else {
            write_argument(to, type, word);
            bits = 0;
        }
        at += len + 2;
    }
    complain_of_unused(to, &words);
}

static void write_header(struct byte_pattern *to, const char *rest)
{
    struct words words;
    uint16_t flags = 0;

    read_words(to, rest, &words);
    pattern_add_number(to, number_of(&words, "class", 60), 2);
    pattern_add_number(to, number_of(&words, "weight", 0), 2);
    pattern_add_number(to, number_of(&words, "size", 0), 8);
    size_t flags_at = to->bytes.len;
    pattern_add_number(to, 0, 2);
    for (unsigned i = 0; i < PROPERTIES_COUNT; i++) {
        size_t len = strcspn(PROPERTY_FORMS[i], ":");
        const struct word *word = find_word(&words, PROPERTY_FORMS[i], len);

        if (word == NULL)
            continue;
        flags |= (uint16_t)(1u << (15 - i));
        write_argument(to, PROPERTY_FORMS[i][len + 1], word);
    }
    pattern_set_number(to, flags_at, flags, 2);
    complain_of_unused(to, &words);
}

static void read_words(struct byte_pattern *to, const char *at, struct words *words)
{
    *words = (struct words){0};
    for (at = skip_blanks(at); *at != '\0'; at = skip_blanks(at)) {
        struct word *word = &words->at[words->count];

        if (words->count++ == WORDS_MAX - 1) {
            to->wrong = "too many arguments in a line";
            return;
        }
        *word = (struct word){.name = at, .name_len = strcspn(at, "= ")};
        at += word->name_len;
        if (*at != '=')
            continue;
        word->value = at + 1;
        at = skip_value(at + 1);
    }
}

/* To the blank behind it: quotes and brackets hide blanks. */
static const char *skip_value(const char *at)
{
    int depth = 0;
    bool is_quoted = false;

    for (; *at != '\0' && (*at != ' ' || is_quoted || depth != 0); at++) {
        if (*at == '^' && at[1] != '\0')
            at++;
        else if (*at == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted)
            depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
    }
    return at;
}

static void complain_of_unused(struct byte_pattern *to, const struct words *words)
{
    for (uint32_t i = 0; i < words->count; i++) {
        if (!words->at[i].is_used)
            to->wrong = "an argument is not one of this frame";
    }
}

static struct word *find_word(struct words *words, const char *name, size_t len)
{
    for (uint32_t i = 0; i < words->count; i++) {
        struct word *word = &words->at[i];

        if (word->name_len == len && memcmp(word->name, name, len) == 0) {
            word->is_used = true;
            return word;
        }
    }
    return NULL;
}

static uint64_t number_of(struct words *words, const char *name, uint64_t otherwise)
{
    const struct word *word = find_word(words, name, strlen(name));

    return word == NULL || word->value == NULL ? otherwise : strtoull(word->value, NULL, 10);
}

static void write_argument(struct byte_pattern *to, char type, const struct word *word)
{
    const char *value = word == NULL || word->value == NULL ? "" : word->value;

    switch (type) {
    case 'o': pattern_add_number(to, strtoull(value, NULL, 10), 1); return;
    case 'h': pattern_add_number(to, strtoull(value, NULL, 10), 2); return;
    case 'l': pattern_add_number(to, strtoull(value, NULL, 10), 4); return;
    case 'q': pattern_add_number(to, strtoull(value, NULL, 10), 8); return;
    case 's': write_quoted(to, &value, 1); return;
    case 'S': write_quoted(to, &value, 4); return;
    default: write_table(to, &value); return;
    }
}

/* With its length before it; nothing at all is the empty text. */
static void write_quoted(struct byte_pattern *to, const char **at, unsigned length_octets)
{
    size_t length_at = to->bytes.len;

    pattern_add_number(to, 0, length_octets);
    if (**at == '\0')
        return;
    if (*(*at)++ != '"') {
        to->wrong = "a text has quotes around it";
        return;
    }
    pattern_add_text(to, at, "\"");
    if (*(*at)++ != '"')
        to->wrong = "a text has no end";
    pattern_set_number(to, length_at, to->bytes.len - length_at - length_octets, length_octets);
}

static void write_table(struct byte_pattern *to, const char **at)
{
    size_t start = to->bytes.len;

    pattern_add_number(to, 0, 4);
    if (**at == '\0')
        return;
    if (*(*at)++ != '{')
        to->wrong = "a table has braces around it";
    for (*at = skip_blanks(*at); to->wrong == NULL && **at != '}'; *at = skip_blanks(*at)) {
        size_t len = strcspn(*at, "=");

        pattern_add_number(to, len, 1);
        pattern_add(to, (struct sl_bytes){(const uint8_t *)*at, len});
        *at += len;
        if (*(*at)++ != '=') {
            to->wrong = "a table has no end";
            return;
        }
        write_value(to, at);
    }
    ++*at;
    pattern_set_number(to, start, to->bytes.len - start - 4, 4);
}

static void write_value(struct byte_pattern *to, const char **at)
{
    char type = *(*at)++;

    pattern_add_number(to, (uint8_t)type, 1);
    switch (type) {
    case 'S':
    case 'x': write_quoted(to, at, 4); return;
    case 'F': write_table(to, at); return;
    case 'A': write_array(to, at); return;
    case 'V': return;
    default: write_scalar(to, type, at); return;
    }
}

static void write_scalar(struct byte_pattern *to, char type, const char **at)
{
    static const char OCTETS[] = "t1b1B1s2u2I4i4l8L8T8f4d8";
    const char *found = strchr(OCTETS, type);
    union {
        double number;
        uint64_t bits;
    } d;
    union {
        float number;
        uint32_t bits;
    } f;

    if (found == NULL || *(*at)++ != ':') {
        to->wrong = "a value is a type letter, a colon, and the value";
        return;
    }
    unsigned octets = (unsigned)(found[1] - '0');
    if (type == 'd' || type == 'f') {
        d.number = strtod(*at, (char **)(uintptr_t)at);
        f.number = (float)d.number;
        pattern_add_number(to, type == 'd' ? d.bits : f.bits, octets);
        return;
    }
    uint64_t value = (uint64_t)strtoll(*at, (char **)(uintptr_t)at, 10);
    pattern_add_number(to, octets == 8 ? value : value & ((1ull << (8 * octets)) - 1), octets);
}

static void write_array(struct byte_pattern *to, const char **at)
{
    size_t start = to->bytes.len;

    pattern_add_number(to, 0, 4);
    if (*(*at)++ != '[')
        to->wrong = "an array has brackets around it";
    for (*at = skip_blanks(*at); to->wrong == NULL && **at != ']'; *at = skip_blanks(*at)) {
        if (**at == '\0') {
            to->wrong = "an array has no end";
            return;
        }
        write_value(to, at);
    }
    ++*at;
    pattern_set_number(to, start, to->bytes.len - start - 4, 4);
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " ");
}
