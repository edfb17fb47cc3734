#include "tests/sim/actor.h"

#include "core/base/assert.h"

#include <stdlib.h>

#define ROUNDS_MAX 10000u /* far more than any run takes */
#define ROUNDS_FAILED 100u
#define CHECKPOINTS_MAX 5u
#define RETRY_MS 500u /* time that passes where only time helps */

static void lose_questions(struct actor *a);
static void lose_binding(struct model *m, uint32_t exchange, uint32_t destination, uint32_t key);
static void free_parts(struct actor *a);
static struct actor *find(struct cast *c, struct sl_handle handle);
static bool is_log_quiet(struct world *w);
static bool is_deciding(struct cast *c);

void cast_init(struct cast *c, struct model *m, struct world *w, uint64_t seed)
{
    *c = (struct cast){.model = m, .world = w, .dice = {seed}};
}

void cast_deinit(struct cast *c)
{
    free(c->actors);
    for (uint32_t i = 0; i < PUBLISHERS_MAX; i++)
        free(c->publishers[i].open);
}

struct actor *cast_enter(struct cast *c, uint32_t worker)
{
    uint32_t slot = 0;

    if (c->model->sessions + 2 > SIM_SESSIONS_MAX)
        return NULL;
    while (slot < c->room && c->actors[slot] != NULL)
        slot++;
    if (slot == c->room) {
        c->actors = sim_grow(c->actors, slot, &c->room, sizeof(struct actor *));
        for (uint32_t i = slot; i < c->room; i++)
            c->actors[i] = NULL;
    }
    struct actor *a = calloc(1, sizeof *a);
    SL_ASSERT(a != NULL);
    a->cast = c;
    a->slot = slot;
    a->session = ++c->model->sessions;
    sim_tell(c->model, "session %u comes, on worker %u", a->session, worker);
    struct sl_handle handle = {slot, a->session, worker};
    broker_client_init(&a->client, broker_worker_at(c->world->broker, worker), handle);
    a->client.user = SL_BYTES_LITERAL("guest");
    SL_ASSERT(broker_open_vhost(&a->client, sl_bytes_of("/")) == SL_OK);
    settlement_init(&a->settlement);
    c->actors[slot] = a;
    return a;
}

void cast_leave(struct cast *c, struct actor *a)
{
    bool has_asked = a->questions_count > 0;
    uint32_t worker = a->client.worker->index;

    sim_tell(c->model, "session %u goes", a->session);
    for (uint32_t i = 0; i < a->loans_count; i++)
        model_return(c->model, a->loans[i].message, a->loans[i].queue);
    lose_questions(a);
    free_parts(a);
    broker_client_close(&a->client);
    settlement_deinit(&a->settlement);
    if (has_asked) { /* nobody hears when it is carried out, so it is carried out now */
        cast_hand_over(c, worker);
        for (uint32_t i = 0; i < c->world->workers; i++)
            cast_run_shard(c, i);
    }
    again_leave(c, a->session);
    c->actors[a->slot] = NULL;
    free(a->loans);
    free(a->deeds);
    free(a->refused);
    free(a->questions);
    free(a);
}

void cast_leave_all(struct cast *c)
{
    for (uint32_t i = 0; i < c->room; i++)
        if (c->actors[i] != NULL)
            cast_leave(c, c->actors[i]);
}

struct actor *cast_pick(struct cast *c)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < c->room; i++)
        count += c->actors[i] != NULL;
    if (count == 0)
        return NULL;
    uint32_t pick = dice_roll(&c->dice, count);
    for (uint32_t i = 0;; i++)
        if (c->actors[i] != NULL && pick-- == 0)
            return c->actors[i];
}

void cast_hand_over(struct cast *c, uint32_t worker)
{
    struct broker_worker *w = broker_worker_at(c->world->broker, worker);

    sim_tell(c->model, "worker %u hands over", worker);
    broker_worker_hand_over(w);
    model_hand_over(c->model, worker, w->run.end.v);
}

