#include "core/account_change.h"

#include "core/base/assert.h"

#define BODY_BYTES_MAX (4u * ACCOUNT_TEXT_BYTES_MAX + 4u * 256u + 64u)

static void write_body(struct sl_writer *w, const struct account_change *c);
static void write_user(struct sl_writer *w, const struct account_change *c);
static enum sl_err read_user(struct sl_reader *r, struct account_change *c);
static enum sl_err read_limit(struct sl_reader *r, struct account_change *c);

void account_change_write(struct log_run *run, const struct account_change *c)
{
    uint8_t room[BODY_BYTES_MAX];
    struct sl_writer w = {room, room + sizeof room, false};

    write_body(&w, c);
    SL_ASSERT(!w.overflowed);
    size_t len = (size_t)(w.pos - room);
    uint8_t *at = log_run_add(run, c->kind, 0, false, len);
    if (len != 0)
        memcpy(at, room, len);
}

static void write_body(struct sl_writer *w, const struct account_change *c)
{
    switch ((int)c->kind) {
    case RECORD_VHOST:
        sl_write_short_string(w, c->vhost);
        sl_write_long_string(w, c->description);
        sl_write_long_string(w, c->tags);
        sl_write_long_string(w, c->queue_type);
        break;
    case RECORD_DELETE_VHOST: sl_write_short_string(w, c->vhost); break;
    case RECORD_USER: write_user(w, c); break;
    case RECORD_DELETE_USER: sl_write_short_string(w, c->user); break;
    case RECORD_PERMISSION:
    case RECORD_TOPIC_PERMISSION:
        sl_write_short_string(w, c->user);
        sl_write_short_string(w, c->vhost);
        if (c->kind == RECORD_PERMISSION)
            sl_write_long_string(w, c->texts[PERMISSION_CONFIGURE]);
        else
            sl_write_short_string(w, c->exchange);
        sl_write_long_string(w, c->texts[PERMISSION_WRITE]);
        sl_write_long_string(w, c->texts[PERMISSION_READ]);
        break;
    case RECORD_CLEAR_PERMISSION:
    case RECORD_CLEAR_TOPIC_PERMISSION:
        sl_write_short_string(w, c->user);
        sl_write_short_string(w, c->vhost);
        if (c->kind == RECORD_CLEAR_PERMISSION)
            break;
        sl_write_u8(w, c->of_all_exchanges);
        sl_write_short_string(w, c->exchange);
        break;
    case RECORD_ACCOUNT_LIMIT:
        sl_write_u8(w, c->of_vhost);
        sl_write_short_string(w, c->of_vhost ? c->vhost : c->user);
        sl_write_u8(w, (uint8_t)c->limit);
        sl_write_u64(w, c->value);
        break;
    default: SL_ASSERT(c->kind == RECORD_ACCOUNTS);
    }
}

static void write_user(struct sl_writer *w, const struct account_change *c)
{
    sl_write_short_string(w, c->user);
    sl_write_u8(w, c->password.form);
    sl_write_short_string(w, (struct sl_bytes){c->password.bytes, c->password.len});
    sl_write_long_string(w, c->tags);
    sl_write_short_string(w, c->cluster_id);
}

enum sl_err account_change_read(const struct record *record, struct account_change *c)
{
    struct sl_reader r = sl_reader_of(record->body);
    enum sl_err err = SL_OK;

    *c = (struct account_change){.kind = (enum record_kind)record->kind};
    switch (record->kind) {
    case RECORD_ACCOUNTS: return SL_OK;
    case RECORD_VHOST:
        c->vhost = sl_read_short_string(&r);
        c->description = sl_read_long_string(&r);
        c->tags = sl_read_long_string(&r);
        c->queue_type = sl_read_long_string(&r);
        break;
    case RECORD_DELETE_VHOST: c->vhost = sl_read_short_string(&r); break;
    case RECORD_USER: err = read_user(&r, c); break;
    case RECORD_DELETE_USER: c->user = sl_read_short_string(&r); break;
    case RECORD_PERMISSION:
    case RECORD_TOPIC_PERMISSION:
        c->user = sl_read_short_string(&r);
        c->vhost = sl_read_short_string(&r);
        if (record->kind == RECORD_PERMISSION)
            c->texts[PERMISSION_CONFIGURE] = sl_read_long_string(&r);
        else
            c->exchange = sl_read_short_string(&r);
        c->texts[PERMISSION_WRITE] = sl_read_long_string(&r);
        c->texts[PERMISSION_READ] = sl_read_long_string(&r);
        break;
    case RECORD_CLEAR_PERMISSION:
    case RECORD_CLEAR_TOPIC_PERMISSION:
        c->user = sl_read_short_string(&r);
        c->vhost = sl_read_short_string(&r);
        if (record->kind == RECORD_CLEAR_PERMISSION)
            break;
        c->of_all_exchanges = sl_read_u8(&r) != 0;
        c->exchange = sl_read_short_string(&r);
        break;
    case RECORD_ACCOUNT_LIMIT: err = read_limit(&r, c); break;
    default: return SL_ECORRUPT;
    }
    return r.is_short ? SL_ECORRUPT : err;
}

static enum sl_err read_user(struct sl_reader *r, struct account_change *c)
{
    c->user = sl_read_short_string(r);
    uint8_t form = sl_read_u8(r);
    struct sl_bytes hash = sl_read_short_string(r);
    c->tags = sl_read_long_string(r);
    c->cluster_id = sl_read_short_string(r);
    if (c->cluster_id.len > SL_CLUSTER_ID_BYTES_MAX)
        return SL_ECORRUPT;
    return password_hash_read(&c->password, form, hash);
}

static enum sl_err read_limit(struct sl_reader *r, struct account_change *c)
{
    c->of_vhost = sl_read_u8(r) != 0;
    struct sl_bytes name = sl_read_short_string(r);
    if (c->of_vhost)
        c->vhost = name;
    else
        c->user = name;
    uint8_t limit = sl_read_u8(r);
    c->value = sl_read_u64(r);
    c->limit = (enum account_limit)limit;
    return limit < ACCOUNT_LIMITS ? SL_OK : SL_ECORRUPT;
}
