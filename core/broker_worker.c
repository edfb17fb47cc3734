/* broker_worker.c - the part of broker.h that is a worker's turn. */
#include "core/broker_parts.h"

#include "core/backlog.h"
#include "core/blocks.h"
#include "core/desk.h"
#include "core/memory.h"
#include "core/pace.h"
#include "core/shard.h"

static void wake_others(struct broker_worker *w);
static bool room_is_back(struct broker_worker *w);
static void post_pending(struct broker_worker *w);

void broker_worker_refresh(struct broker_worker *w)
{
    route_cache_refresh(&w->routes);
}

void broker_worker_hand_over(struct broker_worker *w)
{
    if (w->run.group != 0)
        return; /* a group goes out whole, at its end */
    run_hand_over(&w->run);
    if (w->is_urgent)
        order_hurry(&w->broker->order);
    w->is_urgent = false;
    confirm_line_place(&w->confirms, w->run.end);
    confirm_line_place(&w->confirms_now, (sl_lsn){0});
    w->run_number++;
    post_pending(w);
}

bool broker_worker_run_shard(struct broker_worker *w)
{
    desk_end_rests(w);
    bool more = shard_run(w->shard);

    if (w->shard->paging.has_risen) {
        w->shard->paging.has_risen = false;
        wake_others(w);
    }
    return more;
}

struct mail_chain broker_worker_take_mail(struct broker_worker *w)
{
    return mailbox_take(&w->inbox);
}

bool broker_worker_has_work(struct broker_worker *w)
{
    if (mailbox_has_mail(&w->inbox) || mailbox_has_mail(&w->shard->inbox) ||
        !list_is_empty(&w->shard->busy) || broker_worker_next_due(w) == 0 ||
        w->shard->todo.first != NULL || w->pending.first != NULL ||
        (!run_is_empty(&w->run) && w->run.group == 0) || !confirm_line_is_empty(&w->confirms_now))
        return true;
    bool waits = !confirm_line_is_empty(&w->confirms) || shard_waits_for_log(w->shard);
    atomic_store(&w->waits_for_log, waits);
    if (!waits)
        return false;
    sl_lsn durable = order_durable(&w->broker->order); /* after the flag: see on_durable */
    return (!confirm_line_is_empty(&w->confirms) &&
            sl_lsn_reached(durable, confirm_line_front(&w->confirms))) ||
           shard_is_freed_by(w->shard, durable);
}

uint64_t broker_worker_next_due(const struct broker_worker *w)
{
    uint64_t due = shard_next_due(w->shard);
    uint64_t slowed_ms = pace_next_due(w);
    uint64_t rest_ms = desk_next_due(w);
    uint64_t first_ms = rest_ms < slowed_ms ? rest_ms : slowed_ms;

    if (due == DUE_NEVER)
        return first_ms;
    uint64_t now = order_time(&w->broker->order);
    uint64_t due_ms = due > now ? due - now : 0;
    return due_ms < first_ms ? due_ms : first_ms;
}

bool broker_worker_next_confirm(struct broker_worker *w, struct waiting_publisher *out)
{
    if (confirm_line_next(&w->confirms_now, (sl_lsn){0}, out))
        return true;
    if (confirm_line_is_empty(&w->confirms) ||
        !confirm_line_next(&w->confirms, order_durable(&w->broker->order), out))
        return false;
    w->safe_run = out->run;
    return true;
}

bool broker_worker_balance(struct broker_worker *w)
{
    uint8_t before = w->held_by;

    memory_settle();
    w->held_by = pressure_look(&w->broker->pressure, w->broker->order.log, &w->openings);
    bool has_room = room_is_back(w);
    bool lets_go = pace_let_go(w);
    return has_room || lets_go || w->held_by != before;
}

void broker_thread_end(void)
{
    lane_batches_trim();
    backlogs_trim();
    blocks_trim();
    memory_settle();
}

/* Memory is one for all: who is idle may be the one who holds it. */
static void wake_others(struct broker_worker *w)
{
    const struct broker_options *options = &w->broker->options;

    for (uint32_t i = 0; i < options->workers; i++)
        if (i != w->index)
            options->wake(options->wake_context, i);
}

/* Everybody asks again then, so the next least is found. */
static bool room_is_back(struct broker_worker *w)
{
    if (w->room_wanted == 0 || !memory_room_is_free(w->room_wanted, broker_room(w->broker)))
        return false;
    w->room_wanted = 0;
    return true;
}

static void post_pending(struct broker_worker *w)
{
    struct mail_chain chain = w->pending;

    w->pending = (struct mail_chain){NULL, NULL};
    mailbox_post(&w->inbox, chain); /* to oneself: no waking */
}
