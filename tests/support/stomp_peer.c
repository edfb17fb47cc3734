#include "tests/support/stomp_peer.h"

#include "core/base/assert.h"
#include "protocols/stomp/session.h"
#include "tests/support/unit.h"

#include <stdio.h>

void stomp_begin(struct harness *h)
{
    harness_init(h, STOMP_BUDGET);
    h->settings.stomp_trailing_lf = true;
    h->settings.stomp_default_requeue = true;
}

struct peer_end *stomp_log_in(struct harness *h)
{
    struct peer_end *p = harness_connect(h, &stomp_protocol);

    stomp_say(p, "CONNECT\naccept-version:1.2\nhost:localhost\n\n@");
    harness_forget(p);
    return p;
}

void stomp_say(struct peer_end *p, const char *text)
{
    uint8_t bytes[4096];
    size_t len = strlen(text);

    SL_ASSERT(len <= sizeof bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = text[i] == '@' ? 0 : (uint8_t)text[i];
    harness_send(p, (struct sl_bytes){bytes, len});
}

void stomp_fill(struct peer_end *p, const char *ack, unsigned count)
{
    char frame[128];

    snprintf(frame, sizeof frame, "SUBSCRIBE\nid:1\ndestination:/queue/q\nack:%s\n\n@", ack);
    stomp_say(p, frame);
    for (unsigned i = 0; i < count; i++)
        stomp_say(p, "SEND\ndestination:/queue/q\n\nx@");
    harness_forget(p);
}

void stomp_answer(struct peer_end *p, const char *command, const char *id, unsigned tag,
                  const char *more)
{
    char frame[512];

    snprintf(frame, sizeof frame, "%s\nid:T_%s@@%s@@%u\n%s\n", command, id,
             stomp_of(p->session)->name, tag, more);
    harness_send(p, (struct sl_bytes){(uint8_t *)frame, strlen(frame) + 1});
}

const char *stomp_heard(struct peer_end *p)
{
    static char text[65536];
    struct sl_bytes b = harness_heard(p);
    size_t n = 0;

    for (size_t i = 0; i < b.len && n < sizeof text - 1; i++) {
        struct sl_bytes rest = sl_bytes_skip(b, i);
        if (sl_bytes_begin(rest, "session-") && rest.len > 30) {
            memcpy(text + n, "SESSION", 7);
            n += 7;
            i += STOMP_NAME_BYTES - 1;
        } else if (b.at[i] != 0) {
            text[n++] = (char)b.at[i];
        } else {
            text[n++] = '@';
        }
    }
    text[n] = 0;
    harness_forget(p);
    return text;
}

void stomp_expect(struct peer_end *p, const char *expected)
{
    const char *text = stomp_heard(p);

    CU_ASSERT_STRING_EQUAL(text, expected);
    if (strcmp(text, expected) != 0)
        printf("\nexpected: %s\nheard:    %s\n", expected, text);
}

void stomp_expect_error(struct peer_end *p, const char *message)
{
    char line[128];
    const char *text = stomp_heard(p);

    snprintf(line, sizeof line, "ERROR\nmessage:%s\n", message);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, line));
    if (strstr(text, line) == NULL)
        printf("\nexpected: %s\nheard:    %s\n", line, text);
}
