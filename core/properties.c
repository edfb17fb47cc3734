#include "core/properties.h"

#include "core/table.h"

#define RESERVED_FLAGS 3u /* bit 0 announces more flags, which nobody sends; bit 1 is unused */

static const uint8_t no_flags[2];
const struct sl_bytes properties_none = {no_flags, sizeof no_flags};

static enum sl_err check_headers(struct sl_reader *r, const char **why);
static inline uint16_t seek(struct sl_bytes flat, enum properties_flag wanted, struct sl_reader *r);
static struct sl_bytes read_table(struct sl_reader *r);

enum sl_err properties_check(struct sl_bytes flat, const char **why)
{
    struct sl_reader r = sl_reader_of(flat);
    uint16_t flags = sl_read_u16(&r);

    if ((flags & RESERVED_FLAGS) != 0)
        return *why = "reserved property flags are set", SL_ESYNTAX;
    for (uint16_t flag = PROPERTY_CONTENT_TYPE; flag >= PROPERTY_CLUSTER_ID; flag >>= 1) {
        if ((flags & flag) == 0)
            continue;
        if (flag == PROPERTY_HEADERS)
            SL_TRY(check_headers(&r, why));
        else if (flag == PROPERTY_DELIVERY_MODE || flag == PROPERTY_PRIORITY)
            sl_read_u8(&r);
        else if (flag == PROPERTY_TIMESTAMP)
            sl_read_u64(&r);
        else
            sl_read_short_string(&r);
    }
    if (r.is_short)
        return *why = "property list is cut short", SL_ESYNTAX;
    if (sl_reader_left(&r) != 0)
        return *why = "bytes behind the last property", SL_ESYNTAX;
    return SL_OK;
}

void properties_decode(struct sl_bytes flat, struct properties *p)
{
    struct sl_reader r = sl_reader_of(flat);
    uint16_t flags = sl_read_u16(&r);

    *p = (struct properties){.present = flags};
    if (flags & PROPERTY_CONTENT_TYPE)
        p->content_type = sl_read_short_string(&r);
    if (flags & PROPERTY_CONTENT_ENCODING)
        p->content_encoding = sl_read_short_string(&r);
    if (flags & PROPERTY_HEADERS)
        p->headers = read_table(&r);
    if (flags & PROPERTY_DELIVERY_MODE)
        p->delivery_mode = sl_read_u8(&r);
    if (flags & PROPERTY_PRIORITY)
        p->priority = sl_read_u8(&r);
    if (flags & PROPERTY_CORRELATION_ID)
        p->correlation_id = sl_read_short_string(&r);
    if (flags & PROPERTY_REPLY_TO)
        p->reply_to = sl_read_short_string(&r);
    if (flags & PROPERTY_EXPIRATION)
        p->expiration = sl_read_short_string(&r);
    if (flags & PROPERTY_MESSAGE_ID)
        p->message_id = sl_read_short_string(&r);
    if (flags & PROPERTY_TIMESTAMP)
        p->timestamp = sl_read_u64(&r);
    if (flags & PROPERTY_TYPE)
        p->type = sl_read_short_string(&r);
    if (flags & PROPERTY_USER_ID)
        p->user_id = sl_read_short_string(&r);
    if (flags & PROPERTY_APP_ID)
        p->app_id = sl_read_short_string(&r);
    if (flags & PROPERTY_CLUSTER_ID)
        p->cluster_id = sl_read_short_string(&r);
}

