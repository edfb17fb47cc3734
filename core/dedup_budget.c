/* dedup_budget.c - the part of dedup.h that is the memory of all windows together. */
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/dedup.h"
#include "core/queue.h"
#include "core/shard.h"

#define EVICT_STEP 1024u /* ids at once, when memory is used up: finding the window costs */

struct largest { /* window of a shard */
    struct queue *queue;
    struct dedup *dedup;
    struct id_window *window;
};

static void keep_budget(struct shard *s);
static bool is_over_budget(const struct dedup_node *n);
static uint32_t shard_with_largest(const struct dedup_node *n);
static void find_largest(const struct shard *s, struct largest *most);
static void evict(struct shard *s, const struct largest *most);

void dedup_node_init(struct dedup_node *n, uint32_t shards, uint64_t budget)
{
    n->budget = budget;
    n->shards = shards;
    for (uint32_t i = 0; i < shards; i++) {
        atomic_init(&n->bytes[i], 0);
        atomic_init(&n->largest[i], 0);
        atomic_init(&n->is_asked[i], false);
    }
}

void dedup_keep_budget(struct shard *s, const struct id_window *grown)
{
    _Atomic uint64_t *largest = &s->dedup->largest[s->index];

    if (grown->bytes > atomic_load_explicit(largest, memory_order_relaxed))
        atomic_store_explicit(largest, grown->bytes, memory_order_relaxed);
    keep_budget(s);
}

void dedup_tend(struct shard *s)
{
    if (s->ahead.is_on)
        dedup_ahead_forget(&s->ahead);
    s->ahead.is_on = false;
    if (atomic_exchange_explicit(&s->dedup->is_asked[s->index], false, memory_order_relaxed))
        keep_budget(s);
}

void dedup_settle(struct shard *s, const struct dedup *d, uint64_t before)
{
    _Atomic uint64_t *bytes = &s->dedup->bytes[s->index];
    uint64_t now = atomic_load_explicit(bytes, memory_order_relaxed);

    atomic_store_explicit(bytes, now + dedup_bytes(d) - before, memory_order_relaxed);
}

/* Windows shrink without a word, so who seems to have the largest looks first. */
static void keep_budget(struct shard *s)
{
    struct dedup_node *n = s->dedup;
    struct largest most = {0};

    if (!is_over_budget(n))
        return;
    uint32_t largest = shard_with_largest(n);
    if (largest == s->index) {
        find_largest(s, &most);
        atomic_store_explicit(&n->largest[s->index], most.window == NULL ? 0 : most.window->bytes,
                              memory_order_relaxed);
        largest = shard_with_largest(n);
    }
    if (largest != s->index) {
        if (!atomic_exchange_explicit(&n->is_asked[largest], true, memory_order_relaxed))
            shard_poke(s, 1ull << largest, (struct sl_handle){0, 0, 0});
    } else if (most.window != NULL) {
        evict(s, &most);
    }
}

static bool is_over_budget(const struct dedup_node *n)
{
    uint64_t all = 0;

    for (uint32_t i = 0; i < n->shards; i++)
        all += atomic_load_explicit(&n->bytes[i], memory_order_relaxed);
    return all > n->budget;
}

static uint32_t shard_with_largest(const struct dedup_node *n)
{
    uint64_t most = 0;
    uint32_t largest = 0;

    for (uint32_t i = 0; i < n->shards; i++) {
        uint64_t bytes = atomic_load_explicit(&n->largest[i], memory_order_relaxed);
        if (bytes > most) {
            most = bytes;
            largest = i;
        }
    }
    return largest;
}

static void evict(struct shard *s, const struct largest *most)
{
    char room[2 * SL_NAME_BYTES_MAX];
    struct text name = text_on(room, sizeof room);
    uint64_t before = dedup_bytes(most->dedup);

    for (uint32_t i = 0; i < EVICT_STEP && most->window->count > 0; i++) {
        id_window_drop_oldest(most->window);
        most->dedup->evicted++;
    }
    dedup_settle(s, most->dedup, before);
    text_add_bytes(&name, most->queue->name);
    sl_log_peer(SL_LOG_WARN, "dedup.memory", "queue=%s ids=%llu evicted=%llu", room,
                (unsigned long long)most->window->count, (unsigned long long)most->dedup->evicted);
}

static void find_largest(const struct shard *s, struct largest *most)
{
    for (uint32_t i = 0; i < s->queues_room; i++) {
        struct queue *q = s->queues[i];
        for (struct dedup *d = q == NULL ? NULL : q->dedup; d != NULL; d = d->next) {
            struct id_window *w = d->kept.bytes >= d->passing.bytes ? &d->kept : &d->passing;
            if (w->count != 0 && (most->window == NULL || w->bytes > most->window->bytes))
                *most = (struct largest){q, d, w};
        }
    }
}
