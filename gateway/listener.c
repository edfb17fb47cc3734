#include "gateway/listener.h"

#include "core/base/assert.h"
#include "core/base/log.h"
#include "gateway/machine.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#define BACKLOG 4096
#define ACCEPTS_PER_TURN 64 /* fairness to those who are in */
#define PAUSE_MS 100u

enum sharing { ALONE, WITH_OTHER_WORKERS };

static int bind_socket(const struct address *at, enum sharing sharing);
static void on_ready(struct loop_watch *watch, unsigned events);
static bool is_peers_fault(int error);
static void pause_accepting(struct listener *l, int error);
static void on_pause_over(struct timer *t);
static enum sl_err fail(const struct address *at, struct text *why);

/* SO_REUSEPORT would share the port with a second gateway without a word, so the first bind is
 * done without it. */
enum sl_err listener_probe(const char *bind, uint16_t port, struct address *out, struct text *why)
{
    const char *candidates[] = {bind, NULL};

    if (*bind == '\0') {
        candidates[0] = "::";
        candidates[1] = "0.0.0.0";
    }
    for (size_t i = 0; i < 2 && candidates[i] != NULL; i++) {
        if (address_parse(candidates[i], port, out) != SL_OK) {
            text_add(why, "'%s' is no IPv4 or IPv6 address", bind);
            return SL_ESYNTAX;
        }
        int fd = bind_socket(out, ALONE);
        if (fd >= 0) {
            close(fd);
            return SL_OK;
        }
        if (errno == EADDRINUSE || errno == EACCES)
            break; /* another family would not help */
    }
    return fail(out, why);
}

enum sl_err listener_open(struct listener *l, struct conn_set *set, const struct address *at,
                          const struct port *port, struct text *why)
{
    int fd = bind_socket(at, WITH_OTHER_WORKERS);

    if (fd < 0)
        return fail(at, why);
    l->set = set;
    l->port = port;
    l->watch = (struct loop_watch){.fd = fd, .on_ready = on_ready};
    l->at = *at;
    timer_init(&l->pause, on_pause_over);
    return SL_OK;
}

enum sl_err listener_listen(const struct listener *l, struct text *why)
{
    return listen(l->watch.fd, BACKLOG) == 0 ? SL_OK : fail(&l->at, why);
}

void listener_serve(struct listener *l)
{
    char where[64];

    l->is_watched = loop_add(l->set->loop, &l->watch, LOOP_READ) == SL_OK;
    if (l->is_watched)
        return;
    address_format(&l->at, where, sizeof where);
    sl_error("listener.serve", "address=%s reason=\"no memory to watch it\"", where);
}

void listener_close(struct listener *l)
{
    if (l->set == NULL)
        return;
    timer_cancel(&l->pause);
    if (l->is_watched)
        loop_remove(l->set->loop, &l->watch);
    l->is_watched = false;
    close(l->watch.fd);
    l->set = NULL;
}

/* Accepted sockets inherit the options.  -1 with errno. */
static int bind_socket(const struct address *at, enum sharing sharing)
{
    static const int on = 1;
    static const int off = 0;
    int fd = socket(at->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    bool is_set = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0 &&
                  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
    if (is_set && sharing == WITH_OTHER_WORKERS)
        is_set = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
    if (is_set && at->at.ss_family == AF_INET6) /* "::" takes IPv4 as well */
        is_set = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0;
    if (is_set && bind(fd, (const struct sockaddr *)&at->at, at->len) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void on_ready(struct loop_watch *watch, unsigned events)
{
    struct listener *l = (struct listener *)watch;

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!machine_has_descriptor(l->watch.fd)) {
            pause_accepting(l, EMFILE);
            return;
        }
        int fd = accept4(l->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0)
            conn_open(l->set, fd, l->port);
        else if (errno == EAGAIN)
            return;
        else if (!is_peers_fault(errno)) {
            pause_accepting(l, errno);
            return;
        }
    }
}

/* accept reports what befell the connection that it would have given; the next may be well. */
static bool is_peers_fault(int error)
{
    return error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM;
}

/* Level-triggered as we are, an accept that fails for want of descriptors would spin. */
static void pause_accepting(struct listener *l, int error)
{
    char room[128];

    sl_log_peer(SL_LOG_ERROR, "listener.paused", "ms=%u reason=\"%s\"", PAUSE_MS,
                strerror_r(error, room, sizeof room));
    loop_change(l->set->loop, &l->watch, 0);
    timer_set(&l->set->wheel, &l->pause, l->set->env.now_ms + PAUSE_MS);
}

static void on_pause_over(struct timer *t)
{
    struct listener *l = LIST_OF(t, struct listener, pause);

    loop_change(l->set->loop, &l->watch, LOOP_READ);
}

static enum sl_err fail(const struct address *at, struct text *why)
{
    char where[64];
    char room[128];
    int error = errno;

    address_format(at, where, sizeof where);
    text_add(why, "cannot listen on %s: %s", where, strerror_r(error, room, sizeof room));
    if (error == EADDRINUSE)
        text_add(why, " by another process");
    return SL_EIO;
}
