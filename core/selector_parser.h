/*
 * selector_parser.h - what selector_parse.c works with: the words before it, the steps behind it.
 *
 * After the first complaint nothing more is read and no step is added; so it can go on as if.
 *
 * Thread: any; a parser belongs to its caller.
 */
#ifndef SLUICE_CORE_SELECTOR_PARSER_H
#define SLUICE_CORE_SELECTOR_PARSER_H

#include "core/selector_parts.h"

enum selector_kind { OF_ANY, OF_TRUTH, OF_NUMBER, OF_TEXT }; /* what an expression gives */

struct selector_parser {
    struct selector_words words;
    struct selector *selector;
    uint32_t depth;
    uint32_t values; /* on the stack */
    enum sl_err err;
    struct text *reason;
};

/* True when that is the word at hand, which is passed. */
bool selector_pass(struct selector_parser *p, enum selector_word word);
/* The same where no other may stand: else complains with what. */
void selector_expect(struct selector_parser *p, enum selector_word word, const char *what);
/* Complains when an expression cannot give what is wanted.  A text may turn out to be a number or
 * truth, where it comes from a message; one that is written here cannot. */
void selector_need(struct selector_parser *p, enum selector_kind is, enum selector_kind wanted);

/* Adds a step that puts one value on the stack. */
void selector_put(struct selector_parser *p, enum selector_op op, struct selector_value value);
/* Adds one that takes so many from it, and puts its result. */
void selector_apply(struct selector_parser *p, enum selector_op op, uint32_t takes);

/* Complains of the word at hand. */
void selector_fail(struct selector_parser *p, enum sl_err err, const char *what);

#endif
