#include "protocols/amqp/frame.h"

static bool type_is_known(uint8_t type);

enum sl_err amqp_frame_decode(struct sl_bytes in, uint32_t frame_max, struct amqp_frame *frame,
                              size_t *used, const char **why)
{
    struct sl_reader r = sl_reader_of(in);
    uint8_t type = sl_read_u8(&r);
    uint16_t channel = sl_read_u16(&r);
    uint32_t size = sl_read_u32(&r);

    /* What is wrong already needs no more bytes: noise would be waited for for ever. */
    if (in.len != 0 && !type_is_known(type))
        return *why = "unknown frame type", SL_EPROTO;
    if (r.is_short)
        return SL_EAGAIN;
    if (size > frame_max)
        return *why = "frame is larger than the negotiated frame_max", SL_EPROTO;
    struct sl_bytes payload = sl_read_bytes(&r, size);
    uint8_t end = sl_read_u8(&r);
    if (r.is_short)
        return SL_EAGAIN;
    if (end != AMQP_FRAME_END)
        return *why = "missing frame-end octet", SL_EPROTO;

    *frame = (struct amqp_frame){type, channel, payload};
    *used = (size_t)size + AMQP_ENVELOPE_BYTES;
    return SL_OK;
}

static bool type_is_known(uint8_t type)
{
    return type == AMQP_FRAME_METHOD || type == AMQP_FRAME_HEADER || type == AMQP_FRAME_BODY ||
           type == AMQP_FRAME_HEARTBEAT;
}
