/*
 * address_list.h - addresses and prefixes of addresses that a setting lists.
 *
 * Thread: any, once parsed.
 */
#ifndef SLUICE_GATEWAY_ADDRESS_LIST_H
#define SLUICE_GATEWAY_ADDRESS_LIST_H

#include "core/base/text.h"
#include "gateway/address.h"

#define ADDRESS_LIST_MAX 64

struct address_prefix {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint32_t bits;
};

struct address_list {
    uint32_t count;
    struct address_prefix each[ADDRESS_LIST_MAX];
};

/* "10.1.0.0/16, ::1": separated by commas.  SL_ESYNTAX with why. */
SL_MUST_CHECK enum sl_err address_list_parse(const char *text, struct address_list *out,
                                             struct text *why);
bool address_list_has(const struct address_list *list, const struct address *a);

#endif
