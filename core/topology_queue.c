/* topology_queue.c - queues as the topology knows them: their names, owners and arguments. */
#include "core/topology_parts.h"

#include "core/admission.h"
#include "core/arguments.h"
#include "core/prepared_form.h"
#include "core/selector.h"

#include <stdlib.h>

static enum sl_err check_new(const struct vhost *v, struct resource about,
                             const struct queue_declaration *d, struct text *reason);
static enum sl_err check_access(const struct vhost *v, const struct topology_queue *q,
                                struct sl_handle who, struct text *reason);
static enum sl_err compare_queue(const struct topology_queue *q, struct sl_handle who,
                                 const struct queue_declaration *d, struct text *reason);
static struct topology_queue *definition_new(struct topology *t, struct vhost *v,
                                             struct sl_handle who,
                                             const struct queue_declaration *d);
static bool select_messages(struct topology_queue *q);

enum sl_err topology_declare_queue(struct topology *t, struct vhost *v, struct sl_handle who,
                                   const struct queue_declaration *d, struct topology_queue **out,
                                   bool *created, struct text *reason)
{
    struct queue_declaration effective = *d;
    struct resource about = queue_resource(v, d->name);

    *created = false;
    *out = NULL;
    if (v->is_gone)
        return refusal_no_vhost(v->name, reason);
    if (d->is_passive)
        return topology_use_queue(v, who, d->name, out, reason);
    bool is_hidden = sl_bytes_are(d->name, PREPARED_QUEUE) && !d->is_own && d->number == 0;
    if (is_hidden || (!d->may_be_reserved && sl_bytes_begin(d->name, "amq.")) ||
        (d->number == 0 && holding_is(d->name)))
        return refusal_reserved_name(about, reason);

    /* What goes with its connection has nothing to survive a restart for. */
    effective.is_durable = d->is_durable && !d->is_exclusive;
    *out = topology_queue(v, d->name);
    if (*out != NULL)
        return compare_queue(*out, who, &effective, reason);
    if (d->refusal != NULL) {
        text_add(reason, "%s", d->refusal);
        return SL_EDENIED;
    }
    if (d->number == 0) /* else it was checked in the life before */
        SL_TRY(check_new(v, about, &effective, reason));
    SL_TRY(queue_add(t, v, who, &effective, out));
    *created = true;
    topology_note_dormant(t, about, d->arguments);
    return SL_OK;
}

enum sl_err topology_use_queue(struct vhost *v, struct sl_handle who, struct sl_bytes name,
                               struct topology_queue **out, struct text *reason)
{
    *out = topology_queue(v, name);
    if (*out == NULL || (*out)->is_hidden || (*out)->is_reply)
        return refusal_missing(queue_resource(v, name), reason);
    return check_access(v, *out, who, reason);
}

void topology_remove_queue(struct topology *t, struct topology_queue *q)
{
    struct exchange *idle = NULL;
    struct vhost *v = q->vhost;

    while (!list_is_empty(&q->as_destination))
        binding_end(LIST_OF(q->as_destination.next, struct binding, of_destination), &idle);
    exchanges_remove_idle(t, idle);
    slot_table_remove(&t->places[q->ref.shard], q->ref.at);
    hash_map_remove(&v->queues, q->name);
    v->replies -= q->is_reply;
    v->hidden -= q->is_hidden;
    topology_queue_free(q);
    vhost_trim(v);
    t->is_changed = true;
}

enum sl_err queue_add(struct topology *t, struct vhost *v, struct sl_handle who,
                      const struct queue_declaration *d, struct topology_queue **out)
{
    struct topology_queue *q = definition_new(t, v, who, d);

    if (q == NULL)
        return SL_ENOMEM;
    if (d->is_cluster && cluster_join(v, q->name, &q->cluster) != SL_OK)
        goto free_queue;
    q->ref.shard = topology_shard(t, v, q->name);
    if (slot_table_put(&t->places[q->ref.shard], q, &q->ref.at) != SL_OK)
        goto free_queue;
    if (hash_map_put(&v->queues, q->name, q) != SL_OK)
        goto free_place;
    q->number = d->number != 0 ? d->number : t->next_number;
    if (q->number >= t->next_number)
        t->next_number = q->number + 1;
    q->ref.number = q->is_durable ? q->number : 0;
    v->replies += q->is_reply;
    t->is_changed |= !q->is_reply; /* of which nobody knows the name yet */
    v->hidden += q->is_hidden;
    if (q->ref.holds)
        holding_link(t, q);
    *out = q;
    return SL_OK;

free_place:
    slot_table_remove(&t->places[q->ref.shard], q->ref.at);
free_queue:
    topology_queue_free(q);
    return SL_ENOMEM;
}

