#include "core/base/buffer.h"

#include "core/base/assert.h"

#include <stdlib.h>

#define ROOM_MIN 64u

void sl_buffer_init(struct sl_buffer *b, size_t bytes_max)
{
    *b = (struct sl_buffer){.bytes_max = bytes_max};
}

void sl_buffer_deinit(struct sl_buffer *b)
{
    free(b->at);
    *b = (struct sl_buffer){.bytes_max = b->bytes_max};
}

uint8_t *sl_buffer_reserve(struct sl_buffer *b, size_t n)
{
    if (n > b->bytes_max || b->len > b->bytes_max - n)
        return NULL;
    if (b->room - b->len < n) {
        size_t room = b->room < ROOM_MIN ? ROOM_MIN : b->room;
        while (room - b->len < n)
            room *= 2;
        uint8_t *at = realloc(b->at, room);
        if (at == NULL)
            return NULL;
        b->at = at;
        b->room = room;
    }
    return b->at + b->len;
}

void sl_buffer_grow(struct sl_buffer *b, size_t n)
{
    SL_ASSERT(b->room - b->len >= n);
    b->len += n;
}

enum sl_err sl_buffer_append(struct sl_buffer *b, struct sl_bytes bytes)
{
    uint8_t *at;

    if (bytes.len == 0)
        return SL_OK;
    if (bytes.len > b->bytes_max || b->len > b->bytes_max - bytes.len)
        return SL_ETOOBIG;
    at = sl_buffer_reserve(b, bytes.len);
    if (at == NULL)
        return SL_ENOMEM;
    memcpy(at, bytes.at, bytes.len);
    b->len += bytes.len;
    return SL_OK;
}

void sl_buffer_consume(struct sl_buffer *b, size_t n)
{
    SL_ASSERT(n <= b->len);
    if (n != 0 && b->len != n)
        memmove(b->at, b->at + n, b->len - n);
    b->len -= n;
}
