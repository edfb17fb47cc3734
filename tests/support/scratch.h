/* Names for the files of a test, where the system keeps what is temporary. */
#ifndef SL_TEST_SCRATCH_H
#define SL_TEST_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

#define SCRATCH_BYTES 128

/* Writes what mkstemp and mkdtemp want, below $TMPDIR, or /tmp where that is not set or too long. */
static inline char *scratch_name(char path[SCRATCH_BYTES], const char *of)
{
    const char *place = getenv("TMPDIR");
    int len = place == NULL || *place == '\0'
                  ? -1
                  : snprintf(path, SCRATCH_BYTES, "%s/sluice-%s-XXXXXX", place, of);

    if (len < 0 || len >= SCRATCH_BYTES)
        snprintf(path, SCRATCH_BYTES, "/tmp/sluice-%s-XXXXXX", of);
    return path;
}

#endif
