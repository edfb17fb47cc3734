/* prepared_outcome.c - the part of prepared.h that decides. */
#include "core/prepared_parts.h"

#include "core/admission.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/onward.h"

#include <stdlib.h>

static void describe(const struct prepared_set *set, const struct prepared_request *r,
                     struct text *to);
static enum sl_err stands(const struct outcome *outcome, const struct prepared_set *set,
                          const struct prepared_request *r, struct text *reason);
static enum sl_err commit(struct shard *s, struct prepared_set *set, struct prepared *p,
                          const struct prepared_request *r, struct text *reason);
static enum sl_err find_targets(struct shard *s, struct vhost *v, const struct message *msg,
                                struct target_set *targets);
static struct admission *take_places(struct shard *s, struct route *route,
                                     const struct message *msg);
static void end(struct shard *s, struct prepared_set *set, struct prepared *p,
                enum verdict verdict);

enum sl_err prepared_decide(struct shard *s, struct prepared_set *set,
                            const struct prepared_request *r, struct text *reason)
{
    uint8_t key[OUTCOME_KEY_BYTES];

    prepared_key(r->user, r->id, key);
    struct prepared *p = hash_map_get(&set->live, (struct sl_bytes){key, sizeof key});
    if (p == NULL)
        return stands(outcomes_find(&set->outcomes, key, s->now), set, r, reason);
    struct entry *entry = prepared_entry(set, p);
    if (entry == NULL)
        return SL_EAGAIN;
    if (r->verdict == VERDICT_COMMIT && entry->msg == NULL) {
        prepared_fetch(s, set, p);
        return SL_EAGAIN;
    }
    if (r->verdict == VERDICT_COMMIT)
        SL_TRY(commit(s, set, p, r, reason));
    else
        end(s, set, p, VERDICT_ROLLBACK);
    prepared_hand_over(s, set);
    prepared_resume(s, set, key); /* the read that they wait for may never come */
    return SL_OK;
}

enum sl_err prepared_route(struct shard *s, struct vhost *v, const struct message *msg,
                           struct route **out)
{
    struct target_set targets = {0};

    *out = NULL;
    topology_lock(s->topology);
    enum sl_err err = find_targets(s, v, msg, &targets);
    if (err == SL_OK)
        *out = onward_route(&targets);
    topology_unlock(s->topology);
    target_set_deinit(&targets);
    return err;
}

static void describe(const struct prepared_set *set, const struct prepared_request *r,
                     struct text *to)
{
    text_add(to, "prepared message '");
    text_add_bytes(to, r->id);
    text_add(to, "' of user '");
    text_add_bytes(to, r->user);
    text_add(to, "' in vhost '");
    text_add_bytes(to, set->queue->def->vhost->name);
    text_add(to, "'");
}

/* The same again is harmless; what contradicts it is told what stands. */
static enum sl_err stands(const struct outcome *outcome, const struct prepared_set *set,
                          const struct prepared_request *r, struct text *reason)
{
    if (outcome != NULL && outcome->verdict == r->verdict)
        return SL_OK;
    if (outcome == NULL)
        text_add(reason, "no ");
    describe(set, r, reason);
    if (outcome == NULL)
        return SL_ENOENT;
    text_add(reason, outcome->verdict == VERDICT_COMMIT
                         ? " was committed and cannot be rolled back"
                         : " was rolled back and cannot be committed");
    return SL_EPRECOND;
}

/* As if it were published now, by the queues that there are now. */
static enum sl_err commit(struct shard *s, struct prepared_set *set, struct prepared *p,
                          const struct prepared_request *r, struct text *reason)
{
    struct message *msg = prepared_committed(prepared_entry(set, p)->msg);
    struct route *route = NULL;
    struct admission *full = NULL;
    enum sl_err err = SL_ENOMEM;

    if (msg != NULL)
        err = prepared_route(s, set->queue->def->vhost, msg, &route);
    if (err == SL_OK)
        full = take_places(s, route, msg);
    if (err == SL_OK && route->count != 0 && full == NULL) {
        run_group_begin(s->run);
        onward_publish(s, route, msg, run_sequence(s->run));
        end(s, set, p, VERDICT_COMMIT);
        run_group_end(s->run);
        counter_add(&s->counters->published, 1);
        return SL_OK;
    }
    describe(set, r, reason);
    text_add(reason, " stays prepared: ");
    if (full != NULL) {
        text_add(reason, "queue '");
        text_add_bytes(reason, full->queue);
        text_add(reason, "' is full");
    } else if (err == SL_OK)
        text_add(reason, "no queue is bound for it to exchange '");
    else
        text_add(reason, err == SL_ENOENT ? "no exchange '" : "cannot publish to exchange '");
    if (full == NULL) {
        text_add_bytes(reason, p->exchange);
        text_add(reason, "'");
    }
    admission_unref(full);
    onward_drop(route);
    if (msg != NULL)
        message_unref(msg);
    return err != SL_OK ? err : SL_EPRECOND;
}

static enum sl_err find_targets(struct shard *s, struct vhost *v, const struct message *msg,
                                struct target_set *targets)
{
    const struct routed what = routed_of(msg);
    bool is_fixed;

    return route_resolve(s->topology, v, &what, targets, &is_fixed);
}

/* All or none: one that is full, counted.  A queue that went meanwhile is left out: its admission
 * may be gone. */
static struct admission *take_places(struct shard *s, struct route *route,
                                     const struct message *msg)
{
    const struct admission *full = NULL;
    uint32_t kept = 0;

    if (route->limited == 0)
        return NULL;
    topology_lock(s->topology);
    route->durable = route->limited = 0;
    for (uint32_t i = 0; i < route->count; i++)
        if (topology_queue_at(s->topology, route->targets[i]) != NULL) {
            route->targets[kept++] = route->targets[i];
            route->durable += route->targets[i].number != 0;
            route->limited += route->targets[i].admission != NULL;
        }
    route->count = kept;
    if (route->limited != 0)
        full = admission_take_all(route, message_body(msg).len);
    struct admission *counted = full == NULL ? NULL
                                             : admission_ref((struct admission *)(uintptr_t)full);
    topology_unlock(s->topology);
    return counted;
}

/* The message leaves what waits, and the outcome is remembered. */
static void end(struct shard *s, struct prepared_set *set, struct prepared *p, enum verdict verdict)
{
    struct outcome outcome = {.verdict = (uint8_t)verdict, .time = s->now};
    struct entry entry;

    memcpy(outcome.key, p->key, sizeof outcome.key);
    consumer_take(s, set->holder, p->loan, &entry);
    journal_outcome(&s->run->journal, set->queue->ref.number, entry.seq, &outcome);
    shard_end_entry(s, &entry);
    outcomes_add(&set->outcomes, &outcome, &s->live);
    counter_add(&s->counters->outcomes[verdict], 1);
    prepared_forget(set, p);
}