void properties_encode(const struct properties *p, struct sl_writer *w)
{
    uint16_t flags = p->present & (uint16_t)~RESERVED_FLAGS;

    sl_write_u16(w, flags);
    if (flags & PROPERTY_CONTENT_TYPE)
        sl_write_short_string(w, p->content_type);
    if (flags & PROPERTY_CONTENT_ENCODING)
        sl_write_short_string(w, p->content_encoding);
    if (flags & PROPERTY_HEADERS)
        sl_write_bytes(w, p->headers.len == 0 ? table_empty : p->headers);
    if (flags & PROPERTY_DELIVERY_MODE)
        sl_write_u8(w, p->delivery_mode);
    if (flags & PROPERTY_PRIORITY)
        sl_write_u8(w, p->priority);
    if (flags & PROPERTY_CORRELATION_ID)
        sl_write_short_string(w, p->correlation_id);
    if (flags & PROPERTY_REPLY_TO)
        sl_write_short_string(w, p->reply_to);
    if (flags & PROPERTY_EXPIRATION)
        sl_write_short_string(w, p->expiration);
    if (flags & PROPERTY_MESSAGE_ID)
        sl_write_short_string(w, p->message_id);
    if (flags & PROPERTY_TIMESTAMP)
        sl_write_u64(w, p->timestamp);
    if (flags & PROPERTY_TYPE)
        sl_write_short_string(w, p->type);
    if (flags & PROPERTY_USER_ID)
        sl_write_short_string(w, p->user_id);
    if (flags & PROPERTY_APP_ID)
        sl_write_short_string(w, p->app_id);
    if (flags & PROPERTY_CLUSTER_ID)
        sl_write_short_string(w, p->cluster_id);
}

bool properties_are_persistent(struct sl_bytes flat)
{
    struct sl_reader r;

    return seek(flat, PROPERTY_DELIVERY_MODE, &r) != 0 && sl_read_u8(&r) == 2;
}

uint8_t properties_priority(struct sl_bytes flat)
{
    struct sl_reader r;

    return seek(flat, PROPERTY_PRIORITY, &r) == 0 ? 0 : sl_read_u8(&r);
}

bool properties_headers(struct sl_bytes flat, struct sl_bytes *table)
{
    struct sl_reader r;

    if (seek(flat, PROPERTY_HEADERS, &r) == 0)
        return false;
    *table = read_table(&r);
    return true;
}

bool expiration_read(struct sl_bytes expiration, uint64_t *ms)
{
    *ms = 0;
    for (size_t i = 0; i < expiration.len; i++) {
        uint8_t digit = (uint8_t)(expiration.at[i] - '0');
        if (digit > 9)
            return false;
        *ms = *ms * 10 + digit;
        if (*ms > UINT32_MAX)
            return false;
    }
    return expiration.len != 0;
}

static enum sl_err check_headers(struct sl_reader *r, const char **why)
{
    size_t used;

    SL_TRY(table_check((struct sl_bytes){r->pos, sl_reader_left(r)}, &used, why));
    sl_read_bytes(r, used);
    return SL_OK;
}

/* Stands the reader on one of the first five properties; 0 when it is absent.  Whoever asks
 * knows that the list is well formed, so what lies before is skipped unseen. */
static inline uint16_t seek(struct sl_bytes flat, enum properties_flag wanted, struct sl_reader *r)
{
    *r = sl_reader_of(flat);

    uint16_t flags = sl_read_u16(r);
    uint16_t before = flags & (uint16_t) ~(((unsigned)wanted << 1) - 1);
    if ((flags & wanted) == 0 || before == 0)
        return flags & (uint16_t)wanted;
    if (before & PROPERTY_CONTENT_TYPE)
        sl_read_short_string(r);
    if (before & PROPERTY_CONTENT_ENCODING)
        sl_read_short_string(r);
    if (before & PROPERTY_HEADERS)
        sl_read_long_string(r);
    if (before & PROPERTY_DELIVERY_MODE)
        sl_read_u8(r);
    return (uint16_t)wanted;
}

static struct sl_bytes read_table(struct sl_reader *r)
{
    struct sl_bytes left = {r->pos, sl_reader_left(r)};
    size_t len = sl_read_long_string(r).len + 4;

    return r->is_short ? table_empty : (struct sl_bytes){left.at, len};
}
