/* topology_binding.c - how bindings come and go. */
#include "core/prepared_form.h"
#include "core/topology_parts.h"

struct ends { /* what a request is about; NULL: not there */
    struct exchange *source;
    struct exchange *to_exchange;
    struct topology_queue *to_queue;
};

static enum sl_err find_ends(struct vhost *v, struct sl_handle who, const struct binding_request *r,
                             struct ends *ends, struct text *reason);
static enum sl_err refuse_missing_end(struct vhost *v, const struct binding_request *r,
                                      const struct ends *ends, struct text *reason);
static enum sl_err refuse_own_binding(const struct topology_queue *q, struct text *reason);

enum sl_err topology_bind(struct topology *t, struct vhost *v, struct sl_handle who,
                          const struct binding_request *r, struct text *reason)
{
    struct ends ends;

    SL_TRY(find_ends(v, who, r, &ends, reason));
    if (ends.source == NULL || (ends.to_exchange == NULL && ends.to_queue == NULL))
        return refuse_missing_end(v, r, &ends, reason);
    SL_TRY(bindings_check_new(ends.source->bindings, r->key, r->arguments, reason));

    size_t before = bindings_count(ends.source->bindings);
    SL_TRY(bindings_add(ends.source, ends.to_exchange, ends.to_queue, r->key, r->arguments));
    if (bindings_count(ends.source->bindings) != before)
        t->is_changed = true;
    return SL_OK;
}

enum sl_err topology_unbind(struct topology *t, struct vhost *v, struct sl_handle who,
                            const struct binding_request *r, struct text *reason)
{
    struct exchange *idle = NULL;
    struct binding *b = NULL;
    struct ends ends;

    SL_TRY(find_ends(v, who, r, &ends, reason));
    if (ends.source == NULL || (ends.to_exchange == NULL && ends.to_queue == NULL))
        return SL_OK;
    SL_TRY(bindings_find(ends.source->bindings, ends.to_exchange, ends.to_queue, r->key,
                         r->arguments, &b));
    if (b == NULL)
        return SL_OK;
    if (ends.to_queue != NULL && cluster_owns_binding(ends.to_queue, r))
        return refuse_own_binding(ends.to_queue, reason);
    binding_end(b, &idle);
    exchanges_remove_idle(t, idle);
    t->is_changed = true;
    return SL_OK;
}

static enum sl_err find_ends(struct vhost *v, struct sl_handle who, const struct binding_request *r,
                             struct ends *ends, struct text *reason)
{
    if (r->source.len == 0 || (r->to_exchange && r->destination.len == 0))
        return refusal_default_exchange(reason);
    if (sl_bytes_are(r->source, PREPARED_EXCHANGE) ||
        (r->to_exchange && sl_bytes_are(r->destination, PREPARED_EXCHANGE))) {
        text_add(reason, "operation not permitted on exchange '" PREPARED_EXCHANGE
                         "', which takes outcomes of prepared messages only");
        return SL_EDENIED;
    }
    *ends = (struct ends){.source = topology_exchange(v, r->source)};
    if (r->to_exchange) {
        ends->to_exchange = topology_exchange(v, r->destination);
        return SL_OK;
    }
    ends->to_queue = topology_queue(v, r->destination);
    if (ends->to_queue == NULL)
        return SL_OK;
    return topology_use_queue(v, who, r->destination, &ends->to_queue, reason);
}

static enum sl_err refuse_missing_end(struct vhost *v, const struct binding_request *r,
                                      const struct ends *ends, struct text *reason)
{
    if (ends->source == NULL)
        return refusal_missing(exchange_resource(v, r->source), reason);
    return refusal_missing(r->to_exchange ? exchange_resource(v, r->destination)
                                          : queue_resource(v, r->destination),
                           reason);
}

static enum sl_err refuse_own_binding(const struct topology_queue *q, struct text *reason)
{
    text_add(reason, "the own binding of cluster ");
    resource_describe(queue_resource(q->vhost, q->name), reason);
    text_add(reason, " cannot be removed");
    return SL_EPRECOND;
}
