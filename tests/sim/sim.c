/*
 * sim.c - the real core and the real log, with the dice in our hand.
 *
 * One seed is one run: one to three workers, a few sessions, small segments.  The dice choose what
 * moves next: a session asks for something, a worker does one part of its turn, the log is
 * flushed, a segment is prepared, a fault is set up in the disk, the process is killed, stopped or
 * loses power, perhaps in the middle of a write, perhaps again in the middle of the recovery.
 * What is checked while it runs stands in model.h, what is checked after each start in verdict.h;
 * when everything has settled, everybody must have heard everything.
 *
 *   sim                      a few hundred seeds
 *   sim --seed N [--tell]    one, and all that happens in it
 *   sim --seeds FROM COUNT
 *   sim --long               100,000
 */
#include "tests/sim/actor.h"
#include "tests/sim/verdict.h"

#include "core/base/assert.h"
#include "core/base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_DEFAULT 800u
#define SEEDS_LONG 100000u
#define DAY_MS 86400000u

struct sim {
    struct model model;
    struct world world;
    struct cast cast;
    uint32_t weights[ACT_KINDS];
    uint32_t trouble; /* percent of steps that set up a fault, times 10 */
    uint32_t ends;    /* and of those that end a life */
    uint32_t keeps;   /* percent of the works that are the keeper's */
};

static void say_seed(int signal);
static void run_seed(uint64_t seed, struct sim_totals *totals, bool is_told);
static void choose_weights(struct sim *s);
static void choose_world(struct sim *s);
static void choose_rules(struct dice *d, struct sim_rules *r);
static void choose_window(struct model *m, struct dice *d, uint32_t queue);
static void tell_rules(const struct model *m);
static uint64_t some_wall_ms(struct dice *d);
static void step(struct sim *s);
static void work(struct sim *s);
static void keep(struct sim *s);
static void set_fault(struct sim *s);
static void end_life(struct sim *s);
static void stop(struct sim *s);
static void start(struct sim *s, bool was_stopped);
static bool settle_deaths(struct sim *s);
static void settle_in(struct sim *s, struct actor *a);
static void end_run(struct sim *s);
static void clear_faults(struct faulty_disk *disk);
static void wait_for_delayed(struct sim *s);
static void print_totals(const struct sim_totals *t, uint64_t seeds);

static volatile uint64_t seed_at_hand;

int main(int argc, char **argv)
{
    struct sim_totals totals = {0};
    uint64_t from = 1;
    uint64_t count = SEEDS_DEFAULT;
    bool is_told = false;

    if ((argc == 3 || argc == 4) && strcmp(argv[1], "--seed") == 0) {
        from = strtoull(argv[2], NULL, 0);
        count = 1;
        is_told = argc == 4 && strcmp(argv[3], "--tell") == 0;
    } else if (argc == 4 && strcmp(argv[1], "--seeds") == 0) {
        from = strtoull(argv[2], NULL, 0);
        count = strtoull(argv[3], NULL, 0);
    } else if (argc == 2 && strcmp(argv[1], "--long") == 0) {
        count = SEEDS_LONG;
    } else if (argc != 1) {
        fprintf(stderr, "usage: sim [--seed N [--tell] | --seeds FROM COUNT | --long]\n");
        return 2;
    }
    sl_log_set_level(SL_LOG_ERROR);
    (void)signal(SIGABRT, say_seed);
    printf("sim: seeds %llu to %llu\n", (unsigned long long)from,
           (unsigned long long)(from + count - 1));
    fflush(stdout);
    for (uint64_t i = 0; i < count; i++)
        run_seed(from + i, &totals, is_told);
    print_totals(&totals, count);
    return 0;
}

/* An assertion of the broker's own failed. */
static void say_seed(int signal)
{
    char text[64];
    int n = snprintf(text, sizeof text, "FAILED seed=%llu\n", (unsigned long long)seed_at_hand);

    (void)signal;
    (void)!write(STDOUT_FILENO, text, (size_t)n);
    _exit(1);
}

