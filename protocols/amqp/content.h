/*
 * content.h - method, header, bodies: a content that arrives frame by frame.
 *
 * The usual small one arrives whole and takes the short way in publish_whole.c.  What arrives in
 * parts is bounded: see arrival.h.  A connection whose only large content finds no room waits in
 * front of its header; one that has room for others already is refused another, and a connection
 * that begins what it does not go on with is closed.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_CONTENT_H
#define SLUICE_PROTOCOLS_AMQP_CONTENT_H

#include "protocols/amqp/channel.h"

/* Is this frame a header that has to wait until there is room for its body? */
bool amqp_content_is_held(struct amqp_channel *ch, const struct amqp_frame *frame);
void amqp_content_on_header(struct amqp_channel *ch, struct sl_bytes payload);
void amqp_content_on_body(struct amqp_channel *ch, struct sl_bytes payload);
/* A method came where a content frame had to. */
void amqp_content_on_method(struct amqp_channel *ch);
/* Forgets what has arrived. */
void amqp_content_drop(struct amqp_channel *ch);

/* The connection is read again after a time when it was not. */
void amqp_content_excuse(struct amqp_connection *c);
/* At a deadline: fails the connection if a content does not go on. */
void amqp_content_check_pace(struct amqp_connection *c);

#endif
