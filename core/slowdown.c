#include "core/slowdown.h"

#include "core/base/hash_map.h"

#include <arpa/inet.h>

#define IPV6_NETWORK_BYTES 8u

static struct slowdown_place *find(struct slowdown *s, const char *peer, uint64_t now_ms,
                                   bool is_entered);
static uint64_t hash_of(const char *peer);

uint64_t slowdown_wait(struct slowdown *s, const char *peer, uint64_t now_ms)
{
    struct slowdown_place *p = find(s, peer, now_ms, false);

    if (p == NULL || p->failures <= SLOWDOWN_FREE_FAILURES)
        return 0;
    uint32_t times = p->failures - SLOWDOWN_FREE_FAILURES - 1;
    uint64_t step = times > 5 ? SLOWDOWN_STEP_MAX_MS : (uint64_t)SLOWDOWN_FIRST_MS << times;
    if (step > SLOWDOWN_STEP_MAX_MS)
        step = SLOWDOWN_STEP_MAX_MS;
    uint64_t turn = (p->turn_ms > now_ms ? p->turn_ms : now_ms) + step;
    if (turn - now_ms > SLOWDOWN_WAIT_MAX_MS)
        return UINT64_MAX;
    p->turn_ms = turn;
    return turn - now_ms;
}

void slowdown_note_failure(struct slowdown *s, const char *peer, uint64_t now_ms)
{
    struct slowdown_place *p = find(s, peer, now_ms, true);

    p->failures++;
    p->last_ms = now_ms;
}

/* NULL: it is not there, and is not to be entered. */
static struct slowdown_place *find(struct slowdown *s, const char *peer, uint64_t now_ms,
                                   bool is_entered)
{
    uint64_t hash = hash_of(peer) | 1;
    struct slowdown_place *quietest = NULL;

    for (uint32_t i = 0; i < SLOWDOWN_PROBES; i++) {
        struct slowdown_place *p = &s->places[((hash >> 1) + i) % SLOWDOWN_PLACES];
        if (p->address != 0 && now_ms - p->last_ms > SLOWDOWN_FORGET_MS)
            *p = (struct slowdown_place){.address = 0};
        if (p->address == hash)
            return p;
        if (quietest == NULL || p->last_ms < quietest->last_ms)
            quietest = p;
    }
    if (!is_entered)
        return NULL;
    *quietest = (struct slowdown_place){.address = hash};
    return quietest;
}

/* Without the port; of IPv6 the network, since each of its customers has all addresses of one. */
static uint64_t hash_of(const char *peer)
{
    const char *port = strrchr(peer, ':');
    size_t len = port == NULL ? strlen(peer) : (size_t)(port - peer);
    char host[INET6_ADDRSTRLEN];
    struct in6_addr ip;

    if (*peer == '[' && len >= 2 && len - 2 < sizeof host) {
        memcpy(host, peer + 1, len - 2);
        host[len - 2] = '\0';
        if (inet_pton(AF_INET6, host, &ip) == 1)
            return hash_map_hash((struct sl_bytes){ip.s6_addr, IPV6_NETWORK_BYTES});
    }
    return hash_map_hash((struct sl_bytes){(const uint8_t *)peer, len});
}
