/* topology_policy.c - which policies are in force for what exists. */
#include "core/topology_parts.h"

#include "core/admission.h"
#include "core/dedup_rules.h"
#include "core/rules.h"

static enum policy_target kind_of(struct sl_bytes arguments);
static bool replace(struct effective **now, struct effective *fresh);

bool topology_police_queue(struct topology *t, struct topology_queue *q)
{
    if (q->is_reply || q->is_hidden) /* nobody can mean these */
        return false;
    if (!replace(&q->effective, policies_apply(&t->policies, q->vhost->name, q->name,
                                               kind_of(q->arguments), q->arguments)))
        return false;
    (void)!topology_limit_queue(q); /* without memory it goes on without a limit */
    return true;
}

bool topology_police_exchange(struct topology *t, struct exchange *e)
{
    return replace(&e->effective, policies_apply(&t->policies, e->vhost->name, e->name,
                                                 POLICY_OF_EXCHANGES, e->arguments));
}

struct sl_bytes topology_queue_arguments(const struct topology_queue *q)
{
    return q->effective == NULL ? q->arguments : q->effective->arguments;
}

struct sl_bytes topology_exchange_arguments(const struct exchange *e)
{
    return e->effective == NULL ? e->arguments : e->effective->arguments;
}

/* Once there, an admission stays: what is on its way has taken places of it. */
bool topology_limit_queue(struct topology_queue *q)
{
    struct queue_rules own;
    struct dedup_rules own_dedup;
    const struct queue_rules *rules = &own;
    const struct dedup_rules *dedup = &own_dedup;

    if (q->effective != NULL) {
        rules = &q->effective->rules;
        dedup = &q->effective->dedup_rules;
    } else {
        rules_read(&own, q->arguments);
        dedup_rules_read(&own_dedup, q->arguments);
    }
    q->ref.asks_always = dedup->asks_always;
    if (q->ref.admission == NULL && rules_refuse(rules)) {
        q->ref.admission = admission_new(q->vhost, q->name);
        if (q->ref.admission == NULL)
            return false;
    }
    if (q->ref.admission != NULL)
        admission_obey(q->ref.admission, rules);
    return true;
}

static enum policy_target kind_of(struct sl_bytes arguments)
{
    struct table_value type;
    struct sl_bytes word;
    bool is_quorum = table_find(arguments, "x-queue-type", &type) &&
                     table_value_string(type, &word) && sl_bytes_are(word, "quorum");

    return is_quorum ? POLICY_OF_QUORUM_QUEUES : POLICY_OF_CLASSIC_QUEUES;
}

/* Takes the fresh one; false: it says the same. */
static bool replace(struct effective **now, struct effective *fresh)
{
    if (effective_is_equal(*now, fresh)) {
        effective_unref(fresh);
        return false;
    }
    effective_unref(*now);
    *now = fresh;
    return true;
}
