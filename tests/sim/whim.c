/* whim.c - what an actor does when the dice choose (actor.h). */
#include "tests/sim/actor.h"

static uint32_t some_len(struct dice *d);
static void publish_something(struct actor *a, uint32_t group);
static void settle_something(struct actor *a, uint32_t group);
static void declare_something(struct actor *a);
static void bind_something(struct actor *a, bool is_bind);
static struct subscription *live_subscription(struct actor *a);

void act_commit(struct actor *a)
{
    struct model *m = a->cast->model;
    uint32_t parts = 1 + dice_roll(&a->cast->dice, 6);
    uint32_t group = ++m->groups;

    broker_group_begin(&a->client);
    for (uint32_t i = 0; i < parts; i++)
        if (dice_chance(&a->cast->dice, 60) || a->loans_count == 0)
            publish_something(a, group);
        else
            settle_something(a, group);
    broker_group_end(&a->client);
    m->totals->groups++;
    act_confirm(a);
}

void act_something(struct actor *a, const uint32_t weights[])
{
    struct dice *d = &a->cast->dice;
    uint32_t sum = 0, kind = 0;
    struct subscription *s;

    broker_worker_refresh(a->client.worker);
    for (uint32_t i = 0; i < ACT_KINDS; i++)
        sum += weights[i];
    for (uint32_t pick = dice_roll(d, sum); pick >= weights[kind]; kind++)
        pick -= weights[kind];
    uint32_t queue = dice_roll(d, SIM_QUEUES);
    switch (kind) {
    case 0:
        for (uint32_t n = 1 + dice_roll(d, 4); n > 0; n--)
            publish_something(a, 0);
        if (a->publisher != NULL && dice_chance(d, 5))
            again_publish_open(a);
        break;
    case 1: act_confirm(a); break;
    case 2: settle_something(a, 0); break;
    case 3: act_subscribe(a, queue, dice_chance(d, 4), 1 + dice_roll(d, 20)); break;
    case 4: act_get(a, queue, dice_chance(d, 5)); break;
    case 5: declare_something(a); break;
    case 6: act_delete_queue(a, queue); break;
    case 7: act_purge(a, queue); break;
    case 8:
        act_declare_exchange(a, dice_roll(d, SIM_EXCHANGES), (uint8_t)dice_roll(d, 3),
                             dice_chance(d, 70), dice_chance(d, 30));
        break;
    case 9: act_delete_exchange(a, dice_roll(d, SIM_EXCHANGES)); break;
    case 10: bind_something(a, true); break;
    case 11: bind_something(a, false); break;
    case 12: act_commit(a); break;
    case 13:
        if ((s = live_subscription(a)) != NULL)
            act_cancel(a, s);
        break;
    case 14:
        if ((s = live_subscription(a)) != NULL)
            act_drop(a, s);
        break;
    case 18: act_operate(a, dice_roll(d, SIM_OPERATED), dice_chance(d, 60)); break;
    case 16:
        if (dice_chance(d, 10))
            act_declare_paid(a);
        else
            act_prepare(a);
        break;
    case 17:
        if (dice_chance(d, 5))
            act_purge_checks(a);
        else
            act_decide(a);
        break;
    case 19:
        if (!a->cast->model->is_later_bound)
            act_declare_later(a);
        else if (dice_chance(d, 3))
            act_delete_later(a);
        else
            act_delay_some(a);
        break;
    case 15: broker_client_written(&a->client, a->cost); break;
    }
}

/* Mostly small; now and then larger than what the log copies, or than a segment. */
static uint32_t some_len(struct dice *d)
{
    uint32_t kind = dice_roll(d, 200);

    if (kind == 0)
        return 60000 + dice_roll(d, 30000);
    return 8 + dice_roll(d, kind < 20 ? 4000 : 100);
}

static void publish_something(struct actor *a, uint32_t group)
{
    struct dice *d = &a->cast->dice;
    bool is_persistent = dice_chance(d, 80);
    uint32_t len = some_len(d);

    if ((a->client.worker->held_by & ~HELD_BY_MEMORY) != 0)
        return; /* and where memory is short, more comes all the same: it is paged out */
    if (a->publisher != NULL && dice_chance(d, 70)) {
        again_publish(a, group);
        return;
    }
    if (dice_chance(d, 50))
        act_publish_to_queue(a, dice_roll(d, SIM_QUEUES), is_persistent, len, group);
    else
        act_publish(a, dice_roll(d, SIM_EXCHANGES), dice_roll(d, 2), is_persistent, len, group);
}

static void settle_something(struct actor *a, uint32_t group)
{
    struct dice *d = &a->cast->dice;

    if (a->loans_count == 0)
        return;
    uint32_t verdict = dice_roll(d, 10);
    act_settle(a, dice_roll(d, a->loans_count), dice_chance(d, 30),
               verdict < 5   ? SETTLE_CONSUMED
               : verdict < 9 ? SETTLE_RETURNED
                             : SETTLE_REJECTED,
               group);
}

static void declare_something(struct actor *a)
{
    struct dice *d = &a->cast->dice;

    act_declare_queue(a, dice_roll(d, SIM_QUEUES), dice_chance(d, 80), dice_chance(d, 15),
                      dice_chance(d, 5));
}

static void bind_something(struct actor *a, bool is_bind)
{
    struct dice *d = &a->cast->dice;
    uint32_t destination = dice_chance(d, 80) ? dice_roll(d, SIM_QUEUES)
                                              : SIM_QUEUES + dice_roll(d, SIM_EXCHANGES);

    act_bind(a, dice_roll(d, SIM_EXCHANGES), destination, dice_roll(d, SIM_KEYS), is_bind);
}

/* One at random that is answered and not on its way out. */
static struct subscription *live_subscription(struct actor *a)
{
    struct subscription *s, *picked = NULL;
    uint32_t cursor = 0, seen = 0;

    while ((s = slot_table_next(&a->client.subscriptions, &cursor)) != NULL) {
        const struct part *part = s->context;
        if (part == NULL || part->is_over || part->is_cancelling || s->consumer.at.generation == 0)
            continue;
        if (dice_roll(&a->cast->dice, ++seen) == 0)
            picked = s;
    }
    return picked;
}
