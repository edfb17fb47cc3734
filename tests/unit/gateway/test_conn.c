/*
 * A worker turned by hand, one end of a socket pair as the peer, and a front end that records
 * what it is told: everything the gateway promises to front ends.
 */
#include "core/base/limits.h"
#include "core/memory.h"
#include "gateway/worker.h"
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a front end for the tests: every line is a command ---- */

struct probe {
    struct session s;
    unsigned calls;
    unsigned deadlines;
    unsigned pressures;
    size_t lent; /* bytes in the last on_bytes */
    bool stays;  /* does not end with its input */
};

static struct probe *probe; /* the session of the test's only connection */
static unsigned closed;
static unsigned shut_down;
static unsigned read_out;

static void command(struct probe *p, char c)
{
    switch (c) {
    case 'p': p->s.is_parked = true; break;
    case 'e': session_end(&p->s); break;
    case 'h': p->s.is_held = broker_is_held(&p->s.client); break;
    case 'a': session_abort(&p->s); break;
    case 'd': p->s.deadline_ms = p->s.env->now_ms + 50; break;
    case 'b':
        for (int i = 0; i < 64; i++) /* 4 MiB of answer: more than any socket takes */
            memset(outbox_reserve(&p->s.out, 65536), 'x', 65536), outbox_commit(&p->s.out, 65536);
        break;
    default: break;
    }
}

static void probe_on_bytes(struct session *s, struct sl_bytes in, size_t *used)
{
    struct probe *p = (struct probe *)s;

    p->calls++;
    p->lent = in.len;
    while (in.len - *used >= 2 && !s->is_parked && !s->is_held && !s->is_ending) { /* "x\n" */
        command(p, (char)in.at[*used]);
        outbox_add(&s->out, (struct sl_bytes){in.at + *used, 2});
        session_touch(s);
        *used += 2;
    }
}

static void probe_open(struct session *s)
{
    probe = (struct probe *)s;
}

static void probe_on_deadline(struct session *s)
{
    ((struct probe *)s)->deadlines++;
    s->deadline_ms = UINT64_MAX;
}

static void probe_on_pressure(struct session *s)
{
    ((struct probe *)s)->pressures++;
}

static void probe_on_confirmed(struct session *s, uint64_t who, sl_tag upto, bool is_refused)
{
    (void)s, (void)who, (void)upto, (void)is_refused;
}

static void probe_on_end_of_input(struct session *s)
{
    read_out++;
    if (!((struct probe *)s)->stays)
        session_end(s);
}

static void probe_on_shutdown(struct session *s)
{
    shut_down++;
    outbox_add(&s->out, SL_BYTES_LITERAL("bye\n"));
    session_end(s);
}

static void probe_close(struct session *s)
{
    closed++;
    probe = NULL;
    broker_client_close(&s->client);
}

static const struct protocol PROBE = {
    .name = "probe",
    .session_size = sizeof(struct probe),
    .open = probe_open,
    .on_bytes = probe_on_bytes,
    .on_deadline = probe_on_deadline,
    .on_pressure = probe_on_pressure,
    .on_confirmed = probe_on_confirmed,
    .on_end_of_input = probe_on_end_of_input,
    .on_shutdown = probe_on_shutdown,
    .close = probe_close,
};

static const struct port PORT = {"probe", &PROBE, PORT_PLAIN};

/* ---- the bench ---- */

static uint64_t now_ms;
static struct broker *broker;
static struct worker worker;
static int report_fd;
static int peer;

static uint64_t fake_now(void *self)
{
    (void)self;
    return now_ms;
}

static const struct sl_clock CLOCK = {fake_now, fake_now, NULL};
static const struct protocol_settings SETTINGS_FOR_TESTS = {.login_timeout_ms = 1000};

static void wake(void *context, uint32_t index)
{
    (void)context;
    (void)index;
    if (worker.loop != NULL)
        worker_wake(&worker);
}

