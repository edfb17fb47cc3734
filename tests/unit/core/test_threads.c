/* The real threads: what a worker hands over reaches every other worker once and in order.  Its
 * worth is under ThreadSanitizer. */
#include "core/broker.h"

#include "core/properties.h"
#include "tests/support/crew.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define WORKERS 3u
#define MESSAGES 20000u
#define PUBLISHED_AT_ONCE 100

static atomic_uint ready;
static atomic_uint finished;

static void name_queue(char name[8], uint32_t index)
{
    snprintf(name, 8, "q%u", index);
}

static void settle_many(struct crew_member *m, sl_tag tag)
{
    (void)tag;
    if (m->settlement.open > 50)
        SL_ASSERT(settlement_settle(&m->settlement, &m->client, (sl_tag){0}, true,
                                    SETTLE_CONSUMED) == SL_OK);
}

static void *work(void *context)
{
    struct crew_member *m = context;
    char mine[8];
    char theirs[8];

    name_queue(mine, m->index);
    name_queue(theirs, (m->index + 1) % WORKERS);
    struct queue_declaration d = {.name = sl_bytes_of(mine)};
    broker_declare_queue(&m->client, 1, &d, "");
    while (m->answers < 1)
        crew_turn(m);
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < WORKERS)
        crew_turn(m);

    struct subscribe_options o = {.queue = sl_bytes_of(theirs), .prefetch = 200};
    m->sub = broker_subscribe(&m->client, 2, &o);
    while (m->got < MESSAGES || m->confirmed < MESSAGES) {
        for (int i = 0; i < PUBLISHED_AT_ONCE && m->published < MESSAGES; i++)
            crew_publish(m, mine, properties_none, sizeof(uint64_t));
        crew_turn(m);
    }
    atomic_fetch_add(&finished, 1);
    while (atomic_load(&finished) < WORKERS)
        crew_turn(m);
    broker_client_close(&m->client);
    broker_worker_hand_over(m->worker);
    broker_thread_end();
    return NULL;
}

static void every_worker_hears_everything_once_and_in_order(void)
{
    static struct crew_member crew[WORKERS];
    struct broker_options options = {.workers = WORKERS,
                                     .memory_budget_bytes = 1u << 30,
                                     .clock = &sl_clock_system,
                                     .wake = crew_wake_nobody};
    struct broker *broker = broker_new(&options);

    CU_ASSERT_PTR_NOT_NULL_FATAL(broker);
    for (uint32_t i = 0; i < WORKERS; i++)
        crew_board(&crew[i], broker, i, settle_many);
    crew_sail(crew, WORKERS, work);
    for (uint32_t i = 0; i < WORKERS; i++) {
        CU_ASSERT_EQUAL(crew[i].got, MESSAGES);
        CU_ASSERT_TRUE(crew[i].in_order);
        crew_leave(&crew[i]);
    }
    broker_free(broker);
    broker_thread_end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(every_worker_hears_everything_once_and_in_order),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/threads", tests);
}
