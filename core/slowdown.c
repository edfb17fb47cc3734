#include "core/slowdown.h"

#include "core/base/hash_map.h"

#include <arpa/inet.h>

#define IPV6_NETWORK_BYTES 8u

static struct slowdown_place *find(struct slowdown *s, uint64_t address, uint64_t now_ms,
                                   bool is_entered);
static struct slowdown_regular *find_regular(struct slowdown *s, uint64_t address,
                                             struct sl_bytes user, uint64_t now_ms,
                                             bool is_entered);
static uint64_t hash_of(const char *peer);

uint64_t slowdown_wait(struct slowdown *s, const char *peer, struct sl_bytes user, uint64_t now_ms)
{
    uint64_t address = hash_of(peer);
    struct slowdown_place *p = find(s, address, now_ms, false);

    if (p == NULL || p->failures <= SLOWDOWN_FREE_FAILURES)
        return 0;
    const struct slowdown_regular *r = find_regular(s, address, user, now_ms, false);
    if (r != NULL && r->failures <= SLOWDOWN_FREE_FAILURES)
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

void slowdown_note_failure(struct slowdown *s, const char *peer, struct sl_bytes user,
                           uint64_t now_ms)
{
    uint64_t address = hash_of(peer);
    struct slowdown_place *p = find(s, address, now_ms, true);
    struct slowdown_regular *r = find_regular(s, address, user, now_ms, false);

    p->failures++;
    p->last_ms = now_ms;
    if (r == NULL)
        return;
    r->failures++;
    r->last_ms = now_ms;
}

void slowdown_note_success(struct slowdown *s, const char *peer, struct sl_bytes user,
                           uint64_t now_ms)
{
    uint64_t address = hash_of(peer);
    struct slowdown_regular *r = find_regular(s, address, user, now_ms, true);
    const struct slowdown_place *p = find(s, address, now_ms, false);

    if (r->came_ms == 0 && p != NULL) {
        r->failures = p->failures;
        r->last_ms = p->last_ms;
    }
    r->came_ms = now_ms;
}

/* NULL: it is not there, and is not to be entered. */
static struct slowdown_place *find(struct slowdown *s, uint64_t address, uint64_t now_ms,
                                   bool is_entered)
{
    uint64_t hash = address | 1;
    struct slowdown_place *quietest = NULL;

    for (uint32_t i = 0; i < SLOWDOWN_PROBES; i++) {
        struct slowdown_place *p = &s->places[((hash >> 1) + i) % SLOWDOWN_PLACES];
        if (p->address != 0 && now_ms > p->last_ms + SLOWDOWN_FORGET_MS)
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

/* A quiet minute forgets its failures, but not that it came.  NULL as above. */
static struct slowdown_regular *find_regular(struct slowdown *s, uint64_t address,
                                             struct sl_bytes user, uint64_t now_ms, bool is_entered)
{
    uint64_t who = (hash_map_hash(user) ^ (address << 1 | address >> 63)) | 1;
    struct slowdown_regular *quietest = NULL;

    for (uint32_t i = 0; i < SLOWDOWN_PROBES; i++) {
        struct slowdown_regular *r = &s->regulars[((who >> 1) + i) % SLOWDOWN_PLACES];
        if (r->who == who) {
            if (now_ms > r->last_ms + SLOWDOWN_FORGET_MS)
                r->failures = 0;
            return r;
        }
        if (quietest == NULL || r->came_ms < quietest->came_ms)
            quietest = r;
    }
    if (!is_entered)
        return NULL;
    *quietest = (struct slowdown_regular){.who = who};
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
