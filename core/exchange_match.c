/* exchange_match.c - the part of exchange.h that finds what a message matches, type by type. */
#include "core/base/random.h"
#include "core/exchange_parts.h"

struct match { /* one search */
    void (*found)(void *context, struct binding *binding);
    void *context;
};

static void call_each(struct match *m, struct list *entries);
static void call_topic(void *context, struct list *entries);
static enum sl_err match_headers(struct match *m, struct list *entries, struct header_set *headers);
static void match_hash(struct match *m, const struct bindings *b, const struct matched *matched);
static void match_random(struct match *m, const struct bindings *b);

enum sl_err bindings_match(struct bindings *b, const struct matched *matched,
                           void (*found)(void *context, struct binding *binding), void *context)
{
    struct match m = {found, context};
    struct key_entries *entries;

    switch (b->type) {
    case EXCHANGE_DIRECT:
        entries = hash_map_get(&b->by_key, matched->key);
        if (entries != NULL)
            call_each(&m, &entries->entries);
        break;
    case EXCHANGE_DELAYED: /* has its bindings as another type */
    case EXCHANGE_RECENT_HISTORY:
    case EXCHANGE_DEDUPLICATION:
    case EXCHANGE_FANOUT: call_each(&m, &b->unkeyed); break;
    case EXCHANGE_CONSISTENT_HASH: match_hash(&m, b, matched); break;
    case EXCHANGE_RANDOM: match_random(&m, b); break;
    case EXCHANGE_TOPIC: topic_tree_match(&b->by_topic, matched->key, call_topic, &m); break;
    case EXCHANGE_HEADERS: return match_headers(&m, &b->unkeyed, matched->headers);
    }
    return SL_OK;
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

static void match_hash(struct match *m, const struct bindings *b, const struct matched *matched)
{
    uint64_t number = hash_choice_number(&b->hashed, matched->key, matched->properties);
    struct binding *chosen = NULL;
    double highest = 0;

    for (struct list *node = b->unkeyed.next; node != &b->unkeyed; node = node->next) {
        struct binding *binding = LIST_OF(node, struct binding, of_match);
        double thrown = hash_choice_throw(number, binding->spot, binding->weight);
        if (chosen == NULL || thrown > highest) {
            chosen = binding;
            highest = thrown;
        }
    }
    if (chosen != NULL)
        m->found(m->context, chosen);
}

static void match_random(struct match *m, const struct bindings *b)
{
    struct list *node = b->unkeyed.next;

    if (node == &b->unkeyed)
        return;
    for (uint64_t steps = sl_random_u64() % b->all.count; steps != 0; steps--)
        node = node->next;
    m->found(m->context, LIST_OF(node, struct binding, of_match));
}
