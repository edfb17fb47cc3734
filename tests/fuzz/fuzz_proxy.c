/*
 * Target: the header by which a proxy says for whom it connects.
 *
 * Properties: a verdict does not depend on how the bytes are cut into reads.  Before a whole header
 * more is asked for, what follows one changes nothing, and what is none never becomes one.
 */
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "gateway/proxy_protocol.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static enum sl_err parse(struct sl_bytes in, struct proxy_header *out);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct proxy_header whole;
    enum sl_err verdict = SL_EAGAIN;

    for (size_t n = 0; n <= len && n <= SL_PROXY_HEADER_BYTES_MAX + 1; n++) {
        struct proxy_header h;
        enum sl_err err = parse((struct sl_bytes){data, n}, &h);
        SL_ASSERT(err == SL_OK || err == SL_EAGAIN || err == SL_EPROTO);
        if (verdict != SL_EAGAIN)
            SL_ASSERT(err == verdict);
        else if (err == SL_OK) {
            SL_ASSERT(h.len == n);
            whole = h;
        }
        if (err == SL_OK)
            SL_ASSERT(h.len == whole.len && h.is_local == whole.is_local &&
                      memcmp(&h.source, &whole.source, sizeof h.source) == 0);
        verdict = err;
    }
    SL_ASSERT(verdict != SL_EAGAIN || len <= SL_PROXY_HEADER_BYTES_MAX);
    return 0;
}

/* In a block of its own size, so that a read past its end is seen. */
static enum sl_err parse(struct sl_bytes in, struct proxy_header *out)
{
    uint8_t *room = malloc(in.len + 1);

    SL_ASSERT(room != NULL);
    if (in.len != 0)
        memcpy(room + 1, in.at, in.len);
    enum sl_err err = proxy_protocol_parse((struct sl_bytes){room + 1, in.len}, out);
    free(room);
    return err;
}
