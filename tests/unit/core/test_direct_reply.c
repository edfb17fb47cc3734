#include "core/direct_reply.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/memory.h"
#include "core/queue.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)
#define SMALL_BUDGET (512u * 1024)

static struct table t;

struct requester {
    struct sitter *s;
    struct subscription *sub;
    char address[DIRECT_REPLY_ADDRESS_CHARS + 1];
};

static struct requester sit_and_listen(uint32_t worker)
{
    struct requester r = {.s = table_sit(&t, worker)};

    r.sub = broker_subscribe_replies(&r.s->client, 1, NULL, r.address);
    SL_ASSERT(r.sub != NULL);
    table_settle(&t);
    CU_ASSERT_EQUAL_FATAL(r.s->last->err, SL_OK);
    return r;
}

static bool is_there(const char *address)
{
    struct topology *topology = broker_topology(t.broker);
    char room[256];
    struct text reason = text_on(room, sizeof room);

    topology_lock(topology);
    struct vhost *v = topology_vhost(topology, SL_BYTES_LITERAL("/"));
    topology_check(topology);
    topology_unlock(topology);
    return direct_reply_find(topology, v, sl_bytes_of(address), &reason) == SL_OK;
}

static void read_on(struct sitter *s)
{
    size_t before;

    do {
        before = s->told_count;
        broker_client_written(&s->client, s->cost);
        table_settle(&t);
    } while (s->told_count != before);
}

static void answers_find_their_requester_on_every_worker(void)
{
    struct requester all[4];

    table_init(&t, 2, BUDGET);
    struct sitter *service = table_sit(&t, 1);
    for (uint32_t i = 0; i < 4; i++)
        all[i] = sit_and_listen(i % 2);
    for (uint32_t i = 0; i < 4; i++)
        table_publish(service, "", all[i].address, i);
    table_settle(&t);
    for (uint32_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL_FATAL(all[i].s->told_count, 1);
        CU_ASSERT_EQUAL(all[i].s->told[0].body, i);
    }
    table_deinit(&t);
}

static void an_address_ends_with_its_consumer_or_its_session(void)
{
    table_init(&t, 2, BUDGET);
    struct requester cancels = sit_and_listen(0);
    struct requester drops = sit_and_listen(1);
    struct requester leaves = sit_and_listen(1);
    CU_ASSERT_TRUE(is_there(cancels.address) && is_there(drops.address) &&
                   is_there(leaves.address));

    broker_cancel(&cancels.s->client, 2, cancels.sub);
    broker_drop(&drops.s->client, drops.sub);
    table_leave(&t, leaves.s);
    table_settle(&t);
    CU_ASSERT_FALSE(is_there(cancels.address) || is_there(drops.address) ||
                    is_there(leaves.address));
    table_deinit(&t);
}

static void who_is_slow_loses_the_oldest(void)
{
    const uint64_t n = SL_REPLIES_WAITING_MAX + 30000;

    table_init(&t, 1, 1u << 30);
    struct requester r = sit_and_listen(0);
    struct sitter *service = table_sit(&t, 0);
    for (uint64_t i = 0; i < n; i++) {
        table_publish(service, "", r.address, i);
        if (i % 1024 == 0)
            table_settle(&t);
    }
    table_settle(&t);
    CU_ASSERT_EQUAL(queue_count(table_queue(&t)), SL_REPLIES_WAITING_MAX);
    CU_ASSERT(r.s->told_count < 30000);
    struct entry oldest;
    CU_ASSERT_EQUAL_FATAL(
        queue_peek(broker_worker_at(t.broker, 0)->shard, table_queue(&t), &oldest), BACKLOG_READY);
    uint64_t body;
    memcpy(&body, message_body(oldest.msg).at, sizeof body);
    CU_ASSERT_EQUAL(body, n - SL_REPLIES_WAITING_MAX);
    table_deinit(&t);
}

static void nothing_waits_and_nothing_is_written_while_memory_is_short(void)
{
    struct faulty_disk *disk = faulty_disk_new();

    SL_ASSERT(disk != NULL);
    table_init_on(&t, 1, SMALL_BUDGET, disk);
    struct requester r = sit_and_listen(0);
    struct sitter *service = table_sit(&t, 0);
    table_flush(&t);
    sl_lsn before = broker_worker_at(t.broker, 0)->run.end;
    for (uint64_t i = 0; i < 20000; i++) {
        table_publish_persistent(service, "", r.address, i);
        if (i % 256 == 0)
            table_settle(&t);
    }
    table_settle(&t);
    memory_settle();
    CU_ASSERT(memory_used() < SMALL_BUDGET);
    CU_ASSERT(queue_count(table_queue(&t)) < 10000);
    CU_ASSERT_EQUAL(broker_worker_at(t.broker, 0)->run.end.v, before.v);
    r.s->told_count = 0;
    read_on(r.s);
    table_publish(service, "", r.address, 4711);
    table_settle(&t);
    CU_ASSERT_FATAL(r.s->told_count > 0);
    CU_ASSERT_EQUAL(r.s->told[r.s->told_count - 1].body, 4711);
    table_deinit(&t);
    faulty_disk_free(disk);
}

static void no_limit_of_the_virtual_host_counts_them(void)
{
    table_init(&t, 2, BUDGET);
    struct sitter *s = table_sit(&t, 0);
    atomic_store(&s->client.vhost->queues_max, 2);
    for (int i = 0; i < 3; i++)
        (void)sit_and_listen(0);
    CU_ASSERT_EQUAL(table_declare(&t, s, "a"), SL_OK);
    (void)sit_and_listen(1);
    CU_ASSERT_EQUAL(table_declare(&t, s, "b"), SL_OK);
    CU_ASSERT_EQUAL(table_declare(&t, s, "c"), SL_EPRECOND);
    (void)sit_and_listen(1);
    table_deinit(&t);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(answers_find_their_requester_on_every_worker),
        UNIT(an_address_ends_with_its_consumer_or_its_session),
        UNIT(who_is_slow_loses_the_oldest),
        UNIT(nothing_waits_and_nothing_is_written_while_memory_is_short),
        UNIT(no_limit_of_the_virtual_host_counts_them),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/direct_reply", tests);
}
