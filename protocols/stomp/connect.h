/*
 * connect.h - CONNECT (or STOMP): version, virtual host, login, heart-beats.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_CONNECT_H
#define SLUICE_PROTOCOLS_STOMP_CONNECT_H

#include <stdbool.h>

struct stomp_frame;
struct stomp_session;

/* Handler.  A refusal leaves the connection as it was: the client may try again until the
 * login timeout. */
bool stomp_on_connect(struct stomp_session *s, const struct stomp_frame *f);

/* The login that CONNECT waits for is known. */
struct answer;
void stomp_connect_on_answer(struct stomp_session *s, const struct answer *a);

#endif
