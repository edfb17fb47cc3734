#include "core/selector.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/selector_parts.h"

#include <math.h>

struct number {
    bool is_whole;
    int64_t whole;
    double real; /* in either case */
};

struct look { /* at one message */
    const struct selector_message *message;
    uint32_t steps; /* that LIKE has left */
    struct selector_value stack[SL_SELECTOR_STACK_MAX];
    uint32_t count;
};

static void take_step(const struct selector_step *step, struct look *look);
static struct selector_value look_up(const struct selector_message *m, struct sl_bytes name);
static bool find_property(const struct properties *p, struct sl_bytes name,
                          struct selector_value *out);
static bool property_is(const struct properties *p, struct sl_bytes name, enum properties_flag flag,
                        const char *jms, const char *stomp);
static struct selector_value of_header(struct table_value v);
static struct selector_value compute(enum selector_op op, struct selector_value a,
                                     struct selector_value b);
static bool compute_whole(enum selector_op op, int64_t a, int64_t b, int64_t *out);
static struct selector_value negate(struct selector_value v);
static struct selector_value compare(enum selector_op op, struct selector_value a,
                                     struct selector_value b);
static struct selector_value between(const struct selector_value *of);
static struct selector_value is_like(struct selector_value v, const struct selector_step *step,
                                     uint32_t *steps);
static bool matches(struct sl_bytes text, struct sl_bytes pattern, int escape, uint32_t *steps);
static size_t character_len(struct sl_bytes text, size_t at);
static struct selector_value both(struct selector_value a, struct selector_value b);
static struct selector_value either(struct selector_value a, struct selector_value b);
static struct selector_value opposite(struct selector_value v);
static struct selector_value truth_of(struct selector_value v);
static bool number_of(struct selector_value v, struct number *out);
static struct selector_value a_truth(bool truth);
static struct selector_value an_integer(int64_t n);
static struct selector_value a_real(double n);
static struct selector_value a_text(struct sl_bytes text);

static const struct selector_value UNKNOWN = {.type = SELECTOR_UNKNOWN};

bool selector_takes(const struct selector *s, const struct selector_message *m)
{
    struct look look = {.message = m, .steps = SL_SELECTOR_LIKE_STEPS_MAX};

    for (uint32_t i = 0; i < s->count; i++)
        take_step(&s->steps[i], &look);
    SL_ASSERT(look.count == 1);
    struct selector_value result = truth_of(look.stack[0]);
    return result.type == SELECTOR_TRUTH && result.truth;
}

static void take_step(const struct selector_step *step, struct look *look)
{
    static const uint8_t TAKES[] = {
        [SELECTOR_VALUE] = 0,         [SELECTOR_NAME] = 0,       [SELECTOR_NEGATE] = 1,
        [SELECTOR_ADD] = 2,           [SELECTOR_SUBTRACT] = 2,   [SELECTOR_MULTIPLY] = 2,
        [SELECTOR_DIVIDE] = 2,        [SELECTOR_EQUAL] = 2,      [SELECTOR_UNEQUAL] = 2,
        [SELECTOR_LESS] = 2,          [SELECTOR_LESS_EQUAL] = 2, [SELECTOR_GREATER] = 2,
        [SELECTOR_GREATER_EQUAL] = 2, [SELECTOR_BETWEEN] = 3,    [SELECTOR_LIKE] = 1,
        [SELECTOR_IS_NULL] = 1,       [SELECTOR_IN] = 1,         [SELECTOR_IN_END] = 2,
        [SELECTOR_NOT] = 1,           [SELECTOR_AND] = 2,        [SELECTOR_OR] = 2,
    };
    struct selector_value *top = look->stack + look->count - TAKES[step->op];
    struct selector_value result = UNKNOWN;

    switch (step->op) {
    case SELECTOR_VALUE: result = step->value; break;
    case SELECTOR_NAME: result = look_up(look->message, step->value.text); break;
    case SELECTOR_NEGATE: result = negate(top[0]); break;
    case SELECTOR_ADD:
    case SELECTOR_SUBTRACT:
    case SELECTOR_MULTIPLY:
    case SELECTOR_DIVIDE: result = compute(step->op, top[0], top[1]); break;
    case SELECTOR_EQUAL:
    case SELECTOR_UNEQUAL:
    case SELECTOR_LESS:
    case SELECTOR_LESS_EQUAL:
    case SELECTOR_GREATER:
    case SELECTOR_GREATER_EQUAL: result = compare(step->op, top[0], top[1]); break;
    case SELECTOR_BETWEEN: result = between(top); break;
    case SELECTOR_LIKE: result = is_like(top[0], step, &look->steps); break;
    case SELECTOR_IS_NULL: result = a_truth(top[0].type == SELECTOR_UNKNOWN); break;
    case SELECTOR_IN: result = either(top[0], compare(SELECTOR_EQUAL, top[-1], step->value)); break;
    case SELECTOR_IN_END: result = top[1]; break;
    case SELECTOR_NOT: result = opposite(top[0]); break;
    case SELECTOR_AND: result = both(top[0], top[1]); break;
    case SELECTOR_OR: result = either(top[0], top[1]); break;
    }
    *top = result;
    look->count = (uint32_t)(top - look->stack) + 1;
}

