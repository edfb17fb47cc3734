#include "core/store/log_seal.h"

#include "core/base/crc32c.h"

static const uint8_t ZEROS[8];

static void seal_batch(struct sealing *s, const struct log_piece *piece);
static uint32_t seal_record(struct sealing *s, uint8_t *at, uint32_t room,
                            const struct log_piece *piece);
static uint32_t begin_group(struct sealing *s, uint8_t *at, uint32_t length);
static void end_whole_group(struct sealing *s);
static uint32_t sum_record(uint32_t sum, const uint8_t *at, uint32_t len, bool has_lent,
                           const struct log_piece *piece);

void log_seal_piece(struct sealing *s, struct log_piece *piece)
{
    if (piece->begins_run)
        s->base = piece->base;
    if (piece->begins_batch)
        seal_batch(s, piece);
    for (uint32_t done = 0; done < piece->used;)
        done += seal_record(s, piece->at + done, piece->used - done, piece);
}

static void seal_batch(struct sealing *s, const struct log_piece *piece)
{
    struct commit_log *log = s->log;

    log->recorded = commit_log_durable(log).v;
    record_write_batch(piece->at - RECORD_BATCH_BYTES, piece->base,
                       (struct record_batch){{log->recorded}, piece->time}, log->start_number,
                       (sl_lsn){s->at});
    s->at += RECORD_BATCH_BYTES;
}

/* Returns how much of the piece's bytes it was. */
static uint32_t seal_record(struct sealing *s, uint8_t *at, uint32_t room,
                            const struct log_piece *piece)
{
    struct record_header h;

    memcpy(&h, at, sizeof h);
    if (h.crc32c == LOG_SEQUENCE_RELATIVE)
        h.sequence += s->base;
    h.crc32c = 0;
    memcpy(at, &h, sizeof h);

    if (h.kind == RECORD_GROUP)
        return begin_group(s, at, h.length);

    bool has_lent = h.length > room; /* then it is the piece's last record */
    uint32_t here = has_lent ? room : h.length;
    uint32_t seed = record_checksum_seed(s->log->start_number, (sl_lsn){s->at});
    h.crc32c = sum_record(seed, at + 4, here - 4, has_lent, piece);
    memcpy(at, &h.crc32c, sizeof h.crc32c);
    if (s->group != NULL) { /* its checksum covers the records as they lie there */
        s->group_sum = sum_record(s->group_sum, at, here, has_lent, piece);
        s->group_left -= h.length;
        end_whole_group(s);
    }
    s->at += h.length;
    return here;
}

/* Only its header; what is inside comes as records, in this piece and the next ones. */
static uint32_t begin_group(struct sealing *s, uint8_t *at, uint32_t length)
{
    uint32_t seed = record_checksum_seed(s->log->start_number, (sl_lsn){s->at});

    s->group = at;
    s->group_left = length - RECORD_HEADER_BYTES;
    s->group_sum = crc32c(seed, at + 4, RECORD_HEADER_BYTES - 4);
    s->at += RECORD_HEADER_BYTES;
    end_whole_group(s);
    return RECORD_HEADER_BYTES;
}

static void end_whole_group(struct sealing *s)
{
    if (s->group_left != 0)
        return;
    memcpy(s->group, &s->group_sum, sizeof s->group_sum);
    s->group = NULL;
}

static uint32_t sum_record(uint32_t sum, const uint8_t *at, uint32_t len, bool has_lent,
                           const struct log_piece *piece)
{
    sum = crc32c(sum, at, len);
    if (!has_lent)
        return sum;
    sum = crc32c(sum, piece->lent.at, piece->lent.len);
    return crc32c(sum, ZEROS, piece->lent_padding);
}
