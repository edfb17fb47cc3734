/*
 * account_json.h - users, permissions, limits and virtual hosts as RabbitMQ's API and its
 * definitions have them.
 *
 * Thread: main; what is shown is read under the topology lock, which the caller holds.
 */
#ifndef SLUICE_GATEWAY_ADMIN_ACCOUNT_JSON_H
#define SLUICE_GATEWAY_ADMIN_ACCOUNT_JSON_H

#include "core/accounts.h"
#include "gateway/admin/change.h"
#include "gateway/admin/render.h"

/* Fields of an object into a change, whose names are set already.  Bytes stay as long as c.
 * SL_ESYNTAX with why: a field is missing or cannot be. */
SL_MUST_CHECK enum sl_err account_read_user(struct change *c, const json_t *o,
                                            struct account_change *out, struct text *why);
SL_MUST_CHECK enum sl_err account_read_permission(struct change *c, const json_t *o,
                                                  struct account_change *out, struct text *why);
SL_MUST_CHECK enum sl_err account_read_topic(struct change *c, const json_t *o,
                                             struct account_change *out, struct text *why);
SL_MUST_CHECK enum sl_err account_read_vhost(struct change *c, const json_t *o,
                                             struct account_change *out, struct text *why);
/* The limit of that name ("max-connections"), of users or of virtual hosts. */
SL_MUST_CHECK bool account_limit_parse(struct sl_bytes name, bool of_vhost,
                                       enum account_limit *out);
/* A number; one below 0 is none. */
SL_MUST_CHECK bool account_limit_value(const json_t *value, uint64_t *out);

json_t *account_json_user(const struct user *u);
json_t *account_json_permission(const struct grant *g);
json_t *account_json_topic(const struct grant *g, const struct topic_grant *t);
/* {"max-connections": 5}; empty where there are none. */
json_t *account_json_user_limits(const struct user *u);
json_t *account_json_vhost_limits(const struct vhost *v);
void account_put_vhost(json_t *o, const struct vhost *v);

#endif
