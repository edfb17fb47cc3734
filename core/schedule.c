#include "core/schedule.h"

#include "core/broker.h"
#include "core/delayed.h"
#include "core/journal.h"

enum sl_err schedule_begin(struct client *c)
{
    struct topology *t = broker_topology(c->worker->broker);
    struct run *run = &c->worker->run;
    struct topology_queue *q = NULL;
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
        e->place = delayed_announce(run, q, &run->at_once, &must_wake);
    }
    topology_unlock(t);
    if (must_wake)
        mailbox_wake(run->lanes[q->ref.shard].to);
    return err;
}
