/*
 * heartbeat.h - the timers of a connection: login, a sign of life from us, one from the peer.
 *
 * Both directions are agreed in milliseconds, at what the client asked for.  We send when three
 * quarters of the interval have passed in silence, and give the peer up after twice its own
 * and a little: networks are late now and then.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_HEARTBEAT_H
#define SLUICE_PROTOCOLS_STOMP_HEARTBEAT_H

#include "core/base/bytes.h"

#define STOMP_HEARTBEAT_MS_MIN 10u /* shorter ones are answered with this: it is a timer's pace */
#define STOMP_HEARTBEAT_GRACE_MS 100u

struct stomp_session;

struct stomp_heartbeat {
    uint32_t send_ms;    /* we send at least this often; 0: no duty */
    uint32_t receive_ms; /* the peer does; 0: no duty */
    uint64_t since_ms;   /* the peer's silence counts from here at the earliest */
};

/* "cx,cy" of CONNECT; an empty value is 0,0.  False: not two numbers. */
bool stomp_heartbeat_parse(struct sl_bytes value, struct stomp_heartbeat *out);

/* Sets the session's next deadline. */
void stomp_heartbeat_schedule(struct stomp_session *s);

/* The deadline came: acts, and sets the next one. */
void stomp_heartbeat_on_deadline(struct stomp_session *s);

#endif
