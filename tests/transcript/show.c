#include "tests/transcript/show.h"

#include "core/table.h"
#include "tests/transcript/amqp_methods.h"

#include <inttypes.h>

#define HEX_MAX 64u

static bool show_frame(FILE *to, struct sl_reader *r);
static void show_method(FILE *to, struct sl_reader payload);
static const struct method_form *find_form(uint32_t id);
static void show_header(FILE *to, struct sl_reader payload);
static void show_argument(FILE *to, const char *name, size_t name_len, char type,
                          struct sl_reader *r);
static void show_number(FILE *to, const char *name, size_t name_len, uint64_t value);
static void show_text(FILE *to, struct sl_bytes text);
static void show_char(FILE *to, uint8_t c);
static void show_table(FILE *to, struct sl_bytes table);
static void show_value(FILE *to, struct table_value value);
static void show_hex(FILE *to, struct sl_bytes bytes);

void show_amqp(FILE *to, const char *prefix, struct sl_bytes bytes)
{
    struct sl_reader r = sl_reader_of(bytes);

    while (sl_reader_left(&r) != 0) {
        struct sl_reader before = r;

        fputs(prefix, to);
        if (!show_frame(to, &r)) {
            show_hex(to, (struct sl_bytes){before.pos, sl_reader_left(&before)});
            fputc('\n', to);
            return;
        }
        fputc('\n', to);
    }
}

void show_stomp(FILE *to, const char *prefix, struct sl_bytes bytes)
{
    bool is_new_line = true;

    for (size_t i = 0; i < bytes.len; i++) {
        if (is_new_line)
            fputs(prefix, to);
        is_new_line = bytes.at[i] == '\n';
        if (is_new_line)
            fputc('\n', to);
        else
            show_char(to, bytes.at[i]);
    }
    if (!is_new_line)
        fputs("^-\n", to);
}

static bool show_frame(FILE *to, struct sl_reader *r)
{
    uint8_t type = sl_read_u8(r);
    uint16_t channel = sl_read_u16(r);
    struct sl_bytes payload = sl_read_long_string(r);

    if (sl_read_u8(r) != 0xCE || r->is_short)
        return false;
    fprintf(to, "%u ", channel);
    switch (type) {
    case 1: show_method(to, sl_reader_of(payload)); return true;
    case 2: show_header(to, sl_reader_of(payload)); return true;
    case 3:
        fputs("body ", to);
        show_text(to, payload);
        return true;
    case 8: fputs("heartbeat", to); return true;
    default: return false;
    }
}

static void show_method(FILE *to, struct sl_reader payload)
{
    const struct method_form *form = find_form(sl_read_u32(&payload));
    unsigned bits = 0;
    uint8_t octet = 0;

    fputs(form == NULL ? "method ?" : form->name, to);
    for (const char *at = form == NULL ? "" : form->arguments; *at != '\0'; at++) {
        size_t len = strcspn(at, ":");
        char type = at[len + 1];

        if (type != 'b') {
            show_argument(to, at, len, type, &payload);
            bits = 0;
        } else {
            octet = bits++ == 0 ? sl_read_u8(&payload) : (uint8_t)(octet >> 1);
            if ((octet & 1) != 0)
                fprintf(to, " %.*s", (int)len, at);
        }
        at += len + (at[len + 2] == ' ' ? 2 : 1);
    }
    if (payload.is_short || sl_reader_left(&payload) != 0)
        fputs(" ?", to);
}

static const struct method_form *find_form(uint32_t id)
{
    for (const struct method_form *form = METHOD_FORMS; form->name != NULL; form++) {
        if (form->class_id == id >> 16 && form->method_id == (id & 0xffff))
            return form;
    }
    return NULL;
}

