#include "core/exchange.h"

#include "core/base/assert.h"
#include "core/topic_tree.h"

#include <stdlib.h>

struct bindings {
    enum exchange_type type;
    struct hash_map all;        /* of struct binding, by identity */
    struct hash_map by_key;     /* direct: of struct key_entries */
    struct topic_tree by_topic; /* topic */
    struct list unkeyed;        /* fanout, headers */
};

struct key_entries { /* the bindings of a direct exchange that have one key */
    struct list entries;
    uint8_t key[];
};

struct match { /* one search */
    void (*found)(void *context, struct binding *binding);
    void *context;
};

static struct binding *binding_new(struct exchange *to_exchange, struct topology_queue *to_queue,
                                   struct sl_bytes key, struct sl_bytes arguments);
static struct list *entries_for(struct bindings *b, struct sl_bytes key);
static struct list *direct_entries(struct bindings *b, struct sl_bytes key);
static void drop_entries(struct bindings *b, struct sl_bytes key);
static void call_each(struct match *m, struct list *entries);
static void call_topic(void *context, struct list *entries);
static enum sl_err match_headers(struct match *m, struct list *entries, struct header_set *headers);

static const char *const TYPE_NAMES[] = {"direct", "fanout", "topic", "headers",
                                         "x-message-deduplication"};

enum sl_err exchange_type_parse(struct sl_bytes name, enum exchange_type *type)
{
    for (int i = EXCHANGE_DIRECT; i <= EXCHANGE_DEDUPLICATION; i++)
        if (sl_bytes_are(name, TYPE_NAMES[i])) {
            *type = (enum exchange_type)i;
            return SL_OK;
        }
    return SL_ENOENT;
}

const char *exchange_type_name(enum exchange_type type)
{
    return TYPE_NAMES[type];
}

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
    free(b);
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

enum sl_err bindings_match(struct bindings *b, struct sl_bytes key, struct header_set *headers,
                           void (*found)(void *context, struct binding *binding), void *context)
{
    struct match m = {found, context};
    struct key_entries *entries;

    switch (b->type) {
    case EXCHANGE_DIRECT:
        entries = hash_map_get(&b->by_key, key);
        if (entries != NULL)
            call_each(&m, &entries->entries);
        break;
    case EXCHANGE_DEDUPLICATION:
    case EXCHANGE_FANOUT: call_each(&m, &b->unkeyed); break;
    case EXCHANGE_TOPIC: topic_tree_match(&b->by_topic, key, call_topic, &m); break;
    case EXCHANGE_HEADERS: return match_headers(&m, &b->unkeyed, headers);
    }
    return SL_OK;
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

/* The list that a binding with this key belongs to; NULL: no memory. */
static struct list *entries_for(struct bindings *b, struct sl_bytes key)
{
    switch (b->type) {
    case EXCHANGE_DIRECT: return direct_entries(b, key);
    case EXCHANGE_TOPIC: return topic_tree_entries(&b->by_topic, key);
    case EXCHANGE_FANOUT:
    case EXCHANGE_DEDUPLICATION:
    case EXCHANGE_HEADERS: break;
    }
    return &b->unkeyed;
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

static void call_each(struct match *m, struct list *entries)
{
    for (struct list *node = entries->next; node != entries; node = node->next)
        m->found(m->context, LIST_OF(node, struct binding, of_match));
}

static void call_topic(void *context, struct list *entries)
{
    call_each(context, entries);
}

static enum sl_err match_headers(struct match *m, struct list *entries, struct header_set *headers)
{
    SL_TRY(header_set_sort(headers));
    for (struct list *node = entries->next; node != entries; node = node->next) {
        struct binding *binding = LIST_OF(node, struct binding, of_match);
        if (header_match(binding->arguments, headers))
            m->found(m->context, binding);
    }
    return SL_OK;
}
