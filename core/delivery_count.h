/*
 * delivery_count.h - the header x-delivery-count: how often a message came back before.
 *
 * It is not the message's, but a delivery's: it is written as the delivery is encoded, and one that
 * a publisher wrote is replaced.  A first delivery says nothing.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_DELIVERY_COUNT_H
#define SLUICE_CORE_DELIVERY_COUNT_H

#include "core/base/bytes.h"

#include <stdint.h>

#define DELIVERY_COUNT_HEADER "x-delivery-count"
#define DELIVERY_COUNT_BYTES 32u /* what it adds to properties at most */

/* Writes the properties, which are checked ones, with the count among their headers; w has room for
 * DELIVERY_COUNT_BYTES more than they take. */
void delivery_count_write(struct sl_bytes properties, uint32_t returns, struct sl_writer *w);

#endif
