#include "core/policy.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

#include <inttypes.h>
#include <stdlib.h>

enum kind { NUMBER, TRUTH, WORDS, ANYTHING };

enum key_flag {
    LEAST = 1,     /* the least of what is given counts */
    OPERATORS = 2, /* operator policies may have it */
};

struct key {
    const char *name;
    const char *argument; /* what it stands for; NULL: accepted, and without effect here */
    enum kind kind;
    unsigned flags;
    int64_t least, most; /* NUMBER */
    const char *choice;  /* WORDS: those that there are, each between bars; NULL: any */
    const char *what;    /* RabbitMQ's word for it */
};

#define MS_MAX UINT32_MAX
#define LIMIT (LEAST | OPERATORS)
#define OF_IDS(name, kind, least, most)                                                            \
    {                                                                                              \
        name, name, kind, 0, least, most, NULL, name                                               \
    }
#define IGNORED(name)                                                                              \
    {                                                                                              \
        name, NULL, ANYTHING, OPERATORS, 0, 0, NULL, name                                          \
    }

static const struct key KEYS[] = {
    {"message-ttl", "x-message-ttl", NUMBER, LIMIT, 0, MS_MAX, NULL, "message TTL"},
    {"expires", "x-expires", NUMBER, LIMIT, 1, MS_MAX, NULL, "queue expiry"},
    {"max-length", "x-max-length", NUMBER, LIMIT, 0, INT64_MAX, NULL, "maximum length"},
    {"max-length-bytes", "x-max-length-bytes", NUMBER, LIMIT, 0, INT64_MAX, NULL,
     "maximum length in bytes"},
    {"delivery-limit", "x-delivery-limit", NUMBER, LIMIT, 0, INT64_MAX, NULL, "delivery limit"},
    {"overflow", "x-overflow", WORDS, OPERATORS, 0, 0,
     "|drop-head|reject-publish|reject-publish-dlx|", "overflow"},
    {"dead-letter-exchange", "x-dead-letter-exchange", WORDS, 0, 0, 0, NULL,
     "dead letter exchange name"},
    {"dead-letter-routing-key", "x-dead-letter-routing-key", WORDS, 0, 0, 0, NULL,
     "dead letter routing key"},
    {"dead-letter-strategy", "x-dead-letter-strategy", WORDS, 0, 0, 0,
     "|at-most-once|at-least-once|", "dead letter strategy"},
    {"consumer-timeout", "x-consumer-timeout", NUMBER, LIMIT, 0, INT64_MAX, NULL,
     "consumer timeout"},
    /* As the plugin for RabbitMQ names them. */
    OF_IDS("x-message-deduplication", TRUTH, 0, 0),
    OF_IDS("x-dedup-message-id", TRUTH, 0, 0),
    OF_IDS("x-deduplication-header", WORDS, 0, 0),
    OF_IDS("x-dedup-window-ms", NUMBER, 1000, SL_DEDUP_WINDOW_MS_MAX),
    OF_IDS("x-cache-size", NUMBER, 1, SL_DEDUP_IDS_MAX),
    OF_IDS("x-cache-ttl", NUMBER, 1, SL_DEDUP_WINDOW_MS_MAX),
    OF_IDS("x-cache-persistence", WORDS, 0, 0),
    {"alternate-exchange", "alternate-exchange", WORDS, 0, 0, 0, NULL, "alternate exchange name"},

    /* Where and how RabbitMQ should keep a queue, and what plugins of its do. */
    IGNORED("ha-mode"),
    IGNORED("ha-params"),
    IGNORED("ha-sync-mode"),
    IGNORED("ha-sync-batch-size"),
    IGNORED("ha-promote-on-shutdown"),
    IGNORED("ha-promote-on-failure"),
    IGNORED("queue-mode"),
    IGNORED("queue-version"),
    IGNORED("queue-master-locator"),
    IGNORED("queue-leader-locator"),
    IGNORED("max-in-memory-length"),
    IGNORED("max-in-memory-bytes"),
    IGNORED("target-group-size"),
    IGNORED("initial-cluster-size"),
    IGNORED("consumer-disconnected-timeout"),
    IGNORED("max-age"),
    IGNORED("stream-max-segment-size-bytes"),
    IGNORED("stream-filter-size-bytes"),
    IGNORED("federation-upstream"),
    IGNORED("federation-upstream-set"),
};
#define KEYS_COUNT (sizeof KEYS / sizeof *KEYS)
#define NAMES_GROW 64u /* an argument's name is at most this much longer than its key's, in all */

