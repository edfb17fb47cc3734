#include "core/schedule.h"

#include "core/broker.h"
#include "core/delayed.h"
#include "core/journal.h"

enum sl_err schedule_begin(struct client *c)
{
    struct topology *t = broker_topology(c->worker->broker);
    struct run *run = &c->worker->run;
    struct topology_queue *q = NULL;
    uint32_t shard = 0;
    bool must_wake = false;
    enum sl_err err = SL_OK;

    topology_lock(t);
    struct exchange *e = topology_exchange(c->vhost, SL_BYTES_LITERAL(""));
    if (e == NULL)
        err = SL_ENOENT;
    else if (e->holding == NULL)
        err = topology_add_holding(t, e, &q);
    if (err == SL_OK && q != NULL) {
        journal_declare_queue(&run->at_once, q, 0);
        shard = q->ref.shard;
        e->place = delayed_announce(run, q, &run->at_once, &must_wake);
    }
    topology_unlock(t); /* from here on the queue may go */
    if (must_wake)
        mailbox_wake(run->lanes[shard].to);
    return err;
}
