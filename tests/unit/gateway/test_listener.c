#include "core/base/limits.h"
#include "gateway/worker.h"
#include "tests/support/unit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

static struct broker *broker;
static struct worker workers[2];
static int report_fd;
static char room[256];
static struct text why;
static const struct port STOMP_PORT = {"stomp", &stomp_protocol, PORT_PLAIN};
static const struct protocol_settings SETTINGS_FOR_TESTS = {.login_timeout_ms = 1000};

static void wake(void *context, uint32_t index)
{
    (void)context;
    worker_wake(&workers[index]);
}

static void begin(void)
{
    struct broker_options options = {.workers = 2,
                                     .memory_budget_bytes = SL_MEMORY_BUDGET_BYTES,
                                     .clock = &sl_clock_system,
                                     .wake = wake};

    why = text_on(room, sizeof room);
    report_fd = eventfd(0, EFD_NONBLOCK);
    broker = broker_new(&options);
    CU_ASSERT_PTR_NOT_NULL_FATAL(broker);
    for (uint32_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(worker_init(&workers[i], broker_worker_at(broker, i),
                                          &SETTINGS_FOR_TESTS, &sl_clock_system, report_fd),
                              SL_OK);
}

static void turn(struct worker *w)
{
    loop_doze(w->loop);
    worker_wake(w);
    worker_turn(w);
}

static void finish(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        worker_order(&workers[i], WORKER_CLOSE);
        turn(&workers[i]);
        worker_deinit(&workers[i]);
    }
    broker_free(broker);
    close(report_fd);
}

/* A port of 127.0.0.1 that is free now; held while *fd is open. */
static uint16_t take_port(int *fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    *fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(*fd, (struct sockaddr *)&at, sizeof at), 0);
    CU_ASSERT_EQUAL_FATAL(listen(*fd, 1), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(*fd, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

static uint16_t free_port(void)
{
    int fd;
    uint16_t port = take_port(&fd);

    close(fd);
    return port;
}

static int connect_to(const struct address *at, int fd)
{
    CU_ASSERT_EQUAL_FATAL(connect(fd, (const struct sockaddr *)&at->at, at->len), 0);
    return fd;
}

static uint32_t accepted(void)
{
    return conn_set_count(&workers[0].conns) + conn_set_count(&workers[1].conns);
}

static void a_port_that_someone_has_is_refused_with_the_reason(void)
{
    struct address at;
    int fd;
    uint16_t port = take_port(&fd);
    char expected[64];

    why = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(listener_probe("127.0.0.1", port, &at, &why), SL_EIO);
    snprintf(expected, sizeof expected, "cannot listen on 127.0.0.1:%u: ", port);
    CU_ASSERT_EQUAL(strncmp(why.at, expected, strlen(expected)), 0);
    why = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(listener_probe("", port, &at, &why), SL_EIO);
    close(fd);
}

static void what_is_no_address_is_refused(void)
{
    struct address at;

    why = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(listener_probe("localhost", 1, &at, &why), SL_ESYNTAX);
    CU_ASSERT_EQUAL(listener_probe("203.0.113.7", 1, &at, &why), SL_EIO); /* not ours */
}

static void open_to_all(struct worker *w, const struct address *at)
{
    CU_ASSERT_EQUAL_FATAL(worker_listen(w, at, &STOMP_PORT, &why), SL_OK);
    CU_ASSERT_EQUAL_FATAL(worker_serve(w, &why), SL_OK);
    turn(w);
}

static void a_worker_that_prepares_refuses_everybody(void)
{
    struct address at;

    begin();
    CU_ASSERT_EQUAL_FATAL(listener_probe("127.0.0.1", free_port(), &at, &why), SL_OK);
    CU_ASSERT_EQUAL_FATAL(worker_listen(&workers[0], &at, &STOMP_PORT, &why), SL_OK);
    turn(&workers[0]);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_NOT_EQUAL(connect(fd, (const struct sockaddr *)&at.at, at.len), 0);
    close(fd);
    CU_ASSERT_EQUAL_FATAL(worker_serve(&workers[0], &why), SL_OK);
    turn(&workers[0]);
    fd = connect_to(&at, socket(AF_INET, SOCK_STREAM, 0));
    turn(&workers[0]);
    CU_ASSERT_EQUAL(accepted(), 1);
    close(fd);
    finish();
}

static void workers_share_a_port_and_every_connection_is_someones(void)
{
    struct address at;
    int fds[32];

    begin();
    CU_ASSERT_EQUAL_FATAL(listener_probe("127.0.0.1", free_port(), &at, &why), SL_OK);
    for (uint32_t i = 0; i < 2; i++)
        open_to_all(&workers[i], &at);
    for (int i = 0; i < 32; i++)
        fds[i] = connect_to(&at, socket(AF_INET, SOCK_STREAM, 0));
    turn(&workers[0]);
    turn(&workers[1]);
    CU_ASSERT_EQUAL(accepted(), 32);
    for (int i = 0; i < 32; i++)
        close(fds[i]);
    finish();
}

static void a_want_of_descriptors_pauses_the_listener_instead_of_spinning(void)
{
    struct address at;
    struct rlimit limit;

    begin();
    CU_ASSERT_EQUAL_FATAL(listener_probe("127.0.0.1", free_port(), &at, &why), SL_OK);
    open_to_all(&workers[0], &at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    struct rlimit none = {(rlim_t)fd + 1, limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    connect_to(&at, fd);
    turn(&workers[0]);
    CU_ASSERT_EQUAL(accepted(), 0);
    CU_ASSERT_EQUAL(workers[0].listeners[0].watch.events, 0);

    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < TIMER_WHEEL_LEVELS && workers[0].listeners[0].watch.events == 0; i++)
        worker_turn(&workers[0]); /* waits for the timer: nothing else is there to do */
    CU_ASSERT_EQUAL(workers[0].listeners[0].watch.events, LOOP_READ);
    turn(&workers[0]);
    CU_ASSERT_EQUAL(accepted(), 1);
    close(fd);
    finish();
}

static void a_drained_worker_accepts_nobody(void)
{
    struct address at;

    begin();
    CU_ASSERT_EQUAL_FATAL(listener_probe("127.0.0.1", free_port(), &at, &why), SL_OK);
    open_to_all(&workers[0], &at);
    worker_order(&workers[0], WORKER_DRAIN);
    turn(&workers[0]);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_NOT_EQUAL(connect(fd, (const struct sockaddr *)&at.at, at.len), 0);
    close(fd);
    finish();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_port_that_someone_has_is_refused_with_the_reason),
        UNIT(what_is_no_address_is_refused),
        UNIT(workers_share_a_port_and_every_connection_is_someones),
        UNIT(a_want_of_descriptors_pauses_the_listener_instead_of_spinning),
        UNIT(a_worker_that_prepares_refuses_everybody),
        UNIT(a_drained_worker_accepts_nobody),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/listener", tests);
}
