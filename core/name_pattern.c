#define PCRE2_CODE_UNIT_WIDTH 8

#include "core/name_pattern.h"

#include "core/base/assert.h"

#include <pcre2.h>

#define STEPS_MAX 10000u /* a fraction of a millisecond, also under a lock; then it is no match */
#define DEPTH_MAX 1000u
#define WORDS_MAX 120u

static bool is_for_all(struct sl_bytes expression);

enum sl_err name_pattern_compile(struct name_pattern *p, struct sl_bytes expression,
                                 struct text *why)
{
    PCRE2_UCHAR words[WORDS_MAX];
    PCRE2_SIZE at = 0;
    int error = 0;

    *p = (struct name_pattern){.kind = NAME_PATTERN_OF_NOTHING};
    if (is_for_all(expression)) {
        p->kind = NAME_PATTERN_OF_ALL;
        return SL_OK;
    }
    if (expression.len == 0 || sl_bytes_are(expression, "^$"))
        return SL_OK;
    p->code =
        pcre2_compile(expression.at, expression.len, PCRE2_NEVER_BACKSLASH_C, &error, &at, NULL);
    if (p->code == NULL) {
        pcre2_get_error_message(error, words, sizeof words);
        text_add(why, "%s at character %zu", (const char *)words, at);
        return SL_ESYNTAX;
    }
    p->kind = NAME_PATTERN_OF_SOME;
    return SL_OK;
}

void name_pattern_free(struct name_pattern *p)
{
    if (p->code != NULL)
        pcre2_code_free(p->code);
    *p = (struct name_pattern){.kind = NAME_PATTERN_OF_NOTHING};
}

bool name_pattern_matches(const struct name_pattern *p, struct sl_bytes name)
{
    static const uint8_t nothing[1];

    if (p->kind == NAME_PATTERN_OF_ALL)
        return true;
    if (p->kind == NAME_PATTERN_OF_NOTHING)
        return name.len == 0;
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *bounds = pcre2_match_context_create(NULL);
    SL_ASSERT(data != NULL && bounds != NULL);
    pcre2_set_match_limit(bounds, STEPS_MAX);
    pcre2_set_depth_limit(bounds, DEPTH_MAX);
    int found =
        pcre2_match(p->code, name.len == 0 ? nothing : name.at, name.len, 0, 0, data, bounds);
    pcre2_match_context_free(bounds);
    pcre2_match_data_free(data);
    return found >= 0;
}

static bool is_for_all(struct sl_bytes expression)
{
    return sl_bytes_are(expression, ".*") || sl_bytes_are(expression, "^.*") ||
           sl_bytes_are(expression, "^.*$") || sl_bytes_are(expression, ".*$");
}
