/*
 * permission.h - may this session do that?
 *
 * The broker's facade asks before it does anything for a client, so every protocol refuses alike;
 * a front end asks only for what it decides by itself.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_CORE_PERMISSION_H
#define SLUICE_CORE_PERMISSION_H

#include "core/client.h"
#include "core/refusal.h"

enum permission { PERMISSION_CONFIGURE, PERMISSION_WRITE, PERMISSION_READ };

/* SL_EDENIED with the reason in RabbitMQ's words. */
SL_MUST_CHECK enum sl_err permission_check(const struct client *c, enum permission what,
                                           struct resource about, struct text *reason);
/* The same for a routing key or a binding's pattern on a topic exchange. */
SL_MUST_CHECK enum sl_err permission_check_topic(const struct client *c, enum permission what,
                                                 struct resource exchange, struct sl_bytes key,
                                                 struct text *reason);

#endif
