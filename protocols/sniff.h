/*
 * sniff.h - which front end do these first bytes speak?  Every listener asks it.
 */
#ifndef SLUICE_PROTOCOLS_SNIFF_H
#define SLUICE_PROTOCOLS_SNIFF_H

#include "protocols/protocol.h"

/* SNIFF_YES: *protocol is set.  SNIFF_MORE: not enough bytes yet.  SNIFF_NO: none of ours; the
 * listener's own protocol then answers in its words. */
enum sniff sniff_protocol(struct sl_bytes first, const struct protocol **protocol);

#endif
