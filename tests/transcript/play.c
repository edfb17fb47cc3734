#include "tests/transcript/play.h"

#include "core/base/assert.h"
#include "tests/support/harness.h"
#include "tests/transcript/amqp_write.h"
#include "tests/transcript/pattern.h"
#include "tests/transcript/show.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>

#define ACTORS 26
#define BUDGET_BYTES (64ull * 1024 * 1024)
#define PIECE_BYTES_MAX 48u

struct actor { /* a client, by the letter of its lines */
    struct peer_end *peer;
    bool is_amqp;
    struct byte_pattern expected; /* since the last thing that happened */
    uint32_t expected_at;         /* line of its beginning */
    bool is_to_close;
};

struct play {
    struct harness harness;
    bool is_set_up;
    uint64_t budget_bytes;
    struct actor actors[ACTORS];
    struct byte_pattern speech; /* what speaker is about to send */
    struct actor *speaker;      /* NULL: nobody */
    bool is_in_one_piece;
    struct names names;
    struct manner manner;
    const struct line *line;
    FILE *report;
    bool has_failed;
};

static void set_up(struct play *p);
static void play_line(struct play *p);
static void play_actor(struct play *p, struct actor *a, const char *rest);
static void happen(struct play *p);
static void connect_actor(struct play *p, struct actor *a, const char *what);
static void say(struct play *p, struct actor *a, const char *rest);
static void send_speech(struct play *p);
static size_t piece_bytes(struct play *p, size_t left);
static void expect(struct play *p, struct actor *a, const char *text);
static void write_line(struct play *p, struct byte_pattern *to, bool is_amqp, const char *text);
static void check_all(struct play *p);
static void check(struct play *p, struct actor *a);
static void show(struct play *p, const struct actor *a, const char *mark, struct sl_bytes bytes);
static void change_setting(struct play *p, const char *name);
static void shut_down(struct play *p);
static void fail(struct play *p, uint32_t line, const char *what);

bool play_scenario(const struct line *lines, const struct line *end, struct manner manner,
                   FILE *report)
{
    struct play *p = calloc(1, sizeof *p);

    SL_ASSERT(p != NULL);
    p->budget_bytes = BUDGET_BYTES;
    p->manner = manner;
    p->report = report;
    pattern_init(&p->speech, &p->names);
    for (int i = 0; i < ACTORS; i++)
        pattern_init(&p->actors[i].expected, &p->names);
    set_up(p);
    for (p->line = lines; p->line < end && !p->has_failed; p->line++)
        play_line(p);
    p->line = end - 1;
    happen(p);

    harness_deinit(&p->harness);
    for (int i = 0; i < ACTORS; i++)
        byte_pattern_deinit(&p->actors[i].expected);
    byte_pattern_deinit(&p->speech);
    bool has_passed = !p->has_failed;
    free(p);
    return has_passed;
}

/* As the gateway has it by default. */
static void set_up(struct play *p)
{
    harness_init(&p->harness, p->budget_bytes);
    p->harness.settings.stomp_trailing_lf = true;
    p->harness.settings.stomp_default_requeue = true;
}

static void play_line(struct play *p)
{
    const char *text = p->line->text;

    if (isupper((unsigned char)text[0]) && text[1] != '\0') {
        play_actor(p, &p->actors[text[0] - 'A'], text + 1);
        return;
    }
    happen(p);
    if (text[0] == '~')
        harness_wait(&p->harness, strtoull(text + 1, NULL, 10));
    else if (strncmp(text, "set ", 4) == 0)
        change_setting(p, text + 4);
    else if (strcmp(text, "shutdown") == 0)
        shut_down(p);
    else
        fail(p, p->line->number, "this line is none of a transcript");
}

static void play_actor(struct play *p, struct actor *a, const char *rest)
{
    if (rest[0] == '+') {
        happen(p);
        connect_actor(p, a, rest + 1 + strspn(rest + 1, " "));
    } else if (a->peer == NULL) {
        fail(p, p->line->number, "this client has not connected");
    } else if (rest[0] == '>') {
        say(p, a, rest + 1);
    } else if (rest[0] == '<') {
        send_speech(p);
        expect(p, a, rest[1] == ' ' ? rest + 2 : rest + 1);
    } else if (rest[0] == '-') {
        send_speech(p);
        a->is_to_close = true;
    } else if (rest[0] == '!') {
        happen(p);
        harness_hang_up(a->peer);
        a->is_to_close = true;
    } else {
        fail(p, p->line->number, "this line is none of a transcript");
    }
}

/* What was said is sent, and what was to come of it has come. */
static void happen(struct play *p)
{
    send_speech(p);
    if (!p->has_failed)
        check_all(p);
}

static void connect_actor(struct play *p, struct actor *a, const char *what)
{
    a->is_amqp = strncmp(what, "amqp", 4) == 0;
    if (!a->is_amqp && strncmp(what, "stomp", 5) != 0) {
        fail(p, p->line->number, "a client speaks amqp or stomp");
        return;
    }
    a->is_to_close = false;
    a->peer = harness_connect(&p->harness, a->is_amqp ? &amqp_protocol : &stomp_protocol);
    a->peer->session->is_loopback = strstr(what, " from afar") == NULL;
}

