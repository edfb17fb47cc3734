/* id_keeping_read.c - the part of id_keeping.h that reads. */
#include "core/base/log.h"
#include "core/id_keeping.h"
#include "core/id_keeping_form.h"

#include <stdlib.h>

static enum sl_err read_file(const struct sl_file_ops *files, uint64_t start_number,
                             struct id_file_ref ref, const struct id_visitor *v);
static enum sl_err on_block(void *context, struct sl_bytes block);
static enum sl_err read_row(struct sl_reader *r, const struct id_visitor *v);

/* The count is not believed: reading ends where the bytes do. */
enum sl_err id_keeping_read(const struct sl_file_ops *files, uint64_t start_number,
                            struct sl_bytes section, const struct id_visitor *v,
                            struct id_file_ref **refs, uint32_t *count)
{
    struct sl_reader r = sl_reader_of(section);
    uint32_t n = sl_read_u32(&r);
    uint64_t last = 0;

    *refs = NULL;
    *count = 0;
    if (r.is_short || sl_reader_left(&r) != 16ull * n)
        return SL_ECORRUPT;
    struct id_file_ref *all = malloc((n + 1ull) * sizeof *all);
    enum sl_err err = all == NULL ? SL_ENOMEM : SL_OK;
    for (uint32_t i = 0; i < n && err == SL_OK; i++) {
        all[i].number = sl_read_u64(&r);
        all[i].length = sl_read_u64(&r);
        err = all[i].number <= last ? SL_ECORRUPT : read_file(files, start_number, all[i], v);
        last = all[i].number;
    }
    if (err != SL_OK) {
        free(all);
        return err;
    }
    *refs = all;
    *count = n;
    return SL_OK;
}

static enum sl_err read_file(const struct sl_file_ops *files, uint64_t start_number,
                             struct id_file_ref ref, const struct id_visitor *v)
{
    char name[ID_FILE_NAME_ROOM];
    uint64_t at = 0;
    enum sl_err err = id_file_read(files, start_number, ref, on_block, (void *)(uintptr_t)v, &at);

    if (err == SL_OK)
        return v->file(v->context, ref.number);
    if (err != SL_ENOENT && err != SL_ECORRUPT)
        return err;
    id_file_name(ref.number, name);
    sl_error("recovery.ids", "file=%s offset=%llu reason=\"%s\"", name, (unsigned long long)at,
             err == SL_ENOENT
                 ? "it is missing, and the checkpoint needs it: put it, or the whole directory, "
                   "back from a copy; nothing was changed"
                 : "it is damaged: put it, or the whole directory, back from a copy; nothing was "
                   "changed");
    return SL_ECORRUPT;
}

static enum sl_err on_block(void *context, struct sl_bytes block)
{
    struct sl_reader r = sl_reader_of(block);

    while (sl_reader_left(&r) > 0)
        SL_TRY(read_row(&r, context));
    return SL_OK;
}

static enum sl_err read_row(struct sl_reader *r, const struct id_visitor *v)
{
    uint8_t kind = sl_read_u8(r);
    uint64_t queue = sl_read_u64(r);
    uint64_t source = sl_read_u64(r);
    uint16_t count = sl_read_u16(r);
    struct remembered_id id;

    if (r->is_short || queue == 0 || (kind != ID_ROW_IDS && kind != ID_ROW_GONE))
        return SL_ECORRUPT;
    for (uint16_t i = 0; i < count; i++) {
        if (kind == ID_ROW_GONE) {
            sl_seq seq = {sl_read_u64(r)};
            if (r->is_short)
                return SL_ECORRUPT;
            SL_TRY(v->gone(v->context, queue, seq));
            continue;
        }
        id.id = (struct message_id){.high = sl_read_u64(r)};
        id.id.low = sl_read_u64(r);
        id.seq.v = sl_read_u64(r);
        id.time = sl_read_u64(r);
        id.ttl = sl_read_u32(r);
        if (r->is_short || id.seq.v == 0 || id.ttl == 0)
            return SL_ECORRUPT;
        SL_TRY(v->id(v->context, queue, source, &id));
    }
    return SL_OK;
}
