#include "gateway/address_list.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IPV4_PREFIX_BITS 96u /* of ::ffff:0:0 */

static bool parse_one(const char *at, size_t len, struct address_prefix *out);
static bool bytes_of(const struct address *a, uint8_t out[16]);
static bool begins_with(const uint8_t bytes[16], const struct address_prefix *prefix);

enum sl_err address_list_parse(const char *text, struct address_list *out, struct text *why)
{
    *out = (struct address_list){.count = 0};
    for (const char *at = text + strspn(text, ", "); *at != '\0'; at += strspn(at, ", ")) {
        size_t len = strcspn(at, ", ");

        if (out->count == ADDRESS_LIST_MAX || !parse_one(at, len, &out->each[out->count])) {
            text_add(why, "'%.*s' is no address or prefix like 10.1.0.0/16, or one of more than %u",
                     (int)len, at, ADDRESS_LIST_MAX);
            return SL_ESYNTAX;
        }
        out->count++;
        at += len;
    }
    return SL_OK;
}

bool address_list_has(const struct address_list *list, const struct address *a)
{
    uint8_t bytes[16];

    if (!bytes_of(a, bytes))
        return false;
    for (uint32_t i = 0; i < list->count; i++)
        if (begins_with(bytes, &list->each[i]))
            return true;
    return false;
}

static bool parse_one(const char *at, size_t len, struct address_prefix *out)
{
    char host[64];
    struct address address;
    char *slash;

    if (len >= sizeof host)
        return false;
    memcpy(host, at, len);
    host[len] = '\0';
    slash = strchr(host, '/');
    if (slash != NULL)
        *slash = '\0';
    if (address_parse(host, 0, &address) != SL_OK || !bytes_of(&address, out->bytes))
        return false;
    uint32_t before = address.at.ss_family == AF_INET ? IPV4_PREFIX_BITS : 0;
    out->bits = 128;
    if (slash == NULL)
        return true;
    char *end;
    unsigned long bits = strtoul(slash + 1, &end, 10);
    out->bits = before + (uint32_t)bits;
    return slash[1] >= '0' && slash[1] <= '9' && *end == '\0' && bits <= 128 - before;
}

static bool bytes_of(const struct address *a, uint8_t out[16])
{
    static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (a->at.ss_family == AF_INET6) {
        memcpy(&v6, &a->at, sizeof v6);
        memcpy(out, &v6.sin6_addr, 16);
        return true;
    }
    if (a->at.ss_family != AF_INET)
        return false;
    memcpy(&v4, &a->at, sizeof v4);
    memcpy(out, MAPPED, sizeof MAPPED);
    memcpy(out + sizeof MAPPED, &v4.sin_addr, 4);
    return true;
}

static bool begins_with(const uint8_t bytes[16], const struct address_prefix *prefix)
{
    uint32_t whole = prefix->bits / 8;
    uint32_t rest = prefix->bits % 8;
    uint8_t mask = (uint8_t)(0xff00u >> rest);

    return memcmp(bytes, prefix->bytes, whole) == 0 &&
           (rest == 0 || ((bytes[whole] ^ prefix->bytes[whole]) & mask) == 0);
}
