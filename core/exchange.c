#include "core/exchange.h"

#include "core/base/assert.h"
#include "core/exchange_parts.h"

#include <stdlib.h>

static struct binding *binding_new(struct exchange *to_exchange, struct topology_queue *to_queue,
                                   struct sl_bytes key, struct sl_bytes arguments);
static void weigh(struct binding *binding);
static struct list *entries_for(struct bindings *b, struct sl_bytes key);
static struct list *direct_entries(struct bindings *b, struct sl_bytes key);
static void drop_entries(struct bindings *b, struct sl_bytes key);

struct bindings *bindings_new(enum exchange_type type)
{
    struct bindings *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    b->type = type;
    list_init(&b->unkeyed);
    return b;
}

void bindings_free(struct bindings *b)
{
    SL_ASSERT(b->all.count == 0);
    bindings_clear(b); /* empty maps hold memory too */
    history_end(b->history);
    history_unref(b->history);
    free(b);
}

enum sl_err bindings_obey(struct bindings *b, struct sl_bytes arguments, struct text *reason)
{
    uint32_t length;

    if (b->type == EXCHANGE_CONSISTENT_HASH)
        return hash_source_read(arguments, &b->hashed, reason);
    if (b->type != EXCHANGE_RECENT_HISTORY)
        return SL_OK;
    SL_TRY(history_length_read(arguments, &length, reason));
    b->history = history_new(length);
    return SL_OK;
}

enum sl_err bindings_check_new(const struct bindings *b, struct sl_bytes key,
                               struct sl_bytes arguments, struct text *reason)
{
    double weight;

    if (b->type == EXCHANGE_HEADERS)
        return header_match_check(arguments, reason);
    return b->type == EXCHANGE_CONSISTENT_HASH ? hash_weight_read(key, &weight, reason) : SL_OK;
}

void bindings_clear(struct bindings *b)
{
    struct binding *binding;
    struct key_entries *entries;
    size_t cursor = 0;

    while ((binding = hash_map_next(&b->all, &cursor)) != NULL) {
        list_remove(&binding->of_destination);
        free(binding);
    }
    cursor = 0;
    while ((entries = hash_map_next(&b->by_key, &cursor)) != NULL)
        free(entries);
    hash_map_deinit(&b->all);
    hash_map_deinit(&b->by_key);
    topic_tree_clear(&b->by_topic);
    list_init(&b->unkeyed);
}

size_t bindings_count(const struct bindings *b)
{
    return b->all.count;
}

enum sl_err bindings_find(struct bindings *b, struct exchange *to_exchange,
                          struct topology_queue *to_queue, struct sl_bytes key,
                          struct sl_bytes arguments, struct binding **out)
{
    struct binding *probe = binding_new(to_exchange, to_queue, key, arguments);

    if (probe == NULL)
        return SL_ENOMEM;
    *out = hash_map_get(&b->all, probe->identity);
    free(probe);
    return SL_OK;
}

enum sl_err bindings_add(struct exchange *source, struct exchange *to_exchange,
                         struct topology_queue *to_queue, struct sl_bytes key,
                         struct sl_bytes arguments)
{
    struct bindings *b = source->bindings;
    struct binding *binding = binding_new(to_exchange, to_queue, key, arguments);

    if (binding == NULL)
        return SL_ENOMEM;
    if (hash_map_get(&b->all, binding->identity) != NULL) {
        free(binding);
        return SL_OK;
    }
    struct list *entries = entries_for(b, binding->key);
    if (entries == NULL)
        goto free_binding;
    if (hash_map_put(&b->all, binding->identity, binding) != SL_OK)
        goto drop_entries;

    binding->source = source;
    if (b->type == EXCHANGE_CONSISTENT_HASH)
        weigh(binding);
    list_push(entries, &binding->of_match);
    list_push(to_queue != NULL ? &to_queue->as_destination : &to_exchange->as_destination,
              &binding->of_destination);
    return SL_OK;

drop_entries:
    drop_entries(b, binding->key);
free_binding:
    free(binding);
    return SL_ENOMEM;
}

void bindings_remove(struct binding *binding)
{
    struct bindings *b = binding->source->bindings;

    hash_map_remove(&b->all, binding->identity);
    list_remove(&binding->of_match);
    list_remove(&binding->of_destination);
    drop_entries(b, binding->key);
    free(binding);
}

struct binding *bindings_next(const struct bindings *b, size_t *cursor)
{
    return hash_map_next(&b->all, cursor);
}

