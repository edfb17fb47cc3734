/*
 * fault.c - one scripted run, in which the n-th call fails, for every n.
 *
 * The script starts an empty store, declares, publishes (small, large, to many queues), consumes,
 * settles, purges, commits transactions, deletes, rolls over several segments, delays messages
 * until their time has come, pages out and fetches what it needs, takes checkpoints, releases and
 * evacuates segments, loses power, starts again, does more of the same and stops as the server
 * does.  It is run
 *
 *   - with the n-th open, write, read, sync, and so on failing, as the medium fails or as it has no
 *     room, with pages that look clean afterwards and without;
 *   - with the power going out in the n-th call that changes anything;
 *   - with the n-th allocation of core or store failing.
 *
 * Whatever happens has to be an error that is answered, a start that says why it cannot, a log
 * that ends, or a process that ends (an allocation of our own size, told by an assertion about
 * memory); nothing else.  Then the process starts again on what the disk has, with nothing in its
 * way, and the promises of tests/sim/verdict.h must hold.
 *
 *   fault                   all of it
 *   fault disk|power|memory
 *   fault memory N          one
 */
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "tests/fault/memory.h"
#include "tests/sim/actor.h"
#include "tests/sim/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEGMENT_BYTES 16384u
#define WINDOW_MS 86400000u
#define DELAY_MS 4000u
#define BUDGET_BYTES 8192u /* little: most is paged out */

struct fault {
    struct model model;
    struct world world;
    struct cast cast;
    struct sim_totals totals;
    bool is_stopped; /* in order, everything on the disk */
};

static void try_disk(void);
static void try_disk_call(enum faulty_op op, uint64_t n, enum sl_err err, bool is_clean_looking);
static void try_power(void);
static void try_memory(void);
static uint64_t count_allocations(void);
static bool try_allocation(uint64_t n);
static void begin(struct fault *f, uint64_t name);
static void end(struct fault *f, bool is_crash);
static void run_script(struct fault *f);
static bool play_first(struct fault *f);
static bool play_second(struct fault *f);
static bool start(struct fault *f);
static bool settle(struct fault *f);
static bool keep(struct fault *f);
static bool settle_and_judge_bindings(struct fault *f);
static void publish_many(struct actor *a);
static void publish_with_ids(struct actor *a);
static void prepare_some(struct actor *a);
static void decide_some(struct actor *a);
static void publish_far_apart(struct actor *a);
static void delay_some(struct actor *a);
static bool wait_for_due(struct fault *f);
static bool wait_for_checks(struct fault *f);
static void settle_some(struct actor *a);
static void clear_faults(struct fault *f);

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "all";
    bool is_all = strcmp(which, "all") == 0;

    sl_log_set_level(SL_LOG_ERROR);
    setvbuf(stdout, NULL, _IONBF, 0); /* nothing is printed twice after a fork */
    if (argc == 3 && strcmp(which, "memory") == 0) {
        (void)count_allocations(); /* as they go where all are tried */
        return try_allocation(strtoull(argv[2], NULL, 0)) ? 0 : 1;
    }
    if (is_all || strcmp(which, "disk") == 0)
        try_disk();
    if (is_all || strcmp(which, "power") == 0)
        try_power();
    if (is_all || strcmp(which, "memory") == 0)
        try_memory();
    return 0;
}

static void try_disk(void)
{
    static const char *const OPS[] = {"open",     "write",          "read", "sync",
                                      "allocate", "truncate",       "size", "remove",
                                      "rename",   "sync directory", "list", "room"};
    uint64_t calls[FAULTY_OPS];
    struct fault f;

    begin(&f, 0);
    run_script(&f);
    SL_ASSERT(f.is_stopped);
    SL_ASSERT(f.world.kept.released > 0 && f.world.kept.moved > 0 && f.world.fetches > 0);
    for (uint32_t op = 0; op < FAULTY_OPS; op++)
        calls[op] = faulty_disk_calls(f.world.disk, op);
    end(&f, false);
    for (uint32_t op = 0; op < FAULTY_OPS; op++) {
        for (uint64_t n = 1; n <= calls[op]; n++) {
            try_disk_call(op, n, SL_EIO, false);
            try_disk_call(op, n, SL_EIO, true);
            try_disk_call(op, n, SL_EFULL, false);
        }
        printf("fault: each of %llu calls of %s failed, no promise broken\n",
               (unsigned long long)calls[op], OPS[op]);
    }
}

