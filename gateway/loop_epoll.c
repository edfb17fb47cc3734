#include "gateway/loop.h"

#include "core/base/assert.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 256 /* per wait; what is left is said by the next one */

struct loop {
    int epoll_fd;
    int ready;
    struct loop_watch waker; /* an eventfd */
    atomic_bool is_dozing;
    struct epoll_event events[EVENTS_MAX];
};

static enum sl_err open_waker(struct loop *l);
static void on_wake(struct loop_watch *watch, unsigned events);
static struct epoll_event event_for(struct loop_watch *watch, unsigned events);
static unsigned events_of(uint32_t bits);

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof *l);

    if (l == NULL)
        return NULL;
    l->waker.fd = -1;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0 || open_waker(l) != SL_OK) {
        loop_free(l);
        return NULL;
    }
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    if (l->waker.fd >= 0)
        close(l->waker.fd);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    free(l);
}

enum sl_err loop_add(struct loop *l, struct loop_watch *watch, unsigned events)
{
    struct epoll_event event = event_for(watch, events);

    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0)
        return SL_EIO;
    watch->events = events;
    return SL_OK;
}

void loop_change(struct loop *l, struct loop_watch *watch, unsigned events)
{
    struct epoll_event event = event_for(watch, events);

    if (watch->events == events)
        return;
    SL_ASSERT(epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0);
    watch->events = events;
}

void loop_remove(struct loop *l, struct loop_watch *watch)
{
    SL_ASSERT(epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL) == 0);
}

void loop_doze(struct loop *l)
{
    atomic_store_explicit(&l->is_dozing, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* pairs with the fence of loop_wake */
}

void loop_wait(struct loop *l, int timeout_ms)
{
    l->ready = epoll_wait(l->epoll_fd, l->events, EVENTS_MAX, timeout_ms);
    atomic_store_explicit(&l->is_dozing, false, memory_order_relaxed);
    SL_ASSERT(l->ready >= 0 || errno == EINTR);
}

void loop_dispatch(struct loop *l)
{
    for (int i = 0; i < l->ready; i++) {
        struct loop_watch *watch = l->events[i].data.ptr;
        watch->on_ready(watch, events_of(l->events[i].events));
    }
    l->ready = 0;
}

/* The writer stores its mail and then looks for a sleeper, the sleeper says that it dozes and
 * then looks for mail; with a fence between the two steps on both sides one of them sees. */
void loop_wake(struct loop *l)
{
    static const uint64_t one = 1;

    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&l->is_dozing, memory_order_relaxed) ||
        !atomic_exchange(&l->is_dozing, false))
        return;
    SL_ASSERT(write(l->waker.fd, &one, sizeof one) == sizeof one);
}

/* Edge-triggered: each write is said once, and what it counts need not be read, which would be a
 * system call for each wake.  64 bits of them do not fill. */
static enum sl_err open_waker(struct loop *l)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = &l->waker};

    l->waker.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    l->waker.on_ready = on_wake;
    if (l->waker.fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->waker.fd, &event) != 0)
        return SL_EIO;
    return SL_OK;
}

/* The wait is over, and that was all it is for. */
static void on_wake(struct loop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
}

static struct epoll_event event_for(struct loop_watch *watch, unsigned events)
{
    uint32_t bits = (events & LOOP_READ ? EPOLLIN : 0u) | (events & LOOP_WRITE ? EPOLLOUT : 0u);
    return (struct epoll_event){.events = bits, .data.ptr = watch};
}

static unsigned events_of(uint32_t bits)
{
    return (bits & EPOLLIN ? LOOP_READ : 0u) | (bits & EPOLLOUT ? LOOP_WRITE : 0u) |
           (bits & (EPOLLERR | EPOLLHUP) ? LOOP_HANG : 0u);
}
