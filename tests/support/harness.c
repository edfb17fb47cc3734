#include "tests/support/harness.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/fetch.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define HEARD_BYTES_MAX (256u * 1024 * 1024)
#define STEP_MS 100u
#define SEGMENT_BYTES (1024u * 1024)
#define IOVECS 16

static bool turn(struct harness *h);
static void feed(struct peer_end *p);
static void take_mail(struct harness *h);
static void take_confirms(struct harness *h);
static bool resume(struct harness *h);
static void flush(struct harness *h);
static void hear(struct peer_end *p);
static void close_session(struct peer_end *p);
static struct peer_end *peer_of(struct harness *h, struct sl_handle handle);

static void wake_nobody(void *context, uint32_t worker)
{
    (void)context, (void)worker; /* the test takes every turn itself */
}

static void announce(void *broker)
{
    broker_on_durable(broker);
}

static uint64_t tell_monotonic(void *harness)
{
    return sl_clock_monotonic_ms(&sl_clock_system) + ((struct harness *)harness)->waited_ms;
}

static uint64_t tell_wall(void *harness)
{
    return sl_clock_wall_ms(&sl_clock_system) + ((struct harness *)harness)->waited_ms;
}

void harness_init(struct harness *h, uint64_t memory_budget_bytes)
{
    struct broker_options options = {.workers = 1,
                                     .memory_budget_bytes = memory_budget_bytes,
                                     .clock = &h->clock,
                                     .wake = wake_nobody};
    *h = (struct harness){.clock = {tell_monotonic, tell_wall, h}};
    h->broker = broker_new(&options);
    SL_ASSERT(h->broker != NULL);
    h->worker = broker_worker_at(h->broker, 0);
    h->settings = (struct protocol_settings){
        .message_bytes_max = SL_MESSAGE_BYTES_MAX,
        .login_timeout_ms = SL_LOGIN_TIMEOUT_MS,
        .amqp_frame_bytes_max = SL_AMQP_FRAME_BYTES_MAX,
        .amqp_channels_max = SL_AMQP_CHANNELS_MAX,
        .amqp_heartbeat_s = SL_AMQP_HEARTBEAT_S,
        .server_product = "RabbitMQ",
        .server_version = "3.13.7",
        .server_information = "Sluice test",
        .default_user = "guest",
        .loopback_users = "guest",
        .default_password = "guest",
        .stomp_server = "Sluice/test",
        .stomp_topic_exchange = "amq.topic",
    };
    h->env = (struct session_env){.worker = h->worker,
                                  .settings = &h->settings,
                                  .clock = &sl_clock_system,
                                  .now_ms = 1000000};
    arena_init(&h->env.arena);
    list_init(&h->env.dirty);
    list_init(&h->env.runnable);
}

void harness_make_dir(char dir[HARNESS_DIR_BYTES])
{
    SL_ASSERT(mkdtemp(scratch_name(dir, "unit")) != NULL);
}

void harness_remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    SL_ASSERT(d != NULL);
    while ((entry = readdir(d)) != NULL)
        (void)unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
    rmdir(dir);
}

void harness_init_on(struct harness *h, uint64_t memory_budget_bytes, const char *dir)
{
    struct log_findings findings;

    harness_init(h, memory_budget_bytes);
    SL_ASSERT(file_posix_open(dir, &h->files) == SL_OK);
    struct log_options options = {.files = h->files,
                                  .segment_bytes = SEGMENT_BYTES,
                                  .announce = announce,
                                  .announce_context = h->broker};
    struct log_visitor visitor = broker_recovery_begin(h->broker);
    SL_ASSERT(commit_log_open(&options, &visitor, &findings, &h->log) == SL_OK);
    SL_ASSERT(broker_recovery_end(h->broker, h->log, findings.time) == SL_OK);
    harness_sync(h);
}

void harness_sync(struct harness *h)
{
    SL_ASSERT(commit_log_flush(h->log) == SL_OK);
    harness_settle(h);
}

void harness_deinit(struct harness *h)
{
    for (uint32_t i = 0; i < h->peers_count; i++) {
        harness_hang_up(&h->peers[i]);
        sl_buffer_deinit(&h->peers[i].unread); /* what was said to nobody */
        sl_buffer_deinit(&h->peers[i].heard);
    }
    harness_settle(h);
    arena_deinit(&h->env.arena);
    if (h->log != NULL) {
        broker_on_stopped(h->broker);
        commit_log_close(h->log);
        file_posix_close(&h->files);
    }
    broker_free(h->broker);
}

struct peer_end *harness_connect(struct harness *h, const struct protocol *protocol)
{
    SL_ASSERT(h->peers_count < HARNESS_PEERS_MAX);

    uint32_t slot = h->peers_count++;
    struct peer_end *p = &h->peers[slot];
    *p = (struct peer_end){.harness = h, .slot = slot};
    sl_buffer_init(&p->unread, HEARD_BYTES_MAX);
    sl_buffer_init(&p->heard, HEARD_BYTES_MAX);
    p->session = calloc(1, protocol->session_size);
    SL_ASSERT(p->session != NULL);
    session_init(p->session, protocol, &h->env, (struct sl_handle){slot, ++h->generation, 0});
    p->session->carrier = p;
    p->session->is_loopback = true;
    strcpy(p->session->peer, "127.0.0.1:4711");
    strcpy(p->session->local, "127.0.0.1:5672");
    protocol->open(p->session);
    return p;
}

