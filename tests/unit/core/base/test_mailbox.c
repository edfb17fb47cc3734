#include "core/base/mailbox.h"

#include "tests/support/unit.h"

#include <semaphore.h>
#include <stdlib.h>

#define LETTERS 20000

struct letter {
    struct mail_node node;
    int writer;
    int number;
};

struct writer {
    struct mailbox *box;
    int name;
};

static void post_wake(void *reader)
{
    sem_post(reader);
}

static struct letter *letter_new(int writer, int number)
{
    struct letter *letter = calloc(1, sizeof *letter);

    letter->writer = writer;
    letter->number = number;
    return letter;
}

static void *write_letters(void *context)
{
    struct writer *w = context;

    for (int i = 0; i < LETTERS; i += 2) {
        struct mail_chain chain = {NULL, NULL};
        mail_chain_add(&chain, &letter_new(w->name, i)->node);
        mail_chain_add(&chain, &letter_new(w->name, i + 1)->node);
        if (mailbox_post(w->box, chain))
            mailbox_wake(w->box);
    }
    return NULL;
}

static void an_empty_box_gives_nothing(void)
{
    struct mailbox box;

    mailbox_init(&box, NULL, NULL);
    CU_ASSERT_FALSE(mailbox_has_mail(&box));
    CU_ASSERT_PTR_NULL(mailbox_take(&box).first);
    CU_ASSERT_FALSE(mailbox_post(&box, (struct mail_chain){NULL, NULL}));
    CU_ASSERT_FALSE(mailbox_has_mail(&box));
    mailbox_wake(&box); /* nobody sleeps here */
    mailbox_deinit(&box);
}

static void only_the_first_post_asks_for_a_wake(void)
{
    struct mailbox box;
    struct mail_node nodes[3];
    struct mail_chain chain;

    mailbox_init(&box, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        chain = (struct mail_chain){NULL, NULL};
        mail_chain_add(&chain, &nodes[i]);
        CU_ASSERT_EQUAL(mailbox_post(&box, chain), i == 0);
    }
    CU_ASSERT_TRUE(mailbox_has_mail(&box));
    chain = mailbox_take(&box);
    CU_ASSERT_PTR_EQUAL(chain.first, &nodes[0]);
    CU_ASSERT_PTR_EQUAL(chain.first->next, &nodes[1]);
    CU_ASSERT_PTR_EQUAL(chain.last, &nodes[2]);
    CU_ASSERT_FALSE(mailbox_has_mail(&box));
    mailbox_deinit(&box);
}

/* The reader sleeps on a semaphore, as a worker does on its loop: a lost wake would hang. */
static void letters_of_two_threads_all_arrive_in_each_ones_order(void)
{
    struct mailbox box;
    struct writer writers[] = {{&box, 0}, {&box, 1}};
    pthread_t threads[2];
    int next[2] = {0, 0};
    int wrong = 0;
    sem_t bell;

    sem_init(&bell, 0, 0);
    mailbox_init(&box, post_wake, &bell);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, write_letters, &writers[i]), 0);
    while (next[0] + next[1] < 2 * LETTERS) {
        sem_wait(&bell);
        struct mail_chain chain = mailbox_take(&box);
        while (chain.first != NULL) {
            struct letter *letter = (struct letter *)chain.first;
            chain.first = letter->node.next;
            wrong += letter->number != next[letter->writer]++;
            free(letter);
        }
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(wrong, 0);
    mailbox_deinit(&box);
    sem_destroy(&bell);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(an_empty_box_gives_nothing), UNIT(only_the_first_post_asks_for_a_wake),
        UNIT(letters_of_two_threads_all_arrive_in_each_ones_order), CU_TEST_INFO_NULL};
    return unit_run("core/base/mailbox", tests);
}
