#include "core/id_keeping.h"

#include "core/base/assert.h"
#include "core/id_keeping_form.h"
#include "core/queue.h"

#include <stdlib.h>

#define FILE_BYTES (16ull * 1024 * 1024) /* then the next one is begun */
#define BLOCK_BYTES (256u * 1024)
#define ROW_ITEMS_MAX 1024u
#define EXPIRE_STEP 4096u /* at each checkpoint, of a queue that got nothing lately */
#define RENEW_BEHIND 2u   /* files: what is older is written again where ids leave in any order */

struct saving { /* rows of one queue */
    struct sl_buffer *rows;
    uint64_t queue;
    uint64_t source;
    size_t count_at; /* of the row that is being written; 0: none is */
    uint16_t count;
};

static uint64_t save_windows(struct dedup *d, uint64_t file, struct saving *saving);
static bool save_id(void *context, const struct remembered_id *id);
static struct sl_writer item(struct saving *s, enum id_row_kind kind, size_t bytes);
static void end_row(struct saving *s);
static void look_around(struct id_keeping *k);
static void note_name(void *context, const char *name);
static enum sl_err open_file(struct id_keeping *k);
static enum sl_err sync_file(struct id_keeping *k, bool *is_done);
static struct sl_bytes next_block(const struct sl_buffer *rows, size_t from);
static void drop_pending(struct id_keeping *k);
static void unneeded(struct id_keeping *k, uint64_t number);
static void *more_room(void *at, uint32_t *room, size_t size);

void id_keeping_init(struct id_keeping *k, const struct sl_file_ops *files, uint64_t start_number,
                     struct id_file_ref *refs, uint32_t count)
{
    *k = (struct id_keeping){.files = *files,
                             .start_number = start_number,
                             .refs = refs,
                             .refs_count = count,
                             .refs_room = count};
}

void id_keeping_deinit(struct id_keeping *k)
{
    id_file_close(&k->files, &k->file);
    while (k->pending_count > 0)
        drop_pending(k);
    free(k->pending);
    free(k->unneeded);
    free(k->refs);
}

uint64_t id_keeping_begin(struct id_keeping *k)
{
    if (k->next_number == 0)
        look_around(k);
    if (k->file.file != NULL && k->file.ref.length >= FILE_BYTES && k->pending_count == 0)
        id_file_close(&k->files, &k->file);
    return k->file.file != NULL ? k->file.ref.number : k->next_number;
}

uint64_t id_keeping_save(struct shard *s, struct queue *q, uint64_t time, uint64_t file,
                         struct sl_buffer *rows)
{
    uint64_t least = 0;

    for (struct dedup *d = q->dedup; d != NULL; d = d->next) {
        struct saving saving = {.rows = rows, .queue = q->ref.number, .source = d->source};
        dedup_expire(s, d, time, EXPIRE_STEP);
        uint64_t first = save_windows(d, file, &saving);
        if (first != 0 && (least == 0 || first < least))
            least = first;
    }
    return least;
}

void id_keeping_take(struct id_keeping *k, struct sl_buffer *rows)
{
    if (rows->len == 0)
        return;
    if (k->pending_count == k->pending_room)
        k->pending = more_room(k->pending, &k->pending_room, sizeof *k->pending);
    k->pending[k->pending_count++] = *rows;
    sl_buffer_init(rows, SIZE_MAX);
}

enum sl_err id_keeping_write(struct id_keeping *k, bool *is_done)
{
    *is_done = false;
    if (k->pending_count == 0)
        return sync_file(k, is_done);
    if (k->file.file == NULL)
        SL_TRY(open_file(k));
    struct sl_bytes block = next_block(&k->pending[0], k->pending_at);
    SL_TRY(id_file_append(&k->files, &k->file, block));
    k->refs[k->refs_count - 1].length = k->file.ref.length;
    k->is_written = true;
    k->pending_at += block.len;
    if (k->pending_at == k->pending[0].len)
        drop_pending(k);
    return SL_OK;
}

void id_keeping_names(struct id_keeping *k, uint64_t first, struct sl_buffer *section)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < k->refs_count; i++) {
        bool is_open = k->file.file != NULL && i + 1 == k->refs_count;
        if (is_open || (first != 0 && k->refs[i].number >= first))
            k->refs[kept++] = k->refs[i];
        else
            unneeded(k, k->refs[i].number);
    }
    k->refs_count = kept;
    if (kept == 0)
        return;
    size_t bytes = 4 + 16ull * kept;
    uint8_t *at = sl_buffer_reserve(section, bytes);
    SL_ASSERT(at != NULL);
    sl_buffer_grow(section, bytes);
    sl_store_u32(at, kept);
    for (uint32_t i = 0; i < kept; i++) {
        sl_store_u64(at + 4 + 16 * i, k->refs[i].number);
        sl_store_u64(at + 12 + 16 * i, k->refs[i].length);
    }
}

enum sl_err id_keeping_end(struct id_keeping *k)
{
    char name[ID_FILE_NAME_ROOM];

    while (k->unneeded_count > 0) {
        id_file_name(k->unneeded[k->unneeded_count - 1], name);
        enum sl_err err = k->files.remove(k->files.self, name);
        if (err != SL_OK && err != SL_ENOENT)
            return err;
        k->unneeded_count--;
    }
    return SL_OK;
}

