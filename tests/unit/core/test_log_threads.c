/* The real threads on a real disk: workers, the log's flusher, who fetches and who keeps the log
 * short, with little memory and small segments.  Its worth is under ThreadSanitizer. */
#include "core/keeper.h"

#include "core/base/assert.h"
#include "core/broker.h"
#include "core/fetch.h"
#include "core/properties.h"
#include "tests/support/crew.h"
#include "tests/support/scratch.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <unistd.h>

#define WORKERS 2u
#define MESSAGES 4000u
#define BODY_BYTES 2048u
#define PUBLISHED_AHEAD 100u
#define KEPT_EVERY 64u /* is acknowledged last of all, so that it pins its segment */
#define BUDGET (4u * 1024 * 1024)
#define SEGMENT_BYTES (1024u * 1024)
#define PATIENCE_MS 60000u

struct kept { /* by one member, in order */
    uint64_t count;
    sl_tag tags[MESSAGES / KEPT_EVERY + 1];
};

struct ship { /* the threads of the log, and what they work on */
    struct broker *broker;
    struct commit_log *log;
    struct keeper *keeper;
    struct sl_file_ops files;
    pthread_t flusher;
    pthread_t fetcher;
    pthread_t keeping;
    atomic_bool stop;
    char dir[SCRATCH_BYTES];
};

static struct ship ship;
static struct kept kept[WORKERS];
static atomic_uint all_published;
static atomic_uint finished;

static void announce(void *context)
{
    broker_on_durable(((struct ship *)context)->broker);
}

static void *flush_log(void *context)
{
    (void)context;
    while (commit_log_wait(ship.log))
        SL_ASSERT(commit_log_flush(ship.log) == SL_OK);
    return NULL;
}

static void *fetch(void *context)
{
    (void)context;
    while (!atomic_load(&ship.stop))
        if (!fetch_run(broker_fetch(ship.broker)))
            sched_yield();
    broker_thread_end();
    return NULL;
}

static void *keep(void *context)
{
    (void)context;
    while (!atomic_load(&ship.stop)) {
        SL_ASSERT(commit_log_prepare(ship.log) == SL_OK);
        SL_ASSERT(keeper_step(ship.keeper, sl_clock_monotonic_ms(&sl_clock_system)) == SL_OK);
        sched_yield();
    }
    return NULL;
}

static void set_sail(void)
{
    struct broker_options options = {.workers = WORKERS,
                                     .memory_budget_bytes = BUDGET,
                                     .clock = &sl_clock_system,
                                     .wake = crew_wake_nobody};
    struct log_findings findings;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(scratch_name(ship.dir, "threads")));
    CU_ASSERT_EQUAL_FATAL(file_posix_open(ship.dir, &ship.files), SL_OK);
    ship.broker = broker_new(&options);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ship.broker);
    struct log_visitor visitor = broker_recovery_begin(ship.broker);
    struct log_options log_options = {.files = ship.files,
                                      .segment_bytes = SEGMENT_BYTES,
                                      .announce = announce,
                                      .announce_context = &ship};
    CU_ASSERT_EQUAL_FATAL(commit_log_open(&log_options, &visitor, &findings, &ship.log), SL_OK);
    CU_ASSERT_EQUAL_FATAL(broker_recovery_end(ship.broker, ship.log, findings.time), SL_OK);
    ship.keeper = keeper_new(ship.broker, ship.log, &(struct keeper_options){.files = ship.files});
    CU_ASSERT_PTR_NOT_NULL_FATAL(ship.keeper);
    pthread_create(&ship.flusher, NULL, flush_log, NULL);
    pthread_create(&ship.fetcher, NULL, fetch, NULL);
    pthread_create(&ship.keeping, NULL, keep, NULL);
}

static void remove_file(void *context, const char *name)
{
    (void)context;
    if (name[0] != '.')
        CU_ASSERT_EQUAL(ship.files.remove(ship.files.self, name), SL_OK);
}

