/* selector_words.c - the words of a selector. */
#include "core/selector_parts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#define NUMBER_BYTES_MAX 63u

static const struct {
    const char *name;
    enum selector_word word;
} KEYWORDS[] = {{"AND", WORD_AND}, {"OR", WORD_OR},           {"NOT", WORD_NOT},
                {"IN", WORD_IN},   {"BETWEEN", WORD_BETWEEN}, {"LIKE", WORD_LIKE},
                {"IS", WORD_IS},   {"ESCAPE", WORD_ESCAPE},   {"NULL", WORD_NULL}};

static const struct {
    const char *sign; /* longer ones before what they begin with */
    enum selector_word word;
} SIGNS[] = {{"<>", WORD_UNEQUAL}, {"<=", WORD_LESS_EQUAL}, {">=", WORD_GREATER_EQUAL},
             {"(", WORD_OPEN},     {")", WORD_CLOSE},       {",", WORD_COMMA},
             {"+", WORD_PLUS},     {"-", WORD_MINUS},       {"*", WORD_STAR},
             {"/", WORD_SLASH},    {"=", WORD_EQUAL},       {"<", WORD_LESS},
             {">", WORD_GREATER}};

static void read_prefixes(struct selector_words *w);
static void read_quoted(struct selector_words *w, uint8_t quote);
static void read_number(struct selector_words *w);
static void read_name(struct selector_words *w);
static void read_sign(struct selector_words *w);
static void complain(struct selector_words *w, const char *what);
static size_t digits(struct sl_bytes text, size_t from);
static size_t number_len(struct sl_bytes text, bool *is_whole);
static bool is_digit(uint8_t c);
static bool begins_name(uint8_t c);
static bool is_keyword(struct sl_bytes name, const char *keyword);

void selector_words_start(struct selector_words *w, uint8_t *text, size_t len)
{
    *w = (struct selector_words){.text = text, .len = len};
    read_prefixes(w);
    selector_words_next(w);
}

void selector_words_next(struct selector_words *w)
{
    if (w->word == WORD_BAD)
        return;
    while (w->next < w->len &&
           (w->text[w->next] == ' ' || (w->text[w->next] >= '\t' && w->text[w->next] <= '\r')))
        w->next++;
    w->at = w->next;
    w->word = WORD_END;
    if (w->next == w->len)
        return;
    uint8_t c = w->text[w->next];
    if (c == '\'' || c == '"')
        read_quoted(w, c);
    else if (is_digit(c) || (c == '.' && w->next + 1 < w->len && is_digit(w->text[w->next + 1])))
        read_number(w);
    else if (begins_name(c))
        read_name(w);
    else
        read_sign(w);
}

bool selector_number(struct sl_bytes text, struct selector_value *out)
{
    char room[NUMBER_BYTES_MAX + 1];
    bool is_whole;
    size_t sign = text.len != 0 && (text.at[0] == '-' || text.at[0] == '+');

    if (text.len > NUMBER_BYTES_MAX || text.len == sign ||
        number_len(sl_bytes_skip(text, sign), &is_whole) != text.len - sign)
        return false;
    memcpy(room, text.at, text.len);
    room[text.len] = '\0';
    errno = 0;
    if (is_whole) {
        *out = (struct selector_value){.type = SELECTOR_INTEGER};
        out->integer = strtoll(room, NULL, 10);
        if (errno == 0)
            return true;
    }
    *out = (struct selector_value){.type = SELECTOR_REAL};
    out->real = strtod(room, NULL);
    return isfinite(out->real);
}

/* By which ActiveMQ and Artemis switch on what is always on here, and hyphens in names. */
static void read_prefixes(struct selector_words *w)
{
    static const char *const PREFIXES[] = {"convert_string_expressions:", "hyphenated_props:"};

    for (size_t i = 0; i < 2; i++) /* in either order */
        for (size_t k = 0; k < 2; k++) {
            struct sl_bytes left = sl_bytes_skip((struct sl_bytes){w->text, w->len}, w->next);
            if (!sl_bytes_begin(left, PREFIXES[k]))
                continue;
            w->next += strlen(PREFIXES[k]);
            w->has_hyphens |= k == 1;
        }
}

