/*
 * play.h - one scenario of a transcript, acted out against the front ends.
 */
#ifndef SLUICE_TESTS_TRANSCRIPT_PLAY_H
#define SLUICE_TESTS_TRANSCRIPT_PLAY_H

#include "tests/transcript/script.h"

#include <stdio.h>

enum cutting { CUT_NOWHERE, CUT_EVERYWHERE, CUT_AT_RANDOM };

struct manner { /* how what the clients send arrives */
    enum cutting cutting;
    uint64_t seed; /* of CUT_AT_RANDOM */
};

/* Plays lines up to (not with) end.  False: it went otherwise, and report says where and how. */
bool play_scenario(const struct line *lines, const struct line *end, struct manner manner,
                   FILE *report);

#endif
