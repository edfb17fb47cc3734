/* topology_describe.c - the topology as records of the log. */
#include "core/topology.h"

#include "core/accounts.h"
#include "core/ages.h"
#include "core/exchange.h"
#include "core/journal.h"
#include "core/policy_record.h"

static void add_policies(const struct policies *p, struct log_run *run);
static void add_exchanges(struct vhost *v, struct log_run *run);
static void add_queues(struct vhost *v, struct log_run *run);
static void add_bindings(struct vhost *v, const struct list *bindings, struct log_run *run);
static void add_ages(const struct ages *a, struct log_run *run);

void topology_describe(struct topology *t, struct log_run *run)
{
    struct exchange *e;
    struct topology_queue *q;
    struct vhost *v;
    size_t cursor = 0;

    if (t->accounts != NULL)
        accounts_describe(t->accounts, run);
    add_policies(&t->policies, run);
    while ((v = hash_map_next(&t->vhosts, &cursor)) != NULL) {
        size_t at = 0;
        add_exchanges(v, run);
        add_queues(v, run);
        while ((e = hash_map_next(&v->exchanges, &at)) != NULL)
            if (e->is_durable)
                add_bindings(v, &e->as_destination, run);
        at = 0;
        while ((q = hash_map_next(&v->queues, &at)) != NULL)
            if (q->is_durable)
                add_bindings(v, &q->as_destination, run);
    }
    add_ages(&t->ages, run);
}

static void add_policies(const struct policies *p, struct log_run *run)
{
    for (size_t i = 0; i < p->count; i++)
        policy_record_set(run, &p->at[i]->is);
}

static void add_exchanges(struct vhost *v, struct log_run *run)
{
    struct exchange *e;
    size_t cursor = 0;

    while ((e = hash_map_next(&v->exchanges, &cursor)) != NULL)
        if (e->is_durable && e->name.len != 0 && !sl_bytes_begin(e->name, "amq."))
            journal_declare_exchange(run, e);
}

static void add_queues(struct vhost *v, struct log_run *run)
{
    struct topology_queue *q;
    size_t cursor = 0;

    while ((q = hash_map_next(&v->queues, &cursor)) != NULL)
        if (q->is_durable)
            journal_declare_queue(run, q, 0); /* its shard's part says the mark */
}

static void add_bindings(struct vhost *v, const struct list *bindings, struct log_run *run)
{
    for (const struct list *at = bindings->next; at != bindings; at = at->next) {
        const struct binding *b = LIST_OF(at, struct binding, of_destination);
        if (!b->source->is_durable)
            continue;
        struct binding_request request = {
            .source = b->source->name,
            .destination = b->to_exchange != NULL ? b->to_exchange->name : b->to_queue->name,
            .to_exchange = b->to_exchange != NULL,
            .key = b->key,
            .arguments = b->arguments};
        journal_binding(run, RECORD_BIND, v, &request);
    }
}

static void add_ages(const struct ages *a, struct log_run *run)
{
    uint8_t ages[AGES_BYTES_MAX];

    if (a->count == 0)
        return;
    size_t n = ages_write(a, ages);
    memcpy(log_run_add(run, RECORD_AGES, 0, false, n), ages, n);
}
