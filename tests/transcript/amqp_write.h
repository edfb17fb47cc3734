/*
 * amqp_write.h - one line of an AMQP transcript to bytes.
 *
 *   protocol 0 0 9 1                            the protocol header
 *   1 queue.declare queue="q" durable           a method on channel 1; what is not named is 0 or
 *                                               empty
 *   1 header size=5 content-type="text/plain"   a content header; class=60 and weight=0 as well
 *   1 body "hello"                              a content body
 *   0 heartbeat
 *   hex 01 00 01 "text" 00*12                   anything else; 00*12 is twelve zeros
 *
 * Tables: {name=S"text" other=l:5 inner=F{a=t:1} list=A[S"x" I:-1] nothing=V}, with the type
 * letters of RabbitMQ's dialect.  Text is as in pattern.h, between quotes.
 */
#ifndef SLUICE_TESTS_TRANSCRIPT_AMQP_WRITE_H
#define SLUICE_TESTS_TRANSCRIPT_AMQP_WRITE_H

#include "tests/transcript/pattern.h"

void amqp_line_write(struct byte_pattern *to, const char *line);

#endif
