/*
 * table.h - an array of objects as aligned columns for people.
 */
#ifndef SLUICE_GATEWAY_CTL_TABLE_H
#define SLUICE_GATEWAY_CTL_TABLE_H

#include <jansson.h>
#include <stdio.h>

struct column {
    const char *title;
    const char *path; /* "name", "queue.name" */
};

#define TABLE_COLUMNS_MAX 20

/* Numbers stand on the right.  Control characters in names come out as '?'. */
void table_print(FILE *to, const json_t *rows, const struct column *columns, size_t count);

/* One line for a value: names, numbers, yes and no, small objects as JSON. */
void table_print_value(FILE *to, const json_t *value);

#endif
