/* topology_holding.c - the queues that hold what waits for its time, one for each exchange that
 * delays, and one of the default exchange for what is scheduled (schedule.h).  Their names are
 * never used again: what waits for an exchange goes with it. */
#include "core/topology_parts.h"

#include "core/base/limits.h"
#include "core/table.h"

#include <stdio.h>

#define HOLDING_NAME "amq.delayed."
#define HOLDING_EXCHANGE "x-delayed-exchange"
#define HOLDING_LEVELS 255 /* as many as there are: delayed.h gives each a stretch of time */

static struct exchange *find_exchange(const struct topology_queue *q);

bool holding_is(struct sl_bytes name)
{
    return sl_bytes_begin(name, HOLDING_NAME);
}

enum sl_err topology_add_holding(struct topology *t, struct exchange *e,
                                 struct topology_queue **out)
{
    uint8_t arguments[SL_NAME_BYTES_MAX + 128];
    struct sl_writer w = {arguments, arguments + sizeof arguments, false};
    char name[64];

    snprintf(name, sizeof name, HOLDING_NAME "%llu", (unsigned long long)t->next_number);
    uint8_t *start = table_write_start(&w);
    table_write_string(&w, SL_BYTES_LITERAL(HOLDING_EXCHANGE), e->name);
    table_write_s64(&w, SL_BYTES_LITERAL("x-max-priority"), HOLDING_LEVELS);
    table_write_finish(&w, start);
    const struct queue_declaration d = {.name = sl_bytes_of(name),
                                        .is_durable = e->is_durable,
                                        .arguments = {arguments, (size_t)(w.pos - arguments)}};
    return queue_add(t, e->vhost, (struct sl_handle){0, 0, 0}, &d, out);
}

void holding_link(struct topology *t, struct topology_queue *q)
{
    struct exchange *e = find_exchange(q);
    struct topology_queue *older = e != NULL ? e->holding : NULL;

    if (older != NULL && older->number > q->number)
        e = NULL;
    if (e == NULL) {
        list_push(&t->orphans, &q->of_orphans);
        return;
    }
    if (older != NULL)
        holding_abandon(t, e);
    e->holding = q;
    q->holds_for = e;
}

void holding_abandon(struct topology *t, struct exchange *e)
{
    struct topology_queue *q = e->holding;

    if (q == NULL)
        return;
    q->holds_for = NULL;
    e->holding = NULL;
    list_push(&t->orphans, &q->of_orphans);
}

static struct exchange *find_exchange(const struct topology_queue *q)
{
    struct table_value value;
    struct sl_bytes name;

    if (!table_find(q->arguments, HOLDING_EXCHANGE, &value) || !table_value_string(value, &name))
        return NULL;
    struct exchange *e = topology_exchange(q->vhost, name);
    return e != NULL && (e->type == EXCHANGE_DELAYED || name.len == 0) ? e : NULL;
}
