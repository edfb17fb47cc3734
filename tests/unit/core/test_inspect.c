#include "core/inspect.h"

#include "core/base/limits.h"
#include "tests/support/table_maker.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define BUDGET (64u * 1024 * 1024)
#define NOBODY ((struct sl_bytes){NULL, 0})

static struct mailbox box;
static unsigned steps; /* of the last question */

/* Asks every worker in turn and gives the pages, chained. */
static struct inspect_page *ask(struct table *t, enum inspect_subject subject,
                                struct sl_bytes vhost, struct sl_bytes queue)
{
    struct inspect_page *all = NULL;

    steps = 0;
    for (uint32_t i = 0; i < t->workers; i++) {
        struct inspect_page *page = inspect_page_new(subject, i, 7, &box);
        page->vhost = inspect_copy(page, vhost);
        page->queue = inspect_copy(page, queue);
        do {
            uint32_t before = page->cursor;
            inspect_ask(t->broker, page);
            table_settle(t);
            CU_ASSERT_PTR_EQUAL_FATAL(mailbox_take(&box).first, &page->mail.node);
            CU_ASSERT(page->is_done || page->cursor - before <= INSPECT_STEP);
            steps++;
        } while (!page->is_done);
        page->next = all;
        all = page;
    }
    return all;
}

static struct inspect_page *look(struct table *t, enum inspect_subject subject,
                                 struct sl_bytes vhost)
{
    struct inspect_page *page = inspect_page_new(subject, 0, 7, &box);

    page->vhost = inspect_copy(page, vhost);
    inspect_topology(broker_topology(t->broker), page);
    CU_ASSERT(page->is_done);
    return page;
}

static size_t count(const struct inspect_page *pages)
{
    size_t n = 0;

    for (; pages != NULL; pages = pages->next)
        for (const struct inspect_row *at = pages->first; at != NULL; at = at->next)
            n++;
    return n;
}

static void release(struct inspect_page *pages)
{
    while (pages != NULL) {
        struct inspect_page *next = pages->next;
        inspect_page_free(pages);
        pages = next;
    }
}

static void begin(struct table *t, uint32_t workers)
{
    mailbox_init(&box, NULL, NULL);
    table_init(t, workers, BUDGET);
}

static void end(struct table *t)
{
    table_deinit(t);
    CU_ASSERT_PTR_NULL(mailbox_take(&box).first);
    mailbox_deinit(&box);
}

static void a_question_that_nobody_takes_up_is_released_with_the_broker(void)
{
    struct table t;
    begin(&t, 1);
    inspect_ask(t.broker, inspect_page_new(INSPECT_QUEUES, 0, 7, &box));
    inspect_ask(t.broker, inspect_page_new(INSPECT_CONNECTIONS, 0, 7, &box));
    broker_free(t.broker);
    broker_thread_end();
    mailbox_deinit(&box);
}

static void nothing_is_listed_of_what_is_not_there(void)
{
    struct table t;
    begin(&t, 2);
    struct inspect_page *queues = ask(&t, INSPECT_QUEUES, NOBODY, NOBODY);
    struct inspect_page *consumers = ask(&t, INSPECT_CONSUMERS, NOBODY, NOBODY);
    struct inspect_page *totals = ask(&t, INSPECT_TOTALS, NOBODY, NOBODY);
    CU_ASSERT_EQUAL(count(queues) + count(consumers) + count(totals), 0);
    release(queues);
    release(consumers);
    release(totals);
    end(&t);
}

static void many_queues_are_told_in_bounded_steps_each_once(void)
{
    enum { QUEUES = 3000 };
    static bool seen[QUEUES];
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    char name[16];
    for (int i = 0; i < QUEUES; i++) {
        snprintf(name, sizeof name, "%d", i);
        CU_ASSERT_EQUAL_FATAL(table_declare(&t, s, name), SL_OK);
    }
    struct inspect_page *pages = ask(&t, INSPECT_QUEUES, NOBODY, NOBODY);
    CU_ASSERT_EQUAL(count(pages), QUEUES);
    CU_ASSERT(steps >= 3);
    for (const struct inspect_row *at = pages->first; at != NULL; at = at->next) {
        const struct inspect_queue *q = (const struct inspect_queue *)at;
        snprintf(name, sizeof name, "%.*s", (int)q->name.len, (const char *)q->name.at);
        int n = atoi(name);
        CU_ASSERT(!seen[n]);
        seen[n] = true;
    }
    release(pages);
    end(&t);
}

static void a_queue_that_goes_meanwhile_does_no_harm(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    table_declare(&t, s, "q");
    struct inspect_page *page = inspect_page_new(INSPECT_QUEUES, 0, 7, &box);
    inspect_ask(t.broker, page);
    broker_delete_queue(&s->client, 1, sl_bytes_of("q"), false, false);
    table_settle(&t); /* the page was taken first */
    CU_ASSERT_PTR_EQUAL(mailbox_take(&box).first, &page->mail.node);
    const struct inspect_queue *q = (const struct inspect_queue *)page->first;
    CU_ASSERT_FATAL(q != NULL && sl_bytes_are(q->name, "q"));
    inspect_page_free(page);
    end(&t);
}