static void run_seed(uint64_t seed, struct sim_totals *totals, bool is_told)
{
    struct sim s = {0};

    seed_at_hand = seed;
    cast_init(&s.cast, &s.model, &s.world, seed * 2 + 1);
    struct dice *d = &s.cast.dice;
    model_init(&s.model, seed, totals);
    s.model.is_told = is_told;
    world_init(&s.world, 1 + dice_roll(d, WORLD_WORKERS_MAX), 16384u << dice_roll(d, 3));
    choose_weights(&s);
    choose_world(&s);
    tell_rules(&s.model);
    start(&s, false);
    for (uint32_t steps = 300 + dice_roll(d, 700); s.model.step < steps; s.model.step++)
        step(&s);
    end_run(&s);
    totals->checkpoints += s.world.kept.checkpoints;
    totals->released += s.world.kept.released;
    totals->moved += s.world.kept.moved;
    totals->fetches += s.world.fetches;
    cast_deinit(&s.cast);
    world_deinit(&s.world);
    model_deinit(&s.model);
}

/* Each seed has its own habits: what it does all the time, and what never. */
static void choose_weights(struct sim *s)
{
    static const uint32_t USUAL[ACT_KINDS] = {30, 20, 20, 8, 6, 10, 2, 2, 4, 1,
                                              8,  3,  8,  2, 2, 4,  8, 8, 3, 8};
    static const uint32_t TIMES[] = {0, 1, 1, 2, 4};
    struct dice *d = &s->cast.dice;

    for (uint32_t i = 0; i < ACT_KINDS; i++)
        s->weights[i] = USUAL[i] * TIMES[dice_roll(d, i == 0 || i == 5 ? 2 : 5) + (i == 0)];
    s->weights[0] += 10;
    s->weights[5] += 4;
    s->trouble = dice_roll(d, 10);
    s->ends = 2 + dice_roll(d, 20);
}

/* How short memory is, and how often the log is cleaned up. */
static void choose_world(struct sim *s)
{
    static const uint64_t BUDGETS[] = {1ull << 30, 1ull << 30, 256 * 1024, 64 * 1024,
                                       16 * 1024,  4096,       1};
    struct dice *d = &s->cast.dice;

    s->world.budget_bytes = BUDGETS[dice_roll(d, sizeof BUDGETS / sizeof BUDGETS[0])];
    s->world.checkpoint_bytes = dice_chance(d, 50) ? 0 : 2048u << dice_roll(d, 4);
    s->keeps = dice_roll(d, 3) * 10;
    s->model.is_ruled = dice_chance(d, 50);
    for (uint32_t i = 0; s->model.is_ruled && i < SIM_QUEUES; i++)
        if (i != SIM_GRAVE)
            choose_rules(d, &s->model.queues[i].rules);
    s->model.queues[SIM_MORTAL].rules.is_mortal = s->model.is_ruled;
    if (dice_chance(d, 50))
        model_make_clusters(&s->model);
    s->model.has_ids = dice_chance(d, 60);
    for (uint32_t i = 0; s->model.has_ids && i < SIM_QUEUES; i++)
        choose_window(&s->model, d, i);
}

static void choose_rules(struct dice *d, struct sim_rules *r)
{
    if (dice_chance(d, 25))
        r->ttl_ms = 200u << dice_roll(d, 5);
    if (dice_chance(d, 25))
        r->max_length = 1u << dice_roll(d, 7);
    r->refuses = r->max_length != 0 && dice_chance(d, 50);
    if (dice_chance(d, 25))
        r->delivery_limit = 1 + dice_roll(d, 5);
    if (dice_chance(d, 30))
        r->max_priority = 1 + dice_roll(d, SIM_PRIORITIES - 1);
    r->is_single = dice_chance(d, 20);
    if (dice_chance(d, 25))
        r->retry_ms = 10u << dice_roll(d, 8);
}

static void choose_window(struct model *m, struct dice *d, uint32_t queue)
{
    struct sim_rules *r = &m->queues[queue].rules;

    if (r->refuses || r->is_mortal || (m->is_ruled && queue == SIM_GRAVE) || dice_chance(d, 20))
        return;
    r->until_settled = dice_chance(d, 25);
    if (!r->until_settled)
        r->window_ms = dice_chance(d, 70) ? 7 * DAY_MS : 1000u << dice_roll(d, 3);
}

