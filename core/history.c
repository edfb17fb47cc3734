#include "core/history.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/properties.h"

#include <pthread.h>
#include <stdlib.h>

struct history {
    _Atomic uint32_t refs;
    uint32_t length; /* at most that many */
    pthread_mutex_t lock;
    struct message **ring; /* room is a power of two */
    uint32_t room, first, count;
    uint64_t bytes;
};

struct history_set {
    _Atomic uint32_t refs;
    uint32_t count;
    struct history *at[];
};

static _Atomic uint64_t all_bytes; /* of all histories */

static bool is_to_be_noted(const struct message *msg);
static struct message *copy(const struct message *msg);
static void note(struct history *h, const struct message *msg);
static bool make_room(struct history *h, uint64_t bytes);
static void push(struct history *h, struct message *msg);
static void drop_first(struct history *h);

enum sl_err history_length_read(struct sl_bytes arguments, uint32_t *length, struct text *reason)
{
    struct table_value value;
    int64_t n;

    *length = SL_HISTORY_LENGTH;
    if (arguments.len == 0 || !table_find(arguments, "x-recent-history-length", &value))
        return SL_OK;
    if (table_value_integer(value, &n) && n > 0) {
        *length = n > SL_HISTORY_LENGTH_MAX ? SL_HISTORY_LENGTH_MAX : (uint32_t)n;
        return SL_OK;
    }
    text_add(reason, "Invalid argument ");
    text_add(reason, value.type == TABLE_STRING ? "<<\"" : "");
    table_value_describe(value, reason);
    text_add(reason, value.type == TABLE_STRING ? "\">>" : "");
    text_add(reason, ", 'x-recent-history-length' must be a positive integer");
    return SL_EPRECOND;
}

struct history *history_new(uint32_t length)
{
    struct history *h = calloc(1, sizeof *h);

    SL_ASSERT(h != NULL);
    atomic_init(&h->refs, 1);
    h->length = length;
    pthread_mutex_init(&h->lock, NULL);
    return h;
}

void history_unref(struct history *h)
{
    if (h == NULL || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    while (h->count != 0)
        drop_first(h);
    pthread_mutex_destroy(&h->lock);
    free(h->ring);
    free(h);
}

void history_end(struct history *h)
{
    if (h == NULL)
        return;
    pthread_mutex_lock(&h->lock);
    h->length = 0;
    while (h->count != 0)
        drop_first(h);
    pthread_mutex_unlock(&h->lock);
}

uint32_t history_messages(struct history *h, struct message ***messages)
{
    pthread_mutex_lock(&h->lock);
    uint32_t count = h->count;
    *messages = malloc((count + 1) * sizeof **messages);
    SL_ASSERT(*messages != NULL);
    for (uint32_t i = 0; i < count; i++)
        (*messages)[i] = message_ref(h->ring[(h->first + i) & (h->room - 1)]);
    pthread_mutex_unlock(&h->lock);
    return count;
}

void history_set_add(struct history_set **set, struct history *h)
{
    uint32_t count = *set == NULL ? 0 : (*set)->count;
    struct history_set *larger = realloc(*set, sizeof *larger + (count + 1) * sizeof(void *));

    SL_ASSERT(larger != NULL);
    if (count == 0)
        atomic_init(&larger->refs, 1);
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    larger->at[count] = h;
    larger->count = count + 1;
    *set = larger;
}

struct history_set *history_set_ref(struct history_set *set)
{
    if (set != NULL)
        atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void history_set_unref(struct history_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < set->count; i++)
        history_unref(set->at[i]);
    free(set);
}

void history_set_note(const struct history_set *set, const struct message *msg)
{
    if (!is_to_be_noted(msg))
        return;
    for (uint32_t i = 0; i < set->count; i++)
        note(set->at[i], msg);
}

static bool is_to_be_noted(const struct message *msg)
{
    struct sl_bytes headers;
    struct table_value value;
    bool is_set = false;

    return !properties_headers(message_properties(msg), &headers) ||
           !table_find(headers, "x-recent-history-no-store", &value) ||
           !table_value_bool(value, &is_set) || !is_set;
}

/* NULL: no memory. */
static struct message *copy(const struct message *msg)
{
    struct message *own =
        message_new_routed(message_route(msg), message_properties(msg), message_body(msg).len);

    if (own == NULL || message_append(&own, message_body(msg)) == SL_OK)
        return own;
    message_unref(own);
    return NULL;
}

static void note(struct history *h, const struct message *msg)
{
    pthread_mutex_lock(&h->lock);
    if (make_room(h, message_cost(msg))) {
        struct message *own = copy(msg);
        if (own != NULL)
            push(h, own);
    }
    pthread_mutex_unlock(&h->lock);
}

/* False: it would not even fit an empty one, or other histories have all that there is. */
static bool make_room(struct history *h, uint64_t bytes)
{
    if (bytes > SL_HISTORY_BYTES_MAX || h->length == 0)
        return false;
    while (h->count != 0 && (h->count >= h->length || h->bytes + bytes > SL_HISTORY_BYTES_MAX ||
                             atomic_load(&all_bytes) + bytes > SL_HISTORIES_BYTES_MAX))
        drop_first(h);
    return atomic_load(&all_bytes) + bytes <= SL_HISTORIES_BYTES_MAX;
}

static void push(struct history *h, struct message *msg)
{
    if (h->count == h->room) {
        uint32_t room = h->room == 0 ? 16 : h->room * 2;
        struct message **ring = malloc(room * sizeof(struct message *));
        SL_ASSERT(ring != NULL);
        for (uint32_t i = 0; i < h->count; i++)
            ring[i] = h->ring[(h->first + i) & (h->room - 1)];
        free(h->ring);
        h->ring = ring;
        h->room = room;
        h->first = 0;
    }
    h->ring[(h->first + h->count++) & (h->room - 1)] = msg;
    h->bytes += message_cost(msg);
    atomic_fetch_add(&all_bytes, message_cost(msg));
}

static void drop_first(struct history *h)
{
    struct message *msg = h->ring[h->first];

    h->first = (h->first + 1) & (h->room - 1);
    h->count--;
    h->bytes -= message_cost(msg);
    atomic_fetch_sub(&all_bytes, message_cost(msg));
    message_unref(msg);
}
