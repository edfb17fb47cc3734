/*
 * heartbeat.h - what an AMQP connection does when its time comes: give up a login or a close
 * that takes too long, say that we are there, notice that the peer is not.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_HEARTBEAT_H
#define SLUICE_PROTOCOLS_AMQP_HEARTBEAT_H

#include "protocols/amqp/connection.h"

/* Sets the session's next deadline; the connection is open, so that is what it is for. */
void amqp_heartbeat_arm(struct amqp_connection *c);
void amqp_heartbeat_on_deadline(struct amqp_connection *c);

#endif
