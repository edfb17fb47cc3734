#include "protocols/stomp/repeat.h"

#include "protocols/stomp/decode.h"

#include <stdlib.h>

static bool is_changing(struct sl_bytes line);
static bool make_room(struct stomp_repeat *r, size_t room);
static struct sl_bytes keep(struct sl_writer *w, struct sl_bytes bytes);
static inline bool skip_if(struct sl_reader *r, struct sl_bytes expected);
static bool read_changing(struct sl_reader *r, struct stomp_again *again);

void stomp_repeat_deinit(struct stomp_repeat *r)
{
    free(r->block);
    *r = (struct stomp_repeat){0};
}

void stomp_repeat_learn(struct stomp_repeat *r, struct sl_bytes lines, struct sl_bytes exchange,
                        struct sl_bytes key, struct sl_bytes properties)
{
    size_t room = lines.len + exchange.len + key.len + properties.len;
    struct sl_reader in = sl_reader_of(lines);
    uint32_t count = 0;
    struct sl_bytes line;

    r->lines_count = 0;
    if (room > STOMP_REPEAT_BYTES_MAX || !make_room(r, room))
        return;
    struct sl_writer w = {r->block, r->block + r->room, false};
    r->exchange = keep(&w, exchange);
    r->key = keep(&w, key);
    r->properties = keep(&w, properties);
    for (const uint8_t *from = in.pos; stomp_read_line(&in, &line); from = in.pos) {
        if (is_changing(line))
            continue;
        if (count == STOMP_REPEAT_LINES_MAX)
            return;
        r->lines[count++] = keep(&w, (struct sl_bytes){from, (size_t)(in.pos - from)});
    }
    r->epoch = 0;
    r->lines_count = count;
}

bool stomp_repeat_match(const struct stomp_repeat *r, struct sl_reader *in,
                        struct stomp_again *again)
{
    struct sl_reader at = *in;
    uint32_t next = 0;

    if (r->lines_count == 0)
        return false;
    *again = (struct stomp_again){{NULL, 0}, UINT64_MAX};
    for (;;) {
        if (next < r->lines_count && skip_if(&at, r->lines[next])) {
            next++;
            continue;
        }
        if (skip_if(&at, SL_BYTES_LITERAL("\n")) || skip_if(&at, SL_BYTES_LITERAL("\r\n")))
            break;
        if (next == 0 || !read_changing(&at, again))
            return false;
    }
    if (next != r->lines_count)
        return false;
    *in = at;
    return true;
}

static bool is_changing(struct sl_bytes line)
{
    return sl_bytes_begin(line, "receipt:") || sl_bytes_begin(line, "content-length:");
}

static bool make_room(struct stomp_repeat *r, size_t room)
{
    if (r->room >= room)
        return true;
    uint8_t *block = realloc(r->block, room * 2);
    if (block == NULL)
        return false;
    r->block = block;
    r->room = room * 2;
    return true;
}

static struct sl_bytes keep(struct sl_writer *w, struct sl_bytes bytes)
{
    struct sl_bytes kept = {w->pos, bytes.len};

    sl_write_bytes(w, bytes);
    return kept;
}

static inline bool skip_if(struct sl_reader *r, struct sl_bytes expected)
{
    if (sl_reader_left(r) < expected.len || memcmp(r->pos, expected.at, expected.len) != 0)
        return false;
    sl_read_bytes(r, expected.len);
    return true;
}

/* Only plain forms, each once: the rest is for the decoder to judge. */
static bool read_changing(struct sl_reader *r, struct stomp_again *again)
{
    struct sl_bytes line;

    if (again->length == UINT64_MAX && skip_if(r, SL_BYTES_LITERAL("content-length:")))
        return stomp_read_line(r, &line) && stomp_number(line, UINT32_MAX, &again->length);
    if (again->receipt.at != NULL || !skip_if(r, SL_BYTES_LITERAL("receipt:")) ||
        !stomp_read_line(r, &line) || line.len == 0 || line.len > 255 ||
        memchr(line.at, '\\', line.len) != NULL || line.at[0] == ' ' || line.at[0] == '\t')
        return false;
    again->receipt = line;
    return true;
}
