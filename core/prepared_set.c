/* prepared_set.c - the part of prepared.h that knows what waits in a virtual host. */
#include "core/base/assert.h"
#include "core/inspect.h"
#include "core/memory.h"
#include "core/prepared_parts.h"

#include <stdatomic.h>
#include <stdlib.h>

#define ROOM_SHARE 4u           /* of the budget for messages, */
#define ROOM_LEAST (64u * 1024) /* and however small that is */

static _Atomic uint64_t known_bytes; /* of all that wait, in all virtual hosts */

static size_t text_bytes(const struct prepared *p);
static size_t bytes_of(const struct prepared *p);
static void list_one(struct shard *s, struct inspect_page *page, const struct prepared_set *set,
                     const struct entry *entry);

struct prepared_set *prepared_set_new(struct queue *q)
{
    struct prepared_set *set = calloc(1, sizeof *set);

    SL_ASSERT(set != NULL);
    set->queue = q;
    list_init(&set->of_shard);
    list_init(&set->parked);
    return set;
}

/* The queue's consumers, and so the entries, are gone. */
void prepared_set_free(struct shard *s, struct prepared_set *set)
{
    struct prepared *p;
    struct list *at;
    size_t cursor = 0;

    while ((at = list_pop(&set->parked)) != NULL) {
        struct parked_decision *parked = LIST_OF(at, struct parked_decision, of_set);
        shard_command_free(parked->command);
        free(parked);
    }
    while ((p = hash_map_next(&set->live, &cursor)) != NULL) {
        prepared_forget(set, p);
        cursor = 0;
    }
    hash_map_deinit(&set->live);
    hash_map_deinit(&set->by_seq);
    due_heap_deinit(&set->dues);
    outcomes_deinit(&set->outcomes, &s->live);
    list_remove(&set->of_shard);
    free(set);
}

/* From one step to the next in the order of loans, which only grows. */
void prepared_list(struct shard *s, struct inspect_page *page)
{
    uint32_t left = INSPECT_STEP;

    for (; page->cursor < s->queues_room && !page->is_short; page->cursor++, page->from = 0) {
        const struct queue *q = s->queues[page->cursor];
        if (q == NULL || q->prepared == NULL || q->prepared->holder == NULL ||
            (page->vhost.at != NULL && !sl_bytes_equal(page->vhost, q->def->vhost->name)))
            continue;
        const struct entry *entry;
        for (; (entry = consumer_loan_from(q->prepared->holder, &page->from)) != NULL;
             page->from++) {
            if (left-- == 0 || page->is_short)
                return;
            list_one(s, page, q->prepared, entry);
        }
    }
    page->is_done = true;
}

struct prepared *prepared_new(const struct prepared_texts *texts)
{
    const struct sl_bytes from[] = {texts->user, texts->id, texts->exchange, texts->routing_key,
                                    texts->check};
    size_t bytes = 0;

    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        bytes += from[i].len;
    struct prepared *p = calloc(1, sizeof *p + bytes);
    SL_ASSERT(p != NULL); /* bounded by SL_PREPARED_MAX */
    struct sl_bytes *to[] = {&p->user, &p->id, &p->exchange, &p->routing_key, &p->check};
    uint8_t *at = p->text;
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        if (from[i].len != 0)
            memcpy(at, from[i].at, from[i].len);
        *to[i] = (struct sl_bytes){at, from[i].len};
        at += from[i].len;
    }
    p->loan = PREPARED_ARRIVING;
    prepared_key(p->user, p->id, p->key);
    memory_charge(sizeof *p + bytes);
    atomic_fetch_add_explicit(&known_bytes, bytes_of(p), memory_order_relaxed);
    return p;
}

void prepared_enter(struct prepared_set *set, struct prepared *p, sl_seq seq)
{
    sl_store_u64(p->seq_key, seq.v);
    enum sl_err err = hash_map_put(&set->by_seq, (struct sl_bytes){p->seq_key, 8}, p);
    SL_ASSERT(err == SL_OK); /* bounded by SL_PREPARED_MAX */
}

bool prepared_has_room(const struct shard *s)
{
    uint64_t most = s->paging.budget / ROOM_SHARE;

    return s->paging.budget == 0 || atomic_load_explicit(&known_bytes, memory_order_relaxed) <
                                        (most > ROOM_LEAST ? most : ROOM_LEAST);
}

void prepared_forget(struct prepared_set *set, struct prepared *p)
{
    due_remove(&set->dues, &p->due);
    if (hash_map_get(&set->live, prepared_key_of(p)) == p)
        hash_map_remove(&set->live, prepared_key_of(p));
    if (hash_map_get(&set->by_seq, (struct sl_bytes){p->seq_key, sizeof p->seq_key}) == p)
        hash_map_remove(&set->by_seq, (struct sl_bytes){p->seq_key, sizeof p->seq_key});
    memory_release(sizeof *p + text_bytes(p));
    atomic_fetch_sub_explicit(&known_bytes, bytes_of(p), memory_order_relaxed);
    free(p);
}

void prepared_look_at(struct prepared_set *set, struct prepared *p, uint64_t at)
{
    p->check_at = at;
    due_by(&set->dues, &p->due, at);
}

struct entry *prepared_entry(const struct prepared_set *set, const struct prepared *p)
{
    return p->loan == PREPARED_ARRIVING ? NULL : consumer_loan(set->holder, p->loan);
}

struct prepared *prepared_by_seq(const struct prepared_set *set, sl_seq seq)
{
    uint8_t key[8];

    sl_store_u64(key, seq.v);
    return hash_map_get(&set->by_seq, (struct sl_bytes){key, sizeof key});
}

/* A getter: nothing is ever lent to it, and it counts nowhere. */
struct consumer *prepared_holder(struct shard *s, struct prepared_set *set)
{
    const struct shard_command options = {.kind = COMMAND_GET};

    if (set->holder == NULL) {
        set->holder = consumer_new(s, set->queue, NULL, &options, true);
        SL_ASSERT(set->holder != NULL);
    }
    return set->holder;
}

static size_t text_bytes(const struct prepared *p)
{
    return p->user.len + p->id.len + p->exchange.len + p->routing_key.len + p->check.len;
}

/* With its loan, of which there may be room for twice as many. */
static size_t bytes_of(const struct prepared *p)
{
    return sizeof *p + text_bytes(p) + 2 * sizeof(struct out_loan);
}

static void list_one(struct shard *s, struct inspect_page *page, const struct prepared_set *set,
                     const struct entry *entry)
{
    const struct prepared *p = prepared_by_seq(set, entry->seq);
    struct inspect_prepared *row = p == NULL ? NULL : inspect_row_new(page, sizeof *row);
    uint64_t now = order_time(s->run->order);

    if (row == NULL)
        return;
    row->vhost = inspect_copy(page, set->queue->def->vhost->name);
    row->user = inspect_copy(page, p->user);
    row->id = inspect_copy(page, p->id);
    row->exchange = inspect_copy(page, p->exchange);
    row->key = inspect_copy(page, p->routing_key);
    row->check = p->check.len != 0 ? inspect_copy(page, p->check)
                                   : inspect_copy_text(page, "/queue/" PREPARED_CHECK_QUEUE);
    row->age_ms = now > p->time ? now - p->time : 0;
    row->checks = p->checks;
    row->is_expired = p->is_told;
}
