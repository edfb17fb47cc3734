#include "core/base/text.h"

#include "core/base/assert.h"

#include <stdio.h>

static size_t character_bytes(struct sl_bytes b);
static bool is_scalar(const uint8_t *at, size_t n);
static void add_raw(struct text *t, const void *at, size_t n);
static void end_cut(struct text *t, size_t from);

struct text text_on(char *at, size_t room)
{
    SL_ASSERT(room > 0);
    at[0] = '\0';
    return (struct text){at, room, 0};
}

void text_add(struct text *t, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_add_list(t, format, arguments);
    va_end(arguments);
}

void text_add_list(struct text *t, const char *format, va_list arguments)
{
    size_t left = t->room - t->len;
    int n = vsnprintf(t->at + t->len, left, format, arguments);

    if (n > 0 && (size_t)n < left)
        t->len += (size_t)n;
    else if (n > 0)
        end_cut(t, t->len);
}

void text_add_bytes(struct text *t, struct sl_bytes b)
{
    while (b.len > 0) {
        size_t n = character_bytes(b);
        if (n == 0) {
            add_raw(t, "?", 1);
            n = 1;
        } else
            add_raw(t, b.at, n);
        b = sl_bytes_skip(b, n);
    }
}

/* Length of the character in front; 0 when it is not fit for people. */
static size_t character_bytes(struct sl_bytes b)
{
    uint8_t first = b.at[0];
    size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (n == 1)
        return first >= 0x20 && first != 0x7f;
    if (first < 0xc2 || first > 0xf4 || b.len < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((b.at[i] & 0xc0) != 0x80)
            return 0;
    return is_scalar(b.at, n) ? n : 0;
}

/* Refuses what UTF-8 could say but must not: long forms, surrogates, beyond U+10FFFF, and the
 * control characters of C1. */
static bool is_scalar(const uint8_t *at, size_t n)
{
    uint8_t first = at[0];
    uint8_t second = at[1];

    if (n == 2)
        return first != 0xc2 || second >= 0xa0;
    if (n == 3)
        return (first != 0xe0 || second >= 0xa0) && (first != 0xed || second < 0xa0);
    return (first != 0xf0 || second >= 0x90) && (first != 0xf4 || second < 0x90);
}

/* All of it or nothing: half a character is none. */
static void add_raw(struct text *t, const void *at, size_t n)
{
    if (t->room - t->len <= n)
        return;
    memcpy(t->at + t->len, at, n);
    t->len += n;
    t->at[t->len] = '\0';
}

/* The room is full from there on; a character that was cut goes altogether. */
static void end_cut(struct text *t, size_t from)
{
    size_t end = t->room - 1;
    size_t last = end;

    while (last > from && last + 4 > end && ((uint8_t)t->at[last - 1] & 0xc0) == 0x80)
        last--;
    if (last > from && (uint8_t)t->at[last - 1] >= 0xc0) {
        struct sl_bytes b = {(const uint8_t *)t->at + last - 1, end - last + 1};
        if (character_bytes(b) == 0)
            end = last - 1;
    }
    t->len = end;
    t->at[end] = '\0';
}
