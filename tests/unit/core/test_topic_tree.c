#include "core/topic_tree.h"

#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define PATTERNS_MAX 400

struct entry {
    struct list node;
    char pattern[256];
    int found;
};

static struct topic_tree tree;
static struct entry entries[PATTERNS_MAX];
static int entries_count;

static void found(void *context, struct list *list)
{
    (void)context;
    for (struct list *node = list->next; node != list; node = node->next)
        LIST_OF(node, struct entry, node)->found++;
}

static struct entry *add(const char *pattern)
{
    struct entry *e = &entries[entries_count++];
    struct list *list = topic_tree_entries(&tree, sl_bytes_of(pattern));

    CU_ASSERT_PTR_NOT_NULL_FATAL(list);
    snprintf(e->pattern, sizeof e->pattern, "%s", pattern);
    e->found = 0;
    list_push(list, &e->node);
    return e;
}

static void drop(struct entry *e)
{
    list_remove(&e->node);
    topic_tree_prune(&tree, sl_bytes_of(e->pattern));
}

static void drop_all(void)
{
    while (entries_count > 0)
        drop(&entries[--entries_count]);
    CU_ASSERT_PTR_NULL(tree.root); /* nothing is left behind */
}

static void match(const char *key)
{
    for (int i = 0; i < entries_count; i++)
        entries[i].found = 0;
    topic_tree_match(&tree, sl_bytes_of(key), found, NULL);
}

static bool matches(const char *pattern, const char *key)
{
    struct entry *e = add(pattern);

    match(key);
    int times = e->found;
    CU_ASSERT_TRUE(times <= 1);
    drop_all();
    return times == 1;
}

/* ---- the meaning, said as plainly as possible ---- */

struct words {
    int count;
    struct sl_bytes word[130];
};

static struct words split(const char *text)
{
    struct words w = {0};
    const char *at = text;

    while (*text != '\0') {
        size_t len = strcspn(at, ".");
        w.word[w.count++] = (struct sl_bytes){(const uint8_t *)at, len};
        if (at[len] == '\0')
            break;
        at += len + 1;
    }
    return w;
}

static bool naive(const struct words *p, int i, const struct words *k, int j)
{
    if (i == p->count)
        return j == k->count;
    if (sl_bytes_are(p->word[i], "#"))
        return naive(p, i + 1, k, j) || (j < k->count && naive(p, i, k, j + 1));
    if (j == k->count)
        return false;
    return (sl_bytes_are(p->word[i], "*") || sl_bytes_equal(p->word[i], k->word[j])) &&
           naive(p, i + 1, k, j + 1);
}

static void make_random(char *to, int words_max, const char *const *vocabulary, int n)
{
    int words = rand() % (words_max + 1);

    to[0] = '\0';
    for (int i = 0; i < words; i++) {
        if (i > 0)
            strcat(to, ".");
        strcat(to, vocabulary[rand() % n]);
    }
}

static void an_empty_tree_matches_nothing(void)
{
    match("a.b");
    match("");
    topic_tree_prune(&tree, SL_BYTES_LITERAL("never.there"));
    topic_tree_clear(&tree);
}

static void words_that_differ_do_not_match(void)
{
    CU_ASSERT_FALSE(matches("a.b", "a"));
    CU_ASSERT_FALSE(matches("a.b", "a.b.c"));
    CU_ASSERT_FALSE(matches("a.b", "a.c"));
    CU_ASSERT_FALSE(matches("a", "ab"));
    CU_ASSERT_FALSE(matches("a.*", "a"));
    CU_ASSERT_FALSE(matches("a.*", "a.b.c"));
    CU_ASSERT_FALSE(matches("*", ""));
    CU_ASSERT_FALSE(matches("#.b", "a"));
    CU_ASSERT_FALSE(matches("a*", "ab")); /* a star inside a word is a letter */
}