static void come_home(void)
{
    bool more = true;

    atomic_store(&ship.stop, true);
    pthread_join(ship.keeping, NULL);
    pthread_join(ship.fetcher, NULL);
    while (more) {
        more = false;
        for (uint32_t i = 0; i < WORKERS; i++) {
            more |= broker_worker_run_shard(broker_worker_at(ship.broker, i));
            broker_worker_hand_over(broker_worker_at(ship.broker, i));
        }
    }
    broker_on_stopped(ship.broker);
    commit_log_stop(ship.log);
    pthread_join(ship.flusher, NULL);
    keeper_free(ship.keeper);
    broker_free(ship.broker);
    commit_log_close(ship.log);
    CU_ASSERT_EQUAL(ship.files.list(ship.files.self, remove_file, NULL), SL_OK);
    file_posix_close(&ship.files);
    CU_ASSERT_EQUAL(rmdir(ship.dir), 0);
    broker_thread_end();
}

static void settle_most(struct crew_member *m, sl_tag tag)
{
    struct kept *mine = &kept[m->index];

    if ((m->got - 1) % KEPT_EVERY == 0)
        mine->tags[mine->count++] = tag;
    else
        SL_ASSERT(settlement_settle(&m->settlement, &m->client, tag, false, SETTLE_CONSUMED) ==
                  SL_OK);
}

static void publish_one(struct crew_member *m, const char *queue)
{
    static const uint8_t PERSISTENT[] = {PROPERTY_DELIVERY_MODE >> 8, 0, 2};
    /* Every third one is written down only because it is paged out. */
    struct sl_bytes properties =
        m->published % 3 == 0 ? properties_none : (struct sl_bytes){PERSISTENT, sizeof PERSISTENT};

    crew_publish(m, queue, properties, BODY_BYTES);
}

static void publish_all(struct crew_member *m, const char *queue)
{
    while (m->confirmed < MESSAGES) {
        while (m->published < MESSAGES && m->published < m->confirmed + PUBLISHED_AHEAD &&
               !broker_is_held(&m->client))
            publish_one(m, queue);
        crew_turn(m);
    }
}

static bool log_was_shortened(void)
{
    struct keeper_status status = keeper_status(ship.keeper);

    return status.moved > 0 && status.released > 0;
}

/* All are out; those that were kept back are moved to the end of the log, and what was before them
 * goes. */
static void consume_all(struct crew_member *m)
{
    uint64_t until = sl_clock_monotonic_ms(&sl_clock_system) + PATIENCE_MS;

    while (m->got < MESSAGES || !log_was_shortened()) {
        crew_turn(m);
        SL_ASSERT(sl_clock_monotonic_ms(&sl_clock_system) < until);
    }
    for (uint64_t i = 0; i < kept[m->index].count; i++)
        SL_ASSERT(settlement_settle(&m->settlement, &m->client, kept[m->index].tags[i], false,
                                    SETTLE_CONSUMED) == SL_OK);
}

static void *work(void *context)
{
    struct crew_member *m = context;
    const char *names[WORKERS] = {"q0", "q1"};
    const char *mine = names[m->index];
    struct queue_declaration d = {.name = sl_bytes_of(mine), .is_durable = true};
    struct subscribe_options o = {.queue = sl_bytes_of(names[(m->index + 1) % WORKERS])};

    broker_declare_queue(&m->client, 1, &d, "");
    while (m->answers < 1)
        crew_turn(m);
    publish_all(m, mine);
    atomic_fetch_add(&all_published, 1);
    while (atomic_load(&all_published) < WORKERS)
        crew_turn(m);
    m->sub = broker_subscribe(&m->client, 2, &o);
    consume_all(m);
    atomic_fetch_add(&finished, 1);
    while (atomic_load(&finished) < WORKERS)
        crew_turn(m);
    broker_client_close(&m->client);
    broker_worker_hand_over(m->worker);
    broker_thread_end();
    return NULL;
}

static void backlogs_beyond_memory_come_back_in_order_while_the_log_is_kept_short(void)
{
    static struct crew_member crew[WORKERS];

    set_sail();
    for (uint32_t i = 0; i < WORKERS; i++)
        crew_board(&crew[i], ship.broker, i, settle_most);
    crew_sail(crew, WORKERS, work);
    for (uint32_t i = 0; i < WORKERS; i++) {
        CU_ASSERT_EQUAL(crew[i].got, MESSAGES);
        CU_ASSERT_TRUE(crew[i].in_order);
        crew_leave(&crew[i]);
    }
    come_home();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(backlogs_beyond_memory_come_back_in_order_while_the_log_is_kept_short),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/log_threads", tests);
}
