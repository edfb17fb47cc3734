/*
 * schedule.h - the words by which ActiveMQ's and Artemis' clients say when a message is to come.
 *
 * AMQ_SCHEDULED_DELAY counts ms from now; AMQ_SCHEDULED_TIME and _AMQ_SCHED_DELIVERY say a time in ms
 * since 1970.  What would come more than once, AMQ_SCHEDULED_PERIOD, _REPEAT and _CRON, is refused.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_SCHEDULE_H
#define SLUICE_PROTOCOLS_STOMP_SCHEDULE_H

#include "core/base/bytes.h"

struct stomp_destination;
struct stomp_frame;
struct stomp_session;

bool stomp_schedule_is_word(struct sl_bytes name);

/* In how many ms the message of a SEND to d is to come; 0: at once.  False: it cannot come so, which
 * was answered. */
bool stomp_schedule_read(struct stomp_session *s, const struct stomp_frame *f,
                         const struct stomp_destination *d, uint64_t *delay_ms);

#endif
