/*
 * definitions.h - all that is defined, as RabbitMQ's definitions.json has it: in and out.
 *
 * An import is looked through as a whole before anything of it is done: an object that cannot be
 * read refuses all of it.  Then virtual hosts, users and what they may do come first, policies next,
 * exchanges and queues, and bindings last; what is there already must be the same.  A part that
 * means nothing here is named, not dropped in silence.
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_ADMIN_DEFINITIONS_H
#define SLUICE_GATEWAY_ADMIN_DEFINITIONS_H

#include "gateway/admin/change.h"
#include "gateway/admin/view.h"

enum { DEFINITIONS_NEEDS = NEEDS(QUEUES) | NEEDS(EXCHANGES) | NEEDS(BINDINGS) | NEEDS(VHOSTS) };

/* Gathers the calls.  vhost: of all objects, or {NULL, 0}: they say it themselves.  SL_ESYNTAX: why
 * names the object.  passed_over: parts that mean nothing here, commas between. */
SL_MUST_CHECK enum sl_err definitions_import(struct change *c, const json_t *root,
                                             struct sl_bytes vhost, struct text *passed_over,
                                             struct text *why);

/* As a view: of all, or of one virtual host. */
unsigned view_definitions(struct view *v);
unsigned view_definitions_of_vhost(struct view *v);

#endif
