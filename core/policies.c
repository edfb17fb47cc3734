#include "core/policies.h"

#include "core/base/assert.h"
#include "core/name_pattern.h"

#include <stdlib.h>

struct kept_policy {      /* one block: the policy and its words */
    struct policy policy; /* first: a policy is what keeps it */
    struct name_pattern pattern;
    uint8_t bytes[];
};

static struct kept_policy *policy_new(const struct policy_definition *d);
static bool fits(const struct policy *p, struct sl_bytes name);
static void policy_free(struct policy *p);
static struct sl_bytes keep(uint8_t **at, struct sl_bytes bytes);
static size_t index_of(const struct policies *p, struct sl_bytes vhost, bool is_operator,
                       struct sl_bytes name);
static struct effective *make(struct sl_bytes arguments, const struct policy *policy,
                              const struct policy *by_operator);
static void forget_last(struct policies *p);
static const struct policy *best(const struct policies *p, struct sl_bytes vhost,
                                 struct sl_bytes name, enum policy_target kind, bool is_operator);

void policies_deinit(struct policies *p)
{
    forget_last(p);
    for (size_t i = 0; i < p->count; i++)
        policy_free(p->at[i]);
    free(p->at);
    *p = (struct policies){0};
}

enum sl_err policies_set(struct policies *p, const struct policy_definition *d, struct text *reason)
{
    struct sl_bytes expression = d->pattern.len == 0 ? SL_BYTES_LITERAL(".*") : d->pattern;
    struct kept_policy *kept = policy_new(d);
    struct policy *fresh = &kept->policy;
    enum sl_err err = name_pattern_compile(&kept->pattern, expression, reason);

    if (err != SL_OK) {
        policy_free(fresh);
        return err;
    }
    size_t i = index_of(p, d->vhost, d->is_operator, d->name);
    forget_last(p);
    if (i < p->count) {
        policy_free(p->at[i]);
        p->at[i] = fresh;
        return SL_OK;
    }
    if (p->count == p->room) {
        p->room = p->room == 0 ? 8 : p->room * 2;
        p->at = realloc(p->at, p->room * sizeof(struct policy *));
        SL_ASSERT(p->at != NULL);
    }
    p->at[p->count++] = fresh;
    return SL_OK;
}

bool policies_clear(struct policies *p, struct sl_bytes vhost, bool is_operator,
                    struct sl_bytes name)
{
    size_t i = index_of(p, vhost, is_operator, name);

    if (i == p->count)
        return false;
    forget_last(p);
    policy_free(p->at[i]);
    memmove(&p->at[i], &p->at[i + 1], (p->count - i - 1) * sizeof(struct policy *));
    p->count--;
    return true;
}

void policies_forget_vhost(struct policies *p, struct sl_bytes vhost)
{
    size_t kept = 0;

    forget_last(p);
    for (size_t i = 0; i < p->count; i++)
        if (sl_bytes_equal(p->at[i]->is.vhost, vhost))
            policy_free(p->at[i]);
        else
            p->at[kept++] = p->at[i];
    p->count = kept;
}

const struct policy *policies_find(const struct policies *p, struct sl_bytes vhost,
                                   bool is_operator, struct sl_bytes name)
{
    size_t i = index_of(p, vhost, is_operator, name);

    return i < p->count ? p->at[i] : NULL;
}

struct effective *policies_apply(struct policies *p, struct sl_bytes vhost, struct sl_bytes name,
                                 enum policy_target kind, struct sl_bytes arguments)
{
    const struct policy *policy = best(p, vhost, name, kind, false);
    const struct policy *by_operator = best(p, vhost, name, kind, true);

    if (policy == NULL && by_operator == NULL)
        return NULL;
    if (arguments.len > table_empty.len)
        return make(arguments, policy, by_operator);
    if (p->last == NULL || p->last_policy != policy || p->last_operator != by_operator) {
        forget_last(p);
        p->last = make(arguments, policy, by_operator);
        p->last_policy = policy;
        p->last_operator = by_operator;
    }
    return effective_ref(p->last);
}

static struct effective *make(struct sl_bytes arguments, const struct policy *policy,
                              const struct policy *by_operator)
{
    return effective_new(arguments, policy == NULL ? NULL : &policy->is,
                         by_operator == NULL ? NULL : &by_operator->is);
}

/* Before a policy ends: another one may come to stand at its address. */
static void forget_last(struct policies *p)
{
    effective_unref(p->last);
    p->last = NULL;
}

static struct kept_policy *policy_new(const struct policy_definition *d)
{
    struct kept_policy *p =
        calloc(1, sizeof *p + d->vhost.len + d->name.len + d->pattern.len + d->keys.len);

    SL_ASSERT(p != NULL);
    uint8_t *at = p->bytes;
    struct policy_definition *is = &p->policy.is;
    *is = *d;
    is->vhost = keep(&at, d->vhost);
    is->name = keep(&at, d->name);
    is->pattern = keep(&at, d->pattern);
    is->keys = keep(&at, d->keys);
    return p;
}

static bool fits(const struct policy *p, struct sl_bytes name)
{
    return name_pattern_matches(&((const struct kept_policy *)p)->pattern, name);
}

static void policy_free(struct policy *p)
{
    name_pattern_free(&((struct kept_policy *)p)->pattern);
    free(p);
}

static struct sl_bytes keep(uint8_t **at, struct sl_bytes bytes)
{
    struct sl_bytes kept = {*at, bytes.len};

    if (bytes.len != 0)
        memcpy(*at, bytes.at, bytes.len);
    *at += bytes.len;
    return kept;
}

/* The count: there is none. */
static size_t index_of(const struct policies *p, struct sl_bytes vhost, bool is_operator,
                       struct sl_bytes name)
{
    size_t i = 0;

    while (i < p->count &&
           (p->at[i]->is.is_operator != is_operator || !sl_bytes_equal(p->at[i]->is.name, name) ||
            !sl_bytes_equal(p->at[i]->is.vhost, vhost)))
        i++;
    return i;
}

/* Of two with one priority the one that came first. */
static const struct policy *best(const struct policies *p, struct sl_bytes vhost,
                                 struct sl_bytes name, enum policy_target kind, bool is_operator)
{
    const struct policy *found = NULL;

    for (size_t i = 0; i < p->count; i++) {
        const struct policy *one = p->at[i];
        if (one->is.is_operator == is_operator && (one->is.apply_to & kind) != 0 &&
            (found == NULL || one->is.priority > found->is.priority) &&
            sl_bytes_equal(one->is.vhost, vhost) && fits(one, name))
            found = one;
    }
    return found;
}
