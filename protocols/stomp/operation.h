/*
 * operation.h - what a session is parked for: a definition that the broker has yet to answer.
 *
 * One at a time: while it runs nothing is read, so the frames of a connection take effect in
 * their order.  A SEND waits unread for its queue to be declared and is read again after; a
 * SUBSCRIBE has been read and goes on step by step.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_OPERATION_H
#define SLUICE_PROTOCOLS_STOMP_OPERATION_H

#include "core/topology.h"

struct answer;
struct message;
struct stomp_frame;
struct stomp_session;
struct stomp_subscription;

enum stomp_step {
    STOMP_STEP_DECLARE_TO_SEND,
    STOMP_STEP_DECLARE_TO_SUBSCRIBE,
    STOMP_STEP_BIND,
    STOMP_STEP_CONSUME,
    STOMP_STEP_BROWSE,
    STOMP_STEP_DELETE,
    STOMP_STEP_PREPARED
};

struct stomp_operation { /* one block with its texts behind it */
    enum stomp_step step;
    uint64_t ticket;
    struct stomp_subscription *subscription; /* owned until it is live; NULL to send, to delete */
    struct sl_bytes receipt;                 /* of the frame; at is NULL when there is none */
    struct sl_bytes queue;
    struct sl_bytes exchange; /* to bind to; empty: nothing to bind */
    struct sl_bytes key;
    uint32_t prefetch;
    int64_t priority;
    bool resumes_send; /* the subscription is a reply queue that a SEND asked for */
};

/* Parks the session and declares the queue; the frame stays unread. */
void stomp_operation_declare(struct stomp_session *s, struct sl_bytes receipt,
                             const struct queue_declaration *d);

struct stomp_subscribing {                   /* all borrowed, and copied */
    struct stomp_subscription *subscription; /* taken */
    struct sl_bytes receipt;
    const struct queue_declaration *declaration; /* NULL: the queue must be there */
    struct sl_bytes queue;
    struct sl_bytes exchange;
    struct sl_bytes key;
    uint32_t prefetch;
    int64_t priority;
    bool resumes_send;
};

/* Parks the session until the subscription is live: declare, bind, consume. */
void stomp_operation_subscribe(struct stomp_session *s, const struct stomp_subscribing *what);

/* Parks the session and deletes the queue. */
void stomp_operation_delete(struct stomp_session *s, struct sl_bytes receipt,
                            struct sl_bytes queue);

/* Parks the session while msg, which it takes, is prepared, or is the outcome of what was. */
void stomp_operation_prepared(struct stomp_session *s, struct sl_bytes receipt,
                              struct message *msg);

void stomp_operation_on_answer(struct stomp_session *s, struct answer *a);

/* The session closes. */
void stomp_operation_drop(struct stomp_session *s);

#endif