static void try_disk_call(enum faulty_op op, uint64_t n, enum sl_err err, bool is_clean_looking)
{
    for (uint32_t is_crash = 0; is_crash < 2; is_crash++) {
        struct fault f;
        begin(&f, op * 1000000 + n);
        faulty_disk_set_clean_looking(f.world.disk, is_clean_looking);
        faulty_disk_fail(f.world.disk, op, n, err);
        run_script(&f);
        end(&f, is_crash);
    }
}

static void try_power(void)
{
    struct fault f;

    begin(&f, 0);
    run_script(&f);
    uint64_t calls = faulty_disk_calls(f.world.disk, FAULTY_ANY);
    end(&f, false);
    for (uint64_t n = 1; n <= calls; n++) {
        begin(&f, n);
        faulty_disk_power_off_at(f.world.disk, n);
        run_script(&f);
        end(&f, true);
    }
    printf("fault: the power went out in each of %llu calls, no promise broken\n",
           (unsigned long long)calls);
}

/* Each in a process of its own: one that ends in the middle leaves its memory behind. */
static void try_memory(void)
{
    uint64_t calls = count_allocations();

    for (uint64_t n = 1; n <= calls; n++)
        if (!try_allocation(n)) {
            printf("FAILED: rerun with: fault memory %llu\n", (unsigned long long)n);
            exit(1);
        }
    printf("fault: each of %llu allocations failed, no promise broken\n",
           (unsigned long long)calls);
}

static uint64_t count_allocations(void)
{
    struct fault f;

    memory_fail_at(0);
    begin(&f, 0);
    run_script(&f);
    uint64_t calls = memory_calls();
    end(&f, false);
    return calls;
}

