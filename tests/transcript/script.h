/*
 * script.h - transcript files as lines, parts put in their place.
 *
 * tests/transcript/README.md says what may stand in them.
 */
#ifndef SLUICE_TESTS_TRANSCRIPT_SCRIPT_H
#define SLUICE_TESTS_TRANSCRIPT_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

struct line {
    char *text;
    uint32_t number; /* in the transcript; of the line that names it for a line of a part */
};

struct script {
    struct line *lines;
    uint32_t count;
    uint32_t room;
    const char *folder; /* where parts are looked for */
    char *wrong;        /* what is wrong with the file, or NULL */
};

/* Reads a file.  Blank lines and comments are left out, and "A: PART" is replaced by the lines
 * of folder/PART.part with A for every @ that begins one or stands in {@...}. */
void script_read(struct script *s, const char *folder, const char *path);
void script_free(struct script *s);

#endif
