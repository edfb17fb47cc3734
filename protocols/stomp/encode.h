/*
 * encode.h - deliveries to MESSAGE frames, straight into the outbox.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_ENCODE_H
#define SLUICE_PROTOCOLS_STOMP_ENCODE_H

#include "core/mail.h"

struct stomp_session;
struct stomp_subscription;

/* Deliveries whose subscription is gone are passed over: their loans went back with it. */
void stomp_on_deliveries(struct stomp_session *s, const struct delivery *items, uint32_t count);

/* One that is only shown.  False: the session closes. */
bool stomp_say_browsed(struct stomp_session *s, struct stomp_subscription *sub,
                       const struct browsed *b);

#endif
