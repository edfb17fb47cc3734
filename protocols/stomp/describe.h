/*
 * describe.h - a STOMP connection and its subscriptions, for listings.
 *
 * STOMP has no channels; tools expect one on every connection, so it is shown as having
 * channel 1.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_DESCRIBE_H
#define SLUICE_PROTOCOLS_STOMP_DESCRIBE_H

#include "protocols/description.h"

/* The slot of the front end. */
void stomp_describe(struct session *base, struct inspect_page *page);

#endif