static const struct {
    const char *word;
    uint8_t apply_to;
} TARGETS[] = {{"all", POLICY_OF_ALL},
               {"queues", POLICY_OF_QUEUES},
               {"classic_queues", POLICY_OF_CLASSIC_QUEUES},
               {"quorum_queues", POLICY_OF_QUORUM_QUEUES},
               {"streams", POLICY_OF_STREAMS},
               {"exchanges", POLICY_OF_EXCHANGES}};
#define TARGETS_COUNT (sizeof TARGETS / sizeof *TARGETS)

static const struct key *key_of(struct sl_bytes name);
static bool is_good(const struct key *key, struct table_value value);
static void add_term(struct table_value value, struct text *to);
static bool is_set(const struct key *key, struct sl_bytes keys, struct table_value *out);
static bool find_value(const struct key *key, struct sl_bytes policy, struct sl_bytes by_operator,
                       struct table_value *out);
static struct table_value lesser(struct table_value a, struct table_value b);
static struct sl_bytes write_keys(struct sl_writer *w, struct sl_bytes policy,
                                  struct sl_bytes by_operator);
static struct sl_bytes write_arguments(struct sl_writer *w, struct sl_bytes arguments,
                                       struct sl_bytes policy, struct sl_bytes by_operator);
static bool is_replaced(struct sl_bytes argument, struct sl_bytes policy,
                        struct sl_bytes by_operator);
static struct sl_bytes write_name(struct sl_writer *w, struct sl_bytes name);

bool policy_target_parse(struct sl_bytes word, uint8_t *out)
{
    for (size_t i = 0; i < TARGETS_COUNT; i++)
        if (sl_bytes_are(word, TARGETS[i].word)) {
            *out = TARGETS[i].apply_to;
            return true;
        }
    return false;
}

const char *policy_target_name(uint8_t apply_to)
{
    for (size_t i = 0; i < TARGETS_COUNT; i++)
        if (apply_to == TARGETS[i].apply_to)
            return TARGETS[i].word;
    return "all";
}

enum sl_err policy_check(const struct policy_definition *d, struct text *reason)
{
    struct sl_reader r = table_fields(d->keys);
    struct table_field field;

    if (table_count(d->keys) == 0) {
        text_add(reason, "Validation failed\n\nno keys are set\n");
        return SL_EPRECOND;
    }
    while (table_next(&r, &field)) {
        const struct key *key = key_of(field.name);
        if (key == NULL || (d->is_operator && (key->flags & OPERATORS) == 0)) {
            text_add(reason, "Validation failed\n\n[{<<\"");
            text_add_bytes(reason, field.name);
            text_add(reason, "\">>,");
            add_term(field.value, reason);
            text_add(reason, "}] are not recognised policy settings\n");
            return SL_EPRECOND;
        }
        if (is_good(key, field.value))
            continue;
        text_add(reason, "Validation failed\n\n");
        add_term(field.value, reason);
        text_add(reason, " is not a valid %s\n", key->what);
        return SL_EPRECOND;
    }
    return SL_OK;
}

void policy_list_ignored(struct sl_bytes keys, struct text *to)
{
    struct sl_reader r = table_fields(keys);
    struct table_field field;
    const char *comma = "";

    while (table_next(&r, &field)) {
        const struct key *key = key_of(field.name);
        if (key == NULL || key->argument != NULL)
            continue;
        text_add(to, "%s%s", comma, key->name);
        comma = ",";
    }
}

struct effective *effective_new(struct sl_bytes arguments, const struct policy_definition *policy,
                                const struct policy_definition *by_operator)
{
    struct sl_bytes none = {NULL, 0};
    struct sl_bytes of_policy = policy == NULL ? table_empty : policy->keys;
    struct sl_bytes of_operator = by_operator == NULL ? table_empty : by_operator->keys;
    size_t room = arguments.len + 2 * (of_policy.len + of_operator.len) + NAMES_GROW +
                  (policy == NULL ? 0 : policy->name.len) +
                  (by_operator == NULL ? 0 : by_operator->name.len);
    struct effective *e = calloc(1, sizeof *e + room);

    SL_ASSERT(e != NULL);
    struct sl_writer w = {e->bytes, e->bytes + room, false};
    atomic_init(&e->refs, 1);
    e->policy = write_name(&w, policy == NULL ? none : policy->name);
    e->by_operator = write_name(&w, by_operator == NULL ? none : by_operator->name);
    e->keys = write_keys(&w, of_policy, of_operator);
    e->arguments = write_arguments(&w, arguments, of_policy, of_operator);
    SL_ASSERT(!w.overflowed);
    rules_read(&e->rules, e->arguments);
    dedup_rules_read(&e->dedup_rules, e->arguments);
    return e;
}

