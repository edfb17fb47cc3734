/*
 * name_pattern.h - a regular expression that an administrator wrote, for names that clients say.
 *
 * Perl's, by PCRE2, as RabbitMQ has them: found anywhere in the name unless anchored, octets and not
 * characters.  The empty one matches the empty name only.  What almost everybody writes, ".*", costs
 * nothing to match; and one that would take too long does not match.
 *
 * Thread: any; a pattern does not change.
 */
#ifndef SLUICE_CORE_NAME_PATTERN_H
#define SLUICE_CORE_NAME_PATTERN_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/text.h"

enum name_pattern_kind { NAME_PATTERN_OF_NOTHING, NAME_PATTERN_OF_ALL, NAME_PATTERN_OF_SOME };

struct name_pattern { /* zeroed: of nothing */
    enum name_pattern_kind kind;
    void *code; /* owned; of SOME */
};

/* SL_ESYNTAX with why; then there is nothing to be released. */
SL_MUST_CHECK enum sl_err name_pattern_compile(struct name_pattern *p, struct sl_bytes expression,
                                               struct text *why);
void name_pattern_free(struct name_pattern *p);
bool name_pattern_matches(const struct name_pattern *p, struct sl_bytes name);

#endif
