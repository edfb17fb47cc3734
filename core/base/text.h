/*
 * text.h - bounded text: for error details, dumps and log lines.
 *
 * What does not fit is cut, between characters; a text is always a C string.
 */
#ifndef SLUICE_CORE_BASE_TEXT_H
#define SLUICE_CORE_BASE_TEXT_H

#include "core/base/bytes.h"
#include "core/base/err.h"

#include <stdarg.h>

struct text {
    char *at;
    size_t room; /* with the NUL */
    size_t len;
};

struct text text_on(char *at, size_t room); /* room > 0 */
void text_add(struct text *t, const char *format, ...) SL_PRINTF(2, 3);
void text_add_list(struct text *t, const char *format, va_list arguments) SL_PRINTF(2, 0);

/* Bytes of a peer: anything but printable ASCII and well-formed UTF-8 becomes '?'. */
void text_add_bytes(struct text *t, struct sl_bytes b);

#endif
