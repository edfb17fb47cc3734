#include "tests/support/table_log.h"

#include "core/fetch.h"
#include "core/shard.h"

#define STEPS_MAX 100

void table_sync(struct table *t)
{
    for (int i = 0; i < 3; i++) {
        table_settle(t);
        table_flush(t);
    }
}

enum sl_err table_declare_durable(struct table *t, struct sitter *s, const char *queue,
                                  struct sl_bytes arguments)
{
    struct queue_declaration d = {
        .name = sl_bytes_of(queue), .is_durable = true, .arguments = arguments};

    broker_declare_queue(&s->client, 1, &d, "");
    table_sync(t);
    return s->last->err;
}

bool table_turn(struct table *t, struct sitter *reader)
{
    broker_client_written(&reader->client, reader->cost);
    table_settle(t);
    table_flush(t);
    return fetch_run(broker_fetch(t->broker));
}

void table_rest(struct table *t, struct sitter *reader)
{
    for (int still = 0; still < 4; still++) {
        size_t told = reader->told_count;
        if (table_turn(t, reader) || reader->told_count != told)
            still = 0;
    }
}

struct keeper *table_keeper(struct table *t)
{
    return keeper_new(t->broker, t->log,
                      &(struct keeper_options){.files = faulty_disk_ops(t->disk),
                                               .checkpoint_bytes = UINT64_MAX});
}

enum sl_err table_checkpoint(struct table *t, struct keeper *k, uint64_t *now_ms)
{
    enum sl_err err = SL_OK;

    keeper_hurry(k);
    for (int i = 0; err == SL_OK && i < STEPS_MAX && keeper_is_busy(k); i++) {
        err = keeper_step(k, (*now_ms)++);
        table_sync(t);
    }
    return err;
}

uint64_t table_live_entries(const struct table *t)
{
    uint64_t entries = 0;

    for (uint32_t i = 0; i < t->workers; i++) {
        const struct live *live = &broker_worker_at(t->broker, i)->shard->live;
        for (uint64_t n = live->first; n < live->first + live->count; n++)
            entries += live_at(live, n)->entries;
    }
    return entries;
}

struct evacuation *table_evacuate(struct table *t, sl_lsn from, sl_lsn to)
{
    struct evacuation *e = evacuation_new(from, to, t->workers);

    for (uint32_t i = 0; i < t->workers; i++) {
        struct lane_batch *batch = lane_batch_new();
        batch->count = 1;
        batch->items[0] = (struct lane_item){.kind = LANE_EVACUATE, .evacuation = e};
        mailbox_post(&broker_worker_at(t->broker, i)->shard->inbox,
                     (struct mail_chain){&batch->node, &batch->node});
    }
    return e;
}
