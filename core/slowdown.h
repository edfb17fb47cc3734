/*
 * slowdown.h - who fails to log in again and again waits longer and longer.
 *
 * Counted by the peer's address (IPv6: its /64).  Some failures cost nothing, so that a typing error
 * does not; from there on each attempt of that address, be it right or wrong, waits for its turn
 * behind the one before.  What would wait too long is refused without a look.  A quiet minute
 * forgets it all.
 *
 * A regular, a user who came in from that address before, does not wait for what others fail there:
 * for it only attempts with its own name count.  Who comes in for the first time among failures is
 * held to have had a part in them.
 *
 * The tables have a fixed size: where one is full the quietest makes room.
 *
 * Thread: its owner's lock.
 */
#ifndef SLUICE_CORE_SLOWDOWN_H
#define SLUICE_CORE_SLOWDOWN_H

#include "core/base/bytes.h"

#define SLOWDOWN_FREE_FAILURES 5u
#define SLOWDOWN_FIRST_MS 100u
#define SLOWDOWN_STEP_MAX_MS 3000u
#define SLOWDOWN_WAIT_MAX_MS 8000u /* a login has ten seconds */
#define SLOWDOWN_FORGET_MS 60000u
#define SLOWDOWN_PLACES 1024u
#define SLOWDOWN_PROBES 8u

struct slowdown_place {
    uint64_t address; /* its hash; 0: free */
    uint32_t failures;
    uint64_t last_ms; /* of a failure */
    uint64_t turn_ms; /* of the newest attempt */
};

struct slowdown_regular {
    uint64_t who;      /* hash of address and user; 0: free */
    uint64_t came_ms;  /* in, the last time */
    uint32_t failures; /* with its name */
    uint64_t last_ms;  /* of these */
};

struct slowdown { /* zeroed: nobody has failed */
    struct slowdown_place places[SLOWDOWN_PLACES];
    struct slowdown_regular regulars[SLOWDOWN_PLACES];
};

/* peer: address and port.  An attempt: in how many ms it is its turn; UINT64_MAX: never. */
uint64_t slowdown_wait(struct slowdown *s, const char *peer, struct sl_bytes user, uint64_t now_ms);
void slowdown_note_failure(struct slowdown *s, const char *peer, struct sl_bytes user,
                           uint64_t now_ms);
void slowdown_note_success(struct slowdown *s, const char *peer, struct sl_bytes user,
                           uint64_t now_ms);

#endif
