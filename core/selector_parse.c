/*
 * selector_parse.c - a selector as it is written, to steps.
 *
 *   or       and [OR and]*                 sum      product [(+|-) product]*
 *   and      not [AND not]*                product  signed [(*|/) signed]*
 *   not      [NOT]* test                   signed   [+|-]* one
 *   one      a name, a value, or ( or )
 *   test     sum, or sum with one of       = <> < <= > >= sum
 *            [NOT] BETWEEN sum AND sum     [NOT] IN ( value [, value]* )
 *            [NOT] LIKE text [ESCAPE text] IS [NOT] NULL
 */
#include "core/base/limits.h"
#include "core/selector_parser.h"

#include <stdlib.h>

static struct selector *selector_new(struct sl_bytes text);
static enum selector_kind parse_or(struct selector_parser *p);
static enum selector_kind parse_and(struct selector_parser *p);
static enum selector_kind parse_not(struct selector_parser *p);
static enum selector_kind parse_test(struct selector_parser *p);
static bool parse_relation(struct selector_parser *p, enum selector_kind left);
static void parse_between(struct selector_parser *p, enum selector_kind left);
static void parse_in(struct selector_parser *p);
static void parse_like(struct selector_parser *p, enum selector_kind left);
static void parse_is_null(struct selector_parser *p);
static enum selector_kind parse_sum(struct selector_parser *p);
static enum selector_kind parse_product(struct selector_parser *p);
static enum selector_kind parse_signed(struct selector_parser *p);
static enum selector_kind parse_one(struct selector_parser *p);

enum sl_err selector_parse(struct sl_bytes text, struct selector **out, struct text *reason)
{
    struct selector_parser p = {.reason = reason};

    *out = NULL;
    if (text.len > SL_SELECTOR_BYTES_MAX) {
        text_add(reason, "a selector may have %u bytes at most", SL_SELECTOR_BYTES_MAX);
        return SL_ETOOBIG;
    }
    p.selector = selector_new(text);
    if (p.selector == NULL)
        return SL_ENOMEM;
    selector_words_start(&p.words, p.selector->text, text.len);
    selector_need(&p, parse_or(&p), OF_TRUTH);
    if (p.err == SL_OK && p.words.word != WORD_END)
        selector_fail(&p, SL_ESYNTAX, "the selector should end here");
    if (p.err != SL_OK) {
        selector_free(p.selector);
        return p.err;
    }
    struct selector_step *steps =
        realloc(p.selector->steps, p.selector->count * sizeof *p.selector->steps);
    if (steps != NULL)
        p.selector->steps = steps;
    *out = p.selector;
    return SL_OK;
}

void selector_free(struct selector *s)
{
    if (s == NULL)
        return;
    free(s->text);
    free(s->steps);
    free(s);
}

/* No word makes more than two steps, and those that make two have two bytes. */
static struct selector *selector_new(struct sl_bytes text)
{
    struct selector *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->text = malloc(text.len + 1);
    s->steps = calloc(text.len + 1, sizeof *s->steps);
    if (s->text == NULL || s->steps == NULL) {
        selector_free(s);
        return NULL;
    }
    if (text.len != 0)
        memcpy(s->text, text.at, text.len);
    return s;
}

static enum selector_kind parse_or(struct selector_parser *p)
{
    if (++p->depth > SL_SELECTOR_DEPTH_MAX)
        selector_fail(p, SL_ETOOBIG, "parentheses are too deep");
    enum selector_kind kind = p->err == SL_OK ? parse_and(p) : OF_ANY;

    while (selector_pass(p, WORD_OR)) {
        selector_need(p, kind, OF_TRUTH);
        selector_need(p, parse_and(p), OF_TRUTH);
        selector_apply(p, SELECTOR_OR, 2);
        kind = OF_TRUTH;
    }
    p->depth--;
    return kind;
}

static enum selector_kind parse_and(struct selector_parser *p)
{
    enum selector_kind kind = parse_not(p);

    while (selector_pass(p, WORD_AND)) {
        selector_need(p, kind, OF_TRUTH);
        selector_need(p, parse_not(p), OF_TRUTH);
        selector_apply(p, SELECTOR_AND, 2);
        kind = OF_TRUTH;
    }
    return kind;
}

