#include "core/account_change.h"
#include "core/snapshot.h"

#include "core/base/assert.h"
#include "core/broker.h"
#include "core/commands.h"
#include "core/queue.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

static struct broker *broker;
static struct shard *shard;
static char told[4096]; /* what a reading says, a line each */

static void wake_nobody(void *context, uint32_t worker)
{
    (void)context, (void)worker;
}

static void start(void)
{
    broker = broker_new(&(struct broker_options){.workers = 1,
                                                 .memory_budget_bytes = 1 << 30,
                                                 .clock = &sl_clock_system,
                                                 .wake = wake_nobody});
    SL_ASSERT(broker != NULL);
    shard = broker_worker_at(broker, 0)->shard;
}

static struct queue *declare(const char *name, bool is_durable, uint64_t place)
{
    struct topology *t = broker_topology(broker);
    struct queue_declaration d = {.name = sl_bytes_of(name), .is_durable = is_durable};
    struct topology_queue *def;
    char room[256];
    struct text reason = text_on(room, sizeof room);
    bool created;

    topology_lock(t);
    SL_ASSERT(topology_declare_queue(t, topology_vhost(t, sl_bytes_of("/")),
                                     (struct sl_handle){0, 0, 0}, &d, &def, &created,
                                     &reason) == SL_OK);
    struct queue *q = shard_enter_queue(shard, def);
    topology_unlock(t);
    q->place.v = place;
    q->mark = q->next_mark = 1000;
    return q;
}

static void bind(const char *source, const char *queue, const char *key)
{
    struct topology *t = broker_topology(broker);
    char room[256];
    struct text reason = text_on(room, sizeof room);
    struct binding_request r = {
        .source = sl_bytes_of(source), .destination = sl_bytes_of(queue), .key = sl_bytes_of(key)};

    topology_lock(t);
    SL_ASSERT(topology_bind(t, topology_vhost(t, sl_bytes_of("/")), (struct sl_handle){0, 0, 0}, &r,
                            &reason) == SL_OK);
    topology_unlock(t);
}

static void push(struct queue *q, uint64_t seq, uint8_t flags)
{
    struct entry entry = {.seq = {seq},
                          .place = {seq * 100},
                          .record_len = 96,
                          .body_len = 5,
                          .copies = 2,
                          .deadline = 7 * seq,
                          .flags = flags};

    shard_begin_entry(shard, &entry);
    queue_push(q, &entry);
}

static void on_head(void *context, uint64_t next_number, uint64_t stretch_bytes)
{
    (void)context, (void)stretch_bytes;
    sprintf(told + strlen(told), "next %llu\n", (unsigned long long)next_number);
}

static enum sl_err on_definition(void *context, const struct record *record)
{
    (void)context;
    if (!account_change_is(record->kind)) /* who there is, is another matter */
        sprintf(told + strlen(told), "definition %u\n", record->kind);
    return SL_OK;
}

static enum sl_err on_queue(void *context, uint64_t number, uint64_t mark)
{
    (void)context;
    sprintf(told + strlen(told), "queue %llu mark %llu\n", (unsigned long long)number,
            (unsigned long long)mark);
    return SL_OK;
}

static enum sl_err on_chunk(void *context, const struct stored_chunk *chunk, uint8_t level)
{
    (void)context;
    sprintf(told + strlen(told), "chunk %llu-%llu level %u\n", (unsigned long long)chunk->first.v,
            (unsigned long long)chunk->last.v, level);
    return SL_OK;
}

static enum sl_err on_entry(void *context, const struct entry *entry)
{
    (void)context;
    sprintf(told + strlen(told), "entry %llu at %llu until %llu len %u of %u returns %u\n",
            (unsigned long long)entry->seq.v, (unsigned long long)entry->place.v,
            (unsigned long long)entry->deadline, entry->body_len, entry->copies, entry->returns);
    return SL_OK;
}

static const struct snapshot_visitor VISITOR = {.head = on_head,
                                                .definition = on_definition,
                                                .queue = on_queue,
                                                .chunk = on_chunk,
                                                .entry = on_entry};

