#include "core/desk.h"

#include "core/mail.h"
#include "tests/support/table_maker.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)
#define CALLS 4u

static struct table t;
static uint32_t wakes;

static void wake(void *context)
{
    (void)context;
    wakes++;
}

/* Each about a queue whose name says a cluster that cannot be. */
static void ask(struct desk_task *task, struct client *c)
{
    struct sl_bytes name = SL_BYTES_LITERAL("/queue/Consumer.b!d.VirtualTopic.orders");
    struct queue_declaration d = {.name = name, .is_durable = true, .arguments = table_empty};
    struct binding_request r = {
        .source = SL_BYTES_LITERAL("amq.topic"), .destination = name, .arguments = table_empty};

    (void)task;
    CU_ASSERT_EQUAL_FATAL(broker_open_vhost(c, SL_BYTES_LITERAL("/")), SL_OK);
    broker_declare_queue(c, 1, &d, "");
    broker_bind(c, 2, &r);
    broker_purge_queue(c, 3, name);
    broker_delete_queue(c, 4, name, false, false);
}

static void what_is_refused_at_once_is_answered_to_the_desk(void)
{
    struct desk_task task = {.run = ask};
    uint32_t answers = 0;

    table_init(&t, 2, BUDGET);
    struct sitter *first = table_sit(&t, 0);
    desk_open(t.broker, wake, NULL);
    desk_run(t.broker, &task);
    table_settle(&t);
    CU_ASSERT_TRUE(wakes > 0);
    for (struct mail_chain chain = desk_take(t.broker); chain.first != NULL; answers++) {
        struct answer *a = (struct answer *)chain.first;
        chain.first = chain.first->next;
        CU_ASSERT_EQUAL(a->ticket, answers + 1);
        CU_ASSERT_EQUAL(a->err, SL_EPRECOND);
        CU_ASSERT_PTR_NOT_NULL(strstr(a->reason, "invalid ClusterID 'b!d'"));
        mail_free(&a->mail);
    }
    CU_ASSERT_EQUAL(answers, CALLS);
    CU_ASSERT_EQUAL(first->answers, 0);
    table_deinit(&t);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(what_is_refused_at_once_is_answered_to_the_desk),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/desk", tests);
}