/* A quote in it is written twice. */
static void read_quoted(struct selector_words *w, uint8_t quote)
{
    size_t to = w->at + 1;
    size_t i = to;

    while (i < w->len && (w->text[i] != quote || (i + 1 < w->len && w->text[i + 1] == quote))) {
        i += w->text[i] == quote;
        w->text[to++] = w->text[i++];
    }
    if (i == w->len) {
        complain(w, quote == '"' ? "a name is not ended" : "a text is not ended");
        return;
    }
    w->next = i + 1;
    w->word = quote == '"' ? WORD_NAME : WORD_VALUE;
    w->value.type = SELECTOR_TEXT;
    w->value.text = (struct sl_bytes){w->text + w->at + 1, to - w->at - 1};
    if (quote == '"' && w->value.text.len == 0)
        complain(w, "a name is empty");
}

static void read_number(struct selector_words *w)
{
    struct sl_bytes left = {w->text + w->at, w->len - w->at};
    bool is_whole;
    size_t len = number_len(left, &is_whole);

    if (!selector_number((struct sl_bytes){left.at, len}, &w->value)) {
        complain(w, "a number is too large");
        return;
    }
    if (len < left.len && strchr(is_whole ? "lL" : "dDfF", left.at[len]) != NULL)
        len++; /* Java's way to say which kind of number it is */
    if (len < left.len && (begins_name(left.at[len]) || is_digit(left.at[len]))) {
        complain(w, "a number does not end here");
        return;
    }
    w->next = w->at + len;
    w->word = WORD_VALUE;
}

static void read_name(struct selector_words *w)
{
    size_t i = w->at;

    while (i < w->len && (begins_name(w->text[i]) || is_digit(w->text[i]) || w->text[i] == '.' ||
                          (w->has_hyphens && w->text[i] == '-')))
        i++;
    struct sl_bytes name = {w->text + w->at, i - w->at};
    w->next = i;
    w->word = WORD_NAME;
    w->value = (struct selector_value){.type = SELECTOR_TEXT, .text = name};
    for (size_t k = 0; k < sizeof KEYWORDS / sizeof *KEYWORDS; k++)
        if (is_keyword(name, KEYWORDS[k].name))
            w->word = KEYWORDS[k].word;
    if (is_keyword(name, "TRUE") || is_keyword(name, "FALSE")) {
        w->word = WORD_VALUE;
        w->value = (struct selector_value){.type = SELECTOR_TRUTH, .truth = name.len == 4};
    }
}

static void read_sign(struct selector_words *w)
{
    struct sl_bytes left = {w->text + w->at, w->len - w->at};

    for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++)
        if (sl_bytes_begin(left, SIGNS[i].sign)) {
            w->word = SIGNS[i].word;
            w->next = w->at + strlen(SIGNS[i].sign);
            return;
        }
    complain(w, "this character means nothing");
}

static void complain(struct selector_words *w, const char *what)
{
    w->word = WORD_BAD;
    w->complaint = what;
}

/* Where the digits that begin there end. */
static size_t digits(struct sl_bytes text, size_t from)
{
    while (from < text.len && is_digit(text.at[from]))
        from++;
    return from;
}

/* Of the number that text begins with; 0: with none. */
static size_t number_len(struct sl_bytes text, bool *is_whole)
{
    size_t end = digits(text, 0);
    size_t count = end;

    *is_whole = true;
    if (end < text.len && text.at[end] == '.') {
        size_t point = end + 1;
        end = digits(text, point);
        count += end - point;
        *is_whole = false;
    }
    if (count == 0)
        return 0;
    if (end < text.len && (text.at[end] | 0x20) == 'e') {
        size_t sign = end + 1 < text.len && (text.at[end + 1] == '-' || text.at[end + 1] == '+');
        size_t exponent = digits(text, end + 1 + sign);
        if (exponent > end + 1 + sign) {
            *is_whole = false;
            end = exponent;
        }
    }
    return end;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Letters of every language do, in UTF-8. */
static bool begins_name(uint8_t c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '$' || c >= 0x80;
}

static bool is_keyword(struct sl_bytes name, const char *keyword)
{
    return name.len == strlen(keyword) &&
           strncasecmp((const char *)name.at, keyword, name.len) == 0;
}