bool bindings_go_by_key(const struct bindings *b)
{
    return b->type != EXCHANGE_HEADERS && b->type != EXCHANGE_RANDOM &&
           (b->type != EXCHANGE_CONSISTENT_HASH || b->hashed.kind == HASH_KEY);
}

bool bindings_match_each_key(const struct bindings *b)
{
    return b->type == EXCHANGE_DIRECT || b->type == EXCHANGE_TOPIC;
}

bool bindings_read_keys(const struct bindings *b)
{
    return bindings_match_each_key(b) || b->type == EXCHANGE_CONSISTENT_HASH;
}

struct history *bindings_history(const struct bindings *b)
{
    return b->history;
}

void bindings_check(struct bindings *b)
{
    struct binding *binding;
    size_t cursor = 0;

    while ((binding = hash_map_next(&b->all, &cursor)) != NULL) {
        SL_ASSERT(binding->source->bindings == b);
        SL_ASSERT(hash_map_get(&b->all, binding->identity) == binding);
        SL_ASSERT((binding->to_queue == NULL) != (binding->to_exchange == NULL));
        SL_ASSERT(!list_is_empty(&binding->of_match));
        SL_ASSERT(!list_is_empty(&binding->of_destination));
    }
}

/*
 * The identity, behind the struct:
 *
 *   0                8       9
 *   | destination    | u8 n  | key | arguments: a table, fields sorted by name
 *
 * The destination is an address; queues and exchanges never share one.
 */
static struct binding *binding_new(struct exchange *to_exchange, struct topology_queue *to_queue,
                                   struct sl_bytes key, struct sl_bytes arguments)
{
    const void *destination = to_queue != NULL ? (void *)to_queue : (void *)to_exchange;
    struct sl_bytes table = arguments.len == 0 ? table_empty : arguments;
    size_t len = sizeof destination + 1 + key.len + table.len;
    struct binding *binding = malloc(sizeof *binding + len);

    if (binding == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(binding + 1);
    struct sl_writer w = {at, at + len, false};
    sl_write_bytes(&w, (struct sl_bytes){(const uint8_t *)&destination, sizeof destination});
    sl_write_short_string(&w, key);
    if (header_table_sort(table, &w) != SL_OK) {
        free(binding);
        return NULL;
    }
    SL_ASSERT(!w.overflowed && w.pos == w.end);
    *binding = (struct binding){.to_exchange = to_exchange,
                                .to_queue = to_queue,
                                .key = {at + sizeof destination + 1, key.len},
                                .arguments = {w.end - table.len, table.len},
                                .identity = {at, len}};
    return binding;
}

static void weigh(struct binding *binding)
{
    bool is_queue = binding->to_queue != NULL;
    struct sl_bytes name = is_queue ? binding->to_queue->name : binding->to_exchange->name;
    char room[8];
    struct text ignored = text_on(room, sizeof room);

    binding->spot = hash_choice_spot(name, is_queue, binding->key);
    if (hash_weight_read(binding->key, &binding->weight, &ignored) != SL_OK)
        binding->weight = 0; /* it was checked */
}

/* The list that a binding with this key belongs to; NULL: no memory. */
static struct list *entries_for(struct bindings *b, struct sl_bytes key)
{
    switch (b->type) {
    case EXCHANGE_DIRECT: return direct_entries(b, key);
    case EXCHANGE_TOPIC: return topic_tree_entries(&b->by_topic, key);
    default: return &b->unkeyed;
    }
}

static struct list *direct_entries(struct bindings *b, struct sl_bytes key)
{
    struct key_entries *entries = hash_map_get(&b->by_key, key);

    if (entries != NULL)
        return &entries->entries;
    entries = malloc(sizeof *entries + key.len);
    if (entries == NULL)
        return NULL;
    list_init(&entries->entries);
    if (key.len != 0)
        memcpy(entries->key, key.at, key.len);
    if (hash_map_put(&b->by_key, (struct sl_bytes){entries->key, key.len}, entries) != SL_OK) {
        free(entries);
        return NULL;
    }
    return &entries->entries;
}

/* Releases what the key alone needed, when no binding has it any more. */
static void drop_entries(struct bindings *b, struct sl_bytes key)
{
    if (b->type == EXCHANGE_TOPIC)
        topic_tree_prune(&b->by_topic, key);
    if (b->type != EXCHANGE_DIRECT)
        return;
    struct key_entries *entries = hash_map_get(&b->by_key, key);
    if (entries != NULL && list_is_empty(&entries->entries))
        free(hash_map_remove(&b->by_key, key));
}
