/*
 * snapshot_form.h - the lengths in a snapshot's body, for snapshot.c and snapshot_read.c.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_SNAPSHOT_FORM_H
#define SLUICE_CORE_SNAPSHOT_FORM_H

#include "core/index.h"

enum snapshot_part_kind {
    SNAPSHOT_CHUNK = 1,
    SNAPSHOT_ENTRY = 2,
    SNAPSHOT_PREPARED = 64, /* prepared.h */
    SNAPSHOT_OUTCOMES = 65,
    SNAPSHOT_OUTCOME = 66,
    SNAPSHOT_DELAYED = 67, /* delayed.h */
};

#define SNAPSHOT_DEFINITION_BYTES 6u /* and the body */
#define SNAPSHOT_QUEUE_BYTES 20u     /* and the parts */
#define SNAPSHOT_CHUNK_BYTES 78u     /* with the kind; and the spans */
#define SNAPSHOT_SPAN_BYTES 24u
#define SNAPSHOT_SECTION_BYTES 10u /* and the bytes */
#define SNAPSHOT_ENTRY_BYTES (1u + INDEX_ENTRY_BYTES)

#endif
