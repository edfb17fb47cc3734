#include "gateway/admin/admin.h"

#include "core/base/log.h"
#include "gateway/admin/socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define WATCH_MS 1000 /* while there are callers, time limits are looked at this often */

static void wake(void *reader);
static bool has_callers(const struct admin *a);
static bool resolve_queue(const struct vhost *v, struct caller *c);
static void on_caller(struct loop_watch *watch, unsigned events);
static bool accept_one(struct admin *a);
static void pause_accepting(struct admin *a, bool is_paused);
static void take_pages(struct admin *a);
static void take_answers(struct admin *a);
static bool is_busy(const struct admin *a);
static void begin_change(struct admin *a, struct caller *c);
static void answer_change(struct admin *a);
static void ask_next(struct admin *a);
static void answer(struct admin *a);
static void check_time(struct admin *a);
static void bury(struct admin *a);

void admin_open(struct admin *a, struct gateway *g, struct loop *loop, struct reload *reload)
{
    char room[512];
    struct text why = text_on(room, sizeof room);

    *a = (struct admin){.gateway = g, .loop = loop, .reload = reload};
    mailbox_init(&a->box, wake, a);
    desk_open(g->broker, wake, a);
    list_init(&a->callers);
    list_init(&a->waiting);
    a->inquiry = (struct inquiry){.broker = g->broker, .box = &a->box, .workers = g->workers_count};
    facts_init(&a->facts, g);
    a->listener = (struct loop_watch){.fd = -1, .on_ready = on_caller};
    if (socket_listen(g->data_dir, ADMIN_SOCKET_NAME, &a->listener.fd, &why) != SL_OK) {
        sl_warn("admin.off", "reason=\"%s\"", room);
        return;
    }
    if (loop_add(loop, &a->listener, LOOP_READ) != SL_OK) {
        sl_warn("admin.off", "reason=epoll");
        close(a->listener.fd);
        a->listener.fd = -1;
    }
}

void admin_turn(struct admin *a, int timeout_ms)
{
    if (has_callers(a) && timeout_ms > WATCH_MS)
        timeout_ms = WATCH_MS;
    loop_doze(a->loop);
    bool has_mail = mailbox_has_mail(&a->box) || desk_has_mail(a->gateway->broker);
    loop_wait(a->loop, has_mail ? 0 : timeout_ms);
    loop_dispatch(a->loop);
    take_pages(a);
    take_answers(a);
    ask_next(a);
    check_time(a);
    bury(a);
}

void admin_stop(struct admin *a)
{
    if (a->listener.fd >= 0) {
        loop_remove(a->loop, &a->listener);
        close(a->listener.fd);
        socket_remove(a->gateway->data_dir, ADMIN_SOCKET_NAME);
    }
    a->listener.fd = -1;
    for (struct list *at = a->callers.next; at != &a->callers; at = at->next)
        caller_kill(LIST_OF(at, struct caller, of_admin));
    bury(a);
}

void admin_close(struct admin *a)
{
    take_pages(a);
    inquiry_end(&a->inquiry);
    if (a->change != NULL)
        change_free(a->change);
    mailbox_deinit(&a->box);
}

bool admin_has_scope(struct admin *a, struct caller *c)
{
    struct topology *t = broker_topology(a->gateway->broker);

    if (c->route->scope == ROUTE_OF_ALL)
        return true;
    topology_lock(t);
    const struct vhost *v = topology_vhost(t, c->arguments[0]);
    bool is_there = v != NULL && resolve_queue(v, c);
    topology_unlock(t);
    return is_there;
}

/* Any spelling of a cluster queue's name is that queue.  False: it is none of any queue. */
static bool resolve_queue(const struct vhost *v, struct caller *c)
{
    struct sl_bytes *name;
    char room[8];
    struct text ignored = text_on(room, sizeof room);
    bool is_cluster;

    if (strncmp(c->route->path, "queues/:/:", strlen("queues/:/:")) == 0)
        name = &c->arguments[1];
    else if (strstr(c->route->path, "/q/:") != NULL)
        name = &c->arguments[2];
    else
        return true;
    return cluster_queue_resolve(v, name, &c->queue_name, &is_cluster, &ignored) == SL_OK;
}

void admin_ask(struct admin *a, struct caller *c)
{
    list_push(&a->waiting, &c->of_waiting);
}

void admin_forget(struct admin *a, struct caller *c)
{
    list_remove(&c->of_waiting);
    if (a->asking != c)
        return;
    a->asking = NULL;
    if (a->change == NULL)
        inquiry_end(&a->inquiry);
}

static void wake(void *reader)
{
    loop_wake(((struct admin *)reader)->loop);
}

static bool has_callers(const struct admin *a)
{
    return a->callers_count != 0 || a->is_paused;
}

static void on_caller(struct loop_watch *watch, unsigned events)
{
    struct admin *a = LIST_OF(watch, struct admin, listener);

    (void)events;
    while (a->callers_count < ADMIN_CALLERS_MAX && accept_one(a)) {
    }
    if (a->callers_count == ADMIN_CALLERS_MAX)
        pause_accepting(a, true);
}

