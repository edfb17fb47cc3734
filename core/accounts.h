/*
 * accounts.h - who there is, and what they may do: users, their grants and limits.
 *
 * It belongs to the topology (virtual hosts are there) and lives under its lock, so that a change
 * and the record of it are at one place of the order.  What a session may do it keeps itself, until
 * the epoch says that something has changed (permission.h).
 *
 * In the beginning there is guest, who may do everything in "/" and comes from this machine only;
 * the first start writes it into the log, and from then on the log says who there is.
 *
 * Thread: any.  Users and grants change under topology_lock and a leaf lock of their own, and are
 * read under either; everything else is under topology_lock, but for accounts_epoch.
 */
#ifndef SLUICE_CORE_ACCOUNTS_H
#define SLUICE_CORE_ACCOUNTS_H

#include "core/account_change.h"
#include "core/topology.h"

struct accounts {
    struct topology *topology;
    pthread_mutex_t lock;   /* behind the topology's; for who only reads users and grants */
    struct hash_map users;  /* of struct user, by name */
    _Atomic uint64_t epoch; /* never 0 */
    bool is_begun;          /* the log knows the users */
};

/* Makes them known to the topology, which must outlive them.  NULL: no memory. */
struct accounts *accounts_new(struct topology *t);
void accounts_free(struct accounts *a);

static inline uint64_t accounts_epoch(const struct accounts *a) /* any thread, no lock */
{
    return atomic_load_explicit(&a->epoch, memory_order_acquire);
}

void accounts_lock(struct accounts *a);
void accounts_unlock(struct accounts *a);

struct user *accounts_user(const struct accounts *a, struct sl_bytes name); /* NULL: none */

/* Is the change one that can be made?  SL_ENOENT: of what does not exist; SL_EPRECOND: with a value
 * that cannot be.  The reason is fit for people.  *is_new: it makes what was not there. */
SL_MUST_CHECK enum sl_err accounts_check(struct accounts *a, const struct account_change *c,
                                         bool *is_new, struct text *reason);
/* Makes it.  A pattern that does not compile: SL_EPRECOND, and nothing has changed.  SL_ENOMEM.
 * The queues of a deleted virtual host are the caller's to remove. */
SL_MUST_CHECK enum sl_err accounts_apply(struct accounts *a, const struct account_change *c,
                                         struct text *reason);

/* What the records of the log would say of everything; in a checkpoint before all else. */
void accounts_describe(struct accounts *a, struct log_run *run);

#endif
