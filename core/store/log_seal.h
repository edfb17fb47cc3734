/*
 * log_seal.h - what records get only when their place is known: sequence and checksum.
 *
 * Thread: the log's.
 */
#ifndef SLUICE_CORE_STORE_LOG_SEAL_H
#define SLUICE_CORE_STORE_LOG_SEAL_H

#include "core/store/log_state.h"

struct sealing { /* on the way through the pieces of a part */
    struct commit_log *log;
    uint64_t at;    /* lsn of the record at hand */
    uint64_t base;  /* sequence of offset 0 */
    uint8_t *group; /* the open group's header, NULL: none */
    uint32_t group_left;
    uint32_t group_sum;
};

/* Seals the records of the next piece, where they lie.  Until group is NULL again, the header of an
 * open one is still written to. */
void log_seal_piece(struct sealing *s, struct log_piece *piece);

#endif
