/*
 * log.h - one line per event: time, level, event name, fields a machine can split.
 *
 *   2026-11-21T04:05:06.789Z info  connection.open peer=127.0.0.1:4711 protocol=amqp
 *
 * error: an operator must act.  warn: degraded, will matter.  info: life cycle, one line per
 * rare thing.  debug: per connection.  Nothing is logged per message.  Lines that a peer can
 * cause go through sl_log_peer, which lets a burst pass and then one line a second, with the
 * number of those left out.
 *
 * Leaf code returns errors, it does not log them; whoever handles the error logs it, once.
 * Thread: any.
 */
#ifndef SLUICE_CORE_BASE_LOG_H
#define SLUICE_CORE_BASE_LOG_H

#include "core/base/clock.h"
#include "core/base/err.h"

enum sl_log_level { SL_LOG_ERROR, SL_LOG_WARN, SL_LOG_INFO, SL_LOG_DEBUG };

void sl_log_set_level(enum sl_log_level level);
/* SL_ENOENT when name is none of error, warn, info, debug. */
SL_MUST_CHECK enum sl_err sl_log_level_parse(const char *name, enum sl_log_level *level);

/* Another clock than the system's, and a fresh allowance for peers' lines; tests. */
void sl_log_set_clock(const struct sl_clock *clock);

void sl_log_write(enum sl_log_level level, const char *event, const char *fields, ...)
    SL_PRINTF(3, 4);
void sl_log_peer(enum sl_log_level level, const char *event, const char *fields, ...)
    SL_PRINTF(3, 4);

#define sl_error(event, ...) sl_log_write(SL_LOG_ERROR, event, __VA_ARGS__)
#define sl_warn(event, ...) sl_log_write(SL_LOG_WARN, event, __VA_ARGS__)
#define sl_info(event, ...) sl_log_write(SL_LOG_INFO, event, __VA_ARGS__)
#define sl_debug(event, ...) sl_log_write(SL_LOG_DEBUG, event, __VA_ARGS__)

#endif
