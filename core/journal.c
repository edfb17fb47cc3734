#include "core/journal.h"

#include "core/base/assert.h"
#include "core/known_headers.h"
#include "core/properties.h"

#define DISTANCE_BYTES_MAX 10u
#define LENT_HEAD_BYTES_MAX (16u * 1024) /* a wider fan-out copies: the run wants heads small */

static void add_message(struct journal *j, enum record_kind kind, uint32_t offset,
                        struct sl_bytes prefix, const struct route *route, struct message *msg);
static bool may_have_id(const struct message *msg, const struct route *route);
static void gather(struct journal *j, enum record_kind kind, uint64_t queue_number,
                   uint32_t returns, sl_seq seq);
static void write_distance(struct journal_list *list, uint64_t distance);
static uint8_t *definition(struct log_run *r, enum record_kind kind, size_t n, struct sl_writer *w);
static size_t short_len(struct sl_bytes b);
static size_t long_len(struct sl_bytes b);

void journal_message(struct journal *j, uint32_t offset, const struct route *route,
                     struct message *msg)
{
    add_message(j, RECORD_MESSAGE, offset, (struct sl_bytes){NULL, 0}, route, msg);
}

void journal_dead_lettered(struct journal *j, uint32_t offset, const struct route *route,
                           struct message *msg, const struct journal_source *source)
{
    uint8_t prefix[8 + 8 + 1];

    sl_store_u64(prefix, source->queue_number);
    sl_store_u64(prefix + 8, source->seq.v);
    prefix[16] = source->reason;
    add_message(j, RECORD_DEAD_LETTERED, offset, (struct sl_bytes){prefix, sizeof prefix}, route,
                msg);
}

void journal_released(struct journal *j, uint32_t offset, const struct route *route,
                      struct message *msg, uint64_t queue_number, sl_seq seq)
{
    uint8_t prefix[8 + 8];

    sl_store_u64(prefix, queue_number);
    sl_store_u64(prefix + 8, seq.v);
    add_message(j, RECORD_RELEASED, offset, (struct sl_bytes){prefix, sizeof prefix}, route, msg);
}

void journal_settled(struct journal *j, uint64_t queue_number, sl_seq seq)
{
    gather(j, RECORD_SETTLED, queue_number, 0, seq);
}

void journal_returned(struct journal *j, uint64_t queue_number, sl_seq seq, uint32_t returns)
{
    gather(j, RECORD_RETURNED, queue_number, returns, seq);
}

void journal_rejected(struct journal *j, uint64_t queue_number, sl_seq seq)
{
    gather(j, RECORD_REJECTED, queue_number, 0, seq);
}

void journal_duplicate(struct journal *j, uint64_t queue_number, sl_seq seq)
{
    gather(j, RECORD_DUPLICATES, queue_number, 0, seq);
}

void journal_moved(struct log_run *r, sl_seq seq, const uint64_t *numbers, uint32_t n,
                   const struct message *msg)
{
    struct sl_bytes route = message_route(msg);
    struct sl_bytes properties = message_properties(msg);
    struct sl_bytes body = message_body(msg);
    size_t len = 4 + 8ull * n + route.len + long_len(properties) + long_len(body);
    uint8_t *at = log_run_add(r, RECORD_MOVED, seq.v, true, len);
    struct sl_writer w = {at, at + len, false};

    log_run_set_flags(at, journal_flags(msg));
    sl_write_u32(&w, n);
    for (uint32_t i = 0; i < n; i++)
        sl_write_u64(&w, numbers[i]);
    sl_write_bytes(&w, route);
    sl_write_long_string(&w, properties);
    sl_write_long_string(&w, body);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
}

void journal_outcome(struct journal *j, uint64_t queue_number, sl_seq seq,
                     const struct outcome *outcome)
{
    uint8_t body[8 + 8 + OUTCOME_BYTES];
    struct sl_writer w = {body, body + sizeof body, false};

    if (j->is_off)
        return;
    sl_write_u64(&w, queue_number);
    sl_write_u64(&w, seq.v);
    outcome_write(&w, outcome);
    memcpy(log_run_add(&j->run, RECORD_OUTCOME, 0, false, sizeof body), body, sizeof body);
}

