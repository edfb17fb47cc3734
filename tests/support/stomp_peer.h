/*
 * stomp_peer.h - a STOMP client for unit tests, over the harness.
 *
 * Frames are written with '@' for NUL, and the session's name, which changes, reads SESSION.
 */
#ifndef SLUICE_TESTS_SUPPORT_STOMP_PEER_H
#define SLUICE_TESTS_SUPPORT_STOMP_PEER_H

#include "tests/support/harness.h"

#define STOMP_BUDGET (64u * 1024 * 1024)

/* With frames that end in a line feed, and rejects that put back. */
void stomp_begin(struct harness *h);
/* Another peer, as 1.2. */
struct peer_end *stomp_log_in(struct harness *h);

void stomp_say(struct peer_end *p, const char *text);
/* Subscribes as 1 to /queue/q, and sends so many messages there; what it hears is forgotten. */
void stomp_fill(struct peer_end *p, const char *ack, unsigned count);
/* Acknowledges (or not) the message with that number of the subscription `id`. */
void stomp_answer(struct peer_end *p, const char *command, const char *id, unsigned tag,
                  const char *more);

/* What has come since the last look; until the next one. */
const char *stomp_heard(struct peer_end *p);
void stomp_expect(struct peer_end *p, const char *expected);
void stomp_expect_error(struct peer_end *p, const char *message);

#endif