void harness_stop_sending(struct peer_end *p)
{
    SL_ASSERT(!p->session->is_parked && !p->session->is_held);
    sl_buffer_clear(&p->unread);
    p->session->protocol->on_end_of_input(p->session);
    harness_settle(p->harness);
}

void harness_hang_up(struct peer_end *p)
{
    if (p->session != NULL)
        close_session(p);
    harness_settle(p->harness);
}

void harness_send(struct peer_end *p, struct sl_bytes bytes)
{
    harness_feed(p, bytes);
    harness_settle(p->harness);
}

void harness_feed(struct peer_end *p, struct sl_bytes bytes)
{
    struct broker_worker *w = p->harness->worker;

    SL_ASSERT(sl_buffer_append(&p->unread, bytes) == SL_OK);
    broker_worker_refresh(w);
    if (p->session != NULL)
        p->session->last_in_ms = p->harness->env.now_ms;
    feed(p);
    broker_worker_hand_over(w);
}

void harness_settle(struct harness *h)
{
    while (turn(h))
        continue;
}

void harness_wait(struct harness *h, uint64_t ms)
{
    for (uint64_t waited = 0; waited < ms; waited += STEP_MS) {
        h->env.now_ms += STEP_MS;
        h->waited_ms += STEP_MS;
        for (uint32_t i = 0; i < h->peers_count; i++) {
            struct session *s = h->peers[i].session;
            if (s != NULL && !s->is_ending && h->env.now_ms >= s->deadline_ms)
                s->protocol->on_deadline(s);
        }
        harness_settle(h);
    }
}

/* The phases of a worker's turn, in the gateway's order.  True when something moved. */
static bool turn(struct harness *h)
{
    bool has_moved = resume(h);

    has_moved |= broker_worker_has_work(h->worker) || !list_is_empty(&h->env.dirty);
    has_moved |= broker_worker_run_shard(h->worker);
    if (h->log != NULL)
        has_moved |= fetch_run(broker_fetch(h->broker));
    take_mail(h);
    take_confirms(h);
    broker_worker_hand_over(h->worker);
    flush(h);
    if (broker_worker_balance(h->worker)) {
        for (uint32_t i = 0; i < h->peers_count; i++) {
            struct session *s = h->peers[i].session;
            if (s != NULL && !s->is_ending)
                s->protocol->on_pressure(s);
        }
        has_moved = true;
    }
    return has_moved;
}

static void feed(struct peer_end *p)
{
    struct session *s = p->session;
    size_t used = 0;

    if (s == NULL || s->is_ending || s->is_parked || s->is_held || p->unread.len == 0)
        return;
    s->protocol->on_bytes(s, sl_buffer_bytes(&p->unread), &used);
    SL_ASSERT(used <= p->unread.len);
    sl_buffer_consume(&p->unread, used);
    SL_ASSERT(s->is_ending || s->is_parked || s->is_held || p->unread.len <= SL_UNREAD_BYTES_MAX);
}

static void take_mail(struct harness *h)
{
    struct mail_node *node = broker_worker_take_mail(h->worker).first;

    while (node != NULL) {
        struct mail *mail = (struct mail *)node;
        struct peer_end *p = peer_of(h, mail->to);

        node = node->next;
        if (p != NULL)
            session_on_mail(p->session, mail);
        mail_free(mail);
    }
}

static void take_confirms(struct harness *h)
{
    struct waiting_publisher publisher;

    while (broker_worker_next_confirm(h->worker, &publisher)) {
        struct peer_end *p = peer_of(h, publisher.session);
        if (p != NULL)
            p->session->protocol->on_confirmed(p->session, publisher.who, publisher.tag,
                                               publisher.is_refused);
    }
}

static bool resume(struct harness *h)
{
    struct list *node;
    bool has_moved = false;

    broker_worker_refresh(h->worker);
    while ((node = list_pop(&h->env.runnable)) != NULL) {
        feed(LIST_OF(node, struct session, of_runnable)->carrier);
        has_moved = true;
    }
    broker_worker_hand_over(h->worker);
    return has_moved;
}

static void flush(struct harness *h)
{
    struct list *node;

    while ((node = list_pop(&h->env.dirty)) != NULL) {
        struct session *s = LIST_OF(node, struct session, of_dirty);
        struct peer_end *p = s->carrier;

        if (!s->is_aborted && !p->is_deaf)
            hear(p);
        session_on_written(s);
        if (s->is_aborted || (s->is_ending && outbox_bytes(&s->out) == 0))
            close_session(p);
    }
}

static void hear(struct peer_end *p)
{
    struct outbox *out = &p->session->out;
    struct iovec iov[IOVECS];
    int n;

    while ((n = outbox_gather(out, iov, IOVECS)) > 0) {
        size_t bytes = 0;
        for (int i = 0; i < n; i++) {
            struct sl_bytes part = {iov[i].iov_base, iov[i].iov_len};
            SL_ASSERT(sl_buffer_append(&p->heard, part) == SL_OK);
            bytes += part.len;
        }
        outbox_take(out, bytes);
    }
    p->session->last_out_ms = p->harness->env.now_ms;
}

static void close_session(struct peer_end *p)
{
    struct session *s = p->session;

    s->protocol->close(s);
    session_deinit(s);
    free(s);
    p->session = NULL;
    sl_buffer_deinit(&p->unread);
    sl_buffer_init(&p->unread, HEARD_BYTES_MAX);
}

static struct peer_end *peer_of(struct harness *h, struct sl_handle handle)
{
    struct peer_end *p = &h->peers[handle.slot];

    if (p->session == NULL || !sl_handle_equal(p->session->client.handle, handle))
        return NULL;
    return p;
}