static void a_queue_tells_what_is_ready_and_what_is_out(void)
{
    struct table t;
    begin(&t, 2);
    struct sitter *s = table_sit(&t, 0);
    table_declare(&t, s, "q");
    table_declare(&t, s, "other");
    for (uint64_t i = 0; i < 5; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
    table_consume(&t, s, "q", 2, false);
    table_settle(&t);

    struct inspect_page *pages = ask(&t, INSPECT_QUEUES, sl_bytes_of("/"), sl_bytes_of("q"));
    CU_ASSERT_EQUAL(count(pages), 1);
    const struct inspect_queue *q =
        (const struct inspect_queue *)(pages->first != NULL ? pages->first : pages->next->first);
    CU_ASSERT(sl_bytes_are(q->name, "q") && sl_bytes_are(q->vhost, "/"));
    CU_ASSERT_EQUAL(q->ready, 3);
    CU_ASSERT_EQUAL(q->unacked, 2);
    CU_ASSERT_EQUAL(q->consumers, 1);
    CU_ASSERT(!q->is_durable && !q->is_exclusive);
    release(pages);

    pages = ask(&t, INSPECT_TOTALS, NOBODY, NOBODY);
    struct inspect_totals sum = {.queues = 0};
    for (const struct inspect_page *p = pages; p != NULL; p = p->next) {
        const struct inspect_totals *one = (const struct inspect_totals *)p->first;
        if (one == NULL)
            continue;
        sum.queues += one->queues, sum.ready += one->ready, sum.unacked += one->unacked;
        sum.consumers += one->consumers;
    }
    CU_ASSERT(sum.queues == 2 && sum.ready == 3 && sum.unacked == 2 && sum.consumers == 1);
    release(pages);
    release(ask(&t, INSPECT_QUEUES, sl_bytes_of("elsewhere"), NOBODY));
    end(&t);
}

static void an_exclusive_queue_names_its_owner(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    struct table_maker m;
    struct queue_declaration d = {.name = sl_bytes_of("mine"),
                                  .is_exclusive = true,
                                  .arguments = table_of_number(&m, "x-expires", 1000)};
    broker_declare_queue(&s->client, 1, &d, "amq.gen-");
    table_settle(&t);
    struct inspect_page *page = ask(&t, INSPECT_QUEUES, NOBODY, NOBODY);
    const struct inspect_queue *q = (const struct inspect_queue *)page->first;
    CU_ASSERT_PTR_NOT_NULL_FATAL(q);
    CU_ASSERT(q->is_exclusive && sl_handle_equal(q->owner, s->client.handle));
    CU_ASSERT(sl_bytes_equal(q->arguments, d.arguments));
    release(page);
    end(&t);
}

static void consumers_are_told_but_not_those_that_are_over_and_not_gets(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    table_declare(&t, s, "q");
    for (uint64_t i = 0; i < 4; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
    broker_get(&s->client, 5, sl_bytes_of("q"), false);
    table_settle(&t);
    struct subscription *stays = table_consume(&t, s, "q", 1, false);
    struct subscription *goes = table_consume(&t, s, "q", 1, false);
    table_settle(&t);
    broker_cancel(&s->client, 6, goes);
    table_settle(&t);

    struct inspect_page *page = ask(&t, INSPECT_CONSUMERS, NOBODY, sl_bytes_of("q"));
    const struct inspect_consumer *c = (const struct inspect_consumer *)page->first;
    CU_ASSERT_EQUAL_FATAL(count(page), 1);
    CU_ASSERT_EQUAL(c->key.cookie, stays->cookie);
    CU_ASSERT(sl_handle_equal(c->key.session, s->client.handle));
    CU_ASSERT(sl_bytes_are(c->queue, "q") && c->prefetch == 1 && c->unacked == 1);
    CU_ASSERT(!c->is_no_ack && !c->is_exclusive);
    release(page);
    end(&t);
}

static void every_queue_is_bound_to_the_default_exchange(void)
{
    struct table t;
    begin(&t, 1);
    struct sitter *s = table_sit(&t, 0);
    table_declare(&t, s, "q");
    table_bind(&t, s, "q", "amq.topic", "a.#");
    struct inspect_page *page = look(&t, INSPECT_BINDINGS, sl_bytes_of("/"));
    CU_ASSERT_EQUAL_FATAL(count(page), 2);
    const struct inspect_binding *first = (const struct inspect_binding *)page->first;
    const struct inspect_binding *second = (const struct inspect_binding *)page->last;
    CU_ASSERT(first->source.len == 0 && sl_bytes_are(first->key, "q"));
    CU_ASSERT(sl_bytes_are(second->source, "amq.topic") && sl_bytes_are(second->key, "a.#"));
    CU_ASSERT(sl_bytes_are(second->destination, "q") && !second->to_exchange);
    release(page);
    page = look(&t, INSPECT_BINDINGS, sl_bytes_of("elsewhere"));
    CU_ASSERT_EQUAL(count(page), 0);
    release(page);
    end(&t);
}

static void exchanges_and_virtual_hosts_are_read_from_the_topology(void)
{
    struct table t;
    begin(&t, 1);
    struct inspect_page *page = look(&t, INSPECT_EXCHANGES, NOBODY);
    CU_ASSERT_EQUAL(count(page), 7);
    release(page);
    page = look(&t, INSPECT_VHOSTS, NOBODY);
    CU_ASSERT_EQUAL_FATAL(count(page), 1);
    CU_ASSERT(sl_bytes_are(((const struct inspect_vhost *)page->first)->name, "/"));
    release(page);
    end(&t);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_question_that_nobody_takes_up_is_released_with_the_broker),
        UNIT(nothing_is_listed_of_what_is_not_there),
        UNIT(many_queues_are_told_in_bounded_steps_each_once),
        UNIT(a_queue_that_goes_meanwhile_does_no_harm),
        UNIT(a_queue_tells_what_is_ready_and_what_is_out),
        UNIT(an_exclusive_queue_names_its_owner),
        UNIT(consumers_are_told_but_not_those_that_are_over_and_not_gets),
        UNIT(every_queue_is_bound_to_the_default_exchange),
        UNIT(exchanges_and_virtual_hosts_are_read_from_the_topology),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/inspect", tests);
}
