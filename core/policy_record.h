/*
 * policy_record.h - policies in the log and in checkpoints.
 *
 * Bodies are big endian; names are short strings (u8, bytes), the pattern is a long one (u32,
 * bytes).
 *
 *   SET_POLICY     vhost, u8 of the operator, name, u8 apply-to, u32 priority, pattern, keys (table)
 *   CLEAR_POLICY   vhost, u8 of the operator, name
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_POLICY_RECORD_H
#define SLUICE_CORE_POLICY_RECORD_H

#include "core/policy.h"
#include "core/store/log_run.h"

static inline bool policy_record_is(uint16_t kind)
{
    return kind == RECORD_SET_POLICY || kind == RECORD_CLEAR_POLICY;
}

void policy_record_set(struct log_run *run, const struct policy_definition *d);
void policy_record_clear(struct log_run *run, struct sl_bytes vhost, bool is_operator,
                         struct sl_bytes name);
/* Borrows from the record; of CLEAR_POLICY the three names only.  SL_ECORRUPT. */
SL_MUST_CHECK enum sl_err policy_record_read(const struct record *record,
                                             struct policy_definition *d);

#endif
