#include "tests/support/amqp_peer.h"

#include "core/base/assert.h"
#include "core/properties.h"
#include "core/table.h"

#include <CUnit/CUnit.h>
#include <stdarg.h>

static size_t write_arguments(uint8_t *at, size_t room, uint32_t method, const char *format,
                              va_list args);

void amqp_write_frame(struct sl_buffer *bytes, uint8_t type, uint16_t channel,
                      struct sl_bytes payload)
{
    uint8_t *at = sl_buffer_reserve(bytes, payload.len + AMQP_ENVELOPE_BYTES);
    SL_ASSERT(at != NULL);
    struct sl_writer w = {at, at + payload.len + AMQP_ENVELOPE_BYTES, false};

    sl_write_u8(&w, type);
    sl_write_u16(&w, channel);
    sl_write_u32(&w, (uint32_t)payload.len);
    sl_write_bytes(&w, payload);
    sl_write_u8(&w, AMQP_FRAME_END);
    sl_buffer_grow(bytes, payload.len + AMQP_ENVELOPE_BYTES);
}

static void write_method(struct sl_buffer *bytes, uint16_t channel, uint32_t method,
                         const char *format, va_list args)
{
    static uint8_t payload[FRAME_BYTES_MAX];
    size_t len = write_arguments(payload, sizeof payload, method, format, args);

    amqp_write_frame(bytes, AMQP_FRAME_METHOD, channel, (struct sl_bytes){payload, len});
}

void amqp_write_method(struct sl_buffer *bytes, uint16_t channel, uint32_t method,
                       const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_method(bytes, channel, method, format, args);
    va_end(args);
}

void amqp_write_publish(struct sl_buffer *bytes, uint16_t channel, const char *exchange,
                        const char *key, int bits, struct sl_bytes properties, struct sl_bytes body)
{
    static uint8_t header[FRAME_BYTES_MAX];
    struct sl_writer w = {header, header + sizeof header, false};

    amqp_write_method(bytes, channel, AMQP_BASIC_PUBLISH, "hsso", 0, exchange, key, bits);
    sl_write_u16(&w, AMQP_CLASS_BASIC);
    sl_write_u16(&w, 0);
    sl_write_u64(&w, body.len);
    sl_write_bytes(&w, properties);
    amqp_write_frame(bytes, AMQP_FRAME_HEADER, channel,
                     (struct sl_bytes){header, (size_t)(w.pos - header)});
    if (body.len != 0)
        amqp_write_frame(bytes, AMQP_FRAME_BODY, channel, body);
}

void amqp_say(struct peer_end *p, uint16_t channel, uint32_t method, const char *format, ...)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    va_list args;

    va_start(args, format);
    write_method(&bytes, channel, method, format, args);
    va_end(args);
    amqp_say_bytes(p, &bytes);
}

void amqp_say_frame(struct peer_end *p, uint8_t type, uint16_t channel, struct sl_bytes payload)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    amqp_write_frame(&bytes, type, channel, payload);
    amqp_say_bytes(p, &bytes);
}

void amqp_say_bytes(struct peer_end *p, struct sl_buffer *bytes)
{
    harness_send(p, sl_buffer_bytes(bytes));
    sl_buffer_deinit(bytes);
}

void amqp_publish(struct peer_end *p, uint16_t channel, const char *exchange, const char *key,
                  int bits, struct sl_bytes body)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    amqp_write_publish(&bytes, channel, exchange, key, bits, properties_none, body);
    amqp_say_bytes(p, &bytes);
}

bool amqp_hear(struct peer_end *p, struct heard *heard)
{
    static uint8_t kept[1u << 20];
    struct amqp_frame frame;
    const char *why;
    size_t used;

    if (harness_heard(p).len == 0)
        return false;
    CU_ASSERT_FATAL(amqp_frame_decode(harness_heard(p), sizeof kept, &frame, &used, &why) == SL_OK);
    memcpy(kept, frame.payload.at, frame.payload.len);
    *heard = (struct heard){.type = frame.type, .channel = frame.channel};
    heard->arguments = sl_reader_of((struct sl_bytes){kept, frame.payload.len});
    if (frame.type == AMQP_FRAME_METHOD)
        heard->method = sl_read_u32(&heard->arguments);
    p->heard_done += used;
    if (p->heard_done > p->heard.len / 2) { /* now and then: it may be megabytes */
        sl_buffer_consume(&p->heard, p->heard_done);
        p->heard_done = 0;
    }
    return true;
}

struct sl_reader amqp_expect(struct peer_end *p, uint16_t channel, uint32_t method)
{
    struct heard heard;

    CU_ASSERT_FATAL(amqp_hear(p, &heard));
    CU_ASSERT_EQUAL(heard.method >> 16, method >> 16);
    CU_ASSERT_EQUAL_FATAL(heard.method & 0xffff, method & 0xffff);
    CU_ASSERT_EQUAL(heard.channel, channel);
    return heard.arguments;
}

void amqp_expect_close(struct peer_end *p, uint16_t channel, uint16_t code, const char *text)
{
    struct sl_reader r =
        amqp_expect(p, channel, channel == 0 ? AMQP_CONNECTION_CLOSE : AMQP_CHANNEL_CLOSE);

    CU_ASSERT_EQUAL(sl_read_u16(&r), code);
    struct sl_bytes said = sl_read_short_string(&r);
    if (!sl_bytes_are(said, text))
        fprintf(stderr, "heard \"%.*s\"\n", (int)said.len, (const char *)said.at);
    CU_ASSERT(sl_bytes_are(said, text));
}