static bool try_allocation(uint64_t n)
{
    int status = 0;
    pid_t child = fork();

    SL_ASSERT(child >= 0);
    if (child == 0) {
        struct fault f;
        begin(&f, n);
        memory_fail_at(n);
        if (sigsetjmp(memory_exit, 1) == 0)
            run_script(&f);
        else { /* the process ended; what it had in memory is lost with it */
            f.world.broker = NULL;
            f.world.log = NULL;
            cast_abandon(&f.cast);
        }
        memory_fail_at(0);
        end(&f, n % 2 == 0);
        _exit(0); /* what was abandoned is no leak */
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void begin(struct fault *f, uint64_t name)
{
    memset(f, 0, sizeof *f);
    model_init(&f->model, name, &f->totals);
    world_init(&f->world, 2, SEGMENT_BYTES);
    f->world.budget_bytes = BUDGET_BYTES;
    f->world.look = memory_pause;
    f->model.queues[1].rules.window_ms = WINDOW_MS;
    f->model.queues[4].rules.until_settled = true;
    model_make_clusters(&f->model);
    cast_init(&f->cast, &f->model, &f->world, 1);
}

/* The next start, with nothing in its way. */
static void end(struct fault *f, bool is_crash)
{
    bool is_off = faulty_disk_is_off(f->world.disk);

    cast_leave_all(&f->cast);
    if (is_crash || is_off)
        world_crash(&f->world, f->model.seed);
    else if (f->world.broker != NULL)
        world_kill(&f->world);
    clear_faults(f);
    for (uint32_t i = 0; i < SIM_QUEUES && !f->is_stopped; i++)
        f->model.queues[i].was_ever_read = true;
    if (world_start(&f->world) != SL_OK)
        sim_fail(&f->model, "the start is refused: %s", f->world.findings.problem);
    verdict_pass(&f->model, &f->world, f->is_stopped);
    world_check(&f->world);
    struct actor *a = cast_enter(&f->cast, 0);
    publish_many(a);
    act_confirm(a);
    cast_settle(&f->cast);
    cast_check_heard(&f->cast);
    cast_leave_all(&f->cast);
    world_kill(&f->world);
    if (memory_has_failed())
        return;
    cast_deinit(&f->cast);
    world_deinit(&f->world);
    model_deinit(&f->model);
}

/* As far as it comes. */
static void run_script(struct fault *f)
{
    if (!start(f) || !play_first(f))
        return;
    cast_leave_all(&f->cast);
    world_crash(&f->world, 1);
    for (uint32_t i = 0; i < SIM_QUEUES; i++)
        f->model.queues[i].was_ever_read = true;
    if (!start(f))
        return;
    memory_pause(true);
    verdict_pass(&f->model, &f->world, false);
    memory_pause(false);
    if (play_second(f))
        f->is_stopped = cast_stop(&f->cast);
}

static bool play_first(struct fault *f)
{
    struct actor *p = cast_enter(&f->cast, 0);
    struct actor *c = cast_enter(&f->cast, 1);

    for (uint32_t i = 0; i < 4; i++)
        act_declare_queue(p, i, i != 3, false, false);
    act_declare_exchange(c, 2, EXCHANGE_TOPIC, true, false);
    act_declare_paid(p);
    act_declare_later(p);
    act_operate(c, 0, true);
    act_operate(c, 2, true);
    act_operate(c, 3, true);
    act_declare_exchange(c, 3, EXCHANGE_FANOUT, true, true);
    if (!settle(f))
        return false;
    for (uint32_t i = 0; i < 4; i++)
        act_bind(p, 2, i, i, true);
    act_bind(c, 3, 1, 0, true);
    act_subscribe(c, 0, false, 10);
    act_subscribe(c, 3, true, 10);
    if (!settle(f))
        return false;
    publish_many(p);
    publish_with_ids(p);
    delay_some(p);
    if (!settle(f) || !keep(f) || !wait_for_due(f))
        return false;
    prepare_some(p);
    if (!settle(f))
        return false;
    if (!keep(f))
        return false;
    act_operate(c, 0, false);
    act_operate(c, 3, false);
    decide_some(p);
    settle_some(c);
    act_get(p, 1, false);
    act_purge(p, 2);
    if (!settle(f) || !keep(f))
        return false;
    act_commit(c);
    act_commit(p);
    act_bind(c, 3, 1, 0, false);
    act_bind(p, 2, 3, 3, false);
    return settle_and_judge_bindings(f);
}

static bool play_second(struct fault *f)
{
    struct actor *p = cast_enter(&f->cast, 1);
    struct actor *c = cast_enter(&f->cast, 0);

    act_declare_queue(p, 4, true, true, false);
    act_subscribe(c, 0, false, 5);
    act_subscribe(c, 1, false, 5);
    if (!settle(f))
        return false;
    publish_with_ids(p); /* again what was not confirmed, and more */
    prepare_some(c);
    if (!wait_for_checks(f))
        return false;
    decide_some(c);
    delay_some(c);
    publish_many(p);
    act_delete_queue(p, 2);
    if (!settle(f))
        return false;
    settle_some(c);
    act_commit(c);
    act_delete_exchange(p, 2);
    if (!settle(f))
        return false;
    act_delete_later(p);
    publish_far_apart(p);
    if (!settle(f))
        return false;
    act_purge(p, 0);
    act_purge(p, 1);
    if (!settle(f) || !keep(f))
        return false;
    cast_leave(&f->cast, c);
    return settle(f);
}

/* false: it could not, and nothing runs.  Once the fault is past it can. */
static bool start(struct fault *f)
{
    enum sl_err err = world_start(&f->world);

    if (err == SL_OK || err == SL_EIO || err == SL_EFULL || err == SL_ENOMEM)
        return err == SL_OK;
    sim_fail(&f->model, "the start is refused: %s", f->world.findings.problem);
}

/* Twice: what found no room for a segment is tried again.  false: the log has ended. */
static bool settle(struct fault *f)
{
    for (uint32_t i = 0; i < 2 && !f->world.failed; i++) {
        cast_settle(&f->cast);
        world_prepare(&f->world);
    }
    cast_settle(&f->cast);
    if (!f->world.failed)
        cast_check_heard(&f->cast);
    return !f->world.failed;
}

static bool keep(struct fault *f)
{
    if (!f->world.failed)
        cast_keep(&f->cast);
    return settle(f);
}

/* The log says what was asked; what was answered has to be so in this life too. */
static bool settle_and_judge_bindings(struct fault *f)
{
    if (!settle(f))
        return false;
    memory_pause(true);
    verdict_bindings(&f->model, &f->world);
    memory_pause(false);
    return true;
}

static void publish_many(struct actor *a)
{
    broker_worker_refresh(a->client.worker);
    for (uint32_t i = 0; i < 12; i++) {
        act_publish(a, 2, i % 2, i % 5 != 0, 8 + i * 40, 0);
        act_publish_to_queue(a, i % 4, true, 3000, 0);
    }
    act_publish(a, 0, 0, true, 100, 0); /* reaches nobody */
    act_publish_to_queue(a, 1, true, 70000, 0);
    act_confirm(a);
}

static void publish_with_ids(struct actor *a)
{
    if (a->publisher == NULL)
        again_enter(a);
    broker_worker_refresh(a->client.worker);
    for (uint32_t i = 0; i < 8; i++)
        again_publish(a, 0);
    if (a->publisher != NULL)
        again_publish_open(a);
    act_confirm(a);
}

static void prepare_some(struct actor *a)
{
    for (uint32_t i = 0; i < 4; i++)
        act_prepare(a);
}

static void decide_some(struct actor *a)
{
    for (uint32_t i = 0; i < 4; i++)
        act_decide(a);
}

/* A few small ones, which stay, among much that does not. */
static void publish_far_apart(struct actor *a)
{
    for (uint32_t i = 0; i < 10; i++) {
        act_publish_to_queue(a, 4, true, 100, 0);
        act_publish_to_queue(a, i % 2, true, 7000, 0);
    }
    act_confirm(a);
}

/* In slots of two wheels, and some in a transaction. */
static void delay_some(struct actor *a)
{
    uint32_t group = ++a->cast->model->groups;

    broker_worker_refresh(a->client.worker);
    for (uint32_t i = 0; i < 10; i++)
        act_delay(a, 1 + i % 5 * DELAY_MS, 0);
    broker_group_begin(&a->client);
    act_delay(a, DELAY_MS, group);
    act_delay(a, 20 * DELAY_MS, group);
    broker_group_end(&a->client);
    act_confirm(a);
}

/* A slot after the other; some go on waiting. */
static bool wait_for_due(struct fault *f)
{
    for (uint32_t i = 0; i < 3; i++) {
        f->world.now_ms += DELAY_MS;
        if (!settle(f))
            return false;
        memory_pause(true);
        delayed_look(&f->model, &f->world);
        memory_pause(false);
    }
    return true;
}

/* The first ones, and twice the time when the next ones would come. */
static bool wait_for_checks(struct fault *f)
{
    for (uint32_t i = 0; i < 3; i++) {
        f->world.now_ms += SL_PREPARED_CHECK_AGAIN_MS;
        if (!settle(f))
            return false;
    }
    return true;
}

static void settle_some(struct actor *a)
{
    if (a->loans_count > 4) {
        act_settle(a, 2, true, SETTLE_CONSUMED, 0);
        act_settle(a, 0, false, SETTLE_REJECTED, 0);
    }
    if (a->loans_count > 0)
        act_settle(a, a->loans_count - 1, false, SETTLE_RETURNED, 0);
    act_confirm(a);
}

static void clear_faults(struct fault *f)
{
    faulty_disk_power_off_at(f->world.disk, 0);
    for (uint32_t op = 0; op <= FAULTY_OPS; op++) {
        faulty_disk_fail(f->world.disk, op, 0, SL_OK);
        faulty_disk_fail_always(f->world.disk, op, SL_OK);
    }
}
