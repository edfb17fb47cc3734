#include "tests/transcript/script.h"

#include "core/base/assert.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_DEPTH_MAX 8

struct source {      /* of the lines being read */
    char actor;      /* stands for @; 0: this is no part */
    uint32_t number; /* of the line that named the part */
    int depth;
};

static void read_file(struct script *s, const char *path, struct source source);
static void take_line(struct script *s, char *text, struct source source);
static void cast(char *text, char actor);
static void add_line(struct script *s, char *text, uint32_t number);
static void complain(struct script *s, const char *what, const char *about);

void script_read(struct script *s, const char *folder, const char *path)
{
    *s = (struct script){.folder = folder};
    read_file(s, path, (struct source){0});
}

void script_free(struct script *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        free(s->lines[i].text);
    free(s->lines);
    free(s->wrong);
    *s = (struct script){0};
}

static void read_file(struct script *s, const char *path, struct source source)
{
    FILE *file = fopen(path, "re");
    bool is_part = source.actor != 0;
    char *text = NULL;
    size_t room = 0;
    ssize_t len;

    if (file == NULL) {
        complain(s, strerror(errno), path);
        return;
    }
    while (s->wrong == NULL && (len = getline(&text, &room, file)) >= 0) {
        if (len > 0 && text[len - 1] == '\n')
            text[len - 1] = '\0';
        source.number += is_part ? 0 : 1;
        take_line(s, text, source);
    }
    free(text);
    fclose(file);
}

static void take_line(struct script *s, char *text, struct source source)
{
    char path[512];

    if (text[0] == '\0' || text[0] == '#')
        return;
    if (source.actor != 0)
        cast(text, source.actor);
    if (!isupper((unsigned char)text[0]) || text[1] != ':') {
        add_line(s, text, source.number);
        return;
    }
    if (source.depth == PART_DEPTH_MAX) {
        complain(s, "parts name each other", text);
        return;
    }
    snprintf(path, sizeof path, "%s/%s.part", s->folder, text + 2 + strspn(text + 2, " "));
    source.actor = text[0];
    source.depth++;
    read_file(s, path, source);
}

/* Who speaks, and names that are the actor's own. */
static void cast(char *text, char actor)
{
    if (text[0] == '@')
        text[0] = actor;
    while ((text = strstr(text, "{@")) != NULL)
        text[1] = actor;
}

static void add_line(struct script *s, char *text, uint32_t number)
{
    if (s->count == s->room) {
        s->room = s->room == 0 ? 256 : s->room * 2;
        s->lines = realloc(s->lines, s->room * sizeof *s->lines);
        SL_ASSERT(s->lines != NULL);
    }
    s->lines[s->count] = (struct line){strdup(text), number};
    SL_ASSERT(s->lines[s->count].text != NULL);
    s->count++;
}

static void complain(struct script *s, const char *what, const char *about)
{
    if (s->wrong == NULL && asprintf(&s->wrong, "%s: %s", about, what) < 0)
        abort();
}