void amqp_expect_silence(struct peer_end *p)
{
    CU_ASSERT_EQUAL(p->heard.len, 0);
}

void amqp_expect_content(struct peer_end *p, uint16_t channel, struct sl_bytes body)
{
    struct heard heard;

    CU_ASSERT_FATAL(amqp_hear(p, &heard));
    CU_ASSERT_EQUAL_FATAL(heard.type, AMQP_FRAME_HEADER);
    CU_ASSERT_EQUAL(heard.channel, channel);
    sl_read_u32(&heard.arguments);
    CU_ASSERT_EQUAL_FATAL(sl_read_u64(&heard.arguments), body.len);
    while (body.len != 0) {
        CU_ASSERT_FATAL(amqp_hear(p, &heard));
        CU_ASSERT_EQUAL_FATAL(heard.type, AMQP_FRAME_BODY);
        size_t n = sl_reader_left(&heard.arguments);
        CU_ASSERT_FATAL(n != 0 && n <= body.len);
        CU_ASSERT_EQUAL(memcmp(heard.arguments.pos, body.at, n), 0);
        body = sl_bytes_skip(body, n);
    }
}

struct peer_end *amqp_connect(struct harness *h)
{
    return harness_connect(h, &amqp_protocol);
}

struct peer_end *amqp_login(struct harness *h, struct sl_bytes client_properties)
{
    struct peer_end *p = amqp_connect(h);
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_send(p, (struct sl_bytes){(const uint8_t *)"AMQP\0\0\11\1", 8});
    amqp_expect(p, 0, AMQP_CONNECTION_START);
    /* The response has NULs in it: written by hand behind the other arguments. */
    uint8_t payload[2048];
    struct sl_writer w = {payload, payload + sizeof payload, false};
    sl_write_u32(&w, AMQP_CONNECTION_START_OK);
    sl_write_bytes(&w, client_properties);
    sl_write_short_string(&w, sl_bytes_of("PLAIN"));
    sl_write_long_string(&w, SL_BYTES_LITERAL("\0guest\0guest"));
    sl_write_short_string(&w, sl_bytes_of("en_US"));
    amqp_write_frame(&bytes, AMQP_FRAME_METHOD, 0,
                     (struct sl_bytes){payload, (size_t)(w.pos - payload)});
    amqp_say_bytes(p, &bytes);
    amqp_expect(p, 0, AMQP_CONNECTION_TUNE);
    return p;
}

static void open_it(struct peer_end *p)
{
    amqp_say(p, 0, AMQP_CONNECTION_TUNE_OK, "hlh", 100, 4096u, 0);
    amqp_say(p, 0, AMQP_CONNECTION_OPEN, "sso", "/", "", 0);
    amqp_expect(p, 0, AMQP_CONNECTION_OPEN_OK);
}

struct peer_end *amqp_open(struct harness *h)
{
    struct peer_end *p = amqp_login(h, amqp_capability("consumer_cancel_notify"));

    open_it(p);
    return p;
}

struct peer_end *amqp_open_channel(struct harness *h)
{
    struct peer_end *p = amqp_open(h);

    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);
    return p;
}

struct sl_bytes amqp_capability(const char *name)
{
    static uint8_t room[256];
    struct sl_writer w = {room, room + sizeof room, false};

    uint8_t *outer = table_write_start(&w);
    sl_write_short_string(&w, sl_bytes_of("capabilities"));
    sl_write_u8(&w, TABLE_TABLE);
    uint8_t *inner = table_write_start(&w);
    table_write_bool(&w, sl_bytes_of(name), true);
    table_write_finish(&w, inner);
    table_write_finish(&w, outer);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

void amqp_declare(struct peer_end *p, uint16_t channel, const char *queue)
{
    amqp_say(p, channel, AMQP_QUEUE_DECLARE, "hsoe", 0, queue, 0);
    amqp_expect(p, channel, AMQP_QUEUE_DECLARE_OK);
}

static size_t write_arguments(uint8_t *at, size_t room, uint32_t method, const char *format,
                              va_list args)
{
    struct sl_writer w = {at, at + room, false};

    sl_write_u32(&w, method);
    for (; *format != '\0'; format++) {
        switch (*format) {
        case 'o': sl_write_u8(&w, (uint8_t)va_arg(args, int)); break;
        case 'h': sl_write_u16(&w, (uint16_t)va_arg(args, int)); break;
        case 'l': sl_write_u32(&w, va_arg(args, uint32_t)); break;
        case 'q': sl_write_u64(&w, va_arg(args, uint64_t)); break;
        case 's': sl_write_short_string(&w, sl_bytes_of(va_arg(args, const char *))); break;
        case 'S': sl_write_long_string(&w, sl_bytes_of(va_arg(args, const char *))); break;
        case 'e': sl_write_u32(&w, 0); break;
        case 'T': sl_write_bytes(&w, va_arg(args, struct sl_bytes)); break;
        default: SL_ASSERT(!"a known letter");
        }
    }
    SL_ASSERT(!w.overflowed);
    return (size_t)(w.pos - at);
}
