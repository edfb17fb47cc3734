/*
 * show.h - bytes as a transcript would write them, for a reader of a failure.
 */
#ifndef SLUICE_TESTS_TRANSCRIPT_SHOW_H
#define SLUICE_TESTS_TRANSCRIPT_SHOW_H

#include "core/base/bytes.h"

#include <stdio.h>

/* Each line begins with prefix.  What cannot be read as frames is shown as octets. */
void show_amqp(FILE *to, const char *prefix, struct sl_bytes bytes);
void show_stomp(FILE *to, const char *prefix, struct sl_bytes bytes);

#endif
