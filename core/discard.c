#include "core/discard.h"

#include "core/base/log.h"
#include "core/dead_letter.h"
#include "core/queue.h"

static bool tell_dead_letter(struct shard *s, struct queue *q, const struct entry *entry,
                             enum discard_reason reason);
static void put_back(struct shard *s, struct queue *q, const struct entry *entry,
                     enum discard_reason reason);
static void note_limit(const struct queue *q, const struct entry *entry);

bool discard_needs_message(const struct queue *q)
{
    return q->rules.has_dead_letter_exchange;
}

/* Of a rejected entry the log knows already, which is enough where nothing else can become of
 * it. */
void queue_discard(struct shard *s, struct queue *q, struct entry *entry,
                   enum discard_reason reason)
{
    bool is_told = reason == DISCARD_REJECTED;

    if (is_told)
        queue_forget_id(s, q, entry->seq);
    if (discard_needs_message(q)) {
        if (entry->msg == NULL) {
            put_back(s, q, entry, reason);
            return;
        }
        is_told = tell_dead_letter(s, q, entry, reason);
    } else {
        counter_add(&s->counters->dropped[reason], 1);
        if (reason == DISCARD_DELIVERY_LIMIT)
            note_limit(q, entry);
    }
    if (!is_told && (entry->flags & ENTRY_LOGGED) != 0)
        journal_settled(&s->run->journal, q->ref.number, entry->seq);
    queue_end_entry(s, q, entry);
}

void queue_refuse(struct shard *s, struct queue *q, struct message *msg)
{
    const struct entry refused = entry_of(msg, (sl_seq){0});

    if (q->rules.overflow == OVERFLOW_REJECT_PUBLISH_DLX && discard_needs_message(q))
        (void)tell_dead_letter(s, q, &refused, DISCARD_MAXLEN);
}

static bool tell_dead_letter(struct shard *s, struct queue *q, const struct entry *entry,
                             enum discard_reason reason)
{
    struct dead_letter d = {
        .run = s->run,
        .topology = s->topology,
        .counters = s->counters,
        .vhost = q->def->vhost,
        .queue = q->name,
        .rules = &q->rules,
        .reason = reason,
        .msg = entry->msg,
        .number = (entry->flags & ENTRY_LOGGED) != 0 ? q->ref.number : 0,
        .seq = entry->seq,
    };

    return dead_letter_send(&d);
}

static void put_back(struct shard *s, struct queue *q, const struct entry *entry,
                     enum discard_reason reason)
{
    struct entry marked = *entry;

    marked.flags |= (uint8_t)(ENTRY_TO_DISCARD | (unsigned)reason << ENTRY_REASON_SHIFT);
    queue_return(s, q, &marked);
    shard_queue_is_busy(s, q);
}

static void note_limit(const struct queue *q, const struct entry *entry)
{
    char room[2 * SL_NAME_BYTES_MAX];
    struct text name = text_on(room, sizeof room);

    text_add_bytes(&name, q->name);
    sl_log_peer(SL_LOG_WARN, "queue.delivery_limit", "queue=%s returns=%u", room, entry->returns);
}