static void tell_rules(const struct model *m)
{
    for (uint32_t i = 0; i < SIM_QUEUES; i++) {
        const struct sim_rules *r = &m->queues[i].rules;
        sim_tell(
            m, "queue %s: ttl %u, length %u%s, limit %u, priorities %u, retry %u%s%s, ids %u%s",
            SIM_QUEUE_NAMES[i], r->ttl_ms, r->max_length, r->refuses ? " refuses" : "",
            r->delivery_limit, r->max_priority, r->retry_ms, r->is_mortal ? ", mortal" : "",
            r->is_single ? ", single" : "", r->window_ms, r->until_settled ? " until settled" : "");
    }
}

/* Mostly a day to and fro; now and then anything. */
static uint64_t some_wall_ms(struct dice *d)
{
    return dice_chance(d, 5) ? dice_next(d) >> 24 : 1ull << 40 | dice_roll(d, DAY_MS);
}

static void step(struct sim *s)
{
    struct dice *d = &s->cast.dice;
    uint32_t kind = dice_roll(d, 1000);
    uint32_t worker = dice_roll(d, s->world.workers);

    s->world.now_ms += dice_roll(d, 20);
    s->world.wall_ms = dice_chance(d, 2) ? some_wall_ms(d) : s->world.wall_ms + 5;
    if (s->world.failed && dice_chance(d, 30))
        end_life(s);
    else if (kind < s->ends)
        end_life(s);
    else if (kind < 30 + s->trouble)
        set_fault(s);
    else if (kind < 60)
        cast_settle(&s->cast);
    else if (kind < 80) {
        if (cast_pick(&s->cast) == NULL || dice_chance(d, 70))
            settle_in(s, cast_enter(&s->cast, worker));
        else
            cast_leave(&s->cast, cast_pick(&s->cast));
    } else if (kind < 520) {
        struct actor *a = cast_pick(&s->cast);
        if (a != NULL)
            act_something(a, s->weights);
    } else
        work(s);
    if (kind % 16 == 0) {
        world_check(&s->world);
        delayed_look(&s->model, &s->world);
    }
}

static void work(struct sim *s)
{
    struct dice *d = &s->cast.dice;
    uint32_t worker = dice_roll(d, s->world.workers);

    if (dice_chance(d, s->keeps)) {
        keep(s);
        return;
    }
    switch (dice_roll(d, 12)) {
    case 0: cast_hand_over(&s->cast, worker); break;
    case 1: cast_run_shard(&s->cast, worker); break;
    case 2:
    case 3: cast_take_mail(&s->cast, worker); break;
    case 4: cast_take_confirms(&s->cast, worker); break;
    case 5:
    case 6:
    case 7: cast_turn(&s->cast, worker); break;
    case 8:
    case 9: (void)world_fetch(&s->world); break;
    default:
        if (dice_chance(d, 30))
            world_prepare(&s->world);
        else
            world_flush(&s->world);
        sim_tell(&s->model, "durable is %llu of %llu%s",
                 (unsigned long long)commit_log_durable(s->world.log).v,
                 (unsigned long long)commit_log_end(s->world.log).v,
                 s->world.failed ? ", failed" : "");
        model_sync(&s->model, commit_log_durable(s->world.log).v);
    }
}

/* A step at a time, so that all else can come in between; now and then all of it. */
static void keep(struct sim *s)
{
    struct dice *d = &s->cast.dice;

    if (s->world.failed)
        return;
    if (dice_chance(d, 10))
        keeper_hurry(s->world.keeper);
    if (dice_chance(d, 5))
        cast_keep(&s->cast);
    else
        world_keep(&s->world);
}

