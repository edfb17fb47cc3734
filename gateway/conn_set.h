/*
 * conn_set.h - the connections of one worker, and what they share.
 *
 * Thread: the worker.
 */
#ifndef SLUICE_GATEWAY_CONN_SET_H
#define SLUICE_GATEWAY_CONN_SET_H

#include "gateway/conn.h"
#include "gateway/strangers.h"

struct conn_set {
    struct session_env env;
    struct loop *loop;
    struct timer_wheel wheel;
    struct slot_table slots;    /* of struct conn */
    struct list graveyard;      /* dead, or to linger without a session */
    struct entrance entrance;   /* empty, unless main fills it in before the worker starts */
    struct strangers strangers; /* connections that have not said who they are */
    struct list held;           /* connections whose sessions are held, the longest first */
    uint32_t to_let_go;         /* of these, when nothing holds them */
    uint8_t *input;             /* unread bytes of one connection, and what is read behind them */
};

/* SL_ENOMEM.  All pointers stay the caller's. */
SL_MUST_CHECK enum sl_err conn_set_init(struct conn_set *set, struct loop *loop,
                                        struct broker_worker *worker,
                                        const struct protocol_settings *settings,
                                        const struct sl_clock *clock);
void conn_set_deinit(struct conn_set *set); /* all connections are buried */

static inline uint32_t conn_set_count(const struct conn_set *set)
{
    return set->slots.count;
}

/* The steps of a turn, in its order. */
void conn_set_let_go(struct conn_set *set);
void conn_set_resume(struct conn_set *set);
void conn_set_on_mail(struct conn_set *set, struct mail *mail);
void conn_set_on_confirm(struct conn_set *set, const struct waiting_publisher *p);
void conn_set_flush(struct conn_set *set);
void conn_set_on_pressure(struct conn_set *set);
void conn_set_bury(struct conn_set *set);

/* There are sessions that may go on now. */
static inline bool conn_set_lets_go(const struct conn_set *set)
{
    return set->to_let_go != 0 && set->env.worker->held_by == 0;
}

/* One step of listing the sessions, for the page's subject. */
void conn_set_describe(struct conn_set *set, struct inspect_page *page);

/* Tells the sessions that are meant that they are closed. */
void conn_set_evict(struct conn_set *set, const struct eviction *e);

/* Tells every session that the gateway is going down. */
void conn_set_drain(struct conn_set *set);
void conn_set_kill_all(struct conn_set *set);

#endif