static struct selector_value look_up(const struct selector_message *m, struct sl_bytes name)
{
    struct selector_value found = UNKNOWN;
    struct table_value value;

    if (header_set_find(m->headers, name, &value))
        return of_header(value);
    return find_property(&m->properties, name, &found) ? found : UNKNOWN;
}

static bool find_property(const struct properties *p, struct sl_bytes name,
                          struct selector_value *out)
{
    const struct {
        enum properties_flag flag;
        const char *jms;
        const char *stomp;
        struct sl_bytes text;
    } texts[] = {
        {PROPERTY_TYPE, "JMSType", "type", p->type},
        {PROPERTY_CORRELATION_ID, "JMSCorrelationID", "correlation-id", p->correlation_id},
        {PROPERTY_MESSAGE_ID, "JMSMessageID", "amqp-message-id", p->message_id},
        {PROPERTY_REPLY_TO, "JMSReplyTo", "reply-to", p->reply_to},
        {PROPERTY_USER_ID, "JMSXUserID", "user-id", p->user_id},
        {PROPERTY_APP_ID, "JMSXAppID", "app-id", p->app_id},
        {PROPERTY_CONTENT_TYPE, "content-type", "content-type", p->content_type},
        {PROPERTY_CONTENT_ENCODING, "content-encoding", "content-encoding", p->content_encoding},
        {PROPERTY_EXPIRATION, "expiration", "expiration", p->expiration},
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (property_is(p, name, texts[i].flag, texts[i].jms, texts[i].stomp)) {
            *out = a_text(texts[i].text);
            return true;
        }
    if (sl_bytes_are(name, "JMSPriority") || sl_bytes_are(name, "priority"))
        *out = an_integer((p->present & PROPERTY_PRIORITY) != 0 ? p->priority : 0);
    else if (sl_bytes_are(name, "JMSDeliveryMode"))
        *out = a_text((p->present & PROPERTY_DELIVERY_MODE) != 0 && p->delivery_mode == 2
                          ? SL_BYTES_LITERAL("PERSISTENT")
                          : SL_BYTES_LITERAL("NON_PERSISTENT"));
    else if (sl_bytes_are(name, "persistent"))
        *out = a_truth((p->present & PROPERTY_DELIVERY_MODE) != 0 && p->delivery_mode == 2);
    else if (property_is(p, name, PROPERTY_TIMESTAMP, "timestamp", "timestamp"))
        *out = an_integer((int64_t)p->timestamp);
    else if (property_is(p, name, PROPERTY_TIMESTAMP, "JMSTimestamp", "JMSTimestamp"))
        *out = compute(SELECTOR_MULTIPLY, an_integer((int64_t)p->timestamp), an_integer(1000));
    else
        return false;
    return true;
}

static bool property_is(const struct properties *p, struct sl_bytes name, enum properties_flag flag,
                        const char *jms, const char *stomp)
{
    return (p->present & flag) != 0 && (sl_bytes_are(name, jms) || sl_bytes_are(name, stomp));
}

static struct selector_value of_header(struct table_value v)
{
    struct sl_bytes text;
    int64_t n;
    double real;
    bool truth;