static enum selector_kind parse_not(struct selector_parser *p)
{
    uint32_t count = 0;

    while (selector_pass(p, WORD_NOT))
        count++;
    enum selector_kind kind = parse_test(p);
    if (count == 0)
        return kind;
    selector_need(p, kind, OF_TRUTH);
    for (uint32_t i = count % 2 == 0 ? 2 : 1; i > 0; i--) /* twice makes truth of a text */
        selector_apply(p, SELECTOR_NOT, 1);
    return OF_TRUTH;
}

static enum selector_kind parse_test(struct selector_parser *p)
{
    enum selector_kind left = parse_sum(p);

    if (p->words.word == WORD_IS) {
        parse_is_null(p);
        return OF_TRUTH;
    }
    bool is_not = selector_pass(p, WORD_NOT);
    if (selector_pass(p, WORD_BETWEEN))
        parse_between(p, left);
    else if (selector_pass(p, WORD_IN))
        parse_in(p);
    else if (selector_pass(p, WORD_LIKE))
        parse_like(p, left);
    else if (is_not)
        selector_fail(p, SL_ESYNTAX, "BETWEEN, IN or LIKE should follow NOT");
    else
        return parse_relation(p, left) ? OF_TRUTH : left;
    if (is_not)
        selector_apply(p, SELECTOR_NOT, 1);
    return OF_TRUTH;
}

static bool parse_relation(struct selector_parser *p, enum selector_kind left)
{
    static const enum selector_op OPS[] = {
        [WORD_EQUAL] = SELECTOR_EQUAL,     [WORD_UNEQUAL] = SELECTOR_UNEQUAL,
        [WORD_LESS] = SELECTOR_LESS,       [WORD_LESS_EQUAL] = SELECTOR_LESS_EQUAL,
        [WORD_GREATER] = SELECTOR_GREATER, [WORD_GREATER_EQUAL] = SELECTOR_GREATER_EQUAL,
    };
    enum selector_word word = p->words.word;

    if (word < WORD_EQUAL || word > WORD_GREATER_EQUAL)
        return false;
    selector_words_next(&p->words);
    enum selector_kind right = parse_sum(p);
    if (word > WORD_UNEQUAL) { /* only numbers have an order */
        selector_need(p, left, OF_NUMBER);
        selector_need(p, right, OF_NUMBER);
    } else if (left != right && left != OF_ANY && right != OF_ANY) {
        selector_fail(p, SL_ESYNTAX, "two kinds of values cannot be equal");
    }
    selector_apply(p, OPS[word], 2);
    return true;
}

static void parse_between(struct selector_parser *p, enum selector_kind left)
{
    selector_need(p, left, OF_NUMBER);
    selector_need(p, parse_sum(p), OF_NUMBER);
    selector_expect(p, WORD_AND, "AND should follow here");
    selector_need(p, parse_sum(p), OF_NUMBER);
    selector_apply(p, SELECTOR_BETWEEN, 3);
}

static void parse_in(struct selector_parser *p)
{
    selector_expect(p, WORD_OPEN, "a parenthesis should follow IN");
    selector_put(p, SELECTOR_VALUE,
                 (struct selector_value){.type = SELECTOR_TRUTH, .truth = false});
    do {
        bool is_negative = selector_pass(p, WORD_MINUS);
        struct selector_value value = p->words.value;

        selector_expect(p, WORD_VALUE, "a value should follow here");
        if (is_negative && value.type == SELECTOR_INTEGER)
            value.integer = -value.integer;
        else if (is_negative && value.type == SELECTOR_REAL)
            value.real = -value.real;
        else if (is_negative)
            selector_fail(p, SL_ESYNTAX, "a number should follow the sign");
        selector_put(p, SELECTOR_IN, value);
        p->values--; /* it changes what is on top */
    } while (selector_pass(p, WORD_COMMA));
    selector_expect(p, WORD_CLOSE, "a comma or a parenthesis should follow here");
    selector_apply(p, SELECTOR_IN_END, 2);
}

