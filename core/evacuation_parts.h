/*
 * evacuation_parts.h - what the files of evacuation.h share: one shard's work.
 */
#ifndef SLUICE_CORE_EVACUATION_PARTS_H
#define SLUICE_CORE_EVACUATION_PARTS_H

#include "core/evacuation.h"
#include "core/fetch.h"
#include "core/remnants.h"

#define EVACUATION_CHUNKS 32u /* stored chunks that are held at once */

enum evacuation_phase {
    PHASE_SCAN,   /* which entries and chunks are there? */
    PHASE_GROUP,  /* the next few; the INDEX records of the chunks are asked for */
    PHASE_SPREAD, /* they are here: one row of moves, by place */
    PHASE_GATHER, /* the next few moves; messages that are not in memory are asked for */
    PHASE_WRITE,  /* they are here: append, note the places */
    PHASE_OPEN,   /* the chunks of the group take the new places over */
};

struct
    move { /* of one entry; the fields from msg on are of the first at a place, for all of them */
    sl_lsn place;
    sl_seq seq;
    const struct remnant *single; /* NULL: it is in a chunk */
    uint32_t chunk;               /* of the group */
    uint32_t at;                  /* in the chunk */
    uint64_t was_live;            /* bytes at the old place */
    bool is_written;              /* in a chunk: the place there is the new one, and live */
    uint16_t copies;
    struct message *msg; /* counted */
    uint64_t offset;     /* in the run */
    uint32_t record_len; /* 0: nothing was written */
};

struct group_chunk {
    const struct remnant *remnant;
    struct fetch_request *index; /* the answer; NULL until it is there */
    uint32_t written;            /* of its entries */
    bool is_open;                /* entries from `from` on are in the queue, with their places */
    uint32_t from;
};

struct moving {
    struct evacuation *evacuation;
    enum evacuation_phase phase;
    sl_lsn at; /* the part of the stretch that is being looked at begins here */
    struct remnants remnants;
    uint32_t queue_at; /* looked at next */
    size_t next;       /* of the remnants */
    bool has_moved;    /* anything, in this look at the stretch */
    uint64_t left;     /* entries and chunks that could not be moved in it */
    struct group_chunk chunks[EVACUATION_CHUNKS];
    uint32_t chunks_count;
    struct move *moves;
    uint64_t *numbers; /* of queues; as many as moves */
    size_t moves_count, moves_room;
    size_t batch_from, batch_to;
    struct fetch_request *messages; /* of the batch; NULL: all were in memory */
    uint32_t awaited;               /* answers */
    uint64_t ahead;                 /* bytes written since the last wait */
    sl_lsn waits_for;
};

void evacuation_post(struct shard *s, struct moving *m, struct fetch_request *r);
/* PHASE_GATHER and PHASE_WRITE. */
void evacuation_gather(struct shard *s, struct moving *m);
void evacuation_write(struct shard *s, struct moving *m);

#endif
