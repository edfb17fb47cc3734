#include "protocols/stomp/schedule.h"

#include "core/delay_header.h"
#include "core/prepared_form.h"
#include "protocols/stomp/destination.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/session.h"

#define WORDS_BEGIN "AMQ_SCHEDULED_"
#define DELAY "AMQ_SCHEDULED_DELAY"
#define TIME "AMQ_SCHEDULED_TIME"
#define TIME_OF_ARTEMIS "_AMQ_SCHED_DELIVERY"

static const struct stomp_header *find_word(const struct stomp_headers *h, bool *is_only);
static bool read_value(const struct stomp_header *word, uint64_t now, uint64_t *delay_ms);
static bool refuse(struct stomp_session *s, const struct stomp_frame *f, const char *reason);

bool stomp_schedule_is_word(struct sl_bytes name)
{
    return sl_bytes_begin(name, WORDS_BEGIN) || sl_bytes_are(name, TIME_OF_ARTEMIS);
}

bool stomp_schedule_read(struct stomp_session *s, const struct stomp_frame *f,
                         const struct stomp_destination *d, uint64_t *delay_ms)
{
    bool is_only;
    const struct stomp_header *word = find_word(&f->headers, &is_only);

    if (word == NULL)
        return true;
    if (!sl_bytes_are(word->name, DELAY) && !sl_bytes_are(word->name, TIME) &&
        !sl_bytes_are(word->name, TIME_OF_ARTEMIS)) {
        stomp_refuse_about(s, f->receipt, "Invalid header", "'", word->name,
                           "' is not supported: a message can be scheduled once");
        return false;
    }
    if (!is_only || stomp_find(&f->headers, "x-delay") != NULL)
        return refuse(s, f, "'SEND' must say only once when its message is to come");
    if (sl_bytes_are(d->exchange, PREPARED_EXCHANGE) ||
        stomp_find(&f->headers, "x-prepare") != NULL)
        return refuse(s, f, "a prepared message or an outcome cannot be scheduled");
    if (read_value(word, sl_clock_wall_ms(s->base.env->clock), delay_ms))
        return true;
    stomp_refuse_about(s, f->receipt, "Invalid header", "'SEND' must include a valid '", word->name,
                       "', of at most 4294967295 ms from now");
    return false;
}

/* The one that cannot be, if there is one; of the others the first. */
static const struct stomp_header *find_word(const struct stomp_headers *h, bool *is_only)
{
    const struct stomp_header *found = NULL;

    *is_only = true;
    for (uint32_t i = 0; i < h->count; i++) {
        const struct stomp_header *at = &h->at[i];
        if (!stomp_schedule_is_word(at->name))
            continue;
        bool is_known = sl_bytes_are(at->name, DELAY) || sl_bytes_are(at->name, TIME) ||
                        sl_bytes_are(at->name, TIME_OF_ARTEMIS);
        if (!is_known)
            return at;
        *is_only &= found == NULL || sl_bytes_equal(found->name, at->name);
        if (found == NULL)
            found = at;
    }
    return found;
}

/* What should have come already comes at once. */
static bool read_value(const struct stomp_header *word, uint64_t now, uint64_t *delay_ms)
{
    uint64_t n;

    if (!stomp_number(word->value, UINT64_MAX, &n))
        return false;
    if (!sl_bytes_are(word->name, DELAY))
        n = n > now ? n - now : 0;
    *delay_ms = n;
    return n <= DELAY_MS_MAX;
}

static bool refuse(struct stomp_session *s, const struct stomp_frame *f, const char *reason)
{
    stomp_refuse(s, f->receipt, "Invalid header", reason);
    return false;
}