static void parse_like(struct selector_parser *p, enum selector_kind left)
{
    struct selector_value pattern = p->words.value;
    struct selector_value escape = {.text = {NULL, 0}};
    bool is_text = p->words.word == WORD_VALUE && pattern.type == SELECTOR_TEXT;

    selector_need(p, left, OF_TEXT);
    if (!is_text)
        selector_fail(p, SL_ESYNTAX, "a text should follow LIKE");
    selector_words_next(&p->words);
    bool is_escaped = selector_pass(p, WORD_ESCAPE);
    if (is_escaped) {
        escape = p->words.value;
        if (p->words.word != WORD_VALUE || escape.type != SELECTOR_TEXT || escape.text.len != 1 ||
            escape.text.at[0] >= 0x80)
            selector_fail(p, SL_ESYNTAX, "a text of one ASCII character should follow ESCAPE");
        selector_words_next(&p->words);
    }
    if (p->err != SL_OK)
        return;
    selector_apply(p, SELECTOR_LIKE, 1);
    struct selector_step *step = &p->selector->steps[p->selector->count - 1];
    step->value = pattern;
    step->escape = is_escaped ? escape.text.at[0] : -1;
}

static void parse_is_null(struct selector_parser *p)
{
    selector_words_next(&p->words);
    bool is_not = selector_pass(p, WORD_NOT);

    selector_expect(p, WORD_NULL, "NULL or NOT NULL should follow IS");
    selector_apply(p, SELECTOR_IS_NULL, 1);
    if (is_not)
        selector_apply(p, SELECTOR_NOT, 1);
}

static enum selector_kind parse_sum(struct selector_parser *p)
{
    enum selector_kind kind = parse_product(p);

    while (p->words.word == WORD_PLUS || p->words.word == WORD_MINUS) {
        enum selector_op op = p->words.word == WORD_PLUS ? SELECTOR_ADD : SELECTOR_SUBTRACT;

        selector_words_next(&p->words);
        selector_need(p, kind, OF_NUMBER);
        selector_need(p, parse_product(p), OF_NUMBER);
        selector_apply(p, op, 2);
        kind = OF_NUMBER;
    }
    return kind;
}

static enum selector_kind parse_product(struct selector_parser *p)
{
    enum selector_kind kind = parse_signed(p);

    while (p->words.word == WORD_STAR || p->words.word == WORD_SLASH) {
        enum selector_op op = p->words.word == WORD_STAR ? SELECTOR_MULTIPLY : SELECTOR_DIVIDE;

        selector_words_next(&p->words);
        selector_need(p, kind, OF_NUMBER);
        selector_need(p, parse_signed(p), OF_NUMBER);
        selector_apply(p, op, 2);
        kind = OF_NUMBER;
    }
    return kind;
}

static enum selector_kind parse_signed(struct selector_parser *p)
{
    bool has_sign = false;
    bool is_negative = false;

    while (p->words.word == WORD_PLUS || p->words.word == WORD_MINUS) {
        has_sign = true;
        is_negative ^= p->words.word == WORD_MINUS;
        selector_words_next(&p->words);
    }
    enum selector_kind kind = parse_one(p);
    if (!has_sign)
        return kind;
    selector_need(p, kind, OF_NUMBER);
    if (is_negative)
        selector_apply(p, SELECTOR_NEGATE, 1);
    return OF_NUMBER;
}

static enum selector_kind parse_one(struct selector_parser *p)
{
    static const enum selector_kind KINDS[] = {[SELECTOR_UNKNOWN] = OF_ANY,
                                               [SELECTOR_TRUTH] = OF_TRUTH,
                                               [SELECTOR_INTEGER] = OF_NUMBER,
                                               [SELECTOR_REAL] = OF_NUMBER,
                                               [SELECTOR_TEXT] = OF_TEXT};
    struct selector_value value = p->words.value;

    if (selector_pass(p, WORD_NAME)) {
        selector_put(p, SELECTOR_NAME, value);
        return OF_ANY;
    }
    if (selector_pass(p, WORD_VALUE)) {
        selector_put(p, SELECTOR_VALUE, value);
        return KINDS[value.type];
    }
    selector_expect(p, WORD_OPEN, "a name, a value or a parenthesis should be here");
    if (p->err != SL_OK)
        return OF_ANY;
    enum selector_kind kind = parse_or(p);
    selector_expect(p, WORD_CLOSE, "a parenthesis should be closed here");
    return kind;
}
