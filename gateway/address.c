#include "gateway/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static bool ipv4_of(const struct address *a, struct in_addr *ip, uint16_t *port);
static bool is_bracketed(const char *host, size_t len);

enum sl_err address_parse(const char *host, uint16_t port, struct address *out)
{
    char bare[INET6_ADDRSTRLEN];
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    size_t len = strlen(host);

    if (is_bracketed(host, len)) {
        host++;
        len -= 2;
    }
    if (len >= sizeof bare)
        return SL_ESYNTAX;
    memcpy(bare, host, len);
    bare[len] = '\0';

    *out = (struct address){.len = 0};
    if (inet_pton(AF_INET, bare, &v4.sin_addr) == 1) {
        memcpy(&out->at, &v4, sizeof v4);
        out->len = sizeof v4;
        return SL_OK;
    }
    if (inet_pton(AF_INET6, bare, &v6.sin6_addr) == 1) {
        memcpy(&out->at, &v6, sizeof v6);
        out->len = sizeof v6;
        return SL_OK;
    }
    return SL_ESYNTAX;
}

void address_format(const struct address *a, char *into, size_t room)
{
    char host[INET6_ADDRSTRLEN] = "?";
    struct in_addr ip;
    uint16_t port;

    if (ipv4_of(a, &ip, &port)) {
        inet_ntop(AF_INET, &ip, host, sizeof host);
        snprintf(into, room, "%s:%u", host, port);
    } else if (a->at.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, &a->at, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
        snprintf(into, room, "[%s]:%u", host, ntohs(v6.sin6_port));
    } else
        snprintf(into, room, "local");
}

bool address_is_loopback(const struct address *a)
{
    struct in_addr ip;
    uint16_t port;

    if (ipv4_of(a, &ip, &port))
        return ntohl(ip.s_addr) >> 24 == 127;
    if (a->at.ss_family != AF_INET6)
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, &a->at, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

/* Also finds the IPv4 address that an IPv6 socket shows as ::ffff:a.b.c.d. */
static bool ipv4_of(const struct address *a, struct in_addr *ip, uint16_t *port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (a->at.ss_family == AF_INET) {
        memcpy(&v4, &a->at, sizeof v4);
        *ip = v4.sin_addr;
        *port = ntohs(v4.sin_port);
        return true;
    }
    memcpy(&v6, &a->at, sizeof v6);
    if (a->at.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
        return false;
    memcpy(ip, &v6.sin6_addr.s6_addr[12], sizeof *ip);
    *port = ntohs(v6.sin6_port);
    return true;
}

static bool is_bracketed(const char *host, size_t len)
{
    return len >= 2 && host[0] == '[' && host[len - 1] == ']';
}