/* At one of the next calls; or from now on there is no room. */
static void set_fault(struct sim *s)
{
    struct dice *d = &s->cast.dice;
    struct faulty_disk *disk = s->world.disk;
    uint32_t n = 1 + dice_roll(d, 6);

    if (!dice_chance(d, s->trouble * 5)) {
        faulty_disk_fail_always(disk, FAULTY_ALLOCATE, SL_OK);
        return;
    }
    switch (dice_roll(d, 6)) {
    case 0: faulty_disk_fail(disk, FAULTY_WRITE, n, SL_EIO); break;
    case 1:
        faulty_disk_set_clean_looking(disk, dice_chance(d, 70));
        faulty_disk_fail(disk, FAULTY_SYNC, n, SL_EIO);
        break;
    case 2: faulty_disk_fail(disk, FAULTY_ANY, n, SL_EIO); break;
    case 3: faulty_disk_fail_always(disk, FAULTY_ALLOCATE, SL_EFULL); break;
    default: faulty_disk_power_off_at(disk, 1 + dice_roll(d, 12));
    }
}

static void end_life(struct sim *s)
{
    struct dice *d = &s->cast.dice;
    uint32_t how = dice_roll(d, 10);

    if (how < 2 && !s->world.failed && !faulty_disk_is_off(s->world.disk)) {
        stop(s);
        return;
    }
    cast_leave_all(&s->cast);
    for (uint32_t i = 0; i < SIM_QUEUES; i++)
        s->model.queues[i].was_ever_read = true;
    if (how < 4 && !faulty_disk_is_off(s->world.disk)) {
        sim_tell(&s->model, "kill");
        world_kill(&s->world);
        s->model.totals->kills++;
    } else {
        sim_tell(&s->model, "crash");
        world_crash(&s->world, dice_next(d));
        s->model.totals->crashes++;
    }
    start(s, false);
}

/* When the disk fails meanwhile it was no stop. */
static void stop(struct sim *s)
{
    struct world *w = &s->world;

    faulty_disk_fail_always(w->disk, FAULTY_ALLOCATE, SL_OK);
    bool is_clean = cast_stop(&s->cast);
    if (is_clean)
        s->model.totals->stops++;
    for (uint32_t i = 0; i < SIM_QUEUES && !is_clean; i++)
        s->model.queues[i].was_ever_read = true;
    if (faulty_disk_is_off(w->disk) || dice_chance(&s->cast.dice, 50))
        world_crash(w, dice_next(&s->cast.dice));
    start(s, is_clean);
}

/* May fail as often as something is in its way, and then begins again. */
static void start(struct sim *s, bool was_stopped)
{
    struct dice *d = &s->cast.dice;
    struct world *w = &s->world;
    enum sl_err err;

    if (dice_chance(d, 20))
        faulty_disk_power_off_at(w->disk, 1 + dice_roll(d, 12));
    else if (dice_chance(d, 10))
        faulty_disk_fail(w->disk, dice_roll(d, FAULTY_OPS + 1), 1 + dice_roll(d, 4), SL_EIO);
    else {
        faulty_disk_power_off_at(w->disk, 0);
        for (uint32_t op = 0; op <= FAULTY_OPS; op++)
            faulty_disk_fail(w->disk, op, 0, SL_OK);
    }
    while ((err = world_start(w)) != SL_OK || !settle_deaths(s)) {
        if (err != SL_OK && err != SL_EIO && err != SL_EFULL)
            sim_fail(&s->model, "the start is refused: %s", w->findings.problem);
        s->model.totals->refused_starts++;
        faulty_disk_fail_always(w->disk, FAULTY_ALLOCATE, SL_OK);
        if (err == SL_OK)
            world_kill(w);
        for (uint32_t i = 0; i < SIM_QUEUES; i++)
            s->model.queues[i].was_ever_read = true; /* its marks may have reached the disk */
        if (faulty_disk_is_off(w->disk) || dice_chance(d, 50))
            world_crash(w, dice_next(d));
    }
    sim_tell(&s->model, "start with %llu records", (unsigned long long)w->findings.records);
    s->model.totals->lives++;
    s->model.totals->torn += w->findings.cut_bytes > 0;
    verdict_pass(&s->model, w, was_stopped);
    world_check(w);
    for (uint32_t i = 0; i < 3; i++)
        settle_in(s, cast_enter(&s->cast, dice_roll(d, w->workers)));
}

