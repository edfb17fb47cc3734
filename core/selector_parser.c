#include "core/selector_parser.h"

#include "core/base/limits.h"

static const struct selector_value NO_VALUE = {.type = SELECTOR_UNKNOWN};

bool selector_pass(struct selector_parser *p, enum selector_word word)
{
    if (p->err != SL_OK || p->words.word != word)
        return false;
    selector_words_next(&p->words);
    return true;
}

void selector_expect(struct selector_parser *p, enum selector_word word, const char *what)
{
    if (!selector_pass(p, word))
        selector_fail(p, SL_ESYNTAX, p->words.word == WORD_BAD ? p->words.complaint : what);
}

void selector_need(struct selector_parser *p, enum selector_kind is, enum selector_kind wanted)
{
    static const char *const WORDS[] = {[OF_ANY] = "",
                                        [OF_TRUTH] = "a condition is needed before here",
                                        [OF_NUMBER] = "a number is needed before here",
                                        [OF_TEXT] = "a text is needed before here"};

    if (is != OF_ANY && is != wanted)
        selector_fail(p, SL_ESYNTAX, WORDS[wanted]);
}

void selector_put(struct selector_parser *p, enum selector_op op, struct selector_value value)
{
    if (++p->values > SL_SELECTOR_STACK_MAX)
        selector_fail(p, SL_ETOOBIG, "the selector is too deep");
    if (p->err != SL_OK)
        return;
    p->selector->steps[p->selector->count++] =
        (struct selector_step){.op = op, .escape = -1, .value = value};
}

void selector_apply(struct selector_parser *p, enum selector_op op, uint32_t takes)
{
    p->values -= takes;
    selector_put(p, op, NO_VALUE);
}

void selector_fail(struct selector_parser *p, enum sl_err err, const char *what)
{
    if (p->err != SL_OK)
        return;
    p->err = err;
    if (p->words.word == WORD_BAD)
        what = p->words.complaint;
    text_add(p->reason, "%s (character %zu of the selector)", what, p->words.at + 1);
    p->words.word = WORD_END;
    p->words.next = p->words.len;
}