static void a_star_is_one_word_and_a_hash_is_any_number(void)
{
    CU_ASSERT_TRUE(matches("a.b", "a.b"));
    CU_ASSERT_TRUE(matches("*", "a"));
    CU_ASSERT_TRUE(matches("*.b", "a.b"));
    CU_ASSERT_TRUE(matches("#", ""));
    CU_ASSERT_TRUE(matches("#", "a.b.c"));
    CU_ASSERT_TRUE(matches("a.#", "a"));
    CU_ASSERT_TRUE(matches("a.#.c", "a.c"));
    CU_ASSERT_TRUE(matches("a.#.c", "a.b.b.c"));
    CU_ASSERT_TRUE(matches("#.a.#", "x.a.y.z"));
    CU_ASSERT_TRUE(matches("", ""));
    CU_ASSERT_TRUE(matches("#.#", "a"));
    CU_ASSERT_TRUE(matches("a*", "a*"));
}

static void empty_words_are_words(void)
{
    CU_ASSERT_TRUE(matches("a..b", "a..b"));
    CU_ASSERT_TRUE(matches("a.*.b", "a..b"));
    CU_ASSERT_FALSE(matches("a.b", "a..b"));
    CU_ASSERT_TRUE(matches("*.*", "."));
    CU_ASSERT_FALSE(matches("*", "."));
    CU_ASSERT_FALSE(matches("", "."));
}

static void a_pattern_of_hashes_is_no_burden(void)
{
    char pattern[256];
    char key[256];

    for (int i = 0; i < 254; i++)
        pattern[i] = i % 2 == 0 ? '#' : '.';
    memcpy(pattern + 253, "z", 2);
    for (int i = 0; i < 254; i++)
        key[i] = i % 2 == 0 ? 'a' : '.';
    key[253] = '\0';
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_FALSE(matches(pattern, key));
}

static void several_ways_to_match_count_once(void)
{
    struct entry *a = add("#.a.#");
    struct entry *b = add("#.#");
    struct entry *same = add("#.#");

    match("a.a.a.a");
    CU_ASSERT_EQUAL(a->found, 1);
    CU_ASSERT_EQUAL(b->found, 1);
    CU_ASSERT_EQUAL(same->found, 1);
    drop_all();
}

static void patterns_that_share_words_go_one_by_one(void)
{
    struct entry *longer = add("a.b.c");

    add("a.b");
    drop(&entries[--entries_count]);
    match("a.b");
    CU_ASSERT_EQUAL(longer->found, 0);
    match("a.b.c");
    CU_ASSERT_EQUAL(longer->found, 1);
    drop_all();
}

static void random_patterns_match_what_the_definition_says(void)
{
    static const char *const pattern_words[] = {"a", "b", "c", "", "*", "#", "#"};
    static const char *const key_words[] = {"a", "b", "c", "", "*"};
    char text[256];
    int wrong = 0;
    int hits = 0;

    srand(11);
    for (int round = 0; round < 30; round++) {
        while (entries_count < 100 + round) {
            make_random(text, 6, pattern_words, 7);
            add(text);
        }
        for (int i = 0; i < 200; i++) {
            make_random(text, 7, key_words, 5);
            struct words key = split(text);
            match(text);
            for (int e = 0; e < entries_count; e++) {
                struct words pattern = split(entries[e].pattern);
                int expected = naive(&pattern, 0, &key, 0);
                wrong += entries[e].found != expected;
                hits += expected;
            }
        }
        for (int i = 0; i < 50; i++)
            drop(&entries[--entries_count]);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(hits > 1000);
    drop_all();
}

static void a_tree_is_cleared_at_once(void)
{
    char text[64];

    for (int i = 0; i < 20000; i++) {
        snprintf(text, sizeof text, "a.%d.*.#.%d", i % 150, i);
        CU_ASSERT_PTR_NOT_NULL(topic_tree_entries(&tree, sl_bytes_of(text)));
    }
    topic_tree_clear(&tree);
    CU_ASSERT_PTR_NULL(tree.root);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(an_empty_tree_matches_nothing),
                                  UNIT(words_that_differ_do_not_match),
                                  UNIT(a_star_is_one_word_and_a_hash_is_any_number),
                                  UNIT(empty_words_are_words),
                                  UNIT(a_pattern_of_hashes_is_no_burden),
                                  UNIT(several_ways_to_match_count_once),
                                  UNIT(patterns_that_share_words_go_one_by_one),
                                  UNIT(random_patterns_match_what_the_definition_says),
                                  UNIT(a_tree_is_cleared_at_once),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/topic_tree", tests);
}
