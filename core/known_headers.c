#include "core/known_headers.h"

#define NAME_BYTES_MIN 2 /* of the names below */
#define NAME_BYTES_MAX 22

static const struct {
    const char *name;
    uint8_t mark;
} KNOWN[KNOWN_HEADERS_COUNT] = {
    [KNOWN_DEDUPLICATION_HEADER] = {"x-deduplication-header", MARK_DEDUP},
    [KNOWN_DUPL_ID] = {"_AMQ_DUPL_ID", MARK_DEDUP},
    [KNOWN_DEDUP_ID] = {"dedup-id", MARK_DEDUP},
    [KNOWN_CACHE_TTL] = {"x-cache-ttl", 0},
    [KNOWN_JMS_GROUP] = {"JMSXGroupID", MARK_GROUP},
    [KNOWN_GROUP] = {"x-group-id", MARK_GROUP},
    [KNOWN_PREPARE] = {"x-prepare", MARK_PREPARE},
    [KNOWN_PREPARE_TIMEOUT] = {"x-prepare-timeout", 0},
    [KNOWN_PREPARE_CHECK] = {"x-prepare-check", 0},
    [KNOWN_OUTCOME] = {"outcome", 0},
    [KNOWN_PREPARED_USER] = {"prepared-user", 0},
    [KNOWN_CC] = {"CC", MARK_COPIES},
    [KNOWN_BCC] = {"BCC", MARK_COPIES},
    [KNOWN_DELAY] = {"x-delay", MARK_DELAY},
};

static int find(struct sl_bytes name);

uint8_t known_headers_look(struct sl_bytes properties)
{
    struct sl_bytes headers;
    struct table_field field;
    uint8_t marks = 0;

    if (!properties_headers(properties, &headers))
        return 0;
    struct sl_reader r = table_fields(headers);
    while (table_next(&r, &field)) {
        int which = find(field.name);
        if (which >= 0)
            marks |= KNOWN[which].mark;
    }
    return marks;
}

void known_headers_read(struct sl_bytes properties, struct known_headers *out)
{
    struct sl_bytes headers;
    struct table_field field;

    out->present = 0;
    if (!properties_headers(properties, &headers))
        return;
    struct sl_reader r = table_fields(headers);
    while (table_next(&r, &field)) {
        int which = find(field.name);
        if (which < 0 || (out->present & 1u << which) != 0)
            continue;
        out->present |= 1u << which;
        out->value[which] = field.value;
    }
}

/* Most headers of the world begin otherwise, or have another length: these two are looked at
 * before any name is compared. */
static int find(struct sl_bytes name)
{
    if (name.len < NAME_BYTES_MIN || name.len > NAME_BYTES_MAX ||
        strchr("x_dJopCB", name.at[0]) == NULL || name.at[0] == 0)
        return -1;
    for (int i = 0; i < KNOWN_HEADERS_COUNT; i++)
        if (KNOWN[i].name[0] == (char)name.at[0] && sl_bytes_are(name, KNOWN[i].name))
            return i;
    return -1;
}
