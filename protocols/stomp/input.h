/*
 * input.h - what a STOMP connection reads: frames, each to its handler, and bodies in parts.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_INPUT_H
#define SLUICE_PROTOCOLS_STOMP_INPUT_H

#include "protocols/stomp/session.h"

/* For session.c: takes a frame, or the next part of a body, off the front of in.  False: there is
 * nothing to be read for now. */
bool stomp_read_some(struct stomp_session *s, struct sl_reader *in);

/* Starts to read the body of f, which may be kept or skipped.  False: its announced length
 * cannot be; that was answered and the connection ends. */
bool stomp_body_start(struct stomp_session *s, const struct stomp_frame *f, bool is_kept);

#endif