static void show_header(FILE *to, struct sl_reader payload)
{
    uint16_t class_id = sl_read_u16(&payload);
    uint16_t weight = sl_read_u16(&payload);

    fputs("header", to);
    if (class_id != 60)
        show_number(to, "class", 5, class_id);
    show_number(to, "weight", 6, weight);
    show_number(to, "size", 4, sl_read_u64(&payload));
    uint16_t flags = sl_read_u16(&payload);
    for (unsigned i = 0; i < PROPERTIES_COUNT; i++) {
        size_t len = strcspn(PROPERTY_FORMS[i], ":");

        if ((flags & 1u << (15 - i)) != 0)
            show_argument(to, PROPERTY_FORMS[i], len, PROPERTY_FORMS[i][len + 1], &payload);
    }
}

/* Arguments that are nothing are left out, as a transcript would. */
static void show_argument(FILE *to, const char *name, size_t name_len, char type,
                          struct sl_reader *r)
{
    struct sl_bytes text;

    switch (type) {
    case 'o': show_number(to, name, name_len, sl_read_u8(r)); return;
    case 'h': show_number(to, name, name_len, sl_read_u16(r)); return;
    case 'l': show_number(to, name, name_len, sl_read_u32(r)); return;
    case 'q': show_number(to, name, name_len, sl_read_u64(r)); return;
    default: break;
    }
    text = type == 's' ? sl_read_short_string(r) : sl_read_long_string(r);
    if (text.len == 0)
        return;
    fprintf(to, " %.*s=", (int)name_len, name);
    if (type == 'T')
        show_table(to, (struct sl_bytes){text.at - 4, text.len + 4});
    else
        show_text(to, text);
}

static void show_number(FILE *to, const char *name, size_t name_len, uint64_t value)
{
    if (value != 0)
        fprintf(to, " %.*s=%" PRIu64, (int)name_len, name, value);
}

static void show_text(FILE *to, struct sl_bytes text)
{
    fputc('"', to);
    for (size_t i = 0; i < text.len; i++)
        show_char(to, text.at[i]);
    fputc('"', to);
}

static void show_char(FILE *to, uint8_t c)
{
    if (c == 0)
        fputs("^@", to);
    else if (c == '^' || c == '"')
        fprintf(to, c == '^' ? "^^" : "^\"");
    else if (c < 32 || c > 126)
        fprintf(to, "^x%02x", c);
    else
        fputc(c, to);
}

static void show_table(FILE *to, struct sl_bytes table)
{
    struct table_field field;
    const char *why;
    size_t used;

    if (table_check(table, &used, &why) != SL_OK) {
        fprintf(to, "{%s: ", why);
        show_hex(to, table);
        fputc('}', to);
        return;
    }
    struct sl_reader r = table_fields(table);
    fputc('{', to);
    for (const char *before = ""; table_next(&r, &field); before = " ") {
        fprintf(to, "%s%.*s=", before, (int)field.name.len, (const char *)field.name.at);
        show_value(to, field.value);
    }
    fputc('}', to);
}

static void show_value(FILE *to, struct table_value value)
{
    struct sl_reader r = table_elements(value);
    struct table_value element;
    int64_t n;

    fputc(value.type, to);
    if (value.type == TABLE_STRING || value.type == TABLE_BYTES) {
        show_text(to, value.bytes);
    } else if (value.type == TABLE_TABLE) {
        show_table(to, (struct sl_bytes){value.bytes.at - 4, value.bytes.len + 4});
    } else if (value.type == TABLE_ARRAY) {
        fputc('[', to);
        for (const char *before = ""; table_next_element(&r, &element); before = " ") {
            fputs(before, to);
            show_value(to, element);
        }
        fputc(']', to);
    } else if (table_value_integer(value, &n)) {
        fprintf(to, ":%" PRId64, n);
    } else if (value.bytes.len != 0) {
        fputc(':', to);
        show_hex(to, value.bytes);
    }
}

static void show_hex(FILE *to, struct sl_bytes bytes)
{
    fputs("hex", to);
    for (size_t i = 0; i < bytes.len && i < HEX_MAX; i++)
        fprintf(to, " %02x", bytes.at[i]);
    if (bytes.len > HEX_MAX)
        fprintf(to, " ... %zu octets", bytes.len);
}
