/*
 * definitions_parts.h - what the files of an import share: definitions_import.c (the sections, and
 * what is routed by), definitions_accounts.c (who there is, and what has limits).
 */
#ifndef SLUICE_GATEWAY_ADMIN_DEFINITIONS_PARTS_H
#define SLUICE_GATEWAY_ADMIN_DEFINITIONS_PARTS_H

#include "gateway/admin/definitions.h"

enum definitions_phase {
    PHASE_VHOSTS = 0,
    PHASE_USERS = 1,
    PHASE_GRANTS = 2, /* and limits */
    PHASE_POLICIES = 3,
    PHASE_DECLARE = 4,
    PHASE_BIND = 5,
};

struct import {
    struct change *change;
    struct sl_bytes vhost; /* of all, or {NULL, 0} */
    struct text *passed_over;
    const char *why; /* a literal, or on the room */
    char room[512];
};

/* False: why says it.  The object's fields go into a change. */
bool import_user(struct import *in, const json_t *o);
bool import_vhost(struct import *in, const json_t *o);
bool import_permission(struct import *in, const json_t *o);
bool import_topic_permission(struct import *in, const json_t *o);
bool import_parameter(struct import *in, const json_t *o);
bool import_global_parameter(struct import *in, const json_t *o);

/* ---- of definitions_import.c ---- */
bool import_name(struct import *in, const json_t *o, const char *field, struct sl_bytes *out);
bool import_vhost_of(struct import *in, const json_t *o, struct sl_bytes *out);
/* name: of the policy; the rest is in o. */
bool import_policy(struct import *in, const json_t *o, struct sl_bytes vhost, struct sl_bytes name,
                   bool is_operator);
/* Notes a part that means nothing here, once. */
void import_pass_over(struct import *in, const char *section, const char *field);

#endif
