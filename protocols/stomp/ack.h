/*
 * ack.h - ACK and NACK.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_ACK_H
#define SLUICE_PROTOCOLS_STOMP_ACK_H

#include <stdbool.h>

struct stomp_frame;
struct stomp_session;

/* Handlers. */
bool stomp_on_ack(struct stomp_session *s, const struct stomp_frame *f);
bool stomp_on_nack(struct stomp_session *s, const struct stomp_frame *f);

#endif