    if (table_value_string(v, &text))
        return a_text(text);
    if (table_value_integer(v, &n))
        return an_integer(n);
    if (table_value_bool(v, &truth))
        return a_truth(truth);
    return table_value_real(v, &real) ? a_real(real) : UNKNOWN;
}

static struct selector_value compute(enum selector_op op, struct selector_value a,
                                     struct selector_value b)
{
    struct number x, y;
    int64_t whole;

    if (!number_of(a, &x) || !number_of(b, &y))
        return UNKNOWN;
    if (x.is_whole && y.is_whole && compute_whole(op, x.whole, y.whole, &whole))
        return an_integer(whole);
    if (op == SELECTOR_DIVIDE && y.real == 0)
        return UNKNOWN;
    return a_real(op == SELECTOR_ADD        ? x.real + y.real
                  : op == SELECTOR_SUBTRACT ? x.real - y.real
                  : op == SELECTOR_MULTIPLY ? x.real * y.real
                                            : x.real / y.real);
}

/* As in Java, where 5 / 2 is 2; false: it does not fit. */
static bool compute_whole(enum selector_op op, int64_t a, int64_t b, int64_t *out)
{
    if (op == SELECTOR_ADD)
        return !__builtin_add_overflow(a, b, out);
    if (op == SELECTOR_SUBTRACT)
        return !__builtin_sub_overflow(a, b, out);
    if (op == SELECTOR_MULTIPLY)
        return !__builtin_mul_overflow(a, b, out);
    if (b == 0 || (a == INT64_MIN && b == -1))
        return false;
    *out = a / b;
    return true;
}

static struct selector_value negate(struct selector_value v)
{
    return compute(SELECTOR_SUBTRACT, an_integer(0), v);
}

static struct selector_value compare(enum selector_op op, struct selector_value a,
                                     struct selector_value b)
{
    struct number x, y;
    bool is_less = false;
    bool is_equal;

