#include "gateway/admin/caller.h"

#include "core/base/clock.h"
#include "gateway/admin/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_BYTES 4096u
#define IDLE_MS 60000u /* between requests */
#define REQUEST_MS 10000u
#define WAIT_MS 10000u
#define CHANGE_MS 120000u /* an import may be long */
#define WRITE_MS 30000u   /* without progress */

static void on_ready(struct loop_watch *watch, unsigned events);
static void read_some(struct caller *c);
static void take_input(struct caller *c);
static void take_request(struct caller *c);
static void take_change(struct caller *c);
static void ask(struct caller *c);
static void fail(struct caller *c, unsigned status, const char *error, const char *reason);
static void begin_writing(struct caller *c, unsigned status, const char *allow);
static void write_some(struct caller *c);
static void end_response(struct caller *c);
static void set_state(struct caller *c, enum caller_state state, uint32_t limit_ms,
                      unsigned events);

struct caller *caller_new(struct admin *a, int fd, unsigned uid)
{
    struct caller *c = calloc(1, sizeof *c);

    if (c == NULL) {
        close(fd);
        return NULL;
    }
    c->admin = a;
    c->watch = (struct loop_watch){.fd = fd, .on_ready = on_ready};
    list_init(&c->of_admin);
    list_init(&c->of_waiting);
    sl_buffer_init(&c->unread, READ_BYTES);
    sl_buffer_init(&c->head, READ_BYTES);
    sl_buffer_init(&c->body, VIEW_BODY_BYTES_MAX);
    http_request_init(&c->request);
    if (uid == 0)
        snprintf(c->user, sizeof c->user, "root");
    else
        snprintf(c->user, sizeof c->user, "uid %u", uid);
    if (loop_add(a->loop, &c->watch, LOOP_READ) != SL_OK) {
        caller_free(c);
        return NULL;
    }
    set_state(c, CALLER_READING, IDLE_MS, LOOP_READ);
    return c;
}

void caller_free(struct caller *c)
{
    list_remove(&c->of_admin);
    list_remove(&c->of_waiting);
    close(c->watch.fd); /* epoll forgets a closed descriptor */
    http_request_deinit(&c->request);
    query_deinit(&c->query);
    json_decref(c->change);
    sl_buffer_deinit(&c->unread);
    sl_buffer_deinit(&c->head);
    sl_buffer_deinit(&c->body);
    free(c);
}

void caller_answer(struct caller *c, unsigned status, struct view *v)
{
    sl_buffer_deinit(&c->body);
    c->body = v->body;
    sl_buffer_init(&v->body, 0);
    begin_writing(c, status, status == 405 ? ROUTE_METHODS : NULL);
}

void caller_kill(struct caller *c)
{
    if (c->state == CALLER_GONE)
        return;
    admin_forget(c->admin, c);
    c->state = CALLER_GONE;
}

void caller_check_time(struct caller *c, uint64_t now_ms)
{
    if (now_ms < c->limit_ms || c->state == CALLER_GONE)
        return;
    if (c->state != CALLER_WAITING) {
        caller_kill(c);
        return;
    }
    admin_forget(c->admin, c);
    fail(c, 503, "service_unavailable", "the workers do not answer in time");
}

static void on_ready(struct loop_watch *watch, unsigned events)
{
    struct caller *c = (struct caller *)watch;

    if (c->state == CALLER_READING && events & LOOP_READ)
        read_some(c);
    else if (c->state == CALLER_WRITING && events & LOOP_WRITE)
        write_some(c);
    else if (events & LOOP_HANG)
        caller_kill(c);
}

static void read_some(struct caller *c)
{
    uint8_t *at = sl_buffer_reserve(&c->unread, READ_BYTES - c->unread.len);
    ssize_t got = at == NULL ? 0 : read(c->watch.fd, at, READ_BYTES - c->unread.len);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        caller_kill(c);
        return;
    }
    sl_buffer_grow(&c->unread, (size_t)got);
    take_input(c);
}

static void take_input(struct caller *c)
{
    bool was_begun = c->request.is_begun;
    size_t used = 0;

    if (c->unread.len == 0)
        return;
    enum sl_err err = http_request_feed(&c->request, sl_buffer_bytes(&c->unread), &used);
    sl_buffer_consume(&c->unread, used);
    if (err == SL_OK)
        take_request(c);
    else if (err == SL_ETOOBIG)
        fail(c, 413, "bad_request", "the request is larger than anything that is asked here");
    else if (err != SL_EAGAIN)
        fail(c, 400, "bad_request", "this is not HTTP");
    else if (!was_begun && c->request.is_begun)
        set_state(c, CALLER_READING, REQUEST_MS, LOOP_READ);
}

