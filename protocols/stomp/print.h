/*
 * print.h - decimal numbers straight into reserved room.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_PRINT_H
#define SLUICE_PROTOCOLS_STOMP_PRINT_H

#include "core/base/bytes.h"

#define STOMP_NUMBER_BYTES_MAX 20u /* digits of 2^64 - 1 */

/* Writes v at `at` and returns the end of it. */
static inline uint8_t *stomp_print_number(uint8_t *at, uint64_t v)
{
    uint8_t digits[STOMP_NUMBER_BYTES_MAX];
    size_t n = sizeof digits;

    do {
        digits[--n] = (uint8_t)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    memcpy(at, digits + n, sizeof digits - n);
    return at + (sizeof digits - n);
}

static inline uint8_t *stomp_print(uint8_t *at, struct sl_bytes b)
{
    if (b.len != 0)
        memcpy(at, b.at, b.len);
    return at + b.len;
}

#define stomp_print_literal(at, text) stomp_print(at, SL_BYTES_LITERAL(text))

#endif
