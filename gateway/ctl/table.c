#include "gateway/ctl/table.h"

#include "core/base/assert.h"
#include "core/base/text.h"
#include "gateway/admin/columns.h"

#include <stdlib.h>

#define CELL_BYTES_MAX 1024u

static void format(const json_t *value, char room[CELL_BYTES_MAX]);
static void format_list(const json_t *list, struct text *to);
static size_t width_of(const char *text);
static void print_cell(FILE *to, const char *text, size_t width, bool is_right, bool is_last);

void table_print(FILE *to, const json_t *rows, const struct column *columns, size_t count)
{
    size_t widths[TABLE_COLUMNS_MAX];
    char cell[CELL_BYTES_MAX];
    json_t *row;
    size_t at;

    SL_ASSERT(count <= TABLE_COLUMNS_MAX);
    for (size_t i = 0; i < count; i++)
        widths[i] = strlen(columns[i].title);
    json_array_foreach(rows, at, row)
    {
        for (size_t i = 0; i < count; i++) {
            format(columns_find(row, sl_bytes_of(columns[i].path)), cell);
            widths[i] = width_of(cell) > widths[i] ? width_of(cell) : widths[i];
        }
    }
    for (size_t i = 0; i < count; i++)
        print_cell(to, columns[i].title, widths[i], false, i + 1 == count);
    json_array_foreach(rows, at, row)
    {
        for (size_t i = 0; i < count; i++) {
            json_t *value = columns_find(row, sl_bytes_of(columns[i].path));
            format(value, cell);
            print_cell(to, cell, widths[i], json_is_number(value), i + 1 == count);
        }
    }
}

void table_print_value(FILE *to, const json_t *value)
{
    char cell[CELL_BYTES_MAX];

    format(value, cell);
    fputs(cell, to);
}

static void format(const json_t *value, char room[CELL_BYTES_MAX])
{
    struct text text = text_on(room, CELL_BYTES_MAX);
    char *json = NULL;

    if (json_is_string(value))
        text_add_bytes(&text, (struct sl_bytes){(const uint8_t *)json_string_value(value),
                                                json_string_length(value)});
    else if (json_is_boolean(value))
        text_add(&text, "%s", json_is_true(value) ? "yes" : "no");
    else if (json_is_integer(value))
        text_add(&text, "%lld", (long long)json_integer_value(value));
    else if (json_is_array(value))
        format_list(value, &text);
    else if (json_object_size(value) != 0)
        json = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (json != NULL)
        text_add_bytes(&text, sl_bytes_of(json));
    free(json);
}

/* Tags: "monitoring, management". */
static void format_list(const json_t *list, struct text *to)
{
    json_t *value;
    size_t at;

    json_array_foreach(list, at, value)
    {
        char room[CELL_BYTES_MAX];

        format(value, room);
        text_add(to, at == 0 ? "%s" : ", %s", room);
    }
}

/* In characters, which is not always columns of a terminal, but mostly. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += (*text & 0xc0) != 0x80;
    return width;
}

static void print_cell(FILE *to, const char *text, size_t width, bool is_right, bool is_last)
{
    int fill = (int)(width - width_of(text));

    if (is_right)
        fprintf(to, "%*s", fill, "");
    fputs(text, to);
    if (!is_right && !is_last)
        fprintf(to, "%*s", fill, "");
    fputs(is_last ? "\n" : "  ", to);
}
