/*
 * ages.h - when a sequence was given, of any of the past, roughly.
 *
 * Entries do not keep the time at which they came: a mark every second, for the whole node, says
 * from which sequence on everything came later.  Older marks are thinned out, so that an age is
 * right to a second where it is less than sixteen, else to a sixteenth of it.
 *
 * Thread: any, under topology_lock.
 */
#ifndef SLUICE_CORE_AGES_H
#define SLUICE_CORE_AGES_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/ids.h"

#define AGES_STEP_MS 1000u
#define AGES_MARKS_MAX 384u /* enough for years */

struct age_mark {
    uint64_t seq; /* this one and later ones */
    uint64_t ms;  /* came at this time of the order, or later */
};

struct ages { /* zeroed: nothing is known */
    uint32_t count;
    struct age_mark marks[AGES_MARKS_MAX]; /* growing */
};

/* At that time seq was the next to be given. */
void ages_note(struct ages *a, uint64_t seq, uint64_t ms);

/* When seq was given; of one before all marks, the time of the first: it is at least so old. */
uint64_t ages_time(const struct ages *a, uint64_t seq);

/* As a record of a checkpoint has them. */
#define AGES_BYTES_MAX (4u + 16u * AGES_MARKS_MAX)
size_t ages_write(const struct ages *a, uint8_t room[AGES_BYTES_MAX]);
SL_MUST_CHECK enum sl_err ages_read(struct ages *a, struct sl_bytes body);

#endif