static void take_request(struct caller *c)
{
    unsigned method = c->request.parser.method;
    enum sl_err err = query_parse(&c->query, sl_buffer_bytes(&c->request.target));

    if (err != SL_OK) {
        fail(c, err == SL_ENOMEM ? 503 : 400, "bad_request", "the path cannot be read");
        return;
    }
    c->action = action_find(method, &c->query, c->arguments);
    if (c->action != NULL) {
        take_change(c);
        return;
    }
    c->route = route_find(&c->query, c->arguments);
    if (c->route == NULL || !admin_has_scope(c->admin, c))
        fail(c, 404, "Object Not Found", "Not Found");
    else if (method == HTTP_OPTIONS)
        begin_writing(c, 200, ROUTE_METHODS);
    else if (method != HTTP_GET && method != HTTP_HEAD)
        fail(c, 405, "method_not_allowed", "Method Not Allowed");
    else
        ask(c);
}

static void take_change(struct caller *c)
{
    struct sl_bytes body = sl_buffer_bytes(&c->request.body);
    json_error_t error;

    c->route = NULL;
    json_decref(c->change);
    c->change = NULL;
    if (body.len != 0) {
        c->change = json_loadb((const char *)body.at, body.len, 0, &error);
        if (c->change == NULL) {
            char reason[JSON_ERROR_TEXT_LENGTH + 32];
            snprintf(reason, sizeof reason, "not JSON, line %d: %s", error.line, error.text);
            fail(c, 400, "not_json", reason);
            return;
        }
    }
    set_state(c, CALLER_WAITING, CHANGE_MS, 0);
    admin_ask(c->admin, c);
}

static void ask(struct caller *c)
{
    set_state(c, CALLER_WAITING, WAIT_MS, 0);
    admin_ask(c->admin, c);
}

static void fail(struct caller *c, unsigned status, const char *error, const char *reason)
{
    struct view v;

    view_init(&v, &c->query, NULL, NULL, c->user);
    view_fail(&v, status, error, reason);
    caller_answer(c, status, &v);
    view_deinit(&v);
}

/* After what could not be read, nothing is known of where the next request begins. */
static void begin_writing(struct caller *c, unsigned status, const char *allow)
{
    c->request.keeps_alive = c->request.keeps_alive && c->request.is_done;
    if (http_respond(&c->head, status, c->body.len, c->request.keeps_alive, allow) != SL_OK) {
        caller_kill(c);
        return;
    }
    if (c->request.is_done && c->request.parser.method == HTTP_HEAD)
        sl_buffer_deinit(&c->body);
    set_state(c, CALLER_WRITING, WRITE_MS, LOOP_WRITE); /* epoll says so at once */
}

static void write_some(struct caller *c)
{
    struct sl_bytes head = sl_bytes_skip(sl_buffer_bytes(&c->head), c->written);
    size_t of_body = c->written > c->head.len ? c->written - c->head.len : 0;
    struct sl_bytes body = sl_bytes_skip(sl_buffer_bytes(&c->body), of_body);
    struct iovec iov[] = {{(void *)(uintptr_t)head.at, head.len},
                          {(void *)(uintptr_t)body.at, body.len}};
    ssize_t put = writev(c->watch.fd, iov, 2);

    if (put < 0 && errno != EAGAIN && errno != EINTR) {
        caller_kill(c);
        return;
    }
    if (put > 0) {
        c->written += (size_t)put;
        set_state(c, CALLER_WRITING, WRITE_MS, LOOP_WRITE);
    }
    if (c->written == c->head.len + c->body.len)
        end_response(c);
}

static void end_response(struct caller *c)
{
    sl_buffer_deinit(&c->body);
    sl_buffer_clear(&c->head);
    c->written = 0;
    query_deinit(&c->query);
    json_decref(c->change);
    c->change = NULL;
    if (!c->request.keeps_alive) {
        shutdown(c->watch.fd, SHUT_WR);
        caller_kill(c);
        return;
    }
    http_request_next(&c->request);
    set_state(c, CALLER_READING, IDLE_MS, LOOP_READ);
    take_input(c); /* a request that came behind the last one */
}

static void set_state(struct caller *c, enum caller_state state, uint32_t limit_ms, unsigned events)
{
    c->state = state;
    c->limit_ms = sl_clock_monotonic_ms(&sl_clock_system) + limit_ms;
    loop_change(c->admin->loop, &c->watch, events);
}
