/*
 * address.h - socket addresses: read from a setting, said in a log line.
 */
#ifndef SLUICE_GATEWAY_ADDRESS_H
#define SLUICE_GATEWAY_ADDRESS_H

#include "core/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage at;
    socklen_t len;
};

/* host is a numeric IPv4 or IPv6 address, with or without brackets.  SL_ESYNTAX otherwise. */
SL_MUST_CHECK enum sl_err address_parse(const char *host, uint16_t port, struct address *out);

/* Writes "127.0.0.1:5672" or "[::1]:5672"; an IPv4 address that came through an IPv6 socket
 * is written as IPv4.  What does not fit is cut. */
void address_format(const struct address *a, char *into, size_t room);

/* Is it this machine talking to itself: 127/8, ::1, ::ffff:127/8? */
bool address_is_loopback(const struct address *a);

#endif