struct effective *effective_ref(struct effective *e)
{
    if (e != NULL)
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void effective_unref(struct effective *e)
{
    if (e != NULL && atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1)
        free(e);
}

bool effective_is_equal(const struct effective *a, const struct effective *b)
{
    if (a == b || a == NULL || b == NULL)
        return a == b;
    return sl_bytes_equal(a->policy, b->policy) && sl_bytes_equal(a->by_operator, b->by_operator) &&
           sl_bytes_equal(a->keys, b->keys) && sl_bytes_equal(a->arguments, b->arguments);
}

static const struct key *key_of(struct sl_bytes name)
{
    for (size_t i = 0; i < KEYS_COUNT; i++)
        if (sl_bytes_are(name, KEYS[i].name))
            return &KEYS[i];
    return NULL;
}

static bool is_good(const struct key *key, struct table_value value)
{
    struct sl_bytes word;
    bool is_true;
    int64_t n;

    switch (key->kind) {
    case NUMBER: return table_value_integer(value, &n) && n >= key->least && n <= key->most;
    case TRUTH: return table_value_bool(value, &is_true);
    case WORDS:
        return table_value_string(value, &word) &&
               (key->choice == NULL || sl_bytes_are_among(word, key->choice));
    case ANYTHING: break;
    }
    return true;
}

/* As Erlang writes it. */
static void add_term(struct table_value value, struct text *to)
{
    if (value.type == TABLE_STRING)
        text_add(to, "<<\"");
    table_value_describe(value, to);
    if (value.type == TABLE_STRING)
        text_add(to, "\">>");
}

static bool is_set(const struct key *key, struct sl_bytes keys, struct table_value *out)
{
    return table_find(keys, key->name, out);
}

/* What both policies together say of that key. */
static bool find_value(const struct key *key, struct sl_bytes policy, struct sl_bytes by_operator,
                       struct table_value *out)
{
    struct table_value other;
    bool is_there = is_set(key, policy, out);

    if (!is_set(key, by_operator, &other))
        return is_there;
    *out = is_there && (key->flags & LEAST) != 0 ? lesser(*out, other) : other;
    return true;
}

/* Below zero is no limit; what is no number was an argument before anybody looked, and does not
 * count. */
static struct table_value lesser(struct table_value a, struct table_value b)
{
    int64_t n;
    int64_t m;

    if (!table_value_integer(a, &n) || n < 0)
        return b;
    return !table_value_integer(b, &m) || m < 0 || n <= m ? a : b;
}

static struct sl_bytes write_keys(struct sl_writer *w, struct sl_bytes policy,
                                  struct sl_bytes by_operator)
{
    uint8_t *from = w->pos;
    uint8_t *start = table_write_start(w);
    struct table_value value;

    for (size_t i = 0; i < KEYS_COUNT; i++)
        if (find_value(&KEYS[i], policy, by_operator, &value))
            table_write_value(w, sl_bytes_of(KEYS[i].name), value);
    table_write_finish(w, start);
    return (struct sl_bytes){from, (size_t)(w->pos - from)};
}

static struct sl_bytes write_arguments(struct sl_writer *w, struct sl_bytes arguments,
                                       struct sl_bytes policy, struct sl_bytes by_operator)
{
    uint8_t *from = w->pos;
    uint8_t *start = table_write_start(w);
    struct sl_reader r = table_fields(arguments);
    struct table_field field;
    struct table_value value;
    struct table_value own;

    while (table_next(&r, &field))
        if (!is_replaced(field.name, policy, by_operator))
            table_write_value(w, field.name, field.value);
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        const struct key *key = &KEYS[i];
        if (key->argument == NULL || !find_value(key, policy, by_operator, &value))
            continue;
        if (table_find(arguments, key->argument, &own))
            value = (key->flags & LEAST) != 0 ? lesser(own, value) : own;
        table_write_value(w, sl_bytes_of(key->argument), value);
    }
    table_write_finish(w, start);
    return (struct sl_bytes){from, (size_t)(w->pos - from)};
}

static bool is_replaced(struct sl_bytes argument, struct sl_bytes policy,
                        struct sl_bytes by_operator)
{
    struct table_value value;

    for (size_t i = 0; i < KEYS_COUNT; i++)
        if (KEYS[i].argument != NULL && sl_bytes_are(argument, KEYS[i].argument))
            return find_value(&KEYS[i], policy, by_operator, &value);
    return false;
}

static struct sl_bytes write_name(struct sl_writer *w, struct sl_bytes name)
{
    uint8_t *from = w->pos;

    sl_write_bytes(w, name);
    return (struct sl_bytes){from, name.len};
}
