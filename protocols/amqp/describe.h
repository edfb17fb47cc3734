/*
 * describe.h - an AMQP connection, its channels and consumer tags, for listings.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_DESCRIBE_H
#define SLUICE_PROTOCOLS_AMQP_DESCRIBE_H

#include "protocols/description.h"

/* The slot of the front end. */
void amqp_describe(struct session *s, struct inspect_page *page);

#endif
