#include "gateway/admin/inquiry.h"

static void begin_subject(struct inquiry *q, enum inspect_subject subject,
                          struct inquiry_scope scope);
static bool is_of_topology(enum inspect_subject subject);
static void keep(struct inquiry *q, struct inspect_page *page);

void inquiry_begin(struct inquiry *q, unsigned needs, struct inquiry_scope scope)
{
    inquiry_end(q);
    for (unsigned i = 0; i < INSPECT_SUBJECTS; i++)
        if (needs & 1u << i)
            begin_subject(q, (enum inspect_subject)i, scope);
}

void inquiry_take(struct inquiry *q, struct inspect_page *page)
{
    if (page->ticket != q->ticket) {
        inspect_page_free(page);
        return;
    }
    if (!page->is_done) {
        inspect_ask(q->broker, page);
        return;
    }
    q->waiting--;
    if (page->subject == INSPECT_QUEUES)
        inspect_date(q->broker, page);
    keep(q, page);
}

void inquiry_end(struct inquiry *q)
{
    findings_release(&q->found);
    q->ticket++;
    q->waiting = 0;
    q->is_short = false;
}

void findings_release(struct findings *f)
{
    for (unsigned i = 0; i < INSPECT_SUBJECTS; i++)
        while (f->pages[i] != NULL) {
            struct inspect_page *page = f->pages[i];
            f->pages[i] = page->next;
            inspect_page_free(page);
        }
}

const void *findings_next(const struct findings *f, enum inspect_subject subject,
                          struct findings_cursor *at)
{
    if (at->row != NULL)
        at->row = at->row->next;
    while (at->row == NULL) {
        at->page = at->is_begun ? at->page->next : f->pages[subject];
        at->is_begun = true;
        if (at->page == NULL) {
            *at = (struct findings_cursor){NULL, NULL, false};
            return NULL;
        }
        at->row = at->page->first;
    }
    return at->row;
}

static void begin_subject(struct inquiry *q, enum inspect_subject subject,
                          struct inquiry_scope scope)
{
    uint32_t pages = is_of_topology(subject) ? 1 : q->workers;

    for (uint32_t i = 0; i < pages; i++) {
        struct inspect_page *page = inspect_page_new(subject, i, q->ticket, q->box);
        if (page == NULL) {
            q->is_short = true;
            return;
        }
        page->vhost = inspect_copy(page, scope.vhost);
        page->queue = inspect_copy(page, scope.queue);
        if (is_of_topology(subject)) {
            inspect_topology(broker_topology(q->broker), page);
            keep(q, page);
        } else {
            q->waiting++;
            inspect_ask(q->broker, page);
        }
    }
}

static bool is_of_topology(enum inspect_subject subject)
{
    return subject >= INSPECT_EXCHANGES;
}

static void keep(struct inquiry *q, struct inspect_page *page)
{
    q->is_short |= page->is_short;
    page->next = q->found.pages[page->subject];
    q->found.pages[page->subject] = page;
}
