/*
 * permission.h - may this session do that?
 *
 * The broker's facade asks before it does anything for a client, so every protocol refuses alike;
 * a front end asks only for what it decides by itself.  A client that nobody has logged in is who
 * its name says; administration (client.is_trusted) may do everything.
 *
 * Thread: the worker that owns the session; the topology lock may be held where nothing else is
 * said.
 */
#ifndef SLUICE_CORE_PERMISSION_H
#define SLUICE_CORE_PERMISSION_H

#include "core/client.h"
#include "core/grant.h"
#include "core/refusal.h"
#include "core/route.h"

/* SL_EDENIED with the reason in RabbitMQ's words. */
SL_MUST_CHECK enum sl_err permission_check(const struct client *c, enum permission what,
                                           struct resource about, struct text *reason);
/* The same for a routing key or a binding's pattern on a topic exchange. */
SL_MUST_CHECK enum sl_err permission_check_topic(const struct client *c, enum permission what,
                                                 struct resource exchange, struct sl_bytes key,
                                                 struct text *reason);

/* ---- what it takes beyond that if the declaration makes it.  Whether it does is known where it is
 * made: what was there a moment ago may be gone. ---- */

SL_MUST_CHECK enum sl_err permission_to_make_queue(const struct client *c,
                                                   const struct queue_declaration *d,
                                                   struct text *reason);
SL_MUST_CHECK enum sl_err permission_to_make_exchange(const struct client *c,
                                                      const struct exchange_declaration *d,
                                                      struct text *reason);

/* ---- what the calls of broker.h need; the topology lock is not held ---- */

SL_MUST_CHECK enum sl_err permission_to_declare_queue(const struct client *c,
                                                      const struct queue_declaration *d,
                                                      struct text *reason);
SL_MUST_CHECK enum sl_err permission_to_declare_exchange(const struct client *c,
                                                         const struct exchange_declaration *d,
                                                         struct text *reason);
SL_MUST_CHECK enum sl_err permission_to_delete_exchange(const struct client *c,
                                                        struct sl_bytes name, struct text *reason);
SL_MUST_CHECK enum sl_err permission_to_bind(const struct client *c,
                                             const struct binding_request *r, struct text *reason);
SL_MUST_CHECK enum sl_err permission_to_use_queue(const struct client *c, enum permission what,
                                                  struct sl_bytes queue, struct text *reason);
SL_MUST_CHECK enum sl_err permission_to_publish(const struct client *c, struct sl_bytes exchange,
                                                struct sl_bytes key, struct text *reason);
/* Whom a route may remember as allowed; nobody where asking costs nothing. */
struct route_writer permission_writer(const struct client *c);

#endif