void journal_checked(struct journal *j, uint32_t offset, uint64_t queue_number,
                     const uint8_t key[OUTCOME_KEY_BYTES], uint32_t checks, bool is_told)
{
    uint8_t body[8 + OUTCOME_KEY_BYTES + 4 + 1];
    struct sl_writer w = {body, body + sizeof body, false};

    if (j->is_off)
        return;
    sl_write_u64(&w, queue_number);
    sl_write_bytes(&w, (struct sl_bytes){key, OUTCOME_KEY_BYTES});
    sl_write_u32(&w, checks);
    sl_write_u8(&w, is_told);
    memcpy(log_run_add(&j->run, RECORD_CHECKED, offset, false, sizeof body), body, sizeof body);
}

void journal_outcomes(struct log_run *r, const struct outcome_block *block)
{
    struct sl_writer w;

    definition(r, RECORD_OUTCOMES, 4 + (size_t)block->count * OUTCOME_BYTES, &w);
    sl_write_u32(&w, block->count);
    for (uint32_t i = 0; i < block->count; i++)
        outcome_write(&w, &block->at[i]);
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
    sl_write_u8(&w, (uint8_t)(q->is_auto_delete | (q->cluster != NULL) << 1));
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
    bool is_counted = list->kind == RECORD_RETURNED;
    definition(&j->run, list->kind, 8 + (is_counted ? 4 : 0) + 4 + 8 + list->len, &w);
    sl_write_u64(&w, list->queue_number);
    if (is_counted)
        sl_write_u32(&w, list->returns);
    sl_write_u32(&w, list->count);
    sl_write_u64(&w, list->first);
    sl_write_bytes(&w, (struct sl_bytes){list->distances, list->len});
    list->queue_number = 0;
}

static void add_message(struct journal *j, enum record_kind kind, uint32_t offset,
                        struct sl_bytes prefix, const struct route *route, struct message *msg)
{
    struct sl_bytes encoded = message_route(msg);
    struct sl_bytes properties = message_properties(msg);
    struct sl_bytes body = message_body(msg);
    size_t head = prefix.len + 4 + 8ull * route->durable + encoded.len + long_len(properties) + 4;
    bool is_lent = body.len > LOG_COPY_MAX && head <= LENT_HEAD_BYTES_MAX;
    uint8_t *at;

    if (may_have_id(msg, route))
        journal_flush(j);
    msg->log_at = (uint32_t)j->run.bytes; /* a run is far shorter than 4 GiB */
    msg->record_len = record_length(head + body.len);
    msg->copies = (uint16_t)(route->durable < UINT16_MAX ? route->durable : UINT16_MAX);

    if (is_lent)
        at = log_run_add_lent(&j->run, kind, offset, head, body, message_release, message_ref(msg));
    else
        at = log_run_add(&j->run, kind, offset, false, head + body.len);

    struct sl_writer w = {at, at + head + (is_lent ? 0 : body.len), false};
    log_run_set_flags(at, journal_flags(msg));
    sl_write_bytes(&w, prefix);
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

/* A start asks by what lies before it whether its id was there: what has gone by now lies there. */
static bool may_have_id(const struct message *msg, const struct route *route)
{
    return !msg->is_moved && ((msg->marks & MARK_DEDUP) != 0 || route->asks_always);
}

static void gather(struct journal *j, enum record_kind kind, uint64_t queue_number,
                   uint32_t returns, sl_seq seq)
{
    struct journal_list *list = &j->list;

    if (j->is_off)
        return;
    SL_ASSERT(queue_number != 0 && seq.v != 0);
    if (list->queue_number != queue_number || list->kind != kind || list->returns != returns ||
        seq.v <= list->last || list->len > JOURNAL_LIST_BYTES - DISTANCE_BYTES_MAX) {
        journal_flush(j);
        list->kind = kind;
        list->returns = returns;
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
