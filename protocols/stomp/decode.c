#include "protocols/stomp/decode.h"

#include "core/base/limits.h"

#define HEADERS_FIRST 16u

static enum sl_err read_command(struct sl_reader *r, struct stomp_frame *frame, const char **why);
static enum sl_err read_headers(struct sl_reader *r, enum stomp_version version,
                                struct arena *arena, struct stomp_frame *frame, const char **why);
static enum sl_err read_header(struct sl_bytes line, enum stomp_version version,
                               struct arena *arena, struct stomp_frame *frame,
                               struct stomp_header *header, const char **why);
static bool make_room(struct arena *arena, struct stomp_headers *h, uint32_t *room);
static bool has_empty_line(struct sl_bytes in, size_t from);

enum sl_err stomp_decode(struct sl_bytes in, enum stomp_version version, size_t head_bytes_max,
                         struct arena *arena, struct stomp_frame *frame, size_t *used,
                         const char **why)
{
    struct sl_reader r = sl_reader_of(in);
    size_t lines;

    *frame = (struct stomp_frame){0};
    enum sl_err err = read_command(&r, frame, why);
    if (err == SL_OK)
        err = read_headers(&r, version, arena, frame, why);
    lines = in.len - sl_reader_left(&r);
    if (err == SL_EAGAIN && in.len <= head_bytes_max)
        return SL_EAGAIN;
    if (err == SL_EAGAIN || (err == SL_OK && lines > head_bytes_max)) {
        *why = "The headers are too large";
        return SL_ETOOBIG;
    }
    if (err != SL_OK)
        return err;
    *used = lines;
    frame->lines = (struct sl_bytes){in.at, (size_t)(frame->lines.at - in.at)};
    return SL_OK;
}

bool stomp_read_line(struct sl_reader *r, struct sl_bytes *line)
{
    size_t left = sl_reader_left(r);
    const uint8_t *end = left == 0 ? NULL : memchr(r->pos, '\n', left);

    if (end == NULL)
        return false;
    *line = sl_read_bytes(r, (size_t)(end - r->pos));
    sl_read_u8(r);
    if (line->len != 0 && line->at[line->len - 1] == '\r')
        line->len--;
    return true;
}

void stomp_skip_between(struct sl_reader *r)
{
    while (sl_reader_left(r) != 0 && (*r->pos == '\n' || *r->pos == '\r' || *r->pos == 0))
        sl_read_u8(r);
}

bool stomp_search_found(struct stomp_search *search, struct sl_bytes in)
{
    size_t from = search->scanned;

    if (from == 0)
        return true;
    search->scanned = in.len;
    if (!search->is_for_nul)
        return has_empty_line(in, from < 3 ? 0 : from - 3);
    struct sl_bytes rest = sl_bytes_skip(in, from);
    return rest.len != 0 && memchr(rest.at, 0, rest.len) != NULL;
}

static enum sl_err read_command(struct sl_reader *r, struct stomp_frame *frame, const char **why)
{
    if (!stomp_read_line(r, &frame->name)) {
        if (sl_reader_left(r) <= SL_STOMP_COMMAND_BYTES_MAX + 1)
            return SL_EAGAIN;
        frame->name = (struct sl_bytes){r->pos, SL_STOMP_COMMAND_BYTES_MAX + 1};
    }
    if (frame->name.len > SL_STOMP_COMMAND_BYTES_MAX) {
        *why = "The command is too long";
        return SL_ETOOBIG;
    }
    frame->command = stomp_command_of(frame->name);
    return SL_OK;
}

static enum sl_err read_headers(struct sl_reader *r, enum stomp_version version,
                                struct arena *arena, struct stomp_frame *frame, const char **why)
{
    uint32_t room = 0;
    struct sl_bytes line;

    for (;;) {
        frame->lines.at = r->pos; /* the empty line, when it is the next one */
        if (!stomp_read_line(r, &line)) {
            line.len = sl_reader_left(r);
            if (line.len <= SL_STOMP_HEADER_LINE_BYTES_MAX)
                return SL_EAGAIN;
        } else if (line.len == 0) {
            return SL_OK;
        }
        *why = "A header is too long";
        if (line.len > SL_STOMP_HEADER_LINE_BYTES_MAX)
            return SL_ETOOBIG;
        *why = "There are too many headers";
        if (frame->headers.count == SL_STOMP_HEADERS_MAX)
            return SL_ETOOBIG;
        *why = "Out of memory";
        if (frame->headers.count == room && !make_room(arena, &frame->headers, &room))
            return SL_ENOMEM;
        SL_TRY(read_header(line, version, arena, frame, &frame->headers.at[frame->headers.count],
                           why));
        frame->headers.count++;
    }
}

static enum sl_err read_header(struct sl_bytes line, enum stomp_version version,
                               struct arena *arena, struct stomp_frame *frame,
                               struct stomp_header *header, const char **why)
{
    const uint8_t *colon = memchr(line.at, ':', line.len);
    bool is_strict = version != STOMP_1_0;

    *why = "A header has no colon";
    if (colon == NULL)
        return SL_EPROTO;
    struct sl_bytes name = {line.at, (size_t)(colon - line.at)};
    struct sl_bytes value = sl_bytes_skip(line, name.len + 1);
    *why = "A header has no name";
    if (name.len == 0)
        return SL_EPROTO;
    if (value.at == NULL)
        value.at = colon; /* empty, but there */
    *header = (struct stomp_header){name, value};
    if (frame->command == STOMP_CONNECT)
        return SL_OK;
    if (version == STOMP_1_0)
        value = header->value = stomp_trim(value);
    if (frame->receipt.at == NULL && sl_bytes_are(name, "receipt"))
        frame->receipt = value;
    *why = "A header has an undefined escape sequence";
    SL_TRY(stomp_unescape(arena, name, is_strict, &header->name));
    return stomp_unescape(arena, value, is_strict, &header->value);
}

static bool make_room(struct arena *arena, struct stomp_headers *h, uint32_t *room)
{
    uint32_t wanted = *room == 0 ? HEADERS_FIRST : *room * 4;
    struct stomp_header *at = arena_take(arena, wanted * sizeof *at);

    if (at == NULL)
        return false;
    if (h->count != 0)
        memcpy(at, h->at, h->count * sizeof *at);
    h->at = at;
    *room = wanted;
    return true;
}

static bool has_empty_line(struct sl_bytes in, size_t from)
{
    struct sl_reader r = sl_reader_of(sl_bytes_skip(in, from));
    struct sl_bytes line;

    /* The first piece may be the tail of a line: only what follows it is known to be whole. */
    if (!stomp_read_line(&r, &line))
        return false;
    while (stomp_read_line(&r, &line)) {
        if (line.len == 0)
            return true;
    }
    return false;
}
