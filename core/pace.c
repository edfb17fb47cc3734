#include "core/pace.h"

#include "core/access.h"
#include "core/broker_parts.h"

static void charge(struct client *c, uint64_t messages, uint64_t bytes);
static uint64_t pay(_Atomic uint64_t *paid_until_us, uint64_t now_us, uint64_t cost_us);

void pace_begin(struct client *c)
{
    if (c->access != NULL && c->access->is_paced)
        charge(c, 0, 0);
}

void pace_pay(struct client *c, uint64_t bytes)
{
    charge(c, 1, bytes);
}

static void charge(struct client *c, uint64_t messages, uint64_t bytes)
{
    struct access *a = c->access;
    const struct sl_clock *clock = c->worker->broker->options.clock;
    uint64_t now_us = sl_clock_monotonic_ms(clock) * 1000;
    uint64_t ahead_us = 0;

    for (int i = 0; i < 2; i++) {
        uint64_t rate =
            atomic_load(&a->user->limits[i == 0 ? LIMIT_MESSAGE_RATE : LIMIT_BYTE_RATE]);
        if (rate == LIMIT_NONE)
            continue;
        uint64_t cost_us = (i == 0 ? messages : bytes) * 1000000 / (rate == 0 ? 1 : rate);
        uint64_t one_us = pay(&a->user->paid_until_us[i], now_us, cost_us);
        ahead_us = one_us > ahead_us ? one_us : ahead_us;
    }
    if (ahead_us <= PACE_AHEAD_US)
        return;
    a->slowed_until_ms = (now_us + ahead_us - PACE_AHEAD_US) / 1000 + 1;
    a->client = c;
    c->is_slowed = true;
    if (list_is_empty(&a->of_slowed))
        list_push(&c->worker->slowed, &a->of_slowed);
}

bool pace_let_go(struct broker_worker *w)
{
    bool had_any = false;

    if (list_is_empty(&w->slowed))
        return false;
    uint64_t now_ms = sl_clock_monotonic_ms(w->broker->options.clock);
    for (struct list *at = w->slowed.next, *next; at != &w->slowed; at = next) {
        struct access *a = LIST_OF(at, struct access, of_slowed);
        next = at->next;
        if (a->slowed_until_ms > now_ms)
            continue;
        list_remove(&a->of_slowed);
        a->client->is_slowed = false;
        had_any = true;
    }
    return had_any;
}

uint64_t pace_next_due(const struct broker_worker *w)
{
    uint64_t first_ms = UINT64_MAX;

    if (list_is_empty(&w->slowed))
        return UINT64_MAX;
    uint64_t now_ms = sl_clock_monotonic_ms(w->broker->options.clock);
    for (const struct list *at = w->slowed.next; at != &w->slowed; at = at->next) {
        const struct access *a = LIST_OF(at, struct access, of_slowed);
        uint64_t left_ms = a->slowed_until_ms > now_ms ? a->slowed_until_ms - now_ms : 0;
        first_ms = left_ms < first_ms ? left_ms : first_ms;
    }
    return first_ms;
}

/* Gives how far ahead of the clock the account is then. */
static uint64_t pay(_Atomic uint64_t *paid_until_us, uint64_t now_us, uint64_t cost_us)
{
    uint64_t before_us = atomic_load(paid_until_us);
    uint64_t after_us;

    do {
        after_us = (before_us > now_us ? before_us : now_us) + cost_us;
    } while (!atomic_compare_exchange_weak(paid_until_us, &before_us, after_us));
    return after_us - now_us;
}
