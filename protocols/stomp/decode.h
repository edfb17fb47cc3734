/*
 * decode.h - bytes to the head of a frame: command line and header lines.
 *
 *    COMMAND EOL
 *    name:value EOL       any number of these
 *    EOL
 *    body NUL             not read here
 *
 * EOL is LF or CR LF in every version.  Everything decoded is borrowed from the input and the
 * arena.  The decoder is pure: it answers whole, not yet, or wrong.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_DECODE_H
#define SLUICE_PROTOCOLS_STOMP_DECODE_H

#include "protocols/stomp/command.h"
#include "protocols/stomp/headers.h"

enum stomp_version { STOMP_1_0, STOMP_1_1, STOMP_1_2 };

struct stomp_frame {
    enum stomp_command command;
    struct sl_bytes name; /* of the command, as it came */
    struct stomp_headers headers;
    struct sl_bytes receipt; /* of the header receipt, as it came, escapes and all: it goes back
                                as it came; at is NULL when there is none */
    struct sl_bytes lines;   /* all lines as they came, without the empty one */
};

/* Reads one head off the front of in.
 *   SL_OK      frame and *used (with the empty line) are set.
 *   SL_EAGAIN  less than one head so far.
 *   SL_EPROTO, SL_ETOOBIG, SL_ENOMEM  not to be read; *why is a literal.
 * A head is at most head_bytes_max long.  The values of CONNECT are not unescaped, as the
 * specification says; 1.0 has no escapes, so what is none there stands for itself. */
SL_MUST_CHECK enum sl_err stomp_decode(struct sl_bytes in, enum stomp_version version,
                                       size_t head_bytes_max, struct arena *arena,
                                       struct stomp_frame *frame, size_t *used, const char **why);

/* Reads a line without its EOL; false, with nothing read, when the input has no LF. */
bool stomp_read_line(struct sl_reader *r, struct sl_bytes *line);

/* Skips heart-beats and stray NULs in front of a frame. */
void stomp_skip_between(struct sl_reader *r);

/* Where an unread frame was last looked through in vain, so that bytes that come one at a time
 * are not read from the start each time.  Zeroed: nothing is known. */
struct stomp_search {
    size_t scanned;  /* bytes of the input without the end that is looked for */
    bool is_for_nul; /* else for the empty line */
};

/* May the frame at the front of in be whole by now? */
bool stomp_search_found(struct stomp_search *search, struct sl_bytes in);

#endif
