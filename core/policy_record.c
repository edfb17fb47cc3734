#include "core/policy_record.h"

#include "core/base/assert.h"

void policy_record_set(struct log_run *run, const struct policy_definition *d)
{
    size_t n = 1 + d->vhost.len + 1 + 1 + d->name.len + 1 + 4 + 4 + d->pattern.len + d->keys.len;
    uint8_t *at = log_run_add(run, RECORD_SET_POLICY, 0, false, n);
    struct sl_writer w = {at, at + n, false};

    sl_write_short_string(&w, d->vhost);
    sl_write_u8(&w, d->is_operator);
    sl_write_short_string(&w, d->name);
    sl_write_u8(&w, d->apply_to);
    sl_write_u32(&w, (uint32_t)d->priority);
    sl_write_long_string(&w, d->pattern);
    sl_write_bytes(&w, d->keys);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
}

void policy_record_clear(struct log_run *run, struct sl_bytes vhost, bool is_operator,
                         struct sl_bytes name)
{
    size_t n = 1 + vhost.len + 1 + 1 + name.len;
    uint8_t *at = log_run_add(run, RECORD_CLEAR_POLICY, 0, false, n);
    struct sl_writer w = {at, at + n, false};

    sl_write_short_string(&w, vhost);
    sl_write_u8(&w, is_operator);
    sl_write_short_string(&w, name);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
}

enum sl_err policy_record_read(const struct record *record, struct policy_definition *d)
{
    struct sl_reader r = sl_reader_of(record->body);
    const char *why;
    size_t used = 0;

    *d = (struct policy_definition){.vhost = sl_read_short_string(&r)};
    d->is_operator = sl_read_u8(&r) != 0;
    d->name = sl_read_short_string(&r);
    if (record->kind == RECORD_CLEAR_POLICY)
        return r.is_short ? SL_ECORRUPT : SL_OK;
    d->apply_to = sl_read_u8(&r);
    d->priority = (int32_t)sl_read_u32(&r);
    d->pattern = sl_read_long_string(&r);
    struct sl_bytes rest = {r.pos, sl_reader_left(&r)};
    if (r.is_short || table_check(rest, &used, &why) != SL_OK)
        return SL_ECORRUPT;
    d->keys = sl_read_bytes(&r, used);
    return SL_OK;
}
