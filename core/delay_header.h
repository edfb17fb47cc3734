/*
 * delay_header.h - the header x-delay: how long a message is to wait, and that it has waited.
 *
 * Every integer counts, a string of digits, and what stands before the point of a fraction; from
 * 1 to 2^32 - 1, in ms.  What is more is too long; anything else is no delay.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_DELAY_HEADER_H
#define SLUICE_CORE_DELAY_HEADER_H

#include "core/base/bytes.h"

#include <stddef.h>

#define DELAY_MS_MAX UINT32_MAX
#define DELAY_TOO_LONG UINT64_MAX

/* headers: a whole table, or {NULL, 0}.  0: it is not to wait; DELAY_TOO_LONG. */
uint64_t delay_of_headers(struct sl_bytes headers);
uint64_t delay_of_properties(struct sl_bytes properties);

/* Room for the properties of a message that has waited. */
size_t delay_ended_room(struct sl_bytes properties);
/* The same properties, with the delay negative: whoever gets them knows, and nobody delays them
 * again. */
struct sl_bytes delay_ended(struct sl_bytes properties, uint8_t *room);

#endif
