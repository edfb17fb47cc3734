/*
 * client.h - a session as the core sees it: who it is, what it consumes, what it may have open.
 *
 * Embedded first in every session.  Thread: the worker that owns the session.
 */
#ifndef SLUICE_CORE_CLIENT_H
#define SLUICE_CORE_CLIENT_H

#include "core/base/ids.h"
#include "core/base/slot_table.h"
#include "core/credit.h"
#include "core/mail.h"
#include "core/topology.h"

struct access;
struct broker_worker;

struct client {
    struct broker_worker *worker;
    struct sl_handle handle;
    struct vhost *vhost;                /* set by broker_open_vhost */
    struct sl_bytes user;               /* who it is; the session keeps the bytes */
    struct sl_bytes cluster_id;         /* of the connection, or the account; or {NULL, 0} */
    struct sl_bytes account_cluster_id; /* the account's own, whatever the connection's is */
    struct access *access;              /* NULL: nobody has logged in */
    struct session_window *window;      /* counted; shared with shards that deliver here */
    struct slot_table subscriptions;    /* of struct subscription */
    uint64_t shards;                    /* one bit for each that has heard of this session */
    bool is_logged;                     /* it wrote into the log since its last broker_confirm */
    uint64_t logged_run;     /* the worker's run of its last confirm that waits for the disk */
    uint64_t verdict_ticket; /* of broker_ask_verdict; 0: nothing is asked */
    uint64_t refusal_ticket; /* of broker_ask_refusal */
    bool is_closed;
    bool is_slowed;  /* its user publishes faster than it may: pace.h */
    bool is_trusted; /* administration: no permission holds it */
};

/* One consumer, seen from its session.  Made by broker_subscribe (or broker_getter), freed by
 * broker_drop or subscription_free.  While open is not 0 a settlement refers to it. */
struct subscription {
    struct client *client;
    uint32_t cookie;              /* what its deliveries carry */
    struct consumer_ref consumer; /* generation 0 until the answer came */
    uint64_t next_loan;           /* number of its next delivery that is to be acknowledged */
    uint32_t open;                /* its loans in a settlement */
    uint64_t queue_number;        /* of a durable queue, else 0; set with consumer */
    bool is_no_ack;
    bool is_getter; /* stands for one get; freed by the settlement when settled */
    void *context;  /* the front end's */
};

/* The answer to broker_subscribe was SL_OK: it is live now. */
void subscription_begin(struct subscription *s, const struct answer *a);

/* NULL when the cookie's subscription is gone. */
struct subscription *client_subscription(const struct client *c, uint32_t cookie);
/* The subscription that the mail speaks of.  A getter has no cookie, so that all are looked through
 * for it.  NULL: it is gone. */
struct subscription *client_overdue(const struct client *c, const struct overdue_mail *mail);

#endif
