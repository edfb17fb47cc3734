#include "gateway/worker.h"

#include "core/base/assert.h"
#include "core/inspect.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define HELD_POLL_MS 5 /* memory is given back by other workers too, and nobody wakes us for it */

static void *run(void *context);
static int time_to_wait(struct worker *w);
static bool has_work(const struct worker *w);
static void take_mail(struct worker *w);
static void take_confirms(struct worker *w);
static void obey(struct worker *w);
static void stop_listening(struct worker *w);
static void report(struct worker *w);

enum sl_err worker_init(struct worker *w, struct broker_worker *core,
                        const struct protocol_settings *settings, const struct sl_clock *clock,
                        int report_fd)
{
    *w = (struct worker){.core = core, .report_fd = report_fd, .settings = settings};
    w->loop = loop_new();
    if (w->loop == NULL)
        return SL_EIO;
    return conn_set_init(&w->conns, w->loop, core, settings, clock);
}

enum sl_err worker_listen(struct worker *w, const struct address *at, const struct port *port,
                          struct text *why)
{
    SL_ASSERT(w->listeners_count < WORKER_LISTENERS_MAX && !w->is_started);
    SL_TRY(listener_open(&w->listeners[w->listeners_count], &w->conns, at, port, why));
    w->listeners_count++;
    return SL_OK;
}

void worker_deinit(struct worker *w)
{
    SL_ASSERT(!w->is_started);
    stop_listening(w);
    conn_set_deinit(&w->conns);
    loop_free(w->loop);
}

enum sl_err worker_start(struct worker *w)
{
    char name[16];

    if (pthread_create(&w->thread, NULL, run, w) != 0)
        return SL_EIO;
    w->is_started = true;
    snprintf(name, sizeof name, "worker-%u", w->core->index);
    (void)pthread_setname_np(w->thread, name);
    return SL_OK;
}

enum sl_err worker_serve(struct worker *w, struct text *why)
{
    for (uint32_t i = 0; i < w->listeners_count; i++)
        SL_TRY(listener_listen(&w->listeners[i], why));
    worker_order(w, WORKER_SERVE);
    return SL_OK;
}

/* By looking now and then: waits with a deadline go by the wall clock, which may be set. */
bool worker_join(struct worker *w, uint32_t timeout_ms)
{
    static const struct timespec pause = {0, 1000000};
    uint64_t until_ms = sl_clock_monotonic_ms(w->conns.env.clock) + timeout_ms;

    while (w->is_started && pthread_tryjoin_np(w->thread, NULL) != 0) {
        if (sl_clock_monotonic_ms(w->conns.env.clock) >= until_ms)
            return false;
        nanosleep(&pause, NULL);
    }
    w->is_started = false;
    return true;
}

void worker_order(struct worker *w, enum worker_order order)
{
    atomic_store(&w->order, (int)order);
    worker_wake(w);
}

void worker_set(struct worker *w, const struct protocol_settings *settings)
{
    atomic_store_explicit(&w->settings, settings, memory_order_release);
}

void worker_wake(struct worker *w)
{
    loop_wake(w->loop);
}

/* Work is gathered first and written once at the end, so a turn that reads a thousand frames
 * goes through the order once for each connection and costs each one write. */
void worker_turn(struct worker *w)
{
    loop_wait(w->loop, time_to_wait(w));
    w->conns.env.now_ms = sl_clock_monotonic_ms(w->conns.env.clock);
    w->conns.env.settings = atomic_load_explicit(&w->settings, memory_order_acquire);

    loop_dispatch(w->loop); /* bytes -> frames -> broker calls; handed over per connection */
    conn_set_let_go(&w->conns);
    conn_set_resume(&w->conns);
    w->has_more = broker_worker_run_shard(w->core);
    take_mail(w);
    take_confirms(w);
    timer_wheel_advance(&w->conns.wheel, w->conns.env.now_ms);
    obey(w);
    broker_worker_hand_over(w->core); /* what sessions did in answer to all that */
    conn_set_flush(&w->conns);
    if (broker_worker_balance(w->core))
        conn_set_on_pressure(&w->conns);
    conn_set_bury(&w->conns);
    report(w);
}