/* False: there is nobody, or nobody can be taken for now. */
static bool accept_one(struct admin *a)
{
    int fd = accept4(a->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    unsigned uid;

    if (fd < 0) {
        if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
            pause_accepting(a, true); /* it would be said again and again */
        return false;
    }
    if (!socket_peer_is_trusted(fd, &uid)) {
        sl_log_peer(SL_LOG_WARN, "admin.refused", "uid=%u", uid);
        close(fd);
        return true;
    }
    struct caller *c = caller_new(a, fd, uid);
    if (c != NULL) {
        list_push(&a->callers, &c->of_admin);
        a->callers_count++;
    }
    return true;
}

static void pause_accepting(struct admin *a, bool is_paused)
{
    a->is_paused = is_paused;
    if (a->listener.fd >= 0)
        loop_change(a->loop, &a->listener, is_paused ? 0 : LOOP_READ);
}

static void take_pages(struct admin *a)
{
    struct mail_node *node = mailbox_take(&a->box).first;

    while (node != NULL) {
        struct inspect_page *page = (struct inspect_page *)node;

        node = node->next;
        inquiry_take(&a->inquiry, page);
    }
}

static void take_answers(struct admin *a)
{
    struct mail_node *node = desk_take(a->gateway->broker).first;

    while (node != NULL) {
        struct answer *came = (struct answer *)node;

        node = node->next;
        if (a->change != NULL)
            change_take(a->change, came);
        mail_free(&came->mail);
    }
}

/* A change is carried out also when its caller has left. */
static bool is_busy(const struct admin *a)
{
    if (a->change != NULL)
        return !change_is_done(a->change);
    return a->asking != NULL && !inquiry_is_done(&a->inquiry);
}

static void begin_change(struct admin *a, struct caller *c)
{
    struct view v;
    struct action action = {.gateway = a->gateway,
                            .reload = a->reload,
                            .view = &v,
                            .body = c->change,
                            .change = change_new(a->gateway->broker, a->ticket)};

    view_init(&v, &c->query, NULL, NULL, c->user);
    memcpy(v.arguments, c->arguments, sizeof v.arguments);
    unsigned status = c->action->begin(&action);
    if (status != 0) {
        change_free(action.change);
        caller_answer(c, status, &v);
    } else {
        a->asking = c;
        a->change = action.change;
        a->ticket += a->change->count;
        change_begin(a->change);
    }
    view_deinit(&v);
}

static void answer_change(struct admin *a)
{
    struct caller *c = a->asking;
    struct view v;

    a->asking = NULL;
    if (c != NULL) {
        view_init(&v, &c->query, NULL, NULL, c->user);
        caller_answer(c, action_answer(a->change, &v), &v);
        view_deinit(&v);
    }
    change_free(a->change);
    a->change = NULL;
}

static void ask_next(struct admin *a)
{
    for (;;) {
        if (is_busy(a) || a->is_own_change)
            return;
        if (a->change != NULL)
            answer_change(a);
        else if (a->asking != NULL)
            answer(a);
        struct list *at = list_pop(&a->waiting);
        if (at == NULL)
            return;
        struct caller *c = LIST_OF(at, struct caller, of_waiting);
        if (c->action != NULL) {
            begin_change(a, c);
            continue;
        }
        struct inquiry_scope scope = {
            .vhost = c->route->scope != ROUTE_OF_ALL ? c->arguments[0] : (struct sl_bytes){NULL, 0},
            .queue = c->route->scope == ROUTE_OF_QUEUE ? c->arguments[1]
                                                       : (struct sl_bytes){NULL, 0},
        };
        a->asking = c;
        inquiry_begin(&a->inquiry, c->route->needs, scope);
    }
}

static void answer(struct admin *a)
{
    struct caller *c = a->asking;
    struct view v;
    unsigned status;

    facts_refresh(&a->facts, a->gateway);
    view_init(&v, &c->query, &a->facts, &a->inquiry.found, c->user);
    memcpy(v.arguments, c->arguments, sizeof v.arguments);
    v.topology = broker_topology(a->gateway->broker);
    if (a->inquiry.is_short)
        status = view_fail(&v, 503, "service_unavailable", "there is not enough memory to tell");
    else
        status = c->route->view(&v);
    caller_answer(c, status, &v);
    view_deinit(&v);
    a->asking = NULL;
    inquiry_end(&a->inquiry);
}

static void check_time(struct admin *a)
{
    uint64_t now_ms;

    if (!has_callers(a))
        return;
    now_ms = sl_clock_monotonic_ms(&sl_clock_system);
    for (struct list *at = a->callers.next; at != &a->callers; at = at->next)
        caller_check_time(LIST_OF(at, struct caller, of_admin), now_ms);
    if (a->is_paused && a->callers_count < ADMIN_CALLERS_MAX)
        pause_accepting(a, false);
}

static void bury(struct admin *a)
{
    struct list *at = a->callers.next;

    while (at != &a->callers) {
        struct caller *c = LIST_OF(at, struct caller, of_admin);

        at = at->next;
        if (c->state != CALLER_GONE)
            continue;
        caller_free(c);
        a->callers_count--;
    }
}
