#include "core/hash_choice.h"

#include "core/route.h"
#include "tests/support/properties_maker.h"
#include "tests/support/topology_maker.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define QUEUES 5
#define KEYS 100000

static struct topology_maker m;
static char words[256];

static enum sl_err read_weight(const char *key, double *weight)
{
    struct text reason = text_on(words, sizeof words);

    return hash_weight_read(sl_bytes_of(key), weight, &reason);
}

static void a_weight_is_a_whole_number_above_0(void)
{
    static const char *const no_numbers[] = {"", "a", "1.5", " 1", "1 ", "-", "+", "0x1"};
    double weight;

    for (size_t i = 0; i < sizeof no_numbers / sizeof *no_numbers; i++)
        CU_ASSERT_EQUAL(read_weight(no_numbers[i], &weight), SL_EPRECOND);
    CU_ASSERT_EQUAL(read_weight("abc", &weight), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(words, "The binding key must be an integer: <<\"abc\">>");
    CU_ASSERT_EQUAL(read_weight("0", &weight), SL_EPRECOND);
    CU_ASSERT_EQUAL(read_weight("-3", &weight), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(words, "The binding key must be greater than 0");
    CU_ASSERT_EQUAL(read_weight("1", &weight), SL_OK);
    CU_ASSERT_EQUAL(weight, 1);
    CU_ASSERT_EQUAL(read_weight("+250", &weight), SL_OK);
    CU_ASSERT_EQUAL(weight, 250);
}

static void a_source_is_a_header_or_a_property(void)
{
    struct table_maker t;
    struct hash_source source;
    struct text reason = text_on(words, sizeof words);

    CU_ASSERT_EQUAL(hash_source_read((struct sl_bytes){NULL, 0}, &source, &reason), SL_OK);
    CU_ASSERT_EQUAL(source.kind, HASH_KEY);
    CU_ASSERT_EQUAL(hash_source_read(table_of_string(&t, "hash-header", "h"), &source, &reason),
                    SL_OK);
    CU_ASSERT_EQUAL(source.kind, HASH_HEADER);
    CU_ASSERT_EQUAL(
        hash_source_read(table_of_string(&t, "hash-property", "timestamp"), &source, &reason),
        SL_OK);
    CU_ASSERT_EQUAL(source.kind, HASH_TIMESTAMP);
    CU_ASSERT_EQUAL(
        hash_source_read(table_of_string(&t, "hash-property", "app_id"), &source, &reason),
        SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(words, "Unsupported property: app_id");
    CU_ASSERT_EQUAL(hash_source_read(table_of_number(&t, "hash-header", 1), &source, &reason),
                    SL_EPRECOND);
    table_begin(&t);
    table_write_string(&t.w, SL_BYTES_LITERAL("hash-header"), SL_BYTES_LITERAL("h"));
    table_write_string(&t.w, SL_BYTES_LITERAL("hash-property"), SL_BYTES_LITERAL("message_id"));
    reason = text_on(words, sizeof words);
    CU_ASSERT_EQUAL(hash_source_read(table_end(&t), &source, &reason), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(words, "hash-header and hash-property are mutually exclusive");
}

static void what_is_hashed_is_what_was_asked_for(void)
{
    static struct properties_maker maker;
    struct properties p = {.present = PROPERTY_MESSAGE_ID | PROPERTY_CORRELATION_ID |
                                      PROPERTY_TIMESTAMP | PROPERTY_HEADERS,
                           .message_id = SL_BYTES_LITERAL("m"),
                           .correlation_id = SL_BYTES_LITERAL("c"),
                           .timestamp = 77};
    uint64_t before[5];

    p.headers = table_of_string(&maker.headers, "h", "one");
    for (int change = -1; change < 5; change++) {
        struct sl_bytes key = sl_bytes_of(change == HASH_KEY ? "l" : "k");
        struct table_maker other;
        struct properties now = p;
        uint8_t room[512];
        struct sl_writer w = {room, room + sizeof room, false};
        if (change == HASH_HEADER)
            now.headers = table_of_string(&other, "h", "two");
        if (change == HASH_MESSAGE_ID)
            now.message_id = SL_BYTES_LITERAL("n");
        if (change == HASH_CORRELATION_ID)
            now.correlation_id = SL_BYTES_LITERAL("d");
        if (change == HASH_TIMESTAMP)
            now.timestamp++;
        properties_encode(&now, &w);
        struct sl_bytes flat = {room, (size_t)(w.pos - room)};
        for (int kind = 0; kind < 5; kind++) {
            struct hash_source source = {(enum hash_source_kind)kind, SL_BYTES_LITERAL("h")};
            uint64_t number = hash_choice_number(&source, key, flat);
            if (change < 0)
                before[kind] = number;
            else
                CU_ASSERT_EQUAL(number == before[kind], kind != change);
        }
    }
    struct hash_source source = {HASH_HEADER, SL_BYTES_LITERAL("h")};
    CU_ASSERT_EQUAL(hash_choice_number(&source, sl_bytes_of("a"), (struct sl_bytes){NULL, 0}),
                    hash_choice_number(&source, sl_bytes_of("b"), properties_none));
}

static void set_up(void)
{
    struct exchange_declaration d = {.name = SL_BYTES_LITERAL("h"),
                                     .type = SL_BYTES_LITERAL("x-consistent-hash")};
    char name[8];

    topology_maker_init(&m, 1);
    CU_ASSERT_EQUAL_FATAL(declare_exchange(&m, d), SL_OK);
    for (int i = 0; i < QUEUES; i++) {
        snprintf(name, sizeof name, "q%d", i);
        make_queue(&m, name);
    }
}

static void choose(uint8_t chosen[KEYS], int counts[QUEUES])
{
    struct target_set targets = {0};
    bool is_fixed;
    char key[16];

    memset(counts, 0, QUEUES * sizeof *counts);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "%d", i);
        const struct routed what = {.exchange = SL_BYTES_LITERAL("h"), .key = sl_bytes_of(key)};
        targets.count = 0;
        CU_ASSERT_EQUAL_FATAL(route_resolve(m.t, m.v, &what, &targets, &is_fixed), SL_OK);
        CU_ASSERT_EQUAL_FATAL(targets.count, 1);
        CU_ASSERT_TRUE(is_fixed);
        chosen[i] = (uint8_t)(topology_queue_at(m.t, targets.at[0])->name.at[1] - '0');
        counts[chosen[i]]++;
    }
    target_set_deinit(&targets);
}

/* Five times the deviation that chance has; the hash does not change, so neither does this. */
static bool is_near(int count, double wanted)
{
    double off = count - wanted;

    return off * off <= 25 * wanted;
}

static void queues_get_their_shares(void)
{
    static uint8_t chosen[KEYS];
    int counts[QUEUES];
    char name[8];
    char weight[8];

    set_up();
    for (int i = 0; i < QUEUES; i++) {
        snprintf(name, sizeof name, "q%d", i);
        snprintf(weight, sizeof weight, "%d", i + 1);
        CU_ASSERT_EQUAL(bind(&m, to_queue("h", name, weight)), SL_OK);
    }
    choose(chosen, counts);
    for (int i = 0; i < QUEUES; i++)
        CU_ASSERT_TRUE(is_near(counts[i], KEYS * (i + 1) / 15.0));
    topology_maker_deinit(&m);
}

/* In another order of bindings too, as after a restart. */
static void a_queue_that_comes_or_goes_moves_only_its_own(void)
{
    static uint8_t four[KEYS], five[KEYS], again[KEYS];
    int counts[QUEUES];
    static const char *const names[] = {"q0", "q1", "q2", "q3", "q4"};
    int moved = 0;

    set_up();
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(bind(&m, to_queue("h", names[i], "1")), SL_OK);
    choose(four, counts);
    CU_ASSERT_EQUAL(bind(&m, to_queue("h", "q4", "1")), SL_OK);
    choose(five, counts);
    for (int i = 0; i < KEYS; i++)
        if (four[i] != five[i]) {
            CU_ASSERT_EQUAL(five[i], 4);
            moved++;
        }
    CU_ASSERT_TRUE(is_near(moved, KEYS / 5.0));

    for (int i = 0; i < QUEUES; i++)
        CU_ASSERT_EQUAL(unbind(&m, to_queue("h", names[i], "1")), SL_OK);
    for (int i = 3; i >= 0; i--)
        CU_ASSERT_EQUAL(bind(&m, to_queue("h", names[i], "1")), SL_OK);
    choose(again, counts);
    CU_ASSERT_EQUAL(memcmp(again, four, sizeof four), 0);
    topology_maker_deinit(&m);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_weight_is_a_whole_number_above_0),
                                  UNIT(a_source_is_a_header_or_a_property),
                                  UNIT(what_is_hashed_is_what_was_asked_for),
                                  UNIT(queues_get_their_shares),
                                  UNIT(a_queue_that_comes_or_goes_moves_only_its_own),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/hash_choice", tests);
}
