#include "gateway/strangers.h"

#include "core/base/random.h"

#include <netinet/in.h>
#include <string.h>
#include <xxhash.h>

static uint32_t place_of(const struct strangers *s, const struct address *a);

void strangers_init(struct strangers *s, uint32_t max, uint32_t address_max)
{
    *s = (struct strangers){.max = max, .address_max = address_max, .seed = sl_random_u64()};
}

bool strangers_enter(struct strangers *s, const struct address *peer, uint32_t *place)
{
    *place = peer == NULL || s->address_max == 0 ? STRANGERS_NOWHERE : place_of(s, peer);
    if (s->max != 0 && s->count >= s->max)
        return false;
    if (*place != STRANGERS_NOWHERE && s->by_address[*place] >= s->address_max)
        return false;
    if (*place != STRANGERS_NOWHERE)
        s->by_address[*place]++;
    s->count++;
    return true;
}

void strangers_leave(struct strangers *s, uint32_t place)
{
    if (place != STRANGERS_NOWHERE)
        s->by_address[place]--;
    s->count--;
}

static uint32_t place_of(const struct strangers *s, const struct address *a)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    const void *at = &v4.sin_addr;
    size_t len = sizeof v4.sin_addr;

    if (a->at.ss_family == AF_INET)
        memcpy(&v4, &a->at, sizeof v4);
    else if (a->at.ss_family == AF_INET6) {
        memcpy(&v6, &a->at, sizeof v6);
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
        at = v6.sin6_addr.s6_addr + (is_v4 ? 12 : 0);
        len = is_v4 ? 4 : 8;
    } else
        return STRANGERS_NOWHERE;
    return (uint32_t)(XXH3_64bits_withSeed(at, len, s->seed) % STRANGERS_PLACES);
}
