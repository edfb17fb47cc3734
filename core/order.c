#include "core/order.h"

#include "core/base/assert.h"
#include "core/run.h"

struct posting { /* the parts of one hand-over */
    struct hand_over *parts;
    uint32_t n;
};

static void post(void *context, struct log_place place);

void order_init(struct order *o, const struct sl_clock *clock)
{
    *o = (struct order){.clock = clock,
                        .wall_from = sl_clock_wall_ms(clock),
                        .monotonic_from = sl_clock_monotonic_ms(clock)};
    SL_ASSERT(pthread_mutex_init(&o->lock, NULL) == 0);
    atomic_init(&o->next_seq, 1);
}

void order_attach(struct order *o, struct commit_log *log, uint64_t not_before)
{
    uint64_t now = order_time(o);

    o->log = log;
    if (now < not_before)
        o->wall_from += not_before - now;
}

uint64_t order_time(const struct order *o)
{
    return o->wall_from + (sl_clock_monotonic_ms(o->clock) - o->monotonic_from);
}

void order_deinit(struct order *o)
{
    pthread_mutex_destroy(&o->lock);
}

struct log_place order_hand_over(struct order *o, struct log_run *records, struct hand_over *parts,
                                 uint32_t n, uint64_t count)
{
    struct posting posting = {parts, n};

    if (o->log != NULL)
        return commit_log_append(o->log, records, count, order_time(o), post, &posting);

    log_run_clear(records);
    pthread_mutex_lock(&o->lock);
    uint64_t base = atomic_load_explicit(&o->next_seq, memory_order_relaxed);
    struct log_place place = {.base = base, .end = {base + count}, .time = order_time(o)};
    post(&posting, place);
    atomic_store_explicit(&o->next_seq, base + count, memory_order_release);
    pthread_mutex_unlock(&o->lock);
    return place;
}

sl_lsn order_append(struct order *o, struct log_run *records)
{
    if (o->log == NULL) {
        log_run_clear(records);
        return order_durable(o);
    }
    sl_lsn end = order_place(o, records).end;
    commit_log_hurry(o->log);
    return end;
}

struct log_place order_place(struct order *o, struct log_run *records)
{
    struct posting nothing = {NULL, 0};

    SL_ASSERT(o->log != NULL);
    return commit_log_append(o->log, records, 0, order_time(o), post, &nothing);
}

void order_hurry(struct order *o)
{
    if (o->log != NULL)
        commit_log_hurry(o->log);
}

sl_lsn order_durable(struct order *o)
{
    if (o->log != NULL)
        return commit_log_durable(o->log);
    return (sl_lsn){atomic_load_explicit(&o->next_seq, memory_order_acquire)};
}

/* Under the order lock. */
static void post(void *context, struct log_place place)
{
    struct posting *posting = context;

    for (uint32_t i = 0; i < posting->n; i++) {
        struct hand_over *part = &posting->parts[i];
        for (struct lane_batch *b = part->first;; b = (struct lane_batch *)b->node.next) {
            b->base = place.base;
            b->start = place.start;
            b->end = place.end;
            b->time = place.time;
            if (b == part->last)
                break;
        }
        part->must_wake =
            mailbox_post(part->to, (struct mail_chain){&part->first->node, &part->last->node});
    }
}
