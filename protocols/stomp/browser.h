/*
 * browser.h - a SUBSCRIBE with browser:true: what a queue holds is shown, and stays.
 *
 * As in ActiveMQ: the messages that are there when it begins, without acknowledgement, then a
 * MESSAGE with the header browser:end; the subscription ends by UNSUBSCRIBE.  One page (core's
 * browse.h) after the other is asked for while the peer takes them.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_BROWSER_H
#define SLUICE_PROTOCOLS_STOMP_BROWSER_H

#include "core/mail.h"

#define STOMP_BROWSER_TICKET (1ull << 62) /* set in tickets of pages */
#define STOMP_BROWSERS_MAX 16u            /* at once in a session: each has a page on its way */

struct stomp_session;
struct stomp_subscription;

/* The queue was asked, and a is the answer: the subscription is live and the first page is asked
 * for. */
void stomp_browser_begin(struct stomp_session *s, struct stomp_subscription *sub,
                         const struct answer *a);
void stomp_browser_on_answer(struct stomp_session *s, const struct answer *a);
/* The peer took something: those that waited for that go on. */
void stomp_browser_on_written(struct stomp_session *s);
/* The subscription ends. */
void stomp_browser_end(struct stomp_session *s, struct stomp_subscription *sub);

#endif