enum sl_err queue_check_room(const struct vhost *v, struct sl_bytes name, struct text *reason)
{
    uint64_t max = atomic_load_explicit(&v->queues_max, memory_order_relaxed);

    if (v->queues.count - v->replies - v->hidden < max)
        return SL_OK;
    text_add(reason, "cannot declare queue '");
    text_add_bytes(reason, name);
    text_add(reason, "': queue limit in vhost '");
    text_add_bytes(reason, v->name);
    text_add(reason, "' (%llu) is reached", (unsigned long long)max);
    return SL_EPRECOND;
}

static enum sl_err check_new(const struct vhost *v, struct resource about,
                             const struct queue_declaration *d, struct text *reason)
{
    SL_TRY(arguments_check_queue(about, d, reason));
    return d->is_own ? SL_OK : queue_check_room(v, d->name, reason);
}

static enum sl_err check_access(const struct vhost *v, const struct topology_queue *q,
                                struct sl_handle who, struct text *reason)
{
    if (q->is_exclusive && !sl_handle_equal(q->owner, who))
        return refusal_locked(queue_resource(v, q->name), reason);
    return SL_OK;
}

/* Exclusive is compared as a lock: whoever does not hold it, or does not ask for it, has no
 * access. */
static enum sl_err compare_queue(const struct topology_queue *q, struct sl_handle who,
                                 const struct queue_declaration *d, struct text *reason)
{
    struct resource about = queue_resource(q->vhost, q->name);

    if (q->is_exclusive != d->is_exclusive)
        return refusal_locked(about, reason);
    SL_TRY(check_access(q->vhost, q, who, reason));
    if (q->is_durable != d->is_durable)
        return refusal_inequivalent(about, "durable", truth_word(d->is_durable),
                                    truth_word(q->is_durable), reason);
    if (q->is_auto_delete != d->is_auto_delete)
        return refusal_inequivalent(about, "auto_delete", truth_word(d->is_auto_delete),
                                    truth_word(q->is_auto_delete), reason);
    return arguments_compare_queue(about, d->arguments, q->arguments, reason);
}

/* One block: the queue, its name, its arguments; and the admission where there is one. */
static struct topology_queue *definition_new(struct topology *t, struct vhost *v,
                                             struct sl_handle who,
                                             const struct queue_declaration *d)
{
    struct sl_bytes arguments = d->arguments.len == 0 ? table_empty : d->arguments;
    struct topology_queue *q = calloc(1, sizeof *q + d->name.len + arguments.len);

    if (q == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(q + 1);
    memcpy(at, d->name.at, d->name.len);
    memcpy(at + d->name.len, arguments.at, arguments.len);
    q->vhost = v;
    q->name = (struct sl_bytes){at, d->name.len};
    q->arguments = (struct sl_bytes){at + d->name.len, arguments.len};
    q->is_durable = d->is_durable;
    q->is_exclusive = d->is_exclusive;
    q->is_auto_delete = d->is_auto_delete;
    q->ref.holds = holding_is(q->name);
    q->is_hidden = q->ref.holds || sl_bytes_are(q->name, PREPARED_QUEUE);
    q->is_reply = d->is_reply;
    list_init(&q->of_orphans);
    if (d->is_exclusive)
        q->owner = who;
    list_init(&q->as_destination);
    (void)topology_police_queue(t, q);
    if (select_messages(q) && topology_limit_queue(q))
        return q;
    admission_unref(q->ref.admission);
    effective_unref(q->effective);
    selector_free(q->selector);
    free(q);
    return NULL;
}

/* It was checked; one that is none was declared to a version that did not read it, and selects
 * nothing.  False: no memory. */
static bool select_messages(struct topology_queue *q)
{
    char room[8];
    struct text ignored = text_on(room, sizeof room);
    struct table_value value;
    struct sl_bytes selector;

    if (!table_find(q->arguments, "x-selector", &value) || !table_value_string(value, &selector))
        return true;
    return selector_parse(selector, &q->selector, &ignored) != SL_ENOMEM;
}