static void say(struct play *p, struct actor *a, const char *rest)
{
    bool is_in_one_piece = rest[0] == '>';

    rest += is_in_one_piece ? 1 : 0;
    rest += rest[0] == ' ' ? 1 : 0;
    if (p->speaker != a || p->is_in_one_piece != is_in_one_piece || a->expected.bytes.len != 0)
        happen(p);
    p->speaker = a;
    p->is_in_one_piece = is_in_one_piece;
    write_line(p, &p->speech, a->is_amqp, rest);
    if (p->speech.holes_count != 0)
        fail(p, p->line->number, "nobody has said yet what this name stands for");
}

static void send_speech(struct play *p)
{
    struct sl_bytes left = sl_buffer_bytes(&p->speech.bytes);

    if (p->speaker == NULL || p->has_failed)
        return;
    while (left.len != 0) {
        size_t n = piece_bytes(p, left.len);
        harness_send(p->speaker->peer, (struct sl_bytes){left.at, n});
        left = sl_bytes_skip(left, n);
    }
    pattern_clear(&p->speech);
    p->speaker = NULL;
}

static size_t piece_bytes(struct play *p, size_t left)
{
    uint64_t *seed = &p->manner.seed;
    size_t n;

    if (p->is_in_one_piece || p->manner.cutting == CUT_NOWHERE)
        return left;
    if (p->manner.cutting == CUT_EVERYWHERE)
        return 1;
    *seed ^= *seed << 13; /* Marsaglia's xorshift64 */
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    n = 1 + *seed % PIECE_BYTES_MAX;
    if (*seed >> 60 == 0) /* and once in a while a large one */
        n *= PIECE_BYTES_MAX * PIECE_BYTES_MAX;
    return n < left ? n : left;
}

static void expect(struct play *p, struct actor *a, const char *text)
{
    if (a->expected.bytes.len == 0)
        a->expected_at = p->line->number;
    write_line(p, &a->expected, a->is_amqp, text);
}

static void write_line(struct play *p, struct byte_pattern *to, bool is_amqp, const char *text)
{
    if (is_amqp)
        amqp_line_write(to, text);
    else
        pattern_add_line(to, text);
    if (to->wrong != NULL)
        fail(p, p->line->number, to->wrong);
}

static void check_all(struct play *p)
{
    for (int i = 0; i < ACTORS && !p->has_failed; i++) {
        if (p->actors[i].peer != NULL)
            check(p, &p->actors[i]);
    }
}

static void check(struct play *p, struct actor *a)
{
    struct sl_bytes heard = harness_heard(a->peer);
    uint32_t at = a->expected.bytes.len != 0 ? a->expected_at : p->line->number;

    if (!pattern_match(&a->expected, heard, &p->names)) {
        fail(p, at, "the server says something else");
        show(p, a, "<", sl_buffer_bytes(&a->expected.bytes));
        fputs("  but heard was\n", p->report);
        show(p, a, "<", heard);
    } else if ((a->peer->session == NULL) != a->is_to_close) {
        fail(p, at, a->is_to_close ? "the server does not close" : "the server closes");
    }
    pattern_clear(&a->expected);
    harness_forget(a->peer);
}

static void show(struct play *p, const struct actor *a, const char *mark, struct sl_bytes bytes)
{
    char prefix[8] = {' ', ' ', (char)('A' + (a - p->actors)), mark[0], ' ', 0};

    if (a->is_amqp)
        show_amqp(p->report, prefix, bytes);
    else
        show_stomp(p->report, prefix, bytes);
}

/* Settings stand before the first client; one that matters to the core starts anew. */
static void change_setting(struct play *p, const char *name)
{
    struct protocol_settings *s = &p->harness.settings;
    size_t len = strcspn(name, " ");
    uint64_t value = strtoull(name + len, NULL, 10);

    if (strncmp(name, "memory-budget ", len + 1) == 0) {
        harness_deinit(&p->harness);
        p->budget_bytes = value;
        set_up(p);
    } else if (strncmp(name, "message-bytes-max ", len + 1) == 0) {
        s->message_bytes_max = value;
    } else if (strncmp(name, "heartbeat ", len + 1) == 0) {
        s->amqp_heartbeat_s = (uint32_t)value;
    } else if (strncmp(name, "stomp-host-must-exist ", len + 1) == 0) {
        s->stomp_host_must_exist = value != 0;
    } else if (strncmp(name, "stomp-trailing-lf ", len + 1) == 0) {
        s->stomp_trailing_lf = value != 0;
    } else if (strncmp(name, "stomp-hide-server ", len + 1) == 0) {
        s->stomp_hide_server = value != 0;
    } else {
        fail(p, p->line->number, "there is no such setting here");
    }
}

static void shut_down(struct play *p)
{
    for (int i = 0; i < ACTORS; i++) {
        struct peer_end *peer = p->actors[i].peer;

        if (peer != NULL && peer->session != NULL)
            peer->session->protocol->on_shutdown(peer->session);
    }
    harness_settle(&p->harness);
}

static void fail(struct play *p, uint32_t line, const char *what)
{
    if (!p->has_failed)
        fprintf(p->report, "  line %u: %s\n", line, what);
    p->has_failed = true;
}
