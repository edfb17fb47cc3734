/*
 * pattern.h - bytes as a transcript writes them: text with escapes, and holes for what the
 * server made up.
 *
 *   ^@ ^J ^M ^I     NUL, LF, CR, TAB             ^xHH       the octet HH
 *   ^^ ^"           ^ and "                      ^(N*text)  text, N times over
 *   {name}          22 characters of base64url, as in all names that the server makes: bound
 *                   where first heard, and the same from then on
 */
#ifndef SLUICE_TESTS_TRANSCRIPT_PATTERN_H
#define SLUICE_TESTS_TRANSCRIPT_PATTERN_H

#include "core/base/buffer.h"
#include "core/base/random.h"

#define NAMES_MAX 64
#define HOLES_MAX 64
#define NAME_CHARS_MAX 15

struct names { /* what placeholders stand for so far */
    struct {
        char name[NAME_CHARS_MAX + 1];
        char value[SL_RANDOM_NAME_CHARS + 1];
    } items[NAMES_MAX];
    uint32_t count;
};

struct hole {
    size_t at;
    char name[NAME_CHARS_MAX + 1];
};

struct byte_pattern {
    struct sl_buffer bytes;
    struct hole holes[HOLES_MAX];
    uint32_t holes_count;
    const struct names *names; /* known when it was written */
    const char *wrong;         /* what is wrong with the notation; sticky */
};

void pattern_init(struct byte_pattern *p, const struct names *names);
void byte_pattern_deinit(struct byte_pattern *p);
void pattern_clear(struct byte_pattern *p);

void pattern_add(struct byte_pattern *p, struct sl_bytes bytes);
void pattern_add_number(struct byte_pattern *p, uint64_t value, unsigned octets); /* big endian */
void pattern_set_number(struct byte_pattern *p, size_t at, uint64_t value, unsigned octets);
/* Reads escaped text up to one of the characters of stop, or the end; *at is left there. */
void pattern_add_text(struct byte_pattern *p, const char **at, const char *stop);
/* One line of text and its LF; a line that ends in ^- has none. */
void pattern_add_line(struct byte_pattern *p, const char *text);

/* Is this what was heard?  Binds names. */
bool pattern_match(const struct byte_pattern *p, struct sl_bytes heard, struct names *names);

#endif
