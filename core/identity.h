/*
 * identity.h - who may come in.
 *
 * A password that was verified is known again by a keyed hash, as long as the user keeps it: that
 * login is answered at once.  Everything else that costs time, and every refusal, is done by
 * whoever calls identity_run, and comes to the session as the answer to its ticket.  A user who does
 * not exist takes as long as a wrong password.
 *
 *   session's worker   identity_login            a verdict, or IDENTITY_WAIT
 *   some thread        identity_run              verifies
 *   session's worker   identity_on_answer        the verdict
 *
 * While nobody runs it (identity_serve), which tests do not, all is done at once.
 *
 * Thread: as said; identity_serve before the first turn.
 */
#ifndef SLUICE_CORE_IDENTITY_H
#define SLUICE_CORE_IDENTITY_H

#include "core/broker.h"

struct accounts;

enum identity_verdict {
    IDENTITY_OK, /* client.user is set, and with it what it may do */
    IDENTITY_BAD_CREDENTIALS,
    IDENTITY_NOT_LOOPBACK,
    IDENTITY_WAIT,
};

struct login {
    struct sl_bytes user;
    struct sl_bytes password;
    bool is_vouched_for;        /* by a certificate, or by the settings: there is no password */
    bool is_loopback;           /* comes from this machine */
    const char *loopback_users; /* who must, with commas between them */
    const char *peer;           /* address and port */
};

struct identity *identity_new(struct accounts *a, const struct sl_clock *clock,
                              struct mailbox **session_inboxes); /* NULL: no memory */
void identity_free(struct identity *id);

SL_MUST_CHECK enum identity_verdict identity_login(struct client *c, uint64_t ticket,
                                                   const struct login *l);
/* The answer to the ticket of a login that waited. */
SL_MUST_CHECK enum identity_verdict identity_on_answer(struct client *c, const struct answer *a);

/* The session ends, and its login still waits: nobody has to look at it any more. */
void identity_forget(const struct client *c);

/* wake: whoever calls identity_run has something to do.  Any thread. */
void identity_serve(struct identity *id, void (*wake)(void *context), void *context);
/* Verifies one.  In how many ms there is another to be looked at; UINT64_MAX: none. */
uint64_t identity_run(struct identity *id);
/* The passwords that wait are wiped; their sessions hear nothing. */
void identity_stop(struct identity *id);

#endif