static uint64_t save_windows(struct dedup *d, uint64_t file, struct saving *saving)
{
    bool is_in_any_order = d->rules.window_ms == ID_LASTS;

    for (uint32_t i = 0; i < d->gone_count; i++) {
        struct sl_writer w = item(saving, ID_ROW_GONE, ID_GONE_BYTES);
        sl_write_u64(&w, d->gone[i].v);
    }
    d->gone_count = 0;
    end_row(saving);
    id_window_each_above(&d->kept, (sl_seq){d->saved}, save_id, saving);
    if (is_in_any_order && file > RENEW_BEHIND)
        id_window_renew(&d->kept, file - RENEW_BEHIND, file, save_id, saving);
    end_row(saving);
    if (d->kept.newest > d->saved)
        d->saved = d->kept.newest;
    id_window_saved(&d->kept, file);
    return id_window_least_file(&d->kept);
}

static bool save_id(void *context, const struct remembered_id *id)
{
    struct sl_writer w = item(context, ID_ROW_IDS, ID_ITEM_BYTES);

    sl_write_u64(&w, id->id.high);
    sl_write_u64(&w, id->id.low);
    sl_write_u64(&w, id->seq.v);
    sl_write_u64(&w, id->time);
    sl_write_u32(&w, id->ttl);
    return true;
}

/* Room for the next item of the row, or of a new one. */
static struct sl_writer item(struct saving *s, enum id_row_kind kind, size_t bytes)
{
    size_t head = s->count_at == 0 ? ID_ROW_HEAD_BYTES : 0;
    uint8_t *at = sl_buffer_reserve(s->rows, head + bytes);

    SL_ASSERT(at != NULL); /* what it says is in memory */
    sl_buffer_grow(s->rows, head + bytes);
    if (head != 0) {
        at[0] = (uint8_t)kind;
        sl_store_u64(at + 1, s->queue);
        sl_store_u64(at + 9, s->source);
        s->count_at = s->rows->len - bytes - 2;
        s->count = 0;
    }
    s->count++;
    sl_store_u16(s->rows->at + s->count_at, s->count);
    if (s->count == ROW_ITEMS_MAX)
        end_row(s);
    return (struct sl_writer){at + head, at + head + bytes, false};
}

static void end_row(struct saving *s)
{
    s->count_at = 0;
}

/* The first number that no file has; those that the last checkpoint did not name are of tries that
 * came to nothing.  Where they cannot be listed they may be replaced; what it named may not. */
static void look_around(struct id_keeping *k)
{
    k->next_number = k->refs_count == 0 ? 1 : k->refs[k->refs_count - 1].number + 1;
    (void)k->files.list(k->files.self, note_name, k);
}

static void note_name(void *context, const char *name)
{
    struct id_keeping *k = context;
    uint64_t number;

    if (!id_file_parse_name(name, &number) || number == UINT64_MAX)
        return;
    if (number >= k->next_number)
        k->next_number = number + 1;
    for (uint32_t i = 0; i < k->refs_count; i++)
        if (k->refs[i].number == number)
            return;
    unneeded(k, number);
}

static enum sl_err open_file(struct id_keeping *k)
{
    SL_TRY(id_file_create(&k->files, k->start_number, k->next_number, &k->file));
    k->next_number++;
    if (k->refs_count == k->refs_room)
        k->refs = more_room(k->refs, &k->refs_room, sizeof *k->refs);
    k->refs[k->refs_count++] = k->file.ref;
    return SL_OK;
}

static enum sl_err sync_file(struct id_keeping *k, bool *is_done)
{
    if (k->is_written)
        SL_TRY(id_file_sync(&k->files, &k->file));
    k->is_written = false;
    *is_done = true;
    return SL_OK;
}

/* Whole rows, as many as fit. */
static struct sl_bytes next_block(const struct sl_buffer *rows, size_t from)
{
    size_t end = from;

    while (end < rows->len) {
        const uint8_t *row = rows->at + end;
        size_t bytes = ID_ROW_HEAD_BYTES +
                       sl_load_u16(row + 17) *
                           (row[0] == ID_ROW_IDS ? ID_ITEM_BYTES : ID_GONE_BYTES);
        if (end != from && end - from + bytes > BLOCK_BYTES)
            break;
        end += bytes;
    }
    return (struct sl_bytes){rows->at + from, end - from};
}

static void drop_pending(struct id_keeping *k)
{
    sl_buffer_deinit(&k->pending[0]);
    k->pending_count--;
    memmove(k->pending, k->pending + 1, k->pending_count * sizeof *k->pending);
    k->pending_at = 0;
}

static void unneeded(struct id_keeping *k, uint64_t number)
{
    if (k->unneeded_count == k->unneeded_room)
        k->unneeded = more_room(k->unneeded, &k->unneeded_room, sizeof *k->unneeded);
    k->unneeded[k->unneeded_count++] = number;
}

static void *more_room(void *at, uint32_t *room, size_t size)
{
    *room = *room == 0 ? 4 : *room * 2;
    at = realloc(at, *room * size);
    SL_ASSERT(at != NULL);
    return at;
}