static void begin(void)
{
    struct broker_options options = {
        .workers = 1, .memory_budget_bytes = 1 << 20, .clock = &CLOCK, .wake = wake};
    int pair[2];

    now_ms = 5000;
    closed = shut_down = read_out = 0;
    probe = NULL;
    broker = broker_new(&options);
    report_fd = eventfd(0, EFD_NONBLOCK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(broker);
    CU_ASSERT_EQUAL_FATAL(
        worker_init(&worker, broker_worker_at(broker, 0), &SETTINGS_FOR_TESTS, &CLOCK, report_fd),
        SL_OK);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    peer = pair[0];
    conn_open(&worker.conns, pair[1], &PORT);
}

static void finish(void)
{
    worker_order(&worker, WORKER_CLOSE);
    worker_turn(&worker);
    CU_ASSERT_EQUAL(conn_set_count(&worker.conns), 0);
    while (worker_settle(&worker))
        ;
    worker_deinit(&worker);
    broker_free(broker);
    worker = (struct worker){.core = NULL};
    close(report_fd);
    if (peer >= 0)
        close(peer);
}

/* A turn that must not sleep: something is always ready, since we wake first. */
static void turn(void)
{
    loop_doze(worker.loop);
    worker_wake(&worker);
    worker_turn(&worker);
}

static void send_text(const char *text)
{
    CU_ASSERT_EQUAL_FATAL(write(peer, text, strlen(text)), (ssize_t)strlen(text));
    turn();
}

static const char *received(void)
{
    static char room[256];
    ssize_t n = read(peer, room, sizeof room - 1);

    room[n > 0 ? n : 0] = '\0';
    return room;
}

static bool is_closed_by_us(void)
{
    char byte;
    return read(peer, &byte, 1) == 0;
}

static size_t swallow(void)
{
    static char room[65536];
    size_t sum = 0;
    ssize_t n;

    while ((n = read(peer, room, sizeof room)) > 0)
        sum += (size_t)n;
    return sum;
}

/* ---- promises ---- */

static void a_connection_that_says_nothing_is_closed_after_the_login_timeout(void)
{
    begin();
    now_ms += 999;
    turn();
    CU_ASSERT_EQUAL(conn_set_count(&worker.conns), 1);
    now_ms += 1;
    turn();
    CU_ASSERT_EQUAL(conn_set_count(&worker.conns), 0);
    CU_ASSERT_TRUE(is_closed_by_us());
    CU_ASSERT_EQUAL(closed, 0); /* there never was a session */
    finish();
}

static void a_tls_hello_is_not_given_to_any_front_end(void)
{
    begin();
    send_text("\x16\x03\x01");
    CU_ASSERT_PTR_NULL(probe);
    CU_ASSERT_TRUE(is_closed_by_us());
    finish();
}

static void first_bytes_of_nobody_go_to_the_listeners_own_front_end(void)
{
    begin();
    send_text("x\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(probe);
    CU_ASSERT_STRING_EQUAL(received(), "x\n");
    finish();
}

static void unread_bytes_are_lent_again_in_front_of_new_ones(void)
{
    begin();
    send_text("x\nx");
    CU_ASSERT_STRING_EQUAL(received(), "x\n");
    send_text("\nx");
    CU_ASSERT_EQUAL(probe->lent, 3);
    CU_ASSERT_STRING_EQUAL(received(), "x\n");
    send_text("\n");
    CU_ASSERT_STRING_EQUAL(received(), "x\n");
    finish();
}

static void a_parked_session_is_lent_nothing_until_it_resumes(void)
{
    begin();
    send_text("p\nx\n");
    CU_ASSERT_EQUAL(probe->calls, 1);
    send_text("y\n");
    turn();
    CU_ASSERT_EQUAL(probe->calls, 1);
    CU_ASSERT_STRING_EQUAL(received(), "p\n");
    session_resume(&probe->s);
    turn(); /* what was unread */
    turn(); /* what the socket held */
    CU_ASSERT_STRING_EQUAL(received(), "x\ny\n");
    finish();
}

static void a_resumed_session_gets_its_unread_bytes_before_new_ones_however_many(void)
{
    enum { LINES = 200000 };
    static char text[2 * LINES];
    size_t sent = 0;
    size_t answered = 0;

    begin();
    for (int i = 0; i < LINES; i++)
        memcpy(text + (ptrdiff_t)2 * i, i % 50000 == 100 ? "p\n" : "x\n", 2);
    for (int i = 0; i < 200 && answered < sizeof text; i++) {
        ssize_t n = write(peer, text + sent, sizeof text - sent);
        sent += n > 0 ? (size_t)n : 0;
        turn();
        if (probe->s.is_parked)
            session_resume(&probe->s);
        answered += swallow();
    }
    CU_ASSERT_EQUAL(answered, sizeof text);
    CU_ASSERT_EQUAL(conn_set_count(&worker.conns), 1);
    finish();
}

static void a_peer_that_does_not_read_is_not_read_from(void)
{
    begin();
    send_text("b\n");
    unsigned calls = probe->calls;
    send_text("x\n");
    turn();
    CU_ASSERT_EQUAL(probe->calls, calls);
    size_t sum = 0;
    for (int i = 0; i < 10000 && probe->calls == calls; i++) {
        sum += swallow();
        turn();
    }
    CU_ASSERT_EQUAL(probe->calls, calls + 1);
    for (int i = 0; i < 100; i++) {
        sum += swallow();
        turn();
    }
    CU_ASSERT_EQUAL(sum, 64 * 65536 + 4);
    finish();
}

static void a_held_session_goes_on_when_memory_is_free_again(void)
{
    begin();
    send_text("x\n");
    (void)received();
    memory_charge(2 << 20);
    turn();
    CU_ASSERT_EQUAL(probe->pressures, 1);
    send_text("h\nx\n");
    send_text("y\n");
    CU_ASSERT_STRING_EQUAL(received(), "h\n");
    memory_release(2 << 20);
    turn();
    turn();
    CU_ASSERT_EQUAL(probe->pressures, 2);
    turn();
    CU_ASSERT_STRING_EQUAL(received(), "x\ny\n");
    finish();
}

enum { CROWD = 20 };

static void open_crowd(int *peers)
{
    for (int i = 0; i < CROWD; i++) {
        int pair[2];

        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        peers[i] = pair[0];
        conn_open(&worker.conns, pair[1], &PORT);
        CU_ASSERT_EQUAL_FATAL(write(peers[i], "h\nx\n", 4), 4);
        turn();
    }
}

/* How many of them, from the first on, have gone on; the others have not. */
static int gone_on(const int *peers, const bool *has_before, bool *has)
{
    char room[16];
    int count = 0;

    for (int i = 0; i < CROWD; i++) {
        has[i] = has_before[i];
        for (ssize_t n; (n = read(peers[i], room, sizeof room)) > 0;)
            has[i] |= memchr(room, 'x', (size_t)n) != NULL;
        CU_ASSERT_TRUE(!has[i] || i == 0 || has[i - 1]);
        count += has[i];
    }
    return count;
}

static void who_was_held_longest_goes_on_first_and_the_others_when_there_is_room_still(void)
{
    bool has[CROWD] = {false};
    int peers[CROWD];

    begin();
    memory_charge(2 << 20);
    turn();
    open_crowd(peers);
    CU_ASSERT_EQUAL(gone_on(peers, has, has), 0);
    memory_release(2 << 20);
    turn(); /* looks at the pressure */
    memory_charge(2 << 20);
    turn(); /* the first few go on, and it is short again */
    int first = gone_on(peers, has, has);
    CU_ASSERT_TRUE(first > 0 && first < CROWD / 2);
    turn();
    CU_ASSERT_EQUAL(gone_on(peers, has, has), first);
    memory_release(2 << 20);
    for (int i = 0; i < 5; i++)
        turn();
    CU_ASSERT_EQUAL(gone_on(peers, has, has), CROWD);
    finish();
    for (int i = 0; i < CROWD; i++)
        close(peers[i]);
}

static void last_words_go_out_before_the_socket_closes_and_input_is_dropped(void)
{
    begin();
    send_text("x\ne\nx\n");
    CU_ASSERT_EQUAL(closed, 1);
    CU_ASSERT_STRING_EQUAL(received(), "x\ne\n");
    CU_ASSERT_TRUE(is_closed_by_us());
    CU_ASSERT_EQUAL(conn_set_count(&worker.conns), 1); /* lingers for the peer's sake */
    send_text("more");
    now_ms += 3000;
    turn();
    CU_ASSERT_EQUAL(conn_set_count(&worker.conns), 0);
    finish();
}

static void an_aborted_session_says_nothing_more(void)
{
    begin();
    send_text("x\na\n");
    CU_ASSERT_EQUAL(closed, 1);
    CU_ASSERT_EQUAL(conn_set_count(&worker.conns), 0);
    CU_ASSERT_STRING_EQUAL(received(), "");
    finish();
}

static void last_words_that_nobody_reads_are_given_up(void)
{
    begin();
    send_text("b\ne\n");
    CU_ASSERT_EQUAL(closed, 0);
    now_ms += 20000;
    turn();
    CU_ASSERT_EQUAL(closed, 1);
    CU_ASSERT_EQUAL(conn_set_count(&worker.conns), 0);
    finish();
}

static void a_peer_that_stops_sending_still_gets_its_answers(void)
{
    begin();
    CU_ASSERT_EQUAL(write(peer, "x\n", 2), 2);
    shutdown(peer, SHUT_WR);
    turn();
    turn();
    CU_ASSERT_STRING_EQUAL(received(), "x\n");
    turn();
    CU_ASSERT_EQUAL(conn_set_count(&worker.conns), 0);
    finish();
}

static void a_session_may_stay_to_answer_a_peer_that_stopped_sending(void)
{
    begin();
    send_text("x\nx");
    CU_ASSERT_STRING_EQUAL(received(), "x\n");
    shutdown(peer, SHUT_WR);
    probe->stays = true;
    turn();
    turn();
    turn();
    CU_ASSERT_EQUAL(read_out, 1); /* it is told once */
    CU_ASSERT_EQUAL_FATAL(closed, 0);
    CU_ASSERT_EQUAL(probe->calls, 1);
    outbox_add(&probe->s.out, SL_BYTES_LITERAL("late"));
    session_touch(&probe->s);
    session_resume(&probe->s); /* there is nothing left to be lent */
    turn();
    CU_ASSERT_EQUAL(probe->calls, 1);
    CU_ASSERT_STRING_EQUAL(received(), "late");
    session_end(&probe->s);
    turn();
    turn();
    CU_ASSERT_EQUAL(closed, 1);
    CU_ASSERT_TRUE(is_closed_by_us());
    finish();
}

static void a_peer_that_goes_away_is_buried_even_when_parked(void)
{
    begin();
    send_text("p\nx\n");
    send_text("y\n"); /* reading is off from here */
    close(peer);
    peer = -1;
    turn();
    CU_ASSERT_EQUAL(closed, 1);
    CU_ASSERT_EQUAL(conn_set_count(&worker.conns), 0);
    finish();
}

static void a_deadline_is_kept_to_the_millisecond(void)
{
    begin();
    send_text("d\n");
    now_ms += 49;
    turn();
    CU_ASSERT_EQUAL(probe->deadlines, 0);
    now_ms += 1;
    turn();
    CU_ASSERT_EQUAL(probe->deadlines, 1);
    now_ms += 100000;
    turn();
    CU_ASSERT_EQUAL(probe->deadlines, 1);
    finish();
}

static void a_drain_tells_sessions_and_reports_when_all_have_gone(void)
{
    uint64_t count;

    begin();
    send_text("x\n");
    (void)received();
    worker_order(&worker, WORKER_DRAIN);
    turn();
    CU_ASSERT_EQUAL(shut_down, 1);
    CU_ASSERT_STRING_EQUAL(received(), "bye\n");
    CU_ASSERT(read(report_fd, &count, sizeof count) < 0);
    close(peer);
    peer = -1;
    turn();
    CU_ASSERT_EQUAL(read(report_fd, &count, sizeof count), sizeof count);
    finish();
}

static void an_idle_connection_keeps_no_input(void)
{
    begin();
    send_text("x\nx");
    send_text("\n");
    struct conn *c = probe->s.carrier;
    CU_ASSERT_PTR_NULL(c->unread);
    CU_ASSERT(sizeof *c <= 256);
    finish();
}

static void a_confirm_that_is_due_when_the_threads_have_ended_does_not_keep_the_stop_waiting(void)
{
    int rounds = 0;

    begin();
    send_text("x\n");
    broker_confirm(&probe->s.client, 1, (sl_tag){1});
    while (rounds < 100 && worker_settle(&worker))
        rounds++;
    CU_ASSERT_TRUE_FATAL(rounds < 100);
    finish();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_connection_that_says_nothing_is_closed_after_the_login_timeout),
        UNIT(a_tls_hello_is_not_given_to_any_front_end),
        UNIT(first_bytes_of_nobody_go_to_the_listeners_own_front_end),
        UNIT(unread_bytes_are_lent_again_in_front_of_new_ones),
        UNIT(a_parked_session_is_lent_nothing_until_it_resumes),
        UNIT(a_resumed_session_gets_its_unread_bytes_before_new_ones_however_many),
        UNIT(a_peer_that_does_not_read_is_not_read_from),
        UNIT(a_confirm_that_is_due_when_the_threads_have_ended_does_not_keep_the_stop_waiting),
        UNIT(a_held_session_goes_on_when_memory_is_free_again),
        UNIT(who_was_held_longest_goes_on_first_and_the_others_when_there_is_room_still),
        UNIT(last_words_go_out_before_the_socket_closes_and_input_is_dropped),
        UNIT(an_aborted_session_says_nothing_more),
        UNIT(last_words_that_nobody_reads_are_given_up),
        UNIT(a_peer_that_stops_sending_still_gets_its_answers),
        UNIT(a_session_may_stay_to_answer_a_peer_that_stopped_sending),
        UNIT(a_peer_that_goes_away_is_buried_even_when_parked),
        UNIT(a_deadline_is_kept_to_the_millisecond),
        UNIT(a_drain_tells_sessions_and_reports_when_all_have_gone),
        UNIT(an_idle_connection_keeps_no_input),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/conn", tests);
}