/* What the start found rejected, or expired, comes to where it belongs.  False: the disk failed. */
static bool settle_deaths(struct sim *s)
{
    struct world *w = &s->world;

    if (!s->model.is_ruled)
        return true;
    faulty_disk_fail_always(w->disk, FAULTY_ALLOCATE, SL_OK);
    s->model.notes_count = 0; /* they are of another log's life */
    for (uint32_t i = 0; i < 2; i++)
        cast_settle(&s->cast); /* once more where one call found no room */
    return !w->failed && !faulty_disk_is_off(w->disk) &&
           commit_log_durable(w->log).v >= commit_log_end(w->log).v;
}

/* What a client does when it comes: declares what it uses, and consumes. */
static void settle_in(struct sim *s, struct actor *a)
{
    struct dice *d = &s->cast.dice;

    if (a == NULL)
        return;
    if (s->model.has_ids && dice_chance(d, 60))
        again_enter(a);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t queue = dice_roll(d, SIM_QUEUES);
        if (dice_chance(d, 60))
            act_declare_queue(a, queue, dice_chance(d, 90), dice_chance(d, 10), false);
        if (dice_chance(d, 40))
            act_bind(a, dice_roll(d, SIM_EXCHANGES), queue, dice_roll(d, SIM_KEYS), true);
        if (dice_chance(d, 30))
            act_subscribe(a, queue, false, 1 + dice_roll(d, 20));
    }
}

/* All that was asked is answered; then the power goes once more. */
static void end_run(struct sim *s)
{
    struct world *w = &s->world;

    while (w->failed || faulty_disk_is_off(w->disk)) /* publishers that come flush */
        end_life(s);
    clear_faults(w->disk);
    cast_settle(&s->cast);
    cast_check_heard(&s->cast);
    cast_leave_all(&s->cast);
    world_crash(w, s->model.seed);
    start(s, false);
    cast_leave_all(&s->cast);
    clear_faults(w->disk);
    wait_for_delayed(s);
    world_kill(w);
}

static void clear_faults(struct faulty_disk *disk)
{
    faulty_disk_power_off_at(disk, 0);
    for (uint32_t op = 0; op <= FAULTY_OPS; op++) {
        faulty_disk_fail(disk, op, 0, SL_OK);
        faulty_disk_fail_always(disk, op, SL_OK);
    }
}

static void wait_for_delayed(struct sim *s)
{
    struct world *w = &s->world;
    uint64_t last = delayed_last_due(&s->model);

    if (last > world_time(w))
        w->now_ms += last - world_time(w);
    cast_settle(&s->cast);
    if (!w->failed && !faulty_disk_is_off(w->disk)) /* the last start may have been in vain */
        delayed_judge_end(&s->model, w);
}

static void print_totals(const struct sim_totals *t, uint64_t seeds)
{
    printf("sim: %llu seeds, no promise broken: %llu lives, ended by %llu crashes, %llu kills, "
           "%llu stops; %llu starts failed, %llu tails torn\n",
           (unsigned long long)seeds, (unsigned long long)t->lives, (unsigned long long)t->crashes,
           (unsigned long long)t->kills, (unsigned long long)t->stops,
           (unsigned long long)t->refused_starts, (unsigned long long)t->torn);
    printf("sim: %llu published, %llu refused, %llu confirms, %llu delivered, %llu settled, %llu "
           "transactions, "
           "%llu answers, %llu entries recovered\n",
           (unsigned long long)t->published, (unsigned long long)t->refused,
           (unsigned long long)t->confirmed, (unsigned long long)t->delivered,
           (unsigned long long)t->settled, (unsigned long long)t->groups,
           (unsigned long long)t->answers, (unsigned long long)t->recovered);
    printf("sim: %llu decided, %llu checkpoints, %llu segments released, %llu records moved, %llu "
           "fetches, %llu "
           "copies "
           "brought by publishing again, %llu came when they were due\n",
           (unsigned long long)t->decided, (unsigned long long)t->checkpoints,
           (unsigned long long)t->released, (unsigned long long)t->moved,
           (unsigned long long)t->fetches, (unsigned long long)t->again,
           (unsigned long long)t->delayed);
}
