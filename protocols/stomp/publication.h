/*
 * publication.h - the message of a SEND while its body comes in.
 *
 * With content-length the bytes go straight into the message.  Without, its size is known only
 * at the NUL: a body that is not whole in one read is gathered first.  A large body takes room
 * (arrival.h) before it begins, or before what is gathered becomes large.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_PUBLICATION_H
#define SLUICE_PROTOCOLS_STOMP_PUBLICATION_H

#include "core/arrival.h"
#include "core/base/buffer.h"

struct route;
struct stomp_frame;
struct stomp_session;
struct stomp_transaction;

struct stomp_publication {  /* zeroed: none is open */
    struct arrival arrival; /* body not counted: route and properties only */
    struct sl_buffer gathered;
    struct sl_bytes receipt; /* owned; at is NULL when none was asked for */
    struct stomp_transaction *transaction;
};

/* Takes room for the body that f announces, if it needs any; stomp_publication_drop gives it back.
 * False: there is none, the frame has to wait. */
bool stomp_publication_take_room(struct stomp_session *s, const struct stomp_frame *f);
/* The same for n more bytes of the open body; is_end: they are the last ones. */
bool stomp_publication_has_room(struct stomp_session *s, size_t n, bool is_end);

/* Takes msg.  The body's bytes follow by stomp_publication_add. */
void stomp_publication_start(struct stomp_session *s, struct message *msg, struct sl_bytes receipt,
                             struct stomp_transaction *transaction);

/* The next part of the body. */
void stomp_publication_add(struct stomp_session *s, struct sl_bytes part);

/* The body is complete: the message goes on its way, and its receipt is owed. */
void stomp_publication_end(struct stomp_session *s);

/* Publishes msg, which it takes, and owes its receipt; a full queue's refusal is an ERROR. */
void stomp_publish(struct stomp_session *s, const struct route *route, struct message *msg,
                   struct sl_bytes receipt);

void stomp_publication_drop(struct stomp_publication *p);

/* At a deadline: false when the body does not go on. */
bool stomp_publication_keeps_pace(struct stomp_session *s);

#endif
