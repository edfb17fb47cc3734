#include "gateway/conn_set.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/inspect.h"

#include <stdlib.h>

#define LET_GO_PER_TURN 8u

static void tell_pressure(struct conn *c);
static struct session *session_at(struct conn_set *set, struct sl_handle handle);
static void move_list(struct list *from, struct list *to);

enum sl_err conn_set_init(struct conn_set *set, struct loop *loop, struct broker_worker *worker,
                          const struct protocol_settings *settings, const struct sl_clock *clock)
{
    *set = (struct conn_set){.loop = loop};
    set->env = (struct session_env){.worker = worker, .settings = settings, .clock = clock};
    set->env.now_ms = sl_clock_monotonic_ms(clock);
    set->input = malloc(SL_UNREAD_BYTES_MAX + SL_READ_BYTES);
    if (set->input == NULL)
        return SL_ENOMEM;
    arena_init(&set->env.arena);
    list_init(&set->env.dirty);
    list_init(&set->env.runnable);
    list_init(&set->graveyard);
    list_init(&set->held);
    timer_wheel_init(&set->wheel, set->env.now_ms);
    return SL_OK;
}

void conn_set_deinit(struct conn_set *set)
{
    if (set->input == NULL)
        return;
    SL_ASSERT(set->slots.count == 0);
    slot_table_deinit(&set->slots);
    arena_deinit(&set->env.arena);
    free(set->input);
    set->input = NULL;
}

/* Who is resumed again meanwhile has its turn in the next turn. */
void conn_set_resume(struct conn_set *set)
{
    struct list now;
    struct list *node;

    if (list_is_empty(&set->env.runnable))
        return;
    move_list(&set->env.runnable, &now);
    broker_worker_refresh(set->env.worker);
    while ((node = list_pop(&now)) != NULL) {
        struct session *s = LIST_OF(node, struct session, of_runnable);
        conn_resume(s->carrier);
    }
    broker_worker_hand_over(set->env.worker);
}

void conn_set_on_mail(struct conn_set *set, struct mail *mail)
{
    struct session *s = session_at(set, mail->to);

    if (s == NULL)
        return;
    session_on_mail(s, mail);
    conn_attend(s->carrier);
}

void conn_set_on_confirm(struct conn_set *set, const struct waiting_publisher *p)
{
    struct session *s = session_at(set, p->session);

    if (s == NULL)
        return;
    s->protocol->on_confirmed(s, p->who, p->tag, p->is_refused);
    conn_attend(s->carrier);
}

void conn_set_flush(struct conn_set *set)
{
    struct list now;
    struct list *node;

    move_list(&set->env.dirty, &now);
    while ((node = list_pop(&now)) != NULL) {
        struct session *s = LIST_OF(node, struct session, of_dirty);
        conn_flush(s->carrier);
    }
}

/* Some in each turn, and then it is looked at the pressure again: what is free goes round, and
 * the first do not fill it before the others have had anything of it. */
void conn_set_let_go(struct conn_set *set)
{
    for (uint32_t n = 0; n < LET_GO_PER_TURN && conn_set_lets_go(set); n++) {
        struct list *node = list_pop(&set->held);

        set->to_let_go = node == NULL ? 0 : set->to_let_go - 1;
        if (node != NULL)
            tell_pressure(LIST_OF(node, struct conn, of_held));
    }
}

/* Who is held waits for its turn; the others, and who is to be told that it is held, hear it now. */
void conn_set_on_pressure(struct conn_set *set)
{
    bool is_held = set->env.worker->held_by != 0;
    uint32_t cursor = 0;
    struct conn *c;

    set->to_let_go = 0;
    while ((c = slot_table_next(&set->slots, &cursor)) != NULL) {
        if (c->state != CONN_OPEN)
            continue;
        if (is_held || !c->session->is_held)
            tell_pressure(c);
        set->to_let_go += !list_is_empty(&c->of_held);
    }
}

void conn_set_bury(struct conn_set *set)
{
    struct list now;
    struct list *node;

    if (list_is_empty(&set->graveyard))
        return;
    move_list(&set->graveyard, &now);
    while ((node = list_pop(&now)) != NULL) {
        struct conn *c = LIST_OF(node, struct conn, of_graveyard);

        conn_close_session(c);
        if (c->state == CONN_DEAD)
            conn_free(c);
    }
    broker_worker_hand_over(set->env.worker); /* what the sessions gave back */
}

void conn_set_describe(struct conn_set *set, struct inspect_page *page)
{
    uint32_t places = page->cursor + INSPECT_STEP;
    uint32_t rows = page->count + INSPECT_STEP;
    struct conn *c;

    while (page->cursor < places && page->count < rows && !page->is_short &&
           (c = slot_table_next(&set->slots, &page->cursor)) != NULL) {
        if (c->state == CONN_OPEN && c->session->protocol->describe != NULL)
            c->session->protocol->describe(c->session, page);
    }
    page->is_done = page->is_short || page->cursor >= set->slots.room;
}

void conn_set_evict(struct conn_set *set, const struct eviction *e)
{
    uint32_t cursor = 0;
    struct conn *c;

    while ((c = slot_table_next(&set->slots, &cursor)) != NULL) {
        if (c->state != CONN_OPEN || !session_is_evicted(c->session, e))
            continue;
        c->session->protocol->on_eviction(c->session, e->reason);
        conn_attend(c);
    }
    broker_worker_hand_over(set->env.worker);
}

void conn_set_drain(struct conn_set *set)
{
    uint32_t cursor = 0;
    struct conn *c;

    while ((c = slot_table_next(&set->slots, &cursor)) != NULL) {
        if (c->state == CONN_NEW)
            conn_kill(c);
        if (c->state != CONN_OPEN)
            continue;
        c->session->protocol->on_shutdown(c->session);
        conn_attend(c);
    }
    broker_worker_hand_over(set->env.worker);
}

void conn_set_kill_all(struct conn_set *set)
{
    uint32_t cursor = 0;
    struct conn *c;

    while ((c = slot_table_next(&set->slots, &cursor)) != NULL)
        conn_kill(c);
}

static void tell_pressure(struct conn *c)
{
    struct session *s = c->session;

    if (c->state != CONN_OPEN)
        return;
    s->protocol->on_pressure(s);
    if (s->is_held && !broker_is_held(&s->client)) {
        s->is_held = false;
        conn_resume_later(c);
    }
    conn_attend(c);
}

/* A session that said its last word hears no more: what was lent to it goes back when it
 * closes. */
static struct session *session_at(struct conn_set *set, struct sl_handle handle)
{
    struct slot_ref at = {handle.slot, handle.generation};
    struct conn *c = slot_table_get(&set->slots, at);

    return c != NULL && c->state == CONN_OPEN ? c->session : NULL;
}

static void move_list(struct list *from, struct list *to)
{
    list_init(to);
    if (list_is_empty(from))
        return;
    *to = *from;
    to->next->prev = to->prev->next = to;
    list_init(from);
}
