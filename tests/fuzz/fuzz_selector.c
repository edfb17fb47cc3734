/*
 * fuzz_selector.c - selectors, and messages that they look at.
 *
 * Up to the first NUL the input is a selector, behind it a message's properties.  It is read or
 * refused with a reason; what was read gives the same for the same message.
 */
#include "core/selector.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sl_bytes properties_of(struct sl_bytes in)
{
    const char *why;

    return in.len >= 2 && properties_check(in, &why) == SL_OK ? in : properties_none;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, 0, size);
    size_t len = end == NULL ? size : (size_t)(end - data);
    struct sl_bytes flat = properties_of(sl_bytes_skip((struct sl_bytes){data, size}, len + 1));
    struct sl_bytes table = {NULL, 0};
    struct selector_message message;
    struct selector *selector;
    char room[256] = "";
    struct text reason = text_on(room, sizeof room);

    if (selector_parse((struct sl_bytes){data, len}, &selector, &reason) != SL_OK) {
        if (reason.len == 0)
            abort();
        return 0;
    }
    properties_headers(flat, &table);
    struct header_set headers = header_set_of(table);
    properties_decode(flat, &message.properties);
    message.headers = &headers;
    if (header_set_sort(&headers) != SL_OK ||
        selector_takes(selector, &message) != selector_takes(selector, &message))
        abort();
    header_set_deinit(&headers);
    selector_free(selector);
    return 0;
}
