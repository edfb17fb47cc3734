#include "core/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void sl_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "sluice: assertion failed: %s (%s:%d)\n", expression, file, line);
    abort();
}
