#include "core/base/list.h"

#include "tests/support/unit.h"

struct item {
    int number;
    struct list node;
};

static int pop_number(struct list *l)
{
    struct list *node = list_pop(l);

    return node == NULL ? -1 : LIST_OF(node, struct item, node)->number;
}

static void an_empty_list_gives_nothing(void)
{
    struct list l;

    list_init(&l);
    CU_ASSERT_TRUE(list_is_empty(&l));
    CU_ASSERT_PTR_NULL(list_pop(&l));
}

static void removing_twice_is_harmless(void)
{
    struct list l;
    struct item a = {.number = 1};

    list_init(&l);
    list_push(&l, &a.node);
    list_remove(&a.node);
    list_remove(&a.node);
    CU_ASSERT_TRUE(list_is_empty(&l));
    CU_ASSERT_TRUE(list_is_empty(&a.node));
}

static void a_list_keeps_the_order_of_pushes(void)
{
    struct list l;
    struct item items[] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};

    list_init(&l);
    list_push(&l, &items[1].node);
    list_push(&l, &items[2].node);
    list_push(&l, &items[3].node);
    list_push_front(&l, &items[0].node);
    list_remove(&items[2].node);
    CU_ASSERT_EQUAL(pop_number(&l), 0);
    CU_ASSERT_EQUAL(pop_number(&l), 1);
    CU_ASSERT_EQUAL(pop_number(&l), 3);
    CU_ASSERT_EQUAL(pop_number(&l), -1);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(an_empty_list_gives_nothing),
                                  UNIT(removing_twice_is_harmless),
                                  UNIT(a_list_keeps_the_order_of_pushes), CU_TEST_INFO_NULL};
    return unit_run("core/base/list", tests);
}
