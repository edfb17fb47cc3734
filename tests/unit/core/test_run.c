/* What a worker gathers before it hands it over. */
#include "core/run.h"

#include "core/broker.h"
#include "core/properties.h"
#include "core/shard.h"
#include "tests/support/table_log.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define BUDGET (256u * 1024 * 1024)
#define BODY_BYTES (1024u * 1024)
#define MESSAGES 20u
#define TTL_MS 1000u

static const uint8_t PERSISTENT[] = {PROPERTY_DELIVERY_MODE >> 8, 0, 2};

static struct faulty_disk *disk;
static struct table t;
static struct sitter *a;

static void declare(const char *name, struct sl_bytes arguments)
{
    struct queue_declaration d = {
        .name = sl_bytes_of(name), .is_durable = true, .arguments = arguments};

    broker_declare_queue(&a->client, 1, &d, "");
    table_sync(&t);
    CU_ASSERT_EQUAL_FATAL(a->last->err, SL_OK);
}

static void publish(const char *queue, struct sl_bytes body)
{
    const struct routed what = {.exchange = SL_BYTES_LITERAL(""), .key = sl_bytes_of(queue)};
    const struct route *route;

    broker_worker_refresh(a->client.worker);
    CU_ASSERT_EQUAL_FATAL(broker_route(&a->client, &what, &route), SL_OK);
    struct message *msg = message_new_routed(
        route->encoded, (struct sl_bytes){PERSISTENT, sizeof PERSISTENT}, body.len);
    CU_ASSERT_EQUAL_FATAL(message_append(&msg, body), SL_OK);
    broker_publish(&a->client, route, msg);
}

/* Else their places would have no room in a message, and a segment of the log no end. */
static void large_messages_that_expire_together_go_out_in_parts(void)
{
    struct sl_bytes body = {calloc(1, BODY_BYTES), BODY_BYTES};
    struct table_maker m;

    disk = faulty_disk_new();
    table_init_on(&t, 1, BUDGET, disk);
    a = table_sit(&t, 0);
    declare("dead", table_empty);
    table_begin(&m);
    table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-exchange"), SL_BYTES_LITERAL(""));
    table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-routing-key"),
                       SL_BYTES_LITERAL("dead"));
    table_write_s64(&m.w, SL_BYTES_LITERAL("x-message-ttl"), TTL_MS);
    declare("q", table_end(&m));
    for (uint32_t i = 0; i < MESSAGES; i++)
        publish("q", body);
    table_sync(&t);
    t.now_ms += TTL_MS;
    struct broker_worker *w = broker_worker_at(t.broker, 0);
    broker_worker_run_shard(w);
    CU_ASSERT(w->run.journal.run.bytes < SL_RUN_BYTES_MAX + 2 * BODY_BYTES);
    table_sync(&t);
    CU_ASSERT_EQUAL(table_ready(&t, a, "dead"), MESSAGES);
    table_deinit(&t);
    faulty_disk_free(disk);
    free((void *)(uintptr_t)body.at);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(large_messages_that_expire_together_go_out_in_parts),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/run", tests);
}
