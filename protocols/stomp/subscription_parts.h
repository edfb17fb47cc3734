/*
 * subscription_parts.h - what the files of subscription.h share: subscription.c (what a session
 * keeps, and how it ends), subscribe.c (SUBSCRIBE).
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_SUBSCRIPTION_PARTS_H
#define SLUICE_PROTOCOLS_STOMP_SUBSCRIPTION_PARTS_H

#include "protocols/stomp/subscription.h"

#define STOMP_REPLY_ADDRESS "/temp-queue/"

/* kind: T of an id, Q of a destination.  {NULL, 0} without memory: no subscription has that tag. */
struct sl_bytes stomp_subscription_tag(struct stomp_session *s, char kind, struct sl_bytes of);
/* Copies all of it; id may be {NULL, 0}.  NULL: no memory. */
struct stomp_subscription *stomp_subscription_new(struct stomp_session *s, struct sl_bytes tag,
                                                  struct sl_bytes id, struct sl_bytes destination,
                                                  struct sl_bytes queue);

#endif