    if (a.type == SELECTOR_TEXT && b.type == SELECTOR_TEXT && op <= SELECTOR_UNEQUAL) {
        is_equal = sl_bytes_equal(a.text, b.text);
    } else if (a.type == SELECTOR_TRUTH || b.type == SELECTOR_TRUTH) {
        a = truth_of(a);
        b = truth_of(b);
        if (a.type != SELECTOR_TRUTH || b.type != SELECTOR_TRUTH || op > SELECTOR_UNEQUAL)
            return UNKNOWN;
        is_equal = a.truth == b.truth;
    } else if (number_of(a, &x) && number_of(b, &y)) {
        bool is_whole = x.is_whole && y.is_whole;
        is_less = is_whole ? x.whole < y.whole : x.real < y.real;
        is_equal = is_whole ? x.whole == y.whole : x.real == y.real;
    } else {
        return UNKNOWN;
    }
    switch (op) {
    case SELECTOR_EQUAL: return a_truth(is_equal);
    case SELECTOR_UNEQUAL: return a_truth(!is_equal);
    case SELECTOR_LESS: return a_truth(is_less);
    case SELECTOR_LESS_EQUAL: return a_truth(is_less || is_equal);
    case SELECTOR_GREATER: return a_truth(!is_less && !is_equal);
    default: return a_truth(!is_less);
    }
}

static struct selector_value between(const struct selector_value *of)
{
    return both(compare(SELECTOR_GREATER_EQUAL, of[0], of[1]),
                compare(SELECTOR_LESS_EQUAL, of[0], of[2]));
}

/* Where the steps are used up it is not known. */
static struct selector_value is_like(struct selector_value v, const struct selector_step *step,
                                     uint32_t *steps)
{
    if (v.type != SELECTOR_TEXT || v.text.len > SL_SELECTOR_LIKE_BYTES_MAX)
        return UNKNOWN;
    bool is_match = matches(v.text, step->value.text, step->escape, steps);
    return *steps == 0 ? UNKNOWN : a_truth(is_match);
}

/* % stands for any characters, _ for one.  Only the last % that was met is tried anew: what is
 * before it has found its first place, and no later one would help. */
static bool matches(struct sl_bytes text, struct sl_bytes pattern, int escape, uint32_t *steps)
{
    size_t t = 0, p = 0;
    size_t from = 0, behind = SIZE_MAX; /* of the last %: where it ends in both */

    while (t < text.len || p < pattern.len) {
        if (*steps == 0 || --*steps == 0)
            return false;
        if (p < pattern.len) {
            bool is_escaped = pattern.at[p] == escape && p + 1 < pattern.len;
            uint8_t c = pattern.at[p + is_escaped];

            if (!is_escaped && c == '%') {
                behind = ++p;
                from = t;
                continue;
            }
            if (t < text.len && ((!is_escaped && c == '_') || c == text.at[t])) {
                t += !is_escaped && c == '_' ? character_len(text, t) : 1;
                p += 1u + is_escaped;
                continue;
            }
        }
        if (behind == SIZE_MAX || from >= text.len)
            return false;
        t = ++from;
        p = behind;
    }
    return true;
}

/* In UTF-8; a byte that is no part of any counts as one. */
static size_t character_len(struct sl_bytes text, size_t at)
{
    size_t n = 1;

    while (text.at[at] >= 0xc0 && n < 4 && at + n < text.len && (text.at[at + n] & 0xc0) == 0x80)
        n++;
    return n;
}

static struct selector_value both(struct selector_value a, struct selector_value b)
{
    return opposite(either(opposite(a), opposite(b)));
}

static struct selector_value either(struct selector_value a, struct selector_value b)
{
    a = truth_of(a);
    b = truth_of(b);
    if ((a.type == SELECTOR_TRUTH && a.truth) || (b.type == SELECTOR_TRUTH && b.truth))
        return a_truth(true);
    return a.type == SELECTOR_TRUTH ? b : UNKNOWN;
}

static struct selector_value opposite(struct selector_value v)
{
    v = truth_of(v);
    return v.type == SELECTOR_TRUTH ? a_truth(!v.truth) : UNKNOWN;
}

static struct selector_value truth_of(struct selector_value v)
{
    if (v.type == SELECTOR_TRUTH)
        return v;
    if (v.type == SELECTOR_TEXT && (sl_bytes_are(v.text, "true") || sl_bytes_are(v.text, "True")))
        return a_truth(true);
    if (v.type == SELECTOR_TEXT && (sl_bytes_are(v.text, "false") || sl_bytes_are(v.text, "False")))
        return a_truth(false);
    return UNKNOWN;
}

static bool number_of(struct selector_value v, struct number *out)
{
    if (v.type == SELECTOR_TEXT && !selector_number(v.text, &v))
        return false;
    if (v.type != SELECTOR_INTEGER && v.type != SELECTOR_REAL)
        return false;
    out->is_whole = v.type == SELECTOR_INTEGER;
    out->whole = out->is_whole ? v.integer : 0;
    out->real = out->is_whole ? (double)v.integer : v.real;
    return true;
}

static struct selector_value a_truth(bool truth)
{
    return (struct selector_value){.type = SELECTOR_TRUTH, .truth = truth};
}

static struct selector_value an_integer(int64_t n)
{
    return (struct selector_value){.type = SELECTOR_INTEGER, .integer = n};
}

static struct selector_value a_real(double n)
{
    return isfinite(n) ? (struct selector_value){.type = SELECTOR_REAL, .real = n} : UNKNOWN;
}

static struct selector_value a_text(struct sl_bytes text)
{
    return (struct selector_value){.type = SELECTOR_TEXT, .text = text};
}
