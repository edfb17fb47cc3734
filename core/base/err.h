/*
 * err.h - the one error enum, ordered by who must react.
 *
 * A value names the reaction, not the place.  Callers test the class (SL_ERR_CLASS); only logs
 * and the front ends' reply tables care for the member.  New members go at the end of their
 * class; a class never moves.
 */
#ifndef SLUICE_CORE_BASE_ERR_H
#define SLUICE_CORE_BASE_ERR_H

enum sl_err {
    SL_OK = 0,

    SL_EAGAIN = 0x100, /* wait: nothing is wrong, come back with more bytes or room */

    SL_EPROTO = 0x200, /* peer: it broke the protocol; answer, then close */
    SL_ETOOBIG,        /* peer: a bound of this broker was passed */
    SL_ESYNTAX,        /* peer: a value that cannot be read */

    SL_EDENIED = 0x300, /* refused: well formed, but policy says no */
    SL_ENOENT,          /* refused: there is no such thing */
    SL_ELOCKED,         /* refused: it belongs to another connection */
    SL_EPRECOND,        /* refused: state or arguments do not fit */
    SL_EFULL,           /* refused: a queue's or the broker's own limit */
    SL_ENOTALLOWED,     /* refused: never allowed here */
    SL_ENOTIMPL,        /* refused: a named feature that is not there */

    SL_EIO = 0x400, /* medium: disk, network or memory failed us */
    SL_ECORRUPT,
    SL_ENOMEM,
};

#define SL_ERR_CLASS(err) ((err) & ~0xff)
#define SL_MUST_CHECK __attribute__((warn_unused_result))
#define SL_PRINTF(at, first) __attribute__((format(printf, at, first)))

/* The only macro in the tree that hides a return.  Use it while the function owns nothing;
 * once it owns something, write `goto out` so that the release is visible. */
#define SL_TRY(call)                                                                               \
    do {                                                                                           \
        enum sl_err sl_try_ = (call);                                                              \
        if (sl_try_ != SL_OK)                                                                      \
            return sl_try_;                                                                        \
    } while (0)

#endif
