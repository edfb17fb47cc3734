/*
 * strangers.h - connections that have not said who they are: how many there may be, in all and
 * from one address, so that nobody who only connects keeps the others out.
 *
 * Addresses are counted by a hash with a secret seed, those of an IPv6 /64 as one.  Two that fall
 * together share what one may have; there is no list that somebody could make grow.
 *
 * Thread: the worker.
 */
#ifndef SLUICE_GATEWAY_STRANGERS_H
#define SLUICE_GATEWAY_STRANGERS_H

#include "gateway/address.h"

#define STRANGERS_PLACES 1024u
#define STRANGERS_NOWHERE UINT32_MAX /* counted under no address */

struct strangers {
    uint32_t max;         /* 0: no limit; these two are one worker's share */
    uint32_t address_max; /* the same for one address */
    uint64_t seed;
    uint32_t count;
    uint32_t by_address[STRANGERS_PLACES];
};

void strangers_init(struct strangers *s, uint32_t max, uint32_t address_max);

/* NULL: from an address that is not the client's own.  Gives the place to leave, or false: too
 * many are there. */
bool strangers_enter(struct strangers *s, const struct address *peer, uint32_t *place);
/* It said who it is, or is gone. */
void strangers_leave(struct strangers *s, uint32_t place);

#endif
