#include "core/rules.h"

void rules_read(struct queue_rules *r, struct sl_bytes arguments)
{
    (void)arguments;
    *r = (struct queue_rules){.ttl_ms = RULES_NONE,
                              .expires_ms = RULES_NONE,
                              .max_length = RULES_NONE,
                              .max_bytes = RULES_NONE,
                              .delivery_limit = RULES_NONE};
}
