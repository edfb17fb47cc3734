/*
 * headers.h - header lines: escapes, look-up, and the few kinds of value that we read.
 *
 * A repeated header counts once: the first one wins (STOMP 1.2, "Repeated Header Entries").
 */
#ifndef SLUICE_PROTOCOLS_STOMP_HEADERS_H
#define SLUICE_PROTOCOLS_STOMP_HEADERS_H

#include "core/base/arena.h"
#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

struct stomp_header { /* name and value as meant: escapes are gone */
    struct sl_bytes name;
    struct sl_bytes value;
};

struct stomp_headers { /* borrowed from the input or the arena, for one frame */
    struct stomp_header *at;
    uint32_t count;
};

/* The first header of that name; NULL when there is none. */
static inline const struct stomp_header *stomp_find(const struct stomp_headers *h, const char *name)
{
    size_t len = strlen(name); /* of a literal: no call */

    for (uint32_t i = 0; i < h->count; i++) {
        if (h->at[i].name.len == len && memcmp(h->at[i].name.at, name, len) == 0)
            return &h->at[i];
    }
    return NULL;
}

/* Its value, or {NULL, 0}. */
static inline struct sl_bytes stomp_value(const struct stomp_headers *h, const char *name)
{
    const struct stomp_header *found = stomp_find(h, name);
    return found == NULL ? (struct sl_bytes){NULL, 0} : found->value;
}

/* Decodes \n \c \\ \r.  Without a backslash raw itself comes back.  Another escape is
 * SL_ESYNTAX when strict, and stands for itself when not. */
SL_MUST_CHECK enum sl_err stomp_unescape(struct arena *arena, struct sl_bytes raw, bool is_strict,
                                         struct sl_bytes *out);

/* Appends bytes with LF, CR, ':' and '\' escaped. */
SL_MUST_CHECK enum sl_err stomp_escape(struct sl_buffer *to, struct sl_bytes bytes);

/* STOMP 1.0: blanks in front of a value do not belong to it. */
void stomp_headers_trim(struct stomp_headers *h);
struct sl_bytes stomp_trim(struct sl_bytes value);

/* Decimal digits and nothing else, at most max. */
bool stomp_number(struct sl_bytes value, uint64_t max, uint64_t *out);
bool stomp_signed_number(struct sl_bytes value, int64_t *out);

/* true, True, false, False; anything else and an absent header give otherwise. */
bool stomp_bool(const struct stomp_headers *h, const char *name, bool otherwise);

#endif
