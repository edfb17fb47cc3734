/*
 * bytes.h - borrowed bytes, and the bounded cursors through which all peer bytes go.
 *
 * No pointer arithmetic on input happens outside this file.  A reader cannot pass its end: the
 * first short read marks it, later reads give zero, and the caller asks once per record
 * instead of once per field, so a decoder reads like the field list in the specification.
 * A writer is the mirror image: past its end it only notes that it overflowed.
 *
 * All integers are big endian (network order) here.
 */
#ifndef SLUICE_CORE_BASE_BYTES_H
#define SLUICE_CORE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sl_bytes { /* borrowed: whoever hands it out says until when */
    const uint8_t *at;
    size_t len;
};

#define SL_BYTES_LITERAL(text) ((struct sl_bytes){(const uint8_t *)(text), sizeof(text) - 1})

static inline struct sl_bytes sl_bytes_of(const char *text)
{
    return (struct sl_bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool sl_bytes_equal(struct sl_bytes a, struct sl_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool sl_bytes_are(struct sl_bytes a, const char *text)
{
    return sl_bytes_equal(a, sl_bytes_of(text));
}

static inline bool sl_bytes_begin(struct sl_bytes a, const char *prefix)
{
    size_t len = strlen(prefix);
    return a.len >= len && memcmp(a.at, prefix, len) == 0;
}

/* Whether it is one of these words, which stand between bars: "|drop-head|reject-publish|". */
bool sl_bytes_are_among(struct sl_bytes a, const char *words);

/* The part of a behind its first n bytes; empty when n is past the end. */
static inline struct sl_bytes sl_bytes_skip(struct sl_bytes a, size_t n)
{
    if (n >= a.len)
        return (struct sl_bytes){NULL, 0};
    return (struct sl_bytes){a.at + n, a.len - n};
}

/* An owned copy of bytes that are bounded, for sl_bytes_free; aborts without memory.  Of nothing it
 * is {NULL, 0}. */
struct sl_bytes sl_bytes_copy(struct sl_bytes a);
void sl_bytes_free(struct sl_bytes a);

struct sl_reader {
    const uint8_t *pos;
    const uint8_t *end;
    bool is_short; /* sticky */
};

static inline struct sl_reader sl_reader_of(struct sl_bytes in)
{
    /* C forbids even NULL + 0. */
    return (struct sl_reader){in.at, in.len == 0 ? in.at : in.at + in.len, false};
}

static inline size_t sl_reader_left(const struct sl_reader *r)
{
    return (size_t)(r->end - r->pos);
}

/* Lends the next n bytes of the input, or nothing at all. */
static inline struct sl_bytes sl_read_bytes(struct sl_reader *r, size_t n)
{
    if (sl_reader_left(r) < n) {
        r->is_short = true;
        r->pos = r->end;
        return (struct sl_bytes){NULL, 0};
    }
    struct sl_bytes out = {r->pos, n};
    if (n != 0)
        r->pos += n;
    return out;
}

static inline uint8_t sl_read_u8(struct sl_reader *r)
{
    struct sl_bytes b = sl_read_bytes(r, 1);
    return b.len == 0 ? 0 : b.at[0];
}

static inline uint16_t sl_load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}

static inline uint32_t sl_load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline uint64_t sl_load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static inline uint16_t sl_read_u16(struct sl_reader *r)
{
    struct sl_bytes b = sl_read_bytes(r, 2);
    return b.len == 0 ? 0 : sl_load_u16(b.at);
}

static inline uint32_t sl_read_u32(struct sl_reader *r)
{
    struct sl_bytes b = sl_read_bytes(r, 4);
    return b.len == 0 ? 0 : sl_load_u32(b.at);
}

static inline uint64_t sl_read_u64(struct sl_reader *r)
{
    struct sl_bytes b = sl_read_bytes(r, 8);
    return b.len == 0 ? 0 : sl_load_u64(b.at);
}

/* A length octet and that many bytes (AMQP's short string). */
static inline struct sl_bytes sl_read_short_string(struct sl_reader *r)
{
    return sl_read_bytes(r, sl_read_u8(r));
}

/* Four length octets and that many bytes (AMQP's long string, table, array). */
static inline struct sl_bytes sl_read_long_string(struct sl_reader *r)
{
    return sl_read_bytes(r, sl_read_u32(r));
}

struct sl_writer {
    uint8_t *pos;
    uint8_t *end;
    bool overflowed; /* sticky; nothing is written past end */
};

static inline void sl_store_u16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
}

static inline void sl_store_u32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}

static inline void sl_store_u64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

/* Lends n bytes of room to be filled by the caller; NULL when they are not there. */
static inline uint8_t *sl_write_room(struct sl_writer *w, size_t n)
{
    if ((size_t)(w->end - w->pos) < n) {
        w->overflowed = true;
        return NULL;
    }
    uint8_t *at = w->pos;
    w->pos += n;
    return at;
}

static inline void sl_write_bytes(struct sl_writer *w, struct sl_bytes b)
{
    uint8_t *at = sl_write_room(w, b.len);
    if (at != NULL && b.len != 0)
        memcpy(at, b.at, b.len);
}

static inline void sl_write_u8(struct sl_writer *w, uint8_t v)
{
    uint8_t *at = sl_write_room(w, 1);
    if (at != NULL)
        *at = v;
}

static inline void sl_write_u16(struct sl_writer *w, uint16_t v)
{
    uint8_t *at = sl_write_room(w, 2);
    if (at != NULL)
        sl_store_u16(at, v);
}

static inline void sl_write_u32(struct sl_writer *w, uint32_t v)
{
    uint8_t *at = sl_write_room(w, 4);
    if (at != NULL)
        sl_store_u32(at, v);
}

static inline void sl_write_u64(struct sl_writer *w, uint64_t v)
{
    uint8_t *at = sl_write_room(w, 8);
    if (at != NULL)
        sl_store_u64(at, v);
}

/* Strings longer than 255 bytes mark the writer as overflowed. */
static inline void sl_write_short_string(struct sl_writer *w, struct sl_bytes b)
{
    if (b.len > 255) {
        w->overflowed = true;
        return;
    }
    sl_write_u8(w, (uint8_t)b.len);
    sl_write_bytes(w, b);
}

static inline void sl_write_long_string(struct sl_writer *w, struct sl_bytes b)
{
    sl_write_u32(w, (uint32_t)b.len);
    sl_write_bytes(w, b);
}

#endif
