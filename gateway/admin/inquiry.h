/*
 * inquiry.h - one question to all workers and the topology, until every page of it is in.
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_ADMIN_INQUIRY_H
#define SLUICE_GATEWAY_ADMIN_INQUIRY_H

#include "core/broker.h"
#include "core/inspect.h"

#define NEEDS(subject) (1u << (INSPECT_##subject))

struct findings { /* chains by page.next */
    struct inspect_page *pages[INSPECT_SUBJECTS];
};

struct inquiry {
    struct broker *broker; /* borrowed, as box */
    struct mailbox *box;   /* where pages come back to */
    uint32_t workers;
    uint64_t ticket;
    uint32_t waiting; /* pages that are out */
    bool is_short;    /* of memory: rows are missing */
    struct findings found;
};

struct inquiry_scope { /* {NULL, 0}: of all */
    struct sl_bytes vhost;
    struct sl_bytes queue;
};

/* needs: bits of NEEDS.  Done at once when nobody has to be asked.  The one before is over. */
void inquiry_begin(struct inquiry *q, unsigned needs, struct inquiry_scope scope);
static inline bool inquiry_is_done(const struct inquiry *q)
{
    return q->waiting == 0;
}
/* A page came back; takes it.  One of an inquiry that was given up is dropped. */
void inquiry_take(struct inquiry *q, struct inspect_page *page);
/* Releases what was found; pages that are still out are dropped when they come. */
void inquiry_end(struct inquiry *q);

void findings_release(struct findings *f);

/* Walks the rows of a subject over all of its pages: start with a zeroed one; NULL at the end. */
struct findings_cursor {
    const struct inspect_page *page;
    const struct inspect_row *row;
    bool is_begun;
};
const void *findings_next(const struct findings *f, enum inspect_subject subject,
                          struct findings_cursor *at);

#endif
