/*
 * user.h - somebody who may come in: what is kept of the password, tags, limits, grants.
 *
 * Thread: under topology_lock, but for what is said otherwise.  Counted, so that a session can keep
 * its user also when that one is deleted.
 */
#ifndef SLUICE_CORE_USER_H
#define SLUICE_CORE_USER_H

#include "core/base/hash_map.h"
#include "core/grant.h"
#include "core/password.h"

#define SL_CLUSTER_ID_BYTES_MAX 64u
#define USER_PROOF_BYTES 32u

enum account_limit { /* values are on disk; of a user, of a virtual host, or of both */
                     LIMIT_CONNECTIONS = 0,
                     LIMIT_CHANNELS = 1,      /* of a user, on all its connections */
                     LIMIT_QUEUES = 2,        /* of a virtual host */
                     LIMIT_MESSAGE_BYTES = 3, /* largest body that a user may publish */
                     LIMIT_MESSAGE_RATE = 4,  /* messages per second that a user publishes */
                     LIMIT_BYTE_RATE = 5,     /* bytes of bodies per second */
                     ACCOUNT_LIMITS,
};
#define LIMIT_NONE UINT64_MAX

struct user {
    _Atomic uint32_t refs;
    struct sl_bytes name;
    /* any thread */
    _Atomic uint32_t connections; /* open, in all virtual hosts */
    _Atomic uint32_t channels;
    _Atomic uint64_t limits[ACCOUNT_LIMITS];
    atomic_bool may_impersonate;       /* it has that tag */
    atomic_bool is_gone;               /* deleted: its sessions are being closed */
    _Atomic uint64_t paid_until_us[2]; /* pace.h: of messages, of bytes */
    /* under the lock */
    struct password_hash password;
    struct sl_bytes tags; /* owned; with commas between them */
    char cluster_id[SL_CLUSTER_ID_BYTES_MAX + 1];
    struct hash_map grants; /* of struct grant, by virtual host */
    bool is_proven;         /* a password was verified; it is known again by this keyed hash */
    uint8_t proof[USER_PROOF_BYTES];
};

/* One reference. */
struct user *user_new(struct sl_bytes name);
struct user *user_ref(struct user *u);
void user_unref(struct user *u); /* any thread; NULL is none */

struct grant *user_grant(const struct user *u, struct sl_bytes vhost); /* NULL: none */
/* Takes the grant's reference; one that says nothing at all is dropped.  SL_ENOMEM: there is none
 * then. */
SL_MUST_CHECK enum sl_err user_set_grant(struct user *u, struct grant *g);
void user_drop_grant(struct user *u, struct sl_bytes vhost);

void user_set_tags(struct user *u, struct sl_bytes tags);
bool user_has_tag(const struct user *u, const char *tag);

#endif
