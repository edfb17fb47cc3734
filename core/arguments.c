#include "core/arguments.h"

#include "core/selector.h"

#include <inttypes.h>

enum kind { NUMBER, TRUTH, WORDS };

enum rule_flag {
    DORMANT = 1,  /* has no effect yet */
    STREAM = 2,   /* only streams understand it */
    EXCHANGE = 4, /* an exchange's, not a queue's */
    IDS = 8,      /* a queue's, and an exchange's whose queues ask for ids */
};

struct rule {
    struct sl_bytes name;
    enum kind kind;
    unsigned flags;
    int64_t least, most; /* NUMBER */
    const char *choice;  /* WORDS: the values that there are, each between bars; NULL: any */
    const char *bad;     /* RabbitMQ's word for another choice, or for a number above most */
};

#define MS_MAX UINT32_MAX /* RabbitMQ's timers end there */
#define WEEK_MS (7ll * 24 * 3600 * 1000)

/* clang-format off */
#define NAME(text) {(const uint8_t *)(text), sizeof(text) - 1}
#define COUNT_IN(name, flags, least, most) \
    {NAME(name), NUMBER, flags, least, most, NULL, "value_too_big"}
#define COUNT(name, flags) COUNT_IN(name, flags, 0, INT64_MAX)
#define FLAG(name, flags) {NAME(name), TRUTH, flags, 0, 0, NULL, NULL}
#define TEXT(name, flags) {NAME(name), WORDS, flags, 0, 0, NULL, NULL}
#define ONE_OF(name, flags, choice, bad) {NAME(name), WORDS, flags, 0, 0, choice, bad}
/* clang-format on */

enum { QUEUE_TYPE, DLX, DLX_KEY, SELECTOR }; /* rows with rules of their own */

static const struct rule RULES[] = {
    [QUEUE_TYPE] = TEXT("x-queue-type", 0),
    [DLX] = TEXT("x-dead-letter-exchange", 0),
    [DLX_KEY] = TEXT("x-dead-letter-routing-key", 0),
    [SELECTOR] = TEXT("x-selector", 0),
    TEXT("x-subscribed-to", 0),
    ONE_OF("x-dead-letter-strategy", DORMANT, "|at-most-once|at-least-once|",
           "invalid_dead_letter_strategy"),
    COUNT_IN("x-expires", 0, 1, MS_MAX),
    COUNT_IN("x-message-ttl", 0, 0, MS_MAX),
    COUNT("x-max-length", 0),
    COUNT("x-max-length-bytes", 0),
    ONE_OF("x-overflow", 0, "|drop-head|reject-publish|reject-publish-dlx|", "invalid_overflow"),
    {NAME("x-max-priority"), NUMBER, 0, 0, 255, NULL, "max_value_exceeded"},
    FLAG("x-single-active-consumer", 0),
    COUNT_IN("x-delivery-limit", 0, -1, INT64_MAX),
    COUNT("x-consumer-timeout", 0),
    COUNT("x-consumer-disconnected-timeout", DORMANT),
    ONE_OF("x-delayed-retry-type", 0, "|disabled|all|failed|returned|",
           "invalid_delayed_retry_type"),
    COUNT_IN("x-delayed-retry-min", 0, 0, MS_MAX),
    COUNT_IN("x-delayed-retry-max", 0, 0, MS_MAX),
    FLAG("x-message-groups", 0),
    FLAG("x-message-deduplication", IDS),
    FLAG("x-dedup-message-id", 0),
    TEXT("x-deduplication-header", IDS),
    COUNT_IN("x-dedup-window-ms", IDS, 1000, WEEK_MS),
    COUNT_IN("x-cache-size", IDS, 1, 100000000),
    COUNT_IN("x-cache-ttl", IDS, 1, WEEK_MS),
    ONE_OF("x-cache-persistence", IDS, "|disk|memory|", "invalid_cache_persistence"),

    /* How RabbitMQ should lay a queue out; there is nothing to choose here. */
    ONE_OF("x-queue-mode", 0, "|default|lazy|", "invalid_queue_mode"),
    COUNT_IN("x-queue-version", 0, 1, 2),
    TEXT("x-queue-master-locator", 0),
    TEXT("x-queue-leader-locator", 0),
    TEXT("x-member-placement-tag", 0),
    COUNT_IN("x-quorum-initial-group-size", 0, 1, INT64_MAX),
    COUNT("x-max-in-memory-length", 0),
    COUNT("x-max-in-memory-bytes", 0),

    TEXT("x-max-age", STREAM),
    COUNT("x-initial-cluster-size", STREAM),
    COUNT("x-stream-max-segment-size-bytes", STREAM),
    COUNT("x-stream-filter-size-bytes", STREAM),

    TEXT("alternate-exchange", EXCHANGE),
    TEXT("x-delayed-type", EXCHANGE),
};
#define RULES_COUNT (sizeof RULES / sizeof *RULES)

