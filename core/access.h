/*
 * access.h - a session that has logged in: its user, and what that one may do where it is.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_CORE_ACCESS_H
#define SLUICE_CORE_ACCESS_H

#include "core/accounts.h"
#include "core/base/limits.h"

struct access {
    struct user *user;   /* counted */
    struct grant *grant; /* counted, of the session's virtual host; NULL: there is none */
    uint64_t epoch;      /* of the accounts, when it was taken; 0: not yet */
    struct vhost *vhost; /* counted as a connection of it and of the user; NULL: not yet */
    char cluster_id[SL_CLUSTER_ID_BYTES_MAX + 1]; /* the user's, when it logged in */
    /* of the user, as of that epoch */
    uint64_t message_bytes_max;
    bool is_paced; /* pace.h */
    uint32_t exchange_len;
    uint8_t exchange[SL_NAME_BYTES_MAX]; /* the last that could be published to; len 0: none */
    uint32_t channels;                   /* counted at the user */
    struct list of_slowed;               /* pace.h: of the worker */
    uint64_t slowed_until_ms;
    struct client *client; /* while it is slowed */
};

/* Takes the reference. */
struct access *access_new(struct user *u);
void access_free(struct access *a); /* NULL is none */

/* The place of a connection, in that virtual host.  SL_EDENIED: no permission there; SL_EFULL: the
 * virtual host has no more; SL_ENOTALLOWED: the user has no more.  *max: how many it has. */
SL_MUST_CHECK enum sl_err access_enter(struct access *a, struct accounts *accounts, struct vhost *v,
                                       uint64_t *max);
void access_leave(struct access *a);

/* As it is now; NULL: nothing is allowed. */
const struct grant *access_grant(struct access *a, struct accounts *accounts);

/* Another channel.  False: the user has no more; *max is how many. */
SL_MUST_CHECK bool access_open_channel(struct access *a, uint64_t *max);
void access_close_channel(struct access *a);

#endif
