/*
 * selector.h - which messages a queue takes, in the words of JMS (a subset of SQL-92).
 *
 *   colour IN ('red', 'blue') AND (weight > 2.5 OR JMSType LIKE 'heavy%') AND note IS NOT NULL
 *
 * A name stands for the header of that name, and where there is none for a property: JMSType and
 * its kin, or as STOMP calls it.  What is not there is NULL, and logic has three values: a message
 * is taken only where the whole is true, not where it is false or unknown.
 *
 * Headers of STOMP are texts, so a text that is written as a number is one where it meets a number,
 * and 'true' and 'false' are truth where they meet that; any other mixture is unknown.
 * docs/stomp.md has the words.
 *
 * Parsed once; a look at a message allocates nothing and costs at most some work for each step, of
 * which there are fewer than SL_SELECTOR_BYTES_MAX, besides LIKE, whose texts are bounded, and so are
 * the steps that all of them take together: where those are used up, LIKE is unknown.
 *
 * Thread: any; a selector does not change.
 */
#ifndef SLUICE_CORE_SELECTOR_H
#define SLUICE_CORE_SELECTOR_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/text.h"
#include "core/header_match.h"
#include "core/properties.h"

struct selector;

struct selector_message {
    struct properties properties;
    const struct header_set *headers; /* sorted */
};

/* SL_ESYNTAX: what is wrong and where; SL_ETOOBIG: longer than SL_SELECTOR_BYTES_MAX or deeper than
 * SL_SELECTOR_DEPTH_MAX; each with reason.  SL_ENOMEM. */
SL_MUST_CHECK enum sl_err selector_parse(struct sl_bytes text, struct selector **out,
                                         struct text *reason);
void selector_free(struct selector *s); /* NULL: nothing */

bool selector_takes(const struct selector *s, const struct selector_message *m);

#endif
