/* again.c - publishers that publish again what was not confirmed, with the same ids (actor.h).
 *
 * The promise is kept only where a window is sure to reach back: where it may be over, where a queue
 * may be another one by now, or asks for an id only while its message is there, and that may be gone, a
 * publisher gives up. */
#include "tests/sim/actor.h"

#include "core/base/assert.h"

#include <stdlib.h>
#include <string.h>

#define TRIES 4u /* to find an id that is over */

static struct sending somewhere(struct dice *d);
static bool suits_queues(struct actor *a, const struct sending *s, uint32_t id);
static bool suits_queue(struct actor *a, const struct topology_queue *q, const struct sending *s,
                        uint32_t id);
static bool has_later(struct model *m, uint32_t message, uint32_t queue);
static uint32_t some_id_of_old(struct actor *a, const struct sending *s);
static bool is_open(const struct publisher *p, uint32_t message);

void again_enter(struct actor *a)
{
    struct publisher *p = &a->cast->publishers[dice_roll(&a->cast->dice, PUBLISHERS_MAX)];

    if (p->player != 0)
        return;
    p->player = a->session;
    if (p->name == 0)
        p->name = a->session;
    a->publisher = p;
    sim_tell(a->cast->model, "session %u goes on for %u", a->session, p->name);
    for (uint32_t i = 0; i < a->cast->world->workers; i++)
        cast_hand_over(a->cast, i); /* what the lost connection sent has come in by now */
    again_publish_open(a);
    act_confirm(a);
}

void again_leave(struct cast *c, uint32_t session)
{
    for (uint32_t i = 0; i < PUBLISHERS_MAX; i++)
        if (c->publishers[i].player == session)
            c->publishers[i].player = 0;
}

void again_publish(struct actor *a, uint32_t group)
{
    struct publisher *p = a->publisher;
    struct sending s = somewhere(&a->cast->dice);

    if (p == NULL || !suits_queues(a, &s, 0))
        return;
    uint32_t id = dice_chance(&a->cast->dice, 15) ? some_id_of_old(a, &s) : 0;
    s.message = a->cast->model->messages_count;
    act_publish_as(a, &s, id, group);
    if (s.message == a->cast->model->messages_count)
        return;
    p->open = sim_grow(p->open, p->open_count, &p->open_room, sizeof *p->open);
    p->open[p->open_count++] = s;
}

void again_publish_open(struct actor *a)
{
    struct publisher *p = a->publisher;
    uint32_t to = 0;

    for (uint32_t i = 0; i < p->open_count; i++) {
        uint32_t id = model_message(a->cast->model, p->open[i].message)->id;
        if (!suits_queues(a, &p->open[i], id))
            continue;
        sim_tell(a->cast->model, "message %u is published again", p->open[i].message);
        act_publish_again(a, &p->open[i]);
        cast_hand_over(a->cast, a->client.worker->index); /* at this time, and so in the log: */
        if (!a->cast->world->failed)
            world_flush(a->cast->world);
        model_sync(a->cast->model, commit_log_durable(a->cast->world->log).v);
        p->open[to++] = p->open[i];
    }
    p->open_count = to;
}

void again_confirmed(struct actor *a, uint32_t message)
{
    struct publisher *p = a->publisher;
    uint32_t id = model_message(a->cast->model, message)->id;

    if (id == 0)
        return;
    model_message(a->cast->model, id)->id_to = world_time(a->cast->world);
    for (uint32_t i = 0; i < p->open_count; i++)
        if (p->open[i].message == message) {
            p->open_count--;
            memmove(p->open + i, p->open + i + 1, (p->open_count - i) * sizeof *p->open);
            return;
        }
}

static struct sending somewhere(struct dice *d)
{
    if (dice_chance(d, 60))
        return (struct sending){SIM_EXCHANGES, dice_roll(d, SIM_QUEUES), 0};
    return (struct sending){dice_roll(d, SIM_EXCHANGES), dice_roll(d, 2), 0};
}

/* id: it was used, and its message is published again; 0: it was not. */
static bool suits_queues(struct actor *a, const struct sending *s, uint32_t id)
{
    struct topology *t = broker_topology(a->cast->world->broker);
    const struct route *route = act_route(a, s);
    bool suits = route != NULL && route->count > 0;

    topology_lock(t);
    for (uint32_t i = 0; suits && i < route->count; i++)
        suits = suits_queue(a, topology_queue_at(t, route->targets[i]), s, id);
    topology_unlock(t);
    return suits;
}

static bool suits_queue(struct actor *a, const struct topology_queue *q, const struct sending *s,
                        uint32_t id)
{
    struct model *m = a->cast->model;

    if (q == NULL || q->ref.number == 0)
        return false;
    uint32_t queue = model_queue_of(q->name);
    const struct sim_rules *r = &m->queues[queue].rules;
    if (r->window_ms == 0 && !r->until_settled)
        return false;
    if (id == 0)
        return true;
    const struct sim_copy *c = model_copy(m, s->message, queue);
    if (c == NULL || c->number != q->ref.number)
        return false; /* what is there already would stand before it */
    if (c->is_dead && has_later(m, s->message, queue))
        return false; /* the last time it was published again it did not come there */
    if (r->until_settled)
        return c->gone == 0 && !c->is_settled;
    return world_time(a->cast->world) < model_message(m, id)->id_from + r->window_ms;
}

/* Of the same publisher. */
static bool has_later(struct model *m, uint32_t message, uint32_t queue)
{
    for (uint32_t i = message + 1; i < m->messages_count; i++) {
        const struct sim_copy *c = model_copy(m, i, queue);
        if (c != NULL && !c->is_dead &&
            model_message(m, i)->session == model_message(m, message)->session)
            return true;
    }
    return false;
}

/* One whose time is over everywhere; 0: none was found. */
static uint32_t some_id_of_old(struct actor *a, const struct sending *s)
{
    struct model *m = a->cast->model;
    struct topology *t = broker_topology(a->cast->world->broker);
    const struct route *route = act_route(a, s);
    uint64_t window_ms = 0;

    topology_lock(t);
    for (uint32_t i = 0; i < route->count; i++) {
        const struct topology_queue *q = topology_queue_at(t, route->targets[i]);
        const struct sim_rules *r = &m->queues[model_queue_of(q->name)].rules;
        if (r->until_settled || r->window_ms > window_ms)
            window_ms = r->until_settled ? UINT64_MAX : r->window_ms;
    }
    topology_unlock(t);
    for (uint32_t i = 0; i < TRIES && m->messages_count > 1; i++) {
        uint32_t number = 1 + dice_roll(&a->cast->dice, m->messages_count - 1);
        const struct sim_message *msg = model_message(m, number);
        if (msg->id == number && msg->session == a->publisher->name && msg->id_to != UINT64_MAX &&
            window_ms != UINT64_MAX && !is_open(a->publisher, number) &&
            a->cast->world->flushed_at >= msg->id_to + window_ms)
            return number;
    }
    return 0;
}

static bool is_open(const struct publisher *p, uint32_t message)
{
    for (uint32_t i = 0; i < p->open_count; i++)
        if (p->open[i].message == message)
            return true;
    return false;
}
