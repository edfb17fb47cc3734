#include "core/base/bytes.h"

#include "core/base/assert.h"

#include <stdlib.h>

struct sl_bytes sl_bytes_copy(struct sl_bytes a)
{
    if (a.len == 0)
        return (struct sl_bytes){NULL, 0};
    uint8_t *at = malloc(a.len);
    SL_ASSERT(at != NULL);
    memcpy(at, a.at, a.len);
    return (struct sl_bytes){at, a.len};
}

void sl_bytes_free(struct sl_bytes a)
{
    free((void *)(uintptr_t)a.at);
}
