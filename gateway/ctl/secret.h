/*
 * secret.h - what is not to be seen by who looks at the processes, or at files of others.
 */
#ifndef SLUICE_GATEWAY_CTL_SECRET_H
#define SLUICE_GATEWAY_CTL_SECRET_H

#include <jansson.h>

/* A line of standard input, without its end; a terminal does not show it.  The caller frees it, NULL:
 * there is none. */
char *secret_read(const char *prompt);

/* Into a file that, where it is new, only its owner opens.  0, or -1 with errno. */
int secret_write_json(const char *path, const json_t *value);

#endif