void cast_run_shard(struct cast *c, uint32_t worker)
{
    broker_worker_run_shard(broker_worker_at(c->world->broker, worker));
}

void cast_take_mail(struct cast *c, uint32_t worker)
{
    struct mail_chain chain = broker_worker_take_mail(broker_worker_at(c->world->broker, worker));

    while (chain.first != NULL) {
        struct mail *mail = (struct mail *)chain.first;
        struct actor *a = find(c, mail->to);
        chain.first = mail->node.next;
        if (a != NULL && mail->kind == MAIL_DELIVERIES)
            hear_deliveries(a, (struct delivery_mail *)mail);
        else if (a != NULL && mail->kind == MAIL_CANCELLED)
            hear_cancelled(a, (struct cancelled_mail *)mail);
        else if (a != NULL && mail->kind == MAIL_ANSWER)
            hear_answer(a, (struct answer *)mail);
        mail_free(mail);
    }
}

void cast_take_confirms(struct cast *c, uint32_t worker)
{
    struct broker_worker *w = broker_worker_at(c->world->broker, worker);
    struct waiting_publisher confirmed;

    while (broker_worker_next_confirm(w, &confirmed)) {
        struct actor *a = find(c, confirmed.session);
        if (a != NULL)
            hear_confirm(a, confirmed.tag.v, confirmed.is_refused);
    }
    broker_worker_balance(w);
}

void cast_turn(struct cast *c, uint32_t worker)
{
    c->world->is_woken[worker] = false;
    broker_worker_refresh(broker_worker_at(c->world->broker, worker));
    cast_hand_over(c, worker);
    cast_run_shard(c, worker);
    cast_take_mail(c, worker);
    cast_take_confirms(c, worker);
    cast_hand_over(c, worker); /* what sessions did in answer to all that */
}

void cast_settle(struct cast *c)
{
    struct world *w = c->world;
    bool moved = true;

    for (uint32_t i = 0; i < w->workers; i++)
        w->is_woken[i] = true; /* something was read just now */
    for (uint32_t rounds = 0; moved; rounds++) {
        if (w->failed && rounds > ROUNDS_FAILED)
            return; /* the process is to end: what waits for the log does so in vain */
        if (rounds == ROUNDS_MAX)
            sim_fail(c->model, "a worker never comes to rest");
        moved = false;
        for (uint32_t i = 0; i < w->workers; i++) {
            if (!w->is_woken[i] && !broker_worker_has_work(broker_worker_at(w->broker, i)))
                continue;
            cast_turn(c, i);
            moved = true;
        }
        moved |= world_fetch(w);
        if (!moved && (world_is_retrying(w) || is_deciding(c)) && is_log_quiet(w) &&
            !faulty_disk_is_off(w->disk)) {
            w->now_ms += RETRY_MS;
            moved = true;
        }
        if (!w->failed && !is_log_quiet(w)) {
            world_flush(w);
            moved |= is_log_quiet(w);
        }
        model_sync(c->model, commit_log_durable(w->log).v);
    }
}

void cast_keep(struct cast *c)
{
    struct world *w = c->world;

    uint64_t before = keeper_status(w->keeper).checkpoints;

    sim_tell(c->model, "checkpoint");
    keeper_hurry(w->keeper);
    for (uint32_t rounds = 0; keeper_is_busy(w->keeper) && !w->failed; rounds++) {
        if (commit_log_is_out_of_room(w->log) ||
            keeper_status(w->keeper).checkpoints > before + CHECKPOINTS_MAX)
            return; /* it goes on when there is room; or small segments never are dense enough */
        if (rounds == ROUNDS_MAX)
            sim_fail(c->model, "the keeper never comes to rest");
        world_keep(w);
        cast_settle(c);
    }
}

void cast_check_heard(struct cast *c)
{
    for (uint32_t i = 0; i < c->room; i++) {
        const struct actor *a = c->actors[i];
        if (a == NULL)
            continue;
        if (a->questions_count > 0)
            sim_fail(c->model, "session %u never hears what came of question %d", a->session,
                     a->questions[0].kind);
        if (a->confirmed != a->asked)
            sim_fail(c->model, "session %u is never told of its %llu, only of %llu", a->session,
                     (unsigned long long)a->asked, (unsigned long long)a->confirmed);
    }
}

