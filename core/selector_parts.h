/*
 * selector_parts.h - what the files of selectors share: selector.c looks at messages,
 * selector_parse.c (with selector_parser.h) and selector_words.c read what was written.
 *
 * A selector is a list of steps for a small stack of values: a step that names or says something
 * puts it there, another takes what is on top and puts its result.
 */
#ifndef SLUICE_CORE_SELECTOR_PARTS_H
#define SLUICE_CORE_SELECTOR_PARTS_H

#include "core/selector.h"

enum selector_type {
    SELECTOR_UNKNOWN, /* and NULL */
    SELECTOR_TRUTH,
    SELECTOR_INTEGER,
    SELECTOR_REAL,
    SELECTOR_TEXT
};

struct selector_value {
    enum selector_type type;
    union {
        bool truth;
        int64_t integer;
        double real;
        struct sl_bytes text;
    };
};

enum selector_op {
    SELECTOR_VALUE,
    SELECTOR_NAME, /* of value.text */
    SELECTOR_NEGATE,
    SELECTOR_ADD,
    SELECTOR_SUBTRACT,
    SELECTOR_MULTIPLY,
    SELECTOR_DIVIDE,
    SELECTOR_EQUAL,
    SELECTOR_UNEQUAL,
    SELECTOR_LESS,
    SELECTOR_LESS_EQUAL,
    SELECTOR_GREATER,
    SELECTOR_GREATER_EQUAL,
    SELECTOR_BETWEEN, /* three on the stack */
    SELECTOR_LIKE,    /* value.text is the pattern */
    SELECTOR_IS_NULL,
    SELECTOR_IN, /* value, and so far: is it value too? */
    SELECTOR_IN_END,
    SELECTOR_NOT,
    SELECTOR_AND,
    SELECTOR_OR
};

struct selector_step {
    enum selector_op op;
    int escape; /* of LIKE; -1: none */
    struct selector_value value;
};

struct selector {
    uint8_t *text; /* which the steps borrow from */
    struct selector_step *steps;
    uint32_t count;
};

/* A decimal number, whole or with a point or an exponent, and nothing else. */
bool selector_number(struct sl_bytes text, struct selector_value *out);

enum selector_word {
    WORD_END,
    WORD_BAD, /* reason is in the reader */
    WORD_NAME,
    WORD_VALUE,
    WORD_OPEN,
    WORD_CLOSE,
    WORD_COMMA,
    WORD_PLUS,
    WORD_MINUS,
    WORD_STAR,
    WORD_SLASH,
    WORD_EQUAL,
    WORD_UNEQUAL,
    WORD_LESS,
    WORD_LESS_EQUAL,
    WORD_GREATER,
    WORD_GREATER_EQUAL,
    WORD_AND,
    WORD_OR,
    WORD_NOT,
    WORD_BETWEEN,
    WORD_IN,
    WORD_LIKE,
    WORD_ESCAPE,
    WORD_IS,
    WORD_NULL
};

struct selector_words { /* a reader, word by word */
    uint8_t *text;      /* quoted parts are unquoted in it, where they are */
    size_t len;
    size_t next;
    bool has_hyphens; /* in names */
    enum selector_word word;
    size_t at;                   /* where the word begins */
    struct selector_value value; /* of WORD_VALUE; the text of WORD_NAME */
    const char *complaint;       /* of WORD_BAD */
};

/* text: borrowed, and written to.  The first word is read. */
void selector_words_start(struct selector_words *w, uint8_t *text, size_t len);
void selector_words_next(struct selector_words *w);

#endif
