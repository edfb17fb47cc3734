#include "core/journal.h"

#include "core/base/assert.h"
#include "core/properties.h"

#define DISTANCE_BYTES_MAX 10u
#define LENT_HEAD_BYTES_MAX (16u * 1024) /* a wider fan-out copies: the run wants heads small */

static void gather(struct journal *j, enum record_kind kind, uint64_t queue_number, sl_seq seq);
static void write_distance(struct journal_list *list, uint64_t distance);
static uint8_t *definition(struct log_run *r, enum record_kind kind, size_t n, struct sl_writer *w);
static size_t short_len(struct sl_bytes b);
static size_t long_len(struct sl_bytes b);
static enum sl_err read_exchange(struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_queue(struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_binding(struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_message(struct sl_reader *r, struct journal_entry *e);
static enum sl_err read_list(struct sl_reader *r, struct journal_entry *e);
static struct sl_bytes read_arguments(struct sl_reader *r);

void journal_message(struct journal *j, uint32_t offset, const struct route *route,
                     struct message *msg)
{
    struct sl_bytes encoded = message_route(msg);
    struct sl_bytes properties = message_properties(msg);
    struct sl_bytes body = message_body(msg);
    size_t head = 4 + 8ull * route->durable + encoded.len + long_len(properties) + 4;
    bool is_lent = body.len > LOG_COPY_MAX && head <= LENT_HEAD_BYTES_MAX;
    uint8_t *at;

    msg->log_at = (uint32_t)j->run.bytes; /* a run is far shorter than 4 GiB */
    msg->record_len = record_length(head + body.len);
    msg->copies = (uint16_t)(route->durable < UINT16_MAX ? route->durable : UINT16_MAX);

    if (is_lent)
        at = log_run_add_lent(&j->run, RECORD_MESSAGE, offset, head, body, message_release,
                              message_ref(msg));
    else
        at = log_run_add(&j->run, RECORD_MESSAGE, offset, false, head + body.len);

    struct sl_writer w = {at, at + head + (is_lent ? 0 : body.len), false};
    sl_write_u32(&w, route->durable);
    for (uint32_t i = 0; i < route->count; i++)
        if (route->targets[i].number != 0)
            sl_write_u64(&w, route->targets[i].number);
    sl_write_bytes(&w, encoded);
    sl_write_long_string(&w, properties);
    sl_write_u32(&w, (uint32_t)body.len);
    if (!is_lent)
        sl_write_bytes(&w, body);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
}

void journal_settled(struct journal *j, uint64_t queue_number, sl_seq seq)
{
    gather(j, RECORD_SETTLED, queue_number, seq);
}

void journal_returned(struct journal *j, uint64_t queue_number, sl_seq seq)
{
    gather(j, RECORD_RETURNED, queue_number, seq);
}

void journal_lent(struct log_run *r, uint64_t queue_number, uint64_t mark)
{
    uint8_t *at = log_run_add(r, RECORD_LENT, 0, false, 16);

    sl_store_u64(at, queue_number);
    sl_store_u64(at + 8, mark);
}

void journal_declare_exchange(struct log_run *r, const struct exchange *e)
{
    struct sl_writer w;

    definition(r, RECORD_DECLARE_EXCHANGE,
               short_len(e->vhost->name) + short_len(e->name) + 2 + e->arguments.len, &w);
    sl_write_short_string(&w, e->vhost->name);
    sl_write_short_string(&w, e->name);
    sl_write_u8(&w, (uint8_t)e->type);
    sl_write_u8(&w, (uint8_t)(e->is_auto_delete | e->is_internal << 1));
    sl_write_bytes(&w, e->arguments);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
}

void journal_delete_exchange(struct log_run *r, const struct exchange *e)
{
    struct sl_writer w;

    definition(r, RECORD_DELETE_EXCHANGE, short_len(e->vhost->name) + short_len(e->name), &w);
    sl_write_short_string(&w, e->vhost->name);
    sl_write_short_string(&w, e->name);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
}

void journal_declare_queue(struct log_run *r, const struct topology_queue *q, uint64_t mark)
{
    struct sl_writer w;

    definition(r, RECORD_DECLARE_QUEUE,
               8 + short_len(q->vhost->name) + short_len(q->name) + 1 + 8 + q->arguments.len, &w);
    sl_write_u64(&w, q->number);
    sl_write_short_string(&w, q->vhost->name);
    sl_write_short_string(&w, q->name);
    sl_write_u8(&w, (uint8_t)q->is_auto_delete);
    sl_write_u64(&w, mark);
    sl_write_bytes(&w, q->arguments);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
}

void journal_delete_queue(struct log_run *r, uint64_t number)
{
    sl_store_u64(log_run_add(r, RECORD_DELETE_QUEUE, 0, false, 8), number);
}

void journal_binding(struct log_run *r, enum record_kind kind, const struct vhost *v,
                     const struct binding_request *request)
{
    struct sl_bytes arguments = request->arguments.len == 0 ? table_empty : request->arguments;
    struct sl_writer w;

    definition(r, kind,
               short_len(v->name) + short_len(request->source) + 1 +
                   short_len(request->destination) + short_len(request->key) + arguments.len,
               &w);
    sl_write_short_string(&w, v->name);
    sl_write_short_string(&w, request->source);
    sl_write_u8(&w, (uint8_t)request->to_exchange);
    sl_write_short_string(&w, request->destination);
    sl_write_short_string(&w, request->key);
    sl_write_bytes(&w, arguments);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
}

void journal_flush(struct journal *j)
{
    struct journal_list *list = &j->list;
    struct sl_writer w;

    if (list->queue_number == 0)
        return;
    definition(&j->run, list->kind, 8 + 4 + 8 + list->len, &w);
    sl_write_u64(&w, list->queue_number);
    sl_write_u32(&w, list->count);
    sl_write_u64(&w, list->first);
    sl_write_bytes(&w, (struct sl_bytes){list->distances, list->len});
    list->queue_number = 0;
}

enum sl_err journal_read(const struct record *record, struct journal_entry *entry)
{
    struct sl_reader r = sl_reader_of(record->body);
    enum sl_err err = SL_OK;

    *entry = (struct journal_entry){0};
    switch (record->kind) {
    case RECORD_DECLARE_EXCHANGE: err = read_exchange(&r, entry); break;
    case RECORD_DELETE_EXCHANGE:
        entry->vhost = sl_read_short_string(&r);
        entry->exchange.name = sl_read_short_string(&r);
        break;
    case RECORD_DECLARE_QUEUE: err = read_queue(&r, entry); break;
    case RECORD_DELETE_QUEUE: entry->number = sl_read_u64(&r); break;
    case RECORD_BIND:
    case RECORD_UNBIND: err = read_binding(&r, entry); break;
    case RECORD_MESSAGE: err = read_message(&r, entry); break;
    case RECORD_SETTLED:
    case RECORD_RETURNED: err = read_list(&r, entry); break;
    case RECORD_LENT:
        entry->number = sl_read_u64(&r);
        entry->mark = sl_read_u64(&r);
        break;
    default: return SL_ECORRUPT;
    }
    return err != SL_OK || r.is_short || sl_reader_left(&r) > 7 ? SL_ECORRUPT : SL_OK;
}

bool journal_next(struct journal_entry *entry, uint64_t *seq)
{
    uint64_t distance = 0;

    if (entry->list_count == 0)
        return false;
    if (entry->list_at == 0) {
        entry->list_at = entry->mark;
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

static void gather(struct journal *j, enum record_kind kind, uint64_t queue_number, sl_seq seq)
{
    struct journal_list *list = &j->list;

    if (j->is_off)
        return;
    SL_ASSERT(queue_number != 0 && seq.v != 0);
    if (list->queue_number != queue_number || list->kind != kind || seq.v <= list->last ||
        list->len > JOURNAL_LIST_BYTES - DISTANCE_BYTES_MAX) {
        journal_flush(j);
        list->kind = kind;
        list->queue_number = queue_number;
        list->first = seq.v;
        list->count = list->len = 0;
    } else
        write_distance(list, seq.v - list->last);
    list->last = seq.v;
    list->count++;
}

static void write_distance(struct journal_list *list, uint64_t distance)
{
    while (distance >= 0x80) {
        list->distances[list->len++] = (uint8_t)(distance | 0x80);
        distance >>= 7;
    }
    list->distances[list->len++] = (uint8_t)distance;
}

static uint8_t *definition(struct log_run *r, enum record_kind kind, size_t n, struct sl_writer *w)
{
    uint8_t *at = log_run_add(r, kind, 0, false, n);

    *w = (struct sl_writer){at, at + n, false};
    return at;
}

static size_t short_len(struct sl_bytes b)
{
    return 1 + b.len;
}

static size_t long_len(struct sl_bytes b)
{
    return 4 + b.len;
}

static enum sl_err read_exchange(struct sl_reader *r, struct journal_entry *e)
{
    e->vhost = sl_read_short_string(r);
    e->exchange.name = sl_read_short_string(r);
    uint8_t type = sl_read_u8(r);
    if (type > EXCHANGE_HEADERS)
        return SL_ECORRUPT;
    uint8_t flags = sl_read_u8(r);
    e->exchange.type = sl_bytes_of(exchange_type_name((enum exchange_type)type));
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
    e->queue.is_auto_delete = sl_read_u8(r) & 1;
    e->mark = sl_read_u64(r);
    e->queue.arguments = read_arguments(r);
    e->queue.is_durable = true;
    e->queue.may_be_reserved = true;
    return e->queue.name.len == 0 || e->number == 0 ? SL_ECORRUPT : SL_OK;
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
    if (r->is_short || count == 0)
        return SL_ECORRUPT;
    return properties_check(e->properties, &why);
}

static enum sl_err read_list(struct sl_reader *r, struct journal_entry *e)
{
    e->number = sl_read_u64(r);
    e->list_count = sl_read_u32(r);
    e->mark = sl_read_u64(r); /* the first; journal_next starts from it */
    e->list = *r;
    r->pos = r->end;
    return e->list_count == 0 || e->mark == 0 ? SL_ECORRUPT : SL_OK;
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