struct known { /* the known arguments of one table; of those with one name the first */
    struct table_value values[RULES_COUNT];
    bool is_there[RULES_COUNT];
};

static enum sl_err check_layout(struct resource queue, const struct queue_declaration *d,
                                const struct known *known, struct text *reason);
static const struct rule *rule_of(struct sl_bytes name);
static void gather(struct sl_bytes arguments, struct known *known);
static enum sl_err check_value(struct resource r, const struct rule *rule, struct table_value v,
                               struct text *reason);
static bool complain(const struct rule *rule, struct table_value v, struct text *words);
static bool complain_of_number(const struct rule *rule, struct table_value v, struct text *words);
static bool complain_of_selector(struct sl_bytes text, struct text *words);
static enum sl_err refuse(struct resource r, const struct rule *rule, const char *words,
                          struct text *reason);
static bool is_quorum(const struct known *known);
static enum sl_err compare(struct resource r, unsigned flag, bool is_said_only,
                           struct sl_bytes received, struct sl_bytes current, struct text *reason);
static bool agree(size_t rule, const struct known *a, const struct known *b);

enum sl_err arguments_check_queue(struct resource queue, const struct queue_declaration *d,
                                  struct text *reason)
{
    struct known known;

    gather(d->arguments, &known);
    for (size_t i = 0; i < RULES_COUNT; i++) {
        const struct rule *rule = &RULES[i];
        if (!known.is_there[i] || (rule->flags & EXCHANGE) != 0)
            continue;
        SL_TRY(check_value(queue, rule, known.values[i], reason));
        if ((rule->flags & STREAM) != 0) {
            text_add(reason, "invalid arg '%s' for ", (const char *)rule->name.at);
            resource_describe(queue, reason);
            text_add(reason, " of queue type rabbit_%s_queue",
                     is_quorum(&known) ? "quorum" : "classic");
            return SL_EPRECOND;
        }
    }
    if (known.is_there[DLX_KEY] && !known.is_there[DLX])
        return refuse(queue, &RULES[DLX_KEY], "routing_key_but_no_dlx_defined", reason);
    return check_layout(queue, d, &known, reason);
}

enum sl_err arguments_check_exchange(struct resource exchange, struct sl_bytes arguments,
                                     struct text *reason)
{
    struct table_value value;
    struct known known;

    gather(arguments, &known);
    for (size_t i = 0; i < RULES_COUNT; i++)
        if (known.is_there[i] && (RULES[i].flags & IDS) != 0)
            SL_TRY(check_value(exchange, &RULES[i], known.values[i], reason));
    if (!table_find(arguments, "alternate-exchange", &value) || value.type == TABLE_STRING)
        return SL_OK;
    text_add(reason, "invalid type '%s' for arg 'alternate-exchange' in ",
             table_type_name(value.type));
    resource_describe(exchange, reason);
    return SL_EPRECOND;
}

enum sl_err arguments_compare_queue(struct resource queue, struct sl_bytes received,
                                    struct sl_bytes current, struct text *reason)
{
    return compare(queue, 0, false, received, current, reason);
}

enum sl_err arguments_compare_said(struct resource queue, struct sl_bytes received,
                                   struct sl_bytes current, struct text *reason)
{
    return compare(queue, 0, true, received, current, reason);
}

enum sl_err arguments_compare_exchange(struct resource exchange, struct sl_bytes received,
                                       struct sl_bytes current, struct text *reason)
{
    return compare(exchange, EXCHANGE, false, received, current, reason);
}

void arguments_list_dormant(struct sl_bytes arguments, struct text *to)
{
    struct known known;
    const char *comma = "";

    gather(arguments, &known);
    for (size_t i = 0; i < RULES_COUNT; i++)
        if (known.is_there[i] && (RULES[i].flags & DORMANT) != 0) {
            text_add(to, "%s%s", comma, (const char *)RULES[i].name.at);
            comma = ",";
        }
}

/* What RabbitMQ asks of a quorum queue beyond its arguments. */
static enum sl_err check_layout(struct resource queue, const struct queue_declaration *d,
                                const struct known *known, struct text *reason)
{
    const char *property = d->is_auto_delete ? "auto-delete"
                           : d->is_exclusive ? "exclusive-owner"
                           : !d->is_durable  ? "non-durable"
                                             : NULL;

    if (!is_quorum(known))
        return SL_OK;
    if (d->may_be_reserved && d->number == 0 && property == NULL) {
        text_add(reason, "Cannot declare a server-named queue for type rabbit_quorum_queue");
        return SL_EPRECOND;
    }
    if (property == NULL)
        return SL_OK;
    text_add(reason, "invalid property '%s' for ", property);
    resource_describe(queue, reason);
    return SL_EPRECOND;
}

