/*
 * buffer.h - owned, growable bytes that know their maximum.
 *
 * Thread: whoever owns it.  A zeroed struct with bytes_max set is an empty buffer.
 */
#ifndef SLUICE_CORE_BASE_BUFFER_H
#define SLUICE_CORE_BASE_BUFFER_H

#include "core/base/bytes.h"
#include "core/base/err.h"

struct sl_buffer {
    uint8_t *at;
    size_t len;
    size_t room;      /* allocated */
    size_t bytes_max; /* never holds more */
};

void sl_buffer_init(struct sl_buffer *b, size_t bytes_max);
void sl_buffer_deinit(struct sl_buffer *b); /* also gives an empty buffer */

/* Makes room for n more bytes and lends it; NULL beyond bytes_max or out of memory.  The
 * bytes count only once sl_buffer_grow says so. */
uint8_t *sl_buffer_reserve(struct sl_buffer *b, size_t n);
void sl_buffer_grow(struct sl_buffer *b, size_t n);

/* SL_ETOOBIG beyond bytes_max, SL_ENOMEM without memory; then nothing was appended. */
SL_MUST_CHECK enum sl_err sl_buffer_append(struct sl_buffer *b, struct sl_bytes bytes);

/* Drops n bytes from the front; what is left moves there. */
void sl_buffer_consume(struct sl_buffer *b, size_t n);

/* Forgets the bytes, keeps the memory. */
static inline void sl_buffer_clear(struct sl_buffer *b)
{
    b->len = 0;
}

static inline struct sl_bytes sl_buffer_bytes(const struct sl_buffer *b)
{
    return (struct sl_bytes){b->at, b->len};
}

#endif
