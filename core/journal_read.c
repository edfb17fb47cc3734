#include "core/journal.h"

#include "core/base/assert.h"
#include "core/cluster_name.h"
#include "core/properties.h"
#include "core/table.h"

#define DISTANCE_BYTES_MAX 10u

static enum sl_err read_body(uint16_t kind, struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_exchange(struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_queue(struct sl_reader *r, struct journal_entry *e);
static bool is_own_name(const struct journal_entry *e);
static enum sl_err read_binding(struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_message(struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_from_queue(uint16_t kind, struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_fates(uint16_t kind, struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_list(struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_checked(struct sl_reader *r, struct journal_entry *e);
static struct sl_bytes read_arguments(struct sl_reader *r);

enum sl_err journal_read(const struct record *record, struct journal_entry *entry)
{
    struct sl_reader r = sl_reader_of(record->body);

    *entry = (struct journal_entry){.has_deaths = (record->flags & JOURNAL_HAS_DEATHS) != 0,
                                    .is_moved = (record->flags & JOURNAL_IS_MOVED) != 0,
                                    .by_exchange = (record->flags & JOURNAL_BY_EXCHANGE) != 0};
    if (record->kind == RECORD_OUTCOMES || record->kind == RECORD_INDEX)
        return SL_OK; /* outcomes.h and index.h read them */
    enum sl_err err = read_body(record->kind, &r, entry);
    return err != SL_OK || r.is_short || sl_reader_left(&r) > 7 ? SL_ECORRUPT : SL_OK;
}

enum sl_err journal_read_message(const struct record *record, const struct journal_entry *entry,
                                 struct message **out)
{
    struct message *msg = message_new_routed(entry->route, entry->properties, entry->body.len);
    size_t copies = entry->numbers.len / 8;

    *out = NULL;
    if (msg == NULL)
        return SL_ENOMEM;
    enum sl_err err = message_append(&msg, entry->body);
    if (err != SL_OK) {
        message_unref(msg);
        return err;
    }
    msg->is_logged = record->kind != RECORD_PAGED;
    msg->has_deaths = entry->has_deaths;
    msg->is_moved = entry->is_moved;
    msg->by_exchange = entry->by_exchange;
    msg->record_len = RECORD_HEADER_BYTES + (uint32_t)record->body.len;
    msg->copies = (uint16_t)(copies < UINT16_MAX ? copies : UINT16_MAX);
    *out = msg;
    return SL_OK;
}

bool journal_next(struct journal_entry *entry, uint64_t *seq)
{
    uint64_t distance = 0;

    if (entry->list_count == 0)
        return false;
    if (entry->list_at == 0) {
        entry->list_at = entry->list_first;
    } else {
        for (unsigned shift = 0; shift < 7 * DISTANCE_BYTES_MAX; shift += 7) {
            uint8_t octet = sl_read_u8(&entry->list);
            distance |= (uint64_t)(octet & 0x7f) << shift;
            if ((octet & 0x80) == 0)
                break;
        }
        if (entry->list.is_short || distance == 0)
            return false;
        entry->list_at += distance;
    }
    entry->list_count--;
    *seq = entry->list_at;
    return true;
}

static enum sl_err read_body(uint16_t kind, struct sl_reader *r, struct journal_entry *e)
{
    switch (kind) {
    case RECORD_DECLARE_EXCHANGE: return read_exchange(r, e);
    case RECORD_DELETE_EXCHANGE:
        e->vhost = sl_read_short_string(r);
        e->exchange.name = sl_read_short_string(r);
        return SL_OK;
    case RECORD_DECLARE_QUEUE: return read_queue(r, e);
    case RECORD_DELETE_QUEUE: e->number = sl_read_u64(r); return SL_OK;
    case RECORD_BIND:
    case RECORD_UNBIND: return read_binding(r, e);
    case RECORD_MESSAGE:
    case RECORD_MOVED: SL_TRY(read_message(r, e)); return e->numbers.len == 0 ? SL_ECORRUPT : SL_OK;
    case RECORD_PAGED: return read_message(r, e);
    case RECORD_DEAD_LETTERED:
    case RECORD_RELEASED: return read_from_queue(kind, r, e);
    case RECORD_RETURNED:
    case RECORD_SETTLED:
    case RECORD_REJECTED:
    case RECORD_DUPLICATES:
    case RECORD_PURGED: return read_fates(kind, r, e);
    case RECORD_OUTCOME:
        e->number = sl_read_u64(r);
        e->source = sl_read_u64(r);
        return outcome_read(r, &e->outcome);
    case RECORD_CHECKED: return read_checked(r, e);
    case RECORD_LENT:
        e->number = sl_read_u64(r);
        e->mark = sl_read_u64(r);
        return SL_OK;
    default: return SL_ECORRUPT;
    }
}

static enum sl_err read_exchange(struct sl_reader *r, struct journal_entry *e)
{
    e->vhost = sl_read_short_string(r);
    e->exchange.name = sl_read_short_string(r);
    uint8_t type = sl_read_u8(r);
    const char *type_name = exchange_type_name((enum exchange_type)type);
    if (type_name == NULL)
        return SL_ECORRUPT;
    uint8_t flags = sl_read_u8(r);
    e->exchange.type = sl_bytes_of(type_name);
    e->exchange.is_durable = true;
    e->exchange.is_auto_delete = flags & 1;
    e->exchange.is_internal = flags >> 1 & 1;
    e->exchange.arguments = read_arguments(r);
    return SL_OK;
}

static enum sl_err read_queue(struct sl_reader *r, struct journal_entry *e)
{
    e->number = sl_read_u64(r);
    e->vhost = sl_read_short_string(r);
    e->queue.name = sl_read_short_string(r);
    uint8_t flags = sl_read_u8(r);
    e->queue.is_auto_delete = flags & 1;
    e->queue.is_cluster = flags >> 1 & 1;
    e->mark = sl_read_u64(r);
    e->queue.arguments = read_arguments(r);
    e->queue.is_durable = true;
    e->queue.may_be_reserved = true;
    return e->queue.name.len == 0 || e->number == 0 || !is_own_name(e) ? SL_ECORRUPT : SL_OK;
}

/* Of a cluster queue: does it say the queue? */
static bool is_own_name(const struct journal_entry *e)
{
    struct cluster_name name;
    char room[64];
    struct text ignored = text_on(room, sizeof room);

    return !e->queue.is_cluster || (cluster_name_read(e->queue.name, &name, &ignored) == SL_OK &&
                                    sl_bytes_equal(name.own, e->queue.name));
}

static enum sl_err read_binding(struct sl_reader *r, struct journal_entry *e)
{
    e->vhost = sl_read_short_string(r);
    e->binding.source = sl_read_short_string(r);
    e->binding.to_exchange = sl_read_u8(r) != 0;
    e->binding.destination = sl_read_short_string(r);
    e->binding.key = sl_read_short_string(r);
    e->binding.arguments = read_arguments(r);
    return SL_OK;
}

static enum sl_err read_message(struct sl_reader *r, struct journal_entry *e)
{
    const char *why;
    uint32_t count = sl_read_u32(r);

    e->numbers = sl_read_bytes(r, 8ull * count);
    const uint8_t *route = r->pos;
    sl_read_short_string(r);
    sl_read_short_string(r);
    e->route = (struct sl_bytes){route, (size_t)(r->pos - route)};
    e->properties = sl_read_long_string(r);
    e->body = sl_read_long_string(r);
    if (r->is_short)
        return SL_ECORRUPT;
    return properties_check(e->properties, &why);
}

/* A message that leaves one queue for others. */
static enum sl_err read_from_queue(uint16_t kind, struct sl_reader *r, struct journal_entry *e)
{
    e->number = sl_read_u64(r);
    e->source = sl_read_u64(r);
    if (kind == RECORD_DEAD_LETTERED)
        e->reason = sl_read_u8(r);
    return read_message(r, e);
}

/* Entries of one queue; a purge lists those that stay, which may be none. */
static enum sl_err read_fates(uint16_t kind, struct sl_reader *r, struct journal_entry *e)
{
    e->number = sl_read_u64(r);
    if (kind == RECORD_RETURNED)
        e->returns = sl_read_u32(r);
    if (kind == RECORD_PURGED)
        e->highest = sl_read_u64(r);
    SL_TRY(read_list(r, e));
    return e->list_count == 0 && kind != RECORD_PURGED ? SL_ECORRUPT : SL_OK;
}

static enum sl_err read_list(struct sl_reader *r, struct journal_entry *e)
{
    bool is_empty;

    e->list_count = sl_read_u32(r);
    is_empty = e->list_count == 0;
    e->list_first = is_empty ? 0 : sl_read_u64(r);
    e->list = *r; /* what is behind it is padding */
    r->pos = r->end;
    return e->list_first == 0 && !is_empty ? SL_ECORRUPT : SL_OK;
}

static enum sl_err read_checked(struct sl_reader *r, struct journal_entry *e)
{
    e->number = sl_read_u64(r);
    struct sl_bytes key = sl_read_bytes(r, OUTCOME_KEY_BYTES);
    e->returns = sl_read_u32(r);
    e->is_told = sl_read_u8(r) != 0;
    if (r->is_short)
        return SL_ECORRUPT;
    memcpy(e->outcome.key, key.at, OUTCOME_KEY_BYTES);
    return SL_OK;
}

static struct sl_bytes read_arguments(struct sl_reader *r)
{
    struct sl_bytes rest = {r->pos, sl_reader_left(r)};
    const char *why;
    size_t used = 0;

    if (r->is_short || table_check(rest, &used, &why) != SL_OK) {
        r->is_short = true;
        return (struct sl_bytes){NULL, 0};
    }
    return sl_read_bytes(r, used);
}
