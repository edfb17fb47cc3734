#include "core/base/bytes.h"

#include "core/base/assert.h"

#include <stdlib.h>

bool sl_bytes_are_among(struct sl_bytes a, const char *words)
{
    for (const char *at = words; *at != '\0' && at[1] != '\0';) {
        const char *end = strchr(at + 1, '|');
        if (sl_bytes_equal(a, (struct sl_bytes){(const uint8_t *)at + 1, (size_t)(end - at - 1)}))
            return true;
        at = end;
    }
    return false;
}

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