/* The body of a snapshot of all there is. */
static void take(struct sl_buffer *body, uint64_t at)
{
    struct snapshot *s = snapshot_new(1, 4096, 1);
    struct sl_bytes piece;

    topology_lock(broker_topology(broker));
    snapshot_add_definitions(s, broker_topology(broker));
    topology_unlock(broker_topology(broker));
    CU_ASSERT_FALSE(snapshot_is_complete(s));
    snapshot_take(shard, snapshot_ref(s), (sl_lsn){at}, 0);
    CU_ASSERT_TRUE(snapshot_is_complete(s));
    sl_buffer_init(body, SIZE_MAX);
    for (uint32_t i = 0; snapshot_piece(s, i, &piece); i++)
        SL_ASSERT(sl_buffer_append(body, piece) == SL_OK);
    snapshot_unref(s);
}

static void what_is_transient_is_not_in_it(void)
{
    struct sl_buffer body;

    start();
    push(declare("transient", false, 1), 1, 0);
    push(declare("durable", true, 1), 2, 0);
    take(&body, 10);
    told[0] = '\0';
    CU_ASSERT_EQUAL(snapshot_read(sl_buffer_bytes(&body), &VISITOR), SL_OK);
    CU_ASSERT_STRING_EQUAL(told, "next 3\ndefinition 18\nqueue 2 mark 1000\n");
    sl_buffer_deinit(&body);
    broker_free(broker);
}

static void a_queue_that_was_declared_behind_the_place_is_left_to_the_log(void)
{
    struct sl_buffer body;

    start();
    push(declare("late", true, 11), 1, ENTRY_LOGGED);
    take(&body, 10);
    told[0] = '\0';
    CU_ASSERT_EQUAL(snapshot_read(sl_buffer_bytes(&body), &VISITOR), SL_OK);
    CU_ASSERT_PTR_NULL(strstr(told, "queue"));
    sl_buffer_deinit(&body);
    broker_free(broker);
}

static void every_damaged_body_is_refused_or_read_to_its_end(void)
{
    struct sl_buffer body;

    start();
    struct queue *q = declare("q", true, 1);
    bind("amq.direct", "q", "k");
    push(q, 1, ENTRY_LOGGED);
    push(q, 2, ENTRY_LOGGED);
    take(&body, 10);
    for (size_t len = 0; len < body.len; len++) {
        uint8_t *copy = malloc(len + 1); /* exactly so long, for the sanitizer */
        memcpy(copy, body.at, len);
        told[0] = '\0';
        CU_ASSERT_EQUAL(snapshot_read((struct sl_bytes){copy, len}, &VISITOR), SL_ECORRUPT);
        free(copy);
    }
    for (size_t i = 0; i < body.len; i++) {
        body.at[i] ^= 0xff;
        told[0] = '\0';
        (void)!snapshot_read(sl_buffer_bytes(&body), &VISITOR);
        body.at[i] ^= 0xff;
    }
    sl_buffer_deinit(&body);
    broker_free(broker);
}

static void what_a_queue_holds_comes_back_as_it_was(void)
{
    struct sl_buffer body;
    struct entry entry;

    start();
    struct queue *q = declare("q", true, 10);
    bind("amq.direct", "q", "k");
    push(q, 1, ENTRY_LOGGED);
    push(q, 2, ENTRY_LOGGED);
    CU_ASSERT_NOT_EQUAL(backlog_peek(&q->backlog, &entry), BACKLOG_EMPTY);
    backlog_pop(&q->backlog, &entry);
    entry.returns = 3;
    queue_return(shard, q, &entry);
    take(&body, 10);
    told[0] = '\0';
    CU_ASSERT_EQUAL(snapshot_read(sl_buffer_bytes(&body), &VISITOR), SL_OK);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(told, "next 2\ndefinition 18\ndefinition 20\nqueue 1 mark 1000\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(told, "entry 1 at 100 until 7 len 5 of 2 returns 3\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(told, "entry 2 at 200 until 14 len 5 of 2 returns 0\n"));
    sl_buffer_deinit(&body);
    broker_free(broker);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_transient_is_not_in_it),
        UNIT(a_queue_that_was_declared_behind_the_place_is_left_to_the_log),
        UNIT(every_damaged_body_is_refused_or_read_to_its_end),
        UNIT(what_a_queue_holds_comes_back_as_it_was),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/snapshot", tests);
}
