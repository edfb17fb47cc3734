#include "protocols/session.h"

#include "core/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

static void take_deliveries(struct session *s, const struct delivery_mail *mail);

void session_init(struct session *s, const struct protocol *protocol, struct session_env *env,
                  struct sl_handle handle)
{
    broker_client_init(&s->client, env->worker, handle);
    s->client.user = (struct sl_bytes){NULL, 0}; /* nobody, until it has logged in */
    s->protocol = protocol;
    s->env = env;
    s->opened_ms = sl_clock_wall_ms(env->clock);
    s->deadline_ms = UINT64_MAX;
    s->last_in_ms = s->last_out_ms = env->now_ms;
    outbox_init(&s->out);
    list_init(&s->of_dirty);
    list_init(&s->of_runnable);
}

void session_deinit(struct session *s)
{
    SL_ASSERT(s->client.is_closed);
    list_remove(&s->of_dirty);
    list_remove(&s->of_runnable);
    outbox_deinit(&s->out);
    access_free(s->client.access);
    s->client.access = NULL;
    free(s->certificate_name);
    s->certificate_name = NULL;
}

void session_resume(struct session *s)
{
    s->is_parked = s->is_held = false;
    if (list_is_empty(&s->of_runnable))
        list_push(&s->env->runnable, &s->of_runnable);
}

void session_end(struct session *s)
{
    s->is_ending = true;
    session_touch(s);
}

void session_abort(struct session *s)
{
    s->is_ending = s->is_aborted = true;
    session_touch(s);
}

void session_on_mail(struct session *s, struct mail *mail)
{
    switch (mail->kind) {
    case MAIL_EVICTION:
    case MAIL_INSPECT: return; /* its worker has answered it */
    case MAIL_DELIVERIES: take_deliveries(s, (const struct delivery_mail *)mail); return;
    case MAIL_ANSWER: s->protocol->on_answer(s, (struct answer *)mail); return;
    case MAIL_CANCELLED:
        s->protocol->on_cancelled(s, ((const struct cancelled_mail *)mail)->cookie);
        return;
    case MAIL_OVERDUE: s->protocol->on_overdue(s, (const struct overdue_mail *)mail); return;
    }
}

bool session_is_evicted(const struct session *s, const struct eviction *e)
{
    char name[2 * SESSION_ADDRESS_MAX + 8];

    if (e->user != NULL && s->client.access != NULL && s->client.access->user == e->user)
        return true;
    if (e->vhost != NULL && s->client.vhost == e->vhost)
        return true;
    if (e->name.len == 0)
        return false;
    snprintf(name, sizeof name, "%s -> %s", s->peer, s->local);
    return sl_bytes_are(e->name, name);
}

/* What waits in the outbox counts as not yet written, whatever it is: that errs on the side of
 * lending less, and is even when the outbox is. */
void session_on_written(struct session *s)
{
    uint64_t waiting = outbox_bytes(&s->out);
    uint64_t written = s->delivered_cost > waiting ? s->delivered_cost - waiting : 0;

    if (s->protocol->on_written != NULL && !s->client.is_closed)
        s->protocol->on_written(s);
    if (written <= s->written_cost || s->client.is_closed)
        return;
    s->written_cost = written;
    broker_client_written(&s->client, written);
}

/* Every delivery counts, also one whose subscription is gone: the shard lent it. */
static void take_deliveries(struct session *s, const struct delivery_mail *mail)
{
    uint64_t cost = 0;

    for (uint32_t i = 0; i < mail->count; i++)
        cost += message_cost(mail->items[i].msg);
    s->delivered_cost += cost;
    s->protocol->on_deliveries(s, mail->items, mail->count);
    session_touch(s); /* also when nothing was said: the window must open again */
}