static const struct rule *rule_of(struct sl_bytes name)
{
    for (size_t i = 0; i < RULES_COUNT; i++)
        if (sl_bytes_equal(RULES[i].name, name))
            return &RULES[i];
    return NULL;
}

static void gather(struct sl_bytes arguments, struct known *known)
{
    struct sl_reader r = table_fields(arguments.len == 0 ? table_empty : arguments);
    struct table_field field;

    memset(known, 0, sizeof *known);
    while (table_next(&r, &field)) {
        const struct rule *rule = rule_of(field.name);
        size_t i = rule == NULL ? 0 : (size_t)(rule - RULES);
        if (rule == NULL || known->is_there[i])
            continue;
        known->values[i] = field.value;
        known->is_there[i] = true;
    }
}

static enum sl_err check_value(struct resource r, const struct rule *rule, struct table_value v,
                               struct text *reason)
{
    char room[128];
    struct text words = text_on(room, sizeof room);

    if (!complain(rule, v, &words))
        return SL_OK;
    return refuse(r, rule, room, reason);
}

/* True: the value is bad, and words say why. */
static bool complain(const struct rule *rule, struct table_value v, struct text *words)
{
    struct sl_bytes word;
    bool truth;

    if (rule->kind == NUMBER)
        return complain_of_number(rule, v, words);
    if (rule->kind == TRUTH && table_value_bool(v, &truth))
        return false;
    if (rule->kind == TRUTH || !table_value_string(v, &word)) {
        text_add(words, "expected %s, got %s", rule->kind == TRUTH ? "boolean" : "longstr",
                 table_type_name(v.type));
        return true;
    }
    if (rule == &RULES[QUEUE_TYPE] && !sl_bytes_are(word, "classic") &&
        !sl_bytes_are(word, "quorum")) {
        text_add(words, "unsupported queue type '");
        text_add_bytes(words, word);
        text_add(words, "'");
        return true;
    }
    if (rule == &RULES[SELECTOR])
        return complain_of_selector(word, words);
    if (rule->choice == NULL || sl_bytes_are_among(word, rule->choice))
        return false;
    text_add(words, "%s", rule->bad);
    return true;
}

static bool complain_of_number(const struct rule *rule, struct table_value v, struct text *words)
{
    int64_t n;

    if (!table_value_integer(v, &n)) {
        text_add(words, "expected integer, got %s", table_type_name(v.type));
        return true;
    }
    if (n >= rule->least && n <= rule->most)
        return false;
    const char *what = n > rule->most ? rule->bad
                       : n < 0        ? "value_negative"
                       : n == 0       ? "value_zero"
                                      : "value_too_small";
    text_add(words, "{%s,%" PRId64 "}", what, n);
    return true;
}

static bool complain_of_selector(struct sl_bytes text, struct text *words)
{
    struct selector *selector = NULL;
    enum sl_err err = selector_parse(text, &selector, words);

    selector_free(selector);
    return err == SL_ESYNTAX || err == SL_ETOOBIG; /* without memory the queue is not made */
}

static enum sl_err refuse(struct resource r, const struct rule *rule, const char *words,
                          struct text *reason)
{
    text_add(reason, "invalid arg '%s' for ", (const char *)rule->name.at);
    resource_describe(r, reason);
    text_add(reason, ": %s", words);
    return SL_EPRECOND;
}

static bool is_quorum(const struct known *known)
{
    return known->is_there[QUEUE_TYPE] && sl_bytes_are(known->values[QUEUE_TYPE].bytes, "quorum");
}

static enum sl_err compare(struct resource r, unsigned flag, bool is_said_only,
                           struct sl_bytes received, struct sl_bytes current, struct text *reason)
{
    struct known ours;
    struct known theirs;

    gather(current, &ours);
    gather(received, &theirs);
    for (size_t i = 0; i < RULES_COUNT; i++) {
        if ((RULES[i].flags & EXCHANGE) != flag || agree(i, &ours, &theirs) ||
            (is_said_only && !theirs.is_there[i]))
            continue;
        return refusal_inequivalent_value(r, (const char *)RULES[i].name.at,
                                          theirs.is_there[i] ? &theirs.values[i] : NULL,
                                          ours.is_there[i] ? &ours.values[i] : NULL, reason);
    }
    return SL_OK;
}

static bool agree(size_t rule, const struct known *a, const struct known *b)
{
    if (a->is_there[rule] && b->is_there[rule])
        return table_value_equal(a->values[rule], b->values[rule]);
    if (a->is_there[rule] == b->is_there[rule])
        return true;
    /* To say nothing and to say classic is the same. */
    const struct table_value *said = a->is_there[rule] ? &a->values[rule] : &b->values[rule];
    return rule == QUEUE_TYPE && said->type == TABLE_STRING && sl_bytes_are(said->bytes, "classic");
}
