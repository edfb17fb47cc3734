#include "core/admission.h"

#include "core/base/assert.h"
#include "core/route.h"

#include <stdlib.h>
#include <string.h>

static bool take(_Atomic uint64_t *now, uint64_t n, uint64_t most);
static void make_room(struct admission_split *s, uint32_t count);
static void give_first(const struct route *route, uint32_t n, uint64_t body_bytes);

struct admission *admission_new(struct vhost *vhost, struct sl_bytes queue)
{
    struct admission *a = calloc(1, sizeof *a + queue.len);

    if (a == NULL)
        return NULL;
    atomic_init(&a->refs, 1);
    memcpy(a->text, queue.at, queue.len);
    a->vhost = vhost;
    a->queue = (struct sl_bytes){a->text, queue.len};
    a->max_length = a->max_bytes = RULES_NONE;
    return a;
}

void admission_obey(struct admission *a, const struct queue_rules *rules)
{
    bool refuses = rules_refuse(rules);

    atomic_store_explicit(&a->max_length, refuses ? rules->max_length : RULES_NONE,
                          memory_order_relaxed);
    atomic_store_explicit(&a->max_bytes, refuses ? rules->max_bytes : RULES_NONE,
                          memory_order_relaxed);
    atomic_store_explicit(&a->is_dead_lettered, rules->overflow == OVERFLOW_REJECT_PUBLISH_DLX,
                          memory_order_relaxed);
}

struct admission *admission_ref(struct admission *a)
{
    atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void admission_unref(struct admission *a)
{
    if (a != NULL && atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) == 1)
        free(a);
}

bool admission_take(struct admission *a, uint64_t body_bytes)
{
    if (!take(&a->count, 1, atomic_load_explicit(&a->max_length, memory_order_relaxed)))
        return false;
    if (take(&a->bytes, body_bytes, atomic_load_explicit(&a->max_bytes, memory_order_relaxed)))
        return true;
    atomic_fetch_sub_explicit(&a->count, 1, memory_order_relaxed);
    return false;
}

void admission_give(struct admission *a, uint64_t count, uint64_t body_bytes)
{
    atomic_fetch_sub_explicit(&a->count, count, memory_order_relaxed);
    atomic_fetch_sub_explicit(&a->bytes, body_bytes, memory_order_relaxed);
}

void admission_add(struct admission *a, uint64_t count, uint64_t body_bytes)
{
    atomic_fetch_add_explicit(&a->count, count, memory_order_relaxed);
    atomic_fetch_add_explicit(&a->bytes, body_bytes, memory_order_relaxed);
}

void admission_set(struct admission *a, uint64_t count, uint64_t body_bytes)
{
    atomic_store_explicit(&a->count, count, memory_order_relaxed);
    atomic_store_explicit(&a->bytes, body_bytes, memory_order_relaxed);
}

void admission_split(struct admission_split *s, const struct route *route, uint64_t body_bytes)
{
    make_room(s, route->count);
    struct route *takers = s->takers;
    *takers = (struct route){.encoded = route->encoded,
                             .is_fixed = route->is_fixed,
                             .asks_ids = route->asks_ids,
                             .asks_always = route->asks_always};
    s->refused_count = 0;
    for (uint32_t i = 0; i < route->count; i++) {
        const struct queue_ref *to = &route->targets[i];
        if (to->admission != NULL && !admission_take(to->admission, body_bytes)) {
            s->refused[s->refused_count++] = *to;
            continue;
        }
        takers->targets[takers->count++] = *to;
        takers->durable += to->number != 0;
        takers->limited += to->admission != NULL;
    }
}

void admission_split_deinit(struct admission_split *s)
{
    free(s->takers);
    free(s->refused);
    *s = (struct admission_split){0};
}

const struct admission *admission_take_all(const struct route *route, uint64_t body_bytes)
{
    for (uint32_t i = 0; route->limited != 0 && i < route->count; i++) {
        struct admission *a = route->targets[i].admission;
        if (a == NULL || admission_take(a, body_bytes))
            continue;
        give_first(route, i, body_bytes);
        return a;
    }
    return NULL;
}

void admission_give_all(const struct route *route, uint64_t body_bytes)
{
    if (route->limited != 0)
        give_first(route, route->count, body_bytes);
}

static bool take(_Atomic uint64_t *now, uint64_t n, uint64_t most)
{
    uint64_t seen = atomic_load_explicit(now, memory_order_relaxed);

    do {
        if (n > most || seen > most - n)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(now, &seen, seen + n, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void make_room(struct admission_split *s, uint32_t count)
{
    if (count <= s->room)
        return;
    admission_split_deinit(s);
    s->takers = malloc(sizeof *s->takers + count * sizeof s->takers->targets[0]);
    s->refused = malloc(count * sizeof *s->refused);
    SL_ASSERT(s->takers != NULL && s->refused != NULL); /* no larger than the route itself */
    s->room = count;
}

static void give_first(const struct route *route, uint32_t n, uint64_t body_bytes)
{
    for (uint32_t i = 0; i < n; i++)
        if (route->targets[i].admission != NULL)
            admission_give(route->targets[i].admission, 1, body_bytes);
}