bool cast_stop(struct cast *c)
{
    struct world *w = c->world;

    sim_tell(c->model, "stop");
    broker_on_stopping(w->broker);
    cast_leave_all(c);
    cast_settle(c);
    if (dice_chance(&c->dice, 80)) /* else time is up */
        cast_keep(c);
    broker_on_stopped(w->broker);
    world_flush(w);
    bool is_clean = !w->failed && is_log_quiet(w);
    world_end(w);
    return is_clean;
}

void cast_abandon(struct cast *c)
{
    for (uint32_t i = 0; i < c->room; i++) {
        struct actor *a = c->actors[i];
        if (a == NULL)
            continue;
        c->actors[i] = NULL;
        for (uint32_t n = 0; n < a->loans_count; n++)
            model_return(c->model, a->loans[n].message, a->loans[n].queue);
        lose_questions(a);
        again_leave(c, a->session);
    }
}

void actor_sweep(struct actor *a)
{
    struct subscription *s;
    uint32_t cursor = 0;

    while ((s = slot_table_next(&a->client.subscriptions, &cursor)) != NULL) {
        struct part *part = s->context;
        if (part == NULL || !part->is_over || s->open != 0 || part->is_cancelling)
            continue;
        subscription_free(s);
        free(part);
    }
}

static void lose_questions(struct actor *a)
{
    struct model *m = a->cast->model;
    const struct sim_own *own;

    for (uint32_t i = 0; i < a->questions_count; i++) {
        const struct question *q = &a->questions[i];
        switch (q->kind) {
        case ASK_DECLARE_QUEUE:
            name_lose(&m->queues[q->queue].name);
            own = model_own(m, q->queue);
            if (own != NULL)
                lose_binding(m, own->exchange, q->queue, own->key);
            break;
        case ASK_DELETE_QUEUE: name_lose(&m->queues[q->queue].name); break;
        case ASK_DECLARE_EXCHANGE:
        case ASK_DELETE_EXCHANGE: name_lose(&m->exchanges[q->queue].name); break;
        case ASK_BIND:
        case ASK_UNBIND: lose_binding(m, q->queue, q->destination, q->key); break;
        case ASK_SET:
        case ASK_CLEAR: name_lose(&m->operated[q->queue]); break;
        case ASK_PURGE:
            m->queues[q->queue].purging--;
            m->queues[q->queue].purge_lost_in = m->life;
            break;
        default: break;
        }
    }
}

static void lose_binding(struct model *m, uint32_t exchange, uint32_t destination, uint32_t key)
{
    name_lose(&m->bindings[exchange][destination][key].name);
    m->exchanges[exchange].binding--;
    if (destination < SIM_QUEUES)
        m->queues[destination].binding--;
    else
        m->exchanges[destination - SIM_QUEUES].binding--;
}

static void free_parts(struct actor *a)
{
    struct subscription *s;
    uint32_t cursor = 0;

    while ((s = slot_table_next(&a->client.subscriptions, &cursor)) != NULL)
        free(s->context);
}

static struct actor *find(struct cast *c, struct sl_handle handle)
{
    if (handle.slot >= c->room || c->actors[handle.slot] == NULL ||
        c->actors[handle.slot]->session != handle.generation)
        return NULL;
    return c->actors[handle.slot];
}

static bool is_log_quiet(struct world *w)
{
    return commit_log_durable(w->log).v >= commit_log_end(w->log).v;
}

/* Somebody waits for an outcome: its message could not be read, and is tried again later. */
static bool is_deciding(struct cast *c)
{
    for (uint32_t i = 0; i < c->room; i++)
        for (uint32_t n = 0; c->actors[i] != NULL && n < c->actors[i]->questions_count; n++)
            if (c->actors[i]->questions[n].kind == ASK_OUTCOME)
                return true;
    return false;
}