bool worker_settle(struct worker *w)
{
    if (!w->has_more && !broker_worker_has_work(w->core))
        return false;
    w->has_more = broker_worker_run_shard(w->core);
    take_mail(w);
    take_confirms(w);
    broker_worker_hand_over(w->core);
    return true;
}

static void *run(void *context)
{
    struct worker *w = context;

    while (w->obeyed != WORKER_STOP)
        worker_turn(w);
    broker_thread_end();
    return NULL;
}

static int time_to_wait(struct worker *w)
{
    if (has_work(w))
        return 0;
    loop_doze(w->loop); /* what comes from here on wakes; what came before is seen now */
    if (has_work(w))
        return 0;
    uint64_t next_ms = timer_wheel_next_ms(&w->conns.wheel);
    uint64_t now_ms = sl_clock_monotonic_ms(w->conns.env.clock);
    uint64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    uint64_t due_ms = broker_worker_next_due(w->core);

    if (next_ms == TIMER_NEVER || due_ms < wait_ms)
        wait_ms = due_ms;
    if ((w->core->held_by != 0 || w->core->room_wanted != 0) && wait_ms > HELD_POLL_MS)
        return HELD_POLL_MS;
    if (wait_ms > INT32_MAX)
        return next_ms == TIMER_NEVER && due_ms == UINT64_MAX ? -1 : INT32_MAX;
    return (int)wait_ms;
}

static bool has_work(const struct worker *w)
{
    return w->has_more || !list_is_empty(&w->conns.env.runnable) ||
           !list_is_empty(&w->conns.env.dirty) || conn_set_lets_go(&w->conns) ||
           broker_worker_has_work(w->core) ||
           atomic_load_explicit(&w->order, memory_order_relaxed) != (int)w->obeyed;
}

static void take_mail(struct worker *w)
{
    struct mail_node *node = broker_worker_take_mail(w->core).first;

    while (node != NULL) {
        struct mail *mail = (struct mail *)node;

        node = node->next;
        if (mail->kind == MAIL_EVICTION)
            conn_set_evict(&w->conns, (const struct eviction *)mail);
        if (mail->kind == MAIL_INSPECT) {
            conn_set_describe(&w->conns, (struct inspect_page *)mail);
            inspect_reply((struct inspect_page *)mail);
            continue;
        }
        conn_set_on_mail(&w->conns, mail);
        mail_free(mail);
    }
}

static void take_confirms(struct worker *w)
{
    struct waiting_publisher p;

    while (broker_worker_next_confirm(w->core, &p))
        conn_set_on_confirm(&w->conns, &p);
}

static void obey(struct worker *w)
{
    enum worker_order order = (enum worker_order)atomic_load(&w->order);

    if (order == w->obeyed)
        return;
    if (order == WORKER_SERVE) {
        for (uint32_t i = 0; i < w->listeners_count; i++)
            listener_serve(&w->listeners[i]);
    } else if (w->obeyed < WORKER_DRAIN) {
        stop_listening(w);
        conn_set_drain(&w->conns);
    }
    if (order >= WORKER_CLOSE)
        conn_set_kill_all(&w->conns);
    w->obeyed = order;
    w->is_reported = false;
}

static void stop_listening(struct worker *w)
{
    for (uint32_t i = 0; i < w->listeners_count; i++)
        listener_close(&w->listeners[i]);
}

static void report(struct worker *w)
{
    static const uint64_t one = 1;
    uint32_t count = conn_set_count(&w->conns);

    atomic_store_explicit(&w->connections, count, memory_order_relaxed);
    if (w->obeyed <= WORKER_SERVE || count != 0 || w->is_reported)
        return;
    w->is_reported = true;
    SL_ASSERT(write(w->report_fd, &one, sizeof one) == sizeof one);
}
