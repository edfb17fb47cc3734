/*
 * prepared_form.h - the headers of prepared messages: read, kept, taken off again.
 *
 * While it waits a message has one header more, prepared-user, which says whose it is.  A check
 * has all that it was prepared with and says what is asked; what is committed has none of it.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_PREPARED_FORM_H
#define SLUICE_CORE_PREPARED_FORM_H

#include "core/base/text.h"
#include "core/message.h"
#include "core/outcomes.h"

#define PREPARED_EXCHANGE "amq.prepared" /* takes outcomes */
#define PREPARED_QUEUE "amq.prepared"    /* holds what waits; nobody but the broker sees it */
#define PREPARED_CHECK_QUEUE "prepared.check"
#define PREPARED_EXPIRED_QUEUE "prepared.expired"

struct prepared_form { /* borrowed from the properties */
    struct sl_bytes id;
    struct sl_bytes user;
    struct sl_bytes check; /* destination of checks; empty: the default one */
    bool has_timeout;
    uint64_t timeout_ms;
};

/* What a publisher asked for.  SL_EPRECOND, with the reason. */
SL_MUST_CHECK enum sl_err prepared_form_read(struct sl_bytes properties, struct prepared_form *out,
                                             struct text *why);

struct outcome_form {
    enum verdict verdict;
    struct sl_bytes user; /* whose message is meant; at is NULL: the publisher's own */
};
SL_MUST_CHECK enum sl_err outcome_form_read(struct sl_bytes properties, struct outcome_form *out,
                                            struct text *why);

/* What the outcome is known by; ids are a user's own. */
void prepared_key(struct sl_bytes user, struct sl_bytes id, uint8_t key[OUTCOME_KEY_BYTES]);

/* Where a destination as x-prepare-check says it leads; SL_ESYNTAX: it is none. */
SL_MUST_CHECK enum sl_err prepared_destination(struct sl_bytes text, struct sl_bytes *exchange,
                                               struct sl_bytes *key);

/* The message as it waits: with prepared-user.  NULL: no memory. */
struct message *prepared_stored(const struct message *msg, struct sl_bytes user);
/* The message as it was before it was prepared, without what was asked for. */
struct message *prepared_committed(const struct message *stored);
/* A check, for that exchange and key; number of the check.  It is persistent and never expires. */
struct message *prepared_check(const struct message *stored, struct sl_bytes exchange,
                               struct sl_bytes key, uint32_t number);

#endif
