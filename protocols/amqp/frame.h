/*
 * frame.h - the AMQP 0-9-1 frame envelope (specification 2.3.5).
 *
 *    0      1         3            7                  7+size
 *    +------+---------+------------+------------------+------+
 *    | type | channel | size       | payload          | 0xCE |
 *    | u8   | u16     | u32        | size bytes       | u8   |
 *    +------+---------+------------+------------------+------+
 */
#ifndef SLUICE_PROTOCOLS_AMQP_FRAME_H
#define SLUICE_PROTOCOLS_AMQP_FRAME_H

#include "core/base/err.h"
#include "protocols/amqp/wire.h"

struct amqp_frame {
    uint8_t type; /* of enum amqp_frame_type */
    uint16_t channel;
    struct sl_bytes payload; /* borrowed from the input, dead once *used is consumed */
};

/* Reads one frame off the front of in.  A payload may be as long as frame_max, eight bytes more
 * than the rule says: clients get it wrong, and RabbitMQ is as lenient.
 *   SL_OK      frame and *used are set.
 *   SL_EAGAIN  less than one frame so far; nothing was touched.
 *   SL_EPROTO  not AMQP any more; *why is a literal fit for connection.close. */
SL_MUST_CHECK enum sl_err amqp_frame_decode(struct sl_bytes in, uint32_t frame_max,
                                            struct amqp_frame *frame, size_t *used,
                                            const char **why);

#endif
