/*
 * send.h - SEND: from a frame to a message on its way.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_SEND_H
#define SLUICE_PROTOCOLS_STOMP_SEND_H

#include "core/base/text.h"
#include "protocols/stomp/declared.h"
#include "protocols/stomp/destination.h"
#include "protocols/stomp/publication.h"
#include "protocols/stomp/repeat.h"

struct stomp_frame;
struct stomp_session;

struct stomp_send { /* made at a session's first SEND */
    struct stomp_declared declared;
    struct stomp_repeat repeat;
    struct stomp_publication publication;
};

/* Handler; false: the frame stays unread for now. */
bool stomp_on_send(struct stomp_session *s, const struct stomp_frame *f);

/* The short road: a whole SEND like the one before it.  False: nothing was read, the frame has
 * to go the long road. */
bool stomp_send_again(struct stomp_session *s, struct sl_reader *in);

/* The frame's destination; false: there is none to be used, which was answered. */
bool stomp_destination_of(struct stomp_session *s, const struct stomp_frame *f,
                          struct stomp_destination *d);

/* ERROR for an exchange that is not there or not to be published to; closes. */
void stomp_fail_no_route(struct stomp_session *s, struct sl_bytes receipt, enum sl_err err,
                         struct sl_bytes exchange);

/* The words of that. */
void stomp_route_reason(const struct stomp_session *s, enum sl_err err, struct sl_bytes exchange,
                        struct text *to);

void stomp_send_remember(struct stomp_session *s, struct sl_bytes queue);
void stomp_send_forget(struct stomp_session *s, struct sl_bytes queue);
void stomp_send_free(struct stomp_session *s);

#endif
