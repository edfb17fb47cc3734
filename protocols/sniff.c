#include "protocols/sniff.h"

enum sniff sniff_protocol(struct sl_bytes first, const struct protocol **protocol)
{
    static const struct protocol *const PROTOCOLS[] = {&amqp_protocol, &stomp_protocol};
    enum sniff result = SNIFF_NO;

    for (size_t i = 0; i < sizeof PROTOCOLS / sizeof PROTOCOLS[0]; i++) {
        enum sniff one = PROTOCOLS[i]->sniff(first);
        if (one == SNIFF_YES) {
            *protocol = PROTOCOLS[i];
            return SNIFF_YES;
        }
        if (one == SNIFF_MORE)
            result = SNIFF_MORE;
    }
    return result;
}
