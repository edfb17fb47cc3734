/*
 * subscription.h - SUBSCRIBE and UNSUBSCRIBE, and what a session keeps of each subscription.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_SUBSCRIPTION_H
#define SLUICE_PROTOCOLS_STOMP_SUBSCRIPTION_H

#include "core/base/bytes.h"
#include "protocols/stomp/shape.h"

#include <stdbool.h>
#include <stdint.h>

struct stomp_frame;
struct stomp_browser;
struct stomp_session;
struct subscription;

enum stomp_ack_mode { STOMP_ACK_AUTO, STOMP_ACK_CLIENT, STOMP_ACK_INDIVIDUAL };

struct stomp_subscription {        /* one block with its texts behind it */
    struct subscription *core;     /* NULL until the broker was asked, and of a browser */
    struct stomp_browser *browser; /* owned; NULL: it is none, or has not begun */
    enum stomp_ack_mode ack;
    bool is_browser;
    bool is_topic;
    struct sl_bytes tag; /* T_<id>, or Q_<destination> without one; key in the session's map */
    struct sl_bytes id;  /* as the client said it; at is NULL without one */
    struct sl_bytes destination;
    struct sl_bytes queue;
    struct sl_bytes prefix; /* of its message ids: tag, session, each with @@ */
    struct stomp_shape shape;
};

/* Handlers; false: the frame stays unread for now. */
bool stomp_on_subscribe(struct stomp_session *s, const struct stomp_frame *f);
bool stomp_on_unsubscribe(struct stomp_session *s, const struct stomp_frame *f);

/* Whether one of the session's subscriptions consumes this queue; goes through all of them. */
bool stomp_subscription_has_queue(const struct stomp_session *s, struct sl_bytes queue);

/* The queue of the session's reply address /temp-queue/ID; NULL when there is none yet. */
const struct stomp_subscription *stomp_reply_queue(const struct stomp_session *s,
                                                   struct sl_bytes address);
/* Makes it, and parks the session for that. */
void stomp_reply_queue_open(struct stomp_session *s, struct sl_bytes address,
                            struct sl_bytes receipt);

/* The broker knows it: from here on it has a place in the session. */
void stomp_subscription_live(struct stomp_session *s, struct stomp_subscription *sub);

/* The queue under it is gone: says so, and forgets it. */
void stomp_subscription_on_cancelled(struct stomp_session *s, uint32_t cookie);

void stomp_subscription_free(struct stomp_subscription *sub);

/* The session closes, the broker has let go of everything. */
void stomp_subscriptions_deinit(struct stomp_session *s);

#endif
